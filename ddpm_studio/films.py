"""Films: pictures one after the other, written as GIF, WebP, animated PNG or MP4.

Each frame is encoded by Pillow as a still picture of its own; the container around them is written here, frame by frame.
So a film takes the memory of one frame, however long it is, and can be given up between any two. A film holds pictures
and times, nothing else: no name, no path, no date. An MP4 is the work of PyAV, which need not be installed; it takes the
memory of some frames, and also says with what settings it was encoded.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import struct
import sys
import zlib
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

import numpy as np
from PIL import Image

from ddpm_studio.control import RunControl
from ddpm_studio.errors import Cancelled, UserError
from ddpm_studio.events import Event, FilmSaved, Finished, Images, Progress
from ddpm_studio.files import replacing
from ddpm_studio.language import tr
from ddpm_studio.requests import FilmRequest

if TYPE_CHECKING:
    import av

SUFFIXES = (".gif", ".webp", ".png", ".mp4")
MOST_PER_SECOND = 50
"""A GIF counts in hundredths of a second, and players take one hundredth for a mistake."""
LARGEST_SIDE = 16_383
"""Of a WebP."""
LONGEST = 2**16 - 1
"""Of what counts the time of a frame in a GIF (hundredths of a second) and in a PNG (thousandths, or whole seconds)."""
MP4_CLOCK = 50_400
"""So many parts of a second does an MP4 count in: a multiple of nearly all rates, and below 2^16, as MPEG-4 wants it."""
BT709, LIMITED, SRGB = 1, 1, 13
"""A matrix and primaries, a range (16 to 235), and a curve, by their numbers in ISO/IEC 23091."""
ENCODERS = {"libx264": {"crf": "16", "rc-lookahead": "10"}, "mpeg4": {"qmin": "1", "qmax": "3"}}
"""What can encode an MP4, the best first, and how: FFmpeg may have been built without the one or the other."""


def write_film(request: FilmRequest, control: RunControl) -> Iterator[Event]:
    """Progress for each frame, FilmSaved, Finished. The file is there whole or not at all.

    Raises UserError when the name or the numbers are none of a film's, or it cannot be written; Cancelled when it was stopped.
    """
    check_film(request.path)
    frames, scale, rate = request.frames, request.factor, request.frames_per_second
    if not len(frames) or request.scale < 1 or not 0 < rate <= MOST_PER_SECOND:
        raise UserError(tr("A film needs a picture at least, and between 0 and {most} of them a second.", most=MOST_PER_SECOND), tr("Take other numbers."))
    height, width = (side * scale for side in frames.shape[1:3])
    if max(height, width) > LARGEST_SIDE:
        raise UserError(tr("A film of {width} x {height} pixels is too large.", width=f"{width:,}", height=f"{height:,}"), tr("Take a smaller size."))
    with replacing(request.path) as temporary:
        with temporary.open("wb") as file, contextlib.closing(_KINDS[request.path.suffix.lower()](file, width, height, rate, len(frames))) as film:
            for number, frame in enumerate(frames, 1):
                if control.stopping:
                    raise Cancelled
                hold = request.hold_seconds if number == len(frames) else 0.0
                # Times are rounded where they end, so that the rounding does not add up.
                start, end = ((number - 1) / rate, number / rate + hold)
                film.add(_picture(frame), scale, start, end)
                yield Progress(tr("Writing the film"), number, len(frames))
        size = temporary.stat().st_size
    yield FilmSaved(request.path, len(frames), size)
    yield Finished(step=len(frames))


def check_film(path: Path) -> None:
    """Raises UserError when the ending of a name is none of a film's, or nothing here can write one of that kind."""
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(
            tr("{name!r} is not the name of a film.", name=path.name), tr("Give a name that ends in {suffixes} or {last}.", suffixes=", ".join(SUFFIXES[:-1]), last=SUFFIXES[-1])
        )
    if path.suffix.lower() == ".mp4":
        _encoder()


def has_mp4() -> bool:
    """Whether PyAV is installed, as far as can be told without loading it."""
    return importlib.util.find_spec("av") is not None


def no_mp4() -> UserError:
    """What to say where it is not."""
    if getattr(sys, "frozen", False):
        hint = tr("Save the film as GIF, WebP or PNG; for MP4, install DDPM Studio with Python.")
    else:
        hint = tr("Install it with: {command}", command=f'"{sys.executable}" -m pip install "av>=17,<19"')
    return UserError(tr("MP4 needs PyAV 17 or newer, which is not installed."), hint)


def _encoder() -> str:
    """The name of the one that writes MP4 here. Raises UserError where there is none."""
    try:
        import av
    except ImportError as error:
        raise no_mp4() from error
    if int(av.__version__.partition(".")[0]) < 17:
        raise no_mp4()
    for name in ENCODERS:
        with contextlib.suppress(av.codec.codec.UnknownCodecError):
            return av.Codec(name, "w").name
    raise UserError(tr("PyAV is installed here without an encoder for MP4."), tr("Save the film as GIF, WebP or PNG."))


class _Film(Protocol):
    def __init__(self, file: BinaryIO, width: int, height: int, rate: float, count: int) -> None: ...

    def add(self, picture: Image.Image, scale: int, start: float, end: float) -> None: ...

    def close(self) -> None:
        """Also comes when the film was given up."""


class _Gif:
    """GIF89a; each frame has its own 256 colours, chosen before it is enlarged."""

    def __init__(self, file: BinaryIO, width: int, height: int, rate: float, count: int) -> None:
        self._file = file
        endless = b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"
        file.write(b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + endless)

    def add(self, picture: Image.Image, scale: int, start: float, end: float) -> None:
        picture = _opaque(picture)
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

    def __init__(self, file: BinaryIO, width: int, height: int, rate: float, count: int) -> None:
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

    def __init__(self, file: BinaryIO, width: int, height: int, rate: float, count: int) -> None:
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


class _Mp4:
    """H.264. The colours of the pictures, sRGB, are coded by the matrix of BT.709, and the file says so: players that have to guess wash them out.

    No frame leans on a later one: so they come in order, each with its time, and few wait in the encoder.
    """

    def __init__(self, file: BinaryIO, width: int, height: int, rate: float, count: int) -> None:
        import av

        self._start, self._duration = 0, 0
        self._failed = False
        with _in_words():
            self._container = av.open(file, "w", format="mp4", options={"fflags": "+bitexact"})  # without a date, and who wrote it
            name = _encoder()
            self._stream = cast("av.VideoStream", self._container.add_stream(name, Fraction(rate).limit_denominator(MP4_CLOCK), options=ENCODERS[name]))
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        codec = self._stream.codec_context
        codec.time_base, codec.max_b_frames = Fraction(1, MP4_CLOCK), 0
        codec.colorspace, codec.color_range, codec.color_primaries, codec.color_trc = BT709, LIMITED, BT709, SRGB

    def add(self, picture: Image.Image, scale: int, start: float, end: float) -> None:
        import av

        self._start += self._duration
        self._duration = min(2**31 - 1, round(MP4_CLOCK * end) - round(MP4_CLOCK * start))
        frame = av.VideoFrame.from_ndarray(np.asarray(_enlarged(_opaque(picture).convert("RGB"), scale)), format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=BT709, dst_color_range=LIMITED)
        frame.pts, frame.time_base = self._start, Fraction(1, MP4_CLOCK)
        self._failed = True
        with _in_words():
            self._write(self._stream.encode(frame))
        self._failed = False

    def close(self) -> None:
        import av

        if self._failed:  # what is wrong has been said, and closing would say that it failed to write the rest
            with contextlib.suppress(av.FFmpegError, OSError):
                self._container.close()
            return
        with _in_words(), self._container:
            self._write(self._stream.encode())

    def _write(self, packets: Iterable[av.Packet[Any]]) -> None:
        for packet in packets:
            if packet.pts == self._start:  # the last so far: only the next would tell how long it stays
                packet.duration = self._duration
            self._container.mux(packet)


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    """What FFmpeg refuses, as a UserError; a disk speaks for itself."""
    import av

    try:
        yield
    except av.FFmpegError as error:
        if isinstance(error, OSError):
            raise
        raise UserError(tr("The film could not be encoded as MP4: {reason}.", reason=error.strerror), tr("Save the film as GIF, WebP or PNG.")) from error


_KINDS: dict[str, type[_Film]] = {".gif": _Gif, ".webp": _Webp, ".png": _Apng, ".mp4": _Mp4}


def _picture(frame: Images) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(frame[:, :, 0] if frame.shape[2] == 1 else frame))


def _opaque(picture: Image.Image) -> Image.Image:
    """On white, where it was transparent."""
    if picture.mode != "RGBA":
        return picture
    ground = Image.new("RGB", picture.size, "white")
    ground.paste(picture, mask=picture.getchannel("A"))
    return ground


def _enlarged(picture: Image.Image, scale: int) -> Image.Image:
    """Each pixel a square of `scale`."""
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST) if scale > 1 else picture


def _encoded(picture: Image.Image, scale: int, kind: str, **options: bool) -> bytes:
    """A still picture of this kind."""
    buffer = io.BytesIO()
    _enlarged(picture, scale).save(buffer, kind, **options)
    return buffer.getvalue()


def _png_chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 8
    while place < len(png):
        length, name = struct.unpack_from(">I4s", png, place)
        yield name, png[place + 8 : place + 8 + length]
        place += 12 + length
