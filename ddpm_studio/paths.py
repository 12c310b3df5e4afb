"""Where things are: in a checkout, in an installed package and in the frozen program alike."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import platformdirs

APP_NAME = "ddpm-studio"


def data_dir() -> Path:
    """Runs, caches, gallery, settings and log live here: `$DDPM_STUDIO_HOME`, else the user's data directory."""
    home = os.environ.get("DDPM_STUDIO_HOME")
    return Path(home).expanduser().absolute() if home else Path(platformdirs.user_data_dir(APP_NAME, appauthor=False))


def runs_dir() -> Path:
    return data_dir() / "runs"


def cache_dir() -> Path:
    return data_dir() / "cache"


def gallery_dir() -> Path:
    return data_dir() / "gallery"


def settings_file() -> Path:
    return data_dir() / "settings.json"


def former_names_file() -> Path:
    """Names that runs had before they were renamed or deleted, a line each: pictures that they made still bear them."""
    return data_dir() / "former-run-names.txt"


def left_out_file(source: Path) -> Path:
    """The names of the pictures of a source that were left out in the window, kept from one time to the next."""
    name = hashlib.sha256(str(source.absolute()).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return data_dir() / "left-out" / f"{name}.txt"


def log_file() -> Path:
    return data_dir() / "ddpm-studio.log"


def _shipped(folder: str) -> Path:
    """`resources`, `models` or `docs`: beside the frozen program, inside the installed package, or at the top of a checkout."""
    here = Path(__file__).resolve().parent
    frozen = getattr(sys, "_MEIPASS", None)
    places = [Path(frozen) / folder] if frozen else []
    places += [here / folder, here.parent / folder]
    return next((place for place in places if place.is_dir()), places[-1])


def resources_dir() -> Path:
    return _shipped("resources")


def languages_dir() -> Path:
    """The catalogs of `language`."""
    return resources_dir() / "languages"


def models_dir() -> Path:
    """The models that ship with the program."""
    return _shipped("models")


def guide_file(language: str = "en") -> Path:
    """The handbook, in English where there is none in that language."""
    translated = _shipped("docs") / f"GUIDE.{language}.md"
    return translated if translated.is_file() else _shipped("docs") / "GUIDE.md"


def samples_archive() -> Path:
    """The sample pictures (CC0) for a first start without data."""
    return resources_dir() / "samples" / "pixel_tiles.zip"
