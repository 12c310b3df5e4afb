"""Blends over t and lambda at a glance: figure 9 of the paper."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QProgressBar, QStackedWidget, QWidget

from ddpm_studio.blend_weights import Weights, along
from ddpm_studio.events import BlendReady, Event, Failed, Finished, Images
from ddpm_studio.gui import dialogs
from ddpm_studio.gui.pages.exporting import save_png
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.widgets.basics import SecondClick, button, column, keep_room, label, row, show_instead
from ddpm_studio.gui.widgets.blend_table import BlendTable
from ddpm_studio.gui.widgets.containers import EmptyState
from ddpm_studio.language import tr
from ddpm_studio.requests import BlendRequest, recipe

ROWS = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Of all timesteps."""
STEPS = {2: 10, 3: 5}
"""Columns from one picture to the next, by the number of pictures; two where there are more."""


def positions(count: int) -> tuple[float, ...]:
    """Where the columns of a sheet of `count` pictures are on the way from the first to the last."""
    between = STEPS.get(count, 2)
    return tuple(i / between for i in range(between * (count - 1) + 1))


class BlendSheet(QWidget):
    """Timesteps downwards, lambda to the right; with more than two pictures the way through them all."""

    wanted = Signal()
    chosen = Signal(tuple, int)
    """Weights and timestep of the picture that was clicked."""

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self._studio = studio
        self._made: dict[tuple[int, int], BlendReady] = {}
        self._requests: tuple[BlendRequest, ...] = ()
        self._letters = "AB"
        self._making = self._anew = False
        """Anew: nothing has come yet of the sheet that is being made, and one of the same settings is still seen."""
        self._second_click = SecondClick()
        self.grid = BlendTable("blendSheet", tr("Sheet of t and lambda"))
        self.make_button = button(tr("Make sheet"), "sheetButton", "layout-grid", "primary", tr("Five timesteps times the way from picture to picture (Ctrl+B)"))
        self.cancel_button = button(tr("Cancel"), "cancelSheetButton", "x")
        self.export_button = button(tr("Export sheet…"), "exportSheetButton", "download", tip=tr("Save all pictures of the sheet as one PNG"))
        self.progress = QProgressBar()
        self.progress.setObjectName("sheetProgress")
        self.progress.setAccessibleName(tr("Progress of the sheet"))
        self.progress.setTextVisible(False)
        keep_room(self.progress)
        self.hint = label(tr("λ to the right, t downwards: the more noise, the freer the blend. Click a picture to open it."), "caption", "sheetHint", wrap=True)
        self.hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty = EmptyState("layout-grid", tr("No sheet yet"), "")
        self.stack = QStackedWidget()
        self.stack.addWidget(self.empty)
        self.stack.addWidget(self.grid)
        layout = column(row(-1, self.export_button, self.cancel_button, self.make_button), self.progress, self.stack, self.hint, spacing=8)
        layout.setStretch(2, 1)
        self.setLayout(layout)
        self.make_button.clicked.connect(self.wanted)
        self.cancel_button.clicked.connect(self._cancel)
        self.export_button.clicked.connect(self._export)
        self.grid.opened.connect(self._opened)
        studio.blending.sheet_events.connect(self._receive)
        self._show_state()

    @property
    def images(self) -> Images:
        """uint8 [N, H, W, C], row by row."""
        return np.stack([self._made[place].image for place in sorted(self._made)]) if self._made else np.zeros((0, 1, 1, 3), np.uint8)

    @property
    def complete(self) -> bool:
        return bool(self._requests) and len(self._made) == sum(len(request.weights) for request in self._requests)

    def show_readiness(self, ready: bool, missing: str) -> None:
        """`missing`: the letter of the first picture that has to be chosen before, if any."""
        self.make_button.setEnabled(ready)
        first = tr("Choose picture {letter} first.", letter=missing)
        self.empty.say(tr("No sheet yet"), first if missing else tr("It shows at a glance what λ and t do to these pictures."))

    def make(self, requests: tuple[BlendRequest, ...], letters: str) -> None:
        """A request for each row, all with the same weights. A sheet that is there stays until the first picture of the new one."""
        self._second_click.begin()
        self._anew = self.complete
        self._requests, self._letters, self._making = requests, letters, True
        if not self._anew:
            self._begin()
        self._studio.blending.sheet(requests)
        self._show_state()

    def _begin(self) -> None:
        """Empty, with the axes of what is asked for."""
        self._anew = False
        self._made.clear()
        first = self._requests[0]
        names = tuple(self._name(position) for position in positions(len(first.images)))
        height, width, channels = first.images[0].shape
        self.grid.start(tuple(f"t = {request.timestep}" for request in self._requests), names, (height, width, channels))

    def _name(self, position: float) -> str:
        """Of a column: lambda for two pictures, else the letter of a picture, or how far it is to the next."""
        if len(self._letters) == 2:
            return f"{position:.3g}" if position else "λ = 0"
        whole, part = divmod(position, 1)
        return f"{part:.3g}" if part else self._letters[int(whole)]

    def forget(self) -> None:
        """It no longer shows what the settings say; one that is being made is given up."""
        self._studio.blending.cancel_sheet()
        self._made, self._requests, self._making, self._anew = {}, (), False, False
        self.grid.clear()
        self._show_state()

    @Slot()
    def _cancel(self) -> None:
        """What is there stays."""
        if self._second_click.due:
            return
        if not self._made:
            self.forget()
            return
        self._studio.blending.cancel_sheet()
        self._making = False
        self._show_state()

    def _show_state(self) -> None:
        making = self._making
        self.stack.setCurrentIndex(1 if self._requests else 0)
        self.hint.setVisible(bool(self._requests))
        self.progress.setVisible(making)
        show_instead(*(self.cancel_button, self.make_button)[:: 1 if making else -1])
        self.export_button.setVisible(self.complete)
        if not making:
            self.progress.setRange(0, 0)

    def export(self, path: Path) -> None:
        if not self.complete:
            return
        first = self._requests[0]
        sheet = self._studio.jobs.grid(self.images, len(first.weights))
        facts = recipe(first, lams=list(positions(len(first.images))), timesteps=[request.timestep for request in self._requests], model_step=self._made[0, 0].model_step)
        save_png(self._studio, path, sheet, facts)

    @Slot()
    def _export(self) -> None:
        dialogs.choose_target(self.window(), self._studio, tr("Export the sheet"), "blend-sheet.png", self.export)

    @Slot(list)
    def _receive(self, batch: list[Event]) -> None:
        rows = {request.timestep: y for y, request in enumerate(self._requests)}
        for event in batch:
            if isinstance(event, BlendReady) and event.timestep in rows:
                if self._anew:
                    self._begin()
                place = rows[event.timestep], self._requests[0].weights.index(event.weights)
                self._made[place] = event
                self.grid.put(*place, event.image)
                self.progress.setRange(0, len(self._requests) * len(self._requests[0].weights))
                self.progress.setValue(len(self._made))
            elif isinstance(event, Finished):
                self._making = False
            elif isinstance(event, Failed):
                self._making = False
                if not self.complete:
                    self.forget()
        self._show_state()

    @Slot(int, int)
    def _opened(self, y: int, x: int) -> None:
        made = self._made.get((y, x))
        if made is not None:
            self.chosen.emit(made.weights, made.timestep)


def sheet_weights(count: int) -> tuple[Weights, ...]:
    return tuple(along(count, position) for position in positions(count))


def sheet_timesteps(num_timesteps: int) -> list[int]:
    return sorted({min(num_timesteps - 1, round(share * num_timesteps)) for share in ROWS})
