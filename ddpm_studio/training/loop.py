"""The training loop: Algorithm 1 of the paper, and what hours of it need around it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ddpm_studio import recorded
from ddpm_studio.config import RunConfig
from ddpm_studio.control import RunControl
from ddpm_studio.data.batches import batch_indices, load_batch, split
from ddpm_studio.data.dataset import Dataset
from ddpm_studio.devices import Device
from ddpm_studio.diffusion import codec
from ddpm_studio.diffusion.assignment import assign_noise
from ddpm_studio.diffusion.gaussian import GaussianDiffusion
from ddpm_studio.errors import DiskFull, DiskTrouble, UserError, is_device_lost, is_out_of_memory
from ddpm_studio.events import CheckpointSaved, Event, Finished, Notice, Progress, StepDone
from ddpm_studio.language import tr
from ddpm_studio.randomness import generator_at
from ddpm_studio.requests import TrainRequest
from ddpm_studio.runs import is_held, lock_run, spare_run
from ddpm_studio.training.checkpoint import TrainingState, read_checkpoint, restore, save_checkpoint, save_milestone
from ddpm_studio.training.compiling import compile_network, compiler_in_words
from ddpm_studio.training.gradient import Batch, apply_gradients, compute_gradients, count_pieces
from ddpm_studio.training.machine import MachineWatch
from ddpm_studio.training.memory import has_room
from ddpm_studio.training.plan import Due, Pace, Plan, plan_notes
from ddpm_studio.training.preview import preview
from ddpm_studio.training.probe import Probe
from ddpm_studio.training.tally import NotFinite, SpikeWatch, Tally

MAX_RESCUES = 3
FIRST_SAVE_SECONDS = 20.0
"""Saves come early at first, each after twice the time, up to what the settings say: a young run has nothing else to fall back on."""
LOOK_SECONDS = 15.0
"""How often the battery and the heat of the machine are looked at."""
PROBE_SHARE = 1 / 80
"""Most of the time that may go into measuring the loss by noise level."""


@dataclass
class TrainingLoop:
    """One session of a run, from the state it is given to its limits or until somebody stops it."""

    request: TrainRequest
    config: RunConfig
    dataset: Dataset
    device: Device
    control: RunControl
    state: TrainingState
    diffusion: GaussianDiffusion
    about: dict[str, Any]
    """What the save says about the data."""
    _saved_at: int = field(default=-1, init=False)
    _previewed_at: int = field(default=-1, init=False)

    def __post_init__(self) -> None:
        self.plan = Plan(self.request, self.config.training, self.state.step, self.state.images)
        self._seconds_before = self.state.seconds
        self._tally, self._spikes, self._machine = Tally(self.device.torch), SpikeWatch(), MachineWatch()
        self._pace = Pace(0.0, self.state.images)
        self._probe = Probe(self.dataset, self.config)

    def run(self) -> Iterator[Event]:
        """All events up to Finished. Raises UserError for trouble that ends the run; it then stands as at its last save."""
        try:
            yield from self._with_rescues()
        except Exception as error:
            if not is_device_lost(error):
                raise
            # What the device held is gone with it.
            message = tr("The graphics card stopped answering at step {step:,}.", step=self.state.step)
            if self._ever_saved:
                step = max(self._saved_at, self.plan.first_step)
                hint = tr("The save of step {step:,} is whole: start DDPM Studio again and go on from there.", step=step)
            else:
                hint = tr("Nothing had been saved yet: start DDPM Studio again and begin anew.")
            raise UserError(message, tr("{hint} If it happens again, update the driver, or train on the processor.", hint=hint)) from error

    @property
    def _ever_saved(self) -> bool:
        return self._saved_at >= 0 or self.plan.first_step > 0 or self.request.resume or self.request.start_from is not None

    def _with_rescues(self) -> Iterator[Event]:
        """From numbers that are not finite it goes back to the last save and on with half the learning rate, in full
        precision; the fourth time it raises UserError."""
        for _ in range(MAX_RESCUES):
            try:
                yield from self._train()
                return
            except NotFinite as trouble:
                step = trouble.step
            yield from self._go_back(step)
            yield from self._save()  # or a crash would forget that the rate was lowered
        try:
            yield from self._train()
        except NotFinite as trouble:
            message = tr("The loss is no longer a finite number at step {step:,}, although the learning rate was halved {times} times.", step=trouble.step, times=MAX_RESCUES)
            raise UserError(message, tr("Continue the run with a much lower learning rate, or start another: the last save is unharmed.")) from None

    def _train(self) -> Iterator[Event]:
        settings, plan, control = self.config.training, self.plan, self.control
        report_due, save_due = Due(0.0), Due(plan.watch.seconds + min(FIRST_SAVE_SECONDS, settings.checkpoint_seconds))
        preview_due, probe_due, look_due = Due(min(5.0, settings.preview_seconds)), Due(min(5.0, settings.preview_seconds)), Due(0.0)
        self.state.net.train()
        while not control.stopping and (plan.fraction(self.state.step, self.state.images) or 0.0) < 1.0:
            # The batch of this step, its timesteps and its noise: all from (seed, step).
            batch = draw_batch(self.dataset, self.config, self.diffusion, self.state.step, self.device)

            # Algorithm 1: a gradient step on the loss between the noise and the network's answer.
            learning_rate = self.state.rate_scale * plan.learning_rate(self.state.step)
            loss = yield from self._gradients(batch)
            norm = apply_gradients(self.state, self.config, learning_rate)
            self._tally.add(loss, norm)
            self.state.step += 1
            self.state.images += settings.batch_size

            # Report, preview, save, pause.
            now = plan.watch.seconds
            if report_due.is_due(now):
                yield self._report(learning_rate)
                report_due.again(now, self.request.report_seconds)
            if settings.preview_count and preview_due.is_due(now):
                yield from preview(self.request.run, self.state, self.config, control)
                cost = plan.watch.seconds - now
                # Early previews come often, later ones take at most a thirtieth of the time.
                if not control.pausing:  # or it gave way, and comes when the run goes on
                    self._previewed_at = self.state.step
                    preview_due.again(plan.watch.seconds, max(min(settings.preview_seconds, now), 30 * cost))
            if probe_due.is_due(now):
                began = plan.watch.seconds
                yield from self._probe.measure(self.state, control)
                cost = plan.watch.seconds - began
                if not control.pausing:
                    probe_due.again(plan.watch.seconds, max(min(settings.preview_seconds, now), cost / PROBE_SHARE))
            pausing = control.pausing  # read once: nobody may find the run paused and not saved
            if save_due.is_due(now) or pausing or control.take_checkpoint_request():
                yield from self._save()
                save_due.again(plan.watch.seconds, min(settings.checkpoint_seconds, max(now, FIRST_SAVE_SECONDS)))
            if settings.milestone_steps and self.state.step % settings.milestone_steps == 0:
                yield from self._save_milestone()
            if look_due.is_due(now):
                yield from self._look_at_machine()
                look_due.again(plan.watch.seconds, LOOK_SECONDS)
            if pausing:
                recorded.forget_all()  # the memory is for those who want the device now; they leave none behind, either
                with plan.watch.time_out():
                    yield from control.gate()
                recorded.forget_all()

        if self._tally.steps:
            yield self._report(self.state.rate_scale * plan.learning_rate(self.state.step - 1))
        # First what counts, then what is nice to have.
        if self._saved_at != self.state.step > plan.first_step:
            yield from self._save()
        if self.state.step > plan.first_step:
            yield from self._last_looks()
        yield Finished(self.state.step, control.stopping)

    def _last_looks(self) -> Iterator[Event]:
        """Held-out loss and preview of the last step, as far as they are not there yet."""
        looks: list[Callable[[], Iterator[Event]]] = []
        if self._probe.measured_at != self.state.step:
            looks.append(partial(self._probe.measure, self.state, self.control))
        if self.config.training.preview_count and self._previewed_at != self.state.step:
            looks.append(partial(preview, self.request.run, self.state, self.config, self.control))
        for look in looks:
            yield from self.control.gate()  # those who want the device now come first
            if self.control.stopping:
                return
            yield Progress(tr("A last look at what was learnt"))
            yield from look()

    def _gradients(self, batch: Batch) -> Generator[Event, None, Tensor]:
        """The loss of a batch, and its gradient in the network. Where the memory does not suffice, batches are computed in
        twice as many pieces from here on; where that does not help any more, what was learnt is saved first."""
        state, most = self.state, self.config.training.batch_size
        while True:
            try:
                with compiler_in_words():
                    return compute_gradients(state, self.config, self.diffusion, batch, self.device)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                shortage = error if state.pieces >= most else None
            state.optimizer.zero_grad(set_to_none=True)
            had_recordings = recorded.forget_all()
            self.device.release_memory()
            if had_recordings:
                continue  # what they held may be enough
            if shortage:
                if state.step > self.plan.first_step:
                    yield from self._save()
                raise shortage
            state.pieces = min(2 * count_pieces(self.config, self.device, state.pieces), most)
            if self.config.model.dropout:
                text = tr("There is not enough memory: batches of {count} pictures are computed in {pieces} parts from here on.", count=most, pieces=state.pieces)
            else:
                text = tr(
                    "There is not enough memory: batches of {count} pictures are computed in {pieces} parts from here on, with the same result.",
                    count=most, pieces=state.pieces,
                )  # fmt: skip
            yield Notice(text)

    def _report(self, learning_rate: float) -> StepDone:
        loss, norm = self._tally.means(self.state.step)
        self._tally.clear()
        state, seconds = self.state, self.plan.watch.seconds
        fraction = self.plan.fraction(state.step, state.images)
        left = (self.plan.seconds_before + seconds) * (1 - fraction) / fraction if fraction else None
        pace, spike = self._pace.mark(seconds, state.images), self._spikes.is_spike(loss)
        return StepDone(state.step, state.images, loss, norm, learning_rate, pace, seconds, fraction, left, spike, self.device.held_memory())

    # What is kept.

    def _save(self) -> Iterator[Event]:
        """A save, at once or as soon as the disk takes it; when somebody stops the run before that, in another place."""
        self._check_finite()  # nothing that is not finite is saved over what is
        pause = 0.5
        while True:
            self.state.seconds = self._seconds_before + self.plan.watch.seconds
            try:
                save_checkpoint(self.request.run, self.state, self.config, self.about | plan_notes(self.request, self.plan.watch.seconds))
                break
            except DiskTrouble as error:
                if self.control.stopping:
                    yield from self._save_elsewhere(error)
                    return
                trouble = error
            if pause < 1.0:
                yield Notice(tr("{message} Training waits, with all that it has learnt, and goes on as soon as that has been put right.", message=trouble.message))
            pause = min(2 * pause, 30.0)
            yield from self._wait(tr("Waiting for the disk"), partial(self._may_save_after, trouble), pause)
        self._saved_at = self.state.step
        yield CheckpointSaved(self.state.step, self.request.run.model_file)
        if pause >= 1.0:
            yield Notice(tr("Step {step:,} is saved: training goes on.", step=self.state.step))

    def _save_elsewhere(self, trouble: DiskTrouble) -> Iterator[Event]:
        """The place of the run takes nothing, and somebody wants it to end: what was learnt becomes a run of its own.
        Raises UserError, which says what is lost, when that cannot be saved either."""
        last, step = max(self._saved_at, self.plan.first_step), self.state.step
        spare = spare_run(self.request.run.name)
        try:
            with lock_run(spare):
                save_checkpoint(spare, self.state, self.config, self.about | plan_notes(self.request, self.plan.watch.seconds))
                spare.write_config(self.config)
        except UserError:
            shutil.rmtree(spare.path, ignore_errors=True)
            raise UserError(
                trouble.message,
                tr("What was learnt from step {last:,} to step {step:,} could not be saved anywhere else either, and is lost. {hint}", last=last, step=step, hint=trouble.hint),
            ) from None
        self._saved_at = step
        yield CheckpointSaved(step, spare.model_file)
        yield Notice(tr("{message} What was learnt up to step {step:,} is saved as a run of its own, {name}.", message=trouble.message, step=step, name=spare.name))

    def _may_save_after(self, trouble: DiskTrouble) -> bool:
        """A full disk is asked for room; after any other trouble only another try can tell."""
        if not isinstance(trouble, DiskFull):
            return True
        try:
            return has_room(self.config, self.request.run.path)
        except OSError:  # gone altogether, meanwhile
            return True

    def _check_finite(self) -> None:
        """Raises NotFinite when the steps since the last report, or the weights, the average or the moments, are not of numbers any more."""
        if self._tally.steps:
            self._tally.means(self.state.step)
        if not self.state.is_finite():
            raise NotFinite(self.state.step)

    def _save_milestone(self) -> Iterator[Event]:
        self._check_finite()
        try:
            save_milestone(self.request.run, self.state, self.config)
        except DiskTrouble as trouble:
            yield Notice(tr("{message} This milestone is left out.", message=trouble.message))

    def _go_back(self, step: int) -> Iterator[Event]:
        """To the last save, or to the beginning, with half the learning rate; says so."""
        run = self.request.run
        scale, pieces = self.state.rate_scale / 2, self.state.pieces
        saved = None
        if self._ever_saved:
            if not is_held(run):
                yield Notice(tr("The folder of the run {name} is gone. Training waits until it is back.", name=run.name))
                yield from self._wait(tr("Waiting for the disk"), partial(is_held, run))
            saved = read_checkpoint(run)
        self.state.recorded = None
        self.state = TrainingState.new(self.config, self.device.torch)
        if saved:
            restore(self.state, saved, run.name)
        if self.request.compile:
            yield from compile_network(self.state.net, self.device)
        self.state.rate_scale, self.state.pieces = scale, pieces
        self._tally.clear()
        self._spikes, self._pace = SpikeWatch(), Pace(self.plan.watch.seconds, self.state.images)
        rate = scale * self.config.training.learning_rate
        text = tr(
            "The loss was no longer a finite number at step {step:,}: back to step {back:,}, and on with the learning rate {rate:g} in full precision.",
            step=step, back=self.state.step, rate=rate,
        )  # fmt: skip
        yield Notice(text)

    # What the machine asks for.

    def _look_at_machine(self) -> Iterator[Event]:
        for news in self._machine.look():
            yield Notice(news)
        if self.config.training.pause_on_battery and self._machine.on_battery:
            yield from self._save()
            yield Notice(tr("Training waits until the machine is on mains power again, as its settings ask."))
            yield from self._wait(tr("Waiting for mains power"), self._machine.is_back_on_mains)

    def _wait(self, why: str, over: Callable[[], bool], pause: float = 1.0) -> Iterator[Event]:
        """Compute nothing until it is over, asked every `pause` seconds, or the run is stopped; others may borrow the device meanwhile."""
        with self.plan.watch.time_out():
            while True:
                yield Progress(why)
                yield from self.control.gate()
                if self.control.wait(pause) or over():  # stopped, or over
                    return


def draw_batch(dataset: Dataset, config: RunConfig, diffusion: GaussianDiffusion, step: int, device: Device) -> Batch:
    """x_start float [B, C, H, W] in [-1, 1], t int64 [B] in 0 ... T-1, noise like x_start, on the device.

    A function of (seed, step) alone, drawn on the CPU: the same on every device and after every resume.
    """
    settings = config.training
    generator = generator_at(settings.seed, step)
    learnt_from, _ = split(len(dataset), settings.held_out or 0, settings.seed)
    pixels = load_batch(dataset.images, dataset.rows(learnt_from[batch_indices(len(learnt_from), settings.batch_size, settings.seed, step)]))
    if config.data.flip:
        mirrored = torch.rand(len(pixels), generator=generator) < 0.5
        pixels = torch.where(mirrored[:, None, None, None], pixels.flip(3), pixels)
    t = diffusion.draw_timesteps(len(pixels), generator)
    noise = torch.randn(pixels.shape, generator=generator)
    if settings.immiscible:
        noise = assign_noise(codec.encode(pixels), noise)
    x_start = codec.encode(device.send(pixels))  # as bytes, a quarter of the way
    return x_start, device.send(t), device.send(noise)
