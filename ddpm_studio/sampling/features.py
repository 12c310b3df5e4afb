"""Feature maps: what a block of the network puts out for one noisy picture."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ddpm_studio.control import RunControl
from ddpm_studio.devices import choose_device
from ddpm_studio.diffusion import codec
from ddpm_studio.errors import UserError
from ddpm_studio.events import Event, FeaturesReady, Finished, Images
from ddpm_studio.language import tr
from ddpm_studio.model import Model, load_cached
from ddpm_studio.randomness import ImageNoise
from ddpm_studio.requests import FeatureRequest
from ddpm_studio.sampling.engine import check_shape, check_timestep

LARGEST = 128
"""Pixels along the side of a map: more cannot be seen where sixteen stand together."""


def feature_maps(request: FeatureRequest, control: RunControl) -> Iterator[Event]:
    """FeaturesReady for the channels of one block that are asked for, then Finished.

    Raises UserError when the model has no such block or the picture is not of its shape.
    """
    model = load_cached(request.model, choose_device(request.device).kind)
    check_timestep(model, request.timestep)
    check_shape(model, request.image)
    if control.stopping:
        yield Finished(stopped=True)
        return
    output = output_of(model, request)
    channels = output[request.first : request.first + request.count]
    spread = float(np.quantile(np.abs(output), 0.995)) or 1.0
    yield FeaturesReady(request.block, request.timestep, request.first, len(output), as_maps(channels, spread), spread)
    yield Finished(step=1)


class _Enough(Exception):
    """Thrown by the block that was looked for: what comes after it need not be computed."""


@torch.no_grad()
def output_of(model: Model, request: FeatureRequest) -> npt.NDArray[np.float32]:
    """What the block puts out for the noised picture: float32 [C, H, W].

    Raises UserError for a name that no block has, and for a part of the network that puts out no maps: a group of blocks, or the embedding of t.
    """
    try:
        block: nn.Module = model.net.get_submodule(request.block)
    except AttributeError:
        raise UserError(tr("This model has no block called {name!r}.", name=request.block), tr("Choose a block of the drawing of this model.")) from None
    x_start = codec.from_images(request.image[None]).to(model.device)
    t = torch.tensor([request.timestep], device=model.device)
    x_t = model.diffusion.q_sample(x_start, t, ImageNoise([request.seed]).draw(x_start))
    caught: list[Tensor] = []
    mine = threading.get_ident()

    def catch(module: nn.Module, inputs: object, output: Tensor) -> None:
        if threading.get_ident() == mine:  # the model may be at work for somebody else at this moment
            if output.ndim == 4:
                caught.append(output[0].float().cpu())
            raise _Enough

    hook = block.register_forward_hook(catch)
    try:
        model.net(x_t, t)
    except _Enough:
        pass
    finally:
        hook.remove()
    if not caught:
        raise UserError(tr("{name!r} puts out no feature maps.", name=request.block), tr("Choose a block of the drawing of this model."))
    values: npt.NDArray[np.float32] = caught[0].numpy()
    return values


def as_maps(values: npt.NDArray[np.float32], spread: float) -> Images:
    """Channels float [N, H, W] -> uint8 [N, H, W, 1]: 128 is zero, 0 and 255 are -spread and spread or beyond; large maps are made smaller."""
    stride = -(-max(values.shape[1:]) // LARGEST)
    small = values[:, ::stride, ::stride] if stride > 1 else values
    maps: Images = np.clip(np.rint(128 + 127 * small / spread), 1, 255).astype(np.uint8)[..., None]
    maps.setflags(write=False)
    return maps
