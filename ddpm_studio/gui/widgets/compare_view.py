"""Two runs in one picture: both curves, the settings that differ, and what they ended with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QSplitter, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from ddpm_studio.comparing import RunRead, differing_settings, is_one_data, is_one_loss
from ddpm_studio.gui import theme
from ddpm_studio.gui.config_form import in_words, meaning
from ddpm_studio.gui.config_form import title as setting_title
from ddpm_studio.gui.widgets.basics import ElidedLabel, button, column, label, plain_tip, row
from ddpm_studio.gui.widgets.containers import Card
from ddpm_studio.gui.widgets.loss_plot import newest_of_each
from ddpm_studio.gui.widgets.plot import BY_PIXEL, Plot
from ddpm_studio.gui.widgets.series import Series
from ddpm_studio.gui.words import count, duration, loss
from ddpm_studio.language import ntr, tr

COLOURS = ("accent", "warn")
MEMORY = 0.95
"""Of the running means."""
ROW = 32
"""Height of a line of the table."""


class ComparePlot(Plot):
    """The running means of two losses strong, and faint what they are the means of."""

    def __init__(self) -> None:
        super().__init__("comparePlot", tr("Loss"), tr("Loss curves of two runs"))
        self.series: list[Series] = []
        self.names: list[str] = []

    def set_runs(self, reads: Sequence[RunRead]) -> None:
        self.names, self.series = [read.name for read in reads], [Series() for _ in reads]
        for read, series in zip(reads, self.series, strict=True):
            steps = newest_of_each(read.steps)
            series.extend([step.step for step in steps], [step.loss for step in steps], MEMORY)
        self.show_everything()
        self._later()

    @property
    def length(self) -> int:
        return max((series.size for series in self.series), default=0)

    def table(self) -> tuple[str, Iterable[Sequence[float]]]:
        rows = ([number + 1, *values] for number, series in enumerate(self.series) for values in zip(series.steps, series.values, series.means, strict=True))
        return "run,step,loss,mean", rows

    def _make(self, item: Any) -> None:
        item.setDownsampling(auto=True, mode="peak")
        item.setClipToView(True)
        self._raw = [item.plot([], [], **BY_PIXEL) for _ in COLOURS]
        self._means = [item.plot([], [], **BY_PIXEL) for _ in COLOURS]
        self._use_log(True)

    def _colour(self) -> None:
        for token, raw, mean in zip(COLOURS, self._raw, self._means, strict=True):
            soft = theme.color(token)
            soft.setAlpha(60)
            raw.setPen(self._pg.mkPen(soft, width=1))
            mean.setPen(self._pg.mkPen(theme.color(token), width=2))

    @Slot()
    def _redraw(self) -> None:
        if self._plot is None:
            return
        for series, raw, mean in zip(self.series, self._raw, self._means, strict=False):
            raw.setData(series.steps, series.values)
            mean.setData(series.steps, series.means)
        self._explain_colours(list(zip(COLOURS, self.names, strict=False)))

    def _read(self, x: float, y: float) -> tuple[float, str] | None:
        filled = [(name, series) for name, series in zip(self.names, self.series, strict=True) if series.size]
        step = min((series.steps[series.nearest(x)] for _, series in filled), key=lambda found: abs(found - x))
        lines = [tr("step {step}", step=count(int(step)))]
        for name, series in filled:
            if series.steps[0] <= step <= series.steps[-1]:
                lines.append(tr("{name}: {value}", name=name, value=loss(float(np.interp(step, series.steps, series.means)))))
        return step, "\n".join(lines)


class CompareView(QWidget):
    closed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("compareView")
        self.setAccessibleName(tr("Two runs compared"))
        self.back = button(tr("All runs"), "backToRunsButton", "arrow-left", tip=tr("Back to the list (Esc)"))
        self.back.clicked.connect(self.closed)
        QShortcut(QKeySequence(Qt.Key.Key_Escape), self, self.closed.emit)
        self.title = ElidedLabel("", "heading", "compareTitle")
        self.caution = label("", "caption", "compareCaution", wrap=True)
        self.plot = ComparePlot()
        self.table = QTableWidget(0, 3)
        self.table.setObjectName("compareTable")
        self.table.setAccessibleName(tr("What differs"))
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setShowGrid(False)
        self.table.setTabKeyNavigation(False)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(ROW)
        self.table.horizontalHeader().setHighlightSections(False)
        self.table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        curve = Card(self.plot, self.caution, spacing=4, margin=12)
        inside = curve.layout()
        if isinstance(inside, QVBoxLayout):
            inside.setStretch(0, 1)
        self.table.setMinimumHeight(4 * ROW)
        self.halves = QSplitter(Qt.Orientation.Vertical)
        self.halves.setObjectName("compareSplitter")
        self.halves.setChildrenCollapsible(False)
        self.halves.setHandleWidth(12)
        for part in (curve, Card(self.table, margin=12)):
            self.halves.addWidget(part)
        self.halves.setSizes([1, 1])
        layout = column(row(self.back, 4, self.title), self.halves, spacing=12)
        layout.setStretch(1, 1)
        self.setLayout(layout)

    def set_runs(self, a: RunRead, b: RunRead) -> None:
        self.title.setText(tr("{a} and {b}", a=a.name, b=b.name))
        self.plot.set_runs((a, b))
        caution = cautions(a, b)
        self.caution.setText(caution)
        self.caution.setVisible(bool(caution))
        rows = [(name, one, other, name) for name, one, other in figures(a, b)]
        settings = differing_settings(a.config, b.config)
        rows += [(setting_title(name), in_words(one), in_words(other), meaning(name)) for name, one, other in settings]
        if not settings:
            rows.append((tr("Settings"), tr("the same"), tr("the same"), tr("Settings")))
        self.table.setHorizontalHeaderLabels([tr("What differs"), a.name, b.name])
        self.table.setRowCount(len(rows))
        for number, (name, one, other, tip) in enumerate(rows):
            for place, (text, said) in enumerate(((name, tip), (one, one), (other, other))):
                item = QTableWidgetItem(text)
                item.setToolTip(plain_tip(said))
                self.table.setItem(number, place, item)


def cautions(a: RunRead, b: RunRead) -> str:
    """Why the lower curve need not be the better run; empty where it is."""
    if not is_one_loss(a.config, b.config):
        return tr("Their losses are measured in different ways, so the lower curve need not be the better run: compare their pictures.")
    if not is_one_data(a, b):
        return tr("They learnt from different pictures, so the lower curve need not be the better run: compare what they make.")
    return ""


def pictures_of(a: RunRead, b: RunRead) -> tuple[str, str]:
    """What both learnt from."""

    def said(read: RunRead) -> str:
        number = ntr("{count} picture", "{count} pictures", read.pictures) if read.pictures else ""
        return ", ".join(filter(None, (read.data, number))) or "–"

    one, other = said(a), said(b)
    return one, other if one != other or is_one_data(a, b) else tr("{pictures}, but others", pictures=other)


def figures(a: RunRead, b: RunRead) -> list[tuple[str, str, str]]:
    """What both have come to; rows of which neither knows anything are left out."""

    def number(value: float | None) -> str:
        return "–" if value is None else loss(value)

    rows = [
        *([] if is_one_data(a, b) else [(tr("Pictures"), *pictures_of(a, b))]),
        *([] if a.config.preset == b.config.preset else [(tr("Preset"), a.config.preset, b.config.preset)]),
        (tr("Steps"), count(a.step), count(b.step)),
        (tr("Pictures seen"), count(a.images), count(b.images)),
        (tr("Time spent"), duration(a.seconds), duration(b.seconds)),
        (tr("Loss at the end"), number(a.end_loss), number(b.end_loss)),
        (tr("Loss on training pictures"), number(a.end_means[0]), number(b.end_means[0])),
        (tr("Loss on held-out pictures"), number(a.end_means[1]), number(b.end_means[1])),
    ]
    return [row for row in rows if row[1:] != ("–", "–")]
