"""Two pictures become one: both are noised to t, mixed at lambda, and denoised."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt, QTimer, Slot
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QSlider, QStackedWidget, QVBoxLayout, QWidget

from ddpm_studio.events import BlendReady, Event, Failed, Images
from ddpm_studio.gui import dialogs
from ddpm_studio.gui.jobs import PictureLoaded
from ddpm_studio.gui.pages.blend_sheet import COUNT, BlendSheet
from ddpm_studio.gui.pages.generate import spin
from ddpm_studio.gui.pages.picture_source import PictureSource
from ddpm_studio.gui.pages.train_settings import combo
from ddpm_studio.gui.qimage import to_array
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.widgets.basics import Card, ControlColumn, EmptyState, ValueSlider, button, column, field, label, row, tool_button
from ddpm_studio.gui.widgets.picture_view import PictureView, PictureWell
from ddpm_studio.gui.workers import LatestRun
from ddpm_studio.requests import BlendRequest

NOISES = (
    ("Each its own (as in the paper)", "independent", "Each picture gets its own noise. Halfway the mixture holds less noise than the network expects, which makes it smoother."),
    ("Shared", "shared", "Both pictures get the same noise: the noise stays as strong as expected at every lambda."),
    ("Variance-true (slerp)", "slerp", "Each its own noise, mixed along the sphere: it keeps its strength, and the blend its detail."),
)
NOISE_LEVEL = "Up to which step both pictures are noised. Little noise keeps their pixels, much noise only the idea of them."
QUICK_STEPS, FULL_STEPS = 6, 25


class BlendPage(QWidget):

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self.setObjectName("blendPage")
        self.setAccessibleName("Blend")
        self._studio = studio
        self._sources: dict[str, Path | Images] = {}
        self._pictures: dict[str, Images] = {}
        self._loads = {letter: LatestRun(self, interval=10) for letter in "AB"}
        self._next_well = "A"
        self._quiet: set[str] = set()
        """The wells that are filled without anybody having asked for it: no reason to interrupt training."""
        self._stale = True
        """The blend that is shown is not the one that the settings ask for."""
        self._settle = QTimer(self, singleShot=True, interval=300)
        self.setLayout(row(self._make_controls(), self._make_stage(), spacing=16))
        self._connect()
        self._noise_chosen()
        self._model_changed()

    def _make_controls(self) -> QWidget:
        self.timestep = ValueSlider("Noise level t", "timestepSlider", 0, 999, 500, tip=NOISE_LEVEL)
        self.noise = combo("noiseCombo", [(text, mode) for text, mode, _ in NOISES])
        self.noise_note = label("", "caption", wrap=True)
        self.seed = spin("blendSeedSpin", 0, 2**31 - 1, 0)
        self.shuffle = tool_button("shuffle", "blendShuffleButton", "Other noise")
        seed = row(self.seed, self.shuffle, spacing=4)
        seed.setStretch(0, 1)
        seed_box = QWidget()
        seed_box.setAccessibleName("Seed")
        seed_box.setLayout(seed)
        settings = Card(self.timestep, column(field("Noise of the two pictures", self.noise), self.noise_note, spacing=6), field("Seed of the noise", seed_box))
        self.seed.setAccessibleName("Seed of the noise")
        self.source = PictureSource(self._studio)
        return ControlColumn(settings, self.source, fill=True)

    def _make_stage(self) -> QWidget:
        self.wells = {letter: PictureWell(f"blendImage{letter}", letter) for letter in "AB"}
        self.preview = PictureView("blendPreview", "The blend", 160)
        self.preview.hint = "The blend appears here"
        pictures = row(self.wells["A"], self.preview, self.wells["B"], spacing=16)
        for i, stretch in enumerate((3, 5, 3)):
            pictures.setStretch(i, stretch)
        self.lam = QSlider(Qt.Orientation.Horizontal)
        self.lam.setObjectName("lambdaSlider")
        self.lam.setAccessibleName("Lambda")
        self.lam.setToolTip("0 is picture A, 1 is picture B")
        self.lam.setProperty("large", True)
        self.lam.setProperty("neutral", True)
        self.lam.setRange(0, 100)
        self.lam.setValue(50)
        self.lam_label = label("\u03bb = 0.50", "heading", "lambdaLabel")
        self.lam_label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.noise_facts = label("", "caption", "noiseFacts", wrap=True)
        self.noise_facts.setAlignment(Qt.AlignmentFlag.AlignCenter)
        ends = row(label("A", "heading"), self.lam, label("B", "heading"), spacing=12)
        ends.setStretch(1, 1)
        blend = Card(pictures, ends, column(self.lam_label, self.noise_facts, spacing=2), spacing=12)
        inside = blend.layout()
        if isinstance(inside, QVBoxLayout):
            inside.setStretch(0, 1)
        self.sheet = BlendSheet(self._studio)
        stage = QWidget()
        layout = column(blend, self.sheet, spacing=12)
        layout.setStretch(0, 5)
        layout.setStretch(1, 2)
        stage.setLayout(layout)
        self.train_door = button("Train a model", "blendTrainDoor", "activity", "primary")
        self.empty = EmptyState("blend", "There is no model yet", "Blending needs a trained model. Train one first; it can be used after its first save.", self.train_door)
        self.stack = QStackedWidget()
        self.stack.addWidget(Card(self.empty))
        self.stack.addWidget(stage)
        return self.stack

    def _connect(self) -> None:
        studio = self._studio
        for letter, well in self.wells.items():
            well.clicked.connect(lambda letter=letter: self._choose_file(letter))
            well.path_dropped.connect(lambda path, letter=letter: self.set_source(letter, path))
            well.image_dropped.connect(lambda image, letter=letter: self.set_source(letter, to_array(QImage(image))))
            self._loads[letter].events.connect(self._picture_loaded)
            self._loads[letter].events.connect(studio.report_failures)
        self.source.picked.connect(self._picked)
        self.lam.valueChanged.connect(self._lambda_moved)
        self.timestep.changed.connect(self._moved)
        self.lam.sliderReleased.connect(self.blend)
        self.timestep.released.connect(self.blend)
        self._settle.timeout.connect(self.blend)
        self.noise.currentIndexChanged.connect(self._noise_chosen)
        self.seed.valueChanged.connect(self._moved)
        self.shuffle.clicked.connect(lambda: self.seed.setValue(random.randrange(2**31 - 1)))
        self.sheet.wanted.connect(self.make_sheet)
        self.sheet.chosen.connect(lambda lam: self.lam.setValue(round(lam * 100)))
        self.train_door.clicked.connect(lambda: studio.page_wanted.emit("Train"))
        studio.blending.events.connect(self._receive)
        studio.model_changed.connect(self._model_changed)
        studio.blend_wanted.connect(self._wanted)

    # The two pictures.

    @Slot(str, object)
    def set_source(self, letter: str, source: Path | Images) -> None:
        """A file, or a picture of the window; it is brought to the model's shape in a worker."""
        self._sources[letter] = source
        self._quiet.discard(letter)
        self._next_well = "B" if letter == "A" else "A"
        self._load(letter)

    @Slot(str, object)
    def _wanted(self, letter: str, source: Path | Images) -> None:
        self.set_source(letter, source)
        self._studio.page_wanted.emit("Blend")

    def _load(self, letter: str) -> None:
        model = self._studio.model
        if model is not None and letter in self._sources:
            self._loads[letter].request(self._studio.jobs.load_picture(letter, self._sources[letter], model.shape, model.background))

    @Slot(list)
    def _picture_loaded(self, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, PictureLoaded):
                self._pictures[event.key] = event.image
                self.wells[event.key].set_picture(event.image)
                self.sheet.forget()
                self._show_readiness()
                if event.key in self._quiet:
                    self._blend_unasked()
                else:
                    self.blend()
            elif isinstance(event, Failed):
                self._next_well = "A" if "A" not in self._pictures else "B"

    @Slot(object)
    def _picked(self, source: Path | Images) -> None:
        """From the strip of pictures: into the empty well, or into both in turn."""
        empty = next((letter for letter in "AB" if letter not in self._sources), None)
        self.set_source(empty or self._next_well, source)

    def _choose_file(self, letter: str) -> None:
        start = self._studio.preferences.last_folder or str(Path.home())
        dialogs.choose_files(self.window(), f"Choose picture {letter}", start, dialogs.picture_kinds(), lambda paths: self.set_source(letter, paths[0]))

    def fill_defaults(self) -> None:
        """The two newest pictures of the gallery, else two that the model brings along, else two of the data set, into
        wells that are empty."""
        model = self._studio.model
        if model is None or len(self._sources) == 2:
            return
        candidates: list[Path | Images] = [*self._studio.jobs.gallery()[:2], *self._studio.jobs.examples(model.path), *self._studio.examples[:2]][:2]
        if len(candidates) == 2:
            for letter, source in zip("AB", candidates, strict=True):
                if letter not in self._sources:
                    self.set_source(letter, source)
                    self._quiet.add(letter)

    # Blending.

    def _request(self, lams: tuple[float, ...], quick: bool) -> BlendRequest | None:
        model = self._studio.model
        if model is None or len(self._pictures) < 2:
            return None
        if any(picture.shape != model.shape for picture in self._pictures.values()):
            return None  # still being brought to the shape of another model
        return BlendRequest(
            model=model.path, image_a=self._pictures["A"], image_b=self._pictures["B"], lams=lams, timestep=self.timestep.value,
            noise=self.noise.currentData(), steps=QUICK_STEPS if quick else FULL_STEPS, seed=self.seed.value(), quick=quick,
        )

    @Slot()
    def blend(self) -> None:
        """At full quality."""
        self._settle.stop()
        self._ask(quick=False)

    def _blend_unasked(self) -> None:
        """Training is interrupted by what somebody does, not by a look at this page."""
        if self._studio.training.active:
            self._stale = True
            self.preview.hint = "Move the slider to blend; training waits meanwhile"
            self.preview.update()
        else:
            self.blend()

    def _ask(self, quick: bool) -> None:
        self._stale = not self.isVisible()
        if self._stale:
            return  # a page that nobody sees takes the device from nobody; showEvent blends
        request = self._request((self.lam.value() / 100,), quick)
        if request:
            self._studio.blending.blend(request, quick)

    @Slot()
    def _lambda_moved(self) -> None:
        self.lam_label.setText(f"\u03bb = {self.lam.value() / 100:.2f}")
        self._ask(quick=True)
        self._settle.start()

    @Slot()
    def _moved(self) -> None:
        self.sheet.forget()
        self._ask(quick=True)
        self._settle.start()

    @Slot()
    def _noise_chosen(self) -> None:
        self.noise_note.setText(NOISES[self.noise.currentIndex()][2])
        self.sheet.forget()
        self.blend()

    @Slot()
    def make_sheet(self) -> None:
        request = self._request(tuple(float(lam) for lam in np.linspace(0, 1, COUNT)), False)
        if request is None:
            self._studio.said.emit("Choose two pictures first")
            return
        self.sheet.make(request)

    @Slot(list)
    def _receive(self, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, Failed):
                self._stale = True
            if not isinstance(event, BlendReady):
                continue
            self.preview.set_picture(event.image)
            self.noise_facts.setText(f"Noise in the mixture: {event.latent_std:.2f}, where the network knows 1")
            self.noise_facts.setToolTip(f"Its deviation; this way of mixing should give {event.expected_std:.2f}. With less than 1 the network smooths more than it should.")

    def _show_readiness(self) -> None:
        self.sheet.make_button.setEnabled(len(self._pictures) == 2)

    @Slot()
    def _model_changed(self) -> None:
        model = self._studio.model
        self.stack.setCurrentIndex(0 if model is None else 1)
        if model is not None:
            self.timestep.slider.setMaximum(model.num_timesteps - 1)
            self.preview.set_picture(None)  # it was made by another one
            self.noise_facts.setText("")
            self.sheet.forget()
            self._quiet |= self._sources.keys()
            for letter in self._sources:
                self._load(letter)
        self._show_readiness()

    def showEvent(self, event: object) -> None:
        self.source.refresh()
        self.fill_defaults()
        if self._stale:
            self._blend_unasked()
