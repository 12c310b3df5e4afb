"""Pictures in a table with two axes: a column for each lambda, a row for each timestep."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFont, QHelpEvent, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from ddpm_studio.events import Images
from ddpm_studio.gui import theme
from ddpm_studio.gui.qimage import to_qimage
from ddpm_studio.language import ntr, tr

GAP = 2
LEFT, TOP = 54, 24
"""Room for the names of the rows and of the columns."""


class BlendTable(QWidget):
    """A click, or Enter, opens the picture of a cell; cells fill in any order."""

    opened = Signal(int, int)
    """Row and column."""

    def __init__(self, name: str, accessible: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName(accessible)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.rows: tuple[str, ...] = ()
        self.columns: tuple[str, ...] = ()
        self.current: tuple[int, int] | None = None
        self._hover: tuple[int, int] | None = None
        self._cells: dict[tuple[int, int], QImage] = {}
        self._side = (32, 32)

    def minimumSizeHint(self) -> QSize:
        return QSize(LEFT + 9 * 24, TOP + 5 * 24)

    def start(self, rows: tuple[str, ...], columns: tuple[str, ...], shape: tuple[int, int, int]) -> None:
        """Empty, with these axes; `shape` of the pictures to come is height, width and channels."""
        self.rows, self.columns, self._side = rows, columns, (shape[1], shape[0])
        self._cells.clear()
        self.current = self._hover = None
        self._describe()

    def clear(self) -> None:
        self.start((), (), (32, 32, 3))

    def put(self, row: int, column: int, picture: Images) -> None:
        self._cells[row, column] = to_qimage(picture)
        self._describe()

    def _describe(self) -> None:
        self.setAccessibleDescription(ntr("{count} picture", "{count} pictures", len(self._cells)))
        self.update()

    # Where things are.

    def cell(self, row: int, column: int) -> QRectF:
        """In the middle of the widget, a whole number of device pixels per pixel; where there is no room for two, as large as may be."""
        ratio, (width, height) = self.devicePixelRatioF(), self._side
        count_x, count_y = max(1, len(self.columns)), max(1, len(self.rows))
        zoom = min((self.width() - LEFT - GAP * count_x) / count_x / width, (self.height() - TOP - GAP * count_y) / count_y / height)
        zoom = int(zoom * ratio) / ratio if zoom * ratio >= 2 else max(zoom, 0.1)
        across, down = width * zoom + GAP, height * zoom + GAP
        left = LEFT + max(0, (self.width() - LEFT - across * count_x) // 2)
        top = TOP + max(0, (self.height() - TOP - down * count_y) // 2)
        return QRectF(round(left + column * across), round(top + row * down), across - GAP, down - GAP)

    def cell_at(self, point: QPoint) -> tuple[int, int] | None:
        return next((place for place in self._cells if self.cell(*place).contains(point)), None)

    # Events.

    def paintEvent(self, event: QPaintEvent) -> None:
        if not self.rows:
            return
        painter = QPainter(self)
        small = QFont(self.font())
        small.setPixelSize(12)
        painter.setFont(small)
        chosen = self.current if self.hasFocus() or self._hover is None else None
        marked = self._hover or chosen
        for x, text in enumerate(self.columns):
            room = self.cell(0, x)
            painter.setPen(theme.color("accent" if marked and marked[1] == x else "dim"))
            painter.drawText(QRectF(room.left() - 12, room.top() - TOP, room.width() + 24, TOP - 4), int(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom), text)
        for y, text in enumerate(self.rows):
            room = self.cell(y, 0)
            painter.setPen(theme.color("accent" if marked and marked[0] == y else "dim"))
            painter.drawText(QRectF(room.left() - LEFT, room.top(), LEFT - 8, room.height()), int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), text)
        for y in range(len(self.rows)):
            for x in range(len(self.columns)):
                room, image = self.cell(y, x), self._cells.get((y, x))
                if image is None:
                    painter.fillRect(room, theme.color("well"))
                    continue
                painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, room.width() < 2 * image.width())
                painter.drawImage(room, image)
                if (y, x) in (self._hover, self.current):
                    painter.setPen(QPen(theme.color("accent"), 2))
                    painter.setBrush(Qt.BrushStyle.NoBrush)
                    painter.drawRect(room.adjusted(-1, -1, 1, 1))
        painter.end()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._set_hover(self.cell_at(event.position().toPoint()))

    def leaveEvent(self, event: QEvent) -> None:
        self._set_hover(None)

    def _set_hover(self, place: tuple[int, int] | None) -> None:
        if place != self._hover:
            self._hover = place
            self.setCursor(Qt.CursorShape.PointingHandCursor if place else Qt.CursorShape.ArrowCursor)
            self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        place = self.cell_at(event.position().toPoint())
        if place and event.button() == Qt.MouseButton.LeftButton:
            self.current = place
            self.update()
            self.opened.emit(*place)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        moves = {Qt.Key.Key_Left: (0, -1), Qt.Key.Key_Right: (0, 1), Qt.Key.Key_Up: (-1, 0), Qt.Key.Key_Down: (1, 0)}
        if self._cells and event.key() in moves:
            y, x = self.current or (0, 0)
            down, right = moves[Qt.Key(event.key())] if self.current else (0, 0)
            place = y + down, x + right
            if place in self._cells:
                self.current = place
                self.update()
        elif self.current and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.opened.emit(*self.current)
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            place = self.cell_at(event.pos())
            if place:
                QToolTip.showText(event.globalPos(), tr("{row}, {column}: click to open", row=self.rows[place[0]], column=self.columns[place[1]]), self, QRect())
            else:
                QToolTip.hideText()
            return True
        return super().event(event)
