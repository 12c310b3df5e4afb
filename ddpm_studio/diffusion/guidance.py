"""Autoguidance (Karras et al. 2024): a model guided by a bad version of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from ddpm_studio.diffusion.gaussian import Network


@dataclass(frozen=True, slots=True)
class Autoguided:
    """A network that goes on from the guide's answer through the good one's: guide + weight (good - guide).

    Where both agree nothing changes; where they differ, the better one is most likely right, and it goes further that
    way. Weight 1 is the good network alone. Both must answer in the same terms (epsilon, x_0 or v, same schedule), in
    which the mixture is the same as one of their estimates of x_0.
    """

    good: Network
    guide: Network
    weight: float

    def __call__(self, x_t: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
        channels = x_t.shape[1]
        good, guide = self.good(x_t, t, cond), self.guide(x_t, t, cond)
        prediction = torch.lerp(guide[:, :channels], good[:, :channels], self.weight)
        return torch.cat([prediction, good[:, channels:]], dim=1)  # a learned variance is the good network's
