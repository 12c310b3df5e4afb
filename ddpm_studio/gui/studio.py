"""What all pages share: the presenters, the models, and a few messages between pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from ddpm_studio.errors import UserError
from ddpm_studio.events import CheckpointSaved, Event, Failed, Images, TrainingStarted
from ddpm_studio.gui import preferences
from ddpm_studio.gui.answers import DeviceFound, ModelChoice, ModelsListed
from ddpm_studio.gui.feature_presenter import FeaturePresenter
from ddpm_studio.gui.jobs import Jobs
from ddpm_studio.gui.presenters import BlendPresenter, SamplingPresenter, State, TrainingPresenter
from ddpm_studio.gui.undo_stack import UndoStack
from ddpm_studio.gui.words import count
from ddpm_studio.gui.workers import DeviceLane, Job, LatestRun, RunThread, writing_threads
from ddpm_studio.language import tr
from ddpm_studio.requests import request_of
from ddpm_studio.runs import Run, moved


class Studio(QObject):
    said = Signal(str)
    """A sentence for the status line, about the page in sight: it goes when another one is shown, unless that is in the same turn."""
    failed = Signal(Failed)
    noticed = Signal(str)
    """What is to be known of something that goes on, for the banner."""
    models_changed = Signal()
    model_changed = Signal()
    device_found = Signal(str, str)
    dataset_opened = Signal()
    gallery_changed = Signal()
    runs_changed = Signal()
    page_wanted = Signal(str)
    generate_wanted = Signal()
    blend_wanted = Signal(str, object)
    """The letter of a picture ("A" and on), or "" for the next that is free, and a path or uint8 [H, W, C]."""
    recipe_wanted = Signal(dict, Path)
    """The settings of a picture, for the page that makes such, and its file."""
    picture_dropped = Signal(Path)
    """One that was made here: its settings are wanted."""
    recreate_wanted = Signal(Path, bool)
    """A picture whose settings are set now can be made again and compared; True: at once."""
    resume_wanted = Signal(object)
    """A Run to go on with."""
    run_renamed = Signal(object, object)
    """A Run, and the same under its new name."""
    tried_again = Signal()
    """What went wrong before is no longer of interest."""
    replay_wanted = Signal(object)
    settings_wanted = Signal(object)
    """A RunConfig that a new run is to have."""

    def __init__(self, jobs: Jobs | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.jobs = jobs or Jobs()
        self.preferences = preferences.load()
        self.undo_stack = UndoStack(self)
        self.lane = DeviceLane(self)
        self.training = TrainingPresenter(self.jobs, self.lane, self)
        self.sampling = SamplingPresenter(self.jobs, self.lane, self)
        self.blending = BlendPresenter(self.jobs, self.lane, self)
        self.features = FeaturePresenter(self.jobs, self.lane, self)
        self.models: tuple[ModelChoice, ...] = ()
        self.model: ModelChoice | None = None
        self.device = "cpu"
        self.examples: Images = np.zeros((0, 1, 1, 3), np.uint8)
        self._wanted_model = Path(self.preferences.last_model) if self.preferences.last_model else None
        self._in_training: ModelChoice | None = None
        self._listing = LatestRun(self, interval=33)
        self._listing.events.connect(self._models_listed)
        self._listing.events.connect(self.report_failures)
        self.undo_stack.refused.connect(self.must_wait)
        self.training.events.connect(self._follow_training)
        self.training.state_changed.connect(self._training_state)
        blending = self.blending
        for events in (self.training.events, self.sampling.events, blending.events, blending.sheet_events, blending.film_events, self.features.events):
            events.connect(self.report_failures)

    def ask(self, job: Job, receive: Callable[[list[Event]], None]) -> RunThread:
        """Run a short job beside everything else; failures go to the banner."""
        thread = RunThread(job)
        thread.events.connect(receive)
        thread.events.connect(self.report_failures)
        thread.launch()
        return thread

    @Slot()
    def must_wait(self) -> bool:
        """During a training, what it was begun with stays as it is: say so, and that it has to end first."""
        if self.training.active:
            self.failed.emit(Failed(tr("This has to wait until the training has ended."), tr("Stop the training first; it can be continued at any time.")))
        return self.training.active

    def remember(self, **changes: object) -> None:
        self.preferences = self.preferences.model_copy(update=changes)
        preferences.save(self.preferences)

    def follow_rename(self, old: Run, new: Run) -> None:
        """The run of this window that was trained last may be that one, and so may models. They are the same models as before."""
        self._listing.cancel()  # what is on its way knows the old name only; whoever renames asks for another list
        if self.training.run == old:
            self.training.run = new
        if self.preferences.dismissed_run == old.name:
            self.remember(dismissed_run=new.name)
        before, self.model = self.model, self.model and self.model.after_rename(old, new)
        self.models = tuple(model.after_rename(old, new) for model in self.models)
        self._wanted_model = self._wanted_model and moved(self._wanted_model, old, new)
        self.models_changed.emit()
        self.run_renamed.emit(old, new)
        if self.model and self.model != before:
            self._wanted_model = self._wanted_model or self.model.path  # a list that is on its way may not know it
            self.remember(last_model=str(self.model.path))

    # Models.

    def refresh_models(self, want: Path | None = None) -> None:
        """Look again which models there are; `want` is chosen as soon as it is among them."""
        if want is not None:
            self._wanted_model = want
        self._listing.request(self.jobs.models(self._wanted_model or (self.model.path if self.model else None)), patient=True)

    def choose_model(self, model: ModelChoice | None) -> None:
        """Because somebody wants this one now, whichever was wanted before."""
        self._wanted_model = None
        self._take_model(model)

    def _take_model(self, model: ModelChoice | None) -> None:
        before, self.model = self.model, model
        if model and before and model.path != before.path:
            self.remember(last_model=str(model.path))
        if _shape(before) != _shape(model) or (before and model and before.path != model.path):  # not when only the label says a later step
            self.model_changed.emit()

    @property
    def model_on_offer(self) -> ModelChoice | None:
        """That of the run in training, or trained last, while another one is chosen: nobody's choice changes by itself."""
        run, chosen = self.training.run, self.model.path if self.model else None
        return next((model for model in self.models if run and model.path == run.model_file != chosen), None)

    def find_model(self, name: str) -> ModelChoice | None:
        """By its name or path; one that had this name before comes after all that have it now."""
        present = next((model for model in self.models if name in (model.name, str(model.path))), None)
        return present or next((model for model in self.models if name in model.former), None)

    def present_name(self, name: str) -> str:
        """What a model, or an earlier state of one (with @STEP), is called by now."""
        called, at, step = name.partition("@")
        model = self.find_model(called)
        return f"{model.name}{at}{step}" if model else name

    def open_settings(self, picture: Path, recipe: dict[str, Any]) -> bool:
        """Choose the model of a picture, and let the page that makes such pictures take over its settings; True when one does."""
        page = {"sample": "Generate", "blend": "Blend"}.get(str(recipe.get("kind")))
        if page is None:
            hint = tr("Only pictures of the pages Generate and Blend can be opened for their settings.")
            self.failed.emit(Failed(tr("{name} was made in another way.", name=picture.name), hint))
            return False
        name = str(recipe.get("model", ""))
        model = self.find_model(name)
        if model is None:
            hint = tr("Choose another one on the Generate page: the same seed then gives another picture.")
            self.failed.emit(Failed(tr("The model {name} is not here any more.", name=name), hint))
            return False
        try:
            if page == "Generate":
                request_of(recipe, model.path)  # a stranger's may ask for anything
        except UserError as error:
            self.failed.emit(Failed.of(error))
            return False
        self.choose_model(model)
        self.models_changed.emit()
        self.page_wanted.emit(page)
        self.recipe_wanted.emit(recipe, picture)
        made_at, now = recipe.get("model_step"), self.jobs.model_step(model.path)
        if isinstance(made_at, int) and now is not None and made_at != now:
            said = tr("Made when {name} was at step {then}; at step {now} the same seed gives another picture", name=model.name, then=count(made_at), now=count(now))
            self.said.emit(said)
        return True

    @Slot(list)
    def _models_listed(self, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, ModelsListed):
                self._show_models(event.models)
                by_path = {model.path: model for model in self.models}
                if wanted := by_path.get(self._wanted_model) if self._wanted_model else None:
                    self.choose_model(wanted)
                else:
                    kept = by_path.get(self.model.path) if self.model else None
                    self._take_model(kept or next(iter(self.models), None))

    def take_over(self, other: Studio) -> None:
        """The models that are known, and which of them is chosen."""
        self._show_models(other.models)
        if other.model is not None:
            self.choose_model(other.model)

    # Between engines and pages.

    @Slot(list)
    def report_failures(self, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, Failed):
                self.failed.emit(event)
            elif isinstance(event, DeviceFound):
                self.device = event.kind
                self.device_found.emit(event.kind, event.words)

    @Slot(list)
    def _follow_training(self, batch: list[Event]) -> None:
        run = self.training.run
        if run is None:
            return
        for event in batch:
            if isinstance(event, TrainingStarted):
                self._offer_model_in_training(run)
            elif isinstance(event, CheckpointSaved):
                self.refresh_models()

    def _offer_model_in_training(self, run: Run) -> None:
        """It can be used at once: whoever borrows the device makes training save first."""
        try:
            config = run.read_config()
        except UserError:
            return
        data = config.data
        self._in_training = ModelChoice(
            run.name, tr("{name} · in training", name=run.name), run.model_file, data.shape, config.diffusion.num_timesteps, data.background
        )
        self._show_models(self.models)
        if self.model is None:
            self._take_model(self._in_training)

    def _show_models(self, models: tuple[ModelChoice, ...]) -> None:
        extra = self._in_training
        missing = extra and self.training.active and all(model.path != extra.path for model in models)
        self.models = (extra, *models) if extra and missing else models
        self.models_changed.emit()

    @Slot(State)
    def _training_state(self, state: State) -> None:
        if state in (State.DONE, State.FAILED, State.RUNNING):
            self.runs_changed.emit()
        if state in (State.DONE, State.FAILED):
            self._in_training = None
            self.refresh_models()  # without it, if it has never saved

    @property
    def busy(self) -> bool:
        """Whether something computes, or waits to, or writes files."""
        return self.training.active or self.sampling.active or self.blending.busy or bool(writing_threads())

    def shut_down(self) -> None:
        """Ask everything to end; training saves first."""
        self.blending.cancel()
        self.features.cancel()
        self.sampling.cancel()
        self.training.stop()


def _shape(model: ModelChoice | None) -> tuple[object, ...] | None:
    return None if model is None else (model.path, model.shape, model.num_timesteps)
