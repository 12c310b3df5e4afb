"""Pictures between numpy and Qt."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRectF, QSizeF, Qt
from PySide6.QtGui import QImage, QPainter

from ddpm_studio.events import Images

_FORMATS = {1: QImage.Format.Format_Grayscale8, 3: QImage.Format.Format_RGB888, 4: QImage.Format.Format_RGBA8888}


def to_qimage(picture: Images) -> QImage:
    """uint8 [H, W, C] -> QImage that owns its bytes.

    The stride is passed because Qt expects rows that are multiples of four bytes long.
    """
    pixels = np.ascontiguousarray(picture)
    height, width, channels = pixels.shape
    return QImage(pixels.data, width, height, channels * width, _FORMATS[channels]).copy()


def to_array(image: QImage) -> Images:
    """QImage -> uint8 [H, W, 3], or [H, W, 4] where something may show through."""
    channels = 4 if image.hasAlphaChannel() else 3
    plain = image.convertToFormat(_FORMATS[channels])
    rows = np.frombuffer(plain.constBits(), np.uint8, plain.sizeInBytes()).reshape(plain.height(), plain.bytesPerLine())
    return rows[:, : channels * plain.width()].reshape(plain.height(), plain.width(), channels).copy()


def zoom_for(side: int, room: float, ratio: float = 1.0, largest: int = 64) -> float:
    """How much to enlarge a picture of `side` pixels into `room` logical pixels: a whole number of device pixels
    per pixel, so that no pixel is wider than its neighbour. Below 1 only when it does not fit otherwise."""
    whole = int(room * ratio // side)
    return min(whole, largest) / ratio if whole >= 1 else room / side


def fitted(size: QSizeF, room: QRectF, ratio: float = 1.0) -> QRectF:
    """The middle of `room`, with `size` enlarged by `zoom_for`, on whole device pixels."""
    zoom = min(zoom_for(int(size.width()), room.width(), ratio), zoom_for(int(size.height()), room.height(), ratio))
    width, height = size.width() * zoom, size.height() * zoom
    left = round((room.x() + (room.width() - width) / 2) * ratio) / ratio
    top = round((room.y() + (room.height() - height) / 2) * ratio) / ratio
    return QRectF(left, top, width, height)


def draw_picture(painter: QPainter, target: QRectF, image: QImage) -> None:
    """Sharp when enlarged, smooth when it has to be made smaller."""
    ratio = painter.device().devicePixelRatioF()
    shrinks = target.width() * ratio < image.width()
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, shrinks)
    painter.drawImage(target, image)


def enlarged(image: QImage, side: int) -> QImage:
    """At least `side` pixels wide, by a whole factor, for drag icons and the clipboard."""
    factor = max(1, side // max(1, image.width()))
    return image.scaled(image.width() * factor, image.height() * factor, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.FastTransformation)
