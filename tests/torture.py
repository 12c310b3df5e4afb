"""Does real damage to runs in training, over and over, and checks that nothing is lost.

    python -m tests.torture                      50 rounds of each kind, a few minutes
    python -m tests.torture --rounds 5 kill      fewer, of one kind

kill    kill -9 at a random moment, then resume
term    SIGTERM at a random moment, then resume
full    the file system (a tmpfs of 1 MB, so it takes root) is filled up at a random moment; room is made, or the process killed
each    the process ends before its n-th operation on a file (open, sync, move, remove, write of weights), for each n in turn
flip    kill -9, then random bits flipped in one of the files of the run, another each round; at last in all of them

Every run must in the end have the weights of one that was never disturbed, bit for bit. Processes are forked from one
that has imported torch already, because importing it would take most of the time.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import contextlib
import faulthandler
import io
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

import ddpm_studio.training.engine  # noqa: F401  (so that the forked processes need not import it)
from ddpm_studio import tensor_files
from ddpm_studio.cli.main import main as command_line
from ddpm_studio.runs import Run
from tests.core.made_up import picture_folder

NETWORK = {"image-size": "16", "base-channels": "8", "channel-mults": "1", "attention": "no", "batch-size": "4", "num-timesteps": "50"}
SAVES = {"checkpoint-seconds": "0.05", "preview-count": "0", "warmup-steps": "5"}
PATIENCE = 40.0
"""Seconds that a process may take to do what is expected of it."""


class Torture:
    """Runs on a few made-up pictures, and the weights that all of them must end with."""

    def __init__(self, folder: Path, rounds: int, seed: int) -> None:
        self.folder, self.rounds, self.random = folder, rounds, random.Random(seed)
        self.steps = max(60, 12 * rounds)
        self.data = picture_folder(folder / "pictures", 120)
        os.environ["DDPM_STUDIO_HOME"] = str(folder / "home")
        torch.set_num_threads(1)
        whole = Run(folder / "undisturbed")
        self.finish(whole)
        self.weights = load_file(whole.model_file)

    def start(self, run: Run, countdown: Countdown | None = None) -> int:
        """A process that begins the run, or goes on with it; its number."""
        flags = [f"--{name}={value}" for name, value in {**NETWORK, **SAVES, "total-steps": str(self.steps)}.items()] + ["--no-middle-attention", "--no-input-skip"]
        arguments = ["train", str(self.data), "--run", str(run.path), "--device", "cpu", *(["--resume"] if run.exists else flags)]
        process = os.fork()
        if process:
            return process
        status = 1
        try:
            log = os.open(self.folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            faulthandler.register(signal.SIGUSR1)
            sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
            if countdown:
                countdown.install()
            status = command_line(arguments)
            if countdown:
                countdown.write()
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status)

    def wait(self, process: int) -> int:
        """Its exit status, negative for a signal."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            done, status = os.waitpid(process, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.005)
        os.kill(process, signal.SIGUSR1)  # where it hangs
        time.sleep(0.5)
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        raise SystemExit(f"FAILED: a process hung for {PATIENCE:.0f} s; see {self.folder / 'log.txt'}")

    def disturb(self, run: Run, number: int) -> int:
        """Start it, send a signal at a random moment, and wait for its end. Every other time the moment is one at which
        it has begun to compute, however long this machine takes for that."""
        process = self.start(run)
        if self.random.random() < 0.5:
            self.await_training(run, process)
        time.sleep(self.random.uniform(0.0, 0.7))
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)
        return self.wait(process)

    def await_training(self, run: Run, process: int) -> None:
        """Until the journal grows, or the process has ended."""

        def size() -> int:
            return run.journal_file.stat().st_size if run.journal_file.exists() else 0

        before, end = size(), time.monotonic() + PATIENCE
        while size() <= before and time.monotonic() < end and not os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            time.sleep(0.01)

    def finish(self, run: Run) -> None:
        self.expect(self.wait(self.start(run)), (0,), run)

    def expect(self, status: int, wanted: tuple[int, ...], run: Run) -> None:
        if status not in wanted:
            raise SystemExit(f"FAILED: {run.name} ended with {status}, not {wanted}; see {self.folder / 'log.txt'}")

    def compare(self, run: Run, weights: dict[str, torch.Tensor] | None = None) -> None:
        found, weights = load_file(run.model_file), weights or self.weights
        if found.keys() != weights.keys() or not all(torch.equal(found[name], weights[name]) for name in found):
            raise SystemExit(f"FAILED: {run.name} does not end with the weights of the undisturbed run")

    # The kinds.

    def kill(self) -> str:
        return self._signals(signal.SIGKILL, "killed")

    def term(self) -> str:
        return self._signals(signal.SIGTERM, "terminated")

    def _signals(self, number: signal.Signals, name: str) -> str:
        run, runs, hits = Run(self.folder / f"{name}-1"), 1, 0
        for _ in range(self.rounds):
            status = self.disturb(run, number)
            self.expect(status, (-number, 130, 0), run)  # SIGTERM may also come before anybody listens
            hits += status != 0
            if status == 0:  # it was at its end already: the rest of the rounds needs another one
                self.compare(run)
                runs += 1
                run = Run(self.folder / f"{name}-{runs}")
        self.finish(run)
        self.compare(run)
        return f"{self.rounds} starts, {hits} of them {name}, {runs} runs: all with the weights of the undisturbed one"

    def full(self) -> str:
        with tmpfs(self.folder / "small") as disk:
            if disk is None:
                return "left out: no tmpfs can be mounted here"
            run, filler, waited, killed = Run(disk / "run"), disk / "filler", 0, 0
            for _ in range(self.rounds):
                process = self.start(run)
                self.await_training(run, process)
                time.sleep(self.random.uniform(0.0, 0.5))
                fill(filler)
                time.sleep(self.random.uniform(0.05, 0.3))
                done, status = os.waitpid(process, os.WNOHANG)
                if not done and self.random.random() < 0.5:
                    os.kill(process, signal.SIGKILL)
                    killed += 1
                    status = self.wait(process)
                    filler.unlink()
                    self.expect(status, (-signal.SIGKILL, 0, 2), run)
                else:
                    filler.unlink()
                    waited += not done
                    if not done:
                        time.sleep(1.2)  # it looks once a second whether there is room
                        os.kill(process, signal.SIGTERM)
                        status = self.wait(process)
                    else:
                        status = os.waitstatus_to_exitcode(status)
                    self.expect(status, (130, -signal.SIGTERM, 0, 2), run)  # 2: full before it had begun
                if status == 0:
                    self.compare(run)
                    shutil.rmtree(run.path)
            self.finish(run)
            self.compare(run)
            return f"{self.rounds} times full: {waited} waited and went on, {killed} killed while full; the weights are those of the undisturbed run"

    def each(self) -> str:
        """With the rounds given, as many operations, evenly spread over all; 0 rounds: all of them."""
        steps, self.steps = self.steps, 3
        whole = Run(self.folder / "counted")
        self.expect(self.wait(self.start(whole, count := Countdown(self.folder / "operations.txt"))), (0,), whole)
        total, weights = count.read(), load_file(whole.model_file)
        chosen = sorted({round(i * (total - 1) / max(self.rounds - 1, 1)) for i in range(self.rounds)}) if self.rounds < total else range(total)
        for number in chosen:
            run = Run(self.folder / f"each-{number}")
            self.expect(self.wait(self.start(run, Countdown(self.folder / "operations.txt", number))), (Countdown.STATUS,), run)
            self.finish(run)
            self.compare(run, weights)
            shutil.rmtree(run.path)
        self.steps = steps
        return f"ended before {len(chosen)} of {total} operations on files in turn: all with the weights of the undisturbed one"

    def flip(self) -> str:
        run, runs, flipped, saved = Run(self.folder / "flipped-1"), 1, 0, None
        for index in range(self.rounds):
            if self.disturb(run, signal.SIGKILL) == 0:
                self.compare(run)
                runs += 1
                run = Run(self.folder / f"flipped-{runs}")
            elif run.resume_file.exists() and run.read_notes().get("step") != saved:  # not twice within one save: that would be two faults at once
                saved = run.read_notes().get("step")
                files = sorted(file for file in run.path.rglob("*") if file.is_file() and file.stat().st_size)
                flip_bits(files[index % len(files)], self.random)
                flipped += 1
        self.finish(run)
        self.compare(run)
        for file in (file for file in run.path.rglob("*") if file.is_file() and file.stat().st_size):
            flip_bits(file, self.random)
        self.expect(self.wait(self.start(run)), (0, 2), run)  # nothing whole is left: a sentence, no fault
        if not flipped:
            raise SystemExit("FAILED: nothing was flipped, so nothing is shown")
        return f"{flipped} files with flipped bits in {runs} runs: all with the weights of the undisturbed one; all files at once: refused in words"


class Countdown:
    """Counts operations on files, and ends the process before one of them as `kill -9` would."""

    STATUS = 77

    def __init__(self, file: Path, last: int | None = None) -> None:
        self._file, self._last, self._done = file, last, 0

    def install(self) -> None:
        for module, name in ((os, "replace"), (os, "fsync"), (os, "unlink"), (os, "mkdir"), (io, "open"), (tensor_files, "save_file")):
            setattr(module, name, self._watched(getattr(module, name)))

    def _watched(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **named: Any) -> Any:
            if self._done == self._last:
                os._exit(self.STATUS)
            self._done += 1
            return operation(*arguments, **named)

        return watched

    def write(self) -> None:
        os.write(os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), str(self._done).encode())

    def read(self) -> int:
        return int(self._file.read_text())


def flip_bits(file: Path, source: random.Random) -> None:
    content = bytearray(file.read_bytes())
    for _ in range(source.randint(1, 5)):
        content[source.randrange(len(content))] ^= 1 << source.randrange(8)
    file.write_bytes(content)


def fill(file: Path) -> None:
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as opened:
        while opened.write(b"\0" * 4096) == 4096:
            pass


@contextlib.contextmanager
def tmpfs(folder: Path) -> Iterator[Path | None]:
    """A file system of 1 MB, or None where we may not mount one."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False).returncode == 0
    try:
        yield folder if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Do real damage to runs in training, and check that nothing is lost.")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="kill, term, each, full, flip (all)")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="torture-", ignore_cleanup_errors=True) as folder:
        try:
            torture = Torture(Path(folder), options.rounds, options.seed)
            kinds: dict[str, Callable[[], str]] = {"kill": torture.kill, "term": torture.term, "each": torture.each, "full": torture.full, "flip": torture.flip}
            for kind in options.kinds or kinds:
                began = time.monotonic()
                print(f"{kind}: {kinds[kind]()} ({time.monotonic() - began:.0f} s)", flush=True)
        except SystemExit:
            for log in (Path(folder) / "log.txt", Path(folder) / "home" / "ddpm-studio.log"):
                print(log.read_text(errors="replace")[-3000:] if log.exists() else "")
            raise


if __name__ == "__main__":
    main()
