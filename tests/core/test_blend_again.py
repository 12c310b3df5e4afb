"""A blend's PNG holds what it was made of, and the blend can be made of it again bit for bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ddpm_studio import gallery, imaging
from ddpm_studio.blend_weights import normalized, pair
from ddpm_studio.cli.main import main
from ddpm_studio.control import RunControl
from ddpm_studio.errors import UserError
from ddpm_studio.events import BlendReady, Images, Recreated
from ddpm_studio.imaging import UnreadablePicture, packed, unpacked
from ddpm_studio.requests import BlendRequest, Walk, blend_of, recipe
from ddpm_studio.sampling.engine import recreate_blend

from .made_up import picture_folder
from .test_start import save_tiny

SHAPE = (16, 16, 3)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_tiny(tmp_path / "mine" / "model.safetensors")


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    return [str(path) for path in sorted(picture_folder(tmp_path / "secret", 8).iterdir())]


def again(file: Path, model: Path) -> Recreated:
    together, place = gallery.read_blend(file, model, SHAPE, "white")
    events = list(recreate_blend(replace(together, device="cpu"), place, imaging.read_pixels(file), RunControl()))
    assert any(isinstance(event, BlendReady) and event.weights == together.weights[place] for event in events)
    return next(event for event in events if isinstance(event, Recreated))


@pytest.mark.parametrize(
    "flags",
    [
        ["--lambda", "0:1:5", "--sampler", "ddpm", "--steps", "7"],
        ["--lambda", "0.333", "--sampler", "ddim", "--eta", "0.4", "--steps", "4", "--noise", "slerp", "--spacing", "trailing", "--seed", "8", "--timestep", "70"],
        ["{third}", "--weights", "2,1,4", "--sampler", "unipc", "--steps", "4", "--timestep", "0"],
    ],
)
def test_a_blend_is_the_same_again(flags: list[str], model: Path, pictures: list[str], tmp_path: Path) -> None:
    sources = pictures[:3] if flags[0] == "{third}" else pictures[:2]
    out = tmp_path / "out"
    assert main(["interpolate", str(model), *sources, *[flag for flag in flags if flag != "{third}"], "--device", "cpu", "--out", str(out)]) == 0
    made = [file for file in sorted(out.iterdir()) if file.name != "sheet.png"]
    assert made
    for file in made:
        told = again(file, model)
        assert (told.differing, told.device) == (0, "cpu")
        together, _ = gallery.read_blend(file, model, SHAPE, "white")
        for image, source in zip(together.images, sources, strict=True):
            np.testing.assert_array_equal(image, imaging.load_picture(Path(source), SHAPE))
        assert b"secret" not in file.read_bytes()
    assert "pictures" not in gallery.read_recipe(out / "sheet.png") if (out / "sheet.png").exists() else True


def test_a_blend_of_many_is_found_among_those_it_was_made_with(model: Path, pictures: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where alone is not the same as together, as the numbers may be added up in another order."""
    from ddpm_studio.sampling import engine

    assert main(["interpolate", str(model), *pictures[:2], "--lambda", "0:1:5", "--steps", "2", "--device", "cpu", "--out", str(tmp_path / "out")]) == 0
    whole, asked = engine.blend, []

    def other_alone(request: BlendRequest, control: RunControl) -> Any:
        asked.append(len(request.weights))
        for event in whole(request, control):
            yield replace(event, image=event.image ^ 1) if isinstance(event, BlendReady) and len(request.weights) == 1 else event

    monkeypatch.setattr(engine, "blend", other_alone)
    assert again(tmp_path / "out" / "lambda_0.750.png", model).differing == 0
    assert asked == [1, 5]


def test_another_model_shows(model: Path, pictures: list[str], tmp_path: Path) -> None:
    assert main(["interpolate", str(model), *pictures[:2], "--steps", "3", "--device", "cpu", "--out", str(tmp_path / "out")]) == 0
    file = tmp_path / "out" / "lambda_0.500.png"
    save_tiny(model, seed=1, step=9)
    assert again(file, model).differing > 0
    with pytest.raises(UserError, match="another size"):
        gallery.read_blend(file, model, (32, 32, 3), "white")


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("opaque", [True, False])
def test_pictures_come_back_as_the_model_saw_them(channels: int, opaque: bool) -> None:
    image = imaging.fit(Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 24, 4), dtype=np.uint8)), (16, 24, channels), "grey")
    if channels == 4 and opaque:
        image[:, :, 3] = 255
    np.testing.assert_array_equal(unpacked(packed(image), image.shape, "grey"), image)


def noise(shape: tuple[int, int, int]) -> Images:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_too_many_and_too_large_pictures_are_left_out() -> None:
    facts = {"kind": "blend"}
    assert list(gallery.text_of(facts, [noise((16, 16, 3))] * 7)) == [gallery.RECIPE_KEY]
    assert list(gallery.text_of(facts, [noise((16, 16, 3)), noise((512, 512, 3))])) == [gallery.RECIPE_KEY]
    six = gallery.text_of(facts, [noise((512, 448, 3))] * 6)
    assert len(six) == 7
    assert "pictures" not in gallery.text_of({"kind": "sample"})[gallery.RECIPE_KEY]


def test_the_largest_that_are_kept_can_be_read(tmp_path: Path) -> None:
    """Pillow has limits of its own for what it reads."""
    six = [noise((512, 448, 3))] * 6
    imaging.save_png(tmp_path / "a.png", six[0], gallery.text_of(recipe(BlendRequest("m", images=tuple(six)), weights=[1 / 6] * 6), six))
    together, place = gallery.read_blend(tmp_path / "a.png", "m", (512, 448, 3), "white")
    assert (len(together.images), len(together.weights[place])) == (6, 6)
    np.testing.assert_array_equal(together.images[5], six[5])


GOOD = BlendRequest(
    "m", images=(noise((16, 16, 3)),) * 3, weights=(normalized((1, 2, 4)), (0.0, 0.5, 0.5)), timestep=70, noise="slerp",
    sampler="heun", steps=None, seed=5, guide="m@5", guidance=1.5,
)  # fmt: skip


def facts_of(request: BlendRequest, place: int) -> dict[str, Any]:
    made = BlendReady(request.weights[place], request.timestep, request.images[0], 1.0, 1.0, device="cpu")
    return gallery.parse_recipe(gallery.text_of(gallery.blend_recipes(request, [made])[0], request.images)[gallery.RECIPE_KEY], "a")


@pytest.mark.parametrize("place", [0, 1])
def test_a_recipe_says_all_of_a_blend(place: int) -> None:
    told, found = blend_of(facts_of(GOOD, place), "m", GOOD.images)
    assert found == place
    assert told.weights == GOOD.weights
    assert all(getattr(told, name) == getattr(GOOD, name) for name in (*Walk.__dataclass_fields__, "timestep", "noise"))


def test_two_pictures_need_no_more_than_lambda() -> None:
    request = replace(GOOD, images=GOOD.images[:2], weights=(pair(0.3),))
    facts = facts_of(request, 0)
    assert "weights" not in facts
    assert "together" not in facts
    assert blend_of(facts, "m", request.images)[0].weights == (pair(0.3),)
    rounded = replace(request, weights=((0.7, 0.3),))  # as in a film, where 1 - 0.3 is not quite 0.7
    assert blend_of(facts_of(rounded, 0), "m", request.images)[0].weights == ((0.7, 0.3),)


@pytest.mark.parametrize(
    "changes",
    [{"kind": "sample"}, {"pictures": 2}, {"pictures": True}, {"noise": "loud"}, {"noise": ["slerp"]}, {"timestep": -1}, {"timestep": 10**9}, {"weights": [1, 0]},
     {"weights": [2, -1, 0]}, {"weights": ["1", 0, 0]}, {"weights": 5}, {"weights": None}, {"together": [1.0]}, {"together": []}, {"place": 2}, {"place": "0"},
     {"sampler": "x"}, {"seed": -1}, {"guide": "../x"}],
)  # fmt: skip
def test_recipes_of_strangers_are_checked(changes: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        blend_of(facts_of(GOOD, 1) | changes, "m", GOOD.images)


@pytest.mark.parametrize("text", ["", "no base64!", "aGFsbG8=", packed(noise((16, 24, 3))), "é"])
def test_pictures_of_strangers_are_checked(text: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadablePicture):
        unpacked(text, (16, 16, 3), "white")
    file = tmp_path / "a.png"
    imaging.save_png(file, noise((16, 16, 3)), gallery.text_of(facts_of(GOOD, 0), GOOD.images) | {f"{gallery.PICTURE_KEY}1": text})
    with pytest.raises(UserError, match="damaged"):
        gallery.read_blend(file, "m", (16, 16, 3), "white")


def test_a_blend_of_before_holds_no_pictures(tmp_path: Path) -> None:
    file = gallery.save_pictures(noise((16, 16, 3))[None], [{"kind": "blend", "lam": 0.5, "timestep": 5}], tmp_path)[0]
    with pytest.raises(UserError, match="does not hold the pictures"):
        gallery.read_blend(file, "m", (16, 16, 3), "white")
