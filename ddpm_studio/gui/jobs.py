"""Everything the window asks of the engines, as jobs for `workers.RunThread`.

The engines are imported inside the jobs, so in the worker thread: importing this module loads neither torch nor
Pillow. Tests put their own class in the place of `Jobs`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddpm_studio import paths
from ddpm_studio.config import DataConfig, RunConfig
from ddpm_studio.control import RunControl
from ddpm_studio.errors import UserError
from ddpm_studio.events import ArchitectureReady, Event, Finished, Images, ImageSaved, ImagesReady, Notice, PreviewReady, Progress, frozen_images
from ddpm_studio.files import replace_atomically
from ddpm_studio.language import tr
from ddpm_studio.requests import BlendRequest, SampleRequest, TrainRequest, recipe
from ddpm_studio.runs import Run

if TYPE_CHECKING:
    from ddpm_studio.gui.workers import Job
    from ddpm_studio.models import ModelInfo


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


@dataclass(frozen=True, slots=True)
class ModelsListed(Event):
    models: tuple[ModelChoice, ...]


@dataclass(frozen=True, slots=True)
class DeviceFound(Event):
    """What this machine computes on: its kind ("cpu", "mps", "cuda") and its name for people."""

    kind: str
    words: str


@dataclass(frozen=True, slots=True)
class PictureLoaded(Event):
    """A picture in the shape that a model wants. `key` is whatever the asker gave."""

    key: str
    image: Images


@dataclass(frozen=True, slots=True)
class SourceFound(Event):
    """What was dropped, as one folder or zip."""

    path: Path


class Jobs:
    """The real engines."""

    def warm_up(self) -> Job:
        """Import torch while nobody waits for it, and find out what it can compute on."""

        def job(control: RunControl) -> Iterator[Event]:
            yield Progress(tr("Loading PyTorch"))
            import torch

            from ddpm_studio import side_by_side
            from ddpm_studio.devices import choose_device

            device = choose_device()
            side_by_side.warm_up()
            yield DeviceFound(device.kind, device.label)
            parameter = torch.nn.Parameter(torch.zeros(1))
            torch.optim.Adam([parameter])
            yield Finished()

        return job

    def inspect(self, sources: list[Path], settings: DataConfig) -> Job:
        """One folder or zip, or several pictures."""

        def job(control: RunControl) -> Iterator[Event]:
            from ddpm_studio.data.cache import inspect_dataset

            source = one_source(sources)
            yield SourceFound(source)
            yield from inspect_dataset(source, settings, control)

        return job

    def train(self, request: TrainRequest) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            yield Progress(tr("Loading PyTorch"))
            from ddpm_studio.training.engine import train

            yield from train(request, control)

        return job

    def generate(self, request: SampleRequest) -> Job:
        """Pictures land in the gallery as soon as they are ready."""

        def job(control: RunControl) -> Iterator[Event]:
            yield Progress(tr("Loading PyTorch"))
            from ddpm_studio import gallery
            from ddpm_studio.sampling.engine import generate

            for event in generate(request, control):
                yield event
                if isinstance(event, ImagesReady):
                    recipes = [recipe(request, seed=seed, model_step=event.model_step) for seed in event.seeds]
                    for path in gallery.save_pictures(event.images, recipes):
                        yield ImageSaved(path)

        return job

    def blend(self, request: BlendRequest) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            from ddpm_studio.sampling.engine import blend

            yield from blend(request, control)

        return job

    def architecture(self, name: str, model: Path | RunConfig) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            yield Progress(tr("Measuring the network"))
            from ddpm_studio.models import find_model, read_header
            from ddpm_studio.nn.describe import describe_network

            if isinstance(model, RunConfig):
                config = model
            elif model.exists():
                config = read_header(find_model(model))[0]
            else:  # in training, not saved yet
                config = Run(model.parent).read_config()
            yield ArchitectureReady(name, describe_network(config))
            yield Finished()

        return job

    def replay(self, run: Run, follow: bool = False) -> Job:
        """The journal of a run, and its previews; with `follow` also what another process adds to them, as long as it trains."""

        def job(control: RunControl) -> Iterator[Event]:
            from ddpm_studio.journal import JournalReader
            from ddpm_studio.runs import is_in_training

            reader, seen = JournalReader(run), set[Path]()
            shape = run.read_config().data.shape
            following = follow and is_in_training(run)
            if following:
                yield Notice(tr("The run {name} is being trained by another window or command: it is shown as it goes, and can be changed only there.", name=run.name))
            while True:
                yield from reader.read_new()
                new = sorted(set(run.previews.glob("step_*.png")) - seen)
                seen.update(new)
                for file in new[-200:]:
                    if control.stopping:
                        break
                    if (images := split_grid(file, shape)) is not None:
                        yield PreviewReady(int(file.stem.removeprefix("step_")), images)
                if not following or control.wait(0.5):
                    break
                following = is_in_training(run)  # looked at before the last reading, so that nothing is missed
                if not following:
                    yield Notice(tr("The run {name} is not trained any more by the other window or command.", name=run.name))
            yield Finished()

        return job

    def models(self, also: Path | None = None) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            from ddpm_studio.models import list_models

            yield ModelsListed(tuple(_as_choice(info) for info in list_models(also)))
            yield Finished()

        return job

    def load_picture(self, key: str, source: Path | Images, shape: tuple[int, int, int], background: str = "white") -> Job:
        """A file or a picture of the window, in the shape that a model wants."""

        def job(control: RunControl) -> Iterator[Event]:
            from PIL import Image

            from ddpm_studio import imaging

            if isinstance(source, Path):
                picture = imaging.load_picture(source, shape, background)
            else:
                picture = imaging.fit(Image.fromarray(source[:, :, 0] if source.shape[2] == 1 else source), shape, background)
            yield PictureLoaded(key, frozen_images(picture))
            yield Finished()

        return job

    # Short enough to be called where they are needed.

    def model_step(self, model: Path) -> int | None:
        """How many steps a model was trained so far."""
        from ddpm_studio.models import find_model, read_header

        step = read_header(find_model(model))[1].get("step")
        return step if isinstance(step, int) else None

    def gallery(self) -> list[Path]:
        from ddpm_studio import gallery

        return gallery.list_pictures()

    def examples(self, model: Path) -> list[Path]:
        """The pictures that a shipped model brings along to blend."""
        return sorted(model.parent.glob("example_*.png"))

    def recipe(self, path: Path) -> dict[str, Any]:
        from ddpm_studio import gallery

        return gallery.read_recipe(path)

    def save_png(self, path: Path, image: Images, recipe: dict[str, Any]) -> None:
        from ddpm_studio import gallery, imaging

        imaging.save_png(path, image, {gallery.RECIPE_KEY: json.dumps(recipe, ensure_ascii=False)})

    def grid(self, images: Images, columns: int | None = None) -> Images:
        from ddpm_studio import imaging

        return imaging.grid(images, columns)


def one_source(sources: list[Path]) -> Path:
    """A folder or zip as it is; loose pictures are gathered in a folder of the data directory.

    Raises UserError for several folders or a mixture.
    """
    from ddpm_studio.imaging import IMAGE_SUFFIXES

    first = sources[0]
    if len(sources) == 1 and (not first.is_file() or first.suffix.lower() not in IMAGE_SUFFIXES):
        return first
    if len(sources) == 1:
        raise UserError(tr("One picture is not enough to learn from."), tr("Drop the folder that it is in, or many pictures at once."))
    if any(not path.is_file() or path.suffix.lower() == ".zip" for path in sources):
        raise UserError(tr("Only one folder or zip can be opened at a time."), tr("Put the folders into one folder and drop that; sub-folders are searched too."))
    files = sorted(sources)
    marks = [f"{path}:{path.stat().st_size}:{path.stat().st_mtime_ns}" for path in files]
    folder = paths.data_dir() / "collections" / hashlib.sha256(chr(10).join(marks).encode()).hexdigest()[:8] / f"{len(files)} of {first.parent.name or 'my pictures'}"
    folder.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(files):
        target = folder / f"{number:05d}{path.suffix}"
        if not target.exists():
            replace_atomically(target, partial(shutil.copyfile, path))
    return folder


def split_grid(file: Path, shape: tuple[int, int, int], gap: int = 2) -> Images | None:
    """The pictures of a preview that was saved as one sheet -> uint8 [N, H, W, C]; empty cells are white. None for a damaged file."""
    import numpy as np
    from PIL import Image

    try:
        with Image.open(file, formats=("PNG",)) as image:
            pixels = np.asarray(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    sheet = pixels[:, :, None] if pixels.ndim == 2 else pixels
    height, width, _ = shape
    rows, columns = range(0, sheet.shape[0], height + gap), range(0, sheet.shape[1], width + gap)
    cells = [sheet[y : y + height, x : x + width] for y in rows for x in columns]
    if not cells or any(cell.shape != shape for cell in cells):
        return None
    return frozen_images(np.stack(cells))


def _as_choice(info: ModelInfo) -> ModelChoice:
    return ModelChoice(info.name, info.label, info.path, info.shape, info.num_timesteps, info.background)
