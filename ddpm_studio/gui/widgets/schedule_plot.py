"""How much of a picture is left at each t: the curve of alphas_cumprod, and the point on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QFont, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from ddpm_studio.gui import theme
from ddpm_studio.gui.drawing import PAPER, save_drawing
from ddpm_studio.gui.forward import OF_MODEL, Schedule
from ddpm_studio.gui.words import count
from ddpm_studio.language import tr

LEFT, RIGHT, TOP, BOTTOM = 40, 14, 26, 26
KEY_HEIGHT = 15
"""Of a line of names of the curves."""
POINTS = 240
"""Of a curve as it is drawn."""
SIGNAL, NOISE = "ok", "warn"
"""Colours of what belongs to the picture and of what belongs to the noise."""


class SchedulePlot(QWidget):
    """A press or a drag chooses t, as the slider does."""

    t_wanted = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("schedulePlot")
        self.setAccessibleName(tr("Curve of the schedule"))
        self.setToolTip(tr("How much of the picture's variance is left at each t. Drag to choose t."))
        self.setProperty("keyboard", "timestepForwardSlider")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self._schedules: dict[str, Schedule] = {}
        self._chosen = OF_MODEL
        self._t = 0
        self._roots = False
        self._key_lines = 1
        self._paper = QRectF()
        """What is exported is drawn there."""

    def sizeHint(self) -> QSize:
        return QSize(420, 300)

    def minimumSizeHint(self) -> QSize:
        return QSize(220, 160)

    def show_schedules(self, schedules: dict[str, Schedule], chosen: str) -> None:
        """The chosen one strong, the others faint."""
        self._schedules, self._chosen = schedules, chosen
        self.update()

    def set_t(self, t: int) -> None:
        self._t = t
        self.update()

    @Slot(bool)
    def show_roots(self, on: bool) -> None:
        """Also the two factors of the formula."""
        self._roots = on
        self.update()

    # Drawing.

    @property
    def _whole(self) -> QRectF:
        return self._paper or QRectF(self.rect())

    @property
    def _room(self) -> QRectF:
        return self._whole.adjusted(LEFT, TOP + (self._key_lines - 1) * KEY_HEIGHT, -RIGHT, -BOTTOM)

    def _place(self, t: float, value: float) -> QPointF:
        room, last = self._room, max(1, len(self._schedules[self._chosen]) - 1)
        return QPointF(room.left() + room.width() * t / last, room.bottom() - room.height() * value)

    def _line(self, values: Schedule) -> QPolygonF:
        steps = np.unique(np.linspace(0, len(values) - 1, POINTS).astype(int))
        return QPolygonF([self._place(float(t), float(values[t])) for t in steps])

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        self._draw(painter)
        painter.end()

    def export(self, file: Path) -> None:
        """As .svg or as .png of twice the size, however small it is seen. Raises OSError."""
        self._paper = PAPER
        try:
            save_drawing(file, PAPER.size(), self._draw, tr("How much of the picture's variance is left at each t"), ("t", "ᾱₜ"))
        finally:
            self._paper = QRectF()

    def _draw(self, painter: QPainter) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        small = QFont(self.font())
        small.setPixelSize(11)
        painter.setFont(small)
        if self._schedules:
            key = self._key(painter)
            self._key_lines = 1 + int(key[-1][0].y()) // KEY_HEIGHT
            self._draw_axes(painter)
            self._draw_curves(painter)
            self._draw_key(painter, key)
            self._draw_point(painter)

    def _draw_axes(self, painter: QPainter) -> None:
        room, last = self._room, len(self._schedules[self._chosen]) - 1
        for part in range(5):
            share = part / 4
            y, t = room.bottom() - room.height() * share, min(last, round((last + 1) * share))
            x = self._place(t, 0).x()
            painter.setPen(QPen(theme.color("line"), 1))
            painter.drawLine(QPointF(room.left(), y), QPointF(room.right(), y))
            painter.drawLine(QPointF(x, room.top()), QPointF(x, room.bottom()))
            painter.setPen(theme.color("dim"))
            painter.drawText(QRectF(0, y - 8, LEFT - 8, 16), int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), f"{share:g}")
            where = QRectF(min(x - 40, self._whole.width() - 82), room.bottom() + 6, 80, 16)
            painter.drawText(where, int(Qt.AlignmentFlag.AlignRight if part == 4 else Qt.AlignmentFlag.AlignHCenter), count(t))

    def _others(self) -> list[str]:
        """Schedules that differ from the chosen one."""
        chosen = self._schedules[self._chosen]
        return [name for name, values in self._schedules.items() if name != OF_MODEL and not np.allclose(values, chosen)]

    def _draw_curves(self, painter: QPainter) -> None:
        chosen = self._schedules[self._chosen]
        for name in self._others():
            painter.setPen(QPen(theme.color("faint"), 1, DASHES[name]))
            painter.drawPolyline(self._line(self._schedules[name]))
        if self._roots:
            for token, values in ((SIGNAL, np.sqrt(chosen)), (NOISE, np.sqrt(1 - chosen))):
                painter.setPen(QPen(theme.color(token), 1.6))
                painter.drawPolyline(self._line(values))
        painter.setPen(QPen(theme.color("accent"), 2))
        painter.drawPolyline(self._line(chosen))

    def _key(self, painter: QPainter) -> list[tuple[QPointF, str, QPen]]:
        """What the curves are called, and where that stands: in as many lines as it takes."""
        solid = Qt.PenStyle.SolidLine
        curves = [("ᾱₜ", "accent", solid, 2.0), *([("√ᾱₜ", SIGNAL, solid, 1.6), ("√(1 − ᾱₜ)", NOISE, solid, 1.6)] if self._roots else [])]
        curves += [(tr(name), "faint", DASHES[name], 1.0) for name in self._others()]
        key, x, y = [], float(LEFT), 0.0
        for text, token, style, width in curves:
            needed = 23 + painter.fontMetrics().horizontalAdvance(text)
            if x > LEFT and x + needed > self._whole.width():
                x, y = float(LEFT), y + KEY_HEIGHT
            key.append((QPointF(x, y), text, QPen(theme.color(token), width, style)))
            x += needed + 16
        return key

    def _draw_key(self, painter: QPainter, key: list[tuple[QPointF, str, QPen]]) -> None:
        for place, text, pen in key:
            painter.setPen(pen)
            painter.drawLine(place + QPointF(0, 11), place + QPointF(18, 11))
            painter.setPen(theme.color("dim"))
            painter.drawText(place + QPointF(23, 15), text)

    def _draw_point(self, painter: QPainter) -> None:
        room, chosen = self._room, self._schedules[self._chosen]
        alpha_bar = float(chosen[self._t])
        point = self._place(self._t, alpha_bar)
        painter.setPen(QPen(theme.color("line_strong"), 1, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(point.x(), room.bottom()), QPointF(point.x(), room.top()))
        points = [(alpha_bar, "accent")]
        if self._roots:
            points += [(alpha_bar**0.5, SIGNAL), ((1 - alpha_bar) ** 0.5, NOISE)]
        for value, token in reversed(points):
            painter.setPen(QPen(QColor(theme.color("base")), 2))
            painter.setBrush(theme.color(token))
            painter.drawEllipse(self._place(self._t, value), 5.5, 5.5)

    # The mouse.

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._choose(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._choose(event.position().x())

    def _choose(self, x: float) -> None:
        if self._schedules:
            last = len(self._schedules[self._chosen]) - 1
            self.t_wanted.emit(round(min(1.0, max(0.0, (x - self._room.left()) / self._room.width())) * last))


DASHES = {"linear": Qt.PenStyle.DashLine, "cosine": Qt.PenStyle.DotLine, "sigmoid": Qt.PenStyle.DashDotLine}
