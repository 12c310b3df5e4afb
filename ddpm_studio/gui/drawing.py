"""What is drawn, saved as a drawing or as a picture: on white, whatever the window looks like."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QBuffer, QIODevice, QPointF, QRectF, QSizeF, Qt
from PySide6.QtGui import QFont, QFontMetricsF, QGuiApplication, QImage, QPaintDevice, QPainter, QPicture, QTransform
from PySide6.QtSvg import QSvgGenerator

from ddpm_studio.files import write_atomically
from ddpm_studio.gui import theme

PAPER = QRectF(0, 0, 560, 320)
"""An exported plot, however small it is seen."""
ROOM_ABOVE, ROOM_BELOW, ROOM_BESIDE, ROOM_RIGHT = 34, 26, 24, 8
"""Around what is drawn, for its title and the names of its axes."""
GROUP = re.compile(r'(<g clip-path="[^"]*">)?(<g [^>]*?)transform="matrix\(([^)]*)\)"([^>]*>)(.*?)(?=</g>)', re.DOTALL)
LINE = re.compile(r' (?:d|points)="[^"]*"')
PAIR = re.compile(r"(-?[\d.]+(?:e[-+]?\d+)?),(-?[\d.]+(?:e[-+]?\d+)?)")
NO_LINE = re.compile("<(?:text|image|rect|circle|ellipse) ")


def save_drawing(file: Path, size: QSizeF, draw: Callable[[QPainter], None], title: str, axes: tuple[str, str] | None = None) -> None:
    """What `draw` draws in a room of this size, in the light colours: .svg with a title, else a PNG with twice as many pixels.
    With the names of the axes, the lower one first, the title stands above it, too. Raises UserError."""
    room = QRectF(QPointF(), size)
    sheet = room if axes is None else QRectF(0, 0, ROOM_BESIDE + size.width() + ROOM_RIGHT, ROOM_ABOVE + size.height() + ROOM_BELOW)
    content = QBuffer()
    content.open(QIODevice.OpenModeFlag.WriteOnly)

    def paint(device: QPaintDevice, scale: float) -> None:
        painter = QPainter(device)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.scale(scale, scale)
        painter.fillRect(sheet, theme.color("base"))
        if axes is not None:
            _name(painter, sheet, title, *axes)
            painter.translate(ROOM_BESIDE, ROOM_ABOVE)
        draw(painter)
        painter.end()

    with theme.on_paper():
        if file.suffix.lower() == ".svg":
            drawing = QSvgGenerator(QSvgGenerator.SvgVersion.Svg11)  # the other version does not clip
            drawing.setOutputDevice(content)
            drawing.setResolution(QPicture().logicalDpiX())  # of what was recorded before, as axes are: it would be scaled to any other
            drawing.setViewBox(sheet)
            drawing.setTitle(title)
            paint(drawing, 1)
            write_atomically(file, _in_one_scale(bytes(content.data().data()).decode()).encode())
        else:
            picture = QImage((sheet.size() * 2).toSize(), QImage.Format.Format_RGB32)
            paint(picture, 2)
            picture.save(content, "PNG")  # type: ignore[call-overload]  # the stubs want bytes, PySide a str
            write_atomically(file, bytes(content.data().data()))


def _name(painter: QPainter, sheet: QRectF, title: str, below: str, beside: str) -> None:
    font = QFont(QGuiApplication.font())
    font.setPixelSize(13)
    painter.setFont(font)
    painter.setPen(theme.color("dim"))
    painter.drawText(QRectF(ROOM_BESIDE, sheet.bottom() - ROOM_BELOW, sheet.width() - ROOM_BESIDE - ROOM_RIGHT, ROOM_BELOW - 6), Qt.AlignmentFlag.AlignCenter, below)
    painter.save()
    painter.rotate(-90)
    painter.drawText(QRectF(ROOM_BELOW - sheet.bottom(), 6, sheet.height() - ROOM_ABOVE - ROOM_BELOW, ROOM_BESIDE - 6), Qt.AlignmentFlag.AlignCenter, beside)
    painter.restore()
    font.setPixelSize(15)
    font.setWeight(QFont.Weight.DemiBold)
    painter.setFont(font)
    painter.setPen(theme.color("text"))
    shown = QFontMetricsF(font).elidedText(title, Qt.TextElideMode.ElideMiddle, sheet.width() - 2 * ROOM_RIGHT)
    painter.drawText(QRectF(0, 6, sheet.width(), ROOM_ABOVE - 6), Qt.AlignmentFlag.AlignCenter, shown)


def _in_one_scale(svg: str) -> str:
    """Curves stand in an SVG in the scale of their data, with the wish that it widens no line (`vector-effect`). Not every
    program knows that one, so they are written as they are seen. And what Qt writes of a clip goes on after its end: it holds
    for what has a scale of its own, and for nothing else."""

    def written(group: re.Match[str]) -> str:
        clip, head, matrix, rest, content = group.groups(default="")
        seen_as = QTransform(*(float(number) for number in matrix.split(",")))
        if (seen_as.m11(), seen_as.m22()) == (1, 1):
            return group[0].replace(clip, "<g>", 1) if clip else group[0]
        if NO_LINE.search(content):
            return group[0]

        def seen(pair: re.Match[str]) -> str:
            place = seen_as.map(QPointF(float(pair[1]), float(pair[2])))
            return f"{place.x():.6g},{place.y():.6g}"

        return f'{clip}{head}transform="matrix(1,0,0,1,0,0)"{rest}{LINE.sub(lambda line: PAIR.sub(seen, line[0]), content)}'

    return GROUP.sub(written, svg).replace(' vector-effect="non-scaling-stroke"', "")
