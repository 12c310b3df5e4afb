"""Settings: checked, told in words when they do not fit, and the same through JSON and command line."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddpm_studio.config import SECTIONS, RunConfig, parse_config
from ddpm_studio.errors import UserError
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
