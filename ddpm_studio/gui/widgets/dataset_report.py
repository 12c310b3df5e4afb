"""What was found in a folder, in a few lines."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QListWidget, QSizePolicy, QVBoxLayout, QWidget

from ddpm_studio.events import DatasetReport
from ddpm_studio.gui.widgets.basics import Collapsible, label, plain_tip
from ddpm_studio.gui.words import count, duration, elided, plural


class DatasetReportView(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("datasetReport")
        self.setAccessibleName("What was found")
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(12)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnStretch(1, 1)
        self._grid.setColumnMinimumWidth(0, 84)
        self._list = QListWidget()
        self._list.setObjectName("skippedList")
        self._list.setAccessibleName("Skipped files")
        self._list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._list.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.skipped = Collapsible("Skipped files", self._list, "skippedToggle")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 0, 0, 0)
        layout.setSpacing(8)
        layout.addLayout(self._grid)
        layout.addWidget(self.skipped)
        self.hide()

    def show_report(self, report: DatasetReport) -> None:
        while item := self._grid.takeAt(0):
            if widget := item.widget():
                widget.deleteLater()
        for i, (name, value, tone) in enumerate(_lines(report)):
            caption, text = label(name, "caption"), label(value, wrap=True)
            caption.setAlignment(Qt.AlignmentFlag.AlignTop)
            if tone:
                text.setProperty("tone", tone)
            self._grid.addWidget(caption, i, 0, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(text, i, 1)
        self.skipped.setVisible(bool(report.skipped))
        self.skipped.toggle.setText(f"{plural(len(report.skipped), 'file', 'files')} skipped")
        self._list.clear()
        for skipped in report.skipped[:500]:
            self._list.addItem(f"{elided(skipped.path, 26)}: {skipped.reason}")
            self._list.item(self._list.count() - 1).setToolTip(plain_tip(f"{skipped.path}: {skipped.reason}"))
        self._list.setFixedHeight(min(150, max(self._list.sizeHintForRow(0), 18) * self._list.count() + 12))
        if len(report.skipped) > 500:
            self._list.addItem(f"… and {count(len(report.skipped) - 500)} more")
        self.setAccessibleDescription("; ".join(f"{name}: {value}" for name, value, _ in _lines(report)))
        self.show()


def _lines(report: DatasetReport) -> list[tuple[str, str, str]]:
    kind = {1: "grey", 3: "colour", 4: "colour with transparency"}[report.channels]
    lines = [
        ("Pictures", f"{count(report.pictures)}, as {report.image_size} × {report.image_height} {kind}", ""),
        ("Original size", _sizes(report), ""),
    ]
    if report.duplicates:
        lines.append(("Duplicates", f"{count(report.duplicates)} copies of others, used too", "warn"))
    if report.others:
        lines.append(("Other files", f"{plural(report.others, 'file', 'files')} of other kinds", ""))
    if report.grey and report.grey < report.pictures and report.channels >= 3:
        lines.append(("Grey", plural(report.grey, "picture", "pictures"), ""))
    if report.transparent:
        lines.append(("Transparent", plural(report.transparent, "picture", "pictures"), ""))
    lines.append(("Read", "opened from the cache" if report.from_cache else (f"in {duration(report.seconds)}" if report.seconds >= 1 else "in less than a second"), ""))
    if report.pictures < 100:
        lines.append(("Note", "With so few pictures the model will learn them by heart.", "warn"))
    return lines


def _sizes(report: DatasetReport) -> str:
    def words(size: tuple[int, int]) -> str:
        return f"{size[0]} × {size[1]}"

    if report.smallest == report.largest:
        return f"all {words(report.median)}"
    return f"{words(report.smallest)} to {words(report.largest)}"
