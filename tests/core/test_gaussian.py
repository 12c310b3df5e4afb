"""The forward process, the posterior and the loss against arithmetic done another way."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ddpm_studio.config import DiffusionConfig, parse_config
from ddpm_studio.diffusion.gaussian import GaussianDiffusion
from ddpm_studio.diffusion.likelihood import vlb_terms
from ddpm_studio.errors import UserError

EPSILON = DiffusionConfig(beta_schedule="linear", prediction_type="epsilon", loss_weighting="simple")
V = DiffusionConfig(beta_schedule="cosine", prediction_type="v_prediction", loss_weighting="min_snr")
X_START = DiffusionConfig(beta_schedule="sigmoid", prediction_type="x_start", loss_weighting="min_snr")
LEARNED = DiffusionConfig(beta_schedule="cosine", prediction_type="epsilon", loss_weighting="simple", variance_type="learned", clip_x_start=False)


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


@pytest.mark.parametrize("config", [EPSILON, V, X_START, LEARNED], ids=["epsilon", "v", "x_start", "learned"])
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


def test_min_snr_weighs_the_error_of_x_start_alike_for_all_predictions() -> None:
    """min(SNR, gamma) times the error of x_0, whatever the network predicts."""
    generator = torch.Generator().manual_seed(2)
    x_start, noise, wrong = (torch.randn(5, 1, 4, 4, dtype=torch.float64, generator=generator) for _ in range(3))
    t = torch.tensor([3, 100, 400, 700, 950])
    for prediction in ("epsilon", "x_start", "v_prediction"):
        diffusion = GaussianDiffusion(DiffusionConfig(prediction_type=prediction, loss_weighting="min_snr", min_snr_gamma=5, min_snr_floor=0, beta_schedule="linear"))
        x_t = diffusion.q_sample(x_start, t, noise)
        snr = diffusion.alphas_cumprod[t] / (1 - diffusion.alphas_cumprod[t])
        error = (diffusion.predict_start(wrong, x_t, t) - x_start).square().flatten(1).mean(1)
        losses = diffusion.training_losses(lambda x_t, t, cond=None: wrong, x_start, t, noise)
        torch.testing.assert_close(losses, (snr.clamp(max=5) * error), rtol=1e-4, atol=0)


def test_the_noisiest_steps_are_learnt_too() -> None:
    """Min-SNR alone gives them a weight of 2e-9, and the first guess of every walk stays noise."""
    last, first = torch.tensor([999]), torch.tensor([0])
    for prediction, alone in (("v_prediction", 2.4e-9), ("x_start", 2.4e-9), ("epsilon", 1.0)):
        weights = [GaussianDiffusion(DiffusionConfig(prediction_type=prediction, min_snr_floor=floor)).loss_weight(last).item() for floor in (0.0, 0.01)]
        assert weights == pytest.approx([alone, max(alone, 0.01)], rel=0.05)
    clean = [GaussianDiffusion(DiffusionConfig(min_snr_floor=floor)).loss_weight(first).item() for floor in (0.0, 0.01)]
    assert clean[0] == clean[1] < 0.01, "the cleanest are left as they are"
    assert GaussianDiffusion(DiffusionConfig(zero_terminal_snr=True)).loss_weight(last).item() == pytest.approx(0.1)


def test_v_is_the_velocity_on_the_circle() -> None:
    """Salimans & Ho: with signal = cos(angle) and sigma = sin(angle), v is the derivative of x_t by the angle."""
    diffusion = GaussianDiffusion(V)
    t = torch.tensor([400])
    angle = torch.acos(diffusion.alphas_cumprod[t].sqrt()).requires_grad_()
    x_start, noise = 0.3, -1.1
    (velocity,) = torch.autograd.grad(angle.cos() * x_start + angle.sin() * noise, angle)
    assert diffusion.target(picture(x_start), t, picture(noise)).item() == pytest.approx(velocity.item(), rel=1e-9)


@pytest.mark.parametrize("prediction", ["x_start", "v_prediction"])
def test_zero_terminal_snr_stays_finite_everywhere(prediction: str) -> None:
    diffusion = GaussianDiffusion(DiffusionConfig(zero_terminal_snr=True, prediction_type=prediction))
    generator = torch.Generator().manual_seed(0)
    x_start, noise = (torch.randn(2, 1, 2, 2, dtype=torch.float64, generator=generator) for _ in range(2))
    t = torch.tensor([998, 999])
    x_t = diffusion.q_sample(x_start, t, noise)
    assert torch.equal(x_t[1], noise[1])
    answer = diffusion.target(x_start, t, noise)
    torch.testing.assert_close(diffusion.predict_start(answer, x_t, t), x_start)
    torch.testing.assert_close(diffusion.predict_noise(answer, x_t, t), noise)
    for value in (*diffusion.q_posterior(x_start, x_t, t), diffusion.loss_weight(t), diffusion.reverse_log_variance(answer, x_t, t)):
        assert value.isfinite().all()


def test_zero_terminal_snr_with_epsilon_is_refused() -> None:
    with pytest.raises(UserError, match="zero_terminal_snr"):
        parse_config({"diffusion": {"zero_terminal_snr": True, "prediction_type": "epsilon"}})


def test_uniform_timesteps_are_those_of_earlier_versions() -> None:
    """The same seed must go on giving the same run."""
    drawn = GaussianDiffusion(EPSILON).draw_timesteps(100, torch.Generator().manual_seed(5))
    assert torch.equal(drawn, torch.randint(1000, (100,), generator=torch.Generator().manual_seed(5)))


def test_lognormal_timesteps_make_sigma_lognormal() -> None:
    diffusion = GaussianDiffusion(DiffusionConfig(beta_schedule="cosine", timestep_sampling="lognormal"))
    t = diffusion.draw_timesteps(50_000, torch.Generator().manual_seed(5))
    assert t.min() >= 0
    assert t.max() <= 999
    a = diffusion.alphas_cumprod[t]
    log_sigma = 0.5 * torch.log(1 / a - 1)
    assert log_sigma.median().item() == pytest.approx(-1.2, abs=0.03)
    low, high = log_sigma.quantile(torch.tensor([0.16, 0.84], dtype=torch.float64)).tolist()
    assert (high - low) / 2 == pytest.approx(1.2, abs=0.05)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_learned_variance_lies_between_the_posteriors_and_beta(share: float) -> None:
    diffusion = GaussianDiffusion(LEARNED)
    x_t, t = torch.zeros(1, 2, 3, 3, dtype=torch.float64), torch.tensor([400])
    output = torch.cat([torch.zeros_like(x_t), torch.full_like(x_t, 2 * share - 1)], dim=1)
    low, high = diffusion.posterior_variance[400].item(), diffusion.betas[400].item()
    torch.testing.assert_close(diffusion.reverse_log_variance(output, x_t, t).exp(), torch.full_like(x_t, low ** (1 - share) * high**share))


def test_hybrid_loss_moves_the_variance_by_the_bound_and_the_rest_by_the_simple_loss() -> None:
    diffusion = GaussianDiffusion(LEARNED)
    generator = torch.Generator().manual_seed(0)
    x_start, noise = (torch.randn(3, 1, 4, 4, generator=generator).clamp(-1, 1) for _ in range(2))
    t = torch.tensor([0, 200, 900])
    output = (0.1 * torch.randn(3, 2, 4, 4, generator=generator)).requires_grad_()

    def network(x_t: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
        return output

    (hybrid,) = torch.autograd.grad(diffusion.training_losses(network, x_start, t, noise).sum(), output)
    (simple,) = torch.autograd.grad((output[:, :1] - noise).square().mean(dim=(1, 2, 3)).sum(), output)
    torch.testing.assert_close(hybrid[:, :1], simple[:, :1])
    x_t = diffusion.q_sample(x_start, t, noise)
    (bound,) = torch.autograd.grad(vlb_terms(diffusion, output, x_start, x_t, t).sum(), output)
    torch.testing.assert_close(hybrid[:, 1:], bound[:, 1:])  # 0.001 T = 1 for T = 1000
    assert hybrid[:, 1:].abs().sum() > 0


@pytest.mark.parametrize("prediction", ["x_start", "v_prediction"])
def test_with_zero_terminal_snr_the_last_step_is_learnt_too(prediction: str) -> None:
    config = DiffusionConfig(prediction_type=prediction, zero_terminal_snr=True, loss_weighting="min_snr")
    weights = GaussianDiffusion(config).loss_weight(torch.arange(1000))
    assert weights[-1].item() == pytest.approx(0.1)
    assert weights[500:].min().item() == pytest.approx(0.1)
    plain = GaussianDiffusion(config.model_copy(update={"zero_terminal_snr": False, "min_snr_floor": 0.0})).loss_weight(torch.arange(1000))
    assert plain[-1].item() < 1e-3
    torch.testing.assert_close(weights[:300], plain[:300], rtol=1e-2, atol=0)  # where there is less noise than picture, nothing is lifted
    high = GaussianDiffusion(config.model_copy(update={"min_snr_floor": 0.3})).loss_weight(torch.arange(1000))
    assert high[-1].item() == pytest.approx(0.3)
