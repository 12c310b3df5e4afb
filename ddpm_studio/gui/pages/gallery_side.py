"""Beside the gallery: the chosen picture with its recipe, or what can be done with several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QFormLayout, QMenu, QPushButton, QVBoxLayout, QWidget

from ddpm_studio.gui import theme
from ddpm_studio.gui.pages.blend_noise import noises
from ddpm_studio.gui.pages.generate_controls import samplers
from ddpm_studio.gui.widgets.basics import WIDE, button, column, label, row
from ddpm_studio.gui.widgets.containers import Card, ControlColumn
from ddpm_studio.gui.widgets.picture_view import PictureView
from ddpm_studio.language import ntr, tr
from ddpm_studio.requests import AUTO_SPACING, is_reproducible

WIDTH = 320


def recipe_lines(values: dict[str, Any]) -> list[tuple[str, str]]:
    """A recipe as people read it: name and value, in the order in which they matter."""
    names = {
        "kind": tr("Kind"), "model": tr("Model"), "model_step": tr("Trained steps"), "seed": tr("Seed"), "sampler": tr("Sampler"), "steps": tr("Steps"), "eta": tr("Eta"),
        "spacing": tr("Spacing"), "guide": tr("Guide"), "guidance": tr("Guidance"), "timestep": tr("Noise level t"), "noise": tr("Noise"), "lam": tr("Lambda"),
        "made_on": tr("Made on"), "made_by": tr("Made by"),
    }  # fmt: skip
    said: dict[str, dict[str, str]] = {
        "kind": {
            "sample": tr("From noise"), "blend": tr("Blend"), "denoise": tr("Denoised from a picture"), "tree": tr("Tree"),
            "inpaint": tr("Filled in"), "invert": tr("Inverted"),
        },
        "sampler": {sampler: name for name, sampler, _ in samplers()},
        "noise": {str(mode): name for name, mode, _ in noises()},
    }  # fmt: skip
    lines = [(caption, said.get(name, {}).get(str(values[name]), str(values[name]))) for name, caption in names.items() if values.get(name) is not None]
    if values.get("spacing") == AUTO_SPACING.get(values.get("sampler", "")):  # nothing to say about it
        lines = [line for line in lines if line[0] != names["spacing"]]
    start = values.get("start")
    if isinstance(start, dict):
        lines.append((tr("Begins at"), tr("t = {t} of seed {seed}", t=start.get("timestep", "?"), seed=start.get("seed", "?"))))
    return lines


MENU = ("again", "recreate", "left", "right", "copy", "save", "folder", "sheet", "star", "trash")
"""In which order the menu has the names of `GallerySide`."""


class GallerySide(QWidget):
    """What is said about a picture scrolls where room is short; the buttons stay."""

    wanted = Signal(str)
    """One of the names below, for all pictures that are chosen."""
    AGAIN, RECREATE, LEFT, RIGHT, SAVE, COPY, STAR, TRASH, FOLDER, SHEET = "again", "recreate", "left", "right", "save", "copy", "star", "trash", "folder", "sheet"

    def __init__(self) -> None:
        super().__init__()
        self._buttons: dict[str, QPushButton] = {}
        self.picture = PictureView("galleryPicture", tr("The chosen picture"), 160)
        self.picture.setFixedHeight(226)
        self.name = label("", "heading", "galleryName", wrap=True)
        self.facts = QFormLayout()
        self.facts.setHorizontalSpacing(16)
        self.facts.setVerticalSpacing(2)
        self.no_recipe = label("", "caption", wrap=True)
        self.again = self._button(self.AGAIN, tr("Use settings"), "againButton", "rotate-ccw", tr("Take over all its settings, to generate again with them"))
        self.recreate = self._button(self.RECREATE, tr("Recreate"), "recreatePictureButton", "repeat", tr("Make it again, and say whether it is the same bit for bit"))
        self.copy = self._button(self.COPY, tr("Copy"), "copyButton", "copy", tr("Copy (Ctrl+C)"))
        self.star = self._button(self.STAR, tr("Star"), "starButton", "star", tr("Stars are found by the filter above the pictures (S)"))
        self.trash = self._button(self.TRASH, tr("Delete"), "deleteButton", "trash-2", tr("Move to the trash (Del)"))
        self._about = ControlColumn(self.picture, self.name, self.facts, self.no_recipe, width=WIDTH - 2 * WIDE)
        self._one, self._several = QWidget(), QWidget()
        self._one.setLayout(self._make_one())
        self._several.setLayout(self._make_several())
        card = Card(self._about, self._one, self._several, row(self.copy, self.star, self.trash), spacing=8)
        self.setLayout(column(card))
        self.setFixedWidth(WIDTH)

    def _button(self, what: str, text: str, name: str, icon: str, tip: str = "") -> QPushButton:
        widget = button(text, name, icon, tip=tip)
        widget.clicked.connect(lambda: self.wanted.emit(what))
        self._buttons[what] = widget
        return widget

    def make_menu(self, parent: QWidget) -> QMenu:
        """All that the buttons do for what is chosen now."""
        menu = QMenu(parent)
        menu.setObjectName("galleryMenu")
        for what, part in sorted(self._buttons.items(), key=lambda pair: MENU.index(pair[0])):
            if not part.isVisibleTo(self):
                continue
            if what in (self.LEFT, self.COPY, self.TRASH):
                menu.addSeparator()
            action = menu.addAction(part.icon(), part.text(), part.click)
            action.setObjectName(f"{what}Action")
            action.setEnabled(part.isEnabled())
        return menu

    def _make_one(self) -> QVBoxLayout:
        left = self._button(self.LEFT, tr("Left in Blend"), "useAsAButton", "arrow-left", tr("Use it as the left end of a blend"))
        right = self._button(self.RIGHT, tr("Right in Blend"), "useAsBButton", "arrow-right", tr("Use it as the right end of a blend"))
        save = self._button(self.SAVE, tr("Save as…"), "saveButton", "download")
        return column(row(self.again, self.recreate), row(left, right), save, spacing=8)

    def _make_several(self) -> QVBoxLayout:
        self.many = label("", "heading", "galleryChosen", wrap=True)
        folder = self._button(self.FOLDER, tr("Copy into a folder…"), "exportFolderButton", "folder", tr("Each as a PNG with its recipe; nothing there is overwritten"))
        sheet = self._button(self.SHEET, tr("Save as one picture…"), "exportSheetButton", "layout-grid", tr("All side by side in one PNG"))
        return column(self.many, -1, folder, sheet, spacing=8)

    def show_one(self, path: Path, values: dict[str, Any], trouble: str) -> None:
        """Its recipe, or the reason why there is none."""
        self._several.hide()
        for part in (self._about, self._one):
            part.show()
        image = QImage(str(path))
        self.picture.set_picture(None if image.isNull() else image)
        self.name.setText(path.stem)
        while self.facts.rowCount():
            self.facts.removeRow(0)
        for caption, value in recipe_lines(values):
            self.facts.addRow(label(caption, "caption"), label(value, wrap=True))
        self.no_recipe.setText(trouble)
        self.no_recipe.setVisible(bool(trouble))
        self.again.setEnabled(values.get("kind") in ("sample", "blend"))
        self.recreate.setEnabled(is_reproducible(values))

    def show_several(self, count: int) -> None:
        for part in (self._about, self._one):
            part.hide()
        self._several.show()
        self.many.setText(ntr("{count} picture is chosen", "{count} pictures are chosen", count))

    def show_star(self, on: bool) -> None:
        self.star.setText(tr("Unstar") if on else tr("Star"))
        theme.set_icon(self.star, "star", "warn" if on else "text")
