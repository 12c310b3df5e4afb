"""Blending: which timesteps the network sees, and how much noise the mixture holds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from ddpm_studio.control import RunControl
from ddpm_studio.diffusion.interpolation import expected_std, latent_std, mix
from ddpm_studio.errors import UserError
from ddpm_studio.events import BlendReady
from ddpm_studio.model import Model, save_model
from ddpm_studio.nn.unet import UNet
from ddpm_studio.requests import NOISE_MODES, BlendRequest
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
    torch.testing.assert_close(mix(model.diffusion, x_a, x_b, 0.3, 60, noise_a, noise_b, "independent"), expected)


@pytest.mark.parametrize("lam", [0.0, 0.25, 0.5, 1.0])
def test_how_much_noise_each_way_of_mixing_holds(lam: float) -> None:
    generator = torch.Generator().manual_seed(1)
    noise_a, noise_b = (torch.randn(1, 3, 256, 256, generator=generator) for _ in range(2))
    due = {"independent": ((1 - lam) ** 2 + lam**2) ** 0.5, "shared": 1.0, "slerp": 1.0}
    for mode in NOISE_MODES:
        assert expected_std(lam, mode) == pytest.approx(due[mode])
        assert latent_std(lam, noise_a, noise_b, mode) == pytest.approx(due[mode], abs=0.01)


@pytest.mark.parametrize("mode", NOISE_MODES)
def test_ends_are_the_noisy_pictures_themselves(model: Model, mode: str) -> None:
    a, b = np.full((16, 16, 3), 40, np.uint8), np.full((16, 16, 3), 200, np.uint8)
    x_t, _, noise_a, noise_b = model.mix(a, b, [0.0, 1.0], 50, mode, 3)  # type: ignore[arg-type]

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
        request = BlendRequest(file, a, b, lams, timestep=60, sampler="ddpm", steps=10, seed=4, device="cpu")
        return [event for event in blend(request, RunControl()) if isinstance(event, BlendReady)]

    sheet = blends((0.0, 0.5, 1.0))
    assert [event.lam for event in sheet] == [0.0, 0.5, 1.0]
    assert np.abs(sheet[1].image.astype(int) - blends((0.5,))[0].image).max() <= 1
    assert sheet[1].latent_std == pytest.approx(0.71, abs=0.05)
    with pytest.raises(UserError, match="out of range"):
        list(blend(BlendRequest(file, a, b, timestep=100, device="cpu"), RunControl()))
    with pytest.raises(UserError, match="works on"):
        list(blend(BlendRequest(file, a[:8], b, timestep=50, device="cpu"), RunControl()))
