"""A data set as training sees it: decoded pictures on the disk, what is known of each, and which of them are left out."""

from __future__ import annotations

import base64
import hashlib
import unicodedata
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ddpm_studio.errors import UserError, describe_os_error
from ddpm_studio.events import Contents, DatasetReport, Images, Rows, frozen_images
from ddpm_studio.files import write_atomically
from ddpm_studio.imaging import printable
from ddpm_studio.language import tr

NAMES, FACTS = "names.txt", "facts.npy"
"""Beside the array of a cache: the name of each picture, one a line, and int32 [N, 4], the columns of `Facts`."""
MAX_NAMES_BYTES = 100 * 2**20
MAX_PACKED = 2**21
"""Characters; the header of a save may have twice as many bytes."""



class Facts(NamedTuple):
    """Of each picture, before it was cropped and scaled."""

    width: npt.NDArray[np.int32]
    height: npt.NDArray[np.int32]
    grey: npt.NDArray[np.bool_]
    transparent: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Decoded pictures, ready for training. Picture i of the N that are kept is row `rows(i)` of the array."""

    images: Images
    """uint8 [M, H, W, C], read-only, mapped from the disk; in the order of the files' names, those that are left out as well."""
    report: DatasetReport
    fingerprint: str
    """Made of names, sizes and times of change (CRCs in a zip), and of which are left out: the same as long as the pictures are."""
    folder: Path
    """Of the cache."""
    kept: Rows | None = None
    """int64 [N]; None: all."""
    left_out: tuple[str, ...] = ()
    """Names, sorted."""

    def __len__(self) -> int:
        return len(self.images) if self.kept is None else len(self.kept)

    def rows(self, indices: Rows) -> Rows:
        """Where in `images` the pictures 0 ... N-1 are."""
        return indices if self.kept is None else self.kept[indices]

    def examples(self, count: int = 48) -> Images:
        """At most `count` pictures, evenly spread over the set: uint8 [n, H, W, C]."""
        chosen = np.linspace(0, len(self) - 1, min(count, len(self))).round().astype(np.int64)
        return frozen_images(self.images[self.rows(chosen)])

    def names(self) -> list[str]:
        """Of all M pictures, paths below the source with `/` between their parts."""
        return read_names_of(self.folder)

    def facts(self) -> Facts:
        """Of all M pictures."""
        columns = np.load(self.folder / FACTS, allow_pickle=False).T
        return Facts(columns[0], columns[1], columns[2] > 0, columns[3] > 0)

    def contents(self) -> Contents:
        facts = self.facts()
        sizes = np.stack([facts.width, facts.height], axis=1)
        sizes.setflags(write=False)
        return Contents(self.folder, tuple(self.names()), sizes)

    def without(self, names: Iterable[str]) -> Dataset:
        """The same pictures but those of these names; names that no picture has count for nothing.

        Raises UserError when none is left.
        """
        unwanted = frozenset(names)
        if not unwanted:
            return self
        present = self.names()
        is_out = np.fromiter((name in unwanted for name in present), dtype=bool, count=len(present))
        if is_out.all():
            raise UserError(tr("All pictures of {name} are left out.", name=self.report.name), tr("Bring some of them back."))
        if not is_out.any():
            return self
        left_out = tuple(sorted({present[row] for row in np.flatnonzero(is_out)}))
        fingerprint = hashlib.sha256("\n".join((self.fingerprint, *left_out)).encode()).hexdigest()
        kept = np.flatnonzero(~is_out).astype(np.int64)
        return replace(self, report=replace(self.report, pictures=len(kept)), fingerprint=fingerprint, kept=kept, left_out=left_out)


def read_names_of(cache: Path) -> list[str]:
    return (cache / NAMES).read_text(encoding="utf-8").split("\n")[:-1]


def read_name_list(file: Path) -> tuple[str, ...]:
    """Names of pictures out of a text file, one a line, as `Dataset.names` spells them.

    Raises UserError when it cannot be read, or is no text.
    """
    name = printable(file.name)
    try:
        if file.stat().st_size > MAX_NAMES_BYTES:
            raise UserError(tr("{name} is too large for a list of names.", name=name), tr("Give a text file with one name a line."))
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(tr("{name} is not a text file.", name=name), tr("Give a text file with one name a line.")) from None
    except OSError as error:
        raise describe_os_error(error, tr("read {name}", name=name)) from error
    return tuple(dict.fromkeys(unicodedata.normalize("NFC", line) for line in text.splitlines() if line.strip()))


def write_name_list(file: Path, names: Iterable[str]) -> None:
    """Raises UserError when it cannot be written."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, "".join(f"{name}\n" for name in names).encode())
    except OSError as error:
        raise describe_os_error(error, tr("write {name}", name=printable(file.name))) from error


def pack_names(names: Iterable[str]) -> str:
    """Names as a run remembers them in the header of its saves, which cannot hold megabytes.

    Raises UserError when there are too many.
    """
    packed = base64.b64encode(zlib.compress("\n".join(names).encode(), 9)).decode()
    if len(packed) > MAX_PACKED:
        raise UserError(tr("Too many pictures are left out for a run to remember."), tr("Move them out of the folder instead."))
    return packed


def unpack_names(packed: object) -> tuple[str, ...]:
    """None, when it is not what `pack_names` has made."""
    try:
        unpacked = zlib.decompressobj().decompress(base64.b64decode(str(packed)), MAX_NAMES_BYTES).decode()
    except (ValueError, zlib.error):
        return ()
    return tuple(unpacked.split("\n")) if unpacked else ()
