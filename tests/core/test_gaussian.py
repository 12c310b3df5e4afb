"""The forward process, the posterior and the loss against arithmetic done another way."""

from __future__ import annotations

import pytest
import torch

from ddpm_studio.config import DiffusionConfig
from ddpm_studio.diffusion.gaussian import GaussianDiffusion

EPSILON = DiffusionConfig(beta_schedule="linear", prediction_type="epsilon", loss_weighting="simple")
V = DiffusionConfig(beta_schedule="cosine", prediction_type="v_prediction", loss_weighting="min_snr")


def picture(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64).view(-1, 1, 1, 1)


def test_q_sample_equals_many_small_steps() -> None:
    """Equation 4 holds what equation 2 adds up to: mean and variance after t steps, followed one by one."""
    diffusion = GaussianDiffusion(EPSILON)
    mean, variance = 1.0, 0.0
    for t, beta in enumerate(diffusion.betas.tolist()):
        mean, variance = mean * (1 - beta) ** 0.5, variance * (1 - beta) + beta
        if t in (0, 1, 17, 500, 999):
            batch_t = torch.tensor([t])
            assert diffusion.q_sample(picture(1.0), batch_t, picture(0.0)).item() == pytest.approx(mean, rel=1e-10)
            assert diffusion.q_sample(picture(0.0), batch_t, picture(1.0)).item() ** 2 == pytest.approx(variance, rel=1e-10)


@pytest.mark.parametrize("t", [1, 5, 300, 999])
def test_posterior_is_bayes(t: int) -> None:
    """q(x_{t-1} | x_t, x_0) as the product of two Gaussians in x_{t-1}, without the paper's formulas."""
    diffusion = GaussianDiffusion(EPSILON)
    beta, before = diffusion.betas[t].item(), diffusion.alphas_cumprod[t - 1].item()
    x_start, x_t = 0.3, -0.8
    # Prior: N(sqrt(before) x_0, 1 - before); likelihood of x_t: N(sqrt(1 - beta) x_{t-1}, beta).
    precision = 1 / (1 - before) + (1 - beta) / beta
    expected = (before**0.5 * x_start / (1 - before) + (1 - beta) ** 0.5 * x_t / beta) / precision
    mean, variance, log_variance = diffusion.q_posterior(picture(x_start), picture(x_t), torch.tensor([t]))
    assert mean.item() == pytest.approx(expected, rel=1e-9)
    assert variance.item() == pytest.approx(1 / precision, rel=1e-9)
    assert log_variance.exp().item() == pytest.approx(1 / precision, rel=1e-9)


def test_log_variance_of_the_first_step_is_taken_from_the_second() -> None:
    diffusion = GaussianDiffusion(EPSILON)
    assert diffusion.posterior_variance[0] == 0
    assert diffusion.posterior_log_variance_clipped[0] == diffusion.posterior_log_variance_clipped[1]


@pytest.mark.parametrize("config", [EPSILON, V], ids=["epsilon", "v"])
def test_predictions_are_inverted_exactly(config: DiffusionConfig) -> None:
    diffusion = GaussianDiffusion(config)
    generator = torch.Generator().manual_seed(0)
    x_start, noise = (torch.randn(8, 3, 4, 4, dtype=torch.float64, generator=generator) for _ in range(2))
    t = torch.tensor([0, 1, 10, 100, 500, 700, 900, 990])
    x_t = diffusion.q_sample(x_start, t, noise)
    answer = diffusion.target(x_start, t, noise)
    torch.testing.assert_close(diffusion.predict_start(answer, x_t, t), x_start, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(diffusion.predict_noise(answer, x_t, t), noise, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(diffusion.noise_from_start(x_start, x_t, t), noise, rtol=1e-8, atol=1e-8)


def test_simple_loss_is_the_mean_squared_error_of_the_noise() -> None:
    diffusion = GaussianDiffusion(EPSILON)
    generator = torch.Generator().manual_seed(1)
    x_start, noise = torch.randn(4, 3, 8, 8, generator=generator), torch.randn(4, 3, 8, 8, generator=generator)
    losses = diffusion.training_losses(lambda x_t, t, cond=None: torch.zeros_like(x_t), x_start, torch.tensor([0, 9, 99, 999]), noise)
    torch.testing.assert_close(losses, noise.square().flatten(1).mean(1))


def test_min_snr_weighs_the_error_of_x_start_alike_for_both_predictions() -> None:
    """min(SNR, gamma) times the error of x_0, whatever the network predicts."""
    generator = torch.Generator().manual_seed(2)
    x_start, noise, wrong = (torch.randn(5, 1, 4, 4, dtype=torch.float64, generator=generator) for _ in range(3))
    t = torch.tensor([3, 100, 400, 700, 950])
    for prediction in ("epsilon", "v_prediction"):
        diffusion = GaussianDiffusion(DiffusionConfig(prediction_type=prediction, loss_weighting="min_snr", beta_schedule="linear"))
        x_t = diffusion.q_sample(x_start, t, noise)
        snr = diffusion.alphas_cumprod[t] / (1 - diffusion.alphas_cumprod[t])
        error = (diffusion.predict_start(wrong, x_t, t) - x_start).square().flatten(1).mean(1)
        losses = diffusion.training_losses(lambda x_t, t, cond=None: wrong, x_start, t, noise)
        torch.testing.assert_close(losses, (snr.clamp(max=5) * error), rtol=1e-4, atol=0)
