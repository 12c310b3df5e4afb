"""Checkpoints of the annotated implementation (labml_nn.diffusion.ddpm), whose settings are told by the shapes of its tensors.

Differences from the paper's network that stay as they are: multipliers are multiplied up (1, 2, 2, 4 gives 1, 2, 4 and
16 times the base), a level narrows before it is doubled, attention is not normalised (its norm exists, but is never
applied), and the last normalisation has 8 groups.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ddpm_studio.config import RunConfig, parse_config
from ddpm_studio.errors import UserError
from ddpm_studio.exchange.weights import Names, shapes_of, to_ours
from ddpm_studio.language import later, tr

if TYPE_CHECKING:
    from torch import Tensor

IMAGE_SIZE = 32
"""What the implementation's experiment trains on; the weights do not tell."""
REMARKS = (
    later("The pictures are taken to be in [-1, 1]; the implementation's unchanged experiment trains on [0, 1], and such a model makes pale pictures here."),
    later("Schedule and steps are those of its experiment, which the weights do not tell: linear, T = 1000, the noise predicted."),
)
_UNUSED = re.compile(r"\.attn\.norm\.(weight|bias)$")


def recognise(names: Iterable[str]) -> bool:
    names = list(names)
    return any(name.endswith("image_proj.weight") for name in names) and any(name.endswith("time_emb.lin1.weight") for name in names)


def convert(tensors: Mapping[str, Tensor], image_size: int | None) -> tuple[RunConfig, dict[str, Tensor]]:
    """Settings and weights. Raises UserError, naming what does not fit, for a network that ours cannot be."""
    prefix = next(name for name in tensors if name.endswith("image_proj.weight")).removesuffix("image_proj.weight")
    theirs = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if not _UNUSED.search(name)}
    config = _settings(theirs, image_size or IMAGE_SIZE)
    shapes = shapes_of(config)
    return config, to_ours(theirs, _names(config, shapes), shapes)


def _settings(theirs: Mapping[str, Tensor], image_size: int) -> RunConfig:
    """All that the shapes tell about the network; what else there is, is checked with the tensors themselves."""
    stem = theirs["image_proj.weight"].shape
    base, channels = (stem[0], stem[1]) if len(stem) == 4 else (0, 0)
    levels: list[list[tuple[int, bool]]] = [[]]  # for each residual block its width, and whether attention follows
    for i in range(len(theirs)):
        block = theirs.get(f"down.{i}.res.conv1.weight")
        if block is not None and block.ndim == 4:
            levels[-1].append((block.shape[0], f"down.{i}.attn.projection.weight" in theirs))
        elif f"down.{i}.conv.weight" in theirs:
            levels.append([])
        else:
            break
    if base < 1 or any(len(level) != len(levels[0]) or len(set(level)) != 1 or level[0][0] % base for level in levels):
        raise UserError(
            tr("The weights of this annotated network do not form regular levels."),
            tr("Every level needs as many blocks as the others, and a width that is a multiple of the first convolution's."),
        )
    model: dict[str, Any] = {
        "base_channels": base, "channel_mults": [level[0][0] // base for level in levels], "num_res_blocks": len(levels[0]), "attention": [level[0][1] for level in levels],
        "middle_attention": True, "attention_norm": False, "stem_patch": 1, "downsample": "conv", "downsample_padding": "symmetric", "upsample": "transposed",
        "up_narrowing": "before", "input_skip": False, "dropout": 0.1, "norm_groups": 32, "head_norm_groups": 8, "norm_eps": 1e-5,
    }  # fmt: skip
    diffusion = {"beta_schedule": "linear", "prediction_type": "epsilon", "loss_weighting": "simple", "variance_type": "fixedlarge"}
    return parse_config({"data": {"image_size": image_size, "channels": channels}, "model": model, "diffusion": diffusion})


def _names(config: RunConfig, shapes: Mapping[str, Any]) -> Names:
    """Their blocks stand in one list on each side: those of a level, then its change of size."""
    blocks = config.model.num_res_blocks
    per_level = {"down": blocks + 1, "up": blocks + 2}

    def place(match: re.Match[str]) -> str:
        side, level, kind, block = match.groups()
        first = int(level) * per_level[side]
        return f"{side}.{first + int(block)}.{'res' if kind == 'blocks' else 'attn'}." if block else f"{side}.{first + per_level[side] - 1}."

    def theirs(name: str) -> str:
        name = re.sub(r"^(down|up)\.(\d+)\.(?:(blocks|attention)\.(\d+)|resample)\.", place, name)
        for ours, their in (
            (r"^time([12])\.", r"time_emb.lin\1."), (r"^stem\.", "image_proj."), (r"^head_norm\.", "norm."), (r"^head\.", "final."),
            (r"^middle_attention\.", "middle.attn."), (r"^middle([12])\.", r"middle.res\1."),
            (r"\.time\.", ".time_emb."), (r"\.query_key_value\.", ".projection."), (r"\.out\.", ".output."),
        ):  # fmt: skip
            name = re.sub(ours, their, name)
        return name

    return {name: (theirs(name),) for name in shapes}
