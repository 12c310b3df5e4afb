"""Settings: checked, told in words when they do not fit, and the same through JSON and command line."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ddpm_studio.config import SECTIONS, RunConfig, parse_config, parse_saved_config
from ddpm_studio.diffusion.gaussian import GaussianDiffusion
from ddpm_studio.errors import UserError
from ddpm_studio.model import Model, save_model
from ddpm_studio.nn.describe import describe_network
from ddpm_studio.nn.unet import UNet
from ddpm_studio.presets import DESCRIPTIONS, PRESETS, choose_preset, get_preset
from ddpm_studio.tensor_layout import tensor_layout


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
    [("cpu", None, "tiny-32"), ("cpu", 64, "tiny-64"), ("mps", 32, "small-32"), ("mps", 64, "small-64"), ("cuda", 32, "base-32"), ("cuda", 128, "small-64")],
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


@st.composite
def valid_settings(draw: st.DrawFn) -> dict[str, Any]:
    """Settings of a small network that keep all rules: sizes and divisors are chosen to fit, everything else is free."""
    levels = draw(st.integers(1, 5))
    mults = draw(st.tuples(*[st.integers(1, 4)] * levels))
    stem = draw(st.sampled_from([patch for patch in (1, 2, 4) if patch * 2 ** (levels - 1) <= 64]))
    factor = stem * 2 ** (levels - 1)
    sides = st.integers(-(-8 // factor), min(64, 32 * stem) // factor).map(lambda multiple: multiple * factor)
    width, height = draw(sides), draw(st.none() | sides)
    maps = [((height or width) // stem // 2**i, width // stem // 2**i) for i in range(levels)]

    # Attention only where its patches fit, and not among thousands of tokens, for the sake of time.
    patch = draw(st.sampled_from([1, 2, 4]))
    may_attend = [rows % patch == columns % patch == 0 and rows * columns <= 1024 * patch**2 for rows, columns in maps]
    attention = tuple(draw(st.booleans()) if may else False for may in may_attend)

    base = draw(st.integers(8, 16))
    divisors = [n for n in range(1, base + 1) if base % n == 0]  # of the stem's width, hence of each level's
    # Where the map is a single pixel, no group may consist of a single channel.
    groups = divisors[:-1] if maps[-1] == (1, 1) and 1 in (1, *mults)[-2:] else divisors
    narrowing = draw(st.sampled_from(["after", "before"]))
    head_channels = base if narrowing == "before" else base * mults[0]
    prediction, timestep_sampling = draw(st.sampled_from(["epsilon", "x_start", "v_prediction"])), draw(st.sampled_from(["uniform", "lognormal"]))
    free = {
        "data.channels": st.sampled_from([1, 3, 4]),
        "diffusion.num_timesteps": st.integers(2, 4000), "diffusion.beta_schedule": st.sampled_from(["linear", "cosine", "sigmoid"]),
        "diffusion.zero_terminal_snr": st.booleans() if prediction != "epsilon" and timestep_sampling == "uniform" else st.just(False),
        "diffusion.loss_weighting": st.sampled_from(["simple", "min_snr"]), "diffusion.min_snr_gamma": st.floats(0.1, 10_000), "diffusion.min_snr_floor": st.floats(0, 1),
        "diffusion.variance_type": st.sampled_from(["fixedlarge", "fixedsmall", "learned"]), "diffusion.clip_x_start": st.booleans(),
        "diffusion.lambda_max": st.floats(0, 10),
        "model.num_res_blocks": st.integers(1, 2), "model.num_heads": st.sampled_from(divisors), "model.middle_attention": st.booleans() if may_attend[-1] else st.just(False),
        "model.attention_norm": st.booleans(), "model.freq_shift": st.sampled_from([0, 1]), "model.downsample": st.sampled_from(["conv", "average"]),
        "model.downsample_padding": st.sampled_from(["symmetric", "asymmetric"]), "model.upsample": st.sampled_from(["nearest", "transposed"]),
        "model.input_skip": st.booleans(), "model.dropout": st.sampled_from([0.0, 0.1, 0.9]), "model.norm_groups": st.sampled_from(groups),
        "model.head_norm_groups": st.none() | st.sampled_from([n for n in range(1, head_channels + 1) if head_channels % n == 0]),
        "model.norm_eps": st.floats(1e-8, 1e-2), "training.gradient_checkpointing": st.booleans(),
    }  # fmt: skip
    return {
        "data.image_size": width, "data.image_height": height, "diffusion.prediction_type": prediction, "diffusion.timestep_sampling": timestep_sampling,
        "model.base_channels": base, "model.channel_mults": mults, "model.attention": attention, "model.attention_patch": patch, "model.stem_patch": stem,
        "model.up_narrowing": narrowing, **draw(st.fixed_dictionaries(free)),
    }  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(valid_settings())
def test_what_validates_is_described_trained_and_saved(changes: dict[str, Any]) -> None:
    """Whatever keeps the rules becomes a network whose loss and gradients are numbers, for one picture and for two, and a file that gives it back."""
    config = RunConfig().with_changes(changes)
    assert parse_config(json.loads(config.model_dump_json())) == config

    diffusion, net = GaussianDiffusion(config.diffusion), UNet.of(config)
    assert tensor_layout(config) == {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.05)  # layers that start at zero would let no gradient through
    net.use_checkpointing(config.training.gradient_checkpointing)
    height, width, channels = config.data.shape
    for batch in (1, 2):
        net.zero_grad()
        x_start = torch.rand(batch, channels, height, width) * 2 - 1
        t = diffusion.draw_timesteps(batch, torch.Generator().manual_seed(batch))
        losses = diffusion.training_losses(net, x_start, t, torch.randn_like(x_start))
        losses.mean().backward()  # type: ignore[no-untyped-call]
        assert losses.shape == (batch,)
        assert losses.isfinite().all()
        assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in net.parameters())
        assert net.stem.weight.grad.any()  # the first layer learns from the last

    described = describe_network(config)
    assert described.parameters == sum(parameter.numel() for parameter in net.parameters())
    assert described.blocks[0].in_shape[1:] == (height // config.model.stem_patch, width // config.model.stem_patch)

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.safetensors"
        save_model(file, net.state_dict(), config, {"step": 1})
        again = Model.load(file)
    assert again.config == config
    weights, read = net.state_dict(), again.net.state_dict()
    assert read.keys() == weights.keys()
    assert all(torch.equal(value, read[name]) for name, value in weights.items())


SOUND: dict[str, Any] = {
    "data.image_size": 32, "data.image_height": 48, "diffusion.zero_terminal_snr": True, "model.base_channels": 16, "model.channel_mults": (1, 2), "model.stem_patch": 2,
    "model.attention": (False, True), "model.attention_patch": 4, "model.num_heads": 4, "model.norm_groups": 8, "model.head_norm_groups": 16,
}  # fmt: skip
SINGLE_PIXEL: dict[str, Any] = {"data.image_size": 8, "data.image_height": 8, "model.stem_patch": 4, "model.attention_patch": 1}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("data.image_size", 7), ("data.image_size", 513), ("data.image_size", 32.5), ("data.image_size", None), ("data.image_height", 7), ("data.image_height", 513),
        ("data.channels", 2), ("data.background", "pink"), ("data.flip", "perhaps"),
        ("data.crop_x", -0.1), ("data.crop_x", 1.1), ("data.crop_y", -0.1), ("data.crop_y", float("nan")),
        ("diffusion.num_timesteps", 1), ("diffusion.num_timesteps", 4001), ("diffusion.beta_schedule", "wavy"), ("diffusion.zero_terminal_snr", "a bit"),
        ("diffusion.prediction_type", "noise"), ("diffusion.timestep_sampling", "some"), ("diffusion.loss_weighting", "p2"), ("diffusion.min_snr_gamma", 0),
        ("diffusion.min_snr_floor", -0.1), ("diffusion.min_snr_floor", 1.1),
        ("diffusion.min_snr_gamma", 10_000.1), ("diffusion.min_snr_gamma", float("inf")), ("diffusion.variance_type", "none"), ("diffusion.clip_x_start", None),
        ("diffusion.lambda_max", -0.1), ("diffusion.lambda_max", 10.1),
        ("model.base_channels", 7), ("model.base_channels", 513), ("model.channel_mults", ()), ("model.channel_mults", (1, 0)), ("model.channel_mults", (1, 17)),
        ("model.channel_mults", "1,wide"), ("model.channel_mults", (1,) * 8), ("model.channel_mults", 2), ("model.num_res_blocks", 0), ("model.num_res_blocks", 9),
        ("model.attention", ()), ("model.attention", ("no", "often")), ("model.middle_attention", 2), ("model.num_heads", 0), ("model.num_heads", 65),
        ("model.attention_patch", 3), ("model.attention_norm", "x"), ("model.freq_shift", 2), ("model.stem_patch", 8), ("model.downsample", "max"),
        ("model.downsample_padding", "none"), ("model.upsample", "bicubic"), ("model.up_narrowing", "never"), ("model.input_skip", "x"), ("model.dropout", 1.0),
        ("model.dropout", -0.1), ("model.norm_groups", 0), ("model.norm_groups", 65), ("model.head_norm_groups", 0), ("model.head_norm_groups", 65),
        ("model.norm_eps", 0.0), ("model.norm_eps", 0.1),
        ("training.seed", -1), ("training.seed", 2**31), ("training.held_out", -1), ("training.batch_size", 0), ("training.batch_size", 4097), ("training.learning_rate", 0),
        ("training.learning_rate", 1.1), ("training.learning_rate", float("nan")), ("training.adam_beta2", 1), ("training.adam_beta2", -0.1), ("training.warmup_steps", -1),
        ("training.warmup_steps", 100_001), ("training.total_steps", 0), ("training.decay_share", -0.1), ("training.decay_share", 1.1), ("training.grad_clip", 0),
        ("training.grad_clip", 1001), ("training.immiscible", "x"), ("training.ema_decay", 1), ("training.ema_decay", -0.1), ("training.ema_warmup", "x"),
        ("training.gradient_checkpointing", "x"), ("training.precision", "float16"), ("training.checkpoint_seconds", 0), ("training.checkpoint_seconds", 86_401),
        ("training.milestone_steps", 0), ("training.milestones_mb", 0), ("training.pause_on_battery", "x"), ("training.preview_seconds", 0),
        ("training.preview_seconds", 86_401), ("training.preview_count", -1), ("training.preview_count", 65), ("training.preview_steps", 1), ("training.preview_steps", 1001),
        ("training.colour", 1), ("colour", 1), ("version", 2), ("preset", None), ("model", "U-Net"),
    ],
)  # fmt: skip
def test_a_value_outside_of_its_range_is_refused_by_name(field: str, value: object) -> None:
    """One value of a sound configuration is wrong, and the sentence says which."""
    sound = RunConfig().with_changes(SOUND)
    with pytest.raises(UserError, match=rf"\b{re.escape(field)}\b"):
        sound.with_changes({field: value})


def test_every_setting_is_tried_with_a_value_outside_of_its_range() -> None:
    tried = {field for field, _ in test_a_value_outside_of_its_range_is_refused_by_name.pytestmark[0].args[1]}
    assert {f"{section}.{name}" for section, model in SECTIONS.items() for name in model.model_fields} <= tried


@pytest.mark.parametrize(
    ("before", "change", "named"),
    [
        ({}, {"data.image_size": 34}, "data.image_size"),
        ({}, {"data.image_height": 46}, "data.image_height"),
        ({"model.channel_mults": (1, 2, 2), "model.attention": (True, False, False), "model.middle_attention": False}, {"data.image_height": 44}, "data.image_height"),
        ({"data.image_size": 36, "data.image_height": 36, "model.attention_patch": 1}, {"model.stem_patch": 4}, "data.image_size"),
        ({"data.image_size": 36, "data.image_height": 36, "model.attention_patch": 1}, {"model.attention_patch": 2}, "model.attention_patch"),
        ({}, {"data.image_height": 40}, "model.attention_patch"),
        ({"data.image_height": 40, "model.attention": (True, False), "model.middle_attention": False}, {"model.middle_attention": True}, "model.attention_patch"),
        ({"data.image_height": 40, "model.attention": (True, False), "model.middle_attention": False}, {"model.attention": (True, True)}, "model.attention_patch"),
        ({}, {"diffusion.prediction_type": "epsilon"}, "diffusion.prediction_type"),
        ({}, {"diffusion.timestep_sampling": "lognormal"}, "diffusion.timestep_sampling"),
        ({"diffusion.zero_terminal_snr": False, "diffusion.prediction_type": "epsilon"}, {"diffusion.zero_terminal_snr": True}, "diffusion.zero_terminal_snr"),
        ({}, {"model.attention": (True,)}, "model.attention"),
        ({}, {"model.channel_mults": (1, 2, 2)}, "model.attention"),
        ({}, {"model.norm_groups": 12}, "model.norm_groups"),
        ({}, {"model.norm_groups": 32}, "model.norm_groups"),
        ({"model.channel_mults": (2, 2)}, {"model.norm_groups": 32}, "model.norm_groups"),  # the stem has 16 channels all the same
        ({"model.head_norm_groups": None}, {"model.base_channels": 20}, "model.norm_groups"),
        ({}, {"model.num_heads": 3}, "model.num_heads"),
        ({"model.norm_groups": 1, "model.head_norm_groups": None}, {"model.base_channels": 18}, "model.num_heads"),
        ({}, {"model.head_norm_groups": 3}, "model.head_norm_groups"),
        ({"model.channel_mults": (2, 2), "model.head_norm_groups": 32}, {"model.up_narrowing": "before"}, "model.head_norm_groups"),
        (SINGLE_PIXEL | {"model.channel_mults": (1, 1)}, {"model.norm_groups": 16}, "model.norm_groups"),
        (SINGLE_PIXEL | {"model.channel_mults": (1, 2)}, {"model.norm_groups": 16}, "model.norm_groups"),  # what comes from the level above is as narrow as that
        (SINGLE_PIXEL | {"model.channel_mults": (2, 1)}, {"model.norm_groups": 16}, "model.norm_groups"),
        (SINGLE_PIXEL | {"model.norm_groups": 16, "data.image_height": 16}, {"data.image_height": 8}, "model.norm_groups"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused_by_the_name_of_one(before: dict[str, Any], change: dict[str, Any], named: str) -> None:
    """All is sound until one setting no longer fits another."""
    sound = RunConfig().with_changes(SOUND | before)
    with pytest.raises(UserError, match=re.escape(named)) as caught:
        sound.with_changes(change)
    assert caught.value.message.startswith("These settings do not fit together: ")


def test_a_group_of_one_channel_needs_more_than_a_pixel() -> None:
    """Two values to a group are enough, be they two pixels or two channels."""
    sound = RunConfig().with_changes(SOUND | SINGLE_PIXEL | {"model.channel_mults": (1, 1)})
    for changes in ({"model.norm_groups": 8}, {"model.norm_groups": 16, "data.image_height": 16}, {"model.norm_groups": 16, "model.channel_mults": (2, 2)}):
        config = sound.with_changes(changes)
        height, width, channels = config.data.shape
        assert UNet.of(config)(torch.zeros(1, channels, height, width), torch.zeros(1, dtype=torch.int64)).isfinite().all()


def test_a_run_of_a_preset_that_is_gone_is_whole() -> None:
    saved = RunConfig().model_dump(mode="json") | {"preset": "base-64"}
    del saved["diffusion"]["lambda_max"]
    assert parse_saved_config(saved) == RunConfig(preset="base-64")
    assert RunConfig().diffusion.lambda_max == 2.5


def test_a_run_from_before_a_setting_goes_on_without_it() -> None:
    """Its default, which new runs get, may be another."""
    saved = RunConfig().model_dump(mode="json")
    del saved["training"]["held_out"], saved["diffusion"]["min_snr_floor"]
    assert parse_saved_config(saved) == RunConfig().with_changes({"training.held_out": 0, "diffusion.min_snr_floor": 0})
