"""The schedules against the paper's numbers and a plain product."""

from __future__ import annotations

import math

import pytest
import torch

from ddpm_studio.diffusion.schedules import cosine_beta_schedule, linear_beta_schedule, make_betas


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


@pytest.mark.parametrize("name", ["linear", "cosine"])
@pytest.mark.parametrize("num_timesteps", [2, 10, 100, 1000, 4000])
def test_any_number_of_steps_gives_a_valid_schedule(name: str, num_timesteps: int) -> None:
    betas = make_betas(name, num_timesteps)
    assert betas.shape == (num_timesteps,)
    assert ((betas > 0) & (betas < 1)).all()
    assert (1 - betas).cumprod(0).diff().lt(0).all()
