"""What one block of the network does, and its feature maps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QEvent, QRectF, QSize, Signal, Slot
from PySide6.QtGui import QColor, QLinearGradient, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from ddpm_studio.events import BlockInfo, FeaturesReady, Images
from ddpm_studio.gui import theme
from ddpm_studio.gui.widgets.basics import column, label, row, tool_button
from ddpm_studio.gui.widgets.block_item import facts, formula, meaning, title
from ddpm_studio.gui.widgets.containers import Card
from ddpm_studio.gui.widgets.inputs import Segments, ValueSlider
from ddpm_studio.gui.widgets.picture_grid import PictureGrid
from ddpm_studio.gui.widgets.picture_view import PictureView
from ddpm_studio.language import tr

PAGE = 16
"""Channels that are shown together."""
DIVERGING = 0
NEGATIVE, POSITIVE = "#3b82f6", "#f97316"
"""Blue and orange: everybody can tell them apart."""


def colours(diverging: bool) -> npt.NDArray[np.uint8]:
    """The colour of each of the 256 values of a map, 128 being zero: uint8 [256, 3]."""
    if not diverging:
        return np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    known = [QColor(NEGATIVE), theme.color("well"), QColor(POSITIVE)]
    channels = [np.interp(np.arange(256), (1, 128, 255), [getattr(colour, name)() for colour in known]) for name in ("red", "green", "blue")]
    return np.stack(channels, axis=1).round().astype(np.uint8)


def why_no_maps(block: BlockInfo, trained: bool) -> str:
    """Empty: it has some."""
    if len(block.out_shape) != 3:
        return tr("It is one vector for the whole picture, so it has no maps.")
    if block.kind in ("fold", "unfold"):
        return tr("It only moves pixels about, so it has no maps.")
    return "" if trained else tr("Feature maps need a trained model; a preset is its settings alone.")


class ColourBar(QWidget):
    """What the colours mean: from -spread over zero to spread."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.diverging, self.spread = True, 0.0

    def sizeHint(self) -> QSize:
        return QSize(120, 12)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        gradient = QLinearGradient(0, 0, self.width(), 0)
        table = colours(self.diverging)
        for stop in (0, 0.25, 0.5, 0.75, 1):
            gradient.setColorAt(stop, QColor(*(int(part) for part in table[min(255, round(1 + 254 * stop))])))
        painter.setPen(theme.color("line"))
        painter.setBrush(gradient)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
        painter.end()


class FeaturePanel(Card):
    page_wanted = Signal(int)
    """The first channel to show."""
    closed = Signal()

    def __init__(self) -> None:
        self.block: BlockInfo | None = None
        self.shown: FeaturesReady | None = None
        self.has_maps = False
        self.name = label("", "heading", "blockTitle")
        self.path = label("", "caption", "blockName")
        self.close_button = tool_button("x", "closeBlockButton", tr("Close"), 16)
        self.meaning = label("", "caption", wrap=True)
        self.formula = label("", "", "blockFormula", wrap=True)
        self.facts = label("", "caption", "blockFacts")
        noisy = tr("How noisy the picture is that the network sees; the same t as in the forward process")
        self.slider = ValueSlider(tr("Timestep t"), "timestepFeatureSlider", 0, 999, 300, tip=noisy)
        self.seen = PictureView("featureInput", tr("What the network sees"), 56)
        self.seen.setFixedSize(64, 64)
        self.colours = Segments((tr("Diverging"), tr("Grey")), "featureColours", tr("Colours of the maps"))
        self.grid = PictureGrid("featureGrid", tr("Feature maps"), gap=4, largest_zoom=32, smallest_side=24)
        self.grid.setMinimumHeight(96)
        self.bar = ColourBar()
        self.low, self.high = label("", "caption"), label("", "caption")
        self.channels = label("", "caption", "channelsLabel")
        self.before = tool_button("chevron-left", "channelsBeforeButton", tr("Channels before these"), 16)
        self.after = tool_button("chevron-right", "channelsAfterButton", tr("Next channels"), 16)
        top = row(self.name, -1, self.close_button)
        head = column(top, self.path, spacing=0)
        inputs = row(self.seen, self.slider, spacing=12)
        inputs.setStretch(1, 1)
        scale = row(self.low, self.bar, self.high, spacing=6)
        pages = row(self.channels, -1, self.before, self.after, spacing=2)
        self._maps = QWidget()
        maps = column(inputs, row(label(tr("Feature maps"), "field"), -1, self.colours), self.grid, scale, pages, spacing=8)
        maps.setStretch(2, 1)
        self._maps.setLayout(maps)
        self.without = label("", "caption", "blockWithoutMaps", wrap=True)
        super().__init__(head, self.meaning, self.formula, self.facts, self._maps, self.without, spacing=8, margin=12)
        inside = self.layout()
        if isinstance(inside, QVBoxLayout):
            inside.setStretch(4, 1)
            inside.addStretch(0)
        self.setObjectName("featurePanel")
        self.setAccessibleName(tr("The chosen block"))
        self.setFixedWidth(344)
        self.close_button.clicked.connect(self.closed)
        self.colours.chosen.connect(self._recolour)
        self.before.clicked.connect(lambda: self.page_wanted.emit(max(0, self.first - PAGE)))
        self.after.clicked.connect(lambda: self.page_wanted.emit(self.first + PAGE))

    @property
    def first(self) -> int:
        return self.shown.first if self.shown else 0

    def show_block(self, block: BlockInfo, share: float, trained: bool = True) -> None:
        """`trained`: it has learnt something that maps could show."""
        self.block, self.shown = block, None
        self.name.setText(title(block))
        self.path.setText(block.name)
        self.meaning.setText(meaning(block))
        self.formula.setText(formula(block))
        self.facts.setText(facts(block, share))
        reason = why_no_maps(block, trained)
        self.has_maps = not reason
        self.without.setText(reason)
        self._maps.setVisible(self.has_maps)
        self.without.setVisible(not self.has_maps)
        self.grid.clear()
        self._show_page()

    def show_input(self, picture: Images, t: int, last: int) -> None:
        self.seen.set_picture(picture)
        self.slider.slider.setMaximum(last)
        self.slider.slider.setValue(t)

    def show_maps(self, event: FeaturesReady) -> None:
        """Of another block than the chosen one: too late."""
        if self.block is not None and event.block == self.block.name:
            self.shown = event
            self._recolour()
            self._show_page()

    @Slot()
    def _recolour(self) -> None:
        self.bar.diverging = self.colours.current == DIVERGING
        self.bar.update()
        if self.shown is not None:
            self.grid.set_images(colours(self.bar.diverging)[self.shown.maps[..., 0]])

    def _show_page(self) -> None:
        shown = self.shown
        self.before.setEnabled(shown is not None and shown.first > 0)
        self.after.setEnabled(shown is not None and shown.first + len(shown.maps) < shown.channels)
        if shown is None:
            self.channels.setText("")
            self.low.setText("")
            self.high.setText("")
            return
        self.channels.setText(tr("channels {first} to {last} of {all}", first=shown.first + 1, last=shown.first + len(shown.maps), all=shown.channels))
        self.low.setText(f"−{shown.spread:.2g}")
        self.high.setText(f"{shown.spread:.2g}")

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange and getattr(self, "shown", None) is not None:
            self._recolour()
