"""What somebody has set can be taken back: Ctrl+Z and Ctrl+Shift+Z.

The controls of a page are named once, in the order in which they may be written: a later one wins over what an earlier one sets
with it, as the sampler sets the steps. After a change all of them are looked at, and what is different becomes one entry
of the studio's stack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from PySide6.QtCore import QEvent, QObject, QTimer, Signal, SignalInstance, Slot
from PySide6.QtGui import QKeyEvent, QKeySequence, QUndoCommand
from PySide6.QtWidgets import QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QDoubleSpinBox, QLineEdit, QSpinBox, QWidget

from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.undo_stack import Change

EDIT = 1
"""The id of all edits: Qt offers to merge only those with the same."""


@dataclass(frozen=True)
class Control:
    """Something that can be set: its name for people, and how to read and write it."""

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], None]
    changed: SignalInstance | None
    """None where the signal of another control tells of this one, too."""
    widget: QWidget | None = None
    merges: bool = True
    """Changes that follow each other are one edit, as when a slider is dragged."""


def control(widget: QWidget) -> Control:
    """The control of a widget of a usual kind, called by its accessible name."""
    name = widget.accessibleName()
    if isinstance(widget, QComboBox):
        return Control(name, widget.currentData, partial(choose_data, widget), widget.currentIndexChanged, widget, merges=False)
    if isinstance(widget, (QSpinBox, QDoubleSpinBox)):
        return Control(name, widget.value, widget.setValue, widget.valueChanged, widget)
    if isinstance(widget, QAbstractSlider):
        return Control(name, widget.value, widget.setValue, widget.valueChanged, widget)
    if isinstance(widget, QAbstractButton):
        return Control(name, widget.isChecked, widget.setChecked, widget.toggled, widget, merges=False)
    raise TypeError(type(widget).__name__)


def choose_data(box: QComboBox, data: Any) -> None:
    """The line with these data, wherever it stands by now; where it is gone, nothing."""
    index = next((i for i in range(box.count()) if box.itemData(i) == data), -1)
    if index >= 0:
        box.setCurrentIndex(index)


def controls_of(page: QWidget, names: Sequence[str]) -> list[Control]:
    """The controls of these object names."""
    return [control(widget) for name in names if (widget := page.findChild(QWidget, name)) is not None]


class History(QObject):
    """The changes of one page's controls."""

    went = Signal()
    """Somebody has gone back or forth, so the controls hold other values now."""

    def __init__(self, studio: Studio, page: str, parent: QWidget, controls: Sequence[Control]) -> None:
        """`page`: the name of the page that is shown when somebody goes back or forth."""
        super().__init__(parent)
        self._studio, self._page, self._parent = studio, page, parent
        self._controls = controls
        self._writing = False
        self._look = QTimer(self, singleShot=True, interval=0)
        self._look.timeout.connect(self._record)
        for part in self._controls:
            if part.changed is not None:
                part.changed.connect(self._changed)
            if part.widget is not None:
                part.widget.installEventFilter(self)
        self._known = self._values()
        for others in (studio.model_changed, studio.run_renamed):
            others.connect(self.settle)  # after the page, which was there first, has taken over its limits

    @property
    def locked(self) -> bool:
        """Nobody may change the controls now."""
        return not self._parent.isEnabled()

    def record(self, name: str) -> None:
        """Several controls have been set at once, and that is called so."""
        self._look.stop()
        self._push(name)

    @Slot()
    def settle(self) -> None:
        """What has just changed was not anybody's doing, as when another model brings other limits."""
        self._look.stop()
        self._known = self._values()

    def copy(self, other: History) -> None:
        """Set what is set there."""
        self.write(other._values())

    def write(self, values: Sequence[Any]) -> None:
        with self._ours():
            for part, value in zip(self._controls, values, strict=True):
                if part.read() != value:
                    part.write(value)
        self.settle()
        self.went.emit()
        if not self._parent.isVisible():
            self._studio.page_wanted.emit(self._page)

    def _values(self) -> tuple[Any, ...]:
        return tuple(part.read() for part in self._controls)

    @contextmanager
    def _ours(self) -> Iterator[None]:
        self._writing = True
        try:
            yield
        finally:
            self._writing = False

    @Slot()
    def _changed(self) -> None:
        if not self._writing:
            self._look.start()

    @Slot()
    def _record(self) -> None:
        """Once for all that one edit has changed."""
        self._push()

    def _push(self, name: str = "") -> None:
        before, self._known = self._known, self._values()
        changed = [part for part, old, new in zip(self._controls, before, self._known, strict=True) if old != new]
        if changed:
            merges = not name and changed[0].merges
            self._studio.undo_stack.push(Edit(self, name or changed[0].name, before, self._known, merges))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Fields have an undo of their own for what is being typed. What has been taken over is ours."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and isinstance(watched, (QAbstractSpinBox, QLineEdit)):
            typing = isinstance(watched, QLineEdit) and watched.isModified()
            if not typing and (event.matches(QKeySequence.StandardKey.Undo) or event.matches(QKeySequence.StandardKey.Redo)):
                event.ignore()
                return True
        return False


class Edit(Change):
    """Of one control, with all that it has changed along; or of several that were set at once."""

    def __init__(self, history: History, name: str, before: Sequence[Any], after: Sequence[Any], merges: bool = True) -> None:
        super().__init__(name)
        self.history, self.name, self.before, self.after = history, name, before, after
        self._id = EDIT if merges else -1
        self._done = True

    @property
    def locked(self) -> bool:
        return self.history.locked

    def id(self) -> int:
        return self._id

    def mergeWith(self, other: QUndoCommand) -> bool:
        """Edits of one control that follow each other are one, as when a slider is dragged; back where it began, they are none."""
        if not isinstance(other, Edit) or (other.history, other.name) != (self.history, self.name):
            return False
        self.after = other.after
        self.setObsolete(self.before == self.after)
        return True

    def undo(self) -> None:
        self._done = False
        self.history.write(self.before)

    def redo(self) -> None:
        """Qt does this once when the edit is pushed; then it has been done already."""
        if not self._done:
            self._done = True
            self.history.write(self.after)
