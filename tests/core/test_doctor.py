"""What is found among the pictures, on pictures of which the answer is known."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from ddpm_studio.config import DataConfig
from ddpm_studio.control import RunControl
from ddpm_studio.data import alike
from ddpm_studio.data.doctor import are_bare, examine_dataset, have_bars
from ddpm_studio.data.findings import all_but_one, in_words
from ddpm_studio.data.originals import load_original
from ddpm_studio.errors import UserError
from ddpm_studio.events import DatasetExamined, DatasetReady, Finding, Finished, Images


def photo(seed: int, size: tuple[int, int] = (64, 64)) -> Image.Image:
    """Soft blobs of many colours: as smooth as a photo, and each unlike the others."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(1))


def pixels(*images: Image.Image, side: int = 32) -> Images:
    return np.stack([np.asarray(image.convert("RGB").resize((side, side))) for image in images])


def looked_at(source: Path, settings: DataConfig | None = None) -> tuple[DatasetReady, DatasetExamined]:
    events = list(examine_dataset(source, settings or DataConfig(), RunControl()))
    ready, examined, end = events[-3:]
    assert isinstance(ready, DatasetReady)
    assert isinstance(examined, DatasetExamined)
    assert end == Finished()
    return ready, examined


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    folder = tmp_path / "mixed"
    (folder / "sub").mkdir(parents=True)
    for i in range(30):
        photo(i).save(folder / f"photo{i:02}.png")
    photo(3).save(folder / "sub" / "three again.png")
    photo(3).save(folder / "sub" / "and again.bmp")
    photo(7).save(folder / "sub" / "seven.jpg", quality=60)
    photo(8).point(lambda value: min(255, round(value * 1.04))).save(folder / "sub" / "eight brighter.png")
    photo(50).convert("L").save(folder / "grey.png")
    photo(51, (40, 100)).save(folder / "long.png")
    photo(52, (16, 16)).save(folder / "small.png")
    Image.new("RGB", (64, 64), (40, 90, 200)).save(folder / "blank.png")
    clear = photo(53).convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    clear.save(folder / "clear.png")
    film = Image.new("RGB", (64, 64))
    film.paste(photo(54, (64, 40)), (0, 12))
    film.save(folder / "film.png")
    return folder


def test_each_finding_names_its_pictures(mixed: Path) -> None:
    ready, examined = looked_at(mixed)
    assert ready.contents is not None
    names = ready.contents.names
    found = {finding.kind: [names[row] for row in finding.rows] for finding in examined.findings}
    assert found["copies"] == ["photo03.png", "sub/and again.bmp", "sub/three again.png"]
    assert found["alike"] == ["photo07.png", "sub/seven.jpg", "photo08.png", "sub/eight brighter.png"]
    assert found["bars"] == ["film.png"]
    assert found["blank"] == ["blank.png"]
    assert found["grey"] == ["grey.png"]
    assert found["transparent"] == ["clear.png"]
    assert found["small"] == ["small.png"]
    assert found["long"] == ["long.png"]
    assert examined.distinct == len(names) - 2
    assert 0.95 < examined.kept_share < 1
    assert ready.contents.sizes[names.index("long.png")].tolist() == [40, 100]
    assert not ready.contents.sizes.flags.writeable


def test_every_finding_can_be_said(mixed: Path) -> None:
    ready, examined = looked_at(mixed)
    said = [in_words(finding, ready.report, "black") for finding in examined.findings]
    assert said[0][0] == "2 exact copies"
    assert said[1][0] == "2 near copies"
    assert all(what and why.endswith(".") for what, why in said)
    assert any("on black" in why for _, why in said)


def test_the_first_of_each_group_stays() -> None:
    finding = Finding("copies", np.array([4, 9, 11, 2, 3]), np.array([0, 0, 0, 1, 1]))
    assert all_but_one(finding).tolist() == [9, 11, 3]
    assert all_but_one(Finding("grey", np.array([1, 2]))).tolist() == []


def test_groups_come_in_the_order_of_their_first_pictures() -> None:
    rows, groups = alike.group_by(np.array([5, 1, 7, 1, 5, 2, 5]))
    assert rows.tolist() == [0, 4, 6, 1, 3]
    assert groups.tolist() == [0, 0, 0, 1, 1]
    assert all(len(part) == 0 for part in alike.group_by(np.arange(4)))


def found_alike(images: Images) -> list[int]:
    return alike.group_alike(alike.difference_hashes(images), alike.small_versions(images))[0].tolist()


def test_different_pictures_are_not_alike() -> None:
    assert found_alike(pixels(*(photo(i) for i in range(200)))) == []


def test_dark_and_even_pictures_are_told_apart_too() -> None:
    """Their difference in grey levels is small in any case."""
    dark = [photo(i).point(lambda value: value // 12) for i in range(40)]
    assert found_alike(pixels(*dark)) == []


@pytest.mark.parametrize("quality", [30, 85])
def test_another_quality_and_size_is_found_again(quality: int) -> None:
    variants = []
    for i in range(20):
        data = io.BytesIO()
        photo(i).resize((40, 40)).save(data, "JPEG", quality=quality)
        variants.append(Image.open(data))
    found = found_alike(pixels(*(photo(i) for i in range(100)), *variants))
    assert sorted(found) == [*range(20), *range(100, 120)]


def test_thousands_on_the_same_ground_are_no_explosion() -> None:
    """Equal hashes, different pictures: each is compared with some neighbours, not with all."""
    small = np.random.default_rng(0).integers(0, 256, (5000, 192), dtype=np.uint8)
    asked: list[int] = []
    rows, _ = alike.group_alike(np.zeros(5000, np.uint64), small, lambda: asked.append(1))
    assert len(rows) == 0
    assert len(asked) == 8 * alike.NEIGHBOURS


@pytest.mark.parametrize("noise", [0, 2])
def test_memory_stays_flat_where_all_are_alike(noise: int) -> None:
    """Pairs of them would be millions: with 200,000 pictures more than 600 MB."""
    count = 40_000
    draws = np.random.default_rng(0)
    small = (np.linspace(0, 250, 192) + draws.integers(0, noise + 1, (count, 192))).astype(np.uint8)
    tracemalloc.start()
    try:
        rows, groups = alike.group_alike(draws.integers(0, 4, count, dtype=np.uint64), small)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rows.tolist() == list(range(count))
    assert not groups.any()
    assert peak < 40e6


def test_groups_grow_together_over_several_turns() -> None:
    """The same as all pairs at once would tell: a chain of near copies is one group."""
    base = np.linspace(0, 200, 192)
    small = np.stack([base + 5 * i for i in range(8)] + [base[::-1]]).astype(np.uint8)
    assert [part.tolist() for part in alike.group_alike(np.arange(9, dtype=np.uint64), small)] == [list(range(8)), [0] * 8]


def test_small_versions_are_means() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (1, 16, 24, 3), dtype=np.uint8)
    means = picture.reshape(1, 8, 2, 8, 3, 3).mean(axis=(2, 4))
    assert np.abs(alike.small_versions(picture).reshape(1, 8, 8, 3) - means).max() <= 0.51


def test_blocks_cover_everything_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "BLOCK_BYTES", 3 * 12)
    images = np.arange(10 * 12, dtype=np.uint8).reshape(10, 2, 2, 3)
    parts = list(alike.blocks(images))
    assert [start for start, _ in parts] == [0, 3, 6, 9]
    assert (np.concatenate([part for _, part in parts]) == images).all()


def test_bars_and_what_only_looks_like_them() -> None:
    film, portrait, framed = (Image.new("RGB", (64, 64), colour) for colour in ("black", "white", (20, 20, 24)))
    film.paste(photo(0, (64, 36)), (0, 14))
    portrait.paste(photo(1, (40, 64)), (12, 0))
    framed.paste(photo(2, (48, 48)), (8, 8))
    drawing = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(drawing).ellipse((12, 10, 52, 54), fill="red")
    bottle = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(bottle).rectangle((26, 8, 38, 56), fill="green")
    assert have_bars(pixels(film, portrait, framed)).tolist() == [True, True, True]
    assert have_bars(pixels(drawing, bottle, photo(3), Image.new("RGB", (64, 64)))).tolist() == [False] * 4
    assert have_bars(np.zeros((2, 32, 32, 1), np.uint8)).tolist() == [False, False]


def letterboxed(seed: int, ground: str, brightness: float = 1.0) -> Image.Image:
    framed = Image.new("RGB", (64, 64), ground)
    framed.paste(photo(seed, (64, 40)).point(lambda value: round(value * brightness)), (0, 12))
    return framed


@pytest.mark.parametrize(("ground", "brightness"), [("black", 1.0), ("black", 0.6), ("white", 0.8), ("navy", 1.0)])
def test_photos_between_bars_are_found(ground: str, brightness: float) -> None:
    films = [letterboxed(seed, ground, brightness) for seed in range(20)]
    assert have_bars(pixels(*films)).mean() >= 0.9
    assert have_bars(pixels(*(film.transpose(Image.Transpose.ROTATE_90) for film in films))).mean() >= 0.9
    assert have_bars(pixels(*(film.convert("L") for film in films))).mean() >= 0.9


def test_letters_on_plain_ground_have_no_bars() -> None:
    """Strokes along the whole side, as of H, E or the sign for "equals", begin in a straight line, too."""
    letters = []
    for strokes in (((8, 4, 12, 60), (50, 4, 54, 60), (8, 30, 54, 34)), ((2, 10, 62, 14), (2, 50, 62, 54), (2, 30, 40, 34)), ((0, 20, 64, 24), (0, 40, 64, 44))):
        letter = Image.new("RGB", (64, 64), "white")
        for stroke in strokes:
            ImageDraw.Draw(letter).rectangle(stroke, fill="black")
        letters += [letter, letter.transpose(Image.Transpose.ROTATE_90), letter.point(lambda value: 255 - value)]
    assert not have_bars(pixels(*letters)).any()


def test_handwriting(shared_data: Callable[[str], Path]) -> None:
    """Letters have no bars; and that grey would do for all of them is said."""
    ready, examined = looked_at(shared_data("handwriting_omniglot/images_background_small1.zip"))
    found = {finding.kind: in_words(finding, ready.report, "white") for finding in examined.findings}
    assert "bars" not in found
    assert "1 channel would do" in found["grey"][0]
    assert "Channels" in found["grey"][1]


def test_grey_pictures_alone_or_among_others(mixed: Path, tmp_path: Path) -> None:
    for i in range(3):
        (tmp_path / "grey").mkdir(exist_ok=True)
        photo(i).convert("L").save(tmp_path / "grey" / f"{i}.png")
    said = []
    for source, settings in ((mixed, DataConfig()), (tmp_path / "grey", DataConfig()), (tmp_path / "grey", DataConfig(channels=1))):
        ready, examined = looked_at(source, settings)
        said.append([in_words(finding, ready.report, "white")[0] for finding in examined.findings if finding.kind == "grey"])
    assert said == [["1 grey picture"], ["All are grey: 1 channel would do"], []]


def test_bare_pictures() -> None:
    noisy = np.full((1, 8, 8, 3), 100, np.uint8)
    noisy[0, 0, 0] = 102
    striped = np.full((1, 8, 8, 3), 100, np.uint8)
    striped[0, 0, 0] = 140
    assert are_bare(np.concatenate([noisy, striped])).tolist() == [True, False]


def test_it_ends_when_it_is_told_to(mixed: Path) -> None:
    control, events = RunControl(), []
    for event in examine_dataset(mixed, DataConfig(), control):
        events.append(event)
        if isinstance(event, DatasetReady):
            control.stop()
    assert events[-1] == Finished(stopped=True)
    assert not any(isinstance(event, DatasetExamined) for event in events)


@pytest.mark.parametrize("settings", [DataConfig(channels=1), DataConfig(channels=4), DataConfig(image_size=8), DataConfig(image_size=16, image_height=48)])
def test_all_shapes(mixed: Path, settings: DataConfig) -> None:
    _, examined = looked_at(mixed, settings)
    assert examined.distinct > 30
    assert any(finding.kind == "copies" for finding in examined.findings)
    assert all(finding.kind != "grey" for finding in examined.findings) or settings.channels >= 3


def test_a_single_picture(tmp_path: Path) -> None:
    photo(0).save(tmp_path / "one.png")
    assert looked_at(tmp_path)[1].findings == ()


def test_originals_come_whole_from_folder_and_zip(mixed: Path, tmp_path: Path) -> None:
    archive = tmp_path / "mixed.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(mixed / "long.png", "deep/down/long.png")
    for source, name in ((mixed, "long.png"), (archive, "deep/down/long.png")):
        original = load_original(source, name, "white")
        assert original.size == (40, 100)
        assert (original.image == np.asarray(Image.open(mixed / "long.png"))).all()
    photo(0, (3000, 1500)).save(mixed / "large.png")
    assert load_original(mixed, "large.png", "white").image.shape[:2] <= (512, 1024)
    (mixed / "small.png").unlink()
    with pytest.raises(UserError, match="not there any more"):
        load_original(mixed, "small.png", "white")


def test_the_flowers(shared_data: Callable[[str], Path]) -> None:
    """Their makers count six exact doubles."""
    ready, examined = looked_at(shared_data("flowers/flowers_4317.zip"))
    found = {finding.kind: finding for finding in examined.findings}
    assert len(all_but_one(found["copies"])) == 6
    assert 8 <= len(all_but_one(found["alike"])) <= 20
    assert examined.distinct == ready.report.pictures - 6
