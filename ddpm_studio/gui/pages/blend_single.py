"""One blend: its pictures, how much of each, what they become, and what is known of it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QPoint, Qt, Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMenu, QWidget

from ddpm_studio.blend_weights import Weights, pair
from ddpm_studio.events import BlendReady
from ddpm_studio.gui import dialogs
from ddpm_studio.gui.pages.blend_noise import noise_facts, noise_formula
from ddpm_studio.gui.pages.blend_wells import MOST, Wells
from ddpm_studio.gui.pages.exporting import keep, save_png
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.widgets.basics import button, column, label, row, tool_button
from ddpm_studio.gui.widgets.inputs import Slider
from ddpm_studio.gui.widgets.picture_view import PictureView
from ddpm_studio.language import tr
from ddpm_studio.requests import BlendRequest, recipe

Made = tuple[BlendRequest, BlendReady]
"""A blend at full quality, and what it was asked for by."""


class BlendSingle(QWidget):
    moved = Signal()
    """Lambda, or a share of one of more than two pictures; it goes on moving."""
    released = Signal()
    command_wanted = Signal()

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self._studio = studio
        self.shown: Made | None = None
        """What is seen at full quality."""
        self._kept: BlendReady | None = None
        """What is in the gallery already: no second one is wanted of it."""
        self.preview = PictureView("blendPreview", tr("The blend"), 160)
        self.preview.hint = tr("The blend appears here")
        self.preview.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.wells = Wells(studio, self.preview)
        self.lam = Slider()
        self.lam.setObjectName("lambdaSlider")
        self.lam.setAccessibleName(tr("Lambda"))
        self.lam.setToolTip(tr("0 is picture A, 1 is picture B"))
        self.lam.setProperty("large", True)
        self.lam.setProperty("neutral", True)
        self.lam.setRange(0, 100)
        self.lam.setValue(50)
        self.lam_label = label("λ = 0.50", "heading", "lambdaLabel")
        self.lam_label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.noise_facts = label("", "caption", "noiseFacts", wrap=True)
        self.noise_facts.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.add_button = button(tr("Add a picture"), "addPictureButton", "plus", tip=tr("Blend one picture more, up to {most}", most=MOST))
        self.keep_button = tool_button("images", "keepBlendButton", tr("Keep the blend in the gallery"))
        tip = tr("Save the blend as a PNG that carries its recipe and the pictures that it was made of; it is kept in the gallery, too")
        self.save_button = button(tr("Save picture…"), "saveBlendButton", "download", tip=tip)
        ends = row(label("A", "heading"), self.lam, label("B", "heading"), spacing=12)
        ends.setStretch(1, 1)
        self.pair_bar = QWidget()
        self.pair_bar.setLayout(column(ends, self.lam_label, spacing=8))
        layout = column(self.wells, self.pair_bar, self.noise_facts, spacing=4)
        layout.insertSpacing(1, 8)
        layout.setStretch(0, 1)
        self.setLayout(layout)
        self._connect()
        self._arranged()

    def _connect(self) -> None:
        self.wells.arranged.connect(self._arranged)
        self.wells.moved.connect(self.moved)
        self.wells.released.connect(self.released)
        self.lam.valueChanged.connect(self._lambda_moved)
        self.lam.sliderReleased.connect(self.released)
        self.add_button.clicked.connect(self.wells.add)
        self.keep_button.clicked.connect(self.keep)
        self.save_button.clicked.connect(self._save)
        self.preview.customContextMenuRequested.connect(self._show_menu)

    # How much of each.

    @property
    def weights(self) -> Weights:
        """How much of each picture. Lambda says it for two; it is finer than what a slider of shares would keep."""
        return pair(self.lam.value() / 100) if len(self.wells.weights) == 2 else self.wells.weights

    def set_weights(self, weights: Weights) -> None:
        self.wells.set_weights(weights)
        if len(weights) == 2:
            self.lam.setValue(round(100 * weights[1]))

    @Slot()
    def _lambda_moved(self) -> None:
        self.lam_label.setText(f"λ = {self.lam.value() / 100:.2f}")
        if len(self.wells.weights) == 2:
            self.wells.set_weights(self.weights)
        self.moved.emit()

    @Slot()
    def _arranged(self) -> None:
        """Two pictures have lambda between them, more have a share each."""
        two = len(self.wells.weights) == 2
        self.pair_bar.setVisible(two)
        if two:
            self.lam.setValue(round(100 * self.wells.weights[1]))

    # What they become.

    @property
    def ready(self) -> bool:
        """All pictures are there, in the shape of the model."""
        return self.wells.images is not None

    @property
    def missing(self) -> str:
        """The letter of the first picture that has to be chosen before there can be a blend, or "": none, or they are read."""
        return next((letter for letter in self.wells.letters if letter not in self.wells.sources), "")

    def show_readiness(self) -> None:
        self.add_button.setEnabled(len(self.wells.weights) < MOST)
        if self.ready:
            self.preview.hint = tr("Move a slider, and the blend appears here")
        else:
            self.preview.hint = tr("Choose picture {letter}, and the blend appears here", letter=self.missing) if self.missing else tr("The blend appears here")

    def show_blend(self, request: BlendRequest | None, made: BlendReady) -> None:
        """`request`: what it was asked for by."""
        self.preview.set_picture(made.image)
        self.noise_facts.setText(noise_facts(made))
        self.noise_facts.setToolTip(noise_formula(made.weights, request.noise if request else "independent"))
        self.shown = (request, made) if request and not made.quick else None
        self._show_actions()

    def forget(self) -> None:
        self.preview.set_picture(None)
        self.noise_facts.setText("")
        self.shown = None
        self._show_actions()

    def _show_actions(self) -> None:
        for action in (self.keep_button, self.save_button):
            action.setEnabled(self.shown is not None)

    # What can be done with it.

    @Slot(QPoint)
    def _show_menu(self, place: QPoint) -> None:
        if self.shown is None or self.preview.image is None:
            return
        image = self.preview.image
        menu = QMenu(self)
        menu.setObjectName("blendMenu")
        menu.addAction(tr("Keep in the gallery"), self.keep)
        menu.addAction(tr("Save picture…"), self._save)
        menu.addAction(tr("Copy"), lambda: QGuiApplication.clipboard().setImage(image))
        menu.addAction(tr("Copy as a command"), self.command_wanted.emit)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(self.preview.mapToGlobal(place))

    @Slot()
    def _save(self) -> None:
        if self.shown is not None:
            dialogs.choose_target(self.window(), self._studio, tr("Save the blend"), "blend.png", partial(self.save, blend=self.shown))

    def save(self, path: Path, blend: Made | None = None) -> None:
        """Where somebody says; and as all that is made on purpose, it is found in the gallery. `blend`: what was seen when that was
        wanted, for another one may be by now; else what is seen."""
        if (blend := blend or self.shown) is None:
            return
        self._keep(blend)
        request, made = blend
        save_png(self._studio, path, made.image, recipe(request, **made.facts), request.images)

    @Slot()
    def keep(self) -> None:
        if self.shown is not None and self._keep(self.shown):
            self._studio.said.emit(tr("The blend is in the gallery"))

    def _keep(self, blend: Made) -> bool:
        """Whether it is in the gallery now."""
        request, made = blend
        if self._kept is not made and keep(self._studio, made.image, recipe(request, **made.facts), request.images):
            self._kept = made
        return self._kept is made
