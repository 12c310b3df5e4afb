"""Whole trajectories against the schedulers of diffusers: another implementation, with the same noise.

The network is a smooth function of x_t and t that both sides call; what is compared is what they do with its answers.
"""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from torch import Tensor

from ddpm_studio.config import DiffusionConfig
from ddpm_studio.diffusion.gaussian import GaussianDiffusion, Network
from ddpm_studio.diffusion.sampling import SAMPLE_LOOPS
from ddpm_studio.diffusion.schedules import cosine_beta_schedule
from ddpm_studio.diffusion.spacing import sampler_timesteps
from ddpm_studio.requests import Spacing
from tests.core.made_up import diffusers_or_skip

diffusers = diffusers_or_skip()

# Their schedulers hand tensors to numpy in a way that numpy wants to see changed.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PREDICTIONS = {"epsilon": "epsilon", "v_prediction": "v_prediction", "x_start": "sample"}
"""Our names of what a network predicts, and theirs."""
SCHEDULES = ["linear", "cosine"]
STEPS = [1000, 50, 20, 10]
SHAPE = (2, 3, 8, 8)


def network(x_t: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
    level = (t.to(x_t.dtype) / 1000).view(-1, 1, 1, 1)
    return torch.tanh((0.3 + level) * x_t) + 0.1 * torch.sin(3 * x_t + 2 * level)


def network_with_variance(x_t: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
    return torch.cat([network(x_t, t), torch.sin(5 * x_t)], dim=1)


def ours(sampler: str, steps: int, spacing: Spacing, prediction: str, eta: float = 0.0, net: Network = network, **config: Any) -> tuple[list[int], list[Tensor]]:
    settings = {"beta_schedule": "linear", "prediction_type": prediction, "clip_x_start": False} | config
    diffusion = GaussianDiffusion(DiffusionConfig(**settings))
    generator = torch.Generator().manual_seed(0)

    def draw(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator, dtype=like.dtype)

    x_t = draw(torch.empty(SHAPE, dtype=torch.float64))
    timesteps = sampler_timesteps(sampler, diffusion, 999, steps, spacing)  # type: ignore[arg-type]
    return timesteps, [step.x_next for step in SAMPLE_LOOPS[sampler](diffusion, net, x_t, timesteps, draw, eta)]  # type: ignore[index]


def theirs(scheduler: Any, steps: int, net: Network = network, **named: Any) -> tuple[list[int], list[Tensor]]:
    """Their x_t after each step; noise from the same source, where a scheduler takes any, as a generator or itself."""
    generator = torch.Generator().manual_seed(0)

    def given(value: Any) -> Any:
        if value is torch.Tensor:
            return torch.randn(SHAPE, generator=generator, dtype=torch.float64)
        return generator if value is torch.Generator else value

    x_t = torch.randn(SHAPE, generator=generator, dtype=torch.float64)
    scheduler.set_timesteps(steps)
    x_t = x_t * scheduler.init_noise_sigma
    trajectory = []
    for t in scheduler.timesteps:
        answer = net(scheduler.scale_model_input(x_t, t), torch.full((SHAPE[0],), int(t)))
        x_t = scheduler.step(answer, t, x_t, **{name: given(value) for name, value in named.items()}).prev_sample
        trajectory.append(x_t)
    return [int(t) for t in scheduler.timesteps], trajectory


def assert_same(mine: tuple[list[int], list[Tensor]], other: tuple[list[int], list[Tensor]]) -> None:
    assert mine[0] == other[0]
    for index, (a, b) in enumerate(zip(mine[1], other[1], strict=True)):
        assert (a - b).abs().max().item() < 1e-4 * max(1.0, b.abs().max().item()), f"after step {index}"


def common(prediction: str, spacing: Spacing, schedule: str = "linear") -> dict[str, Any]:
    """What all schedulers of theirs are told. The cosine schedule is given by its numbers, so that it is the same on both sides."""
    betas = {"trained_betas": cosine_beta_schedule(1000).tolist()} if schedule == "cosine" else {"beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}
    return {"prediction_type": PREDICTIONS[prediction], "timestep_spacing": spacing} | betas


@pytest.mark.parametrize("prediction", list(PREDICTIONS))
@pytest.mark.parametrize("steps", STEPS)
# Not fixedlarge with trailing: there they add noise to the finished picture.
@pytest.mark.parametrize(("variance", "spacing"), [("small", "leading"), ("small", "trailing"), ("small", "linspace"), ("large", "leading"), ("large", "linspace")])
def test_ddpm(prediction: str, steps: int, variance: str, spacing: Spacing) -> None:
    scheduler = diffusers.DDPMScheduler(**common(prediction, spacing), variance_type=f"fixed_{variance}", clip_sample=True)
    assert_same(ours("ddpm", steps, spacing, prediction, variance_type=f"fixed{variance}", clip_x_start=True), theirs(scheduler, steps, generator=torch.Generator))


@pytest.mark.parametrize("prediction", list(PREDICTIONS))
@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("spacing", ["leading", "linspace"])
def test_ddpm_with_learned_variance(prediction: str, steps: int, spacing: Spacing) -> None:
    """A network of 2C channels; their learned_range is the interpolation of Nichol & Dhariwal too."""
    scheduler = diffusers.DDPMScheduler(**common(prediction, spacing), variance_type="learned_range", clip_sample=True)
    mine = ours("ddpm", steps, spacing, prediction, net=network_with_variance, variance_type="learned", clip_x_start=True)
    assert_same(mine, theirs(scheduler, steps, network_with_variance, generator=torch.Generator))


@pytest.mark.parametrize("prediction", list(PREDICTIONS))
@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("spacing", ["leading", "trailing"])
@pytest.mark.parametrize("clip", [False, True])
def test_ddim(prediction: str, steps: int, eta: float, spacing: Spacing, clip: bool) -> None:
    """Where x_0 is clipped the noise must follow it, which they do only when asked."""
    scheduler = diffusers.DDIMScheduler(**common(prediction, spacing), clip_sample=clip)
    other = theirs(scheduler, steps, eta=eta, use_clipped_model_output=clip, generator=torch.Generator)
    assert_same(ours("ddim", steps, spacing, prediction, eta, clip_x_start=clip), other)


@pytest.mark.parametrize("prediction", list(PREDICTIONS))
@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_dpmpp_2m(prediction: str, steps: int, schedule: str) -> None:
    scheduler = diffusers.DPMSolverMultistepScheduler(**common(prediction, "trailing", schedule), algorithm_type="dpmsolver++", solver_order=2)
    assert_same(ours("dpmpp-2m", steps, "trailing", prediction, beta_schedule=schedule), theirs(scheduler, steps))


@pytest.mark.parametrize("prediction", list(PREDICTIONS))
@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_dpmpp_2m_sde(prediction: str, steps: int, schedule: str) -> None:
    scheduler = diffusers.DPMSolverMultistepScheduler(**common(prediction, "trailing", schedule), algorithm_type="sde-dpmsolver++", solver_order=2, final_sigmas_type="zero")
    assert_same(ours("dpmpp-2m-sde", steps, "trailing", prediction, beta_schedule=schedule), theirs(scheduler, steps, variance_noise=torch.Tensor))


@pytest.mark.parametrize("prediction", list(PREDICTIONS))
@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_unipc(prediction: str, steps: int, schedule: str) -> None:
    scheduler = diffusers.UniPCMultistepScheduler(**common(prediction, "trailing", schedule), solver_order=2, solver_type="bh2", final_sigmas_type="zero")
    assert_same(ours("unipc", steps, "trailing", prediction, beta_schedule=schedule), theirs(scheduler, steps))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])  # they have no Heun for networks that predict x_0
@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("spacing", ["leading", "trailing"])
def test_heun(prediction: str, steps: int, spacing: Spacing) -> None:
    timesteps, trajectory = theirs_in_sigma(diffusers.HeunDiscreteScheduler(**common(prediction, spacing)), steps)
    assert_same(ours("heun", steps, spacing, prediction), (timesteps, trajectory))


def theirs_in_sigma(scheduler: Any, steps: int) -> tuple[list[int], list[Tensor]]:
    """Their x is x_t / sqrt(alphas_cumprod), and each step but the last takes two calls."""
    scheduler.set_timesteps(steps)
    first = float(scheduler.sigmas[0])
    x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * (first**2 + 1) ** 0.5
    trajectory = []
    for call, t in enumerate(scheduler.timesteps):
        answer = network(scheduler.scale_model_input(x, t), torch.full((SHAPE[0],), int(t)))
        x = cast("Tensor", scheduler.step(answer, t, x).prev_sample)
        if call % 2 or call == 2 * steps - 2:
            trajectory.append(x / (float(scheduler.sigmas[scheduler.step_index]) ** 2 + 1) ** 0.5)
    return [int(t) for t in scheduler.timesteps[::2]], trajectory
