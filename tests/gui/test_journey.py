"""A first day with the program, on a screen with real mouse, keyboard and drag and drop; and the next day, when all is still there."""

from __future__ import annotations

import faulthandler
from pathlib import Path

import pytest

from ddpm_studio import gallery, paths
from tests.gui.desktop import Program, desktop, missing_tools

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(missing_tools()), reason=f"needs {', '.join(missing_tools())}"),
]


def test_from_the_first_start_to_the_second(tmp_path: Path) -> None:
    faulthandler.cancel_dump_traceback_later()  # it may well take more than a minute
    home = tmp_path / "home"
    with desktop() as screen:
        with screen.program(home) as studio:
            train_on_the_samples(studio)
            generate(studio)
            blend(studio)
            file = find_in_the_gallery(studio, home)
            restore(studio, file)
            studio.quit()
        with screen.program(home) as studio:
            assert not studio.find("errorBanner")["visible"]
            studio.click("pageRuns")
            studio.wait_for("runsView", lambda found: found["visible"] and found["rows"] == 1)
            studio.click("pageGallery")
            studio.wait_for("galleryView", lambda found: found["visible"] and found["rows"] == 4)
            studio.click("pageGenerate")
            assert "pixel_tiles" in studio.wait_for("modelCombo")["currentText"]  # the model that was used last
            studio.quit()


def train_on_the_samples(studio: Program) -> None:
    studio.drop([paths.samples_archive()], "datasetDropZone")
    studio.wait_for("datasetReport", lambda found: found["visible"], 90)
    studio.click("trainButton", seconds=90)
    studio.wait_for("previewGrid", lambda found: found["visible"] and found["pictures"], 180)
    studio.click("stopButton")
    studio.wait_for("trainButton", seconds=60)


def generate(studio: Program) -> None:
    studio.click("pageGenerate")
    studio.click("useNewestButton")
    for name, number in (("countSpin", "4"), ("stepsSpin", "5"), ("seedSpin", "42")):
        studio.type_into(name, number)
    studio.click("generateButton", seconds=60)
    studio.wait_for("sampleGrid", lambda found: found["pictures"] == 4, 120)
    studio.wait_for("generateButton", seconds=30)


def blend(studio: Program) -> None:
    """Two of the pictures that were just made, from the gallery, and a hand on the slider."""
    studio.click("pageGallery")
    studio.wait_for("galleryView", lambda found: found["visible"] and found["rows"] == 4)
    for column, name in ((0, "useAsAButton"), (1, "useAsBButton")):
        studio.click("pageGallery")
        studio.click("galleryView", at=thumbnail(studio, column))
        studio.click(name)
        studio.wait_for("blendPreview", lambda found: found["visible"])
    studio.drag("lambdaSlider", (0.5, 0.5), (0.2, 0.5))
    studio.wait_for("blendPreview", lambda found: found["image"], 60)
    assert studio.find("lambdaSlider")["value"] != 50


def find_in_the_gallery(studio: Program, home: Path) -> Path:
    studio.click("pageGallery")
    studio.type_into("gallerySearch", "seed 44")
    studio.wait_for("galleryView", lambda found: found["rows"] == 1)
    files = [file for file in gallery.list_pictures(home / "gallery") if gallery.read_recipe(file)["seed"] == 44]
    assert len(files) == 1
    return files[0]


def restore(studio: Program, file: Path) -> None:
    """The settings come back with the picture that is dropped on the window."""
    studio.click("pageGenerate")
    studio.type_into("seedSpin", "7")
    studio.type_into("countSpin", "2")
    studio.drop([file], "sampleGrid")
    studio.wait_for("seedSpin", lambda found: found["value"] == 44)
    studio.click("recreateButton", seconds=30)
    studio.wait_for("recreateText", lambda found: "bit for bit" in str(found["text"]), 60)


def thumbnail(studio: Program, column: int) -> tuple[float, float]:
    """Where the picture of the first row and this column is, in shares of the gallery."""
    found = studio.find("galleryView")
    return (60 + 112 * column) / found["width"], 60 / found["height"]
