"""Which pictures a step sees: a function of (seed, step) alone, so that a resumed run goes on as if never stopped."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

if TYPE_CHECKING:
    from ddpm_studio.events import Images

SMALL_SET = 200
"""Of fewer pictures none can be spared, unless somebody asks for it."""


def batch_indices(n: int, batch_size: int, seed: int, step: int) -> npt.NDArray[np.int64]:
    """int64 `[batch_size]`, each in 0 ... n-1: the pictures of step `step` (0, 1, ...).

    The steps deal out one endless row of epochs, each a fresh permutation of all n pictures; a batch may reach over
    the end of an epoch, and over several when n < batch_size.
    """
    if n < 1 or batch_size < 1 or step < 0:
        raise ValueError(f"n and batch_size must be positive and step not negative: {n}, {batch_size}, {step}")
    position, end = step * batch_size, (step + 1) * batch_size
    parts = []
    while position < end:
        epoch, start = divmod(position, n)
        stop = min(n, start + end - position)
        parts.append(_permutation(n, seed, epoch)[start:stop])
        position += stop - start
    return np.concatenate(parts)


def count_held_out(n: int, wanted: int | None) -> int:
    """How many of n pictures are kept out of training: as many as are wanted, else 2 %, but 8 to 64, and none of a small set.

    Raises ValueError when more are wanted than leaves one to learn from.
    """
    if wanted is None:
        return 0 if n < SMALL_SET else min(64, max(8, n // 50))
    if wanted and wanted >= n:
        raise ValueError(f"{wanted} of {n} pictures cannot be held out")
    return wanted


@lru_cache(maxsize=4)
def split(n: int, held_out: int, seed: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The pictures to learn from and those held out, each int64 in rising order: a function of the seed. Read-only."""
    draws = np.random.PCG64([seed, 0, 1]).random_raw(n)  # no epoch: those are [seed, epoch]
    order = np.argsort(draws, kind="stable").astype(np.int64)
    parts = np.sort(order[held_out:]), np.sort(order[:held_out])
    for part in parts:
        part.setflags(write=False)
    return parts


def load_batch(images: Images, indices: npt.NDArray[np.int64]) -> torch.Tensor:
    """uint8 `[B, C, H, W]`, contiguous, from `images` uint8 `[N, H, W, C]`."""
    batch = np.ascontiguousarray(images[indices].transpose(0, 3, 1, 2))
    return torch.from_numpy(batch)


@lru_cache(maxsize=2)
def _permutation(n: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    # Sorting raw 64-bit draws: they are what NumPy promises never to change between versions.
    draws = np.random.PCG64([seed, epoch]).random_raw(n)
    order: npt.NDArray[np.int64] = np.argsort(draws, kind="stable").astype(np.int64)
    order.setflags(write=False)
    return order
