"""The order of pictures is a function of (seed, step)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ddpm_studio.data.batches import batch_indices, count_held_out, load_batch, split

EXPECTED = [0, 4, 9, 7, 1, 5, 6, 3, 8, 2, 0, 6]


@pytest.mark.parametrize(("n", "batch_size"), [(10, 4), (10, 10), (3, 8), (1, 5), (100, 7)])
def test_epochs_follow_each_other_without_gaps(n: int, batch_size: int) -> None:
    epochs = 6
    steps = -(-n * epochs // batch_size)
    row = np.concatenate([batch_indices(n, batch_size, 5, step) for step in range(steps)])
    assert row.dtype == np.int64
    assert len(row) == steps * batch_size
    for epoch in range(epochs):
        assert sorted(row[epoch * n : (epoch + 1) * n]) == list(range(n))


def test_any_step_can_be_asked_for_at_any_time() -> None:
    forward = [batch_indices(50, 8, 1, step).tolist() for step in range(40)]
    backward = [batch_indices(50, 8, 1, step).tolist() for step in reversed(range(40))][::-1]
    assert forward == backward


def test_seed_and_epoch_change_the_order() -> None:
    first = batch_indices(1000, 1000, 0, 0)
    assert (first != batch_indices(1000, 1000, 0, 1)).any()
    assert (first != batch_indices(1000, 1000, 1, 0)).any()


def test_the_order_is_the_same_in_every_process_and_version() -> None:
    assert batch_indices(10, 12, 3, 0).tolist() == EXPECTED


def test_every_picture_is_as_likely_at_every_place() -> None:
    first = np.array([batch_indices(8, 1, seed, 0)[0] for seed in range(4000)])
    counts = np.bincount(first, minlength=8)
    assert np.abs(counts - 500).max() < 100  # more than four standard deviations


def test_what_is_returned_may_be_changed() -> None:
    batch_indices(6, 6, 0, 0)[:] = 0
    assert sorted(batch_indices(6, 6, 0, 0)) == list(range(6))


@pytest.mark.parametrize("bad", [(0, 1, 0, 0), (5, 0, 0, 0), (5, 1, 0, -1)])
def test_bad_numbers(bad: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        batch_indices(*bad)


@pytest.mark.parametrize("channels", [1, 3])
def test_load_batch(channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 4, channels), dtype=np.uint8)
    images.setflags(write=False)
    batch = load_batch(images, np.array([4, 0, 4]))
    assert batch.dtype == torch.uint8
    assert batch.shape == (3, channels, 4, 4)
    assert batch.is_contiguous()
    assert (batch[0].numpy().transpose(1, 2, 0) == images[4]).all()
    assert (batch[1].numpy().transpose(1, 2, 0) == images[0]).all()


def test_held_out_pictures_are_a_function_of_the_seed_and_none_is_lost() -> None:
    learnt_from, held_out = split(1000, 20, 3)
    assert (len(learnt_from), len(held_out)) == (980, 20)
    assert sorted([*learnt_from, *held_out]) == list(range(1000))
    assert split(1000, 20, 3)[1].tolist() == held_out.tolist() != split(1000, 20, 4)[1].tolist()
    assert split(7, 0, 1)[0].tolist() == list(range(7)), "with none held out a step sees what it always saw"


def test_how_many_are_held_out() -> None:
    assert [count_held_out(n, None) for n in (1, 199, 200, 1000, 100_000)] == [0, 0, 8, 20, 64]
    assert (count_held_out(10, 0), count_held_out(10, 9)) == (0, 9)
    with pytest.raises(ValueError, match="cannot be held out"):
        count_held_out(10, 10)
