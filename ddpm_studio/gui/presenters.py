"""What a run is doing, as the pages see it. States change when events arrive, not when buttons are clicked."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from ddpm_studio.events import Event, Failed, Finished, Paused, Resumed, StepDone, TrainingStarted
from ddpm_studio.gui.jobs import Jobs
from ddpm_studio.gui.workers import DeviceLane, Job, LatestRun, RunThread
from ddpm_studio.language import tr
from ddpm_studio.requests import BlendRequest, SampleRequest, TrainRequest
from ddpm_studio.runs import Run


class State(enum.Enum):
    IDLE = enum.auto()
    WAITING = enum.auto()
    """For the device."""
    PREPARING = enum.auto()
    RUNNING = enum.auto()
    PAUSING = enum.auto()
    PAUSED = enum.auto()
    MAKING_ROOM = enum.auto()
    """Paused for whoever has borrowed the device; goes on by itself."""
    STOPPING = enum.auto()
    DONE = enum.auto()
    FAILED = enum.auto()


ACTIVE = frozenset(State) - {State.IDLE, State.DONE, State.FAILED}


class RunPresenter(QObject):
    """One run of a kind at a time. How it ended is known from its last event, but it has ended only when its thread
    has: until then the state stays active, so nobody starts a second one beside it."""

    state_changed = Signal(State)
    events = Signal(list)

    def __init__(self, jobs: Jobs, lane: DeviceLane, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.state = State.IDLE
        self._jobs, self._lane = jobs, lane
        self._thread: RunThread | None = None
        self._outcome = State.DONE

    @property
    def active(self) -> bool:
        return self.state in ACTIVE

    def _adopt(self, thread: RunThread) -> RunThread:
        self._thread, self._outcome = thread, State.DONE
        thread.events.connect(self._receive)
        thread.ended.connect(self._ended)
        return thread

    @Slot(list)
    def _receive(self, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, Failed):
                self._outcome = State.FAILED
            self._follow(event)
        self.events.emit(batch)

    def _follow(self, event: Event) -> None:
        """For states between start and end."""

    @Slot()
    def _ended(self) -> None:
        self._thread = None
        self._set_state(self._outcome)

    def _set_state(self, state: State) -> None:
        if state is not self.state:
            self.state = state
            self.state_changed.emit(state)


class TrainingPresenter(RunPresenter):
    """One training run at a time; its events may also be those of a past run that is replayed."""

    def __init__(self, jobs: Jobs, lane: DeviceLane, parent: QObject | None = None) -> None:
        super().__init__(jobs, lane, parent)
        self.run: Run | None = None
        self.step = self.images = 0
        self.stopped = False
        """It ended because somebody stopped it, before what was planned."""
        self._replay = LatestRun(self, interval=33)
        self._replay.events.connect(self.events)

    def start(self, request: TrainRequest) -> None:
        if self.active:
            return
        self._replay.cancel()
        self.run, self.step, self.images, self.stopped = request.run, 0, 0, False
        self._set_state(State.WAITING)
        self._lane.train(lambda: self._make_thread(request))

    @Slot()
    def pause(self) -> None:
        """While training makes room for somebody: stay paused when they are done."""
        if self.state in (State.PREPARING, State.RUNNING, State.MAKING_ROOM):
            self._set_state(State.PAUSED if self.state is State.MAKING_ROOM else State.PAUSING)
            self._lane.pause_training()

    @Slot()
    def resume(self) -> None:
        if self.state in (State.PAUSED, State.PAUSING):
            self._lane.resume_training()
            if self.state is State.PAUSING:
                self._set_state(State.RUNNING)
            elif self._lane.gives_way:
                self._set_state(State.MAKING_ROOM)

    @Slot()
    def toggle_pause(self) -> None:
        if self.state in (State.PAUSED, State.PAUSING):
            self.resume()
        else:
            self.pause()

    @Slot()
    def stop(self) -> None:
        """Save and end."""
        if not self.active or self.state is State.STOPPING:
            return
        if self._thread is None:
            self._lane.cancel_waiting_training()
            if self.run is not None:
                with contextlib.suppress(OSError):
                    self.run.path.rmdir()  # that of a new run, made for its name; one with anything in it stays
            self._set_state(State.IDLE)
            return
        self._set_state(State.STOPPING)
        self._thread.control.stop()

    def replay(self, run: Run) -> bool:
        """Show a past run; not while one is in training."""
        if self.active:
            return False
        self._replay.request(self._jobs.replay(run, follow=True))
        return True

    @Slot()
    def _ended(self) -> None:
        if self._thread:
            self._lane.forget_training(self._thread)
        super()._ended()

    def _make_thread(self, request: TrainRequest) -> RunThread:
        thread = self._adopt(RunThread(self._jobs.train(request)))
        self._set_state(State.PREPARING)
        return thread

    def _follow(self, event: Event) -> None:
        stopping = self.state is State.STOPPING
        match event:
            case TrainingStarted(step=step):
                self.step = step
                if self.state is State.PREPARING:
                    self._set_state(State.RUNNING)
            case StepDone(step=step, images=images):
                self.step, self.images = step, images
            case Paused() if self._thread and self._thread.control.pausing:  # not when it was told to go on since
                self._set_state(State.MAKING_ROOM if self._lane.gives_way else State.PAUSED)
            case Resumed() if not stopping:
                self._set_state(State.RUNNING)
            case Finished(step=step, stopped=stopped):
                self.step, self.stopped = max(step, self.step), stopped


class SamplingPresenter(RunPresenter):
    """Pictures from noise."""

    OWNER = "generate"

    def start(self, request: SampleRequest) -> None:
        self._begin(self._jobs.generate(request))

    def recreate(self, picture: Path, model: Path) -> None:
        """A picture once more, by the recipe in its PNG, to be compared with what it was."""
        self._begin(self._jobs.recreate(picture, model))

    def _begin(self, job: Job) -> None:
        if self.active:
            return
        self._set_state(State.WAITING)
        self._lane.borrow(self.OWNER, lambda: self._launch(job), tr("Training is paused while pictures are made"))

    @Slot()
    def cancel(self) -> None:
        if self._thread:
            self._set_state(State.STOPPING)
            self._thread.control.stop()
        elif self.active:
            self._lane.withdraw(self.OWNER)
            self._set_state(State.IDLE)

    def _launch(self, job: Job) -> None:
        thread = self._adopt(RunThread(job))
        self._set_state(State.RUNNING)
        thread.launch()

    @Slot()
    def _ended(self) -> None:
        self._lane.give_back(self.OWNER)
        super()._ended()


class BlendPresenter(QObject):
    """Single blends, of which the newest wins; a sheet over t and lambda; a film. The two long ones wait in their tracks
    while a single blend is made, so that a slider is answered at once whatever else is going on."""

    events = Signal(list)
    """Of single blends."""
    sheet_events = Signal(list)
    film_events = Signal(list)
    OWNER = "blend"
    LINGER_MS = 1500
    """How long training waits for more of the kind, as when a slider moves on, before it goes on."""

    def __init__(self, jobs: Jobs, lane: DeviceLane, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs, self._lane = jobs, lane
        self._latest, self._sheet, self._film = LatestRun(self), LatestRun(self, interval=33), LatestRun(self, interval=33)
        self._runs = (self._latest, self._sheet, self._film)
        self._waiting: dict[LatestRun, tuple[Job, bool]] = {}
        """What begins as soon as the device is free."""
        for run, told in zip(self._runs, (self.events, self.sheet_events, self.film_events), strict=True):
            run.events.connect(told)
            run.idle.connect(self._idle)

    def blend(self, request: BlendRequest, quick: bool) -> None:
        """A quick blend is let through while the slider moves; a full one is overtaken by any newer request."""
        self._begin(self._latest, self._jobs.blend(request), quick)

    def recreate(self, together: BlendRequest, place: int, picture: Path) -> None:
        """A blend once more, to be compared with the one in its PNG; any newer blend overtakes it."""
        self._begin(self._latest, self._jobs.recreate_blend(together, place, picture))

    def sheet(self, requests: Sequence[BlendRequest]) -> None:
        self._begin(self._sheet, self._jobs.blends(requests))

    def film(self, request: BlendRequest) -> None:
        self._begin(self._film, self._jobs.blend(request))

    @Slot()
    def cancel(self) -> None:
        for run in self._runs:
            self._cancel(run)

    def cancel_blend(self) -> None:
        self._cancel(self._latest)

    def cancel_sheet(self) -> None:
        self._cancel(self._sheet)

    def cancel_film(self) -> None:
        self._cancel(self._film)

    @property
    def busy(self) -> bool:
        return any(run.busy for run in self._runs)

    def _begin(self, run: LatestRun, job: Job, patient: bool = False) -> None:
        self._waiting[run] = job, patient
        self._lane.borrow(self.OWNER, self._start, tr("Training is paused while pictures are blended"))

    def _start(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for run, (job, patient) in waiting.items():
            run.request(job, patient)
        self._take_turns()

    def _cancel(self, run: LatestRun) -> None:
        self._waiting.pop(run, None)
        run.cancel()
        if not self._waiting and not self.busy:
            self._lane.withdraw(self.OWNER)

    def _take_turns(self) -> None:
        for run in (self._sheet, self._film):
            if self._latest.busy:
                run.pause()
            else:
                run.resume()

    @Slot()
    def _idle(self) -> None:
        self._take_turns()
        if not self.busy:
            self._lane.give_back(self.OWNER, self.LINGER_MS)
