"""The data set at the top of the Train page: drop it, see what was found, leave pictures out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QWidget

from ddpm_studio import paths
from ddpm_studio.config import DataConfig
from ddpm_studio.events import Contents, DatasetExamined, DatasetReady, DatasetReport, Event, Failed, Progress, Rows
from ddpm_studio.gui import dialogs
from ddpm_studio.gui.answers import SourceFound
from ddpm_studio.gui.pages.leave_out import LeaveOut
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.widgets.basics import column
from ddpm_studio.gui.widgets.dataset_report import DatasetReportView
from ddpm_studio.gui.widgets.drop_zone import DropZone
from ddpm_studio.gui.words import time_left
from ddpm_studio.gui.workers import LatestRun
from ddpm_studio.language import ntr, tr


class DatasetSection(QWidget):
    opening = Signal()
    ready = Signal()
    """`report` and `source` are there."""
    examined = Signal()
    """`examination` is there."""
    left_out_changed = Signal()
    busy_changed = Signal()

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self._studio = studio
        self.source: Path | None = None
        self.report: DatasetReport | None = None
        self.contents: Contents | None = None
        self.examination: DatasetExamined | None = None
        self.left_out: frozenset[str] = frozenset()
        """Names of the pictures that are not trained on."""
        self._touched = False
        """Somebody has left pictures out or brought them back since the source was opened."""
        self.left_out_rows: npt.NDArray[np.bool_] = np.zeros(0, bool)
        """bool [N]: the same, for each picture."""
        self._opening: list[Path] = []
        self._settings = DataConfig()
        self.zone = DropZone()
        self.report_view = DatasetReportView()
        self.setLayout(column(self.zone, self.report_view, spacing=12))
        self._run = LatestRun(self, interval=33)
        self._run.events.connect(self._receive)
        self._run.events.connect(studio.report_failures)
        self._memory = LatestRun(self, interval=33)
        self._memory.events.connect(studio.report_failures)
        self.zone.dropped.connect(self.open)
        self.zone.browse_wanted.connect(self.browse)
        self.zone.samples_wanted.connect(self.open_samples)
        self.zone.cancel_wanted.connect(self._cancel)

    @property
    def settings(self) -> DataConfig:
        """What the pictures are read with."""
        return self._settings

    @property
    def excluded(self) -> tuple[str, ...] | None:
        """What a request is to leave out; None as long as nobody has left out anything: a run that goes on then does as before."""
        return tuple(sorted(self.left_out)) if self.left_out or self._touched else None

    @property
    def sizes(self) -> npt.NDArray[np.int32] | None:
        """int32 [n, 2]: widths and heights of the pictures that are trained on; None when there are none."""
        if self.contents is None or self.left_out_rows.all():
            return None
        return self.contents.sizes[~self.left_out_rows]

    @property
    def sources(self) -> list[Path]:
        """What is being opened, else what is open."""
        return self._opening or ([self.source] if self.source else [])

    @property
    def busy(self) -> bool:
        return bool(self._opening)

    @Slot(list)
    def open(self, sources: list[Path]) -> None:
        if self._studio.must_wait():
            return
        self._set_opening(sources)
        self.opening.emit()
        self.zone.show_progress(tr("Looking for pictures…"), 0, 0)
        self._run.request(self._studio.jobs.inspect(sources, self._settings))

    def _set_opening(self, sources: list[Path]) -> None:
        self._opening = sources
        self.busy_changed.emit()

    def set_settings(self, settings: DataConfig) -> None:
        """Look at the pictures again when their shape is to be another one; not while a training reads them."""
        wanted = settings.model_copy(update={"flip": self._settings.flip})
        if wanted == self._settings or self._studio.training.active:
            return
        self._settings = wanted
        if self.sources:
            self.open(self.sources)

    @Slot()
    def browse(self) -> None:
        if self._studio.must_wait():
            return
        dialogs.choose_folder(self.window(), self._studio, lambda folder: self.open([folder]))

    def browse_files(self) -> None:
        if self._studio.must_wait():
            return
        kinds = f"{dialogs.picture_kinds(tr('Zip files and pictures'), '.zip')};;{dialogs.picture_kinds()}"
        dialogs.choose_files(self.window(), self._studio, tr("Choose a zip file or pictures"), kinds, self.open, many=True)

    @Slot()
    def open_samples(self) -> None:
        self.open([paths.samples_archive()])

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
                case DatasetReady(report=report, examples=examples, contents=contents):
                    before = self.source
                    self.source, self.report = self._opening[0] if self._opening else Path(report.source), report
                    self.contents, self.examination = contents, None
                    self._touched = self._touched and before == self.source
                    self._take_left_out(self.left_out if before == self.source else contents.left_out if contents else frozenset())
                    self._studio.examples = examples
                    self._set_opening([])
                    self._show(report)
                    self._studio.remember(last_data=str(self.source))
                    self._studio.dataset_opened.emit()
                    self.ready.emit()
                case DatasetExamined() if self.report:
                    self.examination = event
                    self._show(self.report)
                    self.examined.emit()
                case Failed():
                    self._settle()

    def _show(self, report: DatasetReport) -> None:
        self.report_view.show_report(report, self.contents, self.examination, self._settings.background)
        self._show_facts(report)

    def _show_facts(self, report: DatasetReport) -> None:
        number = int(self.left_out_rows.sum())
        facts = [ntr("{count} picture", "{count} pictures", report.pictures - number)]
        if number:
            facts.append(ntr("{count} left out", "{count} left out", number))
        if report.skipped:
            facts.append(ntr("{count} skipped", "{count} skipped", len(report.skipped)))
        lines = [" · ".join(facts)] if len(facts) < 3 else [facts[0], " · ".join(facts[1:])]
        self.zone.show_data(report.name, "\n".join(lines))
        self.report_view.show_left_out(self.left_out_rows)

    # Leaving pictures out.

    def leave_out(self, rows: Rows, out: bool = True) -> None:
        """Do not train on these pictures, or (with `out` False) do again. It can be undone."""
        if self.contents is None or self.source is None:
            return
        names = frozenset(self.contents.names[row] for row in rows.tolist())
        if names := names - self.left_out if out else names & self.left_out:
            self._studio.undo_stack.push(LeaveOut(self, self.source, names, out))

    def set_left_out(self, names: frozenset[str]) -> None:
        """As the undo stack says; it is kept for the next time that this source is opened."""
        if not self.isVisible():
            self._studio.page_wanted.emit("Train")  # nothing changes unseen
        self._touched = True
        self._take_left_out(names)
        if self.report and self.source:
            self._show_facts(self.report)
            self._memory.request(self._studio.jobs.remember_left_out(self.source, names), patient=True)
        self.left_out_changed.emit()

    def _take_left_out(self, names: frozenset[str]) -> None:
        present = self.contents.names if self.contents else ()
        self.left_out_rows = np.fromiter((name in names for name in present), bool, len(present)) if names else np.zeros(len(present), bool)
        known = int(self.left_out_rows.sum()) >= len(names)  # else some of them are not here any more
        self.left_out = names if known else frozenset(present[row] for row in np.flatnonzero(self.left_out_rows))
