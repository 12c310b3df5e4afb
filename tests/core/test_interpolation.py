"""Blending: which timesteps the network sees, and how much noise the mixture holds."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from ddpm_studio.blend_weights import along, around, equal, normalized, pair, with_one_more, with_share, without
from ddpm_studio.control import RunControl
from ddpm_studio.diffusion.interpolation import expected_std, latent_std, mix, noise_weights
from ddpm_studio.errors import UserError
from ddpm_studio.events import BlendReady
from ddpm_studio.model import Model, save_model
from ddpm_studio.nn.unet import UNet
from ddpm_studio.requests import NOISE_MODES, BlendRequest, NoiseMode
from ddpm_studio.sampling.engine import blend
from tests.core.made_up import tiny_config


@pytest.fixture
def model() -> Model:
    config = tiny_config()
    return Model.of(UNet(config.model, 3), config)


def test_the_reverse_chain_starts_at_t_itself(model: Model) -> None:
    seen: list[int] = []
    model.net.register_forward_hook(lambda module, inputs, output: seen.append(int(inputs[1][0])))
    picture = np.full((16, 16, 3), 100, np.uint8)
    model.interpolate(picture, picture, t=7)
    assert seen == [7, 6, 5, 4, 3, 2, 1, 0]


def test_the_papers_mode_is_a_weighted_sum_of_two_noisy_pictures(model: Model) -> None:
    generator = torch.Generator().manual_seed(0)
    x_a, x_b, noise_a, noise_b = (torch.randn(1, 3, 16, 16, generator=generator) for _ in range(4))
    t = torch.tensor([60])
    expected = 0.7 * model.diffusion.q_sample(x_a, t, noise_a) + 0.3 * model.diffusion.q_sample(x_b, t, noise_b)
    torch.testing.assert_close(mix(model.diffusion, (x_a, x_b), pair(0.3), 60, (noise_a, noise_b), "independent"), expected)


@pytest.mark.parametrize("mode", NOISE_MODES)
@pytest.mark.parametrize("lam", [0.0, 0.1, 1 / 3, 0.5, 0.77, 1.0])
def test_two_pictures_are_mixed_bit_for_bit_as_ever(model: Model, mode: NoiseMode, lam: float) -> None:
    generator = torch.Generator().manual_seed(0)
    x_a, x_b, noise_a, noise_b = (torch.randn(1, 3, 16, 16, generator=generator) for _ in range(4))
    a, b = {"independent": (1 - lam, lam), "shared": (1.0, 0.0), "slerp": (math.cos(lam * math.pi / 2), math.sin(lam * math.pi / 2))}[mode]
    expected = model.diffusion.q_sample((1 - lam) * x_a + lam * x_b, torch.tensor([60]), a * noise_a + b * noise_b)
    assert torch.equal(mix(model.diffusion, (x_a, x_b), pair(lam), 60, (noise_a, noise_b), mode), expected)
    assert latent_std(pair(lam), (noise_a, noise_b), mode) == float((a * noise_a + b * noise_b).std())
    assert expected_std(pair(lam), mode) == math.hypot(a, b)


@pytest.mark.parametrize("mode", NOISE_MODES)
def test_a_picture_without_weight_is_as_if_it_were_not_there(model: Model, mode: NoiseMode) -> None:
    generator = torch.Generator().manual_seed(0)
    pictures, noises = (torch.randn(3, 1, 3, 16, 16, generator=generator) for _ in range(2))
    three = mix(model.diffusion, list(pictures), (0.3, 0.7, 0.0), 60, list(noises), mode)
    two = mix(model.diffusion, list(pictures[:2]), (0.3, 0.7), 60, list(noises[:2]), mode)
    torch.testing.assert_close(three, two, rtol=0, atol=1e-6)


def test_three_equal_shares_hold_as_much_noise_as_the_square_root_of_a_third() -> None:
    noises = torch.randn(3, 1, 3, 256, 256, generator=torch.Generator().manual_seed(2))
    due = {"independent": 3**-0.5, "shared": 1.0, "slerp": 1.0}
    for mode in NOISE_MODES:
        assert expected_std((1 / 3,) * 3, mode) == pytest.approx(due[mode])
        assert latent_std((1 / 3,) * 3, list(noises), mode) == pytest.approx(due[mode], abs=0.01)
    assert noise_weights("slerp", (0.2, 0.3, 0.5)) != noise_weights("slerp", (0.3, 0.2, 0.5))


@pytest.mark.parametrize("lam", [0.0, 0.25, 0.5, 1.0])
def test_how_much_noise_each_way_of_mixing_holds(lam: float) -> None:
    generator = torch.Generator().manual_seed(1)
    noise_a, noise_b = (torch.randn(1, 3, 256, 256, generator=generator) for _ in range(2))
    due = {"independent": ((1 - lam) ** 2 + lam**2) ** 0.5, "shared": 1.0, "slerp": 1.0}
    for mode in NOISE_MODES:
        assert expected_std(pair(lam), mode) == pytest.approx(due[mode])
        assert latent_std(pair(lam), (noise_a, noise_b), mode) == pytest.approx(due[mode], abs=0.01)


@pytest.mark.parametrize("mode", NOISE_MODES)
def test_ends_are_the_noisy_pictures_themselves(model: Model, mode: str) -> None:
    a, b = np.full((16, 16, 3), 40, np.uint8), np.full((16, 16, 3), 200, np.uint8)
    x_t, _, (noise_a, noise_b) = model.mix((a, b), [pair(0.0), pair(1.0)], 50, mode, 3)  # type: ignore[arg-type]

    def noised(value: int, noise: Tensor) -> Tensor:
        return model.diffusion.q_sample(torch.full_like(noise, value / 127.5 - 1), torch.tensor([50]), noise)[0]

    torch.testing.assert_close(x_t[0], noised(40, noise_a))
    torch.testing.assert_close(x_t[1], noised(200, noise_a if mode == "shared" else noise_b))


def test_lambdas_of_a_sheet_equal_lambdas_alone(model: Model, tmp_path: object) -> None:
    file = tmp_path / "model.safetensors"  # type: ignore[operator]
    torch.manual_seed(0)
    for parameter in model.net.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    save_model(file, model.net.state_dict(), model.config, {})
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 255, (16, 16, 3), dtype=np.uint8) for _ in range(2))

    def blends(lams: tuple[float, ...]) -> list[BlendReady]:
        request = BlendRequest(file, (a, b), tuple(pair(lam) for lam in lams), timestep=60, sampler="ddpm", steps=10, seed=4, device="cpu")
        return [event for event in blend(request, RunControl()) if isinstance(event, BlendReady)]

    sheet = blends((0.0, 0.5, 1.0))
    assert [event.lam for event in sheet] == [0.0, 0.5, 1.0]
    assert np.abs(sheet[1].image.astype(int) - blends((0.5,))[0].image).max() <= 1
    assert sheet[1].latent_std == pytest.approx(0.71, abs=0.05)
    with pytest.raises(UserError, match="out of range"):
        list(blend(BlendRequest(file, (a, b), timestep=100, device="cpu"), RunControl()))
    with pytest.raises(UserError, match="works on"):
        list(blend(BlendRequest(file, (a[:8], b), timestep=50, device="cpu"), RunControl()))
    for images, weights in (((a,), (1.0,)), ((a, b), (0.5, 0.6)), ((a, b), (1.5, -0.5)), ((a, b), (0.2, 0.3, 0.5))):
        with pytest.raises(UserError, match=r"do not fit|alone"):
            list(blend(BlendRequest(file, images, (weights,), device="cpu"), RunControl()))

    # A film that comes back makes each of its blends once, in the order of the film.
    way = around(2, 4)
    film = [event for event in blend(BlendRequest(file, (a, b), way, timestep=60, steps=2, device="cpu"), RunControl()) if isinstance(event, BlendReady)]
    assert [event.weights for event in film] == list(way)
    assert all(film[i].image is film[8 - i].image for i in range(1, 4))


def test_weights_make_room_and_add_up() -> None:
    assert with_share((0.5, 0.25, 0.25), 0, 0.2) == pytest.approx((0.2, 0.4, 0.4))
    assert with_share((1.0, 0.0, 0.0), 0, 0.4) == pytest.approx((0.4, 0.3, 0.3)), "where the others have nothing, they share evenly"
    assert with_one_more(pair(0.5)) == pytest.approx(equal(3))
    assert without((0.2, 0.3, 0.5), 0) == pytest.approx((0.375, 0.625))
    assert without((0.0, 0.0, 1.0), 2) == (0.5, 0.5)
    assert normalized((2, 1, 1)) == (0.5, 0.25, 0.25)
    assert along(2, 0.3) == pair(0.3)
    assert along(4, 1.25) == (0.0, 0.75, 0.25, 0.0)
    assert along(4, 3.0) == (0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize("count", [2, 3, 6])
def test_an_endless_way_passes_every_picture_gently(count: int) -> None:
    way = around(count, 8)
    assert len(way) == 8 * count
    assert [weights.index(1.0) for weights in way[::8]] == list(range(count))
    assert all(sum(weights) == pytest.approx(1) for weights in way)
    steps = [sum(abs(a - b) for a, b in zip(one, other, strict=True)) / 2 for one, other in zip(way, (*way[1:], way[0]), strict=True)]
    assert steps[0] < steps[3] > steps[7]
    assert max(steps) < 0.2, "nowhere a jump, not even from the last to the first"
    if count == 2:
        assert set(way[9:]) == set(way[1:8]), "there and back by the same mixtures"
