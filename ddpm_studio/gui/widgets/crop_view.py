"""A picture in its original shape, and on it the part that training will see: drag it, or move it with the arrow keys."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from ddpm_studio.gui import theme
from ddpm_studio.gui.qimage import draw_picture, fitted
from ddpm_studio.language import tr

SPACE = 24
STEP = 0.02


class CropView(QWidget):
    """Left: the picture with the frame. Right: what comes out of it, as large as it can be shown without blur."""

    focus_moved = Signal(float, float)
    """While it is dragged."""
    focus_chosen = Signal(float, float)
    """When it has been let go of: the focus across and down, 0 to 1."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("cropView")
        self.setAccessibleName(tr("The part of the picture that is used"))
        self.setToolTip(tr("Drag the frame, or move it with the arrow keys"))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMouseTracking(True)
        self._picture = QImage()
        self._shape = (32, 32)
        self.focus_at = (0.5, 0.5)
        self._grip: tuple[QPointF, tuple[float, float]] | None = None
        self._result = QImage()

    def set_picture(self, picture: QImage) -> None:
        self._picture = picture
        self._changed()

    def set_crop(self, shape: tuple[int, int], focus: tuple[float, float]) -> None:
        """Height and width of the pictures as they are used, and the focus."""
        self._shape = shape
        if self._grip is None:
            self.focus_at = focus
        self._changed()

    @property
    def room(self) -> tuple[bool, bool]:
        """Whether there is anything to choose, across and down."""
        frame = self._frame_in_picture()
        return self._picture.width() - frame.width() >= 1, self._picture.height() - frame.height() >= 1

    def sizeHint(self) -> QSize:
        return QSize(480, 360)

    def _changed(self) -> None:
        height, width = self._shape
        self._result = QImage()
        if not self._picture.isNull():
            part = self._picture.copy(self._frame_in_picture().toRect())
            self._result = part.scaled(width, height, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation)
        self.setAccessibleDescription(tr("{across} % across, {down} % down", across=round(100 * self.focus_at[0]), down=round(100 * self.focus_at[1])))
        self.update()

    def _frame_in_picture(self) -> QRectF:
        """As `imaging.cut_out`, in pixels of the picture that is shown."""
        height, width = self._shape
        across, down = float(self._picture.width()), float(self._picture.height())
        if across * height > down * width:
            across = down * width / height
        else:
            down = across * height / width
        return QRectF((self._picture.width() - across) * self.focus_at[0], (self._picture.height() - down) * self.focus_at[1], across, down)

    def picture_rect(self) -> QRectF:
        """Where the picture is drawn."""
        room = QRectF(0, 0, max(1.0, (self.width() - SPACE) * 0.68), self.height()).adjusted(2, 2, -2, -2)
        size = self._picture.size().scaled(room.size().toSize(), Qt.AspectRatioMode.KeepAspectRatio)
        return QRectF(room.x() + (room.width() - size.width()) / 2, room.y() + (room.height() - size.height()) / 2, size.width(), size.height())

    def frame_rect(self) -> QRectF:
        """Where the frame is drawn."""
        shown, frame = self.picture_rect(), self._frame_in_picture()
        scale = shown.width() / max(1, self._picture.width())
        return QRectF(shown.x() + frame.x() * scale, shown.y() + frame.y() * scale, frame.width() * scale, frame.height() * scale)

    def _move_to(self, x: float, y: float) -> None:
        self.focus_at = (min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0))
        self._changed()
        self.focus_moved.emit(*self.focus_at)

    # Events.

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._picture.isNull():
            return
        painter = QPainter(self)
        shown, frame = self.picture_rect(), self.frame_rect()
        draw_picture(painter, shown, self._picture)
        shade = theme.color("window")
        shade.setAlpha(170)
        for part in (
            QRectF(shown.left(), shown.top(), shown.width(), frame.top() - shown.top()), QRectF(shown.left(), frame.bottom(), shown.width(), shown.bottom() - frame.bottom()),
            QRectF(shown.left(), frame.top(), frame.left() - shown.left(), frame.height()), QRectF(frame.right(), frame.top(), shown.right() - frame.right(), frame.height()),
        ):  # fmt: skip
            if part.width() > 0 and part.height() > 0:
                painter.fillRect(part, shade)
        painter.setPen(QPen(theme.color("focus" if self.hasFocus() else "accent"), 2))
        painter.drawRect(frame.adjusted(1, 1, -1, -1))
        left = (self.width() - SPACE) * 0.68 + SPACE
        room = QRectF(left, 0, max(1.0, self.width() - left), self.height())
        target = fitted(self._result.size().toSizeF(), room, self.devicePixelRatioF())
        painter.fillRect(target.adjusted(-1, -1, 1, 1), theme.color("line"))
        draw_picture(painter, target, self._result)
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self.picture_rect().contains(event.position()):
            self._grip = (event.position(), self.focus_at)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._grip is None:
            self.setCursor(Qt.CursorShape.OpenHandCursor if any(self.room) and self.picture_rect().contains(event.position()) else Qt.CursorShape.ArrowCursor)
            return
        (start, focus), shown, frame = self._grip, self.picture_rect(), self.frame_rect()
        free = shown.width() - frame.width(), shown.height() - frame.height()
        moved = event.position() - start
        self._move_to(focus[0] + moved.x() / free[0] if free[0] >= 1 else focus[0], focus[1] + moved.y() / free[1] if free[1] >= 1 else focus[1])

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._grip is not None:
            before, self._grip = self._grip[1], None
            if self.focus_at != before:
                self.focus_chosen.emit(*self.focus_at)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        moves = {Qt.Key.Key_Left: (-STEP, 0.0), Qt.Key.Key_Right: (STEP, 0.0), Qt.Key.Key_Up: (0.0, -STEP), Qt.Key.Key_Down: (0.0, STEP)}
        if (move := moves.get(Qt.Key(event.key()))) and any(self.room):
            across, down = self.room
            self._move_to(self.focus_at[0] + move[0] * across, self.focus_at[1] + move[1] * down)
            self.focus_chosen.emit(*self.focus_at)
        else:
            super().keyPressEvent(event)
