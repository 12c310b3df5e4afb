"""A loss that one can read: of the average, without weighting, by the amount of noise, on noisy pictures that stay the same.

The loss of the steps jumps from batch to batch and says nothing about copying. Here picture, t and noise are fixed by the
seed of the run, for pictures that are learnt from and for such that are held out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ddpm_studio.config import RunConfig
from ddpm_studio.control import RunControl
from ddpm_studio.data.batches import load_batch, split
from ddpm_studio.data.dataset import Dataset
from ddpm_studio.diffusion import codec
from ddpm_studio.errors import as_user_error, is_out_of_memory
from ddpm_studio.events import Event, LossByNoise, Notice
from ddpm_studio.language import tr
from ddpm_studio.model import Model
from ddpm_studio.randomness import generator_at
from ddpm_studio.training.checkpoint import TrainingState

BANDS = 10
"""Equally wide parts of 0 ... T-1."""
TRIPLES = 160
"""Of picture, t and noise, in each of the two groups."""
PICTURES = 64
"""At most, in each group."""


class Probe:
    """Triple k has its t in band k mod `bands`; both groups have the same t and noise, so that their difference is one of pictures."""

    def __init__(self, dataset: Dataset, config: RunConfig) -> None:
        self._images, self._config = dataset.images, config
        learnt_from, held_out = split(len(dataset), config.training.held_out or 0, config.training.seed)
        # Evenly spread: neighbours in a folder are often alike.
        spread = (group[np.linspace(0, len(group) - 1, min(PICTURES, len(group))).round().astype(np.int64)] for group in (learnt_from, held_out) if len(group))
        self._groups = tuple(dataset.rows(chosen) for chosen in spread)
        """Rows of the array."""
        self.bands = min(BANDS, config.diffusion.num_timesteps)
        self.measured_at = -1
        """The step of the last measurement."""

    def measure(self, state: TrainingState, control: RunControl) -> Iterator[Event]:
        """LossByNoise; nothing when the run is to stop or to wait meanwhile, or when the losses are not finite. That there is no memory for it is told."""
        try:
            found = self._losses(state, control)
        except Exception as error:
            if not is_out_of_memory(error) or (known := as_user_error(error)) is None:
                raise
            yield Notice(tr("The loss by noise level is not measured this time. {message}", message=known.message))
            return
        if found is None:
            return
        self.measured_at = state.step
        if not all(np.isfinite(losses).all() for losses in found):
            return
        means = [tuple(float(losses[band :: self.bands].mean()) for band in range(self.bands)) for losses in found]
        if len(found) == 1:
            yield LossByNoise(state.step, means[0], num_timesteps=self._config.diffusion.num_timesteps)
            return
        errors = [self._error(losses, len(group)) for losses, group in zip(found, self._groups, strict=True)]
        if len(self._groups[1]) == 1:  # a single picture does not tell how much pictures differ: as much as in the other group
            errors[1] = errors[0] * math.sqrt(len(self._groups[0]))
        gap_error = math.hypot(*errors)
        yield LossByNoise(state.step, means[0], means[1], gap_error, self._config.diffusion.num_timesteps)

    def _error(self, losses: npt.NDArray[np.float64], pictures: int) -> float:
        """Standard error of the mean of the bands, as far as it comes from the choice of pictures: each counts once, with all of its triples."""
        bands = np.arange(TRIPLES) % self.bands
        above = losses - np.bincount(bands, losses)[bands] / np.bincount(bands)[bands]
        by_picture = np.bincount(self._pictures(np.arange(TRIPLES), pictures), above)
        return float(np.sqrt(np.square(by_picture).sum() * pictures / max(pictures - 1, 1)) / TRIPLES)

    def _pictures(self, triples: npt.NDArray[np.int64], pictures: int) -> npt.NDArray[np.int64]:
        """Which picture of so many each triple shows: one after the other, but one further where bands and pictures would
        begin to repeat together, or of 10 pictures each would only be seen in a single band."""
        return (triples + triples // math.lcm(self.bands, pictures)) % pictures

    @torch.no_grad()
    def _losses(self, state: TrainingState, control: RunControl) -> list[npt.NDArray[np.float64]] | None:
        """The squared error of each triple of each group, float64 [TRIPLES]; None when the run is to stop or to wait."""
        model = Model.of(state.ema, self._config)
        network, diffusion, at_once = model.network, model.diffusion, model.batch_size
        found: list[list[Tensor]] = [[] for _ in self._groups]
        for start in range(0, TRIPLES, at_once):
            chosen = np.arange(start, min(start + at_once, TRIPLES))
            t, noise = self._noise(chosen)
            t, noise = t.to(model.device), noise.to(model.device)
            for group, losses in zip(self._groups, found, strict=True):
                if control.stopping or control.pausing:
                    return None
                x_start = codec.encode(load_batch(self._images, group[self._pictures(chosen, len(group))])).to(model.device)
                prediction = network(diffusion.q_sample(x_start, t, noise), t).float()[:, : x_start.shape[1]]
                losses.append((prediction - diffusion.target(x_start, t, noise)).square().mean(dim=(1, 2, 3)))
        return [torch.cat(losses).cpu().numpy().astype(np.float64) for losses in found]

    def _noise(self, chosen: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """t int64 [B], each in its band, and noise float32 [B, C, H, W] of these triples, on the CPU."""
        height, width, channels = self._config.data.shape
        total = self._config.diffusion.num_timesteps
        draws = [generator_at(self._config.training.seed, 0, 0, int(k)) for k in chosen]  # four numbers: no step, no dropout
        edges = [(band * total // self.bands, (band + 1) * total // self.bands) for band in range(self.bands)]
        t = torch.cat([torch.randint(*edges[int(k) % self.bands], (1,), generator=draw) for k, draw in zip(chosen, draws, strict=True)])
        return t, torch.stack([torch.randn(channels, height, width, generator=draw) for draw in draws])
