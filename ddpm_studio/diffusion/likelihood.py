"""How probable the model finds a picture: the variational bound (equation 5 of the paper) in bits per dimension.

    L = L_T + L_{T-1} + ... + L_1 + L_0

L_T compares x_T with pure noise, the terms between compare the reverse process with the posterior of the forward one
(both Gaussian, so in closed form), and L_0 is the code length of the 256 grey levels under p(x_0 | x_1).
A dimension is one channel of one pixel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from ddpm_studio.diffusion.gaussian import GaussianDiffusion, Network

NATS_PER_BIT = math.log(2)


def normal_kl(mean1: Tensor, log_variance1: Tensor, mean2: Tensor, log_variance2: Tensor) -> Tensor:
    """KL divergence of the first Gaussian from the second, element by element, in nats."""
    return 0.5 * (log_variance2 - log_variance1 - 1 + torch.exp(log_variance1 - log_variance2) + (mean1 - mean2).square() * torch.exp(-log_variance2))


def discretized_gaussian_log_likelihood(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Log-probability of the grey levels x (multiples of 2/255 in [-1, 1]) when a Gaussian is cut into 256 bins; equation 13.

    The outermost bins reach to infinity. In nats, shape of x.
    """
    above, below = ((x - mean + half) * torch.exp(-log_scale) for half in (1 / 255, -1 / 255))
    # log of the difference of two distribution functions, without their difference: log(F(a) - F(b)) on the side
    # where both are small.
    flip = above + below > 0
    high, low = torch.where(flip, -below, above), torch.where(flip, -above, below)
    log_high, log_low = torch.special.log_ndtr(high), torch.special.log_ndtr(low)
    inner = log_high + torch.log1p(-torch.exp(log_low - log_high).clamp(max=1 - 1e-7))
    inner = torch.where(x < -0.999, torch.special.log_ndtr(above), inner)
    return torch.where(x > 0.999, torch.special.log_ndtr(-below), inner)


def vlb_terms(diffusion: GaussianDiffusion, output: Tensor, x_start: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
    """L_{t-1} (equation 8) of each picture, or L_0 where t = 0, from the network's answer; bits per dimension, float [B]."""
    true_mean, _, true_log_variance = diffusion.q_posterior(x_start, x_t, t)
    mean, log_variance, _ = diffusion.p_mean_variance(output, x_t, t)
    kl = normal_kl(true_mean, true_log_variance, mean, log_variance)
    decoder = -discretized_gaussian_log_likelihood(x_start, mean, 0.5 * log_variance)
    per_dimension = torch.where((t == 0).view(-1, 1, 1, 1), decoder, kl)
    return per_dimension.mean(dim=(1, 2, 3)) / NATS_PER_BIT


def prior_term(diffusion: GaussianDiffusion, x_start: Tensor) -> Tensor:
    """L_T: how far x_T is from pure noise; bits per dimension, float [B]. No network takes part."""
    t = torch.full((len(x_start),), diffusion.num_timesteps - 1, device=x_start.device, dtype=torch.int64)
    signal, sigma = diffusion.signal_and_noise(t, x_start)
    zero = torch.zeros_like(x_start)
    kl = normal_kl(signal * x_start, 2 * torch.log(sigma).expand_as(x_start), zero, zero)
    return kl.mean(dim=(1, 2, 3)) / NATS_PER_BIT


@dataclass(frozen=True, slots=True)
class Bound:
    """The bound of some pictures, in bits per dimension; each float64 [B]."""

    prior: Tensor
    """L_T"""
    between: Tensor
    """The sum of L_{t-1} for t > 1"""
    decoder: Tensor
    """L_0"""

    @property
    def total(self) -> Tensor:
        return self.prior + self.between + self.decoder


@torch.no_grad()
def variational_bound(diffusion: GaussianDiffusion, network: Network, x_start: Tensor, generator: torch.Generator, stride: int = 1) -> Iterator[tuple[int, Bound | None]]:
    """The bound of x_start, one network call at a time: yields how many calls are left, and with the last one the bound.

    With `stride` k, of every k successive middle terms each picture computes one, drawn by lot, and counts it k times:
    k times quicker, and right on average. `generator` is one of the CPU, so that devices agree.
    """
    between = torch.zeros(len(x_start), dtype=torch.float64)
    starts = range(1, diffusion.num_timesteps, stride)
    for index, first in enumerate(starts):
        count = min(stride, diffusion.num_timesteps - first)
        t = first + torch.randint(count, (len(x_start),), generator=generator)
        between += count * _vlb_term(diffusion, network, x_start, t, generator)
        yield len(starts) - index, None
    decoder = _vlb_term(diffusion, network, x_start, torch.zeros(len(x_start), dtype=torch.int64), generator)
    yield 0, Bound(prior_term(diffusion, x_start).cpu().double(), between, decoder)


def _vlb_term(diffusion: GaussianDiffusion, network: Network, x_start: Tensor, t: Tensor, generator: torch.Generator) -> Tensor:
    t = t.to(x_start.device)
    noise = torch.randn(x_start.shape, dtype=x_start.dtype, generator=generator).to(x_start.device)
    x_t = diffusion.q_sample(x_start, t, noise)
    return vlb_terms(diffusion, network(x_t, t).to(x_t.dtype), x_start, x_t, t).cpu().double()
