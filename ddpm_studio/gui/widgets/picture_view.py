"""One picture, as large as its place allows; and the well that a picture can be dropped into."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import QColor, QDragEnterEvent, QDragLeaveEvent, QDropEvent, QFont, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from ddpm_studio.events import Images
from ddpm_studio.gui import theme
from ddpm_studio.gui.qimage import draw_picture, fitted, to_qimage


class PictureView(QWidget):
    """A picture at the largest whole zoom that fits."""

    def __init__(self, name: str, accessible: str, least: int = 96, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setAccessibleName(accessible)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._least = least
        self.image: QImage | None = None
        self.hint = ""

    def sizeHint(self) -> QSize:
        return QSize(self._least * 2, self._least * 2)

    def minimumSizeHint(self) -> QSize:
        return QSize(self._least, self._least)

    def set_picture(self, picture: Images | QImage | None) -> None:
        self.image = picture if picture is None or isinstance(picture, QImage) else to_qimage(picture)
        self.update()

    def picture_rect(self) -> QRectF:
        room = QRectF(self.rect())
        if self.image is None:
            side = min(room.width(), room.height())
            return QRectF(room.center().x() - side / 2, room.center().y() - side / 2, side, side)
        return fitted(QSizeF(self.image.size()), room, self.devicePixelRatioF())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        if self.image is not None:
            room = self.picture_rect()
            draw_picture(painter, room, self.image)
            painter.setPen(QPen(theme.color("line"), 1))
            painter.drawRect(room.adjusted(-0.5, -0.5, 0.5, 0.5))
        else:
            self._draw_empty(painter, self.picture_rect())
        painter.end()

    def _draw_empty(self, painter: QPainter, room: QRectF) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("well"))
        painter.drawRoundedRect(room, 8, 8)
        painter.setPen(theme.color("dim"))
        painter.drawText(room.adjusted(16, 16, -16, -16), int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap), self.hint)


class PictureWell(PictureView):
    """Takes a picture: dropped from outside or from a grid of the window, or chosen after a click."""

    clicked = Signal()
    path_dropped = Signal(Path)
    image_dropped = Signal(QImage)

    def __init__(self, name: str, letter: str) -> None:
        super().__init__(name, f"Picture {letter}")
        self.letter = letter
        self.hint = "Drop a picture here\nor click to choose"
        self.setAcceptDrops(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setToolTip(f"Picture {letter}: drop a file here, or click to choose one")
        self._over = False

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        room = self.picture_rect()
        if self.image is None or self._over or self.hasFocus():
            pen = QPen(theme.color("accent" if self._over or self.hasFocus() else "line_strong"), 2)
            if self.image is None:
                pen.setStyle(Qt.PenStyle.DashLine)
            painter.setPen(pen)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(room.adjusted(1, 1, -1, -1), 8 if self.image is None else 0, 8 if self.image is None else 0)
        badge = QRectF(max(room.left() - 12, 0), max(room.top() - 12, 0), 24, 24)  # on the corner, not on the face
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(70, 74, 84))
        painter.drawEllipse(badge)
        font = QFont(self.font())
        font.setWeight(QFont.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(QColor("white"))
        painter.drawText(badge, int(Qt.AlignmentFlag.AlignCenter), self.letter)
        painter.end()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(event.position().toPoint()):
            self.clicked.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.clicked.emit()
        else:
            super().keyPressEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls() or event.mimeData().hasImage():
            event.acceptProposedAction()
            self._set_over(True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._set_over(False)

    def dropEvent(self, event: QDropEvent) -> None:
        self._set_over(False)
        mime = event.mimeData()
        files = [url.toLocalFile() for url in mime.urls() if url.isLocalFile()]
        if files:
            event.acceptProposedAction()
            self.path_dropped.emit(Path(files[0]))
        elif mime.hasImage():
            event.acceptProposedAction()
            self.image_dropped.emit(QImage(mime.imageData()))

    def _set_over(self, over: bool) -> None:
        self._over = over
        self.update()
