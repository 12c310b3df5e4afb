"""What the window does, as the command line would say it: the command that makes the same run, or the same pictures."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from ddpm_studio import paths
from ddpm_studio.config import SECTIONS, RunConfig
from ddpm_studio.presets import PRESETS
from ddpm_studio.requests import BlendRequest, SampleRequest, TrainRequest, Walk, model_name, start_facts

PROGRAM = "ddpm-studio"


def train_command(request: TrainRequest) -> str:
    """`ddpm-studio train ...`: preset, the settings that differ from it, and limits."""
    words = ["train", str(request.data), "--run", request.run.name if request.run.path.parent == paths.runs_dir() else str(request.run.path)]
    if request.resume:
        words.append("--resume")
    elif request.config is not None:
        if request.start_from is not None:
            words += ["--from", model_name(request.start_from)]
        else:
            words += ["--preset", request.config.preset]
        words += changed_settings(request.config, request.start_from)
    if request.exclude:
        words += ["--exclude", str(paths.left_out_file(request.data))]  # where the window keeps them
    for flag, value in (("--max-steps", request.max_steps), ("--max-images", request.max_images), ("--max-seconds", request.max_seconds)):
        if value is not None:
            words += [flag, words_of(value)]
    if request.accept_new_data:
        words.append("--accept-new-data")
    if request.compile:
        words.append("--compile")
    return shlex.join([PROGRAM, *words])


def generate_command(request: SampleRequest, out: str = "pictures") -> str:
    """`ddpm-studio generate ...`, with everything that decides what the pictures look like."""
    words = ["generate", model_name(request.model), "--count", str(request.count), *_walk(request)]
    if request.start is not None:
        facts = start_facts(request.start)
        timestep = facts.pop("timestep")
        words += ["--start", json.dumps(facts, ensure_ascii=False), "--start-timestep", str(timestep)]
    return shlex.join([PROGRAM, *words, "--out", out])


def blend_command(request: BlendRequest, files: list[str], out: str = "blend") -> str:
    """`ddpm-studio interpolate ...`: the first mixture of the request, of the pictures in these files."""
    words = ["interpolate", model_name(request.model), *files]
    weights = request.weights[0]
    words += ["--lambda", words_of(weights[1])] if len(weights) == 2 else ["--weights", ",".join(words_of(round(weight, 6)) for weight in weights)]
    words += ["--timestep", str(request.timestep), "--noise", request.noise, *_walk(request)]
    return shlex.join([PROGRAM, *words, "--out", out])


def _walk(request: Walk) -> list[str]:
    """How to get from noise to pictures, in full: the commands have defaults of their own."""
    words = ["--seed", str(request.seed), "--sampler", request.sampler, "--steps", "all" if request.steps is None else str(request.steps)]
    if request.spacing != "auto":
        words += ["--spacing", request.spacing]
    if request.sampler == "ddim" and request.eta:
        words += ["--eta", words_of(request.eta)]
    if request.guide is not None:
        words += ["--guide", model_name(request.guide), "--guidance", words_of(request.guidance)]
    return words


def changed_settings(config: RunConfig, start_from: str | Path | None = None) -> list[str]:
    """Flags for the settings that are not those of the preset, or of the model to start from."""
    from ddpm_studio.models import starting_settings

    base = PRESETS.get(config.preset, RunConfig()) if start_from is None else starting_settings(start_from)
    words = []
    for section, kind in SECTIONS.items():
        for name in kind.model_fields:
            value = getattr(getattr(config, section), name)
            if value == getattr(getattr(base, section), name):
                continue
            flag = f"{section}.{name}".replace("_", "-")
            words += [f"--{flag}" if value else f"--no-{flag}"] if isinstance(value, bool) else [f"--{flag}", words_of(value)]
    return words


def words_of(value: Any) -> str:
    """A setting's value as a command line takes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (tuple, list)):
        return ",".join(words_of(part) for part in value)
    return "none" if value is None else f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
