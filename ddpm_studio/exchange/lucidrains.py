"""Checkpoints of denoising-diffusion-pytorch: known, and refused with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from ddpm_studio.errors import UserError
from ddpm_studio.language import later, tr


def recognise(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    return any(name.endswith("init_conv.weight") for name in shapes) and any("downs.0.0.block1." in name for name in shapes)


def refuse(shapes: Mapping[str, tuple[int, ...]]) -> NoReturn:
    """Its U-Net is of another kind than the paper's; the first thing that differs, as a picture passes through, is told."""

    def shape(ending: str) -> tuple[int, ...] | None:
        return next((shape for name, shape in shapes.items() if name.endswith(ending)), None)

    first, embedding, block = shape("init_conv.weight"), shape("downs.0.0.mlp.1.weight"), shape("downs.0.0.block1.proj.weight")
    differences = [
        (later("its first convolution is 7 x 7 where ours is 3 x 3"), first is not None and first[2:] == (7, 7)),
        (later("it normalises by the root mean square (RMSNorm) where ours does so by groups"), shape("block1.norm.g") is not None),
        (later("the time scales and shifts its features where ours adds it"), embedding is not None and block is not None and embedding[:1] == tuple(2 * n for n in block[:1])),
        (later("it has linear attention"), shape("to_out.1.g") is not None),
        (later("its blocks are arranged in another way"), True),
    ]
    reason = next(text for text, found in differences if found)
    raise UserError(
        tr("This checkpoint of denoising-diffusion-pytorch cannot become a model of DDPM Studio: {reason}.", reason=tr(reason)),
        tr("What can be imported are diffusers folders with a UNet2DModel and checkpoints of the annotated implementation."),
    )
