"""The network of the model at hand or of a preset, and what the model's blocks make of a noisy picture."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSignalBlocker, Signal, Slot
from PySide6.QtWidgets import QVBoxLayout, QWidget

from ddpm_studio.events import ArchitectureReady, BlockInfo, Event, Failed, FeaturesReady, Progress
from ddpm_studio.gui import dialogs
from ddpm_studio.gui.forward import OF_MODEL
from ddpm_studio.gui.pages.exporting import save
from ddpm_studio.gui.pages.forward_view import ForwardView
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.widgets.architecture import ArchitectureView
from ddpm_studio.gui.widgets.basics import ElidedLabel, row, tool_button
from ddpm_studio.gui.widgets.containers import Card
from ddpm_studio.gui.widgets.feature_panel import FeaturePanel
from ddpm_studio.gui.widgets.inputs import combo
from ddpm_studio.gui.words import short_count
from ddpm_studio.gui.workers import LatestRun
from ddpm_studio.language import tr
from ddpm_studio.presets import PRESETS
from ddpm_studio.requests import FeatureRequest


class NetworkView(QWidget):
    """The picture, its noise and t are those of the forward process."""

    t_wanted = Signal(int)

    def __init__(self, studio: Studio, forward: ForwardView) -> None:
        super().__init__()
        self.setObjectName("networkView")
        self.setAccessibleName(tr("Architecture"))
        self._studio, self._forward = studio, forward
        self._shown = ""
        self.view = ArchitectureView()
        self.network = combo("networkCombo", [])
        self.network.setAccessibleName(tr("Whose network is drawn"))
        self.network.setToolTip(tr("The model at hand, or what a preset would train"))
        self.network.setMinimumContentsLength(11)
        self._offer()
        self.facts = ElidedLabel("", "caption", "networkFacts")
        self.smaller, self.larger = tool_button("zoom-out", "zoomOutButton", tr("Smaller (−)")), tool_button("zoom-in", "zoomInButton", tr("Larger (+)"))
        self.whole = tool_button("maximize", "zoomFitButton", tr("Show all of it, as far as it can be read"))
        self.export_button = tool_button("download", "exportNetworkButton", tr("Export the drawing as SVG or PNG"))
        card = Card(row(self.network, 4, self.facts, self.smaller, self.larger, self.whole, self.export_button, spacing=4), self.view, spacing=8, margin=12)
        inside = card.layout()
        if isinstance(inside, QVBoxLayout):
            inside.setStretch(1, 1)
        self.panel = FeaturePanel()
        self.panel.hide()
        parts = row(card, self.panel, spacing=12)
        parts.setStretch(0, 1)
        self.setLayout(parts)
        self._run = LatestRun(self)
        self._connect()

    def _connect(self) -> None:
        studio = self._studio
        self._run.events.connect(self._receive)
        self._run.events.connect(self._forget_failure)
        self._run.events.connect(studio.report_failures)
        studio.features.events.connect(self._receive)
        studio.model_changed.connect(self._model_changed)
        studio.run_renamed.connect(self._show_name)
        studio.page_wanted.connect(self._page_wanted)
        self.network.currentIndexChanged.connect(self._network_chosen)
        self.smaller.clicked.connect(self.view.zoom_out)
        self.larger.clicked.connect(self.view.zoom_in)
        self.whole.clicked.connect(self.view.fit)
        self.export_button.clicked.connect(self._export)
        self.view.block_chosen.connect(self._block_chosen)
        self.panel.closed.connect(self._close_panel)
        self.panel.page_wanted.connect(self._ask)
        self.panel.slider.changed.connect(self.t_wanted)
        self._forward.changed.connect(self._picture_changed)

    def showEvent(self, event: object) -> None:
        self.look()

    @property
    def preset(self) -> str:
        """The one that is drawn; empty: the model."""
        return str(self.network.currentData() or "")

    def look(self) -> None:
        model = self._studio.model
        wanted = self.preset or str(model.path if model else "")
        if wanted and wanted != self._shown:
            self._shown = wanted
            if self.preset:
                self._run.request(self._studio.jobs.architecture(self.preset, PRESETS[self.preset]))
            elif model is not None:
                self._run.request(self._studio.jobs.architecture(model.name, model.path))
        self._forward.look()

    def _offer(self) -> None:
        """The model at hand first, where there is one, and all presets."""
        model = self._studio.model
        with QSignalBlocker(self.network):
            self.network.clear()
            if model is not None:
                self.network.addItem(model.name, "")
                self.network.insertSeparator(1)
            for name in PRESETS:
                self.network.addItem(tr("Preset {name}", name=name), name)

    @Slot()
    def _model_changed(self) -> None:
        self._offer()
        self._network_chosen()

    @Slot()
    def _show_name(self) -> None:
        if self._studio.model is not None:
            self.network.setItemText(0, self._studio.model.name)

    @Slot()
    def _network_chosen(self) -> None:
        self._close_panel()
        if self.isVisible():
            self.look()

    @Slot(str)
    def _page_wanted(self, page: str) -> None:
        """Whoever is led here comes to see the model."""
        if page == "Inside":
            self.network.setCurrentIndex(0)

    @Slot(list)
    def _receive(self, batch: list[Event]) -> None:
        for event in batch:
            match event:
                case Progress(text=text):
                    self.facts.setText(f"{text}…")
                case ArchitectureReady(network=network):
                    cost = f"{network.gmacs:.2f}"
                    self.facts.setText(tr("{parameters} parameters · {cost} GMAC", parameters=short_count(network.parameters), cost=cost))
                    self.facts.setToolTip(tr("GMAC: billions of multiply-adds for one picture and one step"))
                    self.view.show_blocks(network.blocks, network.time, network.folding)
                case FeaturesReady():
                    self.panel.show_maps(event)

    @Slot(list)
    def _forget_failure(self, batch: list[Event]) -> None:
        """Whoever comes back looks again: the file may have been in the middle of being written."""
        if any(isinstance(event, Failed) for event in batch):
            self._shown = ""
            self.facts.setText("")

    # Feature maps.

    @Slot(object, float)
    def _block_chosen(self, block: BlockInfo, share: float) -> None:
        self.panel.show_block(block, share, trained=not self.preset)
        self.panel.show()
        self._picture_changed()

    @Slot()
    def _close_panel(self) -> None:
        self.panel.hide()
        self.panel.block = None
        self.view.choose("")
        self._studio.features.cancel()

    @Slot()
    def _picture_changed(self) -> None:
        parts, block = self._forward.parts, self.panel.block
        if parts is None or block is None or not self.isVisible():
            return
        self.panel.show_input(parts.x_t(OF_MODEL, self._forward.t, 128), self._forward.t, parts.num_timesteps - 1)
        self._ask(self.panel.first)

    @Slot(int)
    def _ask(self, first: int) -> None:
        model, parts, block = self._studio.model, self._forward.parts, self.panel.block
        if model is not None and parts is not None and block is not None and self.panel.has_maps:
            self._studio.features.ask(FeatureRequest(model.path, block.name, parts.picture, self._forward.t, parts.seed, first))

    # Export.

    @Slot()
    def _export(self) -> None:
        kinds = f"{tr('Drawing')} (*.svg);;{tr('Picture')} (*.png)"
        dialogs.choose_target(self.window(), self._studio, tr("Export the drawing"), f"{self.preset or self.network.currentText()}.svg", self.export, kinds)

    def export(self, file: Path) -> None:
        save(self._studio, file, self.view.export)
