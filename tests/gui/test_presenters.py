"""State machines: what the buttons may say, and when."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from ddpm_studio.blend_weights import around, pair
from ddpm_studio.control import RunControl
from ddpm_studio.errors import Cancelled, UserError
from ddpm_studio.events import BlendReady, CheckpointSaved, Event, Failed, FrameReady, ImagesReady, Paused, Progress, StepDone
from ddpm_studio.gui import workers
from ddpm_studio.gui.presenters import BlendPresenter, SamplingPresenter, State, TrainingPresenter
from ddpm_studio.gui.workers import DeviceLane, Job
from ddpm_studio.presets import get_preset
from ddpm_studio.requests import BlendRequest, SampleRequest, TrainRequest
from ddpm_studio.runs import Run

from .fakes import FakeJobs, tiles


class Desk:
    """All presenters over fake jobs, and a record of what they said."""

    def __init__(self, home: Path, jobs: FakeJobs) -> None:
        self.jobs, self.lane = jobs, DeviceLane()
        self.training = TrainingPresenter(jobs, self.lane)
        self.sampling = SamplingPresenter(jobs, self.lane)
        self.blending = BlendPresenter(jobs, self.lane)
        self.states: list[State] = []
        self.events: list[Event] = []
        self.training.state_changed.connect(self.states.append)
        for presenter in (self.training, self.sampling, self.blending):
            presenter.events.connect(self.events.extend)
        self.request = TrainRequest(Run(home / "runs" / "test-1"), home, get_preset("tiny-32"))


@pytest.fixture
def desk(qtbot: QtBot, home: Path) -> Iterator[Desk]:
    made = Desk(home, FakeJobs(pause=0.003, steps=5000))
    yield made
    made.blending.cancel()
    made.sampling.cancel()
    made.training.stop()
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=5000)


def blend(lam: float, quick: bool = True) -> BlendRequest:
    return BlendRequest("model", tuple(tiles(2)), (pair(lam),), quick=quick)


def test_a_run_from_start_to_stop(qtbot: QtBot, desk: Desk) -> None:
    desk.training.start(desk.request)
    qtbot.waitUntil(lambda: desk.training.step > 50)
    assert desk.training.state is State.RUNNING
    desk.training.pause()
    assert desk.training.state is State.PAUSING
    qtbot.waitUntil(lambda: desk.training.state is State.PAUSED)
    assert any(isinstance(event, CheckpointSaved) for event in desk.events), "it saves before it pauses"
    desk.training.toggle_pause()
    qtbot.waitUntil(lambda: desk.training.state is State.RUNNING)
    desk.training.stop()
    qtbot.waitUntil(lambda: desk.training.state is State.DONE)
    assert desk.states == [State.WAITING, State.PREPARING, State.RUNNING, State.PAUSING, State.PAUSED, State.RUNNING, State.STOPPING, State.DONE]


def test_stop_ends_a_paused_run(qtbot: QtBot, desk: Desk) -> None:
    desk.training.start(desk.request)
    desk.training.pause()
    qtbot.waitUntil(lambda: desk.training.state is State.PAUSED)
    desk.training.stop()
    qtbot.waitUntil(lambda: desk.training.state is State.DONE)


def test_a_second_start_is_ignored(qtbot: QtBot, desk: Desk) -> None:
    desk.training.start(desk.request)
    desk.training.start(desk.request)
    qtbot.waitUntil(lambda: desk.training.step > 20)
    assert desk.jobs.calls == ["train"]


def test_failure_ends_the_run(qtbot: QtBot, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(request: TrainRequest) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            yield StepDone(1, 1, 1.0, 1.0, 1.0, 1.0, 1.0)
            raise UserError("The loss is no longer a finite number.", "Lower the learning rate.")

        return job

    monkeypatch.setattr(desk.jobs, "train", broken)
    desk.training.start(desk.request)
    qtbot.waitUntil(lambda: desk.training.state is State.FAILED)
    qtbot.waitUntil(lambda: not desk.lane.training_active)
    assert isinstance(desk.events[-1], Failed)
    desk.training.start(desk.request)
    assert desk.training.active, "a new run may begin"


def test_generating_during_training_takes_turns(qtbot: QtBot, desk: Desk) -> None:
    desk.training.start(desk.request)
    qtbot.waitUntil(lambda: desk.training.step > 20)
    desk.sampling.start(SampleRequest("model", count=4))
    assert desk.sampling.state is State.WAITING
    qtbot.waitUntil(lambda: desk.sampling.state is State.DONE, timeout=10_000)
    assert sum(isinstance(event, FrameReady) for event in desk.events) == 12
    assert any(isinstance(event, ImagesReady) for event in desk.events)
    qtbot.waitUntil(lambda: desk.training.state is State.RUNNING)
    assert desk.states == [State.WAITING, State.PREPARING, State.RUNNING, State.MAKING_ROOM, State.RUNNING]


def test_making_room_can_be_made_a_pause_of_its_own_and_back(qtbot: QtBot, desk: Desk) -> None:
    desk.training.start(desk.request)
    qtbot.waitUntil(lambda: desk.training.step > 20)
    desk.jobs.pause = 0.03
    desk.sampling.start(SampleRequest("model", count=4))
    qtbot.waitUntil(lambda: desk.training.state is State.MAKING_ROOM)
    desk.training.toggle_pause()
    assert desk.training.state is State.PAUSED
    desk.training.toggle_pause()
    assert desk.training.state is State.MAKING_ROOM, "it goes on when the pictures are done, not before"
    desk.training.toggle_pause()
    qtbot.waitUntil(lambda: desk.sampling.state is State.DONE, timeout=10_000)
    step = desk.training.step
    qtbot.wait(100)
    assert desk.training.state is State.PAUSED
    assert desk.training.step == step
    desk.training.toggle_pause()
    qtbot.waitUntil(lambda: desk.training.state is State.RUNNING)


def test_cancelling_before_training_has_given_way(qtbot: QtBot, desk: Desk) -> None:
    desk.training.start(desk.request)
    qtbot.waitUntil(lambda: desk.training.step > 20)
    desk.sampling.start(SampleRequest("model"))
    desk.sampling.cancel()
    assert desk.sampling.state is State.IDLE
    before = desk.training.step
    qtbot.waitUntil(lambda: desk.training.state is State.RUNNING and desk.training.step > before + 50)
    assert "generate" not in desk.jobs.calls


def test_cancelling_pictures(qtbot: QtBot, desk: Desk) -> None:
    desk.jobs.pause = 0.05
    desk.sampling.start(SampleRequest("model"))
    qtbot.waitUntil(lambda: any(isinstance(event, FrameReady) for event in desk.events))
    desk.sampling.cancel()
    qtbot.waitUntil(lambda: desk.sampling.state is State.DONE)
    assert not any(isinstance(event, ImagesReady) for event in desk.events)


def test_blend_follows_a_slider_and_ends_at_its_last_place(qtbot: QtBot, desk: Desk) -> None:
    desk.jobs.pause = 0.03
    for lam in np.linspace(0, 1, 21):
        desk.blending.blend(blend(float(lam)), quick=True)
        qtbot.wait(5)
    desk.blending.blend(blend(1.0, quick=False), quick=False)
    qtbot.waitUntil(lambda: not desk.blending.busy)
    seen = [event for event in desk.events if isinstance(event, BlendReady)]
    assert 2 <= len(seen) < 21, "some of the way is seen, but nothing piles up"
    assert seen[-1].lam == 1.0
    assert not seen[-1].quick


def test_sheet_and_slider_do_not_disturb_each_other(qtbot: QtBot, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.jobs.pause = 0.01
    sheet: list[Event] = []
    desk.blending.sheet_events.connect(sheet.extend)
    lams = tuple(i / 8 for i in range(9))
    rows = [BlendRequest("model", tuple(tiles(2)), tuple(pair(lam) for lam in lams), timestep) for timestep in (100, 500)]
    desk.blending.sheet(rows)
    qtbot.waitUntil(lambda: any(isinstance(event, BlendReady) for event in sheet))
    single = desk.jobs.blend(blend(0.33))

    def long(control: RunControl) -> Iterator[Event]:
        while not any(isinstance(event, Paused) for event in sheet) and not control.wait(0.01):
            pass
        yield from single(control)

    with monkeypatch.context() as patch:
        patch.setattr(desk.jobs, "blend", lambda request: long)
        desk.blending.blend(blend(0.33), quick=True)
    qtbot.waitUntil(lambda: any(isinstance(event, BlendReady) and event.lam == 0.33 for event in desk.events))
    assert len([event for event in sheet if isinstance(event, BlendReady)]) < 18, "the slider does not wait for the sheet"
    qtbot.waitUntil(lambda: not desk.blending.busy)
    assert [(event.timestep, event.lam) for event in sheet if isinstance(event, BlendReady)] == [(t, lam) for t in (100, 500) for lam in lams]
    assert {event.lam for event in desk.events if isinstance(event, BlendReady)} == {0.33}
    assert desk.lane.holder is None


def test_sheet_film_and_slider_share_the_device_with_training(qtbot: QtBot, desk: Desk) -> None:
    desk.training.start(desk.request)
    qtbot.waitUntil(lambda: desk.training.step > 20)
    film: list[Event] = []
    desk.blending.film_events.connect(film.extend)
    desk.blending.sheet([BlendRequest("model", tuple(tiles(2)), (pair(0.0), pair(1.0)))])
    desk.blending.film(BlendRequest("model", tuple(tiles(3)), around(3, 2)))
    desk.blending.blend(blend(0.5), quick=False)
    desk.blending.cancel_sheet()
    qtbot.waitUntil(lambda: sum(isinstance(event, BlendReady) for event in film) == 6)
    qtbot.waitUntil(lambda: any(isinstance(event, BlendReady) and event.lam == 0.5 for event in desk.events))
    qtbot.waitUntil(lambda: desk.training.state is State.RUNNING, timeout=5000)
    assert [call for call in desk.jobs.calls if "1.00" in call] == []
    desk.blending.film(BlendRequest("model", tuple(tiles(2)), around(2, 2)))
    desk.blending.cancel_film()
    qtbot.waitUntil(lambda: desk.training.state is State.RUNNING and not desk.blending.busy, timeout=5000)


def test_replay_feeds_the_same_signal(qtbot: QtBot, desk: Desk) -> None:
    assert desk.training.replay(desk.request.run)
    qtbot.waitUntil(lambda: sum(isinstance(event, StepDone) for event in desk.events) == 299)
    assert desk.training.state is State.IDLE
    desk.training.start(desk.request)
    assert not desk.training.replay(desk.request.run), "not while a run is in training"


def test_a_run_started_when_another_has_ended_is_the_only_one(qtbot: QtBot, desk: Desk) -> None:
    """Whoever starts the next run from the signal that one has ended must not get two of them."""
    desk.jobs.steps = 5
    again = TrainRequest(Run(desk.request.run.path.with_name("test-2")), desk.request.data, desk.request.config)
    threads: list[int] = []

    def start_next(state: State) -> None:
        if state is State.DONE and not threads:
            threads.append(len(workers.running_threads()))
            desk.jobs.steps = 5000
            desk.training.start(again)

    desk.training.state_changed.connect(start_next)
    desk.training.start(desk.request)
    qtbot.waitUntil(lambda: bool(threads) and desk.training.state is State.RUNNING)
    assert threads == [0]
    assert len(workers.running_threads()) == 1
    assert desk.lane.training_active
    desk.training.stop()
    qtbot.waitUntil(lambda: desk.training.state is State.DONE)


def test_cancelled_work_is_no_fault(qtbot: QtBot, desk: Desk) -> None:
    def job(control: RunControl) -> Iterator[Event]:
        yield Progress("Reading pictures")
        raise Cancelled

    desk.jobs.train = lambda request: job  # type: ignore[method-assign]
    desk.training.start(desk.request)
    qtbot.waitUntil(lambda: desk.training.state is State.DONE)
    assert not any(isinstance(event, Failed) for event in desk.events)


def test_the_lane_says_nothing_of_a_training_that_has_ended(qtbot: QtBot, desk: Desk) -> None:
    """Whoever hears of the end may borrow the device at once."""
    said: list[str] = []
    desk.training.start(desk.request)
    qtbot.waitUntil(lambda: desk.training.step > 50)
    desk.lane.status.connect(said.append)
    free: list[bool] = []

    def borrow(state: State) -> None:
        if state is State.DONE:
            free.append(not desk.lane.training_active)
            desk.blending.blend(blend(0.5), quick=False)

    desk.training.state_changed.connect(borrow)
    desk.training.stop()
    qtbot.waitUntil(lambda: any(isinstance(event, BlendReady) for event in desk.events), timeout=5000)
    assert free == [True]
    assert not said
