"""Closing the window, whatever goes on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Slot
from PySide6.QtWidgets import QApplication

from ddpm_studio.events import CheckpointSaved, Event, Failed
from ddpm_studio.gui import workers
from ddpm_studio.gui.answers import PicturesMoved
from ddpm_studio.gui.layout_memory import save_layout
from ddpm_studio.gui.presenters import ACTIVE, State
from ddpm_studio.language import tr

if TYPE_CHECKING:
    from ddpm_studio.gui.main_window import MainWindow

CLOSING_SECONDS = 7.5


class Leaving(QObject):
    """What is being written for somebody is waited for, and said; during training the window saves first. It closes by itself afterwards."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window, self._studio, self._overlay = window, window.studio, window.overlay
        self.saving = False
        """The window is to close, and waits for what is being written, then for the training."""
        self._writers: set[workers.RunThread] = set()
        """Those that it listens to."""
        self._began = 0.0
        self._studio.training.events.connect(self._training_events)
        self._studio.training.state_changed.connect(self._training_state)
        self._overlay.quit_now.connect(self.quit_now)

    def close(self) -> bool:
        """Whether the window may close now."""
        training = self._studio.training
        self._studio.shut_down()
        if writers := workers.writing_threads():
            self.saving = True
            for thread in writers - self._writers:
                thread.events.connect(self._writing)
                thread.ended.connect(self._written, Qt.ConnectionType.QueuedConnection)  # when all others have heard of it
            self._writers = writers
            self._overlay.begin(tr("Writing…"), limited=False)  # nobody takes a film away before somebody says so
            return False
        self._began = self._began or time.monotonic()
        if training.active:
            self.saving = True
            self._overlay.begin(tr("Saving step {step:,}…", step=training.step))
            return False
        self._remember()
        self._window.hide()
        # All waiting together stays below ten seconds, of which main() may take the last two.
        workers.stop_all(max(500, round(1000 * (self._began + CLOSING_SECONDS - time.monotonic()))))
        return True

    def retire(self) -> None:
        """Go without waiting for anybody. Nothing may run; what still reads pictures or lists ends by itself, unheard."""
        self._remember()
        self._studio.shut_down()
        for thread in workers.running_threads():
            thread.discard()
        self._window.hide()
        self._window.deleteLater()

    @Slot()
    def quit_now(self) -> None:
        """The last save stands; what came after it is lost, and of files that are not finished nothing is left."""
        self._remember()
        QApplication.exit(0)

    def _remember(self) -> None:
        save_layout(self._window, self._window.page, self._window.pages.values())

    @Slot(list)
    def _writing(self, batch: list[Event]) -> None:
        if self.saving and any(isinstance(event, Failed) or (isinstance(event, PicturesMoved) and event.failed) for event in batch):
            self._stay()

    @Slot()
    def _written(self) -> None:
        if not self.saving:
            return
        if not workers.writing_threads():
            self._overlay.hide()  # it begins anew when a training is waited for
        self._window.close()  # which listens to what began to write meanwhile

    def _stay(self) -> None:
        """Something could not be written, and somebody is to read why."""
        self.saving, self._began = False, 0.0
        self._overlay.hide()

    @Slot(list)
    def _training_events(self, batch: list[Event]) -> None:
        for event in batch:
            if self.saving and isinstance(event, CheckpointSaved):
                self._overlay.say(tr("Saved at step {step:,}", step=event.step))

    @Slot(State)
    def _training_state(self, state: State) -> None:
        if not self.saving or state in ACTIVE:
            return
        if state is State.FAILED:
            self._stay()
        else:
            QTimer.singleShot(0, self._window, self._window.close)
