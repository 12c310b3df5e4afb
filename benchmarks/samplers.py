"""How good are the pictures that samplers make of one model: `python benchmarks/samplers.py MODEL REAL OUT --score QUALITY.PY dpmpp-2m-sde:20 ddim:20 ddpm:1000`.

Each way makes pictures of the same seeds into a folder of its own under OUT, which is kept, and QUALITY.PY, a program that is
called with two folders of pictures, REAL first, and prints a line of JSON, scores them. One JSON line for each way.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ddpm_studio import imaging
from ddpm_studio.devices import choose_device
from ddpm_studio.diffusion import codec
from ddpm_studio.model import Model


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("real", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("ways", nargs="+", metavar="SAMPLER:STEPS[:SPACING[:LAMBDA_MAX]]")
    parser.add_argument("--score", type=Path, required=True)
    parser.add_argument("--train", type=Path, help="pictures that the model learnt from, for the share of copies")
    parser.add_argument("--count", type=int, default=256)
    parser.add_argument("--seed", type=int, default=5000)
    options = parser.parse_args()
    loaded = Model.load(options.model, choose_device().kind)
    for way in options.ways:
        sampler, steps, spacing, lambda_max = (way.split(":") + ["auto", ""][max(0, way.count(":") - 1) :])[:4]
        model = loaded if not lambda_max else Model.of(loaded.net, loaded.config.with_changes({"diffusion.lambda_max": float(lambda_max)}), loaded.notes)
        timesteps = model.timesteps(sampler, int(steps), spacing=spacing)
        folder = options.out / way.replace(":", "-")
        began = time.perf_counter()
        if not folder.exists():
            folder.mkdir(parents=True)
            for first in range(options.seed, options.seed + options.count, 32):
                seeds = range(first, min(first + 32, options.seed + options.count))
                x_t, source = model.noise(seeds)
                for step in model.sample_steps(x_t, source, sampler, timesteps):
                    x_t = step.x_next
                for seed, picture in zip(seeds, codec.decode(x_t), strict=True):
                    imaging.save_png(folder / f"{seed:06d}.png", picture, None, forced=False)
        seconds = time.perf_counter() - began
        command = [sys.executable, str(options.score), str(options.real), str(folder), "--size", str(model.config.data.image_size)]
        command += ["--train", str(options.train)] if options.train else []
        scores = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
        print(json.dumps({"sampler": sampler, "steps": int(steps), "spacing": spacing, "seconds": round(seconds), **scores}), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
