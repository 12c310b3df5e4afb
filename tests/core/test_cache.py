"""Decoded once, opened ever after; nothing half-made, whatever happens."""

from __future__ import annotations

import io
import os
import random
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ddpm_studio.config import DataConfig
from ddpm_studio.control import RunControl
from ddpm_studio.data import cache
from ddpm_studio.data.cache import Dataset, inspect_dataset, open_dataset
from ddpm_studio.errors import Cancelled, UserError
from ddpm_studio.events import DatasetReady, Event, Finished, Progress
from ddpm_studio.imaging import IMAGE_SUFFIXES
from tests.conftest import ROOT

SMALL = DataConfig(image_size=16)


def opened(source: Path, settings: DataConfig = SMALL) -> tuple[Dataset, list[Event]]:
    events: list[Event] = []

    def collect() -> Generator[Event, None, Dataset]:
        return (yield from open_dataset(source, settings, RunControl()))

    run = collect()
    while True:
        try:
            events.append(next(run))
        except StopIteration as end:
            return end.value, events


def noise(seed: int, size: tuple[int, int] = (24, 20)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Ten different pictures, a text that is called a picture, and a note."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for i in range(10):
        noise(i, (24 + i, 20 + 2 * i)).save(folder / ("sub" if i % 2 else ".") / f"{i}.png")
    (folder / "words.jpg").write_text("not a picture")
    (folder / "note.txt").write_text("a note")
    return folder


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A folder that takes a while to decode."""
    folder = tmp_path / "many"
    folder.mkdir()
    noise(0, (1200, 1200)).save(folder / "000.png", compress_level=1)
    for i in range(1, 150):
        os.link(folder / "000.png", folder / f"{i:03}.png")
    return folder


def cache_files(home: Path) -> list[str]:
    return sorted(str(path.relative_to(home / "cache")) for path in (home / "cache").rglob("*")) if (home / "cache").exists() else []


def test_pictures_are_decoded_once(photos: Path, home: Path) -> None:
    first, events = opened(photos)
    assert len(first) == 10
    assert first.images.shape == (10, 16, 16, 3)
    assert first.images.dtype == np.uint8
    assert isinstance(first.images, np.memmap)
    assert not first.images.flags.writeable
    assert not first.report.from_cache
    assert any(isinstance(event, Progress) and event.done == event.total == 11 for event in events)
    files = cache_files(home)
    changed = [(home / "cache" / name).stat().st_ctime_ns for name in files if name.endswith("npy")]

    second, events = opened(photos)
    assert second.report.from_cache
    assert not any(isinstance(event, Progress) and event.total for event in events)
    assert second.fingerprint == first.fingerprint
    assert (second.images == first.images).all()
    assert second.report.skipped == first.report.skipped
    assert cache_files(home) == files
    assert [(home / "cache" / name).stat().st_ctime_ns for name in files if name.endswith("npy")] == changed


def test_the_order_is_that_of_the_names(tmp_path: Path) -> None:
    numbers = list(range(40))
    random.Random(3).shuffle(numbers)
    folder = tmp_path / "f"
    folder.mkdir()
    for i in numbers:
        Image.new("L", (16, 16), i).save(folder / f"{i:02}.png")
    assert opened(folder)[0].images[:, 0, 0, 0].tolist() == list(range(40))


def test_the_report(tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    noise(1, (30, 40)).save(folder / "a.png")
    noise(1, (30, 40)).save(folder / "b.png")
    noise(2, (100, 20)).save(folder / "c.png")
    Image.new("L", (64, 64), 9).save(folder / "grey.png")
    Image.new("RGB", (64, 70), (5, 5, 5)).save(folder / "also grey.png")
    Image.new("RGBA", (50, 50), (255, 0, 0, 90)).save(folder / "clear.png")
    Image.new("L", (4, 90)).save(folder / "thin.png")
    report = opened(folder)[0].report
    assert (report.name, report.source, report.pictures) == ("mixed", str(folder), 6)
    assert (report.duplicates, report.grey, report.transparent) == (1, 2, 1)
    assert (report.smallest, report.median, report.largest) == ((100, 20), (30, 40), (64, 70))
    assert [(s.path, s.reason) for s in report.skipped] == [("thin.png", "too small: 4 x 90 pixels")]
    assert (report.image_size, report.channels) == (16, 3)
    assert report.seconds > 0


@pytest.mark.parametrize("changes", [{"image_size": 32}, {"image_height": 24}, {"channels": 1}, {"channels": 4}, {"background": "black"}, {"crop_x": 0.2}, {"crop_y": 1.0}])
def test_other_settings_are_another_cache(photos: Path, changes: dict[str, object]) -> None:
    opened(photos)
    settings = SMALL.model_copy(update=changes)
    dataset, _ = opened(photos, settings)
    assert not dataset.report.from_cache
    assert dataset.images.shape == (10, *settings.shape)
    assert opened(photos)[0].report.from_cache
    assert opened(photos, SMALL.model_copy(update={"flip": False}))[0].report.from_cache


def test_a_changed_folder_is_read_again(photos: Path) -> None:
    before = opened(photos)[0]
    noise(99).save(photos / "new.png")
    after = opened(photos)[0]
    assert (len(after), after.report.from_cache) == (11, False)
    assert after.fingerprint != before.fingerprint


def test_zips(photos: Path, tmp_path: Path, home: Path) -> None:
    source = Path(shutil.make_archive(str(tmp_path / "photos"), "zip", photos))
    from_zip, _ = opened(source)
    assert (from_zip.images == opened(photos)[0].images).all()
    assert from_zip.report.name == "photos"
    again, events = opened(source)
    assert again.report.from_cache
    assert again.fingerprint == from_zip.fingerprint
    assert len(events) == 1
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr("again.png", (photos / "0.png").read_bytes())
    grown = opened(source)[0]
    assert (len(grown), grown.report.duplicates) == (11, 1)
    assert grown.fingerprint != from_zip.fingerprint


def test_three_pictures_are_enough(tmp_path: Path) -> None:
    for i in range(3):
        noise(i).save(tmp_path / f"{i}.webp", lossless=True)
    dataset = opened(tmp_path)[0]
    assert len(dataset) == 3
    assert dataset.examples().shape == (3, 16, 16, 3)


def test_examples_are_spread_over_the_set(many: Path) -> None:
    dataset = opened(many)[0]
    examples = dataset.examples(10)
    assert examples.shape == (10, 16, 16, 3)
    assert not examples.flags.writeable
    assert (examples[-1] == dataset.images[-1]).all()


def test_inspect_tells_and_ends(photos: Path) -> None:
    events = list(inspect_dataset(photos, SMALL, RunControl()))
    assert isinstance(events[-2], DatasetReady)
    assert events[-2].report.pictures == len(events[-2].examples) == 10
    assert events[-1] == Finished()
    assert opened(photos)[0].report.from_cache


def test_progress_comes_with_an_estimate_and_not_too_often(many: Path) -> None:
    dataset, events = opened(many)
    counts = [event for event in events if isinstance(event, Progress) and event.total]
    assert 1 < len(counts) <= dataset.report.seconds * 10 + 2
    assert [event.done for event in counts] == sorted(event.done for event in counts)
    assert all(event.total == 150 for event in counts)


def until_counting(run: Generator[Event, None, Dataset]) -> None:
    for event in run:
        if isinstance(event, Progress) and event.total:
            return
    raise AssertionError("it was over before it could be interrupted")


@pytest.mark.parametrize("how", ["stop", "close"])
def test_cancelling_leaves_nothing(many: Path, home: Path, how: str) -> None:
    control = RunControl()
    run = open_dataset(many, SMALL, control)
    until_counting(run)
    assert any(name.endswith("images.npy") for name in cache_files(home))
    if how == "stop":
        control.stop()
        with pytest.raises(Cancelled):
            list(run)
    else:
        run.close()
    assert cache_files(home) == []


def test_cancelled_inspection_ends_in_order(many: Path) -> None:
    control = RunControl()
    events = []
    for event in inspect_dataset(many, SMALL, control):
        events.append(event)
        control.stop()
    assert events[-1] == Finished(stopped=True)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x")


@pytest.mark.parametrize("file", ["images.npy", "report.json", "names.txt", "facts.npy"])
@pytest.mark.parametrize("damage", [cut, grow, lambda path: path.write_bytes(b""), lambda path: path.write_bytes(b"\x93NUMPY\1\0\xff\xff{"), Path.unlink])
def test_damaged_caches_are_made_again(photos: Path, home: Path, file: str, damage: Callable[[Path], object]) -> None:
    pixels = opened(photos)[0].images.copy()
    damage(next((home / "cache").rglob(file)))
    dataset = opened(photos)[0]
    assert (dataset.images == pixels).all()
    assert opened(photos)[0].report.from_cache
    assert len(cache_files(home)) == 5


def test_no_usable_picture(tmp_path: Path, home: Path) -> None:
    folder = tmp_path / "bad"
    folder.mkdir()
    for i in range(3):
        (folder / f"{i}.png").write_text("nothing")
    Image.new("L", (1, 1)).save(folder / "dot.png")
    with pytest.raises(UserError, match=r"None of the 4 files in bad can be used \(3: not a picture.*; 1: too small: 1 x 1 pixels\)") as caught:
        opened(folder)
    assert caught.value.hint
    assert cache_files(home) == []


def test_a_folder_that_disappears_half_way(many: Path, home: Path) -> None:
    run = open_dataset(many, SMALL, RunControl())
    until_counting(run)
    shutil.rmtree(many)
    with pytest.raises(UserError, match="disappeared"):
        list(run)
    assert cache_files(home) == []


def test_files_that_disappear_are_looked_for_next_time(many: Path) -> None:
    run = open_dataset(many, SMALL, RunControl())
    until_counting(run)
    kept = (many / "149.png").read_bytes()
    times = (many / "149.png").stat().st_mtime_ns
    (many / "149.png").unlink()
    try:
        while True:
            next(run)
    except StopIteration as end:
        dataset = end.value
    assert [(s.path, s.reason) for s in dataset.report.skipped] == [("149.png", "the file is gone")]
    (many / "149.png").write_bytes(kept)
    os.utime(many / "149.png", ns=(times, times))
    again = opened(many)[0]
    assert (len(again), again.report.from_cache) == (150, False)


def test_two_processes_at_once(photos: Path, home: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ddpm_studio.config import DataConfig; from ddpm_studio.control import RunControl\n"
        "from ddpm_studio.data.cache import inspect_dataset\n"
        "events = list(inspect_dataset(Path(sys.argv[1]), DataConfig(image_size=16), RunControl()))\n"
        "sys.stdout.write(str(events[-2].report.pictures))"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, str(photos)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=60) for process in both] == [("10", "")] * 2
    assert len(cache_files(home)) == 5
    assert opened(photos)[0].report.from_cache


def test_too_little_space(photos: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_SPARE_BYTES", 10**18)
    with pytest.raises(UserError, match=r"need .* on the disk, and .* are free"):
        opened(photos)
    assert cache_files(home) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX limits")
def test_writing_that_fails_half_way(photos: Path, home: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path; from ddpm_studio.config import DataConfig; from ddpm_studio.control import RunControl\n"
        "from ddpm_studio.data.cache import inspect_dataset; from ddpm_studio.errors import UserError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: list(inspect_dataset(Path(sys.argv[1]), DataConfig(image_size=128), RunControl()))\n"
        "except UserError as error: sys.stdout.write(error.message)"
    )
    answer = subprocess.run([sys.executable, "-c", code, str(photos)], capture_output=True, text=True, check=True)
    assert answer.stdout.startswith("Could not write the picture cache")
    assert cache_files(home) == []


def test_old_caches_and_remains_are_removed(photos: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, size in enumerate((16, 24, 32)):
        opened(photos, DataConfig(image_size=size))
        (newest,) = (path for path in (home / "cache").glob("*/report.json") if f'"image_size": {size}' in path.read_text())
        os.utime(newest, (1000 + number, 1000 + number))
    opened(photos, DataConfig(image_size=16))  # now the youngest
    remains = home / "cache" / ".abc.def.part"
    remains.mkdir()
    (remains / "images.npy").write_bytes(b"half")
    os.utime(remains / "images.npy", (1000, 1000))
    os.utime(remains, (1000, 1000))
    monkeypatch.setattr(cache, "MAX_CACHE_BYTES", 10 * 3 * (16**2 + 32**2 + 8**2) + 1000)
    opened(photos, DataConfig(image_size=8))
    assert not remains.exists()
    kept = {np.load(path).shape[1] for path in (home / "cache").glob("*/images.npy")}
    assert kept == {8, 16, 32}


def test_the_messy_collection(shared_data: Callable[[str], Path]) -> None:
    source = shared_data("messy/messy.zip")
    dataset, _ = opened(source, DataConfig(image_size=32))
    report = dataset.report
    assert report.pictures == len(dataset) >= 330
    assert len(report.skipped) >= 60
    with zipfile.ZipFile(source) as archive:
        candidates = [name for name in archive.namelist() if Path(name).suffix.lower() in IMAGE_SUFFIXES]
    assert report.pictures + len(report.skipped) == len(candidates)
    for skipped in report.skipped:
        assert skipped.reason
        assert "\n" not in skipped.reason
        assert skipped.path.split("/")[1] in {"broken", "animated", "tiny or odd shape", "alpha and palette", "bilevel", "exif rotated"}, skipped
    assert dataset.images.std(axis=(1, 2, 3)).mean() > 20


def test_made_up_cases_beside_good_ones(photos: Path, tmp_path: Path) -> None:
    Image.new("L", (1, 1)).save(photos / "1x1.png")
    Image.new("L", (1, 60000)).save(photos / "1x60000.png")
    frames = [Image.new("P", (32, 32), i) for i in range(200)]
    frames[0].save(photos / "endless.gif", save_all=True, append_images=frames[1:], loop=0)
    cropped = io.BytesIO()
    noise(5, (300, 300)).save(cropped, "JPEG")
    (photos / "cut.jpg").write_bytes(cropped.getvalue()[:5000])
    (photos / ("long" * 55 + ".png")).write_bytes((photos / "0.png").read_bytes())
    if sys.platform != "win32":
        os.mkfifo(photos / "pipe.png")
        (photos / "loop").symlink_to(photos)
        shutil.copyfile(photos / "0.png", photos / "new\nline.png")
    dataset = opened(photos)[0]
    reasons = {skipped.path: skipped.reason for skipped in dataset.report.skipped}
    assert reasons["1x1.png"].startswith("too small")
    assert reasons["1x60000.png"] == "too small: 1 x 60000 pixels"
    assert reasons["cut.jpg"] == "the file is cut off"
    assert reasons["words.jpg"].startswith("not a picture")
    if sys.platform != "win32":
        assert reasons["pipe.png"] == "not an ordinary file"
        assert len(dataset) == 13
        assert dataset.report.duplicates == 2


def test_what_libraries_say_about_damaged_files_stays_away_from_the_terminal(tmp_path: Path) -> None:
    """libtiff writes to the error output of the process itself; what we write there still arrives."""
    folder = tmp_path / "tiffs"
    folder.mkdir()
    Image.effect_noise((64, 64), 50).save(folder / "whole.tif", compression="tiff_lzw")
    content = (folder / "whole.tif").read_bytes()
    for i in range(20):
        (folder / f"cut{i}.tif").write_bytes(content[: 200 + 50 * i])
    code = f"""
import os, sys
from pathlib import Path
from ddpm_studio.config import DataConfig
from ddpm_studio.control import RunControl
from ddpm_studio.data.cache import inspect_dataset
for event in inspect_dataset(Path({str(folder)!r}), DataConfig(), RunControl()):
    sys.stderr.write(type(event).__name__ + ".")
os.write(2, b"end")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "DDPM_STUDIO_HOME": str(tmp_path / "home")}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(done.stderr.split(".")) <= {"Progress", "DatasetReady", "Finished", "end"}
    assert done.stderr.endswith("Finished.end")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_stays_bounded_whatever_comes(shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    """The messy collection, photos of 200 megapixels of three kinds and a zip bomb: less than 1 GB above idle."""
    messy = shared_data("messy/messy.zip")
    folder = tmp_path / "large"
    folder.mkdir()
    huge = Image.new("RGB", (20_000, 10_000), (90, 120, 150))
    huge.save(folder / "photo.jpg", quality=50)
    huge.save(folder / "photo.png", compress_level=1)
    huge.convert("L").save(folder / "grey.tif", compression="tiff_deflate")
    del huge
    for i in range(4):
        Image.effect_noise((64, 64), 50).save(folder / f"{i}.png")
    with zipfile.ZipFile(folder.with_name("bomb.zip"), "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("bomb.png", b"\0" * 300_000_000)
        bomb.write(folder / "0.png", "good.png")
    code = f"""
import sys
from pathlib import Path
from ddpm_studio.config import DataConfig
from ddpm_studio.control import RunControl
from ddpm_studio.data.cache import inspect_dataset
from ddpm_studio.events import DatasetReady
def most():  # not getrusage: that begins with what the process which started this one had
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
idle = most()
for source in {[str(messy), str(folder), str(folder.with_name("bomb.zip"))]!r}:
    report = next(event.report for event in inspect_dataset(Path(source), DataConfig(), RunControl()) if isinstance(event, DatasetReady))
    print(report.name, report.pictures, len(report.skipped), file=sys.stderr)
print((most() - idle) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "DDPM_STUDIO_HOME": str(tmp_path / "home")}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 1000, f"{done.stdout} MB above idle: {done.stderr}"
    print(done.stdout, done.stderr)
