"""An endless film through all pictures: from each to the next, and from the last to the first again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QTimer, Signal, Slot
from PySide6.QtWidgets import QProgressBar, QStackedWidget, QWidget

from ddpm_studio.events import BlendReady, Event, Failed, Finished, Images, Progress
from ddpm_studio.gui import motion, theme
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.widgets.basics import SPACE, SecondClick, button, column, keep_room, label, row, show_instead, show_names, tool_button
from ddpm_studio.gui.widgets.containers import EmptyState
from ddpm_studio.gui.widgets.film_dialog import FilmDialog
from ddpm_studio.gui.widgets.inputs import Slider, spin
from ddpm_studio.gui.widgets.picture_view import PictureView
from ddpm_studio.language import ntr, tr
from ddpm_studio.requests import BlendRequest

if TYPE_CHECKING:
    from PySide6.QtGui import QHideEvent, QResizeEvent, QShowEvent


class BlendFilm(QWidget):
    """Makes a film, plays what is there of it, and saves it."""

    wanted = Signal()

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self._studio = studio
        self._frames: list[BlendReady] = []
        self._request: BlendRequest | None = None
        self._letters = "AB"
        self._making = self._anew = False
        """Anew: nothing has come yet of the film that is being made, and one of the same settings is still seen."""
        self._second_click = SecondClick()
        self.playing = True
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._next)
        self._build()
        self.make_button.clicked.connect(self.wanted)
        self.cancel_button.clicked.connect(self._cancel)
        self.save_button.clicked.connect(self.save)
        self.play_button.clicked.connect(self._toggle)
        self.rate.valueChanged.connect(self._rate_changed)
        self.steps.valueChanged.connect(self.forget)
        self.slider.valueChanged.connect(self._show_frame)
        self.slider.sliderPressed.connect(lambda: self.play(False))
        studio.blending.film_events.connect(self._receive)
        self._rate_changed()
        self._show_state()
        self.play(not motion.reduced())

    def _build(self) -> None:
        self.view = PictureView("filmView", tr("The film"), 160)
        self.empty = EmptyState("film", tr("No film yet"), "")
        self.stack = QStackedWidget()
        self.stack.addWidget(self.empty)
        self.stack.addWidget(self.view)
        self.steps = spin("filmStepsSpin", 2, 120, 24)
        self.steps.setAccessibleName(tr("Blends from each picture to the next"))
        self.steps.setToolTip(tr("Blends from each picture to the next: more make the film smoother and longer"))
        self.rate = spin("filmRateSpin", 1, 50, 12)
        self.rate.setAccessibleName(tr("Frames per second"))
        self.rate.setToolTip(tr("How many blends are shown in a second"))
        self.make_button = button(tr("Make film"), "filmButton", "film", "primary", tr("Blend from each picture to the next, and from the last to the first"))
        self.cancel_button = button(tr("Cancel"), "cancelFilmButton", "x")
        self.save_button = button(tr("Save film…"), "saveFilmButton", "download", tip=tr("As GIF, WebP, animated PNG or MP4"))
        self.play_button = tool_button("pause", "playButton", tr("Pause"))
        self.slider = Slider()
        self.slider.setObjectName("filmSlider")
        self.slider.setAccessibleName(tr("Place in the film"))
        self.slider.setToolTip(tr("Look at each moment of the film"))
        self.place = label("", "caption", "filmPlace")
        self.place.setMinimumWidth(112)
        self.progress = QProgressBar()
        self.progress.setObjectName("filmProgress")
        self.progress.setAccessibleName(tr("Progress of the film"))
        self.progress.setTextVisible(False)
        keep_room(self.progress)
        steps, rate = label(tr("Between"), "field"), label(tr("Frames/s"), "field")  # short: all of it stands in one line
        for caption, box in ((steps, self.steps), (rate, self.rate)):
            caption.setBuddy(box)
            caption.setToolTip(box.toolTip())
        self._beside_it = (steps, self.steps, rate, self.rate, self.make_button)
        top = row(steps, self.steps, 8, rate, self.rate, -1, self.save_button, self.cancel_button, self.make_button)
        timeline = row(self.play_button, self.slider, self.place)
        timeline.setStretch(1, 1)
        self.timeline = QWidget()
        self.timeline.setLayout(timeline)
        layout = column(top, self.progress, self.stack, self.timeline, spacing=8)
        layout.setStretch(2, 1)
        self.setLayout(layout)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        show_names([self.save_button], self.width() - sum(part.sizeHint().width() + SPACE for part in self._beside_it) - 2 * SPACE)

    @property
    def frames(self) -> Images:
        """uint8 [N, H, W, C]"""
        return np.stack([frame.image for frame in self._frames]) if self._frames else np.zeros((0, 1, 1, 3), np.uint8)

    @property
    def complete(self) -> bool:
        return self._request is not None and len(self._frames) == len(self._request.weights)

    def show_readiness(self, ready: bool, missing: str) -> None:
        """`missing`: the letter of the first picture that has to be chosen before, if any."""
        self.make_button.setEnabled(ready)
        first = tr("Choose picture {letter} first.", letter=missing)
        self.empty.say(tr("No film yet"), first if missing else tr("It goes from picture to picture and back to the first, without end."))

    def make(self, request: BlendRequest, letters: str) -> None:
        """A film that is there stays until the first picture of the new one."""
        self._second_click.begin()
        self._request, self._letters, self._making, self._anew = request, letters, True, True
        self._studio.blending.film(request)
        self.play(not motion.reduced())
        self._show_state()

    @Slot()
    def forget(self) -> None:
        """It no longer shows what the settings say; one that is being made is given up."""
        self._studio.blending.cancel_film()
        self._frames, self._request, self._making, self._anew = [], None, False, False
        self.view.set_picture(None)
        self._show_state()

    @Slot()
    def _cancel(self) -> None:
        """What is there stays, and plays."""
        if self._second_click.due:
            return
        if not self._frames:
            self.forget()
            return
        self._studio.blending.cancel_film()
        self._making = False
        self._show_state()

    @Slot()
    def save(self) -> None:
        if self.complete:
            FilmDialog(self.window(), self._studio, {"": self.frames}, "blend", self.rate.value()).show()

    @Slot(list)
    def _receive(self, batch: list[Event]) -> None:
        for event in batch:
            if self._request is None:
                return
            if isinstance(event, BlendReady):
                if self._anew:
                    self._frames.clear()
                    self._anew = False
                self._frames.append(event)
            elif isinstance(event, Progress):
                self.progress.setRange(0, event.total)
                self.progress.setValue(event.done)
            elif isinstance(event, Finished):
                self._making = False
            elif isinstance(event, Failed):
                self._making = False
                if not self.complete:
                    self.forget()
        if not all(isinstance(event, Progress) for event in batch):
            self._show_state()

    def _show_state(self) -> None:
        making = self._making
        self.progress.setVisible(making)
        show_instead(*(self.cancel_button, self.make_button)[:: 1 if making else -1])
        self.save_button.setVisible(self.complete)
        self.stack.setCurrentIndex(1 if self._request else 0)
        self.timeline.setVisible(self._request is not None)
        if not making:
            self.progress.setRange(0, 0)
        self.slider.setRange(0, max(0, len(self._frames) - 1))
        self._show_frame()

    # Playing.

    def play(self, playing: bool) -> None:
        self.playing = playing
        theme.set_icon(self.play_button, "pause" if playing else "play", "dim", 18)
        said = tr("Pause") if playing else tr("Play")
        self.play_button.setToolTip(said)
        self.play_button.setAccessibleName(said)
        self._run_timer()

    @Slot()
    def _toggle(self) -> None:
        self.play(not self.playing)

    def _run_timer(self) -> None:
        if self.playing and self.isVisible():
            self._timer.start()
        else:
            self._timer.stop()

    @Slot()
    def _rate_changed(self) -> None:
        self._timer.setInterval(round(1000 / self.rate.value()))

    @Slot()
    def _next(self) -> None:
        if len(self._frames) > 1:
            self.slider.setValue((self.slider.value() + 1) % len(self._frames))

    @Slot()
    def _show_frame(self) -> None:
        index = self.slider.value()
        if index >= len(self._frames):
            self.place.setText("")
            return
        frame = self._frames[index]
        self.view.set_picture(frame.image)
        first, last = divmod(index, self.steps.value())
        letter, after = self._letters[first], self._letters[(first + 1) % len(self._letters)]
        self.place.setText(letter if last == 0 else tr("{letter} to {next}", letter=letter, next=after))
        self.slider.setToolTip(ntr("{count} picture", "{count} pictures", len(self._frames)))

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._run_timer()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._timer.stop()
