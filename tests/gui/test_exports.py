"""What somebody saves over an older file: that one is whole until the new one is."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QSizeF
from PySide6.QtWidgets import QGraphicsScene, QWidget
from pytestqt.qtbot import QtBot

from ddpm_studio import gallery, paths
from ddpm_studio.events import Failed, StepDone
from ddpm_studio.gui.drawing import save_drawing
from ddpm_studio.gui.pages.exporting import save
from ddpm_studio.gui.pages.gallery_export import GalleryExport
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.widgets.loss_plot import LossPlot

from .fakes import FakeJobs

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there a limit on the size of files cannot be set")
Export = Callable[[Studio, Path], None]


@contextlib.contextmanager
def full_disk(room: int = 2_000) -> Iterator[None]:
    """No file becomes larger than that."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def noise(side: int = 64) -> Path:
    return gallery.save_pictures(np.random.default_rng(0).integers(0, 255, (1, side, side, 3), np.uint8), [{"kind": "sample", "seed": 1}])[0]


def a_picture(studio: Studio, target: Path) -> None:
    page = QWidget()
    GalleryExport(studio, page).save(next(paths.gallery_dir().glob("*.png")), target)


def numbers(studio: Studio, target: Path) -> None:
    plot = LossPlot()
    plot.add([StepDone(step, step, 1 / step, 2.0, 1e-3, 400.0, step * 0.1) for step in range(1, 1001)])
    save(studio, target, plot.export)
    plot.deleteLater()


def a_drawing(studio: Studio, target: Path) -> None:
    scene = QGraphicsScene()
    for i in range(100):
        scene.addEllipse(i, i, 7 * i, 3 * i)
    save(studio, target, lambda file: save_drawing(file, QSizeF(800, 800), scene.render, "Drawing"))


@pytest.mark.parametrize(("export", "name"), [(a_picture, "old.png"), (numbers, "old.csv"), (a_drawing, "old.svg"), (a_drawing, "old.png")])
def test_a_full_disk_leaves_the_old_file(qtbot: QtBot, home: Path, tmp_path: Path, export: Export, name: str) -> None:
    noise()
    studio, failures = Studio(FakeJobs()), list[Failed]()
    studio.failed.connect(failures.append)
    folder = tmp_path / "chosen"
    folder.mkdir()
    target = folder / name
    target.write_bytes(b"old" * 5_000)
    with full_disk():
        export(studio, target)
    assert target.read_bytes() == b"old" * 5_000
    assert list(folder.iterdir()) == [target]
    assert name in failures[0].message

    export(studio, target)
    assert len(failures) == 1
    assert b"old" not in target.read_bytes()[:30]


def test_a_full_disk_leaves_no_half_copies(qtbot: QtBot, home: Path, tmp_path: Path) -> None:
    picture, studio, failures = noise(), Studio(FakeJobs()), list[Failed]()
    studio.failed.connect(failures.append)
    page = QWidget()
    folder = tmp_path / "chosen"
    folder.mkdir()
    with full_disk():
        GalleryExport(studio, page).copy_into([picture], folder)
        qtbot.waitUntil(lambda: bool(failures))
    assert "could not be copied" in failures[0].message
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("export", [a_picture, numbers, a_drawing])
def test_a_folder_that_is_gone_is_not_made_anew(qtbot: QtBot, home: Path, tmp_path: Path, export: Export) -> None:
    noise()
    studio, failures = Studio(FakeJobs()), list[Failed]()
    studio.failed.connect(failures.append)
    export(studio, tmp_path / "gone" / "curve.csv")
    assert "curve.csv" in failures[0].message
    assert not (tmp_path / "gone").exists()
    studio.shut_down()
