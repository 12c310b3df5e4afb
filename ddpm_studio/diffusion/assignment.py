"""Immiscible diffusion (Li et al. 2024): the noises of a batch are dealt out so that each picture gets one near it.

All noises stay standard normal and all are used; only who gets which is no longer left to chance, so paths from
pictures to noise cross less, and the network has less to average over.
"""

from __future__ import annotations

import torch
from torch import Tensor


def assign_noise(x_start: Tensor, noise: Tensor) -> Tensor:
    """The rows of `noise` in the order that makes the sum of squared distances to the rows of x_start least; both [B, C, H, W]."""
    from scipy.optimize import linear_sum_assignment  # half a second to load, for a switch that few runs set

    # |x - n|^2 = |x|^2 + |n|^2 - 2 x.n, and the first two sums are the same for every order.
    closeness = x_start.flatten(1).float() @ noise.flatten(1).float().T
    _, order = linear_sum_assignment(closeness.cpu().numpy(), maximize=True)
    return noise[torch.as_tensor(order, device=noise.device)]
