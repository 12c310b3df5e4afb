"""Pictures at hand: of the gallery, of the data set and of those that ship, to click or to drag."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtCore import QMimeData, QPoint, Qt, QUrl, Signal, Slot
from PySide6.QtGui import QDrag, QMouseEvent, QPixmap
from PySide6.QtWidgets import QApplication, QStackedWidget

from ddpm_studio.events import Event, Images
from ddpm_studio.gui.answers import PicturesOffered
from ddpm_studio.gui.qimage import enlarged, to_qimage
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.widgets.basics import label, row
from ddpm_studio.gui.widgets.containers import Card
from ddpm_studio.gui.widgets.inputs import Segments
from ddpm_studio.gui.widgets.picture_grid import PictureGrid
from ddpm_studio.gui.workers import LatestRun
from ddpm_studio.language import tr

GALLERY, DATA, EXAMPLES = 0, 1, 2
SHOWN, SIDE = 48, 64


class PickGrid(PictureGrid):
    """A click picks a picture; when it is dragged, what arrives is the picture itself and not what is seen of it here."""

    picked = Signal(object)
    """A path or uint8 [H, W, C]."""

    def __init__(self) -> None:
        super().__init__("pickGrid", tr("Pictures to pick from"), selectable=True, gap=6, largest_zoom=2, smallest_side=56)
        self.sources: tuple[Path | Images, ...] = ()
        self._held: tuple[int, QPoint] | None = None
        self._twice = False
        """The button is down for the second time in a double click."""
        self.activated.connect(self._pick)

    def offer(self, sources: tuple[Path | Images, ...], thumbnails: Images) -> None:
        self.sources = sources
        self.set_current(-1)
        self.set_images(thumbnails)

    @Slot(int)
    def _pick(self, index: int) -> None:
        self.picked.emit(self.sources[index])

    def mousePressEvent(self, event: QMouseEvent) -> None:
        super().mousePressEvent(event)
        index, self._pressed_at, self._twice = self.index_at(event.position().toPoint()), None, False
        self._held = (index, event.position().toPoint()) if index >= 0 and event.button() == Qt.MouseButton.LeftButton else None

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._held and (event.position().toPoint() - self._held[1]).manhattanLength() > QApplication.startDragDistance():
            index, self._held = self._held[0], None
            drag = QDrag(self)
            drag.setMimeData(self.mime(index))
            drag.setPixmap(QPixmap.fromImage(enlarged(self.picture(index), 64)))
            self.set_current(-1)
            drag.exec(Qt.DropAction.CopyAction)
            return
        super().mouseMoveEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        held, self._held = self._held, None
        if held and not self._twice and self.index_at(event.position().toPoint()) == held[0]:
            self._pick(held[0])
            self.set_current(-1)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """The first click of two has picked it already; the second may only drag it."""
        self.mousePressEvent(event)
        self._twice = True

    def mime(self, index: int) -> QMimeData:
        mime, source = QMimeData(), self.sources[index]
        if isinstance(source, Path):
            mime.setUrls([QUrl.fromLocalFile(str(source))])
        else:
            mime.setImageData(to_qimage(source))
        return mime


class PictureSource(Card):
    picked = Signal(object)
    """A path or uint8 [H, W, C]."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._looked = LatestRun(interval=10)
        self._began = False
        self.view = Segments((tr("Gallery"), tr("Data set"), tr("Examples")), "pictureSource", tr("Where to pick pictures from"))
        self.grid = PickGrid()
        self.hint = label("", "caption", "pickHint", wrap=True)
        self.hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.stack = QStackedWidget()
        self.stack.setMinimumHeight(112)  # with a banner over the page it needs no scroll bar yet
        self.stack.addWidget(self.hint)
        self.stack.addWidget(self.grid)
        self.heading = label(tr("Pick a picture"), "heading", "pickHeading")
        super().__init__(self.heading, row(self.view, -1), self.stack, spacing=8, margin=12)
        self._looked.setParent(self)
        self.setObjectName("pictureSourceCard")
        self.hint.setText(what_is_there()[self.view.current])
        self.view.chosen.connect(self.refresh)
        self.grid.picked.connect(self.picked)
        self._looked.events.connect(self._receive)
        self._looked.events.connect(studio.report_failures)
        studio.gallery_changed.connect(self._gallery_changed)
        studio.dataset_opened.connect(self.refresh)

    @Slot(str)
    def say_where(self, letter: str) -> None:
        """Which of the wells the next picture goes to."""
        self.heading.setText(tr("Pick picture {letter}", letter=letter))

    @Slot()
    def _gallery_changed(self) -> None:
        if self.isVisible():
            self.refresh()

    @Slot()
    def refresh(self) -> None:
        self.hint.setText(what_is_there()[self.view.current])
        if self.view.current == DATA:
            self._looked.cancel()
            self._show(tuple(self._studio.examples), self._studio.examples)
        else:
            self._looked.request(self._studio.jobs.offer("gallery" if self.view.current == GALLERY else "examples", SHOWN, SIDE))

    @Slot(list)
    def _receive(self, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, PicturesOffered) and event.kind == {GALLERY: "gallery", EXAMPLES: "examples"}.get(self.view.current):
                if event.kind == "gallery" and not event.sources and not self._began:
                    self._began = True  # once: whoever looks at the empty gallery afterwards wants to see that
                    self.view.choose(EXAMPLES)
                    self.refresh()
                    return
                self._show(event.sources, event.thumbnails)

    def _show(self, sources: tuple[Path | Images, ...], thumbnails: Images) -> None:
        if sources and all(isinstance(source, Path) for source in sources) and sources == self.grid.sources and np.array_equal(thumbnails, self.grid.images):
            return
        self.grid.offer(sources, thumbnails)
        self.stack.setCurrentWidget(self.grid if sources else self.hint)


def what_is_there() -> tuple[str, str, str]:
    """In words, as long as no picture is to be seen: in the gallery, the data set, the examples."""
    return (
        tr("Pictures that you generate appear here."),
        tr("Open a data set on the Train page to pick from it."),
        tr("The example pictures that come with the program appear here."),
    )
