"""Between pictures and what the diffusion works on.

The only codec so far is the identity on pixels, scaled to [-1, 1]; a latent autoencoder would be another one.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ddpm_studio.events import Images, frozen_images


def encode(pixels: Tensor) -> Tensor:
    """uint8 [B, C, H, W] -> float32 in [-1, 1]."""
    return pixels.float() / 127.5 - 1


def decode(x: Tensor) -> Images:
    """float [B, C, H, W] in [-1, 1] -> uint8 [B, H, W, C], rounded and clipped, read-only."""
    pixels = ((x.detach() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return frozen_images(pixels.permute(0, 2, 3, 1).cpu().numpy())


def from_images(images: Images) -> Tensor:
    """uint8 [N, H, W, C] -> float32 [N, C, H, W] in [-1, 1]."""
    return encode(torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).contiguous())
