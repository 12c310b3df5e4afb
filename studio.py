#!/usr/bin/env python3
"""Sets DDPM Studio up beside this file on first use, and starts it. Needs Python alone.

    python3 studio.py                      opens the studio
    python3 studio.py test [ARGUMENTS]     runs all checks; with arguments only pytest, with those
    python3 studio.py COMMAND ...          any other command of ddpm-studio: train, generate, ... (--help lists them)
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - the reader may have an older one
    sys.stderr.write("error: DDPM Studio needs Python 3.11 or newer; this is {}.{}.\n".format(*sys.version_info[:2]))
    sys.stderr.write("hint: Install a newer Python and start this file with it, as in: python3.12 studio.py\n")
    sys.exit(2)

import hashlib
import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

from ddpm_studio import preflight
from ddpm_studio.errors import UserError

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
STAMP = VENV / "studio-setup.txt"
"""What the environment was made from; it is written last, so that an interrupted set-up starts again."""
CHECKS = (["ruff", "check", "."], ["mypy"], ["lint-imports", "--no-logo"])


def main(arguments: list[str]) -> int:
    testing = arguments[:1] == ["test"]
    opening = preflight.opens_window(arguments)
    try:
        if opening:
            preflight.check_display()
        set_up_environment(testing)
        if testing:
            os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        if testing or opening:
            set_up_libraries()
    except UserError as error:
        print(f"error: {error.message}\nhint: {error.hint}", file=sys.stderr)
        return 2
    return run_checks(arguments[1:]) if testing else start_program(arguments)


# The environment.


def set_up_environment(testing: bool) -> None:
    """Makes `.venv` what pyproject.toml and constraints.txt ask for; does nothing when it is so already."""
    place, wanted = fingerprint(f"{sys.version_info[:2]} {HERE}".encode()), fingerprint(*((HERE / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")))
    found = STAMP.read_text(encoding="utf-8").split() if STAMP.is_file() and PYTHON.exists() else []
    if found[:1] != [place]:  # none, half-made, moved, or of another Python
        found = []
    if found[1:2] == [wanted] and ("test" in found or not testing):
        return
    testing = testing or "test" in found
    if not found:
        say("Setting up DDPM Studio in .venv: once, about 1 GB, a few minutes.")
        make_environment()
    say("Bringing .venv up to date." if found else "Installing PyTorch, Qt and the rest.")
    install(".[test,verify]" if testing else ".")
    STAMP.write_text(f"{place} {wanted} {'test' if testing else ''}\n", encoding="utf-8")
    say("Ready.")


def fingerprint(*contents: bytes) -> str:
    return hashlib.sha256(b"\0".join(contents)).hexdigest()


def make_environment() -> None:
    """An empty `.venv` with pip in it; Debian ships that part of Python in a package of its own."""
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        package = f"python3.{sys.version_info.minor}-venv"
        if not install_packages([package], "Python lacks its venv module here"):
            raise UserError("Python lacks its venv module here.", f"Run: {preflight.install_command([package])}")
    run([sys.executable, "-m", "venv", "--clear", str(VENV)], "make the environment .venv", "Check that this folder can be written to and that the disk is not full.")


def install(target: str) -> None:
    """Installs the project, editable, with uv, which is quick and chooses among the builds of PyTorch; else with pip, which knows more settings."""
    quiet = [] if sys.stderr.isatty() else ["--quiet"]
    request = [*quiet, "-c", "constraints.txt", "-e", target]
    pip = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check"]
    # uv looks at the graphics driver; where there is none it takes the CPU build, a tenth in size.
    backend = [] if torch_is_at_hand() or sys.platform == "darwin" else ["--torch-backend", "auto"]
    if succeeds([*pip, "--quiet", "-c", "constraints.txt", "uv"]) and succeeds([str(BIN / "uv"), "pip", "install", "--python", str(PYTHON), *request, *backend]):
        return
    say("That did not work with uv; going on with pip, which is slower and may take a larger build of PyTorch.")
    run([*pip, *request], "install what DDPM Studio needs", "Read the lines above; without a connection to a package index this cannot work. Then start again.")


def torch_is_at_hand() -> bool:
    """True when a folder that pip was told to look in holds PyTorch for this Python; uv is told to look there too."""
    places = os.environ.get("PIP_FIND_LINKS", "").split()
    if places:
        os.environ.setdefault("UV_FIND_LINKS", ",".join(places))
    return any(Path(place).is_dir() and any(Path(place).glob(f"torch-*-cp3{sys.version_info.minor}-*.whl")) for place in places)


# Libraries of the system.


def set_up_libraries() -> None:
    """Sees to it that Qt can start.

    Raises UserError with the command to run where that is not for us to do.
    """
    missing = preflight.missing_libraries()
    if missing:
        install_packages(preflight.packages(missing), f"Qt needs system libraries that are missing: {', '.join(missing)}")
        preflight.check_libraries()


def install_packages(names: list[str], reason: str) -> bool:
    """Installs Debian packages when we are root, as in a container; True when that was done."""
    if not preflight.is_root() or not shutil.which("apt-get"):
        return False
    say(f"{reason}. Installing: {' '.join(names)}")
    os.environ.setdefault("DEBIAN_FRONTEND", "noninteractive")
    done = succeeds(["apt-get", "update", "-qq"]) & succeeds(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *names], stdout=subprocess.DEVNULL)
    importlib.invalidate_caches()
    return done


# What was asked for.


def run_checks(arguments: list[str]) -> int:
    """The static checks, then the tests, whose closing line comes last; 0 when all passed."""
    os.environ["PATH"] = f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"
    failed = [check[0] for check in CHECKS if not arguments and not announced(check)]
    status = subprocess.run([str(PYTHON), "-m", "pytest", *arguments], cwd=HERE, check=False).returncode
    if failed:
        print(f"error: not clean: {', '.join(failed)} (see above)", file=sys.stderr)
    return status or len(failed)


def announced(check: list[str]) -> bool:
    say(" ".join(check))
    return succeeds([str(BIN / check[0]), *check[1:]])


def start_program(arguments: list[str]) -> int:
    command = [str(PYTHON), "-m", "ddpm_studio", *arguments]
    if os.name != "nt":
        os.execv(command[0], command)  # the program itself then gets the signals and gives the status
    return subprocess.run(command, check=False).returncode


# Small tools.


def say(text: str) -> None:
    print(f"[studio] {text}", file=sys.stderr, flush=True)


def succeeds(command: list[str], stdout: int | None = None) -> bool:
    try:
        return subprocess.run(command, cwd=HERE, stdout=stdout, check=False).returncode == 0
    except OSError as error:
        say(f"{command[0]}: {error.strerror}")
        return False


def run(command: list[str], goal: str, hint: str) -> None:
    """Raises UserError when the command fails."""
    if not succeeds(command):
        raise UserError(f"Could not {goal}.", hint)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
