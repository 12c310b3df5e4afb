"""All pictures of a data set, hundreds of thousands of them: those in sight are in memory, and some that were lately."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QEvent, QPoint, QRect, QRectF, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QHelpEvent, QImage, QKeyEvent, QKeySequence, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QApplication, QFrame, QToolTip

from ddpm_studio.events import Images, Rows
from ddpm_studio.gui import theme
from ddpm_studio.gui.qimage import draw_picture, to_qimage
from ddpm_studio.gui.widgets.basics import plain_tip
from ddpm_studio.gui.widgets.ringed_area import RingedArea
from ddpm_studio.gui.widgets.sheet_layout import MARGIN, SheetLayout
from ddpm_studio.gui.words import count
from ddpm_studio.language import tr

KEPT_BYTES = 64 * 2**20
"""Of pictures in memory; those that were not seen for longest go."""
GAP, GROUP_GAP = 2, 8
_NONE = np.zeros(0, np.int64)


class ContactSheet(RingedArea):
    """Shows the pictures `rows` of a data set. They are asked for with `pictures_wanted` and given with `add_pictures`."""

    pictures_wanted = Signal(object)
    """int64 rows."""
    selection_changed = Signal()
    current_changed = Signal(int)
    leave_out_wanted = Signal()
    undo_wanted = Signal()
    redo_wanted = Signal()
    opened = Signal(int)
    """A row, by a double click or Enter."""
    menu_wanted = Signal(QPoint)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("contactSheet")
        self.setAccessibleName(tr("Pictures of the data set"))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.viewport().setAutoFillBackground(False)
        self.viewport().setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.rows: Rows = _NONE
        self.names: tuple[str, ...] = ()
        self.left_out: npt.NDArray[np.bool_] = np.zeros(0, bool)
        self._shape = (1, 1)
        self._groups: Rows | None = None
        self._selected: npt.NDArray[np.bool_] = np.zeros(0, bool)
        self._tiles: OrderedDict[int, QImage] = OrderedDict()
        self._layout = SheetLayout(0, QSize(1, 1), GAP, 1, 0)
        self._current, self._anchor, self._hover = -1, -1, -1
        self._band_from: QPoint | None = None
        self._band = QRect()
        self._ask = QTimer(self, singleShot=True, interval=0)
        self._ask.timeout.connect(self._ask_for_pictures)

    # What is shown.

    def set_dataset(self, names: tuple[str, ...], shape: tuple[int, int]) -> None:
        """Other pictures: of these names, and of this height and width."""
        self.names, self._shape = names, shape
        self.left_out = np.zeros(len(names), bool)
        self._selected = np.zeros(len(names), bool)
        self._tiles.clear()
        self.show_rows(np.arange(len(names)))

    def show_again(self, shape: tuple[int, int]) -> None:
        """The same pictures, read again; what is selected and in sight stays so."""
        self._tiles.clear()
        if shape != self._shape:
            self._shape = shape
            self._arrange_in_place()
        self.viewport().update()

    def show_rows(self, rows: Rows, groups: Rows | None = None) -> None:
        """Some of the pictures, in this order; pictures of one group stand on one ground."""
        self.rows, self._groups = rows, groups
        self._current = self._anchor = self._hover = -1
        self._selected[:] = False
        self._arrange()
        self.verticalScrollBar().setValue(0)
        self._tell()

    def set_left_out(self, left_out: npt.NDArray[np.bool_]) -> None:
        self.left_out = left_out
        self._tell()

    def add_pictures(self, rows: Rows, images: Images) -> None:
        for row, picture in zip(rows.tolist(), images, strict=True):
            self._tiles[row] = to_qimage(picture)
        height, width = self._shape
        most = max(2 * self._visible().stop - 2 * self._visible().start, KEPT_BYTES // (4 * height * width))
        while len(self._tiles) > most:
            self._tiles.popitem(last=False)
        self.viewport().update()

    @property
    def held(self) -> int:
        """How many pictures are in memory."""
        return len(self._tiles)

    def selected_rows(self) -> Rows:
        """In the order of the data set."""
        return np.flatnonzero(self._selected).astype(np.int64)

    def select_rows(self, rows: Rows) -> None:
        self._selected[:] = False
        self._selected[rows] = True
        self._tell()

    @property
    def current_row(self) -> int:
        return int(self.rows[self._current]) if 0 <= self._current < len(self.rows) else -1

    def set_current(self, index: int) -> None:
        """The picture at this place is the only one that is selected."""
        self._go_to(index, Qt.KeyboardModifier.NoModifier)

    # Arrangement.

    def _arrange(self) -> None:
        gap = GROUP_GAP if self._groups is not None else GAP
        self._layout = SheetLayout.of(len(self.rows), self._shape, self.viewport().size(), gap, self.devicePixelRatioF())
        bar = self.verticalScrollBar()
        bar.setPageStep(max(1, self.viewport().height() - 2 * MARGIN))
        bar.setSingleStep(max(1, self._layout.pitch // 2))
        bar.setRange(0, max(0, self._layout.height - self.viewport().height()))

    def _arrange_in_place(self) -> None:
        """The first row in sight stays it."""
        first = self._visible().start
        self._arrange()
        self.verticalScrollBar().setValue(first // self._layout.columns * self._layout.pitch)

    def cell_rect(self, index: int) -> QRect:
        """Where the picture at this place is, in the coordinates of the viewport."""
        return self._layout.cell_rect(index, self.verticalScrollBar().value())

    def index_at(self, point: QPoint) -> int:
        return self._layout.index_at(point, self.verticalScrollBar().value())

    def _visible(self, around: int = 0) -> range:
        """Places in sight, and so many screens before and after."""
        top, height = self.verticalScrollBar().value(), self.viewport().height()
        return self._layout.between(top - around * height, top + (1 + around) * height)

    @Slot()
    def _ask_for_pictures(self) -> None:
        near = self.rows[self._visible(1).start : self._visible(1).stop]
        missing = np.array([row for row in near.tolist() if row not in self._tiles], np.int64)
        if len(missing):
            self.pictures_wanted.emit(missing)

    # Selection.

    def _go_to(self, index: int, keys: Qt.KeyboardModifier) -> None:
        if not 0 <= index < len(self.rows):
            return
        row = int(self.rows[index])
        if keys & Qt.KeyboardModifier.ShiftModifier and self._anchor >= 0:
            low, high = sorted((self._anchor, index))
            self._selected[:] = False
            self._selected[self.rows[low : high + 1]] = True
        elif keys & Qt.KeyboardModifier.ControlModifier:
            self._selected[row] = not self._selected[row]
            self._anchor = index
        else:
            self._selected[:] = False
            self._selected[row] = True
            self._anchor = index
        self._current = index
        cell, bar = self.cell_rect(index), self.verticalScrollBar()
        if cell.top() < 0:
            bar.setValue(bar.value() + cell.top() - MARGIN)
        elif cell.bottom() > self.viewport().height():
            bar.setValue(bar.value() + cell.bottom() - self.viewport().height() + MARGIN)
        self.current_changed.emit(row)
        self._tell()

    def _tell(self) -> None:
        words = tr("{count} pictures", count=count(len(self.rows)))
        if (row := self.current_row) >= 0:
            words = tr("{name}, left out", name=self.names[row]) if self.left_out[row] else self.names[row]
        self.setAccessibleDescription(words)
        self.viewport().update()
        self.selection_changed.emit()

    # Events.

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange_in_place()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self.viewport())
        missing = False
        for index in self._visible():
            row, cell = int(self.rows[index]), self.cell_rect(index)
            if self._groups is not None:
                painter.fillRect(cell.adjusted(-GROUP_GAP // 2, -3, GROUP_GAP // 2, 3), theme.color("line" if self._groups[index] % 2 else "dim"))
            painter.fillRect(cell.adjusted(-1, -1, 1, 1), theme.color("line"))
            if tile := self._tiles.get(row):
                self._tiles.move_to_end(row)
                painter.setOpacity(0.22 if self.left_out[row] else 1.0)
                draw_picture(painter, QRectF(cell), tile)
                painter.setOpacity(1.0)
            else:
                painter.fillRect(cell, theme.color("raised"))
                missing = True
            if self.left_out[row]:
                self._draw_mark(painter, cell)
            self._draw_frame(painter, index, row, cell)
        if not self._band.isNull():
            shade = theme.color("accent")
            painter.setPen(QPen(shade, 1))
            shade.setAlpha(40)
            painter.setBrush(shade)
            painter.drawRect(self._band)
        if self._current < 0:
            self.draw_ring(painter)
        painter.end()
        if missing:
            self._ask.start()

    def _draw_mark(self, painter: QPainter, cell: QRect) -> None:
        """A cross in the corner: told by its form, not by paleness alone."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        side = 14
        badge = QRectF(cell.right() - side - 1, cell.top() + 3, side, side)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("base"))
        painter.drawEllipse(badge)
        painter.setPen(QPen(theme.color("bad"), 2))
        inner = badge.adjusted(4.5, 4.5, -4.5, -4.5)
        painter.drawLine(inner.topLeft(), inner.bottomRight())
        painter.drawLine(inner.topRight(), inner.bottomLeft())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _draw_frame(self, painter: QPainter, index: int, row: int, cell: QRect) -> None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if self._selected[row]:
            painter.setPen(QPen(theme.color("accent"), 3))
            painter.drawRect(cell.adjusted(0, 0, -1, -1))
        elif index == self._hover:
            painter.setPen(QPen(theme.color("line_strong"), 2))
            painter.drawRect(cell)
        if index == self._current and self.hasFocus():
            painter.setPen(QPen(theme.color("focus"), 1, Qt.PenStyle.DashLine))
            painter.drawRect(cell.adjusted(-2, -2, 1, 1))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        point = event.position().toPoint()
        index = self.index_at(point)
        right = event.button() == Qt.MouseButton.RightButton
        if index >= 0 and not (right and self._selected[self.rows[index]]):
            self._go_to(index, event.modifiers())
        elif index < 0 and not event.modifiers():
            self._selected[:] = False
            self._tell()
        if right and index >= 0:
            self.menu_wanted.emit(event.globalPosition().toPoint())
        self._band_from = None if right else point + QPoint(0, self.verticalScrollBar().value())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        point = event.position().toPoint()
        if self._band_from is not None and event.buttons() & Qt.MouseButton.LeftButton:
            start = self._band_from - QPoint(0, self.verticalScrollBar().value())
            if self._band.isNull() and (point - start).manhattanLength() < QApplication.startDragDistance():
                return
            self._band = QRect(start, point).normalized()
            edge = min(0, point.y()) + max(0, point.y() - self.viewport().height())
            self.verticalScrollBar().setValue(self.verticalScrollBar().value() + edge // 2)
            self._select_band()
            return
        hover = self.index_at(point)
        if hover != self._hover:
            self._hover = hover
            self.viewport().update()

    def _select_band(self) -> None:
        scrolled = self._band.translated(0, self.verticalScrollBar().value())
        self._selected[:] = False
        for index in self._layout.between(scrolled.top(), scrolled.bottom()):
            if self.cell_rect(index).intersects(self._band):
                self._selected[self.rows[index]] = True
        self._tell()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._band_from, self._band = None, QRect()
        self.viewport().update()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if (index := self.index_at(event.position().toPoint())) >= 0:
            self.opened.emit(int(self.rows[index]))

    def leaveEvent(self, event: object) -> None:
        self._hover = -1
        self.viewport().update()

    def viewportEvent(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            index = self.index_at(event.pos())
            QToolTip.showText(event.globalPos(), plain_tip(self.names[int(self.rows[index])]) if index >= 0 else "", self.viewport())
            return True
        return super().viewportEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        row = self._layout.columns
        page = max(1, self.viewport().height() // self._layout.pitch) * row
        moves = {
            Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Up: -row, Qt.Key.Key_Down: row, Qt.Key.Key_PageUp: -page, Qt.Key.Key_PageDown: page,
            Qt.Key.Key_Home: -len(self.rows), Qt.Key.Key_End: len(self.rows),
        }  # fmt: skip
        key, keys = Qt.Key(event.key()), event.modifiers()
        if event.matches(QKeySequence.StandardKey.SelectAll):
            self.select_rows(self.rows)
        elif event.matches(QKeySequence.StandardKey.Undo):
            self.undo_wanted.emit()
        elif event.matches(QKeySequence.StandardKey.Redo):
            self.redo_wanted.emit()
        elif key in moves and len(self.rows):
            target = self._current + moves[key] if self._current >= 0 else 0
            self._go_to(min(max(target, 0), len(self.rows) - 1), keys & Qt.KeyboardModifier.ShiftModifier)
        elif key == Qt.Key.Key_Space and self._current >= 0:
            self._go_to(self._current, Qt.KeyboardModifier.ControlModifier)
        elif key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.leave_out_wanted.emit()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._current >= 0:
            self.opened.emit(self.current_row)
        elif key == Qt.Key.Key_Menu and self._current >= 0:
            self.menu_wanted.emit(self.viewport().mapToGlobal(self.cell_rect(self._current).center()))
        elif key == Qt.Key.Key_Escape and self._selected.any():
            self.select_rows(_NONE)
        else:
            super().keyPressEvent(event)
