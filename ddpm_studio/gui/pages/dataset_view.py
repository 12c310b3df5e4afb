"""The pictures of the data set at the right of the Train page: all of them, or those of a finding; and how they are cropped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtCore import QPoint, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QAction, QKeyEvent
from PySide6.QtWidgets import QFrame, QMenu, QStackedWidget, QWidget

from ddpm_studio.events import Event, OriginalLoaded, PicturesLoaded, Rows
from ddpm_studio.gui import theme
from ddpm_studio.gui.pages.dataset_section import DatasetSection
from ddpm_studio.gui.qimage import to_qimage
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.widgets.basics import ElidedLabel, button, column, label, row, tool_button
from ddpm_studio.gui.widgets.contact_sheet import ContactSheet
from ddpm_studio.gui.widgets.containers import Card
from ddpm_studio.gui.widgets.crop_view import CropView
from ddpm_studio.gui.widgets.dataset_report import Some
from ddpm_studio.gui.words import count
from ddpm_studio.gui.workers import LatestRun
from ddpm_studio.language import ntr, tr

SHEET, CROP = 0, 1
TELLING = 0.7
"""Share of a picture that is used, of which the crop tells most."""
LINGER_MS = 500
"""How long the focus has to rest before all pictures are read again with it."""


class DatasetView(QFrame):
    crop_chosen = Signal(float, float)
    """The focus that all pictures are to be cropped with."""

    def __init__(self, studio: Studio, section: DatasetSection) -> None:
        super().__init__()
        self._studio, self._section = studio, section
        self._some: Some | None = None
        self._shown: tuple[Path | None, tuple[str, ...]] = (None, ())
        """Where the pictures are from, and their names."""
        self._crop_row = -1
        self.sheet, self.crop = ContactSheet(), CropView()
        self.stack = QStackedWidget()
        self.stack.addWidget(self._make_sheet())
        self.stack.addWidget(self._make_crop())
        card = Card(self.stack, margin=12)
        self.setLayout(column(card))
        self._tiles, self._original = LatestRun(self), LatestRun(self)
        self._settle = QTimer(self, singleShot=True, interval=LINGER_MS)
        self._settle.timeout.connect(self._choose_crop)
        self._connect()
        self._show_selection()

    def _make_sheet(self) -> QWidget:
        self.title = label(tr("A look at the pictures"), "heading", "sheetTitle")
        self.facts = ElidedLabel("", "caption", "sheetFacts")
        self.all_button = button(tr("Show all"), "allPicturesButton", "x", "quiet", tr("Show all pictures again (Escape)"))
        self.why = label("", "caption", "sheetWhy", wrap=True)
        self.one_each_button = button(tr("Leave all but one out"), "oneEachButton", "image-off", tip=tr("Keep the first picture of each group, leave the others out"))
        self.selection = ElidedLabel("", "caption", "sheetSelection")
        self.crop_button = button(tr("Crop…"), "cropButton", "maximize", "quiet", tr("Choose which part of the pictures is used (Enter)"))
        self.back_button = button(tr("Bring back"), "bringBackButton", "rotate-ccw", "quiet", tr("Train on the selected pictures again"))
        self.out_button = button(tr("Leave out"), "leaveOutButton", "image-off", tip=tr("Do not train on the selected pictures (Delete)"))
        self.hint = QWidget()
        hint = row(self.why, self.one_each_button)
        hint.setStretch(0, 1)
        self.hint.setLayout(hint)
        page = QWidget()
        layout = column(row(self.title, 4, self.facts, self.all_button), self.hint, self.sheet, row(self.selection, self.crop_button, self.back_button, self.out_button), spacing=8)
        layout.setStretch(2, 1)
        page.setLayout(layout)
        return page

    def _make_crop(self) -> QWidget:
        self.done_button = button(tr("All pictures"), "cropDoneButton", "arrow-left", "quiet", tr("Back to all pictures (Escape)"))
        self.crop_name = ElidedLabel("", "caption", "cropName")
        self.previous_button = tool_button("chevron-left", "cropPreviousButton", tr("The picture before (Page Up)"))
        self.next_button = tool_button("chevron-right", "cropNextButton", tr("The next picture (Page Down)"))
        self.crop_words = label("", "caption", "cropWords", wrap=True)
        self.centre_button = button(tr("Middle"), "cropCentreButton", "rotate-ccw", tip=tr("Use the middle of each picture"))
        page = QWidget()
        below = row(self.crop_words, self.centre_button)
        below.setStretch(0, 1)
        layout = column(row(self.done_button, 4, self.crop_name, self.previous_button, self.next_button), self.crop, below, spacing=8)
        layout.setStretch(1, 1)
        page.setLayout(layout)
        return page

    def _connect(self) -> None:
        section, sheet = self._section, self.sheet
        section.ready.connect(self._dataset_ready)
        section.left_out_changed.connect(self._left_out_changed)
        section.report_view.chosen.connect(self.show_some)
        section.report_view.left_out_wanted.connect(self.show_left_out)
        self._tiles.events.connect(self._receive)
        self._tiles.events.connect(self._studio.report_failures)
        self._original.events.connect(self._receive)
        self._original.events.connect(self._studio.report_failures)
        sheet.pictures_wanted.connect(self._load)
        sheet.selection_changed.connect(self._show_selection)
        sheet.leave_out_wanted.connect(self.leave_out)
        sheet.undo_wanted.connect(self._studio.undo_stack.undo)
        sheet.redo_wanted.connect(self._studio.undo_stack.redo)
        sheet.opened.connect(self.open_crop)
        sheet.menu_wanted.connect(self._open_menu)
        self.out_button.clicked.connect(self.leave_out)
        self.back_button.clicked.connect(self.bring_back)
        self.all_button.clicked.connect(self.show_all)
        self.one_each_button.clicked.connect(self.leave_all_but_one_out)
        self.crop_button.clicked.connect(lambda: self.open_crop(sheet.current_row))
        self.done_button.clicked.connect(self.close_crop)
        self.previous_button.clicked.connect(lambda: self._step(-1))
        self.next_button.clicked.connect(lambda: self._step(1))
        self.crop.focus_moved.connect(self._show_crop_words)
        self.crop.focus_chosen.connect(lambda x, y: self._settle.start())
        self.centre_button.clicked.connect(self._centre)

    # All pictures, or some.

    @Slot()
    def _dataset_ready(self) -> None:
        contents, report = self._section.contents, self._section.report
        if contents is None or report is None:
            return
        before, self._shown = self._shown, (self._section.source, contents.names)
        same, shape = self._shown == before, (report.image_height, report.image_size)
        if same:  # in another shape, or cropped elsewhere
            self.sheet.show_again(shape)
            self._show_facts()
        else:
            self.sheet.set_dataset(contents.names, shape)
            self._show(None)
        self.sheet.set_left_out(self._section.left_out_rows)
        if self.stack.currentIndex() == CROP:
            if self._shown[0] != before[0] or self._crop_row >= len(contents.names):
                self.close_crop()
            else:
                self._show_crop()

    @Slot(object)
    def show_some(self, some: Some) -> None:
        self._show(some)
        self.sheet.setFocus()

    @Slot()
    def show_left_out(self) -> None:
        rows = np.flatnonzero(self._section.left_out_rows).astype(np.int64)
        self.show_some(Some(ntr("{count} left out", "{count} left out", len(rows)), tr("Select those that are wanted after all, and press Bring back."), rows))

    @Slot()
    def show_all(self) -> None:
        self._show(None)

    def _show(self, some: Some | None) -> None:
        self._some = some
        self.stack.setCurrentIndex(SHEET if some else self.stack.currentIndex())
        rows = some.rows if some else np.arange(len(self.sheet.names))
        self.sheet.show_rows(rows, some.groups if some else None)
        self.title.setText(some.title if some else tr("A look at the pictures"))
        self.why.setText(some.why if some else "")
        self.hint.setVisible(bool(some and some.why))
        self.one_each_button.setVisible(bool(some and some.groups is not None))
        self.all_button.setVisible(some is not None)
        self._show_facts()

    def _show_facts(self) -> None:
        report = self._section.report
        if report is None:
            return
        if self._some and self._some.groups is not None and len(self._some.groups):
            groups = int(self._some.groups[-1]) + 1
            self.facts.setText(ntr("{pictures} pictures in {count} group", "{pictures} pictures in {count} groups", groups, pictures=count(len(self._some.rows))))
        elif self._some:
            self.facts.setText(tr("{shown} of {all}", shown=count(len(self._some.rows)), all=count(len(self.sheet.names))))
        else:
            size = {"width": report.image_size, "height": report.image_height}
            self.facts.setText(tr("{count}, {width} × {height}, as the network will see them", count=count(len(self.sheet.names)), **size))

    @Slot(object)
    def _load(self, rows: Rows) -> None:
        if self._section.contents:
            self._tiles.request(self._studio.jobs.pictures(self._section.contents.cache, rows), patient=True)

    @Slot(list)
    def _receive(self, batch: list[Event]) -> None:
        for event in batch:
            match event:
                case PicturesLoaded(cache=cache, rows=rows, images=images) if self._section.contents and cache == self._section.contents.cache:
                    self.sheet.add_pictures(rows, images)
                case OriginalLoaded(name=name, image=image) if 0 <= self._crop_row < len(self.sheet.names) and name == self.sheet.names[self._crop_row]:
                    self.crop.set_picture(to_qimage(image))
                    self._show_crop_words()

    def settle(self) -> None:
        """What the frame says counts at once, also just after it was moved."""
        if self._settle.isActive():
            self._settle.stop()
            self._choose_crop()

    def set_locked(self, locked: bool) -> None:
        """While a training reads the pictures, they are not read again for another crop."""
        if locked and self._settle.isActive():
            self._settle.stop()
            self.crop.set_crop(self._section.settings.shape[:2], self._section.settings.crop)
        self.crop.setEnabled(not locked)
        self._show_crop_words()

    # Leaving out.

    @Slot()
    def leave_out(self) -> None:
        self._section.leave_out(self.sheet.selected_rows())

    @Slot()
    def bring_back(self) -> None:
        self._section.leave_out(self.sheet.selected_rows(), out=False)

    @Slot()
    def leave_all_but_one_out(self) -> None:
        """Of each group the first that is not left out stays; of one that is left out altogether, none."""
        if self._some is None or self._some.groups is None:
            return
        wanted = ~self._section.left_out_rows[self._some.rows]
        rows, groups = self._some.rows[wanted], self._some.groups[wanted]
        self._section.leave_out(rows[np.r_[False, groups[1:] == groups[:-1]]] if len(rows) else rows)

    @Slot()
    def _left_out_changed(self) -> None:
        self.sheet.set_left_out(self._section.left_out_rows)

    @Slot()
    def _show_selection(self) -> None:
        rows = self.sheet.selected_rows()
        out = int(self.sheet.left_out[rows].sum()) if len(rows) else 0
        self.out_button.setEnabled(len(rows) > out)
        self.back_button.setEnabled(out > 0)
        words = tr("Click to select, with Ctrl or Shift several; Delete leaves out")
        if len(rows) == 1:
            words = self.sheet.names[int(rows[0])]
        elif len(rows):
            words = ntr("{count} selected", "{count} selected", len(rows))
        self.selection.setText(words)

    @Slot(QPoint)
    def _open_menu(self, place: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for twin, icon in ((self.out_button, "image-off"), (self.back_button, "rotate-ccw"), (self.crop_button, "maximize")):
            action = QAction(twin.text(), menu)
            theme.set_icon(action, icon)
            action.setEnabled(twin.isEnabled())
            action.triggered.connect(twin.click)
            menu.addAction(action)
        menu.popup(place)

    # The crop.

    @Slot(int)
    def open_crop(self, row: int) -> None:
        """Show a picture in its original shape, with the part that is used."""
        if not len(self.sheet.names):
            return
        self._crop_row = row if row >= 0 else self._telling()
        self.stack.setCurrentIndex(CROP)
        self._show_crop()
        self.crop.setFocus()

    def _telling(self) -> int:
        """Without a choice, a picture whose crop matters, but not one of an odd shape."""
        contents, rows = self._section.contents, self.sheet.rows[:2000]
        if contents is None or not len(rows):
            return 0
        shape = self._section.settings.shape
        ratio = contents.sizes[rows, 0] / np.maximum(contents.sizes[rows, 1], 1) * (shape[0] / shape[1])
        share = np.minimum(ratio, 1 / np.maximum(ratio, 1e-9))
        return int(rows[np.argmin(np.abs(share - TELLING))])

    @Slot()
    def close_crop(self) -> None:
        self.stack.setCurrentIndex(SHEET)
        self.sheet.setFocus()

    def _show_crop(self) -> None:
        settings, source = self._section.settings, self._section.source
        if not self._settle.isActive():
            self.crop.set_crop(settings.shape[:2], settings.crop)
        name = self.sheet.names[self._crop_row]
        self.crop_name.setText(name)
        self._show_crop_words()
        if source is not None:
            self._original.request(self._studio.jobs.original(source, name, settings.background))

    @Slot()
    def _show_crop_words(self) -> None:
        across, down = self.crop.room
        if not self.crop.isEnabled():
            words = tr("The crop can be changed when the training has ended.")
        elif across or down:
            words = tr("Drag the frame to the part that matters. It moves for all pictures; they are read again when you let go.")
        else:
            words = tr("This picture has the shape that is used: nothing is cut off. Look at another one with the arrows above.")
        self.crop_words.setText(words)
        self.centre_button.setEnabled(self.crop.isEnabled() and self.crop.focus_at != (0.5, 0.5))

    def _step(self, by: int) -> None:
        places = np.flatnonzero(self.sheet.rows == self._crop_row)
        place = int(places[0]) + by if len(places) else 0
        if 0 <= place < len(self.sheet.rows):
            self._crop_row = int(self.sheet.rows[place])
            self._show_crop()

    @Slot()
    def _centre(self) -> None:
        self.crop.set_crop(self._section.settings.shape[:2], (0.5, 0.5))
        self._show_crop_words()
        self._settle.start()

    @Slot()
    def _choose_crop(self) -> None:
        self.crop_chosen.emit(*self.crop.focus_at)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.stack.currentIndex() == CROP:
            self.close_crop()
        elif event.key() == Qt.Key.Key_Escape and self._some:
            self.show_all()
        elif event.key() in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown) and self.stack.currentIndex() == CROP:
            self._step(1 if event.key() == Qt.Key.Key_PageDown else -1)
        else:
            super().keyPressEvent(event)
