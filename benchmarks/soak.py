"""Trains for an hour with previews and watches the memory of the process: it must not grow once it has settled.

    python benchmarks/soak.py DATA [--seconds 3600] [--preset tiny-32] [--run soak]

Prints the resident memory once a minute; the exit status is 1 when it has grown by 2 % or more after the first five
minutes (a twelfth of a shorter soak). It takes the run up again when there is one of that name.
"""

from __future__ import annotations

import argparse
import gc
import time
from pathlib import Path

import psutil

from ddpm_studio.control import RunControl
from ddpm_studio.events import CheckpointSaved, Notice, PreviewReady, StepDone
from ddpm_studio.presets import get_preset
from ddpm_studio.requests import TrainRequest
from ddpm_studio.runs import find_run
from ddpm_studio.training.engine import train

MOST_GROWTH = 0.02


def main() -> int:
    parser = argparse.ArgumentParser(description="Watch the memory of a long training.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--preset", default="tiny-32")
    parser.add_argument("--run", default="soak")
    options = parser.parse_args()
    run = find_run(options.run)
    request = TrainRequest(run, options.data, None if run.exists else get_preset(options.preset), resume=run.exists, max_seconds=options.seconds)
    process, began, settled_after = psutil.Process(), time.monotonic(), options.seconds / 12
    settled: list[int] = []
    later: list[int] = []
    previews = saves = 0
    told = 0.0
    for event in train(request, RunControl()):
        if isinstance(event, PreviewReady):
            previews += 1
        elif isinstance(event, CheckpointSaved):
            saves += 1
        elif isinstance(event, Notice):
            print(event.text, flush=True)
        elif isinstance(event, StepDone) and time.monotonic() - told >= 60:
            told = time.monotonic()
            gc.collect()  # what nobody holds any more is no growth
            resident, minutes = process.memory_info().rss, (told - began) / 60
            (settled if told - began < settled_after else later).append(resident)
            print(f"{minutes:5.1f} min  step {event.step:>7,}  {resident / 2**20:7.1f} MB  {previews:4} previews  {saves:3} saves  loss {event.loss:.4f}", flush=True)
    if not settled or not later:
        print("too short to tell")
        return 0
    growth = later[-1] / max(settled) - 1
    first, last, most = (number / 2**20 for number in (max(settled), later[-1], max(later)))
    print(f"from {first:.1f} MB (the most in the first {settled_after / 60:.0f} min) to {last:.1f} MB, at most {most:.1f} MB: {growth:+.2%}")
    return int(growth >= MOST_GROWTH)


if __name__ == "__main__":
    raise SystemExit(main())
