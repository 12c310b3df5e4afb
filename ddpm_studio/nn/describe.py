"""What a network consists of: every block with its shapes, parameters and cost, worked out without running it.

(Running it on the meta device and counting would say the same, but there torch loads its compilers first: four seconds.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from ddpm_studio.events import BlockInfo, NetworkInfo
from ddpm_studio.nn.unet import AttentionBlock, Downsample, InputSkip, Level, ResBlock, UNet, Upsample

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ddpm_studio.config import RunConfig

Shape = tuple[int, int, int]
"""(C, H, W)."""


@lru_cache(maxsize=32)
def describe_network(config: RunConfig) -> NetworkInfo:
    """The network of `config`, which is made on the meta device, where tensors have shapes but no memory."""
    with torch.device("meta"):
        net = UNet.of(config)
    blocks, activations = [], 0
    for name, module, in_shape, out_shape in _walk(net, config):
        side, level = _place(name, len(config.model.channel_mults))
        patch = module.patch if isinstance(module, AttentionBlock) else 0
        tokens = in_shape[1] * in_shape[2] // patch**2 if patch else 0
        macs, outputs = _cost(module, in_shape, out_shape, tokens)
        activations += outputs
        parameters = sum(parameter.numel() for parameter in module.parameters())
        blocks.append(BlockInfo(name, _KINDS.get(type(module), name), side, level, in_shape, out_shape, parameters, macs / 1e9, tokens, _variant(module)))
    time = [cast("nn.Linear", layer) for layer in (net.time1, net.time2)]
    head = next(block for block in blocks if block.name == "head")
    embedding = BlockInfo(
        "time", "time", "time", 0, (time[0].in_features,), (time[1].out_features,),
        sum(parameter.numel() for layer in time for parameter in layer.parameters()), sum(layer.weight.numel() for layer in time) / 1e9,
    )  # fmt: skip
    return NetworkInfo(
        blocks=tuple(blocks),
        parameters=sum(parameter.numel() for parameter in net.parameters()),
        gmacs=sum(block.gmacs for block in blocks) + embedding.gmacs,
        activations=activations + sum(layer.out_features for layer in time) + math.prod(head.in_shape),  # the last: of the normalisation before the head
        size_factor=config.model.size_factor,
        time=embedding,
        folding=_folding(net, config),
    )


def _folding(net: UNet, config: RunConfig) -> tuple[BlockInfo, ...]:
    """Nothing is learnt in it, so it is no module."""
    if (patch := net.stem_patch) == 1:
        return ()
    sides = config.data.shape[:2]
    inside = tuple(side // patch for side in sides)
    entering, leaving = cast("nn.Conv2d", net.stem).in_channels, cast("nn.Conv2d", net.head).out_channels
    return (
        BlockInfo("fold", "fold", "fold", 0, (entering // patch**2, *sides), (entering, *inside), 0, 0.0),
        BlockInfo("unfold", "unfold", "unfold", 0, (leaving, *inside), (leaving // patch**2, *sides), 0, 0.0),
    )


_KINDS: dict[type[nn.Module], str] = {ResBlock: "res", AttentionBlock: "attention", Downsample: "down", Upsample: "up", InputSkip: "skip"}


def _variant(module: nn.Module) -> str:
    """The word of `BlockInfo.variant`."""
    if isinstance(module, ResBlock):
        return "plain" if isinstance(module.shortcut, nn.Identity) else "shortcut"
    if isinstance(module, Downsample):
        return "average" if module.conv is None else "conv"
    return ("transposed" if module.transposed else "nearest") if isinstance(module, Upsample) else ""


def _walk(net: UNet, config: RunConfig) -> Iterator[tuple[str, nn.Module, Shape, Shape]]:
    """Name, module, and shapes of input and output of every block, in the order of UNet.forward."""
    height, width, _ = config.data.shape
    rows, columns = height // net.stem_patch, width // net.stem_patch
    stem, head = cast("nn.Conv2d", net.stem), cast("nn.Conv2d", net.head)
    channels = stem.out_channels
    patches = (stem.in_channels, rows, columns)
    yield "stem", stem, patches, (channels, rows, columns)
    skips = [channels]

    def row(name: str, level: Level, from_skips: bool) -> Iterator[tuple[str, nn.Module, Shape, Shape]]:
        nonlocal channels, rows, columns
        for i in range(level.count):
            block = cast("ResBlock", level.blocks[i])
            before = channels + (skips.pop() if from_skips else 0)
            channels = cast("nn.Conv2d", block.conv1).out_channels
            shape = (channels, rows, columns)
            yield f"{name}.blocks.{i}", block, (before, rows, columns), shape
            if len(level.attention):
                yield f"{name}.attention.{i}", level.attention[i], shape, shape
            if not from_skips:
                skips.append(channels)
        if level.resample is not None:
            before_resample = (channels, rows, columns)
            rows, columns = (rows * 2, columns * 2) if from_skips else (rows // 2, columns // 2)
            yield f"{name}.resample", level.resample, before_resample, (channels, rows, columns)
            if not from_skips:
                skips.append(channels)

    for i, level in enumerate(cast("Iterable[Level]", net.down)):
        yield from row(f"down.{i}", level, from_skips=False)
    for name, middle in (("middle1", net.middle1), ("middle_attention", net.middle_attention), ("middle2", net.middle2)):
        if middle is not None:
            yield name, middle, (channels, rows, columns), (channels, rows, columns)
    for i, level in enumerate(cast("Iterable[Level]", net.up)):
        yield from row(f"up.{i}", level, from_skips=True)
    yield "head", head, (channels, rows, columns), (head.out_channels, rows, columns)
    if net.input_skip is not None:
        yield "input_skip", net.input_skip, patches, patches


def _cost(block: nn.Module, in_shape: Shape, out_shape: Shape, tokens: int) -> tuple[int, int]:
    """Multiply-adds for one picture, and how many numbers its layers put out."""
    before, after = math.prod(in_shape[1:]), math.prod(out_shape[1:])
    macs = 2 * tokens**2 * in_shape[0]  # every query with every key, and every weight with every value
    outputs = 0
    for layer in block.modules():
        if len(list(layer.children())):
            continue
        if isinstance(layer, nn.Linear):  # of the time: once for the whole picture
            macs, outputs = macs + layer.weight.numel(), outputs + layer.out_features
        elif isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            positions = tokens or after
            macs += layer.weight.numel() * (before if isinstance(layer, nn.ConvTranspose2d) else positions)
            outputs += layer.out_channels * positions
        elif isinstance(layer, nn.GroupNorm):
            outputs += layer.num_channels * before
        else:  # what keeps the shape: dropout, and nothing at all
            outputs += out_shape[0] * after
    return macs, outputs


def _place(name: str, levels: int) -> tuple[str, int]:
    """Which side of the U a module is on, and on which row (0 at the top)."""
    first, _, rest = name.partition(".")
    if first in ("down", "up"):
        index = int(rest.split(".")[0])
        return first, index if first == "down" else levels - 1 - index
    if first.startswith("middle"):
        return "middle", levels - 1
    return ("head" if first == "input_skip" else first), 0
