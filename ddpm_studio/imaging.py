"""Pictures in and out: any file that people call a picture becomes `uint8 [H, W, C]`, and goes back into a PNG.

All picture files are opened here, whoever they come from. Decoders meet arbitrary bytes, so each file is bounded in
memory before it is decoded, and whatever goes wrong becomes one reason in words.
"""

from __future__ import annotations

import base64
import errno
import logging
import math
import re
import threading
import warnings
from contextlib import nullcontext, suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import Image, ImageOps, TiffImagePlugin, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from ddpm_studio.errors import UserError, describe_os_error
from ddpm_studio.files import replace_atomically
from ddpm_studio.language import again, later, tr

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ddpm_studio.events import Images

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
MIN_SIDE = 8
"""Shorter side of the smallest picture that is of any use."""
MAX_DECODING_BYTES = 800 * 2**20
"""What decoding one picture may take: 200 megapixels of RGB, less for modes that need more."""
MAX_PIXELS = 400_000_000
"""Also of a JPEG that is decoded at reduced scale: all of its data has to be read."""

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")  # nothing that runs programs (EPS) or draws fonts
_BACKGROUNDS = {"white": 255, "black": 0, "grey": 128}
_BIG = 64 * 2**20
_one_big_at_a_time = threading.RLock()
MAX_FILE_BYTES = 100 * 2**20
"""Of a file that Pillow reads whole before anything is known about it, which it does with some kinds."""
_READ_IN_PARTS = (b"\xff\xd8", b"II*\0", b"MM\0*", b"BM")
"""How JPEG, TIFF and BMP begin: of these only what is needed is read."""
_PILLOW = re.compile("PIL")

# Pillow's own limit counts the pixels of the header, and so refuses photos that are harmless at reduced scale.
Image.MAX_IMAGE_PIXELS = None
logging.getLogger("PIL").setLevel(logging.CRITICAL)  # what it says about damaged files becomes a reason


class UnreadablePicture(UserError):
    """A file that cannot be used as a picture; `reason` completes "skipped because: ..."; it is English, and said by `again`."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            tr("This picture cannot be used: {reason}.", reason=again(reason)),
            tr("Choose a jpg, png, webp, bmp, gif or tiff file of at least {side} x {side} pixels.", side=MIN_SIDE),
        )
        self.reason = reason


def printable(name: str) -> str:
    """A file's name as it may be shown on one line: control characters and undecodable bytes become U+FFFD."""
    return name if name.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in name)


def decode(source: Path | BinaryIO, least_side: int | None = None) -> Image.Image:
    """The first frame of a picture, upright, with mode L, RGB, or LA, RGBA where something shows through.

    With `least_side` a large picture may come back smaller, but never with a shorter side below that; it is decoded
    at reduced scale where the format allows.
    Raises UnreadablePicture when the data are no usable picture, OSError when they cannot be reached at all.
    """
    return decode_sized(source, least_side)[0]


def decode_sized(source: Path | BinaryIO, least_side: int | None = None) -> tuple[Image.Image, tuple[int, int]]:
    """`decode`, and the width and height of the upright picture before any reduction."""
    if isinstance(source, Path):
        if source.exists() and not source.is_file():  # opening a pipe would wait forever
            raise UnreadablePicture(later("not an ordinary file"))
        with source.open("rb") as stream:
            return decode_sized(stream, least_side)
    _silence_pillow()
    size = _check_file_size(source)
    try:
        with _one_big_at_a_time if size > _BIG // 4 else nullcontext(), Image.open(source, formats=_FORMATS) as image:
            return _load(image, least_side)
    except UnreadablePicture:
        raise
    except Exception as error:  # decoders pass on whatever arbitrary bytes lead them into
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # EINVAL: offsets in the file that make no sense
            raise
        raise UnreadablePicture(_reason(error, source)) from error


def _check_file_size(stream: BinaryIO) -> int:
    """The size of a file in bytes. Raises UnreadablePicture when it is larger than can be read safely."""
    size = stream.seek(0, 2)
    stream.seek(0)
    start = stream.read(4)
    stream.seek(0)
    if size > MAX_FILE_BYTES and not start.startswith(_READ_IN_PARTS):
        raise UnreadablePicture(later("too large a file for a picture of its kind: {} MB").format(f"{size / 2**20:,.0f}"))
    return size


def cut_out(size: tuple[int, int], shape: tuple[int, int, int], focus: tuple[float, float] = (0.5, 0.5)) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the largest part of a picture of this size (width, height) that has the proportions of the shape;
    the focus says where in the room that is left over it lies, across and down, 0 to 1."""
    height, width, _ = shape
    across, down = size
    if across * height > down * width:  # wider than wanted
        across = max(1, round(down * width / height))
    else:
        down = max(1, round(across * height / width))
    left, top = int((size[0] - across) * focus[0]), int((size[1] - down) * focus[1])
    return left, top, left + across, top + down


def fit(image: Image.Image, shape: tuple[int, int, int], background: str = "white", focus: tuple[float, float] = (0.5, 0.5)) -> Images:
    """The part of a picture that lies at the focus (its middle) as uint8 of this shape (height, width, channels).

    A picture of the right size is left as it is. Larger ones are averaged down (Lanczos); smaller ones are enlarged
    smoothly, except for drawings of few colours that fit a whole number of times: their pixels stay squares. With four
    channels what shows through is kept, and what cannot be seen has the colour of the background.
    """
    height, width, channels = shape
    left, top, right, bottom = cut_out(image.size, shape, focus)
    across, down = right - left, bottom - top
    if (across, down) != image.size:
        image = image.crop((left, top, right, bottom))
    if channels < 4:
        image = _composite(image, _BACKGROUNDS[background])
    if across > width or down > height:
        image = image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
    elif (across, down) != (width, height):
        few_colours = width % across == 0 and height % down == 0 and image.getcolors(min(64, across * down // 8)) is not None
        image = image.resize((width, height), Image.Resampling.NEAREST if few_colours else Image.Resampling.BICUBIC)
    wanted = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
    pixels: Images = np.array(image if image.mode == wanted else image.convert(wanted)).reshape(shape)
    if channels == 4:
        pixels[pixels[:, :, 3] == 0] = (*[_BACKGROUNDS[background]] * 3, 0)
    return pixels


def load_picture(path: Path, shape: tuple[int, int, int], background: str = "white") -> Images:
    """One picture of the user's as uint8 of this shape (height, width, channels).

    Raises UserError that names the file.
    """
    name = printable(path.name)
    try:
        if path.is_dir():
            raise UserError(tr("{name} is a folder, not a picture.", name=name), tr("Choose one of the pictures in it."))
        return fit(decode(path, max(shape[:2])), shape, background)
    except UnreadablePicture as error:
        raise UserError(tr("{name} cannot be used: {reason}.", name=name, reason=again(error.reason)), error.hint) from error
    except OSError as error:
        raise describe_os_error(error, tr("open {name}", name=name)) from error


def grid(images: Images, columns: int | None = None, gap: int = 2, background: int = 255) -> Images:
    """`uint8 [N, H, W, C]`, N at least 1, side by side in rows, as one picture `uint8 [H', W', C]`; about square without `columns`,
    and without an unfinished row where that can be had."""
    count, height, width, channels = images.shape
    square = math.ceil(math.sqrt(count))
    full_rows = next((n for n in range(square, 3 * square // 2 + 1) if count % n == 0), square)
    columns = min(columns or full_rows, count)
    rows = math.ceil(count / columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, channels), background, np.uint8)
    for index, image in enumerate(images):
        y, x = index // columns * (height + gap), index % columns * (width + gap)
        sheet[y : y + height, x : x + width] = image
    return sheet


def save_png(path: Path, image: Images, text: Mapping[str, str] | None = None, forced: bool = True) -> None:
    """Write `uint8 [H, W, C]`, C 1, 3 or 4, with text chunks; the file is there whole or not at all. `forced` to the disk, or
    when the system finds time.

    Raises UserError when it cannot be written.
    """
    info = PngInfo()
    for key, value in (text or {}).items():
        info.add_text(key, value)
    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    replace_atomically(path, lambda temporary: picture.save(temporary, format="PNG", pnginfo=info), forced=forced)


def read_png_text(path: Path) -> dict[str, str]:
    """The text chunks of a PNG of unknown origin, at most 1 MB each (Pillow's limit).

    Raises UserError when it is no PNG, or damaged.
    """
    name = printable(path.name)
    _silence_pillow()
    try:
        if path.exists() and not path.is_file():
            raise UserError(tr("{name} is not a PNG picture.", name=name), tr("Choose a PNG file."))
        with path.open("rb") as stream:
            _check_file_size(stream)
            with Image.open(stream, formats=("PNG",)) as image:
                # What stands before the pixels; nothing has to be decoded for it, and ours writes it there.
                return {str(key): str(value) for key, value in image.info.items() if isinstance(value, str)}
    except (UserError, UnidentifiedImageError):
        raise UserError(tr("{name} is not a PNG picture that can be read.", name=name), tr("Choose a PNG that DDPM Studio has made.")) from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise describe_os_error(error, tr("open {name}", name=name)) from error
        raise UserError(tr("{name} is damaged.", name=name), tr("Use another copy of the picture.")) from error


def read_pixels(path: Path) -> Images:
    """A PNG of ours exactly as it was saved: uint8 [H, W, C]. Raises UserError that names the file."""
    try:
        pixels = np.array(decode(path))
    except OSError as error:
        raise describe_os_error(error, tr("open {name}", name=printable(path.name))) from error
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def packed(image: Images) -> str:
    """A picture as text, for a text chunk of another: its PNG in base64."""
    data = BytesIO()
    Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(data, format="PNG")
    return base64.b64encode(data.getvalue()).decode()


def unpacked(text: str, shape: tuple[int, int, int], background: str) -> Images:
    """What `packed` has made, uint8 of this shape. It may come from anybody: raises UnreadablePicture, also when it is of another size."""
    try:
        image = decode(BytesIO(base64.b64decode(text, validate=True)))
    except ValueError:
        raise UnreadablePicture(later("the file is damaged")) from None
    if image.size != (shape[1], shape[0]):
        raise UnreadablePicture(later("the file is damaged"))
    return fit(image, shape, background)


def _load(image: Image.Image, least_side: int | None) -> tuple[Image.Image, tuple[int, int]]:
    width, height = image.size
    if min(width, height) < MIN_SIDE:
        raise UnreadablePicture(later("too small: {} x {} pixels").format(width, height))
    if least_side:
        image.draft(None, (2 * least_side, 2 * least_side))  # twice, so that the last step down is ours and a good one
    needed = _check_size(image, (width, height))
    with _one_big_at_a_time if needed > _BIG else nullcontext():
        image.load()
        image = _plain(image)
        factor = min(image.size) // (3 * least_side) if least_side else 1
        if factor > 1:
            image = image.reduce(factor)
    with suppress(Exception):  # damaged EXIF data are no reason to refuse a picture
        ImageOps.exif_transpose(image, in_place=True)
    if (image.width > image.height) != (width > height):
        width, height = height, width
    return image, (width, height)


def _check_size(image: Image.Image, full: tuple[int, int]) -> int:
    """About how many bytes decoding will take; `full` is the size in the header, image.size that of the draft."""
    pixels, full_pixels = math.prod(image.size), math.prod(full)
    if image.format == "WEBP" or image.mode.startswith(("I", "F")):
        needed = 16 * pixels  # two canvases, the bytes, the picture; or two copies as floats
    elif image.mode in ("L", "RGB") and not image.has_transparency_data:
        needed = 4 * pixels
    else:
        needed = 12 * pixels  # converted before it is reduced
    if image.info.get("progressive"):
        needed += 6 * full_pixels  # the coefficients of all scans, whatever the scale
    if needed > MAX_DECODING_BYTES or full_pixels > MAX_PIXELS:
        raise UnreadablePicture(later("too large: {} x {} pixels").format(*full))
    return needed


def _plain(image: Image.Image) -> Image.Image:
    """Mode L or RGB, with alpha only if it is in use."""
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_eight_bits(image))
    mode = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
    if image.has_transparency_data:
        with_alpha = "LA" if mode == "L" else "RGBA"
        image = image if image.mode == with_alpha else image.convert(with_alpha)
        if image.getchannel("A").getextrema() != (255, 255):
            return image
    return image if image.mode == mode else image.convert(mode)


def _eight_bits(image: Image.Image) -> Images:
    """Grey of 16 and more bits as `uint8 [H, W]`: by the declared depth, else by the smallest usual range that holds it."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float32), posinf=0.0, neginf=0.0)
    black, white = 0.0, 65535.0
    if image.mode.startswith("I;16"):
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            white = 2.0 ** image.tag_v2.get(258, (16,))[0] - 1  # 258: BitsPerSample, 12 in some scanners' files
    else:
        low, high = float(values.min()), float(values.max())
        ranges = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
        fitting = next((top for top in ranges if low >= 0 and high <= top), None)
        black, white = (0.0, fitting) if fitting else (low, max(high, low + 1))
    values -= black
    values *= 255 / (white - black)
    return np.rint(values, out=values).clip(0, 255, out=values).astype(np.uint8)


def _composite(image: Image.Image, background: int) -> Image.Image:
    if image.mode not in ("LA", "RGBA"):
        return image
    mode = image.mode.removesuffix("A")
    ground = Image.new(mode, image.size, background if mode == "L" else (background,) * 3)
    ground.paste(image.convert(mode), mask=image.getchannel("A"))
    return ground


def _reason(error: Exception, stream: BinaryIO) -> str:
    if isinstance(error, MemoryError):
        return later("too large for the memory")
    try:
        size = stream.seek(0, 2)
    except (OSError, ValueError):
        size = -1
    if size == 0:
        return later("the file is empty")
    words = str(error).lower()
    if isinstance(error, UnidentifiedImageError) or "unsupported" in words:
        return later("not a picture, or of a kind that is not read here")
    return later("the file is cut off") if "truncated" in words else later("the file is damaged")


def _silence_pillow() -> None:
    """Pillow's remarks on odd files go nowhere: what matters becomes a reason. Test runners reset filters, hence each time."""
    if not warnings.filters or warnings.filters[0][3] != _PILLOW:
        warnings.filterwarnings("ignore", module=_PILLOW.pattern)
