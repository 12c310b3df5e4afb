"""What is blended as long as nobody has chosen anything."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Slot

from ddpm_studio.events import Event
from ddpm_studio.gui.answers import NewestListed
from ddpm_studio.gui.pages.blend_wells import LETTERS, Source, Sources, Wells, is_same
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.workers import LatestRun

FILLED = LETTERS[:2]


class BlendDefaults(QObject):
    """The two newest pictures of the gallery, else two that the model brings along, else two of the data set, in the first
    wells, where nobody has put anything: with another model they give way to that one's own, and what cannot be read to others."""

    def __init__(self, studio: Studio, wells: Wells) -> None:
        super().__init__(wells)
        self._studio, self._wells = studio, wells
        self._newest: tuple[Path, ...] | None = None
        """Of the gallery; None as long as it has not been looked at."""
        self._unreadable: list[Source] = []
        wells.refused.connect(self._refused)
        self._gallery = LatestRun(self)
        self._gallery.events.connect(self._newest_listed)
        self._gallery.events.connect(studio.report_failures)

    def fill(self) -> None:
        """By what is known, and once more when a worker has looked at the gallery, which may be large."""
        if self._studio.model is not None and self._places:
            self._fill()
            self._look()

    def _look(self) -> None:
        self._gallery.request(self._studio.jobs.newest_pictures(len(FILLED) + len(self._unreadable)))

    @Slot(str)
    def _refused(self, letter: str) -> None:
        """What is seen there stays meanwhile, and nobody has chosen that either."""
        offered, sources = self._wells.offered, self._wells.sources
        self._unreadable.append(offered.pop(letter))
        if letter in sources:
            offered[letter] = sources[letter]
        self._newest = None  # it holds one that is gone, perhaps
        self._look()

    @Slot(list)
    def _newest_listed(self, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, NewestListed) and event.files != self._newest:
                self._newest = event.files
                self._fill()

    def _fill(self) -> None:
        model, places = self._studio.model, self._places
        if model is None or self._newest is None:
            return
        known: list[Source] = [*self._newest, *model.examples, *self._studio.examples[: len(FILLED)]]
        candidates = [source for source in known if not any(is_same(source, other) for other in self._unreadable)][: len(FILLED)]
        if len(candidates) == len(FILLED):
            for letter, source in zip(FILLED, candidates, strict=True):
                if letter in places and not is_same(self._wells.offered.get(letter), source):
                    self._wells.set_source(letter, source, quiet=True)

    @property
    def _places(self) -> list[str]:
        """Where nobody has put anything."""
        return [letter for letter in FILLED if letter not in self._wells.sources or self._is_filled(letter)]

    def _is_filled(self, letter: str) -> bool:
        """By nobody's choice."""
        return letter in self._wells.offered and self._wells.sources.get(letter) is self._wells.offered[letter]

    # What was chosen, as something that can be taken back.

    def chosen(self) -> Sources:
        """What somebody has put into the wells; None where nobody has."""
        return Sources(None if self._is_filled(letter) else self._wells.sources.get(letter) for letter in self._wells.letters)

    def put_back(self, chosen: Sources) -> None:
        self._wells.hold([source if source is not None else self._wells.offered.get(letter) for letter, source in zip(LETTERS, chosen, strict=False)])
