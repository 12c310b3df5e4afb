"""What the program says about a machine that cannot show a window."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ddpm_studio import __main__ as program
from ddpm_studio import preflight
from ddpm_studio.errors import UserError

OFFSCREEN = {"QT_QPA_PLATFORM": "offscreen"}


@pytest.fixture(autouse=True)
def linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")


@pytest.fixture
def missing_gl(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine where two files of the system cannot be found, one of them named unlike anything there is."""
    monkeypatch.setattr(preflight, "OFFSCREEN_LIBRARIES", {"libno-such-GL.so.1": "libgl1", "libno-such-glib.so.0": "libglib2.0-0"})
    monkeypatch.setattr(preflight, "_has_t64_names", lambda: True)


@pytest.mark.usefixtures("missing_gl")
def test_missing_libraries_are_named_with_the_command_that_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(preflight, "is_root", lambda: False)
    with pytest.raises(UserError) as caught:
        preflight.check_libraries(OFFSCREEN)
    assert "libno-such-GL.so.1, libno-such-glib.so.0" in caught.value.message
    assert caught.value.hint == "Run: sudo apt-get update && sudo apt-get install -y --no-install-recommends libgl1 libglib2.0-0t64"


@pytest.mark.usefixtures("missing_gl")
def test_without_apt_the_hint_names_files_not_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight.shutil, "which", lambda name: None)
    with pytest.raises(UserError) as caught:
        preflight.check_libraries(OFFSCREEN)
    assert "apt" not in caught.value.hint
    assert "libno-such-GL.so.1" in caught.value.hint


@pytest.mark.usefixtures("missing_gl")
def test_the_program_prints_two_lines_and_starts_no_qt(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    assert program.main([]) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error.startswith("error: The window needs system libraries")
    assert hint.startswith("hint: ")


def test_no_screen(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    assert program.main(["gui"]) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error == "error: There is no screen here to open a window on."
    assert "xvfb-run" in hint


@pytest.mark.parametrize("environ", [{"DISPLAY": ":0"}, {"WAYLAND_DISPLAY": "wayland-0"}, OFFSCREEN])
def test_a_screen_of_any_kind_will_do(environ: dict[str, str]) -> None:
    preflight.check_display(environ)


def test_other_systems_need_none_of_this(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    preflight.check_display({})
    assert preflight.needed_libraries({}) == {}


def test_x11_libraries_are_asked_for_on_x11_only() -> None:
    assert "libxcb-cursor.so.0" in preflight.needed_libraries({"DISPLAY": ":0"})
    assert "libxcb-cursor.so.0" in preflight.needed_libraries({"QT_QPA_PLATFORM": "xcb"})
    assert "libxcb-cursor.so.0" not in preflight.needed_libraries({"DISPLAY": ":0", "WAYLAND_DISPLAY": "wayland-0"})
    assert "libxcb-cursor.so.0" not in preflight.needed_libraries(OFFSCREEN)


@pytest.mark.parametrize(
    ("release", "renamed"),
    [
        ('ID=debian\nVERSION_ID="12"\n', False),
        ('ID=debian\nVERSION_ID="13"\n', True),
        ('PRETTY_NAME="Debian GNU/Linux forky/sid"\nID=debian\n', True),
        ('ID=ubuntu\nVERSION_ID="22.04"\n', False),
        ('# comment\nID=ubuntu\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\n', True),
    ],
)
def test_glib_has_a_new_name_since_64_bit_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, release: str, renamed: bool) -> None:
    file = tmp_path / "os-release"
    file.write_text(release, encoding="utf-8")
    fields = preflight.read_os_release(file)
    monkeypatch.setattr(preflight, "read_os_release", lambda: fields)
    libraries = {"libglib-2.0.so.0": preflight.GLIB, "libgthread-2.0.so.0": preflight.GLIB, "libGL.so.1": "libgl1"}
    assert preflight.packages(libraries) == ["libglib2.0-0t64" if renamed else "libglib2.0-0", "libgl1"]


def test_no_os_release(tmp_path: Path) -> None:
    assert preflight.read_os_release(tmp_path / "none") == {}


@pytest.mark.parametrize(
    ("arguments", "window"),
    [([], True), (["gui"], True), (["gui", "--data", "x"], True), (["gui", "--help"], False), (["train", "x"], False), (["--help"], False)],
)
def test_what_opens_the_window(arguments: list[str], window: bool) -> None:
    assert preflight.opens_window(arguments) is window


def test_an_unknown_flag_of_the_window_is_named_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["gui", "--modle", "x"]) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert "--modle" in error
    assert "--model" in hint
