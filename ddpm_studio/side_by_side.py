"""Parts of a batch side by side, each on cores of its own.

PyTorch spreads every operation over all cores of a processor. The operations of small networks are so small that the
cores then wait for each other half of the time (docs/MEASUREMENTS.md). Here each takes some pictures of the batch through
the whole network. On other devices than the processor nothing is divided.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

import torch
from torch import Tensor

Part = TypeVar("Part")
Result = TypeVar("Result")


def count_parts(pictures: int, smallest: int, device: torch.device) -> int:
    """In how many parts to compute a batch: at most one for each core, and none of fewer than `smallest` pictures.

    The cores are dealt out evenly among them; those that are left over rest, which costs less than a part that is
    computed by several. Fewer parts than cores are 1, 2, 4, 8 ..., since each number keeps threads of its own.
    """
    cores, most = torch.get_num_threads(), max(1, pictures // smallest)
    if device.type != "cpu":
        return 1
    return cores if most >= cores else 1 << (most.bit_length() - 1)


def side_by_side(work: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
    """work(part) for each part at the same time, in the caller's gradient mode; the results in the order of the parts.

    Raises what the first of them raised, when all have ended.
    """
    if len(parts) == 1:
        return [work(parts[0])]
    run = _in_this_mode(work)
    pool = _pool(len(parts), max(1, torch.get_num_threads() // len(parts)))
    if pool is None:
        return [work(part) for part in parts]
    running = [pool.submit(run, part) for part in parts]
    try:
        wait(running)
        return [future.result() for future in running]
    finally:
        running.clear()  # or an error would keep alive, by way of this frame, all that the parts have computed


def on_one_core(work: Callable[[], Result]) -> Result:
    """work(), on one core and in the caller's gradient mode: for many operations on small tensors, where waking the other
    cores takes longer than the work."""
    pool = _pool(1, 1)
    return work() if pool is None else pool.submit(_in_this_mode(lambda _: work()), None).result()


def _in_this_mode(work: Callable[[Part], Result]) -> Callable[[Part], Result]:
    """work, with gradients or without as it is here: each thread has a mode of its own."""
    with_gradients = torch.is_grad_enabled()

    def run(part: Part) -> Result:
        with torch.set_grad_enabled(with_gradients):
            return work(part)

    return run


class SideBySide:
    """A network whose batches are computed in parts, side by side: the same answers to rounding.

    Too few pictures to be dealt out are computed by one core alone when the network is `light`, else by all cores together.
    """

    SMALLEST = 2
    """Pictures that a part must have at least."""
    LIGHT = 0.5
    """Billions of multiply-adds for a picture, up to which one core is faster than two that wait for each other."""

    def __init__(self, network: Callable[..., Tensor], light: bool = False) -> None:
        self.network, self.light = network, light

    def __call__(self, x_t: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
        parts = count_parts(len(x_t), self.SMALLEST, x_t.device)
        if cond is not None or x_t.device.type != "cpu":
            return self.network(x_t, t, cond)
        if parts > 1:
            return torch.cat(side_by_side(lambda part: self.network(*part), list(zip(x_t.tensor_split(parts), t.tensor_split(parts), strict=True))))
        return on_one_core(lambda: self.network(x_t, t)) if self.light else self.network(x_t, t)


def warm_up() -> None:
    """Make the threads that are always needed, while few others are about."""
    _pool(1, 1)
    _pool(torch.get_num_threads(), 1)


_lock = threading.Lock()
_pools: dict[tuple[int, int], ThreadPoolExecutor | None] = {}


def _pool(workers: int, threads_each: int) -> ThreadPoolExecutor | None:
    """Threads that compute with so many cores each, kept for the next time; None where the machine allows no more threads."""
    with _lock:
        if (workers, threads_each) not in _pools:
            _pools[workers, threads_each] = _make_pool(workers, threads_each)
        return _pools[workers, threads_each]


def _make_pool(workers: int, threads_each: int) -> ThreadPoolExecutor | None:
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(workers, "side-by-side", initializer=_compute_with, initargs=(threads_each,))
    all_there = threading.Barrier(workers + 1)
    try:
        for _ in range(workers):
            pool.submit(all_there.wait)
        all_there.wait()
    except BaseException as error:
        all_there.abort()  # or those that did start would wait for the others for ever
        pool.shutdown(wait=False, cancel_futures=True)
        if isinstance(error, RuntimeError | MemoryError):
            return None
        raise
    finally:
        torch.set_num_threads(threads)  # what the workers did counts for all threads that are yet to come, too
    return pool


def _compute_with(threads: int) -> None:
    """Sets how many cores the current thread computes with."""
    torch.get_num_threads()  # the first question takes over the number of all: asked later, it would undo what is set here
    torch.set_num_threads(threads)
