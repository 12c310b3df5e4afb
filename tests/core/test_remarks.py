"""What people write about runs, and names that they give them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from ddpm_studio import paths
from ddpm_studio.errors import RunBusy, UserError
from ddpm_studio.models import find_model
from ddpm_studio.remarks import FILE, Remarks, parse_tags, read_remarks, write_remarks
from ddpm_studio.runs import Run, delete_run, is_in_training, list_runs, lock_run, new_run, newest_runs, rename_run, run_once_called
from tests.core.made_up import picture_folder, tiny_config, train_tiny


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path / "runs" / "a")
    run.write_config(tiny_config())
    return run


def test_they_are_kept_and_found_again(run: Run) -> None:
    assert read_remarks(run.path) == Remarks()
    remarks = Remarks("Eyes at last, \u0444 \u732b", ("good", "for later"))
    write_remarks(run.path, remarks)
    (info,) = list_runs(run.path.parent)
    assert info.remarks == remarks
    assert info.matches("EYES later")
    assert info.matches("")
    assert not info.matches("eyes never")


@pytest.mark.parametrize("content", ["", "[]", '{"note": 1}', '{"note": "x", "tags": 3}', '{"note": "x", "tags": [], "former": 1}', "[" * 100_000, "x" * 300_000])
def test_a_damaged_file_is_passed_over(run: Run, content: str) -> None:
    (run.path / FILE).write_text(content, encoding="utf-8")
    assert read_remarks(run.path) == Remarks()
    assert list_runs(run.path.parent)


def test_what_is_written_stays_small_enough_to_be_read(run: Run) -> None:
    write_remarks(run.path, Remarks("\u732b" * 500_000, tuple(f"{i}" * 300 for i in range(400)), tuple("\u732b" * 300 for _ in range(400))))
    found = read_remarks(run.path)
    assert len(found.note) > 10_000
    assert len(found.tags) == 50


def test_half_characters_of_a_stranger_can_be_written_again(run: Run) -> None:
    (run.path / FILE).write_text('{"note": "a \\ud83d b", "tags": []}', encoding="utf-8")
    write_remarks(run.path, read_remarks(run.path))
    assert read_remarks(run.path).note == "a ? b"


def test_the_folder_of_a_run_that_is_gone_is_not_made_anew(run: Run) -> None:
    shutil.rmtree(run.path)
    for do in (lambda: write_remarks(run.path, Remarks("x")), lambda: rename_run(run, "b"), lambda: delete_run(run)):
        with pytest.raises(UserError, match="is gone"):
            do()
    assert list(run.path.parent.iterdir()) == []


def test_tags_as_people_write_them() -> None:
    assert parse_tags(" good,for  later,, good\uff0c\u732b") == ("good", "for later", "\u732b")


def test_a_run_is_renamed(run: Run) -> None:
    renamed = rename_run(run, "  small   faces ")
    assert renamed.name == "small faces"
    assert renamed.read_config() == tiny_config()
    assert not run.path.exists()
    assert not is_in_training(renamed)
    with lock_run(renamed):
        pass


def test_names_that_a_run_had_are_kept_with_it(run: Run) -> None:
    write_remarks(run.path, Remarks("eyes", ("good",)))
    last = rename_run(rename_run(rename_run(run, "b"), "c"), "d")
    assert read_remarks(last.path) == Remarks("eyes", ("good",), ("c", "b", "a"))
    assert read_remarks(rename_run(last, "b").path).former == ("d", "c", "a"), "what it is called now is no former name"


def test_a_model_is_found_by_a_name_that_its_run_had(home: Path) -> None:
    first, second = (Run(home / "runs" / name) for name in ("a", "b"))
    for run in (first, second):
        run.write_config(tiny_config())
        run.model_file.write_bytes(b"")
    first.milestone(40).parent.mkdir()
    first.milestone(40).write_bytes(b"")
    first = rename_run(first, "faces at last")
    assert find_model("a") == first.model_file
    assert find_model("a@40") == first.milestone(40)
    assert run_once_called("b") is None
    with pytest.raises(UserError, match="no model called"):
        find_model("a@50")
    second = rename_run(second, "a")
    assert find_model("a") == second.model_file, "what is called so now goes first"
    assert find_model("b") == second.model_file


def test_runs_are_read_one_by_one_the_newest_first(run: Run) -> None:
    newer = Run(run.path.with_name("b"))
    newer.write_config(tiny_config())
    os.utime(run.config_file, (1, 1))
    found = newest_runs(run.path.parent)
    assert next(found).run == newer
    shutil.rmtree(run.path)
    assert list(found) == [], "the other one was not read before"


@pytest.mark.parametrize("open_files_move", [True, False])
def test_a_run_is_deleted_where_open_files_cannot_be_moved(run: Run, monkeypatch: pytest.MonkeyPatch, open_files_move: bool) -> None:
    monkeypatch.setattr("ddpm_studio.runs.MOVES_OPEN_FILES", open_files_move)
    held = []

    def remove(folder: Path) -> None:
        held.append((folder / ".writer").exists())
        shutil.rmtree(folder)

    delete_run(run, remove)
    assert held == [open_files_move], "its lock is let go of before"
    assert not run.path.exists()


def test_a_name_that_a_run_had_is_not_given_out_again(home: Path) -> None:
    """Pictures in the gallery would seem to be made by the new run."""
    rename_run(new_run("cats", "tiny-32"), "small cats")
    second = new_run("cats", "tiny-32")
    assert second.name == "cats-tiny-32-2"
    delete_run(second)
    assert new_run("Cats", "tiny-32").name == "Cats-tiny-32-3", "small letters or not"
    paths.former_names_file().unlink()
    paths.former_names_file().mkdir()
    assert new_run("cats", "tiny-32").name == "cats-tiny-32-1", "what cannot be read keeps nobody from training"
    assert rename_run(Run(home / "runs" / "small cats"), "cats").name == "cats"


def test_what_stands_in_the_way_of_a_name(run: Run) -> None:
    Run(run.path.with_name("b")).write_config(tiny_config())
    for name in ("", "..", ".b", "a/b", "a\\b", "a:b", "a@3", "b\nc\0"):
        with pytest.raises(UserError, match="cannot be the name"):
            rename_run(run, name)
    with pytest.raises(UserError, match="A name of 101 letters is too long"):
        rename_run(run, "x" * 101)
    with pytest.raises(UserError, match="called b already"):
        rename_run(run, "b")
    with lock_run(run), pytest.raises(RunBusy):
        rename_run(run, "c")
    assert run.exists
    assert sorted(info.run.name for info in list_runs(run.path.parent)) == ["a", "b"]


def test_where_a_run_started_from_is_remembered_also_after_a_resume(tmp_path: Path) -> None:
    data, first, second = picture_folder(tmp_path / "discs"), Run(tmp_path / "runs" / "first"), Run(tmp_path / "runs" / "second")
    train_tiny(first, data, max_steps=1)
    train_tiny(second, data, start_from=first.model_file, max_steps=1)
    train_tiny(second, data, resume=True, max_steps=1)
    assert json.loads(second.resume_notes.read_text())["start_from"] == "first"
    assert {info.run.name: info.start_from for info in list_runs(second.path.parent)} == {"first": "", "second": "first"}
