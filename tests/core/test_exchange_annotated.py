"""Checkpoints of the annotated implementation, against its network written out here, and those of denoising-diffusion-pytorch."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ddpm_studio.cli.main import main
from ddpm_studio.errors import UserError
from ddpm_studio.exchange.converting import import_model, read_source
from ddpm_studio.model import Model


class Annotated:
    """The network of labml_nn.diffusion.ddpm as it is: random tensors under its names, and what it does with them.

    `rows` notes what stands in its two flat lists: (name, what it is, attention or not).
    """

    def __init__(self, base: int, mults: Sequence[int], attention: Sequence[bool], blocks: int, channels: int = 3) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.rows: dict[str, list[tuple[str, str, bool]]] = {"down": [], "up": []}
        self.base = base
        self.layer("image_proj", base, channels, 3, 3)
        self.layer("time_emb.lin1", 4 * base, base)
        self.layer("time_emb.lin2", 4 * base, 4 * base)
        width, skips = base, [base]
        for i, (mult, attends) in enumerate(zip(mults, attention, strict=True)):
            for j in range(blocks):
                before, width = width, width * (mult if j == 0 else 1)
                self.block("down", before, width, attends)
                skips.append(width)
            if i < len(mults) - 1:
                self.layer(f"{self.row('down', 'resample', False)}.conv", width, width, 3, 3)
                skips.append(width)
        self.residual("middle.res1", width, width)
        self.attention("middle.attn", width)
        self.residual("middle.res2", width, width)
        for i, (mult, attends) in reversed(list(enumerate(zip(mults, attention, strict=True)))):
            for _ in range(blocks):
                self.block("up", width + skips.pop(), width, attends)
            self.block("up", width + skips.pop(), width // mult, attends)
            width //= mult
            if i:
                self.layer(f"{self.row('up', 'resample', False)}.conv", width, width, 4, 4)
        assert not skips
        self.norm("norm", width)
        self.layer("final", channels, width, 3, 3)

    def row(self, side: str, kind: str, attends: bool) -> str:
        name = f"{side}.{len(self.rows[side])}"
        self.rows[side].append((name, kind, attends))
        return name

    def layer(self, name: str, *shape: int) -> None:
        self.tensors[f"{name}.weight"] = torch.randn(shape) * 0.5 / math.sqrt(math.prod(shape[1:]))
        self.tensors[f"{name}.bias"] = torch.randn(shape[0]) * 0.1

    def norm(self, name: str, channels: int) -> None:
        self.tensors |= {f"{name}.weight": 1 + torch.randn(channels) * 0.2, f"{name}.bias": torch.randn(channels) * 0.2}

    def residual(self, name: str, before: int, after: int) -> None:
        self.norm(f"{name}.norm1", before)
        self.layer(f"{name}.conv1", after, before, 3, 3)
        self.norm(f"{name}.norm2", after)
        self.layer(f"{name}.conv2", after, after, 3, 3)
        self.layer(f"{name}.time_emb", after, 4 * self.base)
        if before != after:
            self.layer(f"{name}.shortcut", after, before, 1, 1)

    def attention(self, name: str, channels: int) -> None:
        self.norm(f"{name}.norm", channels)  # it is there, and nobody asks it
        self.layer(f"{name}.projection", 3 * channels, channels)
        self.layer(f"{name}.output", channels, channels)

    def block(self, side: str, before: int, after: int, attends: bool) -> None:
        name = self.row(side, "block", attends)
        self.residual(f"{name}.res", before, after)
        if attends:
            self.attention(f"{name}.attn", after)

    def of(self, name: str) -> tuple[Tensor, Tensor]:
        return self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"]

    def run_residual(self, name: str, x: Tensor, time: Tensor) -> Tensor:
        h = F.conv2d(F.silu(F.group_norm(x, 32, *self.of(f"{name}.norm1"))), *self.of(f"{name}.conv1"), padding=1)
        h = h + F.linear(F.silu(time), *self.of(f"{name}.time_emb"))[..., None, None]
        h = F.conv2d(F.silu(F.group_norm(h, 32, *self.of(f"{name}.norm2"))), *self.of(f"{name}.conv2"), padding=1)
        return h + (F.conv2d(x, *self.of(f"{name}.shortcut")) if f"{name}.shortcut.bias" in self.tensors else x)

    def run_attention(self, name: str, x: Tensor) -> Tensor:
        pixels = x.flatten(2).transpose(1, 2)
        query, key, value = F.linear(pixels, *self.of(f"{name}.projection")).chunk(3, dim=2)
        mixed = (query @ key.transpose(1, 2) / math.sqrt(x.shape[1])).softmax(dim=2) @ value
        return (pixels + F.linear(mixed, *self.of(f"{name}.output"))).transpose(1, 2).reshape(x.shape)

    @torch.no_grad()
    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        half = self.base // 2
        angles = t[:, None] * (10_000.0 ** (-torch.arange(half) / (half - 1)))
        time = F.silu(F.linear(torch.cat([angles.sin(), angles.cos()], dim=1), *self.of("time_emb.lin1")))
        time = F.linear(time, *self.of("time_emb.lin2"))
        x = F.conv2d(x, *self.of("image_proj"), padding=1)
        skips = [x]
        for name, kind, attends in self.rows["down"]:
            if kind == "block":
                x = self.run_residual(f"{name}.res", x, time)
                x = self.run_attention(f"{name}.attn", x) if attends else x
            else:
                x = F.conv2d(x, *self.of(f"{name}.conv"), stride=2, padding=1)
            skips.append(x)
        x = self.run_attention("middle.attn", self.run_residual("middle.res1", x, time))
        x = self.run_residual("middle.res2", x, time)
        for name, kind, attends in self.rows["up"]:
            if kind == "block":
                x = self.run_residual(f"{name}.res", torch.cat([x, skips.pop()], dim=1), time)
                x = self.run_attention(f"{name}.attn", x) if attends else x
            else:
                x = F.conv_transpose2d(x, *self.of(f"{name}.conv"), stride=2, padding=1)
        return F.conv2d(F.silu(F.group_norm(x, 8, *self.of("norm"))), *self.of("final"), padding=1)


@pytest.mark.parametrize(
    ("options", "mults"),
    [
        ({"base": 32, "mults": (1, 2, 2, 2), "attention": (False, False, False, True), "blocks": 2}, (1, 2, 4, 8)),
        ({"base": 32, "mults": (2, 1, 2), "attention": (True, False, True), "blocks": 1, "channels": 1}, (2, 2, 4)),
    ],
    ids=["as in the experiment", "otherwise"],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_annotated_network_gives_the_same(options: dict[str, Any], mults: tuple[int, ...], wrapped: bool, tmp_path: Path) -> None:
    theirs = Annotated(**options)
    saved = {"step": 7, "model": {f"module.{name}": tensor for name, tensor in theirs.tensors.items()}} if wrapped else theirs.tensors
    torch.save(saved, tmp_path / "checkpoint.pt")
    imported, file = import_model(tmp_path / "checkpoint.pt", tmp_path / "ours")
    model = Model.load(file)
    assert model.config.model.channel_mults == mults
    assert model.config.model.attention == options["attention"]
    assert model.config.data.image_size == 32
    x, t = torch.randn(2, options.get("channels", 3), 32, 32), torch.tensor([3, 800])
    expected = theirs(x, t)
    with torch.no_grad():
        assert ((model.net(x, t) - expected).abs().max() / expected.abs().max()).item() < 1e-5
    assert "[0, 1]" in imported.remarks[0]


def test_the_range_of_its_pictures_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(Annotated(32, (1, 2), (False, True), 1).tensors, tmp_path / "checkpoint.ckpt")
    assert main(["import", str(tmp_path / "checkpoint.ckpt"), "--out", str(tmp_path / "ours"), "--image-size", "16"]) == 0
    assert "The pictures are taken to be in [-1, 1]" in capsys.readouterr().out
    assert main(["import", str(tmp_path / "checkpoint.ckpt"), "--out", str(tmp_path / "more"), "--image-size", "16", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert "[0, 1]" in told["remarks"][0]
    assert told["config"]["data"]["image_size"] == 16
    assert main(["export", str(tmp_path / "ours"), "--out", str(tmp_path / "back")]) == 2
    assert "model.attention_norm" in capsys.readouterr().err


def test_irregular_annotated_networks_are_refused(tmp_path: Path) -> None:
    def attempt(**changes: Tensor | None) -> None:
        tensors = Annotated(32, (1, 2), (False, True), 2).tensors | {name.replace("__", "."): tensor for name, tensor in changes.items()}
        torch.save({name: tensor for name, tensor in tensors.items() if tensor is not None}, tmp_path / "checkpoint.pt")
        read_source(tmp_path / "checkpoint.pt")

    attempt()
    with pytest.raises(UserError, match="regular levels"):
        attempt(down__1__res__conv1__weight=torch.zeros(40, 32, 3, 3))
    with pytest.raises(UserError, match="regular levels"):
        attempt(image_proj__weight=torch.zeros(5))
    with pytest.raises(UserError, match=r"lack down.3.attn.output.bias"):
        attempt(down__3__attn__output__bias=None)
    with pytest.raises(UserError, match=r"hold up.99.conv.bias"):
        attempt(up__99__conv__bias=torch.zeros(3))
    with pytest.raises(UserError, match=r"middle.attn.projection.weight has the shape"):  # several heads, each as wide as all channels
        attempt(middle__attn__projection__weight=torch.zeros(6 * 64, 64))


def test_denoising_diffusion_pytorch_is_refused_with_the_reason(tmp_path: Path) -> None:
    """Its names and shapes; what differs first is told, so that without it the next difference would be."""
    tensors = {
        "model.init_conv.weight": torch.zeros(16, 3, 7, 7), "model.downs.0.0.mlp.1.weight": torch.zeros(32, 64), "model.downs.0.0.block1.proj.weight": torch.zeros(16, 16, 3, 3),
        "model.downs.0.0.block1.norm.g": torch.zeros(1, 16, 1, 1), "model.downs.0.2.to_out.1.g": torch.zeros(1, 16, 1, 1), "betas": torch.zeros(10),
    }  # fmt: skip
    for change, reason in (
        ({}, "first convolution is 7 x 7"),
        ({"model.init_conv.weight": torch.zeros(16, 3, 3, 3)}, "RMSNorm"),
        ({"model.downs.0.0.block1.norm.g": None}, "scales and shifts"),
        ({"model.downs.0.0.mlp.1.weight": torch.zeros(16, 64)}, "linear attention"),
        ({"model.downs.0.2.to_out.1.g": None}, "arranged in another way"),
    ):
        tensors |= change  # type: ignore[arg-type]
        kept = {name: tensor for name, tensor in tensors.items() if tensor is not None}
        torch.save({"step": 5, "model": kept, "opt": {"state": {}}, "ema": {f"ema_model.{name}": tensor for name, tensor in kept.items()}, "version": "2"}, tmp_path / "model-1.pt")
        with pytest.raises(UserError, match=reason):
            read_source(tmp_path / "model-1.pt")
