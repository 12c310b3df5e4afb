"""A run as it goes, or as it went: its curve, and its samples getting better."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QSplitter, QStackedWidget, QVBoxLayout, QWidget

from ddpm_studio.events import Event, PreviewReady
from ddpm_studio.gui.widgets.basics import ElidedLabel, column, label, row, tool_button
from ddpm_studio.gui.widgets.containers import Card
from ddpm_studio.gui.widgets.growth_film import GrowthFilm
from ddpm_studio.gui.widgets.inputs import Segments, Slider
from ddpm_studio.gui.widgets.picture_grid import PictureGrid
from ddpm_studio.gui.widgets.plots_panel import PlotsPanel
from ddpm_studio.gui.words import count
from ddpm_studio.language import tr

KEPT_PREVIEWS = 400
KEPT_BYTES = 400 * 10**6
CURVES, MOST_CURVES = 0.4, 0.55
"""Share of the height that curves have, and the most that they are given where all of them are seen then."""
PICTURES, FILM = 0, 1
BEHIND = "behind_"
"""Begins the names of all that is in a panel which another one of the kind covers."""


def _bytes(preview: PreviewReady) -> int:
    return preview.images.nbytes + preview.raw.nbytes + preview.walk.nbytes


class LivePanel(QWidget):
    """Fed with events; it does not know whether they come from a thread or from a journal."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("livePanel")
        self.plots = PlotsPanel()
        self.plot = self.plots.loss
        self.grid = PictureGrid("previewGrid", "", centred=False)
        self.raw_grid = PictureGrid("rawPreviewGrid", tr("Samples of the raw weights"), centred=False)
        self.caption = label(tr("Samples"), "heading")
        self.detail = ElidedLabel("", "caption", "previewCaption")
        self.slider = Slider()
        self.slider.setObjectName("previewSlider")
        self.slider.setAccessibleName(tr("Earlier previews"))
        self.slider.setToolTip(tr("Go back to earlier previews and see the pictures improve"))
        self.slider.setFixedWidth(150)
        self.newest = tool_button("skip-forward", "newestPreviewButton", tr("Newest preview"), 16)
        self.previews: list[PreviewReady] = []
        self.averaged_title, self.raw_title = (label(text, "caption") for text in (tr("Averaged weights"), tr("Raw weights, every second noise")))
        self.raw_half = QWidget()
        self.raw_half.setLayout(column(self.raw_title, self.raw_grid, spacing=2))
        halves = row(column(self.averaged_title, self.grid, spacing=2), self.raw_half, spacing=12)
        halves.setStretch(0, 2)
        halves.setStretch(1, 1)
        pictures = QWidget()
        pictures.setLayout(halves)
        self.film = GrowthFilm()
        self.view = Segments((tr("Pictures"), tr("Film")), "previewView", tr("How the previews are shown"))
        self.stack = QStackedWidget()
        self.stack.addWidget(pictures)
        self.stack.addWidget(self.film)
        previews = Card(row(self.caption, self.view, 4, self.detail, self.slider, self.newest), self.stack, spacing=8, margin=12)
        inside = previews.layout()
        if isinstance(inside, QVBoxLayout):
            inside.setStretch(1, 1)
        curve = self._curves = Card(self.plots, margin=12)
        self._rows = self.plots.rows
        splitter = self.splitter = QSplitter(Qt.Orientation.Vertical)
        splitter.setChildrenCollapsible(False)
        splitter.setHandleWidth(12)
        splitter.addWidget(curve)
        splitter.addWidget(previews)
        splitter.setStretchFactor(0, 1)
        splitter.setStretchFactor(1, 2)
        splitter.setSizes([round(600 * share) for share in (CURVES, 1 - CURVES)])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(splitter)
        for chip in self.plots.chips:
            chip.toggled.connect(self._share_height)
        self.slider.valueChanged.connect(self._show)
        self.newest.clicked.connect(self._show_newest)
        self.view.chosen.connect(self._show_view)
        self.film.chosen.connect(self.slider.setValue)
        self.call_past(False)
        self.clear()

    def call_past(self, past: bool) -> None:
        """A run as it went is called otherwise than one in training, and no first preview is to be waited for."""
        self.setAccessibleName(tr("A run as it went") if past else tr("Training in progress"))
        self.grid.setAccessibleName(tr("Samples of the model as it was") if past else tr("Samples of the model in training"))
        self._empty = tr("There is no preview of this run yet.") if past else tr("The first preview comes after a few seconds.")
        if not self.previews:
            self.detail.setText(self._empty)

    def clear(self) -> None:
        self.previews.clear()
        self.plots.clear()
        self.grid.clear()
        self.raw_grid.clear()
        self.raw_half.hide()
        self.averaged_title.hide()
        self.film.set_previews(self.previews, 0)
        self.slider.setEnabled(False)
        self.newest.setEnabled(False)
        self.detail.setText(self._empty)

    def look_like(self, other: LivePanel) -> None:
        """The same curves, and all else that only says how something is shown."""
        self.plots.show_only([plot.objectName() for plot in other.plots.shown])
        self.plot.log_box.setChecked(other.plot.log_box.isChecked())
        self.plot.smoothing.slider.setValue(other.plot.smoothing.slider.value())
        self.splitter.restoreState(other.splitter.saveState())
        self.view.choose(other.view.current)
        self.stack.setCurrentIndex(other.stack.currentIndex())

    def set_behind(self, behind: bool) -> None:
        """Of two panels, the one that is seen has the names by which widgets are found."""
        for part in (self, *self.findChildren(QWidget)):
            name = part.objectName().removeprefix(BEHIND)
            if name and not name.startswith("qt_"):
                part.setObjectName(BEHIND + name if behind else name)

    @Slot()
    def _share_height(self) -> None:
        """Other rows of curves need another height. How somebody has divided it holds until then."""
        before, self._rows = self._rows, self.plots.rows
        if self._rows != before and self.isVisible():
            whole = sum(self.splitter.sizes())
            usual, wanted = round(CURVES * whole), self._curves.minimumSizeHint().height() + self.plots.missing
            top = usual if wanted > MOST_CURVES * whole else max(usual, wanted)  # where some are out of sight all the same, the pictures stay large
            self.splitter.setSizes([top, whole - top])

    @Slot(list)
    def receive(self, batch: list[Event]) -> None:
        self.plots.add(batch)
        for event in batch:
            if isinstance(event, PreviewReady) and len(event.images):
                self._add(event)

    def _add(self, preview: PreviewReady) -> None:
        """As in the curves, what is made again takes the place of what was made from there on."""
        while self.previews and self.previews[-1].step >= preview.step:
            self.previews.pop()
        at_end = self.slider.value() >= len(self.previews) - 1
        self.previews.append(preview)
        if len(self.previews) > KEPT_PREVIEWS or (len(self.previews) > 2 and len(self.previews) * _bytes(preview) > KEPT_BYTES):  # thin the past out, keep first and last
            del self.previews[1:-1:2]
        self.slider.setRange(0, len(self.previews) - 1)
        self.slider.setEnabled(len(self.previews) > 1)
        self.newest.setEnabled(len(self.previews) > 1)
        if at_end:
            self._show_newest()

    @Slot(int)
    def _show_view(self, view: int) -> None:
        self.stack.setCurrentIndex(view)
        if view == FILM:
            self.film.setFocus()

    @Slot()
    def _show_newest(self) -> None:
        last = len(self.previews) - 1
        if self.slider.value() == last:
            self._show(last)
        self.slider.setValue(last)

    @Slot(int)
    def _show(self, index: int) -> None:
        if 0 <= index < len(self.previews):
            preview = self.previews[index]
            self.film.set_previews(self.previews, index)
            self.grid.set_images(preview.images)
            self.raw_grid.set_images(preview.raw)
            self.raw_half.setVisible(len(preview.raw) > 0)
            self.averaged_title.setVisible(len(preview.raw) > 0)
            step = count(preview.step)
            averaged, raw = tr("at step {step}, always from the same noise", step=step), tr("at step {step} · raw weights, always from the same noise", step=step)
            self.detail.setText(averaged if preview.averaged else raw)
