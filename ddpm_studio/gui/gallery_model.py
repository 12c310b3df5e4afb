"""The pictures of the gallery for Qt's views: thousands of them, of which only those in sight are ever decoded."""

from __future__ import annotations

import datetime
import math
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractListModel, QMimeData, QModelIndex, QPersistentModelIndex, QPointF, QRectF, QSize, QSizeF, Qt, QTimer, QUrl, Signal
from PySide6.QtGui import QColor, QGuiApplication, QPainter, QPen, QPixmap, QPolygonF
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from ddpm_studio.events import Images
from ddpm_studio.gui import theme
from ddpm_studio.gui.qimage import draw_picture, fitted, to_qimage
from ddpm_studio.language import tr

if TYPE_CHECKING:
    from ddpm_studio.gallery import Facts

Index = QModelIndex | QPersistentModelIndex
THUMBNAIL = 96
CELL = THUMBNAIL + 16
KEPT_THUMBNAILS = 800
"""About 30 MB: what is on some screens full of them."""
WAITING = 400
"""How many thumbnails may be waited for: those that were scrolled past longest ago are forgotten."""
STAR = Qt.ItemDataRole.UserRole
_NOWHERE = QModelIndex()
_FLAGS = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsDragEnabled | Qt.ItemFlag.ItemNeverHasChildren


class GalleryModel(QAbstractListModel):
    """All pictures are known by their paths; those that fit the search are `files`."""

    thumbnails_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.files: list[Path] = []
        self.all_files: list[Path] = []
        self.facts: dict[Path, Facts] = {}
        self.stars: set[str] = set()
        self._query, self._only_stars = "", False
        self._thumbnails: OrderedDict[Path, QPixmap | Images | None] = OrderedDict()
        self._wanted: OrderedDict[Path, None] = OrderedDict()
        self._ask = QTimer(self, singleShot=True, interval=0)
        self._ask.timeout.connect(self.thumbnails_wanted)

    # What there is, and what of it is shown.

    def set_files(self, files: Sequence[Path], stars: Iterable[str] = ()) -> None:
        """All pictures, newest first."""
        self.stars = set(stars)
        self.all_files = list(files)
        gone = self.facts.keys() - set(files)
        for path in gone:
            del self.facts[path]
        self._show(self._fitting())

    def add_facts(self, facts: Iterable[Facts]) -> None:
        """They are found by them from the next `search_again` on."""
        self.facts.update((one.path, one) for one in facts)

    def search(self, query: str, only_stars: bool) -> None:
        self._query, self._only_stars = query, only_stars
        self._show(self._fitting())

    def search_again(self) -> None:
        if self._query.strip():
            self._show(self._fitting())

    @property
    def filtered(self) -> bool:
        return self._only_stars or bool(self._query.strip())

    def set_stars(self, files: Iterable[Path], on: bool) -> None:
        names = {path.name for path in files}
        self.stars = self.stars | names if on else self.stars - names
        if self._only_stars:
            self._show(self._fitting())
        elif self.files:
            self.dataChanged.emit(self.index(0), self.index(len(self.files) - 1), [STAR])

    def _fitting(self) -> list[Path]:
        files = [path for path in self.all_files if path.name in self.stars] if self._only_stars else self.all_files
        if not self._query.strip():
            return list(files)
        from ddpm_studio.gallery import Search

        search, facts = Search(self._query, datetime.date.today()), self.facts
        return [path for path in files if path in facts and search.fits(facts[path])]

    def _show(self, files: list[Path]) -> None:
        if files == self.files:
            return
        new = len(files) - len(self.files)
        if self.files and new > 0 and files[new:] == self.files:
            self.beginInsertRows(_NOWHERE, 0, new - 1)
            self.files = files
            self.endInsertRows()
        else:
            self.beginResetModel()
            self.files = files
            self.endResetModel()

    # Thumbnails.

    def take_wanted(self, count: int) -> list[Path]:
        """The next ones to make, those that were asked for last first."""
        taken = [self._wanted.popitem()[0] for _ in range(min(count, len(self._wanted)))]
        return taken

    def set_thumbnails(self, pictures: Iterable[tuple[Path, Images | None]]) -> None:
        self._thumbnails.update(pictures)  # those that are seen are drawn when they are: a hand that scrolls passes most of them
        while len(self._thumbnails) > KEPT_THUMBNAILS:
            self._thumbnails.popitem(last=False)
        if self.files:  # the view repaints only what is in sight
            self.dataChanged.emit(self.index(0), self.index(len(self.files) - 1), [Qt.ItemDataRole.DecorationRole])

    def _thumbnail(self, path: Path) -> QPixmap | None:
        if path in self._thumbnails:
            self._thumbnails.move_to_end(path)
            thumbnail = self._thumbnails[path]
            if not isinstance(thumbnail, QPixmap):
                thumbnail = self._thumbnails[path] = _drawn(thumbnail)
            return thumbnail
        self._wanted[path] = None
        self._wanted.move_to_end(path)
        if len(self._wanted) > WAITING:
            self._wanted.popitem(last=False)
        if not self._ask.isActive():
            self._ask.start()
        return None

    # Qt asks.

    def rowCount(self, parent: Index = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self.files)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or index.row() >= len(self.files):
            return None
        path = self.files[index.row()]
        if role == Qt.ItemDataRole.DecorationRole:
            return self._thumbnail(path)
        if role == STAR:
            return path.name in self.stars
        if role == Qt.ItemDataRole.ToolTipRole:
            return path.name
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return tr("{name}, with a star", name=path.name) if path.name in self.stars else path.name
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        return _FLAGS

    def mimeTypes(self) -> list[str]:
        return ["text/uri-list"]

    def mimeData(self, indexes: Any) -> QMimeData:
        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile(str(self.files[index.row()])) for index in indexes])
        return mime


def _drawn(picture: Images | None) -> QPixmap:
    ratio = QGuiApplication.primaryScreen().devicePixelRatio()
    pixmap = QPixmap(round(THUMBNAIL * ratio), round(THUMBNAIL * ratio))
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    if picture is None:
        painter.setPen(theme.color("dim"))
        painter.drawText(QRectF(0, 0, THUMBNAIL, THUMBNAIL), int(Qt.AlignmentFlag.AlignCenter), "?")
    else:
        image = to_qimage(picture)
        room = fitted(QSizeF(image.size()), QRectF(0, 0, THUMBNAIL, THUMBNAIL), ratio)
        draw_picture(painter, room, image)
        painter.setPen(QColor(128, 128, 128, 70))  # pictures with a white ground have an edge, too
        painter.drawRect(room.adjusted(0, 0, -1, -1))
    painter.end()
    return pixmap


class ThumbnailDelegate(QStyledItemDelegate):
    """One picture in its cell, framed when it is chosen, with its star."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(CELL, CELL)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        cell = QRectF(option.rect).adjusted(2, 2, -2, -2)  # type: ignore[attr-defined]
        state = option.state  # type: ignore[attr-defined]
        chosen, over = bool(state & QStyle.StateFlag.State_Selected), bool(state & QStyle.StateFlag.State_MouseOver)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if chosen or over:
            painter.setBrush(theme.color("accent_soft" if chosen else "raised"))
            painter.setPen(QPen(theme.color("accent"), 2) if chosen else Qt.PenStyle.NoPen)
            painter.drawRoundedRect(cell, 8, 8)
        picture = QRectF(cell.center().x() - THUMBNAIL / 2, cell.center().y() - THUMBNAIL / 2, THUMBNAIL, THUMBNAIL)
        thumbnail = index.data(Qt.ItemDataRole.DecorationRole)
        if thumbnail is None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("well"))
            painter.drawRoundedRect(picture.adjusted(8, 8, -8, -8), 6, 6)
        else:
            painter.drawPixmap(picture.topLeft(), thumbnail)
        if index.data(STAR):
            badge = QRectF(cell.right() - 24, cell.top() + 2, 22, 22)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("base"))
            painter.drawEllipse(badge)
            painter.setBrush(theme.color("warn"))
            painter.drawPolygon(_star(badge.center(), 8))
        painter.restore()


def _star(centre: QPointF, radius: float) -> QPolygonF:
    turns = ((radius if i % 2 == 0 else 0.42 * radius, math.pi * (i / 5 - 0.5)) for i in range(10))
    return QPolygonF([QPointF(centre.x() + r * math.cos(angle), centre.y() + r * math.sin(angle)) for r, angle in turns])
