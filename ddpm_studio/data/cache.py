"""Pictures are decoded once: `cache/<key>/` holds them as one array, their names and sizes, and the report of how it went.

The key says which source and which settings, so a cache is never updated, only made, used and in the end removed.
It is made under a temporary name and moved into place whole; of two processes that make the same one, the first wins.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import shutil
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from ddpm_studio import paths
from ddpm_studio.data.dataset import FACTS, NAMES, Dataset
from ddpm_studio.data.decoding import Decoded, decode_all
from ddpm_studio.data.scan import Found, find_pictures
from ddpm_studio.errors import Cancelled, UserError, describe_os_error
from ddpm_studio.events import DatasetReady, DatasetReport, Event, Finished, Images, Progress, frozen_images
from ddpm_studio.imaging import printable
from ddpm_studio.language import again, ntr, tr

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from ddpm_studio.config import DataConfig
    from ddpm_studio.control import RunControl

CACHE_VERSION = 4
"""Part of the key; to be raised when `imaging` begins to make other pixels of the same file, or a cache holds other files."""
MAX_CACHE_BYTES = 20 * 10**9
"""Beyond this, the caches that were not used for longest are removed."""

_ARRAY, _RECORD = "images.npy", "report.json"
_SPARE_BYTES = 20 * 10**6
"""What is left for everything else on that disk."""
_STALE_SECONDS = 3600.0


class _Written(NamedTuple):
    report: DatasetReport
    complete: bool
    """Every file could be reached."""
    names: list[str]
    facts: npt.NDArray[np.int32]
    """int32 [N, 4], see `dataset.FACTS`."""


class _Record(BaseModel):
    """The content of `report.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    fingerprint: str
    complete: bool
    """False when a file could not be reached: the next time it may be, so this cache serves only once."""
    report: DatasetReport
    names_bytes: int
    """Size of the file of names, which is read only when it is needed."""


def inspect_dataset(source: Path, settings: DataConfig, control: RunControl) -> Iterator[Event]:
    """Progress ..., DatasetReady, Finished. What is decoded for it stays in the cache, so that training starts at once."""
    try:
        dataset = yield from open_dataset(source, settings, control)
    except Cancelled:
        yield Finished(stopped=True)
        return
    yield DatasetReady(dataset.report, dataset.examples())
    yield Finished()


def open_dataset(source: Path, settings: DataConfig, control: RunControl) -> Generator[Event, None, Dataset]:
    """`dataset = yield from open_dataset(...)`: the pictures of a folder or zip, from the cache or else decoded now.

    Yields Progress, at most ten times a second.
    Raises UserError when there is no usable picture or no room for them, Cancelled when `control` says stop.
    """
    started = time.monotonic()
    source = Path(os.path.abspath(source))
    yield Progress(tr("Looking for pictures in {name}", name=printable(source.name)))
    with contextlib.ExitStack() as stack:
        found = None if source.is_file() else stack.enter_context(find_pictures(source, control))
        folder = paths.cache_dir() / _key(source, found, settings)
        loaded = _load(folder, settings)
        from_cache = loaded is not None and loaded[1].complete
        if loaded is None or not from_cache:
            found = found or stack.enter_context(find_pictures(source, control))
            loaded = yield from _make(source, found, folder, settings, control)
    with contextlib.suppress(OSError):
        os.utime(folder / _RECORD)  # when it was last used
    images, record = loaded
    report = replace(record.report, name=_name(source), source=str(source), from_cache=from_cache, seconds=time.monotonic() - started)
    return Dataset(images, report, record.fingerprint, folder)


def load_rows(folder: Path, rows: npt.NDArray[np.int64]) -> Images:
    """Some pictures of a cache, uint8 [n, H, W, C], read-only.

    Raises UserError when the cache is gone or damaged.
    """
    try:
        return frozen_images(np.load(folder / _ARRAY, mmap_mode="r", allow_pickle=False)[rows])
    except (OSError, ValueError, EOFError, IndexError) as error:
        raise UserError(tr("The decoded pictures are gone."), tr("Open the pictures again.")) from error


def cached_dataset(source: Path, settings: DataConfig, control: RunControl) -> Dataset | None:
    """The pictures of a folder or zip as they were decoded before; None when that has to be done anew, or they are gone."""
    source = Path(os.path.abspath(source))
    try:
        with contextlib.ExitStack() as stack:
            found = None if source.is_file() else stack.enter_context(find_pictures(source, control))
            folder = paths.cache_dir() / _key(source, found, settings)
            loaded = _load(folder, settings)
    except (OSError, UserError):
        return None
    return Dataset(loaded[0], replace(loaded[1].report, name=_name(source), source=str(source)), loaded[1].fingerprint, folder) if loaded else None


def _name(source: Path) -> str:
    return printable(source.stem if source.is_file() else source.name or str(source))


def _key(source: Path, found: Found | None, settings: DataConfig) -> str:
    """A folder is known by what was found in it; a zip by the file itself, because listing a large one takes seconds."""
    if found is None:
        status = source.stat()
        content = f"{source}\0{status.st_size}\0{status.st_mtime_ns}"
    else:
        content = found.fingerprint() + "".join(f"\0{skipped.path}\0{skipped.reason}" for skipped in found.skipped)
    what = f"{CACHE_VERSION} {settings.shape} {settings.background} {settings.crop} {content}"
    return hashlib.sha256(what.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _load(folder: Path, settings: DataConfig) -> tuple[Images, _Record] | None:
    """What a cache holds, or None when it is missing or damaged."""
    try:
        record = _Record.model_validate_json((folder / _RECORD).read_bytes())
        images = np.load(folder / _ARRAY, mmap_mode="r", allow_pickle=False)
        facts = np.load(folder / FACTS, mmap_mode="r", allow_pickle=False)
        whole = all((folder / name).stat().st_size == array.offset + array.nbytes for name, array in ((_ARRAY, images), (FACTS, facts)))
        whole = whole and (folder / NAMES).stat().st_size == record.names_bytes and facts.dtype == np.int32 and facts.shape == (len(images), 4)
    except (OSError, ValueError, EOFError, AttributeError):  # pydantic's ValidationError is a ValueError
        return None
    shape = (record.report.pictures, *settings.shape)
    return (images, record) if whole and images.dtype == np.uint8 and images.shape == shape and len(images) else None


def _make(source: Path, found: Found, folder: Path, settings: DataConfig, control: RunControl) -> Generator[Event, None, tuple[Images, _Record]]:
    """Decode everything into a new cache. Whatever happens on the way, no half of one is left."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _make_room(folder.parent, len(found.files) * math.prod(settings.shape))
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
        try:
            with (temporary / _ARRAY).open("wb", buffering=2**20) as array:
                report, complete, names, facts = yield from _write_pictures(array, found, settings, control)
                _force(array)
            if not complete and not source.exists():
                raise UserError(
                    tr("{name} disappeared while its pictures were being read.", name=printable(source.name)),
                    tr("Connect its disk again, or choose another folder."),
                )
            if not report.pictures:
                raise _none_usable(_name(source), report)
            listed = "".join(f"{name}\n" for name in names).encode()
            record = _Record(fingerprint=found.fingerprint(), complete=complete, report=report, names_bytes=len(listed))
            np.save(temporary / FACTS, facts)
            for name, content in ((NAMES, listed), (_RECORD, record.model_dump_json(indent=1).encode())):
                with (temporary / name).open("wb") as file:
                    file.write(content)
                    _force(file)
            return _move_into_place(temporary, folder, settings)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise describe_os_error(error, tr("write the picture cache")) from error


def _write_pictures(array: BinaryIO, found: Found, settings: DataConfig, control: RunControl) -> Generator[Event, None, _Written]:
    """All usable pictures, one after the other, as an .npy file."""
    skipped = list(found.skipped)
    sizes: Counter[tuple[int, int]] = Counter()
    digests: set[bytes] = set()
    names: list[str] = []
    facts: list[tuple[int, int, bool, bool]] = []
    pictures = grey = transparent = 0
    complete = True
    _write_header(array, 0, settings)  # its length does not depend on the number of pictures: numpy leaves room
    for item in decode_all(found.files, settings, control):
        if isinstance(item, Progress):
            yield item
        elif isinstance(item, Decoded):
            pixels = item.pixels.tobytes()
            array.write(pixels)
            digests.add(hashlib.blake2b(pixels, digest_size=16).digest())
            names.append(item.name)
            facts.append((*item.size, item.grey, item.transparent))
            sizes[item.size] += 1
            pictures, grey, transparent = pictures + 1, grey + item.grey, transparent + item.transparent
        else:
            skipped.append(item.skipped)
            complete = complete and not item.unreachable
    array.seek(0)
    _write_header(array, pictures, settings)
    smallest, median, largest = _three_sizes(sizes)
    report = DatasetReport(
        name="",
        source="",
        pictures=pictures,
        skipped=tuple(sorted(skipped, key=lambda s: s.path)),
        duplicates=pictures - len(digests),
        image_size=settings.image_size,
        image_height=settings.shape[0],
        channels=settings.channels,
        smallest=smallest,
        median=median,
        largest=largest,
        grey=grey,
        transparent=transparent,
        from_cache=False,
        seconds=0.0,
        others=found.others,
    )
    return _Written(report, complete, names, np.array(facts, np.int32).reshape(-1, 4))


def _write_header(array: BinaryIO, count: int, settings: DataConfig) -> None:
    np.lib.format.write_array_header_1_0(array, {"descr": "|u1", "fortran_order": False, "shape": (count, *settings.shape)})


def _three_sizes(sizes: Counter[tuple[int, int]]) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """The smallest, the median and the largest by the shorter side."""
    if not sizes:
        return (0, 0), (0, 0), (0, 0)
    ordered = sorted(sizes, key=lambda size: (min(size), max(size), size))
    before = np.cumsum([sizes[size] for size in ordered])
    return ordered[0], ordered[int(np.searchsorted(before, before[-1] / 2))], ordered[-1]


def _none_usable(name: str, report: DatasetReport) -> UserError:
    reasons = Counter(skipped.reason for skipped in report.skipped).most_common(3)
    count = len(report.skipped)
    why = "; ".join(f"{number:,}: {again(reason)}" for reason, number in reasons)
    what = ntr("The only file in {name} cannot be used ({why}).", "None of the {count} files in {name} can be used ({why}).", count, name=name, why=why)
    return UserError(what, tr("Choose a folder or zip with pictures that other programs can show."))


def _make_room(cache: Path, needed: int) -> None:
    """Remove remains of processes that were killed, and old caches; raises UserError when the disk is too full."""
    now = time.time()
    for part in cache.glob(".*.part"):
        with contextlib.suppress(OSError):
            if now - max(path.stat().st_mtime for path in (part, *part.iterdir())) > _STALE_SECONDS:
                shutil.rmtree(part, ignore_errors=True)
    caches = []
    for array in cache.glob(f"[!.]*/{_ARRAY}"):
        record = array.with_name(_RECORD)
        with contextlib.suppress(OSError):
            caches.append(((record if record.exists() else array).stat().st_mtime, array.stat().st_size, array.parent))
    total = sum(size for _, size, _ in caches)
    for _, size, folder in sorted(caches):
        if total + needed <= MAX_CACHE_BYTES:
            break
        shutil.rmtree(folder, ignore_errors=True)
        total -= size
    free = shutil.disk_usage(cache).free
    if needed + _SPARE_BYTES > free:
        message = tr("The pictures need {needed} on the disk, and {free} are free.", needed=_gigabytes(needed + _SPARE_BYTES), free=_gigabytes(free))
        raise UserError(message, tr("Free some space, or choose a smaller picture size."))


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"


def _move_into_place(temporary: Path, folder: Path, settings: DataConfig) -> tuple[Images, _Record]:
    loaded = _load(folder, settings)
    if loaded and loaded[1].complete:  # another process was faster
        return loaded
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):  # as above, in the last moment
        os.rename(temporary, folder)
    loaded = _load(folder, settings)
    if loaded is None:
        raise UserError(tr("The picture cache cannot be read back."), tr("Check the disk that holds {folder}.", folder=paths.data_dir()))
    return loaded


def _force(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
