"""Runs in threads: how events reach the window, how the newest request wins, how one device is shared.

A job is a function from a RunControl to a generator of events. It runs in a worker thread and must not touch Qt.
Everything else in this module lives in the thread of the window.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from PySide6.QtCore import QObject, QThread, QTimer, Signal, Slot

from ddpm_studio.control import RunControl
from ddpm_studio.errors import Cancelled, UserError
from ddpm_studio.events import Event, Failed, Finished, Paused, Resumed
from ddpm_studio.language import tr

Job = Callable[[RunControl], Iterator[Event]]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Writing:
    """A job that writes files which somebody wants: nothing that would end it is begun before it is done."""

    job: Job

    def __call__(self, control: RunControl) -> Iterator[Event]:
        return self.job(control)


class RunThread(QThread):
    """Runs one job and hands its events to the window in batches.

    The worker appends to an inbox and a timer in the window's thread empties it: thousands of steps per second
    are thirty redraws. `ended` comes after the last batch.
    """

    events = Signal(list)
    ended = Signal()

    def __init__(self, job: Job, parent: QObject | None = None, interval: int = 33) -> None:
        super().__init__(parent)
        self.control = RunControl()
        self.writes = isinstance(job, Writing)
        self._job = job
        self._inbox: deque[Event] = deque()
        self._discarded = False
        self._timer = QTimer(self, interval=interval)
        self._timer.timeout.connect(self._deliver)
        self.finished.connect(self._finish)

    def launch(self) -> None:
        _alive.add(self)
        self._timer.start()
        self.start()

    def discard(self) -> None:
        """Stop, and let nothing that is still to come reach anybody."""
        self._discarded = True
        self.control.stop()

    def run(self) -> None:
        """The only code of this class in the worker thread."""
        try:
            _give_way()
            with contextlib.closing(self._job(self.control)) as events:  # type: ignore[type-var]
                for event in events:
                    self._inbox.append(event)
        except Cancelled:
            self._inbox.append(Finished(stopped=True))
        except Exception as error:
            if isinstance(error, UserError):
                log.info("a job ended: %s", error)
            else:
                log.exception("a job failed")
            self._inbox.append(Failed.of(error))

    @Slot()
    def _deliver(self) -> None:
        batch = [self._inbox.popleft() for _ in range(len(self._inbox))]
        if batch and not self._discarded:
            self.events.emit(batch)

    @Slot()
    def _finish(self) -> None:
        self._timer.stop()
        self._deliver()
        if not self.wait(0):  # it lives on for a moment, which is long where all cores are busy: the window does not wait for that
            QTimer.singleShot(1, self, self._finish)
            return
        _alive.discard(self)
        self.ended.emit()
        self.deleteLater()


_alive: set[RunThread] = set()
"""A running QThread must not be collected: that aborts the process."""


def running_threads() -> list[RunThread]:
    return list(_alive)


def writing_threads() -> set[RunThread]:
    """Those that write files which somebody wants."""
    return {thread for thread in _alive if thread.writes}


def stop_all(wait_ms: int = 0) -> bool:
    """Ask every job to end and wait up to `wait_ms` for all of them together; True when none is left."""
    threads = running_threads()
    for thread in threads:
        thread.control.stop()
    end = time.monotonic() + wait_ms / 1000
    still = [thread for thread in threads if not thread.wait(max(0, round(1000 * (end - time.monotonic()))))]
    return not still


def _give_way() -> None:
    """On Linux each thread has its own priority: let the window go first."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


class LatestRun(QObject):
    """One job at a time, and always the newest request next.

    A request that waits is replaced by a newer one. A running one is stopped and its events are dropped, unless it
    was asked for with `patient`: short answers are let through, so that a picture follows a slider in motion
    instead of appearing only when the hand rests.
    """

    events = Signal(list)
    idle = Signal()

    def __init__(self, parent: QObject | None = None, interval: int = 10) -> None:
        super().__init__(parent)
        self._interval = interval
        self._thread: RunThread | None = None
        self._patient = False
        self._next: tuple[Job, bool] | None = None

    @property
    def busy(self) -> bool:
        return self._thread is not None

    def request(self, job: Job, patient: bool = False) -> None:
        self._next = (job, patient)
        if self._thread is None:
            self._start()
        elif not self._patient:
            self._thread.discard()

    def cancel(self) -> None:
        self._next = None
        if self._thread:
            self._thread.discard()

    def pause(self) -> None:
        """The running job waits at its next gate, without being asked to end."""
        if self._thread:
            self._thread.control.pause()

    def resume(self) -> None:
        if self._thread:
            self._thread.control.resume()

    def _start(self) -> None:
        if self._next is None:
            return
        job, self._patient = self._next
        self._next = None
        self._thread = RunThread(job, interval=self._interval)
        self._thread.events.connect(self.events)
        self._thread.ended.connect(self._ended)
        self._thread.launch()

    @Slot()
    def _ended(self) -> None:
        self._thread = None
        if self._next is not None:
            self._start()
        else:
            self.idle.emit()


class DeviceLane(QObject):
    """One computing run at a time.

    Training runs for hours; others borrow the device from it. `borrow` pauses training, waits until it has said
    Paused (it saves first), and then calls `start`; `give_back` lets training go on. Training that ends or fails
    while it is waited for frees the lane as well.
    """

    status = Signal(str)
    lent = Signal(bool)
    """True while training waits for a borrower."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._training: RunThread | None = None
        self._is_paused = False
        self._user_paused = False
        self._holder: str | None = None
        self._waiting: dict[str, tuple[Callable[[], None], str]] = {}
        self._resume_timer = QTimer(self, singleShot=True)
        self._resume_timer.timeout.connect(self._resume_training)
        self._lent = False

    # The training side.

    def train(self, start: Callable[[], RunThread]) -> None:
        """Begin training, at once or when whoever computes now has given the device back."""

        def begin() -> None:
            self._holder = None
            thread = start()
            self._training, self._is_paused, self._user_paused = thread, False, False
            thread.events.connect(self._watch_training)
            thread.ended.connect(lambda: self._training_ended(thread))
            thread.launch()
            if self._waiting:
                thread.control.pause()

        if self._holder is None:
            begin()
        else:
            self.status.emit(tr("Training starts when the pictures are done"))
            self._waiting["train"] = (begin, "")

    def pause_training(self) -> None:
        self._user_paused = True
        if self._training:
            self._training.control.pause()

    def resume_training(self) -> None:
        """When somebody has borrowed the device, training goes on afterwards."""
        self._user_paused = False
        if self._training and self._holder is None and not self._waiting:
            self._resume_training()

    def cancel_waiting_training(self) -> bool:
        return self._waiting.pop("train", None) is not None

    @Slot(list)
    def _watch_training(self, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, Paused):
                self._is_paused = True
            elif isinstance(event, (Resumed, Finished, Failed)):
                self._is_paused = False
        self._next()

    def forget_training(self, thread: RunThread) -> None:
        """It has ended: whoever borrows the device when hearing of that has nothing to wait for."""
        if thread is self._training:
            self._training = None
            self._is_paused = self._user_paused = False

    def _training_ended(self, thread: RunThread) -> None:
        self.forget_training(thread)
        if self._training is not None:
            return  # whoever heard of its end before us has started the next one already
        self._set_lent(False)
        self._next()

    # The borrowers.

    @property
    def holder(self) -> str | None:
        return self._holder

    @property
    def training_active(self) -> bool:
        return self._training is not None

    @property
    def gives_way(self) -> bool:
        """Training is paused for a borrower, not because somebody wanted it paused."""
        return not self._user_paused and (self._holder is not None or bool(self._waiting) or self._resume_timer.isActive())

    @property
    def _waits(self) -> bool:
        """Training has said Paused, and nobody has asked it to go on since (its Paused may have come late)."""
        return self._is_paused and self._training is not None and self._training.control.pausing

    def borrow(self, who: str, start: Callable[[], None], lent: str = "") -> None:
        """Call `start` as soon as nothing else computes. Asking again before that replaces the earlier request.

        `lent`: what to say when training waits for it."""
        self._resume_timer.stop()
        if self._holder == who:
            start()
            return
        self._waiting[who] = (start, lent)
        if self._training and not self._waits and not self._training.control.stopping:
            self._is_paused = False  # what it said before it went on no longer counts
            self._training.control.pause()
            if self._holder is None:
                self.status.emit(tr("Pausing training to make room…"))
        self._next()

    def withdraw(self, who: str) -> None:
        """Take a request back that has not been started."""
        if self._waiting.pop(who, None) and self._holder is None and not self._waiting:
            self._resume_timer.start(0)

    def give_back(self, who: str, linger_ms: int = 0) -> None:
        """The device is free again. `linger_ms` keeps training paused for a moment when more is likely to come."""
        if self._holder != who:
            return
        self._holder = None
        if self._waiting:
            self._next()
        else:
            self._resume_timer.start(linger_ms)

    def _next(self) -> None:
        if self._holder is not None or not self._waiting:
            return
        if self._training is not None and not self._waits:
            return
        who = next(iter(self._waiting))
        start, lent = self._waiting.pop(who)
        self._holder = who
        self._resume_timer.stop()
        if self._training is not None and not self._user_paused:
            self._set_lent(True)
            self.status.emit(lent or tr("Training is paused while pictures are made"))
        start()

    @Slot()
    def _resume_training(self) -> None:
        if self._holder is not None or self._waiting:
            return
        self._set_lent(False)
        if self._training is not None and not self._user_paused:
            self._is_paused = False
            self._training.control.resume()

    def _set_lent(self, lent: bool) -> None:
        if lent != self._lent:
            self._lent = lent
            self.lent.emit(lent)
