"""Pictures that were made: PNG files that carry the whole recipe they were made by."""

from __future__ import annotations

import calendar
import contextlib
import datetime
import json
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ddpm_studio import imaging, paths
from ddpm_studio.errors import UserError, describe_os_error
from ddpm_studio.events import BlendReady, Images
from ddpm_studio.files import write_atomically
from ddpm_studio.language import tr
from ddpm_studio.requests import BlendRequest, SampleRequest, blend_of, is_reproducible, recipe

RECIPE_KEY = "ddpm-studio"
PICTURE_KEY = "ddpm-studio-picture-"
"""With a number from 0 behind it: the text chunks of the pictures that a blend was made of."""
MOST_PICTURES, MOST_PACKED = 6, 1_000_000
"""How many of them a blend takes along, and characters of each: Pillow reads no longer chunks."""
MOST_WEIGHTS = 1000
"""Numbers in a list of a recipe."""
STARS = "stars.json"
MAX_SHEET_PIXELS = 40_000_000
"""Of a sheet of pictures: 120 MB while it is put together."""


def recipes(request: SampleRequest, seeds: Sequence[int], model_step: int | None, device: str) -> list[dict[str, Any]]:
    """The recipes of the pictures of one request: each says its own seed, and with whom it was made."""
    together: dict[str, Any] = {"first_seed": request.seed, "count": request.count} if request.count > 1 else {"count": 1}
    return [recipe(request, seed=seed, model_step=model_step, made_on=device, **together) for seed in seeds]


def blend_recipes(request: BlendRequest, blends: Iterable[BlendReady]) -> list[dict[str, Any]]:
    """The recipes of the blends of one request: each says with which others it was made, and which of them it is."""
    mixtures = list(dict.fromkeys(request.weights))
    flat = [weight for weights in mixtures for weight in weights]
    tells = len(mixtures) > 1 and len(flat) <= MOST_WEIGHTS
    return [recipe(request, **made.facts, **({"together": flat, "place": mixtures.index(made.weights)} if tells else {})) for made in blends]


def text_of(facts: dict[str, Any], pictures: Sequence[Images] = ()) -> dict[str, str]:
    """The text chunks of a PNG: its recipe, and the pictures that it was blended of, as small as the model has seen them. Where
    they are too many or too large for that, it holds none of them."""
    texts = [imaging.packed(picture) for picture in pictures] if len(pictures) <= MOST_PICTURES else []
    if not texts or max(map(len, texts)) > MOST_PACKED:
        return {RECIPE_KEY: json.dumps(facts, ensure_ascii=False)}
    facts = facts | {"pictures": len(texts)}
    return {RECIPE_KEY: json.dumps(facts, ensure_ascii=False), **{f"{PICTURE_KEY}{i}": text for i, text in enumerate(texts)}}


def save_pictures(images: Images, recipes: Sequence[dict[str, Any]], folder: Path | None = None, blended: Sequence[Images] = ()) -> list[Path]:
    """Write uint8 [N, H, W, C] as PNGs, each with its recipe in the text chunk `ddpm-studio`, and with the pictures that were
    `blended` for it; in the gallery by default."""
    folder = folder or paths.gallery_dir()
    moment = time.strftime("%Y%m%d-%H%M%S")
    saved = []
    for image, facts in zip(images, recipes, strict=True):
        path = free_name(folder, f"{moment}-{facts.get('kind', 'picture')}-{facts.get('seed', 0)}")
        imaging.save_png(path, image, text_of(facts, blended))
        saved.append(path)
    return saved


def list_pictures(folder: Path | None = None) -> list[Path]:
    """All PNGs of the gallery, newest first."""
    return [path for path, _ in dated_pictures(folder)]


def dated_pictures(folder: Path | None = None, known: Iterable[Path] = ()) -> list[tuple[Path, float]]:
    """All PNGs of the gallery and when each was made (seconds since the epoch), newest first.

    Those that are `known` already are the same objects as there, which are equal at a glance: comparing and hashing ten
    thousand new ones takes 40 ms.
    """
    folder, found = folder or paths.gallery_dir(), []
    same = {path.name: path for path in known}
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".png") and not entry.name.startswith("."):
                with contextlib.suppress(OSError):
                    found.append((entry.stat().st_mtime_ns, entry.name))
    return [(same.get(name) or folder / name, nanoseconds / 1e9) for nanoseconds, name in sorted(found, reverse=True)]


def read_recipe(path: Path) -> dict[str, Any]:
    """How a picture was made.

    Raises UserError when it carries no recipe, or one that is damaged: it may come from anybody.
    """
    text = imaging.read_png_text(path).get(RECIPE_KEY)
    if text is None:
        raise UserError(tr("{name} carries no recipe.", name=path.name), tr("Single pictures made by DDPM Studio say how they were made; films and sheets do not."))
    return parse_recipe(text, path.name)


def read_blend(path: Path, model: str | Path, shape: tuple[int, int, int], background: str) -> tuple[BlendRequest, int]:
    """A blend as it was asked for, together with those that it was made with, and which of them it is; `shape` (height, width,
    channels) and `background` are those of the model.

    Raises UserError when the file does not hold all that it was made of, or that is not what was once written.
    """
    values, texts = read_recipe(path), imaging.read_png_text(path)
    hint = tr("Choose the pictures again, as far as you have them.")
    if not is_reproducible(values) or values["kind"] != "blend":
        raise UserError(tr("{name} does not hold the pictures that were blended.", name=imaging.printable(path.name)), hint)
    numbers = range(min(int(values["pictures"]), MOST_PICTURES))
    try:
        pictures = tuple(imaging.unpacked(texts[f"{PICTURE_KEY}{i}"], shape, background) for i in numbers)
    except (KeyError, imaging.UnreadablePicture):
        raise UserError(tr("The pictures in {name} are damaged, or of another size than the model's.", name=imaging.printable(path.name)), hint) from None
    return blend_of(values, model, pictures)


def parse_recipe(text: str, source: str) -> dict[str, Any]:
    """A recipe out of its JSON. Raises UserError that names its source when it is damaged."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict) or not _is_plain(values):
        raise UserError(tr("The recipe in {name} is damaged.", name=imaging.printable(source)), tr("Only pictures made by DDPM Studio say how they were made."))
    return _printable(values)


MAX_NESTING = 9
"""Of recipes in recipes, each of the way that another one begins on."""


def _is_plain(value: object, depth: int = 0) -> bool:
    """Whether a stranger's value is of the kind and size that recipes of ours have."""
    if isinstance(value, dict):
        return depth < MAX_NESTING and len(value) <= 100 and all(_is_plain(part, depth + 1) for part in value.values())
    if isinstance(value, list):
        return len(value) <= 1000 and all(not isinstance(part, (list, dict)) and _is_plain(part, depth + 1) for part in value)
    if isinstance(value, str):
        return len(value) <= 1000
    return value is None or (isinstance(value, (int, float)) and abs(value) < 2**63)  # not for NaN either


def _printable(values: dict[str, Any]) -> dict[str, Any]:
    def clean(value: Any) -> Any:
        return _printable(value) if isinstance(value, dict) else imaging.printable(value) if isinstance(value, str) else value

    return {imaging.printable(key): clean(value) for key, value in values.items()}


# Finding pictures again.


@dataclass(frozen=True, slots=True)
class Facts:
    """What a picture is found by."""

    path: Path
    made: float
    """Seconds since the epoch."""
    model: str = ""
    seed: int | None = None
    words: str = ""
    """Its name, its model and the words of its recipe, in small letters."""


def read_facts(path: Path, made: float) -> Facts:
    """From its recipe; a picture without one is found by its name and date."""
    values: dict[str, Any] = {}
    with contextlib.suppress(UserError):
        values = read_recipe(path)
    model, seed = str(values.get("model", "")), values.get("seed")
    words = [path.stem, *(str(values[name]) for name in ("kind", "model", "sampler", "guide") if values.get(name))]
    return Facts(path, made, model, seed if isinstance(seed, int) else None, " ".join(words).casefold())


class Search:
    """Plain words, each of which a picture must fit: "faces 42 today".

    A number is a seed. "today", "yesterday", "2026-11" and "2026-11-25" are days; everything else is a part of a word.
    """

    def __init__(self, query: str, today: datetime.date) -> None:
        self._words: list[str] = []
        self._seeds: list[int] = []
        self._times: list[tuple[float, float]] = []
        for word in query.casefold().split():
            if word.rstrip(":=") in ("seed", tr("Seed").casefold()):
                continue  # "seed 42" says no more than "42"
            number = word.removeprefix("seed:").removeprefix("seed=")
            if number.isdecimal() and len(number) < 19:
                self._seeds.append(int(number))
            elif word in ("today", tr("today").casefold()):
                self._times.append(_span(today, 1))
            elif word in ("yesterday", tr("yesterday").casefold()):
                self._times.append(_span(today - datetime.timedelta(days=1), 1))
            elif (span := _span_of(word)) is not None:
                self._times.append(span)
            else:
                self._words.append(word)

    def fits(self, facts: Facts) -> bool:
        for word in self._words:  # loops, not all(...): this is asked ten thousand times at each key
            if word not in facts.words:
                return False
        for seed in self._seeds:
            if facts.seed != seed:
                return False
        return all(first <= facts.made < end for first, end in self._times) if self._times else True


def _span(first: datetime.date, days: int) -> tuple[float, float]:
    """When some days begin and end, in seconds since the epoch."""
    start = datetime.datetime.combine(first, datetime.time())
    return start.timestamp(), (start + datetime.timedelta(days=days)).timestamp()


def _span_of(word: str) -> tuple[float, float] | None:
    """A month (2026-11) or a day (2026-11-25); None for any other word."""
    with contextlib.suppress(ValueError, OverflowError, OSError):
        if len(word) == 10:
            return _span(datetime.date.fromisoformat(word), 1)
        if len(word) == 7 and word[4] == "-":
            first = datetime.date.fromisoformat(f"{word}-01")
            return _span(first, calendar.monthrange(first.year, first.month)[1])
    return None


def read_stars(folder: Path | None = None) -> frozenset[str]:
    """The names of the pictures that somebody has marked with a star."""
    with contextlib.suppress(OSError):
        return _stars((folder or paths.gallery_dir()) / STARS)
    return frozenset()


def _stars(file: Path) -> frozenset[str]:
    """Raises OSError when it cannot be read; what is no list of names holds none, nor does a file that is not there."""
    with contextlib.suppress(FileNotFoundError, ValueError, RecursionError):
        names = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(names, list):
            return frozenset(name for name in names if isinstance(name, str))
    return frozenset()


def set_stars(names: Iterable[str], on: bool, folder: Path | None = None) -> None:
    """Mark these pictures, or take their stars away. All others keep theirs, those in the trash as well: they may come back.

    Raises UserError when those that are there cannot be read, or the new ones written.
    """
    file = (folder or paths.gallery_dir()) / STARS
    try:
        before = _stars(file)
    except OSError as error:
        raise describe_os_error(error, tr("read {name}", name=file.name)) from error
    stars = before.union(names) if on else before.difference(names)
    write_atomically(file, (json.dumps(sorted(stars), indent=0) + "\n").encode())  # in ASCII: names may hold bytes that are no text


# Taking pictures elsewhere.


def copy_picture(path: Path, folder: Path) -> Path:
    """Into a folder, under its own name or one like it: nothing there is overwritten. Raises UserError or OSError."""
    target = free_name(folder, path.stem)
    folder.stat()  # nothing is made in the place of a folder that is gone
    write_atomically(target, path.read_bytes())
    return target


def sheet(files: Iterable[Path]) -> Images:
    """Pictures side by side, each as large as the largest of them: uint8 [H, W, 3]. Raises UserError when there are too many, or one cannot be read."""
    pictures: list[Any] = []
    height = width = 0
    for path in files:
        pictures.append(imaging.decode(path))
        height, width = max(height, pictures[-1].height), max(width, pictures[-1].width)
        if height * width * len(pictures) > MAX_SHEET_PIXELS:
            raise UserError(tr("These are too many pictures for one sheet."), tr("Choose fewer, or smaller ones, or copy them as single files."))
    return imaging.grid(np.stack([imaging.fit(picture, (height, width, 3)) for picture in pictures]))


def thumbnail(path: Path, side: int) -> Images | None:
    """A picture that fits into a square: uint8 [H, W, 3 or 4]; small ones as they are, None where it cannot be read."""
    try:
        picture = imaging.decode(path, side)
    except (UserError, OSError):
        return None
    picture.thumbnail((side, side))
    picture = picture.convert("RGBA" if picture.mode in ("LA", "RGBA") else "RGB")
    return np.array(picture)


def free_name(folder: Path, stem: str) -> Path:
    number = 1
    path = folder / f"{stem}.png"
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.png"
    return path
