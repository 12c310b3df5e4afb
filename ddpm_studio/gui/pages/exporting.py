"""Files that somebody wants of what the window shows: asked for, written, and told."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddpm_studio.errors import describe_os_error
from ddpm_studio.events import Failed, Images
from ddpm_studio.gui import dialogs
from ddpm_studio.language import tr

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from ddpm_studio.gui.studio import Studio
    from ddpm_studio.gui.widgets.plot import Plot


def save(studio: Studio, file: Path, write: Callable[[Path], object]) -> None:
    """Write a file, and say so, or what went wrong. `write` leaves an older one as it is until the new one is whole."""
    try:
        file.parent.stat()  # nothing is made in the place of a folder that is gone
        write(file)
    except OSError as error:
        studio.failed.emit(Failed.of(describe_os_error(error, tr("save {name}", name=file.name))))
    except Exception as error:
        studio.failed.emit(Failed.of(error))
    else:
        studio.said.emit(tr("Saved {name}", name=file.name))


def save_png(studio: Studio, file: Path, picture: Images, recipe: dict[str, Any], blended: Sequence[Images] = ()) -> None:
    """A picture that carries what it was made by, and the pictures that were blended for it."""
    save(studio, file, lambda file: studio.jobs.save_png(file, picture, recipe, blended))


def keep(studio: Studio, picture: Images, recipe: dict[str, Any], blended: Sequence[Images] = ()) -> bool:
    """A picture goes into the gallery; whether it could, and a word where it could not."""
    try:
        studio.jobs.keep(picture, recipe, blended)
    except OSError as error:
        studio.failed.emit(Failed.of(describe_os_error(error, tr("write into the gallery"))))
    except Exception as error:
        studio.failed.emit(Failed.of(error))
    else:
        studio.gallery_changed.emit()
        return True
    return False


def export_plot(page: QWidget, studio: Studio, plot: Plot, stem: str) -> None:
    """Ask for a file, its name beginning with `stem`, and write the plot there."""
    if not plot.length:
        studio.said.emit(tr("There is no curve yet"))
        return

    what = re.sub(r"(?<!^)(?=[A-Z])", "-", plot.objectName().removesuffix("Plot")).lower()
    name = f"{stem}-{what}.png" if stem else f"{what}.png"
    kinds = ";;".join((tr("Picture (*.png)"), tr("Drawing (*.svg)"), tr("Numbers (*.csv)")))
    dialogs.choose_target(page.window(), studio, tr("Export the curve"), name, lambda file: save(studio, file, lambda target: plot.export(target, stem)), kinds)
