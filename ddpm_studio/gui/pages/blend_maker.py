"""When the blend that the controls ask for is made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Slot

from ddpm_studio.blend_weights import Weights
from ddpm_studio.errors import UserError
from ddpm_studio.events import BlendReady, Event, Failed, Recreated
from ddpm_studio.gui.pages.blend_controls import BlendControls
from ddpm_studio.gui.pages.blend_single import BlendSingle
from ddpm_studio.gui.pages.recreate_offer import RecreateOffer
from ddpm_studio.gui.studio import Studio
from ddpm_studio.language import tr
from ddpm_studio.requests import BlendRequest

QUICK_STEPS, FULL_STEPS = 6, 25


class BlendMaker(QObject):
    """Quickly while something moves, at full quality when it rests, and not while nobody looks."""

    def __init__(self, studio: Studio, controls: BlendControls, single: BlendSingle, offer: RecreateOffer) -> None:
        super().__init__(single)
        self._studio, self._controls, self._single, self._offer = studio, controls, single, offer
        self.stale = True
        """The blend that is shown is not the one that the settings ask for."""
        self._held_back = False
        """It would have been made, had a training not been under way."""
        self._asked: BlendRequest | None = None
        self._settle = QTimer(self, singleShot=True, interval=300)
        self._settle.timeout.connect(self.blend)
        single.moved.connect(self.follow)
        single.released.connect(self.blend)
        controls.timestep.released.connect(self.blend)
        offer.wanted.connect(self.recreate)
        studio.blending.events.connect(self._receive)
        studio.training.state_changed.connect(self._training_changed)

    def request(self, weights: tuple[Weights, ...] | None = None, quick: bool = False, timestep: int | None = None) -> BlendRequest | None:
        """What the controls ask for; None as long as a picture is missing, or still being brought to the model's shape."""
        model, images, controls = self._studio.model, self._single.wells.images, self._controls
        if model is None or images is None:
            return None
        return BlendRequest(
            model=model.path, images=images, weights=weights or (self._single.weights,), timestep=controls.timestep.value if timestep is None else timestep,
            noise=controls.noise.currentData(), steps=QUICK_STEPS if quick else FULL_STEPS, seed=controls.seed.value(), quick=quick,
        )  # fmt: skip

    @Slot()
    def blend(self) -> None:
        """At full quality."""
        self._settle.stop()
        self._ask(quick=False)

    @Slot()
    def follow(self) -> None:
        """Something moves."""
        self._ask(quick=True)
        self._settle.start()

    def blend_unasked(self) -> None:
        """Training is interrupted by what somebody does, not by a look at the page."""
        self._held_back = self._studio.training.active
        if self._held_back:
            self.stale = True
            self._single.preview.hint = tr("Move the slider to blend; training waits meanwhile")
            self.forget()
        else:
            self.blend()

    @Slot()
    def _training_changed(self) -> None:
        """When it has ended, none has to wait any longer."""
        if self._studio.training.active:
            return
        self._single.preview.hint = tr("The blend appears here")
        self._single.show_readiness()
        if self._held_back:
            self._held_back = False
            self.blend()

    def _ask(self, quick: bool) -> None:
        self.stale = not self._single.preview.isVisible()
        if self.stale:
            return  # a blend that nobody sees takes the device from nobody; it is made when it is looked at
        request = self.request(quick=quick)
        if request:
            self._held_back = False
            self._give_up_recreating()
            self._asked = request
            self._studio.blending.blend(request, quick)

    def forget(self) -> None:
        """What is seen is not what the pictures and the model would make now; one that is being made is given up, or it would come late."""
        self._studio.blending.cancel_blend()
        self._give_up_recreating()
        self._single.forget()

    @Slot(list)
    def _receive(self, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, Failed):
                self.stale = True
                self._give_up_recreating()
            elif isinstance(event, Recreated):
                self._offer.tell(event)
            elif isinstance(event, BlendReady):
                self._single.show_blend(self._asked, event)

    # Once more.

    def request_of(self, picture: Path) -> tuple[BlendRequest, int] | None:
        """How a blend was made, with which others, and which of them it is; a word about it where its file does not say it."""
        model = self._studio.model
        try:
            return self._studio.jobs.blend_request(picture, model) if model is not None else None
        except UserError as error:
            self._studio.failed.emit(Failed.of(error))
            return None

    @Slot(Path)
    def recreate(self, picture: Path) -> None:
        """By its own recipe: sampler, steps and guide may be others than this page blends with."""
        found = self.request_of(picture)
        if found is None:
            self._offer.hide()
            return
        together, place = found
        self._settle.stop()
        self.stale = self._held_back = False
        self._asked = replace(together, weights=(together.weights[place],))
        self._offer.wait(picture)
        self._studio.blending.recreate(together, place, picture)

    def _give_up_recreating(self) -> None:
        """Something else is blended now."""
        self._offer.take_back()
        self._offer.give_up(again=True)
