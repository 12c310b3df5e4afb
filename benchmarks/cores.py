"""How the cores share the work of training: `python benchmarks/cores.py [--preset tiny-32] [--batches 16,32,64] [--seconds 6]`.

One JSON line for each batch size: images a second, and images a CPU-second, with one core, with all cores in PyTorch's own
way (each operation spread over them), and with each core taking its own pictures through the whole network, as the program
does it. The three take turns, three rounds, and the middle one counts.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from unittest.mock import patch

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from throughput import speed

from ddpm_studio.bench import _training_step
from ddpm_studio.devices import choose_device
from ddpm_studio.presets import get_preset
from ddpm_studio.training import gradient

WAYS = ("one core", "all, PyTorch's way", "each its own pictures")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="tiny-32")
    parser.add_argument("--batches", default="16,32,64")
    parser.add_argument("--seconds", type=float, default=6.0)
    options = parser.parse_args()
    cores = torch.get_num_threads()
    for batch in map(int, options.batches.split(",")):
        config = get_preset(options.preset).with_changes({"training.batch_size": batch})
        step = _training_step(config, choose_device("cpu"))
        found: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
        for _ in range(3):
            for way in WAYS:
                torch.set_num_threads(1 if way == WAYS[0] else cores)
                shares = gradient.count_shares if way == WAYS[2] else lambda *_: 1
                with patch.object(gradient, "count_shares", shares):
                    found[way].append(speed(step, batch, options.seconds))
        torch.set_num_threads(cores)
        print(json.dumps({"batch": batch, "cores": cores} | {way: dict(zip(("images/s", "images/CPU-s"), sorted(speeds)[1], strict=True)) for way, speeds in found.items()}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
