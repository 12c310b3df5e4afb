"""The forward process of any picture: what noise leaves of it at each t."""

from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
from PySide6.QtCore import QSignalBlocker, Qt, Signal, Slot
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QImage
from PySide6.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from ddpm_studio.events import Event, Images
from ddpm_studio.gui import dialogs
from ddpm_studio.gui.forward import OF_MODEL, ForwardReady, as_picture, log_snr, shares
from ddpm_studio.gui.pages.exporting import save
from ddpm_studio.gui.pages.picture_source import PictureSource
from ddpm_studio.gui.qimage import to_array, to_qimage
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.widgets.basics import ElidedLabel, button, column, field, label, row, tool_button
from ddpm_studio.gui.widgets.containers import Card, ControlColumn
from ddpm_studio.gui.widgets.equation import SUBSCRIPTS, Equation
from ddpm_studio.gui.widgets.inputs import ValueSlider, combo, spin
from ddpm_studio.gui.widgets.noise_strip import evening
from ddpm_studio.gui.widgets.picture_grid import PictureGrid
from ddpm_studio.gui.widgets.picture_view import PictureView
from ddpm_studio.gui.widgets.schedule_plot import SchedulePlot
from ddpm_studio.gui.words import shape
from ddpm_studio.gui.workers import LatestRun
from ddpm_studio.language import later, tr

STOPS, STOP_SIDE = 10, 96
"""Pictures of the strip, and about how large they are drawn."""


class ForwardView(QWidget):
    """Files and noise come from a worker; x_t is computed here while the hand moves."""

    changed = Signal()
    """Another picture, noise or t."""

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self.setObjectName("forwardView")
        self.setAccessibleName(tr("Forward process"))
        self.setAcceptDrops(True)
        self._studio = studio
        self._source: Path | Images | None = None
        self._example = 0
        """Which is shown next."""
        self.parts: ForwardReady | None = None
        self.setLayout(row(self._make_controls(), self._make_stage(), spacing=16))
        self._run = LatestRun(self, interval=10)
        self._connect()
        self._name_own_schedule()

    def _make_controls(self) -> QWidget:
        self.choose_button = button(tr("Choose a picture…"), "forwardChooseButton", "image-plus", tip=tr("A file from your disk; dropping one anywhere on this page works too"))
        self.example_button = button(tr("Example"), "forwardExampleButton", "image", tip=tr("An example; press again for the next one"))
        self.seed = spin("forwardSeedSpin", 0, 2**31 - 1, 0)
        self.seed.setAccessibleName(tr("Seed of the noise"))
        self.seed.setToolTip(tr("The noise stays the same at every t: ε is drawn once from this seed"))
        self.shuffle = tool_button("shuffle", "forwardShuffleButton", tr("Other noise"))
        self.schedule = combo("forwardScheduleCombo", [(tr("The model's own"), OF_MODEL), *((tr(name), name) for name in (later("linear"), later("cosine"), later("sigmoid")))])
        seed = row(self.seed, self.shuffle, spacing=4)
        seed.setStretch(0, 1)
        seed_caption = label(tr("Seed of the noise"), "field")
        seed_caption.setBuddy(self.seed)
        buttons = row(self.choose_button, self.example_button)
        buttons.setStretch(0, 1)
        card = Card(
            buttons,
            field(tr("Schedule"), self.schedule, tr("How the noise grows with t: that of the model, or another one to compare; none of them changes the model")),
            column(seed_caption, seed, spacing=4),
            margin=12,
        )
        self.source = PictureSource(self._studio)
        return ControlColumn(card, self.source, fill=True)

    def _make_stage(self) -> QWidget:
        self.picture = PictureView("forwardPicture", tr("The noisy picture"), 160)
        self.picture.hint = tr("Drop a picture here")
        self.plot = SchedulePlot()
        self.title = label("x₀", "heading", "forwardTitle")
        self.facts = ElidedLabel("", "caption", "forwardFacts")
        self.roots = QCheckBox("√ᾱₜ, √(1 − ᾱₜ)")
        self.roots.setObjectName("forwardRootsCheck")
        self.roots.setAccessibleName(tr("Show the factors of picture and noise"))
        self.roots.setToolTip(tr("Also draw by how much the picture and the noise are multiplied"))
        self.export_button = tool_button("download", "exportScheduleButton", tr("Export the curve as SVG or PNG"), 16)
        self.slider = ValueSlider(tr("Timestep t"), "timestepForwardSlider", 0, 999, 300, tip=tr("From the picture to nothing but noise"), inline=True)
        self.slider.value_label.setMinimumWidth(34)
        self.slider.value_label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.equation = Equation()
        self.snr = label("", "value", "forwardSnr")
        self.snr.setToolTip(tr("Logarithm of the signal-to-noise ratio ᾱₜ / (1 − ᾱₜ): above 0 there is more picture than noise"))
        self.strip = PictureGrid("forwardStrip", tr("The picture at evenly spaced t"), selectable=True, gap=6, largest_zoom=4, smallest_side=24)
        self.strip.setFixedHeight(STOP_SIDE + 26)
        self.strip.setToolTip(tr("Choose one to go to its t"))
        both = row(self.picture, self.plot, spacing=20)
        both.setStretch(0, 1)
        both.setStretch(1, 1)
        formula = row(self.equation, self.snr, -1)
        card = Card(row(self.title, 4, self.facts, self.roots, self.export_button), both, self.slider, formula, self.strip, spacing=10)
        inside = card.layout()
        if isinstance(inside, QVBoxLayout):
            inside.setStretch(1, 1)
        return card

    def _connect(self) -> None:
        studio = self._studio
        self._run.events.connect(self._receive)
        self._run.events.connect(studio.report_failures)
        self.choose_button.clicked.connect(self._choose_file)
        self.example_button.clicked.connect(self.show_example)
        self.shuffle.clicked.connect(lambda: self.seed.setValue(random.randrange(2**31 - 1)))
        self.seed.valueChanged.connect(self._ask)
        self.schedule.currentIndexChanged.connect(self._show_all)
        self.export_button.clicked.connect(self._export)
        self.roots.toggled.connect(self.plot.show_roots)
        self.slider.changed.connect(self._show_t)
        self.plot.t_wanted.connect(self.slider.slider.setValue)
        self.strip.current_changed.connect(self._stop_chosen)
        self.source.picked.connect(self.set_source)
        studio.model_changed.connect(self._model_changed)

    @property
    def t(self) -> int:
        return self.slider.value

    # The picture.

    @Slot(object)
    def set_source(self, source: Path | Images) -> None:
        self._source = source
        self._ask()

    @Slot()
    def show_example(self) -> None:
        """One that is painted here first; then, press by press, what the model brings along and what the data set begins with."""
        model = self._studio.model
        found: list[Path | Images] = [evening(), *(model.examples if model else ()), *self._studio.examples[:3]]
        self._source = found[self._example % len(found)]
        self._example += 1
        self._ask()

    @Slot()
    def _model_changed(self) -> None:
        self._run.cancel()
        self.parts = None  # of the shape of another model
        self._name_own_schedule()
        share, last = self.t / self.slider.slider.maximum(), (self._studio.model.num_timesteps if self._studio.model else 1000) - 1
        self.slider.slider.setMaximum(last)
        self.slider.slider.setValue(round(share * last))
        if self.isVisible():
            self.look()

    def _name_own_schedule(self) -> None:
        self.schedule.setItemText(0, tr("The model's own") if self._studio.model else tr("Cosine, as usual"))

    def look(self) -> None:
        """Somebody sees the page."""
        if self._source is None:
            self.show_example()
        elif self.parts is None:
            self._ask()

    @Slot()
    def _ask(self) -> None:
        if self._source is not None:
            model = self._studio.model
            self._run.request(self._studio.jobs.forward(self._source, model.path if model else None, self.seed.value()), patient=True)

    @Slot(list)
    def _receive(self, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, ForwardReady):
                self.parts = event
                self._show_all()

    @Slot()
    def _choose_file(self) -> None:
        dialogs.choose_files(self.window(), self._studio, tr("Choose a picture"), dialogs.picture_kinds(), lambda paths: self.set_source(paths[0]))

    @Slot()
    def _export(self) -> None:
        kinds = f"{tr('Drawing')} (*.svg);;{tr('Picture')} (*.png)"
        dialogs.choose_target(self.window(), self._studio, tr("Export the curve"), "schedule.svg", self.export, kinds)

    def export(self, file: Path) -> None:
        save(self._studio, file, self.plot.export)

    # Showing.

    @property
    def stops(self) -> list[int]:
        return [round(t) for t in np.linspace(0, self.slider.slider.maximum(), STOPS)]

    @Slot()
    def _show_all(self) -> None:
        parts, name = self.parts, self.schedule.currentData()
        if parts is None:
            return
        self.plot.show_schedules(parts.schedules, name)
        self.strip.set_images(np.stack([parts.x_t(name, t, STOP_SIDE) for t in self.stops]), tuple(str(t) for t in self.stops))
        self._x_start, self._epsilon = to_qimage(parts.picture), to_qimage(as_picture(parts.noise * np.float32(0.5)))
        self._show_t()

    @Slot()
    def _show_t(self) -> None:
        parts, name, t = self.parts, self.schedule.currentData(), self.t
        if parts is None:
            return
        noisy = to_qimage(parts.x_t(name, t))
        signal, sigma = shares(parts.schedules[name], t)
        self.picture.set_picture(noisy)
        self.plot.set_t(t)
        self.equation.show_terms(noisy, self._x_start, self._epsilon, t, signal, sigma)
        ratio = log_snr(parts.schedules[name], t)
        self.snr.setText(tr("log-SNR {ratio}", ratio=f"{ratio:+.2f}".replace("-", "−") if math.isfinite(ratio) else "−∞"))
        self.title.setText(f"x{str(t).translate(SUBSCRIPTS)}")
        self.facts.setText(tr("ᾱₜ = {value}: so much of the picture's variance is left · {shape}", value=f"{signal**2:.4f}", shape=shape(parts.picture.shape)))
        self.picture.setAccessibleDescription(f"{self.equation.formula}, {self.snr.text()}")
        with QSignalBlocker(self.strip):
            self.strip.set_current(self.stops.index(t) if t in self.stops else -1)
        self.changed.emit()

    @Slot(int)
    def _stop_chosen(self, index: int) -> None:
        if index >= 0:
            self.slider.slider.setValue(self.stops[index])

    # Events.

    def showEvent(self, event: object) -> None:
        self.source.refresh()
        self.look()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls() or event.mimeData().hasImage():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        mime = event.mimeData()
        files = [Path(url.toLocalFile()) for url in mime.urls() if url.isLocalFile()]
        if files:
            event.acceptProposedAction()
            self.set_source(files[0])
        elif mime.hasImage():
            event.acceptProposedAction()
            self.set_source(to_array(QImage(mime.imageData())))
