"""Inpainting, inversion, trees and loops: against closed forms where there are any, and end to end on a small model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from ddpm_studio import gallery
from ddpm_studio.blend_weights import around
from ddpm_studio.cli.main import main
from ddpm_studio.config import DiffusionConfig
from ddpm_studio.control import RunControl
from ddpm_studio.diffusion.gaussian import GaussianDiffusion
from ddpm_studio.diffusion.inpainting import repaint_loop, resampling_walk
from ddpm_studio.diffusion.inversion import ddim_inversion_loop
from ddpm_studio.diffusion.sampling import ddim_sample_loop
from ddpm_studio.diffusion.spacing import spaced_timesteps
from ddpm_studio.errors import UserError
from ddpm_studio.events import ImagesReady, Inverted
from ddpm_studio.model import Model
from ddpm_studio.requests import InpaintRequest, InvertRequest, TreeRequest
from ddpm_studio.runs import Run
from ddpm_studio.sampling.experiments import inpaint, invert, tree
from tests.core.made_up import picture_folder, tiny_config, train_tiny, trained_in

GAUSSIAN = DiffusionConfig(beta_schedule="linear", prediction_type="epsilon", clip_x_start=False)


def draw_from(seed: int) -> Callable[[Tensor], Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return lambda like: torch.randn(like.shape, dtype=like.dtype, generator=generator)


@pytest.mark.parametrize(
    ("count", "jump_length", "resamples", "expected"),
    [(3, 1, 1, [0, 1, 2, 3]), (3, 1, 2, [0, 1, 0, 1, 2, 1, 2, 3]), (5, 2, 2, [0, 1, 2, 1, 0, 1, 2, 3, 4, 3, 2, 3, 4, 5]), (2, 10, 10, [0, 1, 2]),
     (6, 2, 2, [0, 1, 2, 3, 2, 1, 2, 3, 4, 5, 4, 3, 4, 5, 6])],
)
def test_the_way_of_resampling(count: int, jump_length: int, resamples: int, expected: list[int]) -> None:
    assert resampling_walk(count, jump_length, resamples) == expected


def test_inpainting_finds_the_pixel_that_must_be_like_its_neighbour() -> None:
    """Two pixels that are always equal, N(0, s^2): the best network is linear. Given the left one, the right one follows,
    and the better with resampling, which is why RePaint goes back and forth."""
    std, value, count = 0.5, 0.6, 2000
    diffusion = GaussianDiffusion(GAUSSIAN)

    def network(x_t: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
        signal, sigma = diffusion.signal_and_noise(t, x_t)
        both = signal * std**2 * x_t.sum(dim=3, keepdim=True) / (2 * signal**2 * std**2 + sigma**2)
        return diffusion.noise_from_start(both.expand_as(x_t), x_t, t)

    x_start = torch.full((1, 1, 1, 2), value, dtype=torch.float64)
    known = torch.tensor([1.0, 0.0], dtype=torch.float64).view(1, 1, 1, 2)
    errors = []
    for resamples in (1, 10):
        draw = draw_from(0)
        x_T = draw(torch.empty(count, 1, 1, 2, dtype=torch.float64))
        *_, end = repaint_loop(diffusion, network, x_T, spaced_timesteps(999, 50), draw, x_start, known, 5, resamples)
        assert torch.equal(end.x_next[..., 0], x_start[..., 0].expand(count, 1, 1))  # what is known comes back exactly
        assert end.index == end.count - 1
        errors.append((end.x_next[..., 1] - value).square().mean().sqrt().item())
    assert errors[1] < errors[0] < 0.1


@pytest.mark.parametrize("zero_terminal_snr", [False, True])
@pytest.mark.parametrize("schedule", ["linear", "cosine", "sigmoid"])
def test_inversion_is_exact_at_its_fixed_point(schedule: str, zero_terminal_snr: bool) -> None:
    """Gaussian data again: with refinements the way up undoes the way down, whatever the schedule."""
    std = 0.3
    settings = {"beta_schedule": schedule, "zero_terminal_snr": zero_terminal_snr, "prediction_type": "v_prediction" if zero_terminal_snr else "epsilon"}
    diffusion = GaussianDiffusion(GAUSSIAN.model_copy(update=settings))

    def network(x_t: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
        signal, sigma = diffusion.signal_and_noise(t, x_t)
        found = signal * std**2 / (signal**2 * std**2 + sigma**2) * x_t
        noise = diffusion.noise_from_start(found, x_t, t)
        return signal * noise - sigma * found if zero_terminal_snr else noise

    x_start = 0.3 * draw_from(1)(torch.empty(1, 3, 8, 8, dtype=torch.float64))
    timesteps = spaced_timesteps(999, 100)
    errors = []
    for refinements in (0, 3, 30):
        *_, up = ddim_inversion_loop(diffusion, network, x_start, timesteps, refinements)
        *_, down = ddim_sample_loop(diffusion, network, up.x_next, timesteps, torch.zeros_like)
        errors.append((down.x_next - x_start).abs().max().item())
    assert errors[0] > 10 * errors[1]
    assert errors[2] < 1e-9
    assert up.x_next.std().item() == pytest.approx(1.0, abs=0.15)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_in(tmp_path_factory.mktemp("experiments"), pictures="data", config=tiny_config(data__image_size=16), max_steps=20).path


def images_of(events: object) -> np.ndarray:
    return next(event.images for event in events if isinstance(event, ImagesReady))  # type: ignore[attr-defined]


def test_branches_are_the_more_alike_the_later_they_part(model: Path) -> None:
    request = TreeRequest(model, (10, 50, 90), count=4, device="cpu", seed=3)
    images = images_of(tree(request, RunControl())).astype(float)
    assert images.shape == (12, 16, 16, 3)
    spread = images.reshape(3, 4, -1).std(axis=1).mean(axis=1)  # rows: t 90, 50, 10
    assert spread[0] > spread[1] > spread[2] > 0
    again = images_of(tree(request, RunControl()))
    assert np.array_equal(images, again)


def test_a_tree_needs_a_sampler_with_noise(model: Path) -> None:
    with pytest.raises(UserError, match="same picture"):
        list(tree(TreeRequest(model, (50,), sampler="dpmpp-2m", device="cpu"), RunControl()))
    with pytest.raises(UserError, match="does not stop between"):
        list(tree(TreeRequest(model, (50, 51, 90), steps=5, device="cpu"), RunControl()))
    with pytest.raises(UserError, match="nothing branches off"):
        list(tree(TreeRequest(model, (0, 50), device="cpu"), RunControl()))
    with pytest.raises(UserError, match="last stop, timestep 4, nothing branches off"):
        list(tree(TreeRequest(model, (0, 50), sampler="dpmpp-2m-sde", steps=20, device="cpu"), RunControl()))
    with pytest.raises(UserError, match="out of range"):
        list(tree(TreeRequest(model, (100,), device="cpu"), RunControl()))


def test_a_tree_of_the_usual_sampler(model: Path) -> None:
    images = images_of(tree(TreeRequest(model, (30, 70), count=3, sampler="dpmpp-2m-sde", steps=20, device="cpu"), RunControl())).astype(float)
    assert images.reshape(2, 3, -1).std(axis=1).mean(axis=1).min() > 0


def test_inpainting_keeps_what_the_mask_leaves(model: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    mask = np.zeros((16, 16, 1), np.uint8)
    mask[:, 8:] = 255
    images = images_of(inpaint(InpaintRequest(model, image, mask, count=2, steps=10, jump_length=3, resamples=2, device="cpu"), RunControl()))
    assert np.array_equal(images[:, :, :8], np.stack([image[:, :8]] * 2))
    assert not np.array_equal(images[0, :, 8:], images[1, :, 8:])
    with pytest.raises(UserError, match="no going back 10"):
        list(inpaint(InpaintRequest(model, image, mask, steps=5, device="cpu"), RunControl()))
    with pytest.raises(UserError, match="nothing to do"):
        list(inpaint(InpaintRequest(model, image, mask * 0, device="cpu"), RunControl()))


def test_inversion_reports_its_error_truly(model: Path) -> None:
    image = np.array(Image.open(next((model.parent / "data").glob("*.png"))).resize((16, 16)))
    found = {}
    for refinements in (0, 8):
        event = next(e for e in invert(InvertRequest(model, image, refinements, steps=50, device="cpu"), RunControl()) if isinstance(e, Inverted))
        measured = np.sqrt(((event.reconstruction.astype(float) - image) ** 2).mean())
        assert event.rmse == pytest.approx(measured, abs=0.6)  # the pictures are rounded and cut to 0 ... 255
        found[refinements] = event.rmse
    assert found[8] < found[0]


@pytest.mark.parametrize("noise", ["independent", "shared", "slerp"])
def test_the_pieces_of_a_loop_join(model: Path, noise: str) -> None:
    loaded = Model.load(model)
    a, b, c = (np.random.default_rng(i).integers(0, 256, (16, 16, 3), dtype=np.uint8) for i in range(3))
    x_t = loaded.mix((a, b, c), around(3, 50), 50, noise, 7)[0]  # type: ignore[arg-type]
    steps = (x_t - x_t.roll(-1, 0)).square().mean((1, 2, 3)).sqrt()
    assert steps.max() < 0.1, "no step is a jump, those at the pictures and the last to the first included"
    assert max(steps[0], steps[49], steps[50], steps[149]) < 0.01


def test_the_command_line(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = [str(path) for path in sorted((model.parent / "data").glob("*.png"))[:3]]
    mask = tmp_path / "mask.png"
    Image.fromarray(np.uint8([[0, 255]] * 2)).resize((16, 16)).save(mask)

    def run(*arguments: str) -> dict[str, object]:
        assert main([*arguments, "--device", "cpu", "--json"]) == 0
        return dict(json.loads(capsys.readouterr().out))

    made = run("interpolate", str(model), *pictures[:2], "--timesteps", "20:80:3", "--lambda", "0:1:3", "--sampler", "ddim", "--steps", "3", "--out", str(tmp_path / "sheet"))
    assert len(made["images"]) == 9  # type: ignore[arg-type]
    with Image.open(tmp_path / "sheet" / "sheet.png") as sheet:
        assert sheet.size == (5 * 18 - 2, 3 * 18 - 2)
    run("denoise", str(model), pictures[0], "--timesteps", "10:60:3", "--count", "2", "--steps", "3", "--out", str(tmp_path / "strip"))
    with Image.open(tmp_path / "strip" / "strip.png") as strip:
        assert strip.size == (4 * 18 - 2, 2 * 18 - 2)
    made = run("tree", str(model), "--timesteps", "20:80:2", "--count", "2", "--steps", "5", "--out", str(tmp_path / "tree"))
    assert made["timesteps"] == [74, 25]  # where the walk stops, nearest to 80 and 20
    film = tmp_path / "loop.gif"
    made = run("loop", str(model), *pictures, "--frames", "2", "--steps", "3", "--film", str(film), "--out", str(tmp_path / "loop"))
    assert len(made["images"]) == 6  # type: ignore[arg-type]
    with Image.open(film) as frames:
        assert frames.n_frames == 6  # type: ignore[attr-defined]
        assert frames.info["loop"] == 0
        assert frames.info["duration"] == 1000
        assert frames.size == (256, 256)
    run("loop", str(model), *pictures, "--frames", "2", "--steps", "3", "--film", str(tmp_path / "alone.webp"), "--fps", "20", "--scale", "4")
    with Image.open(tmp_path / "alone.webp") as frames:
        frames.load()
        assert (frames.n_frames, frames.size, frames.info["duration"]) == (6, (64, 64), 50)  # type: ignore[attr-defined]
    made = run("interpolate", str(model), *pictures, "--weights", "2,1,1", "--sampler", "ddim", "--steps", "3", "--out", str(tmp_path / "three"))
    assert made["weights"] == [0.5, 0.25, 0.25]
    assert gallery.read_recipe(tmp_path / "three" / "blend.png")["weights"] == [0.5, 0.25, 0.25]
    run("generate", str(model), "--count", "3", "--steps", "15", "--filmstrip", str(tmp_path / "strip.png"), "--film", str(tmp_path / "birth.gif"), "--out", str(tmp_path / "made"))
    with Image.open(tmp_path / "birth.gif") as frames, Image.open(tmp_path / "strip.png") as strip:
        assert 12 < frames.n_frames <= 16  # type: ignore[attr-defined]
        assert strip.width == 12 * 18 - 2
    run("inpaint", str(model), pictures[0], "--mask", str(mask), "--steps", "4", "--resamples", "2", "--jump-length", "2", "--out", str(tmp_path / "paint"))
    inverted = run("invert", str(model), pictures[0], "--steps", "10", "--refinements", "8", "--out", str(tmp_path / "up"))
    assert 0 <= float(inverted["rmse"]) < 1  # type: ignore[arg-type]
    # The noise that was written makes the picture again, in the same steps.
    down = ["--already-noisy", "--timestep", "99", "--sampler", "ddim", "--steps", "10", "--out", str(tmp_path / "down")]
    again = run("denoise", str(model), str(tmp_path / "up" / "noise.npy"), *down)
    with Image.open(str(again["images"][0])) as down, Image.open(tmp_path / "up" / "picture.png") as picture:  # type: ignore[index]
        assert np.abs(np.asarray(down, dtype=int) - np.asarray(picture, dtype=int)).mean() < 3  # the model clips, the inversion does not


def test_a_milestone_is_asked_for_by_its_step(tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train_tiny(Run(home / "runs" / "mine"), picture_folder(tmp_path / "data"), config=tiny_config(training__milestone_steps=2), max_steps=4)
    assert Model.load("mine@2").step == 2
    assert main(["generate", "mine", "--guide", "mine@2", "--count", "1", "--steps", "2", "--device", "cpu", "--out", str(tmp_path / "out")]) == 0
    with pytest.raises(UserError, match="no model called 'mine@3'"):
        Model.load("mine@3")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["loop", "MODEL", "PICTURE"], "at least two"),
        (["loop", "MODEL", "PICTURE", "PICTURE", "--film", "film.mov"], "not the name of a film"),
        (["generate", "MODEL", "--film", "film.avi"], "not the name of a film"),
        (["interpolate", "MODEL", "PICTURE", "PICTURE", "PICTURE", "--lambda", "0.5"], "Lambda is for two pictures"),
        (["interpolate", "MODEL", "PICTURE", "PICTURE", "--lambda", "0.5", "--weights", "1,1"], "either lambda or weights"),
        (["interpolate", "MODEL", "PICTURE", "PICTURE", "PICTURE", "--weights", "1,2"], "weights of 3 pictures"),
        (["interpolate", "MODEL", "PICTURE", "PICTURE", "--weights", "1,x"], "weights of 2 pictures"),
        (["interpolate", "MODEL", "PICTURE", "PICTURE", "--weights=-1,2"], "weights of 2 pictures"),
        (["denoise", "MODEL", "PICTURE"], "required"),
        (["denoise", "MODEL", "PICTURE", "--timesteps", "0:100:3"], "out of range"),
        (["interpolate", "MODEL", "PICTURE", "PICTURE", "--timestep", "3", "--timesteps", "1:2:2"], "not allowed with"),
        (["tree", "MODEL", "--timesteps", "x"], "timesteps"),
        (["tree", "MODEL", "--timesteps", "inf"], "timesteps"),
        (["denoise", "MODEL", "PICTURE", "--timesteps", "nan"], "timesteps"),
        (["interpolate", "MODEL", "PICTURE", "PICTURE", "--timesteps", "1e400"], "timesteps"),
        (["generate", "MODEL", "--guide", "no-such-model"], "no model called"),
    ],
)
def test_mistakes_get_one_sentence(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str) -> None:
    picture = str(next((model.parent / "data").glob("*.png")))
    given = [{"MODEL": str(model), "PICTURE": picture}.get(argument, argument) for argument in arguments]
    assert main([*given, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 2


def test_guided_by_itself_nothing_changes(model: Path, tmp_path: Path) -> None:
    for name, extra in (("plain", []), ("guided", ["--guide", str(model), "--guidance", "3"])):
        assert main(["generate", str(model), "--count", "2", "--steps", "4", "--device", "cpu", "--out", str(tmp_path / name), *extra]) == 0
    for i in range(2):
        plain, guided = (np.array(Image.open(tmp_path / name / f"{i:06d}.png"), dtype=int) for name in ("plain", "guided"))
        assert abs(plain - guided).max() <= 1
