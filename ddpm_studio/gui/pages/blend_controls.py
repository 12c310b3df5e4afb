"""How the pictures of a blend are noised: the column at the left, and pictures to pick from below it."""

from __future__ import annotations

import random
from typing import Any

from PySide6.QtCore import QSignalBlocker, Signal, Slot
from PySide6.QtWidgets import QWidget

from ddpm_studio.gui.pages.blend_noise import noises
from ddpm_studio.gui.pages.picture_source import PictureSource
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.widgets.basics import column, field, label, row, tool_button
from ddpm_studio.gui.widgets.containers import Card, ControlColumn
from ddpm_studio.gui.widgets.inputs import ValueSlider, combo, spin
from ddpm_studio.language import tr


class BlendControls(ControlColumn):
    noise_chosen = Signal()
    """Another way to mix the noises."""

    def __init__(self, studio: Studio) -> None:
        tip = tr("Up to which step all pictures are noised. Little noise keeps their pixels, much noise only the idea of them.")
        self.timestep = ValueSlider(tr("Noise level t"), "timestepSlider", 0, 999, 500, tip=tip)
        self.noise = combo("noiseCombo", [(text, mode) for text, mode, _ in noises()])
        self.noise_note = label("", "caption", wrap=True)
        self.seed = spin("blendSeedSpin", 0, 2**31 - 1, 0)
        self.shuffle = tool_button("shuffle", "blendShuffleButton", tr("Other noise"))
        seed = row(self.seed, self.shuffle, spacing=4)
        seed.setStretch(0, 1)
        seed_box = QWidget()
        seed_box.setAccessibleName(tr("Seed"))
        seed_box.setLayout(seed)
        settings = Card(self.timestep, column(field(tr("Noise of the pictures"), self.noise), self.noise_note, spacing=6), field(tr("Seed of the noise"), seed_box))
        self.seed.setAccessibleName(tr("Seed of the noise"))
        self.source = PictureSource(studio)
        super().__init__(settings, self.source, fill=True)
        self.noise.currentIndexChanged.connect(self._show_noise)
        self.noise.currentIndexChanged.connect(self.noise_chosen)
        self.shuffle.clicked.connect(lambda: self.seed.setValue(random.randrange(2**31 - 1)))
        self._show_noise()

    @Slot()
    def _show_noise(self) -> None:
        self.noise_note.setText(noises()[self.noise.currentIndex()][2])

    def set_timesteps(self, count: int) -> None:
        """So many has the model."""
        self.timestep.slider.setMaximum(count - 1)

    def go_to(self, timestep: int) -> None:
        """Where a picture was made that is shown already: nothing else is asked for."""
        with QSignalBlocker(self.timestep):
            self.timestep.slider.setValue(timestep)

    def use(self, values: dict[str, Any]) -> None:
        """Take over what a recipe says, as far as it can be."""
        timestep, seed = values.get("timestep"), values.get("seed")
        if isinstance(timestep, int) and 0 <= timestep <= self.timestep.slider.maximum():
            self.timestep.slider.setValue(timestep)
        if isinstance(seed, int) and self.seed.minimum() <= seed <= self.seed.maximum():
            self.seed.setValue(seed)
        if (index := self.noise.findData(values.get("noise"))) >= 0:
            self.noise.setCurrentIndex(index)
