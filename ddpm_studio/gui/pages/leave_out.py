"""Leaving pictures out of training, and bringing them back: something that can be undone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ddpm_studio.gui.undo_stack import Change
from ddpm_studio.language import ntr

if TYPE_CHECKING:
    from ddpm_studio.gui.pages.dataset_section import DatasetSection


class LeaveOut(Change):
    """Of one source; when another one is open by the time that it is undone, there is nothing to undo."""

    def __init__(self, section: DatasetSection, source: Path, names: frozenset[str], out: bool) -> None:
        super().__init__(ntr("leaving out {count} picture", "leaving out {count} pictures", len(names)))
        if not out:
            self.setText(ntr("bringing back {count} picture", "bringing back {count} pictures", len(names)))
        self._section, self._source, self._names, self._out = section, source, names, out

    def redo(self) -> None:
        self._apply(self._out)

    def undo(self) -> None:
        self._apply(not self._out)

    def _apply(self, out: bool) -> None:
        if self._section.source != self._source:
            self.setObsolete(True)
        else:
            before = self._section.left_out
            self._section.set_left_out(before | self._names if out else before - self._names)
