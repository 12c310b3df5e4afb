"""The training loop: it learns, it can be stopped, paused and taken up again, and a piecewise run equals a whole one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from ddpm_studio.comparing import is_one_loss
from ddpm_studio.config import RunConfig, TrainConfig
from ddpm_studio.control import RunControl
from ddpm_studio.devices import choose_device
from ddpm_studio.errors import DataChanged, DiskFull, RunBusy, UserError, is_device_lost
from ddpm_studio.events import CheckpointSaved, Event, Finished, ImagesReady, LossByNoise, Notice, Paused, PreviewReady, Resumed, StepDone, TrainingStarted
from ddpm_studio.files import previous_of
from ddpm_studio.journal import read_journal
from ddpm_studio.model import Model
from ddpm_studio.previews import RAW, WALK, WHOLE, beside, list_previews, read_preview
from ddpm_studio.requests import SampleRequest, TrainRequest
from ddpm_studio.runs import Run, delete_run, is_in_training, list_runs, lock_run, new_run
from ddpm_studio.sampling.engine import generate
from ddpm_studio.tensor_files import read_tensors, write_tensors
from ddpm_studio.training import engine, loop
from ddpm_studio.training.checkpoint import TrainingState, save_checkpoint, thin_out
from ddpm_studio.training.engine import train
from ddpm_studio.training.gradient import compute_gradients, count_pieces
from ddpm_studio.training.plan import Plan
from tests.conftest import ROOT
from tests.core.made_up import picture_folder, tiny_config, train_tiny


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return picture_folder(tmp_path / "discs")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "runs" / "a")


def losses(events: list[Event]) -> list[float]:
    return [event.loss for event in events if isinstance(event, StepDone)]


def change_notes(run: Run, **changes: Any) -> None:
    """What the last save says of itself."""
    tensors, header = read_tensors(run.resume_file)
    header["notes"] = json.dumps(json.loads(header["notes"]) | changes)
    write_tensors(run.resume_file, tensors, header)


def test_it_tells_its_story_in_order(run: Run, data: Path) -> None:
    events = train_tiny(run, data, max_steps=6)
    kinds = [type(event) for event in events]
    assert kinds.index(TrainingStarted) < kinds.index(StepDone) < kinds.index(CheckpointSaved) < kinds.index(PreviewReady)
    assert kinds[-1] is Finished
    steps = [event for event in events if isinstance(event, StepDone)]
    assert [event.step for event in steps] == [1, 2, 3, 4, 5, 6]
    assert [event.images for event in steps] == [4, 8, 12, 16, 20, 24]
    assert steps[-1].fraction == 1.0
    preview = next(event for event in events if isinstance(event, PreviewReady))
    assert preview.images.shape == (2, 16, 16, 3)
    assert not preview.images.flags.writeable
    assert [info.run.name for info in list_runs(run.path.parent)] == ["a"]
    assert [event.step for event in read_journal(run)][:1] == [1]


def test_the_loss_falls(run: Run, data: Path) -> None:
    found = losses(train_tiny(run, data, config=tiny_config(training__learning_rate=3e-3, training__batch_size=16), max_steps=100))
    assert sum(found[-20:]) < 0.7 * sum(found[:20])


def test_limits(tmp_path: Path, data: Path) -> None:
    assert train_tiny(Run(tmp_path / "r1"), data, max_images=10)[-1] == Finished(3, False)
    assert train_tiny(Run(tmp_path / "r2"), data, config=tiny_config(training__total_steps=5))[-1] == Finished(5, False)
    finished = train_tiny(Run(tmp_path / "r3"), data, max_seconds=0.5)[-1]
    assert isinstance(finished, Finished)
    assert finished.step > 0


def test_resume_equals_an_uninterrupted_run_bit_for_bit(tmp_path: Path, data: Path) -> None:
    config = tiny_config(training__total_steps=24, model__dropout=0.0)
    whole, parts = Run(tmp_path / "whole"), Run(tmp_path / "parts")
    uninterrupted = losses(train_tiny(whole, data, config=config))
    pieces = losses(train_tiny(parts, data, config=config, max_steps=7))
    torch.rand(3)  # somebody else uses the global generator meanwhile
    pieces += losses(train_tiny(parts, data, resume=True, max_steps=6))
    pieces += losses(train_tiny(parts, data, resume=True))
    assert pieces == uninterrupted
    for file in ("model.safetensors", "resume.safetensors"):
        a, b = load_file(whole.path / file), load_file(parts.path / file)
        assert a.keys() == b.keys()
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_dropout_resumes_bit_for_bit_too(tmp_path: Path, data: Path) -> None:
    config = tiny_config(training__total_steps=10, model__dropout=0.2)
    uninterrupted = losses(train_tiny(Run(tmp_path / "whole"), data, config=config))
    parts = Run(tmp_path / "parts")
    assert losses(train_tiny(parts, data, config=config, max_steps=4)) + losses(train_tiny(parts, data, resume=True)) == uninterrupted


def test_the_same_seed_gives_the_same_run_and_another_another(tmp_path: Path, data: Path) -> None:
    first, again = (losses(train_tiny(Run(tmp_path / name), data, max_steps=4)) for name in ("a", "b"))
    other = losses(train_tiny(Run(tmp_path / "c"), data, config=tiny_config(training__seed=1), max_steps=4))
    assert first == again
    assert first != other


def test_pause_saves_first_and_changes_nothing(tmp_path: Path, data: Path) -> None:
    undisturbed = losses(train_tiny(Run(tmp_path / "a"), data, max_steps=8))
    control = RunControl()
    events: list[Event] = []
    request = TrainRequest(run=Run(tmp_path / "b"), data=data, config=tiny_config(), device="cpu", max_steps=8, report_seconds=0.0)
    for event in train(request, control):
        events.append(event)
        if isinstance(event, StepDone) and event.step == 3:
            control.pause()
        if isinstance(event, Paused):
            assert isinstance(events[-2], CheckpointSaved)
            threading.Timer(0.05, control.resume).start()
    assert any(isinstance(event, Resumed) for event in events)
    assert losses(events) == undisturbed


def test_stop_saves_also_when_paused(run: Run, data: Path) -> None:
    control = RunControl()
    request = TrainRequest(run=run, data=data, config=tiny_config(), device="cpu", report_seconds=0.0)
    last: Event | None = None
    for event in train(request, control):
        last = event
        if isinstance(event, StepDone) and event.step == 2:
            control.pause()
        if isinstance(event, Paused):
            threading.Timer(0.05, control.stop).start()
    assert last == Finished(2, True)
    assert run.read_notes()["step"] == 2


def test_checkpoint_on_request(run: Run, data: Path) -> None:
    control = RunControl()
    seen = []
    for event in train(TrainRequest(run=run, data=data, config=tiny_config(), device="cpu", max_steps=5, report_seconds=0.0), control):
        if isinstance(event, StepDone) and event.step == 2:
            control.request_checkpoint()
        if isinstance(event, CheckpointSaved):
            seen.append(event.step)
            assert Model.load(event.path).notes["step"] == event.step
    assert seen == [2, 5]


@pytest.mark.parametrize(
    "changes",
    [
        {"data__image_height": 24, "data__channels": 4},
        {"data__channels": 1, "diffusion__prediction_type": "x_start", "diffusion__zero_terminal_snr": True},
        {"diffusion__variance_type": "learned", "training__gradient_checkpointing": True, "model__dropout": 0.1},
        {"diffusion__timestep_sampling": "lognormal", "diffusion__beta_schedule": "sigmoid", "training__immiscible": True},
    ],
)
def test_every_kind_of_run_trains_resumes_and_samples(run: Run, data: Path, changes: dict[str, Any]) -> None:
    config = tiny_config(**changes)
    whole = losses(train_tiny(Run(run.path.with_name("whole")), data, config=config, max_steps=4))
    pieces = losses(train_tiny(run, data, config=config, max_steps=2)) + losses(train_tiny(run, data, resume=True, max_steps=2))
    assert pieces == whole
    made = Model.load(run.path).sample([1, 2], "ddpm", 5)
    assert made.shape == (2, *config.data.shape)


def test_previews_of_an_unripe_average_show_the_network_itself_and_leave_it_alone(tmp_path: Path, data: Path) -> None:
    config = tiny_config(training__ema_warmup=False, training__ema_decay=0.9999, training__preview_seconds=0.01)
    with_previews = train_tiny(Run(tmp_path / "a"), data, config=config, max_steps=5)
    without = train_tiny(Run(tmp_path / "b"), data, config=config.with_changes({"training.preview_count": 0}), max_steps=5)
    previews = [event for event in with_previews if isinstance(event, PreviewReady)]
    assert previews
    assert not any(event.averaged for event in previews)
    assert losses(with_previews) == losses(without)


def test_previews_of_steps_that_a_crash_has_cost_are_gone_when_the_run_goes_on(run: Run, data: Path) -> None:
    train_tiny(run, data, max_steps=4)
    (kept,) = list_previews(run)
    lost = run.previews / "step_0000009.png"
    for name in ("step_", RAW, WALK):
        shutil.copyfile(kept, beside(lost, name))
    train_tiny(run, data, resume=True, max_steps=2)
    assert [file.stem for file in list_previews(run)] == ["step_0000004", "step_0000006"]
    assert not any(beside(lost, name).exists() for name in (RAW, WALK))
    shutil.copyfile(kept, run.previews / "step_12000000.png")
    assert list_previews(run)[-1].stem == "step_12000000", "by number, not by letter"


def test_previews_show_both_weights_and_the_way_and_are_read_back(run: Run, data: Path) -> None:
    config = tiny_config(training__preview_seconds=0.01, training__preview_count=5, training__preview_steps=8, data__image_height=24)
    told = [event for event in train_tiny(run, data, config=config, max_steps=5) if isinstance(event, PreviewReady)]
    last = told[-1]
    assert (last.images.shape, last.raw.shape, last.walk.shape) == ((5, 24, 16, 3), (3, 24, 16, 3), (6, 4, 24, 16, 3))
    file = list_previews(run)[-1]
    found = read_preview(file, config.data.shape)
    assert found
    assert (found.step, found.averaged) == (5, True)
    assert (found.images[:5] == last.images).all()
    assert (found.raw[:3] == last.raw).all()
    assert (found.walk == last.walk).all()
    assert (last.walk[-1] == last.images[:4]).all(), "the last estimate is the picture"
    assert read_preview(file, (16, 16, 3)) is None
    beside(file, RAW).unlink()
    beside(file, WALK).write_bytes(b"x")
    without = read_preview(file, config.data.shape)
    assert without
    assert not len(without.raw)
    assert not len(without.walk)
    for damaged in (Image.new("1", (20_000, 20_000)), Image.new("I;16", (16, 24)), Image.new("RGB", (18 * 3_000 - 2, 26 * 300 - 2))):
        damaged.save(file)
        assert read_preview(file, config.data.shape) is None, "no sheet of ours"
    thin_out(run.previews, 1, WHOLE, (RAW, WALK))
    assert sorted(path.name for path in run.previews.iterdir()) == [file.name.replace("step", "walk"), file.name][::-1]


def test_milestones_stay_as_they_were(run: Run, data: Path) -> None:
    train_tiny(run, data, config=tiny_config(training__milestone_steps=2), max_steps=5)
    assert sorted(path.name for path in run.milestone(0).parent.iterdir()) == ["step_0000002.safetensors", "step_0000004.safetensors"]
    early, late = Model.load(run.milestone(2)), Model.load(run.path)
    assert (early.step, late.step) == (2, 5)
    train_tiny(Run(run.path.with_name("short")), data, config=tiny_config(), max_steps=2)
    short = Model.load(run.path.with_name("short"))
    assert all(torch.equal(value, short.net.state_dict()[name]) for name, value in early.net.state_dict().items())
    assert late.guided_by(early, 2.0) is not None


def test_abandoning_the_generator_lets_go_of_the_run(run: Run, data: Path) -> None:
    events = train(TrainRequest(run=run, data=data, config=tiny_config(), device="cpu", max_steps=3), RunControl())
    next(event for event in events if isinstance(event, StepDone))
    with pytest.raises(UserError, match="trained by another"):
        list(train(TrainRequest(run=run, data=data, resume=True), RunControl()))
    events.close()  # type: ignore[attr-defined]
    with lock_run(run):
        pass


def spoil(monkeypatch: pytest.MonkeyPatch, when: Callable[[int], bool]) -> None:
    """A stand-in for what cannot be ordered: the noise of some steps is not finite, as that of a faulty memory might be."""
    good = loop.draw_batch

    def bad(dataset: Any, config: Any, diffusion: Any, step: int, device: Any) -> Any:
        x_start, t, noise = good(dataset, config, diffusion, step, device)
        return x_start, t, noise * float("nan") if when(step) else noise

    monkeypatch.setattr(loop, "draw_batch", bad)


def test_numbers_that_are_not_finite_lead_back_to_the_last_save_three_times(run: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_tiny(run, data, max_steps=3)
    times = iter([True] * 3)
    spoil(monkeypatch, lambda step: step == 6 and next(times, False))
    events = train_tiny(run, data, resume=True, max_steps=5)
    told = [event.text for event in events if isinstance(event, Notice) and "finite" in event.text]
    assert ["back to step 3" in text for text in told] == [True] * 3
    assert events[-1] == Finished(8, False)
    rate = tiny_config().training.learning_rate
    assert [event for event in events if isinstance(event, StepDone)][-1].learning_rate == pytest.approx(rate / 8)
    assert run.read_notes()["rate_scale"] == 1 / 8
    assert all(value.isfinite().all() for value in load_file(run.resume_file).values())
    steps = [event.step for event in read_journal(run)]
    assert steps == sorted(set(steps))


def test_the_fourth_time_ends_the_run_and_leaves_the_save(run: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_tiny(run, data, max_steps=2)
    before = load_file(run.resume_file)
    spoil(monkeypatch, lambda step: step >= 3)
    with pytest.raises(UserError, match="no longer a finite number at step 4, although"):
        train_tiny(run, data, resume=True, max_steps=4)
    after = load_file(run.resume_file)
    assert all(torch.equal(before[name], value) for name, value in after.items())
    assert Model.load(run.path).step == 2


def test_before_the_first_save_it_goes_back_to_the_beginning(run: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([True])
    spoil(monkeypatch, lambda step: step == 2 and next(times, False))
    events = train_tiny(run, data, max_steps=4)
    assert any(isinstance(event, Notice) and "back to step 0" in event.text for event in events)
    assert events[-1] == Finished(4, False)


def test_what_was_compiled_is_compiled_again_after_a_rescue(run: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[object] = []  # in the place of the compiler, which takes minutes
    for module in (engine, loop):
        monkeypatch.setattr(module, "compile_network", lambda net, device: compiled.append(net) or iter(()))
    times = iter([True])
    spoil(monkeypatch, lambda step: step == 2 and next(times, False))
    train_tiny(run, data, max_steps=4, compile=True)
    assert len(compiled) == 2
    assert compiled[0] is not compiled[1]


def test_what_is_not_finite_is_not_saved_between_reports(run: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The noise goes bad after the first report; a save is asked for before the next one is due."""
    spoil(monkeypatch, lambda step: step >= 2)
    control = RunControl()
    request = TrainRequest(run=run, data=data, config=tiny_config(), device="cpu", max_steps=50, report_seconds=1000.0)

    def watch() -> None:
        for event in train(request, control):
            if isinstance(event, StepDone):
                control.request_checkpoint()

    with pytest.raises(UserError, match="no longer a finite number"):
        watch()
    assert not run.resume_file.exists() or all(value.isfinite().all() for value in load_file(run.resume_file).values())


def test_stop_while_decoding_leaves_nothing(run: Run, data: Path) -> None:
    control = RunControl()
    control.stop()
    assert list(train(TrainRequest(run=run, data=data, config=tiny_config(), device="cpu"), control))[-1] == Finished(0, True)
    assert not run.path.exists()


def test_a_preview_that_cannot_be_kept_ends_nothing(run: Run, data: Path) -> None:
    run.path.mkdir(parents=True)
    run.previews.write_text("in the way")
    events = train_tiny(run, data, max_steps=2)
    assert any(isinstance(event, PreviewReady) for event in events)
    assert any(isinstance(event, Notice) for event in events)
    assert events[-1] == Finished(2, False)


def test_a_plan_by_time_goes_on_to_its_end_after_an_interruption(run: Run, data: Path) -> None:
    """Stopped after a third of its two seconds, it has two thirds left, and the learning rate falls over those as it would have."""
    control = RunControl()
    request = TrainRequest(run=run, data=data, config=tiny_config(training__decay_share=1.0, training__warmup_steps=0), device="cpu", max_seconds=2.0, report_seconds=0.0)
    for event in train(request, control):
        if isinstance(event, StepDone) and event.seconds > 0.7:
            control.stop()
    planned = run.read_notes()["planned"]
    assert planned["seconds_done"] + planned["seconds_left"] == pytest.approx(2.0, abs=0.01)
    assert 0.2 < planned["seconds_left"] < 1.3  # a busy machine notices late
    events = [event for event in train_tiny(run, data, resume=True) if isinstance(event, StepDone)]
    assert events[-1].seconds == pytest.approx(planned["seconds_left"], abs=0.3)
    assert events[0].fraction == pytest.approx(planned["seconds_done"] / 2, abs=0.15)
    assert events[1].seconds_left is not None
    assert events[1].seconds + events[1].seconds_left == pytest.approx(planned["seconds_left"], abs=0.01)
    full = tiny_config().training.learning_rate
    assert events[0].learning_rate / full == pytest.approx(planned["seconds_left"] / 2, abs=0.1)
    assert events[-1].learning_rate / full < 0.1
    assert train_tiny(run, data, resume=True, max_steps=2)[-1] == Finished(run.read_notes()["step"], False)  # without a plan, which is at its end


def test_steps_merely_stop_a_plan_by_time(run: Run, data: Path) -> None:
    control = RunControl()
    request = TrainRequest(run=run, data=data, config=tiny_config(training__decay_share=1.0, training__warmup_steps=0), device="cpu", max_seconds=60.0, report_seconds=0.0)
    for event in train(request, control):
        if isinstance(event, StepDone) and event.step == 2:
            control.stop()
    change_notes(run, planned={"seconds_done": 45.0, "seconds_left": 15.0})
    events = [event for event in train_tiny(run, data, resume=True, max_steps=3) if isinstance(event, StepDone)]
    assert [event.step for event in events] == [3, 4, 5]
    assert events[0].learning_rate / tiny_config().training.learning_rate == pytest.approx(0.25, abs=0.05)
    assert [event.fraction for event in events] == pytest.approx([1 / 3, 2 / 3, 1], abs=0.01)  # of what was asked for here
    assert events[1].seconds_left == pytest.approx(events[1].seconds / 2, rel=0.01)
    planned = run.read_notes()["planned"]
    assert planned["seconds_done"] + planned["seconds_left"] == pytest.approx(60.0)
    assert planned["seconds_left"] < 15.0


def test_a_slow_first_step_does_not_end_the_warm_up(run: Run, data: Path) -> None:
    """It may have been compiled for minutes."""
    config = TrainConfig(warmup_steps=1000, decay_share=0.0)
    plan = Plan(TrainRequest(run, data, RunConfig(training=config), max_seconds=100.0), config, 0, 0)
    plan.watch._start -= 50.0
    rates = [plan.learning_rate(step) / config.learning_rate for step in (0, 1, 9, 19, 500)]
    assert rates == pytest.approx([0.05, 0.1, 0.5, 1, 1])


@pytest.mark.parametrize("plan", [{"total_steps": 50}, {}])
def test_the_warm_up_takes_a_tenth_of_a_planned_run_at_most(run: Run, data: Path, plan: dict[str, int]) -> None:
    config = TrainConfig(warmup_steps=1000, decay_share=0.0, **plan)
    rates = [Plan(TrainRequest(run, data, RunConfig(training=config)), config, 0, 0).learning_rate(step) / config.learning_rate for step in (0, 1, 4, 5, 49)]
    assert rates == pytest.approx([1 / 1001, 0.2, 0.8, 1, 1] if plan else [1 / 1001, 2 / 1001, 5 / 1001, 6 / 1001, 50 / 1001])


def test_settings_changed_at_resume_are_kept(run: Run, data: Path) -> None:
    train_tiny(run, data, config=tiny_config(training__total_steps=2))
    train_tiny(run, data, resume=True, config=run.read_config().with_changes({"training.total_steps": 4}))
    assert run.read_config().training.total_steps == 4
    assert train_tiny(run, data, resume=True)[-1] == Finished(4, False)


def test_a_run_in_training_cannot_be_deleted_nor_made_twice(run: Run, data: Path) -> None:
    events = train(TrainRequest(run=run, data=data, config=tiny_config(), device="cpu", max_steps=3), RunControl())
    next(event for event in events if isinstance(event, StepDone))
    with pytest.raises(UserError, match="being trained"):
        delete_run(run)
    events.close()  # type: ignore[attr-defined]
    assert not run.path.exists(), "it never came to a save"
    train_tiny(run, data, max_steps=1)
    delete_run(run)
    assert not run.path.exists()
    with pytest.raises(UserError, match="is gone"):
        delete_run(run)
    assert not run.path.exists(), "nor made anew"
    assert new_run("cats", "tiny-32") != new_run("cats", "tiny-32")


def test_a_run_that_never_saved_leaves_nothing_and_what_others_put_there_stays(run: Run, data: Path) -> None:
    run.path.mkdir(parents=True)
    (run.path / "notes.txt").write_text("mine")
    events = train(TrainRequest(run=run, data=data, config=tiny_config(), device="cpu", max_steps=3), RunControl())
    next(event for event in events if isinstance(event, StepDone))
    events.close()  # type: ignore[attr-defined]
    assert [file.name for file in run.path.iterdir() if file.name != ".lock"] == ["notes.txt"]


def test_few_pictures_are_told(run: Run, data: Path) -> None:
    assert any(isinstance(event, Notice) and "12" in event.text for event in train_tiny(run, data, max_steps=1))


def test_left_overs_of_a_crash_are_removed(run: Run, data: Path) -> None:
    train_tiny(run, data, max_steps=1)
    (run.path / ".resume.safetensors.123.part").write_bytes(b"half")
    train_tiny(run, data, resume=True, max_steps=1)
    assert not list(run.path.glob(".*.part"))


def test_other_pictures_are_asked_about(run: Run, data: Path, tmp_path: Path) -> None:
    train_tiny(run, data, max_steps=2)
    more = picture_folder(tmp_path / "more", 15)
    before = run.resume_file.read_bytes()
    with pytest.raises(DataChanged, match="12 then, 15 now"):
        train_tiny(run, more, resume=True, max_steps=2)
    assert run.resume_file.read_bytes() == before
    events = train_tiny(run, more, resume=True, accept_new_data=True, max_steps=2)
    assert any(isinstance(event, Notice) and "12 then, 15 now" in event.text for event in events)
    assert train_tiny(run, more, resume=True, max_steps=1)[-1] == Finished(5, False)


@pytest.mark.parametrize(
    ("request_changes", "complaint"),
    [
        ({"config": None}, "needs settings"),
        ({"resume": True}, "no run called"),
        ({"device": "tpu"}, "no device called"),
        ({"data": Path("/nowhere/at/all")}, "all"),
    ],
)
def test_mistakes_are_told_in_words(run: Run, data: Path, request_changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint) as caught:
        train_tiny(run, request_changes.pop("data", data), **request_changes)  # type: ignore[arg-type]
    assert caught.value.hint
    assert not run.exists


def test_a_run_is_not_overwritten(run: Run, data: Path) -> None:
    train_tiny(run, data, max_steps=1)
    with pytest.raises(UserError, match="already"):
        train_tiny(run, data, max_steps=1)


def test_settings_that_would_break_a_resume_are_refused(run: Run, data: Path) -> None:
    train_tiny(run, data, max_steps=1)
    with pytest.raises(UserError, match="cannot change"):
        train_tiny(run, data, resume=True, config=tiny_config(model__base_channels=32), max_steps=1)


def test_too_large_for_memory_is_said_before_anything_is_made(run: Run, data: Path) -> None:
    huge = tiny_config(data__image_size=512, training__batch_size=4096, model__base_channels=512, model__channel_mults=(1, 2, 4), model__attention=(False, False, False))
    with pytest.raises(UserError, match="GB of memory"):
        train_tiny(run, data, config=huge, max_steps=1)
    assert not run.path.exists()


@pytest.mark.parametrize("name", ["resume.safetensors", "model.safetensors", "config.json", "resume.json", "metrics.jsonl"])
@pytest.mark.parametrize("how", ["cut", "altered", "gone"])
def test_a_damaged_file_costs_at_most_the_last_save(tmp_path: Path, data: Path, name: str, how: str) -> None:
    """Whatever file was damaged, the run goes on from the last whole save and ends as it would have."""
    whole, run = Run(tmp_path / "whole"), Run(tmp_path / "damaged")
    train_tiny(whole, data, max_steps=6)
    train_tiny(run, data, max_steps=2)
    train_tiny(run, data, resume=True, max_steps=2)
    damage(run.path / name, how)
    (info,) = [info for info in list_runs(tmp_path) if info.run.name == "damaged"]
    assert info.has_model
    events: list[Event] = []
    while not events or events[-1] != Finished(6, False):
        events += train_tiny(run, data, resume=True, max_steps=1)
    assert len([event for event in events if isinstance(event, StepDone)]) == (4 if name == "resume.safetensors" else 2)
    remarks = [event.text for event in events if isinstance(event, Notice)]
    if name != "metrics.jsonl" and (how != "altered" or name.endswith(".safetensors")):  # one bit may leave JSON what it is
        assert any(name in text and ("missing" if how == "gone" else "damaged") in text for text in remarks)
    a, b = load_file(whole.model_file), load_file(run.model_file)
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert run.read_config() == whole.read_config()


def damage(file: Path, how: str) -> None:
    content = bytearray(file.read_bytes())
    if how == "gone":
        file.unlink()
        return
    if how == "altered":
        content[len(content) // 2] ^= 1
    file.write_bytes(content[: len(content) // 2] if how == "cut" else content)


def test_generating_with_a_damaged_model_uses_the_save_before_it_and_says_so(run: Run, data: Path) -> None:
    train_tiny(run, data, max_steps=2)
    train_tiny(run, data, resume=True, max_steps=2)
    damage(run.model_file, "altered")
    events = list(generate(SampleRequest(run.path, count=1, steps=2, device="cpu"), RunControl()))
    assert any(isinstance(event, Notice) and "model.safetensors is damaged" in event.text and "step 2" in event.text for event in events)
    assert any(isinstance(event, ImagesReady) and event.model_step == 2 for event in events)


@pytest.mark.parametrize("previous", [True, False])
def test_a_run_whose_save_is_gone_does_not_begin_again_over_its_model(run: Run, data: Path, previous: bool) -> None:
    train_tiny(run, data, max_steps=2)
    train_tiny(run, data, resume=True, max_steps=2)
    run.resume_file.unlink()
    damage(previous_of(run.resume_file), "altered" if previous else "gone")
    model = run.model_file.read_bytes()
    with pytest.raises(UserError, match="gone or damaged"):
        train_tiny(run, data, resume=True, max_steps=1)
    assert run.model_file.read_bytes() == model


def test_a_model_that_a_crash_left_behind_is_made_again(run: Run, data: Path) -> None:
    """Killed between the two files of its last save: the state is at the end, the model is not."""
    train_tiny(run, data, config=tiny_config(training__total_steps=4), max_steps=2)
    old = run.model_file.read_bytes()
    train_tiny(run, data, resume=True)
    whole = {name: value.clone() for name, value in load_file(run.model_file).items()}
    run.model_file.write_bytes(old)
    events = train_tiny(run, data, resume=True)
    assert events[-1] == Finished(4, False)
    assert Model.load(run.model_file).step == 4
    assert all(torch.equal(whole[name], value) for name, value in load_file(run.model_file).items())


def test_who_is_refused_leaves_the_lock_of_the_other_alone(run: Run, data: Path) -> None:
    """The first is still decoding, so there is nothing in the folder but its lock."""
    first = train(TrainRequest(run=run, data=data, config=tiny_config(), device="cpu", max_steps=3), RunControl())
    next(first)
    for _ in range(2):
        with pytest.raises(RunBusy):
            train_tiny(run, data, max_steps=1)
        assert is_in_training(run)
    assert list(first)[-1] == Finished(3, False)
    assert run.read_notes()["step"] == 3


def test_pictures_that_could_not_be_reached_the_last_time_are_other_pictures(run: Run, data: Path, home: Path) -> None:
    train_tiny(run, data, max_steps=1)
    tensors, header = read_tensors(run.resume_file)
    header["notes"] = json.dumps(json.loads(header["notes"]) | {"pictures": 11})
    write_tensors(run.resume_file, tensors, header)
    with pytest.raises(DataChanged, match="11 then, 12 now"):
        train_tiny(run, data, resume=True, max_steps=1)


def test_an_average_that_is_not_finite_is_not_saved(run: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good, times = loop.apply_gradients, iter([True])

    def bad(state: Any, *rest: Any) -> Any:
        norm = good(state, *rest)
        if state.step == 3 and next(times, False):
            next(state.ema.parameters()).fill_(float("inf"))
        return norm

    monkeypatch.setattr(loop, "apply_gradients", bad)
    train_tiny(run, data, max_steps=2)
    events = train_tiny(run, data, resume=True, max_steps=4)
    assert any(isinstance(event, Notice) and "back to step 2" in event.text for event in events)
    assert all(value.isfinite().all() for value in load_file(run.model_file).values())


def _stopped_while_its_folder_is_gone(run: Run, data: Path) -> list[Event]:
    control = RunControl()
    heard = []
    for event in train(TrainRequest(run=run, data=data, config=tiny_config(), device="cpu", max_steps=50, report_seconds=0.0), control):
        heard.append(event)
        if isinstance(event, StepDone) and event.step == 2:
            run.path.rename(run.path.with_name("elsewhere"))
            control.request_checkpoint()
        if isinstance(event, Notice) and "is gone. Training waits" in event.text:
            control.stop()
    return heard


def test_what_cannot_be_saved_in_its_place_is_saved_in_another(run: Run, data: Path, home: Path) -> None:
    """Somebody deletes the folder of a run in training, and then closes the window."""
    heard = _stopped_while_its_folder_is_gone(run, data)
    assert not run.path.exists()
    assert any(isinstance(event, Notice) and "saved as a run of its own, a-rescued" in event.text for event in heard)
    assert isinstance(heard[-1], Finished)
    rescued = Run(home / "runs" / "a-rescued")
    step = heard[-1].step
    assert rescued.read_notes()["step"] == step >= 2
    assert losses(train_tiny(rescued, data, resume=True, max_steps=1))
    assert _stopped_while_its_folder_is_gone(Run(run.path.with_name("b") / "a"), data)
    assert (home / "runs" / "a-rescued-2" / "resume.safetensors").is_file(), "nothing is written over"


def test_what_can_be_saved_nowhere_is_named(run: Run, data: Path, home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / "runs").write_text("no folder")
    with pytest.raises(UserError, match="is gone") as caught:
        _stopped_while_its_folder_is_gone(run, data)
    assert "from step 0 to step" in caught.value.hint
    assert "is lost" in caught.value.hint


def test_a_run_is_not_named_after_its_owner(home: Path) -> None:
    owner = Path.home().name
    assert owner not in new_run(f"{owner}.pictures", "tiny-32").name
    assert new_run("cats", "tiny-32").name == "cats-tiny-32-1"


def test_when_no_save_is_whole_it_is_said(run: Run, data: Path) -> None:
    train_tiny(run, data, max_steps=1)
    damage(run.resume_file, "altered")
    with pytest.raises(UserError, match="damaged"):
        train_tiny(run, data, resume=True, max_steps=1)


def test_a_run_that_never_came_to_a_save_begins_again(tmp_path: Path, data: Path) -> None:
    whole, run = Run(tmp_path / "whole"), Run(tmp_path / "killed")
    uninterrupted = losses(train_tiny(whole, data, max_steps=4))
    code = f"""
import os
from tests.core.made_up import *
from ddpm_studio.events import StepDone
from ddpm_studio.training.engine import train
request = TrainRequest(run=Run(Path({str(run.path)!r})), data=Path({str(data)!r}), config=tiny_config(), device="cpu", report_seconds=0.0)
for event in train(request, RunControl()):
    if isinstance(event, StepDone) and event.step == 3:
        os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    assert run.can_resume
    assert run.read_notes()["source"] == str(data)
    events = train_tiny(run, data, resume=True, max_steps=4)
    assert losses(events) == uninterrupted


def test_milestones_keep_to_their_budget(run: Run, data: Path) -> None:
    train_tiny(run, data, config=tiny_config(training__milestone_steps=1), max_steps=9)
    folder = run.milestone(0).parent
    size = max(file.stat().st_size for file in folder.iterdir())  # they differ by the digits of their steps
    thin_out(folder, 4 * size)
    assert [int(file.stem[5:]) for file in sorted(folder.iterdir())] == [3, 5, 7, 9]
    thin_out(folder, 1)
    assert [int(file.stem[5:]) for file in folder.iterdir()] == [9]


def test_pieces_give_the_same_step_to_rounding(tmp_path: Path, data: Path) -> None:
    """Memory that runs short cannot be ordered, so the state is told that it did: three parts of a batch of four."""
    whole, parts = Run(tmp_path / "whole"), Run(tmp_path / "parts")
    train_tiny(whole, data, max_steps=1)
    shutil.copytree(whole.path, parts.path)
    change_notes(parts, pieces=3)
    a, b = (losses(train_tiny(r, data, resume=True, max_steps=3)) for r in (whole, parts))
    assert a == pytest.approx(b, rel=1e-4)
    assert parts.read_notes()["pieces"] == 3
    change_notes(parts, device="a small card")
    train_tiny(parts, data, resume=True, max_steps=1)
    assert parts.read_notes()["pieces"] == 1  # the memory was short there, not here


def test_looks_give_way_to_a_pause_and_none_is_taken_twice(run: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who generates pauses the training in the middle of its first preview; the preview comes when it goes on."""
    control, real, walks = RunControl(), Model.sample_steps, []

    def sample_steps(model: Model, *rest: Any) -> Iterator[Any]:
        walks.append(0)
        for step in real(model, *rest):
            if len(walks) == 1:
                control.pause()
            walks[-1] += 1
            yield step

    monkeypatch.setattr(Model, "sample_steps", sample_steps)
    config = tiny_config(training__preview_count=2, training__preview_seconds=0.001)
    events: list[Event] = []
    for event in train(TrainRequest(run=run, data=data, config=config, device="cpu", max_steps=3), control):
        events.append(event)
        if isinstance(event, Paused):
            assert walks == [1]  # it gave way after one network call
            assert not any(isinstance(event, PreviewReady) for event in events)
            control.resume()
    assert any(isinstance(event, Paused) for event in events)
    for kind in (PreviewReady, LossByNoise):
        steps = [event.step for event in events if isinstance(event, kind)]
        assert steps == sorted(set(steps))
        assert steps[-1] == 3


def test_a_resumed_run_in_handy_pieces_drops_out_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ddpm_studio.training.gradient.HANDY", 1)
    config = tiny_config(model__dropout=0.5, training__batch_size=16)
    assert count_pieces(config, choose_device("cpu")) == 2
    data = picture_folder(tmp_path / "many", 20)
    whole, parts = Run(tmp_path / "whole"), Run(tmp_path / "parts")
    uninterrupted = losses(train_tiny(whole, data, config=config, max_steps=5))
    assert losses(train_tiny(parts, data, config=config, max_steps=2)) + losses(train_tiny(parts, data, resume=True, max_steps=3)) == uninterrupted


def test_a_shortage_makes_more_pieces_than_there_were(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pieces are no help where the batch was computed in two already."""
    monkeypatch.setattr("ddpm_studio.training.gradient.HANDY", 1)
    config = tiny_config(training__batch_size=16, model__dropout=0.1)
    tried: list[int] = []

    def compute(state: TrainingState, *rest: Any) -> Tensor:
        tried.append(state.pieces)
        if state.pieces < 4:
            raise MemoryError
        return compute_gradients(state, *rest)

    monkeypatch.setattr("ddpm_studio.training.loop.compute_gradients", compute)
    events = train_tiny(run, picture_folder(tmp_path / "many", 20), config=config, max_steps=2)
    assert tried == [1, 4, 4]
    assert [event.text for event in events if isinstance(event, Notice) and "memory" in event.text] == [
        "There is not enough memory: batches of 16 pictures are computed in 4 parts from here on."
    ]
    assert run.read_notes()["pieces"] == 4


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on the memory of a process")
def test_memory_that_runs_short_makes_the_parts_smaller(run: Run, tmp_path: Path) -> None:
    """A real shortage: the process may take only so much more than it has when the first step begins."""
    data = picture_folder(tmp_path / "many", 64)
    code = f"""
import resource
from pathlib import Path
import torch
from ddpm_studio.control import RunControl
from ddpm_studio.events import Finished, Notice, TrainingStarted
from ddpm_studio.requests import SampleRequest, TrainRequest
from ddpm_studio.runs import Run
from ddpm_studio.training.engine import train
from tests.core.made_up import tiny_config
torch.set_num_threads(1)
list(train(TrainRequest(run=Run(Path({str(tmp_path / "warm")!r})), data=Path({str(data)!r}), config=tiny_config(), device="cpu", max_steps=2), RunControl()))
config = tiny_config(data__image_size=64, training__batch_size=256, model__base_channels=32, training__preview_count=0)
for event in train(TrainRequest(run=Run(Path({str(run.path)!r})), data=Path({str(data)!r}), config=config, device="cpu", max_steps=2), RunControl()):
    if isinstance(event, TrainingStarted):
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 500 * 2**20,) * 2)
    if isinstance(event, Notice):
        print(event.text)
assert event == Finished(2, False), event
"""
    # The limit counts addresses: what is freed must go back to the system, as it would count there.
    environ = os.environ | {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "are computed in" in done.stdout
    assert run.read_notes()["pieces"] > 1


def test_model_file_says_nothing_about_where_it_was_made(run: Run, data: Path) -> None:
    train_tiny(run, data, max_steps=1)
    header_length = int.from_bytes(run.model_file.read_bytes()[:8], "little")
    header = run.model_file.read_bytes()[8 : 8 + header_length].decode()
    assert str(data) not in header
    assert data.name not in header
    assert json.loads(header)["__metadata__"]["format"] == "ddpm-studio"


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there")
def test_a_save_that_does_not_fit_is_told_and_costs_nothing(run: Run, data: Path) -> None:
    """A limit on the size of files stands in for a full disk: the write fails half-way, in the same place."""
    train_tiny(run, data, max_steps=2)
    kept = {file: file.read_bytes() for file in (run.resume_file, run.model_file, run.resume_notes)}
    limit = len(kept[run.resume_file]) // 2
    code = f"""
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
from ddpm_studio.cli.main import main
sys.exit(main(["train", {str(data)!r}, "--run", {str(run.path)!r}, "--resume", "--device", "cpu", "--max-steps", "2", "--preview-count", "0"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "Could not save resume.safetensors" in done.stderr
    assert {file: file.read_bytes() for file in kept} == kept
    assert not [file for file in run.path.iterdir() if file.suffix == ".part"]
    train_tiny(run, data, resume=True, max_steps=1)


def test_too_little_disk_is_said_before_anything_is_made(run: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The only stand-in here: no test can fill the disk of the machine that it runs on.
    monkeypatch.setattr("ddpm_studio.training.memory.shutil.disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9 - 1000, 1000))
    with pytest.raises(UserError, match="MB on the disk"):
        train_tiny(run, data, max_steps=1)
    assert not run.path.exists()


@pytest.mark.parametrize("in_its_place", ["a file", "nothing", "an empty folder"])
def test_training_waits_for_a_disk_that_went_away(in_its_place: str, run: Run, data: Path, tmp_path: Path) -> None:
    """The folder of the run is gone, as when a disk is unplugged: nothing is lost when it is back, and nothing is made in its place."""
    undisturbed = Run(tmp_path / "undisturbed")
    config = tiny_config(training__checkpoint_seconds=0.001, training__preview_seconds=0.001, training__milestone_steps=3)
    train_tiny(undisturbed, data, config=config, max_steps=6)

    away, notices = run.path.with_name("away"), []
    events = train(TrainRequest(run=run, data=data, config=config, device="cpu", report_seconds=0.0, max_steps=6), RunControl())
    for event in events:
        if isinstance(event, CheckpointSaved) and event.step == 2:
            run.path.rename(away)
            if in_its_place == "a file":
                run.path.write_text("not a folder")
            elif in_its_place == "an empty folder":
                run.path.mkdir()
        if isinstance(event, Notice) and "Training waits" in event.text:
            notices.append(event.text)
            if run.path.is_dir():
                run.path.rmdir()  # still empty
            run.path.unlink(missing_ok=True)
            away.rename(run.path)
    assert len(notices) == 1
    assert notices[0].startswith("The folder of the run a is gone. Training waits")
    assert all(torch.equal(one, two) for one, two in zip(Model.load(run.path).net.parameters(), Model.load(undisturbed.path).net.parameters(), strict=True))


def test_not_a_number_while_the_disk_is_away_waits_for_the_last_save(run: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = iter([False, False, False, True])

    def compute(*arguments: Any) -> torch.Tensor:
        loss = compute_gradients(*arguments)
        return loss * torch.nan if next(broken, False) else loss

    monkeypatch.setattr("ddpm_studio.training.loop.compute_gradients", compute)
    away, notices = run.path.with_name("away"), []
    config = tiny_config(training__checkpoint_seconds=0.001, training__preview_count=0)
    for event in train(TrainRequest(run=run, data=data, config=config, device="cpu", report_seconds=0.0, max_steps=6), RunControl()):
        if isinstance(event, StepDone) and event.step == 3 and not notices:
            run.path.rename(away)
        if isinstance(event, Notice) and "is gone" in event.text and not run.path.exists():
            away.rename(run.path)
        if isinstance(event, Notice):
            notices.append(event.text)
    assert any("back to step 3" in text for text in notices)  # it waited for the save of step 3, and lost it neither before nor after
    assert run.read_notes()["step"] == 6


def test_a_full_disk_that_is_then_unplugged(run: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for room, it has no answer: then only another try can tell."""
    full = [True]

    def save(*arguments: Any) -> None:
        if full:
            raise DiskFull("Could not save resume.safetensors: the disk is full.", "Free some space.")
        save_checkpoint(*arguments)

    def gone(*arguments: Any) -> bool:
        full.clear()
        raise FileNotFoundError("unplugged")

    monkeypatch.setattr(loop, "save_checkpoint", save)
    monkeypatch.setattr(loop, "has_room", gone)
    events = train_tiny(run, data, config=tiny_config(training__preview_count=0), max_steps=2)
    assert any(isinstance(event, CheckpointSaved) and event.step == 2 for event in events)


def test_resume_is_exact_when_the_cores_share_a_batch(run: Run, data: Path, tmp_path: Path) -> None:
    """Two cores, seventeen pictures, in processes of their own."""
    code = """
import sys
import torch
from pathlib import Path
from ddpm_studio.control import RunControl
from ddpm_studio.requests import TrainRequest
from ddpm_studio.runs import Run
from ddpm_studio.training.engine import train
from tests.core.made_up import tiny_config
torch.set_num_threads(2)
run, data, steps, resume = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "resume"
config = None if resume else tiny_config(training__batch_size=17, training__preview_count=0)
list(train(TrainRequest(run=Run(run), data=data, config=config, device="cpu", max_steps=steps, resume=resume), RunControl()))
"""

    def go(folder: Path, steps: int, how: str = "") -> None:
        subprocess.run([sys.executable, "-c", code, str(folder), str(data), str(steps), how], check=True, cwd=ROOT)

    go(run.path, 3)
    go(run.path, 3, "resume")
    go(tmp_path / "whole", 6)
    pieces, whole = load_file(run.resume_file), load_file(tmp_path / "whole" / "resume.safetensors")
    assert all(torch.equal(pieces[name], value) for name, value in whole.items())


@pytest.mark.parametrize(("saved", "hint"), [(True, "The save of step 1 is whole"), (False, "Nothing had been saved yet")])
def test_a_lost_device_is_told_with_the_save_that_stands(saved: bool, hint: str, run: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in: no GPU here can be unplugged. What CUDA raises is a RuntimeError with these words."""
    steps = iter([None] * 3)

    def third_time_lost(*arguments: Any) -> Any:
        if next(steps, "lost"):
            raise RuntimeError("CUDA error: unspecified launch failure")
        return compute_gradients(*arguments)

    monkeypatch.setattr("ddpm_studio.training.loop.compute_gradients", third_time_lost)
    control = RunControl()
    if saved:
        control.request_checkpoint()
    with pytest.raises(UserError) as caught:
        train_tiny(run, data, control, config=tiny_config(training__checkpoint_seconds=1000.0, training__preview_count=0))
    assert caught.value.message == "The graphics card stopped answering at step 3."
    assert caught.value.hint.startswith(hint)
    assert run.resume_file.exists() == saved


def test_the_first_save_comes_early(run: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash in the first two minutes need not cost all of them."""
    monkeypatch.setattr("ddpm_studio.training.loop.FIRST_SAVE_SECONDS", 0.0)
    events = train_tiny(run, data, config=tiny_config(training__checkpoint_seconds=1000.0, training__preview_count=0), max_steps=3)
    assert next(event.step for event in events if isinstance(event, CheckpointSaved)) == 1


def test_a_run_can_start_from_a_model(run: Run, data: Path, tmp_path: Path) -> None:
    """It begins with that model's weights, needs it no more after its beginning, and is a run like any other."""
    teacher = Run(tmp_path / "teacher")
    train_tiny(teacher, data, max_steps=5)
    events = train(TrainRequest(run, data, tiny_config(), start_from=teacher.path, device="cpu", max_steps=3, report_seconds=0.0), RunControl())
    for event in events:
        if isinstance(event, TrainingStarted):
            assert event.step == 0
            begun = load_file(run.model_file)
            assert all(torch.equal(begun[name], value) for name, value in load_file(teacher.model_file).items())
            shutil.rmtree(teacher.path)
            break
    events.close()  # as if killed before its first step
    whole = losses(train_tiny(run, data, resume=True, max_steps=4))
    assert whole[0] < losses(train_tiny(Run(tmp_path / "from nothing"), data, max_steps=1))[0]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [({"data__image_size": 32}, "pictures of 16 x 16"), ({"model__num_heads": 2}, "model settings"), ({"diffusion__min_snr_gamma": 3.0}, "diffusion settings")],
)
def test_a_run_cannot_start_from_a_model_of_another_kind(changes: dict[str, Any], complaint: str, run: Run, data: Path, tmp_path: Path) -> None:
    teacher = Run(tmp_path / "teacher")
    train_tiny(teacher, data, max_steps=1)
    with pytest.raises(UserError, match=complaint):
        train_tiny(run, data, config=tiny_config(**changes), start_from=teacher.path, max_steps=1)
    assert not run.path.exists()


def test_where_ways_end_is_no_matter_of_learning(run: Run, data: Path, tmp_path: Path) -> None:
    """Whoever goes on, or starts from a model, may say another `lambda_max` than it had; nothing else is learnt for it."""
    config = tiny_config()
    learnt = losses(train_tiny(run, data, config=config, max_steps=2))
    plain = losses(train_tiny(run, data, resume=True, max_steps=2))
    other = Run(tmp_path / "other")
    assert losses(train_tiny(other, data, config=config, max_steps=2)) == learnt
    changed = other.read_config().with_changes({"diffusion.lambda_max": 3.4})
    assert losses(train_tiny(other, data, config=changed, resume=True, max_steps=2)) == plain
    assert other.read_config().diffusion.lambda_max == Model.load(other.path).config.diffusion.lambda_max == 3.4
    assert is_one_loss(other.read_config(), run.read_config())
    train_tiny(Run(tmp_path / "third"), data, config=config, start_from=other.path, max_steps=1)
    assert Model.load(tmp_path / "third").config.diffusion.lambda_max == 2.5


def test_a_run_that_was_to_start_from_a_model_and_was_killed_is_none(run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or it would go on from nothing, and nobody would know."""
    teacher = Run(tmp_path / "teacher")
    train_tiny(teacher, data, max_steps=2)

    def killed(*arguments: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("ddpm_studio.training.engine.save_checkpoint", killed)
    with pytest.raises(KeyboardInterrupt):
        train_tiny(run, data, config=tiny_config(), start_from=teacher.path, max_steps=1)
    assert not run.exists
    assert not run.can_resume


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (RuntimeError("CUDA error: unspecified launch failure"), True),
        (torch.AcceleratorError("CUDA error: an illegal memory access was encountered"), True),
        (torch.AcceleratorError("CUDA error: out of memory"), False),
        (RuntimeError("CUDA error: no kernel image is available for execution on the device"), False),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED"), False),
        (RuntimeError("CUDA driver error: device not ready"), True),
        (torch.AcceleratorError("CUDA error: operation not permitted when stream is capturing"), False),
        (RuntimeError("MPS backend out of memory"), False),
        (ValueError("CUDA error"), False),
    ],
)
def test_which_errors_mean_that_a_device_is_lost(error: Exception, lost: bool) -> None:
    assert is_device_lost(error) == lost
