"""The running average of the weights, which pictures are made with."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def ema_decay_at(step: int, decay: float) -> float:
    """Decay after `step` steps: min(decay, (1 + step) / (10 + step)).

    The average then forgets the initial weights within the first steps, so that even the first preview
    shows what was learnt (a constant 0.9999 would show noise for thousands of steps).
    """
    return min(decay, (1 + step) / (10 + step))


@torch.no_grad()
def ema_update(average: Sequence[Tensor], weights: Sequence[Tensor], decay: float) -> None:
    """average <- decay * average + (1 - decay) * weights, in place, all tensors in one call."""
    torch._foreach_lerp_(list(average), list(weights), 1 - decay)
