"""A few bars that can be clicked: how many pictures are of which size, and of which shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from ddpm_studio.events import Rows
from ddpm_studio.gui import theme
from ddpm_studio.gui.words import short_count
from ddpm_studio.language import ntr, tr

HEIGHT, LABEL_HEIGHT, LINE = 84, 15, 11
MOST_SIZES = 6


@dataclass(frozen=True, slots=True, eq=False)
class Bin:
    label: str
    words: str
    """Which pictures these are."""
    number: int
    """The bin's own among the numbers in `numbers`."""
    numbers: npt.NDArray[np.int64]
    """int64 [N]: the bin of each picture."""
    count: int

    @property
    def rows(self) -> Rows:
        """Which pictures these are; looked up only when somebody asks."""
        return np.flatnonzero(self.numbers == self.number).astype(np.int64)


class Histogram(QWidget):
    chosen = Signal(object)
    """A Bin."""

    def __init__(self, name: str, accessible: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName(accessible)
        self.setFixedHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.bins: list[Bin] = []
        self._lit = -1

    def set_bins(self, bins: list[Bin]) -> None:
        self.bins, self._lit = bins, -1
        self.setAccessibleDescription("; ".join(_words(part) for part in bins))
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(140, HEIGHT)

    def bar_rect(self, index: int) -> QRectF:
        """The column of a bar, from the top down to its label."""
        width = min(self.width() / max(1, len(self.bins)), 56)
        return QRectF(index * width, 0, width, self.height())

    def _index_at(self, point: QPointF) -> int:
        return next((i for i in range(len(self.bins)) if self.bar_rect(i).contains(point)), -1)

    def _light(self, index: int) -> None:
        if index != self._lit:
            self._lit = index
            self.setCursor(Qt.CursorShape.PointingHandCursor if index >= 0 and self.bins[index].count else Qt.CursorShape.ArrowCursor)
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = painter.font()
        font.setPixelSize(10)
        painter.setFont(font)
        most = max((part.count for part in self.bins), default=1)
        narrow = any(painter.fontMetrics().horizontalAdvance(part.label) > self.bar_rect(0).width() for part in self.bins)
        foot = LABEL_HEIGHT + LINE  # the same with one line, or two histograms side by side would stand at different heights
        room = self.height() - LABEL_HEIGHT - foot
        for i, part in enumerate(self.bins):
            column = self.bar_rect(i)
            if number := part.count:
                height = max(2.0, room * number / most)
                bar = QRectF(column.left() + 3, LABEL_HEIGHT + room - height, column.width() - 6, height)
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(theme.color("accent_hover" if i == self._lit else "accent"))
                painter.drawRoundedRect(bar, 2, 2)
                painter.setPen(theme.color("text"))
                painter.drawText(QRectF(column.left() - 8, bar.top() - LABEL_HEIGHT, column.width() + 16, LABEL_HEIGHT), int(Qt.AlignmentFlag.AlignCenter), short_count(number))
            painter.fillRect(QRectF(column.left(), LABEL_HEIGHT + room, column.width(), 1), theme.color("line"))
            painter.setPen(theme.color("accent" if i == self._lit and self.hasFocus() else "dim"))
            for line, text in enumerate(_lines(part.label, narrow)):
                painter.drawText(QRectF(column.left() - 8, column.bottom() - foot + 1 + line * LINE, column.width() + 16, LABEL_HEIGHT), int(Qt.AlignmentFlag.AlignCenter), text)
        painter.end()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._light(self._index_at(event.position()))

    def leaveEvent(self, event: object) -> None:
        self._light(-1)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._choose(self._index_at(event.position()))

    def _choose(self, index: int) -> None:
        if 0 <= index < len(self.bins) and self.bins[index].count:
            self.chosen.emit(self.bins[index])

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Right) and self.bins:
            self._light(min(max(self._lit + (1 if event.key() == Qt.Key.Key_Right else -1), 0), len(self.bins) - 1))
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self._choose(self._lit)
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            index = self._index_at(QPointF(event.pos()))
            QToolTip.showText(event.globalPos(), _words(self.bins[index]) if index >= 0 else "", self)
            return True
        return super().event(event)


def _words(part: Bin) -> str:
    return tr("{which}: {number}", which=part.words, number=ntr("{count} picture", "{count} pictures", part.count))


def _lines(name: str, narrow: bool) -> list[str]:
    """Where a bar is narrow, both ends of its range have a line each."""
    low, dash, high = name.partition("\N{EN DASH}")
    return [low, dash + high] if dash and narrow else [name]


def _short(pixels: int) -> str:
    return str(pixels) if pixels < 1000 else f"{pixels / 1000:.1f}".removesuffix(".0") + "k"


def size_bins(sizes: npt.NDArray[np.int32]) -> list[Bin]:
    """Pictures by their shorter side, in steps of two; each bar is called after the sizes that there are."""
    shorter = np.maximum(np.minimum(sizes[:, 0], sizes[:, 1]), 1)
    steps = np.log2(shorter, dtype=np.float32).astype(np.int64)
    first, last = (int(steps.min()), int(steps.max())) if len(steps) else (0, -1)
    if last - first >= MOST_SIZES:  # the small ones in one
        first = last - MOST_SIZES + 1
        steps = np.maximum(steps, first)
    bins = []
    for step in range(first, last + 1):
        found = shorter[steps == step]
        low, high = (int(found.min()), int(found.max())) if len(found) else (2**step, 2 ** (step + 1) - 1)
        ends = dict.fromkeys((_short(low), _short(high)))
        words = tr("Shorter side {low} to {high} pixels", low=low, high=high) if low < high else tr("Shorter side {pixels} pixels", pixels=low)
        bins.append(Bin("\N{EN DASH}".join(ends), words, step, steps, len(found)))
    return bins


def shape_bins(sizes: npt.NDArray[np.int32]) -> list[Bin]:
    """Pictures by width over height."""
    kinds = (
        ("1:2", tr("Much higher than wide")), ("3:4", tr("Higher than wide")), ("1:1", tr("About square")), ("4:3", tr("Wider than high")), ("2:1", tr("Much wider than high")),
    )  # fmt: skip
    ratio = sizes[:, 0] / np.maximum(sizes[:, 1], 1)
    which = np.zeros(len(sizes), np.int64)
    for edge in (0.6, 0.9, 1.111, 1.667):
        which += ratio >= edge
    counts = np.bincount(which, minlength=len(kinds))
    return [Bin(label, words, i, which, int(counts[i])) for i, (label, words) in enumerate(kinds)]
