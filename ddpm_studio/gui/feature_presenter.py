"""Feature maps for whoever looks inside the network."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from ddpm_studio.control import RunControl
from ddpm_studio.events import Event, FeaturesReady
from ddpm_studio.gui.jobs import Jobs
from ddpm_studio.gui.presenters import BlendPresenter
from ddpm_studio.gui.workers import DeviceLane, Job, LatestRun
from ddpm_studio.language import tr
from ddpm_studio.requests import FeatureRequest

FeatureKey = tuple[tuple[object, ...], int]
"""All that an answer depends on but t, and t."""


@dataclass(frozen=True, slots=True)
class Answered(Event):
    """Which question this is the answer to: by the time it comes, another one may have been asked."""

    key: FeatureKey
    answer: FeaturesReady


class FeaturePresenter(QObject):
    """Feature maps: the newest request wins, and what was seen before is there at once."""

    events = Signal(list)
    OWNER = "features"
    KEPT = 128
    """Answers that are remembered; one is a few kilobytes to a quarter of a megabyte."""

    def __init__(self, jobs: Jobs, lane: DeviceLane, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs, self._lane = jobs, lane
        self._seen: OrderedDict[FeatureKey, FeaturesReady] = OrderedDict()
        self._asked: FeatureKey | None = None
        self._latest = LatestRun(self)
        self._latest.events.connect(self._receive)
        self._latest.idle.connect(self._idle)

    def ask(self, request: FeatureRequest) -> None:
        key = self._asked = _feature_key(request)
        if key in self._seen:
            self._seen.move_to_end(key)
            self.cancel()
            self.events.emit([self._seen[key]])
            return
        job = _keyed(self._jobs.features(request), key)
        self._lane.borrow(self.OWNER, lambda: self._latest.request(job, patient=True), tr("Training is paused while a look inside is taken"))

    @Slot()
    def cancel(self) -> None:
        self._lane.withdraw(self.OWNER)
        self._latest.cancel()

    @Slot(list)
    def _receive(self, batch: list[Event]) -> None:
        """Let through what was asked last, and of the same what belongs to a t that the slider has just left."""
        told: list[Event] = []
        for event in batch:
            if not isinstance(event, Answered):
                told.append(event)
                continue
            self._seen[event.key] = event.answer
            if self._asked and event.key[0] == self._asked[0]:
                told.append(event.answer)
        while len(self._seen) > self.KEPT:
            self._seen.popitem(last=False)
        self.events.emit(told)

    @Slot()
    def _idle(self) -> None:
        self._lane.give_back(self.OWNER, BlendPresenter.LINGER_MS)


def _keyed(job: Job, key: FeatureKey) -> Job:
    def run(control: RunControl) -> Iterator[Event]:
        for event in job(control):
            yield Answered(key, event) if isinstance(event, FeaturesReady) else event

    return run


def _feature_key(request: FeatureRequest) -> FeatureKey:
    try:
        written = Path(request.model).stat().st_mtime_ns
    except OSError:
        written = 0
    return (str(request.model), written, request.block, hash(request.image.tobytes()), request.seed, request.first), request.timestep
