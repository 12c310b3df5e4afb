"""One writer for each run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from ddpm_studio.errors import UserError, describe_os_error

if TYPE_CHECKING:
    from ddpm_studio.runs import Run


@contextlib.contextmanager
def lock_run(run: Run) -> Iterator[None]:
    """Hold the run for this process; the operating system lets go of it when the process ends, however it ends.

    Raises UserError when somebody else is training it.
    """
    try:
        run.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(run.path / ".lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise UserError(f"The run {run.name} is being trained by another window or command.", "Stop it there first, or start a run of another name.") from None
    except OSError as error:
        raise describe_os_error(error, f"write into the run folder {run.name}") from error
    try:
        yield
    finally:
        lock.release()
