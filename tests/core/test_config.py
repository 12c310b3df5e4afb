"""Settings: checked, told in words when they do not fit, and the same through JSON and command line."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ddpm_studio.config import SECTIONS, RunConfig, parse_config
from ddpm_studio.diffusion.gaussian import GaussianDiffusion
from ddpm_studio.errors import UserError
from ddpm_studio.model import Model, save_model
from ddpm_studio.nn.unet import UNet
from ddpm_studio.presets import DESCRIPTIONS, PRESETS, choose_preset, get_preset


@pytest.mark.parametrize("name", list(PRESETS))
def test_presets_survive_json(name: str) -> None:
    assert parse_config(json.loads(PRESETS[name].model_dump_json())) == PRESETS[name]
    assert PRESETS[name].preset == name
    assert name in DESCRIPTIONS


def test_every_setting_explains_itself() -> None:
    for model in SECTIONS.values():
        for name, field in model.model_fields.items():
            assert field.description, name
            assert field.description.endswith("."), name


def test_field_names_are_unique_so_that_short_flags_are_unambiguous() -> None:
    names = [name for model in SECTIONS.values() for name in model.model_fields]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"data.image_size": 30}, "image_size must be divisible by 8.*24 or 32"),
        ({"data.image_size": 4}, "data.image_size"),
        ({"data.image_height": 44}, "image_height must be divisible by 8.*40 or 48"),
        ({"data.channels": 2}, "data.channels"),
        ({"model.attention": "true,false"}, "do not fit together: model.attention needs one switch per level"),
        ({"model.base_channels": 30}, "norm_groups must divide"),
        ({"training.learning_rate": "fast"}, "training.learning_rate cannot be 'fast': a number is needed"),
        ({"training.learning_rate": float("nan")}, "finite"),
        ({"model.channel_mults": "1,wide"}, "model.channel_mults cannot be 'wide': a whole number is needed"),
        ({"training.colour": 1}, "training.colour"),
        ({"diffusion.beta_schedule": "wavy"}, "diffusion.beta_schedule"),
        ({"version": 2}, "version"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint) as caught:
        RunConfig().with_changes(changes)
    assert caught.value.message.count("\n") == 0


def test_changes_as_a_command_line_gives_them() -> None:
    changed = RunConfig().with_changes(
        {"model.channel_mults": "1,2", "model.attention": "no,yes", "training.learning_rate": "1e-4", "data.flip": "false", "training.total_steps": None}
    )
    assert changed.model.channel_mults == (1, 2)
    assert changed.model.attention == (False, True)
    assert changed.training.learning_rate == 1e-4
    assert not changed.data.flip


@pytest.mark.parametrize(
    ("device", "size", "expected"),
    [("cpu", None, "tiny-32"), ("cpu", 64, "tiny-64"), ("mps", 32, "small-32"), ("mps", 64, "small-64"), ("cuda", 32, "base-32"), ("cuda", 128, "base-64")],
)
def test_auto_chooses_by_device_and_size_and_says_why(device: str, size: int | None, expected: str) -> None:
    name, why = choose_preset(device, size)
    assert name == expected
    assert expected in why
    assert name in PRESETS


def test_unknown_preset() -> None:
    with pytest.raises(UserError, match="no preset called") as caught:
        get_preset("huge")
    assert "tiny-32" in caught.value.hint


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["data", "model", "image_size", "version", "x"]), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(json_values)
def test_settings_of_strangers_are_refused_or_right(values: object) -> None:
    try:
        config = parse_config(values)
    except UserError:
        return
    assert isinstance(config, RunConfig)


networks = st.fixed_dictionaries({
    "data.image_size": st.integers(8, 48), "data.image_height": st.none() | st.integers(8, 48), "data.channels": st.sampled_from([1, 3, 4]),
    "diffusion.prediction_type": st.sampled_from(["epsilon", "x_start", "v_prediction"]), "diffusion.beta_schedule": st.sampled_from(["linear", "cosine", "sigmoid"]),
    "diffusion.variance_type": st.sampled_from(["fixedlarge", "fixedsmall", "learned"]), "diffusion.num_timesteps": st.integers(2, 50),
    "diffusion.zero_terminal_snr": st.booleans(), "diffusion.loss_weighting": st.sampled_from(["simple", "min_snr"]),
    "diffusion.timestep_sampling": st.sampled_from(["uniform", "lognormal"]),
    "model.base_channels": st.sampled_from([8, 12, 16]), "model.channel_mults": st.lists(st.integers(1, 3), min_size=1, max_size=4).map(tuple),
    "model.attention": st.lists(st.booleans(), min_size=1, max_size=4).map(tuple), "model.num_res_blocks": st.integers(1, 2), "model.num_heads": st.sampled_from([1, 2, 3]),
    "model.stem_patch": st.sampled_from([1, 2, 4]), "model.attention_patch": st.sampled_from([1, 2, 4]), "model.downsample": st.sampled_from(["conv", "average"]),
    "model.downsample_padding": st.sampled_from(["symmetric", "asymmetric"]), "model.upsample": st.sampled_from(["nearest", "transposed"]),
    "model.input_skip": st.booleans(), "model.middle_attention": st.booleans(), "model.dropout": st.sampled_from([0.0, 0.1]), "model.norm_groups": st.sampled_from([1, 4, 8]),
    "training.gradient_checkpointing": st.booleans(),
})  # fmt: skip


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(networks, st.booleans())
def test_what_validates_runs_and_what_does_not_is_refused_by_name(changes: dict[str, Any], fit_sizes: bool) -> None:
    """Any settings at all: either a network that can be trained and saved, or a sentence that names a setting."""
    if fit_sizes:  # else hardly any would pass
        levels = len(changes["model.channel_mults"])
        factor = changes["model.stem_patch"] * changes["model.attention_patch"] * 2 ** (levels - 1)
        changes |= {"model.attention": (True,) * levels, "data.image_size": factor * max(1, -(-8 // factor)), "data.image_height": factor * max(2, -(-8 // factor))}
        changes |= {"model.num_heads": 1, "model.norm_groups": 4, "diffusion.zero_terminal_snr": False}
    try:
        config = RunConfig().with_changes(changes)
    except UserError as error:
        names = {name.rpartition(".")[2] for name in changes}
        assert any(name in error.message for name in names), error.message  # noqa: PT017
        return
    assert parse_config(json.loads(config.model_dump_json())) == config

    diffusion = GaussianDiffusion(config.diffusion)
    net = UNet.of(config)
    net.use_checkpointing(config.training.gradient_checkpointing)
    height, width, channels = config.data.shape
    x_start = torch.rand(2, channels, height, width) * 2 - 1
    t = diffusion.draw_timesteps(2, torch.Generator().manual_seed(0))
    loss = diffusion.training_losses(net, x_start, t, torch.randn_like(x_start)).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.isfinite()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in net.parameters())
    assert net.head.weight.grad is not None

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.safetensors"
        save_model(file, net.state_dict(), config, {"step": 1})
        again = Model.load(file)
    assert again.config == config
    assert all(torch.equal(value, again.net.state_dict()[name]) for name, value in net.state_dict().items())
