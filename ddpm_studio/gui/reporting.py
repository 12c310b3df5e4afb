"""What goes on, in sight from every page: the status line, the banner, marks in the navigation, messages of the system."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Slot

from ddpm_studio.events import BlendReady, Event, Failed, Finished, ImagesReady, Notice, Progress, StepDone, TrainingStarted
from ddpm_studio.gui.notifications import Notifier
from ddpm_studio.gui.pages.generate import GeneratePage
from ddpm_studio.gui.presenters import ACTIVE, State
from ddpm_studio.gui.words import loss, short_count, time_left
from ddpm_studio.language import ntr, tr

if TYPE_CHECKING:
    from ddpm_studio.gui.main_window import MainWindow

log = logging.getLogger(__name__)

TONES = {
    State.RUNNING: "ok", State.PREPARING: "accent", State.WAITING: "accent", State.PAUSED: "warn", State.MAKING_ROOM: "warn", State.PAUSING: "warn",
    State.STOPPING: "warn", State.FAILED: "bad",
}
READING_MS = 4000


class Reporting(QObject):
    """Words about what runs stay whichever page is shown. What is wrong, and what somebody has done, is said until another
    page is shown. Scripts hear of it by the signals of the window."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window, self._studio = window, window.studio
        self._status, self._banner = window.status, window.banner
        self._notifier = Notifier(window)
        self._device = self._speed = ""
        self._was_training = self._made = self._cancelled = False
        self._passing = self._complains = False
        """The words of the status line go with the page; they are those of the banner."""
        self._just_said = QTimer(self, singleShot=True, interval=0)
        """Runs out with the turn of the event loop in which they were said."""
        self._reading = QTimer(self, singleShot=True, interval=READING_MS)
        """As long as it takes to read them the steps of a training are not told."""
        self._connect()
        self.say(*self._now())

    def _connect(self) -> None:
        studio = self._studio
        studio.said.connect(self.remark)
        studio.lane.status.connect(self._lane_says)
        studio.failed.connect(self._failed)
        studio.noticed.connect(self._noticed)
        studio.tried_again.connect(self._forget_failure)
        self._window.train_page.dataset.opening.connect(self._forget_failure)
        studio.device_found.connect(self._device_found)
        studio.training.state_changed.connect(self._training_state)
        studio.training.events.connect(self._training_events)
        studio.sampling.state_changed.connect(self._sampling_state)
        studio.sampling.events.connect(self._sampling_events)
        studio.blending.events.connect(self._blend_events)
        studio.lane.lent.connect(self._lent)

    # Words.

    def say(self, text: str, tone: str = "faint") -> None:
        """What holds on every page."""
        self._passing = self._complains = False
        self._reading.stop()
        self._status.say(text, tone)

    @Slot(str)
    def remark(self, text: str) -> None:
        """What was done on the page in sight, or on the one that is shown in the same turn."""
        self._status.say(text, self._quiet_tone)
        self._passing, self._complains = True, False
        self._just_said.start()
        self._reading.start()

    def leave_page(self) -> None:
        """Another page is about to be shown: a complaint belongs to the page where it arose, and so does a remark."""
        self._forget_failure()
        if self._passing and not self._just_said.isActive():
            self.say(*self._now())

    def _now(self) -> tuple[str, str]:
        """What can be said at any time, and its colour."""
        if self._studio.training.active:
            return self._about_training(self._studio.training.state)
        return (tr("Generating"), "accent") if self._studio.sampling.active else (tr("Ready"), "faint")

    @property
    def _quiet_tone(self) -> str:
        lane = self._studio.lane
        return "warn" if lane.holder and lane.training_active else "faint"

    @Slot(str)
    def _lane_says(self, text: str) -> None:
        self.say(text, self._quiet_tone)

    @Slot(Failed)
    def _failed(self, failed: Failed) -> None:
        self._banner.show_failure(failed)
        self.say(failed.message, "bad")
        self._complains = True

    @Slot(str)
    def _noticed(self, text: str) -> None:
        self._banner.show_notice(text)
        if self._complains:
            self.say(*self._now())  # its banner gave way
        self._tell(text, wrong=True)
        log.info("notice: %s", text)

    @Slot()
    def _forget_failure(self) -> None:
        """Something else is tried: what was wrong with that before is no longer of interest. A notice is, it says what goes on."""
        if self._banner.is_notice:
            return
        self._banner.hide()
        if self._complains:
            self.say(*self._now())

    def _tell(self, text: str, wrong: bool = False) -> None:
        """Also to somebody who does not see the window, after hours."""
        self._notifier.tell(self._window.windowTitle(), text, wrong)

    # The device.

    @Slot(str, str)
    def _device_found(self, kind: str, words: str) -> None:
        self._device = words
        self._show_device()

    def _show_device(self) -> None:
        self._status.device.say("  ·  ".join(part for part in (self._device, self._speed) if part))

    # Training.

    def _about_training(self, state: State) -> tuple[str, str]:
        training = self._studio.training
        name, step = training.run.name if training.run else tr("the run"), training.step
        texts = {
            State.WAITING: tr("Waiting for the pictures to be done"),
            State.PREPARING: tr("Preparing {name}", name=name),
            State.RUNNING: tr("Training {name}", name=name),
            State.PAUSING: tr("Saving and pausing {name}", name=name),
            State.PAUSED: tr("{name} is paused at step {step:,}", name=name, step=step),
            State.MAKING_ROOM: tr("{name} makes room and goes on afterwards", name=name),
            State.STOPPING: tr("Saving {name}", name=name),
            State.DONE: tr("{name} stopped at step {step:,}; its model is ready, and it can be continued", name=name, step=step)
            if training.stopped and step
            else tr("{name} ended at step {step:,}; its model is ready", name=name, step=step),
            State.FAILED: tr("{name} stopped with an error", name=name),
        }
        return texts[state], TONES.get(state, "faint")

    @Slot(State)
    def _training_state(self, state: State) -> None:
        active = state in ACTIVE
        text, tone = self._now() if state is State.IDLE else self._about_training(state)
        self.say(text, tone)
        if state in (State.DONE, State.FAILED) and not self._window.leaving.saving:
            self._tell(text, state is State.FAILED)
        self._window.rail.buttons[0].set_busy(active)
        if not active:
            self._speed = ""
            self._status.set_progress(None)
            self._show_device()
        if active and not self._was_training:
            self._was_training = True
            self._status.set_progress(-1.0)
            self._window.trainingStarted.emit()
        elif not active and self._was_training:
            self._was_training = False
            self._window.trainingStopped.emit()

    @Slot(list)
    def _training_events(self, batch: list[Event]) -> None:
        training = self._studio.training
        if not training.active:  # a past run is shown: its steps are nothing new
            batch = [event for event in batch if isinstance(event, Notice)]
        last: StepDone | None = None
        for event in batch:
            match event:
                case Progress(text=text, done=done, total=total, seconds_left=left):
                    self.say(text, "accent")
                    self._status.set_progress(done / total if total else -1.0, time_left(left) if left else "")
                case TrainingStarted(device=device, parameters=parameters):
                    self._device = device
                    self.say(tr("Training {name}: {count} parameters", name=Path(event.run).name, count=short_count(parameters)), "ok")
                case StepDone():
                    last = event
                case Notice(text=text):
                    self._noticed(text)
                case Failed(kind="DataChanged"):
                    self._banner.offer(tr("Go on with these"), self._window.train_page.accept_new_data)
                case Failed(kind="RunBusy") if run := training.run:
                    self._banner.offer(tr("Watch it"), partial(self._studio.replay_wanted.emit, run))
        if last and training.state is State.RUNNING:
            self._show_step(last)

    def _show_step(self, last: StepDone) -> None:
        self._speed = tr("{count:,.0f} images/s", count=last.images_per_second)
        self._show_device()
        if not self._reading.isActive():
            run = self._studio.training.run
            self.say(tr("Training {name}  ·  step {step:,}  ·  loss {loss}", name=run.name if run else "", step=last.step, loss=loss(last.loss)), "ok")
        endless = last.fraction is None
        self._status.set_progress(-1.0 if endless else last.fraction, tr("until you stop it") if endless else time_left(last.seconds_left or 0))

    @Slot(bool)
    def _lent(self, lent: bool) -> None:
        if not lent and self._studio.training.state is State.MAKING_ROOM:
            self.say(tr("Training goes on"), "ok")

    # Pictures.

    @Slot(State)
    def _sampling_state(self, state: State) -> None:
        quiet = self._studio.lane.training_active  # training has its own words
        self._window.rail.buttons[1].set_busy(state in ACTIVE)
        if state is State.RUNNING:
            self._made = self._cancelled = False
            if not quiet:
                self.say(*self._now())
        elif state is State.DONE:
            generate = self._window.pages["Generate"]
            assert isinstance(generate, GeneratePage)
            if not self._made:
                done = tr("Cancelled")
            elif not generate.files:
                done = tr("The picture was made again; it is not kept twice")
            elif self._cancelled:
                done = ntr("Cancelled; {count} picture was done and is in the gallery", "Cancelled; {count} pictures were done and are in the gallery", len(generate.files))
            else:
                done = tr("The pictures are done and in the gallery")
            if not quiet:
                self.remark(done)
            if self._made and generate.files:
                self._tell(done)
                self._window.generationFinished.emit([str(path) for path in generate.files])

    @Slot(list)
    def _sampling_events(self, batch: list[Event]) -> None:
        self._made = self._made or any(isinstance(event, ImagesReady) for event in batch)
        self._cancelled = self._cancelled or any(isinstance(event, Finished) and event.stopped for event in batch)

    @Slot(list)
    def _blend_events(self, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, BlendReady):
                self._window.blendUpdated.emit(event.lam)
