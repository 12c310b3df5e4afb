"""Pause, resume, stop: the only object that the thread of a run and the thread that watches it both touch."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ddpm_studio.events import Paused, Resumed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ddpm_studio.events import Event


class RunControl:
    """Any thread may call any method at any time."""

    def __init__(self) -> None:
        self._go = threading.Event()
        self._go.set()
        self._stop = threading.Event()
        self._checkpoint = threading.Event()

    def pause(self) -> None:
        """Ask the run to wait at its next gate; it saves first, so that others can use what it has learnt."""
        self._go.clear()

    def resume(self) -> None:
        self._go.set()

    def stop(self) -> None:
        """Ask the run to save and end at its next gate, also when it is paused."""
        self._stop.set()
        self._go.set()

    def request_checkpoint(self) -> None:
        self._checkpoint.set()

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    @property
    def pausing(self) -> bool:
        return not self._go.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait so long, but no longer than until the run is to stop; True when it is."""
        return self._stop.wait(seconds)

    def take_checkpoint_request(self) -> bool:
        """True once for each time somebody asked since the last call."""
        asked = self._checkpoint.is_set()
        self._checkpoint.clear()
        return asked

    def gate(self) -> Iterator[Event]:
        """`yield from control.gate()` once per step: waits here while the run is paused."""
        if self.pausing:
            yield Paused()
            self._go.wait()
            yield Resumed()
