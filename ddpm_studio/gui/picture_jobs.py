"""What the pages Generate and Gallery ask for: pictures, lists of them, thumbnails, copies, comparisons. A part of `jobs.Jobs`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddpm_studio.control import RunControl
from ddpm_studio.errors import UserError
from ddpm_studio.events import Event, Finished, Images, ImageSaved, ImagesReady, Progress, frozen_images
from ddpm_studio.gui.answers import FactsRead, NearestFound, PicturesListed, PicturesMoved, RecipeRead, SheetMade, ThumbnailsMade
from ddpm_studio.gui.workers import Writing
from ddpm_studio.language import tr
from ddpm_studio.models import run_of

if TYPE_CHECKING:
    from ddpm_studio.gui.workers import Job
    from ddpm_studio.requests import SampleRequest

FACTS_AT_ONCE, PAUSE = 50, 0.005
"""Pictures whose recipes are read in one go, and the rest before the next, in seconds: reading is all Python, of which the window needs its share."""


class PictureJobs:
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

    def recreate(self, path: Path, model: Path) -> Job:
        """The picture in a PNG once more, by its recipe; it is not saved."""

        def job(control: RunControl) -> Iterator[Event]:
            from ddpm_studio import gallery, imaging
            from ddpm_studio.requests import batch_of, request_of
            from ddpm_studio.sampling.engine import recreate

            values = gallery.read_recipe(path)
            yield from recreate(batch_of(values, model), request_of(values, model).seed, imaging.read_pixels(path), control)

        return job

    def nearest(self, model: Path, image: Images, count: int) -> Job:
        """Among the pictures that a model was trained on, if they are still in the cache."""

        def job(control: RunControl) -> Iterator[Event]:
            from ddpm_studio.data.batches import split
            from ddpm_studio.data.cache import cached_dataset
            from ddpm_studio.data.dataset import unpack_names
            from ddpm_studio.evaluation.nearest import nearest
            run, source = run_of(model), self.trained_on(model)
            if not source:
                raise UserError(tr("Which pictures this model was trained on is not known here."), tr("Use a model of one of your own runs."))
            config = run.read_config()
            dataset = cached_dataset(Path(source), config.data, control)
            if dataset is None:
                hint = tr("Open their folder on the Train page, as large as the run has them, and try again.")
                raise UserError(tr("The pictures of the run {name} are not at hand.", name=run.name), hint)
            dataset = dataset.without(unpack_names(run.read_notes().get("left_out", "")))
            learnt_from, _ = split(len(dataset), config.training.held_out or 0, config.training.seed)
            places, distances = nearest(image, dataset.images, count, control, dataset.rows(learnt_from))
            if not control.stopping:
                yield NearestFound(frozen_images(dataset.images[places]), tuple(distances), len(learnt_from), dataset.report.name)
            yield Finished()

        return job

    def list_gallery(self, known: frozenset[Path] = frozenset()) -> Job:
        """PicturesListed, then FactsRead for those that are not known yet, some at a time."""

        def job(control: RunControl) -> Iterator[Event]:
            from ddpm_studio import gallery

            dated = gallery.dated_pictures(known=known)
            yield PicturesListed(tuple(path for path, _ in dated), gallery.read_stars())
            new = [(path, made) for path, made in dated if path not in known]
            for start in range(0, len(new), FACTS_AT_ONCE):
                if control.wait(PAUSE):
                    break
                yield FactsRead(tuple(gallery.read_facts(path, made) for path, made in new[start : start + FACTS_AT_ONCE]))
            yield Finished()

        return job

    def thumbnails(self, files: Sequence[Path], side: int) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            from ddpm_studio import gallery

            for start in range(0, len(files), 8):
                if control.stopping:
                    break
                yield ThumbnailsMade(tuple((path, gallery.thumbnail(path, side)) for path in files[start : start + 8]))
            yield Finished()

        return job

    def read_recipe(self, path: Path) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            from ddpm_studio import gallery

            yield RecipeRead(path, gallery.read_recipe(path))
            yield Finished()

        return job

    def sheet(self, files: Sequence[Path], save_as: Path | None = None) -> Job:
        """Pictures side by side as one; with `save_as` also as a PNG."""

        def job(control: RunControl) -> Iterator[Event]:
            from ddpm_studio import gallery, imaging

            image = gallery.sheet(files)
            if save_as is not None:
                imaging.save_png(save_as, image)
            yield SheetMade(frozen_images(image))
            yield Finished()

        return Writing(job) if save_as is not None else job

    def copy_pictures(self, files: Sequence[Path], folder: Path) -> Job:
        def copy(path: Path) -> bool:
            from ddpm_studio import gallery  # in the worker: Pillow takes a fifth of a second

            try:
                return gallery.copy_picture(path, folder).is_file()
            except UserError:  # it could not be written: the others are tried all the same
                return False

        return self.for_each(files, copy)

    def for_each(self, files: Sequence[Path], do: Callable[[Path], bool]) -> Job:
        """`do` with each of some files (in the worker thread); says with which it went well."""

        def job(control: RunControl) -> Iterator[Event]:
            done: list[Path] = []
            failed: list[Path] = []
            for path in files:
                try:
                    well = not control.stopping and do(path)
                except OSError:
                    well = False
                (done if well else failed).append(path)
            yield PicturesMoved(tuple(done), tuple(failed))
            yield Finished()

        return Writing(job)

    # Short enough to be called where they are needed.

    def trained_on(self, model: Path) -> str:
        """Where the pictures are that a model was trained on; "" where it does not say, as those that ship. A small file is read."""
        run = run_of(model)
        source = run.read_notes().get("source") if run.exists else ""
        return source if isinstance(source, str) else ""

    def recipe(self, path: Path) -> dict[str, Any]:
        from ddpm_studio import gallery

        return gallery.read_recipe(path)

    def save_png(self, path: Path, image: Images, recipe: dict[str, Any], blended: Sequence[Images] = ()) -> None:
        from ddpm_studio import gallery, imaging

        imaging.save_png(path, image, gallery.text_of(recipe, blended))

    def keep(self, image: Images, recipe: dict[str, Any], blended: Sequence[Images] = ()) -> Path:
        """In the gallery; where it stands there."""
        from ddpm_studio import gallery

        return gallery.save_pictures(image[None], [recipe], blended=blended)[0]

    def grid(self, images: Images, columns: int | None = None) -> Images:
        from ddpm_studio import imaging

        return imaging.grid(images, columns)
