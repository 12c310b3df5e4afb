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


def sigmoid_beta_schedule(num_timesteps: int, start: float = -3.0, end: float = 3.0) -> Tensor:
    """Jabri et al. 2022, figure 8 (in code: Chen 2023, algorithm 1): alphas_cumprod falls along a sigmoid from `start` to `end`; beta at most 0.999; float64 [T]."""
    u = torch.linspace(start, end, num_timesteps + 1, dtype=torch.float64).sigmoid()
    alphas_cumprod = (u[-1] - u) / (u[-1] - u[0])
    return (1 - alphas_cumprod[1:] / alphas_cumprod[:-1]).clamp(max=0.999)


def rescale_zero_terminal_snr(betas: Tensor) -> Tensor:
    """Lin et al. 2024, algorithm 1: shift and scale sqrt(alphas_cumprod) so that x_T is nothing but noise; float64 [T].

    The first timestep keeps its noise, the last beta becomes 1.
    """
    roots = (1 - betas).cumprod(0).sqrt()
    roots = (roots - roots[-1]) * (roots[0] / (roots[0] - roots[-1]))
    alphas_cumprod = roots.square()
    return 1 - torch.cat([alphas_cumprod[:1], alphas_cumprod[1:] / alphas_cumprod[:-1]])


SCHEDULES = {"linear": linear_beta_schedule, "cosine": cosine_beta_schedule, "sigmoid": sigmoid_beta_schedule}


def make_betas(name: str, num_timesteps: int, zero_terminal_snr: bool = False) -> Tensor:
    """The schedule called `name` (a key of SCHEDULES); float64 [T]."""
    betas = SCHEDULES[name](num_timesteps)
    return rescale_zero_terminal_snr(betas) if zero_terminal_snr else betas
