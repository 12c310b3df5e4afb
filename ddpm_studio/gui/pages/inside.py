"""What the network looks like."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from ddpm_studio.events import ArchitectureReady, Event, Progress
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.widgets.architecture import ArchitectureView
from ddpm_studio.gui.widgets.basics import Card, ElidedLabel, EmptyState, button, column, label, row, tool_button
from ddpm_studio.gui.words import short_count
from ddpm_studio.gui.workers import LatestRun


class InsidePage(QWidget):
    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self.setObjectName("insidePage")
        self.setAccessibleName("Inside")
        self._studio = studio
        self._shown = ""
        self.view = ArchitectureView()
        self.name = label("", "heading")
        self.facts = ElidedLabel("", "caption", "networkFacts")
        self.smaller, self.larger = tool_button("zoom-out", "zoomOutButton", "Smaller"), tool_button("zoom-in", "zoomInButton", "Larger")
        self.whole = tool_button("maximize", "zoomFitButton", "Show all of it")
        self.smaller.clicked.connect(self.view.zoom_out)
        self.larger.clicked.connect(self.view.zoom_in)
        self.whole.clicked.connect(self.view.fit)
        card = Card(row(self.name, 4, self.facts, self.smaller, self.larger, self.whole, spacing=4), self.view, spacing=8, margin=12)
        inside = card.layout()
        if isinstance(inside, QVBoxLayout):
            inside.setStretch(1, 1)
        go = button("Train a model", "insideDoor", "activity", "primary")
        go.clicked.connect(lambda: studio.page_wanted.emit("Train"))
        self.stack = QStackedWidget()
        self.stack.addWidget(Card(EmptyState("network", "There is no model yet", "Here you see the network of a model: every block, what goes in and what comes out.", go)))
        self.stack.addWidget(card)
        self.setLayout(column(self.stack))
        self._run = LatestRun(self)
        self._run.events.connect(self._receive)
        self._run.events.connect(studio.report_failures)
        studio.model_changed.connect(self._model_changed)
        self._model_changed()

    def showEvent(self, event: object) -> None:
        self._look()

    @Slot()
    def _model_changed(self) -> None:
        self.stack.setCurrentIndex(0 if self._studio.model is None else 1)
        if self.isVisible():
            self._look()

    def _look(self) -> None:
        model = self._studio.model
        if model is not None and str(model.path) != self._shown:
            self._shown = str(model.path)
            self._run.request(self._studio.jobs.architecture(model.name, model.path))

    @Slot(list)
    def _receive(self, batch: list[Event]) -> None:
        for event in batch:
            match event:
                case Progress(text=text):
                    self.facts.setText(f"{text}…")
                case ArchitectureReady(name=name, network=network):
                    self.name.setText(name)
                    cost = f"{short_count(network.parameters)} parameters · {network.gmacs:.2f} G multiply-adds for one picture"
                    self.facts.setText(f"{cost} · the bar in a block is its share of the work")
                    self.view.show_blocks(network.blocks)
