"""Numbers over the steps, as plots need them: as they came, and their running mean."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

BLOCK = 64
"""Values whose running mean is one product of matrices."""


class Series:
    """Numbers that grow: the arrays double when they are full."""

    def __init__(self) -> None:
        self.size = 0
        self._arrays = np.zeros((3, 1024))
        self._weight = 0.0
        self._mean = 0.0

    def extend(self, steps: Sequence[float], values: Sequence[float], memory: float) -> None:
        """`memory`: how much of the running mean stays at each value, 0 to below 1."""
        while self.size + len(steps) > self._arrays.shape[1]:
            self._arrays = np.concatenate([self._arrays, np.zeros_like(self._arrays)], axis=1)
        if not (length := len(steps)):
            return
        part = slice(self.size, self.size + length)
        self._arrays[0, part], self._arrays[1, part] = steps, values
        ages = np.maximum(np.arange(BLOCK)[:, None] - np.arange(BLOCK), 0)
        shares = np.tril((1 - memory) * memory**ages)
        blocks = np.zeros((-(-length // BLOCK), BLOCK))
        blocks.flat[:length] = self._arrays[1, part]
        sums = blocks @ shares.T  # of each block as if nothing had been before it
        kept = memory ** np.arange(1, BLOCK + 1)
        means = list(itertools.accumulate(sums[:-1, -1].tolist(), lambda mean, block: block + kept[-1] * mean, initial=self._mean))
        sums += np.outer(means, kept)
        weights = 1 - np.outer((1 - self._weight) * kept[-1] ** np.arange(len(blocks)), kept)
        self._arrays[2, part] = (sums / weights).flat[:length]
        self._mean, self._weight = float(sums.flat[length - 1]), float(weights.flat[length - 1])
        self.size = part.stop

    def smooth_again(self, memory: float) -> None:
        steps, values = self.steps.copy(), self.values.copy()
        self.size, self._weight, self._mean = 0, 0.0, 0.0
        self.extend(steps, values, memory)

    def cut(self, step: int, memory: float) -> None:
        """Forget everything from `step` on: the run was taken up again from before."""
        self.size = int(np.searchsorted(self.steps, step))
        self.smooth_again(memory)

    def nearest(self, step: float) -> int:
        """The index of the value at this step, or of the next one."""
        return min(int(np.searchsorted(self.steps, step)), self.size - 1)

    @property
    def steps(self) -> Any:
        return self._arrays[0, : self.size]

    @property
    def values(self) -> Any:
        return self._arrays[1, : self.size]

    @property
    def means(self) -> Any:
        return self._arrays[2, : self.size]
