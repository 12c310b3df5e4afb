"""While the window waits with closing: a small card that says that a training saves, or that files are being written."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QColor, QHideEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QProgressBar, QWidget

from ddpm_studio.gui.widgets.basics import button, column, label, row
from ddpm_studio.gui.widgets.containers import Card
from ddpm_studio.language import tr

PATIENCE_MS, LIMIT_MS = 3_000, 7_500
"""When it offers to quit without waiting, and when that happens by itself while a training saves: the window is then to be gone
within ten seconds, of which threads that do not answer get the last two. A save that is under way then is not half a save: it is none."""


class SavingOverlay(QWidget):
    quit_now = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("savingOverlay")
        self.setAccessibleName(tr("Saving before the window closes"))
        self.text = label(tr("Saving…"), "heading", "savingText")
        bar = QProgressBar()
        bar.setRange(0, 0)
        bar.setTextVisible(False)
        bar.setAccessibleName(tr("Saving"))
        self.late = label("", "caption", wrap=True)
        self.quit_button = button(tr("Quit anyway"), "quitAnywayButton")
        self.quit_button.clicked.connect(self.quit_now)
        card = Card(self.text, bar, self.late, row(-1, self.quit_button), margin=24)
        card.setFixedWidth(360)
        self.setLayout(column(-1, row(-1, card, -1), -1))
        self._patience = QTimer(self, singleShot=True, interval=PATIENCE_MS)
        self._patience.timeout.connect(self._offer)
        self._limit = QTimer(self, singleShot=True, interval=LIMIT_MS)
        self._limit.timeout.connect(self.quit_now)
        parent.installEventFilter(self)
        self.hide()

    def begin(self, text: str, limited: bool = True) -> None:
        """`limited`: it ends by itself after LIMIT_MS; else it waits until it is hidden, or somebody quits."""
        if self.isVisible():
            return
        self.say(text)
        late = tr("This takes longer than usual. In a few seconds the window closes all the same; what was learnt since the last save is then lost.")
        wait = tr("Files are being written. The window closes when they are there. If you quit now, those that are not finished are lost.")
        self.late.setText(late if limited else wait)
        self.late.hide()
        self.quit_button.hide()
        self._cover()
        self.show()
        self.raise_()
        self._patience.start()
        if limited:
            self._limit.start()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._patience.stop()
        self._limit.stop()

    def say(self, text: str) -> None:
        self.text.setText(text)

    @Slot()
    def _offer(self) -> None:
        self.late.show()
        self.quit_button.show()
        self.quit_button.setFocus(Qt.FocusReason.OtherFocusReason)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize and self.isVisible():
            self._cover()
        return False

    def _cover(self) -> None:
        parent = self.parentWidget()
        if parent:
            self.setGeometry(parent.rect())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(0, 0, 0, 120))
        painter.end()
