"""The torture command at a small size; `python -m tests.torture` runs it at its full one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="forks, sends signals and mounts")
@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", ["kill", "term", "each", "full", "flip"])
def test_nothing_is_lost(kind: str) -> None:
    done = subprocess.run([sys.executable, "-m", "tests.torture", "--rounds", "4", kind], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    if "left out" in done.stdout:
        pytest.skip(done.stdout)
    assert "undisturbed" in done.stdout
