"""The lines of progress that a log of a training holds."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from ddpm_studio.cli.show import with_progress
from ddpm_studio.events import Event, StepDone

STEPS = [StepDone(step, 32 * step, 0.25, 0.1, 1e-3, 200.0, 4.0 * step, seconds_left=120.0) for step in (10, 20, 30)]


def test_a_log_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(with_progress(STEPS, log_seconds=0.0)) == STEPS
    assert capsys.readouterr().err.splitlines()[1] == "step 20  loss 0.2500  200 images/s  1 min 20 s, 2 min 00 s left"
    list(with_progress(STEPS))  # it takes no minute
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(os.name == "nt", reason="closing the far end of a pipe is told in another way there")
def test_a_log_that_nobody_reads_ends_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)

    def steps() -> Iterator[Event]:
        yield from STEPS

    with open(writing, "w", encoding="utf-8") as log:
        monkeypatch.setattr(sys, "stderr", log)
        assert list(with_progress(steps(), log_seconds=0.0)) == STEPS
