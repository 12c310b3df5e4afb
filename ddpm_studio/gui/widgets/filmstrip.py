"""Noise becomes a picture, from left to right: x_t above, the noise that the network finds in it, and its guess of x_0 below."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRectF, QSize, QSizeF, Qt, Signal, Slot
from PySide6.QtGui import QFont, QImage, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from ddpm_studio.events import FrameReady, Images
from ddpm_studio.gui import theme
from ddpm_studio.gui.qimage import draw_picture, fitted, to_qimage
from ddpm_studio.gui.widgets.basics import column, label, row, tool_button
from ddpm_studio.gui.widgets.inputs import Slider
from ddpm_studio.gui.widgets.picture_view import PictureView
from ddpm_studio.language import ntr, tr

COLUMNS = 12
HEAD = 20
"""Height of the line with the timesteps."""
GAP = 2
EDGE = 2
"""Room for the frame around the chosen column."""
SMALLEST, LARGEST = 16, 96
"""Side of a frame at least and at most: there must be room for the pictures below."""


Column = tuple[int, QImage, QImage, QImage | None]
"""A timestep, x_t, the guess of x_0, and the noise where it was told."""


class Strip(QWidget):
    """Rows of small pictures, three where the noise is known; a click on a column chooses it."""

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("filmstripFrames")
        self.setAccessibleName(tr("Frames from noise to picture"))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.columns: dict[int, Column] = {}
        self.rows = 3
        self.count = COLUMNS
        self.current = -1
        self.note = ""
        """Said instead of the frames."""
        self._room = self._height(LARGEST)

    def sizeHint(self) -> QSize:
        return QSize(720, self._height(66))

    def heightForWidth(self, width: int) -> int:
        """With fewer frames they stand further apart, but are no larger: what lies below keeps its place."""
        return self._height(int((width - 2 * EDGE + GAP) / max(self.count, COLUMNS) - GAP))

    def _height(self, side: int) -> int:
        return HEAD + self.rows * (side + GAP) + 2

    def resizeEvent(self, event: object) -> None:
        self.arrange()

    def make_do(self, height: int) -> None:
        """There is no more room than this."""
        self._room = height
        self.arrange()

    def arrange(self) -> None:
        self.setFixedHeight(max(self._height(SMALLEST), min(self.heightForWidth(self.width()), self._height(LARGEST), self._room)))

    def _step(self, width: int) -> float:
        return (width - 2 * EDGE + GAP) / self.count

    def cell(self, column_index: int, line: int) -> QRectF:
        step = self._step(self.width())
        side = (self.height() - HEAD - 2) / self.rows - GAP
        return QRectF(EDGE + column_index * step, HEAD + line * (side + GAP), step - GAP, side)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        centred = int(Qt.AlignmentFlag.AlignCenter)
        if self.note:
            painter.setPen(theme.color("dim"))
            painter.drawText(self.rect(), centred, self.note)
            painter.end()
            return
        small = QFont(self.font())
        small.setPixelSize(11)
        painter.setFont(small)
        for i in range(self.count):
            known = self.columns.get(i)
            images = self._images(known)
            for line, image in enumerate(images):
                room = self.cell(i, line)
                if image is not None:
                    draw_picture(painter, fitted(QSizeF(image.size()), room, self.devicePixelRatioF()), image)
                else:
                    side = min(room.width(), room.height(), 64)
                    painter.fillRect(QRectF(room.center().x() - side / 2, room.center().y() - side / 2, side, side), theme.color("well"))
            if known:
                painter.setPen(theme.color("accent" if i == self.current else "dim"))
                painter.drawText(QRectF(self.cell(i, 0).left(), 0, self.cell(i, 0).width(), HEAD), centred, f"t = {known[0]}" if i == 0 else str(known[0]))
            if i == self.current:
                frame = self.cell(i, 0).united(self.cell(i, self.rows - 1)).adjusted(-1, -1, 1, 1)
                painter.setPen(QPen(theme.color("accent"), 2))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawRoundedRect(frame, 4, 4)
        painter.end()

    def _images(self, known: Column | None) -> list[QImage | None]:
        """From top to bottom."""
        _, noisy, guess, noise = known or (0, None, None, None)
        return [noisy, noise, guess] if self.rows == 3 else [noisy, guess]

    def mousePressEvent(self, event: QMouseEvent) -> None:
        index = int((event.position().x() - EDGE) // self._step(self.width()))
        if index in self.columns:
            self.chosen.emit(index)


class Filmstrip(QWidget):
    """Frames of all pictures are kept; one picture is shown. Scrubbing never computes anything."""

    frame_shown = Signal(int)
    film_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("filmstrip")
        self.setAccessibleName(tr("Filmstrip from noise to picture"))
        self.strip = Strip()
        self.slider = Slider()
        self.slider.setObjectName("filmstripSlider")
        self.slider.setAccessibleName(tr("Frame"))
        self.slider.setToolTip(tr("Look at each moment again; nothing is computed anew"))
        self.slider.setEnabled(False)
        self.slider.setRange(0, COLUMNS - 1)
        self.film_button = tool_button("film", "filmstripFilmButton", tr("Save the way from noise to picture as a film"), 16)
        self.film_button.setEnabled(False)
        below = row(self.slider, self.film_button, spacing=8)
        below.setStretch(0, 1)
        self.setLayout(column(self.strip, below, spacing=4))
        self._frames: dict[int, FrameReady] = {}
        self._picture = 0
        self._follow = True
        self.strip.chosen.connect(self._choose)
        self.slider.valueChanged.connect(self._show)
        self.film_button.clicked.connect(self.film_wanted)

    def start(self, count: int = COLUMNS) -> None:
        """Empty, ready for a new series."""
        self._frames.clear()
        self.strip.columns.clear()
        self.strip.count = count
        self.strip.current = -1
        self.strip.arrange()
        self._follow = True
        self.slider.setRange(0, count - 1)
        self._show_note()

    def add_frame(self, frame: FrameReady) -> None:
        if frame.count != self.strip.count:
            self.strip.count = frame.count
            self.strip.arrange()
            self.slider.setRange(0, frame.count - 1)
        if (rows := 2 if frame.pred_noise is None else 3) != self.strip.rows:
            self.strip.rows = rows
            self.strip.arrange()
        self._frames[frame.index] = frame
        self._put(frame)
        if self._follow:
            self.slider.setValue(frame.index)
            self._show(frame.index)
        self._show_note()

    def set_picture(self, index: int) -> None:
        """Which of the pictures that were made together is shown."""
        self._picture = max(0, index)
        for frame in self._frames.values():
            self._put(frame)
        self._show_note()
        if self.strip.current >= 0:
            self.frame_shown.emit(self.strip.current)

    @property
    def current_frame(self) -> Column | None:
        return self.strip.columns.get(self.strip.current)

    @property
    def frames(self) -> dict[int, FrameReady]:
        return dict(self._frames)

    def film(self) -> dict[str, Images]:
        """The way of the picture that is shown, in its versions, each uint8 [N, H, W, C]; all end with the picture itself."""
        frames = [self._frames[i] for i in sorted(self._frames)]
        guess = np.stack([frame.pred_x_start[self._picture] for frame in frames])
        guess = np.concatenate([guess, guess[-1:]])
        noisy = np.concatenate([np.stack([frame.x_t[self._picture] for frame in frames]), guess[-1:]])
        return {tr("Noisy picture"): noisy, tr("The network's guess"): guess, tr("Both"): np.concatenate([noisy, guess], axis=2)}

    def _put(self, frame: FrameReady) -> None:
        picture = self._picture
        if picture >= len(frame.x_t):  # the way is kept for the first batch only
            self.strip.columns.pop(frame.index, None)
            return
        noise = None if frame.pred_noise is None else to_qimage(frame.pred_noise[picture])
        self.strip.columns[frame.index] = (frame.timestep, to_qimage(frame.x_t[picture]), to_qimage(frame.pred_x_start[picture]), noise)

    def _show_note(self) -> None:
        kept = min((len(frame.x_t) for frame in self._frames.values()), default=0)
        self.strip.note = ntr("The way is kept for the first picture", "The way is kept for the first {count} pictures", kept) if 0 < kept <= self._picture else ""
        self.strip.setAccessibleDescription(self.strip.note)
        self.slider.setEnabled(bool(self._frames) and not self.strip.note)
        self.film_button.setEnabled(len(self._frames) == self.strip.count and not self.strip.note)
        self.strip.update()

    @Slot(int)
    def _choose(self, index: int) -> None:
        self._follow = False
        self.slider.setValue(index)
        self._show(index)

    @Slot(int)
    def _show(self, index: int) -> None:
        known = [i for i in self._frames if i <= index]
        if known:
            self.strip.current = max(known)
            self.strip.update()
            self.frame_shown.emit(self.strip.current)


class FrameView(QWidget):
    """One moment, large: what the network saw and what it took it for."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("frameView")
        self.setAccessibleName(tr("The chosen frame"))
        self.noisy = PictureView("frameNoisy", tr("Noisy picture"), 64)
        self.guess = PictureView("frameGuess", tr("The network's guess"), 64)
        self._captions = (label(tr("noisy xₜ"), "caption"), label(tr("guess x̂₀"), "caption"))
        self.setLayout(column(column(self._captions[0], self.noisy, spacing=4), column(self._captions[1], self.guess, spacing=4), spacing=12))

    def resizeEvent(self, event: object) -> None:
        """Both as high as each other: a pixel less would make one of them smaller by a whole zoom."""
        room = self.height() - sum(caption.sizeHint().height() + 4 for caption in self._captions) - 12
        for view in (self.noisy, self.guess):
            view.setMaximumHeight(max(view.minimumSizeHint().height(), room // 2))

    def show_frame(self, frame: Column | None) -> None:
        if frame is None:
            self.noisy.set_picture(None)
            self.guess.set_picture(None)
            self._captions[0].setText(tr("noisy xₜ"))
            return
        self._captions[0].setText(tr("noisy xₜ at t = {t}", t=frame[0]))
        self.noisy.set_picture(frame[1])
        self.guess.set_picture(frame[2])
