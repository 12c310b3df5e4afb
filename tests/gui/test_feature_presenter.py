"""Which answer belongs to which question about the inside of a network."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from pytestqt.qtbot import QtBot

from ddpm_studio.control import RunControl
from ddpm_studio.events import Event, FeaturesReady
from ddpm_studio.gui.feature_presenter import FeaturePresenter
from ddpm_studio.gui.workers import DeviceLane, Job
from ddpm_studio.requests import FeatureRequest

from .fakes import FakeJobs


def test_feature_maps_of_another_picture_are_not_taken_for_those_asked(qtbot: QtBot) -> None:
    """The answer to the question before comes late; it is remembered under its own name and not shown."""

    class Slow(FakeJobs):
        def features(self, request: FeatureRequest) -> Job:
            def job(control: RunControl) -> Iterator[Event]:
                time.sleep(0.1)
                self.calls.append(f"features {request.image[0, 0, 0]} {request.timestep}")
                yield FeaturesReady(request.block, request.timestep, request.first, 1, np.full((1, 2, 2, 1), request.image[0, 0, 0], np.uint8), 1.0)

            return job

    jobs, lane = Slow(), DeviceLane()
    presenter = FeaturePresenter(jobs, lane)
    shown: list[int] = []
    presenter.events.connect(lambda batch: shown.extend(int(event.maps.max()) for event in batch if isinstance(event, FeaturesReady)))
    for grey in (10, 20, 30):
        presenter.ask(FeatureRequest("model", "stem", np.full((2, 2, 3), grey, np.uint8), 5))
    qtbot.waitUntil(lambda: shown == [30], timeout=5000)
    assert jobs.calls == ["features 10 5", "features 30 5"], "the newest wins"
    presenter.ask(FeatureRequest("model", "stem", np.full((2, 2, 3), 10, np.uint8), 5))
    assert shown == [30, 10], "remembered"
    qtbot.waitUntil(lambda: lane.holder is None, timeout=5000)
