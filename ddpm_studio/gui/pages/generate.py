"""Pictures from noise, and how they came about."""

from __future__ import annotations

import random
from pathlib import Path

from PySide6.QtCore import QPoint, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QDoubleSpinBox, QMenu, QProgressBar, QSpinBox, QStackedWidget, QVBoxLayout, QWidget

from ddpm_studio.events import Event, Failed, Finished, FrameReady, ImageSaved, ImagesReady, Progress
from ddpm_studio.gui import dialogs
from ddpm_studio.gui.pages.train_settings import combo
from ddpm_studio.gui.presenters import State
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.widgets.basics import Card, ControlColumn, EmptyState, button, column, field, label, row, tidy, tool_button
from ddpm_studio.gui.widgets.filmstrip import Filmstrip, FrameView
from ddpm_studio.gui.widgets.picture_grid import PictureGrid
from ddpm_studio.gui.words import count, plural
from ddpm_studio.requests import SampleRequest, recipe

SAMPLERS = (
    ("Fast (DPM-Solver++)", "dpmpp-2m", 25, "Good pictures in 15 to 30 steps; the same seed gives the same picture."),
    ("Fast (UniPC)", "unipc", 20, "Like DPM-Solver++, and each step is corrected by the next: a little more exact in very few steps."),
    ("Exact (Heun)", "heun", 25, "Second order with two network calls a step: twice the time, and nearest to the true path."),
    ("Steady (DDIM)", "ddim", 50, "Deterministic with eta 0: a seed is a picture, and similar noise gives similar pictures."),
    ("Original (ancestral DDPM)", "ddpm", 1000, "Algorithm 2 of the paper: fresh noise in each of its 1,000 steps. Slow and true."),
)


class GeneratePage(QWidget):
    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self.setObjectName("generatePage")
        self.setAccessibleName("Generate")
        self._studio = studio
        self._request: SampleRequest | None = None
        self._images: ImagesReady | None = None
        self.files: list[Path] = []
        self.setLayout(row(self._make_controls(), self._make_stage(), spacing=16))
        self._connect()
        self._sampler_chosen()
        self._show_state(State.IDLE)
        self._model_changed()

    def _make_controls(self) -> QWidget:
        self.count = spin("countSpin", 1, 256, 16)
        self.sampler = combo("samplerCombo", [(text, sampler) for text, sampler, _, _ in SAMPLERS])
        self.sampler_note = label("", "caption", wrap=True)
        self.steps = spin("stepsSpin", 1, 1000, 25)
        self.eta = QDoubleSpinBox()
        self.eta.setObjectName("etaSpin")
        self.eta.setRange(0, 1)
        self.eta.setSingleStep(0.1)
        tidy(self.eta)
        self.seed = spin("seedSpin", 0, 2**31 - 1, 0)
        self.shuffle = tool_button("shuffle", "shuffleButton", "Another seed")
        self.generate_button = button("Generate", "generateButton", "sparkles", "primary", "Make pictures (Ctrl+G)")
        self.cancel_button = button("Cancel", "cancelButton", "x")
        self.progress = QProgressBar()
        self.progress.setObjectName("generateProgress")
        self.progress.setAccessibleName("Generation progress")
        self.progress.setTextVisible(False)
        self.steps_eta = row(field("Steps", self.steps, "More steps take longer and are a little finer"), spacing=12)
        self._eta_box = QWidget()
        self._eta_box.setLayout(field("Eta", self.eta, "0: deterministic, 1: as noisy as the ancestral sampler"))
        self.steps_eta.addWidget(self._eta_box)
        card = Card(
            field("Pictures", self.count, "How many pictures to make"),
            column(field("Sampler", self.sampler), self.sampler_note, spacing=6),
            self.steps_eta,
            field("Seed", self.seed, "The same seed makes the same picture again; picture i uses seed + i"),
        )
        seed_row = row(self.seed, self.shuffle, spacing=4)
        last = card.layout()
        if isinstance(last, QVBoxLayout):
            item = last.itemAt(last.count() - 1)
            holder = item.layout() if item else None
            if isinstance(holder, QVBoxLayout):
                holder.addLayout(seed_row)
                seed_row.setStretch(0, 1)
        footer = QWidget()
        buttons = row(self.generate_button, self.cancel_button)
        buttons.setStretch(0, 1)
        footer.setLayout(column(self.progress, buttons, spacing=8))
        return ControlColumn(card, footer=footer)

    def _make_stage(self) -> QWidget:
        self.filmstrip = Filmstrip()
        self.grid = PictureGrid("sampleGrid", "Pictures that were made", selectable=True)
        self.frame = FrameView()
        self.made = label("", "caption", "madeCaption")
        legend = label("above: noisy x\u209c   ·   below: the network's guess x̂\u2080", "caption")
        film = Card(row(label("From noise to picture", "heading"), -1, legend), self.filmstrip, spacing=8, margin=12)
        pictures = Card(row(label("Pictures", "heading"), 4, self.made, -1), self.grid, spacing=8, margin=12)
        for card in (pictures,):
            inside = card.layout()
            if isinstance(inside, QVBoxLayout):
                inside.setStretch(1, 1)
        frame = Card(self.frame, margin=12)
        frame.setMinimumWidth(168)
        frame.setMaximumWidth(304)
        bottom = row(pictures, frame, spacing=12)
        bottom.setStretch(0, 5)
        bottom.setStretch(1, 1)
        result = QWidget()
        layout = column(film, bottom, spacing=12)
        layout.setStretch(1, 1)
        result.setLayout(layout)
        self.train_door = button("Train a model", "doorTrain", "activity", "primary")
        self.empty = EmptyState("sparkles", "Nothing generated yet", "", self.train_door)
        self.stack = QStackedWidget()
        self.stack.addWidget(Card(self.empty))
        self.stack.addWidget(result)
        return self.stack

    def _connect(self) -> None:
        self.sampler.currentIndexChanged.connect(self._sampler_chosen)
        self.shuffle.clicked.connect(self._shuffle)
        self.generate_button.clicked.connect(self.start)
        self._studio.generate_wanted.connect(self._wanted)
        self.cancel_button.clicked.connect(self._studio.sampling.cancel)
        self.filmstrip.frame_shown.connect(self._show_frame)
        self.grid.current_changed.connect(self._picture_chosen)
        self.grid.activated.connect(self._open_picture)
        self.grid.menu_wanted.connect(self._show_menu)
        self.train_door.clicked.connect(lambda: self._studio.page_wanted.emit("Train"))
        self._studio.sampling.state_changed.connect(self._show_state)
        self._studio.sampling.events.connect(self._receive)
        self._studio.model_changed.connect(self._model_changed)
        self._studio.recipe_wanted.connect(self.use_recipe)

    # Making.

    @Slot()
    def start(self) -> None:
        if self._studio.sampling.active:
            return
        request = self.request()
        if request is None:
            return
        self._request = request
        self._images, self.files = None, []
        self.filmstrip.start(min(12, self.steps.value()))
        self.frame.show_frame(None)
        self.grid.clear()
        self.made.setText("")
        self.stack.setCurrentIndex(1)
        self._studio.sampling.start(self._request)

    def request(self) -> SampleRequest | None:
        """What the controls ask for; without a model None, and a word about it."""
        model = self._studio.model
        if model is None:
            self._studio.failed.emit(Failed("There is no model yet.", "Train one on the Train page: it can be used after its first save."))
            return None
        return SampleRequest(
            model=model.path, count=self.count.value(), sampler=self.sampler.currentData(), steps=self.steps.value(), eta=self.eta.value(), seed=self.seed.value()
        )

    @Slot()
    def _wanted(self) -> None:
        """From another page: show this one, and begin."""
        self._studio.page_wanted.emit("Generate")
        self.start()

    @Slot(dict)
    def use_recipe(self, values: dict[str, object]) -> None:
        """Take over the settings that a picture was made by."""
        index = self.sampler.findData(values.get("sampler"))
        if index >= 0:
            self.sampler.setCurrentIndex(index)
        for box, name in ((self.steps, "steps"), (self.seed, "seed")):
            value = values.get(name)
            if isinstance(value, int) and not box.minimum() <= value <= box.maximum():
                self._studio.failed.emit(Failed(f"The recipe asks for {value:,} as {name}, which cannot be set here.", "It was altered, or is of another version of DDPM Studio."))
            elif isinstance(value, int):
                box.setValue(value)
        if isinstance(eta := values.get("eta"), (int, float)) and 0 <= eta <= 1:
            self.eta.setValue(float(eta))
        self.count.setValue(1)

    @Slot()
    def _shuffle(self) -> None:
        self.seed.setValue(random.randrange(2**31 - 1))

    @Slot()
    def _sampler_chosen(self) -> None:
        _, sampler, steps, note = SAMPLERS[self.sampler.currentIndex()]
        self.sampler_note.setText(note)
        self.steps.setValue(steps)
        self._eta_box.setVisible(sampler == "ddim")

    # Showing.

    @Slot(State)
    def _show_state(self, state: State) -> None:
        active = self._studio.sampling.active
        self.generate_button.setEnabled(not active and self._studio.model is not None)
        self.generate_button.setText({State.WAITING: "Waiting…", State.RUNNING: "Generating…", State.STOPPING: "Stopping…"}.get(state, "Generate"))
        self.cancel_button.setEnabled(active and state is not State.STOPPING)
        self.progress.setVisible(active)
        if state is State.WAITING:
            self.progress.setRange(0, 0)

    @Slot(list)
    def _receive(self, batch: list[Event]) -> None:
        for event in batch:
            match event:
                case Progress(done=done, total=total):
                    self.progress.setRange(0, total)
                    self.progress.setValue(done)
                case FrameReady():
                    self.filmstrip.add_frame(event)
                    if self._images is None:
                        self.grid.set_images(event.pred_x_start)
                        if self.grid.current < 0:
                            self.grid.set_current(0)
                case ImagesReady(images=images, seeds=seeds):
                    self._images = event
                    self.grid.set_images(images)
                    self.made.setText(f"{plural(len(images), 'picture', 'pictures')} · seeds {seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"seed {seeds[0]}")
                case Finished(stopped=True):
                    asked = self._request.count if self._request else 0
                    if self._images is None:  # what is seen are guesses on the way, no pictures
                        self.grid.clear()
                        self.made.setText("cancelled before a picture was done")
                    else:
                        self.made.setText(f"cancelled: {count(len(self._images.images))} of {count(asked)} are done and kept")
                case ImageSaved(path=path):
                    self.files.append(path)
                    self._studio.gallery_changed.emit()

    @Slot(int)
    def _picture_chosen(self, index: int) -> None:
        self.filmstrip.set_picture(index)

    @Slot(int)
    def _show_frame(self, index: int) -> None:
        self.frame.show_frame(self.filmstrip.current_frame)

    @Slot()
    def _model_changed(self) -> None:
        model = self._studio.model
        self.train_door.setVisible(model is None)
        if model is None:
            self.empty.say("There is no model yet", "Train one first: it can generate after its first save, even while training goes on.")
        else:
            self.empty.say("Nothing generated yet", "Press Generate and watch every picture emerge from its own noise.")
            self.steps.setMaximum(model.num_timesteps)
        self._show_state(self._studio.sampling.state)

    # What can be done with a picture.

    @Slot(int, QPoint)
    def _show_menu(self, index: int, place: QPoint) -> None:
        menu = QMenu(self)
        menu.setObjectName("pictureMenu")
        menu.addAction("Save as…", lambda: self._save(index))
        menu.addAction("Copy", lambda: QGuiApplication.clipboard().setImage(self.grid.picture(index)))
        menu.addSeparator()
        menu.addAction("Use as A in Blend", lambda: self._use_in_blend("A", index))
        menu.addAction("Use as B in Blend", lambda: self._use_in_blend("B", index))
        if index < len(self.files):
            menu.addSeparator()
            menu.addAction("Show in the gallery", lambda: self._open_picture(index))
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(place)

    @Slot(int)
    def _open_picture(self, index: int) -> None:
        self._studio.page_wanted.emit(f"Gallery:{self.files[index]}" if index < len(self.files) else "Gallery")

    def _use_in_blend(self, letter: str, index: int) -> None:
        if self._images is not None:
            self._studio.blend_wanted.emit(letter, self.files[index] if index < len(self.files) else self._images.images[index])

    def _save(self, index: int) -> None:
        if self._images is None or self._request is None:
            return
        picture, notes = self._images.images[index], recipe(self._request, seed=self._images.seeds[index], model_step=self._images.model_step)
        start = str(Path(self._studio.preferences.last_folder or Path.home()) / f"picture-{self._images.seeds[index]}.png")
        dialogs.choose_target(self.window(), "Save the picture", start, lambda path: self._write(path, picture, notes))

    def _write(self, path: Path, picture: object, notes: dict[str, object]) -> None:
        try:
            self._studio.jobs.save_png(path, picture, notes)  # type: ignore[arg-type]
            self._studio.said.emit(f"Saved {path.name}")
        except Exception as error:
            self._studio.failed.emit(Failed.of(error))


def spin(name: str, low: int, high: int, value: int) -> QSpinBox:
    box = QSpinBox()
    box.setObjectName(name)
    box.setRange(low, high)
    box.setValue(value)
    box.setMinimumWidth(72)
    tidy(box)
    return box
