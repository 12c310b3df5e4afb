"""Pictures of the gallery go to the trash: after a question in place, and with a way back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal, Slot

from ddpm_studio.events import Event, Failed
from ddpm_studio.gui.answers import PicturesMoved
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.trash import Trash
from ddpm_studio.gui.widgets.basics import Question, button, label, row
from ddpm_studio.language import ntr, tr

if TYPE_CHECKING:
    from PySide6.QtWidgets import QPushButton


class TrashQuestion(Question):
    gone = Signal(tuple)
    """These files are in the trash."""
    back = Signal(tuple)
    """These came back from there."""

    def __init__(self, studio: Studio) -> None:
        super().__init__("galleryQuestion", tr("Delete the pictures?"))
        self._studio = studio
        self._trash = Trash()
        self._files: list[Path] = []
        self.text = label("", wrap=True)
        self.confirm = button(tr("Move to trash"), "confirmTrashButton", "trash-2", tip=tr("They can be got back from there"))
        self.keep = button(tr("Keep"), "keepPicturesButton", kind="quiet", tip=tr("Do nothing"))
        self.undo = button(tr("Undo"), "undoTrashButton", "rotate-ccw", tip=tr("Take them back from the trash"))
        self.close_button = button(tr("Close"), "closeTrashButton", kind="quiet", tip=tr("They stay in the trash"))
        layout = row(self.text, self.undo, self.confirm, self.keep, self.close_button, margins=(16, 8, 8, 8))
        layout.setStretch(0, 1)
        self.setLayout(layout)
        self.confirm.clicked.connect(self._throw_away)
        self.undo.clicked.connect(self._take_back)
        for part in (self.keep, self.close_button):
            part.clicked.connect(self.hide)

    def ask(self, files: list[Path]) -> None:
        self._files = files
        self._say(ntr("Move {count} picture to the trash?", "Move {count} pictures to the trash?", len(files)), self.confirm, self.keep)
        self.confirm.setFocus()

    def forget(self) -> None:
        """Others are chosen: the question is no longer about them, what was done can still be undone."""
        if not self.confirm.isHidden():
            self.hide()

    def _say(self, text: str, *buttons: QPushButton) -> None:
        self.text.setText(text)
        for part in (self.undo, self.confirm, self.keep, self.close_button):
            part.setVisible(part in buttons)
        self.show()

    @Slot()
    def _throw_away(self) -> None:
        self.hide()
        trash = self._trash = Trash()

        def moved(batch: list[Event]) -> None:
            for event in batch:
                if isinstance(event, PicturesMoved):
                    self.gone.emit(event.done)
                    self._tell(event, trash)

        self._studio.ask(self._studio.jobs.for_each(self._files, trash.throw_away), moved)

    def _tell(self, moved: PicturesMoved, trash: Trash) -> None:
        if moved.failed:
            text = ntr("{count} picture could not be moved to the trash.", "{count} pictures could not be moved to the trash.", len(moved.failed))
            self._studio.failed.emit(Failed(text, tr("Delete the file in your file manager.")))
        if moved.done:
            said = ntr("{count} picture moved to the trash", "{count} pictures moved to the trash", len(moved.done))
            self._studio.said.emit(said)
            if trash.places:
                self._say(said, self.undo, self.close_button)

    @Slot()
    def _take_back(self) -> None:
        self.hide()
        trash = self._trash

        def moved(batch: list[Event]) -> None:
            for event in batch:
                if isinstance(event, PicturesMoved):
                    self._tell_back(event, trash)

        self._studio.ask(self._studio.jobs.for_each(list(trash.places), trash.take_back), moved)

    def _tell_back(self, moved: PicturesMoved, trash: Trash) -> None:
        """What could not come back can be tried once more."""
        if moved.done:
            self._studio.said.emit(ntr("{count} picture is back", "{count} pictures are back", len(moved.done)))
            self.back.emit(moved.done)
        if moved.failed:
            text = ntr("{count} picture could not be taken back from the trash.", "{count} pictures could not be taken back from the trash.", len(moved.failed))
            self._studio.failed.emit(Failed(text, tr("Look for it there in your file manager; another file may have its place.")))
            if trash is self._trash:
                self._say(text, self.undo, self.close_button)
