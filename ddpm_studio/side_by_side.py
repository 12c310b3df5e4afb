"""Parts of a batch side by side, each on cores of its own.

PyTorch spreads every operation over all cores of a processor. The operations of small networks are so small that the
cores then wait for each other half of the time (docs/MEASUREMENTS.md). Here each takes some pictures of the batch through
the whole network. On other devices than the processor nothing is divided.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor

Part = TypeVar("Part")
Result = TypeVar("Result")


def count_parts(pictures: int, smallest: int, device: torch.device) -> int:
    """In how many parts to compute a batch: one for each core, but none of fewer than `smallest` pictures."""
    return max(1, min(torch.get_num_threads(), pictures // smallest)) if device.type == "cpu" else 1


def side_by_side(work: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
    """work(part) for each part at the same time, in the caller's gradient mode; the results in the order of the parts.

    Raises what the first of them raised, when all have ended.
    """
    if len(parts) == 1:
        return [work(parts[0])]
    with_gradients = torch.is_grad_enabled()  # each thread has a mode of its own

    def run(part: Part) -> Result:
        with torch.set_grad_enabled(with_gradients):
            return work(part)

    pool = _pool(len(parts), max(1, torch.get_num_threads() // len(parts)))
    running = [pool.submit(run, part) for part in parts]
    wait(running)
    return [future.result() for future in running]


def on_one_core(work: Callable[[], Result]) -> Result:
    """work(), on one core: for many operations on small tensors, where waking the others takes longer than the work."""
    return _pool(1, 1).submit(work).result()


class SideBySide:
    """A network whose batches are computed in parts, side by side: the same answers to rounding."""

    SMALLEST = 2
    """Pictures that a part must have at least: with fewer, PyTorch's own way is as fast."""

    def __init__(self, network: Callable[..., Tensor]) -> None:
        self.network = network

    def __call__(self, x_t: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
        parts = count_parts(len(x_t), self.SMALLEST, x_t.device)
        if parts == 1 or cond is not None:
            return self.network(x_t, t, cond)
        return torch.cat(side_by_side(lambda part: self.network(*part), list(zip(x_t.tensor_split(parts), t.tensor_split(parts), strict=True))))


@cache
def _pool(workers: int, threads_each: int) -> ThreadPoolExecutor:
    """Threads that compute with so many cores each."""
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(workers, "side-by-side", initializer=_compute_with, initargs=(threads_each,))
    all_there = threading.Barrier(workers)
    wait([pool.submit(all_there.wait) for _ in range(workers)])
    torch.set_num_threads(threads)  # what the workers did counts for all threads that are yet to come, too
    return pool


def _compute_with(threads: int) -> None:
    """Sets how many cores the current thread computes with."""
    torch.get_num_threads()  # the first question takes over the number of all: asked later, it would undo what is set here
    torch.set_num_threads(threads)
