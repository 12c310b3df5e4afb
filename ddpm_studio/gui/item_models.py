"""The list of runs for Qt's views."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt

from ddpm_studio.gui.widgets.basics import plain_tip
from ddpm_studio.gui.words import count, moment
from ddpm_studio.language import later, tr
from ddpm_studio.runs import RunInfo

Index = QModelIndex | QPersistentModelIndex
_NOWHERE = QModelIndex()


class RunsModel(QAbstractTableModel):
    HEADINGS = (later("Run"), later("Data"), later("Preset"), later("Size"), later("Steps"), later("Pictures seen"), later("Last saved"), later("Tags"))

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

    def replace(self, info: RunInfo) -> None:
        """What is known of a run has changed."""
        for number, known in enumerate(self.runs):
            if known.run == info.run:
                self.runs[number] = info
                self.dataChanged.emit(self.index(number, 0), self.index(number, len(self.HEADINGS) - 1))

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
                info.run.name, info.data, tr("from {model}", model=info.start_from) if info.start_from else info.preset, f"{info.shape[1]} × {info.shape[0]}",
                count(self._step if training else info.step), count(self._images if training else info.images), tr("in training") if training else moment(info.modified),
                ", ".join(info.remarks.tags),
            )
            return values[index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _side(index.column())
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain_tip("\n\n".join(part for part in (info.remarks.note, str(info.run.path)) if part))
        return None


def _side(column: int) -> int:
    right = column in (4, 5)
    return int((Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft) | Qt.AlignmentFlag.AlignVCenter)
