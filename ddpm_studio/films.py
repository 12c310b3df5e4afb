"""Films: pictures one after the other, written as GIF, WebP or animated PNG.

Each frame is encoded by Pillow as a still picture of its own; the container around them is written here, frame by frame.
So a film takes the memory of one frame, however long it is, and can be given up between any two. A film holds pictures
and times, nothing else: no name, no path, no date.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from PIL import Image

from ddpm_studio.control import RunControl
from ddpm_studio.errors import Cancelled, UserError
from ddpm_studio.events import Event, FilmSaved, Finished, Images, Progress
from ddpm_studio.files import replacing
from ddpm_studio.language import tr
from ddpm_studio.requests import FilmRequest

SUFFIXES = (".gif", ".webp", ".png")
MOST_PER_SECOND = 50
"""A GIF counts in hundredths of a second, and players take one hundredth for a mistake."""
LARGEST_SIDE = 16_383
"""Of a WebP."""
LONGEST = 2**16 - 1
"""Of what counts the time of a frame in a GIF (hundredths of a second) and in a PNG (thousandths, or whole seconds)."""


def write_film(request: FilmRequest, control: RunControl) -> Iterator[Event]:
    """Progress for each frame, FilmSaved, Finished. The file is there whole or not at all.

    Raises UserError when the name or the numbers are none of a film's, or it cannot be written; Cancelled when it was stopped.
    """
    check_film(request.path)
    frames, scale, rate = request.frames, request.scale, request.frames_per_second
    if not len(frames) or scale < 1 or not 0 < rate <= MOST_PER_SECOND:
        raise UserError(tr("A film needs a picture at least, and between 0 and {most} of them a second.", most=MOST_PER_SECOND), tr("Take other numbers."))
    height, width = (side * scale for side in frames.shape[1:3])
    if max(height, width) > LARGEST_SIDE:
        raise UserError(tr("A film of {width} x {height} pixels is too large.", width=f"{width:,}", height=f"{height:,}"), tr("Take a smaller size."))
    with replacing(request.path) as temporary:
        with temporary.open("wb") as file:
            film = _KINDS[request.path.suffix.lower()](file, width, height, len(frames))
            for number, frame in enumerate(frames, 1):
                if control.stopping:
                    raise Cancelled
                hold = request.hold_seconds if number == len(frames) else 0.0
                # Times are rounded where they end, so that the rounding does not add up.
                start, end = ((number - 1) / rate, number / rate + hold)
                film.add(_picture(frame), scale, start, end)
                yield Progress(tr("Writing the film"), number, len(frames))
            film.close()
        size = temporary.stat().st_size
    yield FilmSaved(request.path, len(frames), size)
    yield Finished(step=len(frames))


def check_film(path: Path) -> None:
    """Raises UserError when the ending of a name is none of a film's."""
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(
            tr("{name!r} is not the name of a film.", name=path.name), tr("Give a name that ends in {suffixes} or {last}.", suffixes=", ".join(SUFFIXES[:-1]), last=SUFFIXES[-1])
        )


class _Film(Protocol):
    def __init__(self, file: BinaryIO, width: int, height: int, count: int) -> None: ...

    def add(self, picture: Image.Image, scale: int, start: float, end: float) -> None: ...

    def close(self) -> None: ...


class _Gif:
    """GIF89a; each frame has its own 256 colours, chosen before it is enlarged."""

    def __init__(self, file: BinaryIO, width: int, height: int, count: int) -> None:
        self._file = file
        endless = b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"
        file.write(b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + endless)

    def add(self, picture: Image.Image, scale: int, start: float, end: float) -> None:
        if picture.mode == "RGBA":
            ground = Image.new("RGB", picture.size, "white")
            ground.paste(picture, mask=picture.getchannel("A"))
            picture = ground
        if picture.mode == "RGB":
            picture = picture.quantize(256, kmeans=1)
        still = _encoded(picture, scale, "GIF", interlace=False)
        # Header and screen (13 bytes) with the number of colours, the colours, and after the extensions the picture up to the trailer.
        colours = still[13 : 13 + 3 * 2 ** ((still[10] & 7) + 1)]
        place = 13 + len(colours)
        while still[place] == 0x21:  # an extension: its label, then blocks with their lengths in front
            place += 2
            while still[place]:
                place += still[place] + 1
            place += 1
        descriptor = still[place : place + 9] + bytes([0x80 | still[10] & 7])
        delay = min(LONGEST, round(100 * end) - round(100 * start))
        self._file.write(b"!\xf9\x04\x04" + struct.pack("<HBB", delay, 0, 0) + descriptor + colours + still[place + 10 : -1])

    def close(self) -> None:
        self._file.write(b";")


class _Webp:
    """The extended file format of WebP, each frame without loss."""

    def __init__(self, file: BinaryIO, width: int, height: int, count: int) -> None:
        self._file = file
        self._size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
        file.write(b"RIFF\0\0\0\0WEBP")  # the length is known at the end
        self._chunk(b"VP8X", b"\x12\0\0\0" + self._size)  # animated, perhaps transparent
        self._chunk(b"ANIM", b"\0\0\0\0\0\0")  # no ground, endless

    def add(self, picture: Image.Image, scale: int, start: float, end: float) -> None:
        still = _encoded(picture if picture.mode == "RGBA" else picture.convert("RGB"), scale, "WEBP", lossless=True)
        data, place = b"", 12
        while place < len(still):
            name, length = struct.unpack_from("<4sI", still, place)
            after = place + 8 + length + length % 2
            if name in (b"VP8L", b"VP8 ", b"ALPH"):
                data += still[place:after]
            place = after
        milliseconds = min(2**24 - 1, round(1000 * end) - round(1000 * start))
        self._chunk(b"ANMF", bytes(6) + self._size + struct.pack("<I", milliseconds)[:3] + b"\x02" + data)  # in the place of what was there

    def close(self) -> None:
        length = self._file.tell() - 8
        self._file.seek(4)
        self._file.write(struct.pack("<I", length))

    def _chunk(self, name: bytes, data: bytes) -> None:
        self._file.write(name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2))


class _Apng:
    """An animated PNG: the data of all frames but the first in chunks of another name."""

    def __init__(self, file: BinaryIO, width: int, height: int, count: int) -> None:
        self._file, self._width, self._height, self._count = file, width, height, count
        self._number = 0

    def add(self, picture: Image.Image, scale: int, start: float, end: float) -> None:
        first = self._number == 0
        chunks = list(_png_chunks(_encoded(picture, scale, "PNG")))
        if first:
            self._file.write(b"\x89PNG\r\n\x1a\n")
            self._chunk(b"IHDR", next(data for name, data in chunks if name == b"IHDR"))
            self._chunk(b"acTL", struct.pack(">II", self._count, 0))
        time, parts = round(1000 * end) - round(1000 * start), 1000
        if time > LONGEST:
            time, parts = min(LONGEST, round(end) - round(start)), 1
        self._chunk(b"fcTL", self._next() + struct.pack(">IIIIHHBB", self._width, self._height, 0, 0, time, parts, 0, 0))
        for name, data in chunks:
            if name == b"IDAT":
                self._chunk(b"IDAT" if first else b"fdAT", data if first else self._next() + data)

    def close(self) -> None:
        self._chunk(b"IEND", b"")

    def _next(self) -> bytes:
        self._number += 1
        return struct.pack(">I", self._number - 1)

    def _chunk(self, name: bytes, data: bytes) -> None:
        self._file.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)))


_KINDS: dict[str, type[_Film]] = {".gif": _Gif, ".webp": _Webp, ".png": _Apng}


def _picture(frame: Images) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(frame[:, :, 0] if frame.shape[2] == 1 else frame))


def _encoded(picture: Image.Image, scale: int, kind: str, **options: bool) -> bytes:
    """A still picture of this kind, each pixel a square of `scale`."""
    large = picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST) if scale > 1 else picture
    buffer = io.BytesIO()
    large.save(buffer, kind, **options)
    return buffer.getvalue()


def _png_chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 8
    while place < len(png):
        length, name = struct.unpack_from(">I4s", png, place)
        yield name, png[place + 8 : place + 8 + length]
        place += 12 + length
