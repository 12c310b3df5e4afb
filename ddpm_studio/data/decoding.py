"""Many files to many pictures: in threads, in order, with flat memory, and cancellable."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from ddpm_studio.data.scan import Entry, describe_access
from ddpm_studio.errors import Cancelled
from ddpm_studio.events import Images, Progress, Skipped
from ddpm_studio.imaging import UnreadablePicture, decode_sized, fit
from ddpm_studio.language import tr

if TYPE_CHECKING:
    from ddpm_studio.config import DataConfig
    from ddpm_studio.control import RunControl

_REPORT_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Decoded:
    name: str
    """As `Entry.name`."""
    pixels: Images
    """uint8 [H, W, C]"""
    size: tuple[int, int]
    """Width and height before cropping."""
    grey: bool
    transparent: bool


@dataclass(frozen=True, slots=True)
class Refused:
    skipped: Skipped
    unreachable: bool
    """The file could not be read at all, which says nothing about the picture in it."""


def decode_all(entries: list[Entry], settings: DataConfig, control: RunControl) -> Iterator[Progress | Decoded | Refused]:
    """One Decoded or Refused for each entry, in their order, and a Progress in between at most ten times a second.

    Raises Cancelled when `control` says stop.
    """
    # Pillow decodes and scales without the interpreter lock; more threads than four only wait for the disk and for each other.
    threads = min(4, os.cpu_count() or 1)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
    waiting: deque[Future[Decoded | Refused]] = deque()
    rest = iter(entries)
    started = reported = time.monotonic()
    with ExitStack() as stack:
        stack.enter_context(quiet_libraries())
        stack.callback(pool.shutdown, cancel_futures=True)
        for done in range(len(entries)):
            waiting.extend(pool.submit(_decode, entry, settings) for entry in islice(rest, 8 * threads - len(waiting)))
            while True:
                if control.stopping:
                    raise Cancelled
                if time.monotonic() - reported >= _REPORT_SECONDS:
                    reported = time.monotonic()
                    yield _progress(done, len(entries), reported - started)
                if waiting[0].done() or wait([waiting[0]], timeout=_REPORT_SECONDS).done:
                    break
            yield waiting.popleft().result()
        yield _progress(len(entries), len(entries), time.monotonic() - started)


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """libtiff writes its remarks on damaged files straight to the error output of the process; they become reasons in the
    report anyway. What Python writes to sys.stderr still arrives."""
    try:
        ours = sys.stderr.fileno() == 2
    except (AttributeError, OSError, ValueError):  # no such output, or one of a test runner or a window
        ours = False
    if not ours:
        yield
        return
    kept, before = os.dup(2), sys.stderr
    before.flush()
    sys.stderr = os.fdopen(kept, "w", buffering=1, encoding=before.encoding, errors=before.errors)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        sys.stderr, temporary = before, sys.stderr
        temporary.close()


def _progress(done: int, total: int, seconds: float) -> Progress:
    return Progress(tr("Reading {total:,} pictures", total=total), done, total, seconds / done * (total - done) if done and seconds > 1 else None)


def _decode(entry: Entry, settings: DataConfig) -> Decoded | Refused:
    try:
        with entry.open() as stream:
            image, size = decode_sized(stream, max(settings.shape[:2]))
        pixels = fit(image, settings.shape, settings.background, settings.crop)
    except UnreadablePicture as error:
        return Refused(Skipped(entry.name, error.reason), unreachable=False)
    except OSError as error:
        return Refused(Skipped(entry.name, describe_access(error)), unreachable=True)
    grey = image.mode in ("L", "LA") or (settings.channels > 1 and bool((pixels[:, :, :3] == pixels[:, :, :1]).all()))
    return Decoded(entry.name, pixels, size, grey, image.mode in ("LA", "RGBA"))
