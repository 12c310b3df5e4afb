"""The last run, offered for continuation: a calm card above the stage of the Train page."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QFrame

from ddpm_studio import runs
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.widgets.basics import button, label, row
from ddpm_studio.gui.words import duration
from ddpm_studio.journal import ended_by_itself
from ddpm_studio.language import tr
from ddpm_studio.runs import Run, RunInfo


class ResumeOffer(QFrame):
    resume_wanted = Signal(object)
    """A Run to go on with."""
    watch_wanted = Signal(object)
    """A Run that another window or command trains."""

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self.setObjectName("resumeCard")
        self.setAccessibleName(tr("Continue the last run"))
        self.setProperty("card", "notice")
        self._studio = studio
        self.run: Run | None = None
        self.text = label("", name="resumeText", wrap=True)
        self.continue_button = button(tr("Continue"), "continueButton", "play")
        self.dismiss_button = button(tr("Not now"), "dismissButton", kind="quiet")
        layout = row(self.text, self.continue_button, self.dismiss_button, margins=(16, 10, 10, 10))
        layout.setStretch(0, 1)
        self.setLayout(layout)
        self.continue_button.clicked.connect(self._go_on)
        self.dismiss_button.clicked.connect(self._dismiss)
        self.hide()

    def look(self, stopped: Run | None = None) -> None:
        """Offer the newest run, when it was stopped before its end and was not turned down before; or the one that was `stopped` just now."""
        newest = next((info for info in runs.newest_runs() if info.step), None)  # with nothing learnt there is nothing to go on with
        if newest is None or not newest.run.can_resume or ended_by_itself(newest.run):
            return
        if newest.run != stopped if stopped else newest.run.name == self._studio.preferences.dismissed_run:
            return
        self.run = newest.run
        elsewhere = runs.is_in_training(newest.run)
        self.text.setText(how_it_stands(newest, elsewhere))
        self.continue_button.setText(tr("Watch it") if elsewhere else tr("Continue"))
        self.show()

    def look_again(self) -> None:
        """The run may have been deleted meanwhile."""
        if self.run and not self.run.exists:
            self.hide()

    def follow_rename(self, old: Run) -> None:
        if self.run == old and not self.isHidden():
            self.hide()
            self.look()

    @Slot()
    def _go_on(self) -> None:
        if self.run and runs.is_in_training(self.run):
            self.hide()
            self.watch_wanted.emit(self.run)
        elif self.run:
            self.resume_wanted.emit(self.run)

    @Slot()
    def _dismiss(self) -> None:
        if self.run:
            self._studio.remember(dismissed_run=self.run.name)
        self.hide()


def how_it_stands(info: RunInfo, elsewhere: bool) -> str:
    """Where a stopped run is, and the question whether to go on."""
    name, planned = info.run.name, runs.planned_seconds(info.run.read_notes())
    if elsewhere:
        return tr("{name} is being trained by another window or command.", name=name)
    if planned and planned[1] >= 1:
        left, whole = duration(planned[1]), duration(sum(planned))
        if left == whole:
            return tr("{name} stopped at step {step:,}; nearly all of the planned {whole} is left. Continue?", name=name, step=info.step, whole=whole)
        return tr("{name} stopped at step {step:,}; {left} of the planned {whole} are left. Continue?", name=name, step=info.step, left=left, whole=whole)
    return tr("{name} stopped at step {step:,}. Continue?", name=name, step=info.step)
