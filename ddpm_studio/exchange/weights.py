"""Weights under other names: from their tensors to ours, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ddpm_studio.errors import UserError
from ddpm_studio.exchange.reading import quote
from ddpm_studio.language import later, tr

if TYPE_CHECKING:
    from torch import Size, Tensor

    from ddpm_studio.config import RunConfig

Names = Mapping[str, tuple[str, ...]]
"""For each of our tensors the names of theirs: one, or several that are stacked (query, key and value)."""
_HINT = later("The weights and their settings do not belong together, or the file was altered: fetch it again.")


def shapes_of(config: RunConfig) -> dict[str, Size]:
    """The shape of every tensor of a network, which is never allocated."""
    import torch

    from ddpm_studio.nn.unet import UNet

    with torch.device("meta"):
        return {name: tensor.shape for name, tensor in UNet.of(config).state_dict().items()}


def to_ours(theirs: Mapping[str, Tensor], names: Names, shapes: Mapping[str, Size]) -> dict[str, Tensor]:
    """Their tensors under our names, stacked where we have one for several, and as float32.

    Raises UserError when one is missing, left over, of another shape, not of numbers, or not finite; nothing is
    allocated before all names and shapes have been found right.
    """
    import torch

    wanted = {name for parts in names.values() for name in parts}
    if missing := sorted(wanted - theirs.keys()):
        raise UserError(tr("The weights lack {name}.", name=missing[0]), tr(_HINT))
    if extra := sorted(theirs.keys() - wanted):
        raise UserError(tr("The weights hold {name}, for which the network has no place.", name=quote(extra[0])), tr(_HINT))
    for name, parts in names.items():
        expected = torch.Size((shapes[name][0] // len(parts), *shapes[name][1:]))
        for part in parts:
            tensor = theirs[part]
            # A linear layer applied to every pixel is a convolution of 1 x 1.
            if tensor.shape not in (expected, expected[:2] if expected[2:] == (1, 1) else expected):
                raise UserError(tr("The tensor {name} has the shape {shape}, and {needed} is needed.", name=part, shape=_told(tensor.shape), needed=_told(expected)), tr(_HINT))
            if not tensor.is_floating_point() or tensor.layout != torch.strided or tensor.device.type != "cpu":
                raise UserError(tr("The tensor {name} does not hold plain numbers.", name=part), tr(_HINT))
    ours = {name: torch.cat([theirs[part].detach().float() for part in parts]).reshape(shapes[name]) for name, parts in names.items()}
    for name, tensor in ours.items():
        if not tensor.isfinite().all():
            raise UserError(
                tr("The tensor {name} holds values that are not finite numbers.", name=names[name][0]),
                tr("The training that it came from had failed; choose an earlier checkpoint."),
            )
    return ours


def to_theirs(ours: Mapping[str, Tensor], names: Names) -> dict[str, Tensor]:
    """Our tensors under their names: the way back of `to_ours`."""
    return {part: tensor for name, parts in names.items() for part, tensor in zip(parts, ours[name].chunk(len(parts)), strict=True)}


def _told(shape: Size) -> str:
    return quote(" x ".join(map(str, shape)) or tr("of a single number"))
