"""Drop pictures, press Start, watch noise become pictures."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QStackedWidget, QWidget

from ddpm_studio import runs
from ddpm_studio.errors import UserError
from ddpm_studio.events import Event, Failed, PreviewReady, StepDone
from ddpm_studio.gui import theme
from ddpm_studio.gui.pages.dataset_section import DatasetSection
from ddpm_studio.gui.pages.dataset_view import DatasetView
from ddpm_studio.gui.pages.expectations import Expectations
from ddpm_studio.gui.pages.exporting import export_plot
from ddpm_studio.gui.pages.past_run import PastRun
from ddpm_studio.gui.pages.resume_offer import ResumeOffer
from ddpm_studio.gui.pages.train_settings import TrainSettings
from ddpm_studio.gui.presenters import ACTIVE, State
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.widgets.basics import ElidedLabel, button, column, label, row
from ddpm_studio.gui.widgets.containers import Card, ControlColumn
from ddpm_studio.gui.widgets.inputs import Segments
from ddpm_studio.gui.widgets.live_panel import LivePanel
from ddpm_studio.gui.widgets.plot import Plot
from ddpm_studio.gui.widgets.welcome import SHOWN_RUNS, Welcome
from ddpm_studio.gui.words import elided
from ddpm_studio.gui.workers import LatestRun
from ddpm_studio.language import later, tr
from ddpm_studio.requests import TrainRequest
from ddpm_studio.runs import Run

PICTURES, LIVE = 0, 1
WELCOME, DATASET, OWN, PAST = 0, 1, 2, 3
"""What the stack holds: of the views the first two are the one, the others the other."""
BUTTON_TEXTS = {
    State.WAITING: later("Waiting…"), State.PREPARING: later("Preparing…"), State.RUNNING: later("Training…"), State.PAUSING: later("Pausing…"),
    State.PAUSED: later("Paused"), State.MAKING_ROOM: later("Making room…"), State.STOPPING: later("Saving…"),
}


class TrainPage(QWidget):
    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self.setObjectName("trainPage")
        self.setAccessibleName(tr("Train"))
        self._studio = studio
        self._shown = ""
        """Name of the run whose curves are shown."""
        self._past = False
        """It is not in training, but replayed."""
        self._resumed: TrainRequest | None = None
        self._journal = LatestRun(self, interval=33)
        """Reads the journal of a run that goes on."""
        self._held: list[Event] = []
        """What the run in training has said meanwhile: it comes after its past."""
        self._keeps_view_for: Path | None = None
        """The data set that is opened again in a window of another language: not to be looked at."""
        self.dataset = DatasetSection(studio)
        self.expectations = Expectations(studio, self.dataset)
        self.settings = TrainSettings(self.expectations)
        self.expectations.follow(self.settings)
        self.train_button = button(tr("Start training"), "trainButton", "play", "primary", tr("Start training (Ctrl+T)"))
        self.pause_button = button(tr("Pause"), "pauseButton", "pause", tip=tr("Save and pause (Ctrl+P)"))
        self.stop_button = button(tr("Stop"), "stopButton", "square", tip=tr("Save and stop; the run can be continued"))
        self.missing = label("", "caption", "missingLabel", wrap=True)
        footer = QWidget()
        buttons = row(self.train_button, self.pause_button, self.stop_button)
        buttons.setStretch(0, 1)
        footer.setLayout(column(self.missing, buttons, spacing=8))
        controls = ControlColumn(self.dataset, self.settings, footer=footer)
        self.live = LivePanel()
        self.setLayout(row(controls, self._make_stage(), spacing=16))
        self._connect()
        self._show_state(studio.training.state)
        self.offer.look()

    def _make_stage(self) -> QWidget:
        self.view = Segments((tr("Pictures"), tr("Live")), "trainView", tr("What is shown"))
        self.stage_title = ElidedLabel("", "caption", "stageCaption")
        keep = self.stage_title.sizePolicy()
        keep.setRetainSizeWhenHidden(True)  # or the switch beside it would jump
        self.stage_title.setSizePolicy(keep)
        self.pictures = DatasetView(self._studio, self.dataset)
        self.welcome = Welcome()
        self.stack = QStackedWidget()
        self.past = PastRun(self._studio, self.live)
        self.back_button = button("", "backToTrainingButton", "arrow-left", "link", tip=tr("The curve and the previews of the run in training"))
        for part in (Card(self.welcome), self.pictures, self.live, self.past):
            self.stack.addWidget(part)
        self.offer = ResumeOffer(self._studio)
        self.head = QWidget()
        self.head.setLayout(row(self.view, 4, self.stage_title, self.back_button))
        stage = QWidget()
        stage.setLayout(column(self.offer, self.head, self.stack, spacing=12))
        return stage

    def _connect(self) -> None:
        studio = self._studio
        self.dataset.ready.connect(self._dataset_ready)
        self.dataset.busy_changed.connect(self._show_readiness)
        self.pictures.crop_chosen.connect(self.settings.set_crop)
        for something in (self.dataset.report_view.chosen, self.dataset.report_view.left_out_wanted):
            something.connect(lambda *_: self._set_view(PICTURES))
        self.settings.data_changed.connect(self._data_changed)
        self.train_button.clicked.connect(self.start)
        self.pause_button.clicked.connect(studio.training.toggle_pause)
        self.stop_button.clicked.connect(studio.training.stop)
        self.view.chosen.connect(self._show_view)
        self.offer.resume_wanted.connect(self.resume)
        self.offer.watch_wanted.connect(self.replay)
        for panel in (self.live.plots, self.past):
            panel.export_wanted.connect(self._export_plot)
        self.back_button.clicked.connect(self._leave_past)
        self.welcome.generate.clicked.connect(studio.generate_wanted)
        self.welcome.train.clicked.connect(self.dataset.browse)
        self.welcome.train.dropped.connect(self.dataset.open)
        self.welcome.blend.clicked.connect(lambda: studio.page_wanted.emit("Blend"))
        self.welcome.run_chosen.connect(studio.replay_wanted)
        studio.runs_changed.connect(self._show_recent)
        studio.training.state_changed.connect(self._show_state)
        studio.training.events.connect(self._receive)
        self._journal.events.connect(self.live.receive)
        self._journal.events.connect(studio.report_failures)
        self._journal.idle.connect(self._release)
        studio.device_found.connect(lambda kind, words: self.settings.set_device(kind))
        studio.resume_wanted.connect(self.resume)
        studio.replay_wanted.connect(self.replay)
        studio.run_renamed.connect(self._run_renamed)
        studio.settings_wanted.connect(self.settings.adopt)
        studio.models_changed.connect(self._show_doors)

    def take_over(self, other: TrainPage) -> None:
        """The run that is shown there, as it went, and the offer to go on with one."""
        run = runs.find_run(other._shown) if other._shown else None
        if run is not None and run.exists and other.live.plots.loss.length:
            self._studio.training.replay(run)
            self._name_stage(run.name, past=True)
            self._set_view(other.view.current)
            self._keeps_view_for = other.dataset.source
        if other.offer.run is not None and not other.offer.isHidden():
            self.offer.look(other.offer.run)

    # Starting.

    @Slot()
    def start(self) -> None:
        if not self._studio.training.active and (request := self.request()) is not None:
            self._begin(request)

    def request(self) -> TrainRequest | None:
        """What the controls ask for; None, and a word about it, when something is missing or does not fit."""
        self.pictures.settle()
        source, report = self.dataset.source, self.dataset.report
        if self.dataset.busy:
            self._studio.failed.emit(Failed(tr("The pictures are still being read."), tr("Press Start again when the report has appeared.")))
            return None
        if source is None or report is None:
            self._studio.failed.emit(Failed(tr("There are no pictures to train on yet."), tr("Drop a folder of pictures on the Train page, or try the sample pictures.")))
            return None
        if edited := self.settings.focusWidget():
            edited.clearFocus()  # what is being typed counts
        try:
            self.settings.check()
            config = self.settings.config()
        except UserError as error:
            self._studio.failed.emit(Failed.of(error))
            return None
        run = runs.new_run(Path(report.name).stem or report.name, config.preset)
        return TrainRequest(run=run, data=source, config=config, start_from=self.settings.start_from, exclude=self.dataset.excluded or None, max_seconds=self.settings.max_seconds)

    @Slot(object)
    def resume(self, run: Run) -> None:
        """Go on with a run where it stopped, on the pictures that it was trained on."""
        if self._studio.training.active:
            return
        try:
            source = str(run.read_notes().get("source", ""))
        except UserError as error:
            self._studio.failed.emit(Failed.of(error))
            return
        if source and Path(source).exists():
            data = Path(source)
        elif self.dataset.source:
            data = self.dataset.source
        else:
            where = source or tr("unknown")
            self._studio.failed.emit(Failed(
                tr("The pictures of {name} are not where they were: {where}.", name=run.name, where=where),
                tr("Open them again on the Train page, then continue the run."),
            ))
            return
        if self.dataset.source != data and not self.dataset.busy:
            self.dataset.open([data])
        planned = runs.planned_seconds(run.read_notes())
        # To the end that was planned, if one was and it has not been reached; else as long as is chosen now, or until it is stopped.
        chosen = self.settings.duration_chosen or (planned is not None and planned[1] < 1)
        exclude = self.dataset.excluded if self.dataset.source == data and not self.dataset.busy else None  # not shown: as the run remembers it
        limit = self.settings.max_seconds if self.settings.duration_chosen else None
        self._resumed = TrainRequest(run=run, data=data, resume=True, exclude=exclude, max_seconds=limit, keep_plan=not chosen)
        self._begin(self._resumed)

    @Slot()
    def accept_new_data(self) -> None:
        """Go on with the run that was refused because its pictures have changed."""
        if self._resumed and not self._studio.training.active:
            self._begin(replace(self._resumed, accept_new_data=True))

    @Slot(object)
    def replay(self, run: Run) -> None:
        training = self._studio.training
        if training.active and training.run and training.run.path != run.path:
            self.past.show_run(run)
        elif training.active:
            self.past.leave()
        else:
            self._clear()
            training.replay(run)
            self._name_stage(run.name, past=True)
        self._studio.page_wanted.emit("Train")
        self._set_view(LIVE)

    @Slot()
    def _leave_past(self) -> None:
        self.past.leave()
        self._set_view(LIVE)
        self.live.setFocus()

    def _clear(self) -> None:
        """Nothing of the run that was shown may come any more."""
        self._journal.cancel()
        self._held.clear()
        self.past.leave()
        self.live.clear()

    def _begin(self, request: TrainRequest) -> None:
        self._clear()
        if request.resume:
            self._journal.request(self._studio.jobs.replay(request.run))
        self.offer.hide()
        self._studio.tried_again.emit()
        self._name_stage(request.run.name)
        self.settings.duration_chosen = False
        self._set_view(LIVE)
        self.live.setFocus()  # the button that has it is off in a moment
        self._studio.training.start(request)

    # Showing.

    def _name_stage(self, name: str, past: bool = False) -> None:
        self._shown, self._past = name, past
        self.live.call_past(past)
        self._show_head()

    @Slot(object, object)
    def _run_renamed(self, old: Run, new: Run) -> None:
        if self._shown == old.name:
            self._name_stage(new.name, self._past)
        if self.past.run == old:
            self.past.run = new
            self._show_head()
        if self._resumed and self._resumed.run == old:
            self._resumed = replace(self._resumed, run=new)
        self.offer.follow_rename(old)

    @Slot(Plot)
    def _export_plot(self, plot: Plot) -> None:
        export_plot(self, self._studio, plot, self.past.run.name if self.past.run else self._shown)

    @Slot(State)
    def _show_state(self, state: State) -> None:
        active = state in ACTIVE
        self._show_readiness()
        self.train_button.setText(tr(BUTTON_TEXTS.get(state, "Start training")))
        paused = state in (State.PAUSED, State.PAUSING)
        self.pause_button.setEnabled(active and state not in (State.WAITING, State.STOPPING))
        words = tr("Resume") if paused else tr("Pause")
        self.pause_button.setToolTip(tr("Stay paused when the pictures are done (Ctrl+P)") if state is State.MAKING_ROOM else tr("Save and pause (Ctrl+P)"))
        self.pause_button.setText(words)
        self.pause_button.setAccessibleName(words)
        theme.set_icon(self.pause_button, "play" if paused else "pause")
        self.stop_button.setEnabled(active and state is not State.STOPPING)
        self.dataset.zone.setEnabled(not active)
        self.settings.setEnabled(not active)
        self.pictures.set_locked(active)
        if not active:
            self._data_changed()  # what has changed meanwhile
        if state is State.FAILED and not self.live.plot.series.size:
            self._set_view(PICTURES)  # it ended before there was anything to watch
        if state is State.DONE and self._studio.training.stopped:
            self.offer.look(self._studio.training.run)
        self._show_head()

    @Slot()
    def _show_readiness(self) -> None:
        missing = tr("The pictures are still being read") if self.dataset.busy else "" if self.dataset.report else tr("First drop pictures above, or try the samples")
        active = self._studio.training.active
        self.train_button.setEnabled(not active and not missing)
        self.train_button.setToolTip(missing or tr("Start training (Ctrl+T)"))
        self.missing.setText(missing)
        self.missing.setVisible(bool(missing) and not active)

    @Slot(list)
    def _receive(self, batch: list[Event]) -> None:
        if self._journal.busy:
            self._held.extend(batch)
            return
        self.live.receive(batch)
        if any(isinstance(event, (StepDone, PreviewReady)) for event in batch):
            self._show_head()

    @Slot()
    def _release(self) -> None:
        held, self._held = self._held, []
        self._receive(held)

    @Slot()
    def _dataset_ready(self) -> None:
        if self.dataset.report:
            self.settings.set_report(self.dataset.report)
        if not self._studio.training.active and (self._keeps_view_for is None or self.dataset.source != self._keeps_view_for):
            self._set_view(PICTURES)
        self._keeps_view_for = None

    @Slot()
    def _data_changed(self) -> None:
        self.dataset.set_settings(self.settings.data_config)

    @Slot(int)
    def _show_view(self, view: int) -> None:
        self._set_view(view)

    def _set_view(self, view: int) -> None:
        self.view.choose(view)
        if view == LIVE:
            self.stack.setCurrentIndex(PAST if self.past.run else OWN)
        else:
            self.stack.setCurrentIndex(DATASET if self.dataset.report else WELCOME)
        self._show_head()

    def _show_head(self) -> None:
        live, past = self.stack.currentIndex() in (OWN, PAST), self.past.run
        something = live or self._studio.training.active or self.live.plot.series.size > 0 or bool(self.live.previews) or past is not None
        self.head.setVisible(something)
        name = past.name if past else self._shown
        self.stage_title.setText(tr("{name}, as it went", name=name) if past or self._past else name)
        self.stage_title.setVisible(live)  # the name of the run says nothing about the pictures
        self.back_button.setText(tr("Back to {name}", name=elided(self._shown, 24)))
        self.back_button.setAccessibleName(self.back_button.text())
        self.back_button.setVisible(live and past is not None)

    @Slot()
    def _show_doors(self) -> None:
        self.settings.set_models(self._studio.models)
        self.welcome.set_models(bool(self._studio.models))

    def showEvent(self, event: object) -> None:
        self._show_recent()
        self.offer.look_again()

    @Slot()
    def _show_recent(self) -> None:
        if self.isVisible() and self.stack.currentIndex() == 0:
            self.welcome.set_runs(list(islice(runs.newest_runs(), SHOWN_RUNS)))
