"""Files that are either the old ones or the new ones, never halves."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ddpm_studio.errors import DamagedFile, describe_os_error
from ddpm_studio.language import tr

LONGEST = 200
"""Bytes of a name that a temporary name takes over: together with its own there may be 255 bytes."""
_unfinished: set[Path] = set()
"""Temporary files that are being filled."""


def previous_of(path: Path) -> Path:
    """Where the last but one state of a file is kept."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


MAX_HEADER_BYTES = 4 * 2**20
"""Of a safetensors file; ours have a tenth of that, and reading larger ones of strangers takes time and memory."""


def check_header_size(file: Path) -> None:
    """Raises DamagedFile when a safetensors file declares a header that no model has, UserError when it cannot be opened."""
    try:
        with file.open("rb") as opened:
            size = int.from_bytes(opened.read(8), "little")
    except OSError as error:
        raise describe_os_error(error, tr("open {name}", name=file.name)) from error
    if size > MAX_HEADER_BYTES:
        raise DamagedFile(tr("{name} is not a model file, or it is damaged.", name=file.name), tr("Give a file made by DDPM Studio, or another copy of it."))


def whole_number(value: object) -> int:
    """A count out of a file that anybody may have written; 0 when it is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else 0


def write_atomically(path: Path, data: bytes) -> None:
    replace_atomically(path, lambda temporary: temporary.write_bytes(data))


def replace_atomically(
    path: Path, write: Callable[[Path], object], verify: Callable[[Path], object] | None = None, previous: Path | None = None, forced: bool = True
) -> None:
    """Let `write` fill a temporary file beside `path`, and put it in place; `replacing` says how."""
    with replacing(path, verify, previous, forced) as temporary:
        write(temporary)


@contextlib.contextmanager
def replacing(path: Path, verify: Callable[[Path], object] | None = None, previous: Path | None = None, forced: bool = True) -> Iterator[Path]:
    """Gives the name of a temporary file beside `path` to fill, then forces it to the disk and puts it in place in one move.

    `verify` may raise when what was written is not what should have been. With `previous` the old file is kept under
    that name; in the one moment between the two moves only that one is there. Without `forced` the system decides when
    it comes to the disk: for many files, of which each would wait as long as its picture took; `force_all` follows them.
    Raises UserError when the disk is full or the folder may not be written; `path` is then as it was, as it is when
    whoever fills the file raises.
    """
    if path.is_symlink():
        path = path.resolve()  # what it leads to is replaced, not the link
    short = os.fsdecode(os.fsencode(path.name)[:LONGEST])
    temporary = path.with_name(f".{short}.{os.getpid()}.part")
    _unfinished.add(temporary)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if forced:
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
        with contextlib.suppress(OSError):
            shutil.copymode(path, temporary)
        if verify:
            verify(temporary)
        if previous and path.exists():
            os.replace(path, previous)
        os.replace(temporary, path)
        if forced:
            _force_names(path.parent)
    except OSError as error:
        raise describe_os_error(error, tr("save {name}", name=path.name)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        _unfinished.discard(temporary)


def remove_unfinished() -> None:
    """What is being filled at this moment goes: for a process that ends without waiting for its threads."""
    for temporary in tuple(_unfinished):
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def force_all(files: Sequence[Path]) -> None:
    """Several files that were written without being forced to the disk go there together: after the first there is little left to do.

    Raises UserError.
    """
    for file in files:
        try:
            with file.open("rb+") as opened:
                os.fsync(opened.fileno())
        except OSError as error:
            raise describe_os_error(error, tr("save {name}", name=file.name)) from error
    for folder in {file.parent for file in files}:
        _force_names(folder)


def _force_names(folder: Path) -> None:
    """A move is on the disk only when its folder is; not every system can be asked for that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
