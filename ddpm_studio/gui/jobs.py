"""Everything the window asks of the engines, as jobs for `workers.RunThread`.

The engines are imported inside the jobs, so in the worker thread: importing this module loads neither torch nor
Pillow. Tests put their own class in the place of `Jobs`.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddpm_studio import paths
from ddpm_studio.config import DataConfig, RunConfig
from ddpm_studio.control import RunControl
from ddpm_studio.errors import UserError
from ddpm_studio.events import (
    DatasetReady,
    Event,
    Finished,
    Images,
    ImageSaved,
    ImagesReady,
    Notice,
    PicturesLoaded,
    Progress,
    frozen_images,
)
from ddpm_studio.files import replace_atomically
from ddpm_studio.gui.inside_jobs import InsideJobs, fitted
from ddpm_studio.gui.picture_jobs import PictureJobs
from ddpm_studio.gui.workers import Writing
from ddpm_studio.language import tr
from ddpm_studio.requests import BlendRequest, FilmRequest, SampleRequest, TrainRequest
from ddpm_studio.runs import Run, RunInfo

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

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
class RunsListed(Event):
    """All runs, newest first."""

    runs: tuple[RunInfo, ...]


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
class PicturesOffered(Event):
    """Pictures to pick from: where each comes from, or the picture itself, and uint8 [N, side, side, 3] to show."""

    kind: str
    sources: tuple[Path | Images, ...]
    thumbnails: Images


@dataclass(frozen=True, slots=True)
class SourceFound(Event):
    """What was dropped, as one folder or zip."""

    path: Path


AT_ONCE = 8000
"""Numbers of a past run that the window is given in one go: more would hold it up."""


class Jobs(InsideJobs, PictureJobs):
    """The real engines."""

    def warm_up(self) -> Job:
        """Import torch while nobody waits for it, and find out what it can compute on."""

        def job(control: RunControl) -> Iterator[Event]:
            yield Progress(tr("Loading PyTorch"))
            import gc

            import torch

            from ddpm_studio import side_by_side
            from ddpm_studio.devices import choose_device

            device = choose_device()
            side_by_side.warm_up()
            yield DeviceFound(device.kind, device.label)
            parameter = torch.nn.Parameter(torch.zeros(1))
            torch.optim.Adam([parameter])
            gc.freeze()  # a search for rubbish among the hundreds of thousands of objects of PyTorch holds the window up for 0.14 s
            yield Finished()

        return job

    def inspect(self, sources: list[Path], settings: DataConfig) -> Job:
        """One folder or zip, or several pictures."""

        def job(control: RunControl) -> Iterator[Event]:
            from ddpm_studio.data.dataset import read_name_list
            from ddpm_studio.data.doctor import examine_dataset

            source = one_source(sources)
            yield SourceFound(source)
            for event in examine_dataset(source, settings, control):
                if isinstance(event, DatasetReady) and event.contents and (file := paths.left_out_file(source)).is_file():
                    event = replace(event, contents=replace(event.contents, left_out=frozenset(read_name_list(file))))
                yield event

        return job

    def pictures(self, cache: Path, rows: npt.NDArray[np.int64]) -> Job:
        """Some pictures of a data set that has been read."""

        def job(control: RunControl) -> Iterator[Event]:
            from ddpm_studio.data.cache import load_rows

            yield PicturesLoaded(cache, rows, load_rows(cache, rows))

        return job

    def original(self, source: Path, name: str, background: str) -> Job:
        """One picture of a data set, before it is cropped."""

        def job(control: RunControl) -> Iterator[Event]:
            from ddpm_studio.data.originals import load_original

            yield load_original(source, name, background, control)

        return job

    def forecast(self, config: RunConfig, device: str, device_label: str) -> Job:
        """How fast a training with these settings may be."""

        def job(control: RunControl) -> Iterator[Event]:
            from ddpm_studio.forecast import forecast
            from ddpm_studio.nn.describe import describe_network

            yield forecast(config, device, device_label, lambda settings: describe_network(settings).gmacs)
            yield Finished()

        return job

    def remember_left_out(self, source: Path, names: frozenset[str]) -> Job:
        """Which pictures of a source are left out, for the next time that it is opened."""

        def job(control: RunControl) -> Iterator[Event]:
            from ddpm_studio.data.dataset import write_name_list

            if names:
                write_name_list(paths.left_out_file(source), sorted(names))
            else:
                paths.left_out_file(source).unlink(missing_ok=True)
            yield Finished()

        return Writing(job)

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
                    for path in gallery.save_pictures(event.images, gallery.recipes(request, event.seeds, event.model_step, event.device)):
                        yield ImageSaved(path)

        return job

    def blend(self, request: BlendRequest) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            from ddpm_studio.sampling.engine import blend

            yield from blend(request, control)

        return job

    def blends(self, requests: Sequence[BlendRequest]) -> Job:
        """One after the other, as one run: a sheet has a request for each timestep."""

        def job(control: RunControl) -> Iterator[Event]:
            for request in requests:
                for event in self.blend(request)(control):
                    if not isinstance(event, Finished):
                        yield event
                    elif event.stopped:
                        yield event
                        return
            yield Finished(step=len(requests))

        return job

    def film(self, request: FilmRequest) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            from ddpm_studio.films import write_film

            yield from write_film(request, control)

        return Writing(job)

    def offer(self, kind: str, most: int, side: int) -> Job:
        """Pictures to pick from: of the "gallery", the newest first, or the "examples" that ship with the program."""

        def job(control: RunControl) -> Iterator[Event]:
            import numpy as np
            from PIL import Image

            from ddpm_studio import imaging

            found: list[tuple[Path | Images, Images]] = []
            for source in self.gallery() if kind == "gallery" else shipped_pictures(most):
                if control.stopping or len(found) == most:
                    break
                with contextlib.suppress(UserError, OSError):  # one that cannot be read is not offered
                    picture = imaging.decode(source, side) if isinstance(source, Path) else Image.fromarray(source)
                    found.append((source, imaging.fit(picture, (side, side, 3))))
            thumbnails = np.stack([thumbnail for _, thumbnail in found]) if found else np.zeros((0, 1, 1, 3), np.uint8)
            yield PicturesOffered(kind, tuple(source for source, _ in found), frozen_images(thumbnails))
            yield Finished()

        return job

    def replay(self, run: Run, follow: bool = False) -> Job:
        """The journal of a run, and its previews; with `follow` also what another process adds to them, as long as it trains."""

        def job(control: RunControl) -> Iterator[Event]:
            from ddpm_studio.journal import JournalReader
            from ddpm_studio.previews import list_previews, read_preview
            from ddpm_studio.runs import is_in_training

            reader, seen = JournalReader(run), set[Path]()
            shape = run.read_config().data.shape
            following = follow and is_in_training(run)
            if following:
                yield Notice(tr("The run {name} is being trained by another window or command: it is shown as it goes, and can be changed only there.", name=run.name))
            while True:
                found = reader.read_new()
                for start in range(0, len(found), AT_ONCE):
                    yield from found[start : start + AT_ONCE]
                    if start + AT_ONCE < len(found) and control.wait(0.04):
                        return
                new = [file for file in list_previews(run) if file not in seen]
                seen.update(new)
                for file in spread(new, 200):
                    if control.stopping:
                        break
                    if (preview := read_preview(file, shape)) is not None:
                        yield preview
                if not following or control.wait(0.5):
                    break
                following = is_in_training(run)  # looked at before the last reading, so that nothing is missed
                if not following:
                    yield Notice(tr("The run {name} is not trained any more by the other window or command.", name=run.name))
            yield Finished()

        return job

    def list_runs(self) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            from ddpm_studio.runs import newest_runs

            found = []
            for info in newest_runs():
                if control.stopping:
                    return
                found.append(info)
            yield RunsListed(tuple(found))
            yield Finished()

        return job

    def read_runs(self, runs: Sequence[Run]) -> Job:
        """RunRead for each of them."""

        def job(control: RunControl) -> Iterator[Event]:
            from ddpm_studio.comparing import read_run

            for run in runs:
                yield read_run(run)
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
            yield PictureLoaded(key, fitted(source, shape, background))
            yield Finished()

        return job

    # Short enough to be called where they are needed.

    def model_step(self, model: Path) -> int | None:
        """How many steps a model was trained so far; None where it does not say, or has not been saved yet."""
        from ddpm_studio.models import find_model, read_header

        try:
            step = read_header(find_model(model))[1].get("step")
        except UserError:
            return None
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

    def blend_request(self, path: Path, model: ModelChoice) -> tuple[BlendRequest, int]:
        """How the blend in a PNG was made, with which others, and which of them it is; the pictures are those in the file."""
        from ddpm_studio import gallery

        return gallery.read_blend(path, model.path, model.shape, model.background)

    def save_png(self, path: Path, image: Images, recipe: dict[str, Any], blended: Sequence[Images] = ()) -> None:
        from ddpm_studio import gallery, imaging

        imaging.save_png(path, image, gallery.text_of(recipe, blended))

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


def shipped_pictures(most: int) -> list[Path | Images]:
    """Those that models bring along to blend, and some of the sample pictures, about `most` in all."""
    import io
    import zipfile

    import numpy as np

    from ddpm_studio import imaging

    found: list[Path | Images] = [*sorted(paths.models_dir().glob("*/example_*.png"))]
    with contextlib.suppress(OSError, zipfile.BadZipFile), zipfile.ZipFile(paths.samples_archive()) as samples:
        names = sorted(name for name in samples.namelist() if name.endswith(".png"))
        for name in names[:: max(1, len(names) // max(1, most - len(found)))]:
            found.append(np.asarray(imaging.decode(io.BytesIO(samples.read(name))).convert("RGBA")))
    return found


def spread(files: list[Path], most: int) -> list[Path]:
    """At most so many of them, evenly spread, with the first and the last."""
    return files if len(files) <= most else [files[round(i * (len(files) - 1) / (most - 1))] for i in range(most)]


def _as_choice(info: ModelInfo) -> ModelChoice:
    return ModelChoice(info.name, info.label, info.path, info.shape, info.num_timesteps, info.background)
