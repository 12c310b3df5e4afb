"""How far a training has come, what its learning rate is there, and when to report, preview and save."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ddpm_studio.config import TrainConfig
from ddpm_studio.requests import TrainRequest

WARMUP_SHARE = 0.1
"""Of a run whose end is planned: the warm-up is over then, however many steps it has."""
LEAST_WARMUP = 20
"""Steps that it takes at least where the plan is one of time: the first step may have taken minutes, to be compiled."""


class Stopwatch:
    """Seconds since it was made, without those spent in pauses."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start

    @contextlib.contextmanager
    def time_out(self) -> Iterator[None]:
        """What passes within does not count."""
        before = time.monotonic()
        try:
            yield
        finally:
            self._start += time.monotonic() - before


@dataclass(slots=True)
class Plan:
    """The limits of one request: those of the request count from its start, `total_steps` from the start of the run."""

    request: TrainRequest
    config: TrainConfig
    first_step: int
    first_images: int
    watch: Stopwatch = field(default_factory=Stopwatch)

    @property
    def seconds_before(self) -> float:
        """What was done of a plan by time before this request; nothing where steps or pictures end it sooner, which count from here."""
        return self.request.seconds_done if (self.request.max_steps, self.request.max_images) == (None, None) else 0.0

    def fraction(self, step: int, images: int) -> float | None:
        """How much of what was asked for is done, 0 to 1; None without any limit."""
        request, shares = self.request, []
        if request.max_steps is not None:
            shares.append((step - self.first_step) / max(request.max_steps, 1))
        if request.max_images is not None:
            shares.append((images - self.first_images) / max(request.max_images, 1))
        if request.max_seconds is not None:
            shares.append((self.seconds_before + self.watch.seconds) / max(self.seconds_before + request.max_seconds, 1e-9))
        if self.config.total_steps is not None:
            shares.append((step - self.first_step) / max(self.config.total_steps - self.first_step, 1) if self.config.total_steps > self.first_step else 1.0)
        return min(max(shares), 1.0) if shares else None

    def learning_rate(self, step: int) -> float:
        """Linear warm-up, then constant, then linearly to 0 over the last `decay_share` of a run whose end is planned.

        Its end is planned by `total_steps` or by `max_seconds`; `max_steps` and `max_images` merely stop, so that a run
        made in pieces equals a run made in one. The warm-up takes no more than a tenth of such a run, or a short one would
        be over before it has reached its rate.
        """
        config, request = self.config, self.request
        progress, warm = [0.0], [(step + 1) / (config.warmup_steps + 1)]
        if config.total_steps is not None:
            progress.append(step / config.total_steps)
            warm.append(progress[-1] / WARMUP_SHARE)
        if request.max_seconds is not None:
            progress.append((request.seconds_done + self.watch.seconds) / max(request.seconds_done + request.max_seconds, 1e-9))
            warm.append(min(progress[-1] / WARMUP_SHARE, (step + 1) / LEAST_WARMUP))
        done, warmup = min(max(progress), 1.0), min(max(warm), 1.0)
        decay = min((1 - done) / config.decay_share, 1.0) if config.decay_share > 0 else 1.0
        # A last trace keeps the final step from being wasted.
        return config.learning_rate * warmup * max(decay, 1e-3)


def plan_notes(request: TrainRequest, seconds: float) -> dict[str, Any]:
    """What a resume must know to go on to the end that was planned by time, `seconds` after this request began; read by `runs.planned_seconds`."""
    if request.max_seconds is None:
        return {}
    return {"planned": {"seconds_done": round(request.seconds_done + seconds, 3), "seconds_left": round(max(request.max_seconds - seconds, 0.0), 3)}}


class Pace:
    """Pictures per second over the last few seconds."""

    def __init__(self, seconds: float, images: int, window: float = 5.0) -> None:
        self._window = window
        self._marks = deque([(seconds, images)])

    def mark(self, seconds: float, images: int) -> float:
        self._marks.append((seconds, images))
        while len(self._marks) > 2 and self._marks[0][0] < seconds - self._window:
            self._marks.popleft()
        (first_seconds, first_images) = self._marks[0]
        return (images - first_images) / (seconds - first_seconds) if seconds > first_seconds else 0.0


class Due:
    """True now and then: each `interval` seconds, counted from the last time."""

    def __init__(self, first: float) -> None:
        self._next = first

    def is_due(self, seconds: float) -> bool:
        return seconds >= self._next

    def again(self, seconds: float, interval: float) -> None:
        self._next = seconds + interval
