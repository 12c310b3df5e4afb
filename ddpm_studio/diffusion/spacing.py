"""Which timesteps a sampler stops at on its way from noise to picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ddpm_studio.requests import AUTO_SPACING

if TYPE_CHECKING:
    from ddpm_studio.diffusion.gaussian import GaussianDiffusion
    from ddpm_studio.requests import Sampler, Spacing


def spaced_timesteps(start: int, steps: int | None = None) -> list[int]:
    """`steps` timesteps from `start` down to 0, both included and evenly spread ("linspace"); all of them without `steps`."""
    count = _count(start, steps)
    if count == 1:
        return [start]
    return [round(start * (1 - i / (count - 1))) for i in range(count)]


def leading_timesteps(start: int, steps: int | None = None) -> list[int]:
    """Multiples of a whole stride down to 0, as DDIM's authors had it (Song et al. 2021): the first may lie well below `start`."""
    count = _count(start, steps)
    stride = (start + 1) // count
    return [i * stride for i in reversed(range(count))]


def trailing_timesteps(start: int, steps: int | None = None) -> list[int]:
    """Evenly spread from `start` on, the last a whole stride before the picture (Lin et al. 2024, table 2)."""
    count = _count(start, steps)
    return [int(t) - 1 for t in np.round(np.arange(start + 1, 0, -(start + 1) / count))][:count]


def _count(start: int, steps: int | None) -> int:
    return start + 1 if steps is None else min(max(steps, 1), start + 1)


LAMBDA_MIN = -5.1
"""Where the paper's linear schedule ends; the cosine schedule goes on to -10 within its last few timesteps."""


def lambda_timesteps(diffusion: GaussianDiffusion, start: int, steps: int | None = None, end: int = 0) -> list[int]:
    """`steps` timesteps from `start` down to `end` (all of those without `steps`), evenly spread in lambda = log(alpha / sigma),
    half the log of the signal-to-noise ratio, as DPM-Solver++ wants them: on Gaussian data its error is then a fraction of
    what it is with timesteps evenly spread in t. Below LAMBDA_MIN there is nothing but noise, so no stop but the first is
    spent there."""
    count = _count(start - end, steps)
    lam = _lambdas(diffusion, start)
    wanted = torch.linspace(max(float(lam[start]), LAMBDA_MIN), float(lam[end]), count, dtype=torch.float64)
    nearest = [start, *(lam[None, :] - wanted[1:, None]).abs().argmin(dim=1).tolist()]
    timesteps: list[int] = []
    for i, t in enumerate(nearest):
        # Where lambda changes fast, several stops share a t: keep them distinct, with room for those that follow.
        highest = timesteps[-1] - 1 if timesteps else start
        timesteps.append(max(min(t, highest), end + count - 1 - i))
    return timesteps


def early_timesteps(diffusion: GaussianDiffusion, start: int, steps: int | None = None) -> list[int]:
    """As `lambda_timesteps`, but the last of them is where lambda is `lambda_max` of the diffusion's settings, and its estimate
    of x_0 is the picture. At the default of 2.5 the noise that is left has a deviation of about ten grey levels.

    The steps below, in which noise is taken away that one hardly sees, are learnt last (their weight in the loss is held
    down, too), and where they are not learnt they leave grain; what they are spared, the others have. Samples of photographs
    are better so; those of pixel art want to go further (docs/MEASUREMENTS.md), so a model says it itself. Where there are
    not as many timesteps as `steps` up to there, as in a walk that begins late or one through all timesteps, it goes down to 0."""
    end = int((_lambdas(diffusion, start) - diffusion.config.lambda_max).abs().argmin())
    return lambda_timesteps(diffusion, start, steps, end if _count(start, steps) <= start - end + 1 else 0)


def _lambdas(diffusion: GaussianDiffusion, start: int) -> Tensor:
    """lambda of timesteps 0 ... start, float64 [start + 1]."""
    a = diffusion.alphas_cumprod[: start + 1].cpu().double()
    return torch.log(a / (1 - a)) / 2


def sampler_timesteps(sampler: Sampler, diffusion: GaussianDiffusion, start: int, steps: int | None = None, spacing: Spacing = "auto") -> list[int]:
    """`steps` timesteps from `start` on (all of them without `steps`), spread as asked for, or as suits the sampler."""
    if spacing == "auto":
        spacing = AUTO_SPACING[sampler]
    if spacing == "log_snr":
        return lambda_timesteps(diffusion, start, steps)
    if spacing == "log_snr_early":
        return early_timesteps(diffusion, start, steps)
    return {"linspace": spaced_timesteps, "leading": leading_timesteps, "trailing": trailing_timesteps}[spacing](start, steps)
