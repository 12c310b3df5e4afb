"""Samplers against data whose perfect denoiser is known in closed form."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from ddpm_studio.config import DiffusionConfig
from ddpm_studio.diffusion.gaussian import GaussianDiffusion
from ddpm_studio.diffusion.sampling import SAMPLE_LOOPS, SampleStep, lambda_timesteps, sampler_timesteps, spaced_timesteps
from ddpm_studio.randomness import ImageNoise

PREDICTIONS = ["epsilon", "v_prediction"]
SCHEDULES = ["linear", "cosine"]


def one_image_network(diffusion: GaussianDiffusion, x_start: Tensor, seen: list[int] | None = None) -> Callable[..., Tensor]:
    """The perfect network for a data set of one picture."""

    def network(x_t: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
        if seen is not None:
            seen.append(int(t[0]))
        noise = diffusion.noise_from_start(x_start.expand_as(x_t), x_t, t)
        return diffusion.target(x_start.expand_as(x_t), t, noise)

    return network


def last(steps: object) -> SampleStep:
    return list(steps)[-1]  # type: ignore[call-overload]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("variance", ["fixedlarge", "fixedsmall"])
@pytest.mark.parametrize(
    ("sampler", "steps", "eta"), [("ddpm", None, 0), ("ddpm", 50, 0), ("ddim", 50, 0), ("ddim", 20, 1), ("ddim", None, 0.5), ("dpmpp-2m", 20, 0), ("dpmpp-2m", 7, 0)]
)
def test_one_picture_comes_back(schedule: str, prediction: str, variance: str, sampler: str, steps: int | None, eta: float) -> None:
    diffusion = GaussianDiffusion(DiffusionConfig(beta_schedule=schedule, prediction_type=prediction, variance_type=variance))
    x_start = torch.rand(1, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) * 1.8 - 0.9
    noise = ImageNoise([5, 6])
    x_t = noise.draw(torch.empty(2, 3, 4, 4, dtype=torch.float64))
    end = last(SAMPLE_LOOPS[sampler](diffusion, one_image_network(diffusion, x_start), x_t, sampler_timesteps(sampler, diffusion, 999, steps), noise.draw, eta))
    assert (end.x_next - x_start).abs().max() < 1e-10


def test_noise_in_the_last_step_would_be_seen() -> None:
    """The oracle test can fail: the common mistake of adding noise at t = 0 leaves a deviation of sqrt(beta_0)."""
    diffusion = GaussianDiffusion(DiffusionConfig(beta_schedule="linear", prediction_type="epsilon", variance_type="fixedlarge"))
    x_start = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    noise = ImageNoise([0])
    end = last(SAMPLE_LOOPS["ddpm"](diffusion, one_image_network(diffusion, x_start), noise.draw(x_start), spaced_timesteps(999, None), noise.draw, 0.0))
    assert (end.x_next - x_start).abs().max() < 1e-10
    assert (end.x_next + float(diffusion.betas[0]) ** 0.5 * noise.draw(x_start)).abs().max() > 1e-3


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(
    ("sampler", "steps", "variance", "tolerance"),
    [("ddpm", None, "fixedsmall", 0.03), ("ddpm", None, "fixedlarge", 0.03), ("ddim", 200, "fixedsmall", 0.03), ("dpmpp-2m", 25, "fixedsmall", 0.03)],
)
def test_gaussian_data_keeps_its_mean_and_deviation(schedule: str, sampler: str, steps: int | None, variance: str, tolerance: float) -> None:
    """Data N(m, s^2): the best estimate of x_0 is linear in x_t, so nothing has to be trained."""
    mean, std, count = 0.2, 0.3, 40_000
    diffusion = GaussianDiffusion(DiffusionConfig(beta_schedule=schedule, prediction_type="epsilon", variance_type=variance, clip_x_start=False))

    def network(x_t: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
        signal, sigma = diffusion.signal_and_noise(t, x_t)
        x_start = mean + signal * std**2 / (signal**2 * std**2 + sigma**2) * (x_t - signal * mean)
        return diffusion.noise_from_start(x_start, x_t, t)

    generator = torch.Generator().manual_seed(7)

    def draw(like: Tensor) -> Tensor:
        return torch.randn(like.shape, dtype=like.dtype, generator=generator)

    x_t = draw(torch.empty(count, 1, 1, 1, dtype=torch.float64))
    samples = last(SAMPLE_LOOPS[sampler](diffusion, network, x_t, sampler_timesteps(sampler, diffusion, 999, steps), draw, 0.0)).x_next
    assert samples.mean().item() == pytest.approx(mean, abs=0.01)
    assert samples.std().item() == pytest.approx(std, rel=tolerance)


def test_the_network_sees_every_timestep_once() -> None:
    diffusion = GaussianDiffusion(DiffusionConfig(num_timesteps=1000))
    seen: list[int] = []
    x = torch.zeros(1, 1, 2, 2, dtype=torch.float64)
    noise = ImageNoise([0])
    list(SAMPLE_LOOPS["ddpm"](diffusion, one_image_network(diffusion, x, seen), noise.draw(x), spaced_timesteps(999, None), noise.draw, 0.0))
    assert seen == list(range(999, -1, -1))


@pytest.mark.parametrize("start", [0, 1, 7, 499, 999])
@pytest.mark.parametrize("steps", [None, 1, 2, 10, 50, 2000])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_timesteps_run_from_the_start_to_0(start: int, steps: int | None, schedule: str) -> None:
    diffusion = GaussianDiffusion(DiffusionConfig(beta_schedule=schedule))
    for timesteps in (spaced_timesteps(start, steps), lambda_timesteps(diffusion, start, steps)):
        assert timesteps[0] == start
        assert timesteps == sorted(set(timesteps), reverse=True)
        assert len(timesteps) == (start + 1 if steps is None else min(steps, start + 1))
        assert timesteps[-1] == 0 or len(timesteps) == 1


def test_a_picture_does_not_depend_on_its_batch() -> None:
    like = torch.empty(3, 3, 8, 8)
    together, alone = ImageNoise([4, 5, 6]), ImageNoise([5])
    for _ in range(3):
        assert torch.equal(together.draw(like)[1], alone.draw(like[:1])[0])


def test_gradients_stay_on_for_the_one_who_watches() -> None:
    diffusion = GaussianDiffusion(DiffusionConfig())
    x = torch.zeros(1, 1, 2, 2, dtype=torch.float64)
    noise = ImageNoise([0])
    for _ in SAMPLE_LOOPS["ddim"](diffusion, one_image_network(diffusion, x), noise.draw(x), [999, 500, 0], noise.draw, 0.0):
        assert torch.is_grad_enabled()
