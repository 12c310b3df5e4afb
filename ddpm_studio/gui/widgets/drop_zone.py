"""Where a folder of pictures is dropped."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QLabel, QProgressBar, QStackedWidget, QVBoxLayout, QWidget

from ddpm_studio.gui import theme
from ddpm_studio.gui.widgets.basics import ElidedLabel, button, column, label, row
from ddpm_studio.language import tr


class DropZone(QWidget):
    """Large and inviting while it is empty, a compact card afterwards."""

    dropped = Signal(list)
    """Of paths: one folder or zip, or several pictures."""
    browse_wanted = Signal()
    samples_wanted = Signal()
    cancel_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("datasetDropZone")
        self.setAccessibleName(tr("Drop a folder of pictures here"))
        self.setAcceptDrops(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._over = False
        self._stack = QStackedWidget()
        self._stack.addWidget(self._make_empty())
        self._stack.addWidget(self._make_card())
        self._stack.addWidget(self._make_busy())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.addWidget(self._stack)
        self.show_empty()

    def _make_empty(self) -> QWidget:
        picture = QLabel()
        picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        theme.set_icon(picture, "images", "accent", 36)
        heading = label(tr("Drop your pictures here"), "heading")
        text = label(tr("A folder, a zip file or some pictures.\n100 or more give good results."), "caption", wrap=True)
        for part in (heading, text):
            part.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.choose_button = button(tr("Choose folder…"), "chooseFolderButton", "folder-open")
        self.samples_button = button(tr("Try the sample pictures"), "samplesButton", kind="link", tip=tr("1,550 small pixel-art tiles in the public domain"))
        for part_button in (self.choose_button, self.samples_button):
            part_button.setAutoDefault(False)
        self.choose_button.clicked.connect(self.browse_wanted)
        self.samples_button.clicked.connect(self.samples_wanted)
        page = QWidget()
        page.setLayout(column(-1, picture, 8, heading, text, 12, row(-1, self.choose_button, -1), row(-1, self.samples_button, -1), -1, spacing=4, margins=(16, 16, 16, 16)))
        return page

    def _make_card(self) -> QWidget:
        picture = QLabel()
        theme.set_icon(picture, "images", "accent", 24)
        self._name = ElidedLabel("", "heading", "datasetName")
        self._facts = label(role="caption", wrap=True)
        self.change_button = button(tr("Change…"), "changeFolderButton", kind="quiet", tip=tr("Choose another folder (Ctrl+O)"))
        self.change_button.clicked.connect(self.browse_wanted)
        page = QWidget()
        parts = row(picture, column(-1, self._name, self._facts, -1, spacing=2), self.change_button, spacing=12, margins=(14, 10, 6, 10))
        parts.setStretch(1, 1)
        page.setLayout(parts)
        return page

    def _make_busy(self) -> QWidget:
        self._doing = ElidedLabel()
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setObjectName("datasetProgress")
        self._bar.setAccessibleName(tr("Reading pictures"))
        cancel = button(tr("Cancel"), "cancelDatasetButton", kind="quiet")
        cancel.clicked.connect(self.cancel_wanted)
        page = QWidget()
        page.setLayout(column(row(self._doing, cancel), self._bar, spacing=4, margins=(16, 8, 8, 14)))
        return page

    def show_empty(self) -> None:
        self._show(0, 248)

    def show_data(self, name: str, facts: str) -> None:
        self._name.setText(name)
        self._facts.setText(facts)
        self.setAccessibleDescription(f"{name}: {facts}")
        self._show(1, 72)

    def show_progress(self, text: str, done: int, total: int) -> None:
        self._doing.setText(text)
        self._bar.setRange(0, total)
        self._bar.setValue(done)
        self._show(2, 72)

    def _show(self, page: int, height: int) -> None:
        if (focused := self._stack.focusWidget()) and focused.hasFocus() and page != self._stack.currentIndex():
            self.setFocus()  # Qt would look for it further down, and scroll there
        self._stack.setCurrentIndex(page)
        self.setFixedHeight(height)
        self.update()

    def _set_over(self, over: bool) -> None:
        self._over = over
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        empty = self._stack.currentIndex() == 0
        lit = self._over or self.hasFocus()
        painter.setBrush(theme.color("accent_soft" if self._over else "base"))
        pen = QPen(theme.color("accent" if lit else "line_strong" if empty else "line"), 2 if empty or lit else 1)
        if empty:
            pen.setStyle(Qt.PenStyle.CustomDashLine)
            pen.setDashPattern([4, 3])
        painter.setPen(pen)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 10, 10)
        painter.end()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if self.hasFocus() and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):  # else a button of it has
            self.browse_wanted.emit()
        else:
            super().keyPressEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if local_files(event) and lone_png(event) is None:
            event.acceptProposedAction()
            self._set_over(True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._set_over(False)

    def dropEvent(self, event: QDropEvent) -> None:
        self._set_over(False)
        if files := local_files(event):
            event.acceptProposedAction()
            self.dropped.emit(files)


def local_files(event: QDropEvent) -> list[Path]:
    """The files of this machine that are dragged, or dropped."""
    return [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]


def lone_png(event: QDropEvent) -> Path | None:
    """The one PNG that is dragged: nothing to learn from, but perhaps a picture of ours, whose settings the window takes over."""
    files = local_files(event)
    return files[0] if len(files) == 1 and files[0].suffix.lower() == ".png" else None
