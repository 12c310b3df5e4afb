"""Threads, the newest request, and one device for all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from pytestqt.qtbot import QtBot

from ddpm_studio.control import RunControl
from ddpm_studio.errors import UserError
from ddpm_studio.events import Event, Failed, Finished, Notice, Paused, Progress
from ddpm_studio.gui import workers
from ddpm_studio.gui.workers import DeviceLane, LatestRun, RunThread


class Collector:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.batches = 0
        self.threads: set[int] = set()

    def __call__(self, batch: list[Event]) -> None:
        self.events += batch
        self.batches += 1
        self.threads.add(threading.get_ident())


@pytest.fixture(autouse=True)
def _all_ended(qtbot: QtBot) -> Iterator[None]:
    yield
    workers.stop_all()
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=5000)


def counting(number: int) -> Callable[[RunControl], Iterator[Event]]:
    def job(control: RunControl) -> Iterator[Event]:
        for i in range(number):
            yield Progress("step", i)
        yield Finished(number)

    return job


def stepping(seconds: float = 0.01) -> Callable[[RunControl], Iterator[Event]]:
    """Like a training run: goes on until it is stopped, and pauses at its gate."""

    def job(control: RunControl) -> Iterator[Event]:
        step = 0
        while not control.stopping:
            step += 1
            yield Progress("step", step)
            yield from control.gate()
            time.sleep(seconds)
        yield Finished(step, True)

    return job


def test_all_events_arrive_in_order_in_few_batches(qtbot: QtBot) -> None:
    seen = Collector()
    thread = RunThread(counting(3000))
    thread.events.connect(seen)
    with qtbot.waitSignal(thread.ended, timeout=5000):
        thread.launch()
    assert [e.done for e in seen.events if isinstance(e, Progress)] == list(range(3000))
    assert seen.events[-1] == Finished(3000)
    assert seen.batches < 100
    assert seen.threads == {threading.get_ident()}, "events are handed over in the window's thread"


def test_failure_keeps_its_place_and_its_words(qtbot: QtBot) -> None:
    def job(control: RunControl) -> Iterator[Event]:
        yield Notice("before")
        raise UserError("The disk is full.", "Free some space.")

    seen = Collector()
    thread = RunThread(job)
    thread.events.connect(seen)
    with qtbot.waitSignal(thread.ended, timeout=5000):
        thread.launch()
    assert seen.events == [Notice("before"), Failed("The disk is full.", "Free some space.", kind="UserError")]


def test_fault_of_ours_carries_its_traceback(qtbot: QtBot) -> None:
    def job(control: RunControl) -> Iterator[Event]:
        yield Notice("before")
        raise ZeroDivisionError

    seen = Collector()
    thread = RunThread(job)
    thread.events.connect(seen)
    with qtbot.waitSignal(thread.ended, timeout=5000):
        thread.launch()
    failed = seen.events[-1]
    assert isinstance(failed, Failed)
    assert "ZeroDivisionError" in failed.details


def test_discarded_thread_says_nothing_more(qtbot: QtBot) -> None:
    seen = Collector()
    thread = RunThread(stepping())
    thread.events.connect(seen)
    thread.launch()
    qtbot.waitUntil(lambda: bool(seen.events))
    with qtbot.waitSignal(thread.ended, timeout=5000):
        thread.discard()
        before = len(seen.events)
    assert len(seen.events) == before


def test_latest_request_wins_and_overtaken_events_are_dropped(qtbot: QtBot) -> None:
    started = threading.Event()

    def slow(control: RunControl) -> Iterator[Event]:
        started.set()
        while not control.stopping:
            time.sleep(0.002)
        yield Notice("overtaken")

    def quick(text: str) -> Callable[[RunControl], Iterator[Event]]:
        def job(control: RunControl) -> Iterator[Event]:
            yield Notice(text)

        return job

    seen = Collector()
    latest = LatestRun()
    latest.events.connect(seen)
    with qtbot.waitSignal(latest.idle, timeout=5000):
        latest.request(slow)
        qtbot.waitUntil(started.is_set)
        latest.request(quick("replaced before it began"))
        latest.request(quick("newest"))
    assert seen.events == [Notice("newest")]


def test_patient_answers_are_let_through(qtbot: QtBot) -> None:
    release = threading.Event()

    def brief(control: RunControl) -> Iterator[Event]:
        release.wait(5)
        yield Notice("first")

    def second(control: RunControl) -> Iterator[Event]:
        yield Notice("second")

    seen = Collector()
    latest = LatestRun()
    latest.events.connect(seen)
    with qtbot.waitSignal(latest.idle, timeout=5000):
        latest.request(brief, patient=True)
        latest.request(second)
        release.set()
    assert seen.events == [Notice("first"), Notice("second")]


def begin_training(lane: DeviceLane, job: Callable[[RunControl], Iterator[Event]]) -> tuple[RunThread, Collector]:
    made: list[RunThread] = []
    seen = Collector()

    def make() -> RunThread:
        made.append(RunThread(job))
        made[0].events.connect(seen)
        return made[0]

    lane.train(make)
    return made[0], seen


def test_borrowing_pauses_training_and_giving_back_resumes_it(qtbot: QtBot) -> None:
    lane = DeviceLane()
    thread, seen = begin_training(lane, stepping())
    qtbot.waitUntil(lambda: len(seen.events) > 3)
    began: list[bool] = []
    lane.borrow("generate", lambda: began.append(Paused() in seen.events))
    qtbot.waitUntil(lambda: bool(began))
    steps = len(seen.events)
    qtbot.wait(60)
    assert len(seen.events) <= steps + 1, "nothing is trained while somebody else computes"
    lane.give_back("generate")
    qtbot.waitUntil(lambda: len(seen.events) > steps + 5)
    assert not thread.control.pausing


def test_training_paused_by_hand_stays_paused(qtbot: QtBot) -> None:
    lane = DeviceLane()
    thread, seen = begin_training(lane, stepping())
    lane.pause_training()
    qtbot.waitUntil(lambda: Paused() in seen.events)
    began: list[bool] = []
    lane.borrow("generate", lambda: began.append(True))
    qtbot.waitUntil(lambda: bool(began))
    lane.give_back("generate")
    qtbot.wait(60)
    assert thread.control.pausing
    lane.resume_training()
    assert not thread.control.pausing


@pytest.mark.parametrize("end", ["finished", "failed"])
def test_training_that_ends_while_it_is_waited_for_frees_the_device(qtbot: QtBot, end: str) -> None:
    go = threading.Event()

    def job(control: RunControl) -> Iterator[Event]:
        yield Notice("runs")
        go.wait(5)
        if end == "failed":
            raise UserError("It broke.", "Try again.")
        yield Finished(1)

    lane = DeviceLane()
    _, seen = begin_training(lane, job)
    qtbot.waitUntil(lambda: bool(seen.events))
    began: list[bool] = []
    lane.borrow("generate", lambda: began.append(True))
    assert not began
    go.set()
    qtbot.waitUntil(lambda: bool(began), timeout=5000)


def test_borrowers_take_turns(qtbot: QtBot) -> None:
    lane = DeviceLane()
    order: list[str] = []
    lane.borrow("generate", lambda: order.append("generate"))
    lane.borrow("blend", lambda: order.append("old blend"))
    lane.borrow("blend", lambda: order.append("blend"))
    assert order == ["generate"]
    lane.give_back("generate")
    assert order == ["generate", "blend"]


def test_training_waits_for_pictures_in_the_making(qtbot: QtBot) -> None:
    lane = DeviceLane()
    lane.borrow("generate", lambda: None)
    made: list[RunThread] = []

    def make() -> RunThread:
        made.append(RunThread(stepping()))
        return made[0]

    lane.train(make)
    assert not made
    lane.give_back("generate")
    assert made
    assert lane.training_active


def test_lent_device_lingers_for_the_next_movement_of_a_slider(qtbot: QtBot) -> None:
    lane = DeviceLane()
    thread, seen = begin_training(lane, stepping())
    qtbot.waitUntil(lambda: bool(seen.events))
    began: list[int] = []
    lane.borrow("blend", lambda: began.append(1))
    qtbot.waitUntil(lambda: len(began) == 1)
    lane.give_back("blend", linger_ms=300)
    lane.borrow("blend", lambda: began.append(2))
    assert began == [1, 2], "at once: training has not gone on in between"
    lane.give_back("blend", linger_ms=20)
    qtbot.waitUntil(lambda: not thread.control.pausing)


def test_a_pause_that_was_told_too_late_lets_nobody_in(qtbot: QtBot) -> None:
    """After `withdraw` training goes on while its Paused is still on its way to the window."""
    lane = DeviceLane()
    thread, seen = begin_training(lane, stepping())
    qtbot.waitUntil(lambda: len(seen.events) > 3)
    lane._watch_training([Paused()])
    began: list[bool] = []
    lane.borrow("generate", lambda: began.append(Paused() in seen.events))
    assert thread.control.pausing
    qtbot.waitUntil(lambda: bool(began))
    assert began == [True], "not before training really waits"
