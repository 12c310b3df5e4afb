"""Where a plot is to be written, asked for and done."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ddpm_studio.errors import describe_os_error
from ddpm_studio.events import Failed
from ddpm_studio.gui import dialogs
from ddpm_studio.language import tr

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from ddpm_studio.gui.studio import Studio
    from ddpm_studio.gui.widgets.plot import Plot


def export_plot(page: QWidget, studio: Studio, plot: Plot, stem: str) -> None:
    """Ask for a file, its name beginning with `stem`, and write the plot there."""
    if not plot.length:
        studio.said.emit(tr("There is no curve yet"))
        return

    def write(file: Path) -> None:
        try:
            plot.export(file)
        except OSError as error:
            studio.failed.emit(Failed.of(describe_os_error(error, tr("write {name}", name=file.name))))
        else:
            studio.said.emit(tr("Saved {name}", name=file.name))

    what = re.sub(r"(?<!^)(?=[A-Z])", "-", plot.objectName().removesuffix("Plot")).lower()
    start = Path.home() / (f"{stem}-{what}.png" if stem else f"{what}.png")
    kinds = ";;".join((tr("Picture (*.png)"), tr("Drawing (*.svg)"), tr("Numbers (*.csv)")))
    dialogs.choose_target(page.window(), tr("Export the curve"), str(start), write, kinds)
