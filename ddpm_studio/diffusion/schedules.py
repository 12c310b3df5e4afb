"""Noise schedules: how much noise each of the T steps adds.

All in float64: alphas_cumprod is a product of up to thousands of factors close to 1.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def linear_beta_schedule(num_timesteps: int) -> Tensor:
    """Ho et al. 2020, section 4: beta from 1e-4 to 0.02 for T = 1000; float64 [T].

    For another T the ends are scaled by 1000 / T, so that x_T holds about as much noise. At very small T the
    scaled end would pass 1; beta is kept below 0.999.
    """
    scale = 1000 / num_timesteps
    return torch.linspace(scale * 1e-4, scale * 0.02, num_timesteps, dtype=torch.float64).clamp(max=0.999)


def cosine_beta_schedule(num_timesteps: int, s: float = 0.008) -> Tensor:
    """Nichol & Dhariwal 2021, equation 17: alphas_cumprod follows a squared cosine; beta at most 0.999; float64 [T]."""

    def alpha_bar(u: float) -> float:
        return math.cos((u + s) / (1 + s) * math.pi / 2) ** 2

    steps = range(num_timesteps)
    betas = [1 - alpha_bar((t + 1) / num_timesteps) / alpha_bar(t / num_timesteps) for t in steps]
    return torch.tensor(betas, dtype=torch.float64).clamp(max=0.999)


def make_betas(name: str, num_timesteps: int) -> Tensor:
    """The schedule called `name` ("linear" or "cosine"); float64 [T]."""
    schedules = {"linear": linear_beta_schedule, "cosine": cosine_beta_schedule}
    return schedules[name](num_timesteps)
