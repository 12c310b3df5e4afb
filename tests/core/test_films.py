"""Films: what another program reads of them, and what happens when they cannot be written or are given up."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from ddpm_studio import films
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


def decoded(path: Path) -> tuple[Images, list[float], list[float]]:
    """The frames of an MP4 as another program shows them, when each begins, and how long it stays."""
    with av.open(path) as film:
        assert [stream.type for stream in film.streams] == ["video"]
        shown = [(frame.to_ndarray(format="rgb24"), frame.time, float(frame.duration * frame.time_base)) for frame in film.decode(video=0)]
    pictures, starts, durations = zip(*shown, strict=True)
    return np.stack(pictures), list(starts), list(durations)


@pytest.mark.parametrize("encoder", films.ENCODERS)
@pytest.mark.parametrize("channels", MODES)
def test_an_mp4_holds_every_frame_with_its_time_and_colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, channels: int, encoder: str) -> None:
    monkeypatch.setattr(films, "ENCODERS", {"of another build": {}, encoder: films.ENCODERS[encoder]})
    frames, path = made_up(channels), tmp_path / "new folder" / "Film 雛菊.mp4"
    frames[0, :4, :6, :3] = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (128, 128, 128)] if channels > 1 else 77
    events = list(write_film(FilmRequest(path, frames, frames_per_second=12, scale=4, hold_seconds=1.0), RunControl()))
    assert [event.done for event in events if isinstance(event, Progress)] == [1, 2, 3, 4, 5]
    assert events[-2:] == [FilmSaved(path, 5, path.stat().st_size), Finished(5)]
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    seen, starts, durations = decoded(path)
    assert seen.shape == (5, 22 * 9, 22 * 12, 3), "the least even factor that makes 256"
    assert starts == pytest.approx([i / 12 for i in range(5)])
    assert durations == pytest.approx([1 / 12] * 4 + [1 / 12 + 1])
    if channels == 4:
        frames = np.where(frames[..., 3:], frames, 255)[..., :3]
    middles = seen[:, 11::22, 11::22].astype(int)
    assert np.abs(middles - frames).max() <= (12 if encoder == "libx264" else 40)
    assert np.abs(middles - frames).mean() <= (2 if encoder == "libx264" else 6)


def test_an_mp4_says_what_its_colours_mean(tmp_path: Path) -> None:
    """Numbers of BT.709 (Y is 16 + 219 times the luma), from 16 to 235, with the curve of sRGB; and nothing of who made it."""
    colours = np.uint8([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (20, 200, 100)])
    path = tmp_path / "secret place" / "film.mp4"
    list(write_film(FilmRequest(path, np.broadcast_to(colours[:, None, None], (6, 8, 8, 3))), RunControl()))
    with av.open(path) as film:
        codec = film.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt, codec.width, codec.height) == ("h264", "yuv420p", 256, 256)
        assert (codec.colorspace, codec.color_range, codec.color_primaries, codec.color_trc) == (1, 1, 1, 13)
        luma = [int(frame.to_ndarray()[100, 100]) for frame in film.decode(video=0)]
    assert luma == pytest.approx(16 + 219 / 255 * colours @ (0.2126, 0.7152, 0.0722), abs=1.5)
    assert b"secret" not in path.read_bytes()


@pytest.mark.parametrize(("rate", "seconds"), [(24.0, 1 / 24), (1 / 1800, 1800.0), (50.0, 1 / 50), (7.3, 1 / 7.3)])
@pytest.mark.parametrize("encoder", films.ENCODERS)
def test_frames_of_an_mp4_stay_for_their_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: str, rate: float, seconds: float) -> None:
    monkeypatch.setattr(films, "ENCODERS", {encoder: films.ENCODERS[encoder]})
    list(write_film(FilmRequest(tmp_path / "film.mp4", made_up(3, 3), frames_per_second=rate), RunControl()))
    assert decoded(tmp_path / "film.mp4")[2] == pytest.approx([seconds] * 3, abs=2e-5)
    list(write_film(FilmRequest(tmp_path / "one.mp4", made_up(3, 1), rate, hold_seconds=2), RunControl()))
    with av.open(tmp_path / "one.mp4") as film:
        assert Fraction(film.duration or 0, av.time_base) == pytest.approx(seconds + 2, abs=1e-3)


@pytest.mark.parametrize(
    ("size", "scale", "factor"),
    [((32, 32), 1, 8), ((32, 32), 8, 8), ((32, 32), 16, 16), ((96, 64), 1, 4), ((256, 256), 1, 1), ((300, 200), 3, 3), ((257, 300), 1, 2), ((301, 301), 3, 4), ((1, 1), 1, 256)],
)
def test_an_mp4_is_as_large_as_players_want_it(size: tuple[int, int], scale: int, factor: int) -> None:
    frames = np.zeros((1, *size, 3), np.uint8)
    assert FilmRequest(Path("a.MP4"), frames, scale=scale).factor == factor
    assert FilmRequest(Path("a.gif"), frames, scale=scale).factor == scale


@pytest.mark.parametrize("command", [["generate", "faces"], ["loop", "faces", "a.png", "b.png"]])
@pytest.mark.parametrize(
    "broken",
    ["sys.modules['av'] = None", "import av; av.__version__ = '14.0.0'", "import ddpm_studio.films; ddpm_studio.films.ENCODERS = {'of another build': {}}"],
)
def test_without_what_writes_mp4_the_command_line_says_so_before_the_work(tmp_path: Path, broken: str, command: list[str]) -> None:
    command = [*command, "--film", str(tmp_path / "new" / "film.mp4"), "--out", str(tmp_path / "out")]
    code = f"import sys; sys.modules['torch'] = None; {broken}\nfrom ddpm_studio.cli.main import main\nsys.exit(main({command!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    error, hint = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    if "ENCODERS" not in broken:
        assert error == "error: MP4 needs PyAV 17 or newer, which is not installed."
        assert hint == f'hint: Install it with: "{sys.executable}" -m pip install "av>=17,<19"'
    else:
        assert error == "error: PyAV is installed here without an encoder for MP4."
        assert "GIF" in hint
    assert not list(tmp_path.iterdir())


def test_what_the_encoder_refuses_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(films, "ENCODERS", {"libx264": {"preset": "none such"}})
    with pytest.raises(UserError, match="could not be encoded as MP4"):
        list(write_film(FilmRequest(tmp_path / "film.mp4", made_up(3)), RunControl()))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["webp", "mp4"])
def test_a_film_that_is_given_up_leaves_nothing_behind(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"film.{kind}"
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
    stopped = RunControl()
    stopped.stop()
    with pytest.raises(Cancelled):
        list(write_film(FilmRequest(path, made_up(3)), stopped))
    assert path.read_bytes() == b"the film of before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"path": Path("film.mov")}, "not the name of a film"), ({"frames": made_up(3)[:0]}, "a picture at least"),
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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("suffix", films.SUFFIXES)
def test_a_disk_that_fills_up_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"film{suffix}"
    (tmp_path / f".{path.name}.{os.getpid()}.part").symlink_to("/dev/full")
    with pytest.raises(UserError, match="the disk is full"):
        list(write_film(FilmRequest(path, made_up(3, 40), scale=8), RunControl()))
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_fills_up_in_the_middle_of_an_mp4_is_named(tmp_path: Path) -> None:
    """More than what waits in memory is written before the end; closing then fails, too, and must not hide why."""
    path = tmp_path / "film.mp4"
    (tmp_path / f".{path.name}.{os.getpid()}.part").symlink_to("/dev/full")
    noise = np.random.default_rng(0).integers(0, 256, (60, 128, 128, 3), np.uint8)
    with pytest.raises(UserError, match="the disk is full"):
        list(write_film(FilmRequest(path, noise, scale=2), RunControl()))
