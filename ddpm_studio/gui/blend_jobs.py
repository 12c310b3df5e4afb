"""What the page Blend asks for: a part of `jobs.Jobs`."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ddpm_studio import paths
from ddpm_studio.control import RunControl
from ddpm_studio.errors import UserError
from ddpm_studio.events import Event, Finished, Images, frozen_images
from ddpm_studio.gui.answers import ModelChoice, NewestListed, PictureLoaded, PicturesOffered
from ddpm_studio.gui.inside_jobs import fitted
from ddpm_studio.gui.workers import Writing
from ddpm_studio.requests import BlendRequest, FilmRequest

if TYPE_CHECKING:
    from ddpm_studio.gui.workers import Job


class BlendJobs:
    def newest_pictures(self, most: int) -> Job:
        """Of the gallery, which may hold ten thousand: to list them takes a moment. Without blends, or one that is kept there
        would take the place of a picture that it was made of."""

        def job(control: RunControl) -> Iterator[Event]:
            from ddpm_studio import gallery

            made = (path for path in gallery.list_pictures() if "-blend-" not in path.name)
            yield NewestListed(tuple(itertools.islice(made, most)))
            yield Finished()

        return job

    def offer(self, kind: str, most: int, side: int) -> Job:
        """Pictures to pick from: of the "gallery", the newest first, or the "examples" that ship with the program."""

        def job(control: RunControl) -> Iterator[Event]:
            import numpy as np
            from PIL import Image

            from ddpm_studio import gallery, imaging

            found: list[tuple[Path | Images, Images]] = []
            for source in gallery.list_pictures() if kind == "gallery" else shipped_pictures(most):
                if control.stopping or len(found) == most:
                    break
                with contextlib.suppress(UserError, OSError):  # one that cannot be read is not offered
                    picture = imaging.decode(source, side) if isinstance(source, Path) else Image.fromarray(source)
                    found.append((source, imaging.fit(picture, (side, side, 3))))
            thumbnails = np.stack([thumbnail for _, thumbnail in found]) if found else np.zeros((0, 1, 1, 3), np.uint8)
            yield PicturesOffered(kind, tuple(source for source, _ in found), frozen_images(thumbnails))
            yield Finished()

        return job

    def load_picture(self, key: str, source: Path | Images, shape: tuple[int, int, int], background: str = "white") -> Job:
        """A file or a picture of the window, in the shape that a model wants."""

        def job(control: RunControl) -> Iterator[Event]:
            yield PictureLoaded(key, fitted(source, shape, background))
            yield Finished()

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

    def recreate_blend(self, together: BlendRequest, place: int, path: Path) -> Job:
        """The blend in a PNG once more; it is not saved."""

        def job(control: RunControl) -> Iterator[Event]:
            from ddpm_studio import imaging
            from ddpm_studio.sampling.engine import recreate_blend

            yield from recreate_blend(together, place, imaging.read_pixels(path), control)

        return job

    # Short enough to be called where they are needed.

    def blend_request(self, path: Path, model: ModelChoice) -> tuple[BlendRequest, int]:
        """How the blend in a PNG was made, with which others, and which of them it is; the pictures are those in the file. With
        six of 256 x 256 pixels it takes 15 ms."""
        from ddpm_studio import gallery

        return gallery.read_blend(path, model.path, model.shape, model.background)


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
