"""Pictures at hand: of the data set and of the gallery, to click or to drag."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QImage

from ddpm_studio.events import Images
from ddpm_studio.gui.qimage import to_array
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.widgets.basics import Card, Segments, label, row
from ddpm_studio.gui.widgets.picture_grid import PictureGrid

GALLERY, DATA = 0, 1
SHOWN, SIDE = 48, 64


class PictureSource(Card):
    picked = Signal(object)
    """A path or uint8 [H, W, C]."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._files: list[Path] = []
        self._loaded: tuple[Path, ...] = ()
        self.view = Segments(("Gallery", "Data set"), "pictureSource", "Where to pick pictures from")
        self.grid = PictureGrid("pickGrid", "Pictures to pick from", selectable=True, gap=6, largest_zoom=2, smallest_side=56)
        self.grid.setMinimumHeight(148)
        self.hint = label("", "caption", wrap=True)
        super().__init__(row(label("Pick a picture", "heading"), -1, self.view), self.grid, self.hint, spacing=8, margin=12)
        self.setObjectName("pictureSourceCard")
        self.view.chosen.connect(self.refresh)
        self.grid.current_changed.connect(self._picked)
        self.grid.activated.connect(self._picked)
        studio.gallery_changed.connect(self._gallery_changed)
        studio.dataset_opened.connect(self.refresh)

    @Slot()
    def _gallery_changed(self) -> None:
        if self.isVisible():
            self.refresh()

    @Slot()
    def refresh(self) -> None:
        if self.view.current == GALLERY:
            self._files = self._studio.jobs.gallery()[:SHOWN]
            if tuple(self._files) != self._loaded or self.grid.images is self._studio.examples:
                self._loaded = tuple(self._files)
                self.grid.set_images(_thumbnails(self._files))
            self.hint.setText("" if self._files else "Pictures that you generate appear here.")
        else:
            self._files = []
            self.grid.set_images(self._studio.examples)
            self.hint.setText("" if len(self._studio.examples) else "Open a data set on the Train page to pick from it.")
        self.hint.setVisible(bool(self.hint.text()))

    @Slot(int)
    def _picked(self, index: int) -> None:
        if index >= 0:
            self.picked.emit(self._files[index] if self._files else self.grid.images[index])
            self.grid.set_current(-1)


def _thumbnails(files: list[Path]) -> Images:
    """Pictures of the gallery -> uint8 [N, 64, 64, 3]; they are small, so this is quick."""
    pictures = [QImage(str(file)) for file in files]
    kept = [to_array(picture.scaled(SIDE, SIDE)) for picture in pictures if not picture.isNull()]
    return np.stack(kept) if kept else np.zeros((0, 1, 1, 3), np.uint8)
