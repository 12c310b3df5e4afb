"""In the smallest window that is promised, every part of every page has the room that it needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication, QSizePolicy, QStackedWidget, QWidget
from pytestqt.qtbot import QtBot

from ddpm_studio.gui import app, workers
from ddpm_studio.gui.main_window import MainWindow
from ddpm_studio.gui.pages.blend import FILM, BlendPage
from ddpm_studio.gui.pages.gallery import GalleryPage
from ddpm_studio.gui.pages.generate import GeneratePage
from ddpm_studio.gui.pages.inside import NETWORK, InsidePage
from ddpm_studio.gui.pages.runs import COMPARED, RunsPage

from .fakes import FakeJobs, make_runs, read

SMALL = 960, 640


@pytest.fixture(params=["en", "zh_CN"])
def window(request: pytest.FixtureRequest, qtbot: QtBot) -> Iterator[MainWindow]:
    program = QApplication.instance()
    assert isinstance(program, QApplication)
    make_runs(3)
    _, made = app.create(jobs=FakeJobs())
    app.choose_language(program, request.param)
    window = MainWindow(FakeJobs())
    window.resize(*SMALL)
    window.show()
    idle(qtbot, window)
    yield window
    window.studio.shut_down()
    idle(qtbot, window)
    for each in (window, made):
        each.close()
        each.deleteLater()
    app.choose_language(program, "en")


def idle(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.waitUntil(lambda: not workers.running_threads() and not window.studio.busy, timeout=20_000)
    QApplication.processEvents()


def needed(part: QWidget) -> int:
    """The width below which something of it is cut off. What elides its text needs none."""
    if part.sizePolicy().horizontalPolicy() == QSizePolicy.Policy.Ignored:
        return part.minimumWidth()
    return min(part.minimumWidth() or part.minimumSizeHint().width(), part.maximumWidth())


def squeezed(window: QWidget) -> list[str]:
    """What is narrower than it must be, or reaches beyond what it is a part of."""
    found = []
    for part in window.findChildren(QWidget):
        whole = part.parentWidget()
        if not part.isVisible() or part.isWindow() or part.objectName().startswith("qt_") or whole is None or whole.objectName().startswith("qt_"):
            continue
        if part.layout() is None and part.width() < needed(part) and not isinstance(part, QStackedWidget):
            found.append(f"{name(part)}: {part.width()} < {needed(part)}")
        if part.geometry().right() >= whole.width():
            found.append(f"{name(part)} in {name(whole)}: {part.geometry().right()} >= {whole.width()}")
    return found


def name(part: QWidget) -> str:
    return part.objectName() or f"{type(part).__name__} {part.property('text') or ''}".strip()


def test_nothing_is_cut_off(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    found: dict[str, list[str]] = {}

    def look(state: str) -> None:
        idle(qtbot, window)
        assert (window.width(), window.height()) == SMALL, state
        if parts := squeezed(window):
            found[state] = parts

    generate, blend, gallery, runs, inside = (window.pages[name] for name in ("Generate", "Blend", "Gallery", "Runs", "Inside"))
    look("welcome")
    window.opening.open_data(tmp_path)
    look("train")
    assert isinstance(generate, GeneratePage)
    window.show_page("Generate")
    generate.start()
    look("generate")
    generate.stage.filmstrip.slider.setValue(3)
    generate.stage.again_from.click()
    generate.offer.offer(generate.files[0])
    look("generate from a frame")
    strip, slider = generate.stage.filmstrip.strip, generate.stage.filmstrip.slider
    assert strip.geometry().bottom() < slider.geometry().top()
    assert isinstance(blend, BlendPage)
    window.show_page("Blend")
    look("blend")
    blend.make_sheet()
    look("sheet")
    blend.show_view(FILM)
    look("no film")
    blend.make_film()
    look("film")
    blend.show_view(0)
    while len(blend.wells.weights) < 6:
        blend.wells.add()
        look(f"blend of {len(blend.wells.weights)}")
        assert all(blend.wells.places[letter].slider.width() >= 80 for letter in blend.wells.letters)
    assert isinstance(gallery, GalleryPage)
    window.show_page("Gallery")
    idle(qtbot, window)
    gallery.view.setCurrentIndex(gallery.model.index(0))
    look("gallery")
    gallery.question.ask_about(gallery.chosen)
    look("gallery with its question")
    assert isinstance(runs, RunsPage)
    window.show_page("Runs")
    look("runs")
    runs.compare.set_runs(read("faces-tiny-32-1"), read("faces-tiny-32-2", 1e-3))
    runs.stack.setCurrentIndex(COMPARED)
    look("runs compared")
    assert isinstance(inside, InsidePage)
    window.show_page("Inside")
    look("inside")
    inside.view.choose(NETWORK)
    inside._show_view()
    look("network")
    assert found == {}
