"""Whether something is to go to the trash, and afterwards a way back."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QFrame, QPushButton, QWidget

from ddpm_studio.gui.widgets.basics import button, label, row
from ddpm_studio.language import tr


class TrashStrip(QFrame):
    """Asked in place: a box in the way would stop everything else. The focus goes to what does no harm, and comes back."""

    confirmed = Signal()
    undone = Signal()

    def __init__(self, name: str, accessible: str, view: QWidget) -> None:
        """`view`: what it is about; it has the focus afterwards."""
        super().__init__()
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
        self.undo.clicked.connect(self.undone)
        self.hide()

    @property
    def asks(self) -> bool:
        return not self.isHidden() and not self.confirm.isHidden()

    def ask(self, text: str) -> None:
        self._say(text, self.confirm, self.keep)
        self.keep.setFocus()

    def tell(self, text: str) -> None:
        """What was done, and can be undone."""
        self._say(text, self.undo, self.close_button)

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
