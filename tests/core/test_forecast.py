"""What is expected of a training, from what is known."""

from __future__ import annotations

import json
import os

import numpy as np
import numpy.typing as npt
import pytest

from ddpm_studio import paths
from ddpm_studio.config import RunConfig
from ddpm_studio.data.shapes import better_height, cut_off, fitting_shape, room
from ddpm_studio.forecast import GFLOPS_A_CORE, copying, forecast
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


def sizes(*each: tuple[int, int, int]) -> npt.NDArray[np.int32]:
    """[N, 2] of (how many, width, height)."""
    return np.concatenate([np.full((number, 2), (width, height), np.int32) for number, width, height in each])


def test_sizes() -> None:
    widths = (16, 32, 48, 64)
    found = [fitting_shape(sizes((5, side, side + 3)), (64, 64), widths, 8) for side in (9, 16, 31, 50, 500)]
    assert found == [None, (16, 16), (16, 16), (48, 48), (64, 64)]
    assert fitting_shape(sizes((1, 50, 50)), (64, 64), widths, 32) == (32, 32)
    assert fitting_shape(sizes((1, 40, 24)), (32, 64), widths, 8) == (16, 32), "in the proportions of what is used"
    assert room(sizes((1, 64, 20)), (16, 32)) == 1.25


def test_what_is_cut_off() -> None:
    assert cut_off(sizes((1, 200, 100)), (32, 32)) == 0.5
    assert cut_off(sizes((1, 100, 200)), (64, 32)) == 0
    assert cut_off(sizes((3, 100, 100), (1, 200, 100)), (32, 32)) == 0.125
    assert better_height(sizes((9, 178, 218)), (32, 32), 8) == 40
    assert better_height(sizes((9, 100, 105)), (32, 32), 8) is None


def test_a_height_is_advised_only_where_all_pictures_together_gain() -> None:
    """The typical picture is twice as wide as high, yet nearly half of them are square: another height costs these more."""
    mixed = sizes((148, 64, 64), (152, 128, 64), (50, 200, 300))
    assert np.median(mixed, axis=0).tolist() == [128, 64]
    assert cut_off(mixed, (16, 32)) > cut_off(mixed, (32, 32))
    assert better_height(mixed, (32, 32), 8) is None
    assert better_height(mixed, (16, 32), 8) is None
    wide = sizes((20, 64, 64), (300, 128, 64))
    assert better_height(wide, (32, 32), 8) == 16
    assert better_height(wide, (16, 32), 8) is None, "having followed the advice, one is not given another"


def test_runs_that_were_too_short_to_know_a_speed_hide_none_that_does() -> None:
    make_run("same", PRESETS["tiny-32"], [200.0] * 6)
    os.utime(paths.runs_dir() / "same" / "resume.json", (0, 0))
    for i in range(7):
        make_run(f"short-{i}", PRESETS["tiny-32"], [9000.0])
    assert forecast(PRESETS["tiny-32"], "cpu", CPU, cost).run == "same"
