"""What is saved over a file that is there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ddpm_studio.errors import describe_os_error
from ddpm_studio.files import write_atomically


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither")
def test_a_link_stays_one_and_rights_stay_as_they_are(tmp_path: Path) -> None:
    target, link = tmp_path / "kept" / "curve.csv", tmp_path / "curve.csv"
    target.parent.mkdir()
    target.write_bytes(b"old")
    target.chmod(0o600)
    link.symlink_to(target)
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["n" * 250 + ".csv", "图" * 83 + ".csv"])
def test_the_longest_name_that_a_disk_takes(tmp_path: Path, name: str) -> None:
    write_atomically(tmp_path / name, b"new")
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("number", "message", "hint"),
    [
        (errno.EROFS, "nothing can be written on that disk", "choose another folder"),
        (errno.ENAMETOOLONG, "the name is too long", "shorter"),
        (errno.EIO, os.strerror(errno.EIO), "the disk is connected"),
    ],
)
def test_what_the_system_refuses_has_a_hint_that_fits(number: int, message: str, hint: str) -> None:
    told = describe_os_error(OSError(number, os.strerror(number)), "save a.png")
    assert message in told.message
    assert hint in told.hint
