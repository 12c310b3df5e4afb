"""The loss over the steps: what was measured faint, its running mean strong, what sticks out marked."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QBuffer, QEvent, QIODevice, QRectF, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QColor, QImage, QPaintDevice, QPainter, QShowEvent
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from ddpm_studio.events import StepDone
from ddpm_studio.gui import theme
from ddpm_studio.gui.widgets.basics import ElidedLabel, ValueSlider, label, row, tool_button
from ddpm_studio.gui.words import count, loss


class Series:
    """Numbers that grow: the arrays double when they are full."""

    def __init__(self) -> None:
        self.size = 0
        self._arrays = np.zeros((3, 1024))
        self._weight = 0.0
        self._mean = 0.0

    def extend(self, steps: Sequence[float], values: Sequence[float], memory: float) -> None:
        while self.size + len(steps) > self._arrays.shape[1]:
            self._arrays = np.concatenate([self._arrays, np.zeros_like(self._arrays)], axis=1)
        for x, y in zip(steps, values, strict=True):
            self._mean = memory * self._mean + (1 - memory) * y
            self._weight = memory * self._weight + (1 - memory)
            self._arrays[:, self.size] = (x, y, self._mean / self._weight)
            self.size += 1

    def smooth_again(self, memory: float) -> None:
        steps, values = self.steps.copy(), self.values.copy()
        self.size, self._weight, self._mean = 0, 0.0, 0.0
        self.extend(list(steps), list(values), memory)

    def cut(self, step: int, memory: float) -> None:
        """Forget everything from `step` on: the run was taken up again from before."""
        self.size = int(np.searchsorted(self.steps, step))
        self.smooth_again(memory)

    @property
    def steps(self) -> Any:
        return self._arrays[0, : self.size]

    @property
    def values(self) -> Any:
        return self._arrays[1, : self.size]

    @property
    def means(self) -> Any:
        return self._arrays[2, : self.size]


def _loss_axis(pg: Any) -> Any:
    """A logarithmic axis that names 1, 2 and 5 of each decade where all of them would overlap."""

    class LossAxis(pg.AxisItem):  # type: ignore[misc]
        def logTickStrings(self, values: Any, scale: float, spacing: Any) -> list[str]:
            powers = [10.0**value * scale for value in values]
            few = len(powers) <= 6
            named = [few or (f"{p:.1e}"[0] in "125" and f"{p:.1e}"[2] == "0") for p in powers]
            return [f"{p:.3g}" if keep else "" for p, keep in zip(powers, named, strict=True)]

    return LossAxis("left")


def _step_axis(pg: Any) -> Any:
    """There are no half steps."""

    class StepAxis(pg.AxisItem):  # type: ignore[misc]
        def tickSpacing(self, low: float, high: float, size: float) -> list[tuple[float, float]]:
            return [(spacing, offset) for spacing, offset in super().tickSpacing(low, high, size) if spacing >= 1] or [(1, 0)]

    return StepAxis("bottom")


class LossPlot(QWidget):
    """pyqtgraph is loaded when the plot is first seen: it takes a second."""

    export_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("lossPlot")
        self.setAccessibleName("Loss curve")
        self.setMinimumHeight(140)
        self.series = Series()
        self.spikes: list[tuple[int, float]] = []
        self._pg: Any = None
        self._plot: Any = None
        self._theme = ""
        self.value = ElidedLabel("", "caption", "lossValue")
        self.log_box = QCheckBox("Logarithmic")
        self.log_box.setObjectName("lossLogCheck")
        self.log_box.setAccessibleName("Logarithmic scale")
        self.log_box.setChecked(True)
        self.smoothing = ValueSlider("Smoothing", "smoothingSlider", 0, 99, 92, lambda v: f"{v / 100:.2f}", "How long the running mean remembers", inline=True)
        self.smoothing.setFixedWidth(220)
        self.export_button = tool_button("download", "exportLossButton", "Export the curve as a picture, as SVG or as numbers", 16)
        self.export_button.clicked.connect(self.export_wanted)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(4)
        self._layout.addLayout(row(label("Loss", "heading"), 4, self.value, self.smoothing, 8, self.log_box, self.export_button))
        self._place = QWidget()
        self._layout.addWidget(self._place, 1)
        self._redraw_timer = QTimer(self, singleShot=True, interval=60)
        self._redraw_timer.timeout.connect(self._redraw)
        self.log_box.toggled.connect(self._set_log)
        self.smoothing.changed.connect(self._smooth_again)

    @property
    def memory(self) -> float:
        return self.smoothing.value / 100

    def clear(self) -> None:
        self.series = Series()
        self.spikes.clear()
        self.value.setText("")
        self._later()

    def add(self, steps: Sequence[StepDone]) -> None:
        """A batch of reports; drawn once."""
        finite: list[StepDone] = []
        for step in steps:
            if np.isfinite(step.loss):
                while finite and finite[-1].step >= step.step:  # made again after a resume
                    finite.pop()
                finite.append(step)
        if not finite:
            return
        if self.series.size and finite[0].step <= self.series.steps[-1]:
            self.series.cut(finite[0].step, self.memory)
            self.spikes = [spike for spike in self.spikes if spike[0] < finite[0].step]
        self.spikes += [(s.step, s.loss) for s in finite if s.spike]
        self.series.extend([s.step for s in finite], [s.loss for s in finite], self.memory)
        self._say_last()
        self._later()

    def _say_last(self) -> None:
        if self.series.size:
            self.value.setText(f"{loss(self.series.means[-1])}   ·   step {count(int(self.series.steps[-1]))}")
            self.setAccessibleDescription(self.value.text())

    def _later(self) -> None:
        if not self._redraw_timer.isActive():
            self._redraw_timer.setInterval(60 if self.series.size < 20_000 else 400)
            self._redraw_timer.start()

    def export(self, file: Path) -> None:
        """The curve as it is shown, as .png at twice its size or .svg; as .csv its numbers. Raises OSError."""
        if file.suffix.lower() == ".csv":
            lines = [f"{int(step)},{value:.6g},{mean:.6g}\n" for step, value, mean in zip(self.series.steps, self.series.values, self.series.means, strict=True)]
            file.write_text("step,loss,mean\n" + "".join(lines), encoding="utf-8")
            return
        self.ensure_plot()
        self._redraw()
        self._line.hide()
        self._hover.hide()
        room = QRectF(0, 0, max(self._plot.width(), 320), max(self._plot.height(), 160))
        content = QBuffer()
        content.open(QIODevice.OpenModeFlag.WriteOnly)
        if file.suffix.lower() == ".svg":
            drawing = QSvgGenerator()
            drawing.setOutputDevice(content)
            drawing.setViewBox(room)
            drawing.setTitle("Loss")
            self._paint_on(drawing, room)
        else:
            picture = QImage((room.size() * 2).toSize(), QImage.Format.Format_RGB32)
            self._paint_on(picture, QRectF(picture.rect()))
            picture.save(content, "PNG")  # type: ignore[call-overload]  # the stubs want bytes, PySide a str
        file.write_bytes(content.data().data())

    def _paint_on(self, device: QPaintDevice, room: QRectF) -> None:
        painter = QPainter(device)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(room, theme.color("base"))
        self._plot.scene().render(painter, room, QRectF(self._plot.rect()))
        painter.end()

    # pyqtgraph.

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._plot is None:
            QTimer.singleShot(0, self, self.ensure_plot)

    def ensure_plot(self) -> None:
        """Load pyqtgraph and put the plot in its place."""
        if self._plot is not None:
            return
        self._pg = importlib.import_module("pyqtgraph")
        self._pg.setConfigOptions(antialias=True)
        self._plot = self._pg.PlotWidget(axisItems={"left": _loss_axis(self._pg), "bottom": _step_axis(self._pg)})
        self._plot.setObjectName("lossCanvas")
        self._plot.setAccessibleName("Loss curve")
        self._plot.setMenuEnabled(False)
        self._plot.hideButtons()
        self._plot.setFrameShape(self._plot.Shape.NoFrame)
        item = self._plot.getPlotItem()
        item.setDownsampling(auto=True, mode="peak")
        item.setClipToView(True)
        item.setContentsMargins(0, 8, 8, 0)
        item.getViewBox().setDefaultPadding(0.02)
        self._raw = item.plot([], [])
        self._mean = item.plot([], [])
        self._marks = self._pg.ScatterPlotItem(symbol="t", size=9, pen=None)
        item.addItem(self._marks)
        self._line = self._pg.InfiniteLine(angle=90, movable=False)
        self._line.hide()
        item.addItem(self._line, ignoreBounds=True)
        self._hover = self._pg.TextItem(anchor=(0, 0))
        self._hover.hide()
        item.addItem(self._hover, ignoreBounds=True)
        self._plot.scene().sigMouseMoved.connect(self._mouse_moved)
        self._layout.replaceWidget(self._place, self._plot)
        self._place.deleteLater()
        self._set_log(self.log_box.isChecked())
        self._recolour()
        self._redraw()

    def _recolour(self) -> None:
        if self._plot is None or self._theme == theme.name():
            return
        self._theme = theme.name()
        self._plot.setBackground(theme.color("base"))
        self._raw.setPen(self._pg.mkPen(theme.color("plot_raw"), width=1))
        self._mean.setPen(self._pg.mkPen(theme.color("accent"), width=2))
        self._marks.setBrush(self._pg.mkBrush(theme.color("warn")))
        self._line.setPen(self._pg.mkPen(theme.color("faint"), width=1, style=Qt.PenStyle.DashLine))
        self._hover.setColor(theme.color("text"))
        self._hover.fill = self._pg.mkBrush(theme.color("raised"))
        self._hover.border = self._pg.mkPen(theme.color("line_strong"))
        grid = QColor(theme.color("dim"))
        for side in ("left", "bottom"):
            axis = self._plot.getAxis(side)
            axis.setPen(self._pg.mkPen(theme.color("line_strong")))
            axis.setTextPen(theme.color("dim"))
            axis.setStyle(tickLength=-4)
            axis.setGrid(28)
            axis.setTickPen(self._pg.mkPen(grid, width=1))
        self._plot.getAxis("left").setWidth(48)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.StyleChange, QEvent.Type.PaletteChange):
            self._recolour()

    @Slot()
    def _redraw(self) -> None:
        if self._plot is None:
            return
        steps = self.series.steps
        self._raw.setData(steps, self.series.values)
        self._mean.setData(steps, self.series.means)
        log = self.log_box.isChecked()
        self._marks.setData([step for step, _ in self.spikes], [np.log10(value) if log else value for _, value in self.spikes])

    @Slot(bool)
    def _set_log(self, log: bool) -> None:
        if self._plot is not None:
            self._plot.setLogMode(y=log)
            self._redraw()

    @Slot()
    def _smooth_again(self) -> None:
        self.series.smooth_again(self.memory)
        self._say_last()
        self._later()

    @Slot(object)
    def _mouse_moved(self, position: Any) -> None:
        item = self._plot.getPlotItem()
        inside = self.series.size > 1 and item.getViewBox().sceneBoundingRect().contains(position)
        self._line.setVisible(inside)
        self._hover.setVisible(inside)
        if not inside:
            return
        box = item.getViewBox()
        x = box.mapSceneToView(position).x()
        index = min(int(np.searchsorted(self.series.steps, x)), self.series.size - 1)
        step, raw, mean = self.series.steps[index], self.series.values[index], self.series.means[index]
        self._line.setPos(step)
        (left, right), (_, top) = box.viewRange()
        self._hover.setAnchor((1, 0) if step > (left + right) / 2 else (0, 0))
        self._hover.setText(f"step {count(int(step))}\nloss {loss(raw)}\nmean {loss(mean)}")
        self._hover.setPos(step, top)

    def leaveEvent(self, event: object) -> None:
        if self._plot is not None:
            self._line.hide()
            self._hover.hide()
