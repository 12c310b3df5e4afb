"""Pictures in and out: every mode, every trap, and the way back."""

from __future__ import annotations

import io
import os
import struct
import time
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ddpm_studio import imaging
from ddpm_studio.errors import UserError
from ddpm_studio.imaging import UnreadablePicture, decode, decode_sized, fit, grid, load_picture, read_png_text, save_png

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,  # what undoes the camera's turn
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def corners(width: int = 48, height: int = 32) -> Image.Image:
    """Four quarters of different colours: no turn or mirror image of it is the same."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (200, 30, 30)
    pixels[: height // 2, width // 2 :] = (30, 200, 30)
    pixels[height // 2 :, : width // 2] = (30, 30, 200)
    pixels[height // 2 :, width // 2 :] = (220, 220, 220)
    return Image.fromarray(pixels)


def saved(image: Image.Image, kind: str, **options: object) -> io.BytesIO:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    stream.seek(0)
    return stream


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def near(pixels: np.ndarray, value: int | tuple[int, ...] | np.ndarray, tolerance: int = 2) -> bool:
    return bool((np.abs(pixels.astype(int) - np.array(value)) <= tolerance).all())


@pytest.mark.parametrize(
    ("size", "shape", "focus", "expected"),
    [
        ((100, 60), (32, 32, 3), (0.5, 0.5), (20, 0, 80, 60)),
        ((101, 60), (32, 32, 3), (0.5, 0.5), (20, 0, 80, 60)),
        ((100, 60), (32, 32, 3), (0.0, 0.9), (0, 0, 60, 60)),
        ((100, 60), (32, 32, 3), (1.0, 0.1), (40, 0, 100, 60)),
        ((60, 100), (32, 32, 3), (0.2, 0.25), (0, 10, 60, 70)),
        ((60, 100), (64, 32, 1), (0.5, 1.0), (5, 0, 55, 100)),
        ((32, 32), (32, 32, 3), (0.7, 0.7), (0, 0, 32, 32)),
    ],
)
def test_the_focus_says_which_part_is_used(size: tuple[int, int], shape: tuple[int, int, int], focus: tuple[float, float], expected: tuple[int, int, int, int]) -> None:
    assert imaging.cut_out(size, shape, focus) == expected
    left, top, right, bottom = expected
    picture = Image.effect_noise(size, 80).convert("RGB")
    assert (fit(picture, shape, focus=focus) == fit(picture.crop((left, top, right, bottom)), shape)).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_gives_the_same_picture(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = corners().transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else corners()
    options: dict[str, object] = {"exif": exif} | ({"quality": 95, "subsampling": 0} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {})
    image, size = decode_sized(saved(stored, kind, **options))
    assert size == image.size == (48, 32)
    assert near(np.asarray(image)[4::24, 4::40], np.asarray(corners())[4::24, 4::40], 12)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "RGBA", "LA", "PA", "I", "F", "I;16"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_mode_comes_through(mode: str, channels: int, tmp_path: Path) -> None:
    grey = np.where(np.arange(32 * 32).reshape(32, 32) % 32 < 16, 0, 255)
    if mode == "F":
        image = Image.fromarray((grey / 255).astype(np.float32))
    elif mode == "I":
        image = Image.fromarray((grey * 257).astype(np.int32))
    elif mode == "I;16":
        image = Image.fromarray((grey * 257).astype(np.uint16))
    else:
        image = Image.fromarray(grey.astype(np.uint8)).convert(mode)
    kind = "PNG" if mode in ("1", "L", "P", "RGB", "RGBA", "LA", "I;16") else "TIFF"
    pixels = fit(decode(saved(image, kind)), (32, 32, channels))
    assert pixels.dtype == np.uint8
    assert pixels.shape == (32, 32, channels)
    assert near(pixels[:, :15], 0)
    assert near(pixels[:, 17:], 255)


def test_lab_is_turned_into_rgb() -> None:
    pixels = fit(decode(saved(Image.new("LAB", (16, 16), (128, 128, 128)), "TIFF")), (16, 16, 3))
    assert np.ptp(pixels.astype(int), axis=2).max() <= 3
    assert 100 < pixels.mean() < 140


def test_mid_grey_of_16_bits_is_mid_grey() -> None:
    middle = np.full((16, 16), 32768, np.uint16)
    assert near(fit(decode(saved(Image.fromarray(middle), "PNG")), (16, 16, 1)), 128, 1)
    assert near(fit(decode(saved(Image.fromarray(middle), "TIFF")), (16, 16, 3)), 128, 1)
    assert near(fit(decode(saved(Image.fromarray(middle.astype(np.int32)), "TIFF")), (16, 16, 1)), 128, 1)
    colour = (b"\0" + b"\x80\0" * 3 * 16) * 16
    assert near(fit(decode(io.BytesIO(png(16, 16, 16, 2, colour))), (16, 16, 3)), 128, 1)


def test_floats_keep_their_contrast() -> None:
    ramp = np.linspace(-3, 5, 256, dtype=np.float32).reshape(16, 16)
    ramp[0, 0] = np.nan
    pixels = np.asarray(decode(saved(Image.fromarray(ramp), "TIFF")))
    assert pixels[-1, -1] == 255
    assert pixels[0, 1] <= 1
    assert np.asarray(decode(saved(Image.fromarray(np.zeros((16, 16), np.float32)), "TIFF"))).max() == 0


@pytest.mark.parametrize(("background", "value"), [("white", 255), ("black", 0), ("grey", 128)])
def test_background_shows_through(background: str, value: int) -> None:
    clear = Image.new("RGBA", (16, 16), (10, 200, 10, 0))
    clear.paste((255, 0, 0, 255), (0, 0, 8, 16))
    pixels = fit(decode(saved(clear, "PNG")), (16, 16, 3), background)
    assert near(pixels[:, 9:], value)
    assert near(pixels[:, :7], (255, 0, 0))


def test_alpha_counts_only_in_use() -> None:
    assert decode(saved(Image.new("RGBA", (16, 16), (1, 2, 3, 255)), "PNG")).mode == "RGB"
    assert decode(saved(Image.new("LA", (16, 16), (1, 200)), "PNG")).mode == "LA"
    palette = Image.new("P", (16, 16), 1)
    palette.putpalette([255, 0, 0, 0, 255, 0])
    assert decode(saved(palette, "PNG", transparency=1)).mode == "RGBA"
    assert decode(saved(palette, "GIF", transparency=0)).mode == "RGB"


def test_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "green", "blue")]
    for kind in ("GIF", "PNG", "WEBP", "TIFF"):
        stream = saved(frames[0], kind, save_all=True, append_images=frames[1:])
        assert near(fit(decode(stream), (16, 16, 3)), (255, 0, 0), 3), kind


def test_right_size_is_never_touched() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 40, 3), dtype=np.uint8)
    assert (fit(decode(saved(Image.fromarray(noise), "PNG"), 32), (32, 32, 3)) == noise[:, 4:36]).all()


def test_pixel_art_is_enlarged_as_squares_and_photos_smoothly() -> None:
    art = np.kron(np.random.default_rng(0).integers(0, 2, (16, 16)), np.full((1, 1), 255)).astype(np.uint8)
    assert (fit(Image.fromarray(art), (32, 32, 1))[:, :, 0] == art.repeat(2, 0).repeat(2, 1)).all()
    ramp = np.linspace(0, 255, 256).astype(np.uint8).reshape(16, 16)
    smooth = fit(Image.fromarray(ramp), (32, 32, 1))[:, :, 0]
    assert len(np.unique(smooth)) > 256 * 0.9 or (smooth != ramp.repeat(2, 0).repeat(2, 1)).any()


def test_shrinking_averages() -> None:
    stripes = np.zeros((512, 512), np.uint8)
    stripes[:, ::2] = 255
    assert near(fit(decode(saved(Image.fromarray(stripes), "PNG"), 32), (32, 32, 1)), 127, 6)


def test_centre_is_kept() -> None:
    wide = Image.new("RGB", (96, 32), "blue")
    wide.paste("red", (32, 0, 64, 32))
    assert near(fit(wide, (16, 16, 3)), (255, 0, 0))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_reduced_scale_never_goes_below_what_is_asked(kind: str) -> None:
    stream = saved(corners(1200, 700), kind)
    for least in (32, 64, 100, 256, 512, 700):
        image, size = decode_sized(stream, least)
        assert size == (1200, 700)
        assert min(image.size) >= least
        whole, reduced = fit(decode(stream), (32, 32, 3)), fit(image, (32, 32, 3))
        assert np.abs(whole.astype(int) - reduced).mean() < 2


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"hello, I am a text", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n", "not a picture"),
        (saved(corners(400, 300), "JPEG").getvalue()[:900], "cut off"),
        (saved(Image.effect_noise((64, 64), 50), "PNG").getvalue()[:900], "cut off"),
        (saved(Image.new("L", (1, 1)), "PNG").getvalue(), "too small: 1 x 1"),
        (saved(Image.new("L", (1, 60000)), "PNG").getvalue(), "too small: 1 x 60000"),
        (png(100_000, 100_000, 8, 2, b""), "too large: 100000 x 100000"),
        (png(19_000, 19_000, 8, 2, b""), "too large: 19000 x 19000"),
        (png(16, 16, 8, 2, b""), "cut off"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_files_have_a_reason(data: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadablePicture, match=reason):
        decode(io.BytesIO(data), 32)
    path = tmp_path / "bad.png"
    path.write_bytes(data)
    with pytest.raises(UserError, match=reason) as caught:
        load_picture(path, (32, 32, 3))
    assert "bad.png" in caught.value.message
    assert caught.value.hint


def test_progressive_jpegs_count_whole() -> None:
    stream = saved(Image.new("L", (64, 64)), "JPEG", progressive=True)
    header = bytearray(stream.getvalue())
    frame = header.index(b"\xff\xc2")
    header[frame + 5 : frame + 9] = struct.pack(">HH", 16000, 16000)
    with pytest.raises(UnreadablePicture, match="too large"):
        decode(io.BytesIO(bytes(header)), 32)


def test_a_photo_of_200_megapixels_is_read_at_reduced_scale() -> None:
    stream = saved(Image.new("L", (16000, 12500), 77), "JPEG")
    image, size = decode_sized(stream, 32)
    assert size == (16000, 12500)
    assert near(fit(image, (32, 32, 1)), 77)


SEEDS = [
    saved(corners(), "PNG").getvalue(),
    saved(corners(), "JPEG").getvalue(),
    saved(corners(), "GIF").getvalue(),
    saved(corners(), "BMP").getvalue(),
    saved(corners(), "WEBP").getvalue(),
    saved(corners(), "TIFF", compression="tiff_lzw").getvalue(),
    saved(corners().convert("P"), "TIFF").getvalue(),
]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=12), st.integers(0, 6000))
def test_altered_bytes_give_a_picture_or_a_reason(seed: bytes, changes: list[tuple[int, int]], length: int) -> None:
    data = bytearray(seed)
    for position, value in changes:
        data[position % len(data)] = value
    try:
        image = decode(io.BytesIO(bytes(data[: max(length, 1)])), 16)
    except UnreadablePicture:
        return
    assert fit(image, (16, 16, 3)).shape == (16, 16, 3)


def test_warnings_filters_of_others_stay() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decode(saved(corners(), "PNG"))
        with pytest.raises(UserWarning, match="ours"):
            warnings.warn("ours", UserWarning, stacklevel=1)


def test_load_picture_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.png"):
        load_picture(tmp_path / "gone.png", (32, 32, 3))
    with pytest.raises(UserError, match="is a folder"):
        load_picture(tmp_path, (32, 32, 3))
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
        with pytest.raises(UserError, match="not an ordinary file"):
            load_picture(tmp_path / "pipe.png", (32, 32, 3))


def test_grid_places_pictures_row_by_row() -> None:
    images = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 6, 3), np.uint8)
    sheet = grid(images)
    assert sheet.shape == (2 * 4 + 2, 3 * 6 + 2 * 2, 3)
    assert sheet[0, 0, 0] == 0
    assert sheet[0, 8, 0] == 1
    assert sheet[6, 0, 0] == 3
    assert sheet[-1, -1, 0] == 255  # the place that stays empty
    assert grid(images, columns=9, gap=0).shape == (4, 30, 3)
    assert grid(images[:1], background=7).shape == (4, 6, 3)


@pytest.mark.parametrize("channels", [1, 3])
def test_png_round_trip(tmp_path: Path, channels: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 12, channels), dtype=np.uint8)
    text = {"ddpm-studio": '{"seed": 7, "name": "Gänseblümchen 雛菊"}', "Comment": "x" * 5000}
    path = tmp_path / "new folder" / "a.png"
    save_png(path, image, text)
    assert read_png_text(path) == text
    assert (load_picture(path, (9, 9, channels)) == image[:, 1:10]).all()
    assert [p.name for p in path.parent.iterdir()] == ["a.png"]
    save_png(path, image)
    assert read_png_text(path) == {}


def test_png_text_from_strangers(tmp_path: Path) -> None:
    huge = PngInfo()
    huge.add_text("ddpm-studio", "x" * 3_000_000, zip=True)
    Image.new("L", (8, 8)).save(tmp_path / "huge.png", pnginfo=huge)
    (tmp_path / "bomb.png").write_bytes(png(60_000, 60_000, 8, 2, b""))
    (tmp_path / "text.png").write_bytes(b"not at all")
    (tmp_path / "cut.png").write_bytes(saved(Image.effect_noise((64, 64), 50), "PNG").getvalue()[:500])
    Image.new("L", (8, 8)).save(tmp_path / "photo.png", "JPEG")
    assert read_png_text(tmp_path / "bomb.png") == {}  # nothing of the picture itself is decoded
    for name in ("huge", "text", "photo", "absent"):
        with pytest.raises(UserError) as caught:
            read_png_text(tmp_path / f"{name}.png")
        assert f"{name}.png" in caught.value.message
    with pytest.raises(UserError):
        read_png_text(tmp_path)


def test_printable_names() -> None:
    assert imaging.printable("Gänse 雛菊.png") == "Gänse 雛菊.png"
    assert imaging.printable("a\nb\u202e\udcff.png") == "a\ufffdb\ufffd\ufffd.png"


@pytest.mark.parametrize("size", [(40, 40), (100, 30), (30, 100), (16, 24), (7 * 16, 7 * 24), (64, 48)])
def test_pictures_that_are_not_square_lose_as_little_as_possible(size: tuple[int, int]) -> None:
    """A ramp across the whole picture: what is left of it is its middle, as wide or as high as fits."""
    height, width = 24, 16
    across, down = size
    ramp = Image.fromarray(np.tile(np.linspace(0, 255, across).astype(np.uint8), (down, 1)))
    pixels = fit(ramp, (height, width, 1))[:, :, 0].astype(float)
    assert pixels.shape == (height, width)
    kept = min(1.0, down * width / height / across)  # the share of the width that is left
    assert pixels.mean() == pytest.approx(127.5, abs=1 + 255 / across)  # an odd pixel can only go to one side
    assert np.ptp(pixels) == pytest.approx(255 * kept, abs=0.12 * 255)


def test_transparency_is_kept_and_its_colours_do_not_bleed() -> None:
    """Half red, half nothing (whose hidden colour is green): no green at the edge, and the background's colour where nothing is."""
    art = np.zeros((64, 64, 4), np.uint8)
    art[:, :32] = (255, 0, 0, 255)
    art[:, 32:] = (0, 255, 0, 0)
    pixels = fit(Image.fromarray(art), (16, 16, 4), "black")
    assert (pixels[:, :4] == (255, 0, 0, 255)).all()
    assert (pixels[:, 12:] == (0, 0, 0, 0)).all()
    assert pixels[:, :, 1].max() <= 2
    assert np.array_equal(fit(Image.fromarray(pixels), (16, 16, 4), "black"), pixels)
    assert (fit(Image.new("L", (20, 20), 9), (16, 16, 4)) == (9, 9, 9, 255)).all()


@pytest.mark.parametrize("kind", ["webp", "png"])
def test_files_that_would_be_read_whole_are_bounded(kind: str, tmp_path: Path) -> None:
    """A sparse gigabyte: nothing of it may be read into memory."""
    path = tmp_path / f"huge.{kind}"
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, kind.upper())
    path.write_bytes(buffer.getvalue())
    with path.open("r+b") as file:
        file.truncate(10**9)
    began = time.monotonic()
    with pytest.raises(UnreadablePicture, match="too large a file"):
        decode(path, 32)
    with pytest.raises(UserError):
        read_png_text(path)
    assert time.monotonic() - began < 0.5
