"""Generate, blend and denoise: runs that end with pictures, told as events."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ddpm_studio.blend_weights import Weights
from ddpm_studio.control import RunControl
from ddpm_studio.devices import choose_device
from ddpm_studio.diffusion import codec
from ddpm_studio.diffusion.gaussian import Network
from ddpm_studio.diffusion.interpolation import expected_std, latent_std
from ddpm_studio.diffusion.sampling import SampleStep
from ddpm_studio.errors import UserError
from ddpm_studio.events import BatchReady, BlendReady, Event, Finished, FrameReady, Images, ImagesReady, Notice, Progress, Recreated, frozen_images
from ddpm_studio.language import tr
from ddpm_studio.model import Model, load_cached
from ddpm_studio.models import find_model
from ddpm_studio.randomness import ImageNoise
from ddpm_studio.requests import MAX_DEPTH, BlendRequest, DenoiseRequest, InpaintRequest, SampleRequest, Start, TreeRequest, Walk, model_name

BRANCHES = 3
"""Stream of the noise that sets branches apart: branch 0 must not repeat the trunk, whose stream is 0."""


def generate(request: SampleRequest, control: RunControl) -> Iterator[Event]:
    """Pictures from noise: FrameReady for `request.frames` columns, then ImagesReady with all pictures, then Finished.

    More pictures than fit a batch are made in several; the filmstrip shows the first batch.
    """
    check_numbers(request)
    check_start(request)
    model, network = yield from load_for(request)
    seeds = [request.seed + i for i in range(request.count)]
    begin, timesteps = model.noise, _timesteps(model, request)
    if request.start is not None:
        start = request.start
        x_t = yield from _reach(start, control)
        if x_t is None:
            yield Finished(stopped=True)
            return

        def begin(seeds: Sequence[int]) -> tuple[Tensor, ImageNoise]:
            return x_t.expand(len(seeds), -1, -1, -1), _tail_noise(seeds, start)

    images = yield from walk(model, network, seeds, begin, request, timesteps, tr("Generating"), control, request.frames)
    yield from ending(images, seeds, model, len(timesteps))


def recreate(batch: SampleRequest, seed: int, original: Images, control: RunControl) -> Iterator[Event]:
    """One picture of a batch once more, compared with the original uint8 [H, W, C]: its frames, ImagesReady, Recreated, Finished.

    First alone, which is quicker. Where that is not the same, with its neighbours: how the numbers are added up may
    depend on how many pictures are computed together.
    """
    model, _ = yield from load_for(batch)
    size, place = model.batch_size, seed - batch.seed
    first = place - place % size
    together = replace(batch, seed=batch.seed + first, count=min(size, batch.count - first))
    for request in (replace(batch, seed=seed, count=1), together):
        row = seed - request.seed
        for event in generate(request, control):
            if isinstance(event, ImagesReady):
                made = event
            elif not isinstance(event, Finished):
                yield _of_one(event, row)
            elif event.stopped:
                yield event
                return
        image = made.images[row]
        difference = _difference(image, original)
        if not difference.any() or together.count == 1:
            break
    yield ImagesReady(frozen_images(image[None]), (seed,), made.model_step, device=made.device)
    yield _compared(difference, made)
    yield Finished(step=1)


def _of_one(event: Event, row: int) -> Event:
    """What an event shows of one picture of its batch."""
    if isinstance(event, BatchReady):
        return replace(event, images=event.images[row : row + 1], seeds=event.seeds[row : row + 1])
    if isinstance(event, FrameReady):
        noise = None if event.pred_noise is None else event.pred_noise[row : row + 1]
        return replace(event, x_t=event.x_t[row : row + 1], pred_x_start=event.pred_x_start[row : row + 1], pred_noise=noise)
    return event


def recreate_blend(together: BlendRequest, place: int, original: Images, control: RunControl) -> Iterator[Event]:
    """One of some blends once more, as `recreate` does it: BlendReady, Recreated, Finished."""
    model, _ = yield from load_for(together)
    wanted = together.weights[place]
    first = place - place % model.batch_size
    blends: dict[Weights, BlendReady] = {}
    for weights in ((wanted,), together.weights[first : first + model.batch_size]):
        for event in blend(replace(together, weights=weights), control):
            if isinstance(event, BlendReady):
                blends[event.weights] = event
            elif not isinstance(event, Finished):
                yield event
            elif event.stopped:
                yield event
                return
        made = blends[wanted]
        difference = _difference(made.image, original)
        if not difference.any() or len(together.weights) == 1:
            break
    yield made
    yield _compared(difference, made)
    yield Finished(step=1)


def _difference(image: Images, original: Images) -> npt.NDArray[np.int16]:
    return np.abs(image.astype(np.int16) - original) if image.shape == original.shape else np.full(image.shape, 255, np.int16)


def _compared(difference: npt.NDArray[np.int16], made: ImagesReady | BlendReady) -> Recreated:
    return Recreated(difference.size, int(np.count_nonzero(difference)), int(difference.max()), made.model_step, made.device)


def blend(request: BlendRequest, control: RunControl) -> Iterator[Event]:
    """BlendReady for each of the weights in turn, then Finished. Noise and its tail are the same for all of them.

    A mixture that comes again, as on the way back of a film, is made once.
    """
    check_weights(request)
    model, network = yield from load_for(request)
    check_timestep(model, request.timestep)
    for image in request.images:
        check_shape(model, image)
    timesteps = model.timesteps(request.sampler, request.steps, request.timestep, request.spacing)
    mixtures, size = tuple(dict.fromkeys(request.weights)), model.batch_size
    known: dict[Weights, BlendReady] = {}
    told = 0
    for start in range(0, len(mixtures), size):
        batch = mixtures[start : start + size]
        x_t, source, noises = model.mix(request.images, batch, request.timestep, request.noise, request.seed)
        for step in model.sample_steps(x_t, source, request.sampler, timesteps, request.eta, network):
            x_t = step.x_next
            if len(mixtures) > 1:
                yield Progress(tr("Blending"), start * len(timesteps) + len(batch) * (step.index + 1), len(mixtures) * len(timesteps))
            yield from control.gate()
            if control.stopping:
                yield Finished(stopped=True)
                return
        for weights, image in zip(batch, codec.decode(x_t), strict=True):
            stds = latent_std(weights, noises, request.noise), expected_std(weights, request.noise)
            known[weights] = BlendReady(weights, request.timestep, image, *stds, request.quick, model.step, model.device.type)
        while told < len(request.weights) and request.weights[told] in known:
            yield known[request.weights[told]]
            told += 1
    yield Finished(step=told)


def denoise(request: DenoiseRequest, control: RunControl) -> Iterator[Event]:
    """A picture noised to a timestep and denoised, `count` times with other noise: ImagesReady, then Finished."""
    check_numbers(request)
    model, network = yield from load_for(request)
    check_timestep(model, request.timestep)
    seeds = [request.seed + i for i in range(request.count)]
    x_start = codec.from_images(request.image[None]).to(model.device)
    if request.x_t is not None:
        height, width, channels = model.config.data.shape
        if request.x_t.shape != (channels, height, width) or not np.isfinite(request.x_t).all():
            shape = channels, height, width
            message = tr("The noise is of the shape {given}, or not finite; finite numbers of the shape {needed} are needed.", given=request.x_t.shape, needed=shape)
            raise UserError(message, tr("Give noise that this model, or one of its size, has inverted a picture to."))
        x_start = torch.from_numpy(np.array(request.x_t, dtype=np.float32))[None].to(model.device)

    def noised(seeds: Sequence[int]) -> tuple[Tensor, ImageNoise]:
        source = ImageNoise(seeds)
        x = x_start.expand(len(seeds), -1, -1, -1)
        t = torch.full((len(seeds),), request.timestep, device=model.device, dtype=torch.int64)
        return (x if request.already_noisy else model.diffusion.q_sample(x, t, source.draw(x))), source

    timesteps = model.timesteps(request.sampler, request.steps, request.timestep, request.spacing)
    images = yield from walk(model, network, seeds, noised, request, timesteps, tr("Denoising"), control, request.frames)
    yield from ending(images, seeds, model, len(timesteps))


def _timesteps(model: Model, request: SampleRequest) -> list[int]:
    if request.start is not None:
        check_timestep(model, request.start.timestep)
    return model.timesteps(request.sampler, request.steps, request.start.timestep if request.start else None, request.spacing)


def _tail_noise(seeds: Sequence[int], start: Start) -> ImageNoise:
    return ImageNoise(seeds, BRANCHES + start.depth - 1)


def _trained_since(then: int, now: int) -> str:
    return tr("The model has been trained since, from step {then} to {now}: the way is not quite the one that was seen.", then=f"{then:,}", now=f"{now:,}")


def _reach(start: Start, control: RunControl) -> Generator[Event, None, Tensor | None]:
    """`x_t = yield from _reach(...)`: float32 [1, C, H, W] at a stop on a picture's way; None when it was stopped."""
    way = start.walk
    model, network = yield from load_for(way)
    timesteps = _timesteps(model, way)
    if start.timestep not in timesteps:
        nearest = min(timesteps, key=lambda t: abs(t - start.timestep))
        hint = tr("The nearest of its {count} stops is {nearest}.", count=len(timesteps), nearest=nearest)
        raise UserError(tr("That way does not stop at timestep {t}.", t=start.timestep), hint)
    if start.model_step is not None and model.step is not None and start.model_step != model.step:
        yield Notice(_trained_since(start.model_step, model.step))
    if way.start is None:
        x_t, source = model.noise([way.seed])
    else:
        before = yield from _reach(way.start, control)
        if before is None:
            return None
        x_t, source = before, _tail_noise([way.seed], way.start)
    place = timesteps.index(start.timestep)
    steps = model.sample_steps(x_t, source, way.sampler, timesteps, way.eta, network)
    for step in steps if place else ():
        x_t = step.x_next
        yield Progress(tr("Going to the chosen frame"), step.index + 1, place)
        yield from control.gate()
        if control.stopping:
            return None
        if step.index + 1 == place:
            break
    return x_t


def walk(
    model: Model,
    network: Network,
    seeds: Sequence[int],
    begin: Callable[[Sequence[int]], tuple[Tensor, ImageNoise]],
    request: Walk,
    timesteps: Sequence[int],
    doing: str,
    control: RunControl,
    frames: int = 0,
) -> Generator[Event, None, Images | None]:
    """From the x_t that `begin` gives for some seeds down the timesteps, in as many batches as it takes.

    Yields each batch as it is done. Returns the pictures; when it was stopped, those of the batches that were done by then, or
    None.
    """
    size = model.batch_size
    batches = [seeds[i : i + size] for i in range(0, len(seeds), size)]
    columns = frame_indices(timesteps, frames) if frames else []
    done: list[Images] = []
    for index, batch in enumerate(batches):
        x_t, source = begin(batch)
        for step in model.sample_steps(x_t, source, request.sampler, timesteps, request.eta, network):
            x_t = step.x_next
            if index == 0:
                yield from _frame(model, step, columns)
            yield Progress(doing, index * len(timesteps) + step.index + 1, len(batches) * len(timesteps))
            yield from control.gate()
            if control.stopping:
                return frozen_images(np.concatenate(done)) if done else None
        done.append(codec.decode(x_t))
        yield BatchReady(done[-1], tuple(batch), model.step, model.device.type)
    return frozen_images(np.concatenate(done))


def ending(images: Images | None, seeds: Sequence[int], model: Model, steps: int) -> Iterator[Event]:
    """What a walk ends with: the pictures, when it was stopped those that were done, and Finished."""
    made = 0 if images is None else len(images)
    if images is not None:
        yield ImagesReady(images, tuple(seeds)[:made], model.step, device=model.device.type)
    yield Finished(step=steps if images is not None else 0, stopped=made < len(seeds))


def load_for(request: Walk) -> Generator[Event, None, tuple[Model, Network]]:
    """`model, network = yield from load_for(request)`: the model of a request, and the network to walk with, which is
    the model's own or that guided by another model. What there is to say about them comes as Notice."""
    device = choose_device(request.device).kind
    model = load_cached(request.model, device)
    guide = load_cached(request.guide, device) if request.guide is not None else None
    for loaded in (model, guide):
        if loaded and loaded.remark:
            yield Notice(loaded.remark)
    return model, model.guided_by(guide, request.guidance) if guide else model.network


def check_numbers(request: SampleRequest | DenoiseRequest | TreeRequest | InpaintRequest) -> None:
    if request.count < 1 or request.seed < 0 or (request.steps is not None and request.steps < 1):
        raise UserError(tr("The number of pictures and of steps must be at least 1, and the seed at least 0."), tr("Ask for one picture or more, and one step or more."))


def check_start(request: SampleRequest) -> None:
    """The ways that pictures begin on must be few, and of their own model: another one would lead elsewhere."""
    if request.start is None:
        return
    if request.start.depth > MAX_DEPTH:
        raise UserError(tr("These pictures would begin on the way of too many others, one after the other."), tr("Begin anew from one of the first of them."))
    model, way = find_model(request.model), request.start.walk
    while True:
        if find_model(way.model) != model:
            message = tr("These pictures would begin on the way of another model, {name}.", name=model_name(way.model))
            raise UserError(message, tr("Use that model, or begin at pure noise."))
        if way.start is None:
            return
        way = way.start.walk


def check_weights(request: BlendRequest) -> None:
    count = len(request.images)
    if count < 2:
        raise UserError(tr("One picture alone cannot be blended."), tr("Give two pictures or more."))
    for weights in request.weights:
        if len(weights) != count or not all(weight >= 0 for weight in weights) or not abs(sum(weights) - 1) < 1e-3:
            given = ", ".join(f"{weight:g}" for weight in weights)
            raise UserError(tr("The weights {given} do not fit {count} pictures.", given=given, count=count), tr("Give one weight for each picture, 0 or more, that add up to 1."))


def check_shape(model: Model, image: Images) -> None:
    if image.shape != model.config.data.shape:
        raise UserError(
            tr("This picture is {shape}, but the model works on {needed}.", shape=image.shape, needed=model.config.data.shape),
            tr("Bring it to the model's size first."),
        )


def check_timestep(model: Model, t: int) -> None:
    if not 0 <= t < model.diffusion.num_timesteps:
        raise UserError(tr("The timestep {t} is out of range.", t=t), tr("This model knows timesteps 0 to {last}.", last=model.diffusion.num_timesteps - 1))


def frame_indices(timesteps: Sequence[int], frames: int) -> list[int]:
    """Which of the network calls become filmstrip columns: the first, the last, and those between whose timesteps are
    nearest to an even spread, however unevenly the sampler walks."""
    if frames <= 1 or len(timesteps) <= 1:
        return [len(timesteps) - 1]
    first, last = timesteps[0], timesteps[-1]
    wanted = [first + (last - first) * i / (frames - 1) for i in range(frames)]
    return sorted({min(range(len(timesteps)), key=lambda index: abs(timesteps[index] - t)) for t in wanted})


def _frame(model: Model, step: SampleStep, chosen: Sequence[int]) -> Iterator[Event]:
    if step.index in chosen:
        a = float(model.diffusion.alphas_cumprod[step.t])
        noise = (step.x_t - a**0.5 * step.pred_x_start) / max(1 - a, 1e-12) ** 0.5  # equation 4, solved for epsilon
        yield FrameReady(chosen.index(step.index), len(chosen), step.t, visible(step.x_t), codec.decode(step.pred_x_start), visible(noise), step.count - step.index)


def visible(x_t: Tensor) -> Images:
    """x_t as a picture: noise reaches beyond [-1, 1], so it is shown at half contrast where it is mostly noise."""
    spread = max(1.0, float(x_t.abs().flatten().quantile(0.98))) if x_t.numel() < 1_000_000 else 2.0
    return codec.decode(x_t / spread)
