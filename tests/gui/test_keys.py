"""What the keyboard does everywhere in the window: Enter presses, Escape means no, and the ring is seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QAbstractScrollArea, QWidget
from pytestqt.qtbot import QtBot

from ddpm_studio import gallery
from ddpm_studio.gui import theme, workers
from ddpm_studio.gui.main_window import MainWindow
from ddpm_studio.gui.pages.blend import BlendPage
from ddpm_studio.gui.pages.gallery import GalleryPage
from ddpm_studio.gui.pages.generate import GeneratePage
from ddpm_studio.gui.pages.picture_source import PickGrid
from ddpm_studio.gui.pages.runs import RunsPage
from ddpm_studio.gui.presenters import State
from ddpm_studio.gui.trash import Trash
from ddpm_studio.requests import SampleRequest, recipe
from ddpm_studio.runs import lock_run

from .fakes import FakeJobs, make_runs, tiles
from .windows import Open


@pytest.fixture
def window(qtbot: QtBot, open_window: Open) -> MainWindow:
    window = open_window()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    return window


def find(window: MainWindow, name: str) -> QWidget:
    found = window.findChild(QWidget, name)
    assert found is not None, name
    return found


def press(qtbot: QtBot, widget: QWidget, key: Qt.Key = Qt.Key.Key_Return) -> None:
    widget.setFocus(Qt.FocusReason.TabFocusReason)
    assert widget.hasFocus(), widget.objectName()
    qtbot.keyClick(widget, key)


# Enter.


def test_enter_on_a_button_in_the_drop_zone_presses_that_button(qtbot: QtBot, window: MainWindow) -> None:
    zone = window.train_page.dataset.zone
    with qtbot.waitSignal(zone.samples_wanted), qtbot.assertNotEmitted(zone.browse_wanted):
        press(qtbot, zone.samples_button)
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=10_000)


@pytest.mark.parametrize("name", ["runsDoor", "themeButton", "trainView0"])
@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Enter])
def test_enter_presses_the_button_that_has_the_focus(qtbot: QtBot, window: MainWindow, name: str, key: Qt.Key) -> None:
    if name == "runsDoor":
        window.show_page("Runs")
        qtbot.waitUntil(lambda: not workers.running_threads(), timeout=10_000)
    if name == "trainView0":
        window.train_page.head.show()
    part = find(window, name)
    assert isinstance(part, QAbstractButton)
    with qtbot.waitSignal(part.clicked):
        press(qtbot, part, key)


# Escape.


@pytest.mark.parametrize("banner", [False, True])
def test_escape_cancels_what_is_being_generated(qtbot: QtBot, open_window: Open, banner: bool) -> None:
    window = open_window(FakeJobs(pause=0.05, steps=4000))
    window.show_page("Generate")
    page = window.pages["Generate"]
    assert isinstance(page, GeneratePage)
    if banner:
        window.banner.show_notice("Something to know.")
        press(qtbot, window.banner.close_button, Qt.Key.Key_Escape)
        assert not window.banner.isVisible()
        window.banner.show_notice("Something to know.")
    page.start()
    qtbot.waitUntil(lambda: window.studio.sampling.state is State.RUNNING, timeout=5000)
    press(qtbot, page.count, Qt.Key.Key_Escape)
    assert window.studio.sampling.state is State.STOPPING
    qtbot.waitUntil(lambda: not window.studio.sampling.active, timeout=5000)


def test_escape_cancels_the_sheet_and_the_film_of_blends(qtbot: QtBot, open_window: Open) -> None:
    window = open_window(FakeJobs(pause=0.05))
    window.show_page("Blend")
    page = window.pages["Blend"]
    assert isinstance(page, BlendPage)
    for letter, picture in zip("AB", tiles(2), strict=True):
        page.set_source(letter, picture)
    qtbot.waitUntil(lambda: page.single.preview.image is not None and not window.studio.blending.busy, timeout=5000)
    for make, part in ((page.make_sheet, page.sheet), (page.make_film, page.film)):
        make()
        qtbot.waitUntil(lambda part=part: part._making and not part._second_click.due, timeout=5000)
        press(qtbot, part.cancel_button, Qt.Key.Key_Escape)
        assert not part._making
        qtbot.waitUntil(lambda: not window.studio.blending.busy, timeout=5000)


def test_escape_in_the_gallery_keeps_the_pictures_and_ends_a_search(qtbot: QtBot, window: MainWindow) -> None:
    window.show_page("Gallery")
    page = window.pages["Gallery"]
    assert isinstance(page, GalleryPage)
    press(qtbot, page.search, Qt.Key.Key_F)
    assert page.search.text() == "f"
    page.question.ask_about([Path("a.png")])
    assert page.question.keep.hasFocus(), "what does no harm"
    qtbot.keyClick(page.question.keep, Qt.Key.Key_Escape)
    assert not page.question.isVisible()
    assert page.view.hasFocus()
    press(qtbot, page.search, Qt.Key.Key_Escape)
    assert not page.search.text()


def test_a_run_that_was_deleted_can_be_taken_back(qtbot: QtBot, open_window: Open, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def throw_away(self: Trash, path: Path) -> bool:  # the trash of a machine that runs tests is not ours to fill
        self.places[path] = path.rename(home / f"thrown-{path.name}")
        return True

    monkeypatch.setattr(Trash, "throw_away", throw_away)
    make_runs(3)
    window = open_window()
    window.show_page("Runs")
    page = window.pages["Runs"]
    assert isinstance(page, RunsPage)
    qtbot.waitUntil(lambda: page.current is not None)
    assert page.current
    run = page.current.run
    page.delete_button.click()
    assert page.question.keep.hasFocus()
    qtbot.keyClick(page.question.keep, Qt.Key.Key_Escape)
    assert not page.question.isVisible()
    assert page.view.hasFocus()
    page.delete_button.click()
    press(qtbot, page.question.confirm)
    assert page.view.hasFocus(), "not the search field"
    qtbot.waitUntil(page.question.undo.isVisible, timeout=10_000)
    assert not run.exists
    assert window.status.message.text() == f"{run.name} moved to the trash"
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=10_000)
    page.question.undo.click()
    qtbot.waitUntil(lambda: page.current is not None and page.current.run == run, timeout=10_000)
    assert run.exists
    assert page.model.rowCount() == 3
    assert not page.question.isVisible()


def test_several_runs_are_deleted_at_once(qtbot: QtBot, open_window: Open, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def throw_away(self: Trash, path: Path) -> bool:  # the trash of a machine that runs tests is not ours to fill
        self.places[path] = path.rename(home / f"thrown-{path.name}")
        return True

    monkeypatch.setattr(Trash, "throw_away", throw_away)
    make_runs(4)
    window = open_window()
    window.show_page("Runs")
    page = window.pages["Runs"]
    assert isinstance(page, RunsPage)
    qtbot.waitUntil(lambda: page.current is not None and not workers.running_threads())
    assert page.current
    press(qtbot, page.view, Qt.Key.Key_Delete)
    assert page.current.run.name in page.question.text.text()
    qtbot.keyClick(page.question.keep, Qt.Key.Key_Escape)
    page._choose([0, 1, 3])
    gone = [info.run for info in page.chosen]
    with lock_run(gone[1]):
        press(qtbot, page.view, Qt.Key.Key_Delete)
        assert page.question.text.text().startswith("Move 3 runs with their models")
        press(qtbot, page.question.confirm)
        qtbot.waitUntil(page.question.undo.isVisible, timeout=10_000)
        qtbot.waitUntil(lambda: not workers.running_threads(), timeout=10_000)
    assert [run.exists for run in gone] == [False, True, False], "the others go nevertheless"
    assert "is being trained" in window.banner.message.text()
    assert page.question.text.text() == "2 runs moved to the trash"
    assert page.model.rowCount() == 2
    page.question.undo.click()
    qtbot.waitUntil(lambda: page.model.rowCount() == 4 and not workers.running_threads(), timeout=10_000)
    assert all(run.exists for run in gone)
    assert {info.run for info in page.chosen} == {gone[0], gone[2]}, "they are chosen again"
    window.studio.training.run = gone[2]
    monkeypatch.setattr(type(window.studio.training), "active", True)
    page._selection_changed()
    press(qtbot, page.view, Qt.Key.Key_Delete)
    assert not page.question.asks, "one of them is in training"
    monkeypatch.undo()


@pytest.mark.parametrize("by", [Qt.Key.Key_Tab, Qt.Key.Key_Return])
def test_tab_goes_on_from_a_new_name_to_the_tags_and_the_note(qtbot: QtBot, window: MainWindow, by: Qt.Key) -> None:
    make_runs(3)
    window.show_page("Runs")
    page = window.pages["Runs"]
    assert isinstance(page, RunsPage)
    qtbot.waitUntil(lambda: page.current is not None and not workers.running_threads())
    page._choose([1])
    assert page.current
    run = page.current.run
    details = page.details
    with qtbot.assertNotEmitted(window.studio.resume_wanted):
        details.name.setFocus(Qt.FocusReason.TabFocusReason)
        details.name.selectAll()
        qtbot.keyClicks(details.name, "other")
        qtbot.keyClick(details.name, by)
        assert page.current
        assert page.current.run.name == "other"
        assert not run.exists
        if by != Qt.Key.Key_Tab:
            assert details.name.hasFocus()
            qtbot.keyClick(details.name, Qt.Key.Key_Tab)
        assert details.tags.hasFocus()
        qtbot.waitUntil(lambda: not workers.running_threads(), timeout=10_000)  # it has been listed again
        assert details.tags.hasFocus()
        qtbot.keyClick(details.tags, Qt.Key.Key_Tab)
        assert details.note.hasFocus()
        qtbot.keyClicks(details.note, "a note")
    assert page.current.run.name == "other"
    assert details.remarks.note == "a note"


# The ring.


def ring(view: QAbstractScrollArea) -> bool:
    """Whether the middle of its upper edge has the colour of the ring."""
    picture = view.viewport().grab().toImage()
    return any(picture.pixelColor(picture.width() // 2, y) == theme.color("accent") for y in range(4))


def test_a_view_that_has_the_focus_shows_it_before_anything_is_chosen(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    zone = window.train_page.dataset.zone
    press(qtbot, zone.samples_button)
    assert zone.hasFocus(), "not what is next, further down"
    qtbot.waitUntil(lambda: window.train_page.dataset.report is not None, timeout=10_000)
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=10_000)
    gallery.save_pictures(tiles(3), [recipe(SampleRequest(model="tiles", seed=i), seed=i) for i in range(3)])
    sheet = window.train_page.pictures.sheet
    window.show_page("Blend")
    grid = window.findChild(PickGrid)
    assert grid is not None
    grid.offer(tuple(tiles(3)), tiles(3))
    for page, view in (("Train", sheet), ("Blend", grid)):
        window.show_page(page)
        window.stack.setFocus()
        grid.parentWidget().setCurrentWidget(grid) if page == "Blend" else None
        assert not ring(view), page
        view.setFocus(Qt.FocusReason.TabFocusReason)
        assert ring(view), page
        qtbot.keyClick(view, Qt.Key.Key_Right)
        assert not ring(view), "the picture has it"
    window.show_page("Gallery")
    page = window.pages["Gallery"]
    assert isinstance(page, GalleryPage)
    qtbot.waitUntil(lambda: page.model.rowCount() == 3 and not workers.running_threads(), timeout=10_000)
    page.view.clearFocus()
    page.view.selectionModel().clear()
    plain = page.view.viewport().grab().toImage()
    page.view.setFocus(Qt.FocusReason.TabFocusReason)
    assert not page.chosen
    assert page.view.viewport().grab().toImage() != plain
