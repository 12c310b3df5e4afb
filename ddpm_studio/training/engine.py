"""A training run from its request to its end: settings, data, what stands in the way, and the loop."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from ddpm_studio.config import RunConfig
from ddpm_studio.control import RunControl
from ddpm_studio.data.batches import count_held_out
from ddpm_studio.data.cache import open_dataset
from ddpm_studio.data.dataset import Dataset, pack_names, unpack_names
from ddpm_studio.devices import Device, choose_device
from ddpm_studio.diffusion.gaussian import GaussianDiffusion
from ddpm_studio.errors import Cancelled, DataChanged, UserError
from ddpm_studio.events import Event, Finished, Notice, TrainingStarted
from ddpm_studio.journal import Journal
from ddpm_studio.language import tr
from ddpm_studio.model import Model
from ddpm_studio.models import find_model, read_header, run_of
from ddpm_studio.previews import forget_previews_after
from ddpm_studio.requests import TrainRequest, model_name
from ddpm_studio.runs import Run, lock_run, planned_seconds
from ddpm_studio.training.checkpoint import Saved, TrainingState, mend_model, read_checkpoint, restore, save_checkpoint, write_notes
from ddpm_studio.training.compiling import compile_network
from ddpm_studio.training.loop import TrainingLoop
from ddpm_studio.training.memory import check_disk, fitting_pieces
from ddpm_studio.training.plan import plan_notes

FEW_PICTURES = 100


def train(request: TrainRequest, control: RunControl) -> Iterator[Event]:
    """Run a training until its limits, or until `control.stop()`; it saves before it pauses and before it ends.

    Raises UserError for what the user can put right; the run then stands as at its last save.
    """
    device = choose_device(request.device)
    with ExitStack() as stack:
        _check_existence(request)
        stack.enter_context(lock_run(request.run))
        if not request.resume:
            stack.callback(_remove_if_empty, request.run.path)  # while the lock is held: nobody else can be in there
        _check_existence(request)  # once more: now nobody else can make it or take it away
        saved = read_checkpoint(request.run) if request.resume else None
        for remark in saved.remarks if saved else ():
            yield Notice(remark)
        config, request = _settings(request, saved), _plan_of(request, saved)
        device.release_memory()  # what was sampled before is not in the way
        pieces = fitting_pieces(config, device)
        check_disk(config, request.run.path)
        # Data.
        try:
            dataset = yield from open_dataset(request.data, config.data, control)
        except Cancelled:
            yield Finished(0, True)
            return
        wanted = _left_out(request, saved)
        dataset = dataset.without(wanted)
        if (unknown := len(set(wanted) - set(dataset.left_out))) and request.exclude is not None:
            yield Notice(tr("Of {count} names to leave out, {unknown} belong to no picture.", count=f"{len(set(wanted)):,}", unknown=f"{unknown:,}"))
        changed = _data_changed(saved, dataset, request) if saved is not None else ""
        config, remark = _hold_out(config, dataset, request, bool(changed))
        for left in request.run.path.rglob(".*.part"):  # of a save that a crash cut short
            left.unlink(missing_ok=True)
        if saved is None:
            stack.callback(_remove_if_unsaved, request.run)
        if len(dataset) < FEW_PICTURES:
            yield Notice(tr("With so few pictures ({count}) the model will learn them by heart rather than make new ones.", count=len(dataset)))
        journal = stack.enter_context(Journal(request.run.journal_file))
        notices = (Notice(text) for text in (changed, remark) if text)
        for event in chain(notices, _run(request, config, saved, dataset, device, pieces, control)):
            journal.write(event)
            yield event


def _run(request: TrainRequest, config: RunConfig, saved: Saved | None, dataset: Dataset, device: Device, pieces: int, control: RunControl) -> Iterator[Event]:
    about: dict[str, Any] = {"data": dataset.report.name, "source": os.path.abspath(request.data), "pictures": len(dataset), "fingerprint": dataset.fingerprint}
    if dataset.left_out:
        about["left_out"] = pack_names(dataset.left_out)
    if start_from := model_name(request.start_from) if request.start_from is not None else saved.notes.get("start_from") if saved else None:
        about["start_from"] = start_from
    about["device"] = here = device.label if device.kind == "cuda" else device.kind  # of graphics cards there are many
    if device.kind == "cpu":
        about["threads"] = torch.get_num_threads()
    # Network, average, optimizer; resume.
    state = TrainingState.new(config, device.torch)
    if saved is None:
        notes = {**about, **plan_notes(request, 0.0)}
        if request.start_from is not None:
            state.take_weights(Model.load(request.start_from).net)
            save_checkpoint(request.run, state, config, notes)  # from here on the run needs that model no more; before, there is no run
        request.run.write_config(config)
        write_notes(request.run, {**state.counters(), **notes})  # so that it can be taken up again even before its first save
    else:
        restore(state, saved, request.run.name)
        forget_previews_after(request.run, state.step)
        if (before := saved.notes.get("threads", about.get("threads"))) != about.get("threads"):
            yield Notice(_threads_changed(before, about.get("threads")))
        if saved.notes.get("device", here) != here:
            state.pieces = 1  # the memory was short on another one
        mend_model(request.run, state, config)
        request.run.write_config(config)  # with the training settings that were changed, if any were
    if pieces > state.pieces:
        state.pieces = pieces
        yield Notice(tr("There is not enough memory: batches of {count} pictures are computed in {pieces} parts.", count=config.training.batch_size, pieces=pieces))
    if request.compile:
        yield from compile_network(state.net, device)
    diffusion = GaussianDiffusion(config.diffusion, torch.float32 if device.kind == "mps" else torch.float64).to(device.torch)
    parameters = sum(p.numel() for p in state.net.parameters())
    yield TrainingStarted(str(request.run.path), state.step, config.training.total_steps, parameters, device.label, device.kind)
    yield from TrainingLoop(request, config, dataset, device, control, state, diffusion, about).run()


def _threads_changed(before: Any, now: int | None) -> str:
    if now is None:
        return tr("Computed with no threads on the processor now, with {before} before: results may differ in their last digits.", before=before)
    return tr("Computed with {now} threads on the processor now, with {before} before: results may differ in their last digits.", now=now, before=before)


def _plan_of(request: TrainRequest, saved: Saved | None) -> TrainRequest:
    """The request with what is left of the time that was planned when the run was interrupted, unless it plans anew.

    Steps and pictures merely stop it sooner, or, where nothing is left of that time, go on without a plan.
    """
    if saved is None or not request.keep_plan or request.max_seconds is not None or (left := planned_seconds(saved.notes)) is None:
        return request
    if left[1] < 1 and (request.max_steps, request.max_images) != (None, None):
        return request
    return replace(request, max_seconds=left[1], seconds_done=left[0])


def _left_out(request: TrainRequest, saved: Saved | None) -> tuple[str, ...]:
    """The names of the pictures that are not trained on: those of the request, else those that the run has left out before."""
    if request.exclude is not None or saved is None:
        return request.exclude or ()
    return unpack_names(saved.notes.get("left_out", ""))


def _data_changed(saved: Saved, dataset: Dataset, request: TrainRequest) -> str:
    """What to say about going on with other pictures; nothing when they are the same.

    Raises DataChanged when nobody has agreed to that: from there on the run is no longer what it would have been.
    """
    now: dict[str, Any] = {"fingerprint": dataset.fingerprint, "pictures": len(dataset)}
    if all(saved.notes.get(name, value) == value for name, value in now.items()):
        return ""
    before = saved.notes.get("pictures")
    if isinstance(before, int) and before != len(dataset):
        changed = tr("{before:,} then, {now:,} now", before=before, now=len(dataset))
    else:
        changed = tr("some were replaced, renamed, altered or left out")
    if not request.accept_new_data:
        raise DataChanged(
            tr("The pictures are not those that the run {name} was trained on: {changed}.", name=request.run.name, changed=changed),
            tr("Put the old ones back, or go on with these, which then come in a new order (on the command line: --accept-new-data)."),
        )
    return tr("Training goes on with other pictures, in a new order: {changed}.", changed=changed)


def _check_existence(request: TrainRequest) -> None:
    """Raises UserError when a new run is there already, or one to go on with is not."""
    run = request.run
    if run.exists and not request.resume:
        raise UserError(tr("There is a run called {name} already.", name=run.name), tr("Give --resume to go on with it, or choose another name."))
    if request.resume and not run.exists:
        raise UserError(tr("There is no run called {name} to go on with.", name=run.name), tr("The command `runs` lists what there is; without --resume a new run begins."))


def _remove_if_empty(folder: Path) -> None:
    """A run that ended before it began leaves no folder behind."""
    locks = (".lock", ".writer")
    with contextlib.suppress(OSError):
        if all(file.name in locks for file in folder.iterdir()):
            for name in locks:
                (folder / name).unlink(missing_ok=True)
            folder.rmdir()


def _remove_if_unsaved(run: Run) -> None:
    """A run that never came to a save has nothing to go on with: it would only stand in the way."""
    if not run.resume_file.exists() and not run.model_file.exists():
        with contextlib.suppress(OSError):  # what cannot be removed stays; the disk may be gone
            for file in (run.config_file, run.journal_file, run.resume_notes, *run.previews.glob("*.png")):
                file.unlink(missing_ok=True)
            run.previews.rmdir()


def _settings(request: TrainRequest, saved: Saved | None) -> RunConfig:
    """The settings of a new run, or those of the save that goes on, with the training settings changed that the request changes."""
    if saved is None:
        if request.config is None:
            raise UserError(tr("A new run needs settings."), tr("Choose a preset."))
        if request.start_from is not None:
            _check_fit(request.config, read_header(find_model(request.start_from))[0])
        return request.config
    config, wanted = saved.config, request.config
    if wanted is None:
        return config
    shown = request.run.read_config()  # what the request was made from
    for section, now, before in (
        ("data", wanted.data, shown.data), ("diffusion", wanted.diffusion.learnt, shown.diffusion.learnt), ("model", wanted.model, shown.model),
    ):  # fmt: skip
        if now != before:
            raise UserError(tr("The {section} settings of a run cannot change when it goes on.", section=section), tr("Leave them as they were, or start a new run."))
    changes = {name: value for name, value in wanted.training.model_dump().items() if value != getattr(shown.training, name)}
    if "held_out" in changes:
        message = tr("How many pictures are held out cannot change when a run goes on: what it has learnt cannot be taken back.")
        raise UserError(message, tr("Leave it as it was, or start a new run."))
    diffusion = config.diffusion.model_copy(update={"lambda_max": wanted.diffusion.lambda_max})
    return config.model_copy(update={"training": config.training.model_copy(update=changes), "diffusion": diffusion})


def _hold_out(config: RunConfig, dataset: Dataset, request: TrainRequest, changed: bool) -> tuple[RunConfig, str]:
    """The settings with the number of pictures to hold out settled, so that every resume holds out the same ones; and what people
    should know about it. Pictures that were learnt from are never called held out: their loss would say that nothing is copied.

    Raises UserError when nothing would be left to learn from.
    """
    wanted, remark = config.training.held_out, ""
    if wanted and changed:
        wanted, remark = 0, tr("From here on no pictures are held out: with other pictures they would be drawn anew, and some of them have been learnt from.")
    elif request.start_from is not None and wanted is None:
        wanted = _held_out_by(find_model(request.start_from), config, dataset, request.data)
    try:
        held_out = count_held_out(len(dataset), wanted)
    except ValueError:
        message = tr("Of {count} pictures {held_out} are to be held out: none would be left to learn from.", count=f"{len(dataset):,}", held_out=f"{wanted:,}")
        raise UserError(message, tr("Hold out fewer (training.held_out).")) from None
    if request.start_from is not None and wanted is None and held_out:
        name = model_name(request.start_from)
        remark = tr(
            "{count} pictures are held out, to see whether the others are learnt by heart. Where {name} was trained on these pictures before, that can't be told.",
            count=held_out, name=name,
        )  # fmt: skip
    return config.model_copy(update={"training": config.training.model_copy(update={"held_out": held_out})}), remark


def _held_out_by(model: Path, config: RunConfig, dataset: Dataset, source: Path) -> int | None:
    """How many pictures a run holds out that starts from this model: of the same pictures the same ones, none where it has learnt
    from some of them, and None, which is settled as in any run, where it is not known to have seen any."""
    run = run_of(model)
    notes = run.read_notes() if run.exists else {}
    theirs = read_header(model)[0].training
    if notes.get("fingerprint") == dataset.fingerprint and theirs.seed == config.training.seed:
        return theirs.held_out or 0
    return 0 if notes.get("fingerprint") == dataset.fingerprint or notes.get("source") == os.path.abspath(source) else None


def _check_fit(config: RunConfig, theirs: RunConfig) -> None:
    """Raises UserError when a run with these settings cannot begin with the weights of a model with those."""
    if config.data.shape != theirs.data.shape:
        height, width, channels = theirs.data.shape
        message = tr("The model that the run is to start from makes pictures of {width} x {height} with {channels} channels.", width=width, height=height, channels=channels)
        raise UserError(message, tr("Leave the picture size and the channels as that model has them."))
    for section, ours, given in (("diffusion", config.diffusion.learnt, theirs.diffusion.learnt), ("model", config.model, theirs.model)):
        if ours != given:
            raise UserError(
                tr("The {section} settings are not those of the model that the run is to start from.", section=section),
                tr("Leave them as they are there, or start from nothing."),
            )
