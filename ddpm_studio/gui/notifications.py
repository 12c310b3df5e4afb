"""A word to somebody who is looking elsewhere: a run has ended, or needs attention."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QMainWindow, QSystemTrayIcon

from ddpm_studio.gui import theme

SHOWN_MS = 10_000


class Notifier(QObject):
    """The window's own mark in the task bar, and a message of the system where there is a place for one. The icon that a
    message needs is there as long as the message."""

    def __init__(self, window: QMainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._icon: QSystemTrayIcon | None = None
        self._away = QTimer(self, singleShot=True, interval=SHOWN_MS)
        self._away.timeout.connect(self._hide)

    def tell(self, title: str, text: str, wrong: bool = False) -> None:
        """Nothing for somebody who sees the window anyway."""
        if self._window.isActiveWindow():
            return
        QApplication.alert(self._window)
        if not self.can_show_messages():
            return
        if self._icon is None:
            self._icon = QSystemTrayIcon(theme.app_icon(), self)
            self._icon.messageClicked.connect(self._come)
            self._icon.activated.connect(self._come)
        self._icon.setToolTip(title)
        self._icon.show()
        kind = QSystemTrayIcon.MessageIcon.Warning if wrong else QSystemTrayIcon.MessageIcon.Information
        self._icon.showMessage(title, text, kind, SHOWN_MS)
        self._away.start()

    @staticmethod
    def can_show_messages() -> bool:
        """Not without a screen, as in tests."""
        return QGuiApplication.platformName() not in ("offscreen", "minimal") and QSystemTrayIcon.isSystemTrayAvailable() and QSystemTrayIcon.supportsMessages()

    @Slot()
    def _come(self) -> None:
        self._window.setWindowState(self._window.windowState() & ~self._window.windowState().WindowMinimized)
        self._window.raise_()
        self._window.activateWindow()
        self._hide()

    @Slot()
    def _hide(self) -> None:
        if self._icon is not None:
            self._icon.hide()
