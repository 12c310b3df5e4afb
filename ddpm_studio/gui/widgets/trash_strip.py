"""Whether something is to go to the trash, and afterwards a way back."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QFrame, QPushButton, QWidget

from ddpm_studio.gui.undo_stack import Change, UndoStack
from ddpm_studio.gui.widgets.basics import button, label, row
from ddpm_studio.language import tr


class TrashStrip(QFrame):
    """Asked in place: a box in the way would stop everything else. The focus goes to what does no harm, and comes back.
    What is in the trash can be taken back by the button, and like everything else by Ctrl+Z."""

    confirmed = Signal()

    def __init__(self, name: str, accessible: str, view: QWidget, stack: UndoStack) -> None:
        """`view`: what it is about; it has the focus afterwards."""
        super().__init__()
        self._stack = stack
        self._thrown: Thrown | None = None
        self._take_back: Callable[[], None] = lambda: None
        self.setObjectName(name)
        self.setAccessibleName(accessible)
        self.setProperty("card", "notice")
        self._view = view
        self.text = label("", wrap=True)
        self.confirm = button(tr("Move to trash"), f"{name}Confirm", "trash-2", tip=tr("They can be got back from there"))
        self.keep = button(tr("Keep"), f"{name}Keep", kind="quiet", tip=tr("Do nothing (Esc)"))
        self.undo = button(tr("Undo"), f"{name}Undo", "rotate-ccw", tip=tr("Take them back from the trash"))
        self.close_button = button(tr("Close"), f"{name}Close", kind="quiet", tip=tr("They stay in the trash"))
        layout = row(self.text, self.undo, self.confirm, self.keep, self.close_button, margins=(16, 8, 8, 8))
        layout.setStretch(0, 1)
        self.setLayout(layout)
        for part in (self.confirm, self.undo, self.keep, self.close_button):
            part.clicked.connect(self.leave)
        self.confirm.clicked.connect(self.confirmed)
        self.undo.clicked.connect(self._undo)
        self.hide()

    @property
    def asks(self) -> bool:
        return not self.isHidden() and not self.confirm.isHidden()

    def ask(self, text: str) -> None:
        self._say(text, self.confirm, self.keep)
        self.keep.setFocus()

    def tell(self, text: str, take_back: Callable[[], None]) -> None:
        """What was done, and can be undone."""
        self._thrown, self._take_back = Thrown(text, take_back, self), take_back
        self._stack.push(self._thrown)
        self._say(text, self.undo, self.close_button)

    def tell_again(self, text: str) -> None:
        """That did not go well; the button tries once more."""
        self._say(text, self.undo, self.close_button)

    @Slot()
    def _undo(self) -> None:
        if self._thrown is None:
            self._take_back()
        elif self._stack.command(self._stack.index() - 1) is self._thrown:
            self._stack.undo()
        else:
            self._thrown.undo()

    def is_back(self, thrown: Thrown) -> None:
        if thrown is self._thrown:
            self._thrown = None
            self.leave()

    def forget(self) -> None:
        """Others are chosen: the question is no longer about them, what was done can still be undone."""
        if self.asks:
            self.leave()

    @Slot()
    def leave(self) -> None:
        if self.focusWidget() is not None and self.focusWidget().hasFocus():
            self._view.setFocus()
        self.hide()

    def _say(self, text: str, *buttons: QPushButton) -> None:
        self.text.setText(text)
        for part in (self.undo, self.confirm, self.keep, self.close_button):
            part.setVisible(part in buttons)
        self.show()


class Thrown(Change):
    """Something went to the trash. It is taken back once, and not thrown away again unasked."""

    def __init__(self, text: str, take_back: Callable[[], None], strip: TrashStrip) -> None:
        super().__init__(text)
        self._take_back, self._strip = take_back, strip

    def undo(self) -> None:
        if not self.isObsolete():
            self.setObsolete(True)
            self._strip.is_back(self)
            self._take_back()

    def redo(self) -> None:
        """Qt does this when it is pushed; then it has been done already."""
