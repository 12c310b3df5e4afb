"""Sums of quiet steps, and losses that stick out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ddpm_studio.training.tally import NotFinite, SpikeWatch, Tally


def test_means_and_clearing() -> None:
    tally = Tally(torch.device("cpu"))
    for loss, norm in ((1.0, 2.0), (3.0, 6.0)):
        tally.add(torch.tensor(loss), torch.tensor(norm))
    assert tally.means(2) == (2.0, 4.0)
    tally.clear()
    assert tally.steps == 0
    tally.add(torch.tensor(5.0), torch.tensor(1.0))
    assert tally.means(3) == (5.0, 1.0)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("where", [0, 1])
def test_one_bad_number_among_good_ones_is_noticed(bad: float, where: int) -> None:
    tally = Tally(torch.device("cpu"))
    values = [1.0, 1.0]
    values[where] = bad
    for pair in ((1.0, 1.0), values, (1.0, 1.0)):
        tally.add(*(torch.tensor(value) for value in pair))
    with pytest.raises(NotFinite) as caught:
        tally.means(7)
    assert caught.value.step == 7


def test_spikes_stick_out_and_noise_does_not() -> None:
    """On a falling, noisy curve as training draws it, with three spikes put in: those and no others are found."""
    rng = np.random.default_rng(0)
    steps = np.arange(3000)
    losses = (0.03 + np.exp(-steps / 200)) * rng.lognormal(0, 0.15, len(steps))
    spikes = [500, 1500, 1501]
    losses[spikes] *= 4
    watch = SpikeWatch()
    assert [int(step) for step in steps if watch.is_spike(float(losses[step]))] == spikes


def test_a_level_that_stays_high_is_soon_the_usual_one() -> None:
    watch = SpikeWatch()
    for _ in range(100):
        watch.is_spike(1.0)
    found = [watch.is_spike(5.0) for _ in range(400)]
    assert found[0]
    assert not any(found[-50:])
