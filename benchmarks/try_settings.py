"""How good do pictures get for a given number of pictures seen? Train with some settings, write samples, and say what it cost.

    python benchmarks/try_settings.py DATA OUT --images 24000 --learning-rate 3e-3 --batch-size 16
    python benchmarks/try_settings.py DATA OUT --cpu-seconds 1200

With --cpu-seconds a short training on the same pictures finds out what a step costs, and the run is planned to end
inside of that much user and system time (a step costs up to a tenth more at some times than at others).
The samples in OUT can then be scored with any tool against pictures that were kept out of DATA;
docs/MEASUREMENTS.md says what was found.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
from pathlib import Path

import numpy as np

from ddpm_studio import imaging
from ddpm_studio.cli.flags import Parser, add_setting_flags, setting_changes
from ddpm_studio.config import RunConfig
from ddpm_studio.control import RunControl
from ddpm_studio.devices import choose_device
from ddpm_studio.events import StepDone
from ddpm_studio.model import Model
from ddpm_studio.presets import get_preset
from ddpm_studio.requests import STEPS, USUAL_SAMPLER, TrainRequest
from ddpm_studio.runs import Run
from ddpm_studio.training.engine import train


def main() -> int:
    parser = Parser(description=__doc__)
    parser.add_argument("data_path", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--preset", default="tiny-32")
    parser.add_argument("--images", type=int, default=24_000)
    parser.add_argument("--cpu-seconds", type=float, help="instead of --images")
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--sampler", default=USUAL_SAMPLER)
    parser.add_argument("--steps", type=int, default=STEPS[USUAL_SAMPLER])
    add_setting_flags(parser)
    arguments = parser.parse_args()

    config = get_preset(arguments.preset).with_changes(setting_changes(arguments))
    config = config.with_changes({"training.preview_count": 0})
    steps = arguments.images // config.training.batch_size
    if arguments.cpu_seconds:
        steps = int(0.88 * arguments.cpu_seconds / _cost_of_a_step(arguments, config))
    config = config.with_changes({"training.total_steps": steps})
    run = Run(arguments.out / "run")
    before = _cpu_seconds()
    for event in train(TrainRequest(run, arguments.data_path, config, report_seconds=20.0), RunControl()):
        if isinstance(event, StepDone):
            print(f"step {event.step:,}  loss {event.loss:.4f}  {event.images_per_second:.0f} images/s", file=sys.stderr)
    spent = _cpu_seconds() - before

    model = Model.load(run.path, choose_device().kind)
    batches = [model.sample(range(i, min(i + 50, arguments.samples)), arguments.sampler, arguments.steps) for i in range(0, arguments.samples, 50)]
    images = np.concatenate(batches)
    for i, image in enumerate(images):
        imaging.save_png(arguments.out / "samples" / f"{i:05d}.png", image, None)
    imaging.save_png(arguments.out / "sheet.png", imaging.grid(images[:32], columns=8), None)
    print(json.dumps({"steps": steps, "images": steps * config.training.batch_size, "cpu_seconds": round(spent), "samples": str(arguments.out / "samples")}))
    return 0


def _cost_of_a_step(arguments: argparse.Namespace, config: RunConfig) -> float:
    """CPU-seconds, of steps 50 to 200 of a run that is thrown away."""
    marks: list[tuple[int, float]] = []
    for event in train(TrainRequest(Run(arguments.out / "calibration"), arguments.data_path, config, max_steps=200, report_seconds=1.0), RunControl()):
        if isinstance(event, StepDone) and event.step >= 50:
            marks.append((event.step, _cpu_seconds()))
    (first, before), (last, after) = marks[0], marks[-1]
    return (after - before) / (last - first)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
