"""A form made from the settings themselves: what `config.py` declares is what people can change."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QFormLayout, QLabel, QLineEdit, QSpinBox, QVBoxLayout, QWidget

from ddpm_studio.config import SECTIONS, RunConfig
from ddpm_studio.errors import UserError
from ddpm_studio.gui import theme
from ddpm_studio.gui.widgets.basics import label, wrapped
from ddpm_studio.gui.widgets.inputs import tidy
from ddpm_studio.language import later, tr

_NOTHING = object()
HEADINGS = {"data": later("Pictures"), "diffusion": later("Diffusion"), "model": later("Network"), "training": later("Learning")}

WHEN_EMPTY = {"training.held_out": later("automatic (2 %)")}
"""What an empty field means, where that is not none."""
FIELD = 32
"""How high the style sheet makes a field."""


class Field:
    """One setting: its widget, how to read and write it, and what may be in it, in words."""

    def __init__(self, widget: QWidget, read: Callable[[], Any], write: Callable[[Any], None], changed: Any, wanted: str = "") -> None:
        self.widget, self.read, self.write, self.changed, self.wanted = widget, read, write, changed, wanted


class ConfigForm(QWidget):
    """Edits a RunConfig. What does not parse is marked and counts as not changed."""

    edited = Signal(str, object)
    """The name `section.field` and its new value."""

    def __init__(self, hidden: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self.setObjectName("settingsForm")
        self.setAccessibleName(tr("All settings"))
        self.fields: dict[str, Field] = {}
        self._told: dict[str, Any] = {}
        """What each field held last: leaving one as it was is no edit."""
        self._writing = False
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        for section, model in SECTIONS.items():
            layout.addWidget(label(tr(HEADINGS.get(section, section.capitalize())), "heading"))
            form = QFormLayout()
            form.setContentsMargins(0, 0, 0, 8)
            form.setHorizontalSpacing(12)
            form.setVerticalSpacing(6)
            form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
            form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
            for name, info in model.model_fields.items():
                full = f"{section}.{name}"
                if full not in hidden:
                    self._add(form, full, info.annotation, info.metadata, info.description or "")
            layout.addLayout(form)

    def set_config(self, config: RunConfig) -> None:
        self._writing = True
        for name, entry in self.fields.items():
            section, _, field_name = name.partition(".")
            entry.write(getattr(getattr(config, section), field_name))
            self._told[name] = entry.read()
            _mark(entry.widget, True)
        self._writing = False

    def check(self) -> None:
        """Raises UserError when a field holds something that cannot be read."""
        for name, entry in self.fields.items():
            try:
                entry.read()
            except ValueError:
                raise UserError(
                    tr("{setting} must be {wanted}.", setting=title(name), wanted=entry.wanted),
                    tr("Mend the field that is marked red under All settings, or choose the preset again."),
                ) from None

    def _add(self, form: QFormLayout, name: str, kind: Any, limits: list[Any], description: str) -> None:
        entry = make_field(kind, limits)
        text, description = title(name), wrapped(tr(description))
        caption = QLabel(text)
        caption.setToolTip(description)
        caption.setProperty("role", "caption")
        caption.setBuddy(entry.widget)
        caption.setFixedWidth(116)
        caption.setWordWrap(True)
        if not isinstance(entry.widget, QCheckBox):
            caption.setMinimumHeight(FIELD)  # its text stands in the middle of that; a form puts it higher
        if isinstance(entry.widget, QLineEdit) and name in WHEN_EMPTY:
            entry.widget.setPlaceholderText(tr(WHEN_EMPTY[name]))
        entry.widget.setObjectName(f"setting_{name.replace('.', '_')}")
        entry.widget.setAccessibleName(text)
        entry.widget.setToolTip(description)
        entry.widget.setMinimumWidth(60)
        form.addRow(caption, entry.widget)
        self.fields[name] = entry
        entry.changed.connect(lambda *_: self._changed(name))

    def _changed(self, name: str) -> None:
        if self._writing:
            return
        entry = self.fields[name]
        try:
            value = entry.read()
        except ValueError:
            _mark(entry.widget, False)
            return
        _mark(entry.widget, True)
        if isinstance(entry.widget, QLineEdit):
            entry.widget.setModified(False)
        if value != self._told.get(name, _NOTHING):
            self._told[name] = value
            self.edited.emit(name, value)


def title(name: str) -> str:
    """What people read for the setting `section.field`; the catalog knows the fields."""
    return tr(name.partition(".")[2].replace("_", " ").capitalize())


def meaning(name: str) -> str:
    """The sentence that explains the setting `section.field`."""
    section, _, field_name = name.partition(".")
    description = SECTIONS[section].model_fields[field_name].description
    return tr(description) if description else ""


def in_words(value: Any) -> str:
    """A setting's value as people read it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return tr("yes") if value else tr("no")
    if isinstance(value, str):
        return tr(value.replace("_", " "))
    if isinstance(value, tuple):
        return ", ".join(in_words(part) for part in value)
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def make_field(kind: Any, limits: list[Any]) -> Field:
    """The widget for a type: combo box for Literal, check box for bool, spin box for int, a line for the rest."""
    kind, optional, more = _plain(kind)
    limits = [*limits, *more]
    low: Any = next((limit.ge if isinstance(limit, Ge) else limit.gt for limit in limits if isinstance(limit, (Ge, Gt))), None)
    high: Any = next((limit.le if isinstance(limit, Le) else limit.lt for limit in limits if isinstance(limit, (Le, Lt))), None)
    if get_origin(kind) is Literal:
        return _choice(get_args(kind))
    if kind is bool:
        box = QCheckBox()
        return Field(box, box.isChecked, box.setChecked, box.toggled)
    if kind is int and not optional:
        spin = QSpinBox()
        spin.setRange(int(low) if low is not None else 0, min(int(high), 2**31 - 1) if high is not None else 2**31 - 1)
        spin.setKeyboardTracking(False)
        tidy(spin)
        return Field(spin, spin.value, spin.setValue, spin.valueChanged)
    return _line(kind, optional, low, high)


def _plain(kind: Any) -> tuple[Any, bool, list[Any]]:
    """`int | None` -> (int, True); Annotated types without their notes, and the limits that are among these."""
    limits: list[Any] = []
    optional = get_origin(kind) in (types.UnionType, typing.Union)
    if optional:
        kind = next(part for part in get_args(kind) if part is not type(None))
    if get_origin(kind) is typing.Annotated:
        kind, *notes = get_args(kind)
        limits = [limit for note in notes for limit in getattr(note, "metadata", [])]
    return kind, optional, limits


def _choice(values: tuple[Any, ...]) -> Field:
    box = QComboBox()
    for value in values:
        box.addItem(in_words(value), value)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(3)
    return Field(box, box.currentData, lambda value: box.setCurrentIndex(values.index(value)), box.currentIndexChanged)


def _line(kind: Any, optional: bool, low: Any, high: Any) -> Field:
    edit = QLineEdit()
    if optional:
        edit.setPlaceholderText(tr("none"))

    def read() -> Any:
        text = edit.text().strip()
        if not text and optional:
            return None
        if get_origin(kind) is tuple:
            words = {tr("yes"): "yes", tr("no"): "no"}
            parts = [part.strip() for part in re.split("[,，、]", text) if part.strip()]
            return tuple(words.get(part, part) for part in parts)
        value = kind(text)
        if (low is not None and value < low) or (high is not None and value > high):
            raise ValueError(text)
        return value

    def write(value: Any) -> None:
        edit.setText("" if value is None else in_words(value))

    return Field(edit, read, write, edit.editingFinished, _in_words(kind, optional, low, high))


def _in_words(kind: Any, optional: bool, low: Any, high: Any) -> str:
    """What a line may hold: "a whole number from 8 to 512, or empty"."""
    if get_origin(kind) is tuple:
        return tr("a list such as 1, 2, 4")
    noun = tr("a whole number") if kind is int else tr("a number")
    if low is not None and high is not None:
        text = tr("{number} from {low:g} to {high:g}", number=noun, low=low, high=high)
    elif low is not None:
        text = tr("{number} of at least {low:g}", number=noun, low=low)
    else:
        text = tr("{number} of at most {high:g}", number=noun, high=high) if high is not None else noun
    return tr("{value}, or empty", value=text) if optional else text


def _mark(widget: QWidget, valid: bool) -> None:
    if bool(widget.property("invalid")) == valid:
        widget.setProperty("invalid", not valid)
        theme.restyle(widget)
