"""Finding pictures in a folder or a zip, without decoding any and without writing anything to the disk."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import io
import os
import struct
import unicodedata
import zipfile
from dataclasses import dataclass, replace
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Self, cast

from ddpm_studio.errors import Cancelled, UserError, describe_os_error
from ddpm_studio.events import Skipped
from ddpm_studio.imaging import IMAGE_SUFFIXES, UnreadablePicture, printable
from ddpm_studio.language import again, later, tr

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ddpm_studio.control import RunControl

MAX_FILE_BYTES = 2**30
"""Larger files are not opened."""
MAX_MEMBER_BYTES = 2**27
"""Larger members of a zip are not unpacked: they are read into memory whole."""

_BROKEN_ZIP = (zipfile.BadZipFile, struct.error, ValueError, OverflowError, EOFError, NotImplementedError)


class Entry(NamedTuple):
    """A file that may be a picture. (A tuple, because folders hold hundreds of thousands.)"""

    name: str
    """Path below the source with `/` between its parts, fit to be shown."""
    size: int
    stamp: int
    """Changes when the content does: time of the last change in ns, or the CRC in a zip."""
    place: str | zipfile.ZipInfo
    archive: zipfile.ZipFile | None = None

    def open(self) -> BinaryIO:
        """The file's bytes as a seekable stream; any thread may call this.

        Raises OSError when the file cannot be reached, UnreadablePicture when the zip is damaged there.
        """
        if self.archive is None:
            return open(cast("str", self.place), "rb")
        try:
            with self.archive.open(cast("zipfile.ZipInfo", self.place)) as member:
                return io.BytesIO(member.read(MAX_MEMBER_BYTES))  # zipfile never yields more than the declared size
        except OSError:
            raise
        except Exception as error:  # zlib, bz2, lzma and zipfile each have their own
            raise UnreadablePicture(later("its data in the zip are damaged, or packed in a way that is not read here")) from error


@dataclass(frozen=True, slots=True)
class Found:
    """What a source holds, sorted by name. Close it after use: a zip stays open for its entries."""

    files: list[Entry]
    skipped: list[Skipped]
    others: int
    """How many files are of other kinds, by their names."""
    archive: zipfile.ZipFile | None = None

    def fingerprint(self) -> str:
        """Changes when a picture is added, removed, renamed or altered; nothing is decoded for it."""
        lines = "".join([f"{name}\0{size}\0{stamp}\n" for name, size, stamp, _, _ in self.files])
        return hashlib.sha256(lines.encode()).hexdigest()

    def close(self) -> None:
        if self.archive:
            self.archive.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def find_pictures(source: Path, control: RunControl | None = None) -> Found:
    """All files below a folder, or in a zip, that are pictures by their suffix.

    Hidden files and `__MACOSX` are left out. The order depends on the names only, not on the file system.
    Raises UserError when the source cannot be read or holds no picture, Cancelled when `control` says stop.
    """
    name = printable(source.name or str(source))
    try:
        if source.is_dir():
            with _uncollected():
                found = _search_folder(source, control)
        elif source.is_file():
            found = _search_zip(source)
        elif source.exists():
            raise UserError(tr("{name} is neither a folder nor a zip.", name=name), tr("Choose a folder or a zip with pictures."))
        else:
            raise UserError(tr("There is no folder or zip at {source}.", source=printable(str(source))), tr("Check the spelling, and that the disk is connected."))
    except OSError as error:
        raise describe_os_error(error, tr("read {name}", name=name)) from error
    found.files.sort(key=itemgetter(0))
    found.skipped.sort(key=attrgetter("path"))
    if not found.files:
        found.close()
        raise _nothing_found(name, found)
    return found


def describe_access(error: OSError) -> str:
    """Why a file cannot be reached, as a reason to skip it."""
    if isinstance(error, PermissionError):
        return later("permission denied")
    if isinstance(error, FileNotFoundError):
        return later("the file is gone")
    return (error.strerror or later("it cannot be reached")).lower()


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Hundreds of thousands of entries are made here and none is given up: looking for rubbish among them takes as long again."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _search_folder(source: Path, control: RunControl | None) -> Found:
    found = Found([], [], 0)
    files, others = found.files, 0
    seen: set[tuple[int, int]] = set()
    pending = [(str(source), "")]
    while pending:
        if control and control.stopping:
            raise Cancelled
        folder, prefix = pending.pop()
        try:
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in seen:  # a link back to where we have been
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as listing:
                children = list(listing)
        except OSError as error:
            if not prefix:
                raise
            found.skipped.append(Skipped(prefix, describe_access(error)))
            continue
        folders = []
        for child in children:
            name = child.name
            if name.startswith(".") or name == "__MACOSX":
                continue
            name = prefix + (name if name.isascii() and name.isprintable() else _tidy(name))
            is_picture = name[name.rfind(".") :].lower() in IMAGE_SUFFIXES
            try:
                if is_picture and child.is_file():  # first, because there are so many
                    status = child.stat()
                    size = status.st_size
                    if size > MAX_FILE_BYTES:
                        found.skipped.append(Skipped(name, later("too large: {} MB").format(f"{size / 1e6:,.0f}")))
                    else:
                        files.append(Entry(name, size, status.st_mtime_ns, child.path))
                elif child.is_dir():
                    folders.append((child.path, name + "/"))
                elif not is_picture:
                    others += 1
                else:
                    found.skipped.append(Skipped(name, later("a link that leads nowhere") if child.is_symlink() else later("not an ordinary file")))
            except OSError as error:
                found.skipped.append(Skipped(name, describe_access(error)))
        pending += sorted(folders, reverse=True)  # so that of two ways to one folder, always the same counts
    return replace(found, others=others)


def _search_zip(source: Path) -> Found:
    name = printable(source.name)
    if _is_picture(source.name):
        raise UserError(tr("{name} is a single picture.", name=name), tr("Choose the folder that it is in; training needs many pictures."))
    if source.suffix.lower() != ".zip" and not zipfile.is_zipfile(source):
        raise UserError(tr("{name} is neither a folder nor a zip.", name=name), tr("Choose a folder or a zip with pictures."))
    try:
        archive = zipfile.ZipFile(source)
    except _BROKEN_ZIP as error:
        raise UserError(tr("{name} is not a zip, or it is damaged.", name=name), tr("Copy or download it again, or unpack it and choose the folder.")) from error
    found = Found([], [], 0, archive)
    others = 0
    for member in archive.infolist():
        path = member.filename.replace("\\", "/")
        parts = path.split("/")
        if path.endswith("/") or "__MACOSX" in parts or any(part.startswith(".") and part != ".." for part in parts):
            continue
        name = _tidy(path)
        reason = ""
        if not _is_picture(parts[-1]):
            others += 1
            continue
        if ".." in parts or parts[0] == "" or ":" in parts[0]:
            reason = later("its name points outside the zip")
        elif member.flag_bits & 1:
            reason = later("encrypted")
        elif member.file_size > MAX_MEMBER_BYTES:
            reason = later("too large: {} MB unpacked").format(f"{member.file_size / 1e6:,.0f}")
        if reason:
            found.skipped.append(Skipped(name, reason))
        else:
            found.files.append(Entry(name, member.file_size, member.CRC, member, archive))
    return replace(found, others=others)


def _nothing_found(name: str, found: Found) -> UserError:
    kinds = ", ".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))
    if found.skipped and all(skipped.reason == "encrypted" for skipped in found.skipped):
        return UserError(tr("All pictures in {name} are encrypted.", name=name), tr("Unpack it with its password and choose the folder."))
    if found.skipped:
        first = found.skipped[0]
        return UserError(
            tr("None of the {count:,} pictures in {name} can be read; {path}: {reason}.", count=len(found.skipped), name=name, path=first.path, reason=again(first.reason)),
            tr("Put that right, or choose another folder or zip."),
        )
    if found.others:
        message = tr("There are no pictures in {name}; its {count:,} files are of other kinds.", name=name, count=found.others)
    else:
        message = tr("There are no pictures in {name}.", name=name)
    return UserError(message, tr("Choose a folder or a zip with pictures ({kinds}).", kinds=kinds))


def _is_picture(name: str) -> bool:
    return name[name.rfind(".") :].lower() in IMAGE_SUFFIXES


def _tidy(name: str) -> str:
    """One spelling for names that file systems keep in several (composed and decomposed accents)."""
    if name.isascii() and name.isprintable():
        return name
    return printable(unicodedata.normalize("NFC", name))
