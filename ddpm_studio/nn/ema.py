"""The running average of the weights, which pictures are made with."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def ema_decay_at(step: int, decay: float, warmup: bool = True) -> float:
    """Decay after `step` steps: min(decay, (1 + step) / (10 + step)), or without warm-up, as Ho et al. have it, `decay`
    itself after a first step that copies the weights.

    With warm-up the average forgets the initial weights within the first steps, so that even the first preview shows what
    was learnt; a constant 0.9999 shows noise for thousands of steps.
    """
    if not warmup:
        return decay if step else 0.0
    return min(decay, (1 + step) / (10 + step))


def is_ripe(steps: int, decay: float, warmup: bool) -> bool:
    """Whether less than half of an average of so many steps is made of the weights after the first one."""
    return warmup or decay ** max(steps - 1, 0) < 0.5


@torch.no_grad()
def ema_update(average: Sequence[Tensor], weights: Sequence[Tensor], decay: float) -> None:
    """average <- decay * average + (1 - decay) * weights, in place, all tensors in one call."""
    torch._foreach_lerp_(list(average), list(weights), 1 - decay)
