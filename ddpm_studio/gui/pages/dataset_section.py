"""The data set at the top of the Train page: drop it, see what was found."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QWidget

from ddpm_studio import paths
from ddpm_studio.config import DataConfig
from ddpm_studio.events import DatasetReady, DatasetReport, Event, Failed, Progress
from ddpm_studio.gui import dialogs
from ddpm_studio.gui.jobs import SourceFound
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.widgets.basics import column
from ddpm_studio.gui.widgets.dataset_report import DatasetReportView
from ddpm_studio.gui.widgets.drop_zone import DropZone
from ddpm_studio.gui.words import count, plural, time_left
from ddpm_studio.gui.workers import LatestRun


class DatasetSection(QWidget):
    opening = Signal()
    ready = Signal()
    """`report` and `source` are there."""
    busy_changed = Signal()

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self._studio = studio
        self.source: Path | None = None
        self.report: DatasetReport | None = None
        self._opening: list[Path] = []
        self._settings = DataConfig()
        self.zone = DropZone()
        self.report_view = DatasetReportView()
        self.setLayout(column(self.zone, self.report_view, spacing=12))
        self._run = LatestRun(self, interval=33)
        self._run.events.connect(self._receive)
        self._run.events.connect(studio.report_failures)
        self.zone.dropped.connect(self.open)
        self.zone.browse_wanted.connect(self.browse)
        self.zone.samples_wanted.connect(self.open_samples)
        self.zone.cancel_wanted.connect(self._cancel)

    @property
    def busy(self) -> bool:
        return bool(self._opening)

    @Slot(list)
    def open(self, sources: list[Path]) -> None:
        self._set_opening(sources)
        self.opening.emit()
        self.zone.show_progress("Looking for pictures…", 0, 0)
        self._run.request(self._studio.jobs.inspect(sources, self._settings))

    def _set_opening(self, sources: list[Path]) -> None:
        self._opening = sources
        self.busy_changed.emit()

    def set_settings(self, settings: DataConfig) -> None:
        """Look at the pictures again when their shape is to be another one."""
        wanted = settings.model_copy(update={"flip": self._settings.flip})
        if wanted == self._settings:
            return
        self._settings = wanted
        if self._opening or self.source:
            self.open(self._opening or [self.source] if self.source else self._opening)

    @Slot()
    def browse(self) -> None:
        dialogs.choose_folder(self.window(), self._studio.preferences.last_folder or str(Path.home()), self._browsed)

    def browse_files(self) -> None:
        kinds = f"{dialogs.picture_kinds('Zip files and pictures', '.zip')};;{dialogs.picture_kinds()}"
        dialogs.choose_files(self.window(), "Choose a zip file or pictures", self._studio.preferences.last_folder or str(Path.home()), kinds, self.open, many=True)

    @Slot()
    def open_samples(self) -> None:
        self.open([paths.samples_archive()])

    def _browsed(self, folder: Path) -> None:
        self._studio.remember(last_folder=str(folder.parent))
        self.open([folder])

    @Slot()
    def _cancel(self) -> None:
        self._run.cancel()
        self._settle()

    def _settle(self) -> None:
        """Back to what was there before."""
        if self.report:
            self._show(self.report)
        else:
            self.zone.show_empty()
        self._set_opening([])

    @Slot(list)
    def _receive(self, batch: list[Event]) -> None:
        for event in batch:
            match event:
                case SourceFound(path=path):
                    self._opening = [path]
                case Progress(text=text, done=done, total=total, seconds_left=left):
                    more = f" · {time_left(left)}" if left and left > 2 else ""
                    self.zone.show_progress(f"{text}{more}", done, total)
                case DatasetReady(report=report, examples=examples):
                    self.source, self.report = self._opening[0] if self._opening else Path(report.source), report
                    self._studio.examples = examples
                    self._set_opening([])
                    self._show(report)
                    self._studio.remember(last_data=str(self.source))
                    self._studio.dataset_opened.emit()
                    self.ready.emit()
                case Failed():
                    self._settle()

    def _show(self, report: DatasetReport) -> None:
        facts = plural(report.pictures, "picture", "pictures")
        if report.skipped:
            facts += f" · {count(len(report.skipped))} skipped"
        self.zone.show_data(report.name, facts)
        self.report_view.show_report(report)
