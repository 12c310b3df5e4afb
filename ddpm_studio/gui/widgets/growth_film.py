"""How pictures grow: training goes to the right, denoising downwards; the mouse or the arrow keys go through both."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from ddpm_studio.events import PreviewReady
from ddpm_studio.gui import theme
from ddpm_studio.gui.qimage import draw_picture, fitted, to_qimage, zoom_for
from ddpm_studio.gui.widgets.basics import wrapped
from ddpm_studio.gui.words import count
from ddpm_studio.language import tr

GAP = 2
SPACE = 16
CAPTION = 20
CHOICE, LOW = 40, 240
"""Side of the pictures that are chosen from, and up to which height there is no room for them below."""
LEAST_CELL, LARGEST_CELL = 14.0, 96.0
FILM_SHARE = 0.6
"""Of the width, up to which few previews grow beyond that."""
KEPT = 2000
"""Small pictures that are kept drawn."""


class GrowthFilm(QWidget):
    """At the left previews by stages of denoising, at the right the chosen moment large, and which picture it is of."""

    chosen = Signal(int)
    """Another preview, by its place in the list."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("growthFilm")
        self.setAccessibleName(tr("Film: training to the right, denoising downwards"))
        self.setToolTip(wrapped(tr("Drag, or use the arrow keys: to the right through training, downwards through denoising; 1 to 4 choose the picture")))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(120)
        self.previews: list[PreviewReady] = []
        self.index, self.stage, self.picture, self.stages = 0, 0, 0, 0
        self._drawn: dict[tuple[int, int, int, int], QImage] = {}

    def sizeHint(self) -> QSize:
        return QSize(640, 280)

    # What there is.

    def set_previews(self, previews: list[PreviewReady], index: int) -> None:
        """All of them, oldest first; the list is not copied. `index`: the one that is shown."""
        if not previews:
            self._drawn.clear()
            self.picture = 0
        at_picture = self.stage >= self.stages - 1
        self.previews, self.stages = previews, max((len(preview.walk) for preview in previews), default=0)
        if at_picture or self.stage >= self.stages:
            self.stage = max(0, self.stages - 1)
        self.index = max(0, min(index, len(previews) - 1))
        self._say()
        self.update()

    @property
    def pictures(self) -> int:
        return max((preview.walk.shape[1] for preview in self.previews if len(preview.walk)), default=0)

    def _say(self) -> None:
        if self.stages:
            self.setAccessibleDescription(self.caption)

    @property
    def caption(self) -> str:
        step = count(self.previews[self.index].step)
        return tr("step {step} · denoised {stage} of {stages}", step=step, stage=self.stage + 1, stages=self.stages)

    def show_at(self, index: int, stage: int) -> None:
        """Go to a preview and a stage; what lies outside is brought to the edge."""
        index, stage = max(0, min(index, len(self.previews) - 1)), max(0, min(stage, self.stages - 1))
        if (index, stage) == (self.index, self.stage):
            return
        moved = index != self.index
        self.index, self.stage = index, stage
        self._say()
        self.update()
        if moved:
            self.chosen.emit(index)

    def show_picture(self, picture: int) -> None:
        if 0 <= picture < self.pictures:
            self.picture = picture
            self.update()

    def frame(self, index: int, stage: int, picture: int, side: float = 0.0) -> QImage | None:
        """One of the estimates of x_0; with `side` at least about so many pixels wide, kept for the next time."""
        walk = self.previews[index].walk
        if stage >= len(walk) or picture >= walk.shape[1]:
            return None
        if not side:
            return to_qimage(walk[stage, picture])
        skip = max(1, int(walk.shape[2] // (2 * side * self.devicePixelRatioF())))
        key = (self.previews[index].step, stage, picture, skip)
        if key not in self._drawn:
            if len(self._drawn) >= KEPT:
                self._drawn.clear()
            self._drawn[key] = to_qimage(walk[stage, picture, ::skip, ::skip])
        return self._drawn[key]

    # Where it is.

    @property
    def _beside(self) -> bool:
        """Where it is low, the pictures to choose from stand beside the chosen moment, not below it."""
        return self.height() < LOW

    @property
    def _large(self) -> QRectF:
        """Room for the chosen moment: at the right, or beside a film that does not reach so far yet."""
        far = self._film_end - self._film_right if self.columns == len(self.previews) else 0
        return self._at_the_right.translated(-max(0.0, far), 0)

    @property
    def _at_the_right(self) -> QRectF:
        below = 0 if self._beside else CHOICE + 8
        film = len(self.previews) * (self._cell + GAP) + 2 * SPACE + (CHOICE if self._beside else 0)
        side = min(self.height() - 2 * CAPTION - below, max(self.width() * 0.34, self.width() - film))  # what few previews leave is for it
        least = 0 if self._beside else self.pictures * (CHOICE + 4) - 4
        return QRectF(self.width() - max(side, least), CAPTION, side, side)

    @property
    def _choice(self) -> float:
        """Side of the pictures to choose from."""
        return min(CHOICE, (self._at_the_right.height() + 4) / max(self.pictures, 1) - 4) if self._beside else CHOICE

    @property
    def _film_end(self) -> float:
        """Where the film has to end."""
        return self._at_the_right.left() - (SPACE / 2 + self._choice if self._beside else 0) - SPACE

    @property
    def _film_right(self) -> float:
        """Where it ends."""
        return self.columns * (self._cell + GAP) - GAP

    @property
    def _cell(self) -> float:
        """Side of a small picture: whole pixels of it, where it is not made smaller."""
        room = self.height() - CAPTION
        largest = max(LARGEST_CELL, self.width() * FILM_SHARE / max(len(self.previews), 1) - GAP)
        side = max(LEAST_CELL, min(largest, (room + GAP) / max(self.stages, 1) - GAP))
        longest = max((max(preview.walk.shape[2:4]) for preview in self.previews[-1:] if len(preview.walk)), default=0)
        return longest * zoom_for(longest, side, self.devicePixelRatioF()) if 0 < longest <= side else side

    @property
    def columns(self) -> int:
        """How many previews stand side by side: as many as there is room for, evenly spread."""
        room = self._film_end
        return max(1, min(len(self.previews), int((room + GAP) // (self._cell + GAP))))

    def place(self, column: int) -> int:
        """Which preview stands in a column."""
        return round(column * (len(self.previews) - 1) / max(self.columns - 1, 1))

    def cell_rect(self, column: int, stage: int) -> QRectF:
        step = self._cell + GAP
        return QRectF(column * step, CAPTION + stage * step, self._cell, self._cell)

    def _choice_rect(self, picture: int) -> QRectF:
        large, side = self._large, self._choice
        if self._beside:
            return QRectF(large.left() - SPACE / 2 - side, CAPTION + picture * (side + 4), side, side)
        return QRectF(large.left() + picture * (side + 4), large.bottom() + CAPTION + 4, side, side)

    # Painting.

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(theme.color("dim"))
        if not self.stages:
            painter.drawText(self.rect(), int(Qt.AlignmentFlag.AlignCenter), tr("The way from noise to pictures is kept with every preview; there is none yet."))
            painter.end()
            return
        columns, last = self.columns, len(self.previews) - 1
        right = self.cell_rect(columns - 1, 0).right()
        painter.drawText(QRectF(0, 0, right, CAPTION - 4), int(Qt.AlignmentFlag.AlignLeft), tr("step {step}", step=count(self.previews[0].step)))
        if columns > 3:
            painter.drawText(QRectF(0, 0, right, CAPTION - 4), int(Qt.AlignmentFlag.AlignRight), count(self.previews[-1].step))
        for column in range(columns):
            for stage in range(self.stages):
                self._paint_cell(painter, self.cell_rect(column, stage), self.place(column), stage)
        current = round(self.index * (columns - 1) / last) if last else 0
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(theme.color("focus" if self.hasFocus() else "accent"), 2))
        painter.drawRoundedRect(self.cell_rect(current, self.stage), 2, 2)
        large = self._large
        if (image := self.frame(self.index, self.stage, self.picture)) is not None:
            draw_picture(painter, fitted(QSizeF(image.size()), large, self.devicePixelRatioF()), image)
        painter.setPen(theme.color("dim"))
        text = painter.fontMetrics().horizontalAdvance(self.caption)
        painter.drawText(QRectF(min(large.left(), self.width() - text), large.bottom() + 2, text + 1, CAPTION), int(Qt.AlignmentFlag.AlignLeft), self.caption)
        for picture in range(self.pictures):
            self._paint_choice(painter, picture)
        painter.end()

    def _paint_cell(self, painter: QPainter, room: QRectF, index: int, stage: int) -> None:
        image = self.frame(index, stage, self.picture, room.width())
        if image is None:
            painter.fillRect(room, theme.color("well"))
        else:
            draw_picture(painter, fitted(QSizeF(image.size()), room, self.devicePixelRatioF()), image)

    def _paint_choice(self, painter: QPainter, picture: int) -> None:
        room = self._choice_rect(picture)
        if (image := self.frame(self.index, self.stages - 1, picture, room.width())) is not None:
            draw_picture(painter, fitted(QSizeF(image.size()), room, self.devicePixelRatioF()), image)
        if picture == self.picture:
            painter.setPen(QPen(theme.color("accent"), 2))
            painter.drawRect(room.adjusted(-1, -1, 1, 1))

    # Hands.

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        picture = next((i for i in range(self.pictures) if self._choice_rect(i).contains(event.position())), None)
        if picture is not None:
            self.show_picture(picture)
        elif event.position().x() < self._film_right + SPACE / 2:
            self._go_to(event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton and event.position().x() < self._film_right + SPACE / 2:
            self._go_to(event.position())

    def _go_to(self, point: QPointF) -> None:
        """Between two columns lie the previews that are not shown: a drag comes by all of them."""
        if not self.stages:
            return
        first, last = self.cell_rect(0, 0).center().x(), self.cell_rect(self.columns - 1, 0).center().x()
        share = (point.x() - first) / (last - first) if last > first else 0.0
        self.show_at(round(share * (len(self.previews) - 1)), int((point.y() - CAPTION) // (self._cell + GAP)))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        moves = {Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, -1), Qt.Key.Key_Down: (0, 1)}
        ends = {Qt.Key.Key_Home: 0, Qt.Key.Key_End: len(self.previews) - 1}
        key = Qt.Key(event.key())
        if not self.stages:
            super().keyPressEvent(event)
        elif key in moves:
            self.show_at(self.index + moves[key][0], self.stage + moves[key][1])
        elif key in ends:
            self.show_at(ends[key], self.stage)
        elif Qt.Key.Key_1 <= key <= Qt.Key.Key_4:
            self.show_picture(int(key) - int(Qt.Key.Key_1))
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: object) -> None:
        self.update()

    def focusOutEvent(self, event: object) -> None:
        self.update()
