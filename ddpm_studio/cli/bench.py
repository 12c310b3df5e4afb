"""`bench`: how fast this machine is, and what that means in minutes."""

from __future__ import annotations

import argparse
import dataclasses
import json

from ddpm_studio.cli.flags import within
from ddpm_studio.cli.show import duration, with_progress
from ddpm_studio.control import RunControl
from ddpm_studio.errors import UserError
from ddpm_studio.events import BenchReady
from ddpm_studio.forecast import GOOD, RECOGNISABLE
from ddpm_studio.presets import PRESETS
from ddpm_studio.requests import BenchRequest


def add_bench_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", action="append", metavar="NAME", help=f"Preset to measure, or several such flags ({', '.join(BenchRequest().presets)}).")
    parser.add_argument("--seconds", type=within(float, 0.1, 600), default=4.0, metavar="S", help="Time for each of the four measurements of a preset (4).")
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or mps.")
    parser.add_argument("--json", action="store_true", help="Print a JSON object.")


def bench(arguments: argparse.Namespace) -> int:
    from ddpm_studio.bench import bench as engine_bench

    presets = tuple(arguments.preset or BenchRequest().presets)
    if unknown := next((name for name in presets if name not in PRESETS), None):
        raise UserError(f"There is no preset called {unknown!r}.", f"Choose among: {', '.join(PRESETS)}.")
    events = with_progress(engine_bench(BenchRequest(presets, arguments.seconds, arguments.device), RunControl()))
    found: list[BenchReady] = []
    for event in events:
        if isinstance(event, BenchReady):
            found.append(event)
            if not arguments.json:  # at once: whoever has waited for it keeps it, whatever comes
                print(("\n" if len(found) > 1 else "") + _words(event), flush=True)
    if arguments.json:
        print(json.dumps({"presets": [dataclasses.asdict(result) for result in found]}))
    return 0


def _words(result: BenchReady) -> str:
    soon, good = (duration(pictures / result.training_images_per_second) for pictures in (RECOGNISABLE, GOOD))
    return (
        f"{result.preset} on {result.device}\n"
        f"  training   {result.training_images_per_second:,.1f} images/s ({result.gflop:.2f} GFLOP each): recognisable after {soon}, good after {good}\n"
        f"             {result.training_gflops:,.1f} GFLOP/s; its convolutions alone reach {result.convolution_gflops:,.1f} and take {result.training_share:.0%} of the time\n"
        f"  sampling   16 pictures in 20 steps: {result.sampling_seconds:.1f} s; convolutions alone take {result.sampling_share:.0%} of it"
    )
