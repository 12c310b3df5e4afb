"""What a network consists of: every block with its shapes, parameters and cost, found by running it without numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ddpm_studio.events import BlockInfo, NetworkInfo
from ddpm_studio.nn.unet import AttentionBlock, Downsample, InputSkip, ResBlock, UNet, Upsample

if TYPE_CHECKING:
    from ddpm_studio.config import RunConfig

_KINDS: dict[type[nn.Module], str] = {ResBlock: "res", AttentionBlock: "attention", Downsample: "down", Upsample: "up", InputSkip: "skip"}


def describe_network(config: RunConfig) -> NetworkInfo:
    """Run the network of `config` on the meta device, where tensors have shapes but no memory."""
    with torch.device("meta"):
        net = UNet.of(config).eval()
        height, width, channels = config.data.shape
        x = torch.empty(1, channels, height, width)
        t = torch.zeros(1, dtype=torch.int64)

    found: dict[str, dict[str, Any]] = {}
    activations = 0

    def watch(name: str, kind: str) -> Any:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            found[name] = {"kind": kind, "in_shape": tuple(inputs[0].shape[1:]), "out_shape": tuple(output.shape[1:]), "parameters": sum(p.numel() for p in module.parameters())}
            if isinstance(module, AttentionBlock):
                found[name]["tokens"] = inputs[0][0, 0].numel() // module.patch**2

        return hook

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal activations
        activations += output.numel()

    for name, module in net.named_modules():
        kind = _KINDS.get(type(module), {"stem": "stem", "head": "head"}.get(name, ""))
        if kind:
            module.register_forward_hook(watch(name, kind))
        if not list(module.children()):
            module.register_forward_hook(count)

    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        net(x, t)
    flops = {name.removeprefix("UNet."): sum(counts.values()) for name, counts in counter.get_flop_counts().items()}

    blocks = []
    for name, facts in found.items():
        side, level = _place(name, len(config.model.channel_mults))
        blocks.append(BlockInfo(name=name, side=side, level=level, gmacs=flops.get(name, 0) / 2e9, **facts))
    return NetworkInfo(
        blocks=tuple(blocks),
        parameters=sum(p.numel() for p in net.parameters()),
        gmacs=counter.get_total_flops() / 2e9,
        activations=activations,
        size_factor=config.model.size_factor,
    )


def _place(name: str, levels: int) -> tuple[str, int]:
    """Which side of the U a module is on, and on which row (0 at the top)."""
    first, _, rest = name.partition(".")
    if first in ("down", "up"):
        index = int(rest.split(".")[0])
        return first, index if first == "down" else levels - 1 - index
    if first.startswith("middle"):
        return "middle", levels - 1
    return ("head" if first == "input_skip" else first), 0
