"""metrics.jsonl: the numbers of a run, one event a line, so that a past run can be shown like a live one."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from ddpm_studio.errors import describe_os_error
from ddpm_studio.events import CheckpointSaved, Event, Finished, LossByNoise, Notice, StepDone, TrainingStarted, as_json
from ddpm_studio.language import tr
from ddpm_studio.runs import Run

_STEP_FIELDS = tuple(field.name for field in dataclasses.fields(StepDone))
_KEPT = (TrainingStarted, LossByNoise, CheckpointSaved, Notice, Finished)


class Journal:
    """Appends events with numbers; of the StepDone events at most one a second, or a long run would fill the disk.

    A line that cannot be written (a full disk) is left out: the curve has a gap, and the training goes on.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8", buffering=1)
        except OSError as error:
            raise describe_os_error(error, tr("write {name}", name=path.name)) from error
        self._path = path
        self._last = -1.0
        self._cut = _lacks_an_end(path)
        """The last line was cut off: by a crash of the last process, or by a full disk."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with contextlib.suppress(OSError):
            self._file.close()

    def write(self, event: Event) -> None:
        if isinstance(event, StepDone):
            if time.monotonic() - self._last < 1.0 and not event.spike:
                return
            self._last = time.monotonic()
        elif not isinstance(event, _KEPT):
            return
        try:
            self._cut = self._cut and _lacks_an_end(self._path)  # of what could not be written nothing may have come through
            self._file.write(("\n" if self._cut else "") + as_json(event) + "\n")
            self._cut = False
        except OSError:
            self._cut = True


class JournalReader:
    """The numbers of a run, also while another process goes on writing them."""

    def __init__(self, run: Run) -> None:
        self._path = run.journal_file
        self._position = 0

    def read_new(self) -> list[StepDone | LossByNoise]:
        """What was added since the last call. Other lines, and those that were cut off or altered, are passed over; steps
        that were made again after a resume replace those of the first time."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._position)
                lines = file.read().rpartition(b"\n")[0]
        except OSError:
            return []
        self._position += len(lines) + bool(lines)
        found: list[StepDone | LossByNoise] = []
        for line in lines.splitlines():
            if event := _event(line):
                last = event.step if isinstance(event, LossByNoise) else event.step - 1  # what is measured after a step belongs to it
                while found and found[-1].step > last:
                    found.pop()
                found.append(event)
        return found


def read_journal(run: Run) -> list[StepDone]:
    """The steps of a past run."""
    return [event for event in JournalReader(run).read_new() if isinstance(event, StepDone)]


def _event(line: bytes) -> StepDone | LossByNoise | None:
    with contextlib.suppress(ValueError, TypeError, KeyError, OverflowError, RecursionError):
        values = json.loads(line)
        if isinstance(values, dict) and values.get("event") == "step":
            step = StepDone(**{name: values[name] for name in _STEP_FIELDS if name in values})
            numbers = (step.step, step.images, step.loss, step.grad_norm, step.learning_rate, step.images_per_second, step.seconds)
            if all(isinstance(number, (int, float)) for number in numbers):
                return step
        elif isinstance(values, dict) and values.get("event") == "loss_by_noise":
            training, held_out = (tuple(float(loss) for loss in values[name]) for name in ("training", "held_out"))
            gap_error = float(values["gap_error"])
            if isinstance(values["step"], int) and training and len(held_out) in (0, len(training)) and all(map(math.isfinite, (*training, *held_out, gap_error))):
                return LossByNoise(values["step"], training, held_out, gap_error, max(1, int(values["num_timesteps"])))
    return None


def _lacks_an_end(path: Path) -> bool:
    with path.open("rb") as file:
        return file.seek(0, 2) > 0 and file.seek(-1, 2) >= 0 and file.read(1) != b"\n"


def ended_by_itself(run: Run) -> bool:
    """Whether the last thing that the run did was to reach what was asked for, rather than to be stopped or to crash."""
    try:
        with run.journal_file.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - 4096))
            last = json.loads(file.read().splitlines()[-1])
    except (OSError, ValueError, IndexError):
        return False
    return isinstance(last, dict) and last.get("event") == "finished" and last.get("stopped") is False
