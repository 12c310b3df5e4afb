"""Pictures and settings for tests: small enough to train in seconds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ddpm_studio.config import RunConfig
from ddpm_studio.control import RunControl
from ddpm_studio.events import Event
from ddpm_studio.requests import TrainRequest
from ddpm_studio.runs import Run

TINY: dict[str, Any] = {
    "data.image_size": 16, "model.base_channels": 16, "model.channel_mults": (1, 2), "model.attention": (False, True), "training.batch_size": 4,
    "training.warmup_steps": 5, "training.preview_count": 2, "training.preview_steps": 2, "training.preview_seconds": 1000.0, "diffusion.num_timesteps": 100,
}  # fmt: skip


def tiny_config(**changes: Any) -> RunConfig:
    return RunConfig().with_changes(TINY | {name.replace("__", "."): value for name, value in changes.items()})


def picture_folder(folder: Path, count: int = 12, size: int = 20) -> Path:
    """Discs of different colours on dark ground."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size]
    for i in range(count):
        pixels = np.full((size, size, 3), 20, np.uint8)
        centre, radius = rng.uniform(size * 0.35, size * 0.65, 2), rng.uniform(size * 0.2, size * 0.4)
        pixels[(x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2] = rng.integers(80, 255, 3)
        Image.fromarray(pixels).save(folder / f"disc_{i:03d}.png")
    return folder


def trained_in(folder: Path, name: str = "run", pictures: str = "discs", **request: Any) -> Run:
    """A run in `folder`, for fixtures that live longer than a test: its data directory is there, too, and not the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DDPM_STUDIO_HOME", str(folder / "home"))
        run = Run(folder / name)
        train_tiny(run, picture_folder(folder / pictures), **request)
    return run


def train_tiny(run: Run, data: Path, control: RunControl | None = None, **request: Any) -> list[Event]:
    """Train to the end of the request; every step is reported."""
    from ddpm_studio.training.engine import train

    values: dict[str, Any] = {"config": None if request.get("resume") else tiny_config(), "device": "cpu", "report_seconds": 0.0} | request
    return list(train(TrainRequest(run=run, data=data, **values), control or RunControl()))


def diffusers_or_skip() -> Any:
    """The other implementation, which comes with the extra `verify`. Where CI is set its absence is a failure: there nobody reads what was skipped."""
    try:
        return pytest.importorskip("diffusers", reason="the independent implementation comes with the extra `verify`")
    except pytest.skip.Exception as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        raise
