"""The one place where errors appear."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy

from ddpm_studio.events import Failed
from ddpm_studio.gui import theme
from ddpm_studio.gui.widgets.basics import button, column, label, row, tool_button
from ddpm_studio.language import tr


class ErrorBanner(QFrame):
    """What is wrong, what to do, and the details for a report. It never stops anybody from going on."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("errorBanner")
        self.setAccessibleName(tr("Error"))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        self._details = ""
        self.is_notice = False
        self._icon = QLabel()
        theme.set_icon(self._icon, "triangle-alert", "bad", 20)
        self.message = label(role="heading", name="errorMessage", wrap=True)
        self.hint = label(name="errorHint", wrap=True)
        for text in (self.message, self.hint):
            text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.action_button = button(tr("Go on"), "errorActionButton", kind="primary")
        self._action: Callable[[], None] | None = None
        self.copy_button = button(tr("Copy details"), "copyDetailsButton", "copy")
        self.close_button = tool_button("x", "closeErrorButton", tr("Close this message"))
        self.setLayout(row(self._icon, column(self.message, self.hint, spacing=2), self.action_button, self.copy_button, self.close_button, spacing=12, margins=(16, 12, 12, 12)))
        lines = self.layout()
        assert isinstance(lines, QHBoxLayout)
        lines.setStretch(1, 1)
        lines.setAlignment(self._icon, Qt.AlignmentFlag.AlignTop)
        self.action_button.clicked.connect(self._act)
        self.copy_button.clicked.connect(self._copy)
        self.close_button.clicked.connect(self.hide)
        escape = QShortcut(QKeySequence(Qt.Key.Key_Escape), self)
        # Only with the focus in it, or nobody would get the Escape of a page; set like this, because PySide takes no heed of a `context=`.
        escape.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        escape.activated.connect(self.hide)
        escape.activatedAmbiguously.connect(self.hide)
        self.hide()

    def show_failure(self, failed: Failed) -> None:
        self.message.setText(failed.message)
        self.hint.setText(failed.hint)
        self.hint.setVisible(bool(failed.hint))
        self._set_tone("bad")
        self._details = failed.details
        self.copy_button.setVisible(bool(failed.details))
        self.copy_button.setText(tr("Copy details"))
        self.action_button.hide()
        self.setAccessibleDescription(f"{failed.message} {failed.hint}")
        self.show()

    def show_notice(self, text: str) -> None:
        """Something to know; nothing is wrong."""
        self.show_failure(Failed(text, ""))
        self._set_tone("warn")

    def offer(self, text: str, action: Callable[[], None]) -> None:
        """A way out, beside what is wrong."""
        self._action = action
        self.action_button.setText(text)
        self.action_button.show()

    @Slot()
    def _act(self) -> None:
        self.hide()
        if self._action:
            self._action()

    def _set_tone(self, tone: str) -> None:
        self.is_notice = tone == "warn"
        self.setProperty("tone", tone)
        theme.set_icon(self._icon, "info" if tone == "warn" else "triangle-alert", tone, 20)
        theme.restyle(self)

    @Slot()
    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(f"{self.message.text()}\n{self.hint.text()}\n\n{self._details}")
        self.copy_button.setText(tr("Copied"))
