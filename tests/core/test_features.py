"""Feature maps are what the blocks put out in the real network."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from ddpm_studio.control import RunControl
from ddpm_studio.diffusion import codec
from ddpm_studio.errors import UserError
from ddpm_studio.events import FeaturesReady
from ddpm_studio.model import load_cached, save_model
from ddpm_studio.nn.describe import describe_network
from ddpm_studio.nn.unet import UNet
from ddpm_studio.presets import PRESETS
from ddpm_studio.randomness import ImageNoise
from ddpm_studio.requests import FeatureRequest
from ddpm_studio.sampling.features import LARGEST, as_maps, feature_maps, output_of

CONFIG = PRESETS["tiny-32"].with_changes({"model.base_channels": 8, "model.norm_groups": 4, "diffusion.variance_type": "learned"})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    net = UNet.of(CONFIG)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    path = tmp_path / "model.safetensors"
    save_model(path, net.state_dict(), CONFIG, {"step": 1})
    return path


@pytest.fixture
def picture() -> np.ndarray:  # type: ignore[type-arg]
    return np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)


def ask(request: FeatureRequest) -> FeaturesReady:
    return next(event for event in feature_maps(request, RunControl()) if isinstance(event, FeaturesReady))


def test_every_block_puts_out_what_it_does_in_a_whole_pass(file: Path, picture: np.ndarray) -> None:  # type: ignore[type-arg]
    model = load_cached(file, "cpu")
    seen: dict[str, torch.Tensor] = {}
    hooks = [
        model.net.get_submodule(block.name).register_forward_hook(lambda _, inputs, output, name=block.name: seen.update({name: output[0]}))
        for block in describe_network(CONFIG).blocks
    ]
    x_start = codec.from_images(picture[None])
    t = torch.tensor([400])
    with torch.no_grad():
        model.net(model.diffusion.q_sample(x_start, t, ImageNoise([7]).draw(x_start)), t)
    for hook in hooks:
        hook.remove()
    for block in describe_network(CONFIG).blocks:
        output = output_of(model, FeatureRequest(file, block.name, picture, 400, 7))
        assert output.shape == block.out_shape
        np.testing.assert_allclose(output, seen[block.name].numpy(), rtol=1e-4, atol=1e-5)


def test_pages_of_channels(file: Path, picture: np.ndarray) -> None:  # type: ignore[type-arg]
    first, second = (ask(FeatureRequest(file, "middle1", picture, 400, first=first)) for first in (0, 16))
    assert (first.channels, first.first, second.first) == (32, 0, 16)
    assert first.maps.shape == second.maps.shape == (16, 4, 4, 1)
    assert not np.array_equal(first.maps, second.maps)
    assert first.spread == second.spread > 0
    assert len(ask(FeatureRequest(file, "head", picture, 400)).maps) == 16
    assert len(ask(FeatureRequest(file, "head", picture, 400, first=16)).maps) == 8


def test_nothing_is_left_on_the_network_and_others_are_not_disturbed(file: Path, picture: np.ndarray) -> None:  # type: ignore[type-arg]
    """The model is shared: whoever samples with it at the same moment must come to the end of his pass."""
    model = load_cached(file, "cpu")
    failures: list[BaseException] = []
    stop = threading.Event()

    def sample() -> None:
        try:
            with torch.no_grad():
                while not stop.is_set():
                    model.net(torch.zeros(1, 3, 32, 32), torch.tensor([3]))
        except BaseException as error:
            failures.append(error)

    other = threading.Thread(target=sample)
    other.start()
    for _ in range(20):
        ask(FeatureRequest(file, "middle1", picture, 400))
    stop.set()
    other.join()
    assert failures == []
    assert not any(module._forward_hooks for module in model.net.modules())


@pytest.mark.parametrize(("block", "side", "t"), [("up.9.blocks.0", 32, 5), ("stem", 16, 5), ("stem", 32, 1000)])
def test_what_does_not_fit_is_refused(file: Path, block: str, side: int, t: int) -> None:
    with pytest.raises(UserError):
        ask(FeatureRequest(file, block, np.zeros((side, side, 3), np.uint8), t))


def test_every_part_of_a_network_has_maps_or_says_that_it_has_none(file: Path, picture: np.ndarray) -> None:  # type: ignore[type-arg]
    """Names may come from anywhere: those of groups of blocks and of the embedding of t are names of the network, too."""
    silent = {}
    for name, _ in load_cached(file, "cpu").net.named_modules():
        try:
            ask(FeatureRequest(file, name, picture, 5))
        except UserError as error:
            silent[name] = error.message
    assert all(said == f"{name!r} puts out no feature maps." for name, said in silent.items())
    assert {"time1", "down", "down.0", "down.0.blocks"} <= silent.keys()
    assert silent.keys().isdisjoint({"", *(block.name for block in describe_network(CONFIG).blocks)})


def test_maps_show_zero_as_grey_and_are_bounded() -> None:
    values = np.zeros((2, 300, 200), np.float32)
    values[0, 0, 0], values[1, 0, 0] = 3, -99
    maps = as_maps(values, 3.0)
    assert maps.dtype == np.uint8
    assert max(maps.shape[1:3]) <= LARGEST
    assert (maps[0, 0, 0, 0], maps[1, 0, 0, 0], maps[0, 1, 1, 0]) == (255, 1, 128)
