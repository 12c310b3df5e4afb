"""For tests of the window: Qt's own warnings count, and no thread outlives its test."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
import shiboken6
from PySide6.QtCore import QLoggingCategory, QThread
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from ddpm_studio.gui import workers
from ddpm_studio.gui.app import create
from ddpm_studio.gui.main_window import MainWindow

from .fakes import FakeJobs
from .windows import Open

# A method that is connected to a signal of another thread without @Slot crashes now and then; PySide only whispers.
QLoggingCategory.setFilterRules("qt.pyside.libpyside.warning=true")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.gui)


@pytest.fixture(autouse=True)
def _no_stray_threads() -> Iterator[None]:
    """A QThread alive when its object goes aborts the process, often in a later test: name the culprit."""
    yield
    gc.collect()
    # By type(), not isinstance(): the latter asks every object for its __class__, and torch has some that warn about it.
    threads = [thing for thing in gc.get_objects() if issubclass(type(thing), QThread)]
    stray = [thread for thread in threads if shiboken6.isValid(thread) and thread.isRunning() and thread is not QThread.currentThread()]
    for thread in stray:
        thread.requestInterruption()
        thread.quit()
        thread.wait(3000)
    assert not stray, f"still running after the test: {stray}"


@pytest.fixture(scope="session", autouse=True)
def _clipboard(qapp: QApplication) -> Iterator[None]:
    """Without a screen, Qt keeps its clipboard until the process ends. What Python has put there would then be destroyed
    without Python, and the process would die of it after all tests have passed."""
    yield
    qapp.clipboard().clear()


@pytest.fixture
def open_window(qtbot: QtBot) -> Iterator[Open]:
    windows = []

    def make(jobs: FakeJobs | None = None) -> MainWindow:
        _, window = create(jobs=jobs or FakeJobs(pause=0.002, steps=4000))
        windows.append(window)
        window.show()
        qtbot.waitUntil(lambda: not workers.running_threads(), timeout=5000)
        return window

    yield make
    for window in windows:
        window.studio.shut_down()
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=10_000)
    for window in windows:
        window.close()
        window.deleteLater()
