"""The set-up: what it needs, what it pins, and that it says what is wrong in two lines."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from ddpm_studio import preflight
from ddpm_studio.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PINS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if line and not line.startswith("#"))


def name_of(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match
    return re.sub(r"[-_.]+", "-", match[0]).lower()


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """studio.py as a module, with an environment in a temporary folder and no hand on the real one."""
    spec = importlib.util.spec_from_file_location("studio", ROOT / "studio.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    venv = tmp_path / ".venv"
    monkeypatch.setattr(module, "VENV", venv)
    monkeypatch.setattr(module, "BIN", venv / "bin")
    monkeypatch.setattr(module, "PYTHON", venv / "bin" / "python")
    monkeypatch.setattr(module, "STAMP", venv / "stamp.txt")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("UV_FIND_LINKS", "")
    monkeypatch.delenv("UV_FIND_LINKS")
    return module


@pytest.fixture
def commands(studio: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that studio.py would run; all of them succeed."""
    calls: list[list[str]] = []

    def record(command: list[str], stdout: int | None = None) -> bool:
        calls.append(command)
        if "venv" in command:
            (studio.VENV / "bin").mkdir(parents=True, exist_ok=True)
            studio.PYTHON.touch()
        return True

    monkeypatch.setattr(studio, "succeeds", record)
    return calls


def test_qt_is_kept_to_the_sound_versions() -> None:
    assert "PySide6-Essentials>=6.11.2,<6.12" in PROJECT["project"]["dependencies"]
    assert PINS["pyside6-essentials"].startswith("6.11.")
    assert PINS["shiboken6"] == PINS["pyside6-essentials"]


def test_every_dependency_is_pinned() -> None:
    project = PROJECT["project"]
    wanted = {name_of(r) for r in [*project["dependencies"], *(r for extra in project["optional-dependencies"].values() for r in extra)]}
    assert wanted <= set(PINS)
    assert PINS["torch"] == "2.13.0"


def test_the_bootstrap_needs_python_alone() -> None:
    """studio.py and what it imports of ours run before anything is installed."""
    for file in (ROOT / "studio.py", *(ROOT / "ddpm_studio" / name for name in ("__init__.py", "preflight.py", "errors.py"))):
        nodes = [node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Import | ast.ImportFrom)]
        names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names} | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        tops = {name.partition(".")[0] for name in names}
        assert tops <= sys.stdlib_module_names | {"ddpm_studio"}, file.name


def test_the_bootstrap_is_short() -> None:
    assert len((ROOT / "studio.py").read_text(encoding="utf-8").splitlines()) < 200


def test_setting_up_happens_once(studio: ModuleType, commands: list[list[str]]) -> None:
    studio.set_up_environment(testing=False)
    first = len(commands)
    assert first
    studio.set_up_environment(testing=False)
    assert len(commands) == first
    studio.set_up_environment(testing=True)
    assert commands[-1][commands[-1].index("-e") + 1] == ".[test,verify]"
    done = len(commands)
    studio.set_up_environment(testing=False)
    assert len(commands) == done


def test_changed_pins_install_again_and_keep_the_test_tools(studio: ModuleType, commands: list[list[str]]) -> None:
    studio.set_up_environment(testing=True)
    place, _, test = studio.STAMP.read_text(encoding="utf-8").split()
    studio.STAMP.write_text(f"{place} older {test}", encoding="utf-8")
    commands.clear()
    studio.set_up_environment(testing=False)
    assert not any("venv" in command for command in commands)
    assert ".[test,verify]" in commands[-1]


def test_an_environment_that_was_moved_is_made_anew(studio: ModuleType, commands: list[list[str]]) -> None:
    studio.set_up_environment(testing=False)
    studio.STAMP.write_text("elsewhere " + studio.STAMP.read_text(encoding="utf-8").split()[1], encoding="utf-8")
    commands.clear()
    studio.set_up_environment(testing=False)
    assert "--clear" in commands[0]


def test_torch_from_a_folder_of_wheels(studio: ModuleType, commands: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    minor = sys.version_info.minor
    (tmp_path / f"torch-2.13.0+cpu-cp3{minor}-cp3{minor}-manylinux_2_28_x86_64.whl").touch()
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    studio.install(".")
    assert "--torch-backend" not in commands[-1]
    assert studio.os.environ["UV_FIND_LINKS"] == str(tmp_path)


def test_otherwise_uv_chooses_the_build_of_torch(studio: ModuleType, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    studio.install(".")
    assert commands[-1][-2:] == ["--torch-backend", "auto"]


@pytest.mark.parametrize("failing", ["pip", "uv"])
def test_what_uv_cannot_do_pip_does(studio: ModuleType, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    """No uv to be had, or its index out of reach: pip goes on, with the settings that this machine has for it."""
    record = studio.succeeds
    monkeypatch.setattr(studio, "succeeds", lambda command: record(command) and not (command[-1] == "uv" if failing == "pip" else command[0].endswith("uv")))
    studio.install(".")
    assert commands[-1][1:4] == ["-m", "pip", "install"]
    assert commands[-1][-1] == "."


@pytest.mark.usefixtures("commands")
def test_python_without_venv_names_the_package(studio: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studio.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(preflight, "is_root", lambda: False)
    with pytest.raises(UserError) as caught:
        studio.make_environment()
    assert f"apt-get install -y --no-install-recommends python3.{sys.version_info.minor}-venv" in caught.value.hint


def test_root_gets_missing_libraries_installed(studio: ModuleType, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "is_root", lambda: True)
    monkeypatch.setattr(studio.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(preflight, "missing_libraries", lambda: {"libGL.so.1": "libgl1"})
    monkeypatch.setattr(preflight, "check_libraries", lambda: None)
    monkeypatch.setenv("DEBIAN_FRONTEND", "noninteractive")
    studio.set_up_libraries()
    assert commands == [["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "libgl1"]]


def test_opening_without_a_screen_installs_nothing(studio: ModuleType, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    assert studio.main([]) == 2
    assert not commands
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_no_file_of_ours_names_a_package_index() -> None:
    hosts = ("py" + "pi.org", "pythonhosted" + ".org", "download.pytorch" + ".org", "npmjs" + ".org")
    for name in ("studio.py", "pyproject.toml", "constraints.txt", "README.md", ".ci/run", "build.spec"):
        assert not any(host in (ROOT / name).read_text(encoding="utf-8") for host in hosts), name
