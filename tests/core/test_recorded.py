"""When work is recorded, replayed and computed plainly, with a stand-in for CUDA's recordings: tests/core/test_cuda.py has the real ones."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from ddpm_studio import recorded
from ddpm_studio.recorded import KEPT, PLAIN_CALLS, Recorded


class Recording:
    """What it replays is twice the last input; it remembers how many there are."""

    made = 0

    def __init__(self, work: Callable[..., Sequence[Tensor]], inputs: Sequence[Tensor]) -> None:
        type(self).made += 1
        self.held = 1000

    def replay(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        return [2 * inputs[0]]


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "_Recording", Recording)
    Recording.made = 0


def plain(x: Tensor) -> Sequence[Tensor]:
    return [x + 1]


def test_work_is_replayed_after_some_plain_calls() -> None:
    work, x = Recorded(plain), torch.tensor([5.0])
    answers = [float(work(x)[0]) for _ in range(PLAIN_CALLS + 2)]
    assert answers == [6.0] * PLAIN_CALLS + [10.0] * 2
    assert Recording.made == 1


def test_only_the_shapes_used_last_are_kept() -> None:
    work = Recorded(plain)
    for size in range(1, KEPT + 3):
        for _ in range(PLAIN_CALLS):
            work(torch.ones(size))
    assert len(work.recordings) == KEPT
    assert float(work(torch.ones(KEPT + 2))[0][0]) == 2.0  # replayed
    assert Recording.made == KEPT + 2


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("CUDA error: operation not permitted when stream is capturing")])
def test_what_cannot_be_recorded_stays_plain(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    def refuse(*arguments: object) -> None:
        tries.append(arguments)
        raise error

    monkeypatch.setattr(recorded, "_Recording", refuse)
    work = Recorded(plain)
    assert [float(work(torch.tensor([1.0]))[0]) for _ in range(PLAIN_CALLS + 3)] == [2.0] * (PLAIN_CALLS + 3)
    assert len(tries) == 1


def test_what_recordings_hold_can_be_had_back() -> None:
    gc.collect()
    before = recorded.held_memory()
    work = Recorded(plain)
    for _ in range(PLAIN_CALLS):
        work(torch.ones(1))
    assert recorded.held_memory() == before + 1000
    assert recorded.forget_all()
    assert recorded.held_memory() == 0
    assert not recorded.forget_all()
    assert float(work(torch.ones(1))[0]) == 2.0  # 1 + 1: plain again


def test_one_caller_at_a_time() -> None:
    """The inputs and outputs of a recording are in one place."""
    inside, most = 0, 0

    def slow(x: Tensor) -> Sequence[Tensor]:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        threading.Event().wait(0.01)
        inside -= 1
        return [x]

    work = Recorded(slow)
    callers = [threading.Thread(target=work, args=(torch.ones(1),)) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert most == 1


def test_nothing_is_recorded_on_a_processor() -> None:
    assert not recorded.can_record(torch.device("cpu"))
