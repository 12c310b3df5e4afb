"""What was trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QItemSelection, QItemSelectionModel, Qt, Slot
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QLineEdit, QStackedWidget, QTableView, QVBoxLayout, QWidget

from ddpm_studio import runs
from ddpm_studio.comparing import RunRead
from ddpm_studio.errors import UserError
from ddpm_studio.events import Event, Failed, Finished, StepDone
from ddpm_studio.gui import dialogs
from ddpm_studio.gui.answers import RunsListed
from ddpm_studio.gui.item_models import RunsModel
from ddpm_studio.gui.pages.exporting import export_plot
from ddpm_studio.gui.pages.runs_trash import RunTrashQuestion
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.widgets.basics import button, column, row
from ddpm_studio.gui.widgets.compare_view import CompareView
from ddpm_studio.gui.widgets.containers import Card, EmptyState
from ddpm_studio.gui.widgets.run_details import RunDetails
from ddpm_studio.gui.workers import LatestRun
from ddpm_studio.language import later, tr
from ddpm_studio.remarks import Remarks, read_remarks, write_remarks
from ddpm_studio.runs import Run, RunInfo

EMPTY, LISTED, COMPARED = 0, 1, 2
RUNS_ARE = later("Every training run is kept here: its settings, its curve and its model. Runs can be continued at any time.")


class RunsPage(QWidget):
    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self.setObjectName("runsPage")
        self.setAccessibleName(tr("Runs"))
        self._studio = studio
        self.model = RunsModel()
        self._all: list[RunInfo] = []
        self._reads: list[RunRead] = []
        self._wanted: tuple[Path, ...] = ()
        """The runs to choose as soon as they are listed."""
        self._listing = LatestRun(self, interval=33)
        self.view = QTableView()
        self.view.setObjectName("runsView")
        self.view.setAccessibleName(tr("Runs"))
        self.view.setModel(self.model)
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.view.setShowGrid(False)
        self.view.setWordWrap(False)
        self.view.verticalHeader().hide()
        self.view.verticalHeader().setDefaultSectionSize(40)
        self.view.setTabKeyNavigation(False)
        header = self.view.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.continue_button = button(tr("Continue"), "continueRunButton", "play", tip=tr("Train this run further"))
        self.use_button = button(tr("Use model"), "useModelButton", "sparkles", tip=tr("Choose it for Generate and Blend"))
        self.curve_button = button(tr("Show curve"), "showCurveButton", "chart-line")
        self.compare_button = button(tr("Compare"), "compareButton", "layers", tip=tr("Two runs in one plot: select both (Ctrl+click)"))
        self.inside_button = button(tr("Look inside"), "lookInsideButton", "network")
        self.folder_button = button(tr("Open folder"), "openRunButton", "folder-open")
        self.delete_button = button(tr("Delete"), "deleteRunButton", "trash-2", tip=tr("Move to the trash (Del)"))
        actions = row(self.continue_button, self.use_button, self.curve_button, self.compare_button, self.inside_button, self.folder_button, -1, self.delete_button, spacing=4)
        self.search = QLineEdit()
        self.search.setObjectName("runSearch")
        self.search.setAccessibleName(tr("Search"))
        self.search.setPlaceholderText(tr("Search names, data, tags and notes"))
        self.search.setToolTip(tr("Shows the runs that have all of these words"))
        self.search.setClearButtonEnabled(True)
        self.details = RunDetails()
        self.question = RunTrashQuestion(studio, self.view)
        table = Card(actions, self.search, self.view, spacing=12, margin=12)
        inside = table.layout()
        if isinstance(inside, QVBoxLayout):
            inside.setStretch(2, 1)
        self.listed = card = QWidget()
        layout = column(table, self.details, spacing=12)
        layout.setStretch(0, 1)
        card.setLayout(layout)
        go = button(tr("Train a model"), "runsDoor", "activity", "primary")
        go.clicked.connect(lambda: studio.page_wanted.emit("Train"))
        self.stack = QStackedWidget()
        self.stack.addWidget(Card(EmptyState("history", tr("No runs yet"), tr(RUNS_ARE), go)))
        self.stack.addWidget(card)
        self.compare = CompareView()
        self.stack.addWidget(self.compare)
        self.stack.setCurrentIndex(LISTED)  # before the first list it is not known that there are none
        whole = column(self.question, self.stack, spacing=12)  # above all states: also when no run is left, they can be brought back
        whole.setStretch(1, 1)
        self.setLayout(whole)
        self._connect()

    def _connect(self) -> None:
        studio = self._studio
        self.view.selectionModel().selectionChanged.connect(self._selection_changed)
        self.view.doubleClicked.connect(lambda index: self._show_curve())
        self.continue_button.clicked.connect(self._continue)
        self.use_button.clicked.connect(self._use)
        self.curve_button.clicked.connect(self._show_curve)
        self.compare_button.clicked.connect(self._compare)
        self.compare.closed.connect(self._show_list)
        self.compare.plot.export_wanted.connect(lambda: export_plot(self, studio, self.compare.plot, self.compare.title.text()))
        self.inside_button.clicked.connect(self._look_inside)
        self.folder_button.clicked.connect(self._open_folder)
        self.delete_button.clicked.connect(self._ask_delete)
        self.question.leaving.connect(self.details.save)
        self.question.gone.connect(self._gone)
        self.question.back.connect(self._came_back)
        self.question.moving_changed.connect(self._moving_changed)
        QShortcut(QKeySequence.StandardKey.Delete, self.view, self.delete_button.click)
        QShortcut(QKeySequence(Qt.Key.Key_Escape), self.listed, self._escape)
        self.search.textChanged.connect(self._filter)
        self.details.renamed.connect(self._rename)
        self.details.remarked.connect(self._remark)
        self.details.settings_wanted.connect(self._use_settings)
        self._listing.events.connect(self._listed)
        self._listing.events.connect(studio.report_failures)
        studio.runs_changed.connect(self._changed)
        studio.training.events.connect(self._follow)

    def showEvent(self, event: object) -> None:
        self.refresh()

    @Slot()
    def _changed(self) -> None:
        if self.isVisible():
            self.refresh()

    @Slot(list)
    def _follow(self, batch: list[Event]) -> None:
        training = self._studio.training
        if self.isVisible() and training.active and any(isinstance(event, StepDone) for event in batch):
            self.model.follow(training.step, training.images)

    def refresh(self) -> None:
        self._listing.request(self._studio.jobs.list_runs())

    @Slot(list)
    def _listed(self, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, RunsListed):
                self._all = list(event.runs)
                self._filter()
                self._wanted = ()

    @Slot()
    def _filter(self) -> None:
        chosen = self._wanted or [info.run.path for info in self.chosen]
        training = self._studio.training
        shown = [info for info in self._all if info.matches(self.search.text())]
        self.model.set_runs(shown, training.run.name if training.active and training.run else "", training.step, training.images)
        if self.stack.currentIndex() != COMPARED:
            self._show_list()
        self._choose([number for number, info in enumerate(shown) if info.run.path in chosen] or [0])
        self._selection_changed()

    def _choose(self, rows: list[int]) -> None:
        """In one go: between two runs there is no moment without any, in which the field that has the focus would lose it."""
        flags = QItemSelectionModel.SelectionFlag
        lines = QItemSelection()
        for number in rows if self.model.runs else []:
            lines.select(self.model.index(number, 0), self.model.index(number, 0))
        selection = self.view.selectionModel()
        if self.model.runs:
            selection.setCurrentIndex(self.model.index(rows[0], 0), flags.NoUpdate)
        selection.select(lines, flags.ClearAndSelect | flags.Rows)

    @property
    def chosen(self) -> list[RunInfo]:
        rows = sorted(index.row() for index in self.view.selectionModel().selectedRows())
        return [self.model.runs[number] for number in rows if number < len(self.model.runs)]

    @property
    def current(self) -> RunInfo | None:
        """The one that is chosen; None when there are several."""
        return self.chosen[0] if len(self.chosen) == 1 else None

    @Slot()
    def _show_list(self) -> None:
        self.stack.setCurrentIndex(LISTED if self._all else EMPTY)

    @Slot()
    def _compare(self) -> None:
        if len(self.chosen) == 2:
            self._studio.ask(self._studio.jobs.read_runs([info.run for info in self.chosen]), self._read)

    @Slot(list)
    def _read(self, batch: list[Event]) -> None:
        self._reads = [*self._reads, *(event for event in batch if isinstance(event, RunRead))][-2:]
        if any(isinstance(event, Finished) for event in batch) and len(self._reads) == 2:
            self.compare.set_runs(*self._reads)
            self._reads = []
            self.stack.setCurrentIndex(COMPARED)
            self.compare.back.setFocus()

    @Slot()
    def _selection_changed(self) -> None:
        info, folders = self.current, {info.run.path for info in self.chosen}
        training = self._studio.training
        in_training = bool(training.active and training.run and training.run.path in folders)
        moving = bool(folders & self.question.moving)
        self.continue_button.setEnabled(bool(info and info.run.can_resume and not training.active and not moving))
        for part in (self.use_button, self.inside_button):
            part.setEnabled(bool(info and info.has_model))
        self.curve_button.setEnabled(bool(info))
        self.compare_button.setEnabled(len(self.chosen) == 2)
        self.folder_button.setEnabled(bool(info))
        self.delete_button.setEnabled(bool(folders) and not in_training and not moving)
        self.details.set_run(info, in_training, moving)
        self.question.forget([info.run.path for info in self.chosen], [info.run.path for info in self.model.runs])

    @Slot()
    def _continue(self) -> None:
        if self.current:
            self._studio.page_wanted.emit("Train")
            self._studio.resume_wanted.emit(self.current.run)

    @Slot()
    def _use(self) -> None:
        self._choose_model()
        self._studio.page_wanted.emit("Generate")

    @Slot()
    def _look_inside(self) -> None:
        self._choose_model()
        self._studio.page_wanted.emit("Inside")

    def _choose_model(self) -> None:
        if self.current:
            self._studio.refresh_models(self.current.run.model_file)

    @Slot()
    def _show_curve(self) -> None:
        if self.current:
            self._studio.replay_wanted.emit(self.current.run)

    @Slot()
    def _open_folder(self) -> None:
        if self.current:
            dialogs.show_folder(self._studio, self.current.run.path)

    # What is written about a run.

    @Slot(object, Remarks)
    def _remark(self, run: Run, remarks: Remarks) -> None:
        try:
            write_remarks(run.path, remarks)
        except UserError as error:
            self._studio.failed.emit(Failed.of(error))
            return
        self._all = [replace(info, remarks=remarks) if info.run == run else info for info in self._all]
        for info in self._all:
            if info.run == run:
                self.model.replace(info)
        if self._listing.busy:
            self.refresh()  # it may have read what was there before

    @Slot(object, str)
    def _rename(self, run: Run, name: str) -> None:
        self._studio.tried_again.emit()
        try:
            renamed = runs.rename_run(run, name)
        except UserError as error:
            self._studio.failed.emit(Failed.of(error))
            return
        self._studio.follow_rename(run, renamed)
        self._studio.said.emit(tr("{old} is called {new} now", old=run.name, new=renamed.name))
        self._all = [replace(info, run=renamed, remarks=read_remarks(renamed.path)) if info.run == run else info for info in self._all]
        self._wanted = (renamed.path,)
        self._filter()
        self._wanted = ()
        self.refresh()
        self._studio.refresh_models()

    @Slot()
    def _use_settings(self) -> None:
        if self.current and not self._studio.must_wait():
            try:
                config = self.current.run.read_config()
            except UserError as error:
                self._studio.failed.emit(Failed.of(error))
                return
            self._studio.settings_wanted.emit(config)
            self._studio.page_wanted.emit("Train")
            self._studio.said.emit(tr("The settings of {name} are set", name=self.current.run.name))

    @Slot()
    def _ask_delete(self) -> None:
        self.question.ask_about([info.run for info in self.chosen])

    @Slot()
    def _escape(self) -> None:
        """No to what is asked; else the search is over."""
        if self.question.asks:
            self.question.leave()
        elif self.search.hasFocus():
            self.search.clear()

    @Slot(tuple)
    def _gone(self, folders: tuple[Path, ...]) -> None:
        self._all = [info for info in self._all if info.run.path not in folders]
        self._filter()

    @Slot(tuple)
    def _came_back(self, folders: tuple[Path, ...]) -> None:
        """They are chosen, unless somebody is asked about others."""
        if not self.question.asks:
            self._wanted = folders

    @Slot()
    def _moving_changed(self) -> None:
        self._selection_changed()
        if not self.question.moving:
            self.refresh()
            self._studio.refresh_models()
