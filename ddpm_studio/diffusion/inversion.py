"""DDIM backwards (Song et al. 2021, section 4.3): from a picture to the noise that the sampler makes it of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ddpm_studio.diffusion.sampling import SampleStep

if TYPE_CHECKING:
    from ddpm_studio.diffusion.gaussian import GaussianDiffusion, Network


@torch.no_grad()
def ddim_inversion_loop(diffusion: GaussianDiffusion, network: Network, x_start: Tensor, timesteps: Sequence[int], refinements: int = 0) -> Iterator[SampleStep]:
    """Walks the timesteps of a sampler (noise first) the other way, from x_start up; the x_next of the last step is the noise.

    A step of DDIM goes from x_t to x_s by the noise found in x_t, which is not known yet on the way up. It is taken from
    x_s first, and from the x_t found so far in each of the `refinements`: a fixed point is the exact inverse
    (Pan et al. 2023). Both x_0 and the noise that the network finds lead from x_s to x_t; the one is taken that errs less,
    x_0 where there is mostly noise (the noise found in x_t is then nearly x_t itself, and its iteration stands still).
    The model's x_0 must not be clipped on either way: clipping cannot be undone.
    """
    x, a_s = x_start, 1.0
    for index, t in enumerate(reversed(timesteps)):
        a_t = float(diffusion.alphas_cumprod[t])
        batch_t = torch.full((len(x),), t, device=x.device, dtype=torch.int64)
        x_t = x
        for _ in range(1 + refinements):
            output = network(x_t, batch_t).to(x.dtype)
            if a_s > 0.5:
                noise = diffusion.predict_noise(output, x_t, batch_t)
                pred_x_start = (x - (1 - a_s) ** 0.5 * noise) / a_s**0.5
            else:
                pred_x_start = diffusion.predict_start(output, x_t, batch_t)
                noise = (x - a_s**0.5 * pred_x_start) / (1 - a_s) ** 0.5
            x_t = a_t**0.5 * pred_x_start + (1 - a_t) ** 0.5 * noise
        yield SampleStep(index, len(timesteps), t, x, pred_x_start, x_t)
        x, a_s = x_t, a_t
