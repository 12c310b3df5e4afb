"""What can be written about a run: its name, tags and a note."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QTimer, Signal, Slot
from PySide6.QtWidgets import QLineEdit, QPlainTextEdit

from ddpm_studio.gui.widgets.basics import button, column, field, row
from ddpm_studio.gui.widgets.containers import Card
from ddpm_studio.language import tr
from ddpm_studio.remarks import Remarks, parse_tags
from ddpm_studio.runs import RunInfo

PAUSE_MS = 600
"""How long nobody must have written before it is saved."""


class RunDetails(Card):
    renamed = Signal(object, str)
    """A Run, and the name that it is to have."""
    remarked = Signal(object, Remarks)
    """A Run, and what is written about it now."""
    settings_wanted = Signal()

    def __init__(self) -> None:
        self.name = _line("runNameEdit", tr("Name"), tr("Enter renames the run and its folder"))
        self.tags = _line("runTagsEdit", tr("Tags"), tr("Words to find it by, with commas between them"))
        self.tags.setPlaceholderText(tr("none yet"))
        self.note = QPlainTextEdit()
        self.note.setObjectName("runNoteEdit")
        self.note.setAccessibleName(tr("Note"))
        self.note.setToolTip(tr("Saved with the run while you write"))
        self.note.setPlaceholderText(tr("What was tried, and what came of it"))
        self.note.setTabChangesFocus(True)
        self.note.setFixedHeight(88)
        self.again = button(tr("Train with these settings"), "sameSettingsButton", "copy", tip=tr("A new run on the page Train, set as this one was"))
        left = column(field(tr("Name"), self.name), field(tr("Tags"), self.tags), spacing=6)
        middle = field(tr("Note"), self.note)
        parts = row(left, middle, column(-1, self.again), spacing=16)
        parts.setStretch(0, 2)
        parts.setStretch(1, 3)
        super().__init__(parts, margin=12)
        self.setObjectName("runDetails")
        self.setAccessibleName(tr("About the chosen run"))
        self._info: RunInfo | None = None
        self._timer = QTimer(self, singleShot=True, interval=PAUSE_MS)
        self._timer.timeout.connect(self.save)
        self.name.editingFinished.connect(self._rename)
        self.tags.textEdited.connect(self._written)
        self.note.textChanged.connect(self._written)
        self.again.clicked.connect(self.settings_wanted)

    def set_run(self, info: RunInfo | None, in_training: bool = False, moving: bool = False) -> None:
        """What is not saved of the one before is saved first; nothing changes under the hands of somebody who writes."""
        same = info is not None and self._info is not None and info.run.path == self._info.run.path
        if same and self._timer.isActive():
            return
        self.save()
        self._info = None  # what follows is not written by hand
        remarks = info.remarks if info else Remarks()
        for line, text in ((self.name, info.run.name if info else ""), (self.tags, ", ".join(remarks.tags))):
            if not (same and line.hasFocus()):
                line.setText(text)
        if self.note.toPlainText() != remarks.note and not (same and self.note.hasFocus()):
            self.note.setPlainText(remarks.note)
        for part in (self.name, self.tags, self.note, self.again):
            part.setEnabled(info is not None and not moving)
        self.name.setEnabled(info is not None and not in_training and not moving)
        self._info = info

    @Slot()
    def _written(self) -> None:
        if self._info:
            self._timer.start()

    @Slot()
    def save(self) -> None:
        """What was written and is not saved yet."""
        self._timer.stop()
        if self._info and self.remarks != self._info.remarks:
            self._info = replace(self._info, remarks=self.remarks)
            self.remarked.emit(self._info.run, self.remarks)

    @property
    def remarks(self) -> Remarks:
        return Remarks(self.note.toPlainText().strip(), parse_tags(self.tags.text()), self._info.remarks.former if self._info else ())

    @Slot()
    def _rename(self) -> None:
        info, name = self._info, " ".join(self.name.text().split())
        if info and name != info.run.name:
            self.save()
            self.name.setText(info.run.name)  # until it has that name
            if name:
                self.renamed.emit(info.run, name)

    def hideEvent(self, event: object) -> None:
        self.save()


def _line(name: str, accessible: str, tip: str) -> QLineEdit:
    line = QLineEdit()
    line.setObjectName(name)
    line.setAccessibleName(accessible)
    line.setToolTip(tip)
    return line
