"""What is shown of the run in training, and what may not be changed meanwhile."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from ddpm_studio.control import RunControl
from ddpm_studio.events import Event, PreviewReady
from ddpm_studio.gui import workers
from ddpm_studio.gui.main_window import MainWindow
from ddpm_studio.gui.widgets.live_panel import LivePanel
from ddpm_studio.runs import Run, list_runs

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
    qtbot.waitUntil(lambda: len(page.live.previews) >= 2, timeout=10_000)
    qtbot.wait(400)
    assert page.live.plot.series.steps[0] == 10
    assert page.live.previews[0].step == 50, "the first preview of this run"
    assert not page._journal.busy


def test_the_past_of_a_run_comes_before_what_it_does_now(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    page = window.train_page
    page.resume(make_run(tmp_path))
    qtbot.waitUntil(lambda: len(page.live.previews) >= 4, timeout=10_000)
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
