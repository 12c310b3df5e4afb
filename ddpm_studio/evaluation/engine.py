"""Scores of a model on pictures, told as events."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from ddpm_studio.control import RunControl
from ddpm_studio.data.batches import load_batch
from ddpm_studio.data.cache import open_dataset
from ddpm_studio.devices import choose_device
from ddpm_studio.diffusion import codec
from ddpm_studio.diffusion.likelihood import Bound, variational_bound
from ddpm_studio.errors import Cancelled, UserError
from ddpm_studio.events import Event, Finished, LikelihoodReady, Progress
from ddpm_studio.language import tr
from ddpm_studio.model import load_cached
from ddpm_studio.randomness import generator_at
from ddpm_studio.requests import LikelihoodRequest


def likelihood(request: LikelihoodRequest, control: RunControl) -> Iterator[Event]:
    """LikelihoodReady, then Finished: the variational bound (equation 5) of `count` pictures, chosen by the seed."""
    if request.count < 1 or request.stride < 1 or request.seed < 0:
        raise UserError(tr("The number of pictures and the stride must be at least 1, and the seed at least 0."), tr("Ask for one picture or more."))
    model = load_cached(request.model, choose_device(request.device).kind)
    try:
        dataset = yield from open_dataset(request.data, model.config.data, control)
    except Cancelled:
        yield Finished(stopped=True)
        return
    chosen = np.random.default_rng(request.seed).permutation(len(dataset))[: request.count]
    size = model.batch_size
    batches = [np.sort(chosen[i : i + size]) for i in range(0, len(chosen), size)]
    bounds: list[Bound] = []
    for number, indices in enumerate(batches):
        x_start = codec.encode(load_batch(dataset.images, dataset.rows(indices))).to(model.device)
        terms = variational_bound(model.diffusion, model.network, x_start, generator_at(request.seed, number), request.stride)
        for calls, (left, bound) in enumerate(terms, 1):
            yield Progress(tr("Adding up the bound"), number * (calls + left) + calls, len(batches) * (calls + left))
            yield from control.gate()
            if control.stopping:
                yield Finished(stopped=True)
                return
            if bound is not None:
                bounds.append(bound)
    prior, between, decoder = (torch.cat([getattr(bound, part) for bound in bounds]) for part in ("prior", "between", "decoder"))
    total = prior + between + decoder
    error = float(total.std() / len(total) ** 0.5) if len(total) > 1 else None
    yield LikelihoodReady(len(total), float(total.mean()), error, float(prior.mean()), float(between.mean()), float(decoder.mean()), model.step)
    yield Finished(step=len(total))
