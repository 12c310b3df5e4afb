"""Whether something is to go to the trash, and afterwards a way back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QFrame, QPushButton, QWidget

from ddpm_studio.gui.undo_stack import Change, UndoStack
from ddpm_studio.gui.widgets.basics import button, label, row
from ddpm_studio.language import tr


class TrashStrip(QFrame):
    """Asked in place: a box in the way would stop everything else. The focus goes to what does no harm, and comes back.
    What is in the trash can be taken back by the button, and like everything else by Ctrl+Z. A question that is not answered
    yet is never replaced: news wait behind it."""

    confirmed = Signal()

    def __init__(self, name: str, accessible: str, view: QWidget, stack: UndoStack) -> None:
        """`view`: what it is about; it has the focus afterwards."""
        super().__init__()
        self._stack = stack
        self.about: tuple[Path, ...] = ()
        """What the last question was about."""
        self._news: Thrown | None = None
        """What is told, or waits to be when the question is answered."""
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
        self.close_button.clicked.connect(self._give_up)
        self.hide()

    @property
    def asks(self) -> bool:
        return not self.isHidden() and not self.confirm.isHidden()

    def ask(self, text: str, about: Iterable[Path]) -> None:
        self.about = tuple(about)
        self._say(text, self.confirm, self.keep)
        self.keep.setFocus()

    def tell(self, text: str, take_back: Callable[[Thrown], None]) -> None:
        """What was done, and can be undone; `take_back` begins, and `is_back` or `tell_again` says how it went."""
        thrown = Thrown(text, take_back)
        self._stack.push(thrown)
        self._offer(thrown)

    def tell_again(self, text: str, thrown: Thrown) -> None:
        """That did not go well; the button tries this one once more."""
        thrown.said, thrown.busy, thrown.tried = text, False, True
        self._offer(thrown)

    def is_back(self, thrown: Thrown) -> None:
        """Nothing of it is left to take back."""
        thrown.setObsolete(True)
        self._stack.sweep()
        if thrown is self._news:
            self._news = None
            if not self.asks:
                self.leave()

    def forget(self, chosen: Iterable[Path], there: Iterable[Path]) -> None:
        """Others are chosen, or what was asked about is not shown any more: the question is over, what was done can still be undone."""
        if self.asks and not (set(chosen) <= set(self.about) <= set(there)):
            self.leave()

    @Slot()
    def leave(self) -> None:
        """Whatever is said is over; behind a question something may wait."""
        asked = self.asks
        if self.focusWidget() is not None and self.focusWidget().hasFocus():
            self._view.setFocus()
        self.hide()
        if asked and self._news is not None:
            self._offer(self._news)

    @Slot()
    def _undo(self) -> None:
        if self._news is not None:
            self._news.undo()

    @Slot()
    def _give_up(self) -> None:
        """What did not come back is not tried for ever: Ctrl+Z goes on to what was done before. Else that can still take it back."""
        news, self._news = self._news, None
        if news is not None and news.tried:
            self.is_back(news)

    def _offer(self, thrown: Thrown) -> None:
        self._news = thrown
        if not self.asks:
            self._say(thrown.said, self.undo, self.close_button)

    def _say(self, text: str, *buttons: QPushButton) -> None:
        self.text.setText(text)
        for part in (self.undo, self.confirm, self.keep, self.close_button):
            part.setVisible(part in buttons)
        self.show()


class Thrown(Change):
    """Something went to the trash. It is taken back once, and not thrown away again unasked."""

    def __init__(self, text: str, take_back: Callable[[Thrown], None]) -> None:
        super().__init__(text)
        self._take_back = take_back
        self.said = text
        """What the strip says of it."""
        self.busy = False
        """It is being taken back."""
        self.tried = False
        """That did not go well the last time."""

    @property
    def takes_time(self) -> bool:
        return True

    def undo(self) -> None:
        if not self.busy:
            self.busy = True
            self._take_back(self)
            self.tried = False

    def redo(self) -> None:
        """Qt does this when it is pushed; then it has been done already."""
