"""A look at the network: its drawing to move about in, to choose blocks of, and to take along as a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, Qt, Signal, Slot
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QFrame, QGraphicsView

from ddpm_studio.events import BlockInfo
from ddpm_studio.gui import theme
from ddpm_studio.gui.drawing import save_drawing
from ddpm_studio.gui.widgets.block_item import BlockItem, title
from ddpm_studio.gui.widgets.unet_scene import UNetScene
from ddpm_studio.gui.words import shape
from ddpm_studio.language import tr

READABLE = 0.7
"""The zoom below which the text in the blocks is hard to read."""
LARGEST = 1.25
"""Up to which zoom a small network is enlarged to fill the room."""


class ArchitectureView(QGraphicsView):
    """Drag to move it, wheel with Ctrl to zoom, click a block or go there with the arrow keys and press Enter."""

    block_chosen = Signal(object, float)
    """A BlockInfo, and its share of the work."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("architectureView")
        self.setAccessibleName(tr("The network's blocks"))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setRenderHint(QPainter.RenderHint.Antialiasing)
        self.setDragMode(QGraphicsView.DragMode.ScrollHandDrag)
        self.setTransformationAnchor(QGraphicsView.ViewportAnchor.AnchorUnderMouse)
        self.setBackgroundBrush(Qt.BrushStyle.NoBrush)
        self._scene = UNetScene(self)
        self.setScene(self._scene)
        self._blocks: tuple[BlockInfo, ...] = ()
        self._time: BlockInfo | None = None
        self._drawn_with = ""
        self._follow: Callable[[], None] | None = self.fit
        """What keeps the drawing in its place when the window changes; None once somebody has zoomed."""
        self._chosen = self._at = ""
        self._pressed_at = QPoint()

    @property
    def blocks(self) -> tuple[BlockInfo, ...]:
        return self._blocks

    def show_blocks(self, blocks: tuple[BlockInfo, ...], time: BlockInfo | None = None, folding: tuple[BlockInfo, ...] = ()) -> None:
        """In the order in which a picture passes them; `folding`: what is before the first and after the last."""
        self._blocks, self._time = (*folding[:1], *blocks, *folding[1:]), time
        self._chosen = self._at = ""
        described = (tr("{block} {before} to {after}", block=title(b), before=shape(b.in_shape), after=shape(b.out_shape)) for b in self._blocks)
        self.setAccessibleDescription("; ".join(described))
        self._draw()
        self.fit()

    def _draw(self) -> None:
        self._drawn_with = theme.name()
        self._scene.draw(self._blocks, self._time)
        self._show_state()

    # Choosing.

    def item(self, name: str) -> BlockItem | None:
        return self._scene.items_by_name.get(name)

    def choose(self, name: str) -> None:
        """An empty name: none."""
        self._chosen = self._at = name
        self._show_state()
        if item := self.item(name):
            self.block_chosen.emit(item.block, item.share)

    def _show_state(self) -> None:
        for name, item in self._scene.items_by_name.items():
            item.set_state(name == self._chosen, name == self._at and self.hasFocus())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._pressed_at = event.position().toPoint()
        super().mousePressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        place = event.position().toPoint()
        still = (place - self._pressed_at).manhattanLength() < QApplication.startDragDistance()
        item = self.itemAt(place)
        if event.button() == Qt.MouseButton.LeftButton and still and isinstance(item, BlockItem):
            self.choose(item.block.name)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {Qt.Key.Key_Right: 1, Qt.Key.Key_Down: 1, Qt.Key.Key_Left: -1, Qt.Key.Key_Up: -1}
        names = list(self._scene.items_by_name)
        if names and event.key() in steps:
            self._at = names[(names.index(self._at) + steps[Qt.Key(event.key())]) % len(names)] if self._at in names else names[0]
            self._scene.items_by_name[self._at].ensureVisible()
            self._show_state()
        elif self._at and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.choose(self._at)
        elif event.key() in (Qt.Key.Key_Plus, Qt.Key.Key_Minus):
            self._zoom(1.25 if event.key() == Qt.Key.Key_Plus else 0.8)
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self._show_state()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self._show_state()

    # To take along.

    def export(self, file: Path) -> None:
        """The whole drawing on white and with nothing chosen, as .svg or as .png at twice its size. Raises UserError."""
        scene = UNetScene(self)
        with theme.on_paper():
            scene.draw(self._blocks, self._time)
            whole = scene.sceneRect()
            save_drawing(file, whole.size(), lambda painter: scene.render(painter, QRectF(QPointF(), whole.size()), whole), tr("The network's blocks"))
        scene.deleteLater()

    # Zoom.

    @Slot()
    def fit(self) -> None:
        """All of it, where that can be read; of a large network the top."""
        self._follow = self.fit
        if not self._blocks:
            return
        whole = self._scene.sceneRect()
        self.fitInView(whole, Qt.AspectRatioMode.KeepAspectRatio)
        fitting = self.transform().m11()
        if not READABLE <= fitting <= LARGEST:
            zoom = min(max(fitting, READABLE), LARGEST)
            self.resetTransform()
            self.scale(zoom, zoom)
            self.centerOn(whole.center().x(), whole.top() if fitting < READABLE else whole.center().y())

    @Slot()
    def zoom_in(self) -> None:
        self._zoom(1.25)

    @Slot()
    def zoom_out(self) -> None:
        self._zoom(0.8)

    def _zoom(self, factor: float) -> None:
        if 0.2 < self.transform().m11() * factor < 5:
            self._follow = None
            self.scale(factor, factor)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._zoom(1.15 if event.angleDelta().y() > 0 else 1 / 1.15)
        else:
            super().wheelEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._follow is not None:
            self._follow()
        if item := self.item(self._chosen):  # what is shown beside it must not push it out of sight
            item.ensureVisible()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if getattr(self, "_drawn_with", "") and self._drawn_with != theme.name():
            self._draw()
