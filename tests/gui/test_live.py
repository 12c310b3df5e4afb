"""What is shown of the run in training, and what may not be changed meanwhile."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QLabel, QScrollArea, QWidget
from pytestqt.qtbot import QtBot

from ddpm_studio.control import RunControl
from ddpm_studio.errors import RunBusy
from ddpm_studio.events import Event, Notice, PreviewReady
from ddpm_studio.gui import workers
from ddpm_studio.gui.layout_memory import kept_settings, save_layout
from ddpm_studio.gui.main_window import MainWindow
from ddpm_studio.gui.pages.runs import RunsPage
from ddpm_studio.gui.presenters import State
from ddpm_studio.gui.widgets.live_panel import LivePanel
from ddpm_studio.runs import Run, list_runs, lock_run

from .fakes import FakeJobs, make_runs, preview
from .windows import Open


class LongPast(FakeJobs):
    """It takes a while to read what was in training before."""

    def replay(self, run: Run, follow: bool = False) -> workers.Job:
        job = super().replay(run, follow)

        def slowly(control: RunControl) -> Iterator[Event]:
            for event in job(control):
                time.sleep(0.001)
                yield event

        return slowly


def idle(qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=10_000)


@pytest.fixture
def window(qtbot: QtBot, open_window: Open, tmp_path: Path) -> MainWindow:
    window = open_window(LongPast(pause=0.002, steps=4000))
    window.train_page.dataset.open([tmp_path])
    qtbot.waitUntil(lambda: window.train_page.dataset.report is not None)
    idle(qtbot)
    return window


def make_run(source: Path) -> Run:
    make_runs(1)
    run = list_runs()[0].run
    run.resume_notes.write_text(json.dumps({"step": 2000, "source": str(source)}), encoding="utf-8")
    return run


def test_what_is_read_of_a_run_does_not_get_among_the_curves_of_the_next(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    page, training = window.train_page, window.studio.training
    page.resume(make_run(tmp_path))
    qtbot.wait(60)
    training.stop()
    qtbot.waitUntil(lambda: not training.active, timeout=5000)
    page.start()
    qtbot.waitUntil(lambda: len(page.live.previews) >= 2, timeout=30_000)
    qtbot.wait(400)
    assert page.live.plot.series.steps[0] == 10
    assert page.live.previews[0].step == 50, "the first preview of this run"
    assert not page._journal.busy


def test_the_past_of_a_run_comes_before_what_it_does_now(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    page = window.train_page
    page.resume(make_run(tmp_path))
    qtbot.waitUntil(lambda: len(page.live.previews) >= 4, timeout=30_000)
    steps = list(page.live.plot.series.steps)
    assert steps[0] == 10
    assert steps == sorted(set(steps)), "the past, and the new steps from 2,010 on"
    assert [shown.step for shown in page.live.previews[:3]] == [600, 1800, 2050], "that of step 3,000 is made again"


def test_a_preview_that_is_made_again_takes_the_place_of_the_old_ones(qtbot: QtBot) -> None:
    panel = LivePanel()
    qtbot.addWidget(panel)
    panel.receive([preview(step, 0.5) for step in (100, 200, 300)])
    panel.slider.setValue(1)
    panel.receive([PreviewReady(200, preview(200, 0.1).images)])
    assert [shown.step for shown in panel.previews] == [100, 200]
    assert not len(panel.previews[-1].raw)
    assert "200" in panel.detail.text()
    assert panel.raw_half.isHidden(), "the new one is shown, not the old one of that step"


def test_rows_of_curves_are_given_the_height_they_need(qtbot: QtBot) -> None:
    panel = LivePanel()
    qtbot.addWidget(panel)
    panel.resize(1500, 950)
    panel.show()
    few = panel.splitter.sizes()
    panel.receive([preview(100, 1.0)])
    for chip in panel.plots.chips:
        chip.setChecked(True)
    assert panel.plots.rows == 2
    bar = panel.plots.findChild(QScrollArea, "plotsScroll").verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() == 0)
    many = panel.splitter.sizes()
    assert few[0] < many[0] <= 0.56 * sum(many)
    panel.splitter.setSizes([300, sum(many) - 300])
    panel.plots.chips[-1].setChecked(False)
    assert panel.splitter.sizes()[0] == pytest.approx(300, abs=2), "as many rows as before: it stays as somebody has divided it"
    for chip in panel.plots.chips[2:]:
        chip.setChecked(False)
    assert panel.splitter.sizes() == pytest.approx(few, abs=4)
    panel.resize(800, 560)
    for chip in panel.plots.chips:
        chip.setChecked(True)
    assert panel.plots.rows > 2
    sizes = panel.splitter.sizes()
    assert sizes[0] <= 0.45 * sum(sizes), "some are out of sight all the same: the pictures stay large"


def test_another_run_is_shown_while_one_trains_and_nothing_of_that_is_lost(qtbot: QtBot, window: MainWindow) -> None:
    page, training = window.train_page, window.studio.training
    make_runs(2)
    past = list_runs()[0].run
    page.start()
    qtbot.waitUntil(lambda: len(page.live.previews) >= 1, timeout=30_000)
    assert training.run
    assert not page.back_button.isVisible()
    seen = page.live.plot.series.size
    window.studio.replay_wanted.emit(past)
    assert page.stage_title.text() == f"{past.name}, as it went"
    assert page.back_button.isVisible()
    qtbot.waitUntil(lambda: page.past.panel is not None and page.past.panel.plot.series.size == 299, timeout=30_000)
    assert page.past.isVisible()
    window.studio.replay_wanted.emit(past)
    page.view._group.button(0).click()
    assert not page.back_button.isVisible()
    page.view._group.button(1).click()
    assert page.past.isVisible()
    page.back_button.click()
    assert page.stage_title.text() == training.run.name
    assert page.live.isVisible()
    qtbot.waitUntil(lambda: page.live.plot.series.size > seen, timeout=30_000)
    steps = list(page.live.plot.series.steps)
    assert steps == list(range(10, int(steps[-1]) + 1, 10))
    window.studio.replay_wanted.emit(past)
    window.studio.replay_wanted.emit(training.run)
    assert page.live.isVisible()


def test_a_past_run_beside_a_training_leaves_the_layout_and_the_names_alone(qtbot: QtBot, window: MainWindow) -> None:
    page = window.train_page
    make_runs(1)
    run = list_runs()[0].run
    page.live.plots.show_only(["speedPlot", "memoryPlot"])
    page.live.plot.log_box.setChecked(False)
    page.start()
    qtbot.waitUntil(lambda: len(page.live.previews) >= 1, timeout=30_000)
    for _ in range(2):
        window.studio.replay_wanted.emit(run)
        past = page.past.panel
        assert past is not None
        assert [plot.objectName() for plot in past.plots.shown] == ["speedPlot", "memoryPlot"], "as the one beside it"
        assert not past.plot.log_box.isChecked()
        assert window.findChildren(QWidget, "lossPlot") == [past.plot], "what is seen has the name"
        assert window.findChildren(LivePanel, "livePanel") == [past]
        assert past.accessibleName() == "A run as it went"
        assert "seconds" not in past.detail.text()
        page.back_button.click()
        assert window.findChildren(QWidget, "lossPlot") == [page.live.plot]
        assert window.findChildren(LivePanel, "livePanel") == [page.live]
    window.studio.replay_wanted.emit(run)
    assert page.past.panel is past, "one is kept"
    past.plots.show_only(["gradientPlot"])
    past.plot.log_box.setChecked(True)
    save_layout(window, "Train", window.pages.values())
    kept = kept_settings()
    assert kept.value("curves/trainPage") == "speedPlot memoryPlot"
    assert int(str(kept.value("shown/lossLogCheck"))) == 0
    assert [key for key in kept.allKeys() if "behind" in key or key.startswith("splitters/trainPage")] == ["splitters/trainPage/livePanel"]
    assert kept.value("splitters/trainPage/livePanel") == page.live.splitter.saveState()


def test_what_is_to_be_known_of_a_past_run_is_said_while_another_one_trains(qtbot: QtBot, window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    make_runs(1)
    run = list_runs()[0].run
    words = "It is trained by another window."

    def job(control: RunControl) -> Iterator[Event]:
        yield Notice(words)

    page = window.train_page
    page.start()
    qtbot.waitUntil(lambda: len(page.live.previews) >= 1, timeout=30_000)
    monkeypatch.setattr(window.studio.jobs, "replay", lambda run, follow=False: job)
    window.studio.replay_wanted.emit(run)
    qtbot.waitUntil(lambda: window.banner.is_notice and window.banner.isVisible(), timeout=5000)
    assert any(words in part.text() for part in window.banner.findChildren(QLabel))


# What a training is begun with.


def fake_jobs(window: MainWindow) -> FakeJobs:
    jobs = window.studio.jobs
    assert isinstance(jobs, FakeJobs)
    return jobs


def trigger(window: MainWindow, name: str) -> None:
    action = window.findChild(QAction, name)
    assert action is not None
    action.trigger()


def test_a_crop_that_was_moved_just_before_counts(qtbot: QtBot, window: MainWindow) -> None:
    page, jobs = window.train_page, fake_jobs(window)
    page.pictures.open_crop(12)
    qtbot.waitUntil(lambda: page.pictures.crop.room == (True, False))
    qtbot.keyClick(page.pictures.crop, Qt.Key.Key_Right)
    jobs.calls.clear()
    page.start()
    assert not window.studio.training.active
    assert "still being read" in window.banner.message.text()
    qtbot.waitUntil(lambda: not page.dataset.busy)
    page.start()
    run = window.studio.training.run
    assert run is not None
    qtbot.waitUntil(lambda: window.studio.training.state is State.RUNNING, timeout=5000)
    assert run.read_config().data.crop == page.settings.data_config.crop == (0.52, 0.5)
    qtbot.wait(600)
    assert jobs.calls == ["inspect 32", "train"]


def test_a_crop_that_is_in_the_way_of_a_run_that_goes_on_is_forgotten(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    page = window.train_page
    page.pictures.open_crop(12)
    qtbot.waitUntil(lambda: page.pictures.crop.room == (True, False))
    qtbot.keyClick(page.pictures.crop, Qt.Key.Key_Right)
    page.resume(make_run(tmp_path))
    assert not page.pictures._settle.isActive()
    assert page.pictures.crop.focus_at == page.settings.data_config.crop == (0.5, 0.5)


def test_what_a_training_was_begun_with_stays_until_it_ends(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    page, studio, jobs = window.train_page, window.studio, fake_jobs(window)
    page.settings.size_box.setCurrentIndex(page.settings.size_box.findData(48))
    qtbot.waitUntil(lambda: studio.undo_stack.canUndo() and not page.dataset.busy)
    page.start()
    qtbot.waitUntil(lambda: studio.training.state is State.RUNNING, timeout=5000)
    jobs.calls.clear()
    for action in ("actionUndo", "actionOpenFolder", "actionOpenZipOrPictures", "actionOpenTheSamplePictures"):
        window.banner.hide()
        trigger(window, action)
        assert "until the training has ended" in window.banner.message.text(), action
        assert window.banner.isVisible()
    page.welcome.train.dropped.emit([tmp_path / "others"])
    page.settings.set_device("cuda")  # found out late: other settings are chosen
    assert jobs.calls == []
    assert page.dataset.source == tmp_path
    assert page.settings.size_box.currentData() == 48
    assert studio.undo_stack.canUndo()
    studio.training.stop()
    qtbot.waitUntil(lambda: not studio.training.active, timeout=5000)
    trigger(window, "actionUndo")
    assert page.settings.size_box.currentData() is None
    assert not studio.undo_stack.canUndo()


def test_a_run_that_never_began_leaves_no_folder(qtbot: QtBot, window: MainWindow, home: Path) -> None:
    studio = window.studio
    studio.lane.borrow("somebody", lambda: None)
    window.train_page.start()
    assert studio.training.state is State.WAITING
    studio.training.stop()
    assert studio.training.state is State.IDLE
    assert not any((home / "runs").iterdir())
    studio.lane.give_back("somebody")


def test_what_to_expect_is_asked_again_after_a_training(qtbot: QtBot, window: MainWindow) -> None:
    page, studio = window.train_page, window.studio
    page.start()
    qtbot.waitUntil(lambda: studio.training.state is State.RUNNING, timeout=5000)
    studio.training.stop()
    qtbot.waitUntil(lambda: not studio.training.active, timeout=5000)
    idle(qtbot)
    page.pictures.sheet.select_rows(np.arange(50, 1204))
    page.pictures.leave_out()
    assert "50 pictures are too few" in page.expectations.copies_label.text()


# Whose failure it is.


def test_only_a_training_offers_to_watch_what_another_one_trains(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    make_runs(2)
    window.studio.training.run = next(info.run for info in list_runs() if info.run.name == "faces-tiny-32-1")
    page = window.pages["Runs"]
    assert isinstance(page, RunsPage)
    other = Run(window.studio.training.run.path.with_name("pixel_tiles-tiny-32-1"))
    with lock_run(other):
        page._rename(other, "mine")
    assert "is being trained" in window.banner.message.text()
    assert not window.banner.action_button.isVisible()

    def refused(control: RunControl) -> Iterator[Event]:
        raise RunBusy("The run is being trained by another window or command.", "Stop it there first.")
        yield

    fake_jobs(window).train = lambda request: refused  # type: ignore[method-assign]
    window.train_page.resume(make_run(tmp_path))
    qtbot.waitUntil(window.banner.action_button.isVisible, timeout=5000)
    with qtbot.waitSignal(window.studio.replay_wanted) as wanted:
        window.banner.action_button.click()
    assert wanted.args == [window.studio.training.run]
