"""The blend laboratory: pictures come and go, shares add up, sheets open where they are clicked, films play and are saved."""

from __future__ import annotations

import datetime
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QMimeData, QPoint, QPointF, QRectF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication, QImage
from PySide6.QtWidgets import QApplication, QFileDialog, QPushButton, QWidget
from pytestqt.qtbot import QtBot
from shiboken6 import isValid

from ddpm_studio import gallery, imaging
from ddpm_studio.control import RunControl
from ddpm_studio.events import BlendReady, Event, FrameReady, frozen_images
from ddpm_studio.gui import blend_jobs, dialogs, motion, workers
from ddpm_studio.gui.inside_jobs import fitted
from ddpm_studio.gui.pages.blend import BLEND, FILM, SHEET, BlendPage
from ddpm_studio.gui.pages.blend_noise import noise_facts, noise_formula
from ddpm_studio.gui.pages.blend_wells import Sources
from ddpm_studio.gui.pages.picture_source import DATA, EXAMPLES, GALLERY
from ddpm_studio.gui.qimage import to_array, to_qimage
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.widgets.blend_table import BlendTable
from ddpm_studio.gui.widgets.film_dialog import FilmDialog
from ddpm_studio.gui.widgets.filmstrip import Filmstrip
from ddpm_studio.gui.widgets.picture_view import CENTRED
from ddpm_studio.requests import TrainRequest
from ddpm_studio.runs import Run

from .fakes import FakeJobs, noised, softened, tiles


@pytest.fixture
def page(qtbot: QtBot, home: Path) -> Iterator[BlendPage]:
    studio = Studio(FakeJobs(pause=0.001))
    made = BlendPage(studio)
    qtbot.addWidget(made)
    made.resize(1000, 700)
    made.show()
    studio.refresh_models()
    qtbot.waitUntil(lambda: studio.model is not None and not workers.running_threads())
    yield made
    studio.shut_down()
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=5000)


def fill(qtbot: QtBot, page: BlendPage, count: int) -> None:
    for letter, picture in zip("ABCDEF"[:count], tiles(count), strict=True):
        page.set_source(letter, picture)
    qtbot.waitUntil(lambda: page.wells.images is not None and not page._studio.blending.busy, timeout=5000)
    qtbot.waitUntil(lambda: page.single.preview.image is not None)


def shown(page: BlendPage) -> list[str]:
    return [letter for letter, place in page.wells.places.items() if place.isVisible()]


@pytest.mark.parametrize("size", [(570, 520), (1000, 700)])
def test_an_empty_well_says_what_has_room_in_it(qtbot: QtBot, page: BlendPage, size: tuple[int, int]) -> None:
    wells = page.wells
    wells.resize(*size)
    for count in range(2, 7):
        while len(wells.weights) < count:
            wells.add()
        QApplication.processEvents()
        for letter in shown(page):
            well, bar = wells.places[letter].well, wells.places[letter].bar
            inside = well.picture_rect().adjusted(4, 26, -4, -26) if well.picture_rect().width() < 128 else well.picture_rect().adjusted(16, 16, -16, -16)
            text = well.hint_for(inside)
            assert text in (well.hint, well.short_hint, "+")
            assert inside.contains(QRectF(well.fontMetrics().boundingRect(inside.toRect(), CENTRED, text)))
            assert count == 2 or bar.y() - well.geometry().bottom() < 8, "the share stands under its picture"
    small = wells.places["A"].well
    assert small.hint_for(QRectF(0, 0, 90, 40)) == small.short_hint
    assert small.hint_for(QRectF(0, 0, 20, 20)) == "+"


def test_the_film_has_room_in_a_small_window(page: BlendPage) -> None:
    assert page.film.minimumSizeHint().width() <= 535


def send(widget: QWidget, mime: QMimeData) -> bool:
    """Dragged over a widget and let go there."""
    rest = (Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    enter = QDragEnterEvent(QPoint(5, 5), *rest)
    QApplication.sendEvent(widget, enter)
    if not enter.isAccepted():
        return False
    drop = QDropEvent(QPointF(5, 5), *rest)
    QApplication.sendEvent(widget, drop)
    return drop.isAccepted()


def test_two_pictures_have_lambda_more_have_shares(qtbot: QtBot, page: BlendPage) -> None:
    fill(qtbot, page, 2)
    page.single.lam.setValue(30)
    assert shown(page) == ["A", "B"]
    assert page.single.lam.isVisible()
    assert not page.wells.places["A"].slider.isVisible()
    page.single.add_button.click()
    assert shown(page) == ["A", "B", "C"]
    assert not page.single.lam.isVisible()
    assert page.wells.weights == pytest.approx((0.7 * 2 / 3, 0.3 * 2 / 3, 1 / 3))
    assert page.single.preview.image is None, "the third picture is missing"
    assert "C" in page.single.preview.hint
    page.controls.source.picked.emit(tiles(3)[2])
    qtbot.waitUntil(lambda: page.wells.images is not None and page.single.preview.image is not None, timeout=5000)
    qtbot.waitUntil(lambda: not page._studio.blending.busy)
    calls = page._studio.jobs.calls  # type: ignore[attr-defined]
    calls.clear()
    page.wells.places["C"].slider.setValue(60)
    assert page.wells.weights == pytest.approx((0.28, 0.12, 0.6))
    assert [page.wells.places[letter].share.text() for letter in "ABC"] == ["28 %", "12 %", "60 %"]
    qtbot.waitUntil(lambda: calls == ["blend 0.60 quick", "blend 0.60 full"])
    qtbot.waitUntil(lambda: page.single.shown is not None and page.single.shown[1].weights == pytest.approx((0.28, 0.12, 0.6)))
    for _ in range(5):
        page.wells.add()
    assert shown(page) == list("ABCDEF")
    assert not page.single.add_button.isEnabled()


def test_a_picture_is_taken_out_and_the_others_move_up(qtbot: QtBot, page: BlendPage) -> None:
    fill(qtbot, page, 4)
    before = dict(page.wells.pictures)
    well = page.wells.places["B"].well
    well.setFocus()
    qtbot.keyClick(well, Qt.Key.Key_Delete)
    assert shown(page) == ["A", "B", "C"]
    assert [page.wells.pictures[letter] is before[old] for letter, old in zip("ABC", "ACD", strict=True)] == [True] * 3
    assert sum(page.wells.weights) == pytest.approx(1)
    page.wells.places["A"].remove.click()
    assert page.single.lam.isVisible()
    assert page.single.lam.value() == 50
    page.wells.remove("A")
    assert shown(page) == ["A", "B"], "two are the fewest"


def test_pictures_arrive_by_drop_paste_and_from_well_to_well(qtbot: QtBot, page: BlendPage, tmp_path: Path) -> None:
    for i, name in enumerate(("one", "two", "three")):
        to_qimage(tiles(8)[i]).save(str(tmp_path / f"{name}.png"))
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(tmp_path / f"{name}.png")) for name in ("one", "two", "three")])
    assert send(page.wells.places["A"].well, mime)
    qtbot.waitUntil(lambda: len(page.wells.pictures) == 3, timeout=5000)
    assert shown(page) == ["A", "B", "C"], "three files fill three wells"
    assert all(np.array_equal(page.wells.pictures[letter], tiles(8)[i]) for i, letter in enumerate("ABC"))

    wells = {letter: place.well for letter, place in page.wells.places.items()}
    assert send(wells["C"], wells["A"].mime())
    assert np.array_equal(page.wells.pictures["A"], tiles(8)[2])
    assert np.array_equal(page.wells.pictures["C"], tiles(8)[0])
    assert page.wells.sources["A"] == tmp_path / "three.png"
    assert not send(wells["A"], wells["A"].mime()), "not onto itself"

    QGuiApplication.clipboard().setImage(to_qimage(tiles(8)[5]))
    wells["B"].setFocus()
    page._paste.activated.emit()
    qtbot.waitUntil(lambda: np.array_equal(page.wells.pictures["B"], tiles(8)[5]), timeout=5000)
    ghost = np.zeros((32, 32, 4), np.uint8)
    ghost[8:24, 8:24] = (255, 0, 0, 255)
    seen_through = QMimeData()
    seen_through.setImageData(to_qimage(ghost))
    assert send(wells["B"], seen_through)
    qtbot.waitUntil(lambda: tuple(page.wells.pictures["B"][16, 16]) == (255, 0, 0), timeout=5000)
    assert tuple(page.wells.pictures["B"][0, 0]) == (255, 255, 255), "what shows through is the model's background"
    QGuiApplication.clipboard().setText("no picture")
    with qtbot.waitSignal(page._studio.said, check_params_cb=lambda text: "no picture" in text):
        page.wells.paste()


def test_a_file_that_is_no_picture_takes_nobodys_place(qtbot: QtBot, page: BlendPage, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    fill(qtbot, page, 2)
    kept = page.wells.pictures["B"]
    with qtbot.waitSignal(page._studio.failed, timeout=5000):
        page.set_source("B", tmp_path / "a.png")
    assert page.wells.pictures["B"] is kept
    assert page.wells.free_place() == "B", "the next picture goes where this one was meant to go"
    page.wells.add()
    with qtbot.waitSignal(page._studio.failed, timeout=5000):
        page.set_source("C", tmp_path / "a.png")
    assert page.wells.free_place() == "C"


def test_refused_files_among_dropped_ones_leave_no_empty_places(qtbot: QtBot, page: BlendPage, tmp_path: Path) -> None:
    fill(qtbot, page, 2)
    files = [tmp_path / name for name in ("a.png", "notes.txt", "b.png", "broken.png")]
    for file in files:
        file.write_text("no picture")
    for index in (0, 2):
        to_qimage(tiles(8)[5 + index]).save(str(files[index]))
    told: list[str] = []
    page._studio.tried_again.connect(lambda: told.append("again"))
    page._studio.failed.connect(lambda failed: told.append(failed.message))
    page.wells.set_paths("B", files)
    qtbot.waitUntil(lambda: page.wells.letters == "ABC" and len(page.wells.pictures) == 3, timeout=10_000)
    assert told[0] == "again"
    assert "again" not in told[1:], "a good picture does not take away what was said of a bad one"
    assert page.wells.images is not None
    assert np.array_equal(page.wells.pictures["C"], tiles(8)[7])


def test_a_blend_that_comes_late_is_not_shown(qtbot: QtBot, page: BlendPage) -> None:
    fill(qtbot, page, 2)
    studio = page._studio
    studio.jobs.pause = 0.2  # type: ignore[attr-defined]
    page.maker.blend()
    page.wells.add()
    qtbot.waitUntil(lambda: not studio.blending.busy, timeout=5000)
    assert page.single.preview.image is None
    assert not page.single.save_button.isEnabled()
    page.wells.remove("C")
    studio.choose_model(next(model for model in studio.models if model != studio.model))
    assert not studio.blending._waiting
    qtbot.waitUntil(lambda: page.single.preview.image is not None, timeout=5000)


def test_a_dropped_picture_is_worth_an_interruption(qtbot: QtBot, page: BlendPage, tmp_path: Path) -> None:
    for i in range(2):
        to_qimage(tiles(8)[i]).save(str(tmp_path / f"{i}.png"))
    studio, calls = page._studio, page._studio.jobs.calls  # type: ignore[attr-defined]
    for letter in "AB":
        page.wells.set_source(letter, tiles(8)[5], quiet=True)
    qtbot.waitUntil(lambda: page.single.preview.image is not None and not studio.blending.busy, timeout=5000)
    studio.training.start(TrainRequest(Run(tmp_path / "mine"), tmp_path))
    page.maker.blend_unasked()
    assert page.single.preview.image is None, "it is not the blend of what is in the wells"
    calls.clear()
    page.wells.set_paths("A", [tmp_path / "0.png"])
    qtbot.waitUntil(lambda: "blend 0.50 full" in calls, timeout=5000)


def test_what_is_on_its_way_goes_where_its_place_goes(qtbot: QtBot, page: BlendPage, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(qtbot, page, 3)
    wells, go_on, real = page.wells, threading.Event(), page._studio.jobs.load_picture

    def slow(*rest: Any) -> workers.Job:
        def job(control: RunControl) -> Iterator[Event]:
            go_on.wait(10)
            yield from real(*rest)(control)

        return job

    monkeypatch.setattr(page._studio.jobs, "load_picture", slow)
    a, b, _ = tiles(3)
    new = tiles(8)[7]
    page.set_source("C", new)
    wells.swap("A", "C")
    go_on.set()
    qtbot.waitUntil(lambda: np.array_equal(page.wells.pictures["A"], new), timeout=5000)
    qtbot.waitUntil(lambda: not wells._loading)
    go_on.clear()
    page.set_source("B", a)
    wells.remove("A")
    go_on.set()
    qtbot.waitUntil(lambda: np.array_equal(page.wells.pictures["A"], a), timeout=5000)
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=5000)
    assert wells.letters == "AB"
    assert not np.array_equal(page.wells.pictures["B"], b)


def give_examples(studio: Studio, folder: Path) -> None:
    """Each of the two models brings two pictures along: 1 and 2, 3 and 4 of `tiles(8)`."""
    for i in range(1, 5):
        to_qimage(tiles(8)[i]).save(str(folder / f"{i}.png"))
    studio.models = tuple(replace(model, examples=(folder / f"{first}.png", folder / f"{first + 1}.png")) for model, first in zip(studio.models, (1, 3), strict=True))
    studio.choose_model(studio.models[0])


def look_again(page: BlendPage) -> None:
    page.hide()
    page.show()


def test_defaults_are_those_of_the_model_as_long_as_nobody_has_chosen(qtbot: QtBot, page: BlendPage, tmp_path: Path) -> None:
    give_examples(page._studio, tmp_path)
    look_again(page)
    qtbot.waitUntil(lambda: page.wells.images is not None, timeout=5000)
    page.set_source("B", tiles(8)[7])
    page._studio.choose_model(page._studio.find_model("faces"))
    qtbot.waitUntil(lambda: np.array_equal(page.wells.pictures["A"], tiles(8)[3]), timeout=5000)
    assert np.array_equal(page.wells.pictures["B"], tiles(8)[7])


def choose_larger(studio: Studio) -> None:
    """A model whose pictures have twice as many pixels on each side."""
    assert studio.model is not None
    studio.choose_model(replace(studio.model, path=studio.model.path.with_name("larger.safetensors"), shape=(64, 64, 3)))


def test_a_picture_whose_file_is_gone_is_brought_to_the_shape_of_another_model(qtbot: QtBot, page: BlendPage, tmp_path: Path) -> None:
    files = [tmp_path / "a.png", tmp_path / "b.png"]
    for file, picture in zip(files, tiles(2), strict=True):
        to_qimage(picture).save(str(file))
    page.wells.set_paths("A", files)
    qtbot.waitUntil(lambda: page.single.ready, timeout=5000)
    files[0].unlink()
    with qtbot.waitSignal(page._studio.failed, timeout=5000):
        choose_larger(page._studio)
    qtbot.waitUntil(lambda: page.single.ready, timeout=5000)
    assert page.wells.pictures["A"].shape == (64, 64, 3)
    assert page.wells.sources["B"] == files[1]


@pytest.mark.parametrize("loss", ["deleted", "damaged", "the last"])
def test_a_default_that_is_gone_gives_way_to_another_without_a_word(qtbot: QtBot, page: BlendPage, loss: str) -> None:
    saved = gallery.save_pictures(tiles(8)[:2] if loss == "the last" else tiles(8)[:3], [{"kind": "sample", "seed": seed} for seed in range(2 if loss == "the last" else 3)])
    newest = saved[::-1]
    said: list[str] = []
    page._studio.failed.connect(lambda failed: said.append(failed.message))
    look_again(page)
    qtbot.waitUntil(lambda: page.single.ready, timeout=5000)
    assert page.wells.sources["A"] == newest[0]
    if loss == "damaged":
        newest[0].write_text("no picture")
    else:
        newest[0].unlink()
    choose_larger(page._studio)
    qtbot.waitUntil(lambda: page.single.ready and not workers.running_threads(), timeout=5000)
    if loss == "the last":
        assert np.array_equal(page.wells.pictures["A"], fitted(tiles(8)[1], (64, 64, 3), "white")), "it stays, since there is no other"
    else:
        assert {page.wells.sources[letter] for letter in "AB"} == set(newest[1:])
    look_again(page)
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=5000)
    assert not said
    assert page.defaults.chosen() == Sources([None, None])


def test_where_a_default_is_gone_and_no_other_is_there_the_well_stays_empty(qtbot: QtBot, page: BlendPage) -> None:
    saved = gallery.save_pictures(tiles(8)[:2], [{"kind": "sample", "seed": seed} for seed in range(2)])
    said: list[str] = []
    page._studio.failed.connect(lambda failed: said.append(failed.message))
    saved[1].write_text("no picture")
    look_again(page)
    qtbot.waitUntil(lambda: "B" in page.wells.pictures and not workers.running_threads(), timeout=5000)
    assert list(page.wells.sources) == ["B"]
    assert not said


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """The gallery is large: its pictures are not listed before this is set."""
    go_on, real = threading.Event(), gallery.list_pictures

    def slow(folder: Path | None = None) -> list[Path]:
        assert threading.current_thread() is not threading.main_thread(), "the window would stand still meanwhile"
        go_on.wait(10)
        return real(folder)

    monkeypatch.setattr(gallery, "list_pictures", slow)
    yield go_on
    go_on.set()


def test_defaults_come_when_the_gallery_is_listed_and_leave_what_was_chosen_meanwhile(qtbot: QtBot, page: BlendPage, listed: threading.Event) -> None:
    newest = gallery.save_pictures(tiles(8)[:2], [{"kind": "sample", "seed": seed} for seed in range(2)])[::-1]
    look_again(page)
    assert not page.wells.sources
    page.set_source("B", tiles(8)[7])
    listed.set()
    qtbot.waitUntil(lambda: page.wells.images is not None, timeout=5000)
    assert page.wells.sources["A"] == newest[0]
    assert np.array_equal(page.wells.pictures["A"], tiles(8)[1])
    assert np.array_equal(page.wells.pictures["B"], tiles(8)[7])


def test_defaults_are_those_of_the_model_that_was_chosen_last(qtbot: QtBot, page: BlendPage, listed: threading.Event, tmp_path: Path) -> None:
    studio = page._studio
    page.hide()
    give_examples(studio, tmp_path)
    new = BlendPage(studio)
    qtbot.addWidget(new)
    new.show()
    studio.choose_model(studio.find_model("faces"))
    assert not new.wells.sources
    listed.set()
    qtbot.waitUntil(lambda: new.wells.images is not None, timeout=5000)
    assert [new.wells.sources[letter] for letter in "AB"] == [tmp_path / "3.png", tmp_path / "4.png"]
    studio.choose_model(studio.find_model("tiles"))
    assert [new.wells.sources[letter] for letter in "AB"] == [tmp_path / "1.png", tmp_path / "2.png"], "at once: what the gallery holds is known by now"


def test_a_page_that_is_gone_misses_no_defaults(qtbot: QtBot, home: Path, listed: threading.Event) -> None:
    studio = Studio(FakeJobs())
    page = BlendPage(studio)
    page.show()
    studio.refresh_models()
    qtbot.waitUntil(lambda: studio.model is not None)
    assert workers.running_threads()
    page.deleteLater()
    qtbot.waitUntil(lambda: not isValid(page))
    listed.set()
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=5000)


def test_how_strong_the_noise_is_stands_there_in_words() -> None:
    event = BlendReady((0.5, 0.5), 500, tiles(1)[0], 0.698, 0.7071)
    assert "0.71 expected, 0.70 measured" in noise_facts(event)
    assert "smoother" in noise_facts(event)
    assert "√(0.50² + 0.50²) = 0.71" in noise_formula(event.weights, "independent")
    assert "1.00 expected, 1.01 measured" in noise_facts(BlendReady((0.5, 0.5), 500, tiles(1)[0], 1.006, 1.0))
    assert "smoother" not in noise_facts(BlendReady((0.5, 0.5), 500, tiles(1)[0], 1.006, 1.0))


def test_a_click_on_the_sheet_opens_that_blend(qtbot: QtBot, page: BlendPage) -> None:
    fill(qtbot, page, 2)
    page.make_sheet()
    assert page.views.currentIndex() == SHEET
    qtbot.waitUntil(lambda: page.sheet.complete, timeout=5000)
    grid = page.sheet.grid
    assert grid.rows == ("t = 100", "t = 300", "t = 500", "t = 700", "t = 900")
    assert grid.columns[:2] == ("λ = 0", "0.1")
    qtbot.mouseClick(grid, Qt.MouseButton.LeftButton, pos=grid.cell(1, 3).center().toPoint())
    assert page.views.currentIndex() == BLEND
    assert page.single.lam.value() == 30
    assert page.controls.timestep.value == 300
    qtbot.waitUntil(lambda: page.single.shown is not None and page.single.shown[1].timestep == 300 and page.single.shown[1].lam == 0.3, timeout=5000)
    assert page.sheet.complete, "it is still there to go back to"
    page.controls.timestep.slider.setValue(301)
    assert page.sheet.complete, "a sheet has timesteps of its own"
    page.controls.seed.setValue(5)
    assert not page.sheet.complete, "but not noise of its own"


def test_a_sheet_of_three_walks_from_each_to_the_next(qtbot: QtBot, page: BlendPage, tmp_path: Path) -> None:
    fill(qtbot, page, 3)
    page.make_sheet()
    qtbot.waitUntil(lambda: page.sheet.complete, timeout=5000)
    assert page.sheet.grid.columns == ("A", "0.2", "0.4", "0.6", "0.8", "B", "0.2", "0.4", "0.6", "0.8", "C")
    page.sheet.grid.opened.emit(2, 7)
    assert page.wells.weights == pytest.approx((0.0, 0.6, 0.4))
    page.sheet.export(tmp_path / "sheet.png")
    assert QImage(str(tmp_path / "sheet.png")).width() == 11 * 34 - 2


def test_the_sheet_is_walked_by_keys(qtbot: QtBot) -> None:
    grid = BlendTable("sheet", "Sheet")
    qtbot.addWidget(grid)
    grid.resize(400, 200)
    grid.show()
    grid.start(("t = 1", "t = 2"), ("0", "0.5", "1"), (32, 32, 3))
    for place in ((0, 0), (0, 1), (1, 1)):
        grid.put(*place, tiles(1)[0])
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Down):
        qtbot.keyClick(grid, key)
    assert grid.current == (1, 1), "there is nothing yet further right"
    with qtbot.waitSignal(grid.opened) as opened:
        qtbot.keyClick(grid, Qt.Key.Key_Return)
    assert opened.args == [1, 1]
    assert not grid.grab().isNull()


def test_no_film_plays_unasked_where_motion_is_reduced(qtbot: QtBot, page: BlendPage, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(qtbot, page, 2)
    monkeypatch.setattr(motion, "reduced", lambda: True)
    page.make_film()
    assert not page.film.playing
    qtbot.waitUntil(lambda: page.film.complete, timeout=5000)
    assert page.film.slider.value() == 0


def test_a_new_name_of_the_model_leaves_the_film(qtbot: QtBot, page: BlendPage) -> None:
    fill(qtbot, page, 2)
    page.film.steps.setValue(4)
    page.make_film()
    qtbot.waitUntil(lambda: page.film.complete, timeout=5000)
    model = page._studio.model
    assert model
    page._studio.follow_rename(Run(model.path.parent), Run(model.path.parent.with_name("eyes")))
    assert page._studio.model
    assert page._studio.model.name == "eyes"
    assert page.film.complete


def test_a_sheet_and_a_film_say_which_picture_they_wait_for(qtbot: QtBot, page: BlendPage) -> None:
    fill(qtbot, page, 2)
    page.wells.add()
    for series in (page.sheet, page.film):
        assert not series.make_button.isEnabled()
        assert series.empty.text.text() == "Choose picture C first."
    page.set_source("C", tiles(3)[2])
    qtbot.waitUntil(page.film.make_button.isEnabled, timeout=5000)
    assert "back to the first" in page.film.empty.text.text()


def test_a_film_plays_while_it_is_made_and_is_saved(qtbot: QtBot, page: BlendPage, tmp_path: Path) -> None:
    fill(qtbot, page, 3)
    film = page.film
    film.steps.setValue(4)
    film.rate.setValue(50)
    page.make_film()
    assert page.views.currentIndex() == FILM
    assert not film.save_button.isVisible()
    qtbot.waitUntil(lambda: film.complete, timeout=5000)
    qtbot.waitUntil(lambda: film.slider.value() == 11)
    qtbot.waitUntil(lambda: film.slider.value() == 1)
    assert film.place.text() == "A to B"
    film.play_button.click()
    assert not film._timer.isActive()
    film.slider.setValue(8)
    assert film.place.text() == "C"
    assert np.array_equal(to_array(film.view.image), tiles(3)[2])  # type: ignore[arg-type]
    film.play_button.click()
    page.show_view(BLEND)
    assert not film._timer.isActive(), "nobody sees it"
    film.save()
    dialog = page.window().findChild(FilmDialog)
    assert dialog is not None
    dialog.write(tmp_path / "loop.gif")
    qtbot.waitUntil(lambda: "Saved loop.gif" in dialog.message.text(), timeout=5000)
    dialog.close()
    with Image.open(tmp_path / "loop.gif") as saved:
        assert saved.n_frames == 12  # type: ignore[attr-defined]
        assert saved.size == (256, 256)
    page.single.lam.setValue(80)
    assert film.complete, "a film knows no lambda"
    page.wells.swap("A", "B")
    assert not film.complete


def test_series_can_be_cancelled(qtbot: QtBot, page: BlendPage) -> None:
    fill(qtbot, page, 2)
    page._studio.jobs.pause = 0.05  # type: ignore[attr-defined]
    page.make_film()
    qtbot.waitUntil(lambda: len(page.film.frames) > 1 and not page.film._second_click.due)
    page.film.cancel_button.click()
    page.make_sheet()
    qtbot.waitUntil(lambda: len(page.sheet.images) > 1 and not page.sheet._second_click.due)
    page.sheet.cancel_button.click()
    qtbot.waitUntil(lambda: not page._studio.blending.busy)
    assert not page.film.complete
    assert not page.sheet.complete
    assert page.film.make_button.isVisibleTo(page.film)
    assert page.sheet.make_button.isVisible()
    assert len(page.sheet.images) > 1, "what is there stays"


def test_a_blend_is_saved_with_its_recipe_and_copied_as_a_command(qtbot: QtBot, page: BlendPage, tmp_path: Path) -> None:
    fill(qtbot, page, 3)
    qtbot.waitUntil(lambda: page.single.shown is not None)
    page.single.save(tmp_path / "blend.png")
    facts = gallery.read_recipe(tmp_path / "blend.png")
    assert facts["kind"] == "blend"
    assert facts["weights"] == list(page.wells.weights)
    together, place = gallery.read_blend(tmp_path / "blend.png", "tiles", (32, 32, 3), "white")
    assert (len(together.weights), place) == (1, 0)
    assert all(np.array_equal(image, page.wells.pictures[letter]) for letter, image in zip("ABC", together.images, strict=True))
    assert not any(str(tmp_path) in str(value) for value in facts.values())
    to_qimage(tiles(1)[0]).save(str(tmp_path / "a.png"))
    page.set_source("A", tmp_path / "a.png")
    qtbot.waitUntil(lambda: page.single.shown is not None and page.wells.sources["A"] == tmp_path / "a.png", timeout=5000)
    page.copy_command()
    assert QGuiApplication.clipboard().text().startswith(f"ddpm-studio interpolate tiles {tmp_path / 'a.png'} B.png C.png --weights 0.333333,0.333333,0.333333 --timestep 500")


def test_where_no_picture_is_to_be_picked_stands_what_would_be_there(qtbot: QtBot, page: BlendPage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blend_jobs, "shipped_pictures", lambda most: [])
    source = page.controls.source
    for view, words in ((GALLERY, "you generate"), (DATA, "on the Train page"), (EXAMPLES, "come with the program")):
        source.view.choose(view)
        source.refresh()
        qtbot.waitUntil(lambda: not workers.running_threads())
        assert source.hint.isVisible()
        assert words in source.hint.text()
    gallery.save_pictures(tiles(3), [{"kind": "sample", "seed": seed} for seed in range(3)])
    source.view.choose(GALLERY)
    source.refresh()
    qtbot.waitUntil(source.grid.isVisible)
    assert not source.hint.isVisible()


def test_pictures_to_pick_are_clicked_or_dragged(qtbot: QtBot, page: BlendPage) -> None:
    gallery.save_pictures(tiles(3), [{"kind": "sample", "seed": seed} for seed in range(3)])
    page.controls.source.view.choose(GALLERY)
    page._studio.gallery_changed.emit()
    grid = page.controls.source.grid
    qtbot.waitUntil(lambda: len(grid.sources) == 3, timeout=5000)
    qtbot.waitUntil(lambda: not workers.running_threads())
    page.wells.sources.clear()
    qtbot.mouseClick(grid.viewport(), Qt.MouseButton.LeftButton, pos=grid.cell_rect(1).center())
    assert page.wells.sources["A"] == grid.sources[1]
    assert grid.mime(1).urls()[0].toLocalFile() == str(grid.sources[1]), "the file itself, not what is seen of it"
    page.controls.source.view.choose(EXAMPLES)
    page.controls.source.refresh()
    qtbot.waitUntil(lambda: len(grid.sources) > 20, timeout=5000)
    with qtbot.waitSignal(page.controls.source.picked) as picked:
        qtbot.mouseClick(grid.viewport(), Qt.MouseButton.LeftButton, pos=grid.cell_rect(6).center())
    assert isinstance(picked.args[0], (Path, np.ndarray))


def test_the_way_from_noise_to_picture_is_saved_as_a_film(qtbot: QtBot, tmp_path: Path) -> None:
    strip = Filmstrip()
    qtbot.addWidget(strip)
    strip.resize(820, 200)
    strip.show()
    strip.start(4)
    for i in range(4):
        assert not strip.film_button.isEnabled()
        strip.add_frame(FrameReady(i, 4, 990 - 330 * i, noised(tiles(4), i / 3), softened(tiles(4), 0.5) if i < 3 else tiles(4)))
    strip.set_picture(2)
    versions = strip.film()
    assert [frames.shape for frames in versions.values()] == [(5, 32, 32, 3), (5, 32, 32, 3), (5, 32, 64, 3)]
    assert all(np.array_equal(frames[-1][:, :32], tiles(4)[2]) for frames in versions.values()), "it ends with the picture itself"
    with qtbot.waitSignal(strip.film_wanted):
        strip.film_button.click()
    dialog = FilmDialog(strip.window(), Studio(FakeJobs()), versions, "noise-to-picture", frames_per_second=6, hold_seconds=1.5)
    dialog.show()
    dialog.version.choose(2)
    dialog.kind.choose(1)
    dialog.scale.choose(1)
    dialog.rate.setValue(10)
    dialog._show_facts()
    assert dialog.facts.text() == "5 pictures of 256 × 128 pixels, 2.0 seconds"
    dialog.write(tmp_path / "nowhere" / "film.mov")
    qtbot.waitUntil(lambda: "not the name of a film" in dialog.message.text(), timeout=5000)
    qtbot.waitUntil(dialog.save_button.isEnabled)
    dialog.write(tmp_path / "film.webp")
    qtbot.waitUntil(lambda: "Saved film.webp" in dialog.message.text(), timeout=5000)
    dialog.close()
    with Image.open(tmp_path / "film.webp") as saved:
        assert (saved.n_frames, saved.size) == (5, (256, 128))  # type: ignore[attr-defined]


def test_an_mp4_says_how_large_it_becomes(qtbot: QtBot, tmp_path: Path) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    dialog = FilmDialog(window, Studio(FakeJobs()), {"": tiles(5)}, "film")
    dialog.show()
    dialog.scale.choose(0)
    qtbot.mouseClick(dialog.findChild(QPushButton, "filmKind3"), Qt.MouseButton.LeftButton)
    assert "256 × 256" in dialog.facts.text()
    dialog.write(tmp_path / "film.mp4")
    qtbot.waitUntil(lambda: "Saved film.mp4" in dialog.message.text(), timeout=5000)
    dialog.close()
    with av.open(tmp_path / "film.mp4") as film:
        assert (film.streams.video[0].frames, film.streams.video[0].width) == (5, 256)


def test_without_pyav_mp4_is_grey_and_says_why(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    window = QWidget()
    qtbot.addWidget(window)
    dialog = FilmDialog(window, Studio(FakeJobs()), {"": tiles(5)}, "film")
    dialog.show()
    part = dialog.findChild(QPushButton, "filmKind3")
    assert not part.isEnabled()
    assert "MP4 needs PyAV" in part.toolTip()
    assert "pip install" in part.toolTip()
    dialog.write(tmp_path / "film.mp4")  # by a name that was typed
    qtbot.waitUntil(lambda: "MP4 needs PyAV" in dialog.message.text(), timeout=5000)
    qtbot.waitUntil(dialog.save_button.isEnabled)
    dialog.close()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("close", [False, True])
def test_a_film_that_is_given_up_is_not_there(qtbot: QtBot, tmp_path: Path, close: bool) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    dialog = FilmDialog(window, Studio(FakeJobs()), {"": frozen_images(np.random.default_rng(0).integers(0, 256, (300, 64, 64, 3)))}, "film")
    dialog.show()
    dialog.write(tmp_path / "film.webp")
    assert dialog.cancel_button.text() == "Cancel"
    assert not dialog.save_button.isEnabled()
    qtbot.waitUntil(lambda: dialog.progress.value() > 0, timeout=5000)
    if close:
        dialog.close()
    else:
        dialog.cancel_button.click()
        qtbot.waitUntil(lambda: "nothing was written" in dialog.message.text(), timeout=5000)
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=5000)
    assert not list(tmp_path.iterdir())


def close_by(qtbot: QtBot, dialog: FilmDialog, way: str) -> None:
    if way == "Escape":
        qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    elif way == "Close":
        dialog.cancel_button.click()
    else:
        dialog.close()


@pytest.mark.parametrize("way", ["Escape", "Close", "the cross"])
def test_the_film_dialog_goes_whichever_way_it_is_closed(qtbot: QtBot, way: str) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    dialog = FilmDialog(window, Studio(FakeJobs()), {"": tiles(4)}, "film")
    dialog.show()
    close_by(qtbot, dialog, way)
    assert not isValid(dialog) or not dialog.isVisible()
    qtbot.waitUntil(lambda: not isValid(dialog))


@pytest.mark.parametrize("way", ["Escape", "the cross"])
def test_a_film_dialog_that_goes_while_it_writes_cancels(qtbot: QtBot, tmp_path: Path, way: str) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    dialog = FilmDialog(window, Studio(FakeJobs()), {"": frozen_images(np.random.default_rng(0).integers(0, 256, (300, 64, 64, 3)))}, "film")
    dialog.show()
    dialog.write(tmp_path / "film.webp")
    qtbot.waitUntil(lambda: dialog.progress.value() > 0, timeout=5000)
    close_by(qtbot, dialog, way)
    qtbot.waitUntil(lambda: not isValid(dialog) and not workers.running_threads(), timeout=5000)
    assert not list(tmp_path.iterdir())


def test_enter_saves_the_film(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    dialog = FilmDialog(window, Studio(FakeJobs()), {"one": tiles(4), "other": tiles(4)}, "film")
    asked: list[str] = []
    monkeypatch.setattr(dialogs, "choose_target", lambda parent, studio, title, name, *rest: asked.append(name))
    dialog.show()
    for part in (dialog, dialog.focusWidget(), dialog.kind.findChildren(QWidget)[-1], dialog.rate):
        part.setFocus()
        qtbot.keyClick(part, Qt.Key.Key_Return)
    assert asked == ["film.gif"] * 4
    assert dialog.version.current == 0
    dialog.close()


@pytest.mark.parametrize("view", [SHEET, FILM])
def test_a_double_click_makes_a_series_and_does_not_cancel_it(qtbot: QtBot, page: BlendPage, view: int) -> None:
    fill(qtbot, page, 2)
    page._studio.jobs.pause = 0.02  # type: ignore[attr-defined]
    part = (page.single, page.sheet, page.film)[view]
    page.show_view(view)
    QApplication.processEvents()
    place = part.make_button.mapTo(page, part.make_button.rect().center())  # type: ignore[union-attr]
    for _ in range(2):
        button = page.childAt(place)
        assert button is not None
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        QApplication.processEvents()
    assert button is part.cancel_button, "it is what the second click hits"  # type: ignore[union-attr]
    assert part._making  # type: ignore[union-attr]
    qtbot.waitUntil(lambda: part.complete, timeout=10_000)  # type: ignore[union-attr]


@pytest.mark.parametrize("view", [SHEET, FILM])
def test_a_series_that_is_given_up_at_once_leaves_nothing_and_one_that_is_there_stays(qtbot: QtBot, page: BlendPage, view: int) -> None:
    fill(qtbot, page, 2)
    part, make = (page.sheet, page.make_sheet) if view == SHEET else (page.film, page.make_film)
    pause, page._studio.jobs.pause = page._studio.jobs.pause, 2.0  # type: ignore[attr-defined]
    make()
    assert part.stack.currentWidget() is not part.empty
    qtbot.waitUntil(lambda: not part._second_click.due)
    part.cancel_button.click()
    assert part.stack.currentWidget() is part.empty
    page._studio.jobs.pause = pause  # type: ignore[attr-defined]
    make()
    qtbot.waitUntil(lambda: part.complete, timeout=10_000)
    page._studio.jobs.pause = 2.0  # type: ignore[attr-defined]
    make()
    assert part.complete, "it is seen until the new one begins"
    qtbot.waitUntil(lambda: not part._second_click.due)
    part.cancel_button.click()
    assert part.complete
    page._studio.jobs.pause = 0.05  # type: ignore[attr-defined]
    make()
    qtbot.waitUntil(lambda: not part.complete, timeout=5000)
    qtbot.waitUntil(lambda: part.complete, timeout=10_000)


def test_a_blend_is_found_in_the_gallery_once_with_all_it_was_made_of(qtbot: QtBot, page: BlendPage, tmp_path: Path) -> None:
    studio, newest = page._studio, gallery.save_pictures(tiles(2), [{"kind": "sample", "seed": seed} for seed in range(2)])[::-1]
    look_again(page)
    qtbot.waitUntil(lambda: page.wells.sources.get("A") == newest[0] and page.single.shown is not None, timeout=5000)
    with qtbot.waitSignal(studio.gallery_changed):
        page.single.save(tmp_path / "blend.png")
    page.single.keep_button.click()
    kept = [path for path in gallery.list_pictures() if path not in newest]
    assert len(kept) == 1, "no second one of the same"
    assert gallery.Search("blend", datetime.date.today()).fits(gallery.read_facts(kept[0], 0))
    together, _ = gallery.read_blend(kept[0], "tiles", (32, 32, 3), "white")
    assert all(np.array_equal(image, page.wells.pictures[letter]) for letter, image in zip("AB", together.images, strict=True))
    assert (tmp_path / "blend.png").read_bytes() == kept[0].read_bytes()
    look_again(page)
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=5000)
    assert [page.wells.sources[letter] for letter in "AB"] == newest, "it does not take the place of what it was made of"


def test_a_gallery_that_cannot_be_written_keeps_nobody_from_saving(qtbot: QtBot, page: BlendPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(qtbot, page, 2)
    qtbot.waitUntil(lambda: page.single.shown is not None)
    monkeypatch.setattr(gallery, "save_pictures", lambda *rest, **more: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with qtbot.waitSignal(page._studio.failed):
        page.single.save(tmp_path / "blend.png")
    assert (tmp_path / "blend.png").exists()


def test_the_focus_goes_to_the_well_that_takes_the_place_of_one_taken_out(qtbot: QtBot, page: BlendPage) -> None:
    fill(qtbot, page, 4)
    page.activateWindow()
    well = page.wells.places["D"].well
    well.setFocus()
    qtbot.keyClick(well, Qt.Key.Key_Delete)
    assert page.focusWidget() is page.wells.places["C"].well, "the last one"
    qtbot.mouseClick(page.wells.places["A"].remove, Qt.MouseButton.LeftButton)
    assert page.focusWidget() is page.wells.places["A"].well
    qtbot.keyClick(page.wells.places["A"].well, Qt.Key.Key_Delete)
    assert page.focusWidget() is page.wells.places["A"].well
    assert page.wells.letters == "AB"


def aim(page: BlendPage) -> str:
    """What is marked; the heading says the same."""
    aimed = "".join(letter for letter, place in page.wells.places.items() if place.well.aimed_at)
    assert page.controls.source.heading.text() == f"Pick picture {aimed}"
    return aimed


def test_where_a_picked_picture_goes_is_seen_before(qtbot: QtBot, page: BlendPage) -> None:
    page.activateWindow()
    assert aim(page) == "A"
    fill(qtbot, page, 4)
    wells = page.wells
    assert aim(page) == "A", "all in turn"
    page.controls.source.picked.emit(tiles(8)[7])
    assert aim(page) == "B"
    wells.places["C"].well.setFocus()
    assert aim(page) == "C", "where somebody has gone"
    page.setFocus()
    page.controls.source.picked.emit(tiles(8)[6])
    qtbot.waitUntil(lambda: np.array_equal(wells.pictures["C"], tiles(8)[6]), timeout=5000)
    assert aim(page) == "C"
    wells.add()
    assert aim(page) == "E", "an empty one comes first"
    assert not wells.places["E"].well.grab().isNull()
    page.controls.source.picked.emit(tiles(8)[5])
    assert aim(page) == "C"


def test_a_picture_is_dropped_anywhere_on_the_page(qtbot: QtBot, page: BlendPage, tmp_path: Path) -> None:
    to_qimage(tiles(8)[5]).save(str(tmp_path / "new.jpg"))
    fill(qtbot, page, 2)
    page.wells.add()
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(tmp_path / "new.jpg"))])
    assert send(page, mime)
    qtbot.waitUntil(lambda: page.wells.sources.get("C") == tmp_path / "new.jpg" and page.wells.images is not None, timeout=5000)
    assert not send(page, page.wells.places["A"].well.mime()), "a well goes to another well, or stays where it is"
    mime.setUrls([QUrl.fromLocalFile(str(tmp_path))])
    assert not send(page, mime), "a folder is none"
    ours = tmp_path / "ours.png"
    imaging.save_png(ours, tiles(8)[5], gallery.text_of({"kind": "sample", "seed": 3}))
    mime.setUrls([QUrl.fromLocalFile(str(ours))])
    with qtbot.waitSignal(page._studio.picture_dropped) as dropped:
        assert send(page, mime)
    assert dropped.args == [ours], "its settings are wanted, as everywhere"
    assert not any(isinstance(source, Path) and source == ours for source in page.wells.sources.values())


def test_a_command_says_which_pictures_are_to_be_saved_first(qtbot: QtBot, page: BlendPage, tmp_path: Path) -> None:
    to_qimage(tiles(1)[0]).save(str(tmp_path / "a.png"))
    fill(qtbot, page, 2)
    with qtbot.waitSignal(page._studio.said, check_params_cb=lambda text: "Save the pictures that are called A.png, B.png" in text):
        page.copy_command()
    page.set_source("A", tmp_path / "a.png")
    qtbot.waitUntil(lambda: page.wells.images is not None and not workers.running_threads(), timeout=5000)
    with qtbot.waitSignal(page._studio.said, check_params_cb=lambda text: "Save the picture that is called B.png" in text):
        page.copy_command()


def test_what_waited_for_a_training_is_blended_when_that_has_ended(qtbot: QtBot, page: BlendPage, tmp_path: Path) -> None:
    fill(qtbot, page, 2)
    studio, preview = page._studio, page.single.preview
    studio.training.start(TrainRequest(Run(tmp_path / "mine"), tmp_path))
    page.maker.blend_unasked()
    assert "training waits" in preview.hint
    studio.training.stop()
    qtbot.waitUntil(lambda: not studio.training.active, timeout=5000)
    qtbot.waitUntil(lambda: preview.image is not None, timeout=5000)
    page.maker.forget()
    assert "training" not in preview.hint


def test_nobody_sees_that_a_training_is_waited_for_when_it_has_ended_elsewhere(qtbot: QtBot, page: BlendPage, tmp_path: Path) -> None:
    fill(qtbot, page, 2)
    studio = page._studio
    studio.training.start(TrainRequest(Run(tmp_path / "mine"), tmp_path))
    page.maker.blend_unasked()
    page.hide()
    studio.training.stop()
    qtbot.waitUntil(lambda: not studio.training.active, timeout=5000)
    assert "training" not in page.single.preview.hint
    page.show()
    qtbot.waitUntil(lambda: page.single.preview.image is not None, timeout=5000)


def test_the_hint_of_a_sheet_stands_whole_beside_all_buttons(qtbot: QtBot, page: BlendPage) -> None:
    page.resize(900, 560)
    fill(qtbot, page, 2)
    page.make_sheet()
    qtbot.waitUntil(lambda: page.sheet.complete, timeout=10_000)
    QApplication.processEvents()
    hint = page.sheet.hint
    assert page.sheet.export_button.isVisible()
    assert hint.height() >= hint.heightForWidth(hint.width())


def test_pictures_become_no_smaller_by_there_being_fewer(qtbot: QtBot, page: BlendPage) -> None:
    sides = []
    for count in (3, 4):
        fill(qtbot, page, count)
        QApplication.processEvents()
        sides.append(page.wells.places["A"].well.picture_rect().width())
    assert sides[0] >= sides[1]


def test_a_blend_made_again_stays_when_the_training_has_ended_and_the_verdict_goes_with_it(qtbot: QtBot, page: BlendPage, tmp_path: Path) -> None:
    fill(qtbot, page, 2)
    studio, single = page._studio, page.single
    qtbot.waitUntil(lambda: single.shown is not None)
    single.save(tmp_path / "blend.png")
    page.controls.seed.setValue(7)
    studio.training.start(TrainRequest(Run(tmp_path / "mine"), tmp_path))
    page.maker.blend_unasked()
    page.offer.offer(tmp_path / "blend.png")
    page.offer.button.click()
    qtbot.waitUntil(lambda: "bit for bit" in page.offer.text.text(), timeout=5000)
    again = single.shown
    studio.training.stop()
    qtbot.waitUntil(lambda: not studio.training.active and not workers.running_threads(), timeout=5000)
    assert single.shown is again
    assert page.offer.isVisible()
    page.maker.blend()
    assert page.offer.isHidden(), "another one is blended than that of which it tells"


def test_a_double_click_picks_one_picture_for_one_well(qtbot: QtBot, page: BlendPage) -> None:
    grid = page.controls.source.grid
    grid.offer(tuple(tiles(3)), tiles(3))
    page.controls.source.stack.setCurrentWidget(grid)
    picked: list[object] = []
    grid.picked.connect(picked.append)
    place = grid.cell_rect(1).center()
    qtbot.mouseClick(grid.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseDClick(grid.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseRelease(grid.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert len(picked) == 1
    qtbot.mouseClick(grid.viewport(), Qt.MouseButton.LeftButton, pos=grid.cell_rect(2).center())
    assert len(picked) == 2


@pytest.mark.parametrize("happens", ["another", "gone"])
def test_what_is_saved_is_what_was_seen_when_save_was_pressed(qtbot: QtBot, page: BlendPage, tmp_path: Path, happens: str) -> None:
    fill(qtbot, page, 2)
    qtbot.waitUntil(lambda: page.single.shown is not None and not workers.running_threads())
    assert page.single.shown is not None
    seen = page.single.shown[1].image
    page.single.save_button.click()
    dialog = page.window().findChild(QFileDialog, "saveDialog")
    assert dialog is not None
    if happens == "gone":
        page.maker.forget()
    else:
        page.single.lam.setValue(90)
        page.maker.blend()
        qtbot.waitUntil(lambda: page.single.shown is not None and page.single.shown[0].weights[0][1] == 0.9 and not workers.running_threads())
    dialog.fileSelected.emit(str(tmp_path / "blend.png"))
    dialog.close()
    assert np.array_equal(imaging.read_pixels(tmp_path / "blend.png"), seen)
    assert len(gallery.list_pictures()) == 1
    assert (tmp_path / "blend.png").read_bytes() == gallery.list_pictures()[0].read_bytes()
