"""What this program does, in one picture: noise on the left, an evening on the right."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from ddpm_studio.events import Images
from ddpm_studio.gui.qimage import draw_picture, to_qimage
from ddpm_studio.language import tr

SIDE, ZOOM, GAP = 32, 2, 8
ALPHA_BARS = (0.0, 0.06, 0.2, 0.45, 0.75, 1.0)


def evening() -> Images:
    """A sun that sets over hills, uint8 [32, 32, 3]."""
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    sky = np.stack([60 + 6 * y, 40 + 3 * y, 120 - 1.5 * y], axis=-1)
    sun = np.hypot(x - 20, y - 15) < 6
    sky[sun] = (255, 214, 120)
    far = y > 21 + 3 * np.sin(x / 4.5)
    near = y > 25 + 2 * np.sin(x / 3 + 2)
    sky[far] = (74, 52, 112)
    sky[near] = (38, 30, 74)
    picture: Images = sky.clip(0, 255).astype(np.uint8)
    return picture


def frames() -> list[Images]:
    """The same picture under less and less noise."""
    picture = evening() / 127.5 - 1
    noise = np.random.default_rng(5).normal(size=picture.shape)
    mixed = [np.sqrt(a) * picture + np.sqrt(1 - a) * 0.8 * noise for a in ALPHA_BARS]
    return [(m * 127.5 + 127.5).clip(0, 255).astype(np.uint8) for m in mixed]


class NoiseStrip(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("noiseStrip")
        self.setAccessibleName(tr("Noise becomes a picture in six steps"))
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._frames = [to_qimage(frame) for frame in frames()]

    def sizeHint(self) -> QSize:
        return QSize(len(self._frames) * (SIDE * ZOOM + GAP) - GAP, SIDE * ZOOM)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        for i, frame in enumerate(self._frames):
            draw_picture(painter, QRectF(i * (SIDE * ZOOM + GAP), 0, SIDE * ZOOM, SIDE * ZOOM), frame)
        painter.end()
