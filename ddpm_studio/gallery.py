"""Pictures that were made: PNG files that carry the whole recipe they were made by."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ddpm_studio import imaging, paths
from ddpm_studio.errors import UserError
from ddpm_studio.events import Images
from ddpm_studio.language import tr

RECIPE_KEY = "ddpm-studio"


def save_pictures(images: Images, recipes: Sequence[dict[str, Any]], folder: Path | None = None) -> list[Path]:
    """Write uint8 [N, H, W, C] as PNGs, each with its recipe in the text chunk `ddpm-studio`; in the gallery by default."""
    folder = folder or paths.gallery_dir()
    moment = time.strftime("%Y%m%d-%H%M%S")
    saved = []
    for image, recipe in zip(images, recipes, strict=True):
        path = _free_name(folder, f"{moment}-{recipe.get('kind', 'picture')}-{recipe.get('seed', 0)}")
        imaging.save_png(path, image, {RECIPE_KEY: json.dumps(recipe, ensure_ascii=False)})
        saved.append(path)
    return saved


def list_pictures(folder: Path | None = None) -> list[Path]:
    """All PNGs of the gallery, newest first."""
    found = []
    with contextlib.suppress(OSError):
        for path in (folder or paths.gallery_dir()).glob("*.png"):
            with contextlib.suppress(OSError):
                found.append((path.stat().st_mtime_ns, path.name, path))
    return [path for _, _, path in sorted(found, reverse=True)]


def read_recipe(path: Path) -> dict[str, Any]:
    """How a picture was made.

    Raises UserError when it carries no recipe, or one that is damaged: it may come from anybody.
    """
    text = imaging.read_png_text(path).get(RECIPE_KEY)
    if text is None:
        raise UserError(tr("{name} carries no recipe.", name=path.name), tr("Only pictures made by DDPM Studio say how they were made."))
    try:
        recipe = json.loads(text)
    except (ValueError, RecursionError):
        recipe = None
    if not isinstance(recipe, dict) or len(recipe) > 100 or not all(_is_plain(value) for value in recipe.values()):
        raise UserError(tr("The recipe in {name} is damaged.", name=path.name), tr("Only pictures made by DDPM Studio say how they were made."))
    return {imaging.printable(key): imaging.printable(value) if isinstance(value, str) else value for key, value in recipe.items()}


def _is_plain(value: object, inside: bool = False) -> bool:
    """Whether a stranger's value is of the kind and size that recipes of ours have."""
    if isinstance(value, list):
        return not inside and len(value) <= 1000 and all(_is_plain(part, True) for part in value)
    if isinstance(value, str):
        return len(value) <= 1000
    return value is None or (isinstance(value, (int, float)) and abs(value) < 2**63)  # not for NaN either


def _free_name(folder: Path, stem: str) -> Path:
    number = 1
    path = folder / f"{stem}.png"
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.png"
    return path
