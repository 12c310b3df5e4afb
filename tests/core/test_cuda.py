"""On an NVIDIA GPU: the same numbers as on the processor, recorded or not. Where there is none, all of this is skipped."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from ddpm_studio.config import RunConfig
from ddpm_studio.control import RunControl
from ddpm_studio.devices import choose_device
from ddpm_studio.diffusion.gaussian import GaussianDiffusion
from ddpm_studio.events import BenchReady, Finished, ImagesReady, Notice, PreviewReady, Recreated, StepDone
from ddpm_studio.model import Model
from ddpm_studio.nn.unet import UNet
from ddpm_studio.presets import get_preset
from ddpm_studio.recorded import PLAIN_CALLS, RecordedNetwork
from ddpm_studio.requests import BenchRequest, SampleRequest
from ddpm_studio.runs import Run
from ddpm_studio.training.checkpoint import TrainingState
from ddpm_studio.training.gradient import apply_gradients, compute_gradients
from tests.core.made_up import picture_folder, tiny_config, train_tiny

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU that this build of PyTorch can use")

ODD = {"diffusion.variance_type": "learned", "model.stem_patch": 1, "model.downsample": "conv", "model.upsample": "transposed", "model.input_skip": False}
CONFIGS: dict[str, RunConfig] = {
    "tiny-32": get_preset("tiny-32"),
    "small-64": get_preset("small-64").with_changes({"training.batch_size": 8}),
    "odd": get_preset("tiny-32").with_changes(ODD),
    "annotated": get_preset("annotated").with_changes({"training.batch_size": 8, "model.dropout": 0.0}),
}


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """float32 all the way: TF32 keeps only ten bits of every factor."""
    monkeypatch.setattr("ddpm_studio.devices.allow_tf32", lambda: None)
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def gradients(config: RunConfig, device: str, calls: int = 1) -> tuple[Tensor, list[Tensor]]:
    """Loss and gradients of a network that has left its first weights, after so many calls with the same batch."""
    where = choose_device(device)
    state = TrainingState.new(config, where.torch)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in state.net.parameters():  # nothing may stay 0, or half of the network would not be seen
            weight.add_(0.02 * torch.randn(weight.shape, generator=generator).to(where.torch))
    diffusion = GaussianDiffusion(config.diffusion).to(where.torch)
    height, width, channels = config.data.shape
    shape = config.training.batch_size, channels, height, width
    x_start, noise = torch.rand(shape, generator=generator) * 2 - 1, torch.randn(shape, generator=generator)
    t = torch.randint(config.diffusion.num_timesteps, shape[:1], generator=generator)
    batch = tuple(x.to(where.torch) for x in (x_start, t, noise))
    for _ in range(calls):
        loss = compute_gradients(state, config, diffusion, batch, where)  # type: ignore[arg-type]
    return loss.cpu(), [weight.grad.detach().cpu().contiguous() for weight in state.net.parameters() if weight.grad is not None]


def distance(ours: list[Tensor], theirs: list[Tensor]) -> float:
    a, b = (torch.cat([x.flatten().double() for x in found]) for found in (ours, theirs))
    return float((a - b).norm() / b.norm())


@pytest.mark.parametrize("name", CONFIGS)
def test_loss_and_gradients_are_those_of_the_processor(name: str, exact: None) -> None:
    config = CONFIGS[name].with_changes({"training.precision": "float32"})
    (loss, found), (expected_loss, expected) = gradients(config, "cuda"), gradients(config, "cpu")
    assert float(loss) == pytest.approx(float(expected_loss), rel=1e-5)
    assert distance(found, expected) < 1e-4


@pytest.mark.parametrize("name", CONFIGS)
def test_mixed_precision_is_near(name: str) -> None:
    (loss, found), (expected_loss, expected) = gradients(CONFIGS[name], "cuda"), gradients(CONFIGS[name], "cpu")
    assert float(loss) == pytest.approx(float(expected_loss), rel=0.02)
    assert distance(found, expected) < 0.05


@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("name", CONFIGS)
def test_a_recorded_step_has_the_same_gradients(name: str, dropout: float) -> None:
    config = CONFIGS[name].with_changes({"model.dropout": dropout})
    (loss, found), (expected_loss, expected) = gradients(config, "cuda", PLAIN_CALLS + 2), gradients(config, "cuda")
    assert float(loss) == pytest.approx(float(expected_loss), rel=1e-6)
    assert distance(found, expected) < 1e-5


def test_recorded_steps_learn_as_plain_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replayed, the weights of now count, not those of then."""
    config, device = get_preset("tiny-32").with_changes({"training.precision": "float32"}), choose_device("cuda")
    losses = []
    for plain_calls in (1000, 2):
        monkeypatch.setattr("ddpm_studio.recorded.PLAIN_CALLS", plain_calls)
        state, diffusion = TrainingState.new(config, device.torch), GaussianDiffusion(config.diffusion).to(device.torch)
        generator = torch.Generator().manual_seed(0)
        seen = []
        for _ in range(30):
            x_start = (torch.rand(32, 3, 32, 32, generator=generator) * 2 - 1).to(device.torch)
            t, noise = torch.randint(1000, (32,), generator=generator).to(device.torch), torch.randn(32, 3, 32, 32, generator=generator).to(device.torch)
            seen.append(float(compute_gradients(state, config, diffusion, (x_start, t, noise), device)))
            apply_gradients(state, config, 1e-3)
        losses.append(seen)
    assert losses[0][-1] < losses[0][0]
    assert losses[1] == pytest.approx(losses[0], rel=2e-3)


def test_a_recorded_network_answers_as_it_is() -> None:
    torch.manual_seed(0)
    config = get_preset("tiny-32")
    net = UNet.of(config).cuda().eval().requires_grad_(False)
    recorded, other = RecordedNetwork(net), copy.deepcopy(net)
    for count in (4, 4, 4, 4, 1, 4, 1, 1, 1, 7, 7, 7, 7, 4):  # more kinds than are kept
        x_t, t = torch.randn(count, 3, 32, 32, device="cuda"), torch.randint(1000, (count,), device="cuda")
        with torch.no_grad():
            for weight, twin in zip(net.parameters(), other.parameters(), strict=True):
                step = 0.01 * torch.randn_like(weight)
                weight.add_(step)
                twin.add_(step)
            answer, expected = recorded(x_t, t), other(x_t, t)
        assert torch.equal(answer, expected)


def test_gradients_reach_through_a_recorded_network() -> None:
    net = UNet.of(tiny_config()).cuda()
    torch.nn.init.normal_(next(net.head.parameters()))
    recorded = RecordedNetwork(net)
    x_t, t = torch.randn(2, 3, 16, 16, device="cuda", requires_grad=True), torch.zeros(2, dtype=torch.int64, device="cuda")
    for _ in range(4):
        assert torch.autograd.grad(recorded(x_t, t).square().sum(), x_t)[0].abs().sum() > 0


@pytest.mark.parametrize("sampler", ["dpmpp-2m-sde", "ddim", "dpmpp-2m", "ddpm", "heun"])
def test_the_shipped_model_makes_the_same_pictures(sampler: Any, exact: None) -> None:
    pictures = [Model.load("faces", device).sample(range(3), sampler, 10).astype(np.int16) for device in ("cpu", "cuda")]
    assert np.abs(pictures[0] - pictures[1]).max() <= 2
    assert pictures[0].std() > 30


def test_a_picture_is_recreated_bit_for_bit() -> None:
    from ddpm_studio.sampling.engine import generate, recreate

    request = SampleRequest("faces", count=5, seed=11, device="cuda")
    made = next(event for event in generate(request, RunControl()) if isinstance(event, ImagesReady))
    again = next(event for event in recreate(request, 13, made.images[2], RunControl()) if isinstance(event, Recreated))
    assert again.differing == 0


def test_the_same_steps_give_the_same_weights(tmp_path: Path) -> None:
    """Bit for bit, with networks that are meant for such a device, in the mixed precision that they are trained in. In
    float32, base-32 came out in other last digits (H200, PyTorch 2.11)."""
    data = picture_folder(tmp_path / "data", 40, 32)
    for name in ("base-32", "small-64"):
        config = get_preset(name).with_changes({"training.preview_count": 0, "training.batch_size": 32, "training.precision": "bfloat16"})
        ends = []
        for attempt in range(2):
            run = Run(tmp_path / f"{name} {attempt}")
            train_tiny(run, data, config=config, device="cuda", max_steps=10)
            ends.append(load_file(run.resume_file))
        assert all(torch.equal(ends[0][tensor], value) for tensor, value in ends[1].items()), name


def test_a_run_that_was_interrupted_is_the_same(tmp_path: Path) -> None:
    data = picture_folder(tmp_path / "data")
    whole, pieces = Run(tmp_path / "whole"), Run(tmp_path / "pieces")
    events = train_tiny(whole, data, device="cuda", max_steps=12)
    assert any(isinstance(event, PreviewReady) for event in events)
    train_tiny(pieces, data, device="cuda", max_steps=5)
    train_tiny(pieces, data, device="cuda", max_steps=7, resume=True)
    one, other = load_file(whole.resume_file), load_file(pieces.resume_file)
    assert all(torch.equal(one[name], value) for name, value in other.items())


def test_with_too_little_memory_it_goes_on_in_pieces(tmp_path: Path) -> None:
    data = picture_folder(tmp_path / "data", 40)
    config = get_preset("base-32").with_changes({"training.batch_size": 512, "training.preview_count": 0, "training.precision": "float32"})
    torch.cuda.empty_cache()
    limit = torch.cuda.memory_allocated() + 8 * 2**30
    torch.cuda.set_per_process_memory_fraction(min(1.0, limit / torch.cuda.get_device_properties(0).total_memory))
    try:
        events = train_tiny(Run(tmp_path / "run"), data, config=config, device="cuda", max_steps=4)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()
    assert any(isinstance(event, Notice) and "not enough memory" in event.text for event in events)
    assert [event.step for event in events if isinstance(event, StepDone)][-1] == 4
    assert isinstance(events[-1], Finished)


def test_bench_measures_it() -> None:
    from ddpm_studio.bench import bench

    result = next(event for event in bench(BenchRequest(("tiny-32",), 0.5, "cuda"), RunControl()) if isinstance(event, BenchReady))
    assert result.training_images_per_second > 0
    assert result.training_share > 0
