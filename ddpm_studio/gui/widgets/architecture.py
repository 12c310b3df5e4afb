"""The U-Net as articles draw it: down on the left, the middle at the bottom, up on the right."""

from __future__ import annotations

import itertools

from PySide6.QtCore import QPointF, QRectF, Qt, Slot
from PySide6.QtGui import QColor, QFont, QPainter, QPainterPath, QPen, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QFrame, QGraphicsItem, QGraphicsPathItem, QGraphicsScene, QGraphicsSimpleTextItem, QGraphicsView, QStyleOptionGraphicsItem, QWidget

from ddpm_studio.events import BlockInfo
from ddpm_studio.gui import theme
from ddpm_studio.gui.words import shape, short_count

BOX_W, BOX_H, GAP_X = 188.0, 44.0, 20.0
STEP = BOX_H + 14
"""From one row to the next."""
LEVEL_GAP = 10.0
INDENT = BOX_W * 0.34
TITLES = {
    "stem": "Input convolution", "res": "Residual block", "attention": "Self-attention", "down": "Downsample", "up": "Upsample",
    "middle": "Middle block", "head": "Output convolution", "time": "Time embedding", "skip": "Linear filter",
}
MEANINGS = {
    "stem": "Lifts the picture to the first level's channels.",
    "res": "Two 3 × 3 convolutions with group normalisation, the time embedding added between them, and a way around.",
    "attention": "Every place looks at every other place of the picture.",
    "down": "Halves height and width.",
    "up": "Doubles height and width.",
    "middle": "At the lowest resolution.",
    "head": "Brings the channels back to those of a picture.",
    "skip": "A filter from the noisy picture straight to the answer, set by t: the noise need not pass through all blocks.",
    "time": "Tells every residual block how noisy its input is: sine and cosine of t, then two linear layers.",
}

SKIP = "Skip connection: kept on the way down, joined to the channels on the way up"


class BlockItem(QGraphicsItem):
    def __init__(self, block: BlockInfo, cost: float) -> None:
        super().__init__()
        self.block = block
        self._cost = cost
        self._hover = False
        self.setAcceptHoverEvents(True)
        self.setToolTip(
            f"{TITLES.get(block.kind, block.kind)}: {block.name}\n{MEANINGS.get(block.kind, '')}\n\n"
            f"in {shape(block.in_shape)}\nout {shape(block.out_shape)}\n{short_count(block.parameters)} parameters\n{block.gmacs:.3f} G multiply-adds a picture ({cost:.0%} of all)"
        )

    def boundingRect(self) -> QRectF:
        return QRectF(-1, -1, BOX_W + 2, BOX_H + 2)

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        kind = theme.color(f"kind_{self.block.kind}" if self.block.kind in TITLES else "kind_res")
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        fill = QColor(kind)
        fill.setAlphaF(0.16 if self._hover else 0.09)
        painter.setBrush(theme.color("base"))
        painter.setPen(QPen(kind, 1.5 if self._hover else 1))
        room = QRectF(0, 0, BOX_W, BOX_H)
        painter.drawRoundedRect(room, 8, 8)
        painter.setBrush(fill)
        painter.drawRoundedRect(room, 8, 8)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(kind)
        painter.drawRoundedRect(QRectF(0, 8, 3, BOX_H - 16), 1.5, 1.5)
        bar = (BOX_W - 24) * min(1.0, self._cost * 4)
        painter.setOpacity(0.6)
        painter.drawRoundedRect(QRectF(12, BOX_H - 6, max(2.0, bar), 2.5), 1.2, 1.2)
        painter.setOpacity(1)
        font = QFont(painter.font())
        font.setPixelSize(12)
        font.setWeight(QFont.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(theme.color("text"))
        painter.drawText(QRectF(12, 4, BOX_W - 20, 16), int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), TITLES.get(self.block.kind, self.block.kind))
        font.setPixelSize(11)
        font.setWeight(QFont.Weight.Normal)
        painter.setFont(font)
        painter.setPen(theme.color("dim"))
        before, after = shape(self.block.in_shape), shape(self.block.out_shape)
        shapes = after if before == after else f"{before} → {after}"
        left = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        room = QRectF(12, 20, BOX_W - 16, 15)
        painter.drawText(room, left, painter.fontMetrics().elidedText(shapes, Qt.TextElideMode.ElideRight, int(room.width())))

    def hoverEnterEvent(self, event: object) -> None:
        self._hover = True
        self.update()

    def hoverLeaveEvent(self, event: object) -> None:
        self._hover = False
        self.update()


def _units(blocks: tuple[BlockInfo, ...]) -> tuple[list[list[BlockInfo]], list[list[BlockInfo]], dict[int, BlockInfo]]:
    """What is kept on the way down, what finds it again on the way up (a block and the attention after it), and the
    upsampling of each level."""
    sources: list[list[BlockInfo]] = []
    targets: list[list[BlockInfo]] = []
    ups: dict[int, BlockInfo] = {}
    for block in blocks:
        if block.side in ("stem", "down"):
            if block.kind == "attention" and sources:
                sources[-1].append(block)
            else:
                sources.append([block])
        elif block.side == "up":
            if block.kind == "up":
                ups[block.level] = block
            elif block.kind == "attention" and targets:
                targets[-1].append(block)
            else:
                targets.append([block])
    return sources, targets, ups


def _level_of(unit: list[BlockInfo]) -> int:
    """A downsampling is drawn where its result belongs."""
    return unit[0].level + (unit[0].kind == "down")


class ArchitectureView(QGraphicsView):
    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("architectureView")
        self.setAccessibleName("The network's blocks")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setRenderHint(QPainter.RenderHint.Antialiasing)
        self.setDragMode(QGraphicsView.DragMode.ScrollHandDrag)
        self.setTransformationAnchor(QGraphicsView.ViewportAnchor.AnchorUnderMouse)
        self.setBackgroundBrush(Qt.BrushStyle.NoBrush)
        self._scene = QGraphicsScene(self)
        self.setScene(self._scene)
        self._blocks: tuple[BlockInfo, ...] = ()
        self._drawn_with = ""
        self._touched = False

    @property
    def blocks(self) -> tuple[BlockInfo, ...]:
        return self._blocks

    def show_blocks(self, blocks: tuple[BlockInfo, ...]) -> None:
        """In the order in which a picture passes them."""
        self._blocks = blocks
        self._touched = False
        self.setAccessibleDescription("; ".join(f"{TITLES.get(b.kind, b.kind)} {shape(b.in_shape)} to {shape(b.out_shape)}" for b in blocks))
        self._draw()
        self.fit()

    def _draw(self) -> None:
        """Each way across the U is a row: what is kept on the way down stands opposite to the block that finds it again."""
        self._scene.clear()
        self._drawn_with = theme.name()
        if not self._blocks:
            return
        total = sum(block.gmacs for block in self._blocks) or 1.0
        levels = max(block.level for block in self._blocks) + 1
        sources, targets, ups = _units(self._blocks)
        paired = len(sources) == len(targets)
        middle = [block for block in self._blocks if block.side == "middle"]
        right = 2 * levels * INDENT + 3.2 * BOX_W
        self._items: dict[str, BlockItem] = {}

        def put(unit: list[BlockInfo], x: float, y: float) -> None:
            for i, block in enumerate(unit):
                item = BlockItem(block, block.gmacs / total)
                item.setPos(x + i * (BOX_W + GAP_X), y)
                self._scene.addItem(item)
                self._items[block.name] = item

        y = 0.0
        for level in range(levels):
            left_x, right_x = level * INDENT, right - level * INDENT
            first = next((block for unit in sources for block in unit if _level_of(unit) == level), None)
            if level in ups:
                put([ups[level]], right_x, y)
                y += STEP
            if first:
                side = first.out_shape[-1]
                self._text(f"{side} × {side}", QPointF(-92, y + BOX_H / 2 - 8), "dim", 12)
            here = [i for i, unit in enumerate(sources) if _level_of(unit) == level]
            there = [i for i, unit in enumerate(targets) if unit[0].level == level]
            for line in range(max(len(here), len(there))):
                if line < len(here):
                    put(sources[here[line]], left_x, y)
                if line < len(there):
                    put(targets[there[-1 - line]], right_x, y)
                y += STEP
            y += LEVEL_GAP
        put(middle, (right + BOX_W) / 2 - (len(middle) * (BOX_W + GAP_X) - GAP_X) / 2, y)
        put([block for block in self._blocks if block.kind == "head"], right, -STEP)
        for before, after in itertools.pairwise(block for block in self._blocks if block.kind != "skip"):
            self._connect(self._items[before.name], self._items[after.name])
        filters = [block for block in self._blocks if block.kind == "skip"]
        noisy = self._text("noisy picture x\u209c", QPointF(2, BOX_H / 2 - STEP - 8 if filters else -22), "dim", 12).sceneBoundingRect()
        if filters:  # it reads the picture itself, beside the first block
            put(filters, BOX_W + GAP_X, -STEP)
            self._arrow(QPointF(noisy.center().x(), noisy.bottom() + 2), QPointF(noisy.center().x(), 0))
            self._arrow(QPointF(noisy.right() + 6, BOX_H / 2 - STEP), QPointF(BOX_W + GAP_X, BOX_H / 2 - STEP))
            self._draw_skip(self._items[filters[0].name], self._items["head"], MEANINGS["skip"])
        if paired:
            for source, target in zip(sources, reversed(targets), strict=True):
                self._draw_skip(self._items[source[-1].name], self._items[target[0].name])
        self._draw_time((right + BOX_W) / 2 - BOX_W / 2, -2 * STEP if filters else -STEP)
        self._text("what the network predicts", QPointF(right + 2, -STEP - 22), "dim", 12)
        self._scene.setSceneRect(self._scene.itemsBoundingRect().adjusted(-24, -12, 24, 12))

    def _connect(self, before: BlockItem, after: BlockItem) -> None:
        """An arrow from one block to the next one in the order of computing."""
        a, b = before.sceneBoundingRect().adjusted(1, 1, -1, -1), after.sceneBoundingRect().adjusted(1, 1, -1, -1)
        if abs(a.center().y() - b.center().y()) < 2:
            self._arrow(QPointF(a.right(), a.center().y()), QPointF(b.left(), b.center().y()))
        else:
            down = b.top() > a.top()
            self._arrow(QPointF(a.center().x(), a.bottom() if down else a.top()), QPointF(b.center().x(), b.top() if down else b.bottom()))

    def _arrow(self, start: QPointF, end: QPointF) -> None:
        """Straight to the right, or bent up or down."""
        pen = QPen(theme.color("faint"), 1.4)
        path = QPainterPath(start)
        if start.y() == end.y():
            back, wing = QPointF(-4, 0), QPointF(0, 3.5)
            path.lineTo(end)
        else:
            back, wing = QPointF(0, -4 if end.y() > start.y() else 4), QPointF(3.5, 0)
            bend = (start.y() + end.y()) / 2
            path.cubicTo(QPointF(start.x(), bend), QPointF(end.x(), bend), end)
        self._add_path(path, pen)
        head = QPainterPath(end + back - wing)
        head.lineTo(end)
        head.lineTo(end + back + wing)
        self._add_path(head, pen)

    def _draw_skip(self, source: BlockItem, target: BlockItem, meaning: str = SKIP) -> None:
        pen = QPen(theme.color("accent"), 1.2)
        pen.setDashPattern([4, 4])
        a, b = source.sceneBoundingRect(), target.sceneBoundingRect()
        path = QPainterPath(QPointF(a.right(), a.center().y()))
        path.lineTo(QPointF(b.left(), b.center().y()))
        item = self._add_path(path, pen)
        item.setToolTip(meaning)

    def _draw_time(self, x: float, y: float) -> None:
        room = QRectF(x, y, BOX_W, BOX_H)
        path = QPainterPath()
        path.addRoundedRect(room, 8, 8)
        item = self._add_path(path, QPen(theme.color("kind_time"), 1.2, Qt.PenStyle.DashLine))
        item.setBrush(theme.color("base"))
        item.setToolTip(MEANINGS["time"])
        self._text("Time embedding", QPointF(room.left() + 12, room.top() + 6), "text", 12, bold=True)
        self._text("of t, into every residual block", QPointF(room.left() + 12, room.top() + 23), "dim", 11)

    def _text(self, text: str, place: QPointF, token: str, size: int, bold: bool = False) -> QGraphicsSimpleTextItem:
        item = QGraphicsSimpleTextItem(text)
        font = QFont(self.font())
        font.setPixelSize(size)
        if bold:
            font.setWeight(QFont.Weight.DemiBold)
        item.setFont(font)
        item.setBrush(theme.color(token))
        item.setPos(place)
        item.setZValue(1)
        self._scene.addItem(item)
        return item

    def _add_path(self, path: QPainterPath, pen: QPen) -> QGraphicsPathItem:
        item = self._scene.addPath(path, pen)
        item.setZValue(-1)
        return item

    # Zoom.

    @Slot()
    def fit(self) -> None:
        self._touched = False
        if self._blocks:
            self.fitInView(self._scene.sceneRect(), Qt.AspectRatioMode.KeepAspectRatio)
            if self.transform().m11() > 1.25:
                self.resetTransform()
                self.scale(1.25, 1.25)

    @Slot()
    def zoom_in(self) -> None:
        self._zoom(1.25)

    @Slot()
    def zoom_out(self) -> None:
        self._zoom(0.8)

    def _zoom(self, factor: float) -> None:
        if 0.2 < self.transform().m11() * factor < 5:
            self._touched = True
            self.scale(factor, factor)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._zoom(1.15 if event.angleDelta().y() > 0 else 1 / 1.15)
        else:
            super().wheelEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if not self._touched:
            self.fit()

    def changeEvent(self, event: object) -> None:
        super().changeEvent(event)  # type: ignore[arg-type]
        if getattr(self, "_drawn_with", "") and self._drawn_with != theme.name():
            self._draw()
