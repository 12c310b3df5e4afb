"""A picture whose settings were opened can be made again: the offer, and how like it the new one is."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QFrame

from ddpm_studio.errors import UserError
from ddpm_studio.events import Recreated
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.widgets.basics import button, label, row, tool_button
from ddpm_studio.gui.words import count
from ddpm_studio.language import tr


class RecreateOffer(QFrame):
    wanted = Signal(Path)

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self.setObjectName("recreateOffer")
        self.setAccessibleName(tr("Make this picture again"))
        self.setProperty("card", "notice")
        self._studio = studio
        self._picture = Path()
        self.making: Path | None = None
        """What is being made again; another picture may be offered meanwhile."""
        self.told = False
        """How like the new one is stands there, and is true of that one only."""
        self.text = label("", "", "recreateText", wrap=True)
        self.button = button(tr("Recreate"), "recreateButton", "repeat", tip=tr("Make it again by its recipe, and compare the two bit for bit"))
        close = tool_button("x", "closeOfferButton", tr("Close"), 16)
        close.clicked.connect(self.hide)
        self.button.clicked.connect(lambda: self.wanted.emit(self._picture))
        layout = row(self.text, self.button, close, margins=(16, 8, 8, 8))
        layout.setStretch(0, 1)
        self.setLayout(layout)
        self.hide()

    @Slot(Path)
    def offer(self, picture: Path) -> None:
        self._picture, self.told = picture, False
        self.text.setText(tr("These are the settings of {name}.", name=picture.name))
        self.button.show()
        self.show()

    def withdraw(self) -> None:
        """Those are not the settings any more. What is being made, or was, is still told."""
        if self.making is None and not self.told:
            self.hide()

    def wait(self, picture: Path) -> None:
        self.making, self.told = picture, False
        self.text.setText(tr("Making {name} again…", name=picture.name))
        self.button.hide()
        self.show()

    def give_up(self, again: bool) -> None:
        """It was cancelled, and may be wanted `again`; or it went wrong."""
        picture, self.making = self.making, None
        if picture is not None and again:
            self.offer(picture)
        elif picture is not None:
            self.hide()

    def take_back(self) -> None:
        """Another picture is seen than that of which it tells."""
        if self.told:
            self.told = False
            self.hide()

    def tell(self, told: Recreated) -> None:
        picture, self.making = self.making, None
        if picture is None:
            return
        name, self.told = picture.name, True
        if told.differing:
            self.text.setText(
                tr("{name} is not the same: {differing} of {values} values differ, by {largest} grey levels at most. {why}",
                   name=name, differing=count(told.differing), values=count(told.values), largest=told.largest, why=self._why(picture, told))
            )  # fmt: skip
        else:
            self.text.setText(tr("{name} is the same again, bit for bit.", name=name))

    def _why(self, picture: Path, told: Recreated) -> str:
        try:
            values = self._studio.jobs.recipe(picture)
        except UserError:
            values = {}
        made_at, made_on = values.get("model_step"), values.get("made_on")
        if isinstance(made_at, int) and told.model_step is not None and made_at != told.model_step:
            return tr("It was made when the model was at step {then}; now it is at step {now}.", then=count(made_at), now=count(told.model_step))
        if made_on and told.device and made_on != told.device:
            return tr("It was made on another kind of device ({then}; here {now}), whose rounding differs.", then=made_on, now=told.device)
        return tr("The model is another one, or the picture was altered.")
