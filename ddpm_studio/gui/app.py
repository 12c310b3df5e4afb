"""The program: the window first, everything heavy afterwards."""

from __future__ import annotations

import argparse
import logging
import logging.handlers
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from PySide6.QtCore import QEvent, QLibraryInfo, QMessageLogContext, QObject, Qt, QTimer, QtMsgType, QTranslator, Slot, qInstallMessageHandler
from PySide6.QtWidgets import QApplication

from ddpm_studio import language, paths
from ddpm_studio.events import Event, Failed
from ddpm_studio.files import remove_unfinished
from ddpm_studio.gui import motion, preferences, theme, workers
from ddpm_studio.gui.main_window import MainWindow
from ddpm_studio.language import tr
from ddpm_studio.runs import find_run

log = logging.getLogger("ddpm_studio")
SWITCH_SECONDS = 0.001
"""How long a thread may keep the interpreter when another one wants it. With Python's 5 ms the window waits several times so long
for each movement of the hand while pictures are read."""


def create(argv: list[str] | None = None, jobs: Any = None) -> tuple[QApplication, MainWindow]:
    """The program and its window, without entering the event loop."""
    existing = QApplication.instance()
    app = existing if isinstance(existing, QApplication) else QApplication(argv or ["ddpm-studio"])
    sys.setswitchinterval(SWITCH_SECONDS)
    app.setApplicationName("DDPM Studio")
    app.setApplicationDisplayName("DDPM Studio")
    app.setDesktopFileName("ddpm-studio")
    theme.prepare(app)
    app.setWindowIcon(theme.app_icon())
    known = preferences.load()
    choose_language(app, known.language)
    theme.set_colors(app, known.theme)
    motion.apply(app, known.reduced_motion)
    window = MainWindow(jobs)
    theme.set_style_sheet(app)
    return app, window


def choose_language(app: QApplication, preference: str) -> None:
    """What is said from now on, by Qt's own dialogs too, is in this language; what stands in a window already stays."""
    wanted = preferences.spoken(preference)
    language.speak(wanted, paths.languages_dir())
    for before in app.findChildren(QTranslator):
        app.removeTranslator(before)
        before.deleteLater()
    translator = QTranslator(app)
    if translator.load(f"qtbase_{wanted}", QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)):
        app.installTranslator(translator)


def speak_anew(app: QApplication, old: MainWindow) -> MainWindow:
    """A window in the place of this one, in which nothing runs, in the language that is chosen now."""
    stays, _ = app.quitOnLastWindowClosed(), app.setQuitOnLastWindowClosed(False)
    old.leaving.retire()
    choose_language(app, old.studio.preferences.language)
    window = MainWindow(old.studio.jobs)
    window.take_over(old)
    window.show()
    if sources := old.train_page.dataset.sources:
        window.train_page.dataset.open(sources)
    app.setQuitOnLastWindowClosed(stays)
    return window


def main(argv: list[str] | None = None) -> int:
    options = _parse(argv)
    _log_to_file()
    qInstallMessageHandler(_log_qt)
    reporter = _Reporter()
    sys.excepthook = reporter
    threading.excepthook = lambda failure: log.error("unexpected in a thread", exc_info=(failure.exc_type, failure.exc_value or failure.exc_type(), failure.exc_traceback))
    app, window = create(sys.argv[:1])
    reporter.window = window
    pulse = _close_on_signal(reporter)

    listen_for_language(app, reporter)
    window.show()
    _WhenSeen(window, lambda: _begin(window, options))
    status = app.exec()
    pulse.stop()
    if not workers.stop_all(2_000):
        # Qt aborts when a running thread is torn down; the last save stands, and nothing half-written does.
        remove_unfinished()
        logging.shutdown()
        os_exit(status)
    return status


class _WhenSeen(QObject):
    """Does something once, when a window has been painted; one that opens minimised is not waited for. What is begun
    before, be it in another thread, keeps the interpreter from painting: loading torch, a quarter of a second."""

    def __init__(self, window: MainWindow, begin: Callable[[], None]) -> None:
        super().__init__(window)
        self._window, self._begin = window, begin
        window.installEventFilter(self)
        self._at_the_latest = QTimer(self, singleShot=True, interval=1_000)
        self._at_the_latest.timeout.connect(self._seen)
        self._at_the_latest.start()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Paint:
            self._at_the_latest.start(0)  # behind the painting of all that is in the window
        return False

    @Slot()
    def _seen(self) -> None:
        self._window.removeEventFilter(self)
        self.deleteLater()
        self._begin()


def listen_for_language(app: QApplication, reporter: _Reporter) -> None:
    """The window that the reporter knows gives way to another one whenever a language is chosen that it does not speak."""

    def speak() -> None:
        if reporter.window:
            reporter.window = speak_anew(app, reporter.window)
            listen_for_language(app, reporter)
            _begin(reporter.window, _parse([]))

    if reporter.window:
        reporter.window.language_chosen.connect(speak, Qt.ConnectionType.QueuedConnection)  # not while the old one's menu is at work


def _close_on_signal(reporter: _Reporter) -> QTimer:
    """SIGTERM and SIGHUP (a session that ends) close the window as its button does: training saves first. Python sees
    a signal only when it runs, so something must now and then."""

    def close(number: int, frame: FrameType | None) -> None:
        if reporter.window:
            QTimer.singleShot(0, reporter.window, reporter.window.close)

    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), close)
    pulse = QTimer(QApplication.instance(), interval=500)
    pulse.timeout.connect(_nothing)
    pulse.start()
    return pulse


def _nothing() -> None:
    """Gives Python a moment to look at signals."""


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="ddpm-studio gui", description="Open the window.")
    parser.add_argument("--model", help="choose this model for Generate and Blend")
    parser.add_argument("--run", help="show this run")
    parser.add_argument("--data", type=Path, help="open this folder or zip of pictures")
    return parser.parse_args(argv)


def _begin(window: MainWindow, options: argparse.Namespace) -> None:
    """What was asked for on the command line, and torch in the background."""
    studio = window.studio
    if options.data:
        window.opening.open_data(options.data.expanduser().absolute())
    if options.model:  # last, so that a complaint about it stays
        _choose_model(window, options.model)
    if options.run:
        run = find_run(options.run)
        if run.exists:
            studio.refresh_models(run.model_file)
            studio.replay_wanted.emit(run)
        else:
            studio.failed.emit(Failed(tr("There is no run called {name}.", name=options.run), tr("The page Runs lists what there is.")))
    studio.ask(studio.jobs.warm_up(), _ignore)


def _choose_model(window: MainWindow, name: str) -> None:
    from ddpm_studio.errors import UserError
    from ddpm_studio.models import find_model, read_header

    try:
        file = find_model(name).absolute()
        read_header(file)
        window.studio.refresh_models(file)
        window.show_page("Generate")
    except UserError as error:
        window.studio.failed.emit(Failed.of(error))


def _ignore(batch: list[Event]) -> None:
    """The studio itself listens to what the warm-up has to say."""


def _log_to_file() -> None:
    try:
        paths.data_dir().mkdir(parents=True, exist_ok=True)
        handler: logging.Handler = logging.handlers.RotatingFileHandler(paths.log_file(), maxBytes=1_000_000, backupCount=3, encoding="utf-8", delay=True)
    except OSError:
        handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def _log_qt(kind: QtMsgType, context: QMessageLogContext, message: str) -> None:
    """Qt's own remarks are for us: into the log, not onto somebody's terminal."""
    log.log(logging.ERROR if kind in (QtMsgType.QtCriticalMsg, QtMsgType.QtFatalMsg) else logging.INFO, "Qt: %s", message)


class _Reporter:
    """Exceptions of slots: into the log, and into the banner."""

    def __init__(self) -> None:
        self.window: MainWindow | None = None
        """Until there is one, exceptions go to the log and to the terminal."""

    def __call__(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt) and self.window:
            self.window.close()
            return
        log.error("unexpected: %s", "".join(traceback.format_exception(kind, error, trace)))
        if self.window is None:
            sys.__excepthook__(kind, error, trace)
        elif threading.current_thread() is threading.main_thread():
            self.window.studio.failed.emit(Failed.of(error))


def os_exit(status: int) -> None:
    import os

    os._exit(status)


if __name__ == "__main__":
    raise SystemExit(main())
