"""What can be asked of the engines: plain frozen values, made by the command line and the window alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from ddpm_studio.config import RunConfig
from ddpm_studio.events import Images
from ddpm_studio.runs import Run

Sampler = Literal["ddpm", "ddim", "dpmpp-2m"]
SAMPLERS: tuple[Sampler, ...] = get_args(Sampler)
NoiseMode = Literal["independent", "shared", "slerp"]
NOISE_MODES: tuple[NoiseMode, ...] = get_args(NoiseMode)


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """Start a run, or with `resume` go on with one. Limits count from the start of this request."""

    run: Run
    data: Path
    config: RunConfig | None = None
    """None when resuming: the run's own settings are used."""
    resume: bool = False
    device: str = "auto"
    max_steps: int | None = None
    max_images: int | None = None
    max_seconds: float | None = None
    report_seconds: float = 0.1
    """Least time between two StepDone events; 0 reports every step."""


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """Pictures from noise; picture i uses seed + i."""

    model: str | Path
    count: int = 16
    sampler: Sampler = "dpmpp-2m"
    steps: int = 25
    eta: float = 0.0
    """Only for ddim: 0 is deterministic, 1 as noisy as the ancestral sampler."""
    seed: int = 0
    device: str = "auto"
    frames: int = 12
    """How many columns of the filmstrip to report."""


@dataclass(frozen=True, slots=True)
class BlendRequest:
    """Two pictures are noised to `timestep`, mixed at each lambda, and denoised."""

    model: str | Path
    image_a: Images
    """uint8 [H, W, C], already of the model's size and channels (`imaging.fit`)."""
    image_b: Images
    lams: tuple[float, ...] = (0.5,)
    timestep: int = 500
    noise: NoiseMode = "independent"
    sampler: Sampler = "ddim"
    steps: int = 25
    eta: float = 0.0
    seed: int = 0
    device: str = "auto"
    quick: bool = False
    """True for a preview while the slider moves; only passed on to the answer."""


@dataclass(frozen=True, slots=True)
class DenoiseRequest:
    """A picture is noised to `timestep` `count` times and denoised (or only denoised, when it is noisy already)."""

    model: str | Path
    image: Images
    timestep: int = 500
    count: int = 1
    already_noisy: bool = False
    sampler: Sampler = "ddpm"
    steps: int | None = None
    """None: every timestep down from `timestep`."""
    eta: float = 0.0
    seed: int = 0
    device: str = "auto"
    frames: int = 12


def recipe(request: SampleRequest | BlendRequest | DenoiseRequest, **more: Any) -> dict[str, Any]:
    """What to store in a picture so that it can be made again; pictures and paths are left out."""
    from ddpm_studio import __version__

    left_out = {"model", "image", "image_a", "image_b", "device", "frames", "quick", "lams"} | (set() if request.sampler == "ddim" else {"eta"})
    fields = {name: getattr(request, name) for name in request.__dataclass_fields__ if name not in left_out}
    return {"made_by": f"DDPM Studio {__version__}", "kind": type(request).__name__.removesuffix("Request").lower(), "model": model_name(request.model), **fields, **more}


def model_name(model: str | Path) -> str:
    """The name by which a model can be asked for again: that of its folder, or of its file where that says more."""
    path = Path(model)
    if path.name == "model.safetensors":
        return path.absolute().parent.name
    return path.stem if path.suffix == ".safetensors" else path.name
