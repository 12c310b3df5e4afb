"""Pictures of the gallery go to the trash: after a question in place, and with a way back."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal, Slot

from ddpm_studio.events import Event, Failed
from ddpm_studio.gui.answers import PicturesMoved
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.trash import Trash
from ddpm_studio.gui.widgets.trash_strip import TrashStrip
from ddpm_studio.language import ntr, tr

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget


class TrashQuestion(TrashStrip):
    gone = Signal(tuple)
    """These files are in the trash."""
    back = Signal(tuple)
    """These came back from there."""

    def __init__(self, studio: Studio, view: QWidget) -> None:
        super().__init__("galleryQuestion", tr("Delete the pictures?"), view, studio.undo_stack)
        self._studio = studio
        self._trash = Trash()
        """What was thrown away last."""
        self._files: list[Path] = []
        self.confirmed.connect(self._throw_away)

    def ask_about(self, files: list[Path]) -> None:
        self._files = files
        self.ask(ntr("Move {count} picture to the trash?", "Move {count} pictures to the trash?", len(files)))

    @Slot()
    def _throw_away(self) -> None:
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
                self.tell(said, partial(self._bring_back, trash))

    def _bring_back(self, trash: Trash) -> None:
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
                self.tell_again(text)
