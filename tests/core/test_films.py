"""Films: what another program reads of them, and what happens when they cannot be written or are given up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ddpm_studio.control import RunControl
from ddpm_studio.errors import Cancelled, UserError
from ddpm_studio.events import FilmSaved, Finished, Images, Progress
from ddpm_studio.films import write_film
from ddpm_studio.requests import FilmRequest

MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def made_up(channels: int, count: int = 5) -> Images:
    frames = np.random.default_rng(channels).integers(0, 256, (count, 9, 12, channels), dtype=np.uint8)
    if channels == 4:
        frames[..., 3] = np.where(frames[..., 3] < 128, 0, 255)
        frames[frames[..., 3] == 0] = 0
    return frames


@pytest.mark.parametrize("channels", MODES)
@pytest.mark.parametrize("kind", ["gif", "webp", "png"])
def test_every_frame_comes_back_with_its_time(tmp_path: Path, kind: str, channels: int) -> None:
    frames, path = made_up(channels), tmp_path / "new folder" / f"Film 雛菊.{kind}"
    events = list(write_film(FilmRequest(path, frames, frames_per_second=12, scale=4, hold_seconds=1.0), RunControl()))
    assert [event.done for event in events if isinstance(event, Progress)] == [1, 2, 3, 4, 5]
    assert events[-2:] == [FilmSaved(path, 5, path.stat().st_size), Finished(5)]
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    times = 0.0
    with Image.open(path) as film:
        assert film.size == (48, 36)
        assert film.n_frames == 5  # type: ignore[attr-defined]
        assert film.info["loop"] == 0, "endless"
        for i, frame in enumerate(frames):
            film.seek(i)
            film.load()
            times += film.info["duration"]
            seen = np.asarray(film.convert(MODES[channels])).reshape(36, 48, channels)
            if kind == "gif" and channels == 4:  # on white: a GIF knows no half transparency
                frame = np.where(frame[..., 3:], frame, 255)
            assert np.array_equal(seen, frame.repeat(4, axis=0).repeat(4, axis=1)), "108 pixels have no more colours than a GIF can hold"
    assert times == pytest.approx(1000 * (5 / 12 + 1), abs=5), "rounding does not add up"


@pytest.mark.parametrize(("kind", "seconds"), [("gif", 655.35), ("webp", 1800), ("png", 1800)])
def test_frames_may_stay_for_as_long_as_the_format_can_count(tmp_path: Path, kind: str, seconds: float) -> None:
    path = tmp_path / f"slow.{kind}"
    list(write_film(FilmRequest(path, made_up(3, 2), frames_per_second=1 / 1800), RunControl()))
    with Image.open(path) as film:
        film.seek(1)
        film.load()
        assert film.info["duration"] == pytest.approx(1000 * seconds)


def test_photographs_in_a_gif_lose_little(tmp_path: Path) -> None:
    y, x = np.mgrid[:64, :64]
    frames = np.stack([np.stack([3 * x + shift, 3 * y, 255 - x - y], axis=2) for shift in (0, 60)]).clip(0, 255).astype(np.uint8)
    list(write_film(FilmRequest(tmp_path / "a.gif", frames), RunControl()))
    with Image.open(tmp_path / "a.gif") as film:
        assert np.abs(np.asarray(film.convert("RGB"), dtype=int) - frames[0]).mean() < 5


def test_a_film_that_is_given_up_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "film.webp"
    path.write_bytes(b"the film of before")
    control = RunControl()
    events = write_film(FilmRequest(path, made_up(3)), control)
    next(events)
    control.stop()
    with pytest.raises(Cancelled):
        list(events)
    half = write_film(FilmRequest(path, made_up(3)), RunControl())
    next(half)
    half.close()
    assert path.read_bytes() == b"the film of before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"path": Path("film.mp4")}, "not the name of a film"), ({"frames": made_up(3)[:0]}, "a picture at least"),
        ({"frames_per_second": 51.0}, "between 0 and 50"), ({"scale": 2000}, "too large"),
    ],
)
def test_what_is_no_film_is_refused(tmp_path: Path, changes: dict[str, object], says: str) -> None:
    request = FilmRequest(**{"path": tmp_path / "film.gif", "frames": made_up(3), **changes})  # type: ignore[arg-type]
    with pytest.raises(UserError, match=says):
        list(write_film(request, RunControl()))
    assert not list(tmp_path.iterdir())


def test_a_place_that_takes_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="Could not save"):
        list(write_film(FilmRequest(tmp_path / "file" / "film.gif", made_up(3)), RunControl()))
