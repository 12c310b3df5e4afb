"""What was made on the Generate page, and how it came about."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QStackedWidget, QWidget

from ddpm_studio.events import Event, Failed, FrameReady, Images, ImagesReady
from ddpm_studio.gui.answers import ModelChoice, NearestFound
from ddpm_studio.gui.pages.generate_controls import samplers
from ddpm_studio.gui.pages.generate_results import NearestPanel, Results
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.widgets.basics import ElidedLabel, button, column, label, row, wrapped
from ddpm_studio.gui.widgets.containers import Card, EmptyState
from ddpm_studio.gui.widgets.film_dialog import FilmDialog
from ddpm_studio.gui.widgets.filmstrip import Filmstrip, FrameView
from ddpm_studio.gui.words import count
from ddpm_studio.gui.workers import LatestRun
from ddpm_studio.language import ntr, tr
from ddpm_studio.requests import SampleRequest, is_noisy
from ddpm_studio.runs import Run

if TYPE_CHECKING:
    from PySide6.QtGui import QResizeEvent

NEAREST_COUNT = 6
FRAME, NEAREST = 0, 1
"""What is seen at the side: the chosen frame, or the nearest training pictures."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Pictures that are done, their way, and what was chosen of them."""

    request: SampleRequest
    made: ImagesReady
    caption: str
    files: tuple[Path, ...]
    frames: tuple[FrameReady, ...]
    picture: int
    frame: int


class GenerateStage(QStackedWidget):
    """The filmstrip, the pictures, and beside them the chosen frame or the nearest training pictures."""

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self._studio = studio
        self.request: SampleRequest | None = None
        """What the pictures in sight were asked for by."""
        self.made: ImagesReady | None = None
        """None as long as they are guesses on the way."""
        self.files: list[Path] = []
        """In the gallery; none of those that were made again."""
        self._former: Shown | None = None
        """What is shown again if nothing is made."""
        self._nearest = LatestRun(self)
        self.filmstrip = Filmstrip()
        self.results = Results()
        self.frame = FrameView()
        self.nearest = NearestPanel()
        self.again_from = button(tr("Start from here"), "startHereButton", "rotate-ccw", "quiet")
        self.train_door = button(tr("Train a model"), "doorTrain", "activity", "primary")
        self.empty = EmptyState("sparkles", tr("Nothing generated yet"), "", self.train_door)
        self.addWidget(Card(self.empty))
        self.addWidget(self._make_result())
        self._connect()
        self.show_side(FRAME)

    def _make_result(self) -> QWidget:
        legend = ElidedLabel(tr("x\u209c · the noise found in it · the guess x\u0302\u2080"), "caption")
        legend.setToolTip(wrapped(tr("Above the noisy picture, below the network's guess of what it will be, between them the noise that would explain the difference")))
        film = Card(row(label(tr("From noise to picture"), "heading"), 8, legend, self.again_from), self.filmstrip, spacing=8, margin=12)
        self.side = QStackedWidget()
        self.side.addWidget(self.frame)
        self.side.addWidget(self.nearest)
        frame = self.side_card = Card(self.side, margin=12)
        frame.setMaximumWidth(304)
        bottom = row(self.results, frame, spacing=12)
        bottom.setStretch(0, 5)
        bottom.setStretch(1, 1)
        result = QWidget()
        self._parts = column(film, bottom, spacing=12)
        self._parts.setStretch(1, 1)
        result.setLayout(self._parts)
        return result

    def resizeEvent(self, event: QResizeEvent) -> None:
        """In a low window the frames are smaller, before anything lies on something else."""
        super().resizeEvent(event)
        strip = self.filmstrip.strip
        strip.make_do(self.height() - (self._parts.minimumSize().height() - strip.height()))

    def _connect(self) -> None:
        studio = self._studio
        self.filmstrip.frame_shown.connect(self._show_frame)
        self.filmstrip.film_wanted.connect(self._save_film)
        self.results.grid.current_changed.connect(self._picture_chosen)
        self.nearest.closed.connect(lambda: self.show_side(FRAME))
        self.train_door.clicked.connect(lambda: studio.page_wanted.emit("Train"))
        self._nearest.events.connect(studio.report_failures)
        self._nearest.events.connect(self._show_nearest)

    def show_model(self, model: ModelChoice | None) -> None:
        """The one that is chosen now, as far as it concerns what is here."""
        self.train_door.setVisible(model is None)
        if model is None:
            self.empty.say(tr("There is no model yet"), tr("Train one first: it can generate after its first save, even while training goes on."))
        else:
            self.empty.say(tr("Nothing generated yet"), tr("Press Generate and watch every picture emerge from its own noise."))
        self._show_actions()

    def follow_rename(self, old: Run, new: Run) -> None:
        self.request = self.request and self.request.after_rename(old, new)
        self._former = self._former and replace(self._former, request=self._former.request.after_rename(old, new))
        self._show_actions()

    def show_side(self, index: int) -> None:
        self.side.setCurrentIndex(index)
        self.side_card.setMinimumWidth(168 if index == FRAME else 280)

    # While pictures are made.

    def begin(self, request: SampleRequest) -> None:
        self._former = self.shown() or self._former
        self.request, self.made, self.files = request, None, []
        self.filmstrip.start(min(request.frames, request.steps or request.frames))
        self.frame.show_frame(None)
        self.show_side(FRAME)
        self.results.grid.clear()
        self.results.made.setText("")
        self.setCurrentIndex(1)
        self.results.show_ready(False)
        self._explain_nearest(Path(request.model))
        self._show_actions()

    def add_frame(self, frame: FrameReady) -> None:
        self.filmstrip.add_frame(frame)
        if self.made is None:
            self.results.grid.set_images(frame.pred_x_start)
            if self.results.grid.current < 0:
                self.results.grid.set_current(0)

    def show_pictures(self, made: ImagesReady) -> None:
        self.made, self._former = made, None
        self.results.grid.set_images(made.images)
        self.results.made.setText(self._what_was_made(made.seeds))
        self.results.show_ready(True)
        self._show_actions()

    def _what_was_made(self, seeds: tuple[int, ...]) -> str:
        """And from where, and how, where that need not be what the controls say."""
        text = ntr("{count} picture · seeds {first} to {last}", "{count} pictures · seeds {first} to {last}", len(seeds), first=seeds[0], last=seeds[-1])
        if len(seeds) == 1:
            text = tr("seed {seed}", seed=seeds[0])
        request = self.request
        if request is None or request.start is None:
            return text
        way = next(name for name, sampler, _ in samplers() if sampler == request.sampler)
        if request.sampler == "ddim":
            way = tr("{sampler}, eta {eta}", sampler=way, eta=f"{request.eta:g}")
        return tr("{pictures} · from t = {t} of seed {seed} on, {way}", pictures=text, t=request.start.timestep, seed=request.start.walk.seed, way=way)

    def show_cancelled(self) -> None:
        if self.made is None:  # what is seen are guesses on the way, no pictures
            self.results.grid.clear()
            self.results.made.setText(tr("cancelled before a picture was done"))
        else:
            asked = count(self.request.count if self.request else 0)
            self.results.made.setText(tr("cancelled: {done} of {asked} are done and kept", done=count(len(self.made.images)), asked=asked))

    def shown(self) -> Shown | None:
        if self.request is None or self.made is None:
            return None
        frames = tuple(self.filmstrip.frames.values())
        return Shown(self.request, self.made, self.results.made.text(), tuple(self.files), frames, self.results.grid.current, self.filmstrip.strip.current)

    def show_again(self, shown: Shown) -> None:
        self.begin(shown.request)
        self.files = list(shown.files)
        for frame in shown.frames:
            self.add_frame(frame)
        self.show_pictures(shown.made)
        self.results.grid.set_current(shown.picture)
        self.filmstrip.slider.setValue(shown.frame)

    def bring_back(self) -> None:
        """Nothing was made: what was there before is there again."""
        if self.made is None and self._former is not None:
            caption = self._former.caption
            self.show_again(self._former)
            self.results.made.setText(caption)

    # What is chosen of them.

    @Slot(int)
    def _picture_chosen(self, index: int) -> None:
        self.filmstrip.set_picture(index)
        self._nearest.cancel()
        self.show_side(FRAME)  # the nearest ones are those of another picture
        self._show_actions()

    @Slot(int)
    def _show_frame(self, index: int) -> None:
        self.frame.show_frame(self.filmstrip.current_frame)
        self._show_actions()

    def _show_actions(self) -> None:
        foreign = self.is_foreign
        frame, ready = self.chosen_frame, self.made is not None and self.results.grid.current >= 0 and not foreign
        t = frame.timestep if frame else 0
        self.again_from.setEnabled(bool(t and ready))
        beginning = tr("Take x\u209c at t = {t} of the chosen picture as the beginning: then choose another sampler, more steps or a guide, and Generate", t=t)
        tip = beginning if t or not frame else tr("At t = 0 the picture is done: choose an earlier frame in the strip")
        self.again_from.setToolTip(wrapped(foreign_way() if foreign else tip))
        self.results.explain(Results.VARY, foreign_way() if foreign else self._how_varied(), self.branch is not None and not foreign)

    def _explain_nearest(self, model: Path) -> None:
        known = bool(self._studio.jobs.trained_on(model))
        most_like = tr("The training pictures that are most like it: is it made up, or learnt by heart? By pixel distance only")
        not_known = tr("Only with a model of your own runs: this one does not say which pictures it was trained on")
        self.results.explain(Results.NEAREST, most_like if known else not_known, known)

    def _how_varied(self) -> str:
        branch = self.branch
        if branch is None:
            return tr("At the last step nothing is left to vary")
        text = tr("More pictures with the same x\u209c at t = {t}, and new noise after it; choose the frame in the strip", t=branch.timestep)
        if branch is not self.chosen_frame:
            text += "\n" + tr("At the last step nothing is left to vary, so the middle of the way is taken")
        if self.request and not is_noisy(self.request.sampler, self.request.eta):
            text += "\n" + tr("Made by SDE-DPM-Solver++, for these pictures only")
        return text

    @property
    def is_foreign(self) -> bool:
        """Whether the pictures in sight are of another model than the chosen one, which would go on from their x_t elsewhere."""
        model, shown = self._studio.model, self.request
        return shown is not None and (model is None or Path(shown.model) != model.path)

    def refuse_foreign(self) -> bool:
        if self.is_foreign:
            self._studio.said.emit(foreign_way())
        return self.is_foreign

    @property
    def chosen_frame(self) -> FrameReady | None:
        return self.filmstrip.frames.get(self.filmstrip.strip.current)

    @property
    def branch(self) -> FrameReady | None:
        """Where variations leave the way: at the chosen frame, or in the middle where that is the end, at which nothing is left to vary."""
        frame, before = self.chosen_frame, [frame for frame in self.filmstrip.frames.values() if can_vary(frame)]
        if frame is None or not before:
            return None
        return frame if can_vary(frame) else min(before, key=lambda other: abs(2 * other.timestep - before[0].timestep))

    # At the side, and as a film.

    def look_for_nearest(self, picture: Images) -> None:
        if self.request is not None:
            self.nearest.wait()
            self.show_side(NEAREST)
            self._nearest.request(self._studio.jobs.nearest(Path(self.request.model), picture, NEAREST_COUNT))

    @Slot(list)
    def _show_nearest(self, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, NearestFound):
                self.nearest.show_found(event)
            elif isinstance(event, Failed):
                self.show_side(FRAME)

    @Slot()
    def _save_film(self) -> None:
        FilmDialog(self.window(), self._studio, self.filmstrip.film(), "noise-to-picture", frames_per_second=6, hold_seconds=1.5).show()


def can_vary(frame: FrameReady) -> bool:
    """Whether noise follows: not at the last step, unless that is the only one, which variations take in several."""
    return frame.timestep > 0 and (frame.steps_left != 1 or frame.index == 0)


def foreign_way() -> str:
    return tr("These pictures are of another model: choose it first")
