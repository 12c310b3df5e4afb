"""Battery and heat, as far as a machine can be made to say so."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from ddpm_studio.control import RunControl
from ddpm_studio.events import CheckpointSaved, Finished, Notice, Progress, StepDone
from ddpm_studio.runs import Run
from ddpm_studio.training import loop, machine
from ddpm_studio.training.machine import MachineWatch, battery_left, throttle_count
from tests.core.made_up import picture_folder, tiny_config, train_tiny


def on_battery(monkeypatch: pytest.MonkeyPatch, plugged: bool | None) -> None:
    """The only stand-in: no test can pull the plug."""
    monkeypatch.setattr(psutil, "sensors_battery", lambda: SimpleNamespace(percent=42.4, power_plugged=plugged), raising=False)


def test_this_machine_answers() -> None:
    assert battery_left() is None or 0 <= battery_left() <= 100  # type: ignore[operator]
    assert throttle_count() >= 0


def test_changes_are_told_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "throttle_count", lambda: throttle_count(tmp_path))
    on_battery(monkeypatch, True)
    watch = MachineWatch()
    assert watch.look() == []
    on_battery(monkeypatch, False)
    assert watch.look() == ["The machine runs on its battery now (42 % left)."]
    assert watch.look() == []
    assert watch.on_battery
    on_battery(monkeypatch, None)  # nobody knows: not a reason to wait
    assert watch.look() == ["The machine is on mains power again."]
    (tmp_path / "core_throttle_count").write_text("3")
    (tmp_path / "package_throttle_count").write_text("nonsense")
    assert "too hot" in watch.look()[0]
    assert watch.look() == []


def test_training_waits_on_battery_when_it_is_asked_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(loop, "LOOK_SECONDS", 0.0)
    on_battery(monkeypatch, False)
    data = picture_folder(tmp_path / "discs")
    undisturbed = [event.loss for event in train_tiny(Run(tmp_path / "a"), data, max_steps=4) if isinstance(event, StepDone)]

    class PluggedIn(RunControl):
        """Somebody plugs the machine in while training waits."""

        def wait(self, seconds: float) -> bool:
            on_battery(monkeypatch, True)
            return super().wait(0)

    events = train_tiny(Run(tmp_path / "b"), data, PluggedIn(), config=tiny_config(training__pause_on_battery=True), max_steps=4)
    texts = [event.text for event in events if isinstance(event, (Notice, Progress))]
    assert any("waits until the machine is on mains power" in text for text in texts)
    assert "Waiting for mains power" in texts
    assert sum(isinstance(event, CheckpointSaved) for event in events) >= 2
    assert [event.loss for event in events if isinstance(event, StepDone)] == undisturbed
    assert events[-1] == Finished(4, False)
