"""What the network makes of always the same noise, so that one can see it learn."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import numpy as np

from ddpm_studio.config import RunConfig
from ddpm_studio.control import RunControl
from ddpm_studio.diffusion import codec
from ddpm_studio.errors import UserError, as_user_error, is_out_of_memory
from ddpm_studio.events import Event, Images, Notice, PreviewReady, frozen_images
from ddpm_studio.language import tr
from ddpm_studio.model import Model
from ddpm_studio.nn.ema import is_ripe
from ddpm_studio.nn.unet import UNet
from ddpm_studio.previews import RAW, WALK, WHOLE, save_preview
from ddpm_studio.runs import Run, is_held
from ddpm_studio.training.checkpoint import TrainingState, thin_out

PREVIEW_SEED = 1_000_000
"""Seeds of the previews' noise: the same for every preview of every run."""
PREVIEWS_BYTES = 60 * 10**6
"""What the previews of a run may take on the disk: many hundreds; beyond it the most closely spaced go."""
WALK_PICTURES, WALK_STAGES = 4, 6
"""Of how many pictures the way from noise is kept, and how much of it."""


def preview(run: Run, state: TrainingState, config: RunConfig, control: RunControl) -> Iterator[Event]:
    """Samples from the noise that every preview starts from; also kept as pictures in the run.

    It gives way at once when the run is to stop or to wait. That there is no memory for it, or no room to keep it, is told, but
    ends nothing.
    """
    try:
        event = _sample(state, config, control)
    except Exception as error:
        if not is_out_of_memory(error) or (known := as_user_error(error)) is None:
            raise
        yield Notice(tr("No preview this time. {message}", message=known.message))
        return
    if event is None:
        return
    yield event
    if not is_held(run):
        return  # nothing may stand where the folder of the run has been: training waits for it at its next save
    try:
        save_preview(run, event)
        thin_out(run.previews, PREVIEWS_BYTES, WHOLE, (RAW, WALK))
    except UserError as error:
        yield Notice(error.message)


def is_averaged(state: TrainingState, config: RunConfig) -> bool:
    """Previews show the average; but while that is mostly made of the first weights, those of the network itself."""
    return is_ripe(state.step, config.training.ema_decay, config.training.ema_warmup)


def _sample(state: TrainingState, config: RunConfig, control: RunControl) -> PreviewReady | None:
    """None when the run is to stop or to wait."""
    seeds, averaged = range(PREVIEW_SEED, PREVIEW_SEED + config.training.preview_count), is_averaged(state, config)
    made = _walk(state.ema if averaged else copy.deepcopy(state.net), config, seeds, control)
    if made is None or not averaged:
        return made and PreviewReady(state.step, made[0], averaged, walk=made[1])
    raw = _walk(copy.deepcopy(state.net), config, seeds[::2], control)
    return raw and PreviewReady(state.step, made[0], averaged, raw[0], made[1])


def _walk(net: UNet, config: RunConfig, seeds: Sequence[int], control: RunControl) -> tuple[Images, Images] | None:
    """The pictures uint8 [N, H, W, C], and of the first of them the x_0 estimated on the way, uint8 [stages, pictures, H, W, C]."""
    model = Model.of(net, config)
    x_t, source = model.noise(seeds)
    # Deterministic, so that one sees the same picture grow, and ending early, because the last steps are learnt last.
    timesteps = model.timesteps("dpmpp-2m", config.training.preview_steps)
    kept = set(np.linspace(0, len(timesteps) - 1, min(WALK_STAGES, len(timesteps))).round().astype(int).tolist())
    stages = []
    for step in model.sample_steps(x_t, source, "dpmpp-2m", timesteps):
        if control.stopping or control.pausing:
            return None
        if step.index in kept:
            stages.append(codec.decode(step.pred_x_start[:WALK_PICTURES]))
        x_t = step.x_next
    return codec.decode(x_t), frozen_images(np.stack(stages))
