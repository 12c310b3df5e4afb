"""What views of many pictures share: as long as none of them is chosen, a ring around all shows that they have the focus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QAbstractScrollArea

from ddpm_studio.gui import theme

if TYPE_CHECKING:
    from PySide6.QtGui import QFocusEvent, QPainter


class RingedArea(QAbstractScrollArea):
    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.viewport().update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.viewport().update()

    def draw_ring(self, painter: QPainter) -> None:
        if self.hasFocus():
            theme.draw_ring(painter, self.viewport().rect())
