"""One gradient step of Algorithm 1, its gradient computed in as many pieces as the memory asks for, or a processor likes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ddpm_studio.config import RunConfig
from ddpm_studio.devices import Device
from ddpm_studio.diffusion.gaussian import GaussianDiffusion
from ddpm_studio.nn.describe import describe_network
from ddpm_studio.nn.ema import ema_decay_at, ema_update
from ddpm_studio.randomness import seed_at
from ddpm_studio.recorded import Recorded, can_record
from ddpm_studio.side_by_side import count_parts, on_one_core, side_by_side
from ddpm_studio.training.checkpoint import TrainingState

SMALLEST_SHARE = 8
"""Pictures that one core must have at least: with fewer, what a step costs besides its pictures counts for too much."""
HANDY = 24 * 2**20
"""Bytes that what enters a block may take for the pictures of a share on a processor, as far as shares of SMALLEST_SHARE
allow. glibc fetches blocks of 32 MB and more from the system anew each time, which zeroes them: `base-32` with whole batches
took twice as long, in four times the memory (docs/MEASUREMENTS.md)."""
Batch = tuple[Tensor, Tensor, Tensor]
"""x_start float [B, C, H, W] in [-1, 1], t int64 [B], noise like x_start; on the device."""


def compute_gradients(state: TrainingState, config: RunConfig, diffusion: GaussianDiffusion, batch: Batch, device: Device) -> Tensor:
    """The mean loss of a batch of `batch_size` pictures, on the device, and its gradient in the network.

    With `count_pieces` above 1 the batch is computed piece by piece and the gradients are added up: the same to rounding
    (without dropout), in so many times less memory. Weights are not touched, so this can be tried again.
    On an NVIDIA GPU a whole batch is recorded and replayed; pieces are not, as there is no memory to spare then, nor is what
    asks for the state of the generator in between, as gradient checkpointing does.
    """
    precision = config.training.precision if state.rate_scale == 1.0 else "float32"  # after a rescue no longer mixed
    net, weights = state.net, state.weights

    def loss_and_gradients(*part: Tensor) -> tuple[Tensor, ...]:
        with device.autocast(precision):
            loss = diffusion.training_losses(net, *part).mean() * (len(part[0]) / config.training.batch_size)
        return loss.detach(), *torch.autograd.grad(loss, weights)

    work: Callable[..., Sequence[Tensor]] = loss_and_gradients
    if can_record(device.torch) and state.pieces == 1 and not config.training.gradient_checkpointing:
        made_of = (config, diffusion, precision)
        if state.recorded is None or state.recorded.made_of != made_of:
            state.recorded = Recorded(loss_and_gradients, made_of)
        work = state.recorded
    else:
        state.recorded = None

    total = torch.zeros((), device=device.torch)
    for weight in weights:
        weight.grad = None
    for number, piece in enumerate(_split(batch, count_pieces(config, device, state.pieces))):
        if config.model.dropout:
            # Dropout knows only torch's global generator: give that, too, a state that depends on (seed, step) alone.
            torch.manual_seed(seed_at(config.training.seed, state.step, 1 + number))
        total += _add_gradients(weights, side_by_side(lambda part: work(*part), _split(piece, count_shares(config, len(piece[0]), device))))
    return total


def _add_gradients(weights: list[nn.Parameter], found: list[Sequence[Tensor]]) -> Tensor:
    """Add what the shares have found, each its loss and gradients, to the gradients of the weights, in the order of the
    shares; returns the sum of their losses."""
    total = torch.zeros_like(found[0][0])
    while found:
        loss, *gradients = found.pop(0)
        total += loss
        if sums := [weight.grad for weight in weights if weight.grad is not None]:
            torch._foreach_add_(sums, gradients)
            continue
        for weight, gradient in zip(weights, gradients, strict=True):
            # Fused Adam walks both as they lie in memory.
            weight.grad = gradient if gradient.stride() == weight.stride() else torch.empty_like(weight).copy_(gradient)
    return total


def count_pieces(config: RunConfig, device: Device, asked: int = 1) -> int:
    """In how many pieces a batch is computed: as many as the memory `asked` for, and on a processor as many as keep what its
    shares work on handy, each piece with as many shares as the whole batch would have."""
    if device.kind != "cpu":
        return asked
    batch = config.training.batch_size
    shares = count_shares(config, batch, device)
    one_picture = 4 * max(math.prod(block.in_shape) for block in describe_network(config).blocks)
    handy = math.ceil(batch / (shares * max(1, HANDY // one_picture)))
    return max(asked, min(handy, max(1, batch // (shares * SMALLEST_SHARE))))


def count_shares(config: RunConfig, pictures: int, device: Device) -> int:
    """In how many parts a piece is computed side by side. Dropout's only generator cannot serve several at once in a fixed order."""
    return 1 if config.model.dropout else count_parts(pictures, SMALLEST_SHARE, device.torch)


def _split(batch: Batch, count: int) -> list[Batch]:
    """A batch in `count` parts, as nearly alike as can be, and none of them empty."""
    return list(zip(*(part.tensor_split(min(count, len(part))) for part in batch), strict=True))


def apply_gradients(state: TrainingState, config: RunConfig, learning_rate: float) -> Tensor:
    """Line 5 of Algorithm 1, and the running average; returns the norm of the gradient, on the device."""
    settings, weights = config.training, state.weights

    def update() -> Tensor:
        for group in state.optimizer.param_groups:
            group["lr"] = learning_rate
        norm = nn.utils.clip_grad_norm_(weights, settings.grad_clip)
        state.optimizer.step()
        ema_update(state.average, weights, ema_decay_at(state.step, settings.ema_decay, settings.ema_warmup))
        return norm

    return on_one_core(update) if weights[0].device.type == "cpu" else update()
