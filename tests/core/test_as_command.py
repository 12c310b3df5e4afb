"""A command that is copied out of the window does what the window did."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from ddpm_studio.as_command import PROGRAM, blend_command, generate_command, train_command
from ddpm_studio.cli.flags import setting_changes
from ddpm_studio.cli.main import build_parser
from ddpm_studio.cli.pictures import mixtures
from ddpm_studio.config import RunConfig
from ddpm_studio.presets import PRESETS, get_preset
from ddpm_studio.requests import BlendRequest, SampleRequest, Start, TrainRequest, start_of
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


@pytest.mark.parametrize(
    "request_",
    [SampleRequest("faces"), SampleRequest("mine@500", sampler="ddim", eta=0.35, steps=7, count=3, seed=9, spacing="trailing"), SampleRequest("a", guide="b", guidance=1.5)],
)
def test_pictures(request_: SampleRequest) -> None:
    arguments = parsed(generate_command(request_))
    for name in ("model", "count", "seed", "sampler", "steps", "spacing"):
        assert getattr(arguments, name) == getattr(request_, name), name
    assert (arguments.eta or 0.0) == request_.eta
    assert arguments.guide == request_.guide
    assert request_.guide is None or arguments.guidance == request_.guidance


def test_a_start_comes_back() -> None:
    way = SampleRequest("mine", count=1, seed=5, sampler="ddim", steps=40, guide="mine@500", start=Start(SampleRequest("mine", count=1, seed=4), 700))
    request = SampleRequest("mine", count=3, sampler="ddpm", steps=12, seed=9, start=Start(way, 412, model_step=80))
    arguments = parsed(generate_command(request))
    assert start_of({**json.loads(arguments.start), "timestep": arguments.start_timestep}, "mine") == request.start


def test_a_guide_is_called_by_its_name() -> None:
    arguments = parsed(generate_command(SampleRequest("mine", guide=Run(Path("/runs/mine")).milestone(500))))
    assert arguments.guide == "mine@500"


@pytest.mark.parametrize("weights", [(0.7, 0.3), (0.25, 0.5, 0.25)])
def test_blends(weights: tuple[float, ...]) -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    request = BlendRequest("tiles", (picture,) * len(weights), (weights,), timestep=321, noise="slerp", steps=9, seed=4)
    files = [f"my picture {i}.png" for i in range(len(weights))]
    arguments = parsed(blend_command(request, files))
    assert [arguments.a, arguments.b, *arguments.more] == files
    for name in ("model", "timestep", "noise", "sampler", "steps", "seed"):
        assert getattr(arguments, name) == getattr(request, name), name
    assert mixtures(arguments, len(weights))[1] == (pytest.approx(weights),)
