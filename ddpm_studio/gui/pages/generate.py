"""Pictures from noise, and how they came about."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QStackedWidget, QWidget

from ddpm_studio.errors import UserError
from ddpm_studio.events import Event, Failed, Finished, FrameReady, Images, ImageSaved, ImagesReady, Progress, Recreated
from ddpm_studio.gui import dialogs
from ddpm_studio.gui.answers import NearestFound
from ddpm_studio.gui.pages.exporting import save_png
from ddpm_studio.gui.pages.generate_controls import GenerateControls, is_noisy, variations
from ddpm_studio.gui.pages.generate_cost import ModelCost
from ddpm_studio.gui.pages.generate_results import NearestPanel, Results
from ddpm_studio.gui.pages.recreate_offer import RecreateOffer
from ddpm_studio.gui.presenters import ACTIVE, State
from ddpm_studio.gui.qimage import to_qimage
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.widgets.basics import Card, EmptyState, button, column, label, row
from ddpm_studio.gui.widgets.film_dialog import FilmDialog
from ddpm_studio.gui.widgets.filmstrip import Filmstrip, FrameView
from ddpm_studio.gui.words import count
from ddpm_studio.gui.workers import LatestRun
from ddpm_studio.language import ntr, tr
from ddpm_studio.requests import MAX_SEED, SampleRequest, Start, recipe, request_of

NEAREST_COUNT = 6
FRAME, NEAREST = 0, 1
"""What is seen at the side: the chosen frame, or the nearest training pictures."""


class GeneratePage(QWidget):
    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self.setObjectName("generatePage")
        self.setAccessibleName(tr("Generate"))
        self._studio = studio
        self._request: SampleRequest | None = None
        """What the pictures in sight were asked for by."""
        self._images: ImagesReady | None = None
        self._nearest = LatestRun(self)
        self.files: list[Path] = []
        self.controls = GenerateControls()
        self.cost = ModelCost(studio, self.controls)
        # Scripts and menus know these by the page.
        self.count, self.sampler, self.steps, self.eta, self.seed = (getattr(self.controls, name) for name in ("count", "sampler", "steps", "eta", "seed"))
        self.generate_button, self.cancel_button, self.progress = self.controls.generate_button, self.controls.cancel_button, self.controls.progress
        self.setLayout(row(self.controls, self._make_stage(), spacing=16))
        self._show_side(FRAME)
        self._connect()
        self._show_state(State.IDLE)
        self._model_changed()

    def _make_stage(self) -> QWidget:
        self.offer = RecreateOffer(self._studio)
        self.filmstrip = Filmstrip()
        self.results = Results()
        self.grid, self.made = self.results.grid, self.results.made
        self.frame = FrameView()
        self.nearest = NearestPanel()
        self.again_from = button(tr("Start from here"), "startHereButton", "rotate-ccw", "quiet")
        legend = label(tr("x\u209c · the noise found in it · the guess x\u0302\u2080"), "caption")
        legend.setToolTip(tr("Above the noisy picture, below the network's guess of what it will be, between them the noise that would explain the difference"))
        film = Card(row(label(tr("From noise to picture"), "heading"), 8, legend, -1, self.again_from), self.filmstrip, spacing=8, margin=12)
        self.side = QStackedWidget()
        self.side.addWidget(self.frame)
        self.side.addWidget(self.nearest)
        frame = self.side_card = Card(self.side, margin=12)
        frame.setMaximumWidth(304)
        bottom = row(self.results, frame, spacing=12)
        bottom.setStretch(0, 5)
        bottom.setStretch(1, 1)
        result = QWidget()
        layout = column(film, bottom, spacing=12)
        layout.setStretch(1, 1)
        result.setLayout(layout)
        self.train_door = button(tr("Train a model"), "doorTrain", "activity", "primary")
        self.empty = EmptyState("sparkles", tr("Nothing generated yet"), "", self.train_door)
        self.stack = QStackedWidget()
        self.stack.addWidget(Card(self.empty))
        self.stack.addWidget(result)
        stage = QWidget()
        whole = column(self.offer, self.stack, spacing=12)
        whole.setStretch(1, 1)
        stage.setLayout(whole)
        return stage

    def _connect(self) -> None:
        studio, controls = self._studio, self.controls
        controls.generate_button.clicked.connect(self.start)
        controls.cancel_button.clicked.connect(studio.sampling.cancel)
        self.filmstrip.frame_shown.connect(self._show_frame)
        self.filmstrip.film_wanted.connect(self._save_film)
        self.again_from.clicked.connect(self._start_from_frame)
        self.grid.current_changed.connect(self._picture_chosen)
        self.grid.activated.connect(self._open_picture)
        self.results.wanted.connect(self._act)
        self.nearest.closed.connect(lambda: self._show_side(FRAME))
        self.offer.wanted.connect(self.recreate)
        self.train_door.clicked.connect(lambda: studio.page_wanted.emit("Train"))
        self._nearest.events.connect(studio.report_failures)
        self._nearest.events.connect(self._show_nearest)
        studio.generate_wanted.connect(self._wanted)
        studio.sampling.state_changed.connect(self._show_state)
        studio.sampling.events.connect(self._receive)
        studio.model_changed.connect(self._model_changed)
        studio.models_changed.connect(self._ask_about_model)
        studio.recipe_wanted.connect(self.use_recipe)
        studio.recreate_wanted.connect(self._recreation_wanted)

    def showEvent(self, event: object) -> None:
        self._ask_about_model()

    # Making.

    @Slot()
    def start(self) -> None:
        if self._studio.sampling.active:
            return
        self.controls.next_seed()
        request = self.request()
        if request is None:
            return
        if name := self.controls.missing_guide:
            self._studio.said.emit(tr("The guide {name} is not here: these pictures are made without it", name=name))
        self._make(request)

    def _make(self, request: SampleRequest) -> None:
        self._studio.tried_again.emit()
        self.offer.hide()
        self._empty_stage(request)
        self._studio.sampling.start(request)

    def request(self) -> SampleRequest | None:
        """What the controls ask for; without a model None, and a word about it."""
        model = self._studio.model
        if model is None:
            self._studio.failed.emit(Failed(tr("There is no model yet."), tr("Train one on the Train page: it can be used after its first save.")))
            return None
        return self.controls.request(model.path)

    def _empty_stage(self, request: SampleRequest) -> None:
        self._request = request
        self.cost.begin(request)
        self._images, self.files = None, []
        self.filmstrip.start(min(request.frames, request.steps or request.frames))
        self.frame.show_frame(None)
        self._show_side(FRAME)
        self.grid.clear()
        self.made.setText("")
        self.stack.setCurrentIndex(1)
        self.results.show_ready(False)
        self._explain_nearest(Path(request.model))
        self._show_frame_actions()

    @Slot()
    def _wanted(self) -> None:
        """From another page: show this one, and begin."""
        self._studio.page_wanted.emit("Generate")
        self.start()

    @Slot(dict)
    def use_recipe(self, values: dict[str, Any]) -> None:
        """Take over the settings that a picture was made by; only those of pictures from noise concern this page."""
        if values.get("kind") != "sample" or self._studio.model is None:
            return
        try:
            self.controls.use(request_of(values, self._studio.model.path))
        except UserError as error:
            self._studio.failed.emit(Failed.of(error))

    # Once more.

    @Slot(Path, bool)
    def _recreation_wanted(self, picture: Path, at_once: bool) -> None:
        if self._studio.jobs.recipe(picture).get("kind") != "sample":
            return
        if self.offer.making is not None:
            self._say_busy()
            return
        self.offer.offer(picture)
        if at_once:
            self.recreate(picture)

    def _say_busy(self) -> None:
        self._studio.said.emit(tr("Pictures are being made: try again when they are done"))

    @Slot(Path)
    def recreate(self, picture: Path) -> None:
        if self._studio.sampling.active:
            self._say_busy()
            return
        request = self.request()
        if request is None:
            return
        try:
            # Its own settings, not those of the controls, which somebody may have changed since it was opened.
            made_by = request_of(self._studio.jobs.recipe(picture), request.model)
        except UserError as error:
            self._studio.failed.emit(Failed.of(error))
            return
        self._empty_stage(replace(made_by, count=1))
        self.cost.begin(None)
        self.offer.wait(picture)
        self._studio.sampling.recreate(picture, Path(request.model))

    # Showing.

    @Slot(State)
    def _show_state(self, state: State) -> None:
        self.controls.show_state(state, self._studio.model is not None)
        if state not in ACTIVE:
            self.offer.give_up()

    @Slot(list)
    def _receive(self, batch: list[Event]) -> None:
        for event in batch:
            match event:
                case Progress(done=done, total=total):
                    self.controls.show_progress(done, total)
                    self.cost.follow(done, total)
                case FrameReady():
                    self.filmstrip.add_frame(event)
                    if self._images is None:
                        self.grid.set_images(event.pred_x_start)
                        if self.grid.current < 0:
                            self.grid.set_current(0)
                case ImagesReady(images=images, seeds=seeds):
                    self._images = event
                    self.grid.set_images(images)
                    self.made.setText(self._what_was_made(seeds))
                    self.results.show_ready(True)
                    self._show_frame_actions()
                case Recreated():
                    self.offer.tell(event)
                case Finished(stopped=True):
                    self._show_cancelled()
                case ImageSaved(path=path):
                    self.files.append(path)
                    self._studio.gallery_changed.emit()

    def _what_was_made(self, seeds: tuple[int, ...]) -> str:
        """And from where, and how, where that need not be what the controls say."""
        text = ntr("{count} picture · seeds {first} to {last}", "{count} pictures · seeds {first} to {last}", len(seeds), first=seeds[0], last=seeds[-1])
        if len(seeds) == 1:
            text = tr("seed {seed}", seed=seeds[0])
        request = self._request
        if request is None or request.start is None:
            return text
        way = next(name for name, sampler, _, _ in self.controls.samplers if sampler == request.sampler)
        if request.sampler == "ddim":
            way = tr("{sampler}, eta {eta}", sampler=way, eta=f"{request.eta:g}")
        return tr("From t = {t} of seed {seed} on: {way} · {pictures}", pictures=text, t=request.start.timestep, seed=request.start.walk.seed, way=way)

    def _show_cancelled(self) -> None:
        if self._images is None:  # what is seen are guesses on the way, no pictures
            self.grid.clear()
            self.made.setText(tr("cancelled before a picture was done"))
        else:
            asked = count(self._request.count if self._request else 0)
            self.made.setText(tr("cancelled: {done} of {asked} are done and kept", done=count(len(self._images.images)), asked=asked))

    @Slot(int)
    def _picture_chosen(self, index: int) -> None:
        self.filmstrip.set_picture(index)
        self._show_frame_actions()

    @Slot(int)
    def _show_frame(self, index: int) -> None:
        self.frame.show_frame(self.filmstrip.current_frame)
        self._show_frame_actions()

    def _show_frame_actions(self) -> None:
        foreign = self._is_foreign
        frame, ready = self._frame, self._images is not None and self.grid.current >= 0 and not foreign
        t = frame.timestep if frame else 0
        self.again_from.setEnabled(bool(t and ready))
        beginning = tr("Take x\u209c at t = {t} of the chosen picture as the beginning: then choose another sampler, more steps or a guide, and Generate", t=t)
        tip = beginning if t or not frame else tr("At t = 0 the picture is done: choose an earlier frame in the strip")
        self.again_from.setToolTip(foreign_way() if foreign else tip)
        self.results.explain(Results.VARY, foreign_way() if foreign else self._how_varied(), self._branch is not None and not foreign)

    def _explain_nearest(self, model: Path) -> None:
        known = bool(self._studio.jobs.trained_on(model))
        most_like = tr("The training pictures that are most like it: is it made up, or learnt by heart? By pixel distance only")
        not_known = tr("Only with a model of your own runs: this one does not say which pictures it was trained on")
        self.results.explain(Results.NEAREST, most_like if known else not_known, known)

    def _how_varied(self) -> str:
        branch = self._branch
        if branch is None:
            return tr("At t = 0 nothing is left to vary")
        text = tr("More pictures with the same x\u209c at t = {t}, and new noise after it; choose the frame in the strip", t=branch.timestep)
        if branch is not self._frame:
            text += "\n" + tr("At t = 0 nothing is left to vary, so the middle of the way is taken")
        if self._request and not is_noisy(self._request.sampler, self._request.eta):
            text += "\n" + tr("Made by DDIM with eta 1, for these pictures only")
        return text

    @property
    def _is_foreign(self) -> bool:
        """Whether the pictures in sight are of another model than the chosen one, which would go on from their x_t elsewhere."""
        model, shown = self._studio.model, self._request
        return shown is not None and (model is None or Path(shown.model) != model.path)

    def _refuse_foreign(self) -> bool:
        if self._is_foreign:
            self._studio.said.emit(foreign_way())
        return self._is_foreign

    @property
    def _frame(self) -> FrameReady | None:
        return self.filmstrip.frames.get(self.filmstrip.strip.current)

    @property
    def _branch(self) -> FrameReady | None:
        """Where variations leave the way: at the chosen frame, or in the middle where that is the end, at which nothing is left to vary."""
        frame, noisy = self._frame, [frame for frame in self.filmstrip.frames.values() if frame.timestep > 0]
        if frame is None or not noisy:
            return None
        return frame if frame.timestep else min(noisy, key=lambda other: abs(2 * other.timestep - noisy[0].timestep))

    # The model.

    @Slot()
    def _model_changed(self) -> None:
        model = self._studio.model
        self.train_door.setVisible(model is None)
        if model is None:
            self.empty.say(tr("There is no model yet"), tr("Train one first: it can generate after its first save, even while training goes on."))
        else:
            self.empty.say(tr("Nothing generated yet"), tr("Press Generate and watch every picture emerge from its own noise."))
            if self.controls.start and self.controls.start.walk.model != model.path:
                self.controls.begin_anew()  # a way of another model
            self.controls.set_timesteps(model.num_timesteps)
        self.cost.forget()
        self._ask_about_model()
        self._show_frame_actions()
        self._show_state(self._studio.sampling.state)

    @Slot()
    def _ask_about_model(self) -> None:
        if self.isVisible():
            self.cost.ask()  # there may be new milestones

    def _show_side(self, index: int) -> None:
        self.side.setCurrentIndex(index)
        self.side_card.setMinimumWidth(168 if index == FRAME else 280)

    # What can be done with a picture.

    @Slot(str, int)
    def _act(self, what: str, index: int) -> None:
        made, picture = self._images, None
        if made is None or self._request is None:
            return
        picture = made.images[index] if 0 <= index < len(made.images) else None
        if what == Results.SAVE_GRID:
            self._save_grid(made)
        elif what == Results.COPY_GRID:
            QGuiApplication.clipboard().setImage(to_qimage(self._studio.jobs.grid(made.images)))
            self._studio.said.emit(tr("Copied"))
        elif picture is None:
            return
        elif what == Results.VARY:
            self._vary(made, index)
        elif what == Results.NEAREST:
            self.nearest.wait()
            self._show_side(NEAREST)
            self._nearest.request(self._studio.jobs.nearest(Path(self._request.model), picture, NEAREST_COUNT))
        elif what in (Results.LEFT, Results.RIGHT):
            self._studio.blend_wanted.emit("A" if what == Results.LEFT else "B", self.files[index] if index < len(self.files) else picture)
        elif what == Results.COPY:
            QGuiApplication.clipboard().setImage(self.grid.picture(index))
            self._studio.said.emit(tr("Copied"))
        elif what == Results.SAVE:
            self._save(picture, f"picture-{made.seeds[index]}.png", recipe(self._request, seed=made.seeds[index], model_step=made.model_step, made_on=made.device, count=1))
        elif what == Results.GALLERY:
            self._open_picture(index)

    @Slot(int)
    def _open_picture(self, index: int) -> None:
        self._studio.page_wanted.emit(f"Gallery:{self.files[index]}" if index < len(self.files) else "Gallery")

    def _vary(self, made: ImagesReady, index: int) -> None:
        """The controls stay as they are set: what variations need beside them concerns these pictures only."""
        frame, shown = self._branch, self._request
        if frame is None or shown is None or self._studio.sampling.active or self._refuse_foreign():
            return
        self._make(variations(shown, made.seeds[index], frame.timestep, frame.steps_left, made.model_step, max(2, self.count.value()), random.randrange(MAX_SEED)))

    @Slot()
    def _start_from_frame(self) -> None:
        frame, made, shown = self._frame, self._images, self._request
        if frame is None or made is None or shown is None or self.grid.current < 0 or self._refuse_foreign():
            return
        walk = replace(shown, seed=made.seeds[self.grid.current], count=1)
        self.controls.begin_at(Start(walk, frame.timestep, made.model_step), frame.steps_left)
        self._studio.said.emit(tr("The next pictures begin at t = {t}: choose another sampler, more steps or a guide, and Generate", t=frame.timestep))

    @Slot()
    def _save_film(self) -> None:
        FilmDialog(self.window(), self._studio, self.filmstrip.film(), "noise-to-picture", frames_per_second=6, hold_seconds=1.5).show()

    @Slot(list)
    def _show_nearest(self, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, NearestFound):
                self.nearest.show_found(event)
            elif isinstance(event, Failed):
                self._show_side(FRAME)

    def _save_grid(self, made: ImagesReady) -> None:
        if self._request is not None:
            notes = recipe(self._request, model_step=made.model_step, made_on=made.device, count=len(made.images), first_seed=made.seeds[0])
            self._save(self._studio.jobs.grid(made.images), f"pictures-{made.seeds[0]}-{made.seeds[-1]}.png", notes)

    def _save(self, picture: Images, name: str, notes: dict[str, Any]) -> None:
        dialogs.choose_target(self.window(), self._studio, tr("Save the picture"), name, lambda path: save_png(self._studio, path, picture, notes))


def foreign_way() -> str:
    return tr("These pictures are of another model: choose it first")
