"""The loss over the steps: what was measured faint, its running mean strong, what sticks out marked; and other numbers of the steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import isfinite
from typing import Any

import numpy as np
from PySide6.QtCore import QTimer, Signal, Slot
from PySide6.QtWidgets import QCheckBox, QWidget

from ddpm_studio.events import StepDone
from ddpm_studio.gui import theme
from ddpm_studio.gui.widgets.basics import row
from ddpm_studio.gui.widgets.inputs import ValueSlider
from ddpm_studio.gui.widgets.plot import BY_PIXEL, REDRAW_MS, Plot
from ddpm_studio.gui.widgets.series import Series
from ddpm_studio.gui.words import count, loss
from ddpm_studio.language import tr


def newest_of_each(steps: Sequence[StepDone]) -> list[StepDone]:
    """Without those that were made again after a resume, and without losses that are no numbers."""
    kept: list[StepDone] = []
    for step in steps:
        if isfinite(step.loss):
            while kept and kept[-1].step >= step.step:
                kept.pop()
            kept.append(step)
    return kept


class NumberPlot(Plot):
    """One number of each StepDone, as it came faint and its running mean strong; without `smooth` only as it came."""

    def __init__(
        self, name: str, title: str, accessible: str, number: Callable[[StepDone], float], show: Callable[[float], str], *controls: QWidget, unit: str = "", smooth: bool = True
    ) -> None:
        super().__init__(name, title, accessible, *controls)
        self._unit = unit
        """Stands beside the axis."""
        if unit:
            self.beside = ""
        self.series = Series()
        self.memory = 0.92 if smooth else 0.0
        self._number, self._show, self._smooth = number, show, smooth

    @property
    def length(self) -> int:
        return self.series.size

    def table(self) -> tuple[str, Iterable[Sequence[float]]]:
        name = self.objectName().removesuffix("Plot")
        columns = (self.series.steps, self.series.values, self.series.means)[: 3 if self._smooth else 2]
        return f"step,{name}" + (",mean" if self._smooth else ""), zip(*columns, strict=True)

    def clear(self) -> None:
        self.series = Series()
        self._begin_again()

    def add(self, steps: Sequence[StepDone]) -> None:
        """A batch of reports; drawn once."""
        if steps := newest_of_each(steps):
            self.add_newest(steps)

    def add_newest(self, steps: Sequence[StepDone]) -> None:
        """As `add`, of steps that have passed `newest_of_each`."""
        if self.series.size and steps[0].step <= self.series.steps[-1]:
            self.series.cut(steps[0].step, self.memory)
        self.series.extend([s.step for s in steps], [self._number(s) for s in steps], self.memory)
        self._say_last()
        self._later()

    def set_memory(self, memory: float) -> None:
        if self._smooth and memory != self.memory:
            self.memory = memory
            self.series.smooth_again(memory)
            self._say_last()
            self._later()

    def _say_last(self) -> None:
        if self.series.size:
            self._say(self._show(self.series.means[-1]))

    # The canvas.

    def _make(self, item: Any) -> None:
        if self._unit:
            item.getAxis("left").setLabel(self._unit)
        item.setDownsampling(auto=True, mode="peak")
        item.setClipToView(True)
        self._raw = item.plot([], [], **BY_PIXEL)
        self._mean = item.plot([], [], **BY_PIXEL)

    def _colour(self) -> None:
        self._raw.setPen(self._pg.mkPen(theme.color("plot_raw" if self._smooth else "accent"), width=1 if self._smooth else 2))
        self._mean.setPen(self._pg.mkPen(theme.color("accent"), width=2))

    @Slot()
    def _redraw(self) -> None:
        if self._plot is not None:
            self._raw.setData(self.series.steps, self.series.values)
            if self._smooth:
                self._mean.setData(self.series.steps, self.series.means)

    def _read(self, x: float, y: float) -> tuple[float, str] | None:
        index = self.series.nearest(x)
        step, raw, mean = self.series.steps[index], self.series.values[index], self.series.means[index]
        words = tr("step {step}\n{value}", step=count(int(step)), value=self._show(raw))
        return step, words + ("\n" + tr("mean {value}", value=self._show(mean)) if self._smooth else "")


class LossPlot(NumberPlot):
    """`controls` can be moved elsewhere: how the mean remembers, and the scale."""

    smoothed = Signal()
    """The mean remembers for longer, or not so long."""

    def __init__(self) -> None:
        self.log_box = QCheckBox(tr("Log"))
        self.log_box.setObjectName("lossLogCheck")
        self.log_box.setAccessibleName(tr("Logarithmic scale"))
        self.log_box.setToolTip(tr("Equal distances are equal factors: late progress shows, too"))
        self.log_box.setChecked(True)
        self.smoothing = ValueSlider(tr("Smoothing"), "smoothingSlider", 0, 99, 92, lambda v: f"{v / 100:.2f}", tr("How long the running mean remembers"), inline=True)
        self.smoothing.setFixedWidth(176)
        self.controls = QWidget()
        self.controls.setLayout(row(self.smoothing, 4, self.log_box))
        super().__init__("lossPlot", tr("Loss"), tr("Loss curve"), lambda step: step.loss, loss, self.controls)
        self.spikes: list[tuple[int, float]] = []
        self.log_box.toggled.connect(self._set_log)
        self._smooth_timer = QTimer(self, singleShot=True, interval=REDRAW_MS)
        self._smooth_timer.timeout.connect(self._smooth_again)
        self.smoothing.changed.connect(self._smooth_soon)

    def clear(self) -> None:
        self.spikes.clear()
        super().clear()

    def add_newest(self, steps: Sequence[StepDone]) -> None:
        self.spikes = [spike for spike in self.spikes if spike[0] < steps[0].step] + [(s.step, s.loss) for s in steps if s.spike]
        super().add_newest(steps)

    def _say_last(self) -> None:
        if self.series.size:
            newest = loss(self.series.means[-1])
            self._say(tr("{loss}   ·   step {step}", loss=newest, step=count(int(self.series.steps[-1]))), newest)

    @Slot()
    def _smooth_soon(self) -> None:
        """A slider in motion asks more often than anybody can see."""
        if not self._smooth_timer.isActive():
            self._smooth_timer.start()

    @Slot()
    def _smooth_again(self) -> None:
        self.set_memory(self.smoothing.value / 100)
        self.smoothed.emit()

    def _make(self, item: Any) -> None:
        super()._make(item)
        self._marks = self._pg.ScatterPlotItem(symbol="t", size=9, pen=None)
        item.addItem(self._marks)
        self._use_log(self.log_box.isChecked())

    def _colour(self) -> None:
        super()._colour()
        self._marks.setBrush(self._pg.mkBrush(theme.color("warn")))

    @Slot()
    def _redraw(self) -> None:
        super()._redraw()
        if self._plot is not None:
            log = self.log_box.isChecked()
            self._marks.setData([step for step, _ in self.spikes], [np.log10(value) if log else value for _, value in self.spikes])

    @Slot(bool)
    def _set_log(self, log: bool) -> None:
        if self._plot is not None:
            self._use_log(log)
            self._redraw()
