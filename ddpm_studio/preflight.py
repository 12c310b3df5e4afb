"""Looks for what a window needs from the system before Qt aborts for lack of it.

Qt ends the whole process when a library of the system is missing, with a message that may name the wrong one.
Only the standard library is used here, so that `studio.py` can ask before anything is installed.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ddpm_studio.errors import UserError
from ddpm_studio.language import tr

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

GLIB = "libglib2.0-0"

OFFSCREEN_LIBRARIES = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libglib-2.0.so.0": GLIB,
    "libgthread-2.0.so.0": GLIB,
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libX11.so.6": "libx11-6",
}
"""What every window of Qt needs, also one that nobody sees; and the Debian package of each."""

SCREEN_LIBRARIES = {
    "libX11-xcb.so.1": "libx11-xcb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
}
"""What a window on an X11 screen needs besides."""


def opens_window(arguments: Sequence[str]) -> bool:
    """True when these arguments of the program ask for the window."""
    return not arguments or (arguments[0] == "gui" and not {"-h", "--help"} & set(arguments))


def check_qt(environ: Mapping[str, str] = os.environ) -> None:
    """All that must be true before PySide6 is imported to show a window.

    Raises UserError that says what is missing and how to get it.
    """
    check_display(environ)
    check_libraries(environ)
    if not _has_pyside():
        raise UserError(tr("The window needs PySide6, which is not installed here."), tr("Run: python -m pip install 'PySide6-Essentials>=6.11.2,<6.12' pyqtgraph"))


def check_display(environ: Mapping[str, str] = os.environ) -> None:
    """Raises UserError on a Linux machine without a screen."""
    if sys.platform == "linux" and not any(environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")):
        raise UserError(
            tr("There is no screen here to open a window on."),
            tr("Train and generate with the commands (see: ddpm-studio --help), log in with a remote desktop, or put `xvfb-run -a` before the command."),
        )


def check_libraries(environ: Mapping[str, str] = os.environ) -> None:
    """Raises UserError that names the missing libraries and the one command that installs them."""
    missing = missing_libraries(environ)
    if not missing:
        return
    names = ", ".join(missing)
    message = tr("The window needs system libraries that are missing: {names}.", names=names)
    apt = shutil.which("apt-get")
    hint = tr("Run: {command}", command=install_command(packages(missing))) if apt else tr("Install the packages of your system that hold {names}.", names=names)
    raise UserError(message, hint)


def needed_libraries(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Library file -> Debian package, for the kind of screen that Qt will choose."""
    if sys.platform != "linux":
        return {}
    platform = environ.get("QT_QPA_PLATFORM", "")
    x11 = platform.startswith("xcb") if platform else bool(environ.get("DISPLAY")) and not environ.get("WAYLAND_DISPLAY")
    return OFFSCREEN_LIBRARIES | (SCREEN_LIBRARIES if x11 else {})


def missing_libraries(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Those of the needed libraries that the system cannot load."""
    return {file: package for file, package in needed_libraries(environ).items() if not _loads(file)}


def packages(libraries: Mapping[str, str]) -> list[str]:
    """The Debian packages of some libraries, each once, by the names that this system gives them."""
    glib = "libglib2.0-0t64" if GLIB in libraries.values() and _has_t64_names() else GLIB
    return [glib if name == GLIB else name for name in dict.fromkeys(libraries.values())]


def install_command(names: Iterable[str]) -> str:
    sudo = "" if is_root() else "sudo "
    return f"{sudo}apt-get update && {sudo}apt-get install -y --no-install-recommends {' '.join(names)}"


def is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def read_os_release(file: Path = Path("/etc/os-release")) -> dict[str, str]:
    """The fields that a Linux system describes itself with; empty where there are none."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, value in pairs}


def _has_t64_names(release: Mapping[str, str] | None = None) -> bool:
    """Debian 13 and Ubuntu 24.04 renamed libraries for 64-bit time; systems made from them say so only in their package lists."""
    release = read_os_release() if release is None else release
    version = release.get("VERSION_ID", "")
    if release.get("ID") == "debian":
        return not version or float(version) >= 13  # testing and unstable have no number
    if release.get("ID") == "ubuntu":
        return float(version or 0) >= 24.04
    if not shutil.which("apt-cache"):
        return False
    return subprocess.run(["apt-cache", "show", f"{GLIB}t64"], capture_output=True, check=False).returncode == 0


def _loads(file: str) -> bool:
    try:
        ctypes.CDLL(file)
    except OSError:
        return False
    return True


def _has_pyside() -> bool:
    from importlib.util import find_spec

    return find_spec("PySide6") is not None
