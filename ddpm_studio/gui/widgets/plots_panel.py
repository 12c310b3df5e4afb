"""The plots of a run, as many of them side by side as are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QFrame, QGridLayout, QMenu, QScrollArea, QSizePolicy, QToolButton, QWidget

from ddpm_studio.events import Event, LossByNoise, StepDone
from ddpm_studio.gui.widgets.basics import ElidedLabel, button, column, row, tool_button
from ddpm_studio.gui.widgets.loss_plot import LossPlot, NumberPlot, newest_of_each
from ddpm_studio.gui.widgets.noise_plots import GapPlot, NoiseMap, verdict
from ddpm_studio.gui.widgets.plot import Plot
from ddpm_studio.gui.words import memory
from ddpm_studio.language import tr

if TYPE_CHECKING:
    from PySide6.QtGui import QResizeEvent

LEAST_WIDTH = 225
"""Of a plot beside others."""
ROW, GAP = 180, 12
"""Height of a plot where there is room, and what lies between two."""
LEAST_HEIGHT = 150
"""Of what is seen of the plots."""
NARROW = 740
"""Up to this width the plots are chosen in a menu."""


class PlotsPanel(QWidget):
    """Fed with the events of a run; one plot at least is shown."""

    export_wanted = Signal(Plot)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("plotsPanel")
        self.setAccessibleName(tr("Curves"))
        self.setMinimumWidth(LEAST_WIDTH)  # or what has no room when it is narrow would keep it from becoming so
        self.loss, self.gap, self.map = LossPlot(), GapPlot(), NoiseMap()
        self.numbers = (
            self.loss,
            NumberPlot("learningRatePlot", tr("Rate"), tr("Learning rate"), lambda step: step.learning_rate, lambda value: f"{value:.2e}", smooth=False),
            NumberPlot("gradientPlot", tr("Gradient"), tr("Norm of the gradient"), lambda step: step.grad_norm, lambda value: f"{value:.3g}"),
            NumberPlot("speedPlot", tr("Speed"), tr("Pictures per second"), lambda step: step.images_per_second, lambda value: tr("{count} images/s", count=f"{value:,.0f}")),
            NumberPlot("memoryPlot", tr("Memory"), tr("Memory of the program, in MB"), lambda step: step.memory / 1e6, memory, unit="MB", smooth=False),
        )
        self.plots: tuple[Plot, ...] = (self.loss, self.gap, self.map, *self.numbers[1:])
        self.sentence = ElidedLabel("", "caption", "copyingSentence")
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(GAP)
        place = QWidget()
        place.setLayout(self._grid)
        scroll = QScrollArea()  # more of them than fit are scrolled through, not squeezed
        scroll.setObjectName("plotsScroll")
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setMinimumHeight(LEAST_HEIGHT)
        scroll.viewport().setAutoFillBackground(False)
        scroll.setWidget(place)
        place.setAutoFillBackground(False)
        layout = column(row(self._make_menu(), self._make_chips(), -1, self.loss.controls), self.sentence, scroll, spacing=4)
        layout.setStretch(2, 1)
        self.sentence.setMinimumHeight(16)
        self.setLayout(layout)
        for plot in self.plots:
            plot.hide()
            plot.export_wanted.connect(self._wants_export)
        self.loss.smoothed.connect(self._smooth_again)
        self._columns = 0
        self._arrange()

    def _make_menu(self) -> QToolButton:
        self.menu_button = tool_button("chart-line", "plotsMenuButton", tr("Which curves are shown"))
        self.menu_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu_button.setMenu(QMenu(self.menu_button))
        return self.menu_button

    def _make_chips(self) -> QFrame:
        frame = self.chip_frame = QFrame()
        frame.setObjectName("plotChips")
        frame.setAccessibleName(tr("Which curves are shown"))
        frame.setProperty("segments", "true")
        frame.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.chips = []
        for plot in self.plots:
            chip = button(plot.title, f"{plot.objectName()}Chip", kind="segment", tip=tr("Show or hide: {what}", what=plot.accessibleName()))
            chip.setCheckable(True)
            chip.setChecked(plot in (self.loss, self.gap))
            action = self.menu_button.menu().addAction(plot.accessibleName())
            action.setCheckable(True)
            action.setChecked(chip.isChecked())
            action.toggled.connect(chip.setChecked)
            chip.toggled.connect(action.setChecked)
            chip.toggled.connect(self._arrange)
            self.chips.append(chip)
        frame.setLayout(row(*self.chips, spacing=2, margins=(3, 3, 3, 3)))
        return frame

    @property
    def shown(self) -> list[Plot]:
        return [plot for plot, chip in zip(self.plots, self.chips, strict=True) if chip.isChecked()]

    def show_only(self, names: Sequence[str]) -> None:
        """The plots of these object names; where there is none of them, it stays as it is."""
        wanted = [plot.objectName() in names for plot in self.plots]
        if any(wanted):
            for on in (True, False):  # first those that are added: there is always one in sight
                for chip, want in zip(self.chips, wanted, strict=True):
                    if want is on:
                        chip.setChecked(on)

    @property
    def rows(self) -> int:
        return -(-len(self.shown) // max(self._columns, 1))

    @property
    def missing(self) -> int:
        """How much higher than at least it would have to be for all its rows to be seen."""
        return self.rows * (ROW + GAP) - GAP - LEAST_HEIGHT

    @Slot()
    def _arrange(self) -> None:
        if not self.shown:  # an empty place says nothing
            self.chips[0].setChecked(True)
            return
        shown = self.shown
        self._columns = max(1, min(len(shown), 4, self.width() // LEAST_WIDTH))
        self._columns = -(-len(shown) // -(-len(shown) // self._columns))  # rows of one length, as nearly as can be
        for plot in self.plots:
            self._grid.removeWidget(plot)
            plot.setVisible(plot in shown and plot.parent() is not None)
        for number, plot in enumerate(shown):
            self._grid.addWidget(plot, *divmod(number, self._columns))
            plot.show()  # not before it has a place: it would be a window of its own for a moment
        for place in range(4):
            self._grid.setColumnStretch(place, int(place < self._columns))
        self.loss.controls.setVisible(self.loss in shown)
        self._smooth_again()
        self._show_sentence()

    def _show_sentence(self) -> None:
        self.sentence.setText(verdict(self.gap.measures) if self.gap in self.shown or self.map in self.shown else "")

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        narrow = self.width() <= NARROW
        self.chip_frame.setVisible(not narrow)
        self.menu_button.setVisible(narrow)
        self._arrange()

    def clear(self) -> None:
        for plot in self.numbers:
            plot.clear()
        for other in (self.gap, self.map):
            other.clear()
        self._show_sentence()

    def add(self, batch: Sequence[Event]) -> None:
        if steps := newest_of_each([event for event in batch if isinstance(event, StepDone)]):
            for plot in self.numbers:
                plot.add_newest(steps)
        measures = [event for event in batch if isinstance(event, LossByNoise)]
        for other in (self.gap, self.map):
            if steps:
                other.forget_from(steps[0].step)
            other.add(measures)
        if measures:
            self._show_sentence()

    @Slot()
    def _smooth_again(self) -> None:
        """Of those that are shown; others follow when they are."""
        for plot in self.numbers[1:]:
            if plot in self.shown:
                plot.set_memory(self.loss.memory)

    @Slot()
    def _wants_export(self) -> None:
        plot = self.sender()
        if isinstance(plot, Plot):
            self.export_wanted.emit(plot)
