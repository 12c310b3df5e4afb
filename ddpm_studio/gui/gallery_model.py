"""The pictures of the gallery for Qt's views: thousands of them, of which only those in sight are ever decoded."""

from __future__ import annotations

import datetime
import math
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QMimeData, QModelIndex, QPersistentModelIndex, QPoint, QPointF, QRectF, QSize, QSizeF, QStringListModel, Qt, QTimer, QUrl, Signal
from PySide6.QtGui import QColor, QCursor, QPainter, QPaintEvent, QPen, QPixmap, QPolygonF
from PySide6.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from ddpm_studio.events import Images
from ddpm_studio.gui import theme
from ddpm_studio.gui.qimage import fitted, to_qimage
from ddpm_studio.gui.widgets.basics import plain_tip
from ddpm_studio.language import tr

if TYPE_CHECKING:
    from ddpm_studio.gallery import Facts

Index = QModelIndex | QPersistentModelIndex
THUMBNAIL = 96
GAP = 8
CELL = THUMBNAIL + 2 * GAP
KEPT_THUMBNAILS = 800
"""About 30 MB: what is on some screens full of them."""
WAITING = 400
"""How many thumbnails may be waited for: those that were scrolled past longest ago are forgotten."""
EDGE = QColor(128, 128, 128, 70)


class GalleryModel(QStringListModel):
    """All pictures are known by their paths; those that fit the search are `files`.

    Behind it stands Qt's own list, with an empty string for each of them: Qt asks for the number of rows and for flags once
    a row whenever it lays out, selects or paints, and an answer in Python would wait for the interpreter thousands of times.
    """

    thumbnails_wanted = Signal()
    thumbnails_came = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.files: list[Path] = []
        self.all_files: list[Path] = []
        self.facts: dict[Path, Facts] = {}
        self.stars: set[str] = set()
        self._query, self._only_stars = "", False
        self._thumbnails: OrderedDict[Path, QPixmap] = OrderedDict()
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
            self.dataChanged.emit(self.index(0), self.index(len(self.files) - 1), [Qt.ItemDataRole.AccessibleTextRole])

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
        grown = bool(self.files) and new > 0 and files[new:] == self.files
        self.files = files
        if grown:
            self.insertRows(0, new)
        else:
            self.setStringList([""] * len(files))

    # Thumbnails.

    def take_wanted(self, count: int) -> list[Path]:
        """The next ones to make, those that were asked for last first."""
        taken = [self._wanted.popitem()[0] for _ in range(min(count, len(self._wanted)))]
        return taken

    def set_thumbnails(self, pictures: Iterable[tuple[Path, Images | None]]) -> None:
        for path, picture in pictures:
            self._thumbnails[path] = QPixmap() if picture is None else QPixmap.fromImage(to_qimage(picture))
        while len(self._thumbnails) > KEPT_THUMBNAILS:
            self._thumbnails.popitem(last=False)
        self.thumbnails_came.emit()

    def thumbnail(self, row: int) -> QPixmap | None:
        """A null one for a picture that cannot be read; None, and it is asked for, where it has to be made first."""
        path = self.files[row]
        if path in self._thumbnails:
            self._thumbnails.move_to_end(path)
            return self._thumbnails[path]
        self._wanted[path] = None
        self._wanted.move_to_end(path)
        if len(self._wanted) > WAITING:
            self._wanted.popitem(last=False)
        if not self._ask.isActive():
            self._ask.start()
        return None

    # Qt asks.

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role not in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole) or not 0 <= index.row() < len(self.files):
            return None
        name = self.files[index.row()].name
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain_tip(name)
        return tr("{name}, with a star", name=name) if name in self.stars else name

    def mimeTypes(self) -> list[str]:
        return ["text/uri-list"]

    def mimeData(self, indexes: Any) -> QMimeData:
        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile(str(self.files[index.row()])) for index in indexes])
        return mime


def _empty(size: QSizeF, ratio: float) -> QPixmap:
    pixmap = QPixmap((size * ratio).toSize())
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    return pixmap


@cache
def _place(width: int, height: int, ratio: float) -> tuple[QRectF, QPixmap]:
    """Where a picture of this size stands in its cell, and its edge, which pictures with a white ground need, too."""
    place = fitted(QSizeF(width, height), QRectF(GAP, GAP, THUMBNAIL, THUMBNAIL), ratio)
    edge = _empty(place.size(), ratio)
    painter = QPainter(edge)
    painter.setPen(EDGE)
    painter.drawRect(QRectF(0, 0, place.width() - 1, place.height() - 1))
    painter.end()
    return place, edge


@cache
def part(name: str, theme_name: str, ratio: float) -> QPixmap:
    """What is the same in every cell, in the colours of the theme."""
    pixmap = _empty(QSizeF(CELL, CELL), ratio)
    cell = QRectF(2, 2, CELL - 4, CELL - 4)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    match name:
        case "chosen":
            painter.setBrush(theme.color("accent_soft"))
            painter.setPen(QPen(theme.color("accent"), 2))
            painter.drawRoundedRect(cell, 8, 8)
        case "over":
            painter.setBrush(theme.color("raised"))
            painter.drawRoundedRect(cell, 8, 8)
        case "missing":
            painter.setBrush(theme.color("well"))
            painter.drawRoundedRect(cell.adjusted(14, 14, -14, -14), 6, 6)
        case "unreadable":
            painter.setPen(theme.color("dim"))
            painter.drawText(cell, int(Qt.AlignmentFlag.AlignCenter), "?")
        case "star":
            badge = QRectF(cell.right() - 24, cell.top() + 2, 22, 22)
            painter.setBrush(theme.color("base"))
            painter.drawEllipse(badge)
            painter.setBrush(theme.color("warn"))
            painter.drawPolygon(_star(badge.center(), 8))
    painter.end()
    return pixmap


class ThumbnailDelegate(QStyledItemDelegate):
    """One picture in its cell, framed when it is chosen, with its star.

    It says no more in Python than it must, and finds most of it drawn: all the cells in sight are painted at each movement.
    """

    def __init__(self, model: GalleryModel, parent: QWidget) -> None:
        super().__init__(parent)
        self._model = model

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(CELL, CELL)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        cell, state = option.rect, option.state  # type: ignore[attr-defined]
        self.draw(painter, cell.x(), cell.y(), index.row(), bool(state & QStyle.StateFlag.State_Selected), bool(state & QStyle.StateFlag.State_MouseOver))

    def draw(self, painter: QPainter, left: int, top: int, row: int, chosen: bool, over: bool) -> None:
        model, shown, ratio = self._model, theme.name(), painter.device().devicePixelRatioF()
        if chosen or over:
            painter.drawPixmap(left, top, part("chosen" if chosen else "over", shown, ratio))
        if thumbnail := model.thumbnail(row):
            size = thumbnail.size()
            place, edge = _place(size.width(), size.height(), ratio)
            place = place.translated(left, top)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)  # whole pixels, as everywhere
            painter.drawPixmap(place, thumbnail, QRectF(thumbnail.rect()))
            painter.drawPixmap(place.topLeft(), edge)
        else:
            painter.drawPixmap(left, top, part("missing" if thumbnail is None else "unreadable", shown, ratio))
        if model.files[row].name in model.stars:
            painter.drawPixmap(left, top, part("star", shown, ratio))


class GalleryView(QListView):
    """Paints all its cells in one turn of the interpreter; Qt would ask for one turn a cell, and wait for each while others compute."""

    def __init__(self, model: GalleryModel) -> None:
        super().__init__()
        self._delegate = ThumbnailDelegate(model, self)
        self.setModel(model)
        self.setItemDelegate(self._delegate)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, model, chosen, part_shown, over = QPainter(self.viewport()), self.model(), self.selectionModel(), event.rect(), -1
        if self.viewport().underMouse():
            over = self.indexAt(self.viewport().mapFromGlobal(QCursor.pos())).row()
        current = self.currentIndex().row() if self.hasFocus() else -1
        for row in range(max(0, self.indexAt(QPoint(0, part_shown.top())).row()), model.rowCount()):
            index = model.index(row, 0)
            cell = self.visualRect(index)
            if cell.top() > part_shown.bottom():
                break
            if cell.intersects(part_shown):
                self._delegate.draw(painter, cell.x(), cell.y(), row, chosen.isSelected(index), row == over)
                if row == current and not chosen.isSelected(index):
                    theme.draw_ring(painter, cell.adjusted(2, 2, -2, -2))
        painter.end()


def _star(centre: QPointF, radius: float) -> QPolygonF:
    turns = ((radius if i % 2 == 0 else 0.42 * radius, math.pi * (i / 5 - 0.5)) for i in range(10))
    return QPolygonF([QPointF(centre.x() + r * math.cos(angle), centre.y() + r * math.sin(angle)) for r, angle in turns])
