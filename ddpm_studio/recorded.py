"""Work on an NVIDIA GPU recorded once and replayed as a whole (CUDA graphs).

A small network is hundreds of operations that each take the card a few microseconds and Python longer to ask for, so the
card waits most of the time (docs/MEASUREMENTS.md). A recording asks for all of them at once. The numbers are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

PLAIN_CALLS = 2
"""Calls before work is recorded, because what is only done twice is not worth it; and because in the first, libraries choose
their ways, which cannot be recorded."""
KEPT = 2
"""Recordings that are kept for one piece of work: each holds the memory that the work needs."""
Kind = tuple[Any, ...]
"""Shapes, strides and dtypes of the arguments."""


class Recorded:
    """work(*tensors) -> tensors, recorded when it has been called a few times with tensors of the same shapes, and replayed
    from then on.

    The work must depend on nothing but its arguments, on tensors that are changed in place, and on PyTorch's generator. What
    a call returns is overwritten by the next one.
    """

    def __init__(self, work: Callable[..., Sequence[Tensor]]) -> None:
        self._work = work
        self._known: dict[Kind, int | _Recording] = {}
        """How often each kind was computed, or its recording; those used last stand last."""

    def __call__(self, *inputs: Tensor) -> Sequence[Tensor]:
        kind = tuple((x.shape, x.stride(), x.dtype) for x in inputs)
        known = self._known.pop(kind, 0)
        while len(self._known) >= KEPT:
            self._known.pop(next(iter(self._known)))
        if isinstance(known, int) and known < PLAIN_CALLS:
            result = self._work(*inputs)
            self._known[kind] = known + 1
            return result
        recording = known if isinstance(known, _Recording) else _Recording(self._work, inputs)
        self._known[kind] = recording
        return recording.replay(inputs)


class _Recording:
    """One recording, with the memory that its inputs and outputs stay in."""

    def __init__(self, work: Callable[..., Sequence[Tensor]], inputs: Sequence[Tensor]) -> None:
        self._inputs = [x.clone() for x in inputs]
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._outputs = work(*self._inputs)

    def replay(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        for own, given in zip(self._inputs, inputs, strict=True):
            own.copy_(given, non_blocking=True)
        self._graph.replay()
        return self._outputs


class RecordedNetwork:
    """A network on an NVIDIA GPU whose answers come from recordings wherever no gradient is wanted: the same answers, sooner."""

    def __init__(self, network: Callable[..., Tensor]) -> None:
        self.network = network
        self._recorded = Recorded(lambda x_t, t: [network(x_t, t)])

    def __call__(self, x_t: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
        if cond is not None or torch.is_grad_enabled():
            return self.network(x_t, t, cond)
        return self._recorded(x_t, t)[0].clone()
