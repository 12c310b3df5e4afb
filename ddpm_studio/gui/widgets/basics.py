"""Small parts that all pages are put together from, so that spacing and type are the same everywhere."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence

from PySide6.QtCore import QElapsedTimer, Qt
from PySide6.QtGui import QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QApplication, QHBoxLayout, QLabel, QLayout, QPushButton, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from ddpm_studio.gui import theme

SPACE = 8
WIDE = 16


def label(text: str = "", role: str = "", name: str = "", wrap: bool = False) -> QLabel:
    widget = QLabel(text)
    if role:
        widget.setProperty("role", role)
    if name:
        widget.setObjectName(name)
    widget.setWordWrap(wrap)
    widget.setTextFormat(Qt.TextFormat.PlainText)
    return widget


def draw_elided(widget: QLabel, shorter: str = "") -> bool:
    """Draw the text of a label in one line, a shorter one or an ellipsis where room is short; whether all of it is seen."""
    painter = QPainter(widget)
    painter.setPen(widget.palette().color(widget.foregroundRole()))
    whole = widget.text()
    wanted = shorter if shorter and widget.fontMetrics().horizontalAdvance(whole) > widget.width() else whole
    text = widget.fontMetrics().elidedText(wanted, Qt.TextElideMode.ElideRight, widget.width())
    painter.drawText(widget.rect(), int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), text)
    painter.end()
    return text == whole


class ElidedLabel(QLabel):
    """Gives way when room is short: its text ends in an ellipsis and stands whole in the tooltip."""

    shorter = ""
    """What it says instead of a text without its end, if there is such a wording."""

    def __init__(self, text: str = "", role: str = "caption", name: str = "") -> None:
        super().__init__(text)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setProperty("role", role)
        if name:
            self.setObjectName(name)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setMinimumWidth(24)

    def paintEvent(self, event: QPaintEvent) -> None:
        whole = draw_elided(self, self.shorter)
        if self.toolTip() != (wanted := "" if whole else plain_tip(self.text())):
            self.setToolTip(wanted)


def plain_tip(text: str) -> str:
    """A tool tip that shows a text as it is: Qt would take `<b>` in a stranger's file name at its word."""
    return f"<qt>{html.escape(text).replace(chr(10), '<br>')}</qt>" if "<" in text or "&" in text else text


def wrapped(text: str) -> str:
    """A tool tip in lines that are read with ease: Qt would make one of it, across the whole screen."""
    width = 44 if any(letter > "\u2e80" for letter in text) else 80
    return "\n".join(part for line in text.split("\n") for part in textwrap.wrap(line, width, break_on_hyphens=False) or [""])


def button(text: str, name: str, icon: str = "", kind: str = "", tip: str = "", accessible: str = "") -> QPushButton:
    """`kind`: "primary", "quiet", "link" or "segment"."""
    widget = QPushButton(text)
    widget.setObjectName(name)
    widget.setAccessibleName(accessible or text or tip)
    if kind:
        widget.setProperty(kind, True)
    if icon:
        theme.set_icon(widget, icon, {"primary": "on_accent", "link": "accent"}.get(kind, "text"))
    if tip:
        widget.setToolTip(wrapped(tip))
    return widget


def show_names(buttons: Sequence[QPushButton], room: int) -> None:
    """Their names, which are their accessible names, or their icons alone where the names need more than `room` pixels
    in all; what they do stands in their tool tips."""
    for part in buttons:
        part.setText(part.accessibleName())
    if sum(part.sizeHint().width() for part in buttons) > room:
        for part in buttons:
            part.setText("")


def tool_button(icon: str, name: str, tip: str, side: int = 18) -> QToolButton:
    widget = QToolButton()
    widget.setObjectName(name)
    widget.setAccessibleName(tip)
    widget.setToolTip(wrapped(tip))
    theme.set_icon(widget, icon, "dim", side)
    return widget


def press_focused(event: QKeyEvent) -> bool:
    """Enter presses the button that has the focus, as Space does; whether there was one."""
    part = QApplication.focusWidget()
    if event.key() not in (Qt.Key.Key_Return, Qt.Key.Key_Enter) or not isinstance(part, (QPushButton, QToolButton)):
        return False
    if not event.isAutoRepeat():
        part.click()
    return True


def named(widget: QWidget, name: str, accessible: str) -> QWidget:
    widget.setObjectName(name)
    widget.setAccessibleName(accessible)
    return widget


def column(*parts: QWidget | QLayout | int, spacing: int = SPACE, margins: tuple[int, int, int, int] = (0, 0, 0, 0)) -> QVBoxLayout:
    """Widgets, layouts and gaps from top to bottom; a gap of -1 takes the rest."""
    layout = QVBoxLayout()
    _fill(layout, parts, spacing, margins)
    return layout


def row(*parts: QWidget | QLayout | int, spacing: int = SPACE, margins: tuple[int, int, int, int] = (0, 0, 0, 0)) -> QHBoxLayout:
    """The same from left to right."""
    layout = QHBoxLayout()
    _fill(layout, parts, spacing, margins)
    return layout


def _fill(layout: QVBoxLayout | QHBoxLayout, parts: tuple[QWidget | QLayout | int, ...], spacing: int, margins: tuple[int, int, int, int]) -> None:
    layout.setSpacing(spacing)
    layout.setContentsMargins(*margins)
    for part in parts:
        if isinstance(part, ElidedLabel) and isinstance(layout, QHBoxLayout):
            layout.addWidget(part, 1)
        elif isinstance(part, int):
            layout.addStretch(1) if part < 0 else layout.addSpacing(part)
        elif isinstance(part, QLayout):
            layout.addLayout(part)
        else:
            layout.addWidget(part)


def show_instead(shown: QWidget, hidden: QWidget) -> None:
    """One control takes the place of another, and its focus, which would go astray otherwise."""
    focused = hidden.hasFocus()
    shown.setVisible(True)
    if focused:
        shown.setFocus()
    hidden.setVisible(False)


class SecondClick:
    """Of a double click: it was not meant for what has come under the pointer by the first one."""

    def __init__(self) -> None:
        self._since = QElapsedTimer()

    def begin(self) -> None:
        self._since.start()

    @property
    def due(self) -> bool:
        return self._since.isValid() and self._since.elapsed() < QApplication.doubleClickInterval()


def keep_room(widget: QWidget) -> None:
    """Its place stays when it is hidden, so that nothing moves."""
    policy = widget.sizePolicy()
    policy.setRetainSizeWhenHidden(True)
    widget.setSizePolicy(policy)


def field(text: str, widget: QWidget, tip: str = "") -> QVBoxLayout:
    """A control with its name above it."""
    caption = label(text, "field")
    caption.setBuddy(widget)
    if not widget.accessibleName():
        widget.setAccessibleName(text)
    if tip:
        widget.setToolTip(wrapped(tip))
        caption.setToolTip(wrapped(tip))
    return column(caption, widget, spacing=4)
