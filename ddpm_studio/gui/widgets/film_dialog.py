"""How a film is saved: its kind, its size, how fast it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QDialog, QProgressBar, QSpinBox, QWidget

from ddpm_studio.events import Event, Failed, FilmSaved, Finished, Images, Progress
from ddpm_studio.gui import dialogs, theme
from ddpm_studio.gui.widgets.basics import button, column, field, label, row
from ddpm_studio.gui.widgets.inputs import Segments, tidy
from ddpm_studio.gui.workers import RunThread
from ddpm_studio.language import ntr, tr
from ddpm_studio.requests import FilmRequest

if TYPE_CHECKING:
    from ddpm_studio.gui.studio import Studio

KINDS = (("GIF", "gif"), ("WebP", "webp"), ("PNG", "png"), ("MP4", "mp4"))
MP4 = 3
SCALES = (1, 4, 8)


class FilmDialog(QDialog):
    """Stands beside the window and is in nobody's way; a film that is being written goes on, is cancelled, or ends with a word."""

    def __init__(
        self, parent: QWidget, studio: Studio, versions: dict[str, Images], name: str, frames_per_second: int = 12, hold_seconds: float = 0.0
    ) -> None:
        """`versions`: what can be saved, uint8 [N, H, W, C] by its name; the names are shown where there are several."""
        from ddpm_studio.films import has_mp4, no_mp4  # with Pillow, which takes a fifth of a second

        super().__init__(parent)
        self.setObjectName("filmDialog")
        self.setWindowTitle(tr("Save a film"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._studio, self._versions, self._name, self._hold = studio, list(versions.values()), name, hold_seconds
        self._thread: RunThread | None = None
        self.version = Segments(tuple(versions), "filmVersion", tr("What the film shows"))
        self.kind = Segments(tuple(text for text, _ in KINDS), "filmKind", tr("Kind of film"))
        self.scale = Segments(tuple(f"×{scale}" for scale in SCALES), "filmScale", tr("Size"))
        self.rate = QSpinBox()
        self.rate.setObjectName("filmDialogRate")
        self.rate.setRange(1, 50)
        self.rate.setValue(frames_per_second)
        tidy(self.rate)
        self.facts = label("", "caption", "filmFacts", wrap=True)
        self.message = label("", "caption", "filmMessage", wrap=True)
        self.progress = QProgressBar()
        self.progress.setObjectName("filmDialogProgress")
        self.progress.setAccessibleName(tr("Progress of writing"))
        self.progress.setTextVisible(False)
        self.save_button = button(tr("Save…"), "filmSaveButton", "download", "primary")
        self.save_button.setDefault(True)
        self.cancel_button = button(tr("Close"), "filmCloseButton")
        self._build(several=len(versions) > 1)
        if not has_mp4():
            lacking = no_mp4()
            self.kind.refuse(MP4, f"{lacking.message} {lacking.hint}")
        longest = max(self._versions[0].shape[1:3])
        self.scale.choose(next((i for i in (2, 1) if longest * SCALES[i] <= 512), 0))
        for part in (self.version, self.kind, self.scale):
            part.chosen.connect(self._show_facts)
        self.rate.valueChanged.connect(self._show_facts)
        self.save_button.clicked.connect(self._choose_place)
        self.cancel_button.clicked.connect(self._cancel)
        self._show_facts()
        self._show_state()

    def _build(self, several: bool) -> None:
        holder = QWidget()
        parts = [field(tr("Kind"), self.kind), field(tr("Size"), self.scale), field(tr("Frames per second"), self.rate)]
        version = QWidget()
        version.setLayout(field(tr("It shows"), self.version))
        version.setVisible(several)
        choices = column(version, row(*parts, -1, spacing=16), spacing=12)
        holder.setLayout(choices)
        self._choices = holder
        layout = column(holder, self.facts, self.progress, self.message, row(-1, self.cancel_button, self.save_button), spacing=12, margins=(20, 20, 20, 20))
        self.setLayout(layout)

    @property
    def frames(self) -> Images:
        return self._versions[self.version.current]

    def request(self, path: Path) -> FilmRequest:
        return FilmRequest(path, self.frames, float(self.rate.value()), SCALES[self.scale.current], self._hold)

    @Slot()
    def _show_facts(self) -> None:
        count, height, width = self.frames.shape[:3]
        scale = self.request(Path(f"film.{KINDS[self.kind.current][1]}")).factor
        seconds = count / self.rate.value() + self._hold
        self.facts.setText(
            ntr("{count} picture of {width} × {height} pixels, {seconds} seconds", "{count} pictures of {width} × {height} pixels, {seconds} seconds", count,
                width=width * scale, height=height * scale, seconds=f"{seconds:.1f}")
        )  # fmt: skip
        self._say("")

    @Slot()
    def _choose_place(self) -> None:
        text, suffix = KINDS[self.kind.current]
        dialogs.choose_target(self, self._studio, tr("Save a film"), f"{self._name}.{suffix}", self.write, f"{text} (*.{suffix})")

    def write(self, path: Path) -> None:
        if self._thread is not None:
            return
        self._thread = RunThread(self._studio.jobs.film(self.request(path)))
        self._thread.events.connect(self._receive)
        self._thread.ended.connect(self._ended)
        self._say("")
        self._show_state()
        self._thread.launch()

    @Slot(list)
    def _receive(self, batch: list[Event]) -> None:
        for event in batch:
            match event:
                case Progress(done=done, total=total):
                    self.progress.setRange(0, total)
                    self.progress.setValue(done)
                case FilmSaved(path=path, size=size):
                    self._say(tr("Saved {name}, {size} KB", name=path.name, size=f"{max(1, round(size / 1000)):,}"), "ok")
                case Finished(stopped=True):
                    self._say(tr("Cancelled; nothing was written"))
                case Failed(message=message, hint=hint):
                    self._say(f"{message} {hint}", "bad")

    @Slot()
    def _ended(self) -> None:
        self._thread = None
        self._show_state()

    def _say(self, text: str, tone: str = "") -> None:
        self.message.setText(text)
        self.message.setProperty("tone", tone)
        theme.restyle(self.message)

    def _show_state(self) -> None:
        writing = self._thread is not None
        self._choices.setEnabled(not writing)
        self.progress.setVisible(writing)
        self.save_button.setEnabled(not writing)
        self.cancel_button.setText(tr("Cancel") if writing else tr("Close"))
        self.cancel_button.setAccessibleName(self.cancel_button.text())

    @Slot()
    def _cancel(self) -> None:
        if self._thread is not None:
            self._thread.control.stop()
        else:
            self.reject()

    def reject(self) -> None:
        """Escape, Close and the cross of the window all end here: `QDialog` asks for this in its closeEvent, too."""
        if self._thread is not None:
            self._thread.discard()
        super().reject()
