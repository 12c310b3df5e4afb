"""What was done on all pages, in order. Whatever must not be changed now is not taken back either."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QUndoCommand, QUndoStack


class Change(QUndoCommand):
    """Something that can be taken back."""

    @property
    def locked(self) -> bool:
        """What it has changed may not be changed now."""
        return False

    @property
    def takes_time(self) -> bool:
        """`undo` only begins. It stays on the stack until it is obsolete, so that nothing is lost that does not go well."""
        return False


class UndoStack(QUndoStack):
    """Qt's, but for `undo` and `redo`; its own actions do not ask first, so they are connected to these."""

    refused = Signal()
    """What would be taken back, or done again, is locked."""

    @Slot()
    def undo(self) -> None:
        change = self._change(self.index() - 1)
        if change and change.locked:
            self.refused.emit()
        elif change and change.takes_time:
            change.undo()
        else:
            super().undo()
        self.sweep()

    @Slot()
    def redo(self) -> None:
        change = self._change(self.index())
        if change and change.locked:
            self.refused.emit()
        else:
            super().redo()

    def sweep(self) -> None:
        """What became obsolete is never the next to be taken back: one Ctrl+Z would do nothing."""
        while self.index() > 0 and self.command(self.index() - 1).isObsolete():
            super().undo()  # Qt drops it

    def _change(self, index: int) -> Change | None:
        change = self.command(index) if 0 <= index < self.count() else None
        return change if isinstance(change, Change) else None
