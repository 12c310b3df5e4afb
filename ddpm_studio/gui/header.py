"""Above every page: what it is called, and where a model is needed, which one is used."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QComboBox, QSizePolicy, QWidget

from ddpm_studio.gui import theme
from ddpm_studio.gui.model_lines import show_models
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.widgets.basics import ElidedLabel, button, column, label, row
from ddpm_studio.gui.words import elided
from ddpm_studio.language import later, tr

SUBTITLES = {
    "Train": later("Drop pictures, press Start, watch noise become pictures"),
    "Generate": later("Every picture begins as noise"),
    "Blend": later("Noise some pictures, mix them, and let the network find what lies between"),
    "Gallery": later("Every picture knows how it was made"),
    "Runs": later("Continue, compare, use"),
    "Inside": later("What noise does to a picture, and what the network is made of"),
}
WITH_MODEL = ("Generate", "Blend", "Inside")


class Header(QWidget):
    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self._studio, self._page = studio, ""
        self.setFixedHeight(44)
        self.title = label("", "title", "pageTitle")
        self.subtitle = ElidedLabel("", "caption", "pageSubtitle")
        self._model_label = label(tr("Model"), "field")
        self.model_combo = QComboBox()
        self.model_combo.setObjectName("modelCombo")
        self.model_combo.setAccessibleName(tr("Model"))
        self.model_combo.setMinimumWidth(240)
        self.model_combo.setMaximumWidth(400)
        self.model_combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.model_combo.setPlaceholderText(tr("No model yet"))
        self._model_label.setBuddy(self.model_combo)
        self._offer = button("", "useNewestButton", tip=tr("Use the run in training"))
        parts = row(column(self.title, self.subtitle, spacing=0), self._offer, self._model_label, self.model_combo)
        parts.setStretch(0, 1)
        parts.setStretch(3, 1)
        self.setLayout(parts)
        self.model_combo.activated.connect(self._chosen)
        self._offer.clicked.connect(lambda: studio.choose_model(studio.model_on_offer or studio.model))
        studio.models_changed.connect(self._show_models)
        studio.model_changed.connect(self._show_models)

    def show_page(self, name: str) -> None:
        self._page = name
        self.title.setText(tr(name))
        self.subtitle.setText(tr(SUBTITLES[name]))
        for widget in (self._model_label, self.model_combo):
            widget.setVisible(name in WITH_MODEL)
        self._show_offer()

    @Slot()
    def _show_models(self) -> None:
        studio = self._studio
        show_models(self.model_combo, studio.models)
        paths = [model.path for model in studio.models]
        self.model_combo.setCurrentIndex(paths.index(studio.model.path) if studio.model and studio.model.path in paths else -1)
        self.model_combo.setEnabled(bool(studio.models))
        self._show_offer()

    def _show_offer(self) -> None:
        model = self._studio.model_on_offer
        self._offer.setVisible(model is not None and self._page in WITH_MODEL)
        if model:
            text = tr("Use {name}", name=elided(model.name, 20))
            self._offer.setText(text.replace("&", "&&"))
            self._offer.setAccessibleName(text)
            theme.set_icon(self._offer, "sparkles")
            training = self._studio.training.active
            self._offer.setToolTip(tr("Choose the run in training; it saves first") if training else tr("Choose the model of the run that was trained last"))

    @Slot(int)
    def _chosen(self, index: int) -> None:
        self._studio.choose_model(self.model_combo.itemData(index))
