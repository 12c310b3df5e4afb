"""Whether a training fits into memory and onto the disk, found out before it begins."""

from __future__ import annotations

import math
import shutil
from typing import TYPE_CHECKING

import psutil
import torch

from ddpm_studio.config import RunConfig
from ddpm_studio.devices import Device
from ddpm_studio.errors import UserError
from ddpm_studio.nn.describe import describe_network

if TYPE_CHECKING:
    from pathlib import Path


def check_disk(config: RunConfig, folder: Path) -> None:
    """Raises UserError when the saves of a run would not fit: weights, average and two moments, the model, and both
    once more while new ones are written."""
    needed = 4 * 2 * (4 + 1) * describe_network(config).parameters
    there = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise UserError(
            f"The saves of this training need about {needed / 2**20:,.0f} MB on the disk, and {free / 2**20:,.0f} MB are free.",
            "Free some space, or choose a smaller preset.",
        )


def bytes_needed(config: RunConfig) -> int:
    """A rough count: weights, average, gradients and two moments in float32, and the activations of a batch.

    Besides what layers put out, the backward pass keeps their normalised and activated copies: about twice as much.
    With gradient checkpointing it keeps what enters the blocks, and the rest of one block at a time.
    """
    network = describe_network(config)
    activations = 2 * network.activations
    if config.training.gradient_checkpointing:
        inputs = sum(math.prod(block.in_shape) for block in network.blocks)
        activations = min(activations, 2 * inputs + 12 * max(math.prod(block.in_shape) for block in network.blocks))
    return 4 * (5 * network.parameters + activations * config.training.batch_size)


def check_memory(config: RunConfig, device: Device) -> None:
    """Raises UserError when the training would clearly not fit."""
    needed = bytes_needed(config)
    if device.kind == "cuda":
        available, _ = torch.cuda.mem_get_info()
    else:
        available = psutil.virtual_memory().available
    if needed > available:
        raise UserError(
            f"This training needs about {needed / 2**30:.1f} GB of memory, and {available / 2**30:.1f} GB are free.",
            "Choose a smaller picture size, a smaller batch or a smaller preset.",
        )
