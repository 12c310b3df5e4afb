"""One gradient step of Algorithm 1, in as many pieces as the memory asks for."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ddpm_studio.config import RunConfig
from ddpm_studio.devices import Device
from ddpm_studio.diffusion.gaussian import GaussianDiffusion
from ddpm_studio.nn.ema import ema_decay_at, ema_update
from ddpm_studio.randomness import seed_at
from ddpm_studio.training.checkpoint import TrainingState

Batch = tuple[Tensor, Tensor, Tensor]
"""x_start float [B, C, H, W] in [-1, 1], t int64 [B], noise like x_start; on the device."""


def gradient_step(state: TrainingState, config: RunConfig, diffusion: GaussianDiffusion, batch: Batch, learning_rate: float, device: Device) -> tuple[Tensor, Tensor]:
    """Line 5 of Algorithm 1, and the running average: the mean loss of the batch and the norm of its gradient, on the device.

    With `state.pieces` above 1 the batch is computed piece by piece and the gradients are added up: the same step to
    rounding, in so many times less memory. Nothing has changed when this raises for want of memory.
    """
    settings = config.training
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate
    state.optimizer.zero_grad(set_to_none=True)
    weights = list(state.net.parameters())
    precision = settings.precision if state.rate_scale == 1.0 else "float32"  # after a rescue no longer mixed
    total = torch.zeros((), device=device.torch)
    size = -(-len(batch[0]) // state.pieces)
    for number, (x_start, t, noise) in enumerate(zip(*(torch.split(part, size) for part in batch), strict=True)):
        if config.model.dropout:
            # Dropout knows only torch's global generator: give that, too, a state that depends on (seed, step) alone.
            torch.manual_seed(seed_at(settings.seed, state.step, 1 + number))
        with device.autocast(precision):
            loss = diffusion.training_losses(state.net, x_start, t, noise).mean() * (len(x_start) / len(batch[0]))
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.detach()
    norm = nn.utils.clip_grad_norm_(weights, settings.grad_clip)
    state.optimizer.step()
    ema_update(list(state.ema.parameters()), weights, ema_decay_at(state.step, settings.ema_decay, settings.ema_warmup))
    return total, norm
