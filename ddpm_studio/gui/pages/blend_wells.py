"""The pictures that are blended: two or more wells, and how much of each goes into the blend."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QMimeData, QPoint, Signal, Slot
from PySide6.QtGui import QGuiApplication, QImage, QResizeEvent
from PySide6.QtWidgets import QGridLayout, QMenu, QWidget

from ddpm_studio.blend_weights import Weights, equal, pair, with_one_more, with_share, without
from ddpm_studio.events import Event, Failed, Images
from ddpm_studio.gui import dialogs
from ddpm_studio.gui.answers import PictureLoaded
from ddpm_studio.gui.qimage import to_array
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.widgets.basics import column, label, row, tool_button
from ddpm_studio.gui.widgets.inputs import Slider
from ddpm_studio.gui.widgets.picture_view import PictureView, PictureWell
from ddpm_studio.gui.workers import LatestRun
from ddpm_studio.language import tr

LETTERS = "ABCDEF"
FEWEST, MOST = 2, len(LETTERS)

Source = Path | Images


def is_same(a: Source | None, b: Source | None) -> bool:
    return a is b or (isinstance(a, Path) and isinstance(b, Path) and a == b)


class Sources(tuple[Source | None, ...]):
    """Where the pictures come from, in their order; None for an empty well. Pictures of the window are told apart by identity."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sources) and len(self) == len(other) and all(map(is_same, self, other))

    def __ne__(self, other: object) -> bool:
        return not self == other


class Place(QWidget):
    """One well with its share of the blend under it."""

    def __init__(self, letter: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.well = PictureWell(f"blendImage{letter}", letter, least=72)
        self.slider = Slider()
        self.slider.setObjectName(f"blendWeight{letter}")
        self.slider.setAccessibleName(tr("Share of picture {letter}", letter=letter))
        self.slider.setToolTip(tr("How much of picture {letter} goes into the blend; the others make room", letter=letter))
        self.slider.setRange(0, 100)
        self.share = label("", "value")
        self.remove = tool_button("x", f"blendRemove{letter}", tr("Take picture {letter} out (Delete)", letter=letter), 14)
        self.bar = QWidget()
        self.bar.setLayout(column(row(self.share, -1, self.remove), self.slider, spacing=0))  # a slider as long as the picture is wide
        self._parts = column(-1, self.well, self.bar, -1, spacing=4)
        self._parts.setStretch(1, 1000)
        self.setLayout(self._parts)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """No room between the picture and its share."""
        super().resizeEvent(event)
        self.well.setMaximumHeight(max(self.well.minimumSizeHint().height(), self.width()))
        self._parts.activate()  # or it would stand elsewhere for a moment

    def show_share(self, weight: float) -> None:
        self.share.setText(f"{100 * weight:.0f} %")
        self.slider.blockSignals(True)
        self.slider.setValue(round(100 * weight))
        self.slider.blockSignals(False)


class Wells(QWidget):
    """The pictures, their shares, and between or beside them the blend itself."""

    arranged = Signal()
    """There are more or fewer places than before."""
    loaded = Signal(str)
    """The picture with this letter is there, in the shape that the model wants."""
    changed = Signal()
    """The pictures are others than before, or in another order."""
    settled = Signal()
    """Pictures were chosen, taken out or moved, and all of them are there, or could not be read."""
    refused = Signal(str)
    """What was offered for the well with this letter cannot be read. Nobody asked for it, so nobody is told."""
    moved = Signal()
    """A share was moved, and goes on moving."""
    released = Signal()
    aimed = Signal(str)
    """The next picture that is picked goes to the well with this letter."""

    def __init__(self, studio: Studio, preview: PictureView) -> None:
        super().__init__()
        self._studio, self._preview = studio, preview
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(16)
        self.setLayout(self._grid)
        self.places = {letter: Place(letter, self) for letter in LETTERS}
        self.sources: dict[str, Source] = {}
        self.offered: dict[str, Source] = {}
        """What was put into a well last without anybody having asked for it."""
        self._seen: dict[str, Source] = {}
        """Where what is seen comes from, while another picture is being loaded."""
        self.pictures: dict[str, Images] = {}
        self.weights: Weights = pair(0.5)
        self._loads = {letter: LatestRun(self, interval=10) for letter in LETTERS}
        self.quiet: set[str] = set()
        """Filled without anybody having asked for it: no reason to interrupt training."""
        self._loading: set[str] = set()
        """Sources whose pictures are not there yet."""
        self._made_room: set[str] = set()
        """Places that were added for files that were dropped together, and are not filled yet."""
        self._turn = 0
        self._gone_to: str | None = None
        """The well that somebody went to last."""
        for letter, place in self.places.items():
            well = place.well
            well.clicked.connect(partial(self.choose_file, letter))
            well.paths_dropped.connect(partial(self.set_paths, letter))
            well.image_dropped.connect(partial(self._image_dropped, letter))
            well.well_dropped.connect(partial(self.swap, letter))
            well.menu_wanted.connect(partial(self._show_menu, letter))
            well.remove_wanted.connect(partial(self._take_out, letter))
            well.focused.connect(partial(self._go_to, letter))
            place.remove.clicked.connect(partial(self._take_out, letter))
            place.slider.valueChanged.connect(partial(self._share_moved, letter))
            place.slider.sliderReleased.connect(self.released)
            self._loads[letter].events.connect(partial(self._picture_loaded, letter))
            self._loads[letter].idle.connect(self._rest)
        self.changed.connect(self._show_aim)
        self._place_all()
        self._show_aim()

    @property
    def letters(self) -> str:
        return LETTERS[: len(self.weights)]

    @property
    def images(self) -> tuple[Images, ...] | None:
        """All pictures in order; None as long as one is missing or not yet in the shape of the model."""
        model = self._studio.model
        found = tuple(self.pictures[letter] for letter in self.letters if letter in self.pictures)
        return found if model is not None and len(found) == len(self.weights) and all(image.shape == model.shape for image in found) else None

    # Pictures.

    def set_source(self, letter: str, source: Source, quiet: bool = False) -> None:
        """A file, or a picture of the window; it is brought to the model's shape in a worker. "" is the next free place."""
        letter = letter or self.free_place()
        while letter not in self.letters:
            self.add()
        self.sources[letter] = source
        self._turn = self.letters.index(letter) + 1
        self._show_aim()
        (self.quiet.add if quiet else self.quiet.discard)(letter)
        if quiet:
            self.offered[letter] = source
        self.load(letter)
        self._rest()

    def set_paths(self, letter: str, paths: list[Path]) -> None:
        """Several files go into this well and those after it."""
        first = LETTERS.index(letter)
        self._studio.tried_again.emit()
        self._made_room = set(LETTERS[first : first + len(paths)]) - set(self.letters)
        for path, place in zip(paths, LETTERS[first:], strict=False):
            self.set_source(place, path)
        if len(paths) > MOST - first:
            self._studio.said.emit(tr("No more than {most} pictures can be blended", most=MOST))

    def free_place(self) -> str:
        """The first empty well, else the one that somebody went to last, else all in turn."""
        empty = next((letter for letter in self.letters if letter not in self.sources), None)
        return empty or (self._gone_to if self._gone_to and self._gone_to in self.letters else self.letters[self._turn % len(self.letters)])

    def _go_to(self, letter: str) -> None:
        self._gone_to = letter
        self._show_aim()

    @Slot()
    def _show_aim(self) -> None:
        aim = self.free_place()
        for letter, place in self.places.items():
            place.well.aim(letter == aim)
        self.aimed.emit(aim)

    def load(self, letter: str) -> None:
        model = self._studio.model
        if model is not None and letter in self.sources:
            self._loading.add(letter)
            self._loads[letter].request(self._studio.jobs.load_picture(letter, self.sources[letter], model.shape, model.background))

    def load_all(self) -> None:
        """Once more, for a model of another shape."""
        self.quiet |= self.sources.keys()
        for letter in self.letters:
            self.load(letter)

    def _picture_loaded(self, letter: str, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, (PictureLoaded, Failed)):
                self._loading.discard(letter)
            if isinstance(event, PictureLoaded):
                self._made_room.discard(letter)
                self._seen[letter] = self.sources[letter]
                self.pictures[letter] = event.image
                self.places[letter].well.set_picture(event.image)
                self.changed.emit()
                self.loaded.emit(letter)
            elif isinstance(event, Failed):
                self._not_loaded(letter, event)

    def _not_loaded(self, letter: str, failure: Failed) -> None:
        """What is seen stays, and the next picture goes where this one was meant to go."""
        self._turn = self.letters.index(letter)
        failed, seen, model = self.sources.pop(letter), self._seen.get(letter), self._studio.model
        if letter in self.pictures:
            self.sources[letter] = self.pictures[letter] if seen is None or is_same(seen, failed) else seen
            if model is not None and self.pictures[letter].shape != model.shape:
                self.load(letter)
        elif letter in self._made_room:
            self.remove(letter)  # an empty place that nobody asked for would keep all others from being blended
        self._show_aim()
        if failed is self.offered.get(letter):
            self.refused.emit(letter)
        else:
            self._studio.failed.emit(failure)

    def choose_file(self, letter: str) -> None:
        title = tr("Choose picture {letter}", letter=letter)
        dialogs.choose_files(self.window(), self._studio, title, dialogs.picture_kinds(), lambda paths: self.set_paths(letter, paths), many=True)

    @Slot(str, QImage)
    def _image_dropped(self, letter: str, image: QImage) -> None:
        self.set_source(letter, to_array(QImage(image)))

    @Slot()
    def paste(self) -> None:
        """Into the well that has the focus, else into the next free one."""
        focused = self.window().focusWidget()
        letter = next((letter for letter in self.letters if self.places[letter].well is focused), self.free_place())
        if not self.places[letter].well.take(QGuiApplication.clipboard().mimeData()):
            self._studio.said.emit(tr("There is no picture in the clipboard"))

    def take(self, mime: QMimeData) -> bool:
        """What is dropped beside the wells goes where a picture that is picked would go."""
        return self.places[self.free_place()].well.take(mime)

    def _show_menu(self, letter: str, place: QPoint) -> None:
        menu = QMenu(self)
        menu.setObjectName("wellMenu")
        menu.addAction(tr("Choose a file…"), lambda: self.choose_file(letter))
        paste = menu.addAction(tr("Paste"), lambda: self.places[letter].well.take(QGuiApplication.clipboard().mimeData()))
        mime = QGuiApplication.clipboard().mimeData()
        paste.setEnabled(mime.hasImage() or mime.hasUrls())
        copy = menu.addAction(tr("Copy"), lambda: QGuiApplication.clipboard().setMimeData(self.places[letter].well.mime()))
        copy.setEnabled(letter in self.pictures)
        if len(self.weights) > FEWEST:
            menu.addSeparator()
            menu.addAction(tr("Take out"), lambda: self._take_out(letter))
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(place)

    # Places.

    @Slot()
    def _rest(self) -> None:
        if not any(run.busy for run in self._loads.values()):
            self.settled.emit()

    @Slot()
    def add(self) -> None:
        if len(self.weights) < MOST:
            self._arrange(with_one_more(self.weights))
            self._rest()

    def hold(self, sources: Sequence[Source | None], weights: Weights | None = None) -> None:
        """These pictures in as many wells, instead of those that are there. What is seen already is not loaded again."""
        for run in self._loads.values():
            run.cancel()
        there = [(self._seen[letter], picture) for letter, picture in self.pictures.items()]
        there += [(source, source) for source in sources if source is not None and not isinstance(source, Path)]
        there = [(source, picture) for source, picture in there if self._studio.model and picture.shape == self._studio.model.shape]
        for kept in (self.sources, self.pictures, self._seen):
            kept.clear()
        for letter, source in zip(LETTERS, sources, strict=False):
            if source is not None:
                self.sources[letter] = source
                if (picture := next((picture for known, picture in there if is_same(known, source)), None)) is not None:
                    self.pictures[letter], self._seen[letter] = picture, source
        self._made_room.clear()
        self._loading.clear()
        self._arrange(weights or equal(len(sources)))
        for letter in self.letters:
            if letter not in self.pictures:
                self.load(letter)
        self._rest()

    def remove(self, letter: str) -> None:
        """The places after it move up."""
        if len(self.weights) == FEWEST or letter not in self.letters:
            return
        index = self.letters.index(letter)
        self._move({other: LETTERS[i - (i > index)] for i, other in enumerate(self.letters) if other != letter})
        self._arrange(without(self.weights, index))
        self._load_again()
        self._rest()

    def _move(self, places: dict[str, str]) -> None:
        """What is at some places, or on its way there, goes to others; what has none goes away."""
        for run in self._loads.values():
            run.cancel()
        for kept in (self.sources, self.pictures, self._seen):
            moved = {places[letter]: value for letter, value in kept.items() if letter in places}
            kept.clear()
            kept.update(moved)  # type: ignore[arg-type]
        self._loading, self._made_room = ({places[letter] for letter in kept if letter in places} for kept in (self._loading, self._made_room))

    def _load_again(self) -> None:
        """What was on its way when its place changed."""
        for letter in sorted(self._loading):
            self.load(letter)

    def _take_out(self, letter: str, checked: bool = False) -> None:
        """By hand: the well that takes its place has the focus then, or Qt would give it to whatever comes next in the window."""
        if len(self.weights) > FEWEST:
            index = self.letters.index(letter)
            self.remove(letter)
            self.places[self.letters[min(index, len(self.letters) - 1)]].well.setFocus()

    def swap(self, letter: str, other: str) -> None:
        if letter == other or letter not in self.letters or other not in self.letters or not {letter, other} <= self.pictures.keys():
            return
        self._move(dict(zip(self.letters, self.letters, strict=True)) | {letter: other, other: letter})
        self.quiet -= {letter, other}
        self._show_pictures()
        self._load_again()
        self.changed.emit()
        self.loaded.emit(letter)
        self._rest()

    def _arrange(self, weights: Weights) -> None:
        self.weights = weights
        self.quiet.clear()
        self._show_pictures()
        self.show_weights()
        self._place_all()
        self.arranged.emit()
        self.changed.emit()

    def _place_all(self) -> None:
        """Two stand at either side of the blend; more at its left in two columns, each with its share."""
        grid, count = self._grid, len(self.weights)
        while grid.count():
            grid.takeAt(0)
        places = [self.places[letter] for letter in self.letters]
        for place in self.places.values():
            place.setVisible(place in places)
            place.bar.setVisible(count > FEWEST)
        rows = 1 if count == FEWEST else -(-count // 2)
        if count == FEWEST:
            for i, part in enumerate((places[0], self._preview, places[1])):
                grid.addWidget(part, 0, i)
        else:
            for i, place in enumerate(places):
                grid.addWidget(place, i // 2, i % 2)
            grid.addWidget(self._preview, 0, 2, rows, 1)
        for i, stretch in enumerate((3, 5, 3) if count == FEWEST else (2, 2, 5)):
            grid.setColumnStretch(i, stretch)
        for i in range(3):
            grid.setRowStretch(i, int(i < rows))

    def _show_pictures(self) -> None:
        for letter, place in self.places.items():
            place.well.set_picture(self.pictures.get(letter) if letter in self.letters else None)

    # Shares.

    def set_weights(self, weights: Weights) -> None:
        self.weights = weights if len(weights) == len(self.weights) else equal(len(self.weights))
        self.show_weights()

    def show_weights(self) -> None:
        for letter, weight in zip(self.letters, self.weights, strict=True):
            self.places[letter].show_share(weight)

    def _share_moved(self, letter: str, value: int) -> None:
        self.set_weights(with_share(self.weights, self.letters.index(letter), value / 100))
        self.moved.emit()
