"""A command that is copied out of the window does what the window did."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddpm_studio.as_command import PROGRAM, blend_command, generate_command, train_command
from ddpm_studio.blend_weights import normalized
from ddpm_studio.cli.flags import setting_changes
from ddpm_studio.cli.main import build_parser
from ddpm_studio.cli.pictures import mixtures, walk_of
from ddpm_studio.config import RunConfig
from ddpm_studio.presets import PRESETS, get_preset
from ddpm_studio.requests import NOISE_MODES, SAMPLERS, SPACINGS, BlendRequest, NoiseMode, SampleRequest, Start, TrainRequest, Walk, start_of
from ddpm_studio.runs import Run

from .test_config import valid_settings


def parsed(command: str) -> Any:
    program, *words = shlex.split(command)
    assert program == PROGRAM
    return build_parser()[0].parse_args(words)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_needs_no_flags(name: str) -> None:
    command = train_command(TrainRequest(Run(Path("/runs/a")), Path("/my pictures"), get_preset(name), max_seconds=600.0))
    assert shlex.split(command) == [PROGRAM, "train", "/my pictures", "--run", "/runs/a", "--preset", name, "--max-seconds", "600"]


@settings(max_examples=50, deadline=None)
@given(valid_settings())
def test_all_settings_come_back(changes: dict[str, Any]) -> None:
    config = RunConfig().with_changes(changes | {"preset": "small-32"})
    arguments = parsed(train_command(TrainRequest(Run(Path("a")), Path("pictures"), config)))
    assert get_preset(arguments.preset).with_changes(setting_changes(arguments)) == config


def test_going_on_and_starting_from_a_model() -> None:
    assert "--resume" in train_command(TrainRequest(Run(Path("a")), Path("p"), resume=True))
    arguments = parsed(train_command(TrainRequest(Run(Path("a")), Path("p"), get_preset("tiny-32"), start_from="faces")))
    assert (arguments.start_from, arguments.preset) == ("faces", None)


WALKS = st.fixed_dictionaries(
    {
        "sampler": st.sampled_from(SAMPLERS), "steps": st.none() | st.integers(1, 150), "spacing": st.sampled_from(SPACINGS), "eta": st.floats(0, 1),
        "guide": st.none() | st.just("mine@500"), "guidance": st.floats(0, 10), "seed": st.integers(0, 2**31 - 1),
    }
)  # fmt: skip
"""Every way from noise to pictures."""


def looked_at(walk: Walk, all_steps: int) -> tuple[Any, ...]:
    """What of it decides about pictures: the sampler does not look at the rest."""
    guidance = walk.guidance if walk.guide else None
    return walk.sampler, min(walk.steps or all_steps, all_steps), walk.spacing, walk.eta if walk.sampler == "ddim" else 0.0, walk.guide, guidance, walk.seed


def same_walk(arguments: Any, request: Walk, all_steps: int) -> bool:
    return looked_at(Walk("", **walk_of(arguments, all_steps)), all_steps) == looked_at(request, all_steps)


@settings(max_examples=60, deadline=None)
@given(WALKS, st.integers(1, 4096))
def test_pictures(walk: dict[str, Any], count: int) -> None:
    request = SampleRequest("mine", count, **walk)
    arguments = parsed(generate_command(request))
    assert (arguments.model, arguments.count) == ("mine", count)
    assert same_walk(arguments, request, 150)


def test_a_start_comes_back() -> None:
    way = SampleRequest("mine", count=1, seed=5, sampler="ddim", steps=40, guide="mine@500", start=Start(SampleRequest("mine", count=1, seed=4), 700))
    request = SampleRequest("mine", count=3, sampler="ddpm", steps=12, seed=9, start=Start(way, 412, model_step=80))
    arguments = parsed(generate_command(request))
    assert start_of({**json.loads(arguments.start), "timestep": arguments.start_timestep}, "mine") == request.start


def test_a_guide_is_called_by_its_name() -> None:
    arguments = parsed(generate_command(SampleRequest("mine", guide=Run(Path("/runs/mine")).milestone(500))))
    assert arguments.guide == "mine@500"


@settings(max_examples=60, deadline=None)
@given(WALKS, st.integers(0, 149), st.sampled_from(NOISE_MODES), st.lists(st.floats(0.01, 1), min_size=2, max_size=6))
def test_blends(walk: dict[str, Any], timestep: int, noise: NoiseMode, shares: list[float]) -> None:
    picture, weights = np.zeros((8, 8, 3), np.uint8), normalized(shares)
    request = BlendRequest("tiles", images=(picture,) * len(weights), weights=(weights,), timestep=timestep, noise=noise, **walk)
    files = [f"my picture {i}.png" for i in range(len(weights))]
    arguments = parsed(blend_command(request, files))
    assert [arguments.a, arguments.b, *arguments.more] == files
    assert (arguments.model, arguments.timestep, arguments.noise) == ("tiles", timestep, noise)
    assert mixtures(arguments, len(weights))[1] == (pytest.approx(weights, abs=1e-5),)
    with contextlib.redirect_stderr(io.StringIO()):  # it says that no more steps than these lead down from t
        assert same_walk(arguments, request, timestep + 1)
