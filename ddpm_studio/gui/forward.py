"""The forward process as the window computes it, without torch, so that it follows the hand."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ddpm_studio.events import Event, Images, Latent

Schedule = npt.NDArray[np.float64]
"""alphas_cumprod, float64 [T]."""
OF_MODEL = "model"


@dataclass(frozen=True, slots=True)
class ForwardReady(Event):
    """All that equation 4 needs: x_t = sqrt(alphas_cumprod) x_0 + sqrt(1 - alphas_cumprod) noise."""

    picture: Images
    """x_0, uint8 [H, W, C]."""
    noise: Latent
    """float32, but [H, W, C] as pictures are."""
    schedules: dict[str, Schedule]
    """The model's under OF_MODEL, and the others by their names, all with the same T."""
    seed: int

    @property
    def num_timesteps(self) -> int:
        return len(self.schedules[OF_MODEL])

    def x_t(self, schedule: str, t: int, longest: int = 0) -> Images:
        """The noisy picture uint8 [H, W, C]; what lies beyond black and white is cut. With `longest` only every n-th
        pixel, so that the sides stay below about that many."""
        stride = max(1, max(self.picture.shape[:2]) // longest) if longest else 1
        x_start = self.picture[::stride, ::stride].astype(np.float32) / np.float32(127.5) - np.float32(1)
        signal, sigma = shares(self.schedules[schedule], t)
        return as_picture(np.float32(signal) * x_start + np.float32(sigma) * self.noise[::stride, ::stride])


def shares(alphas_cumprod: Schedule, t: int) -> tuple[float, float]:
    """sqrt(alphas_cumprod_t) of the picture and sqrt(1 - alphas_cumprod_t) of the noise."""
    alpha_bar = float(alphas_cumprod[t])
    return math.sqrt(alpha_bar), math.sqrt(1 - alpha_bar)


def log_snr(alphas_cumprod: Schedule, t: int) -> float:
    """Natural logarithm of the signal-to-noise ratio alphas_cumprod / (1 - alphas_cumprod)."""
    alpha_bar = float(alphas_cumprod[t])
    return math.log(alpha_bar / (1 - alpha_bar)) if 0 < alpha_bar < 1 else math.copysign(math.inf, alpha_bar - 0.5)


def as_picture(x: npt.NDArray[np.float32]) -> Images:
    """float32 [H, W, C] in the scale of [-1, 1] -> uint8 [H, W, C], rounded and clipped."""
    picture: Images = np.clip(np.rint((x + 1) * 127.5), 0, 255).astype(np.uint8)
    return picture
