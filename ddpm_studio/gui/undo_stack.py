"""What was done on all pages, in order. Whatever must not be changed now is not taken back either."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QUndoCommand, QUndoStack


class Change(QUndoCommand):
    """Something that can be taken back."""

    @property
    def locked(self) -> bool:
        """What it has changed may not be changed now."""
        return False


class UndoStack(QUndoStack):
    """Qt's, but for `undo` and `redo`; its own actions do not ask first, so they are connected to these."""

    refused = Signal()
    """What would be taken back, or done again, is locked."""

    @Slot()
    def undo(self) -> None:
        self._walk(self.index() - 1, super().undo)

    @Slot()
    def redo(self) -> None:
        self._walk(self.index(), super().redo)

    def _walk(self, index: int, go: Callable[[], None]) -> None:
        change = self.command(index) if 0 <= index < self.count() else None
        if isinstance(change, Change) and change.locked:
            self.refused.emit()
        else:
            go()
