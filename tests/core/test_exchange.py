"""Models from elsewhere and models for elsewhere: the same answers on both sides, and one sentence for all that does not fit."""

from __future__ import annotations

import inspect
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

from ddpm_studio.cli.main import main
from ddpm_studio.config import RunConfig
from ddpm_studio.errors import UserError
from ddpm_studio.exchange.converting import export_model, import_model, read_source
from ddpm_studio.exchange.diffusers_layout import NETWORK_MUST, SCHEDULER_MUST, TheirNetwork, TheirScheduler, names, run_config, scheduler_config, unet_config
from ddpm_studio.exchange.reading import read_tensors
from ddpm_studio.exchange.weights import shapes_of
from ddpm_studio.model import Model, save_model
from ddpm_studio.nn.unet import UNet
from ddpm_studio.presets import PRESETS
from tests.core.made_up import diffusers_or_skip

SMALL_PAPER = PRESETS["paper-cifar10"].with_changes({"model.base_channels": 32, "model.channel_mults": (1, 2, 2), "model.attention": (False, True, False), "data.image_size": 16})

# The published configurations, and widths that a test can pay; the celebahq network is tried at 64 x 64.
CIFAR: dict[str, Any] = {
    "sample_size": 32, "block_out_channels": (32, 64, 64, 64), "layers_per_block": 2, "attention_head_dim": None, "downsample_padding": 0,
    "flip_sin_to_cos": False, "freq_shift": 1, "norm_eps": 1e-6, "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
}  # fmt: skip
CELEBA: dict[str, Any] = CIFAR | {
    "sample_size": 64, "block_out_channels": (32, 32, 64, 64, 128, 128),
    "down_block_types": ("DownBlock2D",) * 4 + ("AttnDownBlock2D", "DownBlock2D"), "up_block_types": ("UpBlock2D", "AttnUpBlock2D") + ("UpBlock2D",) * 4,
}  # fmt: skip


@torch.no_grad()
def random_weights(net: torch.nn.Module) -> Any:
    """All weights drawn, so that no layer that starts at zero hides a mistake."""
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return net.eval()


def relative(got: Tensor, expected: Tensor) -> float:
    return float((got - expected).abs().max() / expected.abs().max())


def saved(folder: Path, config: RunConfig) -> Path:
    """A model of ours with random weights."""
    save_model(folder / "model.safetensors", random_weights(UNet.of(config)).state_dict(), config, {})
    return folder


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """A folder as diffusers has it, made without the library."""
    export_model(saved(tmp_path / "small", SMALL_PAPER), tmp_path / "exported")
    return tmp_path / "exported"


def rewrite(file: Path, **changes: Any) -> None:
    values = json.loads(file.read_text()) | changes
    file.write_text(json.dumps(values))


@pytest.mark.parametrize(
    "options",
    [
        CIFAR,
        CELEBA,
        CIFAR | {"attention_head_dim": 16, "downsample_padding": 1, "norm_eps": 1e-5, "layers_per_block": 1, "act_fn": "swish"},
        # What the library's own training script makes: cosines first, another end of the frequencies, heads of width 8.
        CELEBA | {"attention_head_dim": 8, "flip_sin_to_cos": True, "freq_shift": 0, "downsample_padding": 1, "norm_eps": 1e-5},
        CIFAR | {"sample_size": (32, 48), "in_channels": 4, "out_channels": 4},
        CIFAR | {"add_attention": False, "in_channels": 1, "out_channels": 1, "norm_num_groups": 8},
    ],
    ids=["ddpm-cifar10-32", "ddpm-celebahq-256", "heads", "training script", "oblong, transparent", "grey"],
)
def test_import_equals_diffusers(options: dict[str, Any], tmp_path: Path) -> None:
    theirs, model = imported_from(options, tmp_path)
    size = options["sample_size"]
    height, width = size if isinstance(size, tuple) else (size, size)
    assert model.config.data.shape == (height, width, options.get("in_channels", 3))
    assert_same_answers(theirs, model)


def imported_from(options: dict[str, Any], folder: Path) -> tuple[Any, Model]:
    """A network of theirs with random weights, and what becomes of the folder that they save."""
    diffusers = diffusers_or_skip()
    theirs = random_weights(diffusers.UNet2DModel(**options))
    diffusers.DDPMPipeline(theirs, diffusers.DDPMScheduler(variance_type="fixed_large")).save_pretrained(folder / "theirs")
    imported, file = import_model(folder / "theirs", folder / "ours")
    model = Model.load(file)
    assert (imported.kind, imported.remarks) == ("diffusers", ())
    assert model.config.diffusion.variance_type == "fixedlarge"
    return theirs, model


def assert_same_answers(theirs: Any, model: Model) -> None:
    height, width, channels = model.config.data.shape
    x, t = torch.randn(2, channels, height, width), torch.tensor([3, model.config.diffusion.num_timesteps * 4 // 5])
    with torch.no_grad():
        assert relative(model.net(x, t), theirs(x, t).sample) < 1e-5


@pytest.mark.parametrize(
    ("options", "preset", "parameters"),
    [
        pytest.param(CIFAR | {"block_out_channels": (128, 256, 256, 256)}, "paper-cifar10", 35_746_307, id="ddpm-cifar10-32"),
        pytest.param(CELEBA | {"sample_size": 256, "block_out_channels": (128, 128, 256, 256, 512, 512)}, "paper-256", 113_673_219, id="ddpm-celebahq-256", marks=pytest.mark.slow),
    ],
)
def test_the_published_networks_at_full_size(options: dict[str, Any], preset: str, parameters: int, tmp_path: Path) -> None:
    """As they are published but for the weights: each size is the paper's, each answer that of the other implementation, there and back."""
    theirs, model = imported_from(options, tmp_path)
    assert sum(parameter.numel() for parameter in theirs.parameters()) == sum(parameter.numel() for parameter in model.net.parameters()) == parameters
    assert model.config.model == PRESETS[preset].model.model_copy(update={"dropout": model.config.model.dropout})
    assert_same_answers(theirs, model)
    if preset == "paper-cifar10":
        export_model(tmp_path / "ours", tmp_path / "exported")
        assert_same_answers(diffusers_or_skip().DDPMPipeline.from_pretrained(str(tmp_path / "exported"), low_cpu_mem_usage=False).unet, model)


@pytest.mark.parametrize("preset", ["paper-cifar10", "paper-256"])
def test_the_papers_networks_have_all_their_tensors(preset: str) -> None:
    """Both networks at their full width by names and shapes, which costs no memory."""
    diffusers = diffusers_or_skip()
    config = PRESETS[preset]
    with torch.device("meta"):
        theirs = {name: tensor.shape for name, tensor in diffusers.UNet2DModel.from_config(unet_config(config)).state_dict().items()}
    shapes = shapes_of(config)
    assert {part for parts in names(shapes).values() for part in parts} == theirs.keys()
    assert sum(shape.numel() for shape in theirs.values()) == sum(shape.numel() for shape in shapes.values())
    assert run_config(unet_config(config), scheduler_config(config.diffusion)).model == config.model


def test_older_folders(exported: Path, tmp_path: Path) -> None:
    """Files at the top, weights as .bin, attention called query, key, value and proj_attn, fields left out that were not there yet."""
    now = read_source(exported)
    old = tmp_path / "old"
    old.mkdir()
    new_names = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
    weights = load_file(exported / "unet" / "diffusion_pytorch_model.safetensors")
    assert any(".to_out.0." in name for name in weights)
    for new, former in new_names.items():
        weights = {name.replace(new, former): tensor for name, tensor in weights.items()}
    torch.save(weights, old / "diffusion_pytorch_model.bin")
    config = json.loads((exported / "unet" / "config.json").read_text())
    for name in ("add_attention", "downsample_type", "upsample_type", "resnet_time_scale_shift", "mid_block_type"):
        config.pop(name)
    (old / "config.json").write_text(json.dumps(config))
    scheduler = {"_class_name": "DDPMScheduler", "beta_end": 0.02, "beta_schedule": "linear", "beta_start": 0.0001, "clip_sample": True, "num_train_timesteps": 1000}
    (old / "scheduler_config.json").write_text(json.dumps(scheduler | {"tensor_format": "pt", "variance_type": "fixed_large", "trained_betas": None}))
    shutil.copy(exported / "model_index.json", old)
    then = read_source(old)
    assert then.config == now.config
    assert then.weights.keys() == now.weights.keys()
    assert all(torch.equal(then.weights[name], tensor) for name, tensor in now.weights.items())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"diffusion.beta_schedule": "cosine", "diffusion.prediction_type": "v_prediction", "diffusion.zero_terminal_snr": True, "diffusion.variance_type": "fixedsmall"},
        {"diffusion.beta_schedule": "sigmoid", "diffusion.prediction_type": "x_start", "diffusion.num_timesteps": 200, "diffusion.clip_x_start": False},
        {"diffusion.num_timesteps": 10, "model.num_heads": 2, "model.downsample_padding": "symmetric", "model.middle_attention": False, "data.channels": 1},
        {"diffusion.variance_type": "learned"},
    ],
    ids=["paper", "cosine", "sigmoid", "few-steps", "learned"],
)
def test_export_and_import_again_change_nothing(changes: dict[str, Any], tmp_path: Path) -> None:
    config = SMALL_PAPER.with_changes(changes)
    model = export_model(saved(tmp_path / "a-name-of-mine", config), tmp_path / "out")
    back, file = import_model(tmp_path / "out", tmp_path / "back.safetensors")
    assert file == tmp_path / "back.safetensors"
    assert back.config.model == config.model
    assert back.config.diffusion == config.diffusion
    assert back.config.data.shape == config.data.shape
    assert all(torch.equal(back.weights[name], tensor) for name, tensor in model.net.state_dict().items())
    for written in (tmp_path / "out").rglob("*.*"):
        assert b"a-name-of-mine" not in written.read_bytes()
        assert str(tmp_path).encode() not in written.read_bytes()
    assert not list(tmp_path.glob(".*"))

    diffusers = diffusers_or_skip()
    pipeline = diffusers.DDPMPipeline.from_pretrained(str(tmp_path / "out"), low_cpu_mem_usage=False)
    x, t = torch.randn(2, config.data.channels, 16, 16), torch.tensor([1, config.diffusion.num_timesteps - 1])
    with torch.no_grad():
        assert relative(pipeline.unet(x, t).sample, model.net(x, t)) < 1e-5
    torch.testing.assert_close(pipeline.scheduler.alphas_cumprod.double(), model.alphas_cumprod, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("center_input_sample", True), ("time_embedding_type", "fourier"), ("freq_shift", 2), ("time_embedding_dim", 77),
        ("down_block_types", ["ResnetDownsampleBlock2D"] * 3), ("down_block_types", ["DownBlock2D"]), ("up_block_types", ["UpBlock2D"] * 3), ("mid_block_type", None),
        ("block_out_channels", [32, 48, 64]), ("block_out_channels", []), ("block_out_channels", "wide"), ("mid_block_scale_factor", 0.7), ("downsample_padding", 2),
        ("downsample_type", "resnet"), ("upsample_type", "resnet"), ("act_fn", "gelu"), ("attention_head_dim", 48), ("attn_norm_num_groups", 4),
        ("resnet_time_scale_shift", "scale_shift"), ("class_embed_type", "timestep"), ("num_class_embeds", 10), ("out_channels", 6), ("in_channels", 2),
        ("dropout", "much"), ("new_feature", "on"),
    ],
)  # fmt: skip
def test_fields_of_a_network_that_do_not_fit_are_named(field: str, value: object) -> None:
    with pytest.raises(UserError, match=field) as caught:
        run_config(unet_config(SMALL_PAPER) | {field: value}, {})
    assert caught.value.message.count(".") >= 1
    assert "\n" not in caught.value.message


def test_what_is_left_out_has_the_defaults_of_the_library() -> None:
    """A configuration without fields is the library's default network, whose levels have different numbers of heads."""
    with pytest.raises(UserError, match="attention_head_dim is 8"):
        run_config({"sample_size": 32}, {})
    diffusers = diffusers_or_skip()
    for ours, theirs in ((TheirNetwork(), diffusers.UNet2DModel), (TheirScheduler(), diffusers.DDPMScheduler)):
        parameters = inspect.signature(theirs.__init__).parameters
        assert {name: getattr(ours, name) for name in type(ours).model_fields} == {name: parameters[name].default for name in type(ours).model_fields}


def test_heads_must_be_as_many_everywhere() -> None:
    same = unet_config(SMALL_PAPER) | {"attention_head_dim": 16}
    assert run_config(same, {}).model.num_heads == 4
    with pytest.raises(UserError, match="attention_head_dim is 16"):
        run_config(same | {"down_block_types": ["AttnDownBlock2D"] * 2 + ["DownBlock2D"], "up_block_types": ["UpBlock2D"] + ["AttnUpBlock2D"] * 2}, {})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("beta_start", 0.00085), ("beta_end", 0.012), ("beta_schedule", "scaled_linear"), ("beta_schedule", "sigmoid"), ("variance_type", "learned"),
        ("prediction_type", "flow"), ("thresholding", True), ("clip_sample_range", 3.0), ("trained_betas", [0.1] * 1000), ("trained_betas", [0.1]), ("num_train_timesteps", 0),
    ],
)  # fmt: skip
def test_fields_of_a_scheduler_that_do_not_fit_are_named(field: str, value: object) -> None:
    with pytest.raises(UserError, match=field):
        run_config(unet_config(SMALL_PAPER), scheduler_config(SMALL_PAPER.diffusion) | {field: value})


def test_a_learned_variance_needs_its_channels() -> None:
    with pytest.raises(UserError, match="out_channels is 3; this program can only take twice in_channels, 6"):
        run_config(unet_config(SMALL_PAPER), scheduler_config(SMALL_PAPER.diffusion) | {"variance_type": "learned_range"})


def test_every_field_with_a_limit_exists() -> None:
    assert TheirNetwork.model_fields.keys() >= NETWORK_MUST.keys()
    assert TheirScheduler.model_fields.keys() >= SCHEDULER_MUST.keys()


def test_predictions_as_old_versions_said_it() -> None:
    assert run_config(unet_config(SMALL_PAPER), {"predict_epsilon": False}).diffusion.prediction_type == "x_start"
    assert run_config(unet_config(SMALL_PAPER), {"predict_epsilon": True}).diffusion.prediction_type == "epsilon"


values_of_strangers = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from([1, 2, 32, 64, "conv", "UpBlock2D", "DownBlock2D"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.sampled_from(list(TheirNetwork.model_fields)) | st.text(max_size=5), values_of_strangers, max_size=3),
    st.dictionaries(st.sampled_from(list(TheirScheduler.model_fields)), values_of_strangers, max_size=2),
)
def test_configurations_of_strangers_are_refused_or_right(network: dict[str, Any], scheduler: dict[str, Any]) -> None:
    complaint = ""
    try:
        run_config(unet_config(SMALL_PAPER) | network, scheduler_config(SMALL_PAPER.diffusion) | scheduler)
    except UserError as error:
        complaint = error.message
    assert complaint == "" or complaint.isprintable()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("model.input_skip", True), ("model.stem_patch", 2), ("model.attention_patch", 2), ("model.attention_norm", False), ("model.downsample", "average"),
        ("model.upsample", "transposed"), ("model.up_narrowing", "before"), ("model.channel_mults", (2, 4, 4)), ("model.head_norm_groups", 8),
    ],
)  # fmt: skip
def test_settings_that_diffusers_cannot_express_are_named(setting: str, value: object, tmp_path: Path) -> None:
    path = saved(tmp_path / "ours", SMALL_PAPER.with_changes({setting: value}))
    with pytest.raises(UserError, match=setting):
        export_model(path, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ours"]


def test_heads_that_diffusers_cannot_express() -> None:
    with pytest.raises(UserError, match=r"model.num_heads is 2"):
        unet_config(SMALL_PAPER.with_changes({"model.num_heads": 2, "model.attention": (True, True, False)}))


# Files that one should not trust.


class Malicious:
    """A pickle that makes a file as soon as somebody loads it."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.victim),)


@pytest.mark.parametrize("form", ["checkpoint", "bare pickle", "inside a folder"])
def test_code_in_a_pickle_never_runs(form: str, exported: Path, tmp_path: Path) -> None:
    victim, file = tmp_path / "victim", tmp_path / "model.pt"
    if form == "bare pickle":
        file.write_bytes(pickle.dumps({"model": Malicious(victim)}))
    elif form == "checkpoint":
        torch.save({"model": {"image_proj.weight": torch.zeros(1)}, "extra": Malicious(victim)}, file)
    else:
        file = exported
        (exported / "unet" / "diffusion_pytorch_model.safetensors").unlink()
        torch.save(Malicious(victim), exported / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(UserError, match=r"holds more than weights|not a checkpoint"):
        read_source(file)
    assert not victim.exists()
    if form == "checkpoint":  # it is a real one
        torch.load(file, weights_only=False)
        assert victim.exists()


def test_safetensors_are_preferred(exported: Path, tmp_path: Path) -> None:
    torch.save(Malicious(tmp_path / "victim"), exported / "unet" / "diffusion_pytorch_model.bin")
    read_source(exported)
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda weights: weights.pop("conv_out.bias"), "lack conv_out.bias"),
        (lambda weights: weights.update(more=torch.zeros(1)), "hold more, for which"),
        (lambda weights: weights.update({"a\x1b[2J\nline": torch.zeros(1)}), r"hold 'a\\x1b\[2J\\nline', for which"),
        (lambda weights: weights.update({"conv_out.bias": torch.zeros(4)}), "conv_out.bias has the shape 4, and 3 is needed"),
        (lambda weights: weights.update({"conv_out.bias": torch.zeros(())}), "conv_out.bias has the shape of a single number"),
        (lambda weights: weights.update({"conv_out.bias": torch.zeros(3, dtype=torch.int64)}), "conv_out.bias does not hold plain numbers"),
        (lambda weights: weights.update({"conv_out.bias": torch.tensor([0.0, float("nan"), 0.0])}), "conv_out.bias holds values that are not finite"),
        (lambda weights: weights.update({"mid_block.attentions.0.to_k.bias": torch.full((64,), float("inf"))}), "not finite"),
    ],
)
def test_weights_that_do_not_fit_are_named(change: Callable[[dict[str, Tensor]], Any], complaint: str, exported: Path) -> None:
    file = exported / "unet" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    change(weights)
    save_file(weights, file)
    with pytest.raises(UserError, match=complaint):
        read_source(exported)


def test_damaged_and_missing_files(exported: Path, tmp_path: Path) -> None:
    weights, config = exported / "unet" / "diffusion_pytorch_model.safetensors", exported / "unet" / "config.json"
    whole, text = weights.read_bytes(), config.read_text()
    huge = json.dumps({"conv_in.weight": {"dtype": "F32", "shape": [2**40, 2**20], "data_offsets": [0, 2**62]}}).encode()
    for content in (whole[:-100], whole[: len(whole) // 2], b"", b"PK" + whole, (2**62).to_bytes(8, "little"), len(huge).to_bytes(8, "little") + huge):
        weights.write_bytes(content)
        with pytest.raises(UserError, match="not a safetensors file, or it is damaged"):
            read_source(exported)
    weights.write_bytes(whole)
    for wrong in ("", "{", "[]", "[" * 100_000, '{"sample_size": ' + "9" * 5000 + "}", " " * 2**21 + text):
        config.write_text(wrong)
        with pytest.raises(UserError):
            read_source(exported)
    config.unlink()
    with pytest.raises(UserError, match=r"no unet/config.json"):
        read_source(exported)
    config.write_text(text)
    weights.unlink()
    with pytest.raises(UserError, match=r"no diffusion_pytorch_model.safetensors"):
        read_source(exported)
    for source, complaint in ((tmp_path / "nowhere", "no file or folder"), (tmp_path, "not in the layout"), (config, "no kind of checkpoint")):
        with pytest.raises(UserError, match=complaint):
            read_source(source)


def test_a_network_that_is_only_declared_is_never_made(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of a network of many gigabytes beside small weights: refused by shapes alone."""
    rewrite(exported / "unet" / "config.json", block_out_channels=[512, 8192, 8192], norm_num_groups=32)
    monkeypatch.setattr(torch, "cat", lambda *_: pytest.fail("weights were put together"))
    with pytest.raises(UserError, match="has the shape"):
        read_source(exported)


def test_pickled_tensors_that_pretend(tmp_path: Path) -> None:
    file = tmp_path / "model.pt"
    torch.save({"image_proj.weight": torch.zeros(1).expand(2**20, 2**20, 3, 3), "time_emb.lin1.weight": torch.zeros(4)}, file)
    with pytest.raises(UserError):
        read_source(file)
    with zipfile.ZipFile(file) as archive:
        entries = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:  # small here, and large once it is unpacked
        for name, content in entries.items():
            archive.writestr(name, content)
    file.write_bytes(packed.getvalue())
    with pytest.raises(UserError, match="damaged"):
        read_source(file)
    file.write_bytes(packed.getvalue()[:-30])
    with pytest.raises(UserError, match="damaged"):
        read_source(file)
    torch.save({"step": 1, "model": [torch.zeros(1)]}, file)
    with pytest.raises(UserError, match="holds no weights"):
        read_source(file)


def test_other_kinds_of_folders_and_files_are_told_by_name(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="weights of a diffusers model, but not its settings"):
        read_source(exported / "unet" / "diffusion_pytorch_model.safetensors")
    with pytest.raises(UserError, match="a model of DDPM Studio already"):
        read_source(tmp_path / "small" / "model.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match="no network that is known"):
        read_source(tmp_path / "a.safetensors")
    rewrite(exported / "model_index.json", _class_name="StableDiffusionPipeline")
    with pytest.raises(UserError, match="_class_name is StableDiffusionPipeline"):
        read_source(exported)


def test_pictures_of_unknown_size_and_without_a_schedule(exported: Path) -> None:
    rewrite(exported / "unet" / "config.json", sample_size=None)
    with pytest.raises(UserError, match="how large"):
        read_source(exported)
    assert read_source(exported, image_size=24).config.data.image_size == 24
    shutil.rmtree(exported / "scheduler")
    assert "schedule" in read_source(exported, image_size=24).remarks[0]


# The command line.


def test_import_generate_and_export_by_command(exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours = tmp_path / "ours"
    assert main(["import", str(exported), "--out", str(ours), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["model"], told["kind"], told["remarks"]) == (str(ours / "model.safetensors"), "diffusers", [])
    assert main(["generate", str(ours), "--count", "1", "--steps", "2", "--out", str(tmp_path / "pictures"), "--device", "cpu"]) == 0
    assert (tmp_path / "pictures" / "000000.png").exists()
    assert main(["inspect", str(ours), "--json"]) == 0
    assert main(["export", str(ours), "--format", "diffusers", "--out", str(tmp_path / "again")]) == 0
    assert "Exported" in capsys.readouterr().out
    for file in ("model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors", "scheduler/scheduler_config.json"):
        assert (tmp_path / "again" / file).read_bytes() == (exported / file).read_bytes()


@pytest.mark.parametrize(
    "arguments",
    [
        ["import", "{exported}", "--out", "{exported}"],
        ["import", "{exported}/model_index.json", "--out", "{tmp}/new"],
        ["import", "{tmp}/nothing", "--out", "{tmp}/new"],
        ["import", "{exported}"],
        ["export", "{tmp}/small", "--out", "{exported}"],
        ["export", "{tmp}/small", "--format", "onnx", "--out", "{tmp}/new"],
        ["export", "nobody", "--out", "{tmp}/new"],
        ["export", "{tmp}/small", "--out", "{exported}/model_index.json/new"],
    ],
)
def test_mistakes_are_told_in_a_sentence_and_a_hint(arguments: list[str], exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    assert main([argument.format(exported=exported, tmp=tmp_path) for argument in arguments]) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ")
    assert hint.startswith("hint: ")
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before


def test_what_is_wrong_is_told_before_torch_is_loaded(exported: Path, tmp_path: Path) -> None:
    """Loading torch takes seconds, and a refusal should take none."""
    (tmp_path / "picture.safetensors").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    (tmp_path / "old.pt").write_bytes(pickle.dumps([1]))
    torch.save({"model": print}, tmp_path / "program.pt")
    save_file({"a": torch.zeros(2)}, tmp_path / "unknown.safetensors")
    save_file({"conv_in.weight": torch.zeros(2)}, tmp_path / "alone.safetensors")
    huge = shutil.copytree(exported, tmp_path / "huge")
    settings_file = huge / "unet" / "config.json"
    settings_file.write_text(json.dumps(json.loads(settings_file.read_text()) | {"block_out_channels": [10**9, 10**9]}))
    cut = shutil.copytree(exported, tmp_path / "cut")
    os.truncate(cut / "unet" / "diffusion_pytorch_model.safetensors", 1000)
    sources = [*(tmp_path / name for name in ("picture.safetensors", "old.pt", "program.pt", "unknown.safetensors", "alone.safetensors", "missing")), huge, cut]
    program = (
        "import sys\nfrom ddpm_studio.cli.main import main\n"
        f"for source in sys.argv[1:]:\n    assert main(['import', source, '--out', {str(tmp_path / 'out')!r}]) == 2\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program, *map(str, sources)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("error: ") == done.stderr.count("hint: ") == len(sources)


@pytest.mark.parametrize("note", [b"abc", bytearray(b"abc"), {1, 2}, 1 + 2j, torch.Size([2])])
def test_harmless_things_beside_weights_are_let_in(note: object, tmp_path: Path) -> None:
    file = tmp_path / "m.pt"
    torch.save({"model": {"a": torch.zeros(2)}, "note": note}, file)
    assert set(read_tensors(file)) == {"a"}


@pytest.mark.parametrize("how", ["large", "twice"])
def test_a_large_pickle_is_refused_unread(how: str, tmp_path: Path) -> None:
    file = tmp_path / "m.pt"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/data.pkl", b"N0" * 5_000_000 + b"." if how == "large" else b"N.")
        if how == "twice":
            archive.writestr("b/data.pkl", b"N.")
    began = time.monotonic()
    with pytest.raises(UserError, match="more than weights"):
        read_tensors(file)
    assert time.monotonic() - began < 0.5


def test_absurd_numbers_of_timesteps_are_named() -> None:
    for steps in (0, 1, 10**400):
        with pytest.raises(UserError, match="num_train_timesteps"):
            run_config({**CIFAR, "in_channels": 3}, {"num_train_timesteps": steps})


def test_a_scalar_where_a_matrix_is_expected(tmp_path: Path) -> None:
    file = tmp_path / "m.safetensors"
    save_file({"init_conv.weight": torch.zeros(2), "downs.0.0.block1.proj.weight": torch.zeros(()), "downs.0.0.mlp.1.weight": torch.zeros(())}, file)
    with pytest.raises(UserError, match="denoising-diffusion-pytorch"):
        read_source(file)
