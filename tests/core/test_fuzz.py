"""Files from strangers: whatever is in them, the answer is their content or one sentence, soon, and never a crash.

`DDPM_STUDIO_FUZZ=5000 python3 studio.py test tests/core/test_fuzz.py` looks longer than usual.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import load_file, save_file

from ddpm_studio import imaging
from ddpm_studio.checksums import matches_checksum
from ddpm_studio.config import RunConfig, parse_config
from ddpm_studio.errors import UserError
from ddpm_studio.gallery import RECIPE_KEY, read_recipe
from ddpm_studio.journal import ended_by_itself, read_journal
from ddpm_studio.model import Model
from ddpm_studio.models import list_models, read_header
from ddpm_studio.runs import Run, list_runs
from ddpm_studio.tensor_files import read_tensors, write_tensors
from tests.core.made_up import tiny_config, trained_in

bounded = settings(
    max_examples=int(os.environ.get("DDPM_STUDIO_FUZZ", "150")), deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
KEYS = st.sampled_from(["step", "images", "seconds", "notes", "version", "source", "data", "planned", "kind", "seed"]) | st.text(max_size=10)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained_in(tmp_path_factory.mktemp("fuzzed"), "runs/a", config=tiny_config(training__preview_count=0), max_steps=2)


def changed(content: bytes, changes: list[tuple[int, int]], length: int | None) -> bytes:
    altered = bytearray(content)
    for place, value in changes:
        altered[place % len(altered)] = value
    return bytes(altered if length is None else altered[: length % (len(altered) + 1)])


def told(error: UserError) -> None:
    """One line that says what is wrong, one that says what to do."""
    for text in (error.message, error.hint):
        assert text
        assert "\n" not in text
        assert len(text) < 1000


def within_a_second(began: float) -> None:
    assert time.monotonic() - began < 1.0 + 2.0 * bool(os.environ.get("CI"))


alterations = st.lists(st.tuples(st.integers(0, 2**32), st.integers(0, 255)), min_size=1, max_size=8)
lengths = st.none() | st.integers(0, 2**32)


@bounded
@given(alterations, lengths)
def test_altered_model_files(trained: Run, tmp_path: Path, changes: list[tuple[int, int]], length: int | None) -> None:
    """Half of the changes go into the header, where they can do most."""
    content = trained.model_file.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    file = tmp_path / "m.safetensors"
    file.write_bytes(changed(content, [(place % header if place % 2 else place, value) for place, value in changes], length))
    began = time.monotonic()
    for read in (read_header, Model.load):
        try:
            read(file)
        except UserError as error:
            told(error)
    within_a_second(began)


def with_header(trained: Run, file: Path, **changes: str) -> Path:
    from safetensors import safe_open

    with safe_open(trained.model_file, framework="np") as opened:
        metadata = {name: value for name, value in (opened.metadata() | changes).items() if name != "checksum"}
    save_file(load_file(trained.model_file), file, metadata=metadata)
    return file


@bounded
@given(st.dictionaries(st.sampled_from(["version", "preset", "data", "diffusion", "model", "training", "other"]), json_values, max_size=4), json_values)
def test_strange_settings_in_a_model(trained: Run, tmp_path: Path, strange: dict[str, Any], notes: Any) -> None:
    config = RunConfig().model_dump() | strange
    file = with_header(trained, tmp_path / "m.safetensors", config=json.dumps(config), notes=json.dumps(notes))
    assert file not in [info.path for info in list_models(file)] or read_header(file)
    try:
        model = Model.load(file)
    except UserError as error:
        told(error)
    else:
        assert model.step is None or isinstance(model.step, int)


@pytest.mark.parametrize(
    "model",
    [
        {"base_channels": 512, "channel_mults": [16] * 7, "num_res_blocks": 8, "attention": [True] * 7, "norm_groups": 64},  # about 10^12 parameters
        {"base_channels": 10**9},
        {"channel_mults": [1] * 10**5},
    ],
)
def test_settings_that_ask_for_too_much_are_refused_at_once(trained: Run, tmp_path: Path, model: dict[str, Any]) -> None:
    config = tiny_config().model_dump(mode="json")
    config["model"] |= model
    config["data"]["image_size"] = 512
    file = with_header(trained, tmp_path / "m.safetensors", config=json.dumps(config))
    began = time.monotonic()
    with pytest.raises(UserError):
        Model.load(file)
    assert time.monotonic() - began < 2


def test_a_huge_header_is_refused_unread(tmp_path: Path) -> None:
    names = {f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(400_000)}
    text = json.dumps(names).encode()
    file = tmp_path / "m.safetensors"
    file.write_bytes(len(text).to_bytes(8, "little") + text)
    began = time.monotonic()
    for read in (read_header, Model.load):
        with pytest.raises(UserError, match="not a model file"):
            read(file)
    assert time.monotonic() - began < 0.5


@pytest.mark.parametrize("text", ["[" * 100_000, '{"step": 1e999, "images": "x"}', '{"step": -5}', '{"step": null}', '{"a": ' * 20_000, ""])
def test_files_that_are_meant_to_hurt_do_not_hide_the_others(trained: Run, tmp_path: Path, home: Path, text: str) -> None:
    for name in ("a", "b"):
        shutil.copytree(trained.path, home / "runs" / name)
    for name in ("resume.json", "config.json"):
        (home / "runs" / "b" / name).write_text(text)
    home.joinpath("settings.json").write_text(text)
    assert {info.run.name for info in list_runs()} == {"a", "b"}  # of b the header of its save says the same
    assert {info.name for info in list_models()} >= {"a", "b"}
    with_header(trained, home / "runs" / "b" / "model.safetensors", notes=text)
    assert "a" in {info.name for info in list_models()}


def test_half_settings_are_not_taken_for_whole_ones(trained: Run, tmp_path: Path) -> None:
    for config in ({}, {"model": {}}, RunConfig().model_dump(mode="json") | {"version": 99}):
        with pytest.raises(UserError, match=r"not whole|another version"):
            Model.load(with_header(trained, tmp_path / "m.safetensors", config=json.dumps(config)))


def test_long_values_of_strangers_are_quoted_short() -> None:
    with pytest.raises(UserError) as caught:
        parse_config({"data": {"background": "x" * 10**6}})
    assert len(caught.value.message) < 400


def test_declared_shapes_are_checked_against_the_file(trained: Run, tmp_path: Path) -> None:
    content = trained.model_file.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header["stem.weight"]["shape"] = [2**20, 2**20, 3, 3]
    text = json.dumps(header).encode()
    file = tmp_path / "m.safetensors"
    file.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + size :])
    with pytest.raises(UserError):
        Model.load(file)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.uint8, torch.complex64])
def test_wrong_kinds_of_numbers(trained: Run, tmp_path: Path, dtype: torch.dtype) -> None:
    from safetensors import safe_open

    with safe_open(trained.model_file, framework="np") as opened:
        metadata = {name: value for name, value in opened.metadata().items() if name != "checksum"}
    tensors = load_file(trained.model_file)
    tensors["stem.weight"] = tensors["stem.weight"].to(dtype)
    save_file(tensors, tmp_path / "m.safetensors", metadata=metadata)
    with pytest.raises(UserError, match=r"stem\.weight"):
        Model.load(tmp_path / "m.safetensors")


@bounded
@given(json_values)
@example({"\n": None})
@example({"data": {"\n": None}})
def test_settings_of_any_shape(values: Any) -> None:
    try:
        parse_config(json.loads(json.dumps(values)))
    except UserError as error:
        told(error)


def recipe_png(text: str) -> bytes:
    info, buffer = PngInfo(), io.BytesIO()
    info.add_text(RECIPE_KEY, text)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


@bounded
@given(st.text(max_size=100) | json_values.map(json.dumps) | st.dictionaries(st.text(max_size=10), json_values, max_size=5).map(json.dumps))
def test_recipes_of_strangers(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(recipe_png(text.encode("utf-8", "replace").decode()))
    try:
        recipe = read_recipe(file)
    except UserError as error:
        told(error)
    else:
        assert all(str(key).isprintable() and len(str(value)) < 2_000_000 for key, value in recipe.items())


@bounded
@given(alterations, lengths)
def test_altered_pngs(tmp_path: Path, changes: list[tuple[int, int]], length: int | None) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(changed(recipe_png(json.dumps({"kind": "sample", "seed": 7})), changes, length))
    for read in (read_recipe, lambda path: imaging.load_picture(path, (16, 16, 3))):
        try:
            read(file)
        except UserError as error:
            told(error)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a": ' * 50_000, '{"seed": 1e999}', '{"seed": NaN}', json.dumps({"seed": 2**80}), json.dumps({"model": "x" * 10_000}), "{}"])
def test_recipes_that_are_meant_to_hurt(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(recipe_png(text))
    if text == "{}":
        assert read_recipe(file) == {}
    else:
        with pytest.raises(UserError, match="damaged"):
            read_recipe(file)


@bounded
@given(st.sampled_from(["config.json", "resume.json", "metrics.jsonl"]), st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_small_files_of_a_run(trained: Run, tmp_path: Path, name: str, content: bytes) -> None:
    run = Run(tmp_path / "runs" / "b")
    run.path.mkdir(parents=True, exist_ok=True)
    for file in trained.path.iterdir():
        if file.is_file():
            (run.path / file.name).write_bytes(file.read_bytes())
    (run.path / name).write_bytes(content)
    list_runs(run.path.parent)
    list_models(run.model_file)
    read_journal(run)
    ended_by_itself(run)
    assert isinstance(run.read_notes(), dict)
    assert run.read_config().data.image_size == 16 or name == "config.json"


def test_weights_that_are_no_numbers(trained: Run, tmp_path: Path) -> None:
    from safetensors import safe_open

    with safe_open(trained.model_file, framework="np") as opened:
        metadata = {name: value for name, value in opened.metadata().items() if name != "checksum"}
    tensors = load_file(trained.model_file)
    tensors["head.bias"][0] = torch.inf
    save_file(tensors, tmp_path / "m.safetensors", metadata=metadata)
    with pytest.raises(UserError, match=r"not finite numbers \(head\.bias\)"):
        Model.load(tmp_path / "m.safetensors")


def test_coarse_numbers_are_numbers(trained: Run, tmp_path: Path) -> None:
    from safetensors import safe_open

    with safe_open(trained.model_file, framework="np") as opened:
        metadata = {name: value for name, value in opened.metadata().items() if name != "checksum"}
    coarse = {name: value.to(torch.float8_e4m3fn) for name, value in load_file(trained.model_file).items()}
    save_file(coarse, tmp_path / "m.safetensors", metadata=metadata)
    assert Model.load(tmp_path / "m.safetensors").sample([1], steps=2).shape == (1, 16, 16, 3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.uint8, torch.bool, torch.float8_e4m3fn])
def test_both_ways_to_the_checksum_agree(dtype: torch.dtype, tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    tensors = {"z.weight": torch.randn(3, 5).to(dtype), "a": torch.ones(()).to(dtype), "empty": torch.zeros(0, 2).to(dtype)}
    write_tensors(file, tensors, {"config": "{}", "notes": "\u00e4"})
    assert matches_checksum(file) is True
    read_tensors(file)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert matches_checksum(file) is False
    with pytest.raises(UserError, match="checksum"):
        read_tensors(file)
    write_tensors(file, tensors, {}, with_checksum=False)
    assert matches_checksum(file) is None


@pytest.mark.parametrize("kind", ["flipped", "not finite", "cut off", "missing", "one too many", "wrong type", "wrong shape"])
def test_bad_weights_are_refused_before_torch_is_loaded(kind: str, trained: Run, tmp_path: Path) -> None:
    file = tmp_path / "m.safetensors"
    content = bytearray(trained.model_file.read_bytes())
    if kind == "flipped":
        content[-100] ^= 255
    elif kind == "cut off":
        del content[-100:]
    file.write_bytes(content)
    if kind not in ("flipped", "cut off"):  # with a checksum that is right: anybody can make one
        tensors, header = read_tensors(trained.model_file)
        if kind == "not finite":
            tensors["head.bias"][0] = torch.nan
        elif kind == "missing":
            del tensors["head.bias"]
        elif kind == "one too many":
            tensors["extra"] = torch.zeros(1)
        else:
            tensors["head.bias"] = tensors["head.bias"].long() if kind == "wrong type" else torch.zeros(99)
        write_tensors(file, tensors, {key: value for key, value in header.items() if key != "checksum"})
    command = ["generate", str(file), "--out", str(tmp_path / "out")]
    program = f"import sys\nfrom ddpm_studio.cli.main import main\nassert main({command!r}) == 2\nassert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("error: ") == 1
