"""The window: navigation at the left, one page at a time, training in sight at the bottom."""

from __future__ import annotations

import logging
import time
from functools import partial
from pathlib import Path

from PySide6.QtCore import QByteArray, QCoreApplication, QEvent, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QGuiApplication, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QApplication, QComboBox, QMainWindow, QSizePolicy, QStackedWidget, QWidget

from ddpm_studio import language, paths
from ddpm_studio.events import BlendReady, CheckpointSaved, Event, Failed, Finished, ImagesReady, Notice, Progress, StepDone, TrainingStarted
from ddpm_studio.gui import motion, preferences, theme, workers
from ddpm_studio.gui.answers import RecipeRead
from ddpm_studio.gui.jobs import Jobs
from ddpm_studio.gui.layout_memory import kept_settings, restore_views, save_views
from ddpm_studio.gui.menus import Menus
from ddpm_studio.gui.model_lines import show_models
from ddpm_studio.gui.notifications import Notifier
from ddpm_studio.gui.pages.blend import BlendPage
from ddpm_studio.gui.pages.gallery import GalleryPage
from ddpm_studio.gui.pages.generate import GeneratePage
from ddpm_studio.gui.pages.inside import InsidePage
from ddpm_studio.gui.pages.runs import RunsPage
from ddpm_studio.gui.pages.train import TrainPage
from ddpm_studio.gui.presenters import ACTIVE, State
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.undo import History, controls_of
from ddpm_studio.gui.widgets.basics import ElidedLabel, button, column, label, press_focused, row
from ddpm_studio.gui.widgets.drop_zone import local_files, lone_png
from ddpm_studio.gui.widgets.error_banner import ErrorBanner
from ddpm_studio.gui.widgets.navigation import NavigationRail
from ddpm_studio.gui.widgets.saving_overlay import SavingOverlay
from ddpm_studio.gui.widgets.status_line import StatusLine
from ddpm_studio.gui.words import elided, loss, short_count, time_left
from ddpm_studio.gui.workers import LatestRun
from ddpm_studio.language import later, tr
from ddpm_studio.requests import is_reproducible

log = logging.getLogger(__name__)

PAGES = (
    (later("Train"), "activity", later("Train on your own pictures")),
    (later("Generate"), "sparkles", later("Make new pictures from noise")),
    (later("Blend"), "blend", later("Blend pictures")),
    (later("Gallery"), "images", later("Pictures that were made")),
    (later("Runs"), "history", later("What was trained")),
    (later("Inside"), "network", later("Look inside the network")),
)
"""Name, icon and tip of each. By the name the program knows a page; people read its translation."""
SUBTITLES = {
    "Train": later("Drop pictures, press Start, watch noise become pictures"),
    "Generate": later("Every picture begins as noise"),
    "Blend": later("Noise some pictures, mix them, and let the network find what lies between"),
    "Gallery": later("Every picture knows how it was made"),
    "Runs": later("Continue, compare, use"),
    "Inside": later("What noise does to a picture, and what the network is made of"),
}
UNDOABLE = {
    "Generate": ("countSpin", "samplerCombo", "stepsSpin", "etaSpin", "seedSpin", "guideCombo", "guidanceSpin"),
    "Blend": ("timestepSlider", "noiseCombo", "blendSeedSpin", "filmStepsSpin", "lambdaSlider"),  # behind its pictures, which may set lambda
    "Inside": ("forwardScheduleCombo", "forwardRootsCheck", "forwardSeedSpin", "timestepForwardSlider"),
}
"""Controls of the pages whose changes can be taken back, beside the settings of a training."""
WITH_MODEL = ("Generate", "Blend", "Inside")
TONES = {
    State.RUNNING: "ok", State.PREPARING: "accent", State.WAITING: "accent", State.PAUSED: "warn", State.MAKING_ROOM: "warn", State.PAUSING: "warn",
    State.STOPPING: "warn", State.FAILED: "bad",
}

CLOSING_SECONDS = 7.5
TITLE_BAR = 36
"""About what a window manager puts on top; without it a small screen would hide the status line."""


class MainWindow(QMainWindow):
    trainingStarted = Signal()
    trainingStopped = Signal()
    generationFinished = Signal(list)
    blendUpdated = Signal(float)
    language_chosen = Signal()
    """Nothing runs: another window can take the place of this one, in another language."""

    def __init__(self, jobs: Jobs | None = None) -> None:
        super().__init__()
        self.setObjectName("mainWindow")
        self.setWindowTitle("DDPM Studio")
        self.setWindowIcon(theme.app_icon())
        self.setMinimumSize(960, 640)
        self.setAcceptDrops(True)
        self.studio = Studio(jobs, self)
        self._opening = LatestRun(self)
        self._opened: Path | None = None
        self._made = False
        self._was_training = False
        self._closing, self._close_began = False, 0.0
        self._speed = ""
        self._device = ""
        self.rail = NavigationRail(PAGES)
        self.banner = ErrorBanner()
        self.status = StatusLine()
        self.pages: dict[str, QWidget] = {
            "Train": TrainPage(self.studio), "Generate": GeneratePage(self.studio), "Blend": BlendPage(self.studio),
            "Gallery": GalleryPage(self.studio), "Runs": RunsPage(self.studio), "Inside": InsidePage(self.studio),
        }
        self.stack = QStackedWidget()
        for page in self.pages.values():
            self.stack.addWidget(page)
        self._build()
        self.overlay = SavingOverlay(self)
        self.notifier = Notifier(self)
        motion.calm_bars(self)
        self.menus = Menus(self, PAGES)
        self._connect()
        self._restore()
        self._keep_histories()
        self.studio.refresh_models()

    @property
    def train_page(self) -> TrainPage:
        page = self.pages["Train"]
        assert isinstance(page, TrainPage)
        return page

    # Building.

    def _build(self) -> None:
        self.title = label("", "title", "pageTitle")
        self.subtitle = ElidedLabel("", "caption", "pageSubtitle")
        self.model_label = label(tr("Model"), "field")
        self.model_combo = QComboBox()
        self.model_combo.setObjectName("modelCombo")
        self.model_combo.setAccessibleName(tr("Model"))
        self.model_combo.setMinimumWidth(240)
        self.model_combo.setMaximumWidth(400)
        self.model_combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.model_combo.setPlaceholderText(tr("No model yet"))
        self.model_label.setBuddy(self.model_combo)
        self.offer_button = button("", "useNewestButton", tip=tr("Use the run in training"))
        header = QWidget()
        header.setFixedHeight(44)
        parts = row(column(self.title, self.subtitle, spacing=0), self.offer_button, self.model_label, self.model_combo)
        parts.setStretch(0, 1)
        parts.setStretch(3, 1)
        header.setLayout(parts)
        body = QWidget()
        layout = column(header, self.banner, self.stack, spacing=12, margins=(16, 12, 16, 12))
        layout.setStretch(2, 1)
        body.setLayout(layout)
        centre = QWidget()
        whole = row(self.rail, body, spacing=0)
        whole.setStretch(1, 1)
        centre.setLayout(whole)
        self.setCentralWidget(centre)
        bar = self.statusBar()
        bar.setSizeGripEnabled(False)
        bar.addWidget(self.status, 1)

    def _connect(self) -> None:
        studio = self.studio
        self.rail.chosen.connect(lambda i: self.show_page(PAGES[i][0]))
        self.model_combo.activated.connect(self._model_chosen)
        self.offer_button.clicked.connect(lambda: studio.choose_model(studio.model_on_offer or studio.model))
        self.status.theme_button.clicked.connect(self.toggle_theme)
        studio.said.connect(self._say)
        studio.failed.connect(self._failed)
        self.train_page.dataset.opening.connect(self._forget_failure)
        studio.tried_again.connect(self._forget_failure)
        studio.models_changed.connect(self._show_models)
        studio.model_changed.connect(self._show_models)
        studio.page_wanted.connect(self.show_page)
        studio.device_found.connect(self._device_found)
        studio.training.state_changed.connect(self._training_state)
        studio.training.events.connect(self._training_events)
        studio.sampling.state_changed.connect(self._sampling_state)
        studio.sampling.events.connect(self._sampling_events)
        studio.blending.events.connect(self._blend_events)
        studio.lane.lent.connect(self._lent)
        self._opening.events.connect(self._recipe_read)
        self.overlay.quit_now.connect(self._quit_now)
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._scheme_changed)
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        application.focusChanged.connect(self._focus_moved)

    @Slot(QWidget, QWidget)
    def _focus_moved(self, old: QWidget | None, new: QWidget | None) -> None:
        """When a button goes grey, Qt hands its focus on to whatever comes next, perhaps at the other end of the window,
        where the next Space would do something else. It stays on the page instead."""
        page = self.stack.currentWidget()
        if page is not None and old is not None and new is not None and not old.isEnabled() and page.isAncestorOf(old) and not page.isAncestorOf(new):
            page.setFocus()

    def _keep_histories(self) -> None:
        settings = self.train_page.settings
        history = History(self.studio, "Train", settings, settings.controls())
        history.went.connect(settings.show_changes)
        settings.adopted.connect(partial(history.record, tr("Settings of a run")))
        blend = self.pages["Blend"]
        assert isinstance(blend, BlendPage)
        first = {"Blend": blend.mixture()}
        histories = {name: History(self.studio, name, self.pages[name], first.get(name, []) + controls_of(self.pages[name], controls)) for name, controls in UNDOABLE.items()}
        generate = self.pages["Generate"]
        assert isinstance(generate, GeneratePage)
        generate.controls.guide_replaced.connect(histories["Generate"].settle)

    # Pages and themes.

    @Slot(str)
    def show_page(self, name: str) -> None:
        name, _, detail = name.partition(":")
        index = [page for page, _, _ in PAGES].index(name)
        if index != self.stack.currentIndex():
            self.banner.hide()  # a complaint belongs to the page where it arose
        self.rail.choose(index)
        self.stack.setCurrentIndex(index)
        QCoreApplication.sendPostedEvents(None, QEvent.Type.UpdateLater.value)  # or the page would be painted three times
        self.title.setText(tr(name))
        self.subtitle.setText(tr(SUBTITLES[name]))
        for widget in (self.model_label, self.model_combo):
            widget.setVisible(name in WITH_MODEL)
        self._show_offer()
        gallery = self.pages["Gallery"]
        if detail and isinstance(gallery, GalleryPage):
            gallery.choose(Path(detail))

    @property
    def page(self) -> str:
        return PAGES[self.stack.currentIndex()][0]

    def set_theme(self, choice: str) -> None:
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        theme.apply(app, choice)
        self.studio.remember(theme=choice)
        self._show_theme()

    def set_reduced_motion(self, reduce: bool) -> None:
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        motion.apply(app, reduce)
        self.studio.remember(reduced_motion=reduce)

    @Slot()
    def toggle_theme(self) -> None:
        self.set_theme("light" if theme.name() == "dark" else "dark")

    def _show_theme(self) -> None:
        self.menus.themes[self.studio.preferences.theme].setChecked(True)
        self.menus.reduced_motion.setChecked(motion.reduced())
        theme.set_icon(self.status.theme_button, "sun" if theme.name() == "dark" else "moon", "dim", 18)
        self.status.theme_button.setToolTip(tr("Switch to the light theme") if theme.name() == "dark" else tr("Switch to the dark theme"))

    @Slot()
    def _scheme_changed(self) -> None:
        if self.studio.preferences.theme == "system":
            self.set_theme("system")

    def set_language(self, choice: str) -> None:
        """At once where nothing runs; else at the next start, which is said in that language."""
        before, after = language.spoken(), preferences.spoken(choice)
        self.studio.remember(language=choice)
        if before == after:
            return
        if not self.studio.busy:
            self.language_chosen.emit()
            return
        language.speak(after, paths.languages_dir())
        self.status.say(tr("The language changes when DDPM Studio is started again: something runs now"), "accent")
        language.speak(before, paths.languages_dir())

    # Models.

    @Slot()
    def _show_models(self) -> None:
        studio = self.studio
        show_models(self.model_combo, studio.models)
        paths_shown = [model.path for model in studio.models]
        self.model_combo.setCurrentIndex(paths_shown.index(studio.model.path) if studio.model and studio.model.path in paths_shown else -1)
        self.model_combo.setEnabled(bool(studio.models))
        self._show_offer()

    def _show_offer(self) -> None:
        model = self.studio.model_on_offer
        self.offer_button.setVisible(model is not None and self.page in WITH_MODEL)
        if model:
            text = tr("Use {name}", name=elided(model.name, 20))
            self.offer_button.setText(text)
            self.offer_button.setAccessibleName(text)
            theme.set_icon(self.offer_button, "sparkles")
            training = self.studio.training.active
            self.offer_button.setToolTip(tr("Choose the run in training; it saves first") if training else tr("Choose the model of the run that was trained last"))

    @Slot(int)
    def _model_chosen(self, index: int) -> None:
        self.studio.choose_model(self.model_combo.itemData(index))

    @Slot(str, str)
    def _device_found(self, kind: str, words: str) -> None:
        self._device = words
        self._show_device()
        if not self.studio.training.active:
            self.status.say(tr("Ready"))

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.stack.setFocus()  # no ring around anything before somebody uses the keyboard

    # What runs.

    @Slot(State)
    def _training_state(self, state: State) -> None:
        active = state in ACTIVE
        run = self.studio.training.run
        name, step = run.name if run else tr("the run"), self.studio.training.step
        texts = {
            State.WAITING: tr("Waiting for the pictures to be done"),
            State.PREPARING: tr("Preparing {name}", name=name),
            State.RUNNING: tr("Training {name}", name=name),
            State.PAUSING: tr("Saving and pausing {name}", name=name),
            State.PAUSED: tr("{name} is paused at step {step:,}", name=name, step=step),
            State.MAKING_ROOM: tr("{name} makes room and goes on afterwards", name=name),
            State.STOPPING: tr("Saving {name}", name=name),
            State.DONE: tr("{name} stopped at step {step:,}; its model is ready, and it can be continued", name=name, step=step)
            if self.studio.training.stopped and step
            else tr("{name} ended at step {step:,}; its model is ready", name=name, step=step),
            State.FAILED: tr("{name} stopped with an error", name=name),
            State.IDLE: tr("Ready"),
        }
        self.status.say(texts[state], TONES.get(state, "faint"))
        if state in (State.DONE, State.FAILED) and not self._closing:
            self.notifier.tell(self.windowTitle(), texts[state], state is State.FAILED)  # the window may be behind others, after hours
        self.rail.buttons[0].set_busy(active)
        self.menus.start.setEnabled(not active)
        self.menus.pause.setEnabled(active)
        self.menus.stop.setEnabled(active)
        if not active:
            self._speed = ""
            self.status.set_progress(None)
            self._show_device()
        if active and not self._was_training:
            self._was_training = True
            self.status.set_progress(-1.0)
            self.trainingStarted.emit()
        elif not active and self._was_training:
            self._was_training = False
            self.trainingStopped.emit()
            if self._closing and state is State.FAILED:  # it could not save: stay, and say why
                self._closing, self._close_began = False, 0.0
                self.overlay.hide()
            elif self._closing:
                QTimer.singleShot(0, self, self.close)

    @Slot(list)
    def _training_events(self, batch: list[Event]) -> None:
        training = self.studio.training
        if not training.active and not any(isinstance(event, (CheckpointSaved, Finished, Notice)) for event in batch):
            return
        last: StepDone | None = None
        for event in batch:
            match event:
                case Progress(text=text, done=done, total=total, seconds_left=left):
                    self.status.say(text, "accent")
                    self.status.set_progress(done / total if total else -1.0, time_left(left) if left else "")
                case TrainingStarted(device=device, parameters=parameters):
                    self._device = device
                    self.status.say(tr("Training {name}: {count} parameters", name=Path(event.run).name, count=short_count(parameters)), "ok")
                case StepDone():
                    last = event
                case CheckpointSaved(step=step) if self._closing:
                    self.overlay.say(tr("Saved at step {step:,}", step=step))
                case Notice(text=text):
                    self.banner.show_notice(text)
                    self.notifier.tell(self.windowTitle(), text, wrong=True)
                    log.info("notice: %s", text)
                case Failed(kind="DataChanged"):
                    self.banner.offer(tr("Go on with these"), self.train_page.accept_new_data)
                case Failed(kind="RunBusy") if run := training.run:
                    self.banner.offer(tr("Watch it"), partial(self.studio.replay_wanted.emit, run))
        if last and training.state is State.RUNNING:
            self._speed = tr("{count:,.0f} images/s", count=last.images_per_second)
            self._show_device()
            run = training.run
            self.status.say(tr("Training {name}  ·  step {step:,}  ·  loss {loss}", name=run.name if run else "", step=last.step, loss=loss(last.loss)), "ok")
            endless = last.fraction is None
            self.status.set_progress(-1.0 if endless else last.fraction, tr("until you stop it") if endless else time_left(last.seconds_left or 0))

    @Slot(bool)
    def _lent(self, lent: bool) -> None:
        if not lent and self.studio.training.state is State.MAKING_ROOM:
            self.status.say(tr("Training goes on"), "ok")

    @Slot(State)
    def _sampling_state(self, state: State) -> None:
        active = state in ACTIVE
        self.rail.buttons[1].set_busy(active)
        if state is State.RUNNING:
            self._made = False
            if not self.studio.lane.training_active:
                self.status.say(tr("Generating"), "accent")
        elif state is State.DONE:
            generate = self.pages["Generate"]
            assert isinstance(generate, GeneratePage)
            if not self.studio.lane.training_active:
                done = tr("The pictures are done and in the gallery") if generate.files else tr("The picture was made again; it is not kept twice")
                self.status.say(done if self._made else tr("Cancelled"))
            if self._made and generate.files:
                self.notifier.tell(self.windowTitle(), tr("The pictures are done and in the gallery"))
                self.generationFinished.emit([str(path) for path in generate.files])

    @Slot(list)
    def _sampling_events(self, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, ImagesReady):
                self._made = True

    @Slot(list)
    def _blend_events(self, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, BlendReady):
                self.blendUpdated.emit(event.lam)

    @Slot(str)
    def _say(self, text: str) -> None:
        self.status.say(text, "warn" if self.studio.lane.holder and self.studio.lane.training_active else "faint")

    @Slot(Failed)
    def _failed(self, failed: Failed) -> None:
        self.banner.show_failure(failed)
        self.status.say(failed.message, "bad")

    @Slot()
    def _forget_failure(self) -> None:
        """Something else is tried: what was wrong with that before is no longer of interest. A notice is, it says what goes on."""
        if self.banner.is_notice:
            return
        self.banner.hide()
        if not self.studio.busy:
            self.status.say(tr("Ready"))

    def _show_device(self) -> None:
        self.status.device.say("  ·  ".join(part for part in (self._device, self._speed) if part))

    def open_data(self, path: Path) -> None:
        self.show_page("Train")
        self.train_page.dataset.open([path])

    # A picture that was made here, dropped anywhere: its settings.

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if lone_png(event) is not None or self._for_training(event):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        if (picture := lone_png(event)) is not None:
            event.acceptProposedAction()
            self.open_picture(picture)
        elif files := self._for_training(event):
            event.acceptProposedAction()
            self.train_page.dataset.open(files)

    def _for_training(self, event: QDropEvent) -> list[Path]:
        """The files of a drop that hits no drop zone of the Train page, but the page."""
        return local_files(event) if self.train_page.isVisible() and self.train_page.dataset.zone.isEnabled() else []

    def open_picture(self, picture: Path) -> None:
        """Take over the settings that it was made by; its recipe is read in a worker."""
        self._opened = picture
        self._opening.request(self.studio.jobs.read_recipe(picture))

    @Slot(list)
    def _recipe_read(self, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, RecipeRead):
                self.banner.hide()
                if self.studio.open_settings(event.path, event.values) and is_reproducible(event.values):
                    self.studio.recreate_wanted.emit(event.path, False)
            elif isinstance(event, Failed) and self.page == "Train" and self._opened is not None:
                self.train_page.dataset.open([self._opened])  # somebody wants to learn from it, and is told what that needs
            elif isinstance(event, Failed):
                self._failed(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space and self.studio.training.active and not event.isAutoRepeat():
            self.studio.training.toggle_pause()
        elif not press_focused(event):
            super().keyPressEvent(event)

    # Coming and going.

    def _restore(self) -> None:
        settings = kept_settings()
        geometry = settings.value("geometry")
        if not isinstance(geometry, QByteArray) or not self.restoreGeometry(geometry):
            room = self.screen().availableGeometry()
            self.resize(min(1280, room.width()), min(800, room.height() - TITLE_BAR))
        restore_views(self.pages.values(), settings)
        page = str(settings.value("page", "Train"))
        self.show_page("Train" if self.train_page.offer.run or page not in self.pages else page)
        self._show_theme()
        self._training_state(State.IDLE)

    def _remember(self) -> None:
        settings = kept_settings()
        settings.setValue("geometry", self.saveGeometry())
        settings.setValue("page", self.page)
        save_views(self.pages.values(), settings)

    def closeEvent(self, event: QCloseEvent) -> None:
        """During training: save first, and say so; the window closes by itself afterwards."""
        self._close_began = self._close_began or time.monotonic()
        self.studio.shut_down()
        if self.studio.training.active:
            self._closing = True
            self.overlay.begin(tr("Saving step {step:,}…", step=self.studio.training.step))
            event.ignore()
            return
        self._remember()
        self.hide()
        # All waiting together stays below ten seconds, of which main() may take the last two.
        workers.stop_all(max(500, round(1000 * (self._close_began + CLOSING_SECONDS - time.monotonic()))))
        event.accept()

    def retire(self) -> None:
        """Go without waiting for anybody. Nothing may run; what still reads pictures or lists ends by itself, unheard."""
        self._remember()
        self.studio.shut_down()
        for thread in workers.running_threads():
            thread.discard()
        self.hide()
        self.deleteLater()

    @Slot()
    def _quit_now(self) -> None:
        """The last save stands; what came after it is lost."""
        self._remember()
        QApplication.exit(0)
