"""Everything that was made, each with its recipe."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from PySide6.QtCore import QFile, QSize, Qt, Slot
from PySide6.QtGui import QGuiApplication, QImage, QKeySequence, QShortcut
from PySide6.QtWidgets import QAbstractItemView, QFormLayout, QListView, QStackedWidget, QWidget

from ddpm_studio.errors import UserError
from ddpm_studio.events import Failed
from ddpm_studio.gui import dialogs
from ddpm_studio.gui.item_models import THUMBNAIL, GalleryModel
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.widgets.basics import Card, ControlColumn, EmptyState, button, label, row
from ddpm_studio.gui.widgets.picture_view import PictureView
from ddpm_studio.gui.words import count, plural

RECIPE_NAMES = {
    "kind": "Kind", "model": "Model", "model_step": "Trained steps", "seed": "Seed", "sampler": "Sampler", "steps": "Steps", "eta": "Eta",
    "timestep": "Noise level t", "noise": "Noise", "lam": "Lambda", "made_by": "Made by",
}


class GalleryPage(QWidget):
    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self.setObjectName("galleryPage")
        self.setAccessibleName("Gallery")
        self._studio = studio
        self._recipe: dict[str, Any] = {}
        self.model = GalleryModel()
        self.view = QListView()
        self.view.setObjectName("galleryView")
        self.view.setAccessibleName("Pictures that were made")
        self.view.setModel(self.model)
        self.view.setViewMode(QListView.ViewMode.IconMode)
        self.view.setIconSize(QSize(THUMBNAIL, THUMBNAIL))
        self.view.setGridSize(QSize(THUMBNAIL + 16, THUMBNAIL + 16))
        self.view.setUniformItemSizes(True)
        self.view.setResizeMode(QListView.ResizeMode.Adjust)
        self.view.setLayoutMode(QListView.LayoutMode.Batched)
        self.view.setMovement(QListView.Movement.Static)
        self.view.setDragEnabled(True)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        go = button("Generate pictures", "galleryDoor", "sparkles", "primary")
        go.clicked.connect(lambda: studio.page_wanted.emit("Generate"))
        self.empty = EmptyState("images", "Nothing here yet", "Every picture that you generate is kept here, together with all that is needed to make it again.", go)
        self.stack = QStackedWidget()
        self.stack.addWidget(Card(self.empty))
        self.count = label("", "caption", "galleryCount")
        self.count.setContentsMargins(8, 0, 8, 0)
        shelf = Card(self.count, self.view, margin=8, spacing=4)
        self.stack.addWidget(shelf)
        self.setLayout(row(self.stack, self._make_side(), spacing=12))
        layout = self.layout()
        if layout is not None and hasattr(layout, "setStretch"):
            layout.setStretch(0, 1)
        self.view.selectionModel().currentChanged.connect(lambda *_: self._show_current())
        self.view.activated.connect(lambda *_: self._show_current())
        QShortcut(QKeySequence.StandardKey.Delete, self.view, self.delete, context=Qt.ShortcutContext.WidgetShortcut)
        studio.gallery_changed.connect(self._changed)

    def _make_side(self) -> QWidget:
        self.picture = PictureView("galleryPicture", "The chosen picture", 160)
        self.picture.hint = "Choose a picture"
        self.picture.setFixedHeight(258)
        self.name = label("", "heading", "galleryName", wrap=True)
        self.facts = QFormLayout()
        self.facts.setHorizontalSpacing(16)
        self.facts.setVerticalSpacing(4)
        self.no_recipe = label("", "caption", wrap=True)
        self.again = button("Generate again with these settings", "againButton", "rotate-ccw")
        self.as_a, self.as_b = button("Use as A", "useAsAButton", "blend"), button("Use as B", "useAsBButton", "blend")
        self.save = button("Save as…", "saveButton", "download")
        self.copy = button("Copy", "copyButton", "copy")
        self.trash = button("Delete", "deleteButton", "trash-2", tip="Move to the trash (Del)")
        card = Card(self.picture, self.name, self.facts, self.no_recipe, self.again, row(self.as_a, self.as_b), row(self.save, self.copy), self.trash, spacing=8)
        self.again.clicked.connect(self._again)
        self.as_a.clicked.connect(lambda: self._use("A"))
        self.as_b.clicked.connect(lambda: self._use("B"))
        self.save.clicked.connect(self._save)
        self.copy.clicked.connect(self._copy)
        self.trash.clicked.connect(self.delete)
        self.side = ControlColumn(card, width=320)
        self.side.hide()
        return self.side

    def showEvent(self, event: object) -> None:
        self.refresh()

    @Slot()
    def _changed(self) -> None:
        if self.isVisible():
            self.refresh()

    def refresh(self) -> None:
        chosen = self.current
        self.model.set_files(self._studio.jobs.gallery())
        self.count.setText(f"{plural(len(self.model.files), 'picture', 'pictures')}, the newest first")
        if chosen in self.model.files and chosen != self.current:
            self.view.setCurrentIndex(self.model.index(self.model.files.index(chosen)))
        self.stack.setCurrentIndex(1 if self.model.files else 0)
        if not self.model.files:
            self.side.hide()

    def choose(self, path: Path) -> None:
        self.refresh()
        if path in self.model.files:
            self.view.setCurrentIndex(self.model.index(self.model.files.index(path)))

    @property
    def current(self) -> Path | None:
        index = self.view.currentIndex()
        return self.model.files[index.row()] if index.isValid() and index.row() < len(self.model.files) else None

    @Slot()
    def _show_current(self) -> None:
        path = self.current
        self.side.setVisible(path is not None)
        if path is None:
            return
        self.picture.set_picture(QImage(str(path)))
        self.name.setText(path.stem)
        while self.facts.rowCount():
            self.facts.removeRow(0)
        try:
            self._recipe = self._studio.jobs.recipe(path)
            self.no_recipe.hide()
        except UserError as error:
            self._recipe = {}
            self.no_recipe.setText(error.message)
            self.no_recipe.show()
        for name, caption in RECIPE_NAMES.items():
            if name in self._recipe:
                self.facts.addRow(label(caption, "caption"), label(str(self._recipe[name]), wrap=True))
        self.again.setEnabled(self._recipe.get("kind") == "sample")

    @Slot()
    def _again(self) -> None:
        name = str(self._recipe.get("model", ""))
        model = self._studio.find_model(name)
        if model is None:
            self._studio.failed.emit(Failed(f"The model {name} is not here any more.", "Choose another one on the Generate page: the same seed then gives another picture."))
            return
        self._studio.choose_model(model, by_hand=True)
        self._studio.models_changed.emit()
        self._studio.recipe_wanted.emit(self._recipe)
        self._studio.page_wanted.emit("Generate")
        made_at, now = self._recipe.get("model_step"), self._studio.jobs.model_step(model.path)
        if isinstance(made_at, int) and now is not None and made_at != now:
            self._studio.said.emit(f"Made when {name} was at step {count(made_at)}; at step {count(now)} the same seed gives another picture")

    def _use(self, letter: str) -> None:
        if self.current:
            self._studio.blend_wanted.emit(letter, self.current)

    @Slot()
    def _copy(self) -> None:
        if self.current:
            QGuiApplication.clipboard().setImage(QImage(str(self.current)))
            self._studio.said.emit("Copied")

    @Slot()
    def _save(self) -> None:
        path = self.current
        if path:
            start = str(Path(self._studio.preferences.last_folder or Path.home()) / path.name)
            dialogs.choose_target(self.window(), "Save the picture", start, lambda target: self._write(path, target))

    def _write(self, path: Path, target: Path) -> None:
        try:
            shutil.copyfile(path, target)
            self._studio.said.emit(f"Saved {target.name}")
        except OSError as error:
            self._studio.failed.emit(Failed.of(error))

    @Slot()
    def delete(self) -> None:
        """To the trash of the system, where it can be got back from."""
        chosen = [self.model.files[index.row()] for index in self.view.selectionModel().selectedIndexes()]
        row_before = self.view.currentIndex().row()
        kept = [path for path in chosen if not QFile.moveToTrash(str(path))]
        self.refresh()
        if kept:
            self._studio.failed.emit(Failed(f"{plural(len(kept), 'picture', 'pictures')} could not be moved to the trash.", "Delete the file in your file manager."))
        elif chosen:
            self._studio.said.emit(f"{plural(len(chosen), 'picture', 'pictures')} moved to the trash")
        if self.model.files:
            self.view.setCurrentIndex(self.model.index(min(row_before, len(self.model.files) - 1)))

