"""Blends from A to B, side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtCore import Signal, Slot

from ddpm_studio.events import BlendReady, Event, Failed, Images
from ddpm_studio.gui import dialogs
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.widgets.basics import Card, ElidedLabel, button, label, row
from ddpm_studio.gui.widgets.picture_grid import PictureGrid
from ddpm_studio.requests import BlendRequest, recipe

COUNT = 9


class BlendSheet(Card):
    wanted = Signal()
    chosen = Signal(float)
    """Lambda of the picture that was clicked."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._made: list[BlendReady] = []
        self._request: BlendRequest | None = None
        self.grid = PictureGrid("blendSheet", "Sheet over lambda", selectable=True, largest_zoom=4, smallest_side=32)
        self.grid.setMinimumHeight(96)
        self.make_button = button("Make sheet", "sheetButton", "layout-grid", tip="Nine blends from A to B")
        self.export_button = button("Export sheet…", "exportSheetButton", "download")
        hint = ElidedLabel("Nine steps from A to B, side by side.")
        super().__init__(row(label("Sheet", "heading"), 4, hint, self.make_button, self.export_button), self.grid, spacing=8, margin=12)
        self.setMaximumHeight(212)
        self.export_button.setEnabled(False)
        self.make_button.clicked.connect(self.wanted)
        self.export_button.clicked.connect(self._export)
        self.grid.activated.connect(self._picture_chosen)
        self.grid.current_changed.connect(self._picture_chosen)
        studio.blending.sheet_events.connect(self._receive)

    @property
    def images(self) -> Images:
        return self.grid.images

    @property
    def complete(self) -> bool:
        return len(self._made) == COUNT

    def make(self, request: BlendRequest) -> None:
        self.forget()
        self._request = request
        self._studio.blending.sheet(request)

    def forget(self) -> None:
        """It no longer shows what the settings say; one that is being made is given up."""
        self._studio.blending.cancel_sheet()
        if self._made:
            self._made = []
            self.grid.clear()
        self.export_button.setEnabled(False)

    def export(self, path: Path) -> None:
        if not self._made or self._request is None:
            return
        try:
            sheet = self._studio.jobs.grid(self.images, len(self.images))
            self._studio.jobs.save_png(path, sheet, recipe(self._request, lams=[event.lam for event in self._made], model_step=self._made[0].model_step))
            self._studio.said.emit(f"Saved {path.name}")
        except Exception as error:
            self._studio.failed.emit(Failed.of(error))

    @Slot()
    def _export(self) -> None:
        start = str(Path(self._studio.preferences.last_folder or Path.home()) / "blend-sheet.png")
        dialogs.choose_target(self.window(), "Export the sheet", start, self.export)

    @Slot(list)
    def _receive(self, batch: list[Event]) -> None:
        made = [event for event in batch if isinstance(event, BlendReady)]
        if made:
            self._made += made
            self.grid.set_images(np.stack([event.image for event in self._made]), tuple(f"{event.lam:.3g}" for event in self._made))
            self.export_button.setEnabled(self.complete)

    @Slot(int)
    def _picture_chosen(self, index: int) -> None:
        if 0 <= index < len(self._made):
            self.chosen.emit(self._made[index].lam)
