"""Ctrl-C: the work is asked to come to a good end, and only the second time it is broken off."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import time
from types import FrameType

from ddpm_studio.control import RunControl

GRACE_SECONDS = 1.0
"""A second Ctrl-C within it is the same impatience as the first."""


def stop_on_signals(control: RunControl, saying: str) -> None:
    """The first Ctrl-C (or SIGTERM, or SIGHUP) asks the run to stop, the second one ends it at once."""
    caught: list[float] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if caught and time.monotonic() - caught[0] < GRACE_SECONDS:
            return
        if caught:
            os.write(2, b"\nEnded at once; the last save stands.\n")
            os._exit(130)  # an orderly end would wait for the step that is being computed
        caught.append(time.monotonic())
        # Not from here: the signal may have come while this very thread holds a lock that stop() needs.
        _thread.start_new_thread(control.stop, ())
        if sys.stderr.isatty():
            sys.stderr.write(f"\n{saying}\n")

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # the last: the terminal was closed
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), stop)
