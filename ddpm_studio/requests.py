"""What can be asked of the engines: plain frozen values, made by the command line and the window alike."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from ddpm_studio.blend_weights import Weights, pair
from ddpm_studio.config import RunConfig
from ddpm_studio.errors import UserError
from ddpm_studio.events import Images, Latent
from ddpm_studio.language import tr
from ddpm_studio.runs import Run, moved

if TYPE_CHECKING:
    from collections.abc import Mapping

Sampler = Literal["ddpm", "ddim", "dpmpp-2m", "dpmpp-2m-sde", "unipc", "heun"]
STEPS: dict[Sampler, int | None] = {"ddim": 20, "dpmpp-2m": 15, "dpmpp-2m-sde": 20, "unipc": 15, "heun": 25, "ddpm": None}
"""What each takes unless somebody wants other ones; None: every timestep."""
USUAL_SAMPLER: Sampler = "dpmpp-2m-sde"
"""For pictures from noise, in a fiftieth of 1,000 steps (docs/MEASUREMENTS.md)."""
SAMPLERS: tuple[Sampler, ...] = get_args(Sampler)


def is_noisy(sampler: str, eta: float) -> bool:
    """Whether the steps of a walk add noise, so that two from the same x_t differ."""
    return sampler in ("ddpm", "dpmpp-2m-sde") or (sampler == "ddim" and eta > 0)


Spacing = Literal["auto", "log_snr", "log_snr_early", "linspace", "leading", "trailing"]
SPACINGS: tuple[Spacing, ...] = get_args(Spacing)
AUTO_SPACING: dict[Sampler, Spacing] = {
    "ddpm": "linspace", "ddim": "linspace", "dpmpp-2m": "log_snr_early", "dpmpp-2m-sde": "log_snr_early", "unipc": "log_snr_early", "heun": "log_snr",
}  # fmt: skip
"""Samplers of second order want their stops evenly spread in lambda, those of first order in t. Three of them end early; Heun,
which is there to be exact, goes all the way."""
_UNSAID_SPACING: dict[Sampler, Spacing] = AUTO_SPACING | {"dpmpp-2m": "log_snr", "unipc": "log_snr"}
"""What a recipe means that says nothing: it is from when these did not end early."""
NoiseMode = Literal["independent", "shared", "slerp"]
NOISE_MODES: tuple[NoiseMode, ...] = get_args(NoiseMode)
MP4_SIDE = 256
"""Players show smaller films as a stamp."""


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """Start a run, or with `resume` go on with one. Limits count from the start of this request."""

    run: Run
    data: Path
    config: RunConfig | None = None
    """None when resuming: the run's own settings are used. Otherwise those, with training settings changed."""
    start_from: str | Path | None = None
    """A model whose weights a new run begins with; pictures, noise and network are then as that model knows them."""
    resume: bool = False
    exclude: tuple[str, ...] | None = None
    """Names of pictures that are not trained on (`Dataset.names`); None: none in a new run, as before in one that goes on."""
    accept_new_data: bool = False
    """Go on although the pictures are no longer the same."""
    device: str = "auto"
    max_steps: int | None = None
    max_images: int | None = None
    max_seconds: float | None = None
    seconds_done: float = 0.0
    """How much of a plan by time had been done before: the learning rate falls towards the end of all of it."""
    keep_plan: bool = True
    """When resuming without a limit: go on to the end that was planned by time, if one was."""
    compile: bool = False
    """Let torch.compile work on the network first. It changes last digits, so such a run is not repeated bit for bit without it."""
    report_seconds: float = 0.1
    """Least time between two StepDone events; 0 reports every step."""


@dataclass(frozen=True, slots=True)
class Walk:
    """A model, and how to get from noise to pictures with it: part of every request that makes some."""

    model: str | Path
    _: KW_ONLY
    sampler: Sampler = USUAL_SAMPLER
    steps: int | None = STEPS[USUAL_SAMPLER]
    """None: every timestep."""
    spacing: Spacing = "auto"
    """How the steps are spread over the timesteps; auto: as suits the sampler."""
    eta: float = 0.0
    """Only for ddim: 0 is deterministic, 1 as noisy as the ancestral sampler."""
    guide: str | Path | None = None
    """A worse model of the same kind to guide by (autoguidance), such as an earlier state of the same run."""
    guidance: float = 2.0
    """How far to go from the guide's answer through the model's own: 1 is the model alone. Only with a guide."""
    seed: int = 0
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class SampleRequest(Walk):
    """Pictures from noise; picture i uses seed + i."""

    count: int = 16
    frames: int = 12
    """How many columns of the filmstrip to report."""
    start: Start | None = None
    """Where the way begins: not at pure noise, but at a stop on the way of another picture. `steps` counts from there on."""

    def after_rename(self, old: Run, new: Run) -> SampleRequest:
        """The same, where a run with its model or its guide was renamed."""
        model, guide = (moved(Path(file), old, new) for file in (self.model, self.guide or ""))
        return replace(self, model=model, guide=self.guide and guide, start=self.start and replace(self.start, walk=self.start.walk.after_rename(old, new)))


@dataclass(frozen=True, slots=True)
class Start:
    """The x_t at one of the stops on a picture's way, found again by going that way from its seed."""

    walk: SampleRequest
    """Of that one picture, by the same model."""
    timestep: int
    model_step: int | None = None
    """How far the model was trained when the way was seen; None where that is not known."""

    @property
    def depth(self) -> int:
        """How often somebody has branched off: 1 from a way that began at pure noise."""
        return 1 + (self.walk.start.depth if self.walk.start else 0)


@dataclass(frozen=True, slots=True)
class BlendRequest(Walk):
    """Two pictures or more are noised to `timestep`, mixed with each of the weights, and denoised.

    Each picture has noise of its own that is the same in all mixtures, so that the pieces of a chain join.
    """

    images: tuple[Images, ...]
    """Each uint8 [H, W, C], already of the model's size and channels (`imaging.fit`)."""
    weights: tuple[Weights, ...] = ((0.5, 0.5),)
    """For each blend how much it holds of each picture (`blend_weights`)."""
    timestep: int = 500
    noise: NoiseMode = "independent"
    quick: bool = False
    """True for a preview while the slider moves; only passed on to the answer."""
    sampler: Sampler = field(default="ddim", kw_only=True)


@dataclass(frozen=True, slots=True)
class FilmRequest:
    """Pictures one after the other, as an endless film: GIF, WebP, animated PNG or MP4 by the ending of the name."""

    path: Path
    frames: Images
    """uint8 [N, H, W, C], C 1, 3 or 4."""
    frames_per_second: float = 12.0
    scale: int = 1
    """Each pixel becomes a square of so many."""
    hold_seconds: float = 0.0
    """How much longer the last picture stays."""

    @property
    def factor(self) -> int:
        """By how much the pictures are enlarged: `scale`, or what an MP4 needs beyond it.

        An MP4 has even sides, and one colour for each square of 2 x 2 pixels. So small pictures are made 256 pixels
        large at least, and an even factor, where one is needed, leaves each pixel its own colour.
        """
        height, width = map(int, self.frames.shape[1:3])
        enough = max(self.scale, -(-MP4_SIDE // max(height, width)))
        if self.path.suffix.lower() != ".mp4" or (enough == self.scale and height * enough % 2 == width * enough % 2 == 0):
            return self.scale
        return enough + enough % 2


@dataclass(frozen=True, slots=True)
class DenoiseRequest(Walk):
    """A picture is noised to `timestep` `count` times and denoised (or only denoised, when it is noisy already)."""

    image: Images
    timestep: int = 500
    count: int = 1
    already_noisy: bool = False
    x_t: Latent | None = None
    """Instead of a noisy picture, which can hold no more than 256 levels: float32 [C, H, W], as `invert` writes it."""
    frames: int = 12
    sampler: Sampler = field(default="ddpm", kw_only=True)
    steps: int | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class TreeRequest(Walk):
    """One way from noise down, and at each of `timesteps` `count` others that branch off from its x_t (figure 7 of the paper)."""

    timesteps: tuple[int, ...] = (250, 500, 750, 900)
    count: int = 5
    sampler: Sampler = field(default="ddpm", kw_only=True)
    steps: int | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class InpaintRequest(Walk):
    """The picture is kept where the mask is dark, and drawn anew where it is bright (RePaint), `count` times."""

    image: Images
    mask: Images
    """uint8 [H, W, 1]"""
    count: int = 1
    jump_length: int = 10
    resamples: int = 10
    sampler: Sampler = field(default="ddpm", kw_only=True)
    steps: int | None = field(default=50, kw_only=True)


@dataclass(frozen=True, slots=True)
class InvertRequest(Walk):
    """The noise that DDIM makes a picture of, and the picture that comes of it."""

    image: Images
    refinements: int = 3
    sampler: Sampler = field(default="ddim", kw_only=True)
    steps: int | None = field(default=50, kw_only=True)


@dataclass(frozen=True, slots=True)
class FeatureRequest:
    """What a block of the network makes of a picture that was noised to `timestep`."""

    model: str | Path
    block: str
    """Its name, as `BlockInfo` has it."""
    image: Images
    timestep: int
    seed: int = 0
    first: int = 0
    """The first channel to show."""
    count: int = 16
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class LikelihoodRequest:
    """The variational bound of some pictures under a model."""

    model: str | Path
    data: Path
    count: int = 64
    stride: int = 10
    """One of every `stride` terms is computed, drawn by lot; 1 computes all."""
    seed: int = 0
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class BenchRequest:
    """How fast presets are on this machine."""

    presets: tuple[str, ...] = ("tiny-32", "small-32", "tiny-64")
    seconds: float = 4.0
    """How long each of the four measurements of a preset takes, at least."""
    device: str = "auto"


def recipe(request: Walk, **more: Any) -> dict[str, Any]:
    """What to store in a picture so that it can be made again; pictures and paths are left out."""
    from ddpm_studio import __version__

    return {"made_by": f"DDPM Studio {__version__}", "kind": type(request).__name__.removesuffix("Request").lower(), "model": model_name(request.model), **_facts(request), **more}


def _facts(request: Walk) -> dict[str, Any]:
    left_out = {"model", "image", "images", "weights", "device", "frames", "quick", "mask", "x_t", "start"}
    left_out |= set() if request.sampler == "ddim" else {"eta"}
    left_out |= set() if request.guide else {"guide", "guidance"}
    facts = {name: getattr(request, name) for name in request.__dataclass_fields__ if name not in left_out}
    if request.spacing == "auto":
        facts["spacing"] = AUTO_SPACING[request.sampler]
    if request.guide:
        facts["guide"] = model_name(request.guide)
    if isinstance(request, SampleRequest) and request.start:
        facts["start"] = start_facts(request.start)
    return facts


def start_facts(start: Start) -> dict[str, Any]:
    """The recipe of the way that another one begins on, as a part of that one's."""
    facts = _facts(start.walk) | {"timestep": start.timestep} | ({} if start.model_step is None else {"model_step": start.model_step})
    del facts["count"]
    return facts


MAX_COUNT, MAX_STEPS, MAX_SEED, MAX_GUIDANCE, MAX_DEPTH = 4096, 100_000, 2**31 - 1, 10.0, 8


def request_of(values: Mapping[str, Any], model: str | Path) -> SampleRequest:
    """The one picture that a recipe describes, which may be anybody's; `model` is what its model is called here.

    Raises UserError when it is not the recipe of a picture from noise, or asks for what no recipe of ours does.
    """
    if values.get("kind") != "sample":
        hint = tr("Only pictures of the Generate page, or of the command `generate`, can be made again from their recipe.")
        raise UserError(tr("This picture was not made from noise alone."), hint)
    return _request(values, model)


def batch_of(values: Mapping[str, Any], model: str | Path) -> SampleRequest:
    """All pictures that were made together with the one that a recipe describes; that one alone where the recipe does not tell."""
    one = request_of(values, model)
    first, count = _number(values, "first_seed", one.seed, 0, MAX_SEED), _number(values, "count", 1, 1, MAX_COUNT)
    return replace(one, seed=first, count=count) if first <= one.seed < first + count else one


def is_reproducible(values: Mapping[str, Any]) -> bool:
    """Whether a recipe says all that its picture was made of."""
    return values.get("kind") == "sample" or (values.get("kind") == "blend" and isinstance(values.get("pictures"), int))


def blend_of(values: Mapping[str, Any], model: str | Path, images: tuple[Images, ...]) -> tuple[BlendRequest, int]:
    """All blends of some pictures that were made together with the one that a recipe describes, and which of them it is.

    Raises UserError when it is not the recipe of a blend of so many pictures, or asks for what no recipe of ours does.
    """
    count, noise, place, flat = len(images), values.get("noise", "independent"), values.get("place", 0), values.get("together")
    if values.get("kind") != "blend" or values.get("pictures") != count:
        raise _altered("pictures")
    if noise not in NOISE_MODES:
        raise _altered("noise")
    weights = _weights(values.get("weights") or _pair(values.get("lam")), count)
    together = tuple(_weights(flat[i : i + count], count) for i in range(0, len(flat), count)) if isinstance(flat, list) else (weights,)
    if not isinstance(place, int) or not 0 <= place < len(together) or together[place] != weights:
        raise _altered("place")
    timestep = _number(values, "timestep", -1, 0, MAX_STEPS)
    return BlendRequest(model, images=images, weights=together, timestep=timestep, noise=noise, **_walk(values)), place


def _pair(lam: object) -> list[float] | None:
    return list(pair(lam)) if isinstance(lam, (int, float)) else None


def _weights(given: object, count: int) -> Weights:
    numbers = given if isinstance(given, list) and all(isinstance(weight, (int, float)) and 0 <= weight <= 1 for weight in given) else []
    if len(numbers) != count or not abs(sum(numbers) - 1) < 1e-3:
        raise _altered("weights")
    return tuple(numbers)


def start_of(values: Mapping[str, Any], model: str | Path, depth: int = 1) -> Start:
    """What `start_facts` says, checked as in `request_of`."""
    if depth > MAX_DEPTH:
        raise _altered("start")
    step = values.get("model_step")
    timestep = _number(values, "timestep", -1, 0, MAX_STEPS)
    return Start(_request(values, model, depth), timestep, step if isinstance(step, int) else None)


def _request(values: Mapping[str, Any], model: str | Path, depth: int = 0) -> SampleRequest:
    start = values.get("start")
    if start is not None and not isinstance(start, dict):
        raise _altered("start")
    return SampleRequest(model, count=1, start=None if start is None else start_of(start, model, depth + 1), **_walk(values))


def _walk(values: Mapping[str, Any]) -> dict[str, Any]:
    """How to get from noise to the picture, as the fields of a Walk."""
    usual = SampleRequest("")
    guide, guidance, eta = values.get("guide"), values.get("guidance", usual.guidance), values.get("eta", 0.0)
    if guide is not None and not (isinstance(guide, str) and is_name(guide)):
        raise _altered("guide")
    for name, value, most in (("guidance", guidance, MAX_GUIDANCE), ("eta", eta, 1.0)):
        if not isinstance(value, (int, float)) or not 0 <= value <= most:
            raise _altered(name)
    sampler = values.get("sampler", "ddim")
    if sampler not in SAMPLERS:
        raise _altered("sampler")
    spacing = values.get("spacing", _UNSAID_SPACING[sampler])
    if spacing not in SPACINGS:
        raise _altered("spacing")
    if spacing == AUTO_SPACING[sampler]:
        spacing = "auto"
    steps = None if values.get("steps", 0) is None else _number(values, "steps", usual.steps or 1, 1, MAX_STEPS)
    return {
        "sampler": sampler, "spacing": spacing, "eta": float(eta), "guide": guide, "guidance": float(guidance), "steps": steps,
        "seed": _number(values, "seed", 0, 0, MAX_SEED),
    }  # fmt: skip


def _number(values: Mapping[str, Any], name: str, usual: int, low: int, high: int) -> int:
    value = values.get(name, usual)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise _altered(name)
    return value


def _altered(name: str) -> UserError:
    return UserError(tr("The recipe has a value for {name} that it cannot have.", name=name), tr("It was altered, or is of another version of DDPM Studio."))


def is_name(text: str) -> bool:
    """Whether a stranger's word for a model is a name, and no path: a path may lead anywhere, to another computer even."""
    return bool(text) and len(text) <= 200 and text not in (".", "..") and not set(text) & set('/\\:~') and text.isprintable()


def model_name(model: str | Path) -> str:
    """The name by which a model can be asked for again: that of its folder, or of its file where that says more."""
    path = Path(model)
    if path.parent.name == "milestones" and path.stem.removeprefix("step_").isdecimal():
        return f"{path.absolute().parent.parent.name}@{int(path.stem.removeprefix('step_'))}"
    if path.name == "model.safetensors":
        return path.absolute().parent.name
    return path.stem if path.suffix == ".safetensors" else path.name
