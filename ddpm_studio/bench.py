"""How fast this machine trains and samples with a preset, and how much of what it could do is reached.

The ceiling is measured in the same run, with the same shapes: all convolutions of the network one after the other, with
nothing between them, divided among the cores in the same way. What the network needs beyond that goes into normalisations, activations, attention and the optimizer.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from ddpm_studio.config import RunConfig
from ddpm_studio.control import RunControl
from ddpm_studio.devices import Device, choose_device
from ddpm_studio.diffusion.gaussian import GaussianDiffusion
from ddpm_studio.errors import UserError
from ddpm_studio.events import BenchReady, Event, Finished, Progress
from ddpm_studio.language import tr
from ddpm_studio.model import Model
from ddpm_studio.nn.describe import describe_network
from ddpm_studio.nn.unet import UNet
from ddpm_studio.presets import get_preset
from ddpm_studio.recorded import PLAIN_CALLS, Recorded, can_record
from ddpm_studio.requests import STEPS, USUAL_SAMPLER, BenchRequest
from ddpm_studio.side_by_side import SideBySide, count_parts, side_by_side
from ddpm_studio.training.checkpoint import TrainingState
from ddpm_studio.training.gradient import apply_gradients, compute_gradients, count_pieces, count_shares
from ddpm_studio.training.memory import fitting_pieces

SAMPLING_STEPS = STEPS[USUAL_SAMPLER] or 1000
"""Network calls, which is what is timed: noise for 16 pictures of 32 x 32 is drawn in less than a hundredth of that."""
SAMPLED = 16
"""Pictures that the sampling time is given for."""
TURNS = 4
"""In which each of the measurements takes its time."""
CALLS = 3
"""That are timed at least, however long they take."""


def bench(request: BenchRequest, control: RunControl) -> Iterator[Event]:
    """BenchReady for each preset, then Finished."""
    device = choose_device(request.device)
    for name in request.presets:
        config = get_preset(name)
        yield Progress(tr("Measuring {name}", name=name))
        if control.stopping:
            yield Finished(stopped=True)
            return
        yield measure(name, config, device, request.seconds)
    yield Finished(step=len(request.presets))


def measure(name: str, config: RunConfig, device: Device, seconds: float) -> BenchReady:
    """One preset. Raises UserError when it does not fit into the memory."""
    if fitting_pieces(config, device) > 1:
        raise UserError(tr("The preset {name} does not fit into the memory with its whole batch.", name=name), tr("Measure a smaller preset."))
    network = describe_network(config)
    batch = config.training.batch_size
    convolutions = _convolutions(config, device)
    shares = [_sizes(piece, count_shares(config, piece, device)) for piece in _sizes(batch, count_pieces(config, device))]
    sampled = [_sizes(SAMPLED, count_parts(SAMPLED, SideBySide.SMALLEST, device.torch))]
    works: tuple[Callable[[], Callable[[], object]], ...] = (
        lambda: _training_step(config, device),
        lambda: _sampling_call(config, device),
        lambda: _replay(convolutions, shares, device, backward=True),
        lambda: _replay(convolutions, sampled, device, backward=False),
    )
    training, sampling, ceiling, forward_ceiling = _time_in_turns(works, device, seconds)
    convolution_gflop = 2 * sum(macs for _, _, macs in convolutions) / 1e9
    return BenchReady(
        preset=name,
        device=device.label,
        gflop=6 * network.gmacs,
        training_images_per_second=batch / training,
        training_gflops=6 * network.gmacs * batch / training,
        convolution_gflops=3 * convolution_gflop * batch / ceiling,
        training_share=ceiling / training,
        sampling_seconds=SAMPLING_STEPS * sampling,
        sampling_share=forward_ceiling / sampling,
    )


def _training_step(config: RunConfig, device: Device) -> Callable[[], object]:
    state = TrainingState.new(config, device.torch)
    diffusion = GaussianDiffusion(config.diffusion, torch.float32 if device.kind == "mps" else torch.float64).to(device.torch)
    height, width, channels = config.data.shape
    x_start = torch.rand(config.training.batch_size, channels, height, width).mul(2).sub(1).to(device.torch)
    t = torch.randint(config.diffusion.num_timesteps, (len(x_start),)).to(device.torch)
    state.net.train()

    def step() -> object:
        compute_gradients(state, config, diffusion, (x_start, t, torch.randn_like(x_start)), device)
        return apply_gradients(state, config, 1e-4)

    return step


def _sampling_call(config: RunConfig, device: Device) -> Callable[[], object]:
    model = Model.of(UNet.of(config).to(device.torch), config)
    x_t, _ = model.noise(range(SAMPLED))
    t = torch.full((SAMPLED,), config.diffusion.num_timesteps // 2, device=device.torch)

    @torch.no_grad()
    def call() -> object:
        return model.network(x_t, t)

    return call


Convolution = tuple[nn.Module, tuple[int, ...], float]
"""A convolution of the network, the shape [C, H, W] of its input, and its multiply-adds for one picture."""


def _convolutions(config: RunConfig, device: Device) -> list[Convolution]:
    found: list[Convolution] = []
    net = UNet.of(config).to(device.torch)

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        weight = module.weight
        assert isinstance(weight, Tensor)
        positions = inputs[0][0, 0] if isinstance(module, nn.ConvTranspose2d) else output[0, 0]
        found.append((module, tuple(inputs[0].shape[1:]), float(weight.numel() * positions.numel())))

    hooks = [module.register_forward_hook(note) for module in net.modules() if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)]
    height, width, channels = config.data.shape
    with torch.no_grad():
        net(torch.zeros(1, channels, height, width, device=device.torch), torch.zeros(1, dtype=torch.int64, device=device.torch))
    for hook in hooks:
        hook.remove()
    return found


def _sizes(pictures: int, parts: int) -> list[int]:
    """How many pictures each part has: as torch.tensor_split deals them out."""
    return [pictures // parts + (i < pictures % parts) for i in range(parts)]


def _replay(convolutions: list[Convolution], pieces: list[list[int]], device: Device, backward: bool) -> Callable[[], object]:
    """All convolutions once for each piece of a batch, each on an input of its own; with their gradients for input and
    weights, if wanted. The parts of a piece are computed side by side, as in training and sampling."""
    # Numbers as they are in a network: what happens to lie in the memory may be denormal, and several times as slow.
    whole_batch = sum(map(sum, pieces))
    sizes = {whole_batch} if can_record(device.torch) else {pictures for parts in pieces for pictures in parts}
    inputs = {pictures: [torch.randn((pictures, *shape), device=device.torch).requires_grad_(backward) for _, shape, _ in convolutions] for pictures in sizes}

    def share(pictures: int) -> None:
        for (module, _, _), x in zip(convolutions, inputs[pictures], strict=True):
            with torch.set_grad_enabled(backward), device.autocast("auto"):
                y = module(x)
            if backward:
                torch.autograd.grad(y, [x, *module.parameters()], y.detach())

    if can_record(device.torch):  # recorded, as the work is that it is compared with

        def whole() -> Sequence[Tensor]:
            share(whole_batch)
            return ()

        return Recorded(whole)
    return lambda: [side_by_side(share, parts) for parts in pieces]


def _time_in_turns(works: Sequence[Callable[[], Callable[[], object]]], device: Device, seconds: float) -> list[float]:
    """The median time in seconds of one call of what each of these makes.

    They take turns of `seconds / TURNS`, so that all of them share what a machine does by itself in the meantime: a clock
    that slows down or a neighbour would otherwise fall on one and bend the shares. Each is made anew for its turn and none
    is there beside another, as recordings and large networks hold memory.
    """
    times: list[list[float]] = [[] for _ in works]
    for turn in range(TURNS):
        for make, found in zip(works, times, strict=True):
            if len(found) < CALLS or sum(found) < seconds:  # one call of a large network may take longer than that
                found += _time(make(), device, seconds / TURNS, first=turn == 0)
                device.release_memory()
    return [statistics.median(found) for found in times]


def _time(work: Callable[[], object], device: Device, seconds: float, first: bool) -> list[float]:
    """The times of calls for so long, after some to warm up; at least one call."""
    for _ in range(PLAIN_CALLS + 1 if can_record(device.torch) else 1 + first):
        work()
    times: list[float] = []
    end = time.monotonic() + seconds
    while not times or time.monotonic() < end:
        device.synchronise()
        began = time.perf_counter()
        work()
        device.synchronise()
        times.append(time.perf_counter() - began)
    return times
