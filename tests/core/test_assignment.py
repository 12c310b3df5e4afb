"""Dealing out the noises of a batch, against trying all orders."""

from __future__ import annotations

import itertools

import torch

from ddpm_studio.diffusion.assignment import assign_noise


def test_no_other_order_is_nearer() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        x_start, noise = torch.randn(5, 1, 3, 3, generator=generator), torch.randn(5, 1, 3, 3, generator=generator)
        dealt = assign_noise(x_start, noise)
        best = min((x_start - noise[list(order)]).square().sum().item() for order in itertools.permutations(range(5)))
        assert (x_start - dealt).square().sum().item() <= best * (1 + 1e-6)
        assert sorted(dealt.flatten().tolist()) == sorted(noise.flatten().tolist())  # all are used, none twice
