"""`--compile`: the same training, or one sentence where a machine cannot do it."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch._dynamo.exc import BackendCompilerFailed, Unsupported

from ddpm_studio.control import RunControl
from ddpm_studio.errors import UserError
from ddpm_studio.events import CheckpointSaved, StepDone
from ddpm_studio.model import Model
from ddpm_studio.requests import TrainRequest
from ddpm_studio.runs import Run
from ddpm_studio.training.compiling import compiler_in_words
from ddpm_studio.training.engine import train
from tests.core.made_up import picture_folder, tiny_config

pytestmark = [pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore:.*script_method:DeprecationWarning")]  # torch's own
with_compiler = pytest.mark.skipif(not os.environ.get("DDPM_STUDIO_COMPILE"), reason="compilers take minutes: set DDPM_STUDIO_COMPILE=1")


@with_compiler
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


@with_compiler
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


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sin(self.linear(x))


def broken(*_: Any) -> Any:
    raise AssertionError("no such instruction\nand much more")


def broken_backward(graph: Any, inputs: Any) -> Any:
    from torch._dynamo.backends.common import aot_autograd

    return aot_autograd(fw_compiler=lambda graph, _: graph, bw_compiler=_no_gradient)(graph, inputs)


def _no_gradient(*_: Any) -> Any:
    raise BackendCompilerFailed(_no_gradient, AssertionError("no such instruction\nand much more"), inspect.currentframe())


@with_compiler
@pytest.mark.parametrize("backend", [broken, broken_backward])
def test_a_compiler_that_fails_at_the_whole_network_is_told_in_words(backend: Any) -> None:
    """Found out in the first step, long after the one layer went well."""
    net = Small()
    net.compile(dynamic=False, backend=backend)
    with pytest.raises(UserError) as caught, compiler_in_words():
        torch.autograd.grad(net(torch.ones(1, 2)).sum(), list(net.parameters()))
    assert caught.value.message == "PyTorch cannot compile this network on this machine: no such instruction"
    torch._dynamo.reset()


@pytest.mark.parametrize("error", [BackendCompilerFailed(broken, AssertionError("no such instruction\nand much more"), None), Unsupported("no such instruction", "")])
def test_failures_of_the_compiler_are_told_in_words(error: Exception) -> None:
    with pytest.raises(UserError) as caught, compiler_in_words():
        raise error
    assert caught.value.message == "PyTorch cannot compile this network on this machine: no such instruction"
    assert caught.value.hint == "Train without --compile."


@pytest.mark.parametrize("error", [ValueError("ours"), RuntimeError("CUDA out of memory"), BackendCompilerFailed(broken, RuntimeError("CUDA out of memory"), None), MemoryError()])
def test_what_is_not_the_compiler_comes_through(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, compiler_in_words():
        raise error
    assert caught.value is error
