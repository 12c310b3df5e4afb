"""What is drawn in a scene, saved as a drawing or as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QBuffer, QIODevice, QPointF, QRectF, QSizeF
from PySide6.QtGui import QImage, QPaintDevice, QPainter
from PySide6.QtSvg import QSvgGenerator

from ddpm_studio.files import write_atomically
from ddpm_studio.gui import theme

if TYPE_CHECKING:
    from PySide6.QtWidgets import QGraphicsScene


def save_drawing(file: Path, scene: QGraphicsScene, part: QRectF, size: QSizeF, title: str) -> None:
    """A part of the scene as a drawing of this size: .svg with a title, else a PNG with twice as many pixels. Raises UserError."""
    room = QRectF(QPointF(), size)
    content = QBuffer()
    content.open(QIODevice.OpenModeFlag.WriteOnly)
    if file.suffix.lower() == ".svg":
        drawing = QSvgGenerator()
        drawing.setOutputDevice(content)
        drawing.setViewBox(room)
        drawing.setTitle(title)
        _paint(scene, part, drawing, room)
    else:
        picture = QImage((size * 2).toSize(), QImage.Format.Format_RGB32)
        _paint(scene, part, picture, QRectF(picture.rect()))
        picture.save(content, "PNG")  # type: ignore[call-overload]  # the stubs want bytes, PySide a str
    write_atomically(file, bytes(content.data().data()))


def _paint(scene: QGraphicsScene, part: QRectF, device: QPaintDevice, target: QRectF) -> None:
    painter = QPainter(device)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.fillRect(target, theme.color("base"))
    scene.render(painter, target, part)
    painter.end()
