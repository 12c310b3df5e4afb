"""RePaint (Lugmayr et al. 2022): part of a picture is kept, the rest is drawn by an unconditional model."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ddpm_studio.diffusion.sampling import DrawNoise, SampleStep, p_sample_loop

if TYPE_CHECKING:
    from ddpm_studio.diffusion.gaussian import GaussianDiffusion, Network


def resampling_walk(count: int, jump_length: int, resamples: int) -> list[int]:
    """The way through stops 0 (noise) to `count` (the picture): from the last stop before the picture, and from every
    `jump_length`-th before that, it goes back `jump_length` stops, `resamples` - 1 times, so that the new part can come to
    terms with the kept one. As the authors have it, the first `jump_length` stops are walked but once."""
    left = {count - 1 - below: resamples - 1 for below in range(0, count - jump_length, jump_length)}
    way = [0]
    while way[-1] < count:
        way.append(way[-1] + 1)
        if left.get(way[-1], 0):
            left[way[-1]] -= 1
            way += range(way[-1] - 1, way[-1] - jump_length - 1, -1)
    return way


@torch.no_grad()
def repaint_loop(
    diffusion: GaussianDiffusion, network: Network, x_t: Tensor, timesteps: Sequence[int], draw: DrawNoise,
    x_start: Tensor, known: Tensor, jump_length: int = 10, resamples: int = 10,
) -> Iterator[SampleStep]:  # fmt: skip
    """Algorithm 1 of RePaint: x_start is kept where `known` (1 or 0, [1 or B, 1, H, W]) is 1. Yields each reverse step."""
    way = resampling_walk(len(timesteps), jump_length, resamples)
    moves = list(itertools.pairwise(way))
    count, index = sum(after > before for before, after in moves), 0
    a = [*(float(diffusion.alphas_cumprod[t]) for t in timesteps), 1.0]
    for here, after in moves:
        if after < here:  # forward again: equation 2, over one stop
            alpha = a[after] / a[here]
            x_t = alpha**0.5 * x_t + (1 - alpha) ** 0.5 * draw(x_t)
            continue
        step = next(p_sample_loop(diffusion, network, x_t, timesteps[here : here + 2], draw))
        kept = a[after] ** 0.5 * x_start + (1 - a[after]) ** 0.5 * draw(x_t)
        x_next = known * kept + (1 - known) * step.x_next
        yield SampleStep(index, count, step.t, x_t, step.pred_x_start, x_next)
        index, x_t = index + 1, x_next
