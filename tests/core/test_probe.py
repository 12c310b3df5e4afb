"""The loss by noise level: of the same noisy pictures each time, and what held-out pictures tell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ddpm_studio.control import RunControl
from ddpm_studio.data.batches import split
from ddpm_studio.data.dataset import Dataset
from ddpm_studio.errors import DataChanged, UserError
from ddpm_studio.events import DatasetReport, Event, Finished, LossByNoise, Notice, StepDone, as_json
from ddpm_studio.journal import JournalReader, read_journal
from ddpm_studio.models import starting_settings
from ddpm_studio.runs import Run
from ddpm_studio.training import loop, probe
from ddpm_studio.training.checkpoint import TrainingState
from ddpm_studio.training.probe import TRIPLES, Probe
from tests.core.made_up import picture_folder, tiny_config, train_tiny


def measured(events: list[Event]) -> list[LossByNoise]:
    return [event for event in events if isinstance(event, LossByNoise)]


def dataset_of(images: Any) -> Dataset:
    report = DatasetReport("a", "a", len(images), (), 0, 16, 16, 3, (16, 16), (16, 16), (16, 16), 0, 0, False, 0.0)
    return Dataset(images, report, "fingerprint", Path())


def test_a_network_that_says_nothing_has_the_loss_of_the_target_itself() -> None:
    """With zero weights in the head and no path around, the answer to everything is 0, so the loss for epsilon is that of the noise: 1."""
    config = tiny_config(model__input_skip=False, diffusion__prediction_type="epsilon", training__held_out=10)
    images = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    state = TrainingState.new(config, torch.device("cpu"))
    with torch.no_grad():
        for parameter in state.ema.parameters():
            parameter.zero_()
    measuring = Probe(dataset_of(images), config)
    (event,) = measured(list(measuring.measure(state, RunControl())))
    assert event.training == event.held_out, "t and noise are those of the other group"
    assert len(event.training) == 10
    assert event.training == pytest.approx([1.0] * 10, abs=0.03)
    assert event.gap_error < 0.01
    t, _ = measuring._noise(np.arange(TRIPLES))
    assert (t // 10).tolist() == (np.arange(TRIPLES) % 10).tolist(), "of 100 timesteps ten to each band"
    stopped = RunControl()
    stopped.stop()
    assert list(measuring.measure(state, stopped)) == []


def test_where_pictures_are_left_out_the_others_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    load = probe.load_batch
    monkeypatch.setattr(probe, "load_batch", lambda images, rows: seen.extend(rows.tolist()) or load(images, rows))  # type: ignore[func-returns-value]
    config = tiny_config(training__held_out=8)
    kept = np.arange(1, 40, 2)
    dataset = replace(dataset_of(np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)), kept=kept)
    state = TrainingState.new(config, torch.device("cpu"))
    (event,) = measured(list(Probe(dataset, config).measure(state, RunControl())))
    assert len(event.held_out) == 10
    assert set(seen) == set(kept.tolist())


@pytest.mark.parametrize("held_out", [5, 10, 20, 30, 64])
def test_the_error_counts_how_much_pictures_differ(held_out: int) -> None:
    """Losses that differ from picture to picture with a deviation of 1, and by nothing else: the error of a mean is 1 / sqrt(n)."""
    config = tiny_config(training__held_out=held_out)
    measuring = Probe(dataset_of(np.zeros((200, 16, 16, 3), np.uint8)), config)
    shown = measuring._pictures(np.arange(TRIPLES), held_out)
    assert len(set(shown.tolist())) == held_out
    draws = np.random.default_rng(0).standard_normal((200, held_out))
    errors = [measuring._error(losses[shown], held_out) for losses in draws]
    assert np.mean(errors) == pytest.approx(held_out**-0.5, rel=0.1)


def test_a_single_held_out_picture_proves_nothing() -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    images[::2] //= 8
    errors = []
    for held_out in (1, 8):
        config = tiny_config(training__held_out=held_out)
        state = TrainingState.new(config, torch.device("cpu"))
        (event,) = measured(list(Probe(dataset_of(images), config).measure(state, RunControl())))
        errors.append(event.gap_error)
    assert errors[0] > 1.5 * errors[1]


def test_held_out_pictures_are_never_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[int] = set()
    load = loop.load_batch
    monkeypatch.setattr(loop, "load_batch", lambda images, indices: seen.update(indices.tolist()) or load(images, indices))  # type: ignore[func-returns-value]
    data = picture_folder(tmp_path / "discs", 12)
    events = train_tiny(Run(tmp_path / "a"), data, config=tiny_config(training__held_out=3), max_steps=9)
    learnt_from, held_out = split(12, 3, 0)
    assert seen == set(learnt_from.tolist())
    assert len(held_out) == 3
    assert [len(event.held_out) for event in measured(events)] == [10]


def test_measuring_changes_nothing_and_a_resumed_run_measures_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, config = picture_folder(tmp_path / "discs", 12), tiny_config(training__held_out=4, training__preview_count=0, model__dropout=0.1)
    often, parts, never = Run(tmp_path / "often"), Run(tmp_path / "parts"), Run(tmp_path / "never")
    monkeypatch.setattr(loop, "PROBE_SHARE", 1e9)
    many = measured(train_tiny(often, data, config=config.with_changes({"training.preview_seconds": 1e-9}), max_steps=6))
    assert [event.step for event in many] == [1, 2, 3, 4, 5, 6]
    few = measured(train_tiny(parts, data, config=config, max_steps=3)) + measured(train_tiny(parts, data, resume=True, max_steps=3))
    assert few == [many[2], many[5]]
    monkeypatch.setattr(Probe, "measure", lambda *_: iter(()))
    train_tiny(never, data, config=config, max_steps=6)
    weights = [load_file(run.model_file) for run in (often, parts, never)]
    assert all(torch.equal(weights[0][name], other[name]) for other in weights[1:] for name in other)


def test_the_number_is_settled_when_a_run_begins(tmp_path: Path) -> None:
    data, run = picture_folder(tmp_path / "discs", 210), Run(tmp_path / "a")
    train_tiny(run, data, max_steps=2)
    assert run.read_config().training.held_out == 8
    with pytest.raises(UserError, match="cannot change"):
        train_tiny(run, data, resume=True, config=run.read_config().with_changes({"training.held_out": 0}), max_steps=1)
    with pytest.raises(UserError, match="none would be left"):
        train_tiny(Run(tmp_path / "b"), data, config=tiny_config(training__held_out=210), max_steps=1)
    assert not (tmp_path / "b").exists()


def notices(events: list[Event]) -> str:
    return " ".join(event.text for event in events if isinstance(event, Notice))


def test_with_other_pictures_none_is_called_held_out_that_was_learnt_from(tmp_path: Path) -> None:
    """Drawn anew among others, most of them would be such as were trained on, and the gap a lie."""
    data, run = picture_folder(tmp_path / "discs", 12), Run(tmp_path / "a")
    train_tiny(run, data, config=tiny_config(training__held_out=4), max_steps=2)
    (data / "disc_000.png").unlink()
    with pytest.raises(DataChanged):
        train_tiny(run, data, resume=True, max_steps=1)
    assert run.read_config().training.held_out == 4
    events = train_tiny(run, data, resume=True, accept_new_data=True, max_steps=2)
    assert "From here on no pictures are held out" in notices(events)
    assert "From here on" in run.journal_file.read_text(encoding="utf-8")
    assert [event.held_out for event in measured(events)] == [()]
    assert run.read_config().training.held_out == 0
    again = train_tiny(run, data, resume=True, max_steps=1)
    assert "From here on" not in notices(again)
    assert [event.held_out for event in measured(again)] == [()]


def test_other_pictures_may_be_fewer_than_were_held_out(tmp_path: Path) -> None:
    data, run = picture_folder(tmp_path / "discs", 12), Run(tmp_path / "a")
    train_tiny(run, data, config=tiny_config(training__held_out=6), max_steps=1)
    few = picture_folder(tmp_path / "few", 5)
    with pytest.raises(DataChanged, match="12 then, 5 now"):
        train_tiny(run, few, resume=True, max_steps=1)
    assert train_tiny(run, few, resume=True, accept_new_data=True, max_steps=1)[-1] == Finished(2, False)


def test_a_run_from_a_model_holds_out_what_that_has_not_seen(tmp_path: Path) -> None:
    data, teacher = picture_folder(tmp_path / "discs", 210), Run(tmp_path / "teacher")
    train_tiny(teacher, data, config=tiny_config(training__held_out=9), max_steps=1)
    config = starting_settings(teacher.path)
    assert config.training.held_out is None

    def started(name: str, pictures: Path, start: Path = teacher.path, **changes: Any) -> tuple[int | None, str]:
        run = Run(tmp_path / name)
        events = train_tiny(run, pictures, start_from=start, config=config.with_changes(changes), max_steps=1)
        return run.read_config().training.held_out, notices(events)

    assert started("same", data) == (9, "")
    assert started("other draws", data, **{"training.seed": 5}) == (0, "")
    assert started("asked for", data, **{"training.held_out": 3})[0] == 3
    held_out, said = started("others", picture_folder(tmp_path / "others", 210))
    assert held_out == 8
    assert "Where teacher was trained on these pictures before" in said
    stranger = tmp_path / "stranger.safetensors"
    stranger.write_bytes(teacher.model_file.read_bytes())
    assert started("who knows", data, stranger)[0] == 8
    (data / "disc_000.png").unlink()
    assert started("one fewer", data) == (0, "")


def test_the_journal_holds_them_and_reads_what_was_measured_again(tmp_path: Path) -> None:
    run = Run(tmp_path / "a")
    run.path.mkdir()
    first, again = LossByNoise(20, (0.5, 0.25), (0.5, 0.5), 0.1), LossByNoise(20, (0.4, 0.2))
    steps = [StepDone(step, step, 1.0, 1.0, 1e-3, 1.0, 1.0) for step in (10, 20, 15, 20)]
    lines = [as_json(event) for event in (steps[0], steps[1], first, steps[2], steps[3], again)]
    rest = '"held_out": [], "gap_error": 0, "num_timesteps": 9}'
    broken = ['{"event": "loss_by_noise", "step": 30, "training": [NaN], ' + rest, '{"event": "loss_by_noise", "step": 30, "training": 3}']
    broken.append('{"event": "loss_by_noise", "training": [1]}')
    broken.append('{"event": "loss_by_noise", "step": 30, "training": [1], "held_out": [1], "gap_error": NaN, "num_timesteps": 9}')
    run.journal_file.write_text("\n".join([*lines, *broken]) + "\n", encoding="utf-8")
    assert JournalReader(run).read_new() == [steps[0], steps[2], steps[3], again]
    assert [event.step for event in read_journal(run)] == [10, 15, 20]
