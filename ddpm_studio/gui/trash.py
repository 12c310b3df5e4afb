"""Files go to the trash of the system, and the last ones can be taken back from there."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from PySide6.QtCore import QFile, QStandardPaths


class Trash:
    """What was thrown away in one go. Its methods may be called in any thread, one at a time."""

    def __init__(self) -> None:
        self.places: dict[Path, Path] = {}
        """Where each file was, and where it lies now."""

    def throw_away(self, path: Path) -> bool:
        # A fresh account on Linux may not have the folder that the trash is made in, and Qt makes only the trash itself.
        with contextlib.suppress(OSError):
            Path(QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericDataLocation)).mkdir(parents=True, exist_ok=True)
        file = QFile(str(path))
        if not file.moveToTrash():
            return False
        if file.fileName() and Path(file.fileName()) != path:  # some systems do not say
            self.places[path] = Path(file.fileName())
        return True

    def take_back(self, path: Path) -> bool:
        """Never in the place of another file. Raises OSError."""
        lies = self.places.get(path)
        if lies is None or path.exists():
            return False
        shutil.move(lies, path)
        with contextlib.suppress(OSError):  # the note that says where it came from, of the trash of freedesktop.org
            (lies.parent.parent / "info" / f"{lies.name}.trashinfo").unlink()
        del self.places[path]
        return True
