"""One block of a network as it is drawn, and what is said about it."""

from __future__ import annotations

import html

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPen
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from ddpm_studio.events import BlockInfo
from ddpm_studio.gui import theme
from ddpm_studio.gui.words import shape, short_count
from ddpm_studio.language import ntr, tr

BOX_W, BOX_H = 204.0, 44.0
TONES = {"fold": "stem", "unfold": "head"}
"""The kinds that have the colour of another one."""
WITH_TIME = ("res", "skip", "time")
"""The kinds that are told t."""


def title(block: BlockInfo) -> str:
    return {
        "stem": tr("Input convolution"), "res": tr("Residual block"), "attention": tr("Self-attention"), "down": tr("Downsample"), "up": tr("Upsample"),
        "head": tr("Output convolution"), "time": tr("Time embedding"), "skip": tr("Linear filter"),
        "fold": tr("Folding into patches"), "unfold": tr("Unfolding"),
    }.get(block.kind, block.kind)  # fmt: skip


def meaning(block: BlockInfo) -> str:
    patch = max(1, round(max(block.in_shape[-1], block.out_shape[-1]) / min(block.in_shape[-1], block.out_shape[-1])))
    return {
        "stem": tr("Lifts the picture to the first level's channels."),
        "res": tr("Two 3 × 3 convolutions with group normalisation, the time embedding added between them, and a way around."),
        "attention": ntr("Every place looks at every other place of the feature map.", "Each of {count} places of the feature map looks at all others.", max(1, block.tokens)),
        "down": tr("Halves height and width."),
        "up": tr("Doubles height and width."),
        "head": tr("Brings the channels back to those of a picture."),
        "skip": tr("A filter from the noisy picture straight to the answer, set by t: the noise need not pass through all blocks."),
        "fold": tr("Each {patch} × {patch} pixels become one place with {times} times the channels: the network works on less, much faster.", patch=patch, times=patch**2),
        "unfold": tr("The way back: of each place {patch} × {patch} pixels.", patch=patch),
        "time": tr("Tells every residual block how noisy its input is: sine and cosine of t, then two linear layers."),
    }.get(block.kind, "")


def formula(block: BlockInfo) -> str:
    """What it computes: x goes in, y comes out, e(t) is the time embedding."""
    around = "conv₁(x)" if block.variant == "shortcut" else "x"
    return {
        "stem": "y = conv₃(xₜ)",
        "res": f"h = conv₃(SiLU(norm(x))) + W e(t)\ny = {around} + conv₃(SiLU(norm(h)))",
        "attention": "Q, K, V = W norm(x)\ny = x + W′ softmax(Q Kᵀ / √d) V",
        "down": "y = mean₂(x)" if block.variant == "average" else "y = conv₃(x), stride 2",
        "up": "y = convᵀ₄(x), stride 2" if block.variant == "transposed" else "y = conv₃(nearest₂(x))",
        "head": "y = conv₃(SiLU(norm(x)))",
        "skip": "y = W′ (W″ e(t) · W xₜ)",
        "fold": "y[c·p² + p·i + j, u, v] = xₜ[c, p·u + i, p·v + j]",
        "unfold": "y[c, p·u + i, p·v + j] = x[c·p² + p·i + j, u, v]",
        "time": "e(t) = SiLU(W′ SiLU(W [sin ωt, cos ωt]))\nω = 1 … 1/10000",
    }.get(block.kind, "")


def facts(block: BlockInfo, share: float) -> str:
    """Shapes, then parameters and cost."""
    lines = [
        tr("in {before}, out {after}", before=shape(block.in_shape), after=shape(block.out_shape)),
        tr("{parameters} parameters · {cost} GMAC, {share} of all", parameters=short_count(block.parameters), cost=f"{block.gmacs:.3f}", share=f"{share:.1%}"),
    ]
    return "\n".join(lines)


class BlockItem(QGraphicsItem):
    """Its width in the bar at the bottom is its share of the work; the dot says that it is told t."""

    def __init__(self, block: BlockInfo, share: float) -> None:
        super().__init__()
        self.block, self.share = block, share
        self._hover = self._chosen = self._at = False
        self.setAcceptHoverEvents(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        parts = (html.escape(text).replace("\n", "<br>") for text in (meaning(block), formula(block), facts(block, share)))
        self.setToolTip(f"<b>{html.escape(title(block))}</b> {html.escape(block.name)}" + "".join(f"<p>{part}</p>" for part in parts))

    def set_state(self, chosen: bool, at: bool) -> None:
        """`at`: where the arrow keys are."""
        if (chosen, at) != (self._chosen, self._at):
            self._chosen, self._at = chosen, at
            self.update()

    def boundingRect(self) -> QRectF:
        return QRectF(-4, -4, BOX_W + 8, BOX_H + 8)

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        kind = theme.color(f"kind_{TONES.get(self.block.kind, self.block.kind)}")
        room = QRectF(0, 0, BOX_W, BOX_H)
        self._draw_box(painter, room, kind)
        font = QFont()
        font.setPixelSize(12)
        font.setWeight(QFont.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(theme.color("text"))
        left, right = (int(side | Qt.AlignmentFlag.AlignVCenter) for side in (Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight))
        painter.drawText(QRectF(12, 4, BOX_W - 24, 16), left, title(self.block))
        font.setPixelSize(11)
        font.setWeight(QFont.Weight.Normal)
        painter.setFont(font)
        painter.setPen(theme.color("dim"))
        before, after = shape(self.block.in_shape), shape(self.block.out_shape)
        shapes = after if before == after else f"{before} → {after}"
        line = QRectF(12, 20, BOX_W - 24, 15)
        if painter.fontMetrics().horizontalAdvance(shapes) > line.width():
            shapes = shapes.replace(" × ", "×")
        painter.drawText(line, left, painter.fontMetrics().elidedText(shapes, Qt.TextElideMode.ElideRight, int(line.width())))
        painter.drawText(QRectF(12, 4, BOX_W - 24, 16), right, short_count(self.block.parameters))

    def _draw_box(self, painter: QPainter, room: QRectF, kind: QColor) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        fill = QColor(kind)
        fill.setAlphaF(0.28 if self._chosen else 0.16 if self._hover else 0.09)
        if self._at:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(theme.color("focus"), 1.5))
            painter.drawRoundedRect(room.adjusted(-3, -3, 3, 3), 10, 10)
        painter.setPen(QPen(kind, 2 if self._chosen else 1.5 if self._hover else 1))
        painter.setBrush(theme.color("base"))
        painter.drawRoundedRect(room, 8, 8)
        painter.setBrush(fill)
        painter.drawRoundedRect(room, 8, 8)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(kind)
        painter.drawRoundedRect(QRectF(0, 8, 3, BOX_H - 16), 1.5, 1.5)
        painter.setOpacity(painter.opacity() * 0.6)
        bar = (BOX_W - 40) * min(1.0, self.share * 4)
        painter.drawRoundedRect(QRectF(12, BOX_H - 6, max(2.0, bar), 2.5), 1.2, 1.2)
        painter.setOpacity(painter.opacity() / 0.6)
        if self.block.kind in WITH_TIME:
            painter.setBrush(theme.color("kind_time"))
            painter.drawEllipse(QPointF(BOX_W - 14, BOX_H - 10), 3, 3)

    def hoverEnterEvent(self, event: object) -> None:
        self._hover = True
        self.update()

    def hoverLeaveEvent(self, event: object) -> None:
        self._hover = False
        self.update()
