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
from typing import TYPE_CHECKING, Literal

import numpy as np

from ddpm_studio.config import RunConfig
from ddpm_studio.errors import UserError
from ddpm_studio.events import Event
from ddpm_studio.journal import read_journal
from ddpm_studio.runs import Run, newest_runs

if TYPE_CHECKING:
    import numpy.typing as npt

Basis = Literal["measured", "scaled", "guessed"]
"""From a run with the same settings on this device; from one with another network; from the size of the network alone."""

BLOBS, RECOGNISABLE, GOOD = 3_000, 24_000, 135_000
"""Pictures seen until there are blobs of the right colours, until one can tell what it is meant to be, until it is good.
For faces at 32 x 32 with the linear path (docs/MEASUREMENTS.md); other pictures may take less or more."""
GFLOPS_A_CORE = 60.0
"""Reached in training by one core of the machine in docs/MEASUREMENTS.md: 132 (tiny-32) to 174 (small-32) with two."""
GFLOPS_OF_GPU = {"mps": 1_000.0, "cuda": 4_000.0}
"""Not measured: what such devices reach at least with small networks."""
LOOKED_AT = 4
"""Newest runs that are looked at for a speed."""
LEAST_SIDE, MOST_SIDE = 8, 512
"""Of a picture, in pixels (`DataConfig`)."""
CLEARLY = 0.08
"""By which share of the pictures' area the cut must fall for another height to be worth a word."""
LOOKED_INTO = 10_000
"""Sizes, evenly spread, that the best height is sought with."""

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
    for run, settings in _recent(device, device_label):
        if (settings.model, settings.data.shape, settings.training.batch_size) == (config.model, config.data.shape, config.training.batch_size) and (speed := _speed(run)):
            return Forecast(speed, "measured", run.name, comparable)
    for run, settings in _recent(device, device_label):
        if speed := _speed(run):
            return Forecast(speed * gmacs(settings) / gmacs(config), "scaled", run.name, comparable)
    gflops = GFLOPS_OF_GPU.get(device, GFLOPS_A_CORE * (os.cpu_count() or 1))
    return Forecast(gflops / (6 * gmacs(config)), "guessed", "", comparable)  # forward and backward: three times two operations


def copying(different: int) -> Copying:
    """Whether a model trained on so many different pictures is to be expected to repeat them."""
    return "certain" if different < FEW else "likely" if different < SOME else "later" if different < MANY else "unlikely"


def _recent(device: str, device_label: str) -> list[tuple[Run, RunConfig]]:
    """The newest runs that were last trained on this device."""
    found = []
    for info in islice(newest_runs(), 4 * LOOKED_AT):
        if _is_of(info.run, device, device_label):
            with contextlib.suppress(UserError):
                found.append((info.run, info.run.read_config()))
    return found[:LOOKED_AT]


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


def room(sizes: npt.NDArray[np.int32], shape: tuple[int, int]) -> float:
    """How often this height and width fit into the typical one of these pictures; below 1 it has to be enlarged.

    `sizes` is [N, 2], widths and heights."""
    return float(np.median(np.minimum(sizes[:, 0] / shape[1], sizes[:, 1] / shape[0])))


def fitting_shape(sizes: npt.NDArray[np.int32], shape: tuple[int, int], widths: tuple[int, ...], factor: int) -> tuple[int, int] | None:
    """Height and width in about the proportions of `shape`, the largest of these widths for which most pictures need not be
    enlarged and that the network can take."""
    shapes = [(max(1, round(width * shape[0] / shape[1] / factor)) * factor, width) for width in widths if width % factor == 0]
    return max((smaller for smaller in shapes if smaller[0] >= LEAST_SIDE and room(sizes, smaller) >= 1), default=None)


def kept_shares(width: npt.NDArray[np.int32], height: npt.NDArray[np.int32], shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    """float64 [N]: what share of each picture's area is used when it is cut to the proportions of this height and width."""
    ratio = width / np.maximum(height, 1) * (shape[0] / shape[1])
    shares: npt.NDArray[np.float64] = np.minimum(ratio, 1 / np.maximum(ratio, 1e-9))
    return shares


def cut_off(sizes: npt.NDArray[np.int32], shape: tuple[int, int]) -> float:
    """The share of the area that pictures lose to a shape, in the mean over all of them."""
    return 1 - float(kept_shares(sizes[:, 0], sizes[:, 1], shape).mean())


def better_height(sizes: npt.NDArray[np.int32], shape: tuple[int, int], factor: int) -> int | None:
    """The height with which clearly less of the pictures is cut off, in the mean over all of them, if there is one."""
    heights = [height for height in range(factor, MOST_SIDE + 1, factor) if height >= LEAST_SIDE and shape[1] <= 4 * height <= 16 * shape[1]]
    some = sizes[:: len(sizes) // LOOKED_INTO + 1]
    best = min(heights, key=lambda height: cut_off(some, (height, shape[1])), default=shape[0])
    return best if cut_off(sizes, shape) - cut_off(sizes, (best, shape[1])) > CLEARLY else None
