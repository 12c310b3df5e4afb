"""What a person sets: numbers, choices, sliders. A wheel that scrolls past them changes none."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QEvent, QObject, QPointF, QRect, Qt, Signal, Slot
from PySide6.QtGui import QMouseEvent, QPaintEvent, QValidator
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QButtonGroup,
    QComboBox,
    QDoubleSpinBox,
    QFrame,
    QSizePolicy,
    QSlider,
    QSpinBox,
    QStyle,
    QStyleOptionComboBox,
    QStyleOptionSlider,
    QStylePainter,
    QToolTip,
    QWidget,
)

from ddpm_studio.gui.widgets.basics import button, column, label, row, wrapped
from ddpm_studio.language import tr


def tidy(spin: QAbstractSpinBox) -> None:
    """The text of a spin box as far from its border as that of the other fields."""
    spin.lineEdit().setTextMargins(8, 0, 0, 0)


class Number(QSpinBox):
    """Any whole number may be typed; one that is too large or too small becomes the nearest that is allowed, and that is said."""

    def validate(self, text: str, place: int) -> tuple[QValidator.State, str, int]:
        if re.fullmatch(r"-?\d{0,18}", text) and not (text.isdecimal() and self.minimum() <= int(text) <= self.maximum()):
            return QValidator.State.Intermediate, text, place
        return super().validate(text, place)

    def fixup(self, text: str) -> str:
        try:
            wanted = int(text)
        except ValueError:
            return text
        nearest = max(self.minimum(), min(self.maximum(), wanted))
        if nearest != wanted:
            words = tr("{most:,} is the most", most=nearest) if nearest < wanted else tr("{least:,} is the least", least=nearest)
            QToolTip.showText(self.mapToGlobal(self.rect().bottomLeft()), words, self)
        return str(nearest)


def spin(name: str, low: int, high: int, value: int) -> QSpinBox:
    box = Number()
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


class Choice(QComboBox):
    """Qt cuts a line that is too long off in the middle of a letter; here it ends in an ellipsis."""

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        room = self.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, self).width()
        option.currentText = self.fontMetrics().elidedText(option.currentText, Qt.TextElideMode.ElideRight, room)  # type: ignore[attr-defined]
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)


def combo(name: str, items: list[tuple[str, Any]]) -> QComboBox:
    box = Choice()
    box.setObjectName(name)
    for text, data in items:
        box.addItem(text, data)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(4)
    return box


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
