"""A run as it went, while another one trains."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QWidget

from ddpm_studio.events import Event, Notice
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.widgets.basics import column
from ddpm_studio.gui.widgets.live_panel import LivePanel
from ddpm_studio.gui.widgets.plot import Plot
from ddpm_studio.gui.workers import LatestRun
from ddpm_studio.runs import Run


class PastRun(QWidget):
    """In a panel of its own, so that the one of the run in training misses nothing."""

    export_wanted = Signal(Plot)

    def __init__(self, studio: Studio, own: LivePanel) -> None:
        """`own`: the panel of the run in training, which this one covers."""
        super().__init__()
        self.run: Run | None = None
        """The one that is shown, if any."""
        self.panel: LivePanel | None = None
        """Made when it is first wanted, and kept."""
        self._studio, self._own = studio, own
        self._reading = LatestRun(self, interval=33)
        self._reading.events.connect(self._receive)
        self._reading.events.connect(studio.report_failures)
        self._lines = column()
        self.setLayout(self._lines)

    def show_run(self, run: Run) -> None:
        self.leave()
        self.run, self.panel = run, self.panel or self._make_panel()
        self._own.set_behind(True)
        self.panel.set_behind(False)
        self._reading.request(self._studio.jobs.replay(run, follow=True))

    def leave(self) -> None:
        self._reading.cancel()
        if self.run and self.panel:
            self.panel.clear()
            self.panel.set_behind(True)
            self._own.set_behind(False)
        self.run = None

    def _make_panel(self) -> LivePanel:
        panel = LivePanel()
        panel.call_past(True)
        panel.look_like(self._own)
        panel.plots.export_wanted.connect(self.export_wanted)
        self._lines.addWidget(panel)
        return panel

    @Slot(list)
    def _receive(self, batch: list[Event]) -> None:
        if self.panel:
            self.panel.receive(batch)
        for event in batch:
            if isinstance(event, Notice):
                self._studio.noticed.emit(event.text)
