"""What is given to the window as a whole: pictures to learn from, and pictures made here, whose settings are wanted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from ddpm_studio.events import Event, Failed
from ddpm_studio.gui.answers import RecipeRead
from ddpm_studio.gui.widgets.drop_zone import local_files, lone_png
from ddpm_studio.gui.workers import LatestRun
from ddpm_studio.requests import is_reproducible

if TYPE_CHECKING:
    from PySide6.QtGui import QDropEvent

    from ddpm_studio.gui.main_window import MainWindow


class Opening(QObject):
    """A picture that was made here can be dropped anywhere; any others on the page Train."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window, self._studio, self._dataset = window, window.studio, window.train_page.dataset
        self._picture: Path | None = None
        self._reading = LatestRun(self)
        self._reading.events.connect(self._recipe_read)
        self._studio.picture_dropped.connect(self.open_picture)

    def wants(self, event: QDropEvent) -> bool:
        return lone_png(event) is not None or bool(self._for_training(event))

    def take(self, event: QDropEvent) -> bool:
        """Whether it was something to open."""
        if (picture := lone_png(event)) is not None:
            self.open_picture(picture)
        elif files := self._for_training(event):
            self._dataset.open(files)
        else:
            return False
        return True

    def _for_training(self, event: QDropEvent) -> list[Path]:
        """The files of a drop that hits no drop zone of the Train page, but the page."""
        return local_files(event) if self._window.train_page.isVisible() and self._dataset.zone.isEnabled() else []

    def open_data(self, path: Path) -> None:
        self._window.show_page("Train")
        self._dataset.open([path])

    @Slot(Path)
    def open_picture(self, picture: Path) -> None:
        """Take over the settings that it was made by; its recipe is read in a worker."""
        self._picture = picture
        self._reading.request(self._studio.jobs.read_recipe(picture))

    @Slot(list)
    def _recipe_read(self, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, RecipeRead):
                self._studio.tried_again.emit()
                if self._studio.open_settings(event.path, event.values) and is_reproducible(event.values):
                    self._studio.recreate_wanted.emit(event.path, False)
            elif isinstance(event, Failed) and self._window.page == "Train" and self._picture is not None:
                self._dataset.open([self._picture])  # somebody wants to learn from it, and is told what that needs
            elif isinstance(event, Failed):
                self._studio.failed.emit(event)
