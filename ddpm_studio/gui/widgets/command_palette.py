"""Everything the menus can do, found by typing a part of its name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import shiboken6
from PySide6.QtCore import QEvent, QObject, Qt, Slot
from PySide6.QtGui import QAction, QKeyEvent
from PySide6.QtWidgets import QFrame, QLineEdit, QListWidget, QListWidgetItem, QWidget

from ddpm_studio.gui import theme
from ddpm_studio.gui.widgets.basics import column, label, row
from ddpm_studio.language import tr

WIDTH, SHOWN = 480, 9
ROW_HEIGHT = 36


@dataclass(frozen=True, slots=True)
class Command:
    """A line of the palette."""

    action: QAction
    place: str
    """The menu that it stands in."""
    unique: bool = True
    """Nothing else is called the same, as a page and what is done there may be."""

    @property
    def text(self) -> str:
        return without_mnemonic(self.action.text())

    @property
    def name(self) -> str:
        return self.text if self.unique else f"{self.text} · {self.place}"

    @property
    def english(self) -> str:
        """Its name in the program: where people have to switch their keyboard to type their own language, English will do, too."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", self.action.objectName().removeprefix("action"))


def without_mnemonic(text: str) -> str:
    """The text of a menu without its &; where letters are rare they stand behind it in brackets: 文件(&F)."""
    return re.sub(r"\(&.\)", "", text).replace("&", "")


def matches(text: str, query: str) -> bool:
    """Whether each word of the query begins a word of the text, or is a part of it when it has three letters or more, or
    is of a script that puts no spaces between words."""
    text = text.casefold()
    words = text.replace("…", "").split()
    return all(any(word.startswith(part) for word in words) or ((len(part) > 2 or part > "\u2e7f") and part in text) for part in query.casefold().split())


class CommandPalette(QFrame):
    """Lies over the window. Enter does what is chosen, Escape or a click elsewhere closes it."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.setObjectName("commandPalette")
        self.setAccessibleName(tr("Commands"))
        self._commands: Sequence[Command] = ()
        self._before: QWidget | None = None
        self.query = QLineEdit()
        self.query.setObjectName("commandQuery")
        self.query.setAccessibleName(tr("What to do"))
        self.query.setPlaceholderText(tr("Type what you want to do"))
        self.list = QListWidget()
        self.list.setObjectName("commandList")
        self.list.setAccessibleName(tr("Commands that fit"))
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.nothing = label(tr("Nothing fits"), "caption")
        self.nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setLayout(column(self.query, self.list, self.nothing, spacing=8, margins=(12, 12, 12, 12)))
        self.query.textChanged.connect(self._filter)
        self.query.installEventFilter(self)
        self.list.itemClicked.connect(self._do)
        window.installEventFilter(self)
        self.hide()

    def open(self, commands: Sequence[Command]) -> None:
        self._commands = commands
        self._before = self.window().focusWidget()
        self.query.clear()
        self._filter()
        self._place()
        self.show()
        self.raise_()
        self.query.setFocus()

    def close_palette(self) -> None:
        if self.isVisible():
            self.hide()
            if self._before is not None and shiboken6.isValid(self._before):
                self._before.setFocus()

    @Slot()
    def _filter(self) -> None:
        query = self.query.text()
        self.list.clear()
        for command in self._commands:
            if matches(f"{command.text} {command.place}", query) or matches(command.english, query):
                item = QListWidgetItem()
                item.setData(Qt.ItemDataRole.UserRole, command)
                item.setData(Qt.ItemDataRole.AccessibleTextRole, command.name)
                item.setSizeHint(self.list.sizeHint().scaled(WIDTH - 40, ROW_HEIGHT, Qt.AspectRatioMode.IgnoreAspectRatio))
                self.list.addItem(item)
                self.list.setItemWidget(item, _line(command))
        found = self.list.count()
        self.list.setVisible(found > 0)
        self.nothing.setVisible(found == 0)
        self.list.setFixedHeight(min(found, SHOWN) * ROW_HEIGHT + 4)
        self.list.setCurrentRow(0)
        self._place()

    def _place(self) -> None:
        parent = self.parentWidget()
        if parent is not None:
            self.setFixedWidth(min(WIDTH, parent.width() - 40))
            self.adjustSize()
            self.move((parent.width() - self.width()) // 2, min(96, parent.height() // 8))

    @Slot()
    def _do(self) -> None:
        item = self.list.currentItem()
        if item is not None:
            command: Command = item.data(Qt.ItemDataRole.UserRole)
            self.close_palette()
            command.action.trigger()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.query and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride and event.key() == Qt.Key.Key_Escape:
            event.accept()  # whatever shortcut lies behind it
            return True
        if watched is self.query and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            count, step = self.list.count(), {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_PageDown: SHOWN, Qt.Key.Key_PageUp: -SHOWN}.get(Qt.Key(event.key()))
            if step and count:
                row_now = self.list.currentRow() + step
                self.list.setCurrentRow(row_now % count if abs(step) == 1 else max(0, min(count - 1, row_now)))
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._do()
                return True
            if event.key() == Qt.Key.Key_Escape:
                self.close_palette()
                return True
        elif watched is self.query and event.type() == QEvent.Type.FocusOut:
            self.hide()
        elif watched is self.parentWidget() and event.type() == QEvent.Type.Resize:
            self._place()
        return super().eventFilter(watched, event)


def _line(command: Command) -> QWidget:
    icon, text, keys = label(), label(command.name), label(command.action.shortcut().toString() or command.place, "caption")
    if name := command.action.property("icon_name"):
        theme.set_icon(icon, name, "dim", 16)
    icon.setFixedWidth(20)
    line = QWidget()
    line.setLayout(row(icon, text, -1, keys, spacing=10, margins=(8, 0, 10, 0)))
    for part in (icon, text, keys, line):
        part.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        part.setEnabled(command.action.isEnabled())
    return line
