"""The previews of a run on the disk: sheets of pictures, from which they can be shown again."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path

import numpy as np
from PIL import Image

from ddpm_studio import imaging
from ddpm_studio.errors import UserError
from ddpm_studio.events import Images, PreviewReady, frozen_images
from ddpm_studio.runs import Run

WHOLE, RAW, WALK = "step_*.png", "raw_", "walk_"
"""One sheet of each preview, and what may lie beside it: that of the raw weights, and the walk from noise to some of the pictures."""
MAX_PIXELS = 20_000_000
"""Of a sheet: 64 previews of 512 x 512 have 17 million."""
_RAW_WEIGHTS = {"weights": "raw"}


def list_previews(run: Run) -> list[Path]:
    """Oldest first."""
    return sorted(run.previews.glob(WHOLE), key=_step_of)


def save_preview(run: Run, preview: PreviewReady) -> None:
    """Raises UserError when the disk does not take it."""
    file = run.previews / f"step_{preview.step:07d}.png"
    if len(preview.raw):
        imaging.save_png(beside(file, RAW), imaging.grid(preview.raw))
    if len(preview.walk):
        stages, pictures, *shape = preview.walk.shape
        imaging.save_png(beside(file, WALK), imaging.grid(preview.walk.reshape(stages * pictures, *shape), columns=pictures))
    imaging.save_png(file, imaging.grid(preview.images), None if preview.averaged else _RAW_WEIGHTS)


def forget_previews_after(run: Run, step: int) -> None:
    """Of a run that is taken up again at that step: what came after it, before it was interrupted, is made anew."""
    for file in list_previews(run):
        if _step_of(file) > step:
            for sheet in (file, beside(file, RAW), beside(file, WALK)):
                with contextlib.suppress(OSError):  # a preview is not worth ending a training for
                    sheet.unlink(missing_ok=True)


def _step_of(file: Path) -> int:
    """-1 for a name that is none of ours."""
    digits = file.stem.removeprefix("step_")
    return int(digits) if digits.isdecimal() else -1


def read_preview(file: Path, shape: tuple[int, int, int]) -> PreviewReady | None:
    """What was saved as `file`, pictures of height, width and channels; empty cells of a sheet are white. None when it is damaged."""
    sheet = _read_sheet(file, shape)
    if sheet is None:
        return None
    raw, walk = (_read_sheet(beside(file, name), shape) for name in (RAW, WALK))
    nothing = PreviewReady(0, sheet)
    try:
        step = int(file.stem.removeprefix("step_"))
        averaged = "weights" not in imaging.read_png_text(file)
    except (ValueError, UserError):
        return None
    return PreviewReady(step, _in_a_row(sheet), averaged, nothing.raw if raw is None else _in_a_row(raw), nothing.walk if walk is None else walk)


def beside(file: Path, name: str) -> Path:
    """Where that kind of sheet is that goes with the preview `file`."""
    return file.with_name(file.name.replace("step_", name, 1))


def _in_a_row(sheet: Images) -> Images:
    return frozen_images(sheet.reshape(-1, *sheet.shape[2:]))


def _read_sheet(file: Path, shape: tuple[int, int, int], gap: int = 2) -> Images | None:
    """uint8 [rows, columns, H, W, C]; None for a damaged or missing file, or one that is no sheet of such pictures."""
    try:
        with Image.open(file, formats=("PNG",)) as image:
            if math.prod(image.size) > MAX_PIXELS or image.mode != {1: "L", 3: "RGB", 4: "RGBA"}[shape[2]]:  # no sheet of ours: it is not even decoded
                return None
            pixels = np.asarray(image)
    except Exception:  # decoders pass on whatever arbitrary bytes lead them into
        return None
    pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
    height, width, channels = shape
    rows, columns = (pixels.shape[0] + gap) // (height + gap), (pixels.shape[1] + gap) // (width + gap)
    if pixels.ndim != 3 or not rows or not columns or pixels.shape != (rows * (height + gap) - gap, columns * (width + gap) - gap, channels):
        return None
    padded = np.pad(pixels, ((0, gap), (0, gap), (0, 0))).reshape(rows, height + gap, columns, width + gap, channels)
    return frozen_images(padded[:, :height, :, :width].swapaxes(1, 2))
