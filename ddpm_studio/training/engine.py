"""The training loop: Algorithm 1 of the paper, and what a run of hours needs around it."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor, nn

from ddpm_studio import imaging
from ddpm_studio.config import RunConfig
from ddpm_studio.control import RunControl
from ddpm_studio.data.batches import batch_indices, load_batch
from ddpm_studio.data.cache import Dataset, open_dataset
from ddpm_studio.devices import Device, choose_device
from ddpm_studio.diffusion import codec
from ddpm_studio.diffusion.assignment import assign_noise
from ddpm_studio.diffusion.gaussian import GaussianDiffusion
from ddpm_studio.errors import Cancelled, UserError
from ddpm_studio.events import CheckpointSaved, Event, Finished, Notice, PreviewReady, StepDone, TrainingStarted
from ddpm_studio.journal import Journal
from ddpm_studio.model import Model
from ddpm_studio.nn.ema import ema_decay_at, ema_update
from ddpm_studio.randomness import generator_at, seed_at
from ddpm_studio.requests import TrainRequest
from ddpm_studio.runs import Run, lock_run
from ddpm_studio.training.checkpoint import TrainingState, load_checkpoint, save_checkpoint, save_milestone
from ddpm_studio.training.memory import check_disk, check_memory
from ddpm_studio.training.plan import Due, Pace, Plan

FEW_PICTURES = 100
PREVIEW_SEED = 1_000_000
"""Seeds of the previews' noise: the same for every preview of every run."""


def train(request: TrainRequest, control: RunControl) -> Iterator[Event]:
    """Run a training until its limits, or until `control.stop()`; it saves before it pauses and before it ends.

    Raises UserError for what the user can put right; the run then stands as at its last save.
    """
    device = choose_device(request.device)
    config = _settings(request)
    with ExitStack() as stack:
        stack.callback(_remove_if_empty, request.run.path)
        # Data.
        try:
            dataset = yield from open_dataset(request.data, config.data, control)
        except Cancelled:
            yield Finished(0, True)
            return
        check_memory(config, device)
        check_disk(config, request.run.path)
        stack.enter_context(lock_run(request.run))
        for left in request.run.path.glob(".*.part"):  # of a save that a crash cut short
            left.unlink(missing_ok=True)
        if not request.resume:
            refuse_existing(request.run)  # once more: decoding may have taken minutes, and now nobody else can make it
            request.run.write_config(config)
            stack.callback(_remove_if_unsaved, request.run)
        if len(dataset) < FEW_PICTURES:
            yield Notice(f"With so few pictures ({len(dataset)}) the model will learn them by heart rather than make new ones.")
        journal = stack.enter_context(Journal(request.run.journal_file))
        for event in _run(request, config, dataset, device, control):
            journal.write(event)
            yield event


def _run(request: TrainRequest, config: RunConfig, dataset: Dataset, device: Device, control: RunControl) -> Iterator[Event]:
    settings = config.training
    about = {"data": dataset.report.name, "source": os.path.abspath(request.data), "fingerprint": dataset.fingerprint}

    # Network, average, optimizer; resume.
    state = TrainingState.new(config, device.torch, device.memory_format)
    if request.resume:
        notes = load_checkpoint(request.run, state)
        request.run.write_config(config)  # with the training settings that were changed, if any were
        if notes.get("fingerprint") != dataset.fingerprint:
            yield Notice(f"The pictures are not those of the last time ({len(dataset):,} now): training goes on with them, in a new order.")
    diffusion = GaussianDiffusion(config.diffusion, torch.float32 if device.kind == "mps" else torch.float64).to(device.torch)
    weights, averages = list(state.net.parameters()), list(state.ema.parameters())
    yield TrainingStarted(str(request.run.path), state.step, settings.total_steps, sum(p.numel() for p in weights), device.label)

    first_step = state.step
    plan = Plan(request, settings, first_step, state.images)
    pace, report_due, save_due = Pace(), Due(0.0), Due(settings.checkpoint_seconds)
    preview_due = Due(min(5.0, settings.preview_seconds))
    seconds_before = state.seconds
    losses, norms, quiet_steps = torch.zeros((), device=device.torch), torch.zeros((), device=device.torch), 0
    pace.mark(plan.watch.seconds, state.images)
    saved_at = -1

    def means() -> tuple[float, float]:
        """Loss and gradient norm of the quiet steps: only here numbers leave the device. Raises UserError when they are not finite."""
        loss, norm = float(losses) / quiet_steps, float(norms) / quiet_steps
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise UserError(f"The loss is no longer a finite number at step {state.step:,}.", "Lower the learning rate and resume: the last save is unharmed.")
        return loss, norm

    def report(learning_rate: float) -> StepDone:
        nonlocal quiet_steps
        loss, norm = means()
        losses.zero_()
        norms.zero_()
        quiet_steps = 0
        fraction, seconds = plan.fraction(state.step, state.images), plan.watch.seconds
        left = seconds * (1 - fraction) / fraction if fraction else None
        return StepDone(state.step, state.images, loss, norm, learning_rate, pace.mark(seconds, state.images), seconds, fraction, left)

    def save() -> CheckpointSaved:
        nonlocal saved_at
        if quiet_steps:
            means()  # nothing that is not finite is saved over what is
        state.seconds = seconds_before + plan.watch.seconds
        save_checkpoint(request.run, state, config, about)
        saved_at = state.step
        return CheckpointSaved(state.step, request.run.model_file)

    state.net.train()
    while not control.stopping and (plan.fraction(state.step, state.images) or 0.0) < 1.0:
        # The batch of this step, its timesteps and its noise: all from (seed, step).
        x_start, t, noise = draw_batch(dataset, config, diffusion, state.step, device)

        # Algorithm 1: a gradient step on the loss between the noise and the network's answer.
        learning_rate = plan.learning_rate(state.step)
        for group in state.optimizer.param_groups:
            group["lr"] = learning_rate
        if config.model.dropout:
            # Dropout knows only torch's global generator: give that, too, a state that depends on (seed, step) alone.
            torch.manual_seed(seed_at(settings.seed, state.step, 1))
        with device.autocast(settings.precision):
            loss = diffusion.training_losses(state.net, x_start, t, noise).mean()
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(weights, settings.grad_clip)
        state.optimizer.step()
        ema_update(averages, weights, ema_decay_at(state.step, settings.ema_decay))

        losses += loss.detach()
        norms += norm
        quiet_steps += 1
        state.step += 1
        state.images += len(x_start)

        # Report, preview, save, pause.
        now = plan.watch.seconds
        if report_due.is_due(now):
            yield report(learning_rate)
            report_due.again(now, request.report_seconds)
        if settings.preview_count and preview_due.is_due(now):
            yield from preview(request.run, state, config, control)
            cost = plan.watch.seconds - now
            # Early previews come often, later ones take at most a thirtieth of the time.
            preview_due.again(plan.watch.seconds, max(min(settings.preview_seconds, now), 30 * cost))
        pausing = control.pausing  # read once: nobody may find the run paused and not saved
        if save_due.is_due(now) or pausing or control.take_checkpoint_request():
            yield save()
            save_due.again(plan.watch.seconds, settings.checkpoint_seconds)
        if settings.milestone_steps and state.step % settings.milestone_steps == 0:
            if quiet_steps:
                means()
            save_milestone(request.run, state, config)
        if pausing:
            before = time.monotonic()
            yield from control.gate()
            plan.watch.leave_out(time.monotonic() - before)

    if quiet_steps:
        yield report(plan.learning_rate(state.step - 1))
    # First what counts, then what is nice to have.
    if saved_at != state.step > first_step:
        yield save()
    if settings.preview_count and state.step > first_step:
        yield from preview(request.run, state, config, control)
    yield Finished(state.step, control.stopping)


def draw_batch(dataset: Dataset, config: RunConfig, diffusion: GaussianDiffusion, step: int, device: Device) -> tuple[Tensor, Tensor, Tensor]:
    """x_start float [B, C, H, W] in [-1, 1], t int64 [B] in 0 ... T-1, noise like x_start, on the device.

    A function of (seed, step) alone, drawn on the CPU: the same on every device and after every resume.
    """
    settings = config.training
    generator = generator_at(settings.seed, step)
    pixels = load_batch(dataset.images, batch_indices(len(dataset), settings.batch_size, settings.seed, step))
    if config.data.flip:
        mirrored = torch.rand(len(pixels), generator=generator) < 0.5
        pixels = torch.where(mirrored[:, None, None, None], pixels.flip(3), pixels)
    t = diffusion.draw_timesteps(len(pixels), generator)
    noise = torch.randn(pixels.shape, generator=generator)
    if settings.immiscible:
        noise = assign_noise(codec.encode(pixels), noise)
    x_start = codec.encode(pixels.to(device.torch, non_blocking=True)).contiguous(memory_format=device.memory_format)
    return x_start, t.to(device.torch, non_blocking=True), noise.to(device.torch, non_blocking=True).contiguous(memory_format=device.memory_format)


def preview(run: Run, state: TrainingState, config: RunConfig, control: RunControl) -> Iterator[Event]:
    """Samples of the average from the noise that every preview starts from; also kept as a picture in the run.

    It gives way at once when the run is to stop, and a picture that cannot be kept is told, but ends nothing.
    """
    model = Model.of(state.ema, config)
    x_t, source = model.noise(range(PREVIEW_SEED, PREVIEW_SEED + config.training.preview_count))
    for step in model.sample_steps(x_t, source, "dpmpp-2m", model.timesteps("dpmpp-2m", config.training.preview_steps)):
        if control.stopping:
            return
        x_t = step.x_next
    images = codec.decode(x_t)
    yield PreviewReady(state.step, images)
    try:
        imaging.save_png(run.previews / f"step_{state.step:07d}.png", imaging.grid(images), None)
    except UserError as error:
        yield Notice(error.message)


def refuse_existing(run: Run) -> None:
    if run.exists:
        raise UserError(f"There is a run called {run.name} already.", "Give --resume to go on with it, or choose another name.")


def _remove_if_empty(folder: Path) -> None:
    """A run that ended before it began leaves no folder behind."""
    with contextlib.suppress(OSError):
        if not any(file.name != ".lock" for file in folder.iterdir()):
            (folder / ".lock").unlink(missing_ok=True)
            folder.rmdir()


def _remove_if_unsaved(run: Run) -> None:
    """A run that never came to a save has nothing to go on with: it would only stand in the way."""
    if not run.resume_file.exists() and not run.model_file.exists():
        for file in (run.config_file, run.journal_file, *run.previews.glob("step_*.png")):
            file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            run.previews.rmdir()


def _settings(request: TrainRequest) -> RunConfig:
    """The settings of a new run, or those of the run that goes on, with its training settings changed if asked for."""
    run = request.run
    if not request.resume:
        refuse_existing(run)
        if request.config is None:
            raise UserError("A new run needs settings.", "Choose a preset.")
        return request.config
    if not run.exists:
        raise UserError(f"There is no run called {run.name} to go on with.", "The command `runs` lists what there is; without --resume a new run begins.")
    config = run.read_config()
    wanted = request.config
    if wanted is None:
        return config
    for section in ("data", "diffusion", "model"):
        if getattr(wanted, section) != getattr(config, section):
            raise UserError(f"The {section} settings of a run cannot change when it goes on.", "Leave them as they were, or start a new run.")
    return config.model_copy(update={"training": wanted.training})
