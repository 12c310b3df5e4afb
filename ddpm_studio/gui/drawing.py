"""What is drawn in a scene, saved as a drawing or as a picture."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QBuffer, QIODevice, QPointF, QRectF
from PySide6.QtGui import QImage, QPaintDevice, QPainter, QPicture, QTransform
from PySide6.QtSvg import QSvgGenerator

from ddpm_studio.gui import theme

if TYPE_CHECKING:
    from PySide6.QtWidgets import QGraphicsScene

GROUP = re.compile(r'(<g clip-path="[^"]*">)?(<g [^>]*?)transform="matrix\(([^)]*)\)"([^>]*>)(.*?)(?=</g>)', re.DOTALL)
LINE = re.compile(r' (?:d|points)="[^"]*"')
PAIR = re.compile(r"(-?[\d.]+(?:e[-+]?\d+)?),(-?[\d.]+(?:e[-+]?\d+)?)")
NO_LINE = re.compile("<(?:text|image|rect|circle|ellipse) ")


def save_drawing(file: Path, scene: QGraphicsScene, part: QRectF, title: str) -> None:
    """A part of the scene as a drawing: .svg with a title, else a PNG with twice as many pixels. Raises OSError."""
    room = QRectF(QPointF(), part.size())
    if file.suffix.lower() == ".svg":
        content = QBuffer()
        content.open(QIODevice.OpenModeFlag.WriteOnly)
        drawing = QSvgGenerator(QSvgGenerator.SvgVersion.Svg11)  # the other version does not clip
        drawing.setOutputDevice(content)
        drawing.setResolution(QPicture().logicalDpiX())  # of what was recorded before, as axes are: it would be scaled to any other
        drawing.setViewBox(room)
        drawing.setTitle(title)
        _paint(scene, part, drawing, room)
        file.write_text(_in_one_scale(bytes(content.data().data()).decode()), encoding="utf-8")
    else:
        picture = QImage((room.size() * 2).toSize(), QImage.Format.Format_RGB32)
        _paint(scene, part, picture, QRectF(picture.rect()))
        content = QBuffer()
        content.open(QIODevice.OpenModeFlag.WriteOnly)
        picture.save(content, "PNG")  # type: ignore[call-overload]  # the stubs want bytes, PySide a str
        file.write_bytes(content.data().data())


def _paint(scene: QGraphicsScene, part: QRectF, device: QPaintDevice, target: QRectF) -> None:
    painter = QPainter(device)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.fillRect(target, theme.color("base"))
    scene.render(painter, target, part)
    painter.end()


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
