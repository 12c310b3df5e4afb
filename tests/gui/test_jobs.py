"""What the window hands to the engines."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from ddpm_studio.errors import UserError
from ddpm_studio.gui.jobs import one_source


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
    with pytest.raises(UserError, match="Only one folder"):
        one_source([tmp_path / "a", picture(tmp_path / "red.png", "red")])
