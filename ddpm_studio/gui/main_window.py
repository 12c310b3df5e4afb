"""The window: navigation at the left, one page at a time, training in sight at the bottom."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QEvent, Qt, Signal, Slot
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QGuiApplication, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QApplication, QMainWindow, QStackedWidget, QWidget

from ddpm_studio import language, paths
from ddpm_studio.gui import motion, preferences, theme
from ddpm_studio.gui.header import Header
from ddpm_studio.gui.jobs import Jobs
from ddpm_studio.gui.layout_memory import restore_layout
from ddpm_studio.gui.leaving import Leaving
from ddpm_studio.gui.menus import Menus
from ddpm_studio.gui.opening import Opening
from ddpm_studio.gui.pages.blend import BlendPage
from ddpm_studio.gui.pages.gallery import GalleryPage
from ddpm_studio.gui.pages.generate import GeneratePage
from ddpm_studio.gui.pages.inside import InsidePage
from ddpm_studio.gui.pages.runs import RunsPage
from ddpm_studio.gui.pages.train import TrainPage
from ddpm_studio.gui.reporting import Reporting
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.undo import History, controls_of
from ddpm_studio.gui.widgets.basics import column, press_focused, row
from ddpm_studio.gui.widgets.error_banner import ErrorBanner
from ddpm_studio.gui.widgets.navigation import NavigationRail
from ddpm_studio.gui.widgets.saving_overlay import SavingOverlay
from ddpm_studio.gui.widgets.status_line import StatusLine
from ddpm_studio.language import later, tr

PAGES = (
    (later("Train"), "activity", later("Train on your own pictures")),
    (later("Generate"), "sparkles", later("Make new pictures from noise")),
    (later("Blend"), "blend", later("Blend pictures")),
    (later("Gallery"), "images", later("Pictures that were made")),
    (later("Runs"), "history", later("What was trained")),
    (later("Inside"), "network", later("Look inside the network")),
)
"""Name, icon and tip of each. By the name the program knows a page; people read its translation."""
UNDOABLE = {
    "Generate": ("countSpin", "samplerCombo", "stepsSpin", "etaSpin", "seedSpin", "seedLockButton", "guideCombo", "guidanceSpin"),
    "Blend": ("timestepSlider", "noiseCombo", "blendSeedSpin", "filmStepsSpin", "lambdaSlider"),  # behind its pictures, which may set lambda
    "Inside": ("forwardScheduleCombo", "forwardRootsCheck", "forwardSeedSpin", "timestepForwardSlider"),
}
"""Controls of the pages whose changes can be taken back, beside the settings of a training."""


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
        self.rail = NavigationRail(PAGES)
        self.banner = ErrorBanner()
        self.status = StatusLine()
        self.pages: dict[str, QWidget] = {
            "Train": TrainPage(self.studio), "Generate": GeneratePage(self.studio), "Blend": BlendPage(self.studio),
            "Gallery": GalleryPage(self.studio), "Runs": RunsPage(self.studio), "Inside": InsidePage(self.studio),
        }
        self.header = Header(self.studio)
        self.stack = QStackedWidget()
        for page in self.pages.values():
            self.stack.addWidget(page)
        self._build()
        self.overlay = SavingOverlay(self)
        motion.calm_bars(self)
        self.menus = Menus(self, PAGES)
        self.reporting, self.leaving, self.opening = Reporting(self), Leaving(self), Opening(self)
        self._connect()
        self._restore()
        self._keep_histories()
        self.studio.refresh_models()

    @property
    def train_page(self) -> TrainPage:
        page = self.pages["Train"]
        assert isinstance(page, TrainPage)
        return page

    @property
    def generate_page(self) -> GeneratePage:
        page = self.pages["Generate"]
        assert isinstance(page, GeneratePage)
        return page

    @property
    def blend_page(self) -> BlendPage:
        page = self.pages["Blend"]
        assert isinstance(page, BlendPage)
        return page

    # Building.

    def _build(self) -> None:
        body = QWidget()
        layout = column(self.header, self.banner, self.stack, spacing=12, margins=(16, 12, 16, 12))
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
        self.rail.chosen.connect(lambda i: self.show_page(PAGES[i][0]))
        self.status.theme_button.clicked.connect(self.toggle_theme)
        self.studio.page_wanted.connect(self.show_page)
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._scheme_changed)
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        application.focusChanged.connect(self._focus_moved)

    def _keep_histories(self) -> None:
        settings = self.train_page.settings
        history = History(self.studio, "Train", settings, settings.controls())
        history.went.connect(settings.show_changes)
        settings.adopted.connect(partial(history.record, tr("Settings of a run")))
        generate, blend = self.generate_page, self.blend_page
        first, last = {"Generate": [generate.beginning()], "Blend": blend.mixture()}, {"Generate": [generate.adoption()]}
        self.histories = {"Train": history} | {
            name: History(self.studio, name, self.pages[name], [*first.get(name, []), *controls_of(self.pages[name], controls), *last.get(name, [])])
            for name, controls in UNDOABLE.items()
        }
        generate.controls.guide_replaced.connect(self.histories["Generate"].settle)
        generate.adopted.connect(partial(self.histories["Generate"].record, tr("Settings of a picture")))

    # Pages and themes.

    @Slot(str)
    def show_page(self, name: str) -> None:
        name, _, detail = name.partition(":")
        index = [page for page, _, _ in PAGES].index(name)
        if index != self.stack.currentIndex():
            self.reporting.leave_page()
        self.rail.choose(index)
        unseen = self.pages[name].focusWidget() is None
        self.stack.setCurrentIndex(index)
        if unseen and self.isActiveWindow():
            self.stack.setFocus()  # or Qt would put a ring around the first control of the page; Tab goes there
        QCoreApplication.sendPostedEvents(None, QEvent.Type.UpdateLater.value)  # or the page would be painted three times
        self.header.show_page(name)
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
        self.banner.show_notice(tr("The language changes when DDPM Studio is started again: something runs now"))
        language.speak(before, paths.languages_dir())

    def take_over(self, old: MainWindow) -> None:
        """What is chosen, set and made in a window that this one takes the place of; what cannot come along is named."""
        self.studio.take_over(old.studio)
        for name, history in self.histories.items():
            history.copy(old.histories[name])
        self.generate_page.take_over(old.generate_page)
        self.train_page.take_over(old.train_page)
        self.show_page(old.page)
        if old.blend_page.has_unsaved:
            self.banner.show_notice(tr("The window was made anew in this language. The sheet and the film of the Blend page have to be made again."))

    # Hands and keys.

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if self.opening.wants(event):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        if self.opening.take(event):
            event.acceptProposedAction()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space and self.page == "Train" and self.studio.training.active and not event.isAutoRepeat():
            self.studio.training.toggle_pause()  # on other pages nobody would see it
        elif not press_focused(event):
            super().keyPressEvent(event)

    @Slot(QWidget, QWidget)
    def _focus_moved(self, old: QWidget | None, new: QWidget | None) -> None:
        """When a button goes grey, Qt hands its focus on to whatever comes next, perhaps at the other end of the window,
        where the next Space would do something else. It stays on the page instead."""
        page = self.stack.currentWidget()
        if page is not None and old is not None and new is not None and not old.isEnabled() and page.isAncestorOf(old) and not page.isAncestorOf(new):
            page.setFocus()

    # Coming and going.

    def _restore(self) -> None:
        page = restore_layout(self, self.pages.values())
        self.show_page("Train" if self.train_page.offer.run or page not in self.pages else page)
        self._show_theme()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.stack.setFocus()  # no ring around anything before somebody uses the keyboard

    def closeEvent(self, event: QCloseEvent) -> None:
        event.setAccepted(self.leaving.close())
