"""What holds other parts: a card, a column of controls that scrolls, a heading that opens, a page with nothing to show yet."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QEvent, QObject, QPoint, Qt, QTimer, Slot
from PySide6.QtWidgets import QFrame, QLabel, QLayout, QPushButton, QScrollArea, QWidget

from ddpm_studio.gui import theme
from ddpm_studio.gui.widgets.basics import WIDE, column, label, row
from ddpm_studio.gui.widgets.inputs import calm_wheel

LAYOUTS = 8
"""More than lie in one another between a label in a column of controls and the window."""


class Card(QFrame):
    """A surface with a border, a heading and a column of parts."""

    def __init__(self, *parts: QWidget | QLayout | int, heading: str = "", spacing: int = 12, margin: int = WIDE) -> None:
        super().__init__()
        self.setProperty("card", "true")
        top: list[QWidget | QLayout | int] = [label(heading, "heading")] if heading else []
        self.setLayout(column(*top, *parts, spacing=spacing, margins=(margin, margin, margin, margin)))


class ControlColumn(QWidget):
    """The column of controls at the left of a page: it scrolls, its last part stays in sight."""

    def __init__(self, *parts: QWidget | QLayout | int, footer: QWidget | None = None, width: int = 320, fill: bool = False) -> None:
        """`fill`: the last part takes what is left of the height."""
        super().__init__()
        self.setFixedWidth(width)
        inner = QWidget()
        inner.setProperty("plain", "true")
        inner.setLayout(column(*parts, *(() if fill else (-1,)), spacing=12))
        self.area = QScrollArea()
        self.area.setWidget(inner)
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.area.viewport().setAutoFillBackground(False)
        layout = column(self.area, spacing=12)
        if footer:
            layout.addWidget(footer)
        self.setLayout(layout)
        calm_wheel(inner)
        inner.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Qt passes the wish for more height on by one layout a turn, and a frame between two turns shows texts over one another: so the next frame waits."""
        if event.type() == QEvent.Type.LayoutRequest and watched is self.area.widget():
            self.window().installEventFilter(self)
        elif event.type() == QEvent.Type.UpdateRequest and watched is self.window():
            for _ in range(LAYOUTS):
                QCoreApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest.value)
            watched.removeEventFilter(self)
        return False


class Collapsible(QWidget):
    """A heading that opens and closes what is under it."""

    def __init__(self, heading: str, content: QWidget, name: str) -> None:
        super().__init__()
        self.content = content
        self.toggle = QPushButton()
        self.toggle.setObjectName(name)
        self.toggle.setAccessibleName(heading)
        self.toggle.setText(heading)
        self.toggle.setProperty("disclosure", "true")
        self.toggle.setCheckable(True)
        self.toggle.toggled.connect(self._set_open)
        self.toggle.clicked.connect(lambda: QTimer.singleShot(0, self, self._reveal))
        self.setLayout(column(self.toggle, content, spacing=8))
        self._set_open(False)

    @Slot(bool)
    def _set_open(self, is_open: bool) -> None:
        self.content.setVisible(is_open)
        theme.set_icon(self.toggle, "chevron-down" if is_open else "chevron-right", "dim", 16)


    @Slot()
    def _reveal(self) -> None:
        """Whoever opens it wants to see what is in it: as much of it as there is room for."""
        area: QWidget | None = self
        while area is not None and not isinstance(area, QScrollArea):
            area = area.parentWidget()
        inside = area.widget() if area is not None else None
        if area is None or inside is None or not self.toggle.isChecked():
            return
        if layout := inside.layout():
            layout.activate()
        top = self.mapTo(inside, QPoint()).y()
        if top + self.height() > area.verticalScrollBar().value() + area.viewport().height():
            area.verticalScrollBar().setValue(top)


class EmptyState(QWidget):
    """What to do when there is nothing to show yet."""

    def __init__(self, icon: str | QWidget, heading: str, text: str, *actions: QPushButton) -> None:
        super().__init__()
        if isinstance(icon, QWidget):
            picture: QWidget | QLayout = row(-1, icon, -1)
        else:
            picture = mark = QLabel()
            mark.setAlignment(Qt.AlignmentFlag.AlignCenter)
            theme.set_icon(mark, icon, "faint", 40)
        self.heading, self.text = label(heading, "empty", wrap=True), label(text, "caption", wrap=True)
        for part in (self.heading, self.text):
            part.setAlignment(Qt.AlignmentFlag.AlignCenter)
        middle = QWidget()
        middle.setFixedWidth(440)
        lines = column(picture, 8, self.heading, self.text, spacing=4)
        if actions:
            lines.addSpacing(12)
            lines.addLayout(row(-1, *actions, -1))
        middle.setLayout(lines)
        self.setLayout(column(-1, row(-1, middle, -1), -1))

    def say(self, heading: str, text: str) -> None:
        self.heading.setText(heading)
        self.text.setText(text)
