"""What is expected of a training, from what is known."""

from __future__ import annotations

import json
import os

import pytest

from ddpm_studio import paths
from ddpm_studio.config import RunConfig
from ddpm_studio.forecast import GFLOPS_A_CORE, better_height, copying, fitting_size, forecast, kept_share
from ddpm_studio.presets import PRESETS
from ddpm_studio.runs import Run

CPU = "CPU, 2 threads"


def cost(config: RunConfig) -> float:
    return 0.1 * config.model.base_channels / 32


def make_run(name: str, config: RunConfig, speeds: list[float], device: str = CPU, kind: str = "") -> None:
    run = Run(paths.runs_dir() / name)
    run.write_config(config)
    lines = [{"event": "started", "run": name, "step": 0, "device": device, "device_kind": kind}]
    lines += [
        {"event": "step", "step": i, "images": 32 * i, "loss": 0.1, "grad_norm": 1.0, "learning_rate": 1e-3, "images_per_second": speed, "seconds": float(i)}
        for i, speed in enumerate(speeds, 1)
    ]
    run.journal_file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    run.resume_notes.write_text("{}")


def test_without_any_run_it_is_a_guess_from_cost_and_cores() -> None:
    guess = forecast(PRESETS["tiny-32"], "cpu", CPU, cost)
    assert guess.basis == "guessed"
    assert guess.images_per_second == pytest.approx(GFLOPS_A_CORE * (os.cpu_count() or 1) / 0.6)
    assert forecast(PRESETS["small-32"], "cpu", CPU, cost).images_per_second == pytest.approx(guess.images_per_second / 2)
    assert guess.seconds(1200) == pytest.approx(1200 / guess.images_per_second)


def test_a_run_with_the_same_settings_tells_the_speed() -> None:
    make_run("same", PRESETS["tiny-32"], [1000.0, 200.0, 210.0, 205.0, 195.0, 205.0])
    known = forecast(PRESETS["tiny-32"], "cpu", CPU, cost)
    assert (known.basis, known.run, known.images_per_second) == ("measured", "same", 205.0)
    other = forecast(PRESETS["small-32"], "cpu", CPU, cost)
    assert (other.basis, other.run, other.images_per_second) == ("scaled", "same", 102.5)


def test_a_processor_is_the_same_in_every_language_and_a_graphics_card_is_not_any_other() -> None:
    make_run("chinese", PRESETS["tiny-32"], [200.0] * 6, "CPU，2 个线程", "cpu")
    make_run("card", PRESETS["tiny-32"], [9000.0] * 6, "NVIDIA H100, 79 GB", "cuda")
    assert forecast(PRESETS["tiny-32"], "cpu", CPU, cost).run == "chinese"
    assert forecast(PRESETS["tiny-32"], "cuda", "NVIDIA H100, 79 GB", cost).run == "card"
    assert forecast(PRESETS["tiny-32"], "cuda", "NVIDIA T4, 15 GB", cost).basis == "guessed"


def test_runs_of_another_device_or_of_a_few_steps_tell_nothing() -> None:
    make_run("elsewhere", PRESETS["tiny-32"], [9000.0] * 20, "NVIDIA H100")
    make_run("short", PRESETS["tiny-32"], [50.0] * 3)
    run = Run(paths.runs_dir() / "broken")
    run.write_config(PRESETS["tiny-32"])
    run.journal_file.write_bytes(b'{"event": "started", \xff\n')
    assert forecast(PRESETS["tiny-32"], "cpu", CPU, cost).basis == "guessed"


def test_recipes_that_were_not_measured_are_not_promised_anything() -> None:
    assert not forecast(PRESETS["paper-cifar10"], "cpu", CPU, cost).comparable


@pytest.mark.parametrize(("different", "expected"), [(3, "certain"), (99, "certain"), (100, "likely"), (1000, "later"), (9999, "later"), (50_000, "unlikely")])
def test_copies(different: int, expected: str) -> None:
    assert copying(different) == expected


def test_sizes_and_shapes() -> None:
    sizes = (16, 32, 48, 64)
    assert [fitting_size(side, sizes, 8) for side in (9, 16, 31, 50, 500)] == [16, 16, 16, 48, 64]
    assert fitting_size(50, sizes, 32) == 32
    assert kept_share(200, 100, (32, 32)) == 0.5
    assert kept_share(100, 200, (64, 32)) == 1
    assert better_height(178, 218, (32, 32), 8) == 40
    assert better_height(100, 105, (32, 32), 8) is None
