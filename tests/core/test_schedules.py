"""The schedules against the paper's numbers and a plain product."""

from __future__ import annotations

import math

import pytest
import torch

from ddpm_studio.diffusion.schedules import SCHEDULES, cosine_beta_schedule, linear_beta_schedule, make_betas, rescale_zero_terminal_snr, sigmoid_beta_schedule


def test_linear_is_the_papers() -> None:
    betas = linear_beta_schedule(1000)
    assert betas.dtype == torch.float64
    assert betas[0].item() == pytest.approx(1e-4, rel=1e-12)
    assert betas[-1].item() == pytest.approx(0.02, rel=1e-12)
    alphas_cumprod = (1 - betas).cumprod(0)
    # Arithmetic from the schedule alone: nearly half of the signal's power is left at 249, almost none at 999.
    for t, expected in ((99, 0.897), (249, 0.524), (499, 0.0786), (749, 0.00335), (999, 4.04e-5)):
        assert alphas_cumprod[t].item() == pytest.approx(expected, rel=2e-3)


def test_cumulative_product_in_plain_python() -> None:
    product = 1.0
    betas = linear_beta_schedule(1000)
    for beta, expected in zip(betas.tolist(), (1 - betas).cumprod(0).tolist(), strict=True):
        product *= 1 - beta
        assert expected == pytest.approx(product, rel=1e-12)


def test_cosine_follows_the_squared_cosine() -> None:
    betas = cosine_beta_schedule(1000)
    alphas_cumprod = (1 - betas).cumprod(0)

    def f(t: int) -> float:
        return math.cos((t / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2

    for t in (0, 10, 500, 900):
        assert alphas_cumprod[t].item() == pytest.approx(f(t + 1) / f(0), rel=1e-9)
    assert betas.max().item() == 0.999


def test_sigmoid_follows_the_sigmoid() -> None:
    alphas_cumprod = (1 - sigmoid_beta_schedule(1000)).cumprod(0)

    def f(u: float) -> float:
        return 1 / (1 + math.exp(3 - 6 * u))

    for t in (0, 10, 499, 900):
        expected = (f(1) - f((t + 1) / 1000)) / (f(1) - f(0))
        assert alphas_cumprod[t].item() == pytest.approx(expected, rel=1e-9)
    assert alphas_cumprod[499].item() == pytest.approx(0.5)  # half the way, half the signal's power


@pytest.mark.parametrize("name", list(SCHEDULES))
@pytest.mark.parametrize("num_timesteps", [2, 10, 1000])
def test_zero_terminal_snr_leaves_nothing_at_the_end_and_the_first_step_alone(name: str, num_timesteps: int) -> None:
    before, after = make_betas(name, num_timesteps), make_betas(name, num_timesteps, zero_terminal_snr=True)
    roots_before, roots = (1 - before).cumprod(0).sqrt(), (1 - after).cumprod(0).sqrt()
    assert after[0].item() == pytest.approx(before[0].item(), rel=1e-9)
    assert roots[-1] == 0
    # Lin et al.: what is rescaled is the root, linearly, so differences keep their proportions.
    torch.testing.assert_close(
        roots.diff() / roots_before.diff(), torch.full((num_timesteps - 1,), (roots[0] / (roots_before[0] - roots_before[-1])).item(), dtype=torch.float64), rtol=1e-6, atol=0
    )


def test_zero_terminal_snr_by_hand() -> None:
    """Two steps that each leave half of the power: roots sqrt(1/2) and 1/2, of which 1/2 is taken off and the first is restored."""
    betas = rescale_zero_terminal_snr(torch.tensor([0.5, 0.5], dtype=torch.float64))
    torch.testing.assert_close(betas, torch.tensor([0.5, 1.0], dtype=torch.float64))


@pytest.mark.parametrize("name", list(SCHEDULES))
@pytest.mark.parametrize("num_timesteps", [2, 10, 100, 1000, 4000])
def test_any_number_of_steps_gives_a_valid_schedule(name: str, num_timesteps: int) -> None:
    betas = make_betas(name, num_timesteps)
    assert betas.shape == (num_timesteps,)
    assert ((betas > 0) & (betas < 1)).all()
    assert (1 - betas).cumprod(0).diff().lt(0).all()
