"""The forward process of one picture, as a strip: x_0 becoming x_T. Needs no model."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ddpm_studio.config import DiffusionConfig
from ddpm_studio.diffusion import codec
from ddpm_studio.diffusion.gaussian import GaussianDiffusion
from ddpm_studio.errors import UserError
from ddpm_studio.events import Images
from ddpm_studio.language import tr
from ddpm_studio.randomness import ImageNoise


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
