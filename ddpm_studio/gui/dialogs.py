"""File dialogs that open beside the program and call back; nothing waits for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QWidget

from ddpm_studio.language import tr


def picture_kinds(title: str = "", *more: str) -> str:
    """What a file dialog offers: all that can be read as a picture, and `more` suffixes."""
    from ddpm_studio.imaging import IMAGE_SUFFIXES  # Pillow takes a fifth of a second

    return f"{title or tr('Pictures')} ({' '.join(f'*{suffix}' for suffix in (*more, *sorted(IMAGE_SUFFIXES)))})"


def choose_folder(parent: QWidget, start: str, chosen: Callable[[Path], None], title: str = "") -> QFileDialog:
    dialog = QFileDialog(parent, title or tr("Choose a folder of pictures"), start)
    dialog.setFileMode(QFileDialog.FileMode.Directory)
    dialog.setOption(QFileDialog.Option.ShowDirsOnly, False)
    dialog.fileSelected.connect(lambda path: chosen(Path(path)))
    return _open(dialog, "folderDialog")


def choose_files(parent: QWidget, title: str, start: str, kinds: str, chosen: Callable[[list[Path]], None], many: bool = False) -> QFileDialog:
    dialog = QFileDialog(parent, title, start, kinds)
    dialog.setFileMode(QFileDialog.FileMode.ExistingFiles if many else QFileDialog.FileMode.ExistingFile)
    dialog.filesSelected.connect(lambda paths: chosen([Path(path) for path in paths]))
    return _open(dialog, "openDialog")


def choose_target(parent: QWidget, title: str, start: str, chosen: Callable[[Path], None], kinds: str = "") -> QFileDialog:
    """`kinds`: what is offered, in Qt's words; the first is what a name without a suffix becomes; without them a PNG."""
    kinds = kinds or f"{tr('PNG picture')} (*.png)"
    dialog = QFileDialog(parent, title, start, kinds)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix(kinds.partition("*.")[2].partition(")")[0])
    dialog.fileSelected.connect(lambda path: chosen(Path(path)))
    return _open(dialog, "saveDialog")


def _open(dialog: QFileDialog, name: str) -> QFileDialog:
    dialog.setObjectName(name)
    dialog.finished.connect(dialog.deleteLater)
    dialog.open()
    return dialog
