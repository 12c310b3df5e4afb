"""What to expect of a training before it begins: whether size and shape suit the pictures, how long until something can be
seen, and whether it will copy.

Everything here is an estimate, and says what it rests on.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from ddpm_studio.config import RunConfig
from ddpm_studio.errors import UserError
from ddpm_studio.events import Event
from ddpm_studio.journal import read_journal
from ddpm_studio.runs import Run, newest_runs

Basis = Literal["measured", "scaled", "guessed"]
"""From a run with the same settings on this device; from one with another network; from the size of the network alone."""

BLOBS, RECOGNISABLE, GOOD = 3_000, 24_000, 135_000
"""Pictures seen until there are blobs of the right colours, until one can tell what it is meant to be, until it is good.
For faces at 32 x 32 with the linear path (docs/MEASUREMENTS.md); other pictures may take less or more."""
GFLOPS_A_CORE = 60.0
"""Reached in training by one core of the slower machines in docs/MEASUREMENTS.md: 132 (tiny-32) to 174 (small-32) with two."""
GFLOPS_OF_GPU = {"mps": 1_000.0, "cuda": 4_000.0}
"""What such devices should reach at least with small networks: an H100 reaches 14,000 (small-32); others were not measured."""
LOOKED_AT, MOST_LOOKED_AT = 4, 32
"""Newest runs whose speed is considered, and those that are looked at to find so many."""

FEW, SOME, MANY = 100, 1_000, 10_000
"""Different pictures. Kadkhodaie et al. 2024 (arXiv 2310.02557): two networks trained on separate halves of a set give two
different answers, each near its own pictures, below about a thousand, and begin to agree above ten thousand (at 80 x 80,
fully from a hundred thousand). Bonnaire et al. 2025 (arXiv 2505.17638): the time until copying begins grows in proportion
to the number of pictures, the time until samples are good does not. Here, 7,000 faces seen 19 times each gave 2 copies in
1,000 samples (docs/MEASUREMENTS.md)."""
Copying = Literal["certain", "likely", "later", "unlikely"]


@dataclass(frozen=True, slots=True)
class Forecast(Event):
    images_per_second: float
    basis: Basis
    run: str = ""
    """The run that the speed is known from."""
    comparable: bool = True
    """The settings are of the kind that the milestones were measured with."""

    def seconds(self, pictures: int) -> float:
        return pictures / self.images_per_second


def forecast(config: RunConfig, device: str, device_label: str, gmacs: Callable[[RunConfig], float]) -> Forecast:
    """`device` is its kind ("cpu", "mps", "cuda"), the label its name as runs note it; `gmacs` says what one picture costs
    forward, in billions of multiply-adds."""
    comparable = config.model.input_skip and config.diffusion.loss_weighting == "min_snr"
    recent = _recent(device, device_label)
    for run, settings, speed in recent:
        if (settings.model, settings.data.shape, settings.training.batch_size) == (config.model, config.data.shape, config.training.batch_size):
            return Forecast(speed, "measured", run.name, comparable)
    if recent:
        run, settings, speed = recent[0]
        return Forecast(speed * gmacs(settings) / gmacs(config), "scaled", run.name, comparable)
    gflops = GFLOPS_OF_GPU.get(device, GFLOPS_A_CORE * (os.cpu_count() or 1))
    return Forecast(gflops / (6 * gmacs(config)), "guessed", "", comparable)  # forward and backward: three times two operations


def copying(different: int) -> Copying:
    """Whether a model trained on so many different pictures is to be expected to repeat them."""
    return "certain" if different < FEW else "likely" if different < SOME else "later" if different < MANY else "unlikely"


def _recent(device: str, device_label: str) -> list[tuple[Run, RunConfig, float]]:
    """The newest runs that were last trained on this device for long enough to know their speed, and that in pictures per second."""
    found: list[tuple[Run, RunConfig, float]] = []
    for info in islice(newest_runs(), MOST_LOOKED_AT):
        if _is_of(info.run, device, device_label) and (speed := _speed(info.run)):
            with contextlib.suppress(UserError):
                found.append((info.run, info.run.read_config(), speed))
        if len(found) == LOOKED_AT:
            break
    return found


def _is_of(run: Run, device: str, device_label: str) -> bool:
    """Of graphics cards there are many, and their names are the same in every language; a machine has one processor."""
    kind, label = "", ""
    with contextlib.suppress(OSError), run.journal_file.open("rb") as journal:
        for line in journal:
            if line.startswith(b'{"event": "started"'):
                with contextlib.suppress(ValueError, AttributeError):
                    values = json.loads(line)
                    kind, label = str(values.get("device_kind", "")), str(values.get("device", ""))
    return label == device_label or (kind == device != "cuda")


def _speed(run: Run) -> float:
    """Pictures per second, the median over the last minutes of a run; 0 when it took too few steps."""
    speeds = [step.images_per_second for step in read_journal(run)[-200:] if step.images_per_second > 0]
    return statistics.median(speeds) if len(speeds) >= 5 else 0.0
