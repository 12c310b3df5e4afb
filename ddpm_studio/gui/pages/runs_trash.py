"""Runs go to the trash: after a question in place, and with a way back."""

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
        super().__init__("deleteQuestion", tr("Delete the runs?"), view, studio)
        self._why: dict[Path, UserError] = {}
        """What kept each of them from the trash."""
        self.moving_changed.connect(self._say_what_moves)
        self.confirmed.connect(studio.tried_again)

    def ask_about(self, chosen: Sequence[Run]) -> None:
        self.ask(
            tr("Move {name} with its model and its curve to the trash? Pictures in the gallery stay.", name=chosen[0].name)
            if len(chosen) == 1
            else tr("Move {count} runs with their models and their curves to the trash? Pictures in the gallery stay.", count=len(chosen)),
            [run.path for run in chosen],
        )

    @Slot()
    def _say_what_moves(self) -> None:
        """Runs are large: on another disk that takes its time."""
        if self.moving:
            name, number = min(self.moving).name, len(self.moving)
            self._studio.said.emit(tr("{name} is being moved…", name=name) if number == 1 else tr("{count} runs are being moved…", count=number))

    def throw(self, trash: Trash, path: Path) -> bool:
        """Not while it is trained, nor where the system has no trash for this place; the others go nevertheless."""
        self._why.pop(path, None)
        try:
            runs.delete_run(Run(path), partial(_to_trash, trash))
        except UserError as error:
            self._why[path] = error
            return False
        return True

    def words_gone(self, files: Sequence[Path]) -> str:
        if len(files) == 1:
            return tr("{name} moved to the trash", name=files[0].name)
        return tr("{count} runs moved to the trash", count=len(files))

    def words_stayed(self, files: Sequence[Path]) -> Failed:
        why = self._why.get(files[0]) or _stayed(files[0])
        if len(files) == 1:
            return Failed.of(why)
        return Failed(tr("{count} runs could not be moved to the trash.", count=len(files)), why.message)

    def words_back(self, files: Sequence[Path]) -> str:
        return tr("{name} is back", name=files[0].name) if len(files) == 1 else tr("{count} runs are back", count=len(files))

    def words_lost(self, files: Sequence[Path]) -> Failed:
        text = tr("{name} could not be taken back from the trash.", name=files[0].name)
        if len(files) > 1:
            text = tr("{count} runs could not be taken back from the trash.", count=len(files))
        return Failed(text, tr("Look for it there in your file manager; another run may have its name."))


def _to_trash(trash: Trash, folder: Path) -> None:
    if not trash.throw_away(folder):
        raise _stayed(folder)


def _stayed(folder: Path) -> UserError:
    return UserError(tr("{name} could not be moved to the trash.", name=folder.name), tr("Delete the folder in your file manager: Open folder shows it."))
