"""Pictures of the gallery go to the trash: after a question in place, and with a way back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ddpm_studio.events import Failed
from ddpm_studio.gui.pages.throwing import Throwing
from ddpm_studio.gui.studio import Studio
from ddpm_studio.language import ntr, tr

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget


class TrashQuestion(Throwing):
    def __init__(self, studio: Studio, view: QWidget) -> None:
        super().__init__("galleryQuestion", tr("Delete the pictures?"), view, studio)

    def ask_about(self, files: list[Path]) -> None:
        self.ask(ntr("Move {count} picture to the trash?", "Move {count} pictures to the trash?", len(files)), files)

    def words_gone(self, files: Sequence[Path]) -> str:
        return ntr("{count} picture moved to the trash", "{count} pictures moved to the trash", len(files))

    def words_stayed(self, files: Sequence[Path]) -> Failed:
        text = ntr("{count} picture could not be moved to the trash.", "{count} pictures could not be moved to the trash.", len(files))
        return Failed(text, tr("Delete the file in your file manager."))

    def words_back(self, files: Sequence[Path]) -> str:
        return ntr("{count} picture is back", "{count} pictures are back", len(files))

    def words_lost(self, files: Sequence[Path]) -> Failed:
        text = ntr("{count} picture could not be taken back from the trash.", "{count} pictures could not be taken back from the trash.", len(files))
        return Failed(text, tr("Look for it there in your file manager; another file may have its place."))
