"""Nothing here may import Qt: a guard stands at every import statement while these modules are loaded and their tests run.

Tests of the window run in the same process and pytest-qt loads Qt early, so a finder in `sys.meta_path` would never be
asked; the import statement itself always is. Only our own code is held to the rule.
"""

from __future__ import annotations

import builtins
import contextlib
from collections.abc import Generator, Iterator
from typing import Any

import pytest

FORBIDDEN = ("PySide6.", "shiboken6.", "pyqtgraph.", "ddpm_studio.gui.")
OURS = ("ddpm_studio", "tests", "test_", "studio")


@contextlib.contextmanager
def without_qt() -> Iterator[None]:
    """Import statements of ours that ask for Qt, or for the window, fail in here."""
    real_import = builtins.__import__

    def guarded(name: str, importer: dict[str, Any] | None = None, *rest: Any, **named: Any) -> Any:
        if str((importer or {}).get("__name__", "")).startswith(OURS) and f"{name}.".startswith(FORBIDDEN):
            raise ModuleNotFoundError(f"code that must work without Qt imported {name}", name=name)
        return real_import(name, importer, *rest, **named)

    builtins.__import__ = guarded
    try:
        yield
    finally:
        builtins.__import__ = real_import


@pytest.fixture(autouse=True)
def _no_qt() -> Iterator[None]:
    with without_qt():
        yield


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    with without_qt():
        return (yield)
