"""The forward process of one picture: x_0 becoming x_T. Needs no model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from ddpm_studio.config import DiffusionConfig
from ddpm_studio.diffusion import codec
from ddpm_studio.diffusion.gaussian import GaussianDiffusion
from ddpm_studio.diffusion.schedules import SCHEDULES, make_betas
from ddpm_studio.errors import UserError
from ddpm_studio.events import Images, Latent
from ddpm_studio.language import tr
from ddpm_studio.randomness import ImageNoise

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def diffuse(image: Images, timesteps: Sequence[int], config: DiffusionConfig, seed: int = 0) -> Images:
    """x_t of one picture uint8 [H, W, C] at each timestep, with the same noise: uint8 [N, H, W, C]."""
    outside = [t for t in timesteps if not 0 <= t < config.num_timesteps]
    if outside or not timesteps:
        raise UserError(
            tr("The timestep {t} is out of range.", t=outside[0]) if outside else tr("No timestep was given."),
            tr("Timesteps run from 0 to {last}.", last=config.num_timesteps - 1),
        )
    diffusion = GaussianDiffusion(config)
    x_start = codec.from_images(image[None]).expand(len(timesteps), -1, -1, -1)
    noise = ImageNoise([seed]).draw(x_start[:1])
    return codec.decode(diffusion.q_sample(x_start, torch.tensor(timesteps), noise))


def noise_of(image: Images, seed: int = 0) -> Latent:
    """The noise that `diffuse` gives a picture uint8 [H, W, C]: float32 [H, W, C]."""
    height, width, channels = image.shape
    noise: Latent = ImageNoise([seed]).draw(torch.empty(1, channels, height, width))[0].permute(1, 2, 0).contiguous().numpy()
    return noise


def alphas_cumprod(config: DiffusionConfig) -> npt.NDArray[np.float64]:
    """What is left of the picture's variance after each of the T steps: float64 [T]."""
    values: npt.NDArray[np.float64] = (1 - make_betas(config.beta_schedule, config.num_timesteps, config.zero_terminal_snr)).cumprod(0).numpy()
    return values


def plain_schedules(num_timesteps: int) -> dict[str, npt.NDArray[np.float64]]:
    """alphas_cumprod of every schedule there is, to compare: float64 [T] each."""
    return {name: (1 - make_betas(name, num_timesteps)).cumprod(0).numpy() for name in SCHEDULES}
