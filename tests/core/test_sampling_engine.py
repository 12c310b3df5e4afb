"""What a run that makes pictures tells: filmstrip, pictures, and what it does when it is stopped or asked for too much."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ddpm_studio.control import RunControl
from ddpm_studio.errors import UserError
from ddpm_studio.events import Finished, FrameReady, ImagesReady, Progress
from ddpm_studio.model import Model, save_model
from ddpm_studio.nn.unet import UNet
from ddpm_studio.requests import AUTO_SPACING, SAMPLERS, DenoiseRequest, SampleRequest
from ddpm_studio.sampling.engine import denoise, frame_indices, generate
from tests.core.made_up import tiny_config


@pytest.fixture
def model(tmp_path: Path) -> Path:
    config = tiny_config()
    torch.manual_seed(0)
    net = UNet(config.model, 3)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    save_model(tmp_path / "model.safetensors", net.state_dict(), config, {})
    return tmp_path


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_generate_tells_frames_then_pictures(model: Path, sampler: str) -> None:
    events = list(generate(SampleRequest(model, count=3, sampler=sampler, steps=20, seed=5, device="cpu", frames=6), RunControl()))  # type: ignore[arg-type]
    frames = [event for event in events if isinstance(event, FrameReady)]
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert all(frame.count == len(frames) for frame in frames)
    assert frames[0].timestep == 99
    assert frames[-1].timestep == (4 if AUTO_SPACING[sampler] == "log_snr_early" else 0), "some end early"  # type: ignore[index]
    assert frames[-1].steps_left == 1
    assert 5 <= len(frames) <= 6
    assert all(frame.x_t.shape == frame.pred_x_start.shape == (3, 16, 16, 3) for frame in frames)
    made = events[-2]
    assert isinstance(made, ImagesReady)
    assert made.seeds == (5, 6, 7)
    # The last column's guess is where the walk ends.
    np.testing.assert_array_equal(made.images, frames[-1].pred_x_start)
    assert events[-1] == Finished(20, False)


def test_many_pictures_come_in_several_batches_and_are_the_same(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = SampleRequest(model, count=5, steps=4, device="cpu")
    whole = next(event for event in generate(request, RunControl()) if isinstance(event, ImagesReady))
    monkeypatch.setattr(Model, "batch_size", property(lambda model: 2))
    events = list(generate(request, RunControl()))
    parts = next(event for event in events if isinstance(event, ImagesReady))
    assert np.abs(whole.images.astype(int) - parts.images).max() <= 1
    assert [event.total for event in events if isinstance(event, Progress)] == [12] * 12


def test_stop_answers_within_a_step(model: Path) -> None:
    control = RunControl()
    events = []
    for event in generate(SampleRequest(model, count=1, steps=50, device="cpu"), control):
        events.append(event)
        if isinstance(event, Progress) and event.done == 3:
            control.stop()
    assert events[-1] == Finished(stopped=True)
    assert sum(isinstance(event, Progress) for event in events) == 3


def test_what_is_done_when_somebody_stops_is_kept(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Model, "batch_size", property(lambda model: 2))
    control, events = RunControl(), []
    for event in generate(SampleRequest(model, count=5, steps=4, device="cpu", seed=3), control):
        events.append(event)
        if isinstance(event, Progress) and event.done == 6:  # in the middle of the second batch
            control.stop()
    made = next(event for event in events if isinstance(event, ImagesReady))
    assert made.seeds == (3, 4)
    assert len(made.images) == 2
    assert events[-1] == Finished(4, True)


def test_denoise_keeps_what_is_hardly_noisy(model: Path) -> None:
    image = np.random.default_rng(0).integers(60, 200, (16, 16, 3), dtype=np.uint8)
    made = next(event for event in denoise(DenoiseRequest(model, image, timestep=0, count=2, device="cpu"), RunControl()) if isinstance(event, ImagesReady))
    assert made.images.shape == (2, 16, 16, 3)
    assert np.abs(made.images.astype(int) - image).mean() < 10


@pytest.mark.parametrize("request_values", [{"count": 0}, {"steps": 0}, {"seed": -1}])
def test_numbers_that_make_no_sense(model: Path, request_values: dict[str, int]) -> None:
    with pytest.raises(UserError, match="at least"):
        list(generate(SampleRequest(model, device="cpu", **request_values), RunControl()))  # type: ignore[arg-type]


def test_columns_are_spread_over_the_noise() -> None:
    assert frame_indices(list(range(999, -1, -1)), 12)[:2] == [0, 91]
    uneven = [999, 993, 990, 985, 950, 885, 745, 503, 257, 111, 44, 15, 4, 0]
    chosen = frame_indices(uneven, 6)
    assert [uneven[i] for i in chosen] == [999, 745, 503, 257, 0]  # 503 is nearest to two of the wanted ones
    assert frame_indices([5], 12) == [0]
    assert frame_indices([9, 4, 0], 12) == [0, 1, 2]
