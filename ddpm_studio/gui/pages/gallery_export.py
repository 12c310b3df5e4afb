"""Pictures of the gallery leave it: as a file, as many, as one sheet, by the clipboard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QMimeData, QObject, QUrl
from PySide6.QtGui import QGuiApplication, QImage

from ddpm_studio.errors import describe_os_error
from ddpm_studio.events import Event, Failed
from ddpm_studio.files import write_atomically
from ddpm_studio.gui import dialogs
from ddpm_studio.gui.answers import PicturesMoved, SheetMade
from ddpm_studio.gui.pages.exporting import save
from ddpm_studio.gui.qimage import to_qimage
from ddpm_studio.gui.studio import Studio
from ddpm_studio.language import ntr, tr

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget


class GalleryExport(QObject):
    def __init__(self, studio: Studio, parent: QWidget) -> None:
        super().__init__(parent)
        self._studio, self._page = studio, parent

    def ask_save(self, path: Path) -> None:
        dialogs.choose_target(self._page.window(), self._studio, tr("Save the picture"), path.name, lambda target: self.save(path, target))

    def ask_folder(self, files: list[Path]) -> None:
        dialogs.choose_folder(self._page.window(), self._studio, lambda folder: self.copy_into(files, folder), tr("Copy the pictures into"))

    def ask_sheet(self, files: list[Path]) -> None:
        dialogs.choose_target(self._page.window(), self._studio, tr("Save as one picture"), "pictures.png", lambda target: self.save_sheet(files, target))

    def save(self, path: Path, target: Path) -> None:
        try:
            content = path.read_bytes()
        except OSError as error:
            self._studio.failed.emit(Failed.of(describe_os_error(error, tr("read {name}", name=path.name))))
            return
        save(self._studio, target, lambda target: write_atomically(target, content))

    def save_sheet(self, files: list[Path], target: Path) -> None:
        def made(batch: list[Event]) -> None:
            if any(isinstance(event, SheetMade) for event in batch):
                self._studio.said.emit(tr("Saved {name}", name=target.name))

        self._studio.ask(self._studio.jobs.sheet(files, target), made)

    def copy_into(self, files: list[Path], folder: Path) -> None:
        def copied(batch: list[Event]) -> None:
            for event in batch:
                if isinstance(event, PicturesMoved) and event.failed:
                    text = ntr("{count} picture could not be copied.", "{count} pictures could not be copied.", len(event.failed))
                    self._studio.failed.emit(Failed(text, tr("Choose a folder that you may write, on a disk with room.")))
                elif isinstance(event, PicturesMoved):
                    self._studio.said.emit(ntr("Copied {count} picture into {folder}", "Copied {count} pictures into {folder}", len(event.done), folder=folder.name))

        self._studio.ask(self._studio.jobs.copy_pictures(files, folder), copied)

    def to_clipboard(self, files: list[Path]) -> None:
        """One as a picture, several as a sheet; for file managers also as files."""
        if len(files) == 1:
            self._put_on_clipboard(files, QImage(str(files[0])))
            return

        def made(batch: list[Event]) -> None:
            for event in batch:
                if isinstance(event, SheetMade):
                    self._put_on_clipboard(files, to_qimage(event.image))

        self._studio.ask(self._studio.jobs.sheet(files), made)

    def _put_on_clipboard(self, files: list[Path], image: QImage) -> None:
        mime = QMimeData()
        mime.setImageData(image)
        mime.setUrls([QUrl.fromLocalFile(str(path)) for path in files])
        QGuiApplication.clipboard().setMimeData(mime)
        self._studio.said.emit(ntr("Copied {count} picture", "Copied {count} pictures", len(files)))
