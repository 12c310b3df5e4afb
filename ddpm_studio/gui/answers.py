"""What the jobs of the window answer with, beside the events that engines have for everybody."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddpm_studio.events import Event, Images
from ddpm_studio.runs import Run, RunInfo, moved

if TYPE_CHECKING:
    from ddpm_studio.gallery import Facts
    from ddpm_studio.models import GuideInfo


@dataclass(frozen=True, slots=True)
class DeviceFound(Event):
    """What this machine computes on: its kind ("cpu", "mps", "cuda") and its name for people."""

    kind: str
    words: str


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A line of the model combo box."""

    name: str
    label: str
    path: Path
    shape: tuple[int, int, int]
    """Height, width and channels of its pictures."""
    num_timesteps: int = 1000
    background: str = "white"
    examples: tuple[Path, ...] = ()
    """Pictures that it brings along to blend."""
    former: tuple[str, ...] = ()
    """What it was called before it was renamed."""

    def after_rename(self, old: Run, new: Run) -> ModelChoice:
        """The same, if it is of that run."""
        path = moved(self.path, old, new)
        if self.path != old.model_file:
            return replace(self, path=path)
        return replace(self, path=path, name=new.name, label=self.label.replace(old.name, new.name, 1), former=(old.name, *self.former))

    def was_at(self, path: Path) -> bool:
        """Whether it lay there when it was called otherwise."""
        return any(path == self.path.parent.with_name(name) / self.path.name for name in self.former)


@dataclass(frozen=True, slots=True)
class ModelsListed(Event):
    models: tuple[ModelChoice, ...]


@dataclass(frozen=True, slots=True)
class ModelAbout(Event):
    """What Generate wants to know of a model: who can guide it, and what a picture costs."""

    model: Path
    guides: tuple[GuideInfo, ...]
    gmacs: float
    """Billions of multiply-adds of one network call for one picture."""


@dataclass(frozen=True, slots=True)
class RunsListed(Event):
    """All runs, newest first."""

    runs: tuple[RunInfo, ...]


@dataclass(frozen=True, slots=True)
class SourceFound(Event):
    """What was dropped, as one folder or zip."""

    path: Path


@dataclass(frozen=True, slots=True)
class PictureLoaded(Event):
    """A picture in the shape that a model wants. `key` is whatever the asker gave."""

    key: str
    image: Images


@dataclass(frozen=True, slots=True)
class PicturesOffered(Event):
    """Pictures to pick from: where each comes from, or the picture itself, and uint8 [N, side, side, 3] to show."""

    kind: str
    sources: tuple[Path | Images, ...]
    thumbnails: Images


@dataclass(frozen=True, slots=True)
class NewestListed(Event):
    """The newest pictures of the gallery, the very newest first."""

    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class PicturesListed(Event):
    """All pictures of the gallery, newest first, and those that have a star."""

    files: tuple[Path, ...]
    stars: frozenset[str]


@dataclass(frozen=True, slots=True)
class FactsRead(Event):
    facts: tuple[Facts, ...]


@dataclass(frozen=True, slots=True)
class RecipeRead(Event):
    path: Path
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ThumbnailsMade(Event):
    pictures: tuple[tuple[Path, Images | None], ...]
    """None for a file that cannot be read."""


@dataclass(frozen=True, slots=True)
class SheetMade(Event):
    image: Images


@dataclass(frozen=True, slots=True)
class PicturesMoved(Event):
    """Of some files, which were copied or moved, and which could not be."""

    done: tuple[Path, ...]
    failed: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class NearestFound(Event):
    """The pictures of a data set that are nearest to one, by their pixels; the nearest first."""

    images: Images
    """uint8 [N, H, W, C]"""
    distances: tuple[float, ...]
    """Root of the mean squared difference, in grey levels (0 to 255)."""
    total: int
    """Among how many."""
    data: str
    """The name of the data set."""
