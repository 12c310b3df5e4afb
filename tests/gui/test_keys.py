"""What the keyboard does everywhere in the window: Enter presses, Escape means no, and the ring is seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QWidget
from pytestqt.qtbot import QtBot

from ddpm_studio.gui import workers
from ddpm_studio.gui.main_window import MainWindow

from .windows import Open


@pytest.fixture
def window(qtbot: QtBot, open_window: Open) -> MainWindow:
    window = open_window()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    return window


def find(window: MainWindow, name: str) -> QWidget:
    found = window.findChild(QWidget, name)
    assert found is not None, name
    return found


def press(qtbot: QtBot, widget: QWidget, key: Qt.Key = Qt.Key.Key_Return) -> None:
    widget.setFocus(Qt.FocusReason.TabFocusReason)
    assert widget.hasFocus(), widget.objectName()
    qtbot.keyClick(widget, key)


# Enter.


def test_enter_on_a_button_in_the_drop_zone_presses_that_button(qtbot: QtBot, window: MainWindow) -> None:
    zone = window.train_page.dataset.zone
    with qtbot.waitSignal(zone.samples_wanted), qtbot.assertNotEmitted(zone.browse_wanted):
        press(qtbot, zone.samples_button)
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=10_000)


@pytest.mark.parametrize("name", ["runsDoor", "themeButton", "trainView0"])
@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Enter])
def test_enter_presses_the_button_that_has_the_focus(qtbot: QtBot, window: MainWindow, name: str, key: Qt.Key) -> None:
    if name == "runsDoor":
        window.show_page("Runs")
        qtbot.waitUntil(lambda: not workers.running_threads(), timeout=10_000)
    if name == "trainView0":
        window.train_page.head.show()
    part = find(window, name)
    assert isinstance(part, QAbstractButton)
    with qtbot.waitSignal(part.clicked):
        press(qtbot, part, key)
