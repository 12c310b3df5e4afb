"""A single picture of a data set as it was before it was cropped: for people to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ddpm_studio.data.scan import Entry, find_pictures
from ddpm_studio.errors import UserError, describe_os_error
from ddpm_studio.events import OriginalLoaded, frozen_images
from ddpm_studio.imaging import decode_sized, fit
from ddpm_studio.language import tr

if TYPE_CHECKING:
    from ddpm_studio.control import RunControl

LARGEST_SIDE = 1024


def load_original(source: Path, name: str, background: str, control: RunControl | None = None) -> OriginalLoaded:
    """The picture of this name (`Dataset.names`) in a folder or zip, upright, on the background, at most 1,024 pixels high and wide.

    Raises UserError when it is gone or can no longer be read.
    """
    try:
        direct = source / name
        if source.is_dir() and direct.is_file():  # the rule; names with odd characters are shown in another spelling
            return _load(Entry(name, 0, 0, str(direct)), background)
        with find_pictures(source, control) as found:
            entry = next((entry for entry in found.files if entry.name == name), None)
            if entry is None:
                raise UserError(tr("{name} is not there any more.", name=name), tr("Open the pictures again."))
            return _load(entry, background)
    except OSError as error:
        raise describe_os_error(error, tr("open {name}", name=name)) from error


def _load(entry: Entry, background: str) -> OriginalLoaded:
    with entry.open() as stream:
        image, size = decode_sized(stream, LARGEST_SIDE // 2)
    scale = min(1.0, LARGEST_SIDE / max(image.size))
    shape = (max(1, round(image.height * scale)), max(1, round(image.width * scale)), 3)
    return OriginalLoaded(entry.name, frozen_images(np.asarray(fit(image, shape, background))), size)
