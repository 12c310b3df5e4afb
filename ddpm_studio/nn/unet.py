"""The U-Net of the paper (appendix B), in the words of the article: DownBlock, MiddleBlock, UpBlock.

    x_t -> stem -> [res (+ attention)] x n -> down -> ... -> middle -> ... -> up -> [res (+ attention)] x (n+1) -> head
                          └───────────────────── skip connections ─────────────────────┘

Every residual block also receives the time embedding. Shapes: B batch, C channels, H x W of the current level.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ddpm_studio.config import ModelConfig, RunConfig


def timestep_embedding(t: Tensor, channels: int, freq_shift: int = 1) -> Tensor:
    """Sinusoidal embedding of t, int64 [B] -> float32 [B, channels]: sines, then cosines, of frequencies 1 ... 1/10000
    (with freq_shift 0 the last is a little higher)."""
    half = channels // 2
    frequencies = torch.exp(-math.log(10000) / (half - freq_shift) * torch.arange(half, device=t.device))
    angles = t[:, None].float() * frequencies[None, :]
    return F.pad(torch.cat([angles.sin(), angles.cos()], dim=1), (0, channels % 2))


def initialise(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear, scale: float = 1.0) -> nn.Module:
    """The authors' initialisation: uniform, variance scale / average of fan-in and fan-out; bias 0. Scale 0 gives zeros."""
    if scale == 0:
        nn.init.zeros_(layer.weight)
    else:
        nn.init.xavier_uniform_(layer.weight, gain=math.sqrt(scale))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def conv3x3(in_channels: int, out_channels: int, scale: float = 1.0) -> nn.Module:
    return initialise(nn.Conv2d(in_channels, out_channels, 3, padding=1), scale)


class GroupNorm(nn.GroupNorm):
    """Group normalisation that on NVIDIA GPUs stays in bfloat16 where its neighbours compute in it: autocast would have it in
    float32, and the activation after it, too, which moves three times as many bytes. Its sums are in float32; mean and
    deviation are rounded to bfloat16 after them (in PyTorch before May 2026 also on the way forward)."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> the same."""
        if x.dtype != torch.bfloat16 or not x.is_cuda:
            return super().forward(x)
        with torch.autocast(x.device.type, enabled=False):
            return F.group_norm(x, self.num_groups, self.weight.to(x.dtype), self.bias.to(x.dtype), self.eps)


class ResBlock(nn.Module):
    """norm, SiLU, conv; + time; norm, SiLU, dropout, conv (starting at zero); + input, through a 1x1 convolution
    where the channels change."""

    def __init__(self, in_channels: int, out_channels: int, time_channels: int, config: ModelConfig) -> None:
        super().__init__()
        self.norm1 = GroupNorm(config.norm_groups, in_channels, eps=config.norm_eps)
        self.conv1 = conv3x3(in_channels, out_channels)
        self.time = initialise(nn.Linear(time_channels, out_channels))
        self.norm2 = GroupNorm(config.norm_groups, out_channels, eps=config.norm_eps)
        self.dropout = nn.Dropout(config.dropout)
        self.conv2 = conv3x3(out_channels, out_channels, scale=0)
        self.shortcut: nn.Module = nn.Identity() if in_channels == out_channels else initialise(nn.Conv2d(in_channels, out_channels, 1))

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """x [B, C_in, H, W], time (already through SiLU) [B, time_channels] -> [B, C_out, H, W]."""
        h = self.conv1(F.silu(self.norm1(x)))
        h = h + self.time(time)[:, :, None, None]
        h = self.conv2(self.dropout(F.silu(self.norm2(h))))
        return cast("Tensor", self.shortcut(x) + h)


class AttentionBlock(nn.Module):
    """Self-attention among all tokens of a feature map: its pixels, or patches of P x P pixels. Its output layer starts at zero."""

    def __init__(self, channels: int, config: ModelConfig) -> None:
        super().__init__()
        self.num_heads, self.patch = config.num_heads, config.attention_patch
        self.norm: nn.Module = GroupNorm(config.norm_groups, channels, eps=config.norm_eps) if config.attention_norm else nn.Identity()
        # Folding P x P pixels into one vector and projecting it to C channels is a convolution with stride P. Tokens as wide
        # as C keep the projections as cheap as those of pixels, while the attention itself costs P^4 times less; tokens of
        # C P^2 channels would make the projections P^2 times dearer.
        self.query_key_value = nn.Conv2d(channels, 3 * channels, self.patch, stride=self.patch)
        for third in self.query_key_value.weight.data.chunk(3):  # three layers in one: each starts as a layer of its own would
            nn.init.xavier_uniform_(third)
        nn.init.zeros_(cast("Tensor", self.query_key_value.bias))
        self.out = initialise(nn.Conv2d(channels, channels * self.patch**2, 1), scale=0)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> the same."""
        batch, channels, height, width = x.shape
        rows, columns = height // self.patch, width // self.patch
        qkv = self.query_key_value(self.norm(x))
        # [B, 3C, H/P, W/P] -> three of [B, heads, tokens, C / heads]
        query, key, value = qkv.view(batch, 3, self.num_heads, channels // self.num_heads, rows * columns).transpose(3, 4).unbind(1)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return x + F.pixel_shuffle(self.out(mixed.transpose(2, 3).reshape(batch, channels, rows, columns)), self.patch)


class Downsample(nn.Module):
    """Half the height and width."""

    def __init__(self, channels: int, config: ModelConfig) -> None:
        super().__init__()
        self.asymmetric = config.downsample_padding == "asymmetric"
        self.conv = initialise(nn.Conv2d(channels, channels, 3, stride=2, padding=0 if self.asymmetric else 1)) if config.downsample == "conv" else None

    def forward(self, x: Tensor) -> Tensor:
        if self.conv is None:
            return F.avg_pool2d(x, 2)
        # TensorFlow's "same" padding, as the authors had it: one column at the right, one row below.
        return cast("Tensor", self.conv(F.pad(x, (0, 1, 0, 1)) if self.asymmetric else x))


class Upsample(nn.Module):
    """Twice the height and width."""

    def __init__(self, channels: int, config: ModelConfig) -> None:
        super().__init__()
        self.transposed = config.upsample == "transposed"
        self.conv = initialise(nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1)) if self.transposed else conv3x3(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return cast("Tensor", self.conv(x if self.transposed else F.interpolate(x, scale_factor=2.0, mode="nearest")))


class InputSkip(nn.Module):
    """A linear filter from the input to the output that depends on t, as Wiener's best linear denoiser does.

    Much of the answer is a multiple of the input: where there is only noise, the noise in x_t is x_t. Here it need not
    squeeze through all normalisations, and the blocks are free for the picture.
    """

    def __init__(self, channels: int, time_channels: int, rank: int = 4) -> None:
        super().__init__()
        self.spread = initialise(nn.Conv2d(channels, rank * channels, 3, padding=1, bias=False))
        self.gain = initialise(nn.Linear(time_channels, rank * channels))
        self.gather = initialise(nn.Conv2d(rank * channels, channels, 3, padding=1, bias=False), scale=0)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """x [B, C, H, W], time (already through SiLU) [B, time_channels] -> [B, C, H, W]."""
        return cast("Tensor", self.gather(self.spread(x) * self.gain(time)[:, :, None, None]))


class Level(nn.Module):
    """One row of the U on one side: residual blocks, each with attention or without, and the change of size after them."""

    def __init__(self, blocks: list[ResBlock], attention: list[AttentionBlock] | None, resample: nn.Module | None) -> None:
        super().__init__()
        self.count = len(blocks)
        self.blocks = nn.ModuleList(blocks)
        self.attention = nn.ModuleList(attention or [])
        self.resample = resample
        self.checkpointing = False
        self.has_dropout = any(block.dropout.p > 0 for block in blocks)

    def run_block(self, index: int, x: Tensor, time: Tensor) -> Tensor:
        """One residual block with its attention. With `checkpointing` only its input is kept for the backward pass,
        which computes the rest again (Chen et al. 2016)."""
        if self.checkpointing and torch.is_grad_enabled():
            return cast("Tensor", checkpoint(self._run_block, index, x, time, use_reentrant=False, preserve_rng_state=self.has_dropout))
        return self._run_block(index, x, time)

    def _run_block(self, index: int, x: Tensor, time: Tensor) -> Tensor:
        x = self.blocks[index](x, time)
        return cast("Tensor", self.attention[index](x)) if len(self.attention) else x


class UNet(nn.Module):
    """Predicts the noise (or x_0, or v) in x_t, and with `learns_variance` C channels more; `cond` is not used yet."""

    def __init__(self, config: ModelConfig, image_channels: int, learns_variance: bool = False) -> None:
        super().__init__()
        self.config = config
        self.stem_patch = config.stem_patch
        patch_channels = image_channels * config.stem_patch**2
        channels = config.base_channels
        time_channels = 4 * channels
        widths = [channels * mult for mult in config.channel_mults]

        self.time1 = initialise(nn.Linear(channels, time_channels))
        self.time2 = initialise(nn.Linear(time_channels, time_channels))
        self.stem = conv3x3(patch_channels, channels)
        self.input_skip = InputSkip(patch_channels, time_channels) if config.input_skip else None

        def level(inputs: list[int], outputs: list[int], attention: bool, resample: nn.Module | None) -> Level:
            blocks = [ResBlock(before, after, time_channels, config) for before, after in zip(inputs, outputs, strict=True)]
            return Level(blocks, [AttentionBlock(after, config) for after in outputs] if attention else None, resample)

        # Down. `skips` lists the channels of all that the way up will find again.
        self.down = nn.ModuleList()
        skips = [channels]
        for i, width in enumerate(widths):
            last = i == len(widths) - 1
            outputs = [width] * config.num_res_blocks
            self.down.append(level([channels, *outputs[1:]], outputs, config.attention[i], None if last else Downsample(width, config)))
            skips += outputs + ([] if last else [width])
            channels = width

        # Middle.
        self.middle1 = ResBlock(channels, channels, time_channels, config)
        self.middle_attention = AttentionBlock(channels, config) if config.middle_attention else None
        self.middle2 = ResBlock(channels, channels, time_channels, config)

        # Up, deepest level first.
        self.up = nn.ModuleList()
        for i, width in reversed(list(enumerate(widths))):
            inputs = [(channels if j == 0 else width) + skips.pop() for j in range(config.num_res_blocks + 1)]
            channels = [config.base_channels, *widths][i] if config.up_narrowing == "before" else width
            self.up.append(level(inputs, [width] * config.num_res_blocks + [channels], config.attention[i], Upsample(channels, config) if i else None))

        self.head_norm = GroupNorm(config.head_norm_groups or config.norm_groups, channels, eps=config.norm_eps)
        self.head = conv3x3(channels, patch_channels * (2 if learns_variance else 1), scale=0)

    @classmethod
    def of(cls, config: RunConfig) -> UNet:
        """The network that a run's settings ask for."""
        return cls(config.model, config.data.channels, config.diffusion.variance_type == "learned")

    def use_checkpointing(self, on: bool = True) -> None:
        """Trade time for memory in training: see Level.run_block."""
        for level in (*cast("Iterable[Level]", self.down), *cast("Iterable[Level]", self.up)):
            level.checkpointing = on

    def forward(self, x_t: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
        """x_t float [B, C, H, W], t int64 [B] in 0 ... T-1 -> float [B, C, H, W], or [B, 2C, H, W] with a learned variance."""
        time = timestep_embedding(t, self.config.base_channels, self.config.freq_shift).to(x_t.dtype)
        time = F.silu(self.time2(F.silu(self.time1(time))))  # every ResBlock would begin with this SiLU

        patches = F.pixel_unshuffle(x_t, self.stem_patch)
        x = self.stem(patches)
        skips = [x]
        for level in cast("Iterable[Level]", self.down):
            for i in range(level.count):
                x = level.run_block(i, x, time)
                skips.append(x)
            if level.resample is not None:
                x = level.resample(x)
                skips.append(x)

        x = self.middle1(x, time)
        if self.middle_attention is not None:
            x = self.middle_attention(x)
        x = self.middle2(x, time)

        for level in cast("Iterable[Level]", self.up):
            for i in range(level.count):
                x = level.run_block(i, torch.cat([x, skips.pop()], dim=1), time)
            if level.resample is not None:
                x = level.resample(x)

        x = self.head(F.silu(self.head_norm(x)))
        if self.input_skip is not None:
            straight = self.input_skip(patches, time)
            x = x + F.pad(straight, (0, 0, 0, 0, 0, x.shape[1] - straight.shape[1]))  # nothing for the variance
        return F.pixel_shuffle(x, self.stem_patch)
