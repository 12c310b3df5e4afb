"""Experiments with the noise: trees that branch off from a shared x_t, inpainting, and the way from a picture back to its noise."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from ddpm_studio.control import RunControl
from ddpm_studio.diffusion import codec
from ddpm_studio.diffusion.gaussian import GaussianDiffusion
from ddpm_studio.diffusion.inpainting import repaint_loop
from ddpm_studio.diffusion.inversion import ddim_inversion_loop
from ddpm_studio.diffusion.sampling import ddim_sample_loop
from ddpm_studio.errors import UserError
from ddpm_studio.events import Event, Finished, Images, ImagesReady, Inverted, Progress, frozen_images
from ddpm_studio.language import tr
from ddpm_studio.randomness import ImageNoise
from ddpm_studio.requests import InpaintRequest, InvertRequest, TreeRequest, is_noisy
from ddpm_studio.sampling.engine import BRANCHES, check_numbers, check_shape, check_timestep, ending, load_for, visible, walk


def tree(request: TreeRequest, control: RunControl) -> Iterator[Event]:
    """ImagesReady with `count` pictures for each of the timesteps, from the highest down, then Finished.

    The pictures of one row share all steps down to that timestep and differ in the noise of those after it.
    """
    check_numbers(request)
    model, network = yield from load_for(request)
    for t in request.timesteps:
        check_timestep(model, t)
    if not is_noisy(request.sampler, request.eta):
        hint = tr("Take the sampler ddpm or dpmpp-2m-sde, or ddim with an eta above 0: their steps add noise.")
        raise UserError(tr("With this sampler all branches would be the same picture."), hint)
    timesteps = model.timesteps(request.sampler, request.steps, None, request.spacing)
    x_t, source = model.noise([request.seed])
    # Where the trunk has its stop nearest to each t, and the x_t there.
    forks = sorted({min(range(len(timesteps)), key=lambda index: abs(timesteps[index] - t)) for t in request.timesteps})
    places = ", ".join(str(timesteps[fork]) for fork in forks)
    if len(forks) < len(set(request.timesteps)):
        raise UserError(
            tr("With {count} steps the walk does not stop between all of these timesteps, only at {places}.", count=len(timesteps), places=places),
            tr("Take more steps, or timesteps further apart."),
        )
    if forks[-1] == len(timesteps) - 1:
        message = tr("At the last stop, timestep {t}, nothing branches off any more: the last step adds no noise.", t=timesteps[-1])
        raise UserError(message, tr("Give higher timesteps."))
    shared: dict[int, Tensor] = {}
    for step in model.sample_steps(x_t, source, request.sampler, timesteps, request.eta, network):
        shared |= {step.index: step.x_t} if step.index in forks else {}
        yield Progress(tr("Going down the trunk"), step.index + 1, len(timesteps))
        yield from control.gate()
        if control.stopping:
            yield Finished(stopped=True)
            return
        if step.index == forks[-1]:
            break
    seeds = [request.seed + i for i in range(request.count)]
    rows: list[Images] = []
    for number, fork in enumerate(forks):

        def branch_off(seeds: Sequence[int], fork: int = fork) -> tuple[Tensor, ImageNoise]:
            return shared[fork].expand(len(seeds), -1, -1, -1), ImageNoise(seeds, BRANCHES)

        images = yield from walk(model, network, seeds, branch_off, request, timesteps[fork:], tr("Branches {number} of {count}", number=number + 1, count=len(forks)), control)
        if images is None or len(images) < request.count:
            yield Finished(stopped=True)
            return
        rows.append(images)
    yield ImagesReady(frozen_images(np.concatenate(rows)), tuple(seeds * len(rows)), model.step, tuple(timesteps[fork] for fork in forks))
    yield Finished(step=len(timesteps))


def inpaint(request: InpaintRequest, control: RunControl) -> Iterator[Event]:
    """ImagesReady with `count` pictures, the same as the given one where the mask is dark, then Finished."""
    check_numbers(request)
    if request.sampler != "ddpm":
        raise UserError(tr("Inpainting works with the ancestral sampler only."), tr("Leave out --sampler, or give --sampler ddpm."))
    if request.jump_length < 1 or request.resamples < 1:
        raise UserError(tr("Jump length and resamples must be at least 1."), tr("Give 1 or more; 10 of each is what RePaint takes."))
    model, network = yield from load_for(request)
    check_shape(model, request.image)
    if request.mask.shape[:2] != request.image.shape[:2]:
        raise UserError(tr("The mask does not have the shape of the picture."), tr("Bring both to the model's size."))
    known = (torch.from_numpy(np.array(request.mask[:, :, 0])) < 128).to(model.device, torch.float32)[None, None]
    if known.all() or not known.any():
        raise UserError(tr("The mask leaves nothing to do: it is all dark, or all bright."), tr("Paint white what is to be drawn anew, and black what is to stay."))
    x_start = codec.from_images(request.image[None]).to(model.device)
    timesteps = model.timesteps("ddpm", request.steps, None, request.spacing)
    if request.resamples > 1 and request.jump_length >= len(timesteps):
        raise UserError(
            tr("With {count} steps there is no going back {jump_length} of them.", count=len(timesteps), jump_length=request.jump_length),
            tr("Take more steps, or a smaller jump length (--jump-length)."),
        )
    seeds = [request.seed + i for i in range(request.count)]
    size, done = model.batch_size, []
    for first in range(0, len(seeds), size):
        batch = seeds[first : first + size]
        x_t, source = model.noise(batch)
        for step in repaint_loop(model.diffusion, network, x_t, timesteps, source.draw, x_start, known, request.jump_length, request.resamples):
            x_t = step.x_next
            yield Progress(tr("Inpainting"), step.index + 1 + first // size * step.count, step.count * math.ceil(len(seeds) / size))
            yield from control.gate()
            if control.stopping:
                yield Finished(stopped=True)
                return
        done.append(codec.decode(x_t))
    yield from ending(frozen_images(np.concatenate(done)), seeds, model, len(timesteps))


def invert(request: InvertRequest, control: RunControl) -> Iterator[Event]:
    """Inverted, then Finished: up from the picture to its noise, and down again by DDIM without noise, nothing clipped."""
    if request.refinements < 0:
        raise UserError(tr("The number of refinements cannot be negative."), tr("Give 0 or more; 3 is usual."))
    model, network = yield from load_for(request)
    check_shape(model, request.image)
    config = model.config.diffusion.model_copy(update={"clip_x_start": False})
    diffusion = GaussianDiffusion(config, model.diffusion.betas.dtype).to(model.device)
    timesteps = model.timesteps("ddim", request.steps, None, request.spacing)
    x_start = codec.from_images(request.image[None]).to(model.device)
    x = x_start
    up = ddim_inversion_loop(diffusion, network, x, timesteps, request.refinements)
    for step in up:
        x = step.x_next
        yield Progress(tr("Going up to the noise"), step.index + 1, step.count)
        yield from control.gate()
        if control.stopping:
            yield Finished(stopped=True)
            return
    noise = x
    for step in ddim_sample_loop(diffusion, network, noise, timesteps, torch.zeros_like):
        x = step.x_next
        yield Progress(tr("Coming down again"), step.index + 1, step.count)
    rmse = 127.5 * float((x - x_start).square().mean().sqrt())
    psnr = 20 * math.log10(255 / rmse) if rmse else math.inf
    yield Inverted(visible(noise)[0], codec.decode(x)[0], float(noise.std()), rmse, psnr, model.step, noise[0].cpu().numpy())
    yield Finished(step=len(timesteps))
