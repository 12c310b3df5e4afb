"""What the network makes of always the same noise, so that one can see it learn."""

from __future__ import annotations

import copy
from collections.abc import Iterator

from ddpm_studio import imaging
from ddpm_studio.config import RunConfig
from ddpm_studio.control import RunControl
from ddpm_studio.diffusion import codec
from ddpm_studio.errors import UserError, as_user_error, is_out_of_memory
from ddpm_studio.events import Event, Images, Notice, PreviewReady
from ddpm_studio.language import tr
from ddpm_studio.model import Model
from ddpm_studio.nn.ema import is_ripe
from ddpm_studio.runs import Run, is_held
from ddpm_studio.training.checkpoint import TrainingState, thin_out

PREVIEW_SEED = 1_000_000
"""Seeds of the previews' noise: the same for every preview of every run."""
PREVIEWS_BYTES = 30 * 10**6
"""What the previews of a run may take on the disk: some thousands; beyond it the most closely spaced go."""


def preview(run: Run, state: TrainingState, config: RunConfig, control: RunControl) -> Iterator[Event]:
    """Samples from the noise that every preview starts from; also kept as a picture in the run.

    It gives way at once when the run is to stop. That there is no memory for it, or no room to keep it, is told, but
    ends nothing.
    """
    try:
        images = _sample(state, config, control)
    except Exception as error:
        if not is_out_of_memory(error) or (known := as_user_error(error)) is None:
            raise
        yield Notice(tr("No preview this time. {message}", message=known.message))
        return
    if images is None:
        return
    yield PreviewReady(state.step, images, is_averaged(state, config))
    if not is_held(run):
        return  # nothing may stand where the folder of the run has been: training waits for it at its next save
    try:
        imaging.save_png(run.previews / f"step_{state.step:07d}.png", imaging.grid(images), None)
        thin_out(run.previews, PREVIEWS_BYTES, "step_*.png")
    except UserError as error:
        yield Notice(error.message)


def is_averaged(state: TrainingState, config: RunConfig) -> bool:
    """Previews show the average; but while that is mostly made of the first weights, those of the network itself."""
    return is_ripe(state.step, config.training.ema_decay, config.training.ema_warmup)


def _sample(state: TrainingState, config: RunConfig, control: RunControl) -> Images | None:
    """uint8 [N, H, W, C], or None when the run is to stop."""
    model = Model.of(state.ema if is_averaged(state, config) else copy.deepcopy(state.net), config)
    x_t, source = model.noise(range(PREVIEW_SEED, PREVIEW_SEED + config.training.preview_count))
    for step in model.sample_steps(x_t, source, "dpmpp-2m", model.timesteps("dpmpp-2m", config.training.preview_steps)):
        if control.stopping:
            return None
        x_t = step.x_next
    return codec.decode(x_t)
