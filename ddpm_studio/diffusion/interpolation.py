"""Blending two pictures in the noise (section 4.3 of the paper, figures 8 and 9).

Both pictures are noised to the same t and mixed, and the reverse chain runs from that t down to 0, t included.
The noise stays the same for every lambda, so that only the mixture changes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from ddpm_studio.diffusion.gaussian import GaussianDiffusion
    from ddpm_studio.requests import NoiseMode


def noise_weights(mode: NoiseMode, lam: float) -> tuple[float, float]:
    """How much of picture A's and of picture B's noise the mixture holds.

    independent: 1 - lam and lam, as in the paper. Their squares add up to less than 1, so the mixture holds less
    noise than the network is told, and comes out smoother.
    shared: the same noise for both pictures, which keeps its full strength.
    slerp: cos and sin of a quarter turn; two noises whose squares add up to 1.
    """
    if mode == "independent":
        return 1 - lam, lam
    if mode == "shared":
        return 1.0, 0.0
    return math.cos(lam * math.pi / 2), math.sin(lam * math.pi / 2)


def mix(diffusion: GaussianDiffusion, x_a: Tensor, x_b: Tensor, lam: float, t: int, noise_a: Tensor, noise_b: Tensor, mode: NoiseMode) -> Tensor:
    """The mixture of two pictures at timestep t: signal (1 - lam) x_a + lam x_b, noise by `noise_weights`.

    All float [B, C, H, W]. In mode "independent" this equals (1 - lam) q_sample(x_a) + lam q_sample(x_b).
    """
    weight_a, weight_b = noise_weights(mode, lam)
    batch_t = torch.full((len(x_a),), t, device=x_a.device, dtype=torch.int64)
    return diffusion.q_sample((1 - lam) * x_a + lam * x_b, batch_t, weight_a * noise_a + weight_b * noise_b)


def latent_std(lam: float, noise_a: Tensor, noise_b: Tensor, mode: NoiseMode) -> float:
    """Measured deviation of the noise in the mixture; 1 is what the network was trained with."""
    weight_a, weight_b = noise_weights(mode, lam)
    return float((weight_a * noise_a + weight_b * noise_b).std())


def expected_std(lam: float, mode: NoiseMode) -> float:
    """The deviation that two independent noises should have in the mixture: 0.71 at lam = 0.5 in the paper's mode."""
    return math.hypot(*noise_weights(mode, lam))
