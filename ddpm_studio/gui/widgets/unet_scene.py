"""The U-Net as articles draw it: down on the left, the middle at the bottom, up on the right."""

from __future__ import annotations

import itertools

from PySide6.QtCore import QObject, QPointF, QRectF
from PySide6.QtGui import QFont, QPainterPath, QPen
from PySide6.QtWidgets import QGraphicsPathItem, QGraphicsScene, QGraphicsSimpleTextItem

from ddpm_studio.events import BlockInfo
from ddpm_studio.gui import theme
from ddpm_studio.gui.widgets.block_item import BOX_H, BOX_W, BlockItem, meaning
from ddpm_studio.language import tr

GAP_X = 20.0
STEP = BOX_H + 14
"""From one row to the next."""
LEVEL_GAP = 10.0
CLEAR = 100.0
"""Room in the middle for the way across."""
INDENT = BOX_W * 0.34


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


class UNetScene(QGraphicsScene):
    """`items_by_name`: the block of each name, in the order in which a picture passes them, the embedding of t at the end."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.items_by_name: dict[str, BlockItem] = {}
        self._total = 1.0

    def draw(self, blocks: tuple[BlockInfo, ...], time: BlockInfo | None) -> None:
        """Each way across the U is a row: what is kept on the way down stands opposite to the block that finds it again."""
        self.clear()
        self.items_by_name = {}
        if not blocks:
            return
        self._total = sum(block.gmacs for block in (*blocks, *([time] if time else []))) or 1.0
        levels = max(block.level for block in blocks) + 1
        sources, targets, ups = _units(blocks)
        middle = [block for block in blocks if block.side == "middle"]
        filters = [block for block in blocks if block.kind == "skip"]
        widths = [_level_of(unit) * 2 * INDENT + len(unit) * (BOX_W + GAP_X) + CLEAR for unit in sources]
        right = max(3 * BOX_W, *widths, (2 * (BOX_W + GAP_X) + CLEAR) if filters else 0)
        y = 0.0
        for level in range(levels):
            y = self._draw_level(level, y, right, sources, targets, ups)
        self._put(middle, (right + BOX_W) / 2 - (len(middle) * (BOX_W + GAP_X) - GAP_X) / 2, y)
        folds, unfolds = ([block for block in blocks if block.kind == kind] for kind in ("fold", "unfold"))
        self._put(folds, 0, -STEP)
        self._put([block for block in blocks if block.kind == "head"], right, -STEP)
        self._put(unfolds, right, -2 * STEP)
        for before, after in itertools.pairwise(block for block in blocks if block.kind != "skip"):
            self._connect(self.items_by_name[before.name], self.items_by_name[after.name])
        self._draw_input(folds, filters)
        if len(sources) == len(targets):
            for source, target in zip(sources, reversed(targets), strict=True):
                said = tr("Skip connection: kept on the way down, joined to the channels on the way up")
                self._draw_skip(self.items_by_name[source[-1].name], self.items_by_name[target[0].name], said)
        if time:
            self._draw_time(time, (right + BOX_W) / 2 - BOX_W / 2, -2 * STEP if filters else -STEP)
        self._text(tr("what the network predicts"), QPointF(right + 2, -(2 if unfolds else 1) * STEP - 22), "dim", 12)
        self.items_by_name = {name: self.items_by_name[name] for name in (*(block.name for block in blocks), *(["time"] if time else []))}
        self.setSceneRect(self.itemsBoundingRect().adjusted(-24, -12, 24, 12))

    def _put(self, unit: list[BlockInfo], x: float, y: float) -> None:
        for i, block in enumerate(unit):
            item = BlockItem(block, block.gmacs / self._total)
            item.setPos(x + i * (BOX_W + GAP_X), y)
            self.addItem(item)
            self.items_by_name[block.name] = item

    def _draw_level(self, level: int, y: float, right: float, sources: list[list[BlockInfo]], targets: list[list[BlockInfo]], ups: dict[int, BlockInfo]) -> float:
        """One resolution on both sides; returns where the next one begins."""
        left_x, right_x = level * INDENT, right - level * INDENT
        here = [unit for unit in sources if _level_of(unit) == level]
        there = [unit for unit in targets if unit[0].level == level]
        if level in ups:
            self._put([ups[level]], right_x, y)
            y += STEP
        if here:
            _, height, width = here[0][0].out_shape
            self._text(f"{height} × {width}", QPointF(-92, y + BOX_H / 2 - 8), "dim", 12)
        for line in range(max(len(here), len(there))):
            if line < len(here):
                self._put(here[line], left_x, y)
            if line < len(there):
                self._put(there[-1 - line], right_x, y)
            y += STEP
        return y + LEVEL_GAP

    def _draw_input(self, folds: list[BlockInfo], filters: list[BlockInfo]) -> None:
        """The picture comes in at the top left; a linear filter reads it too, beside the first block."""
        raised = not folds and bool(filters)
        above = BOX_H / 2 - STEP - 8 if raised else -(STEP + 22) if folds else -22
        noisy = self._text(tr("noisy picture xₜ"), QPointF(2, above), "dim", 12).sceneBoundingRect()
        if filters:
            self._put(filters, BOX_W + GAP_X, -STEP)
            if raised:
                self._arrow(QPointF(noisy.center().x(), noisy.bottom() + 2), QPointF(noisy.center().x(), 0))
            self._arrow(QPointF(noisy.right() + 6 if raised else BOX_W, BOX_H / 2 - STEP), QPointF(BOX_W + GAP_X, BOX_H / 2 - STEP))
            self._draw_skip(self.items_by_name[filters[0].name], self.items_by_name["head"], meaning(filters[0]))

    def _draw_time(self, time: BlockInfo, x: float, y: float) -> None:
        self._put([time], x, y)
        t = self._text("t", QPointF(x - 34, y + BOX_H / 2 - 9), "dim", 12).sceneBoundingRect()
        self._arrow(QPointF(t.right() + 6, y + BOX_H / 2), QPointF(x, y + BOX_H / 2))
        self._text(tr("goes into every block with this dot"), QPointF(x + 12, y - 19), "dim", 11)
        dot = QPainterPath()
        dot.addEllipse(QPointF(x + 4, y - 12), 3, 3)
        item = self.addPath(dot, QPen(theme.color("kind_time"), 0))
        item.setBrush(theme.color("kind_time"))

    def _connect(self, before: BlockItem, after: BlockItem) -> None:
        """An arrow from one block to the next one in the order of computing."""
        a, b = _room(before), _room(after)
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

    def _draw_skip(self, source: BlockItem, target: BlockItem, said: str) -> None:
        pen = QPen(theme.color("accent"), 1.2)
        pen.setDashPattern([4, 4])
        a, b = _room(source), _room(target)
        path = QPainterPath(QPointF(a.right(), a.center().y()))
        path.lineTo(QPointF(b.left(), b.center().y()))
        self._add_path(path, pen).setToolTip(said)

    def _text(self, text: str, place: QPointF, token: str, size: int) -> QGraphicsSimpleTextItem:
        item = QGraphicsSimpleTextItem(text)
        font = QFont()
        font.setPixelSize(size)
        item.setFont(font)
        item.setBrush(theme.color(token))
        item.setPos(place)
        item.setZValue(1)
        self.addItem(item)
        return item

    def _add_path(self, path: QPainterPath, pen: QPen) -> QGraphicsPathItem:
        item = self.addPath(path, pen)
        item.setZValue(-1)
        return item


def _room(item: BlockItem) -> QRectF:
    return QRectF(item.scenePos().x(), item.scenePos().y(), BOX_W, BOX_H)
