"""The bound's parts against numeric integration, and the whole where it is known in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ddpm_studio.config import DiffusionConfig
from ddpm_studio.diffusion.gaussian import GaussianDiffusion
from ddpm_studio.diffusion.likelihood import Bound, discretized_gaussian_log_likelihood, normal_kl, prior_term, variational_bound, vlb_terms

EPSILON = DiffusionConfig(beta_schedule="linear", prediction_type="epsilon", loss_weighting="simple", clip_x_start=False)


def scalar(value: float) -> Tensor:
    return torch.full((1, 1, 1, 1), value, dtype=torch.float64)


def integrated_kl(mean1: float, variance1: float, mean2: float, variance2: float) -> float:
    """KL divergence by adding up p log(p / q) over a fine grid."""
    deviation = variance1**0.5
    x = torch.linspace(mean1 - 12 * deviation, mean1 + 12 * deviation, 200_001, dtype=torch.float64)

    def log_density(mean: float, variance: float) -> Tensor:
        return -0.5 * ((x - mean) ** 2 / variance + math.log(2 * math.pi * variance))

    log_p = log_density(mean1, variance1)
    return float(torch.trapezoid(log_p.exp() * (log_p - log_density(mean2, variance2)), x))


@pytest.mark.parametrize("numbers", [(0.0, 1.0, 0.0, 1.0), (0.3, 0.04, -0.2, 0.09), (1.0, 2.0, 0.9, 0.5), (-2.0, 1e-4, -2.01, 2e-4)])
def test_kl_of_two_gaussians(numbers: tuple[float, float, float, float]) -> None:
    mean1, variance1, mean2, variance2 = numbers
    got = normal_kl(scalar(mean1), scalar(variance1).log(), scalar(mean2), scalar(variance2).log()).item()
    assert got == pytest.approx(integrated_kl(*numbers), rel=1e-6, abs=1e-10)


@pytest.mark.parametrize("t", [1, 30, 500, 999])
@pytest.mark.parametrize("variance_type", ["fixedsmall", "fixedlarge"])
def test_a_term_of_the_bound_is_the_kl_from_the_posterior(t: int, variance_type: str) -> None:
    diffusion = GaussianDiffusion(EPSILON.model_copy(update={"variance_type": variance_type}))
    x_start, noise, answer = 0.4, -0.7, 0.2
    batch_t = torch.tensor([t])
    x_t = diffusion.q_sample(scalar(x_start), batch_t, scalar(noise))
    before, beta, a = diffusion.alphas_cumprod_prev[t].item(), diffusion.betas[t].item(), diffusion.alphas_cumprod[t].item()
    variance = beta * (1 - before) / (1 - a)
    # Equations 10 and 11, the two means written with the noise: their difference is that of the noises.
    means = [(x_t.item() - beta / math.sqrt(1 - a) * e) / math.sqrt(1 - beta) for e in (noise, answer)]
    expected = integrated_kl(means[0], variance, means[1], variance if variance_type == "fixedsmall" else beta)
    got = vlb_terms(diffusion, scalar(answer), scalar(x_start), x_t, batch_t).item()
    assert got * math.log(2) == pytest.approx(expected, rel=1e-5)


def test_the_prior_term_is_the_kl_from_pure_noise() -> None:
    diffusion = GaussianDiffusion(DiffusionConfig(num_timesteps=20, beta_schedule="cosine"))
    diffusion.alphas_cumprod[-1] = 0.1  # enough signal left for a figure that is not all rounding
    expected = integrated_kl(math.sqrt(0.1) * 0.8, 0.9, 0.0, 1.0) / math.log(2)
    assert prior_term(diffusion, scalar(0.8)).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (0.3, 0.01), (-1.4, 0.2), (0.999, 0.001), (0.1, 1e-4)])
def test_the_256_grey_levels_share_all_probability(dtype: torch.dtype, mean: float, deviation: float) -> None:
    levels = (torch.arange(256, dtype=dtype) / 127.5 - 1).view(1, 1, 1, -1)
    log_likelihood = discretized_gaussian_log_likelihood(levels, torch.full_like(levels, mean), torch.full_like(levels, math.log(deviation)))
    assert log_likelihood.isfinite().all()
    assert log_likelihood.exp().sum().item() == pytest.approx(1, abs=1e-6 if dtype == torch.float64 else 1e-4)


def test_a_bin_is_the_integral_over_it() -> None:
    level, mean, deviation = 40 / 127.5 - 1, -0.6, 0.05
    x = torch.linspace(level - 1 / 255, level + 1 / 255, 10_001, dtype=torch.float64)
    density = torch.exp(-0.5 * ((x - mean) / deviation) ** 2) / (deviation * math.sqrt(2 * math.pi))
    got = discretized_gaussian_log_likelihood(scalar(level), scalar(mean), scalar(math.log(deviation)))
    assert got.exp().item() == pytest.approx(float(torch.trapezoid(density, x)), rel=1e-6)


def test_far_tails_stay_finite_and_differentiable() -> None:
    mean = torch.tensor([3.0], requires_grad=True)
    value = discretized_gaussian_log_likelihood(torch.tensor([-0.5]), mean, torch.tensor([-3.0]))
    value.sum().backward()  # type: ignore[no-untyped-call]
    assert value.isfinite().all()
    assert mean.grad is not None
    assert mean.grad.isfinite().all()
    assert value.item() < -1000


def test_the_bound_of_gaussian_data_is_no_less_than_its_entropy_and_close_to_it() -> None:
    """Data N(0, s^2) cut into grey levels, and its perfect network: nothing codes it in less than its entropy, and
    fixedlarge, the better choice for wide data, comes within a fifth of a bit."""
    std, count = 0.25, 4000
    generator = torch.Generator().manual_seed(0)
    levels = ((std * torch.randn(count, 1, 1, 1, dtype=torch.float64, generator=generator) + 1).clamp(0, 2) * 127.5).round() / 127.5 - 1
    entropy = math.log2(std * math.sqrt(2 * math.pi * math.e) * 127.5)

    def bound(variance_type: str, stride: int) -> Bound:
        diffusion = GaussianDiffusion(EPSILON.model_copy(update={"num_timesteps": 100, "variance_type": variance_type}))

        def network(x_t: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
            signal, sigma = diffusion.signal_and_noise(t, x_t)
            return diffusion.noise_from_start(signal * std**2 / (signal**2 * std**2 + sigma**2) * x_t, x_t, t)

        *_, (left, found) = variational_bound(diffusion, network, levels, generator, stride)
        assert left == 0
        assert found is not None
        torch.testing.assert_close(found.total, found.prior + found.between + found.decoder)
        assert found.prior.min() > -1e-9
        return found

    whole = bound("fixedlarge", 1).total.mean().item()
    assert entropy < whole < entropy + 0.2
    assert bound("fixedlarge", 3).total.mean().item() == pytest.approx(whole, abs=0.1)
    assert bound("fixedsmall", 1).total.mean().item() > whole + 0.5
