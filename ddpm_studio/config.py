"""Every setting, declared once: default, range and meaning.

The window's form, the command line's flags and `config.json` are derived from these models, so this file holds
neither widgets nor parsing. A field's description is the sentence that people read.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ddpm_studio.errors import UserError
from ddpm_studio.language import later, tr

CONFIG_VERSION = 1
LEAST_SIDE, MOST_SIDE = 8, 512
"""Of a picture, in pixels."""


def _split_commas(value: Any) -> Any:
    """Lets a command line say `1,2,4` where JSON says `[1, 2, 4]`."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Widths = Annotated[tuple[Annotated[int, Field(ge=1, le=16)], ...], Field(min_length=1, max_length=7), BeforeValidator(_split_commas)]
Switches = Annotated[tuple[bool, ...], Field(min_length=1, max_length=7), BeforeValidator(_split_commas)]


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataConfig(Settings):
    """Which pictures, and how they are brought to one shape."""

    image_size: int = Field(32, ge=LEAST_SIDE, le=MOST_SIDE, description="Side of the pictures in pixels; their width, if they are not to be square.")
    image_height: Annotated[int, Field(ge=LEAST_SIDE, le=MOST_SIDE)] | None = Field(None, description="Height in pixels; empty: square pictures.")
    channels: Literal[1, 3, 4] = Field(3, description="3 for colour, 1 for grey, 4 for colour with transparency.")
    background: Literal["white", "black", "grey"] = Field("white", description="What shows through where a picture is transparent.")
    crop_x: float = Field(0.5, ge=0, le=1, description="Which part of a picture that is too wide is used: 0 its left end, 0.5 the middle, 1 its right end.")
    crop_y: float = Field(0.5, ge=0, le=1, description="Which part of a picture that is too high is used: 0 its top, 0.5 the middle, 1 its bottom.")
    flip: bool = Field(True, description="Mirror half of the pictures left to right while training. Switch off for letters and text.")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the pictures."""
        return self.image_height or self.image_size, self.image_size, self.channels

    @property
    def crop(self) -> tuple[float, float]:
        """The focus: where in the room that is left over the cut-out lies, across and down, 0 to 1."""
        return self.crop_x, self.crop_y


class DiffusionConfig(Settings):
    """The noise that is added, and what the network is asked to find."""

    num_timesteps: int = Field(1000, ge=2, le=4000, description="Number of diffusion steps T.")
    beta_schedule: Literal["linear", "cosine", "sigmoid"] = Field(
        "cosine", description="How the noise grows with t: linear as in the paper; cosine is gentler on small pictures, sigmoid suits large ones."
    )
    zero_terminal_snr: bool = Field(False, description="Leave no trace of the picture at the last step, so that very dark and very bright pictures come out right.")
    prediction_type: Literal["epsilon", "x_start", "v_prediction"] = Field(
        "v_prediction", description="What the network predicts: the noise, as in the paper, the picture, or v, noise and picture mixed."
    )
    timestep_sampling: Literal["uniform", "lognormal"] = Field(
        "uniform", description="Which t are trained: all alike, as in the paper, or medium noise more often, as in EDM (Karras et al. 2022)."
    )
    loss_weighting: Literal["simple", "min_snr"] = Field(
        "min_snr", description="simple: the paper's loss, all noise levels alike; min_snr: easy levels count less, so it learns faster."
    )
    min_snr_gamma: float = Field(
        50.0,
        gt=0,
        le=10_000,
        description="Up to which signal-to-noise ratio min_snr counts errors in full: 5 as its authors; more teaches the last, nearly clean steps too, against grain.",
    )
    min_snr_floor: float = Field(
        0.01,
        ge=0,
        le=1,
        description="What steps with more noise than picture count at least with min_snr: 0 as its authors; a little makes the first guess a blurred picture instead of noise.",
    )
    variance_type: Literal["fixedlarge", "fixedsmall", "learned"] = Field(
        "fixedsmall", description="Variance of the reverse step: beta (fixedlarge), the posterior's (fixedsmall), or between the two where the network says (learned)."
    )
    clip_x_start: bool = Field(True, description="Keep the predicted picture within the range of real pixels at each sampling step.")
    lambda_max: float = Field(
        2.5,
        ge=0,
        le=10,
        description="Where previews, DPM-Solver++ and UniPC end with the network's guess, as lambda = log(signal / noise): 2.5 for photographs, 3.4 for pixel art, 10 all the way.",
    )

    @property
    def learnt(self) -> DiffusionConfig:
        """Without `lambda_max`, which concerns sampling only: where two are equal, the same is learnt."""
        return self.model_copy(update={"lambda_max": type(self).model_fields["lambda_max"].default})

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.zero_terminal_snr and self.timestep_sampling == "lognormal":
            problem = tr("diffusion.zero_terminal_snr needs diffusion.timestep_sampling uniform: log-normal sampling never comes to the last step, which then is not learnt")
            raise ValueError(problem)
        if self.zero_terminal_snr and self.prediction_type == "epsilon":
            raise ValueError(tr("diffusion.zero_terminal_snr needs another diffusion.prediction_type than epsilon: from pure noise no picture can be told by its noise"))
        return self


class ModelConfig(Settings):
    """The U-Net."""

    base_channels: int = Field(32, ge=8, le=512, description="Channels of the first level.")
    channel_mults: Widths = Field((1, 2, 4), description="Channels of each level, as multiples of the first; one number per level.")
    num_res_blocks: int = Field(1, ge=1, le=8, description="Residual blocks per level on the way down; one more on the way up.")
    attention: Switches = Field((False, True, False), description="Self-attention after the residual blocks, for each level.")
    middle_attention: bool = Field(True, description="Self-attention between the two middle blocks.")
    num_heads: int = Field(1, ge=1, le=64, description="Heads of each attention.")
    attention_patch: Literal[1, 2, 4] = Field(1, description="Side of the patch of a feature map that is one token of attention: 1 is every pixel; 2 or 4 make it cheaper.")
    attention_norm: bool = Field(True, description="Normalise before each attention; some networks that can be imported do not.")
    freq_shift: Literal[0, 1] = Field(1, description="Where the time embedding's frequencies end: 1 at 1/10000, as in the paper; 0 just before, as diffusers trains.")
    stem_patch: Literal[1, 2, 4] = Field(2, description="Pictures enter the network folded into patches of this side: 2 or 4 make it much faster.")
    downsample: Literal["conv", "average"] = Field("conv", description="How a level is halved: strided convolution or averaging.")
    downsample_padding: Literal["symmetric", "asymmetric"] = Field("symmetric", description="Padding of the strided convolution; the paper pads right and bottom only.")
    upsample: Literal["nearest", "transposed"] = Field("nearest", description="How a level is doubled: nearest neighbour and convolution, or transposed convolution.")
    up_narrowing: Literal["after", "before"] = Field(
        "after", description="Where the way up takes on the width of the next level: after doubling, as in the paper, or before it, as in the annotated network."
    )
    input_skip: bool = Field(True, description="A linear path from the noisy picture straight to the answer; the network learns several times faster.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Share of activations dropped in each residual block; 0.1 helps small sets against copying.")
    norm_groups: int = Field(8, ge=1, le=64, description="Groups of the group normalisation.")
    head_norm_groups: int | None = Field(None, ge=1, le=64, description="Groups of the normalisation before the last convolution; empty: as many as everywhere.")
    norm_eps: float = Field(1e-5, gt=0, le=1e-2, description="Small number that keeps the normalisation from dividing by zero.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.attention) != len(self.channel_mults):
            raise ValueError(tr("model.attention needs one switch per level: {wanted}, not {given}", wanted=len(self.channel_mults), given=len(self.attention)))
        for mult in (1, *self.channel_mults):  # the stem is as wide as the base
            channels = self.base_channels * mult
            if channels % self.norm_groups:
                raise ValueError(tr("model.norm_groups must divide the channels of each level; {groups} does not divide {channels}", groups=self.norm_groups, channels=channels))
            if channels % self.num_heads:
                raise ValueError(tr("model.num_heads must divide the channels of each level; {heads} does not divide {channels}", heads=self.num_heads, channels=channels))
        if self.head_norm_groups and self.head_channels % self.head_norm_groups:
            problem = tr(
                "model.head_norm_groups must divide the channels before the last convolution; {groups} does not divide {channels}",
                groups=self.head_norm_groups, channels=self.head_channels,
            )  # fmt: skip
            raise ValueError(problem)
        return self

    @property
    def head_channels(self) -> int:
        """How many channels the last convolution finds."""
        return self.base_channels * (1 if self.up_narrowing == "before" else self.channel_mults[0])

    @property
    def size_factor(self) -> int:
        """What the sides of a picture must be divisible by."""
        return int(self.stem_patch * 2 ** (len(self.channel_mults) - 1))


class TrainConfig(Settings):
    """How the network learns."""

    seed: int = Field(0, ge=0, lt=2**31, description="Start of all randomness: the same seed gives the same run.")
    held_out: Annotated[int, Field(ge=0, le=100_000)] | None = Field(
        None, description="Pictures that are kept out of training: their loss shows whether the others are learnt by heart. Empty: 2 %, but 8 to 64, and none of fewer than 200."
    )
    batch_size: int = Field(32, ge=1, le=4096, description="Pictures per step.")
    learning_rate: float = Field(2e-3, gt=0, le=1, description="Step size of Adam.")
    adam_beta2: float = Field(0.99, ge=0, lt=1, description="Memory of Adam for the size of gradients: 0.999 as in the paper; 0.99 keeps large learning rates from blowing up.")
    warmup_steps: int = Field(100, ge=0, le=100_000, description="Steps over which the learning rate rises from 0; of a run with a planned end at most a tenth.")
    total_steps: int | None = Field(None, ge=1, description="Where training ends by itself; empty: it goes on until it is stopped.")
    decay_share: float = Field(0.4, ge=0, le=1, description="Last part of a run with a planned end over which the learning rate falls to 0.")
    grad_clip: float = Field(1.0, gt=0, le=1000, description="Largest gradient norm; larger ones are scaled down to it.")
    immiscible: bool = Field(False, description="Within a batch, give each picture the noise nearest to it (Li et al. 2024), which is said to teach faster; on faces it did not.")
    ema_decay: float = Field(0.998, ge=0, lt=1, description="Memory of the averaged weights that pictures are made with; the longer, the smoother.")
    ema_warmup: bool = Field(True, description="Let that memory grow from 0; without it, as in the paper, the average shows next to nothing for thousands of steps.")
    gradient_checkpointing: bool = Field(False, description="Compute activations a second time instead of keeping them: far less memory, about a third slower.")
    precision: Literal["auto", "float32", "bfloat16"] = Field("auto", description="auto takes bfloat16 where the device computes it natively.")
    checkpoint_seconds: float = Field(120.0, gt=0, le=86_400, description="Time between saves.")
    milestone_steps: Annotated[int, Field(ge=1)] | None = Field(None, description="Keep a copy of the model every so many steps, to guide by or to compare; empty: none.")
    milestones_mb: Annotated[int, Field(ge=1)] | None = Field(2000, description="Disk space for these copies in MB; beyond it the most closely spaced go. Empty: no limit.")
    pause_on_battery: bool = Field(False, description="Wait while the machine runs on its battery, and go on when it is on mains again.")
    preview_seconds: float = Field(20.0, gt=0, le=86_400, description="Time between previews; early in a run they come more often.")
    preview_count: int = Field(16, ge=0, le=64, description="Pictures in a preview; 0 switches previews off.")
    preview_steps: int = Field(12, ge=2, le=1000, description="Sampling steps of a preview.")


class RunConfig(Settings):
    """All that a run is made from; saved as `config.json`."""

    version: Literal[1] = CONFIG_VERSION  # type: ignore[assignment]
    preset: str = Field("custom", description="The preset that these settings started from.")
    data: DataConfig = DataConfig()
    diffusion: DiffusionConfig = DiffusionConfig()
    model: ModelConfig = ModelConfig()
    training: TrainConfig = TrainConfig()

    @model_validator(mode="after")
    def _check(self) -> Self:
        factor, (height, width, _) = self.model.size_factor, self.data.shape
        for name, side in (("image_size", width), ("image_height", height)):
            if side % factor:
                below, above = side // factor * factor, math.ceil(side / factor) * factor
                nearest = tr(" or ").join(str(s) for s in dict.fromkeys((below, above)) if LEAST_SIDE <= s <= MOST_SIDE)
                problem = tr("data.{name} must be divisible by {factor} for this network; {side} is not, {nearest} is", name=name, factor=factor, side=side, nearest=nearest)
                raise ValueError(problem)
        levels, patch = len(self.model.channel_mults), self.model.attention_patch
        for i in range(levels):
            rows, columns = (side // self.model.stem_patch // 2**i for side in (height, width))
            widths = [self.model.base_channels * mult for mult in (1, *self.model.channel_mults)[i : i + 2]]  # of the level above, too: its blocks meet here
            if rows * columns == 1 and self.model.norm_groups in widths:
                groups = self.model.norm_groups
                raise ValueError(tr("model.norm_groups {groups} leaves a single number in each group at level {level}, whose feature map is 1 x 1", groups=groups, level=i + 1))
            if (rows % patch or columns % patch) and (self.model.attention[i] or (self.model.middle_attention and i == levels - 1)):
                problem = tr(
                    "model.attention_patch {patch} does not divide the {columns} x {rows} feature map of level {level}, which has attention",
                    patch=patch, columns=columns, rows=rows, level=i + 1,
                )  # fmt: skip
                raise ValueError(problem)
        return self

    def with_changes(self, changes: dict[str, Any]) -> RunConfig:
        """A copy with some fields replaced, named `section.field`; all is checked anew.

        Raises UserError with the name of the field when a value does not fit.
        """
        merged = self.model_dump()
        for name, value in changes.items():
            section, _, field = name.partition(".")
            if field:
                merged[section][field] = value
            else:
                merged[section] = value
        return parse_config(merged)


SECTIONS: dict[str, type[Settings]] = {"data": DataConfig, "diffusion": DiffusionConfig, "model": ModelConfig, "training": TrainConfig}


def parse_config(values: Any) -> RunConfig:
    """RunConfig from JSON values of unknown origin.

    Raises UserError that names the field and what is wrong with it.
    """
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise UserError(tr("{problem}.", problem=explain(error)), tr("Change that setting, or start again from a preset.")) from None


def parse_saved_config(values: Any) -> RunConfig:
    """RunConfig from a file that should hold a whole one: fields that an earlier version did not have may be missing, sections may not.

    Raises UserError when it is not whole, is of another version, or a field does not fit.
    """
    if not isinstance(values, dict) or not {"version", *SECTIONS} <= values.keys():
        raise UserError(tr("These settings are not whole."), tr("Use another copy of the file, or start again from a preset."))
    if values["version"] != CONFIG_VERSION:
        raise UserError(tr("These settings are of another version of DDPM Studio."), tr("Update DDPM Studio to use them."))
    for section, field in (("training", "held_out"), ("diffusion", "min_snr_floor")):  # a run from before these goes on as it began: without
        if isinstance(fields := values[section], dict) and field not in fields:
            values = values | {section: fields | {field: 0}}
    return parse_config(values)


_NEEDED = {
    "int_parsing": later("a whole number is needed"), "int_from_float": later("a whole number is needed"), "float_parsing": later("a number is needed"),
    "bool_parsing": later("yes or no is needed"), "extra_forbidden": later("this setting is not known"), "model_type": later("a group of settings is needed"),
    "model_attributes_type": later("a group of settings is needed"), "greater_than": later("it should be greater than {gt}"), "less_than": later("it should be less than {lt}"),
    "greater_than_equal": later("it should be greater than or equal to {ge}"), "less_than_equal": later("it should be less than or equal to {le}"),
    "literal_error": later("it should be {expected}"), "finite_number": later("it should be a finite number"),
}  # fmt: skip
"""What pydantic complains about, in words; for all other complaints its own are taken."""


def _short(text: str) -> str:
    """Something from a stranger's file, on one line."""
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= 80 else f"{text[:80]}..."


def explain(error: ValidationError) -> str:
    """The first complaint of pydantic in one sentence that names the setting."""
    first = error.errors()[0]
    if needed := _NEEDED.get(first["type"]):
        limits = {name: value.replace(" or ", tr(" or ")) if isinstance(value, str) else f"{value:.10g}" for name, value in first.get("ctx", {}).items()}
        what = tr(needed, **limits)
    else:
        what = first["msg"].removeprefix("Value error, ").replace("Input should", "it should")
        what = what[:1].lower() + what[1:]
    where = _short(".".join(str(part) for part in first["loc"] if isinstance(part, str)))
    if len(first["loc"]) < 2:  # about several settings of a section, or about no setting at all
        if first["type"] == "value_error":
            return tr("These settings do not fit together: {problem}", problem=what)
        return tr("These settings are not understood: {where}: {problem}", where=where or tr("all of them"), problem=what)
    return tr("The setting {where} cannot be {value}: {problem}", where=where, value=_short(repr(first["input"])), problem=what)
