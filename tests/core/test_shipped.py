"""The models that ship: whole, small, and able to make pictures."""

from __future__ import annotations

import pytest
from PIL import Image

from ddpm_studio import paths
from ddpm_studio.config import TrainConfig
from ddpm_studio.model import Model
from ddpm_studio.models import find_model, list_models, read_header, starting_settings

SHIPPED = sorted(folder.name for folder in paths.models_dir().iterdir() if folder.is_dir())


def test_they_are_there() -> None:
    assert {"faces", "tiles"} <= set(SHIPPED)
    assert [info.name for info in list_models()] == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_each_is_whole_small_and_makes_pictures(name: str) -> None:
    folder = paths.models_dir() / name
    assert (folder / "model.safetensors").stat().st_size <= 12 * 10**6
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    model = Model.load(name)
    assert f"{model.step:,} steps" in card
    for word in ("data", "licence of the data", "recipe", "score", "limits"):
        assert f"| {word} |" in card
    pictures = model.sample([1, 2], "dpmpp-2m", 10)
    assert pictures.shape == (2, *model.config.data.shape)
    assert pictures[0].std() > 20


def test_their_ways_end_where_their_pictures_want_it() -> None:
    assert {name: read_header(find_model(name))[0].diffusion.lambda_max for name in ("faces", "tiles")} == {"faces": 2.5, "tiles": 3.4}


@pytest.mark.parametrize("name", SHIPPED)
def test_whoever_trains_it_further_sees_it_learn(name: str) -> None:
    assert starting_settings(name).training.preview_count == TrainConfig().preview_count


@pytest.mark.parametrize("name", SHIPPED)
def test_each_brings_two_of_its_own_pictures_to_blend(name: str) -> None:
    height, width, channels = Model.load(name).config.data.shape
    for number in (1, 2):
        with Image.open(paths.models_dir() / name / f"example_{number}.png") as picture:
            assert (picture.height, picture.width, len(picture.getbands())) == (height, width, channels)
            assert not picture.info, "it says nothing about whose it was"
