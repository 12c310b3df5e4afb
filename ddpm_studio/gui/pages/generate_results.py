"""The pictures that were made, and what can be done with the one that is chosen."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt, Signal, Slot
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu, QPushButton, QToolButton, QVBoxLayout, QWidget

from ddpm_studio.gui import theme
from ddpm_studio.gui.answers import NearestFound
from ddpm_studio.gui.widgets.basics import ElidedLabel, button, column, label, row, show_names, tool_button
from ddpm_studio.gui.widgets.containers import Card
from ddpm_studio.gui.widgets.picture_grid import PictureGrid
from ddpm_studio.language import ntr, tr


class Results(QWidget):
    """A grid, and under it the actions for the chosen picture; the same are in its menu."""

    wanted = Signal(str, int)
    """One of the names below, and the picture it is wanted of; -1 for all together."""
    VARY, LEFT, RIGHT, NEAREST, SAVE, COPY, GALLERY, SAVE_GRID, COPY_GRID = "vary", "left", "right", "nearest", "save", "copy", "gallery", "save_grid", "copy_grid"

    def __init__(self) -> None:
        super().__init__()
        self.grid = PictureGrid("sampleGrid", tr("Pictures that were made"), selectable=True)
        self.made = ElidedLabel("", "caption", "madeCaption")
        self.tools = {
            self.VARY: self._action(self.VARY, tr("Vary"), "wand-sparkles", "V"),
            self.NEAREST: self._action(self.NEAREST, tr("Nearest in training"), "search", "N"),
            self.LEFT: self._action(self.LEFT, tr("Left in Blend"), "arrow-left", "A", tr("Use it as the left end of a blend")),
            self.RIGHT: self._action(self.RIGHT, tr("Right in Blend"), "arrow-right", "B", tr("Use it as the right end of a blend")),
            self.SAVE: self._action(self.SAVE, tr("Save as…"), "download", "Ctrl+S"),
            self.COPY: self._action(self.COPY, tr("Copy"), "copy", "Ctrl+C"),
            self.GALLERY: self._action(self.GALLERY, tr("Show in the gallery"), "images"),
        }
        self.save_grid = button(tr("Save all as one"), "saveGridButton", "layout-grid", "quiet", tr("All pictures side by side, as a PNG with its recipe"))
        self.copy_grid = tool_button("copy", "copyGridButton", tr("Copy all pictures as one"))
        top = row(label(tr("Pictures"), "heading"), 4, self.made, self.save_grid, self.copy_grid)
        card = Card(top, self.grid, self._make_bar(), spacing=8, margin=12)
        self.setLayout(column(card))
        inside = card.layout()
        if isinstance(inside, QVBoxLayout):
            inside.setStretch(1, 1)
        self.save_grid.clicked.connect(lambda: self.wanted.emit(self.SAVE_GRID, -1))
        self.copy_grid.clicked.connect(lambda: self.wanted.emit(self.COPY_GRID, -1))
        self.grid.current_changed.connect(self._show_actions)
        self.grid.menu_wanted.connect(self._show_menu)
        self._ready = False
        self._refused: dict[str, bool] = {}
        """What cannot be done with these pictures, by name."""
        self._show_actions()

    def _action(self, name: str, text: str, icon: str, keys: str = "", tip: str = "") -> QAction:
        action = QAction(text, self.grid)
        action.setObjectName(f"{name}Action")
        theme.set_icon(action, icon)
        if keys:
            action.setShortcut(QKeySequence(keys))
            action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        keys_shown = f" ({QKeySequence(keys).toString(QKeySequence.SequenceFormat.NativeText)})" if keys else ""
        action.setToolTip((tip or text.replace("…", "")) + keys_shown)
        action.triggered.connect(lambda checked=False: self.wanted.emit(name, self.grid.current))
        self.grid.addAction(action)
        return action

    def _make_bar(self) -> QWidget:
        self.bar = QWidget()
        self.bar.setObjectName("pictureActions")
        self._texts = [self._button(name) for name in (self.VARY, self.NEAREST, self.LEFT, self.RIGHT)]
        icons = []
        for name in (self.SAVE, self.COPY):
            part = QToolButton()
            part.setDefaultAction(self.tools[name])
            part.setObjectName(f"{name}PictureButton")
            part.setAccessibleName(self.tools[name].text())
            icons.append(part)
        self.bar.setLayout(row(*self._texts, -1, *icons, spacing=2))
        return self.bar

    def _button(self, name: str) -> QPushButton:
        """An action with its name: a tool button would set the icon too close to it."""
        action = self.tools[name]
        part = button(action.text(), f"{name}PictureButton", str(action.property("iconName")), "quiet")
        part.clicked.connect(lambda: action.trigger())

        def follow() -> None:
            part.setEnabled(action.isEnabled())
            part.setToolTip(action.toolTip())

        action.changed.connect(follow)
        follow()
        return part

    def resizeEvent(self, event: object) -> None:
        """Where room is short, the buttons are their icons."""
        show_names(self._texts, self.width() - 2 * len(self._texts) - 2 * 36 - 24)
        self.save_grid.setText(self.save_grid.accessibleName() if self._texts[0].text() else "")

    def show_ready(self, ready: bool) -> None:
        """Whether the pictures are finished ones."""
        self._ready = ready
        self._show_actions()

    def explain(self, name: str, tip: str, possible: bool) -> None:
        """What an action does with these pictures, or why it cannot be done with them."""
        action = self.tools[name]
        action.setToolTip(f"{tip} ({action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)})")
        self._refused[name] = not possible
        self._show_actions()

    @Slot()
    def _show_actions(self) -> None:
        for name, action in self.tools.items():
            action.setEnabled(self._ready and self.grid.current >= 0 and not self._refused.get(name))
        self.save_grid.setEnabled(self._ready)
        self.copy_grid.setEnabled(self._ready)

    @Slot(int, QPoint)
    def _show_menu(self, index: int, place: QPoint) -> None:
        menu = QMenu(self)
        menu.setObjectName("pictureMenu")
        for name, action in self.tools.items():
            if name in (self.LEFT, self.SAVE, self.GALLERY):
                menu.addSeparator()
            menu.addAction(action)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(place)


class NearestPanel(QWidget):
    """The pictures of the data set that are nearest to one that was made."""

    closed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("nearestPanel")
        self.setAccessibleName(tr("Nearest training pictures"))
        self.close_button = tool_button("x", "closeNearestButton", tr("Back to the chosen frame"), 16)
        self.heading = label(tr("Nearest training pictures"), "heading")
        self.text = ElidedLabel("", "caption", "nearestText")
        self.honest = label(tr("By pixel distance only, in grey levels"), "caption", "nearestHonesty")
        self.honest.setToolTip(tr("Only pixels at the same place are compared: a copy that is shifted or mirrored counts as far away, and 0 is the very same picture."))
        self.grid = PictureGrid("nearestGrid", tr("Nearest training pictures"), largest_zoom=3)
        self.grid.setMinimumHeight(72)
        top = row(self.heading, self.close_button)
        top.setStretch(0, 1)
        layout = column(top, column(self.text, self.honest, spacing=0), self.grid, spacing=6)
        layout.setStretch(2, 1)
        self.setLayout(layout)
        self.close_button.clicked.connect(self.closed)

    def wait(self) -> None:
        self.grid.clear()
        self.text.setText(tr("Looking through the pictures…"))

    def show_found(self, found: NearestFound) -> None:
        self.grid.set_images(found.images, tuple(f"{distance:.0f}" for distance in found.distances))
        self.text.setText(ntr("Of {count} picture learnt from in {data}", "Of {count} pictures learnt from in {data}", found.total, data=found.data))
