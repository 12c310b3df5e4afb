"""What is asked about the pictures to learn from: a part of `jobs.Jobs`."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ddpm_studio import paths
from ddpm_studio.config import DataConfig
from ddpm_studio.control import RunControl
from ddpm_studio.errors import UserError
from ddpm_studio.events import DatasetReady, Event, Finished, PicturesLoaded
from ddpm_studio.files import replace_atomically
from ddpm_studio.gui.answers import SourceFound
from ddpm_studio.gui.workers import Writing
from ddpm_studio.language import tr

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ddpm_studio.gui.workers import Job


class DatasetJobs:
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
