"""The bench measures what it says: the right convolutions, at the right cost. How fast they are is no test's business."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from contextlib import nullcontext

import pytest
from torch.utils.flop_counter import FlopCounterMode

from ddpm_studio.bench import _convolutions, _replay, _time_in_turns, measure
from ddpm_studio.cli.main import main
from ddpm_studio.devices import choose_device
from ddpm_studio.nn.describe import describe_network
from ddpm_studio.presets import get_preset
from ddpm_studio.training.gradient import count_pieces
from tests.core.made_up import tiny_config


class _Counter(FlopCounterMode):
    """Counts without asking which module computes, for which it sets hooks that torch.autograd.grad does not bear."""

    def __init__(self) -> None:
        super().__init__(display=False)
        self.mod_tracker = nullcontext()
        self.mod_tracker.parents = {"Global"}


@pytest.mark.parametrize("name", ["tiny-32", "annotated"])
def test_the_ceiling_is_made_of_the_networks_own_convolutions(name: str) -> None:
    config, device = get_preset(name), choose_device("cpu")
    found = _convolutions(config, device)
    macs = sum(macs for _, _, macs in found)
    assert 0.8 * describe_network(config).gmacs < macs / 1e9 <= describe_network(config).gmacs  # the rest is attention and linear layers
    with FlopCounterMode(display=False) as forward:
        _replay(found, [[1]], device, backward=False)()
    assert forward.get_total_flops() == pytest.approx(2 * macs)
    with _Counter() as both:
        _replay(found, [[1]], device, backward=True)()
    assert both.get_total_flops() == pytest.approx(6 * macs)
    with FlopCounterMode(display=False) as in_pieces:
        _replay(found, [[2], [1]], device, backward=False)()
    assert in_pieces.get_total_flops() == pytest.approx(3 * 2 * macs)


def test_the_ceiling_computes_with_numbers_as_networks_have_them() -> None:
    """Not with what lay in the memory: denormal numbers are several times as slow, which once made a network twice as fast as its convolutions."""
    found = _convolutions(tiny_config(), choose_device("cpu"))
    seen: list[float] = []
    for module, _, _ in found:
        module.register_forward_pre_hook(lambda module, inputs: seen.append(float(inputs[0].std())))
    _replay(found, [[4, 3]], choose_device("cpu"), backward=False)()
    assert len(seen) == 2 * len(found)
    assert all(0.8 < std < 1.2 for std in seen)


class _Clock:
    """A clock that only works move."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    perf_counter = monotonic


def test_works_take_turns_and_slow_ones_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, order = _Clock(), []
    monkeypatch.setattr("ddpm_studio.bench.time", clock)

    def work(name: str, seconds: float) -> Callable[[], Callable[[], object]]:
        def call() -> None:
            order.append(name)
            clock.now += seconds

        return lambda: call

    times = _time_in_turns([work("quick", 0.125), work("slow", 4.0)], choose_device("cpu"), 2.0)
    turns = [(name, len(list(calls))) for name, calls in itertools.groupby(order)]
    # Half a second is four quick calls, and two are to warm up at first, one later; a slow one has three turns.
    assert turns == [("quick", 6), ("slow", 3), ("quick", 5), ("slow", 2), ("quick", 5), ("slow", 2), ("quick", 5)]
    assert times == [0.125, 4.0]


def test_figures_fit_together() -> None:
    config = tiny_config()
    result = measure("tiny", config, choose_device("cpu"), 0.05)
    assert result.gflop == pytest.approx(6 * describe_network(config).gmacs)
    assert result.training_gflops == pytest.approx(result.training_images_per_second * result.gflop)
    assert result.sampling_seconds > 0
    assert result.training_share > 0


def test_a_network_whose_batches_are_computed_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ddpm_studio.training.gradient.HANDY", 1)
    config = tiny_config(training__batch_size=40)
    assert count_pieces(config, choose_device("cpu")) > 1
    assert measure("tiny", config, choose_device("cpu"), 0.05).training_share > 0


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--preset", "tiny-32", "--seconds", "0.1", "--device", "cpu", "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)["presets"]
    assert result["preset"] == "tiny-32"
    assert result["training_images_per_second"] > 0
    assert main(["bench", "--preset", "nonsense"]) == 2
    assert "nonsense" in capsys.readouterr().err
