"""Files go to the trash and come back, in a worker: another file system may have to copy gigabytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal, Slot

from ddpm_studio.events import Event, Failed
from ddpm_studio.gui.answers import PicturesMoved
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.trash import Trash
from ddpm_studio.gui.widgets.trash_strip import Thrown, TrashStrip

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget


class Throwing(TrashStrip):
    """What is asked, done and told is the same on all pages; what it is called is not."""

    leaving = Signal()
    """In a moment files are moved: what is to be written beside them is written now."""
    gone = Signal(tuple)
    """These files are in the trash."""
    back = Signal(tuple)
    """These came back from there."""
    moving_changed = Signal()

    def __init__(self, name: str, accessible: str, view: QWidget, studio: Studio) -> None:
        super().__init__(name, accessible, view, studio.undo_stack)
        self._studio = studio
        self.moving: set[Path] = set()
        """They are on their way to the trash, or back."""
        self.confirmed.connect(self._throw_away)

    def throw(self, trash: Trash, path: Path) -> bool:
        """In the worker. Raises OSError and UserError."""
        return trash.throw_away(path)

    def words_gone(self, files: Sequence[Path]) -> str:
        raise NotImplementedError

    def words_stayed(self, files: Sequence[Path]) -> Failed:
        raise NotImplementedError

    def words_back(self, files: Sequence[Path]) -> str:
        raise NotImplementedError

    def words_lost(self, files: Sequence[Path]) -> Failed:
        """They could not be taken back."""
        raise NotImplementedError

    @Slot()
    def _throw_away(self) -> None:
        self.leaving.emit()
        trash = Trash()
        files = [path for path in self.about if path not in self.moving]
        self._move(files, partial(self.throw, trash), partial(self._tell, trash))

    def _tell(self, trash: Trash, event: Event) -> None:
        if not isinstance(event, PicturesMoved):
            return
        if event.failed:
            self._studio.failed.emit(self.words_stayed(event.failed))
        if event.done:
            self.gone.emit(event.done)
            said = self.words_gone(event.done)
            self._studio.said.emit(said)
            if trash.places:
                self.tell(said, partial(self._take_back, trash))

    def _take_back(self, trash: Trash, thrown: Thrown) -> None:
        if thrown.tried:
            self._studio.tried_again.emit()
        self._move(list(trash.places), trash.take_back, partial(self._tell_back, trash, thrown))

    def _tell_back(self, trash: Trash, thrown: Thrown, event: Event) -> None:
        """What could not come back can be tried once more, while it still lies in the trash."""
        trouble = event if isinstance(event, Failed) else None
        if isinstance(event, PicturesMoved) and event.done:
            self._studio.said.emit(self.words_back(event.done))
            self.back.emit(event.done)
        if isinstance(event, PicturesMoved) and event.failed:
            trouble = self.words_lost(event.failed)
            self._studio.failed.emit(trouble)
        if trouble is not None and any(place.exists() for place in trash.places.values()):
            self.tell_again(trouble.message, thrown)
        else:
            self.is_back(thrown)

    def _move(self, files: Sequence[Path], do: Callable[[Path], bool], receive: Callable[[Event], None]) -> None:
        def follow(batch: list[Event]) -> None:
            for event in batch:
                if isinstance(event, (PicturesMoved, Failed)):
                    self.moving.difference_update(files)
                    receive(event)
                    self.moving_changed.emit()

        self.moving.update(files)
        self.moving_changed.emit()
        self._studio.ask(self._studio.jobs.for_each(files, do), follow)
