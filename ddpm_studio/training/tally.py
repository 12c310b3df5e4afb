"""What the steps since the last report add up to, kept on the device so that quiet steps cost no waiting for it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor


class NotFinite(Exception):
    """The loss or the gradients are no longer numbers: nothing that was computed since the last save can be kept."""

    def __init__(self, step: int) -> None:
        super().__init__(f"not finite at step {step}")
        self.step = step


class Tally:
    """Sums of losses and gradient norms over quiet steps."""

    def __init__(self, device: torch.device) -> None:
        self._losses, self._norms = torch.zeros((), device=device), torch.zeros((), device=device)
        self.steps = 0

    def add(self, loss: Tensor, grad_norm: Tensor) -> None:
        self._losses += loss
        self._norms += grad_norm
        self.steps += 1

    def means(self, step: int) -> tuple[float, float]:
        """Mean loss and mean gradient norm; only here numbers leave the device.

        Raises NotFinite, with the number of the step at hand, when they are none.
        """
        loss, norm = float(self._losses) / max(self.steps, 1), float(self._norms) / max(self.steps, 1)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise NotFinite(step)
        return loss, norm

    def clear(self) -> None:
        self._losses.zero_()
        self._norms.zero_()
        self.steps = 0


@dataclass(slots=True)
class SpikeWatch:
    """Tells losses that stick out from what is usual: more than `deviations` above the running mean, and half as much again.

    Mean and variance forget exponentially over about `memory` reports; before that many have come nothing is a spike.
    """

    memory: int = 50
    deviations: float = 6.0
    _count: int = 0
    _mean: float = 0.0
    _variance: float = field(default=0.0)

    def is_spike(self, loss: float) -> bool:
        above = loss - self._mean
        spike = self._count >= self.memory and above > self.deviations * self._variance**0.5 and above > 0.5 * self._mean
        self._count += 1
        share = max(1 / self._count, 1 / self.memory)
        # A spike counts as the smallest one that would be one, so that it does not hide the next.
        above = max(self.deviations * self._variance**0.5, 0.5 * self._mean) if spike else above
        self._mean += share * above
        self._variance = (1 - share) * (self._variance + share * above * above)
        return spike
