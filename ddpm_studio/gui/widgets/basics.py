"""Small parts that all pages are put together from, so that spacing and type are the same everywhere."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QCoreApplication, QElapsedTimer, QEvent, QObject, QPoint, QPointF, QRect, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QButtonGroup,
    QComboBox,
    QDoubleSpinBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSlider,
    QSpinBox,
    QStyle,
    QStyleOptionSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ddpm_studio.gui import theme

SPACE = 8
WIDE = 16
LAYOUTS = 8
"""More than lie in one another between a label in a column of controls and the window."""


def label(text: str = "", role: str = "", name: str = "", wrap: bool = False) -> QLabel:
    widget = QLabel(text)
    if role:
        widget.setProperty("role", role)
    if name:
        widget.setObjectName(name)
    widget.setWordWrap(wrap)
    widget.setTextFormat(Qt.TextFormat.PlainText)
    return widget


def draw_elided(widget: QLabel) -> bool:
    """Draw the text of a label in one line, with an ellipsis where room is short; whether all of it is seen."""
    painter = QPainter(widget)
    painter.setPen(widget.palette().color(widget.foregroundRole()))
    text = widget.fontMetrics().elidedText(widget.text(), Qt.TextElideMode.ElideRight, widget.width())
    painter.drawText(widget.rect(), int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), text)
    painter.end()
    return text == widget.text()


class ElidedLabel(QLabel):
    """Gives way when room is short: its text ends in an ellipsis and stands whole in the tooltip."""

    def __init__(self, text: str = "", role: str = "caption", name: str = "") -> None:
        super().__init__(text)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setProperty("role", role)
        if name:
            self.setObjectName(name)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setMinimumWidth(24)

    def paintEvent(self, event: QPaintEvent) -> None:
        whole = draw_elided(self)
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


class Card(QFrame):
    """A surface with a border, a heading and a column of parts."""

    def __init__(self, *parts: QWidget | QLayout | int, heading: str = "", spacing: int = 12, margin: int = WIDE) -> None:
        super().__init__()
        self.setProperty("card", "true")
        top: list[QWidget | QLayout | int] = [label(heading, "heading")] if heading else []
        self.setLayout(column(*top, *parts, spacing=spacing, margins=(margin, margin, margin, margin)))


def tidy(spin: QAbstractSpinBox) -> None:
    """The text of a spin box as far from its border as that of the other fields."""
    spin.lineEdit().setTextMargins(8, 0, 0, 0)


def spin(name: str, low: int, high: int, value: int) -> QSpinBox:
    box = QSpinBox()
    box.setObjectName(name)
    box.setRange(low, high)
    box.setValue(value)
    box.setMinimumWidth(72)
    tidy(box)
    return box


def decimal(name: str, low: float, high: float, step: float, value: float) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setObjectName(name)
    box.setRange(low, high)
    box.setSingleStep(step)
    box.setValue(value)
    box.setMinimumWidth(72)
    tidy(box)
    return box


def combo(name: str, items: list[tuple[str, Any]]) -> QComboBox:
    box = QComboBox()
    box.setObjectName(name)
    for text, data in items:
        box.addItem(text, data)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(4)
    return box


class ControlColumn(QWidget):
    """The column of controls at the left of a page: it scrolls, its last part stays in sight."""

    def __init__(self, *parts: QWidget | QLayout | int, footer: QWidget | None = None, width: int = 320, fill: bool = False) -> None:
        """`fill`: the last part takes what is left of the height."""
        super().__init__()
        self.setFixedWidth(width)
        inner = QWidget()
        inner.setProperty("plain", "true")
        inner.setLayout(column(*parts, *(() if fill else (-1,)), spacing=12))
        self.area = QScrollArea()
        self.area.setWidget(inner)
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.area.viewport().setAutoFillBackground(False)
        layout = column(self.area, spacing=12)
        if footer:
            layout.addWidget(footer)
        self.setLayout(layout)
        calm_wheel(inner)
        inner.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Qt passes the wish for more height on by one layout a turn, and a frame between two turns shows texts over one another: so the next frame waits."""
        if event.type() == QEvent.Type.LayoutRequest and watched is self.area.widget():
            self.window().installEventFilter(self)
        elif event.type() == QEvent.Type.UpdateRequest and watched is self.window():
            for _ in range(LAYOUTS):
                QCoreApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest.value)
            watched.removeEventFilter(self)
        return False


class _WheelGuard(QObject):
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Wheel and isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()
            return True
        return False


def calm_wheel(root: QWidget) -> None:
    """The wheel scrolls the column and changes a value only in the field that has the focus."""
    guard = _WheelGuard(root)
    for kind in (QComboBox, QAbstractSpinBox, QSlider):
        for widget in root.findChildren(kind):
            widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            widget.installEventFilter(guard)


class Collapsible(QWidget):
    """A heading that opens and closes what is under it."""

    def __init__(self, heading: str, content: QWidget, name: str) -> None:
        super().__init__()
        self.content = content
        self.toggle = QPushButton()
        self.toggle.setObjectName(name)
        self.toggle.setAccessibleName(heading)
        self.toggle.setText(heading)
        self.toggle.setProperty("disclosure", "true")
        self.toggle.setCheckable(True)
        self.toggle.toggled.connect(self._set_open)
        self.toggle.clicked.connect(lambda: QTimer.singleShot(0, self, self._reveal))
        self.setLayout(column(self.toggle, content, spacing=8))
        self._set_open(False)

    @Slot(bool)
    def _set_open(self, is_open: bool) -> None:
        self.content.setVisible(is_open)
        theme.set_icon(self.toggle, "chevron-down" if is_open else "chevron-right", "dim", 16)


    @Slot()
    def _reveal(self) -> None:
        """Whoever opens it wants to see what is in it: as much of it as there is room for."""
        area: QWidget | None = self
        while area is not None and not isinstance(area, QScrollArea):
            area = area.parentWidget()
        inside = area.widget() if area is not None else None
        if area is None or inside is None or not self.toggle.isChecked():
            return
        if layout := inside.layout():
            layout.activate()
        top = self.mapTo(inside, QPoint()).y()
        if top + self.height() > area.verticalScrollBar().value() + area.viewport().height():
            area.verticalScrollBar().setValue(top)


class Segments(QFrame):
    """A few exclusive choices side by side."""

    chosen = Signal(int)

    def __init__(self, texts: tuple[str, ...], name: str, accessible: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName(accessible)
        self.setProperty("segments", "true")
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self._group = QButtonGroup(self)
        layout = row(spacing=2, margins=(3, 3, 3, 3))
        for i, text in enumerate(texts):
            part = button(text, f"{name}{i}", kind="segment")
            part.setCheckable(True)
            part.setAutoDefault(False)  # in a dialog Enter is for the button that does something
            self._group.addButton(part, i)
            layout.addWidget(part)
        self.setLayout(layout)
        self._group.button(0).setChecked(True)
        self._group.idClicked.connect(self.chosen)

    @property
    def current(self) -> int:
        return self._group.checkedId()

    @property
    def count(self) -> int:
        return len(self._group.buttons())

    def choose(self, index: int) -> None:
        self._group.button(index).setChecked(True)

    def refuse(self, index: int, why: str) -> None:
        """It stays in its place, grey, and its tip says what is lacking."""
        part = self._group.button(index)
        part.setEnabled(False)
        part.setToolTip(wrapped(why))
        part.setAccessibleDescription(why)


class EmptyState(QWidget):
    """What to do when there is nothing to show yet."""

    def __init__(self, icon: str | QWidget, heading: str, text: str, *actions: QPushButton) -> None:
        super().__init__()
        if isinstance(icon, QWidget):
            picture: QWidget | QLayout = row(-1, icon, -1)
        else:
            picture = mark = QLabel()
            mark.setAlignment(Qt.AlignmentFlag.AlignCenter)
            theme.set_icon(mark, icon, "faint", 40)
        self.heading, self.text = label(heading, "empty", wrap=True), label(text, "caption", wrap=True)
        for part in (self.heading, self.text):
            part.setAlignment(Qt.AlignmentFlag.AlignCenter)
        middle = QWidget()
        middle.setFixedWidth(440)
        lines = column(picture, 8, self.heading, self.text, spacing=4)
        if actions:
            lines.addSpacing(12)
            lines.addLayout(row(-1, *actions, -1))
        middle.setLayout(lines)
        self.setLayout(column(-1, row(-1, middle, -1), -1))

    def say(self, heading: str, text: str) -> None:
        self.heading.setText(heading)
        self.text.setText(text)


class Slider(QSlider):
    """Goes where it is clicked, as a player of films does, and is dragged on from there."""

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and not self._part(QStyle.SubControl.SC_SliderHandle).contains(event.position().toPoint()):
            groove, half = self._part(QStyle.SubControl.SC_SliderGroove), self._part(QStyle.SubControl.SC_SliderHandle).width() / 2
            place, room = round(event.position().x() - groove.left() - half), round(groove.width() - 2 * half)
            self.setSliderPosition(QStyle.sliderValueFromPosition(self.minimum(), self.maximum(), place, room, self._option().upsideDown))
            at = QPointF(self._part(QStyle.SubControl.SC_SliderHandle).center())
            event = QMouseEvent(event.type(), at, event.globalPosition(), event.button(), event.buttons(), event.modifiers())
        super().mousePressEvent(event)

    def _part(self, part: QStyle.SubControl) -> QRect:
        return self.style().subControlRect(QStyle.ComplexControl.CC_Slider, self._option(), part, self)

    def _option(self) -> QStyleOptionSlider:
        option = QStyleOptionSlider()
        self.initStyleOption(option)
        return option


class ValueSlider(QWidget):
    """A slider with its name and its value above it."""

    changed = Signal(int)
    released = Signal()

    def __init__(self, text: str, name: str, low: int, high: int, value: int, show: Callable[[int], str] = str, tip: str = "", inline: bool = False) -> None:
        super().__init__()
        self._show = show
        self.slider = Slider()
        self.slider.setObjectName(name)
        self.slider.setAccessibleName(text)
        self.slider.setRange(low, high)
        self.slider.setValue(value)
        self.value_label = label(show(value), "value")
        caption = label(text, "field")
        caption.setBuddy(self.slider)
        self.setLayout(row(caption, self.slider, self.value_label) if inline else column(row(caption, -1, self.value_label), self.slider, spacing=2))
        if tip:
            self.setToolTip(wrapped(tip))
        self.slider.valueChanged.connect(self._changed)
        self.slider.sliderReleased.connect(self.released)

    @property
    def value(self) -> int:
        return self.slider.value()

    @Slot(int)
    def _changed(self, value: int) -> None:
        self.value_label.setText(self._show(value))
        self.changed.emit(value)
