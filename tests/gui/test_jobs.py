"""What the window hands to the engines."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from ddpm_studio.control import RunControl
from ddpm_studio.errors import UserError
from ddpm_studio.gui.dialogs import picture_kinds
from ddpm_studio.gui.jobs import Jobs, PictureLoaded, one_source


def picture(path: Path, colour: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 20), colour).save(path)
    return path


def test_loose_pictures_are_gathered_and_changes_are_seen(tmp_path: Path, home: Path) -> None:
    files = [picture(tmp_path / f"{name}.png", name) for name in ("red", "blue")]
    folder = one_source(files)
    assert folder.is_relative_to(home)
    assert len(list(folder.iterdir())) == 2
    assert one_source(files) == folder
    picture(files[0], "green")
    os.utime(files[0], (1, 1))
    assert one_source(files) != folder


def test_folders_and_zips_stay_where_they_are(tmp_path: Path) -> None:
    assert one_source([tmp_path]) == tmp_path
    assert one_source([tmp_path / "a.zip"]) == tmp_path / "a.zip"


def test_more_than_one_folder_is_refused(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    with pytest.raises(UserError, match="Only one folder"):
        one_source([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(UserError, match="One picture is not enough"):
        one_source([picture(tmp_path / "alone.png", "red")])
    with pytest.raises(UserError, match="Only one folder"):
        one_source([tmp_path / "a", picture(tmp_path / "red.png", "red")])


@pytest.mark.parametrize(("background", "grey"), [("white", 255), ("black", 0)])
def test_what_is_transparent_gets_the_ground_that_the_model_knows(tmp_path: Path, background: str, grey: int) -> None:
    Image.new("RGBA", (20, 20), (9, 9, 9, 0)).save(tmp_path / "glass.png")
    loaded = next(iter(Jobs().load_picture("A", tmp_path / "glass.png", (8, 8, 3), background)(RunControl())))
    assert isinstance(loaded, PictureLoaded)
    assert (loaded.image == grey).all()


def test_dialogs_offer_what_can_be_read() -> None:
    kinds = picture_kinds("Zip files and pictures", ".zip")
    assert kinds.startswith("Zip files and pictures (*.zip *.bmp ")
    assert "*.png" in kinds
