"""Pictures that are left out: by name, remembered by the run, and a change of them is a change of the data."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from ddpm_studio import gallery
from ddpm_studio.cli.main import main
from ddpm_studio.config import DataConfig
from ddpm_studio.control import RunControl
from ddpm_studio.data.cache import open_dataset
from ddpm_studio.data.dataset import Dataset, pack_names, read_name_list, unpack_names, write_name_list
from ddpm_studio.errors import DataChanged, UserError
from ddpm_studio.events import Finished, Notice, StepDone
from ddpm_studio.runs import Run
from tests.core.made_up import picture_folder, train_tiny


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return picture_folder(tmp_path / "discs")


def opened(source: Path) -> Dataset:
    run = open_dataset(source, DataConfig(image_size=16), RunControl())
    while True:
        try:
            next(run)
        except StopIteration as end:
            return end.value


def test_what_stays_keeps_its_order(data: Path) -> None:
    whole = opened(data)
    some = whole.without(["disc_001.png", "disc_011.png", "nobody.png"])
    assert (len(whole), len(some), some.report.pictures) == (12, 10, 10)
    assert some.left_out == ("disc_001.png", "disc_011.png")
    assert some.rows(np.arange(10)).tolist() == [0, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert (some.examples(3)[1] == whole.images[some.rows(np.array([4]))[0]]).all()
    assert some.fingerprint != whole.fingerprint
    assert some.fingerprint == whole.without(["disc_011.png", "disc_001.png"]).fingerprint
    assert whole.without(["nobody.png"]) is whole


def test_all_left_out_is_a_mistake(data: Path) -> None:
    with pytest.raises(UserError, match="left out"):
        opened(data).without([f"disc_{i:03}.png" for i in range(12)])


def test_names_survive_packing() -> None:
    names = tuple(f"sub folder/训练 {i}.jpg" for i in range(3000))
    assert unpack_names(pack_names(names)) == names
    assert len(pack_names(names)) < 20_000
    assert unpack_names("") == unpack_names(None) == unpack_names("never packed") == unpack_names(pack_names([])) == ()


def test_more_than_a_run_can_remember_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(UserError, match="Too many"):
        pack_names(rng.bytes(16).hex() for _ in range(120_000))


def test_lists_of_names(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "names.txt"
    write_name_list(file, ["a b.png", "ä/ö.png"])
    assert read_name_list(file) == ("a b.png", "ä/ö.png")
    file.write_bytes("\ufeffa.png\r\n\r\nb.png\na.png\ne\u0301.png".encode())
    assert read_name_list(file) == ("a.png", "b.png", "é.png")
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not a text file"):
        read_name_list(file)
    with pytest.raises(UserError, match=r"names\.txt"):
        read_name_list(tmp_path / "none" / "names.txt")


def losses(events: list[object]) -> list[float]:
    return [event.loss for event in events if isinstance(event, StepDone)]


def test_a_run_without_some_equals_a_run_that_never_had_them(data: Path, tmp_path: Path) -> None:
    unwanted = ("disc_000.png", "disc_007.png")
    left_out = train_tiny(Run(tmp_path / "a"), data, exclude=unwanted, max_steps=5)
    for name in unwanted:
        (data / name).unlink()
    assert losses(left_out) == losses(train_tiny(Run(tmp_path / "b"), data, max_steps=5))


def test_a_run_remembers_and_a_change_is_asked_about(data: Path, tmp_path: Path) -> None:
    run, whole = Run(tmp_path / "run"), Run(tmp_path / "whole")
    first = losses(train_tiny(run, data, exclude=("disc_003.png",), max_steps=3))
    assert first + losses(train_tiny(run, data, resume=True, max_steps=3)) == losses(train_tiny(whole, data, exclude=("disc_003.png",), max_steps=6))
    assert run.read_notes()["pictures"] == 11
    with pytest.raises(DataChanged, match="11 then, 10 now"):
        train_tiny(run, data, resume=True, exclude=("disc_003.png", "disc_004.png"), max_steps=1)
    with pytest.raises(DataChanged, match="left out"):
        train_tiny(run, data, resume=True, exclude=("disc_004.png",), max_steps=1)
    with pytest.raises(DataChanged, match="11 then, 12 now"):
        train_tiny(run, data, resume=True, exclude=(), max_steps=1)
    assert train_tiny(run, data, resume=True, exclude=("disc_003.png",), max_steps=1)[-1] == Finished(7, False)
    train_tiny(run, data, resume=True, exclude=(), accept_new_data=True, max_steps=1)
    assert "left_out" not in run.read_notes()
    assert train_tiny(run, data, resume=True, max_steps=1)[-1] == Finished(9, False)


def test_a_run_of_before_goes_on_unasked(data: Path, tmp_path: Path) -> None:
    """Without anything left out, nothing that a run notes is other than it was."""
    run = Run(tmp_path / "run")
    train_tiny(run, data, max_steps=2)
    notes = run.read_notes()
    assert notes["fingerprint"] == opened(data).fingerprint
    assert "left_out" not in notes


def test_names_that_nobody_has_are_mentioned(data: Path, tmp_path: Path) -> None:
    events = train_tiny(Run(tmp_path / "run"), data, exclude=("disc_003.png", "x.png"), max_steps=1)
    assert any(isinstance(event, Notice) and "Of 2 names to leave out, 1 belong" in event.text for event in events)


def test_from_the_command_line(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "twin.png").write_bytes((data / "disc_005.png").read_bytes())
    names = tmp_path / "copies.txt"
    assert main(["dataset", str(data), "--image-size", "16", "--list-copies", str(names)]) == 0
    assert "1 exact copy" in capsys.readouterr().out
    assert names.read_text() == "twin.png\n"
    flags = ["--image-size=16", "--base-channels=16", "--channel-mults=1,2", "--attention=no,yes", "--batch-size=4", "--preview-count=0"]
    assert main(["train", str(data), "--run", "mine", "--exclude", str(names), "--max-steps", "2", *flags]) == 0
    assert main(["train", str(data), "--run", "mine", "--resume", "--max-steps", "1"]) == 0
    names.write_text("")
    assert main(["train", str(data), "--run", "mine", "--resume", "--exclude", str(names), "--max-steps", "1"]) == 2
    assert "12 then, 13 now" in capsys.readouterr().err
    assert main(["train", str(data), "--exclude", str(tmp_path / "nothing.txt"), "--max-steps", "1"]) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere all names are text")
def test_a_folder_whose_name_is_no_text_can_be_trained_on(tmp_path: Path) -> None:
    data = picture_folder(tmp_path / "discs", 12).rename(tmp_path / os.fsdecode(b"discs\xff"))
    run = Run(tmp_path / "a")
    assert train_tiny(run, data, max_steps=1)[-1] == Finished(1, False)
    assert run.read_notes()["source"] == str(data)
    (tmp_path / gallery.STARS).mkdir()  # a file that cannot be read: what it holds is not written over
    with pytest.raises(UserError, match="Could not read"):
        gallery.set_stars([data.name], True, tmp_path)
    (tmp_path / gallery.STARS).rmdir()
    gallery.set_stars([data.name], True, tmp_path)
    assert gallery.read_stars(tmp_path) == {data.name}
