"""How it works inside: what noise does to a picture, and what the network is made of."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from ddpm_studio.gui.pages.forward_view import ForwardView
from ddpm_studio.gui.pages.network_view import NetworkView
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.widgets.basics import ElidedLabel, column, row
from ddpm_studio.gui.widgets.inputs import Segments
from ddpm_studio.language import tr

FORWARD, NETWORK = 0, 1


class InsidePage(QWidget):
    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self.setObjectName("insidePage")
        self.setAccessibleName(tr("Inside"))
        self.view = Segments((tr("Forward process"), tr("Architecture")), "insideView", tr("What is shown"))
        self.hint = ElidedLabel("", "caption", "insideHint")
        self.forward = ForwardView(studio)
        self.network = NetworkView(studio, self.forward)
        self.stack = QStackedWidget()
        for part in (self.forward, self.network):
            self.stack.addWidget(part)
        layout: QVBoxLayout = column(row(self.view, 4, self.hint), self.stack, spacing=12)
        layout.setStretch(1, 1)
        self.setLayout(layout)
        self.view.chosen.connect(self._show_view)
        self.network.t_wanted.connect(self.forward.slider.slider.setValue)
        self._show_view()

    @Slot()
    def _show_view(self) -> None:
        hints = (
            tr("Noise is added to a picture, the more the higher t. Training asks the network to find it"),
            tr("Click a block to see what it makes of a picture. The bar in it is its share of the work"),
        )
        self.hint.setText(hints[self.view.current])
        self.stack.setCurrentIndex(self.view.current)
