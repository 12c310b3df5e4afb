"""The rail at the left: one button for each page."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QButtonGroup, QFrame, QLabel, QToolButton

from ddpm_studio.gui import theme
from ddpm_studio.gui.widgets.basics import column
from ddpm_studio.language import tr


class RailButton(QToolButton):
    """Icon above label; a dot says that something is going on there."""

    def __init__(self, text: str, icon: str, name: str, tip: str) -> None:
        super().__init__()
        self.setText(text)
        self.setObjectName(name)
        self.setAccessibleName(text)
        self.setToolTip(tip)
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        self.setFixedSize(QSize(72, 60))
        theme.set_icon(self, icon, "dim", 22)
        self._busy = False

    def set_busy(self, busy: bool) -> None:
        self._busy = busy
        self.setAccessibleDescription(tr("running") if busy else "")
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self._busy:
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("ok"))
            painter.drawEllipse(QRectF(self.width() / 2 + 10, 8, 8, 8))
            painter.end()


class NavigationRail(QFrame):
    chosen = Signal(int)

    def __init__(self, pages: tuple[tuple[str, str, str], ...]) -> None:
        """`pages`: name, icon and tip of each, in English."""
        super().__init__()
        self.setObjectName("navigationRail")
        self.setAccessibleName(tr("Pages"))
        self.setFixedWidth(88)
        mark = QLabel()
        mark.setPixmap(theme.app_icon().pixmap(QSize(32, 32), self.devicePixelRatioF()))
        mark.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._group = QButtonGroup(self)
        self.buttons = []
        layout = column(mark, 12, spacing=4, margins=(7, 16, 8, 12))
        for i, (text, icon, tip) in enumerate(pages):
            part = RailButton(tr(text), icon, f"page{text}", f"{tr(tip)}  (Ctrl+{i + 1})")
            self._group.addButton(part, i)
            self.buttons.append(part)
            layout.addWidget(part)
        layout.addStretch(1)
        self.setLayout(layout)
        self._group.idClicked.connect(self.chosen)

    def choose(self, index: int) -> None:
        self.buttons[index].setChecked(True)
