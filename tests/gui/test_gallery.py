"""The gallery: thousands of pictures, found again, marked, taken elsewhere, thrown away and taken back."""

from __future__ import annotations

import datetime
import os
import sys
import time
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
from PySide6.QtCore import QItemSelectionModel, QPoint, QRect, Qt
from PySide6.QtWidgets import QApplication, QComboBox, QMenu, QPushButton
from pytestqt.qtbot import QtBot

from ddpm_studio import gallery, imaging
from ddpm_studio.gallery import Facts, Search
from ddpm_studio.gui import gallery_model, theme, trash, workers
from ddpm_studio.gui.answers import ModelChoice
from ddpm_studio.gui.gallery_model import KEPT_THUMBNAILS, WAITING, GalleryModel
from ddpm_studio.gui.item_models import RunsModel
from ddpm_studio.gui.model_lines import show_models
from ddpm_studio.gui.pages.gallery import GalleryPage
from ddpm_studio.gui.pages.gallery_side import GallerySide, recipe_lines
from ddpm_studio.gui.qimage import to_array
from ddpm_studio.gui.studio import Studio
from ddpm_studio.requests import SampleRequest
from ddpm_studio.runs import Run, RunInfo

from .fakes import FakeJobs, tiles

TODAY = datetime.date(2026, 11, 25)


def made(day: datetime.date, model: str = "faces", seed: int = 42, name: str = "20261125-sample-42") -> Facts:
    moment = datetime.datetime.combine(day, datetime.time(15)).timestamp()
    return Facts(Path(f"{name}.png"), moment, model, seed, f"{name} sample {model} ddim".casefold())


@pytest.mark.parametrize(
    ("query", "fits"),
    [("", True), ("faces 42 today", True), ("FACES", True), ("face", True), ("42", True), ("seed:42", True), ("seed 42", True), ("Seed: 42", True), ("seed 43", False),
     ("4", False), ("tiles", False), ("faces 43", False),
     ("yesterday", False), ("2026-11", True), ("2026-11-25", True), ("2026-11-24", False), ("2026-12", False), ("ddim 42", True), ("9999-99", False), ("9" * 50, False)],
)  # fmt: skip
def test_what_a_search_finds(query: str, fits: bool) -> None:
    assert Search(query, TODAY).fits(made(TODAY)) == fits


def test_days_end_at_midnight() -> None:
    assert Search("yesterday", TODAY).fits(made(TODAY - datetime.timedelta(days=1)))
    assert not Search("today", TODAY).fits(made(TODAY + datetime.timedelta(days=1)))


def files_of(count: int, folder: Path = Path("/pictures")) -> list[Path]:
    return [folder / f"{i}.png" for i in range(count)]


def test_a_tip_shows_a_name_as_it_is(qtbot: QtBot) -> None:
    model = GalleryModel()
    model.set_files([Path("/pictures/<b>x<b> & co.png"), Path("/pictures/plain.png")], ["<b>x<b> & co.png"])
    tips = [model.data(model.index(i, 0), Qt.ItemDataRole.ToolTipRole) for i in range(2)]
    assert tips == ["<qt>&lt;b&gt;x&lt;b&gt; &amp; co.png</qt>", "plain.png"]
    assert model.data(model.index(0, 0), Qt.ItemDataRole.AccessibleTextRole) == "<b>x<b> & co.png, with a star", "that is read out, not drawn"


def test_the_tip_of_a_run_shows_its_name_as_it_is(qtbot: QtBot) -> None:
    run = RunInfo(Run(Path("/runs/<b>x<b>")), "tiny-32", (32, 32, 3), 1, 1, "tiles", 0.0, True)
    runs = RunsModel()
    runs.set_runs([run], "")
    assert runs.data(runs.index(0, 0), Qt.ItemDataRole.ToolTipRole) == "<qt>/runs/&lt;b&gt;x&lt;b&gt;</qt>"
    box = QComboBox()
    qtbot.addWidget(box)
    show_models(box, [ModelChoice("<b>x<b>", "<b>x<b>", Path("/runs/<b>x<b>/model.safetensors"), (32, 32, 3))])
    assert box.itemData(0, Qt.ItemDataRole.ToolTipRole).startswith("<qt>/runs/&lt;b&gt;")


def test_ten_thousand_pictures_ask_only_for_those_in_sight(qtbot: QtBot) -> None:
    model = GalleryModel()
    files = files_of(10_000)
    model.set_files(files)
    assert model.rowCount() == 10_000
    assert model.take_wanted(5) == []
    with qtbot.waitSignal(model.thumbnails_wanted):
        assert model.thumbnail(7) is None
    model.thumbnail(8)
    assert model.take_wanted(5) == [files[8], files[7]], "the last asked for first"
    model.set_thumbnails([(files[7], tiles(1)[0]), (files[8], None)])
    assert [thumbnail.isNull() for place in (7, 8) if (thumbnail := model.thumbnail(place)) is not None] == [False, True]
    for place in range(3 * WAITING):
        model.thumbnail(place)
    assert len(model.take_wanted(10_000)) == WAITING, "what was scrolled past is forgotten"
    for start in range(0, 2 * KEPT_THUMBNAILS, 100):
        model.set_thumbnails([(path, tiles(1)[0]) for path in files[start : start + 100]])
    assert len(model._thumbnails) == KEPT_THUMBNAILS
    qtbot.wait(1)


def test_the_list_can_be_searched_and_filtered(qtbot: QtBot) -> None:
    model = GalleryModel()
    files = files_of(10_000)
    model.set_files(files, {"3.png"})
    model.add_facts(Facts(path, 0.0, "tiles" if i % 100 else "faces", i, f"{path.stem} {'tiles' if i % 100 else 'faces'}") for i, path in enumerate(files))
    model.search("faces", False)
    assert model.rowCount() == 100
    model.search("faces 300", False)
    assert model.files == [files[300]]
    model.search("", True)
    assert model.files == [files[3]]
    assert model.data(model.index(0), Qt.ItemDataRole.AccessibleTextRole) == "3.png, with a star"
    model.set_stars([files[3]], False)
    assert model.rowCount() == 0
    model.search("", False)
    assert model.rowCount() == 10_000


@pytest.fixture
def page(qtbot: QtBot, home: Path) -> GalleryPage:
    requests = [SampleRequest(model="tiles", seed=0, count=3), SampleRequest(model="faces", seed=40, count=3, sampler="ddim")]
    for place, request in enumerate(requests):
        paths = gallery.save_pictures(tiles(6)[3 * place : 3 * place + 3], gallery.recipes(request, range(request.seed, request.seed + 3), 5, "cpu"))
        for path in paths:
            os.utime(path, (time.time() - 100 + 10 * place, time.time() - 100 + 10 * place))
    page = GalleryPage(Studio(FakeJobs()))
    qtbot.addWidget(page)
    page.resize(1000, 700)
    page.show()
    qtbot.waitUntil(lambda: len(page.model.facts) == 6, timeout=5000)
    qtbot.waitUntil(lambda: len(page.model._thumbnails) == 6 and not workers.running_threads(), timeout=5000)
    return page


def choose(page: GalleryPage, *rows: int) -> None:
    page.view.selectionModel().clear()
    for place in rows:
        page.view.selectionModel().setCurrentIndex(page.model.index(place), QItemSelectionModel.SelectionFlag.Select)


def idle(qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=5000)


def test_thousands_are_laid_out_and_chosen_without_python(qtbot: QtBot, page: GalleryPage) -> None:
    called: list[str] = []

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code.co_filename == gallery_model.__file__:
            called.append(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        page.model.set_files(files_of(10_000))
        page.view.selectAll()
        page.resize(1100, 700)
        QApplication.processEvents()
    finally:
        sys.setprofile(None)
    assert len(page.chosen) == 10_000
    assert len(called) < 1000
    idle(qtbot)


def test_pixels_stay_squares(page: GalleryPage) -> None:
    cell = page.view.visualRect(page.model.index(2))
    shown = to_array(page.view.viewport().grab(cell).toImage())
    ratio = round(len(shown) / cell.height())
    inner = shown[8 * ratio : -8 * ratio, 8 * ratio : -8 * ratio, :3]
    expected = imaging.read_pixels(page.model.files[2]).repeat(3 * ratio, 0).repeat(3 * ratio, 1)
    np.testing.assert_array_equal(inner[ratio:-ratio, ratio:-ratio], expected[ratio:-ratio, ratio:-ratio])  # without the edge


def test_chosen_cells_and_the_one_under_the_mouse_are_framed(qtbot: QtBot, page: GalleryPage) -> None:
    def ground(place: int) -> str:
        cell = page.view.visualRect(page.model.index(place))
        return page.view.viewport().grab(cell).toImage().pixelColor(5, cell.height() // 2).name()

    choose(page, 0)
    assert ground(0) == theme.color("accent_soft").name()
    assert ground(1) == ground(2)
    qtbot.mouseMove(page.view.viewport(), page.view.visualRect(page.model.index(2)).center())
    qtbot.waitUntil(lambda: ground(2) == theme.color("raised").name() != ground(1))


def test_what_is_listed_again_is_the_same(home: Path) -> None:
    gallery.save_pictures(tiles(3), gallery.recipes(SampleRequest(model="tiles", seed=0, count=3), range(3), 5, "cpu"))
    before = gallery.list_pictures()
    again = [path for path, _ in gallery.dated_pictures(known=before[1:])]
    assert again == before
    assert [path is known for path, known in zip(again, before, strict=True)] == [False, True, True]


def test_search_and_star(qtbot: QtBot, page: GalleryPage) -> None:
    day = datetime.date.fromtimestamp(page.model.files[0].stat().st_mtime)  # "today" is another day at midnight
    page.search.setText(f"faces 41 {day}")
    qtbot.waitUntil(lambda: page.model.rowCount() == 1)
    assert page.count.text() == "1 of 6 pictures"
    choose(page, 0)
    assert page.side.isVisible()
    assert "sample-41" in page.side.name.text()
    page.view.setFocus()
    qtbot.keyClick(page.view, Qt.Key.Key_S)
    assert gallery.read_stars() == {page.model.files[0].name}
    page.search.setText("nothing like it")
    qtbot.waitUntil(page.none.isVisible)
    page.findChild(QPushButton, "showAllButton").click()
    assert page.model.rowCount() == 6
    page.only_stars.click()
    assert page.model.rowCount() == 1
    page.refresh()
    idle(qtbot)
    assert page.model.rowCount() == 1, "what is listed anew is filtered, too"


def test_several_are_copied_and_saved_as_one(qtbot: QtBot, page: GalleryPage, tmp_path: Path) -> None:
    choose(page, 0, 1, 2, 3)
    assert page.side.many.text() == "4 pictures are chosen"
    (tmp_path / "out").mkdir()
    for _ in range(2):
        page.export.copy_into(page.chosen, tmp_path / "out")
        idle(qtbot)
    copies = sorted((tmp_path / "out").iterdir())
    assert len(copies) == 8, "nothing is overwritten"
    assert {gallery.read_recipe(path)["model"] for path in copies} == {"tiles", "faces"}
    page.export.save_sheet(page.chosen, tmp_path / "sheet.png")
    idle(qtbot)
    assert imaging.read_pixels(tmp_path / "sheet.png").shape[:2] == (2 * 32 + 2, 2 * 32 + 2)
    page._act(GallerySide.COPY)
    idle(qtbot)
    mime = QApplication.clipboard().mimeData()
    assert len(mime.urls()) == 4
    assert mime.hasImage()
    choose(page, 1)
    page._act(GallerySide.COPY)
    assert QApplication.clipboard().image().width() == 32
    with qtbot.waitSignal(page._studio.failed) as failed:
        page.export.copy_into(page.chosen, tmp_path / "nowhere")
    assert "could not be copied" in failed.args[0].message


def test_what_is_thrown_away_comes_back(qtbot: QtBot, page: GalleryPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bin_ = tmp_path / "bin"
    bin_.mkdir()

    def throw_away(self: trash.Trash, path: Path) -> bool:  # the trash of a machine that runs tests is not ours to fill
        self.places[path] = path.rename(bin_ / path.name)
        return True

    monkeypatch.setattr(trash.Trash, "throw_away", throw_away)
    choose(page, 1, 2)
    doomed = page.chosen
    contents = [path.read_bytes() for path in doomed]
    page.view.setFocus()
    qtbot.keyClick(page.view, Qt.Key.Key_Delete)
    assert page.question.isVisible()
    assert all(path.exists() for path in doomed)
    page.window().activateWindow()
    qtbot.keyClick(page.question.confirm, Qt.Key.Key_Escape)
    assert not page.question.isVisible(), "no"
    page.side.trash.click()
    choose(page, 0)
    assert not page.question.isVisible(), "others are chosen: the question is gone"
    choose(page, 1, 2)
    page.side.trash.click()
    page.question.confirm.click()
    qtbot.waitUntil(lambda: page.model.rowCount() == 4)
    idle(qtbot)
    assert not any(path.exists() for path in doomed)
    assert page.question.isVisible()
    doomed[0].write_bytes(b"another file")
    with qtbot.waitSignal(page._studio.failed) as failed:
        page.question.undo.click()
    assert failed.args[0].message.startswith("1 picture could not be taken back")
    idle(qtbot)
    assert page.question.undo.isVisible(), "one of them is still there, and can be tried again"
    doomed[0].unlink()
    page.question.undo.click()
    qtbot.waitUntil(lambda: page.model.rowCount() == 6 and doomed[0].exists())
    idle(qtbot)
    assert [path.read_bytes() for path in doomed] == contents
    # By Ctrl+Z, too, also when the strip is gone.
    choose(page, 1, 2)
    page.side.trash.click()
    page.question.confirm.click()
    qtbot.waitUntil(lambda: page.model.rowCount() == 4)
    idle(qtbot)
    page.question.close_button.click()
    assert page._studio.undo_stack.undoText() == "2 pictures moved to the trash"
    page._studio.undo_stack.undo()
    qtbot.waitUntil(lambda: page.model.rowCount() == 6)
    idle(qtbot)
    assert not page._studio.undo_stack.canUndo()
    assert not page._studio.undo_stack.canRedo()


@pytest.mark.parametrize("height", [440, 560])
def test_the_buttons_are_there_however_much_is_said(qtbot: QtBot, page: GalleryPage, height: int) -> None:
    side = page.side
    choose(page, 1)
    more = ("seed", "sampler", "steps", "eta", "spacing", "guide", "guidance", "made_on")
    long = {"kind": "sample", "model": "faces", "start": {"timestep": 400, "seed": 1}, **dict.fromkeys(more, "something")}
    side.show_one(page.chosen[0], long, "and there is trouble, too")
    page.resize(1000, height)
    qtbot.wait(10)
    for part in side.findChildren(QPushButton):
        if not part.isHidden() and part.parentWidget() and not part.parentWidget().isHidden():
            assert page.rect().contains(QRect(part.mapTo(page, QPoint(0, 0)), part.size())), part.text()
    assert side.name.isVisible()


def test_a_picture_that_cannot_be_read_is_shown_as_such(qtbot: QtBot, page: GalleryPage) -> None:
    broken = page.model.files[0].with_name("broken.png")
    broken.write_bytes(b"\x89PNG nothing")
    page.choose(broken)
    qtbot.waitUntil(lambda: page.current == broken)
    assert "not a PNG" in page.side.no_recipe.text()
    assert not page.side.again.isEnabled()
    qtbot.waitUntil(lambda: broken in page.model._thumbnails, timeout=5000)
    idle(qtbot)


def test_thumbnails_are_small_and_sheets_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large, small = tmp_path / "large.png", tmp_path / "small.png"
    imaging.save_png(large, np.zeros((600, 900, 3), np.uint8))
    imaging.save_png(small, np.zeros((16, 16, 1), np.uint8))
    shown = gallery.thumbnail(large, 96)
    assert shown is not None
    assert shown.shape == (64, 96, 3)
    assert gallery.sheet([small, large]).shape == (600, 900 * 2 + 2, 3)
    monkeypatch.setattr(gallery, "MAX_SHEET_PIXELS", 600 * 900)
    with pytest.raises(Exception, match="too many"):
        gallery.sheet([small, large])


def test_a_recipe_is_said_as_on_the_pages_that_make_it() -> None:
    assert recipe_lines({"kind": "sample", "sampler": "ddim", "steps": 25}) == [("Kind", "From noise"), ("Sampler", "Steady (DDIM)"), ("Steps", "25")]
    assert recipe_lines({"kind": "blend", "noise": "slerp"}) == [("Kind", "Blend"), ("Noise", "Variance-true (slerp)")]
    assert recipe_lines({"kind": "of a stranger", "sampler": "euler"}) == [("Kind", "of a stranger"), ("Sampler", "euler")]


@pytest.mark.qt_log_ignore("grabbing the keyboard")
def test_the_menu_of_a_picture_does_what_the_buttons_do(qtbot: QtBot, page: GalleryPage) -> None:
    choose(page, 1)

    def menu() -> QMenu:
        page.view.customContextMenuRequested.emit(page.view.visualRect(page.model.index(1)).center())
        found = [menu for menu in page.findChildren(QMenu, "galleryMenu") if menu.isVisible()]
        assert len(found) == 1
        return found[0]

    one = menu()
    names = [action.objectName() for action in one.actions() if not action.isSeparator()]
    assert names == ["againAction", "recreateAction", "leftAction", "rightAction", "copyAction", "saveAction", "starAction", "trashAction"]
    action = next(action for action in one.actions() if action.objectName() == "starAction")
    action.trigger()
    one.close()
    assert page.chosen[0].name in page.model.stars
    choose(page, 0, 1)
    several = menu()
    assert [action.objectName() for action in several.actions() if not action.isSeparator()] == ["copyAction", "folderAction", "sheetAction", "starAction", "trashAction"]
    several.close()
