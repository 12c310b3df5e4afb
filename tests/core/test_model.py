"""Model files: what is saved comes back, what is not ours is refused, and the Python interface keeps its promises."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import ddpm_studio
from ddpm_studio.devices import Device
from ddpm_studio.errors import DamagedFile, UserError
from ddpm_studio.model import Model, inference_bytes, load_cached
from ddpm_studio.models import find_model, list_models, read_header
from ddpm_studio.nn.describe import describe_network
from ddpm_studio.nn.unet import UNet
from ddpm_studio.presets import get_preset
from ddpm_studio.runs import Run, find_run
from ddpm_studio.tensor_files import CHECKSUM
from tests.core.made_up import picture_folder, tiny_config, trained_in


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained_in(tmp_path_factory.mktemp("trained"), max_steps=8)


def test_load_by_folder_and_by_file(trained: Run) -> None:
    for path in (trained.path, trained.model_file, str(trained.path)):
        model = ddpm_studio.load_model(path)
        assert model.notes["step"] == 8
        assert model.alphas_cumprod.shape == (100,)
        assert model.alphas_cumprod.dtype == torch.float64


def test_names_of_runs(trained: Run, home: Path) -> None:
    (home / "runs").mkdir(parents=True)
    (home / "runs" / "mine").symlink_to(trained.path)
    assert find_model("mine").samefile(trained.model_file)
    assert "mine" in [info.name for info in list_models()]
    assert find_run("mine").exists


def test_samples_depend_on_their_seed_only(trained: Run) -> None:
    model = Model.load(trained.path)
    batch = model.sample([7, 8], "ddim", 5)
    assert batch.shape == (2, 16, 16, 3)
    assert batch.dtype == np.uint8
    # Convolutions may sum in another order for another batch size: at most a rounding of one level.
    assert np.abs(model.sample([8], "ddim", 5)[0].astype(int) - batch[1]).max() <= 1
    assert (batch[0] != batch[1]).any()
    x_T, _ = model.noise([7, 8])
    assert (model.sample([7, 8], "ddim", 5, x_T=x_T) == batch).all()


def test_predict_noise_finds_the_noise_it_was_trained_to_find(trained: Run) -> None:
    model = Model.load(trained.path)
    x_t, t = torch.randn(3, 3, 16, 16), torch.tensor([0, 50, 99])
    noise = model.predict_noise(x_t, t)
    assert noise.shape == x_t.shape
    x_start = model.diffusion.predict_start(model.net(x_t, t), x_t, t)
    torch.testing.assert_close(model.diffusion.noise_from_start(x_start, x_t, t), noise, rtol=1e-3, atol=1e-3)


def test_weights_are_those_of_the_average(trained: Run) -> None:
    model, resume = load_file(trained.model_file), load_file(trained.resume_file)
    assert all(torch.equal(value, resume[f"ema.{name}"]) for name, value in model.items())
    assert any(not torch.equal(value, resume[f"net.{name}"]) for name, value in model.items())


def test_cache_notices_a_new_file(trained: Run, tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(trained.model_file.read_bytes())
    first = load_cached(file, "cpu")
    assert load_cached(file, "cpu") is first
    tensors = load_file(file)
    save_file({name: value + 1 for name, value in tensors.items()}, file, metadata=_metadata(trained.model_file))
    assert load_cached(file, "cpu") is not first


def _metadata(file: Path) -> dict[str, str]:
    """What a header says; without the checksum, or whatever is altered here would merely be found damaged."""
    with safe_open(file, framework="pt") as opened:
        return {name: value for name, value in opened.metadata().items() if name != CHECKSUM}


def _altered(trained: Run, tmp_path: Path, **changes: str) -> Path:
    file = tmp_path / "altered.safetensors"
    save_file(load_file(trained.model_file), file, metadata={name: value for name, value in (_metadata(trained.model_file) | changes).items() if value})
    return file


def test_altered_weights_are_noticed(trained: Run, tmp_path: Path) -> None:
    content = bytearray(trained.model_file.read_bytes())
    content[-1000] ^= 1
    file = tmp_path / "model.safetensors"
    file.write_bytes(content)
    with pytest.raises(DamagedFile, match="does not match its checksum"):
        Model.load(file)


def test_fp16_weights_load(trained: Run, tmp_path: Path) -> None:
    file = tmp_path / "half.safetensors"
    save_file({name: value.half() for name, value in load_file(trained.model_file).items()}, file, metadata=_metadata(trained.model_file))
    assert next(Model.load(file).net.parameters()).dtype == torch.float32


def test_refusals(trained: Run, tmp_path: Path) -> None:
    picture = picture_folder(tmp_path / "p", 1) / "disc_000.png"
    renamed = tmp_path / "picture.safetensors"
    renamed.write_bytes(picture.read_bytes())
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(trained.model_file.read_bytes()[:-1000])
    huge_header = tmp_path / "huge.safetensors"
    huge_header.write_bytes((2**62).to_bytes(8, "little") + b"{}")
    pickle = tmp_path / "model.pt"
    torch.save({"weights": torch.zeros(2)}, pickle)
    config = json.loads(_metadata(trained.model_file)["config"])
    wide = json.dumps(config | {"model": config["model"] | {"base_channels": 512}})
    empty = tmp_path / "empty"
    empty.mkdir()
    cases = [
        (renamed, "not a model file"),
        (cut, "damaged"),
        (huge_header, "not a model file"),
        (pickle, "not a model file"),
        (picture, "not a model file"),
        (empty, "no model in the folder"),
        (tmp_path / "missing", "no model called"),
        ("nothing-of-this-name", "no model called"),
        (_altered(trained, tmp_path, format=""), "not made by DDPM Studio"),
    ]
    for path, complaint in cases:
        with pytest.raises(UserError, match=complaint):
            Model.load(path)
    for changes, complaint in (({"format_version": "99"}, "newer version"), ({"config": "{"}, "damaged"), ({"config": wide}, "do not fit"), ({"config": "[]"}, "not whole")):
        with pytest.raises(UserError, match=complaint):
            Model.load(_altered(trained, tmp_path, **changes))


def test_missing_and_wrong_tensors_are_named(trained: Run, tmp_path: Path) -> None:
    tensors, file = load_file(trained.model_file), tmp_path / "m.safetensors"
    for change in ({"head.bias": None}, {"extra": torch.zeros(1)}, {"head.bias": torch.zeros(99)}, {"head.bias": tensors["head.bias"].long()}):
        altered = {name: value for name, value in (tensors | change).items() if value is not None}
        save_file(altered, file, metadata=_metadata(trained.model_file))
        with pytest.raises(UserError, match=next(iter(change)).replace(".", r"\.")):
            Model.load(file)


def test_header_is_read_without_weights(trained: Run) -> None:
    config, notes = read_header(trained.model_file)
    assert config == tiny_config(training__held_out=0)  # of so few pictures none
    assert notes == {"step": 8, "images": 32}


def test_interpolation_gives_the_pictures_back_at_small_t(trained: Run) -> None:
    """An untrained network answers v = 0 and so estimates x_0 = alpha x_t, which at t = 0 is nearly the picture."""
    config = tiny_config()
    model = Model.of(UNet(config.model, 3), config)
    rng = np.random.default_rng(0)
    a, b = (rng.integers(30, 220, (16, 16, 3), dtype=np.uint8) for _ in range(2))
    for lam, expected in ((0.0, a), (1.0, b)):
        blended = model.interpolate(a, b, lam, t=0)
        assert np.abs(blended.astype(int) - expected).mean() < 5


def test_what_pytorch_keeps_on_a_card_for_later_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("mem_get_info", (100, 1000)), ("memory_reserved", 600), ("memory_allocated", 200)):
        monkeypatch.setattr(torch.cuda, name, lambda device, value=value: value)
    assert Device(torch.device("cuda"), "", True).free_memory() == 500


def test_what_recordings_keep_on_a_card_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("mem_get_info", (100, 1000)), ("memory_reserved", 600), ("memory_allocated", 200)):
        monkeypatch.setattr(torch.cuda, name, lambda device, value=value: value)
    monkeypatch.setattr("ddpm_studio.recorded.held_memory", lambda: 350)
    assert Device(torch.device("cuda"), "", True).free_memory() == 150


def test_no_more_pictures_at_once_than_half_of_the_free_memory_holds(trained: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model.load(trained.path)
    assert model.batch_size == 64  # 16 x 16 on a processor: what keeps it busy
    one = inference_bytes(describe_network(model.config))
    for free, expected in ((7 * one, 3), (one, 1), (0, 1)):
        monkeypatch.setattr(Device, "free_memory", lambda self, free=free: free)
        assert model.batch_size == expected


@pytest.mark.parametrize(("name", "expected"), [("tiny-32", 32), ("small-32", 32), ("base-32", 16), ("tiny-64", 32), ("small-64", 16)])
def test_as_many_pictures_at_once_as_keep_a_processor_busy(name: str, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """32 billion multiply-adds, at most 32 pictures, and 16 of 32 x 32 whatever they cost."""
    monkeypatch.setattr(Device, "free_memory", lambda self: 2**34)
    config = get_preset(name)
    assert Model.of(UNet.of(config), config).batch_size == expected


@pytest.mark.parametrize("name", ["", ".", "/"])
def test_a_folder_without_a_name_is_no_model(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="There is no model in the folder"):
        find_model(name)
