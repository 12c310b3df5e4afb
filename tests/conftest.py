"""For all tests: no screen, no spinning threads, a data directory of their own."""

from __future__ import annotations

import os

# Before anything imports Qt or torch.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ["LC_ALL"] = "C.UTF-8"  # what tests expect the window to say is English

import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data directory of this test; no test sees the user's own."""
    folder = tmp_path / "home"
    monkeypatch.setenv("DDPM_STUDIO_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Each test starts from the same randomness; torch is not imported for those that do without."""
    random.seed(0)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of data sets that may lie beside the checkout."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the folder shared/ beside the checkout, which is not here")
    return folder


@pytest.fixture(scope="session")
def shared_data(shared: Path) -> Callable[[str], Path]:
    """`shared_data("faces_celeba/faces_celeba_8000.zip")` is that file, or the test is skipped."""

    def find(name: str) -> Path:
        path = shared / "data" / name
        if not path.exists():
            pytest.skip(f"needs {name} in shared/data, which is not there")
        return path

    return find
