"""From noise to pictures: samplers as generators that show every step.

Each sampler walks down a list of timesteps, the last of which leads to the picture itself, and yields after each of
them. At any step it knows alphas_cumprod here (`a_t`) and at the next stop (`a_s`, 1 at the end), which is all
that a respaced chain needs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ddpm_studio.diffusion.gaussian import GaussianDiffusion, Network, variance_share

if TYPE_CHECKING:
    from ddpm_studio.requests import Sampler

DrawNoise = Callable[[Tensor], Tensor]
"""Standard normal noise in the shape of its argument."""
SampleLoop = Callable[[GaussianDiffusion, Network, Tensor, Sequence[int], DrawNoise, float], "Iterator[SampleStep]"]


@dataclass(frozen=True, slots=True)
class SampleStep:
    """One stop: the network's input x_t at timestep t, its estimate of x_0, and where the sampler went from there.

    The x_next of the last step is the sample. All float [B, C, H, W].
    """

    index: int
    count: int
    t: int
    x_t: Tensor
    pred_x_start: Tensor
    x_next: Tensor


def _answer(network: Network, x_t: Tensor, t: int) -> tuple[Tensor, Tensor]:
    """What the network says to x_t, in the dtype of x_t, and t for each picture of the batch."""
    batch_t = torch.full((len(x_t),), t, device=x_t.device, dtype=torch.int64)
    return network(x_t, batch_t).to(x_t.dtype), batch_t


def _start(diffusion: GaussianDiffusion, output: Tensor, x_t: Tensor, batch_t: Tensor) -> Tensor:
    """The estimate of x_0 in an answer, clipped to the range of pictures if the settings say so."""
    x_start = diffusion.predict_start(output, x_t, batch_t)
    return x_start.clamp(-1, 1) if diffusion.config.clip_x_start else x_start


def _predict(diffusion: GaussianDiffusion, network: Network, x_t: Tensor, t: int) -> Tensor:
    output, batch_t = _answer(network, x_t, t)
    return _start(diffusion, output, x_t, batch_t)


def _stops(diffusion: GaussianDiffusion, timesteps: Sequence[int]) -> Iterator[tuple[int, int, float, float]]:
    """index, t, alphas_cumprod at t, and at the stop after it (1 after the last)."""
    table = diffusion.alphas_cumprod.cpu().double()
    values = [*(float(table[t]) for t in timesteps), 1.0]
    for index, t in enumerate(timesteps):
        yield index, t, values[index], values[index + 1]


def _lambda(a: float) -> float:
    """log(alpha / sigma), half the log of the signal-to-noise ratio; infinite where there is only signal or only noise."""
    return -math.inf if a == 0 else math.inf if a == 1 else 0.5 * math.log(a / (1 - a))


@torch.no_grad()
def p_sample_loop(diffusion: GaussianDiffusion, network: Network, x_t: Tensor, timesteps: Sequence[int], draw: DrawNoise, eta: float = 0.0) -> Iterator[SampleStep]:
    """Ancestral sampling: Algorithm 2 of the paper, with x_0 clipped, and no noise in the step to t = 0.

    With fewer timesteps than T the same equations hold for the respaced chain. `eta` is not used.
    """
    for index, t, a_t, a_s in _stops(diffusion, timesteps):
        output, batch_t = _answer(network, x_t, t)
        x_start = _start(diffusion, output, x_t, batch_t)
        alpha = a_t / a_s
        beta = 1 - alpha
        # Equation 7: the mean of q(x_s | x_t, x_0), and its variance.
        x_next = (beta * a_s**0.5 / (1 - a_t)) * x_start + ((1 - a_s) * alpha**0.5 / (1 - a_t)) * x_t
        if index < len(timesteps) - 1:
            smallest = beta * (1 - a_s) / (1 - a_t)
            if diffusion.config.variance_type == "learned":
                share = variance_share(output, x_t)
                deviation: Tensor | float = torch.exp(0.5 * (share * math.log(beta) + (1 - share) * math.log(smallest)))
            else:
                deviation = (beta if diffusion.config.variance_type == "fixedlarge" else smallest) ** 0.5
            x_next = x_next + deviation * draw(x_t)
        yield SampleStep(index, len(timesteps), t, x_t, x_start, x_next)
        x_t = x_next


@torch.no_grad()
def ddim_sample_loop(diffusion: GaussianDiffusion, network: Network, x_t: Tensor, timesteps: Sequence[int], draw: DrawNoise, eta: float = 0.0) -> Iterator[SampleStep]:
    """DDIM (Song et al. 2021, equation 12): eta 0 is deterministic, eta 1 adds as much noise as the posterior variance.

    Where x_0 is clipped, the noise is what is left of x_t beside the clipped x_0, so that both lead to the same x_t.
    """
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
        h = _lambda(a_s) - _lambda(a_t)
        x_next = _exponential_step(x_t, a_t, a_s, h, _slope(x_start, h, previous) if a_s < 1 else x_start)
        yield SampleStep(index, len(timesteps), t, x_t, x_start, x_next)
        previous, x_t = (x_start, h), x_next


@torch.no_grad()
def dpmpp_2m_sde_sample_loop(
    diffusion: GaussianDiffusion, network: Network, x_t: Tensor, timesteps: Sequence[int], draw: DrawNoise, eta: float = 0.0
) -> Iterator[SampleStep]:
    """SDE-DPM-Solver++(2M) (Lu et al. 2022): of second order, one network call per step, fresh noise in each.

    What ancestral sampling does in many small steps is a stochastic differential equation; this solves it in few large
    ones. Its first step and its last one are those of ancestral sampling (fixedsmall). `eta` is not used.
    """
    previous: tuple[Tensor, float] | None = None  # x_start and h of the step before
    for index, t, a_t, a_s in _stops(diffusion, timesteps):
        x_start = _predict(diffusion, network, x_t, t)
        h = _lambda(a_s) - _lambda(a_t)
        x_next = x_start
        if a_s < 1:
            # As without noise, but x_t counts for less and the estimate for more, by another step h in lambda.
            shrink, gain = math.sqrt((1 - a_s) / (1 - a_t)) * math.exp(-h), -math.sqrt(a_s) * math.expm1(-2 * h)
            x_next = shrink * x_t + gain * _slope(x_start, h, previous) + math.sqrt(-(1 - a_s) * math.expm1(-2 * h)) * draw(x_t)
        yield SampleStep(index, len(timesteps), t, x_t, x_start, x_next)
        previous, x_t = (x_start, h), x_next


def _exponential_step(x_t: Tensor, a_t: float, a_s: float, h: float, estimate: Tensor) -> Tensor:
    """The exact solution of the diffusion ODE over a step h in lambda, if x_0 were `estimate` all the way (Lu et al. 2022, equation 9)."""
    shrink, gain = math.sqrt((1 - a_s) / (1 - a_t)), -math.sqrt(a_s) * math.expm1(-h)
    return shrink * x_t + gain * estimate


def _slope(x_start: Tensor, h: float, previous: tuple[Tensor, float] | None) -> Tensor:
    """x_0 in the middle of a step h, on the line through the estimate here and the one before."""
    if previous is None:
        return x_start
    last_x_start, last_h = previous
    return x_start + h / (2 * last_h) * (x_start - last_x_start)


@torch.no_grad()
def unipc_sample_loop(diffusion: GaussianDiffusion, network: Network, x_t: Tensor, timesteps: Sequence[int], draw: DrawNoise, eta: float = 0.0) -> Iterator[SampleStep]:
    """UniPC of order 2 (Zhao et al. 2023, algorithms 7 and 8 with B(h) = exp(h) - 1): deterministic, one network call per step.

    Its predictor is that of DPM-Solver++(2M). When the network has been asked at the next stop anyway, its answer also
    corrects the step that led there. `draw` and `eta` are not used.
    """
    past: list[tuple[Tensor, float]] = []  # x_start and h of the steps so far
    before: tuple[Tensor, float] | None = None  # the last stop's corrected x and its a
    for index, t, a_t, a_s in _stops(diffusion, timesteps):
        asked = x_t
        x_start = _predict(diffusion, network, x_t, t)
        if before is not None:
            x_before, a_before = before
            last_x_start, last_h = past[-1]
            estimate = _corrected(x_start, last_x_start, last_h, past[-2] if len(past) > 1 else None)
            x_t = _exponential_step(x_before, a_before, a_t, last_h, estimate)
        h = _lambda(a_s) - _lambda(a_t)
        x_next = _exponential_step(x_t, a_t, a_s, h, _slope(x_start, h, past[-1] if past else None) if a_s < 1 else x_start)
        yield SampleStep(index, len(timesteps), t, asked, x_start, x_next)
        past, before, x_t = [*past[-1:], (x_start, h)], (x_t, a_t), x_next


def _corrected(arrived: Tensor, x_start: Tensor, h: float, previous: tuple[Tensor, float] | None) -> Tensor:
    """UniC: the x_0 to take for a step h, now that the estimate at its end (`arrived`) is known beside that at its beginning."""
    if previous is None:
        return x_start + 0.5 * (arrived - x_start)
    # Two weights such that polynomials of degree 1 and 2 in lambda are integrated exactly (Zhao et al., theorem 3.1).
    last_x_start, last_h = previous
    r = -last_h / h
    b1 = (math.expm1(-h) / -h - 1) / math.expm1(-h)
    b2 = 2 * ((math.expm1(-h) / -h - 1) / -h - 0.5) / math.expm1(-h)
    weight_before = (b1 - b2) / (1 - r)
    return x_start + weight_before / r * (last_x_start - x_start) + (b1 - weight_before) * (arrived - x_start)


@torch.no_grad()
def heun_sample_loop(diffusion: GaussianDiffusion, network: Network, x_t: Tensor, timesteps: Sequence[int], draw: DrawNoise, eta: float = 0.0) -> Iterator[SampleStep]:
    """Heun's method of second order (Karras et al. 2022, algorithm 1): two network calls per step, one for the last.

    In their words the picture is x = x_t / sqrt(a) with noise of deviation sigma = sqrt(1 / a - 1), and dx/dsigma =
    (x - x_0) / sigma. `draw` and `eta` are not used.
    """
    for index, t, a_t, a_s in _stops(diffusion, timesteps):
        x_start = _predict(diffusion, network, x_t, t)
        x_next = a_s**0.5 * x_start + ((1 - a_s) / (1 - a_t)) ** 0.5 * (x_t - a_t**0.5 * x_start)  # Euler's step, which is DDIM's
        if a_s < 1 and a_t > 0:
            sigma, sigma_next = (1 / a_t - 1) ** 0.5, (1 / a_s - 1) ** 0.5
            x = x_t / a_t**0.5
            slope = (x - x_start) / sigma
            slope_next = (x_next / a_s**0.5 - _predict(diffusion, network, x_next, timesteps[index + 1])) / sigma_next
            x_next = a_s**0.5 * (x + (sigma_next - sigma) * (slope + slope_next) / 2)
        yield SampleStep(index, len(timesteps), t, x_t, x_start, x_next)
        x_t = x_next


SAMPLE_LOOPS: dict[Sampler, SampleLoop] = {
    "ddpm": p_sample_loop, "ddim": ddim_sample_loop, "dpmpp-2m": dpmpp_2m_sample_loop, "dpmpp-2m-sde": dpmpp_2m_sde_sample_loop,
    "unipc": unipc_sample_loop, "heun": heun_sample_loop,
}  # fmt: skip
