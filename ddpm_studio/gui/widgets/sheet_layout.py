"""Where each of very many pictures of one size lies in a sheet that scrolls: arithmetic only, so that none of them costs anything."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PySide6.QtCore import QPoint, QRect, QSize

from ddpm_studio.gui.qimage import zoom_for

LEAST_SIDE, MOST_SIDE, MOST_ZOOM = 60, 96, 8
MARGIN = 3


@dataclass(frozen=True, slots=True)
class SheetLayout:
    """`number` cells in rows from the top, in the middle of the width."""

    number: int
    cell: QSize
    gap: int
    columns: int
    left: int

    @classmethod
    def of(cls, number: int, shape: tuple[int, int], room: QSize, gap: int, ratio: float) -> SheetLayout:
        """Pictures of this height and width: as large as all of them fit into the room, else just large enough to tell them apart."""
        height, width = shape
        room_w, room_h = max(1, room.width() - 2 * MARGIN), max(1, room.height() - 2 * MARGIN)
        side = max(height, width)
        sharp = min(math.ceil(LEAST_SIDE * ratio / side) / ratio, zoom_for(side, MOST_SIDE + 32, ratio))
        zoom = MOST_SIDE / side if side > MOST_SIDE * ratio else sharp

        def fits(wanted: float) -> bool:
            columns = int((room_w + gap) // (width * wanted + gap))
            return columns > 0 and math.ceil(number / columns) * (height * wanted + gap) - gap <= room_h

        step = max(zoom, 1 / ratio)
        while zoom + step <= MOST_ZOOM and fits(zoom + step):
            zoom += step
        cell = QSize(round(width * zoom), round(height * zoom))
        columns = max(1, (room_w + gap) // (cell.width() + gap))
        used = min(columns, max(number, 1)) * (cell.width() + gap) - gap
        return cls(number, cell, gap, columns, max(MARGIN, (room.width() - used) // 2))

    @property
    def pitch(self) -> int:
        """From one row to the next."""
        return self.cell.height() + self.gap

    @property
    def height(self) -> int:
        return math.ceil(self.number / self.columns) * self.pitch - self.gap + 2 * MARGIN

    def cell_rect(self, index: int, top: int) -> QRect:
        """Where a cell is when the sheet has been scrolled to `top`."""
        line, column = divmod(index, self.columns)
        return QRect(QPoint(self.left + column * (self.cell.width() + self.gap), MARGIN + line * self.pitch - top), self.cell)

    def index_at(self, point: QPoint, top: int) -> int:
        """The cell there; -1 between and beside them."""
        line, down = divmod(point.y() - MARGIN + top, self.pitch)
        column, across = divmod(point.x() - self.left, self.cell.width() + self.gap)
        index = line * self.columns + column
        inside = 0 <= column < self.columns and across < self.cell.width() and down < self.cell.height()
        return index if inside and 0 <= index < self.number else -1

    def between(self, top: int, bottom: int) -> range:
        """The cells of all rows that reach into this part of the sheet."""
        first = max(0, (top - MARGIN) // self.pitch)
        last = max(0, (bottom - MARGIN) // self.pitch + 1)
        return range(min(first * self.columns, self.number), min(last * self.columns, self.number))
