"""Blending pictures in the noise (section 4.3 of the paper, figures 8 and 9).

All pictures are noised to the same t and mixed, and the reverse chain runs from that t down to 0, t included.
The noise stays the same for every mixture, so that only the weights change.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from ddpm_studio.blend_weights import Weights
    from ddpm_studio.diffusion.gaussian import GaussianDiffusion
    from ddpm_studio.requests import NoiseMode


def noise_weights(mode: NoiseMode, weights: Weights) -> tuple[float, ...]:
    """How much of each picture's noise the mixture holds; `weights` says how much of each picture.

    independent: as much as of the picture, as in the paper. The squares add up to less than 1, so the mixture holds less
    noise than the network is told, and comes out smoother.
    shared: the noise of the first for all pictures, which keeps its full strength.
    slerp: cos and sin of a quarter turn for two pictures; for more the sine of each one's share of it, brought to a
    length of 1. Either way the squares add up to 1, and where one picture has no weight, it is as if it were not there.
    """
    if mode == "independent":
        return weights
    if mode == "shared":
        return 1.0, *(0.0 for _ in weights[1:])
    if len(weights) == 2:
        return math.cos(weights[1] * math.pi / 2), math.sin(weights[1] * math.pi / 2)
    turns = [math.sin(weight * math.pi / 2) for weight in weights]
    return tuple(turn / math.hypot(*turns) for turn in turns)


def mix(diffusion: GaussianDiffusion, pictures: Sequence[Tensor], weights: Weights, t: int, noises: Sequence[Tensor], mode: NoiseMode) -> Tensor:
    """The mixture of some pictures at timestep t: their weighted sum as signal, and noise by `noise_weights`.

    All float [B, C, H, W]. In mode "independent" this equals the weighted sum of q_sample of each picture.
    """
    batch_t = torch.full((len(pictures[0]),), t, device=pictures[0].device, dtype=torch.int64)
    return diffusion.q_sample(_weighted_sum(weights, pictures), batch_t, _weighted_sum(noise_weights(mode, weights), noises))


def latent_std(weights: Weights, noises: Sequence[Tensor], mode: NoiseMode) -> float:
    """Measured deviation of the noise in the mixture; 1 is what the network was trained with."""
    return float(_weighted_sum(noise_weights(mode, weights), noises).std())


def expected_std(weights: Weights, mode: NoiseMode) -> float:
    """The deviation that independent noises should have in the mixture: 0.71 for two equal shares in the paper's mode."""
    return math.hypot(*noise_weights(mode, weights))


def _weighted_sum(weights: Weights, tensors: Sequence[Tensor]) -> Tensor:
    total = weights[0] * tensors[0]
    for weight, tensor in zip(weights[1:], tensors[1:], strict=True):
        total = total + weight * tensor
    return total
