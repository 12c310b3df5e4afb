"""The window as scripts and people meet it."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QItemSelectionModel, QMimeData, QObject, QPoint, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QDragEnterEvent, QImage, QPalette
from PySide6.QtWidgets import QApplication, QComboBox, QLabel, QPushButton, QScrollArea, QSlider, QWidget
from pytestqt.qtbot import QtBot

from ddpm_studio import gallery, language, paths
from ddpm_studio.control import RunControl
from ddpm_studio.errors import DataChanged, UserError
from ddpm_studio.events import Event, Failed, TrainingStarted
from ddpm_studio.gui import app, theme, workers
from ddpm_studio.gui.answers import ModelChoice, ModelsListed
from ddpm_studio.gui.jobs import Jobs
from ddpm_studio.gui.main_window import PAGES, MainWindow
from ddpm_studio.gui.pages.gallery import GalleryPage
from ddpm_studio.gui.pages.resume_offer import how_it_stands
from ddpm_studio.gui.pages.runs import RunsPage
from ddpm_studio.gui.pages.train import LIVE, TrainPage
from ddpm_studio.gui.pages.train_settings import TrainSettings
from ddpm_studio.gui.presenters import State
from ddpm_studio.gui.widgets.command_palette import matches
from ddpm_studio.gui.widgets.handbook import Handbook
from ddpm_studio.gui.widgets.welcome import Welcome
from ddpm_studio.models import find_model
from ddpm_studio.presets import get_preset
from ddpm_studio.remarks import Remarks, read_remarks
from ddpm_studio.requests import SampleRequest, TrainRequest, recipe
from ddpm_studio.runs import Run, RunInfo, list_runs

from .drops import drop_on
from .fakes import FakeJobs, blocks, make_runs, read, tiles
from .windows import Open

CONTRACT = [
    "datasetDropZone", "datasetReport", "presetCombo", "imageSizeCombo", "settingsForm", "trainButton", "pauseButton", "stopButton", "trainingProgress",
    "etaLabel", "statusMessage", "lossPlot", "previewGrid", "filmstrip", "filmstripSlider", "modelCombo", "generateButton", "cancelButton", "countSpin",
    "samplerCombo", "stepsSpin", "seedSpin", "sampleGrid", "blendImageA", "blendImageB", "lambdaSlider", "timestepSlider", "noiseCombo", "blendPreview",
    "blendSheet", "galleryView", "runsView", "architectureView", "errorBanner",
]

def find(window: MainWindow, name: str) -> QWidget:
    found = window.findChild(QWidget, name)
    assert found is not None, name
    return found


def open_data(qtbot: QtBot, window: MainWindow, path: Path) -> None:
    assert drop_on(find(window, "datasetDropZone"), path)
    qtbot.waitUntil(lambda: window.train_page.dataset.report is not None, timeout=5000)


def show_runs(qtbot: QtBot, window: MainWindow) -> RunsPage:
    window.show_page("Runs")
    page = window.pages["Runs"]
    assert isinstance(page, RunsPage)
    qtbot.waitUntil(lambda: not page._listing.busy, timeout=10_000)
    return page


def test_importing_the_window_imports_no_torch() -> None:
    code = "import sys, ddpm_studio.gui.main_window, ddpm_studio.gui.app; assert not {'torch', 'pyqtgraph'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_name_of_the_contract_is_there(open_window: Open) -> None:
    window = open_window()
    assert window.objectName() == "mainWindow"
    for name in CONTRACT:
        assert find(window, name).accessibleName(), f"{name} has no accessible name"
    assert len(window.findChildren(QComboBox, "modelCombo")) == 1


def test_every_control_has_names(open_window: Open) -> None:
    window = open_window()
    for kind in (QPushButton, QComboBox, QSlider):
        for widget in window.findChildren(kind):
            assert widget.objectName(), widget.text() if isinstance(widget, QPushButton) else widget
            assert widget.accessibleName(), widget.objectName()


def test_navigation(qtbot: QtBot, open_window: Open) -> None:
    window = open_window()
    for i, (name, _, _) in enumerate(PAGES):
        qtbot.keyClick(window, Qt.Key(Qt.Key.Key_1 + i), Qt.KeyboardModifier.ControlModifier)
        assert window.page == name
        assert window.rail.buttons[i].isChecked()
        assert find(window, "modelCombo").isVisible() == (name in ("Generate", "Blend", "Inside"))


def test_a_page_that_is_shown_is_painted_once(open_window: Open) -> None:
    class Painted(QObject):
        times = 0

        def eventFilter(self, watched: QObject, event: QEvent) -> bool:
            self.times += event.type() == QEvent.Type.Paint
            return False

    window = open_window()
    page = window.train_page
    page._set_view(LIVE)
    for plot in page.live.plots.shown:
        plot.ensure_plot()
    painted = Painted()
    for name in ("Train", "Gallery", "Train"):
        painted.times = 0
        window.show_page(name)
        for _ in range(10):
            QApplication.processEvents()
        page.installEventFilter(painted)
    assert painted.times == 1


def test_a_dropped_folder_is_looked_at(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    window = open_window()
    open_data(qtbot, window, tmp_path)
    report = find(window, "datasetReport")
    assert report.isVisible()
    assert "1,204" in report.accessibleDescription()
    assert len(window.train_page.pictures.sheet.rows) == 1204


def test_a_folder_without_pictures_is_explained_and_nothing_is_lost(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    window = open_window()
    open_data(qtbot, window, tmp_path)
    (tmp_path / "empty").mkdir()
    assert drop_on(find(window, "datasetDropZone"), tmp_path / "empty")
    banner = window.banner
    qtbot.waitUntil(banner.isVisible)
    assert "no pictures" in banner.message.text()
    assert not banner.copy_button.isVisible()
    assert window.train_page.dataset.source == tmp_path


def test_text_is_not_taken_for_pictures(open_window: Open) -> None:
    window = open_window()
    mime = QMimeData()
    mime.setText("hello")
    event = QDragEnterEvent(QPoint(5, 5), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(find(window, "datasetDropZone"), event)
    assert not event.isAccepted()


def test_training_from_button_to_button(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    window = open_window()
    start, pause, stop = (window.findChild(QPushButton, name) for name in ("trainButton", "pauseButton", "stopButton"))
    assert start
    assert pause
    assert stop
    missing = window.train_page.missing
    assert not start.isEnabled()
    assert missing.isVisible()
    assert missing.text() in start.toolTip()
    assert "drop pictures" in missing.text()
    window.menus.start.trigger()
    assert window.banner.isVisible(), "without pictures there is a hint, not a run"
    open_data(qtbot, window, tmp_path)
    assert start.isEnabled()
    assert not missing.isVisible()
    with qtbot.waitSignal(window.trainingStarted, timeout=5000):
        start.click()
    assert not start.isEnabled()
    live = window.train_page.live
    qtbot.waitUntil(lambda: bool(live.previews), timeout=5000)
    assert live.isVisible()
    qtbot.waitUntil(lambda: "step" in window.status.message.text())
    assert "images/s" in window.status.device.text()
    pause.click()
    qtbot.waitUntil(lambda: pause.text() == "Resume" and window.studio.training.state is State.PAUSED, timeout=5000)
    pause.click()
    qtbot.waitUntil(lambda: window.studio.training.state is State.RUNNING, timeout=5000)
    with qtbot.waitSignal(window.trainingStopped, timeout=5000):
        stop.click()
    assert start.isEnabled()
    assert live.plot.series.size > 10


def test_nobody_trains_on_the_pictures_before(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    """While another folder is being read, Start would take the old one."""
    window = open_window()
    page = window.train_page
    open_data(qtbot, window, tmp_path)
    assert page.train_button.isEnabled()
    page.dataset.open([tmp_path / "other"])
    assert not page.train_button.isEnabled()
    assert "still being read" in page.train_button.toolTip()
    window.menus.start.trigger()
    assert not window.studio.training.active
    qtbot.waitUntil(page.train_button.isEnabled)
    assert "Ctrl+T" in page.train_button.toolTip()
    page.dataset.open([tmp_path / "empty"])
    assert not page.train_button.isEnabled()
    qtbot.waitUntil(page.train_button.isEnabled)


def test_what_was_typed_counts_or_is_refused(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    """By Ctrl+T, which leaves the cursor in the field."""
    window = open_window()
    page = window.train_page
    open_data(qtbot, window, tmp_path)
    page.settings.more.toggle.setChecked(True)
    edit = page.settings.form.fields["training.learning_rate"].widget
    edit.setFocus()
    edit.clear()  # type: ignore[attr-defined]
    qtbot.keyClicks(edit, "much")
    window.menus.start.trigger()
    assert not window.studio.training.active
    assert "Learning rate" in window.banner.message.text()
    edit.setFocus()
    edit.clear()  # type: ignore[attr-defined]
    qtbot.keyClicks(edit, "3e-4")
    window.menus.start.trigger()
    qtbot.waitUntil(lambda: window.studio.training.state is State.RUNNING)
    run = window.studio.training.run
    assert run
    assert run.read_config().training.learning_rate == 3e-4


@pytest.mark.parametrize("by_hand", [False, True])
def test_continue_has_a_limit_only_when_one_was_chosen(qtbot: QtBot, open_window: Open, tmp_path: Path, by_hand: bool) -> None:
    window = open_window()
    training, settings = window.studio.training, window.train_page.settings
    open_data(qtbot, window, tmp_path)
    asked: list[TrainRequest] = []
    begin = training.start
    training.start = lambda request: (asked.append(request), begin(request))  # type: ignore[method-assign,assignment,return-value,func-returns-value]
    settings.duration.activated.emit(0)
    window.train_page.start()
    qtbot.waitUntil(lambda: training.state is State.RUNNING)
    training.stop()
    qtbot.waitUntil(lambda: not training.active)
    if by_hand:
        settings.duration.setCurrentIndex(1)
        settings.duration.activated.emit(1)
    run = training.run
    assert run
    run.resume_notes.write_text(f'{{"step": 5, "source": "{tmp_path}"}}', encoding="utf-8")
    window.train_page.resume(run)
    assert [request.max_seconds for request in asked] == [600, 1800 if by_hand else None]


def test_generating_fills_strip_grid_and_gallery(qtbot: QtBot, open_window: Open) -> None:
    window = open_window()
    window.show_page("Generate")
    with qtbot.waitSignal(window.generationFinished, timeout=10_000) as done:
        find(window, "generateButton").click()  # type: ignore[attr-defined]
    assert len(done.args[0]) == 16
    assert "done" in window.status.message.text()
    assert all(Path(path).is_file() for path in done.args[0])
    page = window.pages["Generate"]
    assert len(page.stage.filmstrip.frames) == 12  # type: ignore[attr-defined]
    assert len(page.stage.results.grid.images) == 16  # type: ignore[attr-defined]
    calls = len(window.studio.jobs.calls)  # type: ignore[attr-defined]
    page.stage.filmstrip.slider.setValue(3)  # type: ignore[attr-defined]
    page.stage.results.grid.set_current(7)  # type: ignore[attr-defined]
    assert page.stage.filmstrip.strip.current == 3  # type: ignore[attr-defined]
    assert len(window.studio.jobs.calls) == calls, "scrubbing computes nothing"  # type: ignore[attr-defined]
    window.show_page("Gallery")
    qtbot.waitUntil(lambda: window.pages["Gallery"].model.rowCount() == 16)  # type: ignore[attr-defined]


def test_blend_follows_the_slider(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    window = open_window()
    window.show_page("Blend")
    page = window.pages["Blend"]
    for letter, picture in zip("AB", tiles(2), strict=True):
        page.set_source(letter, picture)  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: page.single.preview.image is not None, timeout=5000)  # type: ignore[attr-defined]
    slider = window.findChild(QSlider, "lambdaSlider")
    assert slider
    with qtbot.waitSignal(window.blendUpdated, timeout=5000, check_params_cb=lambda lam: lam == 0.8):
        slider.setValue(80)
    calls = window.studio.jobs.calls  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: calls[-1] == "blend 0.80 full" and not window.studio.blending.busy)
    before = len(calls)
    window.show_page("Gallery")
    window.show_page("Blend")
    qtbot.wait(500)
    assert len(calls) == before, "nothing has changed: nobody is asked to make room"
    window.show_page("Gallery")
    slider.setValue(20)
    qtbot.wait(350)
    assert len(calls) == before, "nobody sees it"
    with qtbot.waitSignal(window.blendUpdated, timeout=5000, check_params_cb=lambda lam: lam == 0.2):
        window.show_page("Blend")
    page.make_sheet()  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: page.sheet.complete, timeout=5000)  # type: ignore[attr-defined]
    page.sheet.export(tmp_path / "sheet.png")  # type: ignore[attr-defined]
    sheet = QImage(str(tmp_path / "sheet.png"))
    assert (sheet.width(), sheet.height()) == (11 * 34 - 2, 5 * 34 - 2)
    facts = gallery.read_recipe(tmp_path / "sheet.png")
    assert facts["timesteps"] == [100, 300, 500, 700, 900]
    assert facts["lams"] == [i / 10 for i in range(11)]


def test_a_picture_can_be_dropped_into_a_well(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    window = open_window()
    window.show_page("Blend")
    image = QImage(50, 40, QImage.Format.Format_RGB888)
    image.fill(Qt.GlobalColor.red)
    image.save(str(tmp_path / "red.png"))
    well = find(window, "blendImageA")
    assert drop_on(well, tmp_path / "red.png")
    qtbot.waitUntil(lambda: well.image is not None, timeout=5000)  # type: ignore[attr-defined]
    assert well.image.width() == 32  # type: ignore[attr-defined]


def test_without_a_model_the_pages_say_what_to_do(open_window: Open) -> None:
    window = open_window(FakeJobs(models=False))
    for name, stack in (("Generate", "stage"), ("Blend", "stack"), ("Inside", "stack")):
        window.show_page(name)
        assert getattr(window.pages[name], stack).currentIndex() == 0
    assert not find(window, "generateButton").isEnabled()


@pytest.mark.parametrize("choice", ["light", "dark"])
def test_theme_changes_at_once_and_is_remembered(open_window: Open, choice: str) -> None:
    window = open_window()
    window.train_page.live.plot.ensure_plot()
    window.set_theme(choice)
    assert theme.name() == choice
    assert QApplication.palette().color(QPalette.ColorRole.Window) == theme.color("window")
    assert window.train_page.live.plot._plot.backgroundBrush().color() == theme.color("base")
    assert open_window().studio.preferences.theme == choice


def test_runs_are_listed_shown_and_deleted_after_a_question(qtbot: QtBot, open_window: Open) -> None:
    make_runs(3)
    window = open_window()
    assert window.train_page.offer.isVisible()
    page = show_runs(qtbot, window)
    assert page.model.rowCount() == 3
    assert page.current
    doomed = page.current.run
    assert window.train_page.offer.run == doomed
    page.delete_button.click()
    assert page.question.isVisible()
    assert doomed.exists
    page.question.confirm.click()
    qtbot.waitUntil(lambda: page.model.rowCount() == 2 and not workers.running_threads(), timeout=10_000)
    assert not doomed.exists
    window.show_page("Train")
    assert not window.train_page.offer.isVisible(), "it cannot be continued any more"
    show_runs(qtbot, window)
    page.curve_button.click()
    qtbot.waitUntil(lambda: window.train_page.live.plot.series.size == 299)
    assert window.page == "Train"


def test_runs_are_named_tagged_found_and_their_settings_used_again(qtbot: QtBot, open_window: Open) -> None:
    make_runs(4)
    window = open_window()
    page = show_runs(qtbot, window)
    run = page.chosen[0].run
    qtbot.keyClicks(page.details.tags, "good,  for later ,good")
    page.details.note.setPlainText("The first that shows eyes.")
    qtbot.waitUntil(lambda: read_remarks(run.path) == Remarks("The first that shows eyes.", ("good", "for later")))
    page.details.tags.setText("")
    page.details._written()
    page.view.selectRow(1)  # what was being written belongs to the one before
    assert read_remarks(run.path).tags == ()
    assert page.details.note.toPlainText() == ""
    other = page.chosen[0].run.name
    page.search.setText("EYES first")
    assert [info.run.name for info in page.model.runs] == [run.name]
    page.search.setText("nothing like it")
    assert page.chosen == []
    assert not page.details.name.isEnabled()
    page.search.setText("faces-small")
    assert page.current
    assert page.current.run.read_config().preset == "small-32"
    page.search.clear()
    page.details.name.setText(other if other != page.current.run.name else run.name)
    page.details.name.editingFinished.emit()
    assert window.banner.isVisible(), "there is a run of that name"
    page.details.name.setText("small faces")
    page.details.name.editingFinished.emit()
    assert not window.banner.isVisible(), "now it has gone well"
    assert page.current.run.name == page.details.name.text() == "small faces"
    assert page.current.run.read_config().preset == "small-32"
    page.details.again.click()
    assert window.page == "Train"
    assert window.train_page.settings.config() == get_preset("small-32")
    from_model = next(row for row in range(4) if page.model.runs[row].start_from)
    assert page.model.data(page.model.index(from_model, 2)) == "from faces"


def test_a_new_name_is_known_everywhere(qtbot: QtBot, open_window: Open) -> None:
    make_runs(1)
    window = open_window()
    train = window.train_page
    assert train.offer.isVisible()
    page = show_runs(qtbot, window)
    assert page.current
    window.studio.training.run = page.current.run  # as if it had been trained just now
    window.studio.replay_wanted.emit(page.current.run)
    show_runs(qtbot, window)
    window.banner.show_notice("The disk is full.")
    page.details.name.setText("tiles")
    page.details.name.editingFinished.emit()
    renamed = page.current.run
    assert renamed.name == "tiles"
    assert train.stage_title.text() == "tiles, as it went"
    assert train.offer.run == renamed
    assert "tiles stopped" in train.offer.text.text()
    assert window.studio.training.run == renamed
    assert window.banner.isVisible(), "it said what goes on, not what went wrong"


def test_two_runs_are_compared(qtbot: QtBot, open_window: Open) -> None:
    make_runs(3)
    window = open_window()
    page = show_runs(qtbot, window)
    assert not page.compare_button.isEnabled()
    page.view.selectAll()
    assert not page.compare_button.isEnabled()
    assert not page.continue_button.isEnabled(), "of three runs none is the one"
    page.view.clearSelection()
    flags = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
    for number in (0, 2):
        page.view.selectionModel().select(page.model.index(number, 0), flags)
    qtbot.mouseClick(page.compare_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.stack.currentWidget() is page.compare)
    assert page.model.runs[0].run.name in page.compare.title.text()
    assert page.compare.table.rowCount() > 3
    page.compare.back.click()
    assert [info.run.name for info in page.chosen] == [page.model.runs[i].run.name for i in (0, 2)]


def test_where_a_folder_is_that_nothing_can_open(qtbot: QtBot, open_window: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    make_runs(1)
    window = open_window()
    page = show_runs(qtbot, window)
    opened: list[str] = []
    found = False

    def open_url(url: QUrl) -> bool:
        opened.append(url.toLocalFile())
        return found

    monkeypatch.setattr(QDesktopServices, "openUrl", open_url)
    with qtbot.waitSignal(window.studio.said) as said:
        page.folder_button.click()
    assert page.current
    assert str(page.current.run.path) in said.args[0]
    found = True
    with qtbot.assertNotEmitted(window.studio.said, wait=50):
        page.folder_button.click()
    assert [Path(path) for path in opened] == 2 * [page.current.run.path]


def test_the_handbook_speaks_the_language_of_the_window(qtbot: QtBot, open_window: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    window = open_window()
    monkeypatch.setattr(language, "spoken", lambda: "zh_CN")
    book = Handbook(window)
    assert "比较。 在 任务 页选中两个任务" in book.text.toPlainText()
    book.close()


def test_the_handbook_is_opened_from_the_menu(qtbot: QtBot, open_window: Open) -> None:
    window = open_window()
    next(command.action for command in window.menus.commands() if command.action.objectName() == "actionOpenTheHandbook").trigger()
    book = window.findChild(Handbook)
    assert book
    assert book.isVisible()
    assert not book.isModal()
    assert book.text.verticalScrollBar().value() == 0 < book.text.verticalScrollBar().maximum()
    assert "Compare. Two runs that are selected" in book.text.toPlainText()
    next(command.action for command in window.menus.commands() if command.action.objectName() == "actionOpenTheHandbook").trigger()
    assert window.findChildren(Handbook) == [book]
    book.close()


def test_all_settings_are_scrolled_into_view(qtbot: QtBot, open_window: Open) -> None:
    window = open_window()
    window.resize(1024, 700)
    window.show_page("Train")
    QApplication.processEvents()
    more = window.train_page.settings.more
    qtbot.mouseClick(more.toggle, Qt.MouseButton.LeftButton)
    qtbot.wait(50)
    area = more.parentWidget()
    while not isinstance(area, QScrollArea):
        assert area
        area = area.parentWidget()
    assert 0 <= more.toggle.mapTo(area.viewport(), QPoint()).y() < area.viewport().height() / 3


def test_what_differs_has_room_in_a_small_window_and_keeps_it(qtbot: QtBot, open_window: Open) -> None:
    make_runs(2)
    window = open_window()
    window.resize(1024, 700)
    page = show_runs(qtbot, window)
    page.compare.set_runs(read("a"), read("b", 1e-3))
    page.stack.setCurrentWidget(page.compare)
    QApplication.processEvents()
    halves, table = page.compare.halves, page.compare.table
    assert table.viewport().height() >= 4 * table.rowHeight(0)
    before = table.height()
    handle = halves.handle(1)
    middle = handle.rect().center()
    qtbot.mousePress(handle, Qt.MouseButton.LeftButton, pos=middle)
    qtbot.mouseMove(handle, middle - QPoint(0, 40))
    qtbot.mouseRelease(handle, Qt.MouseButton.LeftButton, pos=middle - QPoint(0, 40))
    assert table.height() > before
    sizes = halves.sizes()
    window.close()
    again = open_window()
    again.resize(1024, 700)
    page = show_runs(qtbot, again)
    page.stack.setCurrentWidget(page.compare)
    QApplication.processEvents()
    assert page.compare.halves.sizes() == sizes


def test_the_last_run_is_offered_and_goes_on(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    make_runs(1)
    run = Run(tmp_path / "home" / "runs" / "pixel_tiles-tiny-32-1")
    run.resume_notes.write_text(f'{{"step": 24000, "source": "{tmp_path}"}}', encoding="utf-8")
    window = open_window()
    assert "24,000" in window.train_page.offer.text.text()
    window.train_page.offer.continue_button.click()
    qtbot.waitUntil(lambda: window.studio.training.step > 2000, timeout=5000)
    assert window.studio.training.run == run
    assert not window.train_page.offer.isVisible()


def test_a_run_that_was_stopped_can_go_on_and_says_what_is_left(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    window = open_window()
    page, training = window.train_page, window.studio.training
    run = Run(tmp_path / "home" / "runs" / "cats-tiny-32-1")
    training.start(TrainRequest(run, tmp_path, get_preset("tiny-32"), max_seconds=600))
    qtbot.waitUntil(lambda: training.step > 100)
    run.resume_notes.write_text(f'{{"step": 800, "source": "{tmp_path}", "planned": {{"seconds_done": 240.0, "seconds_left": 360.0}}}}', encoding="utf-8")
    window.studio.remember(dismissed_run=run.name)  # before it was continued
    assert not page.offer.isVisible()
    page.stop_button.click()
    qtbot.waitUntil(lambda: training.state is State.DONE)
    assert "can be continued" in window.status.message.text()
    assert page.offer.isVisible()
    assert page.offer.text.text() == "cats-tiny-32-1 stopped at step 800; 6 min of the planned 10 min are left. Continue?"
    page.offer.continue_button.click()
    qtbot.waitUntil(lambda: training.state is State.RUNNING)
    assert not page.offer.isVisible()


def test_a_run_that_reached_its_end_is_not_offered(open_window: Open, tmp_path: Path) -> None:
    make_runs(1)
    run = Run(tmp_path / "home" / "runs" / "pixel_tiles-tiny-32-1")
    run.journal_file.write_text('{"event": "finished", "step": 24000, "stopped": false}\n', encoding="utf-8")
    assert not open_window().train_page.offer.isVisible()
    run.journal_file.write_text('{"event": "finished", "step": 24000, "stopped": true}\n', encoding="utf-8")
    assert open_window().train_page.offer.isVisible()


@pytest.mark.parametrize("option", ["run", "model"])
def test_what_the_command_line_names_in_vain_is_said(qtbot: QtBot, open_window: Open, option: str) -> None:
    window = open_window()
    app._begin(window, argparse.Namespace(**{"run": None, "model": None, "data": None, option: "nosuch"}))
    assert window.banner.isVisible()
    assert "nosuch" in window.banner.message.text()
    assert window.page == "Train"


def test_a_run_that_fails_at_once_leaves_no_model_behind(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    """Its start and its end may come in one batch; it has never saved."""
    window = open_window()

    def job(control: RunControl) -> Iterator[Event]:
        yield TrainingStarted("run", 0, None, 1, "CPU")
        raise UserError("The loss is no longer a finite number.", "Lower the learning rate.")

    window.studio.jobs.train = lambda request: job  # type: ignore[method-assign]
    run = Run(tmp_path / "home" / "runs" / "a")
    run.write_config(get_preset("tiny-32"))
    window.studio.training.start(TrainRequest(run, tmp_path, get_preset("tiny-32")))
    qtbot.waitUntil(lambda: window.studio.training.state is State.FAILED)
    qtbot.waitUntil(lambda: [model.name for model in window.studio.models] == ["tiles", "faces"])
    assert window.studio.model in window.studio.models


def test_the_run_in_training_is_offered_and_not_chosen(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    window = open_window(FakeJobs(pause=0.002, steps=4000))
    studio, use = window.studio, find(window, "useNewestButton")
    assert isinstance(use, QPushButton)
    window.show_page("Generate")
    assert not use.isVisible()
    run = Run(tmp_path / "home" / "runs" / "mine-tiny-32-1")
    studio.training.start(TrainRequest(run, tmp_path, get_preset("tiny-32")))
    qtbot.waitUntil(use.isVisible)
    studio.training.pause()  # saves
    qtbot.waitUntil(lambda: studio.training.state is State.PAUSED and not len(workers.running_threads()) > 1)
    assert studio.model
    assert studio.model.name == "tiles"
    assert use.text() == "Use mine-tiny-32-1"
    use.click()
    assert studio.model.path == run.model_file
    assert not use.isVisible()
    studio.choose_model(studio.find_model("tiles"))
    assert use.isVisible()
    window.show_page("Gallery")
    assert not use.isVisible()


def test_without_any_model_the_run_in_training_is_chosen(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    window = open_window(FakeJobs(pause=0.002, steps=4000, models=False))
    run = Run(tmp_path / "home" / "runs" / "mine-tiny-32-1")
    assert window.studio.model is None
    window.studio.training.start(TrainRequest(run, tmp_path, get_preset("tiny-32")))
    qtbot.waitUntil(lambda: window.studio.model is not None)
    assert window.studio.model
    assert window.studio.model.path == run.model_file


def test_a_picture_whose_model_is_gone_says_so(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    gallery.save_pictures(tiles(1), [recipe(SampleRequest("faces-tiny-32-1/model.safetensors"), seed=0)])
    window = open_window()
    window.show_page("Gallery")
    page = window.pages["Gallery"]
    qtbot.waitUntil(lambda: page.model.rowCount() == 1)  # type: ignore[attr-defined]
    page.view.setCurrentIndex(page.model.index(0))  # type: ignore[attr-defined]
    page.side.again.click()  # type: ignore[attr-defined]
    assert "faces-tiny-32-1 is not here any more" in window.banner.message.text()


def test_the_focus_of_a_button_that_goes_grey_stays_on_the_page(qtbot: QtBot, open_window: Open) -> None:
    window = open_window()
    window.activateWindow()
    window.show_page("Generate")
    button = find(window, "generateButton")
    qtbot.waitUntil(button.isEnabled, timeout=5000)
    button.setFocus()
    qtbot.waitUntil(button.hasFocus)
    button.setEnabled(False)
    focused = QApplication.focusWidget()
    assert focused is window.pages["Generate"] or window.pages["Generate"].isAncestorOf(focused)


def test_pictures_are_taken_wherever_they_are_dropped_on_the_train_page(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    window = open_window()
    folder = tmp_path / "mine"
    folder.mkdir()
    QImage(16, 16, QImage.Format.Format_RGB32).save(str(folder / "a.png"))
    assert drop_on(window, folder)
    qtbot.waitUntil(lambda: window.train_page.dataset.report is not None, timeout=5000)
    window.show_page("Runs")
    assert not drop_on(window, folder), "elsewhere a folder means nothing"


def test_the_network_is_drawn(qtbot: QtBot, open_window: Open) -> None:
    window = open_window()
    window.show_page("Inside")
    find(window, "insideView1").click()  # type: ignore[attr-defined]
    view = find(window, "architectureView")
    qtbot.waitUntil(lambda: len(view.blocks) == len(blocks()) + 2, timeout=5000)  # with folding and unfolding  # type: ignore[attr-defined]
    assert "Residual block" in view.accessibleDescription()


def test_errors_are_shown_and_copied(open_window: Open) -> None:
    window = open_window()
    window.studio.failed.emit(Failed("It broke.", "Tell us.", "Traceback: line 1"))
    assert window.banner.isVisible()
    window.banner.copy_button.click()
    assert "Traceback: line 1" in QApplication.clipboard().text()
    window.banner.close_button.click()
    assert not window.banner.isVisible()
    window.banner.show_notice("The pictures are others than last time.")
    assert window.banner.property("tone") == "warn"
    assert not window.banner.hint.isVisible()


def test_page_and_geometry_are_remembered(open_window: Open) -> None:
    window = open_window()
    window.show_page("Gallery")
    window.resize(1100, 700)
    window.close()
    again = open_window()
    assert again.page == "Gallery"
    assert again.height() == 700  # the width is bounded by the offscreen screen


def test_good_pictures_take_an_old_complaint_away(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    window = open_window()
    window.studio.failed.emit(Failed("There are no pictures in empty.", "Choose another folder."))
    assert window.banner.isVisible()
    open_data(qtbot, window, tmp_path)
    assert not window.banner.isVisible()


def test_the_model_that_was_used_last_is_there_again(open_window: Open) -> None:
    window = open_window()
    combo = find(window, "modelCombo")
    assert isinstance(combo, QComboBox)
    assert combo.currentIndex() == 0
    combo.setCurrentIndex(1)
    combo.activated.emit(1)
    window.close()
    again = open_window()
    assert again.studio.model is not None
    assert again.studio.model.name == "faces"


def test_the_gallery_keeps_its_place_when_pictures_come_in(qtbot: QtBot, open_window: Open) -> None:
    gallery.save_pictures(tiles(3), [recipe(SampleRequest(model="tiles", seed=i), seed=i) for i in range(3)])
    window = open_window()
    window.show_page("Gallery")
    page = window.pages["Gallery"]
    assert isinstance(page, GalleryPage)
    qtbot.waitUntil(lambda: page.model.rowCount() == 3)
    chosen = page.model.files[1]
    page.choose(chosen)
    qtbot.waitUntil(lambda: page.current == chosen)
    gallery.save_pictures(tiles(2), [recipe(SampleRequest(model="tiles", seed=i), seed=i) for i in range(2)])
    chosen.with_name("gone.png").write_bytes(chosen.read_bytes())
    window.studio.gallery_changed.emit()
    qtbot.waitUntil(lambda: page.count.text().startswith("6 pictures"))
    assert page.current == chosen


def test_the_list_of_runs_follows_the_run_in_training(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    window = open_window()
    open_data(qtbot, window, tmp_path)
    window.train_page.start()
    qtbot.waitUntil(lambda: window.studio.training.step > 10)
    assert not window.train_page.stage_title.isHidden()
    page = show_runs(qtbot, window)
    assert page.model.rowCount() == 1

    def pictures_seen() -> str:
        return str(page.model.data(page.model.index(0, 5)))

    before = pictures_seen()
    qtbot.waitUntil(lambda: pictures_seen() != before)
    assert pictures_seen() != "0"


def test_a_run_whose_pictures_have_changed_goes_on_when_one_says_so(qtbot: QtBot, open_window: Open, home: Path) -> None:
    class Asking(FakeJobs):
        def train(self, request: TrainRequest) -> workers.Job:
            job = super().train(request)

            def asking(control: RunControl) -> Iterator[Event]:
                if request.resume and not request.accept_new_data:
                    raise DataChanged("The pictures are not those that the run a was trained on: 12 then, 15 now.", "Put the old ones back, or go on with these.")
                yield from job(control)

            return asking

    make_runs()
    window = open_window(Asking(pause=0.002, steps=4000))
    run = list_runs()[0].run
    run.resume_notes.write_text(json.dumps({"source": str(home), "step": 5}))
    window.train_page.resume(run)
    qtbot.waitUntil(lambda: window.studio.training.state is State.FAILED, timeout=5000)
    assert window.banner.action_button.isVisible()
    assert "12 then, 15 now" in window.banner.message.text()
    qtbot.mouseClick(window.banner.action_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.studio.training.state is State.RUNNING, timeout=5000)
    assert not window.banner.isVisible()


def test_lists_of_models_come_in_turn_and_do_not_disturb(qtbot: QtBot, open_window: Open, home: Path) -> None:
    class Slow(FakeJobs):
        seconds = 0.0

        def models(self, also: Path | None = None) -> workers.Job:
            seconds, Slow.seconds = Slow.seconds, 0.0
            job = super().models(also)

            def late(control: RunControl) -> Iterator[Event]:
                yield ModelsListed(())
                time.sleep(seconds)
                yield from [event for event in job(control) if isinstance(event, ModelsListed) and not seconds]

            return late

    window = open_window(Slow())
    studio = window.studio
    Slow.seconds = 0.3
    studio.refresh_models()
    studio.refresh_models(home / "nosuch.safetensors")
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=10_000)
    assert [model.name for model in studio.models] == ["tiles", "faces"], "the older list, which ends later, does not count"
    window.header.model_combo.activated.emit(1)
    assert studio.model
    assert studio.model.name == "faces"
    assert studio._wanted_model is None, "what was wanted before is not chosen out of the blue"


def test_an_open_list_of_models_stays_as_it_is(qtbot: QtBot, open_window: Open) -> None:
    window = open_window()
    boxes = (window.header.model_combo, window.train_page.settings.start)
    removed: list[int] = []
    for box in boxes:
        box.model().rowsRemoved.connect(lambda *_: removed.append(1))
    studio = window.studio
    studio.models = tuple(replace(model, label=f"{model.name} · step 99") for model in studio.models)
    studio.models_changed.emit()
    assert [boxes[0].itemText(0), boxes[1].itemText(1)] == ["tiles · step 99"] * 2
    assert boxes[0].itemData(0) == boxes[1].itemData(1) == studio.models[0]
    assert not removed
    studio.models = studio.models[1:]
    studio.models_changed.emit()
    assert [box.count() for box in boxes] == [1, 2]


def test_a_run_starts_from_the_model_that_was_chosen(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    jobs = FakeJobs(pause=0.002, steps=4000)
    window = open_window(jobs)
    settings = window.train_page.settings
    qtbot.waitUntil(lambda: settings.start.count() > 1, timeout=5000)
    assert settings.start_from is None
    assert settings.preset.isEnabled()
    faces = next(model for model in window.studio.models if model.name == "faces")
    settings.start.setCurrentIndex(settings.start.findText(faces.label))
    assert settings.start_from == faces.path
    assert not settings.preset.isEnabled()
    window.studio.refresh_models()
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=5000)
    assert settings.start_from == faces.path, "a new list leaves the choice alone"
    requests = []
    window.studio.training.start = requests.append  # type: ignore[method-assign]
    open_data(qtbot, window, tmp_path)
    window.train_page.start()
    assert requests[0].start_from == faces.path
    settings.start.setCurrentIndex(0)
    assert settings.preset.isEnabled()


def test_the_settings_of_a_model_to_start_from_are_read_once(qtbot: QtBot, home: Path) -> None:
    shipped = find_model("faces")
    model = home / "model.safetensors"
    home.mkdir(exist_ok=True)
    shutil.copyfile(shipped, model)
    settings = TrainSettings()
    qtbot.addWidget(settings)
    settings.set_models([ModelChoice("mine", "mine", model, (32, 32, 3))])
    settings.start.setCurrentIndex(1)
    known = settings.config()
    assert settings.config() is known
    os.utime(model, (1, 1))
    assert settings.config() is not known, "it has changed"
    assert settings.config() == known


def test_what_was_set_on_a_model_to_start_from_outlives_its_name_and_its_absence(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    run = Run(paths.runs_dir() / "mine")
    run.write_config(get_preset("tiny-32"))
    shutil.copyfile(find_model("faces"), run.model_file)
    jobs = FakeJobs(pause=0.002, steps=4000)
    jobs.models = Jobs().models  # type: ignore[method-assign]
    window = open_window(jobs)
    settings, stack = window.train_page.settings, window.studio.undo_stack
    settings._choose_start(run.model_file)
    assert settings.start_from == run.model_file
    settings.form.edited.emit("training.batch_size", 8)
    qtbot.waitUntil(lambda: stack.count() == 1)
    page = show_runs(qtbot, window)
    page._rename(run, "eyes")
    run = Run(run.path.with_name("eyes"))
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=5000)
    assert (settings.start_from, settings.config().training.batch_size) == (run.model_file, 8)
    settings.form.edited.emit("training.learning_rate", 0.001)
    qtbot.waitUntil(lambda: stack.count() == 2)
    assert stack.undoText() != settings.start.accessibleName(), "the new name is no edit"
    stack.undo()
    assert (settings.start_from, settings.config().training.batch_size) == (run.model_file, 8)
    # In the trash, and back.
    before = settings.config()
    away = run.path.rename(tmp_path / "away")
    window.studio.refresh_models()
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=5000)
    assert settings.config() == before, "nothing is lost"
    assert settings.start.currentText() == "eyes · not here any more"
    assert "eyes is not here any more" in settings.problem.text()
    assert not settings.problem.isHidden()
    open_data(qtbot, window, tmp_path)
    assert window.train_page.request() is None
    assert "eyes is not here any more" in window.banner.message.text()
    away.rename(run.path)
    window.studio.refresh_models()
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=5000)
    assert settings.problem.isHidden()
    assert (settings.start_from, settings.config()) == (run.model_file, before)
    assert window.train_page.request()
    away = run.path.rename(away)
    window.studio.refresh_models()
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=5000)
    settings.start.setCurrentIndex(0)
    assert settings.problem.isHidden()
    window.studio.refresh_models()
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=5000)
    assert settings.start.findText("eyes", Qt.MatchFlag.MatchStartsWith) < 0


def test_a_look_at_blend_does_not_interrupt_training(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    gallery.save_pictures(tiles(2), [recipe(SampleRequest("faces"), seed=seed) for seed in (0, 1)])
    jobs = FakeJobs(pause=0.01, steps=100_000)
    window = open_window(jobs)
    open_data(qtbot, window, tmp_path)
    window.train_page.start()
    qtbot.waitUntil(lambda: window.studio.training.state is State.RUNNING, timeout=5000)
    window.show_page("Blend")
    blend = window.pages["Blend"]
    qtbot.waitUntil(lambda: len(blend.wells.pictures) == 2, timeout=5000)  # type: ignore[attr-defined]
    qtbot.wait(100)
    assert window.studio.training.state is State.RUNNING
    assert not window.studio.blending.busy
    assert "Move the slider" in blend.single.preview.hint  # type: ignore[attr-defined]
    with qtbot.waitSignal(window.blendUpdated, timeout=10_000):
        blend.single.lam.setValue(30)  # type: ignore[attr-defined]
    window.train_page.stop_button.click()


def test_three_doors_and_the_recent_runs(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    make_runs()
    window = open_window()
    window.resize(1280, 900)
    welcome = window.train_page.welcome
    assert welcome.isVisible()
    lines = welcome.findChildren(QPushButton, "recentRun")
    assert len([line for line in lines if line.isVisible()]) == 3
    newest = list_runs()[0]
    assert newest.run.name in lines[0].accessibleName()

    with qtbot.waitSignal(window.generationFinished, timeout=10_000):
        welcome.generate.click()
    assert window.page == "Generate"
    window.show_page("Train")
    welcome.blend.click()
    assert window.page == "Blend"
    window.show_page("Train")
    assert drop_on(welcome.train, tmp_path)
    qtbot.waitUntil(lambda: window.train_page.dataset.report is not None, timeout=5000)
    assert not welcome.isVisible(), "the pictures take its place"


def test_recent_runs_are_as_many_as_have_room(qtbot: QtBot) -> None:
    make_runs()
    card = QWidget()
    qtbot.addWidget(card)
    card.resize(600, 800)
    card.show()
    welcome = Welcome()
    welcome.setParent(card)
    welcome.set_runs(list_runs())
    welcome.set_models(True)
    for height, fewest in ((700, 3), (500, 1), (420, 0)):
        welcome.resize(560, height)
        welcome.show()
        QApplication.processEvents()
        lines = [line for line in welcome.findChildren(QPushButton, "recentRun") if line.isVisible()]
        assert fewest <= len(lines) <= 3
        assert all(line.mapTo(welcome, line.rect().bottomLeft()).y() < height for line in lines)
        assert welcome._runs_title.isVisible() == bool(lines)


def test_a_click_on_a_recent_run_shows_how_it_went(qtbot: QtBot, open_window: Open) -> None:
    make_runs()
    window = open_window()
    line = window.train_page.welcome.findChildren(QPushButton, "recentRun")[0]
    line.click()
    assert window.train_page.stack.currentIndex() == 2
    assert list_runs()[0].run.name in window.train_page.stage_title.text()


def test_without_a_model_there_is_one_door(open_window: Open) -> None:
    welcome = open_window(FakeJobs(models=False)).train_page.welcome
    assert welcome.train.isVisible()
    assert not welcome.generate.isVisible()
    assert not welcome.blend.isVisible()
    assert not welcome.findChildren(QPushButton, "recentRun")


def test_commands_are_found_by_typing(qtbot: QtBot, open_window: Open) -> None:
    window = open_window()
    palette = window.menus.palette
    assert not palette.isVisible()
    qtbot.keyClick(window, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    assert palette.isVisible()
    assert palette.list.count() == len(window.menus.commands()) > 15
    names = [command.name for command in window.menus.commands()]
    assert len(set(names)) == len(names)
    assert {"Generate · Pictures", "Generate · View", "Gallery"} <= set(names)
    qtbot.keyClicks(palette.query, "gall")
    assert palette.list.count() == 1
    qtbot.keyClick(palette.query, Qt.Key.Key_Return)
    assert not palette.isVisible()
    assert window.page == "Gallery"

    qtbot.keyClick(window, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClicks(palette.query, "theme")
    assert palette.list.count() == 3
    qtbot.keyClick(palette.query, Qt.Key.Key_Up)
    assert palette.list.currentRow() == 2, "round and round"
    qtbot.keyClick(palette.query, Qt.Key.Key_Return)
    assert window.studio.preferences.theme == "dark"

    qtbot.keyClick(window, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClicks(palette.query, "make coffee")
    assert palette.nothing.isVisible()
    qtbot.keyClick(palette.query, Qt.Key.Key_Return)
    qtbot.keyClick(palette.query, Qt.Key.Key_Escape)
    assert not palette.isVisible()


def test_no_frame_shows_the_controls_squeezed(open_window: Open, qtbot: QtBot) -> None:
    """When the report comes, the column grows by half; layouts hear of it one after the other."""
    window = open_window()
    page = window.pages["Train"]
    assert isinstance(page, TrainPage)
    squeezed, frames = set(), 0

    class Watch(QObject):
        def eventFilter(self, watched: QObject, event: QEvent) -> bool:
            nonlocal frames
            if event.type() == QEvent.Type.Paint and page.expectations.isVisible():
                frames += 1
                texts = page.settings.findChildren(QLabel)
                squeezed.update(text.objectName() for text in texts if text.isVisible() and text.wordWrap() and text.height() < text.heightForWidth(text.width()))
            return False

    watch = Watch()
    page.settings.installEventFilter(watch)
    page.dataset.open([Path("/pictures/pixel_tiles")])
    qtbot.waitUntil(lambda: page.dataset.examination is not None and "Estimating" not in page.expectations.time_label.text() and not workers.running_threads(), timeout=10_000)
    qtbot.wait(100)
    assert frames
    assert squeezed == set()


def test_escape_in_the_palette_closes_that_alone(open_window: Open, qtbot: QtBot) -> None:
    window = open_window()
    window.activateWindow()
    make_runs(2)
    window.show_page("Runs")
    page = window.pages["Runs"]
    assert isinstance(page, RunsPage)
    page.compare.set_runs(read("a"), read("<b>b</b>"))
    page.stack.setCurrentWidget(page.compare)
    page.compare.back.setFocus()
    palette = window.menus.palette
    qtbot.keyClick(window, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(palette.query, Qt.Key.Key_Escape)
    assert not palette.isVisible()
    assert page.compare.isVisible()
    qtbot.keyClick(page.compare.back, Qt.Key.Key_Escape)
    assert not page.compare.isVisible()


@pytest.mark.parametrize(("query", "fits"), [("", True), ("sam", True), ("open pic", True), ("OPEN SAMPLE", True), ("ample", True), ("am", False), ("train", False)])
def test_what_fits_a_search(query: str, fits: bool) -> None:
    assert matches("Open the sample pictures File", query) == fits


def test_what_the_window_does_can_be_copied_as_a_command(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    window = open_window()
    commands = {command.text: command.action for command in window.menus.commands()}
    window.pages["Generate"].seed.setValue(77)  # type: ignore[attr-defined]
    commands["Copy generation as a command"].trigger()
    assert QApplication.clipboard().text().startswith("ddpm-studio generate tiles --count 16 --seed 77 --sampler dpmpp-2m-sde --steps 20")
    assert window.page == "Generate"
    commands["Copy training as a command"].trigger()
    assert window.banner.isVisible(), "there are no pictures yet"
    (tmp_path / "cats").mkdir()
    open_data(qtbot, window, tmp_path / "cats")
    commands["Copy training as a command"].trigger()
    assert QApplication.clipboard().text() == f"ddpm-studio train {tmp_path / 'cats'} --run cats-tiny-32-1 --preset tiny-32 --max-seconds 600"
    assert not any((tmp_path / "home" / "runs").iterdir()), "only the name was wanted"


def test_what_is_heavy_begins_when_the_window_has_been_painted(qtbot: QtBot, open_window: Open) -> None:
    window = open_window()
    window.hide()
    told: list[str] = []
    painted = _Painted(window, told)
    app._WhenSeen(window, lambda: told.append("begun"))
    window.show()
    qtbot.waitUntil(lambda: "begun" in told)
    window.update()
    qtbot.wait(50)
    assert told[0] == "painted"
    assert told.count("begun") == 1
    window.removeEventFilter(painted)


def test_a_window_that_is_never_painted_is_not_waited_for(qtbot: QtBot, open_window: Open) -> None:
    window = open_window()
    told: list[str] = []
    window.hide()
    app._WhenSeen(window, lambda: told.append("begun"))
    assert told == []
    qtbot.waitUntil(lambda: told == ["begun"], timeout=5_000)


class _Painted(QObject):
    def __init__(self, window: MainWindow, told: list[str]) -> None:
        super().__init__(window)
        self._told = told
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Paint:
            self._told.append("painted")
        return False


def test_what_is_left_of_a_plan_is_not_the_same_in_words_as_the_plan(tmp_path: Path) -> None:
    run = Run(tmp_path / "cats")
    run.path.mkdir()
    run.resume_notes.write_text('{"step": 8, "planned": {"seconds_done": 2.0, "seconds_left": 598.0}}', encoding="utf-8")
    info = RunInfo(run, "tiny-32", (32, 32, 3), 8, 256, "cats", 0.0, True)
    assert how_it_stands(info, elsewhere=False) == "cats stopped at step 8; nearly all of the planned 10 min is left. Continue?"
