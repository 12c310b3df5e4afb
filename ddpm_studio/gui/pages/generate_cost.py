"""Who can guide the chosen model, and how long its pictures will take: asked in a worker, shown among the controls."""

from __future__ import annotations

import time

from PySide6.QtCore import QObject, Slot

from ddpm_studio.events import Event
from ddpm_studio.gui import cost
from ddpm_studio.gui.answers import ModelAbout
from ddpm_studio.gui.pages.generate_controls import GenerateControls
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.words import count, duration
from ddpm_studio.gui.workers import LatestRun
from ddpm_studio.language import tr
from ddpm_studio.requests import SampleRequest


class ModelCost(QObject):
    def __init__(self, studio: Studio, controls: GenerateControls) -> None:
        super().__init__(controls)
        self._studio, self._controls = studio, controls
        self._gmacs = 0.0
        self._request: SampleRequest | None = None
        self._gmacs_of_request = 0.0
        """Of its model: another one may be chosen before it is done."""
        self._clock: tuple[float, int] | None = None
        """When the first of the steps was done, and which one that was."""
        self._about = LatestRun(self)
        self._about.events.connect(studio.report_failures)
        self._about.events.connect(self._learn)
        controls.changed.connect(self.show)
        studio.device_found.connect(self.show)

    def ask(self) -> None:
        if self._studio.model is not None:
            self._about.request(self._studio.jobs.about_model(self._studio.model.path))

    def forget(self) -> None:
        """Another model was chosen."""
        self._gmacs = 0.0
        self._controls.set_guides(())

    @Slot(list)
    def _learn(self, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, ModelAbout) and self._studio.model is not None and event.model == self._studio.model.path:
                self._gmacs = event.gmacs
                self._controls.set_guides(event.guides)
        self.show()

    @Slot()
    def show(self) -> None:
        model = self._studio.model
        expected = None
        if model is not None:
            request = self._controls.request(model.path)
            expected = cost.seconds(request, self._studio.preferences, self._gmacs, self._studio.device)
        if expected is None:
            self._controls.say_cost("")
            return
        asked = tr("{pictures} × {calls} network calls.", pictures=count(request.count), calls=count(cost.calls(request)))
        took = duration(max(1, expected[0]))
        if expected[1]:
            self._controls.say_cost(tr("about {time}", time=took), asked + " " + tr("Measured when this model was used last on this machine."))
        else:
            tip = tr("Worked out from the multiply-adds of the network; nothing was measured with this model yet.")
            self._controls.say_cost(tr("about {time}, a guess", time=took), asked + " " + tip)

    # Measuring.

    def begin(self, request: SampleRequest | None) -> None:
        """Pictures are made from now on; None: such as tell nothing about the time."""
        self._request, self._clock, self._gmacs_of_request = request, None, self._gmacs

    def follow(self, done: int, total: int) -> None:
        """How long a network call takes, from the end of the first step to that of the last."""
        if self._request is None or not total or self._request.start:
            return
        now = time.monotonic()
        if self._clock is None:
            self._clock = (now, done)
        elif done == total:
            share = (done - self._clock[1]) / total
            if changes := cost.with_measurement(self._studio.preferences, self._request, now - self._clock[0], share, self._gmacs_of_request):
                self._studio.remember(**changes)
                self.show()
