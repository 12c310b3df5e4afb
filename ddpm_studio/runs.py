"""A run is a folder: settings, journal, weights, what resume needs, previews, pictures."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from ddpm_studio import paths
from ddpm_studio.config import RunConfig, parse_config
from ddpm_studio.errors import UserError, describe_os_error
from ddpm_studio.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Run:
    """One run by its folder; nothing is read before it is asked for."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def config_file(self) -> Path:
        return self.path / "config.json"

    @property
    def journal_file(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def model_file(self) -> Path:
        return self.path / "model.safetensors"

    @property
    def resume_file(self) -> Path:
        return self.path / "resume.safetensors"

    @property
    def resume_notes(self) -> Path:
        return self.path / "resume.json"

    @property
    def previews(self) -> Path:
        return self.path / "previews"

    def milestone(self, step: int) -> Path:
        """The model as it was after so many steps, if a copy was kept."""
        return self.path / "milestones" / f"step_{step:07d}.safetensors"

    @property
    def exists(self) -> bool:
        return self.config_file.is_file()

    def read_config(self) -> RunConfig:
        return parse_config(self._read_json(self.config_file))

    def read_notes(self) -> dict[str, Any]:
        """Step, pictures seen, time spent and the data set, as of the last save; empty before the first."""
        if not self.resume_notes.is_file():
            return {}
        notes = self._read_json(self.resume_notes)
        return notes if isinstance(notes, dict) else {}

    def write_config(self, config: RunConfig) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        write_atomically(self.config_file, (config.model_dump_json(indent=2) + "\n").encode())

    def _read_json(self, file: Path) -> Any:
        try:
            return json.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise describe_os_error(error, f"read {file.name} of the run {self.name}") from error
        except ValueError:
            raise UserError(f"{file.name} of the run {self.name} is damaged.", "Start a new run; the model of this one can still be used.") from None


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A line of the list of runs."""

    run: Run
    preset: str
    shape: tuple[int, int, int]
    step: int
    images: int
    data: str
    modified: float
    has_model: bool


def list_runs(folder: Path | None = None) -> list[RunInfo]:
    """All readable runs, newest first."""
    found = [info for path in _folders(folder or paths.runs_dir()) if (info := _info(Run(path)))]
    return sorted(found, key=lambda info: info.modified, reverse=True)


def new_run(data_name: str, preset: str) -> Run:
    """A new, empty run folder, named after its data and preset; it is made here, so that nobody else gets the same."""
    stem = re.sub(r"[^\w-]+", "-", f"{data_name}-{preset}", flags=re.UNICODE).strip("-")[:60] or "run"
    base = paths.runs_dir()
    number = 1
    while True:
        try:
            (base / f"{stem}-{number}").mkdir(parents=True)
            return Run(base / f"{stem}-{number}")
        except FileExistsError:
            number += 1
        except OSError as error:
            raise describe_os_error(error, "make a folder for the run") from error


def find_run(name_or_dir: str | Path) -> Run:
    """A run by its folder, or by its name in the data directory; it need not exist yet."""
    path = Path(name_or_dir).expanduser()
    if not path.parts:
        raise UserError("A run needs a name.", "Leave --run out to have one made up.")
    # A folder of that name beside us counts only if it is a run: it may be the one that holds the pictures.
    if path.is_absolute() or len(path.parts) > 1 or Run(path).exists:
        return Run(path.absolute())
    return Run(paths.runs_dir() / path)


def delete_run(run: Run) -> None:
    """Raises UserError while it is being trained."""
    with lock_run(run):
        shutil.rmtree(run.path)


@contextlib.contextmanager
def lock_run(run: Run) -> Iterator[None]:
    """Hold the run for this process; the operating system lets go of it when the process ends, however it ends.

    Raises UserError when somebody else is training it.
    """
    lock = FileLock(run.path / ".lock", timeout=0)
    try:
        run.path.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise UserError(f"The run {run.name} is being trained by another window or command.", "Stop it there first, or start a run of another name.") from None
    except OSError as error:
        raise describe_os_error(error, f"write into the run folder {run.name}") from error
    try:
        yield
    finally:
        lock.release()


def _folders(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from (path for path in folder.iterdir() if (path / "config.json").is_file())


def _info(run: Run) -> RunInfo | None:
    try:
        config, notes = run.read_config(), run.read_notes()
        modified = max(f.stat().st_mtime for f in (run.config_file, run.model_file, run.resume_notes) if f.exists())
    except (UserError, OSError, ValueError):
        return None
    return RunInfo(
        run=run,
        preset=config.preset,
        shape=config.data.shape,
        step=int(notes.get("step", 0)),
        images=int(notes.get("images", 0)),
        data=str(notes.get("data", "")),
        modified=modified or time.time(),
        has_model=run.model_file.is_file(),
    )
