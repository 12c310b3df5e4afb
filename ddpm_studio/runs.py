"""A run is a folder: settings, journal, weights, what resume needs, previews, pictures."""

from __future__ import annotations

import contextlib
import getpass
import itertools
import json
import os
import re
import shutil
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open

from ddpm_studio import paths
from ddpm_studio.config import RunConfig, parse_saved_config
from ddpm_studio.errors import RunBusy, UserError, describe_os_error
from ddpm_studio.files import check_header_size, previous_of, whole_number, write_atomically
from ddpm_studio.language import tr
from ddpm_studio.remarks import Remarks, folder_gone, read_remarks, write_remarks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOVES_OPEN_FILES = os.name == "posix"
"""Elsewhere (Windows) a folder stays where it is while a file in it is open, as that of a lock."""
LONGEST_NAME = 100
LOCK_SECONDS = 0.5
"""How long to wait for somebody who is just letting go of a run."""


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
    def can_resume(self) -> bool:
        """There is a whole training to go on with: a save, or (before the first one) at least what it was started with."""
        return any(file.is_file() for file in (self.resume_file, previous_of(self.resume_file), self.resume_notes))

    @property
    def exists(self) -> bool:
        return self.config_file.is_file() or self.resume_file.is_file()

    def read_config(self) -> RunConfig:
        """The settings; when config.json is damaged, those in the header of the last save.

        Raises UserError when neither can be read.
        """
        try:
            return parse_saved_config(self._read_json(self.config_file))
        except UserError:
            if (saved := self._from_header("config")) is not None:
                return parse_saved_config(saved)
            raise

    def read_notes(self) -> dict[str, Any]:
        """Step, pictures seen, time spent and the data set, as of the last save; empty before the run began."""
        notes: Any = {}
        try:
            notes = self._read_json(self.resume_notes) if self.resume_notes.is_file() else {}
        except UserError:
            notes = self._from_header("notes")
        return notes if isinstance(notes, dict) else {}

    def _from_header(self, key: str) -> Any:
        """What the save itself says, when the small file that repeats it is damaged; None when that cannot be read either."""
        for file in (self.resume_file, previous_of(self.resume_file)):
            with contextlib.suppress(SafetensorError, OSError, ValueError, KeyError, RecursionError, UserError):
                check_header_size(file)
                with safe_open(file, framework="np") as saved:
                    return json.loads((saved.metadata() or {})[key])
        return None

    def write_config(self, config: RunConfig) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        write_atomically(self.config_file, (config.model_dump_json(indent=2) + "\n").encode())

    def _read_json(self, file: Path) -> Any:
        try:
            return json.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise describe_os_error(error, tr("read {file} of the run {name}", file=file.name, name=self.name)) from error
        except (ValueError, RecursionError):
            raise UserError(
                tr("{file} of the run {name} is damaged.", file=file.name, name=self.name),
                tr("Start a new run; the model of this one can still be used."),
            ) from None


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
    start_from: str = ""
    """The model whose weights it began with."""
    remarks: Remarks = field(default_factory=Remarks)

    def matches(self, text: str) -> bool:
        """Whether every word of a search is somewhere in what is known of the run by name, and in what was written about it."""
        known = "\n".join((self.run.name, self.preset, self.data, self.start_from, *self.remarks.tags, self.remarks.note)).casefold()
        return all(word in known for word in text.casefold().split())


def list_runs(folder: Path | None = None) -> list[RunInfo]:
    """All readable runs, newest first."""
    return list(newest_runs(folder))


def newest_runs(folder: Path | None = None) -> Iterator[RunInfo]:
    """All readable runs, newest first; each is read only when it is asked for."""
    dated = [(modified, run) for path in _folders(folder or paths.runs_dir()) if (modified := _modified(run := Run(path))) is not None]
    for modified, run in sorted(dated, key=lambda found: found[0], reverse=True):
        if info := _info(run, modified):
            yield info


def planned_seconds(notes: dict[str, Any]) -> tuple[float, float] | None:
    """Of a plan by time: how many seconds were done at the last save, and how many are left; None without such a plan."""
    try:
        return float(notes["planned"]["seconds_done"]), float(notes["planned"]["seconds_left"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def new_run(data_name: str, preset: str) -> Run:
    """A new, empty run folder, named after its data and preset as no run was before; it is made here, so that nobody else
    gets the same.

    The name goes into every picture that its model makes: where that of the data is that of a person (a home folder), it
    is left out.
    """
    if any(len(name) > 2 and name.casefold() in data_name.casefold() for name in _names_of_the_user()):
        data_name = "pictures"
    stem = re.sub(r"[^\w-]+", "-", f"{data_name}-{preset}", flags=re.UNICODE).strip("-")[:60] or "run"
    former = _former_names()
    for path in (paths.runs_dir() / f"{stem}-{number}" for number in itertools.count(1)):
        if path.name.casefold() in former:
            continue
        try:
            path.mkdir(parents=True)
            break
        except FileExistsError:
            continue
        except OSError as error:
            raise describe_os_error(error, tr("make a folder for the run")) from error
    return Run(path)


def _former_names() -> set[str]:
    with contextlib.suppress(OSError):
        return set(paths.former_names_file().read_text(encoding="utf-8", errors="replace").casefold().splitlines())
    return set()


def _remember_name(name: str) -> None:
    """That a run was called so: pictures that it made, and their recipes, still call it by this name."""
    with contextlib.suppress(OSError):
        paths.data_dir().mkdir(parents=True, exist_ok=True)
        with paths.former_names_file().open("a", encoding="utf-8", errors="replace") as file:
            file.write(f"{name}\n")


def spare_run(name: str) -> Run:
    """A place of its own, where all runs are, for what the run called `name` cannot save in its own folder."""
    folder = paths.runs_dir()
    return Run(next(path for n in itertools.count(1) if not (path := folder / (f"{name}-rescued" if n == 1 else f"{name}-rescued-{n}")).exists()))


def _names_of_the_user() -> set[str]:
    with contextlib.suppress(Exception):  # whatever a system without such names raises
        return {getpass.getuser(), Path.home().name}
    return set()


def find_run(name_or_dir: str | Path) -> Run:
    """A run by its folder, or by its name in the data directory; it need not exist yet."""
    path = Path(name_or_dir).expanduser()
    if not path.parts:
        raise UserError(tr("A run needs a name."), tr("Leave --run out to have one made up."))
    # A folder of that name beside us counts only if it is a run: it may be the one that holds the pictures.
    if path.is_absolute() or len(path.parts) > 1 or Run(path).exists:
        return Run(path.absolute())
    return Run(paths.runs_dir() / path)


def run_once_called(name: str) -> Run | None:
    """The run with a model that had this name before it was renamed, the newest where several had; None where one has it now."""
    if (paths.runs_dir() / name).exists():
        return None
    return next((info.run for info in newest_runs() if info.has_model and name in info.remarks.former), None)


def delete_run(run: Run, remove: Callable[[Path], object] = shutil.rmtree) -> None:
    """Raises UserError while it is being trained, and what `remove` raises."""
    _move_away(run, lambda: remove(run.path))
    _remember_name(run.name)


def rename_run(run: Run, name: str) -> Run:
    """The run under its new name. Raises UserError while it is being trained, and when there is one of that name or it cannot be one."""
    name = " ".join(name.split())
    if len(name) > LONGEST_NAME:
        raise UserError(tr("A name of {length} letters is too long for a run.", length=len(name)), tr("Use {most} at most.", most=LONGEST_NAME))
    if not name or name.startswith(".") or name.endswith(".") or any(letter in '/\\:*?"<>|@' or not letter.isprintable() for letter in name):
        raise UserError(tr("{name!r} cannot be the name of a run.", name=name[:100]), tr("Use letters, digits, spaces, - and _."))
    renamed = Run(run.path.with_name(name))
    _move_away(run, lambda: _move(run, renamed))
    with contextlib.suppress(OSError):
        (renamed.path / ".writer").unlink(missing_ok=True)
    _remember_name(run.name)
    remarks = read_remarks(renamed.path)
    former = dict.fromkeys((run.name, *remarks.former))
    with contextlib.suppress(UserError):  # a disk that is full keeps nobody from renaming
        write_remarks(renamed.path, replace(remarks, former=tuple(called for called in former if called != renamed.name)))
    return renamed


def moved(file: Path, old: Run, new: Run) -> Path:
    """Where a file lies after a run was renamed: any that is not of that run stays."""
    return new.path / file.relative_to(old.path) if file.is_relative_to(old.path) else file


def _move_away(run: Run, do: Callable[[], object]) -> None:
    """Do something with the folder of a run that nobody else uses."""
    if not run.path.is_dir():
        raise folder_gone(run.path)  # the lock would make it
    with lock_run(run):
        if MOVES_OPEN_FILES:
            do()
    if not MOVES_OPEN_FILES:  # the lock is let go of in the last moment
        do()


def _move(run: Run, renamed: Run) -> None:
    if renamed.path.exists() and not (run.path.exists() and renamed.path.samefile(run.path)):  # another case of letters is the same folder in places
        raise UserError(tr("There is a run called {name} already.", name=renamed.name), tr("Choose another name."))
    try:
        os.rename(run.path, renamed.path)
    except OSError as error:
        raise describe_os_error(error, tr("rename the run {name}", name=run.name)) from error


@contextlib.contextmanager
def lock_run(run: Run) -> Iterator[None]:
    """Hold the run for this process; the operating system lets go of it when the process ends, however it ends.

    (Where a file system knows no such locks, filelock takes a file for one, and breaks it when its process is dead.)
    Raises RunBusy when somebody else is training the run.
    """
    held = contextlib.ExitStack()
    try:
        run.path.mkdir(parents=True, exist_ok=True)
        held.enter_context(FileLock(run.path / ".lock").acquire(timeout=LOCK_SECONDS))
        write_atomically(run.path / ".writer", f"{os.getpid()}\n".encode())
    except Timeout:
        if writer := _writer(run):
            message = tr("The run {name} is being trained by another window or command (process {number}).", name=run.name, number=writer)
        else:
            message = tr("The run {name} is being trained by another window or command.", name=run.name)
        raise RunBusy(message, tr("Stop it there first, or start a run of another name.")) from None
    except OSError as error:
        held.close()
        raise describe_os_error(error, tr("write into the run folder {name}", name=run.name)) from error
    except UserError:
        held.close()
        raise
    with held:
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # the disk may be gone
                (run.path / ".writer").unlink(missing_ok=True)


def is_in_training(run: Run) -> bool:
    """Whether some process trains the run at this moment."""
    writer = _writer(run)
    if writer is None or not psutil.pid_exists(writer):
        return False
    try:  # it may be another process that has got the number of a killed one
        with FileLock(run.path / ".lock").acquire(timeout=0):
            return False
    except (Timeout, OSError):
        return True


def is_held(run: Run) -> bool:
    """Whether the folder is there and is the one that this process has locked: not gone with its disk, and no new one in its place."""
    return _writer(run) == os.getpid()


def _writer(run: Run) -> int | None:
    """The process that says it writes the run; a killed one cannot take that back."""
    try:
        return int((run.path / ".writer").read_text())
    except (OSError, ValueError):
        return None


def _folders(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from (path for path in folder.iterdir() if Run(path).exists)


def _modified(run: Run) -> float | None:
    with contextlib.suppress(OSError, ValueError):
        return max(file.stat().st_mtime for file in (run.config_file, run.model_file, run.resume_notes) if file.exists())
    return None


def _info(run: Run, modified: float) -> RunInfo | None:
    try:
        config, notes = run.read_config(), run.read_notes()
        step, images = whole_number(notes.get("step")), whole_number(notes.get("images"))
    except (UserError, OSError, ValueError, TypeError):
        return None
    return RunInfo(
        run=run,
        preset=config.preset,
        shape=config.data.shape,
        step=step,
        images=images,
        data=str(notes.get("data", "")),
        modified=modified or time.time(),
        has_model=run.model_file.is_file() or previous_of(run.model_file).is_file(),
        start_from=str(notes.get("start_from", "")),
        remarks=read_remarks(run.path),
    )
