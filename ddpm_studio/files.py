"""Files that are either the old ones or the new ones, never halves."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from ddpm_studio.errors import describe_os_error


def write_atomically(path: Path, data: bytes) -> None:
    replace_atomically(path, lambda temporary: temporary.write_bytes(data))


def replace_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, force it to the disk, and put it in place in one move.

    Raises UserError when the disk is full or the folder may not be written; `path` is then as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise describe_os_error(error, f"save {path.name}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
