"""What pays on an NVIDIA GPU: memory format, recorded work (CUDA graphs), compiled networks, precision, deterministic kernels.

    python benchmarks/graphics_card.py tiny-32 base-32 --compile base-32 --profile base-32

Images per second of training (loss, gradients, clipping, Adam, average; the batch lies on the card already) and milliseconds
of a network call in sampling. docs/MEASUREMENTS.md says what was found.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from ddpm_studio import recorded
from ddpm_studio.config import RunConfig
from ddpm_studio.data.dataset import Dataset
from ddpm_studio.devices import Device, choose_device
from ddpm_studio.diffusion.gaussian import GaussianDiffusion
from ddpm_studio.model import Model
from ddpm_studio.presets import PRESETS, get_preset
from ddpm_studio.training.checkpoint import TrainingState
from ddpm_studio.training.gradient import apply_gradients, compute_gradients
from ddpm_studio.training.loop import draw_batch

FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
NEVER = 10**9


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="+", choices=PRESETS)
    parser.add_argument("--seconds", type=float, default=0.7, help="for each measurement")
    parser.add_argument("--compile", nargs="*", default=[], metavar="PRESET")
    parser.add_argument("--same", nargs="*", default=[], metavar="PRESET", help="whether the same steps give the same weights")
    parser.add_argument("--formats", nargs="+", default=list(FORMATS), choices=FORMATS)
    parser.add_argument("--precisions", nargs="+", default=["bfloat16", "float32"])
    parser.add_argument("--profile", nargs="*", default=[], metavar="PRESET")
    arguments = parser.parse_args()
    device = choose_device("cuda")
    print(f"{device.label}, torch {torch.__version__}")
    for name in arguments.presets:
        config = get_preset(name)
        print(f"\n{name}, batch {config.training.batch_size}; drawing a batch on the processor takes {_draw_ms(config, device):.2f} ms")
        for precision in arguments.precisions:
            for format_name in arguments.formats:
                rates = {way: _training(config, device, format_name, calls, precision, arguments.seconds) for way, calls in (("plain", NEVER), ("recorded", 2))}
                print(f"  train {precision:9} {format_name:14}" + "".join(f" {way} {rate:9,.0f}/s" for way, rate in rates.items()))
        for format_name in arguments.formats:
            for precision in arguments.precisions:
                times = {
                    f"{way} of {count}": _sampling(config, device, format_name, calls, precision, count, arguments.seconds / 2)
                    for count in (16, 64) for way, calls in (("plain", NEVER), ("recorded", 2))
                }  # fmt: skip
                print(f"  sample {precision:9} {format_name:14}" + "".join(f" {way} {1000 * seconds:7.2f} ms" for way, seconds in times.items()))
        if name in arguments.profile:
            for format_name in arguments.formats:
                _profile(config, device, format_name)
        sys.stdout.flush()
    for name in arguments.same:
        _same_twice(get_preset(name), device, arguments.formats[0])
    for name in arguments.compile:
        config = get_preset(name)
        for format_name in arguments.formats:
            began = time.monotonic()
            rates = {way: _training(config, device, format_name, calls, "bfloat16", arguments.seconds, compiled=True) for way, calls in (("plain", NEVER), ("recorded", 2))}
            print(f"{name} compiled {format_name:14}" + "".join(f" {way} {rate:9,.0f}/s" for way, rate in rates.items()) + f"  ({time.monotonic() - began:.0f} s)", flush=True)
    return 0


def _step(config: RunConfig, device: Device, format_name: str, precision: str, compiled: bool = False) -> tuple[TrainingState, Callable[[], None]]:
    config = config.with_changes({"training.precision": precision})
    state = TrainingState.new(config, device.torch)
    for module in (state.net, state.ema):
        module.to(memory_format=FORMATS[format_name])  # type: ignore[call-overload]
    for weight in state.weights:
        state.optimizer.state[weight] |= {name: torch.zeros_like(weight) for name in ("exp_avg", "exp_avg_sq")}  # fused Adam walks all as they lie
    diffusion = GaussianDiffusion(config.diffusion).to(device.torch)
    height, width, channels = config.data.shape
    generator = torch.Generator().manual_seed(0)
    shape = config.training.batch_size, channels, height, width
    x_start, noise = ((torch.rand if i == 0 else torch.randn)(shape, generator=generator).to(device.torch, memory_format=FORMATS[format_name]) for i in range(2))
    t = torch.randint(config.diffusion.num_timesteps, (len(x_start),), generator=generator).to(device.torch)
    state.net.train()
    if compiled:
        torch._dynamo.reset()
        state.net.compile(dynamic=False)

    def step() -> None:
        compute_gradients(state, config, diffusion, (x_start, t, noise), device)
        apply_gradients(state, config, 1e-4)
        state.step += 1

    return state, step


def _training(config: RunConfig, device: Device, format_name: str, plain_calls: int, precision: str, seconds: float, compiled: bool = False) -> float:
    """Images per second."""
    recorded.PLAIN_CALLS = plain_calls
    return config.training.batch_size / _time(_step(config, device, format_name, precision, compiled)[1], seconds)


def _sampling(config: RunConfig, device: Device, format_name: str, plain_calls: int, precision: str, count: int, seconds: float) -> float:
    """Seconds of a network call."""
    recorded.PLAIN_CALLS = plain_calls
    net = TrainingState.new(config, device.torch).ema.to(memory_format=FORMATS[format_name])  # type: ignore[call-overload]
    model = Model.of(net, config)
    if precision == "bfloat16":
        inner = net.forward

        def mixed(*inputs: Tensor) -> Tensor:
            with torch.autocast("cuda", torch.bfloat16):
                return cast("Tensor", inner(*inputs))

        net.forward = mixed
    x_t, _ = model.noise(range(count))
    x_t = x_t.contiguous(memory_format=FORMATS[format_name])
    t = torch.full((count,), 500, device=device.torch)
    with torch.no_grad():
        return _time(lambda: model.network(x_t, t), seconds)


def _time(work: Callable[[], object], seconds: float) -> float:
    """The median of the means of five calls; the device is only waited for after each five."""
    for _ in range(5):
        work()
    times: list[float] = []
    end = time.monotonic() + seconds
    while len(times) < 3 or time.monotonic() < end:
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(5):
            work()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - began) / 5)
    return statistics.median(times)


def _draw_ms(config: RunConfig, device: Device) -> float:
    with TemporaryDirectory() as folder:
        height, width, channels = config.data.shape
        file = Path(folder) / "pictures.npy"
        np.save(file, np.random.default_rng(0).integers(0, 255, (2000, height, width, channels), np.uint8))
        dataset = Dataset(np.load(file, mmap_mode="r"), cast("Any", None), "", Path(folder))
        diffusion = GaussianDiffusion(config.diffusion).to(device.torch)
        steps = iter(range(10**6))
        return 1000 * _time(lambda: draw_batch(dataset, config, diffusion, next(steps), device), 0.3)


def _same_twice(config: RunConfig, device: Device, format_name: str) -> None:
    """Whether the same steps give the same weights bit for bit, with kernels as they come, tried out first, or of a kind that promises it."""
    for kernels in ("as they come", "tried out first", "deterministic"):
        torch.backends.cudnn.benchmark = kernels == "tried out first"
        torch.backends.cudnn.deterministic = kernels == "deterministic"
        torch.use_deterministic_algorithms(kernels == "deterministic", warn_only=True)
        recorded.PLAIN_CALLS = 2
        ends = []
        for _ in range(2):
            state, step = _step(config, device, format_name, "bfloat16")
            for _ in range(20):
                step()
            ends.append([weight.detach().clone() for weight in state.net.parameters()])
        same = all(torch.equal(a, b) for a, b in zip(*ends, strict=True))
        rate = config.training.batch_size / _time(step, 0.7)
        print(f"{config.preset}, kernels {kernels}: {rate:,.0f}/s; twice the same 20 steps: {'equal' if same else 'different'}", flush=True)


def _profile(config: RunConfig, device: Device, format_name: str) -> None:
    recorded.PLAIN_CALLS = NEVER
    _, step = _step(config, device, format_name, "bfloat16")
    for _ in range(3):
        step()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for _ in range(3):
            step()
        torch.cuda.synchronize()
    found = sorted(profile.key_averages(), key=lambda row: -row.self_device_time_total)[:12]
    total = sum(row.self_device_time_total for row in profile.key_averages())
    print(f"  kernels of a step, {format_name}: {total / 3000:.2f} ms")
    for row in found:
        print(f"    {row.self_device_time_total / total:5.1%} {row.count // 3:5} x {row.key[:110]}")


if __name__ == "__main__":
    sys.exit(main())
