"""Equation 4 in pictures: x_t = sqrt(alphas_cumprod) x_0 + sqrt(1 - alphas_cumprod) noise, with the numbers of this t."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, QSizeF, Qt
from PySide6.QtGui import QFont, QFontMetrics, QImage, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from ddpm_studio.gui import theme
from ddpm_studio.gui.qimage import draw_picture, fitted
from ddpm_studio.gui.widgets.schedule_plot import NOISE, SIGNAL
from ddpm_studio.language import tr

SIDE, GAP = 64, 4
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


class Equation(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("equation")
        self.setAccessibleName(tr("The formula of the forward process"))
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._pictures: tuple[QImage, QImage, QImage] | None = None
        self._t, self._signal, self._sigma = 0, 1.0, 0.0

    def sizeHint(self) -> QSize:
        return QSize(round(self._width(QFontMetrics(self._font(17)))) + 2, SIDE + 22)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def _font(self, pixels: int) -> QFont:
        font = QFont(self.font())
        font.setPixelSize(pixels)
        if pixels > 12:
            font.setWeight(QFont.Weight.Medium)
        return font

    def _width(self, metrics: QFontMetrics) -> float:
        """Of three pictures, two numbers, and the signs between them, which are wider in some fonts."""
        return 3 * (SIDE + GAP) + 2 * (_number_width(metrics) + GAP) + sum(metrics.horizontalAdvance(sign) + 2 + GAP for sign in "=·+·") - GAP

    def show_terms(self, x_t: QImage, x_start: QImage, noise: QImage, t: int, signal: float, sigma: float) -> None:
        self._pictures = (x_t, x_start, noise)
        self._t, self._signal, self._sigma = t, signal, sigma
        self.setAccessibleDescription(self.formula)
        self.update()

    @property
    def formula(self) -> str:
        return f"x{str(self._t).translate(SUBSCRIPTS)} = {self._signal:.3f} · x₀ + {self._sigma:.3f} · ε"

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._pictures is None:
            return
        painter = QPainter(self)
        large, small = self._font(17), self._font(11)
        terms: list[tuple[str, str, str, QImage | None, str]] = [
            ("", "text", "", self._pictures[0], f"x{str(self._t).translate(SUBSCRIPTS)}"),
            ("=", "dim", "", None, ""),
            (f"{self._signal:.3f}", SIGNAL, "√ᾱₜ", None, ""),
            ("·", "dim", "", self._pictures[1], "x₀"),
            ("+", "dim", "", None, ""),
            (f"{self._sigma:.3f}", NOISE, "√(1 − ᾱₜ)", None, ""),
            ("·", "dim", "", self._pictures[2], "ε"),
        ]
        painter.setFont(large)
        number = _number_width(painter.fontMetrics())
        x = 1.0
        centred = int(Qt.AlignmentFlag.AlignCenter)
        for text, token, above, picture, below in terms:
            if text:
                width = number if above else painter.fontMetrics().horizontalAdvance(text) + 2
                painter.setPen(theme.color(token))
                painter.drawText(QRectF(x, 0, width, SIDE), centred, text)
                if above:
                    painter.setFont(small)
                    painter.setPen(theme.color("dim"))
                    painter.drawText(QRectF(x, SIDE, width, 20), centred, above)
                    painter.setFont(large)
                x += width + GAP
            if picture is not None:
                room = fitted(QSizeF(picture.size()), QRectF(x, 0, SIDE, SIDE), self.devicePixelRatioF())
                draw_picture(painter, room, picture)
                painter.setPen(QPen(theme.color("line"), 1))
                painter.drawRect(room.adjusted(-0.5, -0.5, 0.5, 0.5))
                painter.setFont(small)
                painter.setPen(theme.color("dim"))
                painter.drawText(QRectF(x - 10, SIDE, SIDE + 20, 20), centred, below)
                painter.setFont(large)
                x += SIDE + GAP
        painter.end()


def _number_width(metrics: QFontMetrics) -> int:
    return metrics.horizontalAdvance("0.000") + 4
