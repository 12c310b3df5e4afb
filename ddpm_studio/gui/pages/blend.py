"""Some pictures become one: all are noised to t, mixed, and denoised."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent, QGuiApplication, QKeySequence, QResizeEvent, QShortcut
from PySide6.QtWidgets import QStackedWidget, QWidget

from ddpm_studio.as_command import blend_command
from ddpm_studio.blend_weights import Weights, around
from ddpm_studio.errors import UserError
from ddpm_studio.events import Images
from ddpm_studio.gui.pages.blend_controls import BlendControls
from ddpm_studio.gui.pages.blend_defaults import BlendDefaults
from ddpm_studio.gui.pages.blend_film import BlendFilm
from ddpm_studio.gui.pages.blend_maker import BlendMaker
from ddpm_studio.gui.pages.blend_sheet import BlendSheet, sheet_timesteps, sheet_weights
from ddpm_studio.gui.pages.blend_single import BlendSingle
from ddpm_studio.gui.pages.recreate_offer import RecreateOffer
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.undo import Control
from ddpm_studio.gui.widgets.basics import WIDE, button, row, show_names
from ddpm_studio.gui.widgets.containers import Card, EmptyState
from ddpm_studio.gui.widgets.drop_zone import local_files, lone_png
from ddpm_studio.gui.widgets.inputs import Segments
from ddpm_studio.gui.widgets.picture_view import WELL
from ddpm_studio.language import ntr, tr
from ddpm_studio.requests import is_reproducible

BLEND, SHEET, FILM = 0, 1, 2
"""What is seen of the blend: one picture, a sheet of t and lambda, a film."""


class BlendPage(QWidget):
    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self.setObjectName("blendPage")
        self.setAccessibleName(tr("Blend"))
        self._studio = studio
        self.controls = BlendControls(studio)
        self.single = BlendSingle(studio)
        self.wells = self.single.wells
        self.defaults = BlendDefaults(studio, self.wells)
        self.offer = RecreateOffer(studio)
        self.maker = BlendMaker(studio, self.controls, self.single, self.offer)
        self.setLayout(row(self.controls, self._make_stage(), spacing=16))
        self.setAcceptDrops(True)
        self._connect()
        self._arranged()
        self._model_changed()

    # Building.

    def _make_stage(self) -> QWidget:
        self.view = Segments((tr("Picture"), tr("Sheet"), tr("Film")), "blendView", tr("What is shown of the blend"))
        self.sheet = BlendSheet(self._studio)
        self.film = BlendFilm(self._studio)
        self.views = QStackedWidget()
        for part in (self.single, self.sheet, self.film):
            self.views.addWidget(part)
        stage = Card(row(self.view, -1, self.single.add_button, self.single.keep_button, self.single.save_button, spacing=8), self.offer, self.views, spacing=12)
        inside = stage.layout()
        assert inside is not None
        inside.setStretch(2, 1)  # type: ignore[attr-defined]
        self.train_door = button(tr("Train a model"), "blendTrainDoor", "activity", "primary")
        said = tr("Blending needs a trained model. Train one first; it can be used after its first save.")
        self.empty = EmptyState("blend", tr("There is no model yet"), said, self.train_door)
        self.stack = QStackedWidget()
        self.stack.addWidget(Card(self.empty))
        self.stack.addWidget(stage)
        return self.stack

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        others = (self.view, self.single.keep_button, self.single.save_button)
        show_names([self.single.add_button], self.width() - self.controls.width() - 3 * WIDE - sum(part.sizeHint().width() + 8 for part in others) - 8)

    def _connect(self) -> None:
        studio, controls, single, wells = self._studio, self.controls, self.single, self.wells
        wells.arranged.connect(self._arranged)
        wells.changed.connect(self._pictures_changed)
        wells.loaded.connect(self._loaded)
        single.command_wanted.connect(self.copy_command)
        controls.source.picked.connect(self._picked)
        wells.aimed.connect(controls.source.say_where)
        controls.source.say_where(wells.free_place())
        self.view.chosen.connect(self.show_view)
        controls.timestep.changed.connect(self._timestep_moved)
        controls.noise_chosen.connect(self._noise_chosen)
        controls.seed.valueChanged.connect(self._setting_moved)
        self.sheet.wanted.connect(self.make_sheet)
        self.sheet.chosen.connect(self._open_from_sheet)
        self.film.wanted.connect(self.make_film)
        self.train_door.clicked.connect(lambda: studio.page_wanted.emit("Train"))
        studio.model_changed.connect(self._model_changed)
        studio.blend_wanted.connect(self._wanted)
        studio.recipe_wanted.connect(self.use_recipe)
        studio.recreate_wanted.connect(self._recreation_wanted)
        self._paste = QShortcut(QKeySequence(QKeySequence.StandardKey.Paste), self)
        self._paste.activated.connect(wells.paste)
        QShortcut(QKeySequence(Qt.Key.Key_Escape), self, self._cancel_series)

    @Slot()
    def _cancel_series(self) -> None:
        for part in (self.sheet, self.film):
            if part.cancel_button.isVisibleTo(part):
                part.cancel_button.click()

    # The pictures.

    @Slot(str, object)
    def set_source(self, letter: str, source: Path | Images) -> None:
        """A file, or a picture of the window; it is brought to the model's shape in a worker."""
        self.wells.set_source(letter, source)

    @Slot(str, object)
    def _wanted(self, letter: str, source: Path | Images) -> None:
        self.set_source(letter, source)
        self._studio.page_wanted.emit("Blend")

    @Slot(object)
    def _picked(self, source: Path | Images) -> None:
        self.set_source(self.wells.free_place(), source)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Beside the wells, too: from outside, or from the pictures at hand, as long as it has left them."""
        mime = event.mimeData()
        folders = any(path.is_dir() for path in local_files(event))
        if self._studio.model is not None and not folders and not mime.hasFormat(WELL) and (mime.hasUrls() or mime.hasImage()):
            event.acceptProposedAction()

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        if self._is_put_back(event):
            event.ignore()
        else:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        picture = lone_png(event) if event.source() is None else None
        if picture is not None and self._is_ours(picture):  # from outside, as everywhere in the window; what is dropped on a well is blended
            self._studio.picture_dropped.emit(picture)
            event.acceptProposedAction()
        elif not self._is_put_back(event) and self.wells.take(event.mimeData()):
            event.acceptProposedAction()

    def _is_ours(self, picture: Path) -> bool:
        try:
            return bool(self._studio.jobs.recipe(picture))
        except (OSError, UserError):
            return False

    def _is_put_back(self, event: QDropEvent) -> bool:
        source = self.controls.source
        return event.source() is source.grid and source.rect().contains(source.mapFrom(self, event.position().toPoint()))

    @Slot(str)
    def _loaded(self, letter: str) -> None:
        if letter in self.wells.quiet:
            self.maker.blend_unasked()
        else:
            self.maker.blend()

    @Slot()
    def _pictures_changed(self) -> None:
        self._forget_series()
        self._show_readiness()

    @Slot()
    def _arranged(self) -> None:
        self._show_readiness()
        self.maker.blend()

    # A blend that was made before.

    @Slot(dict, Path)
    def use_recipe(self, values: dict[str, Any], picture: Path) -> None:
        """Take over the settings that a blend was made by, and its pictures where its file holds them."""
        if values.get("kind") != "blend":
            return
        self.show_view(BLEND)
        found = self.maker.request_of(picture) if is_reproducible(values) else None
        self.controls.use(values)
        if isinstance(lam := values.get("lam"), (int, float)) and 0 <= lam <= 1:
            self.single.lam.setValue(round(100 * lam))
        if found is None:
            self._studio.said.emit(tr("The settings are set; this file does not hold the pictures that were blended: choose them again"))
            return
        request, place = found
        self.wells.hold(request.images, request.weights[place])
        self._studio.said.emit(tr("The settings and the pictures of the blend are set"))

    @Slot(Path, bool)
    def _recreation_wanted(self, picture: Path, at_once: bool) -> None:
        if self._studio.jobs.recipe(picture).get("kind") != "blend":
            return
        self.offer.offer(picture)
        if at_once:
            self.maker.recreate(picture)

    # Settings.

    @Slot()
    def _timestep_moved(self) -> None:
        self.film.forget()  # a sheet has timesteps of its own
        self.maker.follow()

    @Slot()
    def _setting_moved(self) -> None:
        self._forget_series()
        self.maker.follow()

    @Slot()
    def _noise_chosen(self) -> None:
        self._forget_series()
        self.maker.blend()

    # Sheets and films.

    @Slot(int)
    def show_view(self, index: int) -> None:
        self.view.choose(index)
        self.views.setCurrentIndex(index)
        for part in (self.single.add_button, self.single.keep_button, self.single.save_button):
            part.setVisible(index == BLEND)
        if index == BLEND and self.maker.stale and self.isVisible():
            self.maker.blend()

    @Slot()
    def make_sheet(self) -> None:
        model = self._studio.model
        self.show_view(SHEET)
        weights = sheet_weights(len(self.wells.weights))
        requests = [self.maker.request(weights, timestep=t) for t in sheet_timesteps(model.num_timesteps)] if model else []
        known = tuple(request for request in requests if request is not None)
        if not known:
            self._studio.said.emit(tr("Choose the pictures first"))
            return
        self.sheet.make(known, self.wells.letters)

    @Slot()
    def make_film(self) -> None:
        self.show_view(FILM)
        request = self.maker.request(around(len(self.wells.weights), self.film.steps.value()))
        if request is None:
            self._studio.said.emit(tr("Choose the pictures first"))
            return
        self.film.make(request, self.wells.letters)

    @Slot(tuple, int)
    def _open_from_sheet(self, weights: Weights, timestep: int) -> None:
        """The controls go where the picture was made, and the sheet stays as it is."""
        self.controls.go_to(timestep)
        self.single.set_weights(weights)
        self.maker.stale = True
        self.show_view(BLEND)

    def _forget_series(self) -> None:
        self.sheet.forget()
        self.film.forget()

    @Slot()
    def copy_command(self) -> None:
        """What the command line would be told to make this blend; a picture that is no file has a name to be filled in."""
        request = self.maker.request()
        if request is None:
            self._studio.said.emit(tr("Choose the pictures first"))
            return
        sources = [self.wells.sources.get(letter) for letter in self.wells.letters]
        files = [str(source) if isinstance(source, Path) else f"{letter}.png" for letter, source in zip(self.wells.letters, sources, strict=True)]
        unsaved = [file for file, source in zip(files, sources, strict=True) if not isinstance(source, Path)]
        command = blend_command(request, files)
        QGuiApplication.clipboard().setText(command)
        names, said = ", ".join(unsaved), tr("Copied: {command}", command=command)
        hint = ntr("Save the picture that is called {names} in it first.", "Save the pictures that are called {names} in it first.", len(unsaved), names=names)
        self._studio.said.emit(f"{hint} {said}" if unsaved else said)

    @property
    def has_unsaved(self) -> bool:
        """A sheet or a film; whether they were saved is not known."""
        return self.sheet.complete or self.film.complete

    def mixture(self) -> list[Control]:
        """The pictures and the shares of more than two of them, as something that can be taken back."""

        def write_shares(weights: Weights) -> None:
            if len(weights) == len(self.wells.weights) > 2:
                self.wells.set_weights(weights)
                self.wells.moved.emit()

        shares = Control(tr("Shares"), lambda: self.wells.weights if len(self.wells.weights) > 2 else (), write_shares, self.wells.moved)
        return [Control(tr("Pictures"), self.defaults.chosen, self.defaults.put_back, self.wells.settled, merges=False), shares]

    # The model, and what is seen.

    def _show_readiness(self) -> None:
        ready = self.single.ready
        self.sheet.show_readiness(ready, self.single.missing)
        self.film.show_readiness(ready, self.single.missing)
        self.single.show_readiness()
        if not ready:
            self.maker.forget()

    @Slot()
    def _model_changed(self) -> None:
        model = self._studio.model
        self.stack.setCurrentIndex(0 if model is None else 1)
        if model is not None:
            self.controls.set_timesteps(model.num_timesteps)
            self.maker.forget()
            self.offer.hide()
            self._forget_series()
            self.wells.load_all()
            if self.isVisible():
                self.defaults.fill()
        self._show_readiness()

    def showEvent(self, event: object) -> None:
        self.controls.source.refresh()
        self.defaults.fill()
        if self.maker.stale:
            self.maker.blend_unasked()
