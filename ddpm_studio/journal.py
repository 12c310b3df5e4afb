"""metrics.jsonl: the numbers of a run, one event a line, so that a past run can be shown like a live one."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from ddpm_studio.errors import describe_os_error
from ddpm_studio.events import CheckpointSaved, Event, Finished, Notice, StepDone, TrainingStarted, as_json
from ddpm_studio.runs import Run

_KEPT = (TrainingStarted, CheckpointSaved, Notice, Finished)


class Journal:
    """Appends events with numbers; of the StepDone events at most one a second, or a long run would fill the disk."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8", buffering=1)
        except OSError as error:
            raise describe_os_error(error, f"write {path.name}") from error
        self._last = -1.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with contextlib.suppress(OSError):
            self._file.close()

    def write(self, event: Event) -> None:
        if isinstance(event, StepDone):
            if time.monotonic() - self._last < 1.0:
                return
            self._last = time.monotonic()
        elif not isinstance(event, _KEPT):
            return
        try:
            self._file.write(as_json(event) + "\n")
        except OSError as error:
            raise describe_os_error(error, "write the journal of the run") from error


def read_journal(run: Run) -> Iterator[StepDone]:
    """The steps of a past run. Lines that were cut off by a crash are passed over, and steps that were made again after
    a resume replace those of the first time."""
    names = {field.name for field in dataclasses.fields(StepDone)}
    try:
        file = run.journal_file.open(encoding="utf-8")
    except OSError:
        return
    steps: list[StepDone] = []
    with file:
        for line in file:
            with contextlib.suppress(ValueError, TypeError):
                values = json.loads(line)
                if isinstance(values, dict) and values.get("event") == "step":
                    step = StepDone(**{name: values[name] for name in names if name in values})
                    while steps and steps[-1].step >= step.step:
                        steps.pop()
                    steps.append(step)
    yield from steps


def ended_by_itself(run: Run) -> bool:
    """Whether the last thing that the run did was to reach what was asked for, rather than to be stopped or to crash."""
    try:
        with run.journal_file.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - 4096))
            last = json.loads(file.read().splitlines()[-1])
    except (OSError, ValueError, IndexError):
        return False
    return isinstance(last, dict) and last.get("event") == "finished" and last.get("stopped") is False
