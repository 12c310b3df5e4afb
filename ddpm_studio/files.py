"""Files that are either the old ones or the new ones, never halves."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from ddpm_studio.errors import describe_os_error


def previous_of(path: Path) -> Path:
    """Where the last but one state of a file is kept."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def write_atomically(path: Path, data: bytes) -> None:
    replace_atomically(path, lambda temporary: temporary.write_bytes(data))


def replace_atomically(path: Path, write: Callable[[Path], object], verify: Callable[[Path], object] | None = None, previous: Path | None = None) -> None:
    """Let `write` fill a temporary file beside `path`, force it to the disk, and put it in place in one move.

    `verify` may raise when what was written is not what should have been. With `previous` the old file is kept under
    that name; in the one moment between the two moves only that one is there.
    Raises UserError when the disk is full or the folder may not be written; `path` is then as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        if verify:
            verify(temporary)
        if previous and path.exists():
            os.replace(path, previous)
        os.replace(temporary, path)
        _force_names(path.parent)
    except OSError as error:
        raise describe_os_error(error, f"save {path.name}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _force_names(folder: Path) -> None:
    """A move is on the disk only when its folder is; not every system can be asked for that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
