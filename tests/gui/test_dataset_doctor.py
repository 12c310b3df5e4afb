"""The contact sheet, leaving pictures out, the crop, and what is said about it all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtWidgets import QLabel, QListWidget, QWidget
from pytestqt.qtbot import QtBot

from ddpm_studio import paths
from ddpm_studio.as_command import train_command
from ddpm_studio.control import RunControl
from ddpm_studio.errors import UserError
from ddpm_studio.events import Contents, DatasetExamined, DatasetReport, Event, Finding, Skipped
from ddpm_studio.forecast import Forecast
from ddpm_studio.gui import workers
from ddpm_studio.gui.app import create
from ddpm_studio.gui.jobs import Jobs
from ddpm_studio.gui.main_window import MainWindow
from ddpm_studio.gui.qimage import to_qimage
from ddpm_studio.gui.widgets import contact_sheet
from ddpm_studio.gui.widgets.contact_sheet import ContactSheet
from ddpm_studio.gui.widgets.crop_view import CropView
from ddpm_studio.gui.widgets.dataset_report import DatasetReportView, Some
from ddpm_studio.gui.widgets.drop_zone import DropZone
from ddpm_studio.gui.widgets.histogram import Histogram, shape_bins, size_bins
from ddpm_studio.requests import TrainRequest
from ddpm_studio.runs import Run, list_runs

from .fakes import FakeJobs, make_runs, tiles

CONTROL, SHIFT, NONE = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.NoModifier


@pytest.fixture
def sheet(qtbot: QtBot) -> ContactSheet:
    made = ContactSheet()
    qtbot.addWidget(made)
    made.pictures_wanted.connect(lambda rows: made.add_pictures(rows, tiles(96)[rows % 96]))
    made.resize(500, 400)
    made.show()
    made.set_dataset(tuple(f"{i}.png" for i in range(200_000)), (32, 32))
    return made


def click(qtbot: QtBot, sheet: ContactSheet, index: int, keys: Qt.KeyboardModifier = NONE) -> None:
    qtbot.mouseClick(sheet.viewport(), Qt.MouseButton.LeftButton, keys, sheet.cell_rect(index).center())


def test_only_pictures_in_sight_are_asked_for(qtbot: QtBot, sheet: ContactSheet) -> None:
    qtbot.waitUntil(lambda: sheet.held > 0)
    assert sheet.held < 200
    bar = sheet.verticalScrollBar()
    bar.setValue(bar.maximum())
    with qtbot.waitSignal(sheet.pictures_wanted) as asked:
        sheet.viewport().update()
    assert asked.args[0][-1] == 199_999
    assert sheet.cell_rect(199_999).bottom() <= sheet.viewport().height()


def test_memory_is_bounded(qtbot: QtBot, sheet: ContactSheet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_sheet, "KEPT_BYTES", 4 * 32 * 32 * 300)
    for first in range(0, 5000, 100):
        sheet.add_pictures(np.arange(first, first + 100), tiles(96)[np.arange(100) % 96])
    assert sheet.held <= 300


def test_few_pictures_are_shown_large(qtbot: QtBot, sheet: ContactSheet) -> None:
    usual = sheet.cell_rect(0).width()
    sheet.set_dataset(("a.png", "b.png", "c.png", "d.png"), (32, 32))
    assert sheet.cell_rect(0).width() == 6 * 32 > usual
    assert sheet.verticalScrollBar().maximum() == 0
    sheet.set_dataset(tuple("abcdefghijklmnopqrstuvwxyz" * 9), (256, 128))
    assert sheet.cell_rect(0).height() == 96
    sheet.set_dataset((), (32, 32))
    assert sheet.index_at(QPoint(5, 5)) == -1


def test_selecting_by_mouse(qtbot: QtBot, sheet: ContactSheet) -> None:
    click(qtbot, sheet, 3)
    assert sheet.selected_rows().tolist() == [3]
    click(qtbot, sheet, 6, SHIFT)
    assert sheet.selected_rows().tolist() == [3, 4, 5, 6]
    click(qtbot, sheet, 9, CONTROL)
    click(qtbot, sheet, 4, CONTROL)
    assert sheet.selected_rows().tolist() == [3, 5, 6, 9]
    assert "4.png" in sheet.accessibleDescription()
    start, end = sheet.cell_rect(0).center(), sheet.cell_rect(8).center()
    qtbot.mousePress(sheet.viewport(), Qt.MouseButton.LeftButton, NONE, start)
    qtbot.mouseMove(sheet.viewport(), (start + end) / 2)
    qtbot.mouseMove(sheet.viewport(), end)
    qtbot.mouseRelease(sheet.viewport(), Qt.MouseButton.LeftButton, NONE, end)
    columns = next(i for i in range(1, 50) if sheet.cell_rect(i).top() > sheet.cell_rect(0).top())
    across = 8 % columns
    assert sheet.selected_rows().tolist() == [*range(across + 1), *range(columns, columns + across + 1)]


def test_selecting_by_keys(qtbot: QtBot, sheet: ContactSheet) -> None:
    sheet.show_rows(np.arange(100, 400))
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right):
        qtbot.keyClick(sheet, key)
    assert sheet.current_row == 101
    qtbot.keyClick(sheet, Qt.Key.Key_End)
    assert sheet.current_row == 399
    assert sheet.verticalScrollBar().value() >= sheet.verticalScrollBar().maximum() - 3
    qtbot.keyClick(sheet, Qt.Key.Key_Home)
    qtbot.keyClick(sheet, Qt.Key.Key_Right, SHIFT)
    assert sheet.selected_rows().tolist() == [100, 101]
    qtbot.keyClick(sheet, Qt.Key.Key_A, CONTROL)
    assert len(sheet.selected_rows()) == 300
    qtbot.keyClick(sheet, Qt.Key.Key_Escape)
    assert len(sheet.selected_rows()) == 0
    with qtbot.waitSignal(sheet.leave_out_wanted):
        qtbot.keyClick(sheet, Qt.Key.Key_Delete)
    with qtbot.waitSignal(sheet.opened):
        qtbot.keyClick(sheet, Qt.Key.Key_Return)


def test_the_frame_is_dragged_where_there_is_room(qtbot: QtBot) -> None:
    view = CropView()
    qtbot.addWidget(view)
    view.resize(600, 300)
    view.set_crop((32, 32), (0.5, 0.5))
    view.set_picture(to_qimage(np.zeros((100, 200, 3), np.uint8)))
    view.show()
    assert view.room == (True, False)
    assert view.frame_rect().width() == pytest.approx(view.picture_rect().width() / 2)
    start = view.frame_rect().center()
    free = view.picture_rect().width() - view.frame_rect().width()
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, NONE, start.toPoint())
    qtbot.mouseMove(view, (start + QPointF(free / 4, 40)).toPoint())
    with qtbot.waitSignal(view.focus_chosen) as chosen:
        qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, NONE)
    assert chosen.args[0] == pytest.approx(0.75, abs=0.02)
    assert chosen.args[1] == 0.5, "there is no room up and down"
    with qtbot.waitSignal(view.focus_chosen):
        qtbot.keyClick(view, Qt.Key.Key_Left)
    assert view.focus_at[0] == pytest.approx(0.73, abs=0.02)
    view.set_picture(to_qimage(np.zeros((50, 50, 3), np.uint8)))
    with qtbot.assertNotEmitted(view.focus_chosen, wait=20):
        qtbot.keyClick(view, Qt.Key.Key_Left)


def test_bins_hold_every_picture_once() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.integers(8, 5000, (1000, 2)).astype(np.int32)
    for bins in (size_bins(sizes), shape_bins(sizes)):
        assert sorted(np.concatenate([part.rows for part in bins]).tolist()) == list(range(1000))
    found = {part.label: part.rows.tolist() for part in size_bins(np.array([[16, 31], [40, 32], [300, 63]], np.int32))}
    assert found == {"16": [0], "32–63": [1, 2]}
    wide = np.array([[89, 200], [127, 127], [169, 300], [1024, 1024], [1500, 1990]], np.int32)
    assert [part.label for part in size_bins(wide)] == ["89–127", "169", "256–511", "512–1k", "1k–1.5k"]
    assert [part.words for part in size_bins(wide)][:2] == ["Shorter side 89 to 127 pixels", "Shorter side 169 pixels"]
    many = np.array([[2**i + i] * 2 for i in range(10)], np.int32)
    assert [part.label for part in size_bins(many)] == ["1–20", "37", "70", "135", "264", "521"], "small ones share a bar"
    assert {part.label: len(part.rows) for part in shape_bins(np.array([[10, 10], [30, 40], [178, 218], [16, 9]], np.int32))} == {"1:2": 0, "3:4": 2, "1:1": 1, "4:3": 0, "2:1": 1}


def test_a_bar_can_be_chosen_by_mouse_and_keys(qtbot: QtBot) -> None:
    histogram = Histogram("sizes", "Sizes")
    qtbot.addWidget(histogram)
    histogram.resize(200, 76)
    histogram.set_bins(size_bins(np.array([[16, 16], [32, 32], [33, 40]], np.int32)))
    histogram.show()
    assert "2 pictures" in histogram.accessibleDescription()
    with qtbot.waitSignal(histogram.chosen) as chosen:
        qtbot.mouseClick(histogram, Qt.MouseButton.LeftButton, NONE, histogram.bar_rect(1).center().toPoint())
    assert chosen.args[0].rows.tolist() == [1, 2]
    qtbot.keyClick(histogram, Qt.Key.Key_Left)
    with qtbot.waitSignal(histogram.chosen) as chosen:
        qtbot.keyClick(histogram, Qt.Key.Key_Return)
    assert chosen.args[0].rows.tolist() == [0]


def report(**changes: object) -> DatasetReport:
    values: dict[str, object] = {
        "name": "a", "source": "/a", "pictures": 20, "skipped": (), "duplicates": 0, "image_size": 32, "image_height": 32, "channels": 3, "smallest": (9, 9),
        "median": (40, 40), "largest": (99, 99), "grey": 0, "transparent": 0, "from_cache": False, "seconds": 0.1,
    }  # fmt: skip
    return DatasetReport(**(values | changes))  # type: ignore[arg-type]


def test_reasons_can_be_read_whole(qtbot: QtBot) -> None:
    view = DatasetReportView()
    qtbot.addWidget(view)
    view.setFixedWidth(310)
    reason = "its data in the zip are damaged, or packed in a way that is not read here"
    view.show_report(report(skipped=(Skipped("deep/down/a picture with a rather long name of its own.png", reason), Skipped("b.png", "too small: 4 x 4 pixels"))))
    view.skipped.toggle.setChecked(True)
    view.show()
    found = view.findChild(QListWidget, "skippedList")
    assert found is not None
    qtbot.waitUntil(lambda: found.visualItemRect(found.item(0)).height() > 0)
    item = found.item(0)
    assert reason[1:] in item.text()
    metrics, room = found.fontMetrics(), found.viewport().width() - 12
    needed = sum(metrics.boundingRect(0, 0, room, 1000, int(Qt.TextFlag.TextWordWrap), line).height() for line in item.text().splitlines())
    assert found.visualItemRect(item).height() >= needed
    assert found.visualItemRect(item).width() <= found.viewport().width()


def test_settled_findings_get_a_tick(qtbot: QtBot) -> None:
    view = DatasetReportView()
    qtbot.addWidget(view)
    findings = (Finding("copies", np.array([0, 1, 2]), np.array([0, 0, 0])), Finding("blank", np.array([4, 5])))
    view.show_report(report(), examined=DatasetExamined(findings, 18, 1.0))
    mask = np.zeros(20, bool)
    view.show_left_out(mask)
    assert [line.text() for line in view.findings] == ["2 exact copies", "2 empty pictures"]
    mask[[1, 2, 4]] = True
    view.show_left_out(mask)
    assert [line.text() for line in view.findings] == ["2 exact copies, left out", "2 empty pictures"]


def test_the_table_counts_what_is_trained_on(qtbot: QtBot) -> None:
    view = DatasetReportView()
    qtbot.addWidget(view)
    sizes = np.array([[64, 64]] * 15 + [[128, 64]] * 5, np.int32)
    view.show_report(report(), Contents(Path("/cache"), tuple(f"{i}.png" for i in range(20)), sizes))
    assert "20, as 32 × 32 colour" in view.accessibleDescription()
    assert "12 % of each, on average" in view.accessibleDescription()
    mask = np.zeros(20, bool)
    mask[15:] = True
    view.show_left_out(mask)
    assert "15, as 32 × 32 colour" in view.accessibleDescription()
    assert "Cut off" not in view.accessibleDescription()
    view.show_left_out(np.zeros(20, bool))
    assert "12 % of each, on average" in view.accessibleDescription()


def test_a_long_name_gives_way(qtbot: QtBot) -> None:
    zone = DropZone()
    qtbot.addWidget(zone)
    name = "images_background_small1_of_handwriting"
    zone.show_data(name, "2,720 pictures")
    zone.show()
    zone.resize(310, 72)
    assert zone.minimumSizeHint().width() <= 310
    found = zone.findChild(QLabel, "datasetName")
    assert found is not None
    found.grab()
    assert found.toolTip() == name
    zone.show_data("cats", "40 pictures")
    found.grab()
    assert found.toolTip() == ""


# In the window.


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> Iterator[MainWindow]:
    _, made = create(jobs=FakeJobs())
    made.resize(1280, 800)
    made.show()
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=20_000)
    made.train_page.dataset.open([tmp_path])
    qtbot.waitUntil(lambda: made.train_page.dataset.examination is not None and not workers.running_threads(), timeout=20_000)
    yield made
    made.studio.shut_down()
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=10_000)
    made.close()
    made.deleteLater()


def press(qtbot: QtBot, window: MainWindow, name: str) -> None:
    button = window.findChild(QWidget, name)
    assert button is not None, name
    assert button.isEnabled(), name
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def text(window: MainWindow, name: str) -> str:
    found = window.findChild(QLabel, name)
    assert found is not None
    return found.text()


def test_leaving_out_and_bringing_back(qtbot: QtBot, window: MainWindow) -> None:
    page, stack = window.train_page, window.studio.undo_stack
    sheet, section = page.pictures.sheet, page.dataset
    click(qtbot, sheet, 2)
    click(qtbot, sheet, 4, SHIFT)
    qtbot.keyClick(sheet, Qt.Key.Key_Delete)
    assert section.excluded == ("tiles/0002.png", "tiles/0003.png", "tiles/0004.png")
    assert page.request() is not None
    request = page.request()
    assert request is not None
    assert request.exclude == section.excluded
    assert "3 left out" in section.zone.accessibleDescription()
    assert "leaving out 3 pictures" in stack.undoText()
    click(qtbot, sheet, 3)
    assert not page.pictures.out_button.isEnabled()
    press(qtbot, window, "bringBackButton")
    assert section.excluded == ("tiles/0002.png", "tiles/0004.png")
    sheet.setFocus()
    qtbot.keyClick(sheet, Qt.Key.Key_Z, CONTROL)
    assert len(section.left_out) == 3
    stack.undo()
    assert section.excluded == ()
    assert not sheet.left_out.any()
    stack.redo()
    assert len(section.left_out) == 3
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=20_000)
    jobs = window.studio.jobs
    assert isinstance(jobs, FakeJobs)
    assert jobs.calls[-1] == "remember 3"


def test_all_but_one_of_each(qtbot: QtBot, window: MainWindow) -> None:
    page = window.train_page
    press(qtbot, window, "finding_copies")
    assert page.pictures.sheet.rows.tolist() == [0, 400, 800, 5, 405]
    assert "2 groups" in page.pictures.facts.text()
    press(qtbot, window, "oneEachButton")
    assert np.flatnonzero(page.dataset.left_out_rows).tolist() == [400, 405, 800]
    assert "left out" in page.dataset.report_view.findings[0].text()
    page.pictures.leave_all_but_one_out()
    assert len(page.dataset.left_out) == 3, "the last of each stays"
    press(qtbot, window, "allPicturesButton")
    assert len(page.pictures.sheet.rows) == 1204
    press(qtbot, window, "leftOutFinding")
    assert page.pictures.sheet.rows.tolist() == [400, 405, 800]
    press(qtbot, window, "finding_grey")
    assert not page.pictures.one_each_button.isVisible()
    qtbot.keyClick(page.pictures.sheet, Qt.Key.Key_Escape)
    assert len(page.pictures.sheet.rows) == 1204


def test_the_pictures_of_a_bar(qtbot: QtBot, window: MainWindow) -> None:
    page = window.train_page
    histogram = page.dataset.report_view.shapes
    qtbot.mouseClick(histogram, Qt.MouseButton.LeftButton, NONE, histogram.bar_rect(1).center().toPoint())
    assert page.pictures.sheet.rows.tolist() == list(range(0, 1204, 7))


def test_another_folder_has_nothing_left_out_and_nothing_to_undo(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    page = window.train_page
    page.pictures.sheet.select_rows(np.array([1]))
    page.pictures.leave_out()
    (tmp_path / "other").mkdir()
    page.dataset.open([tmp_path / "other"])
    qtbot.waitUntil(lambda: page.dataset.examination is not None and not page.dataset.busy, timeout=20_000)
    assert page.dataset.excluded is None
    window.studio.undo_stack.undo()
    assert page.dataset.excluded is None


def test_the_crop_moves_for_all_pictures(qtbot: QtBot, window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    page = window.train_page
    view = page.pictures.crop
    page.pictures.sheet.select_rows(np.array([9]))
    press(qtbot, window, "cropButton")
    qtbot.waitUntil(lambda: view.room == (True, False), timeout=20_000)
    assert "all pictures" in page.pictures.crop_words.text()
    qtbot.keyClick(view, Qt.Key.Key_Left)
    qtbot.waitUntil(lambda: page.dataset.settings.crop_x == 0.48, timeout=20_000)
    assert page.settings.config().data.crop == (0.48, 0.5)
    qtbot.waitUntil(lambda: not page.dataset.busy and not workers.running_threads(), timeout=20_000)
    assert page.pictures.stack.currentIndex() == 1, "the crop stays in sight while all pictures are read again"
    qtbot.keyClick(view, Qt.Key.Key_PageDown)
    press(qtbot, window, "cropCentreButton")
    qtbot.waitUntil(lambda: page.dataset.settings.crop_x == 0.5, timeout=20_000)
    qtbot.keyClick(view, Qt.Key.Key_Escape)
    assert page.pictures.stack.currentIndex() == 0
    qtbot.waitUntil(lambda: not page.dataset.busy and not workers.running_threads(), timeout=20_000)


def test_some_pictures_stay_in_sight_when_the_crop_has_moved(qtbot: QtBot, window: MainWindow) -> None:
    page = window.train_page
    sheet, bar = page.pictures.sheet, page.pictures.sheet.verticalScrollBar()
    page.pictures.show_some(Some("Grey", "", np.arange(0, 1204, 2)))
    sheet.select_rows(np.array([400, 402]))
    bar.setValue(bar.maximum() // 2)
    before = bar.value()
    page.pictures.open_crop(400)
    qtbot.waitUntil(lambda: page.pictures.crop.room == (True, False), timeout=20_000)
    qtbot.keyClick(page.pictures.crop, Qt.Key.Key_Left)
    qtbot.waitUntil(lambda: page.dataset.settings.crop_x == 0.48, timeout=20_000)
    qtbot.waitUntil(lambda: not page.dataset.busy and not workers.running_threads(), timeout=20_000)
    assert page.pictures.stack.currentIndex() == 1
    page.pictures.close_crop()
    assert page.pictures.title.text() == "Grey"
    assert sheet.selected_rows().tolist() == [400, 402]
    assert bar.value() == before > 0
    page.pictures.open_crop(400)
    page.dataset.open([page.dataset.source.parent])  # type: ignore[union-attr]
    qtbot.waitUntil(lambda: not page.dataset.busy and not workers.running_threads(), timeout=20_000)
    assert page.pictures.stack.currentIndex() == 0
    assert len(sheet.rows) == 1204, "others of the same names"
    assert not len(sheet.selected_rows())


def test_a_run_that_goes_on_is_told_what_was_left_out_meanwhile(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    make_runs(1)
    run = list_runs()[0].run
    run.resume_notes.write_text(json.dumps({"step": 10, "source": str(tmp_path)}), encoding="utf-8")
    page = window.train_page

    def request_of_resume() -> TrainRequest:
        page.resume(run)
        qtbot.waitUntil(lambda: not window.studio.training.active and not workers.running_threads(), timeout=10_000)
        assert page._resumed is not None
        return page._resumed

    assert request_of_resume().exclude is None, "as the run remembers it"
    page.pictures.sheet.select_rows(np.array([3]))
    page.pictures.leave_out()
    request = request_of_resume()
    assert request.exclude == ("tiles/0003.png",)
    assert f"--exclude {paths.left_out_file(tmp_path)}" in train_command(request)
    page.pictures.bring_back()
    assert request_of_resume().exclude == ()


def test_what_to_expect(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.waitUntil(lambda: "Blobs after 15 s" in text(window, "expectedTime"), timeout=20_000)
    assert "good pictures after 11 min" in text(window, "expectedTime")
    assert "Measured with the run faces-tiny-32-1" in text(window, "expectedTime")
    assert "Each picture is seen about 103 times" in text(window, "expectedCopies")
    section, page = window.train_page.dataset, window.train_page
    page.pictures.sheet.select_rows(np.arange(50, 1204))
    page.pictures.leave_out()
    assert "50 pictures are too few" in text(window, "expectedCopies")
    assert section.report is not None
    page.expectations._receive([Forecast(2.0, "guessed", "", False)])
    assert "was not measured" in text(window, "expectedTime")
    assert "Roughly" in text(window, "expectedTime")


def test_the_forecast_knows_the_new_name_of_its_run(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.waitUntil(lambda: "the run faces-tiny-32-1." in text(window, "expectedTime"), timeout=10_000)
    run = Run(paths.runs_dir() / "faces-tiny-32-1")
    window.studio.follow_rename(Run(paths.runs_dir() / "another"), Run(paths.runs_dir() / "mine"))
    assert "the run faces-tiny-32-1." in text(window, "expectedTime")
    window.studio.follow_rename(run, Run(paths.runs_dir() / "small faces"))
    assert "the run small faces." in text(window, "expectedTime")


def test_an_estimate_that_fails_is_told(qtbot: QtBot, window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    def job(control: RunControl) -> Iterator[Event]:
        raise UserError("Could not read the runs.", "Check the disk.")
        yield

    qtbot.waitUntil(lambda: "Blobs after" in text(window, "expectedTime"), timeout=20_000)
    form = window.train_page.settings.form
    with monkeypatch.context() as broken:
        broken.setattr(window.studio.jobs, "forecast", lambda *asked: job)
        with qtbot.waitSignal(window.studio.failed, timeout=5000) as failed:
            form.edited.emit("training.batch_size", 9)
        assert "Could not read the runs" in failed.args[0].message
        assert text(window, "expectedTime") == "How long it takes could not be estimated."
    form.edited.emit("training.batch_size", 10)
    qtbot.waitUntil(lambda: "Blobs after" in text(window, "expectedTime"), timeout=5000)


def test_whether_the_size_suits_the_pictures(window: MainWindow) -> None:
    """Judged by all of them, and by the shape that they are used with."""
    section, expectations, form = window.train_page.dataset, window.train_page.expectations, window.train_page.settings.form
    assert section.contents is not None

    def said(*each: tuple[int, int, int], height: int | None = None) -> str:
        sizes = np.concatenate([np.full((number, 2), (w, h), np.int32) for number, w, h in each])
        section.contents = Contents(Path("/cache"), tuple(map(str, range(len(sizes)))), sizes)
        section._take_left_out(frozenset())
        form.edited.emit("data.image_height", height)
        expectations.ask()
        return text(window, "expectedSize")

    mixed = (148, 64, 64), (152, 128, 64), (50, 200, 300)
    assert said(*mixed) == "The pictures are of many shapes: 32 × 32 cuts off 26 % on average, and no other height does clearly better."
    assert said((9, 60, 60), (300, 128, 64)) == "32 × 32 cuts off 49 % of the pictures on average; with an image height of 16 (All settings) it would be 1 %."
    assert said((300, 128, 64), height=16) == "32 × 16 suits them; they would do for 64 × 32 too, which takes about four times as long."
    assert said((300, 50, 50)) == "32 × 32 suits these pictures."
    assert said((300, 20, 20)) == "Most pictures are smaller than 32 × 32: 16 × 16 would do, and be quicker."
    assert said((300, 12, 12)) == "Most pictures are smaller than 32 × 32, and look soft."
    section.left_out_rows[:] = True
    expectations.show_words()
    assert text(window, "expectedSize") == ""


class RealPictures(Jobs):
    """All that is real, but for the speed of the network, for which torch would have to be loaded."""

    forecast = FakeJobs.forecast


def test_real_pictures_from_folder_to_sheet(qtbot: QtBot, tmp_path: Path, photo_folder: Callable[[Path], Path]) -> None:
    """Names, pixels and what was left out come through, and are there the next time."""
    source = photo_folder(tmp_path / "photos")
    for expected in (None, ("b.png",)):
        _, window = create(jobs=RealPictures())
        window.show()
        page = window.train_page
        try:
            page.dataset.open([source])
            qtbot.waitUntil(lambda page=page: page.dataset.examination is not None and page.pictures.sheet.held == 4, timeout=60_000)
            assert page.pictures.sheet.names == ("a.png", "b.png", "c.png", "d.png")
            assert page.dataset.excluded == expected
            page.pictures.sheet.select_rows(np.array([1]))
            page.pictures.leave_out()
        finally:
            qtbot.waitUntil(lambda: not workers.running_threads(), timeout=60_000)
            window.close()
            window.deleteLater()


@pytest.fixture
def photo_folder() -> Callable[[Path], Path]:
    from PIL import Image

    def make(folder: Path) -> Path:
        folder.mkdir()
        for name, picture in zip("abcd", tiles(4), strict=True):
            Image.fromarray(picture).save(folder / f"{name}.png")
        return folder

    return make
