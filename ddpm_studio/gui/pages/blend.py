"""Some pictures become one: all are noised to t, mixed, and denoised."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QPoint, QSignalBlocker, Qt, QTimer, Slot
from PySide6.QtGui import QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import QMenu, QSlider, QStackedWidget, QWidget

from ddpm_studio.as_command import blend_command
from ddpm_studio.blend_weights import Weights, around, pair
from ddpm_studio.errors import UserError
from ddpm_studio.events import BlendReady, Event, Failed, Images, Recreated
from ddpm_studio.gui import dialogs
from ddpm_studio.gui.answers import NewestListed
from ddpm_studio.gui.pages.blend_film import BlendFilm
from ddpm_studio.gui.pages.blend_noise import noise_facts, noise_formula, noises
from ddpm_studio.gui.pages.blend_sheet import BlendSheet, sheet_timesteps, sheet_weights
from ddpm_studio.gui.pages.blend_wells import LETTERS, MOST, Sources, Wells, is_same
from ddpm_studio.gui.pages.exporting import save_png
from ddpm_studio.gui.pages.picture_source import PictureSource
from ddpm_studio.gui.pages.recreate_offer import RecreateOffer
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.undo import Control
from ddpm_studio.gui.widgets.basics import Card, ControlColumn, EmptyState, Segments, ValueSlider, button, column, combo, field, label, row, spin, tool_button
from ddpm_studio.gui.widgets.picture_view import PictureView
from ddpm_studio.gui.workers import LatestRun
from ddpm_studio.language import tr
from ddpm_studio.requests import BlendRequest, is_reproducible, recipe

QUICK_STEPS, FULL_STEPS = 6, 25
BLEND, SHEET, FILM = 0, 1, 2
"""What is seen of the blend: one picture, a sheet of t and lambda, a film."""


class BlendPage(QWidget):
    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self.setObjectName("blendPage")
        self.setAccessibleName(tr("Blend"))
        self._studio = studio
        self._defaults: dict[str, Path | Images] = {}
        """What nobody has chosen: with another model it gives way to that one's own."""
        self._newest: tuple[Path, ...] | None = None
        """Of the gallery; None as long as it has not been looked at."""
        self._gallery = LatestRun(self)
        self._stale = True
        """The blend that is shown is not the one that the settings ask for."""
        self._shown: tuple[BlendRequest, BlendReady] | None = None
        self._asked: BlendRequest | None = None
        self._settle = QTimer(self, singleShot=True, interval=300)
        self.setLayout(row(self._make_controls(), self._make_stage(), spacing=16))
        self._connect()
        self._show_noise()
        self._arranged()
        self._model_changed()

    # Building.

    def _make_controls(self) -> QWidget:
        tip = tr("Up to which step all pictures are noised. Little noise keeps their pixels, much noise only the idea of them.")
        self.timestep = ValueSlider(tr("Noise level t"), "timestepSlider", 0, 999, 500, tip=tip)
        self.noise = combo("noiseCombo", [(text, mode) for text, mode, _ in noises()])
        self.noise_note = label("", "caption", wrap=True)
        self.seed = spin("blendSeedSpin", 0, 2**31 - 1, 0)
        self.shuffle = tool_button("shuffle", "blendShuffleButton", tr("Other noise"))
        seed = row(self.seed, self.shuffle, spacing=4)
        seed.setStretch(0, 1)
        seed_box = QWidget()
        seed_box.setAccessibleName(tr("Seed"))
        seed_box.setLayout(seed)
        settings = Card(self.timestep, column(field(tr("Noise of the pictures"), self.noise), self.noise_note, spacing=6), field(tr("Seed of the noise"), seed_box))
        self.seed.setAccessibleName(tr("Seed of the noise"))
        self.source = PictureSource(self._studio)
        return ControlColumn(settings, self.source, fill=True)

    def _make_stage(self) -> QWidget:
        self.view = Segments((tr("Picture"), tr("Sheet"), tr("Film")), "blendView", tr("What is shown of the blend"))
        self.sheet = BlendSheet(self._studio)
        self.film = BlendFilm(self._studio)
        self.views = QStackedWidget()
        for part in (self._make_blend(), self.sheet, self.film):
            self.views.addWidget(part)
        self.offer = RecreateOffer(self._studio)
        stage = Card(row(self.view, -1, self.add_button, self.save_button, spacing=8), self.offer, self.views, spacing=12)
        inside = stage.layout()
        assert inside is not None
        inside.setStretch(2, 1)  # type: ignore[attr-defined]
        self.train_door = button(tr("Train a model"), "blendTrainDoor", "activity", "primary")
        said = tr("Blending needs a trained model. Train one first; it can be used after its first save.")
        self.empty = EmptyState("blend", tr("There is no model yet"), said, self.train_door)
        self.stack = QStackedWidget()
        self.stack.addWidget(Card(self.empty))
        self.stack.addWidget(stage)
        return self.stack

    def _make_blend(self) -> QWidget:
        self.preview = PictureView("blendPreview", tr("The blend"), 160)
        self.preview.hint = tr("The blend appears here")
        self.preview.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.wells = Wells(self._studio, self.preview)
        self.lam = QSlider(Qt.Orientation.Horizontal)
        self.lam.setObjectName("lambdaSlider")
        self.lam.setAccessibleName(tr("Lambda"))
        self.lam.setToolTip(tr("0 is picture A, 1 is picture B"))
        self.lam.setProperty("large", True)
        self.lam.setProperty("neutral", True)
        self.lam.setRange(0, 100)
        self.lam.setValue(50)
        self.lam_label = label("λ = 0.50", "heading", "lambdaLabel")
        self.lam_label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.noise_facts = label("", "caption", "noiseFacts", wrap=True)
        self.noise_facts.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.add_button = button(tr("Add a picture"), "addPictureButton", "plus", tip=tr("Blend one picture more, up to {most}", most=MOST))
        tip = tr("Save the blend as a PNG that carries its recipe and the pictures that it was made of")
        self.save_button = button(tr("Save picture…"), "saveBlendButton", "download", tip=tip)
        ends = row(label("A", "heading"), self.lam, label("B", "heading"), spacing=12)
        ends.setStretch(1, 1)
        self.pair_bar = QWidget()
        self.pair_bar.setLayout(column(ends, self.lam_label, spacing=8))
        blend = QWidget()
        layout = column(self.wells, self.pair_bar, self.noise_facts, spacing=4)
        layout.insertSpacing(1, 8)
        layout.setStretch(0, 1)
        blend.setLayout(layout)
        return blend

    def _connect(self) -> None:
        studio, wells = self._studio, self.wells
        wells.arranged.connect(self._arranged)
        wells.changed.connect(self._pictures_changed)
        wells.loaded.connect(self._loaded)
        wells.moved.connect(self._moved)
        wells.released.connect(self.blend)
        self._gallery.events.connect(self._newest_listed)
        self._gallery.events.connect(studio.report_failures)
        self.source.picked.connect(self._picked)
        self.view.chosen.connect(self.show_view)
        self.add_button.clicked.connect(wells.add)
        self.save_button.clicked.connect(self._save)
        self.preview.customContextMenuRequested.connect(self._show_menu)
        self.lam.valueChanged.connect(self._lambda_moved)
        self.lam.sliderReleased.connect(self.blend)
        self.timestep.changed.connect(self._timestep_moved)
        self.timestep.released.connect(self.blend)
        self._settle.timeout.connect(self.blend)
        self.noise.currentIndexChanged.connect(self._noise_chosen)
        self.seed.valueChanged.connect(self._setting_moved)
        self.shuffle.clicked.connect(lambda: self.seed.setValue(random.randrange(2**31 - 1)))
        self.sheet.wanted.connect(self.make_sheet)
        self.sheet.chosen.connect(self._open_from_sheet)
        self.film.wanted.connect(self.make_film)
        self.train_door.clicked.connect(lambda: studio.page_wanted.emit("Train"))
        studio.blending.events.connect(self._receive)
        studio.model_changed.connect(self._model_changed)
        studio.blend_wanted.connect(self._wanted)
        studio.recipe_wanted.connect(self.use_recipe)
        studio.recreate_wanted.connect(self._recreation_wanted)
        self.offer.wanted.connect(self.recreate)
        self._paste = QShortcut(QKeySequence(QKeySequence.StandardKey.Paste), self, context=Qt.ShortcutContext.WidgetWithChildrenShortcut)
        self._paste.activated.connect(wells.paste)

    # The pictures.

    @property
    def pictures(self) -> dict[str, Images]:
        """Those that are there, by their letters, in the shape of a model."""
        return self.wells.pictures

    @Slot(str, object)
    def set_source(self, letter: str, source: Path | Images) -> None:
        """A file, or a picture of the window; it is brought to the model's shape in a worker."""
        self.wells.set_source(letter, source)

    @Slot(str, object)
    def _wanted(self, letter: str, source: Path | Images) -> None:
        self.set_source(letter, source)
        self._studio.page_wanted.emit("Blend")

    @Slot(dict, Path)
    def use_recipe(self, values: dict[str, Any], picture: Path) -> None:
        """Take over the settings that a blend was made by, and its pictures where its file holds them."""
        if values.get("kind") != "blend":
            return
        self.show_view(BLEND)
        found = self._request_of(picture) if is_reproducible(values) else None
        timestep, lam, seed = values.get("timestep"), values.get("lam"), values.get("seed")
        if isinstance(timestep, int) and 0 <= timestep <= self.timestep.slider.maximum():
            self.timestep.slider.setValue(timestep)
        if isinstance(lam, (int, float)) and 0 <= lam <= 1:
            self.lam.setValue(round(100 * lam))
        if isinstance(seed, int) and self.seed.minimum() <= seed <= self.seed.maximum():
            self.seed.setValue(seed)
        if (index := self.noise.findData(values.get("noise"))) >= 0:
            self.noise.setCurrentIndex(index)
        if found is None:
            self._studio.said.emit(tr("The settings are set; this file does not hold the pictures that were blended: choose them again"))
            return
        request, place = found
        self.wells.hold(request.images, request.weights[place])
        self._studio.said.emit(tr("The settings and the pictures of the blend are set"))

    def _request_of(self, picture: Path) -> tuple[BlendRequest, int] | None:
        """How a blend was made, with which others, and which of them it is; a word about it where its file does not say it."""
        model = self._studio.model
        try:
            return self._studio.jobs.blend_request(picture, model) if model is not None else None
        except UserError as error:
            self._studio.failed.emit(Failed.of(error))
            return None

    # Once more.

    @Slot(Path, bool)
    def _recreation_wanted(self, picture: Path, at_once: bool) -> None:
        if self._studio.jobs.recipe(picture).get("kind") != "blend":
            return
        self.offer.offer(picture)
        if at_once:
            self.recreate(picture)

    @Slot(Path)
    def recreate(self, picture: Path) -> None:
        """By its own recipe: sampler, steps and guide may be others than this page blends with."""
        found = self._request_of(picture)
        if found is None:
            self.offer.hide()
            return
        together, place = found
        self._settle.stop()
        self._stale = False
        self._asked = replace(together, weights=(together.weights[place],))
        self.offer.wait(picture)
        self._studio.blending.recreate(together, place, picture)

    def _give_up_recreating(self) -> None:
        """Something else is blended now."""
        if (picture := self.offer.making) is not None:
            self.offer.give_up()
            self.offer.offer(picture)

    @Slot(object)
    def _picked(self, source: Path | Images) -> None:
        self.set_source(self.wells.free_place(), source)

    @Slot(str)
    def _loaded(self, letter: str) -> None:
        if letter in self.wells.quiet:
            self._blend_unasked()
        else:
            self.blend()

    @Slot()
    def _pictures_changed(self) -> None:
        self._forget_series()
        self._show_readiness()

    @Slot()
    def _arranged(self) -> None:
        """Two pictures have lambda between them, more have a share each."""
        two = len(self.wells.weights) == 2
        self.pair_bar.setVisible(two)
        if two:
            self.lam.setValue(round(100 * self.wells.weights[1]))
        self._show_readiness()
        self.blend()

    def fill_defaults(self) -> None:
        """The two newest pictures of the gallery, else two that the model brings along, else two of the data set, into
        the first wells, where nobody has put anything. The gallery is looked at in a worker, so they come a moment later."""
        if self._studio.model is not None and self._unchosen:
            self._fill()  # by what is known already, so that no other pictures are seen meanwhile
            self._gallery.request(self._studio.jobs.newest_pictures(2))

    @Slot(list)
    def _newest_listed(self, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, NewestListed) and event.files != self._newest:
                self._newest = event.files
                self._fill()

    def _fill(self) -> None:
        model, unchosen = self._studio.model, self._unchosen
        if model is None or self._newest is None:
            return
        candidates: list[Path | Images] = [*self._newest, *model.examples, *self._studio.examples[:2]][:2]
        if len(candidates) == 2:
            for letter, source in zip("AB", candidates, strict=True):
                if letter in unchosen and not is_same(self._defaults.get(letter), source):
                    self._defaults[letter] = source
                    self.wells.set_source(letter, source, quiet=True)

    @property
    def _unchosen(self) -> list[str]:
        return [letter for letter in "AB" if letter not in self.wells.sources or self._is_filled(letter)]

    def _is_filled(self, letter: str) -> bool:
        """By nobody's choice."""
        return letter in self._defaults and self.wells.sources.get(letter) is self._defaults[letter]

    # Blending.

    @property
    def weights(self) -> Weights:
        """How much of each picture. Lambda says it for two; it is finer than what a slider of shares would keep."""
        return pair(self.lam.value() / 100) if len(self.wells.weights) == 2 else self.wells.weights

    def mixture(self) -> list[Control]:
        """The pictures and the shares of more than two of them, as something that can be taken back."""

        def read() -> Sources:
            return Sources(None if self._is_filled(letter) else self.wells.sources.get(letter) for letter in self.wells.letters)

        def write(sources: Sources) -> None:
            self.wells.hold([source if source is not None else self._defaults.get(letter) for letter, source in zip(LETTERS, sources, strict=False)])

        def write_shares(weights: Weights) -> None:
            if len(weights) == len(self.wells.weights) > 2:
                self.wells.set_weights(weights)
                self.wells.moved.emit()

        shares = Control(tr("Shares"), lambda: self.wells.weights if len(self.wells.weights) > 2 else (), write_shares, self.wells.moved)
        return [Control(tr("Pictures"), read, write, self.wells.settled, merges=False), shares]

    def request(self, weights: tuple[Weights, ...] | None = None, quick: bool = False, timestep: int | None = None) -> BlendRequest | None:
        """What the controls ask for; None as long as a picture is missing, or still being brought to the model's shape."""
        model, images = self._studio.model, self.wells.images
        if model is None or images is None:
            return None
        return BlendRequest(
            model=model.path, images=images, weights=weights or (self.weights,), timestep=self.timestep.value if timestep is None else timestep,
            noise=self.noise.currentData(), steps=QUICK_STEPS if quick else FULL_STEPS, seed=self.seed.value(), quick=quick,
        )  # fmt: skip

    @Slot()
    def blend(self) -> None:
        """At full quality."""
        self._settle.stop()
        self._ask(quick=False)

    def _blend_unasked(self) -> None:
        """Training is interrupted by what somebody does, not by a look at this page."""
        if self._studio.training.active:
            self._stale = True
            self.preview.hint = tr("Move the slider to blend; training waits meanwhile")
            self._forget_blend()
        else:
            self.blend()

    def _ask(self, quick: bool) -> None:
        self._stale = not self.preview.isVisible()
        if self._stale:
            return  # a blend that nobody sees takes the device from nobody; it is made when it is looked at
        request = self.request(quick=quick)
        if request:
            self._give_up_recreating()
            self._asked = request
            self._studio.blending.blend(request, quick)

    @Slot()
    def _lambda_moved(self) -> None:
        self.lam_label.setText(f"λ = {self.lam.value() / 100:.2f}")
        if len(self.wells.weights) == 2:
            self.wells.set_weights(self.weights)
        self._moved()

    @Slot()
    def _moved(self) -> None:
        self._ask(quick=True)
        self._settle.start()

    @Slot()
    def _timestep_moved(self) -> None:
        self.film.forget()  # a sheet has timesteps of its own
        self._moved()

    @Slot()
    def _setting_moved(self) -> None:
        self._forget_series()
        self._moved()

    @Slot()
    def _noise_chosen(self) -> None:
        self._show_noise()
        self._forget_series()
        self.blend()

    def _show_noise(self) -> None:
        self.noise_note.setText(noises()[self.noise.currentIndex()][2])

    @Slot(list)
    def _receive(self, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, Failed):
                self._stale = True
                self._give_up_recreating()
            if isinstance(event, Recreated):
                self.offer.tell(event)
            if not isinstance(event, BlendReady):
                continue
            self.preview.set_picture(event.image)
            self.noise_facts.setText(noise_facts(event))
            self.noise_facts.setToolTip(noise_formula(event.weights, self._asked.noise if self._asked else "independent"))
            self._shown = (self._asked, event) if self._asked and not event.quick else None
            self.save_button.setEnabled(self._shown is not None)

    # Sheets and films.

    @Slot(int)
    def show_view(self, index: int) -> None:
        self.view.choose(index)
        self.views.setCurrentIndex(index)
        self.add_button.setVisible(index == BLEND)
        self.save_button.setVisible(index == BLEND)
        if index == BLEND and self._stale and self.isVisible():
            self.blend()

    @Slot()
    def make_sheet(self) -> None:
        model = self._studio.model
        self.show_view(SHEET)
        weights = sheet_weights(len(self.wells.weights))
        requests = [self.request(weights, timestep=t) for t in sheet_timesteps(model.num_timesteps)] if model else []
        known = tuple(request for request in requests if request is not None)
        if not known:
            self._studio.said.emit(tr("Choose the pictures first"))
            return
        self.sheet.make(known, self.wells.letters)

    @Slot()
    def make_film(self) -> None:
        self.show_view(FILM)
        request = self.request(around(len(self.wells.weights), self.film.steps.value()))
        if request is None:
            self._studio.said.emit(tr("Choose the pictures first"))
            return
        self.film.make(request, self.wells.letters)

    @Slot(tuple, int)
    def _open_from_sheet(self, weights: Weights, timestep: int) -> None:
        """The controls go where the picture was made, and the sheet stays as it is."""
        with QSignalBlocker(self.timestep):
            self.timestep.slider.setValue(timestep)
        self.wells.set_weights(weights)
        if len(weights) == 2:
            self.lam.setValue(round(100 * weights[1]))
        self._stale = True
        self.show_view(BLEND)

    def _forget_series(self) -> None:
        self.sheet.forget()
        self.film.forget()

    # What can be done with a blend.

    @Slot(QPoint)
    def _show_menu(self, place: QPoint) -> None:
        if self._shown is None or self.preview.image is None:
            return
        image = self.preview.image
        menu = QMenu(self)
        menu.setObjectName("blendMenu")
        menu.addAction(tr("Save picture…"), self._save)
        menu.addAction(tr("Copy"), lambda: QGuiApplication.clipboard().setImage(image))
        menu.addAction(tr("Copy as a command"), self.copy_command)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(self.preview.mapToGlobal(place))

    @Slot()
    def _save(self) -> None:
        if self._shown is None:
            return
        dialogs.choose_target(self.window(), self._studio, tr("Save the blend"), "blend.png", self.save)

    def save(self, path: Path) -> None:
        if self._shown is None:
            return
        request, event = self._shown
        save_png(self._studio, path, event.image, recipe(request, **event.facts), request.images)

    @Slot()
    def copy_command(self) -> None:
        """What the command line would be told to make this blend; a picture that is no file has a name to be filled in."""
        request = self.request()
        if request is None:
            self._studio.said.emit(tr("Choose the pictures first"))
            return
        sources = [self.wells.sources.get(letter) for letter in self.wells.letters]
        files = [str(source) if isinstance(source, Path) else f"{letter}.png" for letter, source in zip(self.wells.letters, sources, strict=True)]
        command = blend_command(request, files)
        QGuiApplication.clipboard().setText(command)
        self._studio.said.emit(tr("Copied: {command}", command=command))

    # The model, and what is seen.

    def _show_readiness(self) -> None:
        ready = self.wells.images is not None
        self.sheet.make_button.setEnabled(ready)
        self.film.make_button.setEnabled(ready)
        self.add_button.setEnabled(len(self.wells.weights) < MOST)
        if not ready:
            missing = next((letter for letter in self.wells.letters if letter not in self.wells.sources), "")
            self.preview.hint = tr("Choose picture {letter}, and the blend appears here", letter=missing) if missing else tr("The blend appears here")
            self._forget_blend()

    def _forget_blend(self) -> None:
        """It is not what the pictures and the model would make now; one that is being made is given up, or it would come late."""
        self._studio.blending.cancel_blend()
        self._give_up_recreating()
        self.preview.set_picture(None)
        self.noise_facts.setText("")
        self._shown = None
        self.save_button.setEnabled(False)

    @Slot()
    def _model_changed(self) -> None:
        model = self._studio.model
        self.stack.setCurrentIndex(0 if model is None else 1)
        if model is not None:
            self.timestep.slider.setMaximum(model.num_timesteps - 1)
            self._forget_blend()
            self.offer.hide()
            self._forget_series()
            self.wells.load_all()
            if self.isVisible():
                self.fill_defaults()
        self._show_readiness()

    def showEvent(self, event: object) -> None:
        self.source.refresh()
        self.fill_defaults()
        if self._stale:
            self._blend_unasked()
