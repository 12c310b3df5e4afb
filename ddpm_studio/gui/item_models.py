"""Lists for Qt's views: the gallery's pictures and the runs."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

from PySide6.QtCore import QAbstractListModel, QAbstractTableModel, QModelIndex, QPersistentModelIndex, QRectF, QSizeF, Qt
from PySide6.QtGui import QColor, QGuiApplication, QIcon, QImage, QPainter, QPixmap

from ddpm_studio.gui.qimage import draw_picture, fitted
from ddpm_studio.gui.words import count, moment
from ddpm_studio.language import later, tr
from ddpm_studio.runs import RunInfo

Index = QModelIndex | QPersistentModelIndex
THUMBNAIL = 96
KEPT_THUMBNAILS = 3000
_NOWHERE = QModelIndex()


class GalleryModel(QAbstractListModel):
    """Thumbnails are made when they are first seen."""

    def __init__(self) -> None:
        super().__init__()
        self.files: list[Path] = []
        self._thumbnails: OrderedDict[Path, QIcon] = OrderedDict()

    def set_files(self, files: list[Path]) -> None:
        if files == self.files:
            return
        new = files[: len(files) - len(self.files)] if self.files and files[-len(self.files) :] == self.files else None
        if new:
            self.beginInsertRows(_NOWHERE, 0, len(new) - 1)
            self.files = list(files)
            self.endInsertRows()
        else:
            self.beginResetModel()
            self.files = list(files)
            self.endResetModel()

    def rowCount(self, parent: Index = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self.files)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        file = self.files[index.row()]
        if role == Qt.ItemDataRole.DecorationRole:
            return self._thumbnail(file)
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            return file.name
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        return super().flags(index) | Qt.ItemFlag.ItemIsDragEnabled

    def mimeTypes(self) -> list[str]:
        return ["text/uri-list"]

    def mimeData(self, indexes: Any) -> Any:
        from PySide6.QtCore import QMimeData, QUrl

        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile(str(self.files[index.row()])) for index in indexes])
        return mime

    def _thumbnail(self, file: Path) -> QIcon:
        if file in self._thumbnails:
            self._thumbnails.move_to_end(file)
            return self._thumbnails[file]
        ratio = QGuiApplication.primaryScreen().devicePixelRatio()
        pixmap = QPixmap(round(THUMBNAIL * ratio), round(THUMBNAIL * ratio))
        pixmap.setDevicePixelRatio(ratio)
        pixmap.fill(Qt.GlobalColor.transparent)
        image = QImage(str(file))
        if not image.isNull():
            painter = QPainter(pixmap)
            room = fitted(QSizeF(image.size()), QRectF(0, 0, THUMBNAIL, THUMBNAIL), ratio)
            draw_picture(painter, room, image)
            painter.setPen(QColor(128, 128, 128, 70))  # pictures with a white ground have an edge, too
            painter.drawRect(room.adjusted(0, 0, -1, -1))
            painter.end()
        icon = QIcon(pixmap)
        icon.addPixmap(pixmap, QIcon.Mode.Selected)  # else Qt tints it
        self._thumbnails[file] = icon
        if len(self._thumbnails) > KEPT_THUMBNAILS:
            self._thumbnails.popitem(last=False)
        return icon


class RunsModel(QAbstractTableModel):
    HEADINGS = (later("Run"), later("Data"), later("Preset"), later("Size"), later("Steps"), later("Pictures seen"), later("Last saved"))

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[RunInfo] = []
        self.active = ""
        """Name of the run in training."""
        self._step = self._images = 0

    def set_runs(self, runs: list[RunInfo], active: str = "", step: int = 0, images: int = 0) -> None:
        self.beginResetModel()
        self.runs, self.active, self._step, self._images = runs, active, step, images
        self.endResetModel()

    def follow(self, step: int, images: int) -> None:
        """How far the run in training has come."""
        self._step, self._images = step, images
        for number, info in enumerate(self.runs):
            if info.run.name == self.active:
                self.dataChanged.emit(self.index(number, 4), self.index(number, 5))

    def rowCount(self, parent: Index = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self.runs)

    def columnCount(self, parent: Index = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self.HEADINGS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return tr(self.HEADINGS[section])
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.TextAlignmentRole:
            return _side(section)
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        info = self.runs[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            training = info.run.name == self.active
            values = (
                info.run.name, info.data, info.preset, f"{info.shape[1]} × {info.shape[0]}",
                count(self._step if training else info.step), count(self._images if training else info.images), tr("in training") if training else moment(info.modified),
            )
            return values[index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _side(index.column())
        if role == Qt.ItemDataRole.ToolTipRole:
            return str(info.run.path)
        return None


def _side(column: int) -> int:
    right = column in (4, 5)
    return int((Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft) | Qt.AlignmentFlag.AlignVCenter)
