"""Ways that begin on the way of another picture, and pictures that are made again by their recipe."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ddpm_studio import gallery
from ddpm_studio.cli.main import main
from ddpm_studio.control import RunControl
from ddpm_studio.diffusion import codec
from ddpm_studio.errors import UserError
from ddpm_studio.events import BatchReady, Event, FrameReady, Images, ImagesReady, Notice, Recreated
from ddpm_studio.model import Model, save_model
from ddpm_studio.models import list_guides
from ddpm_studio.nn.unet import UNet
from ddpm_studio.requests import AUTO_SPACING, MAX_DEPTH, Sampler, SampleRequest, Start, batch_of, model_name, recipe, request_of, start_facts, start_of
from ddpm_studio.runs import Run
from ddpm_studio.sampling.engine import generate, recreate
from tests.core.made_up import tiny_config


def save_tiny(file: Path, seed: int = 0, step: int = 5) -> Path:
    torch.manual_seed(seed)
    net = UNet.of(tiny_config())
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    save_model(file, net.state_dict(), tiny_config(), {"step": step, "images": 10 * step})
    return file


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_tiny(tmp_path / "mine" / "model.safetensors")


def made(events: list[Event]) -> ImagesReady:
    return next(event for event in events if isinstance(event, ImagesReady))


def run(request: SampleRequest) -> list[Event]:
    return list(generate(request, RunControl()))


def distance(a: Images, b: Images) -> float:
    return float(np.abs(a.astype(int) - b).mean())


def test_the_three_rows_of_the_strip_are_one_equation(model: Path) -> None:
    """x_t = sqrt(a) x_0 + sqrt(1 - a) epsilon, to what uint8 can hold."""
    diffusion = Model.load(model).diffusion
    for frame in run(SampleRequest(model, count=1, sampler="ddim", steps=6, device="cpu", frames=6)):
        if isinstance(frame, FrameReady) and frame.timestep < 60:
            assert frame.pred_noise is not None
            a = float(diffusion.alphas_cumprod[frame.timestep])
            x_0, noise = (codec.from_images(images).numpy() for images in (frame.pred_x_start, frame.pred_noise))
            noisy = a**0.5 * x_0 + (1 - a) ** 0.5 * noise * 2.4  # noise is shown at a contrast of about 1 / 2.4
            shown = codec.from_images(frame.x_t).numpy()
            assert np.corrcoef(noisy.ravel(), shown.ravel())[0, 1] > 0.97


def test_the_same_way_from_one_of_its_stops_ends_in_the_same_picture(model: Path) -> None:
    whole = SampleRequest(model, count=1, sampler="ddim", steps=100, seed=7, device="cpu")
    frames = run(whole)
    again = run(replace(whole, steps=41, start=Start(whole, 40)))
    np.testing.assert_array_equal(made(again).images, made(frames).images)
    first = next(event for event in again if isinstance(event, FrameReady))
    assert first.timestep == 40


def test_variations_share_the_beginning_and_differ_the_more_the_earlier_they_part(model: Path) -> None:
    way = SampleRequest(model, count=1, sampler="dpmpp-2m", spacing="linspace", steps=100, seed=7, device="cpu")
    spread = []
    for t in (90, 30):
        images = made(run(SampleRequest(model, count=3, sampler="ddpm", steps=t + 1, device="cpu", start=Start(way, t)))).images
        assert distance(images[0], images[1]) > 0
        spread.append(distance(images[0], images[1]))
    assert spread[0] > spread[1]


def test_branches_of_branches_have_noise_of_their_own(model: Path) -> None:
    way = SampleRequest(model, count=1, sampler="ddpm", steps=100, seed=7, device="cpu")
    branch = replace(way, steps=61, start=Start(way, 60))
    twig = replace(way, steps=61, start=Start(branch, 60))  # the same x_t, the same seed, one further
    assert (branch.start and branch.start.depth, twig.start and twig.start.depth) == (1, 2)
    assert distance(made(run(branch)).images, made(run(twig)).images) > 0
    np.testing.assert_array_equal(made(run(twig)).images, made(run(twig)).images)


def test_the_way_of_another_model_is_refused(model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    other.write_bytes(model.read_bytes())
    way = SampleRequest(model, count=1, seed=7, device="cpu")
    twig = replace(way, start=Start(replace(way, model=other), 400))
    for start in (twig.start, Start(twig, 200)):
        with pytest.raises(UserError, match="another model, other"):
            run(replace(way, start=start))


def test_a_stop_that_is_not_on_the_way_is_named(model: Path) -> None:
    way = SampleRequest(model, count=1, sampler="ddim", steps=3, device="cpu")
    with pytest.raises(UserError, match="timestep 42") as caught:
        run(SampleRequest(model, count=1, device="cpu", start=Start(way, 42)))
    assert "50" in caught.value.hint
    with pytest.raises(UserError, match="out of range"):
        run(SampleRequest(model, count=1, device="cpu", start=Start(way, 4000)))
    events = run(SampleRequest(model, count=1, steps=2, device="cpu", start=Start(way, 99, model_step=3)))
    assert any(isinstance(event, Notice) and "trained since" in event.text for event in events)


WAYS = [
    SampleRequest("m", sampler="ddim", eta=0.5, steps=9, seed=4, count=1),
    SampleRequest("m", sampler="unipc", steps=None, guide="run@500", guidance=1.5, count=1),
    SampleRequest("m", sampler="ddpm", steps=12, seed=3, count=1, start=Start(SampleRequest("m", sampler="ddim", seed=9, steps=50, count=1, spacing="trailing"), 444, 17)),
    SampleRequest("m", count=1, start=Start(SampleRequest("m", count=1, start=Start(SampleRequest("m", seed=8, count=1), 700)), 300)),
]


@pytest.mark.parametrize("way", WAYS)
def test_a_recipe_says_all_that_makes_the_picture(way: SampleRequest) -> None:
    values = gallery.parse_recipe(json.dumps(recipe(way)), "a")
    assert request_of(values, "m") == way
    if way.start:
        assert start_of(json.loads(json.dumps(start_facts(way.start))), "m") == way.start


@pytest.mark.parametrize(("sampler", "meant"), [("dpmpp-2m", "log_snr"), ("unipc", "log_snr"), ("dpmpp-2m-sde", "auto"), ("heun", "auto"), ("ddim", "auto"), ("ddpm", "auto")])
def test_recipes_from_before_samplers_ended_early_mean_what_they_meant(sampler: Sampler, meant: str) -> None:
    """They said nothing of how their steps were spread."""
    values = recipe(SampleRequest("m", sampler=sampler, count=1, steps=9))
    assert values.pop("spacing") == AUTO_SPACING[sampler]
    assert request_of(values, "m").spacing == meant
    assert start_of({**values, "timestep": 3}, "m").walk.spacing == meant


def test_a_recipe_says_with_whom_it_was_made() -> None:
    request = SampleRequest("m", seed=10, count=5)
    one = gallery.recipes(request, [10, 11, 12], 7, "cpu")[2]
    assert (one["seed"], one["made_on"]) == (12, "cpu")
    assert request_of(one, "m") == replace(request, seed=12, count=1)
    assert batch_of(one, "m") == request
    assert batch_of({**one, "first_seed": 40}, "m").count == 1


@pytest.mark.parametrize(
    "changes",
    [{"kind": "blend"}, {"sampler": "x"}, {"sampler": ["ddpm"]}, {"steps": 0}, {"steps": True}, {"steps": 1e3}, {"seed": -1}, {"seed": 2**40}, {"eta": 2}, {"eta": "1"},
     {"guide": "../../secret"}, {"guide": "\\\\host\\share"}, {"guide": "C:x"}, {"guide": 5}, {"guide": ""}, {"guidance": 99}, {"spacing": "none"}, {"start": 5},
     {"start": {"timestep": -1}}, {"start": {"seed": 2}}, {"count": 10**9, "first_seed": 0}],
)  # fmt: skip
def test_recipes_of_strangers_are_checked(changes: dict[str, Any]) -> None:
    values = recipe(WAYS[0]) | changes
    with pytest.raises(UserError):
        batch_of(values, "m")


def test_a_recipe_in_a_recipe_ends_somewhere() -> None:
    values: dict[str, Any] = {"timestep": 5}
    for _ in range(30):
        values = {"timestep": 5, "start": values}
    with pytest.raises(UserError):
        start_of(values, "m")
    with pytest.raises(UserError, match="damaged"):
        gallery.parse_recipe(json.dumps(values), "a")


def test_no_picture_is_made_whose_recipe_could_not_be_read_again(model: Path) -> None:
    way = SampleRequest(model, steps=5, count=1)
    for _ in range(MAX_DEPTH + 1):
        way = replace(way, start=Start(way, 400))
    with pytest.raises(UserError, match="too many others"):
        next(generate(way, RunControl()))


@pytest.mark.parametrize("alone", [True, False])
def test_made_again_bit_for_bit(model: Path, monkeypatch: pytest.MonkeyPatch, alone: bool) -> None:
    monkeypatch.setattr(Model, "batch_size", property(lambda model: 2))
    batch = SampleRequest(model, count=5, steps=6, seed=3, device="cpu")
    picture = made(run(batch)).images[3]
    if not alone:  # as on devices where neighbours change the last bit: only the batch of two makes the same
        real = codec.decode
        monkeypatch.setattr(codec, "decode", lambda x: real(x) if len(x) == 2 else 255 - real(x))
    events = list(recreate(batch, 6, picture, RunControl()))
    np.testing.assert_array_equal(made(events).images[0], picture)
    assert made(events).seeds == (6,)
    again = [event for event in run(replace(batch, seed=5, count=2) if not alone else replace(batch, seed=6, count=1)) if isinstance(event, FrameReady)]
    row = 0 if alone else 1
    shown = [event for event in events if isinstance(event, FrameReady)][-len(again) :]
    for frame, expected in zip(shown, again, strict=True):  # of this picture, and of no neighbour
        np.testing.assert_array_equal(frame.x_t, expected.x_t[row : row + 1])
        np.testing.assert_array_equal(frame.pred_x_start, expected.pred_x_start[row : row + 1])
    assert {event.seeds for event in events if isinstance(event, BatchReady)} == {(6,)}
    told = next(event for event in events if isinstance(event, Recreated))
    assert (told.values, told.differing, told.largest, told.device) == (16 * 16 * 3, 0, 0, "cpu")
    other = picture.copy()
    other[0, 0, 0] ^= 64
    told = next(event for event in recreate(batch, 6, other, RunControl()) if isinstance(event, Recreated))
    assert told.differing == 1
    assert told.largest == 64


def test_who_can_guide(tmp_path: Path, home: Path) -> None:
    runs = home / "runs"
    for name, data, step in (("mine", "cats", 90), ("weaker", "cats", 20), ("stronger", "cats", 200), ("dogs", "dogs", 20)):
        run = Run(runs / name)
        run.write_config(tiny_config())
        run.resume_notes.write_text(json.dumps({"data": data, "step": step}))
        save_tiny(run.model_file, step=step)
    for step in (30, 60, 90):
        save_tiny(Run(runs / "mine").milestone(step), seed=step, step=step)
    guides = list_guides(Run(runs / "mine").model_file)
    assert [(guide.name, guide.step, guide.milestone) for guide in guides] == [("mine@60", 60, True), ("mine@30", 30, True), ("weaker", 20, False)]
    assert list_guides(save_tiny(tmp_path / "lonely" / "model.safetensors")) == []
    assert model_name(Run(runs / "mine").milestone(60)) == "mine@60"
    images = [made(run_(guide)).images for guide in (None, "mine@30")]
    assert distance(*images) > 0


def run_(guide: str | None) -> list[Event]:
    return run(SampleRequest("mine", count=1, steps=4, guide=guide, device="cpu"))


def test_the_command_line_starts_on_the_way_of_a_picture(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["generate", str(model), "--count", "1", "--seed", "7", "--sampler", "ddim", "--steps", "11", "--out", str(out)]) == 0
    first = out / "000007.png"
    start = ["--start", str(first), "--start-timestep", "50", "--sampler", "ddpm", "--steps", "6"]
    assert main(["generate", str(model), "--count", "2", *start, "--out", str(out / "a")]) == 0
    facts = gallery.read_recipe(out / "a" / "000001.png")
    assert facts["start"]["timestep"] == 50
    assert facts["start"]["seed"] == 7
    assert request_of(facts, model).start == start_of({**gallery.read_recipe(first), "timestep": 50}, model)
    capsys.readouterr()
    assert main(["inspect", str(out / "a" / "000001.png")]) == 0
    assert "start         sampler ddim, steps 11, spacing linspace, eta 0.0, seed 7, timestep 50" in capsys.readouterr().out
    for way in (["--sampler", "ddim", "--steps", "6"], ["--sampler", "ddpm", "--steps", "1"]):
        assert main(["generate", str(model), "--count", "2", *start[:4], *way, "--out", str(out / "b")]) == 2
        assert "leads to one picture" in capsys.readouterr().err
        assert main(["generate", str(model), "--count", "1", *start[:4], *way, "--out", str(out / "b")]) == 0
    capsys.readouterr()
    assert main(["generate", str(model), "--start", str(first), "--out", str(out)]) == 2
    assert "belong together" in capsys.readouterr().err
    assert main(["generate", str(model), "--start", '{"seed": "x"}', "--start-timestep", "5", "--out", str(out)]) == 2
    assert "seed" in capsys.readouterr().err
    blended = gallery.save_pictures(np.zeros((1, 16, 16, 3), np.uint8), [{"kind": "blend", "seed": 1, "steps": 6}], out)[0]
    assert main(["generate", str(model), "--start", str(blended), "--start-timestep", "50", "--out", str(out)]) == 2
    assert "noise alone" in capsys.readouterr().err
    capsys.readouterr()
    assert main(["generate", str(model), "--start", '{"model": "faces", "seed": 3}', "--start-timestep", "50", "--out", str(out)]) == 2
    assert "one of the model faces" in capsys.readouterr().err
