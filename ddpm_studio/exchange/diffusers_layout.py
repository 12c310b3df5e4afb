"""Model folders as the diffusers library reads and writes them: `unet/`, `scheduler/` and `model_index.json`.

Only the files are known here; the library itself is never imported. Its UNet2DModel can be the network of the paper,
and the published checkpoints of Ho et al. (google/ddpm-cifar10-32, google/ddpm-celebahq-256 ...) are.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ddpm_studio.config import DiffusionConfig, RunConfig, parse_config
from ddpm_studio.errors import UserError, describe_os_error
from ddpm_studio.exchange.reading import check_file, quote, read_json, read_tensors
from ddpm_studio.exchange.weights import Names, shapes_of, to_ours, to_theirs
from ddpm_studio.files import write_atomically
from ddpm_studio.language import later, tr

if TYPE_CHECKING:
    from torch import Tensor

    from ddpm_studio.model import Model

WEIGHTS = "diffusion_pytorch_model"
PIPELINES = ("DDPMPipeline", "DDIMPipeline")
SCHEDULERS = ("DDPMScheduler", "DDIMScheduler")
_KIND = later("Networks of the kind of google/ddpm-cifar10-32 can be imported.")


class _Theirs(BaseModel):
    """One of their configurations. What a file leaves out has the default given here, which is the library's."""

    model_config = ConfigDict(frozen=True, extra="allow")


class TheirNetwork(_Theirs):
    """The configuration of UNet2DModel."""

    sample_size: int | tuple[int, int] | None = None
    in_channels: int = 3
    out_channels: int = 3
    center_input_sample: bool = False
    time_embedding_type: str = "positional"
    time_embedding_dim: int | None = None
    freq_shift: int | float = 0
    flip_sin_to_cos: bool = True
    down_block_types: tuple[str, ...] = ("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D")
    mid_block_type: str | None = "UNetMidBlock2D"
    up_block_types: tuple[str, ...] = ("AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D")
    block_out_channels: tuple[int, ...] = (224, 448, 672, 896)
    layers_per_block: int = 2
    mid_block_scale_factor: int | float = 1
    downsample_padding: int = 1
    downsample_type: str = "conv"
    upsample_type: str = "conv"
    dropout: float = 0.0
    act_fn: str = "silu"
    attention_head_dim: int | None = 8
    norm_num_groups: int = 32
    attn_norm_num_groups: int | None = None
    norm_eps: float = 1e-5
    resnet_time_scale_shift: str = "default"
    add_attention: bool = True
    class_embed_type: str | None = None
    num_class_embeds: int | None = None
    num_train_timesteps: int | None = None


class TheirScheduler(_Theirs):
    """What DDPMScheduler and DDIMScheduler say about the diffusion; how few steps they take is no matter of the model."""

    num_train_timesteps: int = 1000
    beta_start: float = 0.0001
    beta_end: float = 0.02
    beta_schedule: str = "linear"
    trained_betas: tuple[float, ...] | None = None
    variance_type: str = "fixed_small"
    clip_sample: bool = True
    clip_sample_range: float = 1.0
    prediction_type: str = "epsilon"
    thresholding: bool = False
    rescale_betas_zero_snr: bool = False


# Fields that can only have one meaning for our network, and what they must be for it.
NETWORK_MUST: dict[str, tuple[object, ...]] = {
    "center_input_sample": (False,), "time_embedding_type": ("positional",), "freq_shift": (0, 1), "mid_block_type": ("UNetMidBlock2D",),
    "mid_block_scale_factor": (1,), "downsample_padding": (1, 0), "downsample_type": ("conv",), "upsample_type": ("conv",), "act_fn": ("silu", "swish"),
    "resnet_time_scale_shift": ("default",), "class_embed_type": (None,), "num_class_embeds": (None,), "in_channels": (3, 1, 4),
}  # fmt: skip
SCHEDULER_MUST: dict[str, tuple[object, ...]] = {
    "beta_schedule": ("linear", "squaredcos_cap_v2"), "variance_type": ("fixed_small", "fixed_small_log", "fixed_large", "learned_range"), "clip_sample_range": (1,),
    "prediction_type": ("epsilon", "sample", "v_prediction"), "thresholding": (False,),
}  # fmt: skip
PREDICTIONS = {"epsilon": "epsilon", "sample": "x_start", "v_prediction": "v_prediction"}
VARIANCES = {"fixed_small": "fixedsmall", "fixed_small_log": "fixedsmall", "fixed_large": "fixedlarge", "learned_range": "learned"}
SCHEDULE_NAMES = {"linear": "linear", "squaredcos_cap_v2": "cosine"}
# A DDIMScheduler's way of sampling and remains of old versions, which say nothing about the model.
_IDLE = {"timestep_spacing", "steps_offset", "set_alpha_to_one", "dynamic_thresholding_ratio", "sample_max_value", "tensor_format", "predict_epsilon", "skip_prk_steps"}


def recognise(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("model_index.json", "config.json", "unet/config.json"))


def read_folder(folder: Path, image_size: int | None) -> tuple[RunConfig, dict[str, Tensor], tuple[str, ...]]:
    """Settings, weights, and what the user should know. Raises UserError that names what does not fit."""
    if (folder / "model_index.json").is_file():
        _check_class(read_json(folder / "model_index.json"), PIPELINES)
    inside = folder / "unet" if (folder / "unet" / "config.json").is_file() else folder  # older folders have it at the top
    if not (inside / "config.json").is_file():
        raise UserError(tr("There is no unet/config.json in the folder {name!r}.", name=folder.name), tr("Give a folder that holds the whole model."))
    network = read_json(inside / "config.json")
    _check_class(network, ("UNet2DModel",))

    scheduler_file = next((file for file in (folder / "scheduler" / "scheduler_config.json", folder / "scheduler_config.json") if file.is_file()), None)
    scheduler = read_json(scheduler_file) if scheduler_file else {}
    _check_class(scheduler, SCHEDULERS)
    remarks = () if scheduler_file else (later("The folder says nothing about its schedule: the paper's is assumed."),)

    weights_file = next((file for file in (inside / f"{WEIGHTS}.safetensors", inside / f"{WEIGHTS}.bin") if file.is_file()), None)
    if weights_file is None:
        raise UserError(tr("There is no {file} in the folder {name!r}.", file=f"{WEIGHTS}.safetensors", name=inside.name), tr("Give a folder that holds the weights, too."))
    config = run_config(network, scheduler, image_size)
    check_file(weights_file)
    import torch  # whatever can be refused without it has been refused in a moment

    shapes = shapes_of(config)
    weights = to_ours(_newer_names(read_tensors(weights_file)), names(shapes), shapes)
    if network.get("flip_sin_to_cos", True):  # their embedding begins with the cosines, ours with the sines
        weights["time1.weight"] = torch.cat(weights["time1.weight"].chunk(2, dim=1)[::-1], dim=1)
    return config, weights, remarks


def run_config(network: Mapping[str, Any], scheduler: Mapping[str, Any], image_size: int | None = None) -> RunConfig:
    """Our settings for their two configurations. Raises UserError that names the field that we cannot express, and its value."""
    theirs = _parse(TheirNetwork, network, NETWORK_MUST)
    size = image_size or theirs.sample_size
    height, width = size if isinstance(size, tuple) else (size, size)
    if height is None or width is None:
        raise UserError(tr("The model does not say how large its pictures are."), tr("Say so with --image-size."))
    if "predict_epsilon" in scheduler and not scheduler["predict_epsilon"]:  # how versions before 0.8 said it
        scheduler = {**scheduler, "prediction_type": "sample"}
    diffusion = _diffusion(_parse(TheirScheduler, scheduler, SCHEDULER_MUST))
    data = {"image_size": width, "image_height": None if height == width else height, "channels": theirs.in_channels}
    return parse_config({"data": data, "model": _model(theirs, diffusion["variance_type"] == "learned"), "diffusion": diffusion})


def _model(theirs: TheirNetwork, learns_variance: bool) -> dict[str, Any]:
    widths = theirs.block_out_channels
    base = widths[0] if widths else 0
    if base < 1 or any(width < 1 or width % base for width in widths):
        _refuse("block_out_channels", widths, tr("whole multiples of the first"))
    attention = [kind == "AttnDownBlock2D" for kind in theirs.down_block_types]
    if any(kind not in ("DownBlock2D", "AttnDownBlock2D") for kind in theirs.down_block_types) or len(attention) != len(widths):
        _refuse("down_block_types", theirs.down_block_types, tr("DownBlock2D or AttnDownBlock2D for each of {count} levels", count=len(widths)))
    mirrored = tuple("AttnUpBlock2D" if has else "UpBlock2D" for has in reversed(attention))
    if theirs.up_block_types != mirrored:
        _refuse("up_block_types", theirs.up_block_types, tr("the same levels as on the way down, {levels}", levels=quote(mirrored)))
    if theirs.out_channels != theirs.in_channels * (2 if learns_variance else 1):
        if learns_variance:
            wanted = tr("twice in_channels, {count}, for a learned variance", count=2 * theirs.in_channels)
        else:
            wanted = tr("as many as in_channels, {count}", count=theirs.in_channels)
        _refuse("out_channels", theirs.out_channels, wanted)
    if theirs.time_embedding_dim not in (None, 4 * base):
        _refuse("time_embedding_dim", theirs.time_embedding_dim, tr("4 times the first width, {width}", width=4 * base))
    if theirs.attn_norm_num_groups not in (None, theirs.norm_num_groups):
        _refuse("attn_norm_num_groups", theirs.attn_norm_num_groups, tr("as many as norm_num_groups, {count}", count=theirs.norm_num_groups))
    # Their heads have a fixed width, ours a fixed number: that is the same where all attention is equally wide.
    attentive = [width for width, has in zip((*widths, widths[-1]), (*attention, theirs.add_attention), strict=True) if has]
    dim = theirs.attention_head_dim
    heads = {1 if dim is None else width / dim if dim > 0 else 0 for width in attentive} or {1}
    if len(heads) > 1 or min(heads) < 1 or min(heads) % 1:
        _refuse("attention_head_dim", dim, tr("null, or so that all attention has the same number of heads"))
    return {
        "base_channels": base, "channel_mults": [width // base for width in widths], "num_res_blocks": theirs.layers_per_block, "attention": attention,
        "middle_attention": theirs.add_attention, "num_heads": int(min(heads)), "stem_patch": 1, "downsample": "conv",
        "downsample_padding": "symmetric" if theirs.downsample_padding else "asymmetric", "upsample": "nearest", "input_skip": False,
        "freq_shift": int(theirs.freq_shift), "dropout": theirs.dropout, "norm_groups": theirs.norm_num_groups, "norm_eps": theirs.norm_eps,
    }  # fmt: skip


def _diffusion(theirs: TheirScheduler) -> dict[str, Any]:
    steps = theirs.num_train_timesteps
    if not 2 <= steps <= 4000:
        _refuse("num_train_timesteps", steps, tr("2 to 4000"))
    if theirs.trained_betas is not None:
        if len(theirs.trained_betas) != steps:
            _refuse("trained_betas", tr("a list of {count}", count=len(theirs.trained_betas)), tr("as many as num_train_timesteps, {count}", count=steps))
        import torch

        from ddpm_studio.diffusion.schedules import SCHEDULES, make_betas

        betas = torch.tensor(theirs.trained_betas, dtype=torch.float64)
        schedule = next((name for name in SCHEDULES if 1 < steps <= 4000 and torch.allclose(betas, make_betas(name, steps), rtol=1e-4, atol=1e-9)), None)
        if schedule is None:
            _refuse("trained_betas", tr("a list of its own"), tr("those of a schedule that is known here: {schedules}", schedules=", ".join(SCHEDULES)))
    else:
        schedule = SCHEDULE_NAMES[theirs.beta_schedule]
        for field, paper in (("beta_start", 1e-4), ("beta_end", 0.02)):
            # As the paper's for T = 1000, and for another T so that x_T holds about as much noise.
            if schedule == "linear" and not math.isclose(getattr(theirs, field), paper * 1000 / max(steps, 1), rel_tol=1e-6):
                _refuse(field, getattr(theirs, field), tr("{value:g} for {steps} timesteps", value=paper * 1000 / max(steps, 1), steps=steps))
    return {
        "num_timesteps": steps, "beta_schedule": schedule, "zero_terminal_snr": theirs.rescale_betas_zero_snr, "prediction_type": PREDICTIONS[theirs.prediction_type],
        "loss_weighting": "simple", "variance_type": VARIANCES[theirs.variance_type], "clip_x_start": theirs.clip_sample,
    }  # fmt: skip


def names(ours: Iterable[str]) -> Names:
    """What they call each of our tensors."""

    def theirs(name: str) -> str:
        for our, their in (
            (r"^time([12])\.", r"time_embedding.linear_\1."), (r"^stem\.", "conv_in."), (r"^head_norm\.", "conv_norm_out."), (r"^head\.", "conv_out."),
            (r"^middle1\.", "mid_block.resnets.0."), (r"^middle2\.", "mid_block.resnets.1."), (r"^middle_attention\.", "mid_block.attentions.0."),
            (r"^(down|up)\.(\d+)\.resample\.", r"\1_blocks.\2.\1samplers.0."), (r"^(down|up)\.(\d+)\.blocks\.", r"\1_blocks.\2.resnets."),
            (r"^(down|up)\.(\d+)\.attention\.", r"\1_blocks.\2.attentions."), (r"(attentions\.\d+)\.norm\.", r"\1.group_norm."), (r"(attentions\.\d+)\.out\.", r"\1.to_out.0."),
            (r"\.time\.", ".time_emb_proj."), (r"\.shortcut\.", ".conv_shortcut."),
        ):  # fmt: skip
            name = re.sub(our, their, name)
        return name

    return {name: tuple(dict.fromkeys(theirs(name).replace("query_key_value", f"to_{which}") for which in "qkv")) for name in ours}


def _newer_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Attention as it has been named since 2023: checkpoints from before have query, key, value and proj_attn."""

    def newer(name: str) -> str:
        name = re.sub(r"\.(q|k|v)(uery|ey|alue)\.(weight|bias)$", r".to_\1.\3", name)
        return re.sub(r"\.proj_attn\.(weight|bias)$", r".to_out.0.\1", name)

    return {newer(name): tensor for name, tensor in tensors.items()}


def write_folder(model: Model, folder: Path) -> None:
    """A folder that `diffusers.DDPMPipeline.from_pretrained` loads: whole or not at all, and with nothing about whose it was.

    Raises UserError that names the setting which the library cannot express.
    """
    from ddpm_studio.tensor_files import write_tensors

    network, scheduler = unet_config(model.config), scheduler_config(model.config.diffusion)
    ours = model.net.state_dict()
    tensors = {
        # Their attention is made of linear layers, which have no 1 x 1 at the end of their shape.
        name: tensor[:, :, 0, 0] if ".attentions." in name and tensor.ndim == 4 else tensor
        for name, tensor in to_theirs(ours, names(ours)).items()
    }
    index = {"_class_name": "DDPMPipeline", "unet": ["diffusers", "UNet2DModel"], "scheduler": ["diffusers", "DDPMScheduler"]}
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        write_tensors(temporary / "unet" / f"{WEIGHTS}.safetensors", tensors, {"format": "pt"}, with_checksum=False)  # one entry only: safetensors writes several in a random order
        for name, values in (("unet/config.json", network), ("scheduler/scheduler_config.json", scheduler), ("model_index.json", index)):
            write_atomically(temporary / name, (json.dumps(values, indent=2) + "\n").encode())
        os.rename(temporary, folder)
    except OSError as error:
        raise describe_os_error(error, tr("write {name}", name=folder.name)) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def unet_config(config: RunConfig) -> dict[str, Any]:
    """The configuration of the UNet2DModel that computes the same."""
    model = config.model
    widths = [model.base_channels * mult for mult in model.channel_mults]
    attentive = {width for width, has in zip((*widths, widths[-1]), (*model.attention, model.middle_attention), strict=True) if has}
    for setting, fits in (
        ("input_skip", not model.input_skip), ("stem_patch", model.stem_patch == 1), ("attention_patch", model.attention_patch == 1), ("attention_norm", model.attention_norm),
        ("downsample", model.downsample == "conv"), ("upsample", model.upsample == "nearest"), ("up_narrowing", model.up_narrowing == "after"),
        ("channel_mults", model.channel_mults[0] == 1), ("head_norm_groups", model.head_norm_groups in (None, model.norm_groups)),
        ("num_heads", model.num_heads == 1 or len(attentive) <= 1),
    ):  # fmt: skip
        if not fits:
            _refuse_setting("model", setting, getattr(model, setting))
    many = model.num_heads > 1 and attentive
    height, width, channels = config.data.shape
    return {
        "_class_name": "UNet2DModel", "sample_size": config.data.image_size if height == width else [height, width], "in_channels": channels,
        "out_channels": channels * (2 if config.diffusion.variance_type == "learned" else 1),
        "center_input_sample": False, "time_embedding_type": "positional", "freq_shift": model.freq_shift, "flip_sin_to_cos": False,
        "down_block_types": ["AttnDownBlock2D" if has else "DownBlock2D" for has in model.attention], "mid_block_type": "UNetMidBlock2D",
        "up_block_types": ["AttnUpBlock2D" if has else "UpBlock2D" for has in reversed(model.attention)], "block_out_channels": widths,
        "layers_per_block": model.num_res_blocks, "mid_block_scale_factor": 1, "downsample_padding": int(model.downsample_padding == "symmetric"), "downsample_type": "conv",
        "upsample_type": "conv", "dropout": model.dropout, "act_fn": "silu", "attention_head_dim": min(attentive) // model.num_heads if many else None,
        "norm_num_groups": model.norm_groups, "norm_eps": model.norm_eps, "resnet_time_scale_shift": "default", "add_attention": model.middle_attention,
    }  # fmt: skip


def scheduler_config(diffusion: DiffusionConfig) -> dict[str, Any]:
    """The configuration of the DDPMScheduler with the same schedule."""
    from ddpm_studio.diffusion.schedules import make_betas

    steps, schedule = diffusion.num_timesteps, diffusion.beta_schedule
    # Their schedules are not bounded by 0.999 as ours are, and their sigmoid is another: then the betas are written out.
    written_out = schedule == "sigmoid" or (schedule == "linear" and 20 / steps > 0.999)
    return {
        "_class_name": "DDPMScheduler", "num_train_timesteps": steps, "beta_schedule": {"cosine": "squaredcos_cap_v2"}.get(schedule, "linear"),
        "beta_start": 0.1 / steps, "beta_end": 20 / steps, "trained_betas": make_betas(schedule, steps).tolist() if written_out else None,
        "variance_type": {"fixedsmall": "fixed_small", "fixedlarge": "fixed_large", "learned": "learned_range"}[diffusion.variance_type],
        "clip_sample": diffusion.clip_x_start, "clip_sample_range": 1.0,
        "prediction_type": {ours: theirs for theirs, ours in PREDICTIONS.items()}[diffusion.prediction_type], "rescale_betas_zero_snr": diffusion.zero_terminal_snr,
        "thresholding": False,
    }  # fmt: skip


Some = TypeVar("Some", bound=_Theirs)


def _parse(kind: type[Some], values: Mapping[str, Any], must: Mapping[str, tuple[object, ...]]) -> Some:
    """Their configuration, checked as far as single fields tell; unknown fields may only be there when they are switched off."""
    try:
        theirs = kind.model_validate({name: value for name, value in values.items() if not name.startswith("_") and name not in _IDLE})
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(tr("The field {field} cannot be {value}.", field=first["loc"][0], value=quote(first["input"])), tr(_KIND)) from None
    for field, value in (theirs.model_extra or {}).items():
        if value:
            raise UserError(tr("The field {field} = {value} is not known here.", field=quote(field), value=quote(value)), tr(_KIND))
    for field, allowed in must.items():
        if getattr(theirs, field) not in allowed:
            _refuse(field, getattr(theirs, field), tr(" or ").join(quote(value) for value in allowed))
    return theirs


def _check_class(values: Mapping[str, Any], known: tuple[str, ...]) -> None:
    found = values.get("_class_name", known[0])
    if found not in known:
        _refuse("_class_name", found, tr(" or ").join(known))


def _refuse(field: str, value: object, needed: str) -> NoReturn:
    raise UserError(tr("The field {field} is {value}; this program can only take {needed}.", field=field, value=quote(value), needed=needed), tr(_KIND))


def _refuse_setting(section: str, setting: str, value: object) -> NoReturn:
    hint = tr("Models trained with the preset paper-cifar10 or paper-256 can be exported.")
    raise UserError(tr("The setting {section}.{setting} is {value}, which diffusers cannot express.", section=section, setting=setting, value=quote(value)), hint)
