"""Everything that was made, each with its recipe."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QItemSelectionModel, QPoint, Qt, QTimer, Slot
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QAbstractItemView, QLineEdit, QListView, QStackedWidget, QVBoxLayout, QWidget

from ddpm_studio.errors import UserError
from ddpm_studio.events import Event, Failed
from ddpm_studio.gui.answers import FactsRead, PicturesListed, ThumbnailsMade
from ddpm_studio.gui.gallery_model import CELL, THUMBNAIL, GalleryModel, GalleryView
from ddpm_studio.gui.pages.gallery_export import GalleryExport
from ddpm_studio.gui.pages.gallery_side import GallerySide
from ddpm_studio.gui.pages.gallery_trash import TrashQuestion
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.widgets.basics import button, column, label, row, tool_button, wrapped
from ddpm_studio.gui.widgets.containers import Card, EmptyState
from ddpm_studio.gui.workers import LatestRun
from ddpm_studio.language import ntr, tr

THUMBNAILS_AT_ONCE = 64


class GalleryPage(QWidget):
    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self.setObjectName("galleryPage")
        self.setAccessibleName(tr("Gallery"))
        self._studio = studio
        self._wanted: Path | None = None
        """The picture to choose as soon as it is listed."""
        self._listing, self._thumbnails = LatestRun(self, interval=33), LatestRun(self, interval=33)
        self._search_timer, self._facts_timer = QTimer(self, singleShot=True, interval=120), QTimer(self, singleShot=True, interval=250)
        self.model = GalleryModel()
        self.side = GallerySide()
        self.side.hide()
        self.export = GalleryExport(studio, self)
        go = button(tr("Generate pictures"), "galleryDoor", "sparkles", "primary")
        go.clicked.connect(lambda: studio.page_wanted.emit("Generate"))
        self.empty = EmptyState("images", tr("Nothing here yet"), tr("Every picture that you generate is kept here, together with all that is needed to make it again."), go)
        self.stack = QStackedWidget()
        self.stack.addWidget(Card(self.empty))
        self.stack.addWidget(self._make_shelf())
        self.stack.setCurrentIndex(1)
        left = column(self.question, self.stack, spacing=12)  # above all states: also when no picture is left, they can be brought back
        left.setStretch(1, 1)
        layout = row(left, self.side, spacing=12)
        layout.setStretch(0, 1)
        self.setLayout(layout)
        self._connect()

    def _make_shelf(self) -> QWidget:
        self.search = QLineEdit()
        self.search.setObjectName("gallerySearch")
        self.search.setAccessibleName(tr("Search the gallery"))
        self.search.setPlaceholderText(tr("Search: a model, a seed, a day, as in “faces 42 today”"))
        self.search.setToolTip(wrapped(tr("Words of the name, the model or the sampler; a number is a seed; today, yesterday, 2026-11 and 2026-11-25 are days (Ctrl+F)")))
        self.search.setClearButtonEnabled(True)
        self.only_stars = tool_button("star", "starFilter", tr("Only pictures with a star"))
        self.only_stars.setCheckable(True)
        self.count = label("", "caption", "galleryCount")
        self.count.setContentsMargins(8, 0, 8, 0)
        self.view = GalleryView(self.model)
        self.view.setObjectName("galleryView")
        self.view.setAccessibleName(tr("Pictures that were made"))
        self.view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        # As a list that wraps, not in icon mode, which keeps a place for each of thousands of icons.
        self.view.setFlow(QListView.Flow.LeftToRight)
        self.view.setWrapping(True)
        self.view.setUniformItemSizes(True)
        self.view.setSpacing(0)
        self.view.setResizeMode(QListView.ResizeMode.Adjust)
        self.view.setMouseTracking(True)
        self.view.setDragEnabled(True)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.view.verticalScrollBar().setSingleStep(CELL // 2)
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.question = TrashQuestion(self._studio, self.view)
        top = row(self.search, self.only_stars, spacing=4)
        top.setStretch(0, 1)
        everything = button(tr("Show all"), "showAllButton", "images")
        everything.clicked.connect(self._clear_search)
        self.none = EmptyState("search", tr("No picture fits"), tr("Try a part of a model's name, a number for a seed, or a day such as today or 2026-11-25."), everything)
        self.found = QStackedWidget()
        self.found.addWidget(self.view)
        self.found.addWidget(self.none)
        shelf = Card(top, self.count, self.found, margin=8, spacing=6)
        inside = shelf.layout()
        if isinstance(inside, QVBoxLayout):
            inside.setStretch(2, 1)
        return shelf

    def _connect(self) -> None:
        studio = self._studio
        self.view.selectionModel().selectionChanged.connect(self._show_chosen)
        self.view.activated.connect(self._show_chosen)
        self.view.customContextMenuRequested.connect(self._show_menu)
        self.model.modelReset.connect(self._show_chosen)
        self.model.thumbnails_wanted.connect(self._make_thumbnails)
        self.model.thumbnails_came.connect(self.view.viewport().update)
        self._thumbnails.idle.connect(self._make_thumbnails)
        self._thumbnails.events.connect(self._thumbnails_made)
        self._listing.events.connect(self._listed)
        self._listing.events.connect(studio.report_failures)
        self._search_timer.timeout.connect(self._search)
        self._facts_timer.timeout.connect(self._search_again)
        self.search.textChanged.connect(self._search_timer.start)
        self.search.returnPressed.connect(self._search)
        self.only_stars.toggled.connect(self._search)
        self.side.wanted.connect(self._act)
        self.question.gone.connect(self._gone)
        self.question.back.connect(self._came_back)
        QShortcut(QKeySequence.StandardKey.Delete, self.view, partial(self._act, GallerySide.TRASH))
        QShortcut(QKeySequence("S"), self.view, partial(self._act, GallerySide.STAR))
        QShortcut(QKeySequence.StandardKey.Copy, self.view, partial(self._act, GallerySide.COPY))
        QShortcut(QKeySequence(Qt.Key.Key_Escape), self, self._escape)
        QShortcut(QKeySequence.StandardKey.Find, self, self._find)
        studio.gallery_changed.connect(self._changed)

    # Which pictures there are.

    def showEvent(self, event: object) -> None:
        self.refresh()

    @Slot()
    def _changed(self) -> None:
        if self.isVisible():
            self.refresh()

    def refresh(self) -> None:
        """Look again what there is, in a worker."""
        self._listing.request(self._studio.jobs.list_gallery(frozenset(self.model.facts)))

    def choose(self, path: Path) -> None:
        """Show this picture, as soon as it is found."""
        self._wanted = path
        self._clear_search()
        self.refresh()

    @Slot(list)
    def _listed(self, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, PicturesListed):
                with_current = self._wanted or self.current
                self.model.set_files(event.files, event.stars)
                self._restore(with_current)
                self._wanted = None
                self.stack.setCurrentIndex(1 if event.files else 0)
                self._show_chosen()
            elif isinstance(event, FactsRead):
                self.model.add_facts(event.facts)
                if self.model.filtered and not self._facts_timer.isActive():
                    self._facts_timer.start()
        self._show_count()

    def _restore(self, path: Path | None) -> None:
        if path is not None and path != self.current and path in self.model.files:
            # Not by the view: that would add it to what is chosen as long as somebody holds Ctrl, as for Ctrl+Z.
            self.view.selectionModel().setCurrentIndex(self.model.index(self.model.files.index(path)), QItemSelectionModel.SelectionFlag.ClearAndSelect)

    def _show_count(self) -> None:
        shown, everything = len(self.model.files), len(self.model.all_files)
        self.found.setCurrentIndex(1 if everything and not shown else 0)
        if self.model.filtered:
            self.count.setText(ntr("{shown} of {count} picture", "{shown} of {count} pictures", everything, shown=f"{shown:,}"))
        else:
            self.count.setText(ntr("{count} picture", "{count} pictures, the newest first", everything))

    @Slot()
    def _search(self) -> None:
        self._search_timer.stop()
        kept = self.current
        self.model.search(self.search.text(), self.only_stars.isChecked())
        self._restore(kept)
        self._show_count()

    @Slot()
    def _search_again(self) -> None:
        kept = self.current
        self.model.search_again()
        self._restore(kept)
        self._show_count()

    @Slot()
    def _clear_search(self) -> None:
        self.search.clear()
        self.only_stars.setChecked(False)
        self._search()

    @Slot()
    def _find(self) -> None:
        self.search.setFocus()
        self.search.selectAll()

    @Slot()
    def _escape(self) -> None:
        """No to what is asked; else the search is over."""
        if self.question.asks:
            self.question.leave()
        elif self.search.hasFocus() and self.search.text():
            self.search.clear()

    # Thumbnails.

    @Slot()
    def _make_thumbnails(self) -> None:
        if not self._thumbnails.busy and (files := self.model.take_wanted(THUMBNAILS_AT_ONCE)):
            self._thumbnails.request(self._studio.jobs.thumbnails(files, THUMBNAIL), patient=True)

    @Slot(list)
    def _thumbnails_made(self, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, ThumbnailsMade):
                self.model.set_thumbnails(event.pictures)

    # The chosen ones.

    @property
    def current(self) -> Path | None:
        index = self.view.currentIndex()
        return self.model.files[index.row()] if index.isValid() and index.row() < len(self.model.files) else None

    @property
    def chosen(self) -> list[Path]:
        """In the order in which they are shown."""
        # By ranges: thousands of single indexes take a quarter of a second to make.
        selection = self.view.selectionModel().selection()
        ranges = sorted((part.top(), part.bottom()) for part in (selection.at(i) for i in range(selection.count())) if part.isValid())
        return [path for top, bottom in ranges for path in self.model.files[top : bottom + 1]]

    @Slot()
    def _show_chosen(self) -> None:
        chosen = self.chosen
        self.side.setVisible(bool(chosen))
        if len(chosen) == 1:
            values, trouble = self._recipe(chosen[0])
            self.side.show_one(chosen[0], values, trouble)
        elif chosen:
            self.side.show_several(len(chosen))
        self.side.show_star(bool(chosen) and all(path.name in self.model.stars for path in chosen))
        self.question.forget(chosen, self.model.files)

    @Slot(QPoint)
    def _show_menu(self, place: QPoint) -> None:
        if self.chosen:
            menu = self.side.make_menu(self)
            menu.aboutToHide.connect(menu.deleteLater)
            menu.popup(self.view.viewport().mapToGlobal(place))

    def _recipe(self, path: Path) -> tuple[dict[str, Any], str]:
        try:
            return self._studio.jobs.recipe(path), ""
        except UserError as error:
            return {}, error.message

    @Slot(str)
    def _act(self, what: str) -> None:
        chosen = self.chosen
        if not chosen:
            return
        one = chosen[0]
        if what == GallerySide.AGAIN:
            self._studio.open_settings(one, self._recipe(one)[0])
        elif what == GallerySide.RECREATE:
            if self._studio.open_settings(one, self._recipe(one)[0]):
                self._studio.recreate_wanted.emit(one, True)
        elif what in (GallerySide.LEFT, GallerySide.RIGHT):
            self._studio.blend_wanted.emit("A" if what == GallerySide.LEFT else "B", one)
        elif what == GallerySide.SAVE:
            self.export.ask_save(one)
        elif what == GallerySide.COPY:
            self.export.to_clipboard(chosen)
        elif what == GallerySide.STAR:
            self._star(chosen)
        elif what == GallerySide.TRASH:
            self.question.ask_about(chosen)
        elif what == GallerySide.FOLDER:
            self.export.ask_folder(chosen)
        elif what == GallerySide.SHEET:
            self.export.ask_sheet(chosen)

    def _star(self, files: list[Path]) -> None:
        from ddpm_studio import gallery

        on = not all(path.name in self.model.stars for path in files)
        try:
            gallery.set_stars([path.name for path in files], on)
        except UserError as error:
            self._studio.failed.emit(Failed.of(error))
            return
        self.model.set_stars(files, on)
        self._show_chosen()
        self._show_count()
        if self._listing.busy:
            self.refresh()  # it may have read the stars of before

    @Slot(tuple)
    def _gone(self, files: tuple[Path, ...]) -> None:
        kept, place, gone = self.current, self.view.currentIndex().row(), set(files)
        self.model.set_files([path for path in self.model.all_files if path not in gone], self.model.stars)
        if kept not in gone:
            self._restore(kept)
        elif self.model.files:
            index = self.model.index(min(max(place - len(gone) + 1, 0), len(self.model.files) - 1))
            self.view.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        self.refresh()

    @Slot(tuple)
    def _came_back(self, files: tuple[Path, ...]) -> None:
        """They are shown, unless somebody is asked about others."""
        if not self.question.asks:
            self._wanted = files[0]
        self.refresh()
