"""Name and shape of every tensor of a network, from its settings alone: a file that does not fit is refused before torch is there.

It says in numbers what `nn/unet.py` says in layers; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterator

from ddpm_studio.config import ModelConfig, RunConfig

Layout = Iterator[tuple[str, tuple[int, ...]]]


def tensor_layout(config: RunConfig) -> dict[str, tuple[int, ...]]:
    """What `UNet.of(config).state_dict()` holds."""
    return dict(_unet(config.model, config.data.channels, config.diffusion.variance_type == "learned"))


def _unet(model: ModelConfig, image_channels: int, learns_variance: bool) -> Layout:
    base, patch_channels, time = model.base_channels, image_channels * model.stem_patch**2, 4 * model.base_channels
    widths = [base * mult for mult in model.channel_mults]

    def res(name: str, before: int, after: int) -> Layout:
        yield from _norm(f"{name}.norm1", before)
        yield from _conv(f"{name}.conv1", before, after, 3)
        yield from _linear(f"{name}.time", time, after)
        yield from _norm(f"{name}.norm2", after)
        yield from _conv(f"{name}.conv2", after, after, 3)
        if before != after:
            yield from _conv(f"{name}.shortcut", before, after, 1)

    def attention(name: str, channels: int) -> Layout:
        if model.attention_norm:
            yield from _norm(f"{name}.norm", channels)
        yield from _conv(f"{name}.query_key_value", channels, 3 * channels, model.attention_patch)
        yield from _conv(f"{name}.out", channels, channels * model.attention_patch**2, 1)

    def level(name: str, inputs: list[int], outputs: list[int], attends: bool) -> Layout:
        for i, (before, after) in enumerate(zip(inputs, outputs, strict=True)):
            yield from res(f"{name}.blocks.{i}", before, after)
        for i, after in enumerate(outputs if attends else []):
            yield from attention(f"{name}.attention.{i}", after)

    yield from _linear("time1", base, time)
    yield from _linear("time2", time, time)
    yield from _conv("stem", patch_channels, base, 3)
    if model.input_skip:
        rank = 4
        yield "input_skip.spread.weight", (rank * patch_channels, patch_channels, 3, 3)
        yield from _linear("input_skip.gain", time, rank * patch_channels)
        yield "input_skip.gather.weight", (patch_channels, rank * patch_channels, 3, 3)

    skips, channels = [base], base
    for i, width in enumerate(widths):
        last = i == len(widths) - 1
        outputs = [width] * model.num_res_blocks
        yield from level(f"down.{i}", [channels, *outputs[1:]], outputs, model.attention[i])
        if not last and model.downsample == "conv":
            yield from _conv(f"down.{i}.resample.conv", width, width, 3)
        skips += outputs + ([] if last else [width])
        channels = width

    yield from res("middle1", channels, channels)
    if model.middle_attention:
        yield from attention("middle_attention", channels)
    yield from res("middle2", channels, channels)

    for row, (i, width) in enumerate(reversed(list(enumerate(widths)))):
        inputs = [(channels if j == 0 else width) + skips.pop() for j in range(model.num_res_blocks + 1)]
        channels = [base, *widths][i] if model.up_narrowing == "before" else width
        yield from level(f"up.{row}", inputs, [width] * model.num_res_blocks + [channels], model.attention[i])
        if i:
            yield from _conv(f"up.{row}.resample.conv", channels, channels, 4 if model.upsample == "transposed" else 3)

    yield from _norm("head_norm", channels)
    yield from _conv("head", channels, patch_channels * (2 if learns_variance else 1), 3)


def _norm(name: str, channels: int) -> Layout:
    yield f"{name}.weight", (channels,)
    yield f"{name}.bias", (channels,)


def _conv(name: str, before: int, after: int, kernel: int) -> Layout:
    yield f"{name}.weight", (after, before, kernel, kernel)
    yield f"{name}.bias", (after,)


def _linear(name: str, before: int, after: int) -> Layout:
    yield f"{name}.weight", (after, before)
    yield f"{name}.bias", (after,)
