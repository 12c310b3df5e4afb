"""From noise to pictures: samplers as generators that show every step.

Each sampler walks down a list of timesteps, the last of which leads to the picture itself, and yields after each
network call. At any step it knows alphas_cumprod here (`a_t`) and at the next stop (`a_s`, 1 at the end), which is all
that a respaced chain needs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ddpm_studio.diffusion.gaussian import GaussianDiffusion, Network

DrawNoise = Callable[[Tensor], Tensor]
"""Standard normal noise in the shape of its argument."""


@dataclass(frozen=True, slots=True)
class SampleStep:
    """One network call: its input x_t at timestep t, its estimate of x_0, and where the sampler went from there.

    The x_next of the last step is the sample. All float [B, C, H, W].
    """

    index: int
    count: int
    t: int
    x_t: Tensor
    pred_x_start: Tensor
    x_next: Tensor


def spaced_timesteps(start: int, steps: int | None = None) -> list[int]:
    """`steps` timesteps from `start` down to 0, both included and evenly spread; all of them without `steps`."""
    count = start + 1 if steps is None else min(max(steps, 1), start + 1)
    if count == 1:
        return [start]
    return [round(start * (1 - i / (count - 1))) for i in range(count)]


LAMBDA_MIN = -5.1
"""Where the paper's linear schedule ends; the cosine schedule goes on to -10 within its last few timesteps."""


def lambda_timesteps(diffusion: GaussianDiffusion, start: int, steps: int | None = None) -> list[int]:
    """`steps` timesteps from `start` down to 0, evenly spread in lambda = log(alpha / sigma), half the log of the
    signal-to-noise ratio, as DPM-Solver++ wants them: on Gaussian data its error is then a fraction of what it is with
    timesteps evenly spread in t. Below LAMBDA_MIN there is nothing but noise, so no stop but the first is spent there."""
    count = start + 1 if steps is None else min(max(steps, 1), start + 1)
    a = diffusion.alphas_cumprod[: start + 1].cpu().double()
    lam = torch.log(a / (1 - a)) / 2
    wanted = torch.linspace(max(float(lam[start]), LAMBDA_MIN), float(lam[0]), count, dtype=torch.float64)
    nearest = [start, *(lam[None, :] - wanted[1:, None]).abs().argmin(dim=1).tolist()]
    timesteps: list[int] = []
    for i, t in enumerate(nearest):
        # Where lambda changes fast, several stops share a t: keep them distinct, with room for those that follow.
        highest = timesteps[-1] - 1 if timesteps else start
        timesteps.append(max(min(t, highest), count - 1 - i))
    return timesteps


def sampler_timesteps(sampler: str, diffusion: GaussianDiffusion, start: int, steps: int | None = None) -> list[int]:
    """The timesteps that suit a sampler: evenly spread in lambda for DPM-Solver++, in t for the others."""
    return lambda_timesteps(diffusion, start, steps) if sampler == "dpmpp-2m" else spaced_timesteps(start, steps)


def _predict(diffusion: GaussianDiffusion, network: Network, x_t: Tensor, t: int) -> Tensor:
    """The network's estimate of x_0, clipped to the range of pictures if the settings say so."""
    batch_t = torch.full((len(x_t),), t, device=x_t.device, dtype=torch.int64)
    x_start = diffusion.predict_start(network(x_t, batch_t).to(x_t.dtype), x_t, batch_t)
    return x_start.clamp(-1, 1) if diffusion.config.clip_x_start else x_start


def _stops(diffusion: GaussianDiffusion, timesteps: Sequence[int]) -> Iterator[tuple[int, int, float, float]]:
    """index, t, alphas_cumprod at t, and at the stop after it (1 after the last)."""
    table = diffusion.alphas_cumprod.cpu().double()
    values = [*(float(table[t]) for t in timesteps), 1.0]
    for index, t in enumerate(timesteps):
        yield index, t, values[index], values[index + 1]


@torch.no_grad()
def p_sample_loop(diffusion: GaussianDiffusion, network: Network, x_t: Tensor, timesteps: Sequence[int], draw: DrawNoise, eta: float = 0.0) -> Iterator[SampleStep]:
    """Ancestral sampling: Algorithm 2 of the paper, with x_0 clipped, and no noise in the step to t = 0.

    With fewer timesteps than T the same equations hold for the respaced chain. `eta` is not used.
    """
    for index, t, a_t, a_s in _stops(diffusion, timesteps):
        x_start = _predict(diffusion, network, x_t, t)
        alpha = a_t / a_s
        beta = 1 - alpha
        # Equation 7: the mean of q(x_s | x_t, x_0).
        x_next = (beta * a_s**0.5 / (1 - a_t)) * x_start + ((1 - a_s) * alpha**0.5 / (1 - a_t)) * x_t
        if index < len(timesteps) - 1:
            variance = beta if diffusion.config.variance_type == "fixedlarge" else beta * (1 - a_s) / (1 - a_t)
            x_next = x_next + variance**0.5 * draw(x_t)
        yield SampleStep(index, len(timesteps), t, x_t, x_start, x_next)
        x_t = x_next


@torch.no_grad()
def ddim_sample_loop(diffusion: GaussianDiffusion, network: Network, x_t: Tensor, timesteps: Sequence[int], draw: DrawNoise, eta: float = 0.0) -> Iterator[SampleStep]:
    """DDIM (Song et al. 2021, equation 12): eta 0 is deterministic, eta 1 adds as much noise as the posterior variance."""
    for index, t, a_t, a_s in _stops(diffusion, timesteps):
        x_start = _predict(diffusion, network, x_t, t)
        noise = (x_t - a_t**0.5 * x_start) / (1 - a_t) ** 0.5
        sigma = eta * ((1 - a_s) / (1 - a_t) * (1 - a_t / a_s)) ** 0.5
        x_next = a_s**0.5 * x_start + max(1 - a_s - sigma**2, 0.0) ** 0.5 * noise
        if sigma > 0:
            x_next = x_next + sigma * draw(x_t)
        yield SampleStep(index, len(timesteps), t, x_t, x_start, x_next)
        x_t = x_next


@torch.no_grad()
def dpmpp_2m_sample_loop(diffusion: GaussianDiffusion, network: Network, x_t: Tensor, timesteps: Sequence[int], draw: DrawNoise, eta: float = 0.0) -> Iterator[SampleStep]:
    """DPM-Solver++(2M) (Lu et al. 2022, algorithm 2): deterministic, second order, one network call per step.

    In its words alpha = sqrt(a), sigma = sqrt(1 - a) and lambda = log(alpha / sigma). The first step and the last one,
    where lambda goes to infinity, are of first order. `draw` and `eta` are not used.
    """
    previous: tuple[Tensor, float] | None = None  # x_start and h of the step before
    for index, t, a_t, a_s in _stops(diffusion, timesteps):
        x_start = _predict(diffusion, network, x_t, t)
        if a_s == 1.0:
            x_next = x_start
        else:
            h = 0.5 * (math.log(a_s / (1 - a_s)) - math.log(a_t / (1 - a_t)))
            estimate = x_start
            if previous is not None:
                last_x_start, last_h = previous
                r = last_h / h
                estimate = (1 + 1 / (2 * r)) * x_start - 1 / (2 * r) * last_x_start
            shrink = math.exp(-h)
            x_next = ((1 - a_s) / (1 - a_t)) ** 0.5 * x_t - a_s**0.5 * (shrink - 1) * estimate
            previous = x_start, h
        yield SampleStep(index, len(timesteps), t, x_t, x_start, x_next)
        x_t = x_next


SAMPLE_LOOPS = {"ddpm": p_sample_loop, "ddim": ddim_sample_loop, "dpmpp-2m": dpmpp_2m_sample_loop}
