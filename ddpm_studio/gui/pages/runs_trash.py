"""A run goes to the trash: after a question in place, and with a way back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Slot

from ddpm_studio import runs
from ddpm_studio.errors import UserError
from ddpm_studio.events import Failed
from ddpm_studio.gui.pages.throwing import Throwing
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.trash import Trash
from ddpm_studio.language import tr
from ddpm_studio.runs import Run

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget


class RunTrashQuestion(Throwing):
    def __init__(self, studio: Studio, view: QWidget) -> None:
        super().__init__("deleteQuestion", tr("Delete the run?"), view, studio)
        self.moving_changed.connect(self._say_what_moves)
        self.confirmed.connect(studio.tried_again)

    def ask_about(self, run: Run) -> None:
        self.ask(tr("Move {name} with its model and its curve to the trash? Pictures in the gallery stay.", name=run.name), [run.path])

    @Slot()
    def _say_what_moves(self) -> None:
        """Runs are large: on another disk that takes its time."""
        for path in self.moving:
            self._studio.said.emit(tr("{name} is being moved…", name=path.name))

    def throw(self, trash: Trash, path: Path) -> bool:
        """Raises UserError while it is trained, and where the system has no trash for this place."""
        runs.delete_run(Run(path), partial(_to_trash, trash))
        return True

    def words_gone(self, files: Sequence[Path]) -> str:
        return tr("{name} moved to the trash", name=files[0].name)

    def words_stayed(self, files: Sequence[Path]) -> Failed:
        return Failed.of(_stayed(files[0]))

    def words_back(self, files: Sequence[Path]) -> str:
        return tr("{name} is back", name=files[0].name)

    def words_lost(self, files: Sequence[Path]) -> Failed:
        text = tr("{name} could not be taken back from the trash.", name=files[0].name)
        return Failed(text, tr("Look for it there in your file manager; another run may have its name."))


def _to_trash(trash: Trash, folder: Path) -> None:
    if not trash.throw_away(folder):
        raise _stayed(folder)


def _stayed(folder: Path) -> UserError:
    return UserError(tr("{name} could not be moved to the trash.", name=folder.name), tr("Delete the folder in your file manager: Open folder shows it."))
