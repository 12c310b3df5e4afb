"""Images per second of training beside other libraries: `python benchmarks/throughput.py PEERS [--rounds 3] [--presets small-32]`.

PEERS is the folder with peer_train.py and quality.py, which bring the other libraries' own networks and training steps; both
have to be importable. All take turns on the same machine, each in a process of its own. As the networks differ in cost, what
is compared is pictures times the network's own GFLOP a picture (forward and backward): GFLOP/s spent on learning.
With `--device cuda` all are on the graphics card, the peers in float32 with TF32 or all of their step in bfloat16 autocast,
whichever is faster for them, neither compiled nor recorded, as their own examples are.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peers", type=Path)
    parser.add_argument("--who", help="measure one here: lucidrains, diffusers or a preset (used by the program itself)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--presets", default="tiny-32,small-32")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--batch", type=int, default=32)
    options = parser.parse_args()
    if options.who:
        print(json.dumps(measure(options.who, options.peers, options.seconds, options.device, options.batch)))
        return 0
    everybody = ["lucidrains", "diffusers", *options.presets.split(",")]
    found: dict[str, list[dict[str, Any]]] = {who: [] for who in everybody}
    for _ in range(options.rounds):
        for who in everybody:
            command = [sys.executable, __file__, str(options.peers), "--who", who, "--seconds", str(options.seconds)]
            command += ["--device", options.device, "--batch", str(options.batch)]
            found[who].append(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]))
    for who, results in found.items():
        middle = sorted(results, key=lambda result: result["gflops"])[len(results) // 2]
        shares = {peer: round(middle["gflops"] / statistics.median(result["gflops"] for result in found[peer]), 2) for peer in everybody[:2]}
        print(json.dumps({"who": who, **middle, "times": shares}))
    return 0


def measure(who: str, peers: Path, seconds: float, device: str, batch: int) -> dict[str, float]:
    ways = _peer(who, peers, device, batch) if who in ("lucidrains", "diffusers") else _ours(who, device, batch)
    rate, rate_cpu = max(speed(step, batch, seconds, device) for step in ways.steps)
    return {"gflop": round(ways.gflop, 2), "images_per_second": rate, "images_per_cpu_second": rate_cpu, "gflops": round(rate * ways.gflop, 1)}


def speed(step: Callable[[], object], batch: int, seconds: float, device: str) -> tuple[float, float]:
    """Images per second of wall time and of CPU time, after a few steps to warm up."""
    import torch

    synchronise: Callable[[], None] = torch.cuda.synchronize if device == "cuda" else lambda: None
    for _ in range(10 if device == "cuda" else 3):
        step()
    synchronise()
    began, cpu, steps = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - began < seconds:
        step()
        steps += 1
    synchronise()
    return round(steps * batch / (time.perf_counter() - began), 1), round(steps * batch / (time.process_time() - cpu), 1)


@dataclasses.dataclass
class Ways:
    """Training steps of one network, all to be tried, and its GFLOP for one picture."""

    steps: list[Callable[[], object]]
    gflop: float


def _peer(who: str, peers: Path, device: str, batch: int) -> Ways:
    sys.path.insert(0, str(peers.resolve()))
    import peer_train  # type: ignore[import-not-found]
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    with torch.device(device):  # not while they train: it takes time at each call
        train, _, net = getattr(peer_train, who)(32, 25)
    if device == "cuda":  # where the step of one of them draws its timesteps
        torch.randint = functools.partial(torch.randint, device=device)
    x, t = torch.rand(1, 3, 32, 32, device=device), torch.zeros(1, dtype=torch.int64, device=device)
    with FlopCounterMode(display=False) as counter:
        answer = net(x, t)
        (answer if isinstance(answer, torch.Tensor) else answer.sample).sum().backward()
    net.zero_grad(set_to_none=True)

    def step() -> object:
        return train(torch.rand(batch, 3, 32, 32, device=device), 0.5)

    def step_in_bfloat16() -> object:
        with torch.autocast(device, torch.bfloat16):
            return step()

    return Ways([step, step_in_bfloat16] if device == "cuda" else [step], counter.get_total_flops() / 1e9)


def _ours(preset: str, device: str, batch: int) -> Ways:
    import torch

    from ddpm_studio.bench import _training_step
    from ddpm_studio.devices import choose_device
    from ddpm_studio.nn.describe import describe_network
    from ddpm_studio.presets import get_preset

    config = get_preset(preset).with_changes({"training.batch_size": batch})
    torch.manual_seed(0)
    return Ways([_training_step(config, choose_device(device))], 6 * describe_network(config).gmacs)


if __name__ == "__main__":
    raise SystemExit(main())
