"""Many small pictures at once, as large and as sharp as the room allows."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QMimeData, QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QDrag, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap, QResizeEvent
from PySide6.QtWidgets import QApplication, QFrame, QWidget

from ddpm_studio.events import Images
from ddpm_studio.gui import theme
from ddpm_studio.gui.qimage import draw_picture, enlarged, to_qimage, zoom_for
from ddpm_studio.gui.widgets.ringed_area import RingedArea
from ddpm_studio.language import ntr

SMALLER = 0.6
"""Of the smallest side, for pictures that are only looked at."""


class PictureGrid(RingedArea):
    """Shows uint8 [N, H, W, C]. With `selectable` one picture is current: by mouse or by arrow keys."""

    current_changed = Signal(int)
    activated = Signal(int)
    menu_wanted = Signal(int, QPoint)

    def __init__(
        self, name: str, accessible: str, selectable: bool = False, gap: int = 4, largest_zoom: int = 8, smallest_side: int = 44, centred: bool = True,
        parent: QWidget | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self.setObjectName(name)
        self.setAccessibleName(accessible)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.viewport().setAutoFillBackground(False)
        self._centred = centred
        self._selectable, self._gap, self._largest_zoom, self._smallest_side = selectable, gap, largest_zoom, smallest_side
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus if selectable else Qt.FocusPolicy.NoFocus)
        self.viewport().setMouseTracking(selectable)
        self.captions: tuple[str, ...] = ()
        self.images: Images = np.zeros((0, 1, 1, 3), np.uint8)
        self._drawn: list[QImage] = []
        self._columns, self._cell, self._origin = 1, QSize(1, 1), QPointF(0, 0)
        self._current, self._hover = -1, -1
        self._pressed_at: QPoint | None = None

    def set_images(self, images: Images, captions: tuple[str, ...] = ()) -> None:
        """Replaces all pictures; the current one keeps its place in the order. Captions stand under the pictures."""
        same_shape = images.shape == self.images.shape and bool(captions) == bool(self.captions)
        self.images, self.captions = images, captions
        self._drawn = [to_qimage(picture) for picture in images]
        if self._current >= len(images):
            self._current = -1
        if not same_shape:
            self._arrange()
        self.setAccessibleDescription(ntr("{count} picture", "{count} pictures", len(images)))
        self.viewport().update()

    def clear(self) -> None:
        self.set_images(np.zeros((0, 1, 1, 3), np.uint8))

    @property
    def current(self) -> int:
        return self._current

    def set_current(self, index: int) -> None:
        if self._selectable and index != self._current and -1 <= index < len(self._drawn):
            self._current = index
            self._show_current()
            self.viewport().update()
            self.current_changed.emit(index)

    def picture(self, index: int) -> QImage:
        return self._drawn[index]

    # Arrangement.

    def _arrange(self) -> None:
        count = len(self._drawn)
        if not count:
            self.verticalScrollBar().setRange(0, 0)
            return
        height, width = self.images.shape[1:3]
        room, gap, ratio, margin, text = self.viewport().size(), self._gap, self.devicePixelRatioF(), 2, self._caption_height
        room_w, room_h = max(1, room.width() - 2 * margin), max(1, room.height() - 2 * margin)
        fits: list[tuple[float, int, int]] = []
        """Zoom, minus the places left empty, columns."""
        for columns in range(1, count + 1):
            rows = math.ceil(count / columns)
            zoom = min(zoom_for(width, (room_w - (columns - 1) * gap) / columns, ratio), zoom_for(height, (room_h - (rows - 1) * gap) / rows - text, ratio), self._largest_zoom)
            fits.append((zoom, count - columns * rows, columns))
        largest, in_full_rows = max(fits), max(fit for fit in fits if fit[1] == 0)
        # What is only looked at may be smaller before it has to be scrolled: better small and whole than cut off.
        floor = self._smallest_side * (1 if self._selectable else SMALLER) / max(width, height)
        # Full rows are worth a smaller picture, but not one of half the size.
        zoom, _, columns = in_full_rows if in_full_rows[0] > largest[0] / 2 and in_full_rows[0] >= min(floor, largest[0]) else largest
        if zoom < floor:
            floor = self._smallest_side / max(width, height)
            zoom = math.ceil(floor * ratio) / ratio if floor * ratio > 1 else floor
            columns = max(1, int((room_w + gap) // (width * zoom + gap)))
            columns = next((fewer for fewer in range(columns, columns * 2 // 3, -1) if count % fewer == 0), columns)
        self._columns = min(columns, count)
        self._cell = QSize(round(width * zoom), round(height * zoom))
        rows = math.ceil(count / self._columns)
        total_w = self._columns * (self._cell.width() + gap) - gap
        total_h = rows * (self._cell.height() + text + gap) - gap
        self._origin = QPointF(margin, margin)
        if self._centred:
            self._origin = QPointF(max(margin, (room.width() - total_w) // 2), max(margin, (room.height() - total_h) // 2))
        bar = self.verticalScrollBar()
        bar.setPageStep(room.height())
        bar.setSingleStep(self._cell.height() // 2)
        bar.setRange(0, max(0, total_h + 2 * margin - room.height()))

    @property
    def _caption_height(self) -> int:
        return 20 if self.captions else 0

    def cell_rect(self, index: int) -> QRect:
        """Where a picture is, in the coordinates of the viewport."""
        row, column = divmod(index, self._columns)
        x = self._origin.x() + column * (self._cell.width() + self._gap)
        y = self._origin.y() + row * (self._cell.height() + self._caption_height + self._gap) - self.verticalScrollBar().value()
        return QRect(QPoint(round(x), round(y)), self._cell)

    def index_at(self, point: QPoint) -> int:
        return next((i for i in range(len(self._drawn)) if self.cell_rect(i).contains(point)), -1)

    def _show_current(self) -> None:
        if self._current < 0:
            return
        cell, bar = self.cell_rect(self._current), self.verticalScrollBar()
        if cell.top() < 0:
            bar.setValue(bar.value() + cell.top() - self._gap)
        elif cell.bottom() > self.viewport().height():
            bar.setValue(bar.value() + cell.bottom() - self.viewport().height() + self._gap)

    # Events.

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self.viewport())
        for i, image in enumerate(self._drawn):
            cell = self.cell_rect(i)
            if not cell.intersects(event.rect()):
                continue
            painter.fillRect(cell.adjusted(-1, -1, 1, 1), theme.color("line"))
            draw_picture(painter, QRectF(cell), image)
            if i in (self._current, self._hover):
                chosen = i == self._current
                painter.setPen(QPen(theme.color("accent" if chosen else "line_strong"), 2))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawRect(cell.adjusted(-2, -2, 2, 2))
            if i < len(self.captions):
                painter.setPen(theme.color("dim"))
                painter.drawText(QRect(cell.left() - 8, cell.bottom() + 3, cell.width() + 16, 17), int(Qt.AlignmentFlag.AlignCenter), self.captions[i])
        if self._selectable and self._current < 0:
            self.draw_ring(painter)
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        index = self.index_at(event.position().toPoint())
        if index < 0 or not self._selectable:
            return
        self._pressed_at = event.position().toPoint() if event.button() == Qt.MouseButton.LeftButton else None
        self.set_current(index)
        if event.button() == Qt.MouseButton.RightButton:
            self.menu_wanted.emit(index, event.globalPosition().toPoint())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        point = event.position().toPoint()
        if self._pressed_at is not None and (point - self._pressed_at).manhattanLength() > QApplication.startDragDistance():
            self._pressed_at = None
            self._drag(self._current)
            return
        hover = self.index_at(point) if self._selectable else -1
        if hover != self._hover:
            self._hover = hover
            self.viewport().setCursor(Qt.CursorShape.PointingHandCursor if hover >= 0 else Qt.CursorShape.ArrowCursor)
            self.viewport().update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._pressed_at = None

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        index = self.index_at(event.position().toPoint())
        if index >= 0 and self._selectable:
            self.activated.emit(index)

    def leaveEvent(self, event: object) -> None:
        self._hover = -1
        self.viewport().update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        moves = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Up: -self._columns, Qt.Key.Key_Down: self._columns}
        if self._selectable and self._drawn and event.key() in moves:
            target = self._current + moves[Qt.Key(event.key())] if self._current >= 0 else 0
            if 0 <= target < len(self._drawn):
                self.set_current(target)
        elif self._current >= 0 and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.activated.emit(self._current)
        elif self._current >= 0 and event.key() == Qt.Key.Key_Menu:
            self.menu_wanted.emit(self._current, self.viewport().mapToGlobal(self.cell_rect(self._current).center()))
        else:
            super().keyPressEvent(event)

    def _drag(self, index: int) -> None:
        if index < 0:
            return
        mime = QMimeData()
        mime.setImageData(self._drawn[index])
        drag = QDrag(self)
        drag.setMimeData(mime)
        drag.setPixmap(QPixmap.fromImage(enlarged(self._drawn[index], 64)))
        drag.exec(Qt.DropAction.CopyAction)
