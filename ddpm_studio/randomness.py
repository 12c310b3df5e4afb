"""All randomness is a function of a seed and a place, so a resumed run equals an uninterrupted one, and picture 17 of a
batch has the noise of picture 17 alone. It is drawn on the CPU, so that all devices see the same numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def seed_at(*place: int) -> int:
    """A seed for one place, such as (seed, step), below 2^63; different places are independent."""
    # With its length in front: numpy pads short places with zeros, which would make (5,) the same as (5, 0).
    return int(np.random.SeedSequence((len(place), *place)).generate_state(1, np.uint64)[0] >> np.uint64(1))


def generator_at(*place: int) -> torch.Generator:
    """A generator for one place, such as (seed, step)."""
    return torch.Generator().manual_seed(seed_at(*place))


class ImageNoise:
    """Noise for a batch of pictures, each from its own seed, as many times as it is asked for."""

    def __init__(self, seeds: Sequence[int], stream: int = 0) -> None:
        self._generators = [generator_at(seed, stream) for seed in seeds]

    def draw(self, like: Tensor) -> Tensor:
        """Standard normal noise in the shape, dtype and device of `like`, [B, C, H, W] with B the number of seeds."""
        # float32 whatever `like` is: a generator draws other numbers in other dtypes.
        rows = [torch.randn(like.shape[1:], generator=generator, dtype=torch.float32) for generator in self._generators]
        return torch.stack(rows).to(device=like.device, dtype=like.dtype)
