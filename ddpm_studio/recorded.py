"""Work on an NVIDIA GPU recorded once and replayed as a whole (CUDA graphs).

A small network is hundreds of operations that each take the card a few microseconds and Python longer to ask for, so the
card waits most of the time (docs/MEASUREMENTS.md). A recording asks for all of them at once. The numbers are the same.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

PLAIN_CALLS = 3
"""Plain calls before work is replayed. It is recorded right after the last of them, in the same thread: libraries have then
chosen their ways there, and whatever becomes of the recording, there is an answer."""
KEPT = 2
"""Recordings that are kept for one piece of work: each holds the memory that the work needs."""
UNDER_WAY = 2
"""Replays that the card may be behind: a replay is asked for so quickly that a Cancel would come after many of them."""
Kind = tuple[Any, ...]
"""Shapes, strides and dtypes of the arguments."""

_turn = threading.RLock()
"""PyTorch allows one recording at a time in a process; and inputs and outputs belong to one caller at a time."""
_alive: weakref.WeakSet[Recorded] = weakref.WeakSet()
_log = logging.getLogger(__name__)


def can_record(device: torch.device) -> bool:
    """NVIDIA only: AMD cards call themselves cuda, too, and were never tried. DDPM_STUDIO_PLAIN=1 in the environment switches it off."""
    return device.type == "cuda" and torch.version.hip is None and not os.environ.get("DDPM_STUDIO_PLAIN")


def forget_all() -> bool:
    """Give back the memory of all recordings, for those who need it now; whether there were any. Later calls record anew."""
    with _turn:
        had = [recorded.forget() for recorded in list(_alive)]
    return any(had)


def held_memory() -> int:
    """Bytes of the card that recordings keep for their next replay. PyTorch counts them as unused, but nobody else can have them."""
    with _turn:
        return sum(recording.held for recorded in list(_alive) for recording in recorded.recordings.values())


class Recorded:
    """work(*tensors) -> tensors, replayed once it has been called a few times with tensors of the same shapes.

    The work must depend on nothing but its arguments, on tensors that are changed in place, and on PyTorch's generator; it
    must not wait for the device. What a call returns is overwritten by the next one. Work that cannot be recorded, for want
    of memory or by this driver, is computed plainly for good.
    """

    def __init__(self, work: Callable[..., Sequence[Tensor]], made_of: tuple[Any, ...] = ()) -> None:
        """`made_of`: whatever else the work depends on, for its owner to compare."""
        self._work, self.made_of = work, made_of
        self._calls: dict[Kind, int] = {}
        self._refused = False
        self.recordings: dict[Kind, _Recording] = {}
        """Those used last stand last."""
        with _turn:
            _alive.add(self)

    def __call__(self, *inputs: Tensor) -> Sequence[Tensor]:
        kind = tuple((x.shape, x.stride(), x.dtype) for x in inputs)
        with _turn:
            if recording := self.recordings.pop(kind, None):
                self.recordings[kind] = recording
                return recording.replay(inputs)
            result = self._work(*inputs)
            calls = self._calls[kind] = self._calls.get(kind, 0) + 1
            if calls >= PLAIN_CALLS and not self._refused:
                self._record(kind, inputs)
            return result

    def forget(self) -> bool:
        """Give back what the recordings hold; whether there were any."""
        with _turn:
            had = bool(self.recordings)
            self.recordings.clear()
            self._calls.clear()
            return had

    def _record(self, kind: Kind, inputs: Sequence[Tensor]) -> None:
        while len(self.recordings) >= KEPT:
            self.recordings.pop(next(iter(self.recordings)))
        try:
            self.recordings[kind] = _Recording(self._work, inputs)
        except Exception as error:  # if the card is gone, the next plain call says so
            self._refused = True
            _log.warning("Work on the graphics card cannot be recorded and stays plain: %s", error)


class _Recording:
    """One recording, with the memory that its inputs and outputs stay in."""

    def __init__(self, work: Callable[..., Sequence[Tensor]], inputs: Sequence[Tensor]) -> None:
        self._inputs = [x.clone() for x in inputs]
        self._ends = deque(torch.cuda.Event(blocking=True) for _ in range(UNDER_WAY))  # type: ignore[no-untyped-call]
        self._graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        before = _unused()
        here = torch.cuda.stream(torch.cuda.current_stream())  # where it fails, torch.cuda.graph leaves its own stream behind
        with here, torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._outputs = work(*self._inputs)
        self.held = max(0, _unused() - before)

    def replay(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        end = self._ends.popleft()
        end.synchronize()
        for own, given in zip(self._inputs, inputs, strict=True):
            own.copy_(given, non_blocking=True)
        self._graph.replay()
        end.record()
        self._ends.append(end)
        return self._outputs


def _unused() -> int:
    return torch.cuda.memory_reserved() - torch.cuda.memory_allocated()


class RecordedNetwork:
    """A network on an NVIDIA GPU whose answers come from recordings wherever no gradient is wanted: the same answers, sooner."""

    def __init__(self, network: Callable[..., Tensor]) -> None:
        self.network = network
        self._recorded = Recorded(lambda x_t, t: [network(x_t, t)])

    def __call__(self, x_t: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
        if cond is not None or torch.is_grad_enabled():
            return self.network(x_t, t, cond)
        with _turn:
            return self._recorded(x_t, t)[0].clone()
