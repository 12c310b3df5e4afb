"""File dialogs that open beside the program and call back; nothing waits for them. Each begins in the folder of the last."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFileDialog, QMessageBox, QWidget

from ddpm_studio.gui import theme
from ddpm_studio.language import tr

if TYPE_CHECKING:
    from ddpm_studio.gui.studio import Studio


def picture_kinds(title: str = "", *more: str) -> str:
    """What a file dialog offers: all that can be read as a picture, and `more` suffixes."""
    from ddpm_studio.imaging import IMAGE_SUFFIXES  # Pillow takes a fifth of a second

    return f"{title or tr('Pictures')} ({' '.join(f'*{suffix}' for suffix in (*more, *sorted(IMAGE_SUFFIXES)))})"


def choose_folder(parent: QWidget, studio: Studio, chosen: Callable[[Path], None], title: str = "") -> QFileDialog:
    dialog = QFileDialog(parent, title or tr("Choose a folder of pictures"), str(last_folder(studio)))
    dialog.setFileMode(QFileDialog.FileMode.Directory)
    dialog.setOption(QFileDialog.Option.ShowDirsOnly, False)
    dialog.fileSelected.connect(lambda path: chosen(Path(path)))
    return _open(dialog, studio, "folderDialog")


def choose_files(
    parent: QWidget, studio: Studio, title: str, kinds: str, chosen: Callable[[list[Path]], None], many: bool = False, usual: Path | None = None
) -> QFileDialog:
    """`usual`: where to begin when no folder was chosen before."""
    dialog = QFileDialog(parent, title, str(last_folder(studio, usual)), kinds)
    dialog.setFileMode(QFileDialog.FileMode.ExistingFiles if many else QFileDialog.FileMode.ExistingFile)
    dialog.filesSelected.connect(lambda paths: chosen([Path(path) for path in paths]))
    return _open(dialog, studio, "openDialog")


def choose_target(parent: QWidget, studio: Studio, title: str, name: str, chosen: Callable[[Path], None], kinds: str = "") -> QFileDialog:
    """`name`: of the file, as it is offered. `kinds`: what is offered, in Qt's words; the first is what a name without a suffix becomes; without them a PNG."""
    kinds = kinds or f"{tr('PNG picture')} (*.png)"
    dialog = QFileDialog(parent, title, str(last_folder(studio) / name), kinds)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix(kinds.partition("*.")[2].partition(")")[0])
    dialog.fileSelected.connect(lambda path: chosen(Path(path)))
    return _open(dialog, studio, "saveDialog")


def tell(parent: QWidget, name: str, title: str, text: str, more: str) -> QMessageBox:
    """A box that says something and stands beside the work until it is closed."""
    box = QMessageBox(QMessageBox.Icon.NoIcon, title, text, QMessageBox.StandardButton.Close, parent)
    box.setObjectName(name)
    box.setInformativeText(more)
    box.setIconPixmap(theme.app_icon().pixmap(48, 48))
    box.finished.connect(box.deleteLater)
    box.setModal(False)
    box.show()
    return box


def show_folder(studio: Studio, folder: Path) -> None:
    """In the file manager; where there is none, by its name."""
    if not QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder))):
        studio.said.emit(tr("No file manager was found; the folder is {folder}", folder=str(folder)))


def last_folder(studio: Studio, usual: Path | None = None) -> Path:
    return Path(studio.preferences.last_folder or usual or Path.home())


def _open(dialog: QFileDialog, studio: Studio, name: str) -> QFileDialog:
    dialog.setObjectName(name)
    dialog.filesSelected.connect(lambda paths: studio.remember(last_folder=str(Path(paths[0]).parent)))
    dialog.finished.connect(dialog.deleteLater)
    dialog.open()
    return dialog
