"""The first thing one sees: three doors, and what was trained lately."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QGuiApplication, QPixmap, QResizeEvent
from PySide6.QtWidgets import QLabel, QPushButton, QSizePolicy, QWidget

from ddpm_studio.gui import theme
from ddpm_studio.gui.widgets.basics import ElidedLabel, column, label, row
from ddpm_studio.gui.widgets.drop_zone import local_files, lone_png
from ddpm_studio.gui.widgets.noise_strip import NoiseStrip
from ddpm_studio.gui.words import moment
from ddpm_studio.language import tr
from ddpm_studio.runs import RunInfo

SHOWN_RUNS = 3
THUMBNAIL = 40
WIDEST = 680


class Door(QPushButton):
    """A large button with an icon, a name and a sentence. The one for pictures takes them when they are dropped on it."""

    dropped = Signal(list)

    def __init__(self, name: str, icon: str, heading: str, text: str, takes_files: bool = False) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName(heading)
        self.setAccessibleDescription(text)
        self.setProperty("door", True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self.setAcceptDrops(takes_files)
        picture = QLabel()
        picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        theme.set_icon(picture, icon, "accent", 28)
        parts = [picture, label(heading, "heading", wrap=True), label(text, "caption", wrap=True)]
        for part in parts:
            part.setAlignment(Qt.AlignmentFlag.AlignCenter)
            part.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setLayout(column(parts[0], 4, parts[1], parts[2], -1, spacing=4, margins=(12, 18, 12, 12)))

    def sizeHint(self) -> QSize:
        return QSize(200, 124)

    def minimumSizeHint(self) -> QSize:
        return QSize(150, 124)

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

    def _set_over(self, over: bool) -> None:
        self.setProperty("over", over)
        self.style().unpolish(self)
        self.style().polish(self)


class RunLine(QPushButton):
    """A run with its newest preview; a click shows how it went."""

    def __init__(self, info: RunInfo) -> None:
        super().__init__()
        self.setObjectName("recentRun")
        facts = tr("step {step:,} · {preset} · {moment}", step=info.step, preset=info.preset, moment=moment(info.modified))
        self.setAccessibleName(f"{info.run.name}: {facts}")
        self.setToolTip(tr("Show how it went"))
        self.setProperty("line", True)
        picture = QLabel()
        picture.setFixedSize(THUMBNAIL, THUMBNAIL)
        newest = max(info.run.previews.glob("step_*.png"), default=None)
        pixels = QPixmap(str(newest)) if newest else QPixmap()
        if pixels.isNull():
            picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
            theme.set_icon(picture, "history", "faint", 20)
        else:
            ratio = QGuiApplication.primaryScreen().devicePixelRatio()
            side = round(THUMBNAIL * ratio)
            pixels = pixels.scaled(side, side, Qt.AspectRatioMode.KeepAspectRatioByExpanding, Qt.TransformationMode.SmoothTransformation)
            pixels.setDevicePixelRatio(ratio)
            picture.setPixmap(pixels)
        name, caption = ElidedLabel(info.run.name, "value"), ElidedLabel(facts)
        self.setLayout(row(picture, column(-1, name, caption, -1, spacing=0), spacing=12, margins=(8, 6, 12, 6)))
        for part in (picture, name, caption):
            part.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def sizeHint(self) -> QSize:
        return QSize(300, THUMBNAIL + 14)


class Welcome(QWidget):
    run_chosen = Signal(object)
    """A Run."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("welcome")
        self.setAccessibleName(tr("Welcome"))
        self.generate = Door("doorGenerate", "sparkles", tr("Generate now"), tr("New pictures in seconds, with a model that is there already"))
        self.train = Door("doorTrain", "images", tr("Train on my pictures"), tr("Drop a folder here, or click to choose one"), takes_files=True)
        self.blend = Door("doorBlend", "blend", tr("Blend two pictures"), tr("See what lies between two faces, or two of anything"))
        heading = label(tr("Watch noise become pictures"), "empty")
        text = label(tr("Training teaches a network to take noise out of pictures. Asked again and again, it finds pictures in nothing but noise."), "caption", wrap=True)
        for part in (heading, text):
            part.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._doors = row(self.generate, self.train, self.blend, spacing=12)
        self._runs_title = label(tr("Recent runs"), "heading")
        self._runs = column(spacing=4)
        self._lines: list[RunLine] = []
        self._middle = middle = QWidget()
        middle.setMaximumWidth(WIDEST)
        self._parts = column(row(-1, NoiseStrip(), -1), 8, heading, text, 16, self._doors, 16, self._runs_title, self._runs, spacing=4)
        middle.setLayout(self._parts)
        layout = row(middle, margins=(16, 8, 16, 8))
        self.setLayout(column(-1, layout, -1))
        self.set_runs([])

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Between two stretches a layout takes the height that its parts have at the width they would like: narrower ones need more lines.
        Where it is low, fewer runs are shown."""
        for line in self._lines:
            line.show()
        for line in reversed(self._lines):
            if self._needed <= self.height() - 16:
                break
            line.hide()
        self._runs_title.setVisible(any(line.isVisibleTo(self) for line in self._lines))
        self._middle.setMinimumHeight(self._needed)

    @property
    def _needed(self) -> int:
        for layout in (self._runs, self._parts):  # they would remember what it was with more lines
            layout.invalidate()
        return self._parts.totalHeightForWidth(min(WIDEST, self.width() - 32))

    def set_models(self, there: bool) -> None:
        """Without a model there is one door to begin with."""
        self.generate.setVisible(there)
        self.blend.setVisible(there)
        self._fit()

    def set_runs(self, infos: Sequence[RunInfo]) -> None:
        """The newest first; a few are shown."""
        for line in self._lines:
            self._runs.removeWidget(line)
            line.hide()
            line.deleteLater()
        self._lines = [RunLine(info) for info in infos[:SHOWN_RUNS]]
        for line, info in zip(self._lines, infos, strict=False):
            line.clicked.connect(lambda _=False, run=info.run: self.run_chosen.emit(run))
            self._runs.addWidget(line)
        self._fit()

