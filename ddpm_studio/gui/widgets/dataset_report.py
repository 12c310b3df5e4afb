"""What was found in a folder: numbers, sizes, and what may spoil a training; a click shows the pictures concerned."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QAbstractItemView, QGridLayout, QListView, QListWidget, QPushButton, QVBoxLayout, QWidget

from ddpm_studio.data.findings import in_words
from ddpm_studio.data.shapes import cut_off
from ddpm_studio.events import Contents, DatasetExamined, DatasetReport, FindingKind, Rows
from ddpm_studio.gui import theme
from ddpm_studio.gui.widgets.basics import button, column, label, plain_tip, row
from ddpm_studio.gui.widgets.containers import Collapsible
from ddpm_studio.gui.widgets.histogram import Bin, Histogram, shape_bins, size_bins
from ddpm_studio.gui.words import count
from ddpm_studio.language import again, ntr, tr

if TYPE_CHECKING:
    import numpy.typing as npt

ICONS: dict[FindingKind, str] = {
    "copies": "copy", "alike": "images", "bars": "film", "blank": "square", "grey": "moon", "transparent": "layers", "small": "zoom-in", "long": "maximize",
}  # fmt: skip
DOUBTFUL = ("copies", "alike", "bars", "blank")
LISTED = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Some:
    """Some of the pictures, and why these."""

    title: str
    why: str
    rows: Rows
    groups: Rows | None = None


class DatasetReportView(QWidget):
    chosen = Signal(object)
    """Some, to be shown."""
    left_out_wanted = Signal()
    """Those that are left out are to be shown."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("datasetReport")
        self.setAccessibleName(tr("What was found"))
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(12)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnStretch(1, 1)
        self._grid.setColumnMinimumWidth(0, 84)
        self.sizes = Histogram("sizeHistogram", tr("Sizes of the pictures: shorter side in pixels"))
        self.shapes = Histogram("shapeHistogram", tr("Shapes of the pictures: width to height"))
        for histogram in (self.sizes, self.shapes):
            histogram.chosen.connect(self._show_bin)
        self.bars = QWidget()
        titled = [column(label(title, "caption"), bars, spacing=2) for title, bars in ((tr("Shorter side in pixels"), self.sizes), (tr("Width : height"), self.shapes))]
        bars = row(*titled, spacing=16)
        bars.setStretch(0, 3)  # ranges are longer than ratios
        bars.setStretch(1, 2)
        self.bars.setLayout(bars)
        self._found = QVBoxLayout()
        self._found.setSpacing(0)
        self.findings: list[QPushButton] = []
        self._contents: Contents | None = None
        self._examined: DatasetExamined | None = None
        self._report: DatasetReport | None = None
        self._left_out: npt.NDArray[np.bool_] = np.zeros(0, bool)
        self._said: list[str] = []
        self.left_out = self._line("leftOutFinding", "image-off", "dim")
        self.left_out.setToolTip(tr("Show the pictures that are left out"))
        self.left_out.setAccessibleName(self.left_out.toolTip())
        self.left_out.clicked.connect(self.left_out_wanted)
        self.looking = label(tr("Looking at every picture…"), "caption", "lookingLabel")
        self._list = QListWidget()
        self._list.setObjectName("skippedList")
        self._list.setAccessibleName(tr("Skipped files"))
        self._list.setWordWrap(True)
        self._list.setTextElideMode(Qt.TextElideMode.ElideNone)
        self._list.setResizeMode(QListView.ResizeMode.Adjust)
        self._list.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.skipped = Collapsible(tr("Skipped files"), self._list, "skippedToggle")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 0, 0, 0)
        layout.setSpacing(8)
        layout.addLayout(self._grid)
        layout.addWidget(self.bars)
        layout.addWidget(self.looking)
        layout.addLayout(self._found)
        layout.addWidget(self.left_out)
        layout.addWidget(self.skipped)
        self.hide()

    def _line(self, name: str, icon: str, tone: str) -> QPushButton:
        line = button("", name)
        line.setProperty("line", "true")
        line.setMinimumHeight(28)
        theme.set_icon(line, icon, tone)
        return line

    def show_report(self, report: DatasetReport, contents: Contents | None = None, examined: DatasetExamined | None = None, background: str = "white") -> None:
        self._report, self._left_out = report, np.zeros(0, bool)
        differ = contents is not None and report.smallest != report.largest
        self.bars.setVisible(differ)
        if contents is not None and contents is not self._contents and differ:
            self.sizes.set_bins(size_bins(contents.sizes))
            self.shapes.set_bins(shape_bins(contents.sizes))
        self.looking.setVisible(contents is not None and examined is None)
        self._contents, self._examined = contents, examined
        self._show_findings(report, background)
        self._show_skipped(report)
        self._show_lines()
        self.show()

    def _show_lines(self) -> None:
        """The table: of the pictures that are trained on."""
        while item := self._grid.takeAt(0):
            if widget := item.widget():
                widget.hide()  # it may live on for a while
                widget.deleteLater()
        lines = _lines(self._report, self._contents, self._left_out) if self._report else []
        for i, (name, value) in enumerate(lines):
            caption, text = label(name, "caption"), label(value, wrap=True)
            caption.setAlignment(Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(caption, i, 0, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(text, i, 1)
        self.setAccessibleDescription("; ".join([*(f"{name}: {value}" for name, value in lines), *self._said]))

    def show_left_out(self, left_out: npt.NDArray[np.bool_]) -> None:
        """bool [N]: which pictures are left out; findings that are settled by it get a tick."""
        if (left_out != self._left_out).any() if len(left_out) == len(self._left_out) else left_out.any():
            self._left_out = left_out
            self._show_lines()
        number = int(left_out.sum())
        self.left_out.setVisible(bool(number))
        self._name_line(self.left_out, ntr("{count} left out", "{count} left out", number), tr("These are not trained on. Click to see them."))
        theme.set_icon(self.left_out, "image-off", "dim")  # with a text beside it, it keeps its distance
        for line, finding, what in zip(self.findings, self._examined.findings if self._examined else (), self._said, strict=True):
            kept = ~left_out[finding.rows]
            groups = finding.groups[kept] if finding.groups is not None else None  # group after group, so those of one are neighbours
            settled = not (groups[1:] == groups[:-1]).any() if groups is not None else not kept.any()
            line.setText(tr("{what}, left out", what=what) if settled else what)
            line.setAccessibleName(line.text())
            theme.set_icon(line, "circle-check" if settled else ICONS[finding.kind], "ok" if settled else "warn" if finding.kind in DOUBTFUL else "dim")

    def _name_line(self, line: QPushButton, text: str, tip: str) -> None:
        line.setText(text)
        line.setAccessibleName(text)
        line.setToolTip(tip)

    def _show_findings(self, report: DatasetReport, background: str) -> None:
        for line in self.findings:
            self._found.removeWidget(line)
            line.deleteLater()
        self.findings, self._said = [], []
        for finding in self._examined.findings if self._examined else ():
            what, why = in_words(finding, report, background)
            some = Some(what, why, finding.rows, finding.groups)
            line = self._line(f"finding_{finding.kind}", ICONS[finding.kind], "warn" if finding.kind in DOUBTFUL else "dim")
            line.clicked.connect(partial(self._show_some, some))
            self._name_line(line, what, tr("{why} Click to see them.", why=why))
            self._found.addWidget(line)
            self.findings.append(line)
            self._said.append(what)

    def _show_skipped(self, report: DatasetReport) -> None:
        self.skipped.setVisible(bool(report.skipped))
        self.skipped.toggle.setText(ntr("{count} file skipped", "{count} files skipped", len(report.skipped)))
        self._list.clear()
        for skipped in report.skipped[:LISTED]:
            folder, _, name = skipped.path.rpartition("/")
            reason = again(skipped.reason)
            self._list.addItem(f"{name}\n{reason[:1].upper()}{reason[1:]}")
            self._list.item(self._list.count() - 1).setToolTip(plain_tip(skipped.path if folder else name))
        if len(report.skipped) > LISTED:
            self._list.addItem(tr("… and {count} more", count=count(len(report.skipped) - LISTED)))
        self._list.setFixedHeight(min(220, 40 * self._list.count() + 8))

    def _show_some(self, some: Some) -> None:
        self.chosen.emit(some)

    @Slot(object)
    def _show_bin(self, part: Bin) -> None:
        self.chosen.emit(Some(part.words, "", part.rows))


def _lines(report: DatasetReport, contents: Contents | None, left_out: npt.NDArray[np.bool_]) -> list[tuple[str, str]]:
    kind = {1: tr("grey"), 3: tr("colour"), 4: tr("colour with transparency")}[report.channels]
    number, shape = report.pictures - int(left_out.sum()), (report.image_height, report.image_size)
    lines = [
        (tr("Pictures"), tr("{count}, as {width} × {height} {kind}", count=count(number), width=report.image_size, height=report.image_height, kind=kind)),
        (tr("Original size"), _sizes(report)),
    ]
    if contents and number and (share := cut_off(contents.sizes[~left_out] if len(left_out) else contents.sizes, shape)) >= 0.005:
        lines.append((tr("Cut off"), tr("{share} % of each, on average", share=round(100 * share))))
    if report.others:
        lines.append((tr("Other files"), ntr("{count} file of another kind", "{count} files of other kinds", report.others)))
    return lines


def _sizes(report: DatasetReport) -> str:
    def words(size: tuple[int, int]) -> str:
        return f"{size[0]} × {size[1]}"

    if report.smallest == report.largest:
        return tr("all {size}", size=words(report.median))
    return tr("{least} to {most}", least=words(report.smallest), most=words(report.largest))
