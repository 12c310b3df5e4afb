"""The U-Net as articles draw it: down on the left, the middle at the bottom, up on the right."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt, Slot
from PySide6.QtGui import QColor, QFont, QPainter, QPainterPath, QPen, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QFrame, QGraphicsItem, QGraphicsPathItem, QGraphicsScene, QGraphicsSimpleTextItem, QGraphicsView, QStyleOptionGraphicsItem, QWidget

from ddpm_studio.events import BlockInfo
from ddpm_studio.gui import theme
from ddpm_studio.gui.words import shape, short_count

BOX_W, BOX_H, GAP_X, GAP_Y, ROW_GAP = 156.0, 52.0, 40.0, 10.0, 44.0
TITLES = {
    "stem": "Input convolution", "res": "Residual block", "attention": "Self-attention", "down": "Downsample", "up": "Upsample",
    "middle": "Middle block", "head": "Output convolution", "time": "Time embedding",
}
MEANINGS = {
    "stem": "Lifts the picture to the first level's channels.",
    "res": "Two 3 × 3 convolutions with group normalisation, the time embedding added between them, and a way around.",
    "attention": "Every place looks at every other place of the picture.",
    "down": "Halves height and width.",
    "up": "Doubles height and width.",
    "middle": "At the lowest resolution.",
    "head": "Brings the channels back to those of a picture.",
    "time": "Tells every residual block how noisy its input is: sine and cosine of t, then two linear layers.",
}


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
        painter.drawRoundedRect(QRectF(12, BOX_H - 7, max(2.0, bar), 2.5), 1.2, 1.2)
        painter.setOpacity(1)
        font = QFont(painter.font())
        font.setPixelSize(12)
        font.setWeight(QFont.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(theme.color("text"))
        painter.drawText(QRectF(12, 6, BOX_W - 20, 16), int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), TITLES.get(self.block.kind, self.block.kind))
        font.setPixelSize(11)
        font.setWeight(QFont.Weight.Normal)
        painter.setFont(font)
        painter.setPen(theme.color("dim"))
        shapes = shape(self.block.out_shape)
        if self.block.in_shape != self.block.out_shape:
            shapes = f"{shape(self.block.in_shape)} → {shapes}" if len(shapes) < 12 else shapes
        text = QRectF(12, 23, BOX_W - 20, 16)
        painter.drawText(text, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), painter.fontMetrics().elidedText(shapes, Qt.TextElideMode.ElideRight, int(text.width())))

    def hoverEnterEvent(self, event: object) -> None:
        self._hover = True
        self.update()

    def hoverLeaveEvent(self, event: object) -> None:
        self._hover = False
        self.update()


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
        self._scene.clear()
        self._drawn_with = theme.name()
        if not self._blocks:
            return
        total = sum(block.gmacs for block in self._blocks) or 1.0
        levels = max(block.level for block in self._blocks) + 1
        groups: dict[tuple[str, int], list[BlockInfo]] = {}
        for block in self._blocks:
            groups.setdefault((block.side, block.level), []).append(block)
        items: dict[str, BlockItem] = {}
        heights = [max((len(groups.get((side, level), [])) for side in ("down", "up")), default=0) for level in range(levels)]
        tops = [sum(h * (BOX_H + GAP_Y) + ROW_GAP for h in heights[:level]) for level in range(levels)]
        indent = BOX_W * 0.42
        right = 2 * (levels * indent) + BOX_W * 1.9
        order: list[BlockItem] = []

        def put(block: BlockInfo, x: float, y: float) -> None:
            item = BlockItem(block, block.gmacs / total)
            item.setPos(x, y)
            self._scene.addItem(item)
            items[block.name] = item
            order.append(item)

        for block in self._blocks:
            if block.side == "stem":
                put(block, 0, -(BOX_H + ROW_GAP * 0.6))
            elif block.side == "head":
                put(block, right, -(BOX_H + ROW_GAP * 0.6))
            elif block.side == "middle":
                group = groups[block.side, block.level]
                bottom = tops[-1] + heights[-1] * (BOX_H + GAP_Y) + ROW_GAP * 0.5
                put(block, right / 2, bottom + group.index(block) * (BOX_H + GAP_Y))
            else:
                group = groups[block.side, block.level]
                x = block.level * indent if block.side == "down" else right - block.level * indent
                offset = 0.0 if block.side == "down" else (heights[block.level] - len(group)) * (BOX_H + GAP_Y)
                line = group.index(block) if block.side == "down" else len(group) - 1 - group.index(block)
                put(block, x, tops[block.level] + offset + line * (BOX_H + GAP_Y))
        for before, after in zip(order, order[1:], strict=False):
            self._connect(before, after)
        self._draw_skips(groups, items, levels)
        self._draw_levels(levels, tops, right)
        self._draw_time(right / 2)
        self._scene.setSceneRect(self._scene.itemsBoundingRect().adjusted(-32, -24, 32, 24))

    def _connect(self, before: BlockItem, after: BlockItem) -> None:
        """An arrow from one block to the next one in the order of computing."""
        a, b = before.sceneBoundingRect(), after.sceneBoundingRect()
        down = b.top() >= a.bottom() - 2
        start = QPointF(a.center().x(), a.bottom() if down else a.top())
        end = QPointF(b.center().x(), b.top() if down else b.bottom())
        path = QPainterPath(start)
        if abs(start.x() - end.x()) < 1:
            path.lineTo(end)
        else:
            middle = (start.y() + end.y()) / 2
            path.cubicTo(QPointF(start.x(), middle), QPointF(end.x(), middle), end)
        self._add_path(path, QPen(theme.color("line_strong"), 1.4))
        tip = 4 if down else -4
        head = QPainterPath(end)
        head.moveTo(end + QPointF(-3.5, -tip))
        head.lineTo(end)
        head.lineTo(end + QPointF(3.5, -tip))
        self._add_path(head, QPen(theme.color("line_strong"), 1.4))

    def _draw_skips(self, groups: dict[tuple[str, int], list[BlockInfo]], items: dict[str, BlockItem], levels: int) -> None:
        pen = QPen(theme.color("accent"), 1.3, Qt.PenStyle.DashLine)
        pen.setDashPattern([4, 4])
        for level in range(levels):
            downs, ups = groups.get(("down", level), []), groups.get(("up", level), [])
            left = [b for b in downs if b.kind == "res"]
            rights = [b for b in ups if b.kind == "res"]
            for source, target in zip(left, reversed(rights), strict=False):
                a, b = items[source.name].sceneBoundingRect(), items[target.name].sceneBoundingRect()
                path = QPainterPath(QPointF(a.right(), a.center().y()))
                path.lineTo(QPointF(b.left(), b.center().y()))
                self._add_path(path, pen)

    def _draw_levels(self, levels: int, tops: list[float], right: float) -> None:
        for level in range(levels):
            block = next((b for b in self._blocks if b.level == level and b.side in ("down", "middle")), None)
            if block:
                self._text(f"{block.in_shape[-1]} × {block.in_shape[-1]}", QPointF(-84, tops[level] + BOX_H / 2 - 8), "dim", 12)

    def _draw_time(self, x: float) -> None:
        room = QRectF(x, -(BOX_H + ROW_GAP * 0.6), BOX_W, BOX_H)
        path = QPainterPath()
        path.addRoundedRect(room, 8, 8)
        colour = theme.color("kind_time")
        item = self._add_path(path, QPen(colour, 1, Qt.PenStyle.DashLine))
        item.setBrush(theme.color("base"))
        item.setZValue(0)
        item.setToolTip(MEANINGS["time"])
        self._text("Time embedding", QPointF(room.left() + 12, room.top() + 6), "text", 12, bold=True)
        self._text("t → every residual block", QPointF(room.left() + 12, room.top() + 26), "dim", 11)

    def _text(self, text: str, place: QPointF, token: str, size: int, bold: bool = False) -> None:
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
