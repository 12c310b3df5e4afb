"""What all plots over the steps of a run share: they load late, can be zoomed, read with the mouse, and exported."""

from __future__ import annotations

import html
import importlib
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QColor, QShowEvent, QWheelEvent
from PySide6.QtWidgets import QScrollArea, QVBoxLayout, QWidget

from ddpm_studio.files import write_atomically
from ddpm_studio.gui import theme
from ddpm_studio.gui.drawing import PAPER, save_drawing
from ddpm_studio.gui.widgets.basics import ElidedLabel, label, row, tool_button
from ddpm_studio.language import tr

LEAST_GAP = 15
"""Pixels between two numbers beside an axis."""
KEY_HEIGHT = 16
SHORT = 0.5
"""Of a logarithmic axis: less than this part of a decade is numbered like a linear one."""
LEAST_DECADES = 0.02
"""As much of one is seen at least: the value of a first step and its mean may differ by no more than their rounding."""
FLAT = 0.2
"""What is seen around a value that does not change, as a share of it: enough to read it beside the axis."""
AROUND = 0.02
"""What is seen beside the first and the last step, as a share of all steps."""
REDRAW_MS, SLOW_REDRAW_MS = 60, 400
BY_PIXEL = {"autoDownsampleFactor": 1.0}
"""Of a long curve the least and the largest value of each pixel are drawn: pyqtgraph's five of each look the same and take three times as long."""
LONG = 20_000
"""Values from which on drawing takes so long that it is done less often."""


def _log_axis(pg: Any) -> Any:
    """An axis that, where it is logarithmic, names as many numbers of each decade as there is room for; and others between
    them where it shows only a small part of one."""

    class LogAxis(pg.AxisItem):  # type: ignore[misc]
        def logTickValues(self, low: float, high: float, size: float, usual: Any) -> Any:
            if not 1e-6 < high - low < SHORT:
                return super().logTickValues(low, high, size, usual)
            first, last, pixels = 10.0**low, 10.0**high, size / (high - low)
            ticks: list[float] = []
            for gap in (2 * LEAST_GAP, LEAST_GAP):
                least = last * (1 - 10.0 ** (-gap / pixels))  # it is narrowest at the top
                unit = 10.0 ** math.floor(math.log10(least))
                step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= least)
                ticks = [math.log10(step * number) for number in range(math.ceil(first / step), math.floor(last / step) + 1)]
                if len(ticks) > 2:
                    break
            return [(None, ticks)]

        def tickStrings(self, values: Any, scale: float, spacing: Any) -> list[str]:
            words = super().tickStrings(values, scale, spacing)
            if self.logMode:
                return words
            return [word.rstrip("0").rstrip(".") if "." in word and "e" not in word else word for word in words]  # 0.00100 would find no room

        def logTickStrings(self, values: Any, scale: float, spacing: Any) -> list[str]:
            low, high = self.range
            powers, pixels = [10.0**value * scale for value in values], self.height() / max(high - low, 1e-9)
            named, words = [True] * len(powers), [""] * len(powers)
            for leading in ("123456789", "12346", "1235", "125", "13", "1"):
                named = [f"{power:.0e}"[0] in leading for power in powers]
                places = sorted(value * pixels for value, keep in zip(values, named, strict=True) if keep)
                if all(above - below >= LEAST_GAP for below, above in itertools.pairwise(places)):
                    break
            for digits in range(3, 7):
                words = [f"{power:.{digits}g}" if keep else "" for power, keep in zip(powers, named, strict=True)]
                if len(set(words) - {""}) == sum(named):  # neighbours are told apart
                    break
            return words

    return LogAxis("left")


def _step_axis(pg: Any) -> Any:
    """There are no half steps."""

    class StepAxis(pg.AxisItem):  # type: ignore[misc]
        def tickSpacing(self, low: float, high: float, size: float) -> list[tuple[float, float]]:
            return [(spacing, offset) for spacing, offset in super().tickSpacing(low, high, size) if spacing >= 1] or [(1, 0)]

        def tickStrings(self, values: Any, scale: float, spacing: Any) -> list[str]:
            return [f"{value * scale:.0f}" for value in values]

    return StepAxis("bottom")


class Plot(QWidget):
    """A title, the newest value and a canvas of pyqtgraph, which is loaded when the plot is first seen: it takes a second.

    The wheel zooms along the steps (with Ctrl, where the wheel alone scrolls), dragging a rectangle into it; a double click or the button that then appears shows
    everything again.
    """

    export_wanted = Signal()

    def __init__(self, name: str, title: str, accessible: str, *controls: QWidget) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName(accessible)
        self.setMinimumHeight(140)
        self.title = title
        self.beside = title
        """What an exported plot says beside the axis at its left."""
        self._pg: Any = None
        self._plot: Any = None
        self._theme = ""
        stem = name.removesuffix("Plot")
        self.value = ElidedLabel("", "caption", f"{stem}Value")
        self.whole_button = tool_button("maximize", f"{stem}WholeButton", tr("Show everything again (double click)"), 16)
        self.whole_button.hide()
        self.whole_button.clicked.connect(self.show_everything)
        self.export_button = tool_button("download", f"export{stem[:1].upper()}{stem[1:]}Button", tr("Export as a picture, as SVG or as numbers"), 16)
        self.export_button.clicked.connect(self.export_wanted)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(4)
        self._layout.addLayout(row(label(title, "heading"), 4, self.value, *controls, self.whole_button, self.export_button))
        self._empty = label(tr("Nothing measured yet"), "caption")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._layout.addWidget(self._empty, 1)
        self._key: tuple[tuple[str, str], ...] = ()
        self._redraw_timer = QTimer(self, singleShot=True, interval=REDRAW_MS)
        self._redraw_timer.timeout.connect(self._draw)
        self._stale = False
        """There is more than what is drawn, because nobody saw the plot."""

    # What the kinds of plots say.

    @property
    def length(self) -> int:
        """How many values there are; 0: there is nothing to export."""
        raise NotImplementedError

    def table(self) -> tuple[str, Iterable[Sequence[float]]]:
        """The headings of the exported numbers, and their rows."""
        raise NotImplementedError

    def _make(self, item: Any) -> None:
        """Put what is drawn into the plot, once."""
        raise NotImplementedError

    def _colour(self) -> None:
        """Give what is drawn the colours of the theme."""
        raise NotImplementedError

    @Slot()
    def _redraw(self) -> None:
        raise NotImplementedError

    def _read(self, x: float, y: float) -> tuple[float, str] | None:
        """What stands at a place of the plot: the step where to put the line, and the words beside it."""
        raise NotImplementedError

    def _say(self, newest: str, shorter: str = "") -> None:
        """Beside the title; `shorter` where that has too little room."""
        self.value.shorter = shorter
        self.value.setText(newest)
        self.setAccessibleDescription(newest)

    # The canvas.

    def _show_canvas(self) -> None:
        """Axes without anything between them would say nothing."""
        self._empty.setVisible(self._plot is None or not self.length)
        self._empty.setText("" if self.length else tr("Nothing measured yet"))
        if self._plot is not None:
            self._plot.setVisible(bool(self.length))

    def _explain_colours(self, key: Sequence[tuple[str, str]]) -> None:
        """A token of the theme and what it stands for, each; in a line above the data, where it hides none of them."""
        if self._key != (known := tuple(key)):
            self._key = known
            self._write_key()

    def _write_key(self) -> None:
        item = self._plot.getPlotItem()
        words = [f'<b style="color: {theme.color(token).name()}">\N{EM DASH}</b>&nbsp;{html.escape(name)}' for token, name in self._key]
        item.setTitle("&nbsp;&nbsp;&nbsp; ".join(words) or None, size="11px", color=theme.color("dim").name())
        if words:
            item.titleLabel.setMaximumHeight(KEY_HEIGHT)
            item.layout.setRowFixedHeight(0, KEY_HEIGHT)
        item.layout.activate()

    def _later(self) -> None:
        self._show_canvas()
        if not self.isVisible():
            self._stale = True
        elif not self._redraw_timer.isActive():
            self._redraw_timer.setInterval(REDRAW_MS if self.length < LONG else SLOW_REDRAW_MS)
            self._redraw_timer.start()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._plot is None:
            QTimer.singleShot(0, self, self._seen)
        elif self._stale:
            self._draw()

    @Slot()
    def _draw(self) -> None:
        self._stale = not self.isVisible()
        if not self._stale:
            self._redraw()
            self._keep_within()

    def _keep_within(self) -> None:
        """Nobody gets lost where there are no steps."""
        if self._plot is not None:
            box = self._plot.getPlotItem().getViewBox()
            first, last = box.childrenBounds()[0] or (0.0, 1.0)
            room = AROUND * (last - first) or 1.0
            box.setLimits(xMin=first - room, xMax=last + room)
            if not self._plot.getAxis("left").logMode:
                low, high = box.childrenBounds()[1] or (0.0, 1.0)
                height = FLAT * abs(high) if high - low < 1e-6 * abs(high) else None
                box.setLimits(minYRange=height, maxYRange=height)

    def _use_log(self, log: bool) -> None:
        self._plot.setLogMode(y=log)
        self._plot.getPlotItem().getViewBox().setLimits(minYRange=LEAST_DECADES if log else None)

    def _begin_again(self) -> None:
        """For another run: nothing of the zoom and the range of the last one stays. Without a range of its own a single step
        would be shown in the last one's."""
        self.value.setText("")
        if self._plot is not None:
            box = self._plot.getPlotItem().getViewBox()
            box.setLimits(xMin=None, xMax=None)
            box.setRange(xRange=(0, 1), yRange=(0, 1))
        self.show_everything()
        self._later()

    @Slot()
    def _seen(self) -> None:
        if self.isVisible():
            self.ensure_plot()

    @Slot()
    def ensure_plot(self) -> None:
        """Load pyqtgraph and put the plot in its place."""
        if self._plot is not None:
            return
        self._pg = importlib.import_module("pyqtgraph")
        self._pg.setConfigOptions(antialias=True)
        self._plot = self._pg.PlotWidget(axisItems={"left": _log_axis(self._pg), "bottom": _step_axis(self._pg)})
        self._plot.setObjectName(f"{self.objectName().removesuffix('Plot')}Canvas")
        self._plot.setAccessibleName(self.accessibleName())
        self._plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._plot.setMenuEnabled(False)
        self._plot.hideButtons()
        self._plot.setFrameShape(self._plot.Shape.NoFrame)
        item = self._plot.getPlotItem()
        item.setContentsMargins(0, 8, 8, 0)
        box = item.getViewBox()
        box.setDefaultPadding(0.02)
        box.setMouseEnabled(x=True, y=False)
        box.setMouseMode(box.RectMode)
        box.setAutoVisible(y=True)
        box.sigRangeChangedManually.connect(self._zoomed)
        self._make(item)
        self._line = self._pg.InfiniteLine(angle=90, movable=False)
        self._line.hide()
        item.addItem(self._line, ignoreBounds=True)
        self._hover = self._pg.TextItem(anchor=(0, 0))
        self._hover.setZValue(10)
        self._hover.hide()
        self._hover.setParentItem(item)  # the view would cut it off
        self._plot.scene().sigMouseMoved.connect(self._mouse_moved)
        self._plot.viewport().installEventFilter(self)
        self._layout.addWidget(self._plot, 1)
        self._show_canvas()
        self._recolour()
        self._redraw()
        self._keep_within()
        self._stale = False

    def _recolour(self) -> None:
        if self._plot is None or self._theme == theme.name():
            return
        self._theme = theme.name()
        self._plot.setBackground(theme.color("base"))
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
        self._plot.getAxis("left").setWidth(56)
        box = self._plot.getPlotItem().getViewBox()
        box.rbScaleBox.setPen(self._pg.mkPen(theme.color("accent"), width=1))
        soft = theme.color("accent")
        soft.setAlpha(40)
        box.rbScaleBox.setBrush(self._pg.mkBrush(soft))
        self._colour()
        self._write_key()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.StyleChange, QEvent.Type.PaletteChange):
            self._recolour()

    # The mouse.

    @Slot()
    def _zoomed(self) -> None:
        self.whole_button.show()

    @Slot()
    def show_everything(self) -> None:
        self.whole_button.hide()
        if self._plot is not None:
            self._plot.getPlotItem().getViewBox().enableAutoRange()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.MouseButtonDblClick:
            self.show_everything()
        if isinstance(event, QWheelEvent) and not event.modifiers() & Qt.KeyboardModifier.ControlModifier and self._can_scroll():
            event.ignore()  # on to what scrolls
            return True
        return super().eventFilter(watched, event)

    def _can_scroll(self) -> bool:
        """Whether the plot lies among others that do not all fit: there the wheel alone moves on to the next."""
        around = self.parentWidget()
        while around is not None and not isinstance(around, QScrollArea):
            around = around.parentWidget()
        return around is not None and around.verticalScrollBar().maximum() > 0

    @Slot(object)
    def _mouse_moved(self, position: Any) -> None:
        box = self._plot.getPlotItem().getViewBox()
        place = box.mapSceneToView(position)
        found = self._read(place.x(), place.y()) if self.length and box.sceneBoundingRect().contains(position) else None
        self._line.setVisible(found is not None)
        self._hover.setVisible(found is not None)
        if found is None:
            return
        step, words = found
        self._line.setPos(step)
        self._hover.setText(words)
        self._hover.setTextWidth(-1)
        canvas, view = QRectF(self._plot.rect()), box.sceneBoundingRect()
        if self._hover.boundingRect().width() > canvas.width():
            self._hover.setTextWidth(canvas.width())
        size, x = self._hover.boundingRect().size(), box.mapViewToScene(QPointF(step, 0)).x()
        left = x - size.width() if x > view.center().x() else x
        self._hover.setPos(max(0.0, min(left, canvas.width() - size.width())), max(0.0, min(view.top(), canvas.height() - size.height())))

    def leaveEvent(self, event: object) -> None:
        if self._plot is not None:
            self._line.hide()
            self._hover.hide()

    # Export.

    def export(self, file: Path, whose: str = "") -> None:
        """What is seen of the plot, with its name, whose it is and the names of its axes, as .svg or as .png of twice the
        size; as .csv its numbers. Raises UserError."""
        if file.suffix.lower() == ".csv":
            headings, rows = self.table()
            lines = f"{headings}\n" + "".join(",".join(_number(value) for value in values) + "\n" for values in rows)
            write_atomically(file, lines.encode())
            return
        self.ensure_plot()
        self._line.hide()
        self._hover.hide()
        item, scene = self._plot.getPlotItem(), self._plot.scene()
        seen = item.geometry()
        title = f"{self.accessibleName()}: {whose}" if whose else self.accessibleName()
        try:
            with theme.on_paper():
                self._recolour()
            item.setGeometry(PAPER)
            self._redraw()
            self._keep_within()
            scene.prepareForPaint()
            with self._counted_from_the_corner():
                save_drawing(file, PAPER.size(), lambda painter: scene.render(painter, PAPER, PAPER), title, (tr("Step"), self.beside))
        finally:
            self._recolour()
            item.setGeometry(seen)
            self._redraw()

    @contextmanager
    def _counted_from_the_corner(self) -> Iterator[None]:
        """Until the next drawing. An SVG has six digits of each number, and of the step 1,234,567 all would not be enough."""
        box = self._plot.getPlotItem().getViewBox()
        corner = box.viewRect().topLeft()
        curves = [part for part in box.allChildItems() if isinstance(part, self._pg.PlotCurveItem) and part.isVisible()]
        areas = [part for part in box.allChildItems() if isinstance(part, self._pg.FillBetweenItem)]
        for curve in curves:
            curve.path = curve.getPath().translated(-corner)
        for area in areas:
            area.setPath(area.path().translated(-corner))
        for part in curves + areas:
            part.setPos(corner)
        try:
            yield
        finally:
            for part in curves + areas:
                part.setPos(0, 0)


def _number(value: float) -> str:
    if not math.isfinite(value):
        return ""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else f"{value:.6g}"
