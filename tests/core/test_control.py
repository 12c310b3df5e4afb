"""Stop, pause and go on, from whatever thread and at whatever moment."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from ddpm_studio.control import RunControl
from ddpm_studio.events import Paused, Resumed
from tests.conftest import ROOT


def test_the_gate_waits_while_the_run_is_paused() -> None:
    control = RunControl()
    assert list(control.gate()) == []
    control.pause()
    threading.Timer(0.05, control.resume).start()
    assert list(control.gate()) == [Paused(), Resumed()]
    control.pause()
    threading.Timer(0.05, control.stop).start()
    assert list(control.gate()) == [Paused(), Resumed()]
    assert control.stopping


def test_waiting_ends_when_the_run_is_to_stop() -> None:
    control = RunControl()
    assert not control.wait(0.01)
    threading.Timer(0.05, control.stop).start()
    assert control.wait(30)


def test_a_request_to_save_is_taken_once() -> None:
    control = RunControl()
    assert not control.take_checkpoint_request()
    control.request_checkpoint()
    assert control.take_checkpoint_request()
    assert not control.take_checkpoint_request()


HOLDS_THE_LOCK = """
import os, signal, threading
from ddpm_studio.cli.interrupt import stop_on_signals
from ddpm_studio.control import RunControl
control = RunControl()
stop_on_signals(control, "")
with control._stop._cond:  # as Event.wait has it for a moment
    os.kill(os.getpid(), signal.SIGTERM)
    for _ in range(1000):
        pass
assert control.wait(10)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals there")
def test_a_signal_finds_its_way_while_a_lock_is_held() -> None:
    """Python runs a signal's handler in the main thread between any two instructions, also where that holds a lock."""
    done = subprocess.run([sys.executable, "-c", HOLDS_THE_LOCK], cwd=ROOT, env=dict(os.environ), timeout=30, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
