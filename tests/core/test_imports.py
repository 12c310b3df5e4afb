"""Who may import what, seen in a fresh interpreter and in the sources."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ddpm_studio

PACKAGE = Path(ddpm_studio.__file__).parent


def loaded_by(code: str) -> set[str]:
    """Names of the top-level modules that a fresh interpreter holds after running `code`."""
    script = f"{code}\nimport sys; print('\\n' + ' '.join({{name.partition('.')[0] for name in sys.modules}}))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.splitlines()[-1].split())


def test_the_package_loads_neither_torch_nor_qt() -> None:
    assert not loaded_by("import ddpm_studio, ddpm_studio.__main__") & {"torch", "PySide6", "numpy"}


@pytest.mark.parametrize("module", ["training.engine", "sampling.engine", "data.cache", "cli.main", "gallery"])
def test_the_engines_and_the_command_line_load_no_qt(module: str) -> None:
    assert not loaded_by(f"import ddpm_studio.{module}") & {"PySide6", "pyqtgraph", "shiboken6", "av"}


@pytest.mark.parametrize("module", ["gui.main_window", "gui.app"])
def test_the_window_loads_no_torch(module: str) -> None:
    assert not loaded_by(f"import ddpm_studio.{module}") & {"torch", "av"}


@pytest.mark.parametrize("flag", ["--version", "--help"])
def test_version_and_help_load_no_torch(flag: str) -> None:
    code = f"from ddpm_studio.__main__ import main\ntry:\n    main([{flag!r}])\nexcept SystemExit:\n    pass"
    assert not loaded_by(code) & {"torch", "PySide6"}


def test_only_the_window_names_qt() -> None:
    """The import-linter contract lists modules; this sees those that nobody put on the list."""
    files = [file for file in PACKAGE.rglob("*.py") if (PACKAGE / "gui") not in file.parents]
    offenders = {str(file.relative_to(PACKAGE)) for file in files if {"PySide6", "pyqtgraph", "shiboken6"} & imported(file)}
    assert not offenders


def imported(file: Path) -> set[str]:
    """Top-level names of all absolute imports in a file, wherever they stand."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names
