"""Samplers against data whose perfect denoiser is known in closed form."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable

import pytest
import torch
from torch import Tensor

from ddpm_studio.config import DiffusionConfig
from ddpm_studio.diffusion.gaussian import GaussianDiffusion
from ddpm_studio.diffusion.guidance import Autoguided
from ddpm_studio.diffusion.sampling import SAMPLE_LOOPS, SampleStep
from ddpm_studio.diffusion.spacing import lambda_timesteps, leading_timesteps, sampler_timesteps, spaced_timesteps, trailing_timesteps
from ddpm_studio.randomness import ImageNoise

PREDICTIONS = ["epsilon", "x_start", "v_prediction"]
SCHEDULES = ["linear", "cosine", "sigmoid"]


def one_image_network(diffusion: GaussianDiffusion, x_start: Tensor, seen: list[int] | None = None) -> Callable[..., Tensor]:
    """The perfect network for a data set of one picture."""

    def network(x_t: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
        if seen is not None:
            seen.append(int(t[0]))
        noise = diffusion.noise_from_start(x_start.expand_as(x_t), x_t, t)
        return diffusion.target(x_start.expand_as(x_t), t, noise)

    return network


def last(steps: Iterable[SampleStep]) -> SampleStep:
    return deque(steps, maxlen=1)[0]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("variance", ["fixedlarge", "fixedsmall"])
@pytest.mark.parametrize(
    ("sampler", "steps", "eta"), [("ddpm", None, 0), ("ddpm", 50, 0), ("ddim", 50, 0), ("ddim", 20, 1), ("ddim", None, 0.5), ("dpmpp-2m", 20, 0), ("dpmpp-2m", 7, 0),
     ("unipc", 20, 0), ("unipc", 5, 0), ("unipc", 1, 0), ("heun", 10, 0), ("heun", 3, 0), ("dpmpp-2m-sde", 20, 0), ("dpmpp-2m-sde", 1, 0)],
)  # fmt: skip
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
@pytest.mark.parametrize(("prediction", "zero_terminal_snr"), [*((prediction, False) for prediction in PREDICTIONS), ("x_start", True), ("v_prediction", True)])
@pytest.mark.parametrize(
    ("sampler", "steps", "eta", "variance"),
    [("ddpm", None, 0, "fixedsmall"), ("ddpm", None, 0, "fixedlarge"), ("ddim", 200, 0, "fixedsmall"), ("ddim", None, 1, "fixedsmall"), ("dpmpp-2m", 25, 0, "fixedsmall"),
     ("unipc", 15, 0, "fixedsmall"), ("heun", 25, 0, "fixedsmall"), ("dpmpp-2m-sde", 40, 0, "fixedsmall")],
)  # fmt: skip
def test_gaussian_data_keeps_its_mean_and_deviation(schedule: str, prediction: str, zero_terminal_snr: bool, sampler: str, steps: int | None, eta: float, variance: str) -> None:
    """Data N(m, s^2): the best estimate of x_0 is linear in x_t, so nothing has to be trained, and the moments of all
    samples follow from one walk: pixel k receives the k-th noise only, and the last pixel none.

    The tolerance is for steps that are not infinitely small: 200 of DDIM with eta 1 would lose up to 5.3 % of the deviation, all 1000 lose up to 1.3 %.
    """
    mean, std = 0.2, 0.3
    diffusion = GaussianDiffusion(
        DiffusionConfig(beta_schedule=schedule, prediction_type=prediction, zero_terminal_snr=zero_terminal_snr, variance_type=variance, clip_x_start=False)
    )

    def network(x_t: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
        signal, sigma = diffusion.signal_and_noise(t, x_t)
        x_start = mean + signal * std**2 / (signal**2 * std**2 + sigma**2) * (x_t - signal * mean)
        return diffusion.target(x_start, t, diffusion.noise_from_start(x_start, x_t, t))

    timesteps = sampler_timesteps(sampler, diffusion, 999, steps, "log_snr" if sampler in ("dpmpp-2m", "dpmpp-2m-sde", "unipc") else "auto")
    noises = iter(torch.eye(len(timesteps) + 1, dtype=torch.float64).view(-1, 1, 1, 1, len(timesteps) + 1))
    end = last(SAMPLE_LOOPS[sampler](diffusion, network, next(noises), timesteps, lambda like: next(noises), eta)).x_next
    without_noise = end[..., -1:]
    assert without_noise.item() == pytest.approx(mean, abs=0.003)
    assert (end - without_noise).square().sum().sqrt().item() == pytest.approx(std, rel=0.03)


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
    for timesteps in (spaced_timesteps(start, steps), lambda_timesteps(diffusion, start, steps)):  # leading and trailing: below
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


@pytest.mark.parametrize("steps", [1, 3, 10, 50, 999, 1000])
def test_leading_ends_at_0_and_trailing_begins_at_the_start(steps: int) -> None:
    for timesteps in (leading_timesteps(999, steps), trailing_timesteps(999, steps)):
        assert timesteps == sorted(set(timesteps), reverse=True)
        assert len(timesteps) == steps
        assert all(0 <= t <= 999 for t in timesteps)
    assert leading_timesteps(999, steps)[-1] == 0
    assert trailing_timesteps(999, steps)[0] == 999


@pytest.mark.parametrize("sampler", list(SAMPLE_LOOPS))
@pytest.mark.parametrize("prediction", ["x_start", "v_prediction"])
@pytest.mark.parametrize("steps", [1, 2, 5, 40])
def test_zero_terminal_snr_walks_from_where_nothing_is_left(sampler: str, prediction: str, steps: int) -> None:
    diffusion = GaussianDiffusion(DiffusionConfig(zero_terminal_snr=True, prediction_type=prediction))
    x_start = torch.rand(1, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) * 1.8 - 0.9
    noise = ImageNoise([5, 6])
    x_t = noise.draw(torch.empty(2, 3, 4, 4, dtype=torch.float64))
    end = last(SAMPLE_LOOPS[sampler](diffusion, one_image_network(diffusion, x_start), x_t, sampler_timesteps(sampler, diffusion, 999, steps), noise.draw, 0.0))
    assert (end.x_next - x_start).abs().max() < 1e-10


@pytest.mark.parametrize("steps", [None, 20])
def test_learned_variance_at_its_ends_is_the_fixed_ones(steps: int | None) -> None:
    """A network that always says -1 for the variance walks as fixedsmall does, one that says 1 as fixedlarge."""
    x_start = torch.rand(1, 1, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) * 1.8 - 0.9
    for variance, says in (("fixedsmall", -1.0), ("fixedlarge", 1.0)):
        ends = []
        for kind in (variance, "learned"):
            diffusion = GaussianDiffusion(DiffusionConfig(variance_type=kind, prediction_type="epsilon"))
            plain = one_image_network(diffusion, x_start)

            def network(x_t: Tensor, t: Tensor, cond: Tensor | None = None, plain: Callable[..., Tensor] = plain, says: float = says) -> Tensor:
                return torch.cat([0.5 * plain(x_t, t), torch.full_like(x_t, says)], dim=1)  # half: a network that is not perfect

            noise = ImageNoise([5])
            x_t = noise.draw(torch.empty(1, 1, 3, 3, dtype=torch.float64))
            ends.append(last(SAMPLE_LOOPS["ddpm"](diffusion, network, x_t, spaced_timesteps(999, steps), noise.draw, 0.0)).x_next)
        torch.testing.assert_close(ends[0], ends[1], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("sampler", ["dpmpp-2m", "unipc", "heun"])
def test_second_order_samplers_are_of_second_order(sampler: str) -> None:
    """Twice the steps leave about a quarter of the error (in lambda, away from the ends); first order would leave half."""
    std = 0.3
    diffusion = GaussianDiffusion(DiffusionConfig(beta_schedule="linear", num_timesteps=4000, prediction_type="epsilon", clip_x_start=False))

    def network(x_t: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
        signal, sigma = diffusion.signal_and_noise(t, x_t)
        return diffusion.noise_from_start(signal * std**2 / (signal**2 * std**2 + sigma**2) * x_t, x_t, t)

    def error(steps: int) -> float:
        timesteps = lambda_timesteps(diffusion, 3200, steps)
        # The last jump, to the picture itself, is of first order in all: what counts is where it starts from.
        *_, before_last, _ = SAMPLE_LOOPS[sampler](diffusion, network, torch.ones(1, 1, 1, 1, dtype=torch.float64), timesteps, torch.zeros_like, 0.0)

        def spread(t: int) -> float:  # x_t of Gaussian data keeps its place in the distribution on its way down
            a = diffusion.alphas_cumprod[t].item()
            return (a * std**2 + 1 - a) ** 0.5

        return abs(before_last.x_next.item() * spread(3200) / spread(timesteps[-1]) - 1)

    assert error(40) < 0.35 * error(20)
    assert error(80) < 0.35 * error(40)


def test_the_sde_is_solved_to_second_order() -> None:
    """Walks of Gaussian data keep its variance if all steps are small. Twice the steps leave about a quarter of the error (away
    from the end); ancestral sampling, which is of first order, leaves half."""
    std = 0.3
    diffusion = GaussianDiffusion(DiffusionConfig(beta_schedule="linear", num_timesteps=4000, prediction_type="epsilon", clip_x_start=False))

    def network(x_t: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
        signal, sigma = diffusion.signal_and_noise(t, x_t)
        return diffusion.noise_from_start(signal * std**2 / (signal**2 * std**2 + sigma**2) * x_t, x_t, t)

    def variance(t: int) -> float:
        a = diffusion.alphas_cumprod[t].item()
        return a * std**2 + 1 - a

    def error(sampler: str, steps: int) -> float:
        timesteps = lambda_timesteps(diffusion, 3200, steps)
        # Pixel k receives the k-th noise only, as above.
        noises = iter(torch.eye(steps + 1, dtype=torch.float64).view(-1, 1, 1, 1, steps + 1))
        x_t = next(noises) * variance(3200) ** 0.5
        *_, before_last, _ = SAMPLE_LOOPS[sampler](diffusion, network, x_t, timesteps, lambda like: next(noises), 0.0)
        return abs(before_last.x_next.square().sum().item() / variance(timesteps[-1]) - 1)

    assert error("dpmpp-2m-sde", 40) < 0.35 * error("dpmpp-2m-sde", 20)
    assert error("dpmpp-2m-sde", 80) < 0.35 * error("dpmpp-2m-sde", 40)
    assert error("ddpm", 80) > 0.4 * error("ddpm", 40)


@pytest.mark.parametrize("lambda_max", [1.9, 2.5, 3.4])
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("sampler", ["dpmpp-2m-sde", "dpmpp-2m", "unipc"])
def test_what_an_early_end_costs(sampler: str, schedule: str, lambda_max: float) -> None:
    """The last estimate of x_0 is the mean of all that it could be: of Gaussian data it has the share a s^2 / (a s^2 + 1 - a)
    of their variance. (White noise of this deviation is the worst that there is; pixels of pictures say much about each other.)"""
    std = 0.3
    diffusion = GaussianDiffusion(DiffusionConfig(beta_schedule=schedule, prediction_type="v_prediction", clip_x_start=False, lambda_max=lambda_max))

    def network(x_t: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
        signal, sigma = diffusion.signal_and_noise(t, x_t)
        x_start = signal * std**2 / (signal**2 * std**2 + sigma**2) * x_t
        return diffusion.target(x_start, t, diffusion.noise_from_start(x_start, x_t, t))

    timesteps = sampler_timesteps(sampler, diffusion, 999, 60)
    a = diffusion.alphas_cumprod[timesteps[-1]].item()
    assert 0.5 * math.log(a / (1 - a)) == pytest.approx(lambda_max, abs=0.05)
    noises = iter(torch.eye(61, dtype=torch.float64).view(-1, 1, 1, 1, 61))
    end = last(SAMPLE_LOOPS[sampler](diffusion, network, next(noises), timesteps, lambda like: next(noises), 0.0)).x_next
    assert end.square().sum().item() == pytest.approx(std**2 * a * std**2 / (a * std**2 + 1 - a), rel=0.02)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("num_timesteps", [10, 100, 1000])
def test_where_there_are_too_few_timesteps_a_walk_does_not_end_early(schedule: str, num_timesteps: int) -> None:
    diffusion = GaussianDiffusion(DiffusionConfig(beta_schedule=schedule, num_timesteps=num_timesteps))
    end = sampler_timesteps("dpmpp-2m-sde", diffusion, num_timesteps - 1, 2)[-1]
    for start in {0, 1, end, end + 1, (end + num_timesteps) // 2, num_timesteps - 1}:
        for steps in (1, 2, 8, start - end, start - end + 1, start - end + 2, start, start + 1, None):
            if steps is not None and steps < 1:
                continue
            timesteps = sampler_timesteps("dpmpp-2m-sde", diffusion, start, steps)
            count = min(steps or start + 1, start + 1)
            assert len(timesteps) == count
            assert timesteps[0] == start
            assert timesteps == sorted(set(timesteps), reverse=True)
            early = start >= end and count <= start - end + 1
            assert timesteps == lambda_timesteps(diffusion, start, steps, end if early else 0)
            assert count == 1 or timesteps[-1] == (end if early else 0)


def test_heun_and_the_samplers_of_first_order_go_all_the_way() -> None:
    diffusion = GaussianDiffusion(DiffusionConfig())
    assert [sampler_timesteps(sampler, diffusion, 999, 20)[-1] for sampler in ("heun", "ddim", "ddpm")] == [0, 0, 0]


def test_autoguidance_goes_on_from_the_guide_through_the_good_one() -> None:
    def constant(value: float) -> Callable[..., Tensor]:
        return lambda x_t, t, cond=None: torch.cat([torch.full_like(x_t, value), torch.full_like(x_t, 10 * value)], dim=1)

    x_t, t = torch.zeros(2, 3, 4, 4), torch.tensor([1, 2])
    for weight, expected in ((0.0, 1.0), (1.0, 3.0), (2.5, 6.0)):
        answer = Autoguided(constant(3.0), constant(1.0), weight)(x_t, t)
        torch.testing.assert_close(answer[:, :3], torch.full_like(x_t, expected))
        torch.testing.assert_close(answer[:, 3:], torch.full_like(x_t, 30.0))
