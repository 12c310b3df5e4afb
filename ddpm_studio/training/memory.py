"""Whether a training fits into memory and onto the disk, found out before it begins."""

from __future__ import annotations

import math
import shutil
from typing import TYPE_CHECKING

from ddpm_studio.config import RunConfig
from ddpm_studio.devices import Device
from ddpm_studio.errors import UserError
from ddpm_studio.language import tr
from ddpm_studio.nn.describe import describe_network
from ddpm_studio.training.gradient import count_pieces, count_shares

if TYPE_CHECKING:
    from pathlib import Path

MOST_PIECES = 16
"""More would be possible, but so slow that a smaller batch is the better choice."""


def save_bytes(config: RunConfig) -> int:
    """What one save takes on the disk: weights, average and two moments, and the model that others use."""
    return 4 * (4 + 1) * describe_network(config).parameters


def has_room(config: RunConfig, folder: Path) -> bool:
    """Whether the disk can take one more save."""
    return shutil.disk_usage(folder).free > save_bytes(config)


def check_disk(config: RunConfig, folder: Path) -> None:
    """Raises UserError when the saves of a run would not fit: the last, the one before it, and a third while it is written."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    taken = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    needed, free = 3 * save_bytes(config) - taken, shutil.disk_usage(there).free
    if needed > free:
        raise UserError(
            tr("The saves of this training need about {needed:,.0f} MB on the disk, and {free:,.0f} MB are free.", needed=needed / 2**20, free=free / 2**20),
            tr("Free some space, or choose a smaller preset."),
        )


def bytes_needed(config: RunConfig, pictures: int, device: Device) -> int:
    """A rough count: weights, average, gradients and two moments in float32, and the activations of so many pictures at once.

    Besides what layers put out, the backward pass keeps their normalised and activated copies: about twice as much.
    With gradient checkpointing it keeps what enters the blocks, and the rest of one block at a time.
    """
    network = describe_network(config)
    activations = 2 * network.activations
    if config.training.gradient_checkpointing:
        inputs = sum(math.prod(block.in_shape) for block in network.blocks)
        activations = min(activations, 2 * inputs + 12 * max(math.prod(block.in_shape) for block in network.blocks))
    batch = config.training.batch_size * math.prod(config.data.shape)
    # Each share of a piece has gradients of its own until they are added up, to those of the pieces before it if there are any.
    gradients = count_shares(config, pictures, device) + (pictures < config.training.batch_size)
    return 4 * ((4 + gradients) * network.parameters + activations * pictures + 3 * batch)  # x_start, noise, and x_t of a piece at most as large


def fitting_pieces(config: RunConfig, device: Device) -> int:
    """In how many pieces a batch has to be computed to fit into the memory: 1, 2, 4 ... MOST_PIECES; 1, too, where the
    pieces that it is computed in anyway are small enough.

    Raises UserError when it would not fit even so.
    """
    available = device.free_memory()
    batch = config.training.batch_size
    for pieces in (1 << i for i in range(MOST_PIECES.bit_length())):
        if pieces <= batch and bytes_needed(config, math.ceil(batch / count_pieces(config, device, pieces)), device) <= available:
            return pieces
    needed = bytes_needed(config, math.ceil(batch / count_pieces(config, device)), device)
    raise UserError(
        tr("This training needs about {needed:.1f} GB of memory, and {free:.1f} GB are free.", needed=needed / 2**30, free=available / 2**30),
        tr("Choose a smaller picture size, a smaller batch or a smaller preset."),
    )
