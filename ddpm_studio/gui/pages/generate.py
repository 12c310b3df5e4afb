"""Pictures from noise, and how they came about."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import QWidget

from ddpm_studio.errors import UserError
from ddpm_studio.events import Event, Failed, Finished, FrameReady, Images, ImageSaved, ImagesReady, Progress, Recreated
from ddpm_studio.gui import dialogs
from ddpm_studio.gui.pages.exporting import save_png
from ddpm_studio.gui.pages.generate_controls import GenerateControls, variations
from ddpm_studio.gui.pages.generate_cost import ModelCost
from ddpm_studio.gui.pages.generate_results import Results
from ddpm_studio.gui.pages.generate_stage import GenerateStage
from ddpm_studio.gui.pages.recreate_offer import RecreateOffer
from ddpm_studio.gui.presenters import ACTIVE, State
from ddpm_studio.gui.qimage import to_qimage
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.undo import Control
from ddpm_studio.gui.widgets.basics import column, row
from ddpm_studio.language import tr
from ddpm_studio.requests import MAX_SEED, SampleRequest, Spacing, Start, recipe, request_of
from ddpm_studio.runs import Run


class GeneratePage(QWidget):
    adopted = Signal()
    """The settings of a picture have been taken over."""

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self.setObjectName("generatePage")
        self.setAccessibleName(tr("Generate"))
        self._studio = studio
        self._adopted: Path | None = None
        """The picture whose settings were taken over last."""
        self.controls = GenerateControls()
        self.cost = ModelCost(studio, self.controls)
        # Scripts and menus know these by the page.
        self.count, self.sampler, self.steps, self.eta, self.seed = (getattr(self.controls, name) for name in ("count", "sampler", "steps", "eta", "seed"))
        self.generate_button, self.cancel_button, self.progress = self.controls.generate_button, self.controls.cancel_button, self.controls.progress
        self.offer = RecreateOffer(studio)
        self.stage = GenerateStage(studio)
        right = QWidget()
        parts = column(self.offer, self.stage, spacing=12)
        parts.setStretch(1, 1)
        right.setLayout(parts)
        self.setLayout(row(self.controls, right, spacing=16))
        self._connect()
        self._show_state(State.IDLE)
        self._model_changed()

    def _connect(self) -> None:
        studio, controls, stage = self._studio, self.controls, self.stage
        controls.generate_button.clicked.connect(self.start)
        controls.cancel_button.clicked.connect(studio.sampling.cancel)
        self._escape = QShortcut(QKeySequence(Qt.Key.Key_Escape), self, studio.sampling.cancel)
        stage.again_from.clicked.connect(self._start_from_frame)
        stage.results.grid.activated.connect(self._open_picture)
        stage.results.wanted.connect(self._act)
        self.offer.wanted.connect(self.recreate)
        studio.generate_wanted.connect(self._wanted)
        studio.sampling.state_changed.connect(self._show_state)
        studio.sampling.events.connect(self._receive)
        studio.model_changed.connect(self._model_changed)
        studio.models_changed.connect(self._ask_about_model)
        studio.run_renamed.connect(self._run_renamed)
        studio.recipe_wanted.connect(self.use_recipe)
        studio.recreate_wanted.connect(self._recreation_wanted)

    def showEvent(self, event: object) -> None:
        self._ask_about_model()

    @property
    def files(self) -> list[Path]:
        """Of the pictures in sight, in the gallery."""
        return self.stage.files

    # Making.

    @Slot()
    def start(self) -> None:
        if self._studio.sampling.active:
            return
        self.controls.interpret()
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
        self.cost.begin(request)
        self.stage.begin(request)

    @Slot()
    def _wanted(self) -> None:
        """From another page: show this one, and begin."""
        self._studio.page_wanted.emit("Generate")
        self.start()

    @Slot(dict, Path)
    def use_recipe(self, values: dict[str, Any], picture: Path) -> None:
        """Take over the settings that a picture was made by; only those of pictures from noise concern this page."""
        if values.get("kind") != "sample" or self._studio.model is None:
            return
        try:
            request = request_of(values, self._studio.model.path)
        except UserError as error:
            self._studio.failed.emit(Failed.of(error))
            return
        self.controls.use(replace(request, guide=request.guide and self._studio.present_name(str(request.guide))))
        self._adopted = picture
        self.adopted.emit()

    def take_over(self, other: GeneratePage) -> None:
        """What was made there, and what no field shows."""
        self.controls.take_over(other.controls)
        if shown := other.stage.shown():
            self.stage.show_again(shown)
        if other.offer.isHidden() or other.offer.told:
            self.offer.withdraw()

    # What can be taken back, beside the fields.

    def beginning(self) -> Control:
        """Where the way begins; before the fields, because there are no more steps than are left there."""

        def write(start: Start | None) -> None:
            model = self._studio.model
            if start and model and model.was_at(Path(start.walk.model)):
                start = replace(start, walk=start.walk.after_rename(Run(Path(start.walk.model).parent), Run(model.path.parent)))
            self.controls.set_start(start if start and model and start.walk.model == model.path else None)

        return Control(tr("Beginning"), lambda: self.controls.start, write, self.controls.changed, merges=False)

    def adoption(self) -> Control:
        """What comes with the settings of a picture: what no field shows, and the offer to make it again."""

        def write(values: tuple[Path | None, Spacing, str | None]) -> None:
            picture, spacing, guide = values
            self.controls.set_unseen(spacing, guide)
            if picture != self._adopted:
                self._adopted = picture
                self.offer.withdraw()
                if picture is not None and self.offer.making is None and self._is_of_this_model(picture):
                    self.offer.offer(picture)

        return Control(tr("Settings of a picture"), lambda: (self._adopted, *self.controls.unseen), write, None)

    def _is_of_this_model(self, picture: Path) -> bool:
        """Or it would be made again by another model than its own."""
        try:
            name = self._studio.jobs.recipe(picture).get("model")
        except UserError:
            return False  # it is gone
        return self._studio.find_model(str(name)) == self._studio.model

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
        self._escape.setEnabled(state in ACTIVE)
        if state not in ACTIVE:
            self.offer.give_up(again=state is State.DONE)
            self.stage.bring_back()

    @Slot(list)
    def _receive(self, batch: list[Event]) -> None:
        for event in batch:
            match event:
                case Progress(done=done, total=total):
                    self.controls.show_progress(done, total)
                    self.cost.follow(done, total)
                case FrameReady():
                    self.stage.add_frame(event)
                case ImagesReady():
                    self.stage.show_pictures(event)
                case Recreated():
                    self.offer.tell(event)
                case Finished(stopped=True):
                    self.stage.show_cancelled()
                case ImageSaved(path=path):
                    self.stage.files.append(path)
                    self._studio.gallery_changed.emit()

    # The model.

    @Slot()
    def _model_changed(self) -> None:
        model = self._studio.model
        if self.offer.making is None:
            self.offer.hide()  # it would be made again by another model than its own
        if model is not None:
            if self.controls.start and self.controls.start.walk.model != model.path:
                self.controls.begin_anew()  # a way of another model
            self.controls.set_timesteps(model.num_timesteps)
        self.cost.forget()
        self._ask_about_model()
        self.stage.show_model(model)
        self._show_state(self._studio.sampling.state)

    @Slot(object, object)
    def _run_renamed(self, old: Run, new: Run) -> None:
        """What is in sight and what is chosen is of the same models as before."""
        self.stage.follow_rename(old, new)
        self.controls.follow_rename(old, new)

    @Slot()
    def _ask_about_model(self) -> None:
        if self.isVisible():
            self.cost.ask()  # there may be new milestones

    # What can be done with a picture.

    @Slot(str, int)
    def _act(self, what: str, index: int) -> None:
        made, request, picture = self.stage.made, self.stage.request, None
        if made is None or request is None:
            return
        picture = made.images[index] if 0 <= index < len(made.images) else None
        if what == Results.SAVE_GRID:
            self._save_grid(made, request)
        elif what == Results.COPY_GRID:
            QGuiApplication.clipboard().setImage(to_qimage(self._studio.jobs.grid(made.images)))
            self._studio.said.emit(tr("Copied"))
        elif picture is None:
            return
        elif what == Results.VARY:
            self._vary(made, index)
        elif what == Results.NEAREST:
            self.stage.look_for_nearest(picture)
        elif what in (Results.LEFT, Results.RIGHT):
            self._studio.blend_wanted.emit("A" if what == Results.LEFT else "B", self.files[index] if index < len(self.files) else picture)
        elif what == Results.COPY:
            QGuiApplication.clipboard().setImage(self.stage.results.grid.picture(index))
            self._studio.said.emit(tr("Copied"))
        elif what == Results.SAVE:
            self._save(picture, f"picture-{made.seeds[index]}.png", recipe(request, seed=made.seeds[index], model_step=made.model_step, made_on=made.device, count=1))
        elif what == Results.GALLERY:
            self._open_picture(index)

    @Slot(int)
    def _open_picture(self, index: int) -> None:
        self._studio.page_wanted.emit(f"Gallery:{self.files[index]}" if index < len(self.files) else "Gallery")

    def _vary(self, made: ImagesReady, index: int) -> None:
        """The controls stay as they are set: what variations need beside them concerns these pictures only."""
        frame, shown = self.stage.branch, self.stage.request
        if frame is None or shown is None or self._studio.sampling.active or self.stage.refuse_foreign():
            return
        self._make(variations(shown, made.seeds[index], frame.timestep, frame.steps_left, made.model_step, max(2, self.count.value()), random.randrange(MAX_SEED)))

    @Slot()
    def _start_from_frame(self) -> None:
        frame, made, shown, chosen = self.stage.chosen_frame, self.stage.made, self.stage.request, self.stage.results.grid.current
        if frame is None or made is None or shown is None or chosen < 0 or self.stage.refuse_foreign():
            return
        walk = replace(shown, seed=made.seeds[chosen], count=1)
        self.controls.begin_at(Start(walk, frame.timestep, made.model_step), frame.steps_left)
        self._studio.said.emit(tr("The next pictures begin at t = {t}: choose another sampler, more steps or a guide, and Generate", t=frame.timestep))

    def _save_grid(self, made: ImagesReady, request: SampleRequest) -> None:
        notes = recipe(request, model_step=made.model_step, made_on=made.device, count=len(made.images), first_seed=made.seeds[0])
        self._save(self._studio.jobs.grid(made.images), f"pictures-{made.seeds[0]}-{made.seeds[-1]}.png", notes)

    def _save(self, picture: Images, name: str, notes: dict[str, Any]) -> None:
        dialogs.choose_target(self.window(), self._studio, tr("Save the picture"), name, lambda path: save_png(self._studio, path, picture, notes))
