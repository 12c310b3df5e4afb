"""The menus of the window, and their keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QAction, QActionGroup, QGuiApplication, QKeySequence
from PySide6.QtWidgets import QAbstractButton, QMenu

from ddpm_studio import __version__, language, paths
from ddpm_studio.as_command import generate_command, train_command
from ddpm_studio.events import Failed
from ddpm_studio.gui import dialogs, theme
from ddpm_studio.gui.pages.blend import BlendPage
from ddpm_studio.gui.widgets.command_palette import Command, CommandPalette, without_mnemonic
from ddpm_studio.gui.widgets.handbook import Handbook
from ddpm_studio.language import tr

if TYPE_CHECKING:
    from ddpm_studio.gui.main_window import MainWindow

BUTTONS = {
    "chooseFolderButton": "actionOpenFolder", "trainButton": "actionStartTraining", "pauseButton": "actionPauseOrResume", "stopButton": "actionStopAndSave",
    "generateButton": "actionGenerate", "cancelButton": "actionCancel", "sheetButton": "actionMakeBlendSheet",
}  # fmt: skip
"""Buttons of the pages, and the commands of the menus that do the same."""


class Menus(QObject):
    def __init__(self, window: MainWindow, pages: tuple[tuple[str, str, str], ...]) -> None:
        super().__init__(window)
        self._window = window
        studio, train = window.studio, window.train_page
        files, edit, training, pictures, view, about = (
            window.menuBar().addMenu(text) for text in (tr("&File"), tr("&Edit"), tr("&Train"), tr("&Pictures"), tr("&View"), tr("&Help"))
        )
        self._add(files, "OpenFolder", tr("Open &folder…"), "Ctrl+O", self._open_folder, "folder-open")
        self._add(files, "OpenZipOrPictures", tr("Open &zip or pictures…"), "Ctrl+Shift+O", train.dataset.browse_files, "file-archive")
        self._add(files, "OpenTheSamplePictures", tr("Open the &sample pictures"), "", self._open_samples, "images")
        files.addSeparator()
        self._add(files, "Quit", tr("&Quit"), "Ctrl+Q", window.close)
        self._add_undo(edit)
        self.start = self._add(training, "StartTraining", tr("&Start training"), "Ctrl+T", self._start_training, "play")
        self.pause = self._add(training, "PauseOrResume", tr("&Pause or resume"), "Ctrl+P", studio.training.toggle_pause, "pause")
        self.stop = self._add(training, "StopAndSave", tr("S&top and save"), "Ctrl+.", studio.training.stop, "square")
        studio.training.state_changed.connect(self._show_training)
        self._show_training()
        training.addSeparator()
        self._add(training, "CopyTrainingAsACommand", tr("Copy training as a &command"), "", self._copy_training, "terminal")
        self._add(pictures, "Generate", tr("&Generate"), "Ctrl+G", self._generate, "sparkles")
        self._add(pictures, "Cancel", tr("&Cancel"), "Ctrl+Shift+G", studio.sampling.cancel, "x")
        pictures.addSeparator()
        self._add(pictures, "MakeBlendSheet", tr("Make blend &sheet"), "Ctrl+B", self._make_sheet, "layout-grid")
        self._add(pictures, "MakeBlendFilm", tr("Make blend &film"), "Ctrl+Shift+B", self._make_film, "film")
        pictures.addSeparator()
        self._add(pictures, "OpenAPicturesSettings", tr("Open a picture's &settings…"), "Ctrl+Shift+R", self._open_settings, "image-plus")
        self._add(pictures, "CopyGenerationAsACommand", tr("Copy generation as a c&ommand"), "", self._copy_generation, "terminal")
        self._add(pictures, "CopyBlendAsACommand", tr("Copy &blend as a command"), "", self._copy_blend, "terminal")
        for i, (name, icon, _) in enumerate(pages):
            self._add(view, f"Show{name}", tr(name), f"Ctrl+{i + 1}", partial(window.show_page, name), icon)
        view.addSeparator()
        group = QActionGroup(self)
        self.themes: dict[str, QAction] = {}
        for choice, name, text in (
            ("system", "ThemeOfTheSystem", tr("Theme of the s&ystem")), ("light", "LightTheme", tr("&Light theme")), ("dark", "DarkTheme", tr("&Dark theme")),
        ):  # fmt: skip
            action = self._add(view, name, text, "", partial(window.set_theme, choice))
            action.setCheckable(True)
            group.addAction(action)
            self.themes[choice] = action
        view.addSeparator()
        self.reduced_motion = self._add(view, "ReduceMotion", tr("&Reduce motion"), "", lambda: window.set_reduced_motion(self.reduced_motion.isChecked()))
        self.reduced_motion.setCheckable(True)
        self._language_menu = self._languages()
        view.addMenu(self._language_menu)
        self._menus = (files, edit, training, pictures, view, about)
        self.palette = CommandPalette(window)
        self._add(about, "FindACommand", tr("&Find a command…"), "Ctrl+K", self._find_command, "search")
        self._add(about, "OpenTheHandbook", tr("&Handbook"), "F1", self._open_handbook, "circle-help")
        self._add(about, "OpenTheDataFolder", tr("&Open the data folder"), "", self._open_data_folder, "folder")
        self._add(about, "AboutDdpmStudio", tr("&About DDPM Studio"), "", self._about, "info")
        self._say_keys()

    @Slot()
    def _show_training(self) -> None:
        active = self._window.studio.training.active
        self.start.setEnabled(not active)
        self.pause.setEnabled(active)
        self.stop.setEnabled(active)

    def _say_keys(self) -> None:
        """Whoever meets a button learns the keys that do the same."""
        actions = {action.objectName(): action for menu in self._menus for action in menu.actions()}
        for name, doing in BUTTONS.items():
            button, keys = self._window.findChild(QAbstractButton, name), actions[doing].shortcut().toString()
            if button is not None and keys not in button.toolTip():
                button.setToolTip(f"{button.toolTip() or button.text().rstrip('…')} ({keys})")

    def _add_undo(self, menu: QMenu) -> None:
        """Qt keeps their texts ("Undo Steps") and whether they can be chosen."""
        stack = self._window.studio.undo_stack
        back, forth = stack.createUndoAction(self._window, tr("&Undo")), stack.createRedoAction(self._window, tr("&Redo"))
        for action, do in ((back, stack.undo), (forth, stack.redo)):
            action.triggered.disconnect()  # from what does not ask whether it may
            action.triggered.connect(do)
        keys = (["Ctrl+Z"], ["Ctrl+Shift+Z", "Ctrl+Y"])
        for action, name, icon, shortcuts in zip((back, forth), ("actionUndo", "actionRedo"), ("rotate-ccw", "refresh-cw"), keys, strict=True):
            action.setObjectName(name)
            action.setShortcuts([QKeySequence(text) for text in shortcuts])
            theme.set_icon(action, icon)
            action.setProperty("icon_name", icon)
            menu.addAction(action)

    def _add(self, menu: QMenu, name: str, text: str, keys: str, do: Callable[[], object], icon: str = "") -> QAction:
        action = QAction(text, self._window)
        action.setObjectName(f"action{name}")
        if keys:
            action.setShortcut(QKeySequence(keys))
        if icon:
            theme.set_icon(action, icon)
            action.setProperty("icon_name", icon)
        action.triggered.connect(lambda checked=False: do())
        menu.addAction(action)
        return action

    def _languages(self) -> QMenu:
        """Each is called what it calls itself."""
        self.languages: dict[str, QAction] = {}
        menu = QMenu(tr("Lan&guage"), self._window)
        menu.setObjectName("menuLanguage")
        group = QActionGroup(self)
        for choice, text in (("system", tr("Language of the s&ystem")), *language.LANGUAGES.items()):
            action = self._add(menu, f"Language{choice.title().replace('_', '')}", text, "", partial(self._window.set_language, choice))
            action.setCheckable(True)
            action.setChecked(choice == self._window.studio.preferences.language)
            group.addAction(action)
            self.languages[choice] = action
        return menu

    def commands(self) -> list[Command]:
        """All that the menus can do, in their order, but the search for it."""
        commands = [
            Command(action, without_mnemonic(menu.title()))
            for menu in (*self._menus, self._language_menu)
            for action in menu.actions()
            if not action.isSeparator() and not action.menu() and action.objectName() != "actionFindACommand"
        ]
        called = Counter(command.text for command in commands)
        return [replace(command, unique=called[command.text] == 1) for command in commands]

    def _find_command(self) -> None:
        self.palette.open(self.commands())

    def _open_folder(self) -> None:
        self._window.show_page("Train")
        self._window.train_page.dataset.browse()

    def _open_samples(self) -> None:
        self._window.show_page("Train")
        self._window.train_page.dataset.open_samples()

    def _start_training(self) -> None:
        self._window.show_page("Train")
        self._window.train_page.start()

    def _generate(self) -> None:
        self._window.show_page("Generate")
        self._window.generate_page.start()

    def _open_settings(self) -> None:
        window = self._window
        kinds, title = tr("Pictures made by DDPM Studio (*.png)"), tr("Open the settings of a picture")
        dialogs.choose_files(window, window.studio, title, kinds, lambda files: window.opening.open_picture(files[0]), usual=paths.gallery_dir())

    def _copy_training(self) -> None:
        self._window.show_page("Train")
        if (request := self._window.train_page.request()) is not None:
            self._copy(train_command(request))
            with suppress(OSError):
                request.run.path.rmdir()  # made to keep its name free; whoever runs the command makes it again

    def _copy_generation(self) -> None:
        self._window.show_page("Generate")
        if (request := self._window.generate_page.request()) is not None:
            self._copy(generate_command(request))

    def _copy(self, command: str) -> None:
        QGuiApplication.clipboard().setText(command)
        self._window.studio.said.emit(tr("Copied: {command}", command=command))

    def _blend_page(self) -> BlendPage:
        self._window.show_page("Blend")
        return self._window.blend_page

    def _make_sheet(self) -> None:
        self._blend_page().make_sheet()

    def _make_film(self) -> None:
        self._blend_page().make_film()

    def _copy_blend(self) -> None:
        self._blend_page().copy_command()

    def _open_handbook(self) -> None:
        try:
            book = self._window.findChild(Handbook) or Handbook(self._window)
        except OSError as error:
            self._window.studio.failed.emit(Failed.of(error))
            return
        book.show()
        book.raise_()
        book.activateWindow()

    def _open_data_folder(self) -> None:
        dialogs.show_folder(self._window.studio, paths.data_dir())

    def _about(self) -> None:
        dialogs.tell(self._window, "aboutBox", tr("About DDPM Studio"), f"DDPM Studio {__version__}", tr("Train, watch and use denoising diffusion models on your own pictures."))
