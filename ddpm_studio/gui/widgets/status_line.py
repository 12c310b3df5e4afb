"""The bar at the bottom: training is in sight from every page."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QSizePolicy, QWidget

from ddpm_studio.gui import theme
from ddpm_studio.gui.widgets.basics import draw_elided, plain_tip, row, tool_button
from ddpm_studio.language import tr


class Dot(QWidget):
    """The colour of what is going on."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedSize(QSize(8, 8))
        self._token = "faint"

    def set_token(self, token: str) -> None:
        self._token = token
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color(self._token))
        painter.drawEllipse(QRectF(self.rect()))
        painter.end()


class Readout(QLabel):
    """Its accessible name is what it says, so that screen readers and scripts hear that; `quiet` is its name when it is empty."""

    def __init__(self, name: str, quiet: str, role: str = "") -> None:
        super().__init__()
        self.setObjectName(name)
        self.setTextFormat(Qt.TextFormat.PlainText)
        if role:
            self.setProperty("role", role)
        self._quiet = quiet
        self.say("")

    def say(self, text: str) -> None:
        self.setText(text)
        self.setAccessibleName(text or self._quiet)

    def paintEvent(self, event: QPaintEvent) -> None:
        draw_elided(self)


class StatusLine(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("statusLine")
        self.setAccessibleName(tr("Status"))
        self.dot = Dot()
        self.message = Readout("statusMessage", tr("Status"))
        self.message.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.message.setMinimumWidth(120)
        self.progress = QProgressBar()
        self.progress.setObjectName("trainingProgress")
        self.progress.setAccessibleName(tr("Training progress"))
        self.progress.setTextVisible(False)
        self.progress.setRange(0, 1000)
        self.progress.setFixedWidth(160)
        self.eta = Readout("etaLabel", tr("Time left"))
        self.device = Readout("deviceLabel", tr("Device and speed"), "caption")
        self.theme_button = tool_button("sun-moon", "themeButton", tr("Light or dark"))
        self.setLayout(row(self.dot, self.message, self.progress, self.eta, 8, self.device, 4, self.theme_button, spacing=8, margins=(16, 2, 8, 2)))
        layout = self.layout()
        assert isinstance(layout, QHBoxLayout)
        layout.setStretch(1, 1)
        layout.setAlignment(self.progress, Qt.AlignmentFlag.AlignVCenter)
        layout.setAlignment(self.dot, Qt.AlignmentFlag.AlignVCenter)
        self.set_progress(None)

    def say(self, text: str, token: str = "faint") -> None:
        self.message.say(text)
        self.message.setToolTip(plain_tip(text))
        self.dot.set_token(token)

    def set_progress(self, fraction: float | None, text: str = "") -> None:
        """`fraction` below 0 means: it is not known how much is left."""
        self.progress.setVisible(fraction is not None)
        self.eta.say(text)
        self.eta.setVisible(bool(text))
        if fraction is not None:
            self.progress.setRange(0, 0 if fraction < 0 else 1000)
            self.progress.setValue(round(max(0.0, min(1.0, fraction)) * 1000))
