"""A look at every picture of a data set: what may spoil a training, with the pictures concerned.

Everything is seen in the decoded cache, as the network will see it, block by block, so the memory it takes does not grow
with the number of pictures (but for a few bytes of each).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ddpm_studio.data.alike import blocks, difference_hashes, digests, group_alike, group_copies, small_versions
from ddpm_studio.data.cache import open_dataset
from ddpm_studio.data.shapes import kept_shares
from ddpm_studio.errors import Cancelled
from ddpm_studio.events import DatasetExamined, DatasetReady, Event, Finding, FindingKind, Finished, Images

if TYPE_CHECKING:
    from ddpm_studio.config import DataConfig
    from ddpm_studio.control import RunControl
    from ddpm_studio.data.dataset import Dataset

Flags = npt.NDArray[np.bool_]

EVEN = 10
"""Grey levels that a bar may vary by: compression leaves traces."""
THINNEST_BAR = 0.06
"""Of the height (width) of a picture: each of the two bars is at least that thick."""
FILLED = 0.7
"""How much of the picture between the bars is of another colour than they, at least."""
EDGE = 3
"""Rows over which scaling may have spread the edge of a bar."""
BARE = 2
"""Grey levels that a picture of a single colour may vary by."""


def examine_dataset(source: Path, settings: DataConfig, control: RunControl) -> Iterator[Event]:
    """Progress ..., DatasetReady as soon as the pictures are there, DatasetExamined, Finished."""
    try:
        dataset = yield from open_dataset(source, settings, control)
        yield DatasetReady(dataset.report, dataset.examples(), dataset.contents())
        yield examine(dataset, settings, control)
    except Cancelled:
        yield Finished(stopped=True)
        return
    yield Finished()


def examine(dataset: Dataset, settings: DataConfig, control: RunControl) -> DatasetExamined:
    """Raises Cancelled when `control` says stop."""

    def go_on() -> None:
        if control.stopping:
            raise Cancelled

    images, facts = dataset.images, dataset.facts()
    keys, hashes, small, barred, bare = _look(images, go_on)
    copies, copy_groups = group_copies(keys)
    firsts = np.sort(np.unique(keys, return_index=True)[1])  # one of each
    alike, alike_groups = group_alike(hashes[firsts], small[firsts], go_on)
    share = kept_shares(facts.width, facts.height, settings.shape[:2])
    height, width, channels = settings.shape
    found = [
        Finding("copies", _frozen(copies), _frozen(copy_groups)),
        Finding("alike", _frozen(firsts[alike]), _frozen(alike_groups)),
        _flagged("bars", barred & ~facts.transparent),
        _flagged("blank", bare),
        _flagged("grey", facts.grey & (channels >= 3)),
        _flagged("transparent", facts.transparent),
        _flagged("small", (facts.width < width) | (facts.height < height)),
        _flagged("long", share < 0.5),
    ]
    return DatasetExamined(tuple(finding for finding in found if len(finding.rows)), len(firsts), float(share.mean()))


def _look(images: Images, go_on: Callable[[], None]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], npt.NDArray[np.uint8], Flags, Flags]:
    parts = []
    for _, block in blocks(images):
        go_on()
        parts.append((digests(block), difference_hashes(block), small_versions(block), have_bars(block), are_bare(block)))
    keys, hashes, small, barred, bare = (np.concatenate(column) for column in zip(*parts, strict=True))
    return keys, hashes, small, barred, bare


def are_bare(images: Images) -> Flags:
    """bool [n]: a single colour all over."""
    planes = _planes(images)
    spread = planes.max(axis=(2, 3)).astype(np.int16) - planes.min(axis=(2, 3))
    flags: Flags = (spread <= BARE).all(axis=1)
    return flags


def have_bars(images: Images) -> Flags:
    """bool [n]: even bars above and below the picture proper, or at its left and right, as films and screenshots have them.

    A drawing on white ground has even margins, too; but where it begins, it does not begin all along the line, or it has
    margins at the other two sides as well, and the ground is seen all through it.
    """
    planes = _planes(images)
    high_margins, high_bars = _margins(planes, planes.min(axis=3), planes.max(axis=3))
    wide_margins, wide_bars = _margins(planes.swapaxes(2, 3), planes.min(axis=2), planes.max(axis=2))
    flags: Flags = np.where(high_margins & wide_margins, high_bars & wide_bars, high_bars | wide_bars)
    flags[flags] = _are_filled(planes[flags])
    return flags


def _are_filled(planes: Images) -> Flags:
    """bool [n]: of what lies within the outermost things that are not of the colour of the corner, most is not of it either."""
    inside = (np.abs(planes.astype(np.int16) - planes[:, :, :1, :1]) > 2 * EVEN).any(axis=1)
    room = _extent(inside.any(axis=2)) * _extent(inside.any(axis=1))
    flags: Flags = inside.sum(axis=(1, 2)) >= FILLED * room
    return flags


def _extent(flags: Flags) -> npt.NDArray[np.int64]:
    """int64 [n]: from the first to the last that is set in each row of [n, m]; m where none is."""
    ends: npt.NDArray[np.int64] = flags.shape[1] - flags.argmax(axis=1) - flags[:, ::-1].argmax(axis=1)
    return ends


def _planes(images: Images) -> Images:
    """uint8 [n, C, H, W], colours only: numpy is many times faster along rows of one colour."""
    return np.ascontiguousarray(images[..., :3].transpose(0, 3, 1, 2))


def _margins(planes: Images, least: Images, most: Images) -> tuple[Flags, Flags]:
    """Whether there are even margins of one colour above and below, and whether they end in straight lines; `least` and
    `most` [n, C, H] are the darkest and the brightest of each row."""
    height = planes.shape[2]
    low, high = least.astype(np.int16), most.astype(np.int16)
    even = np.asarray((high - low <= EVEN).all(axis=1))
    top, top_sharp = _bar(planes, low, even)
    bottom, bottom_sharp = _bar(planes[:, :, ::-1], low[:, :, ::-1], even[:, ::-1])
    thinnest = max(2, math.ceil(THINNEST_BAR * height))
    same = (np.abs(low[:, :, 0] - low[:, :, -1]) <= 2 * EVEN).all(axis=1)
    margins: Flags = (top >= thinnest) & (bottom >= thinnest) & (top + bottom <= 0.8 * height) & same
    return margins, margins & top_sharp & bottom_sharp


def _bar(planes: Images, low: npt.NDArray[np.int16], even: Flags) -> tuple[npt.NDArray[np.int64], Flags]:
    """How many rows from the top have one colour, and whether the rows after them have another one along most of their length."""
    is_bar = even & (np.abs(low - low[:, :, :1]) <= EVEN).all(axis=1)
    thickness = np.where(is_bar.all(axis=1), is_bar.shape[1], np.argmin(is_bar, axis=1))
    after = np.minimum(thickness[:, None] + np.arange(EDGE), is_bar.shape[1] - 1)
    edge = planes[np.arange(len(planes))[:, None], :, after].astype(np.int16)  # [n, EDGE, C, W]
    differs = (np.abs(edge - low[:, None, :, :1]) > 2 * EVEN).any(axis=(1, 2)).mean(axis=1)
    return thickness, differs >= 0.6


def _flagged(kind: FindingKind, flags: Flags) -> Finding:
    return Finding(kind, _frozen(np.flatnonzero(flags)))


def _frozen(rows: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    copy = rows.astype(np.int64)
    copy.setflags(write=False)
    return copy
