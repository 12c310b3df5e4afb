"""Shapes that pictures are brought to: what is cut off, what has to be enlarged, and what would suit better.

A shape is height and width; sizes are int32 [N, 2], the widths and heights of the pictures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ddpm_studio.config import LEAST_SIDE, MOST_SIDE

if TYPE_CHECKING:
    import numpy.typing as npt

CLEARLY = 0.08
"""By which share of the pictures' area the cut must fall for another height to be worth a word."""
LOOKED_INTO = 10_000
"""Sizes, evenly spread, that the best height is sought with."""


def room(sizes: npt.NDArray[np.int32], shape: tuple[int, int]) -> float:
    """How often this height and width fit into the typical one of these pictures; below 1 it has to be enlarged."""
    return float(np.median(np.minimum(sizes[:, 0] / shape[1], sizes[:, 1] / shape[0])))


def fitting_shape(sizes: npt.NDArray[np.int32], shape: tuple[int, int], widths: tuple[int, ...], factor: int) -> tuple[int, int] | None:
    """Height and width in about the proportions of `shape`, the largest of these widths for which most pictures need not be
    enlarged and that the network can take."""
    shapes = [(max(1, round(width * shape[0] / shape[1] / factor)) * factor, width) for width in widths if width % factor == 0]
    return max((smaller for smaller in shapes if smaller[0] >= LEAST_SIDE and room(sizes, smaller) >= 1), default=None)


def kept_shares(width: npt.NDArray[np.int32], height: npt.NDArray[np.int32], shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    """float64 [N]: what share of each picture's area is used when it is cut to the proportions of this height and width."""
    ratio = width / np.maximum(height, 1) * (shape[0] / shape[1])
    shares: npt.NDArray[np.float64] = np.minimum(ratio, 1 / np.maximum(ratio, 1e-9))
    return shares


def cut_off(sizes: npt.NDArray[np.int32], shape: tuple[int, int]) -> float:
    """The share of the area that pictures lose to a shape, in the mean over all of them."""
    return 1 - float(kept_shares(sizes[:, 0], sizes[:, 1], shape).mean())


def better_height(sizes: npt.NDArray[np.int32], shape: tuple[int, int], factor: int) -> int | None:
    """The height with which clearly less of the pictures is cut off, in the mean over all of them, if there is one."""
    heights = [height for height in range(factor, MOST_SIDE + 1, factor) if height >= LEAST_SIDE and shape[1] <= 4 * height <= 16 * shape[1]]
    some = sizes[:: len(sizes) // LOOKED_INTO + 1]
    best = min(heights, key=lambda height: cut_off(some, (height, shape[1])), default=shape[0])
    return best if cut_off(sizes, shape) - cut_off(sizes, (best, shape[1])) > CLEARLY else None
