"""`--compile`: the same training, or one sentence where a machine cannot do it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ddpm_studio.control import RunControl
from ddpm_studio.events import CheckpointSaved, StepDone
from ddpm_studio.model import Model
from ddpm_studio.requests import TrainRequest
from ddpm_studio.runs import Run
from ddpm_studio.training.engine import train
from tests.core.made_up import picture_folder, tiny_config

pytestmark = [
    pytest.mark.skipif(not os.environ.get("DDPM_STUDIO_COMPILE"), reason="compilers take minutes: set DDPM_STUDIO_COMPILE=1"),
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore:.*script_method:DeprecationWarning"),  # torch's own
]


def test_a_compiled_run_learns_the_same(tmp_path: Path) -> None:
    data = picture_folder(tmp_path / "data", 12)
    losses: dict[bool, list[float]] = {}
    for compiled in (False, True):
        request = TrainRequest(Run(tmp_path / f"run{compiled}"), data, tiny_config(), max_steps=6, report_seconds=0.0, compile=compiled, device="cpu")
        events = list(train(request, RunControl()))
        losses[compiled] = [event.loss for event in events if isinstance(event, StepDone)]
        assert any(isinstance(event, CheckpointSaved) for event in events)
    assert losses[True] == pytest.approx(losses[False], rel=1e-4)
    assert Model.load(tmp_path / "runTrue").step == 6  # saved under the names of the network as it is


def test_without_a_compiler_it_says_so(tmp_path: Path) -> None:
    data = picture_folder(tmp_path / "data", 4)
    command = [sys.executable, "-m", "ddpm_studio", "train", str(data), "--run", str(tmp_path / "run"), "--preset", "tiny-32", "--max-steps", "1", "--compile", "--device", "cpu"]
    environment = {**os.environ, "CXX": str(tmp_path / "no-such-compiler"), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 2, done.stderr
    assert "error: PyTorch cannot compile networks on this machine: " in done.stderr
    assert "hint: Train without --compile" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()  # nothing is left of it
