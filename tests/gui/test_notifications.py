"""Nothing pops up where nobody can see it."""

from __future__ import annotations

from PySide6.QtWidgets import QMainWindow, QSystemTrayIcon
from pytestqt.qtbot import QtBot

from ddpm_studio.gui.notifications import Notifier


def test_without_a_screen_there_is_no_message(qtbot: QtBot) -> None:
    window = QMainWindow()
    qtbot.addWidget(window)
    notifier = Notifier(window)
    assert not Notifier.can_show_messages()
    notifier.tell("DDPM Studio", "The run has ended.", wrong=True)
    assert notifier.findChildren(QSystemTrayIcon) == []
