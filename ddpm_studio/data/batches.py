"""Which pictures a step sees: a function of (seed, step) alone, so that a resumed run goes on as if never stopped."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

if TYPE_CHECKING:
    from ddpm_studio.events import Images


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
