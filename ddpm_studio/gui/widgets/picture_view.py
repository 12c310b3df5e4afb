"""One picture, as large as its place allows; and the well that a picture can be dropped into."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QMimeData, QPoint, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import QColor, QDrag, QDragEnterEvent, QDragLeaveEvent, QDropEvent, QFocusEvent, QFont, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap
from PySide6.QtWidgets import QApplication, QSizePolicy, QWidget

from ddpm_studio.events import Images
from ddpm_studio.gui import theme
from ddpm_studio.gui.qimage import draw_picture, enlarged, fitted, to_qimage
from ddpm_studio.gui.widgets.basics import wrapped
from ddpm_studio.language import tr

WELL = "application/x-ddpm-studio-well"
"""The letter of a well that is dragged."""
ROOMY = 128
CHOSEN = (Qt.FocusReason.MouseFocusReason, Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason, Qt.FocusReason.OtherFocusReason)
"""Why a well has the focus when somebody has gone to it: not because a window or a menu has closed."""
UNBROKEN = int(Qt.AlignmentFlag.AlignCenter)
CENTRED = int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap)


class PictureView(QWidget):
    """A picture at the largest whole zoom that fits."""

    def __init__(self, name: str, accessible: str, least: int = 96, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setAccessibleName(accessible)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._least = least
        self.image: QImage | None = None
        self.hint = self.short_hint = ""
        """What is said where there is no picture yet, and what where that has no room."""

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
        place = room.adjusted(16, 16, -16, -16) if room.width() >= ROOMY else room.adjusted(4, 26, -4, -26)  # not under the badge of a well
        painter.drawText(place, CENTRED, self.hint_for(place))

    def hint_for(self, place: QRectF) -> str:
        """The longest of the hints that stands whole in a place; one that has a shorter one is not broken into more lines than it has."""
        ways = ((self.hint, UNBROKEN if self.short_hint else CENTRED), (self.short_hint, CENTRED))
        fits = (hint for hint, way in ways if place.contains(QRectF(self.fontMetrics().boundingRect(place.toRect(), way, hint))))
        return next(fits, "+" if self.short_hint else self.hint)


class PictureWell(PictureView):
    """Takes a picture: dropped from outside or from elsewhere in the window, pasted, or chosen after a click; and gives it
    away to another well, or to another program, when it is dragged."""

    clicked = Signal()
    paths_dropped = Signal(list)
    image_dropped = Signal(QImage)
    well_dropped = Signal(str)
    """The letter of the well that was dragged here."""
    menu_wanted = Signal(QPoint)
    remove_wanted = Signal()
    focused = Signal()

    def __init__(self, name: str, letter: str, least: int = 96) -> None:
        super().__init__(name, tr("Picture {letter}", letter=letter), least)
        self.letter = letter
        self.hint, self.short_hint = tr("Drop a picture here\nor click to choose"), tr("Drop or click")
        self.setAcceptDrops(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setToolTip(wrapped(tr("Picture {letter}: drop a file, paste (Ctrl+V), or click to choose one; drag it to another picture to swap the two", letter=letter)))
        self._over = self.aimed_at = False
        """Aimed at: the next picture that is picked goes here."""
        self._pressed_at: QPoint | None = None

    def aim(self, at: bool) -> None:
        if at != self.aimed_at:
            self.aimed_at = at
            self.setAccessibleDescription(tr("The next picture that is picked goes here") if at else "")
            self.update()

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
        painter.setBrush(theme.color("accent") if self.aimed_at else QColor(70, 74, 84))
        painter.drawEllipse(badge)
        font = QFont(self.font())
        font.setWeight(QFont.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(theme.color("on_accent") if self.aimed_at else QColor("white"))
        painter.drawText(badge, int(Qt.AlignmentFlag.AlignCenter), self.letter)
        painter.end()

    # The mouse and the keys.

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        if event.reason() in CHOSEN:
            self.focused.emit()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._pressed_at = event.position().toPoint()
        elif event.button() == Qt.MouseButton.RightButton:
            self.menu_wanted.emit(event.globalPosition().toPoint())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        start = self._pressed_at
        if start is None or self.image is None or (event.position().toPoint() - start).manhattanLength() <= QApplication.startDragDistance():
            return
        self._pressed_at = None
        drag = QDrag(self)
        drag.setMimeData(self.mime())
        drag.setPixmap(QPixmap.fromImage(enlarged(self.image, 64)))
        drag.exec(Qt.DropAction.CopyAction)

    def mime(self) -> QMimeData:
        """What is dragged: the picture, for whoever wants it, and which well it is, for other wells."""
        mime = QMimeData()
        if self.image is not None:
            mime.setImageData(self.image)
        mime.setData(WELL, self.letter.encode())
        return mime

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        pressed, self._pressed_at = self._pressed_at, None
        if pressed is not None and event.button() == Qt.MouseButton.LeftButton and self.rect().contains(event.position().toPoint()):
            self.clicked.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.clicked.emit()
        elif event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.remove_wanted.emit()
        elif event.key() == Qt.Key.Key_Menu:
            self.menu_wanted.emit(self.mapToGlobal(self.rect().center()))
        else:
            super().keyPressEvent(event)

    # What is dropped.

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        mime = event.mimeData()
        mine = mime.hasFormat(WELL) and bytes(mime.data(WELL).data()).decode(errors="replace") == self.letter
        if not mine and (mime.hasUrls() or mime.hasImage()):
            event.acceptProposedAction()
            self._set_over(True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._set_over(False)

    def dropEvent(self, event: QDropEvent) -> None:
        self._set_over(False)
        mime = event.mimeData()
        if mime.hasFormat(WELL):
            event.acceptProposedAction()
            self.well_dropped.emit(bytes(mime.data(WELL).data()).decode(errors="replace"))
        elif self.take(mime):
            event.acceptProposedAction()

    def take(self, mime: QMimeData) -> bool:
        """Files or a picture, dropped or pasted; False when there is neither."""
        if files := [Path(url.toLocalFile()) for url in mime.urls() if url.isLocalFile()]:
            self.paths_dropped.emit(files)
        elif mime.hasImage() and not (image := QImage(mime.imageData())).isNull():
            self.image_dropped.emit(image)
        else:
            return False
        return True

    def _set_over(self, over: bool) -> None:
        self._over = over
        self.update()
