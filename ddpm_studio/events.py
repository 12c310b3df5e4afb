"""What a run tells whoever watches it.

Events are values: frozen, and made of numbers, strings and arrays (uint8 pictures) only, so that they can cross a thread,
a process or a file. Pictures are `uint8 [N, H, W, C]` (grey: C = 1) and read-only.
"""

from __future__ import annotations

import dataclasses
import json
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ddpm_studio.errors import as_user_error
from ddpm_studio.language import tr

Images = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]
"""Which pictures of a data set, [n]."""
Latent = npt.NDArray[np.float32]
"""A noisy picture in full precision, float32 [C, H, W] in the scale of [-1, 1]."""


def frozen_images(images: npt.NDArray[Any]) -> Images:
    """A read-only copy that may be handed to another thread."""
    copy: Images = np.array(images, dtype=np.uint8)
    copy.setflags(write=False)
    return copy


def no_images() -> Images:
    """uint8 [0, 1, 1, 1]"""
    return frozen_images(np.zeros((0, 1, 1, 1)))


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events."""


@dataclass(frozen=True, slots=True)
class Progress(Event):
    """Something that takes a while before the first result: decoding pictures, loading PyTorch.

    `total` is 0 while it is not known; `seconds_left` is None until it can be estimated.
    """

    text: str
    done: int = 0
    total: int = 0
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class Notice(Event):
    """One sentence that the user should see although nothing went wrong."""

    text: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that could not be used, and why, in words."""

    path: str
    reason: str
    """In English, since caches keep it; `language.again` says it."""


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """What was found in a folder or zip."""

    name: str
    source: str
    pictures: int
    skipped: tuple[Skipped, ...]
    duplicates: int
    image_size: int
    """Width of the pictures as they are used."""
    image_height: int
    channels: int
    smallest: tuple[int, int]
    """Width and height of the smallest picture (by its shorter side), before cropping."""
    median: tuple[int, int]
    largest: tuple[int, int]
    grey: int
    """How many pictures are grey."""
    transparent: int
    """How many pictures have an alpha channel in use."""
    from_cache: bool
    """True when nothing had to be decoded."""
    seconds: float
    others: int = 0
    """How many files are of other kinds, by their names, and were not looked at."""


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """The pictures of a data set, one by one: what a list of them is made from."""

    cache: Path
    """The folder with the decoded pictures."""
    names: tuple[str, ...]
    """Paths below the source, in the order of the pictures in the cache."""
    sizes: npt.NDArray[np.int32]
    """int32 [N, 2], read-only: widths and heights before cropping."""
    left_out: frozenset[str] = frozenset()
    """Names of those that were left out the last time."""


@dataclass(frozen=True, slots=True)
class DatasetReady(Event):
    """The pictures are decoded; `examples` are up to 48 of them, spread over the set."""

    report: DatasetReport
    examples: Images
    contents: Contents | None = None


FindingKind = Literal["copies", "alike", "bars", "blank", "grey", "transparent", "small", "long"]


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """Something about some pictures of a data set that people may want to know before they train."""

    kind: FindingKind
    rows: Rows
    """int64 [n], read-only: which pictures; group after group, the one to keep first, where there are groups."""
    groups: Rows | None = None
    """int64 [n], read-only: the number of each one's group, for kinds that are about several pictures together."""


@dataclass(frozen=True, slots=True, eq=False)
class DatasetExamined(Event):
    """What a look at every single picture has found."""

    findings: tuple[Finding, ...]
    distinct: int
    """How many pictures there are without exact copies."""
    kept_share: float
    """Mean share of a picture's area that is used, 0 to 1: the rest is cut off."""


@dataclass(frozen=True, slots=True, eq=False)
class PicturesLoaded(Event):
    """Some pictures of a data set, as they lie in its cache."""

    cache: Path
    rows: Rows
    images: Images


@dataclass(frozen=True, slots=True, eq=False)
class OriginalLoaded(Event):
    """A picture of a data set before it is cropped, at a size that can be shown."""

    name: str
    image: Images
    """uint8 [H, W, 3]"""
    size: tuple[int, int]
    """Width and height of the file's own picture."""


@dataclass(frozen=True, slots=True)
class TrainingStarted(Event):
    run: str
    """The folder of the run."""
    step: int
    """0, or where the run is taken up again."""
    total_steps: int | None
    """Where the plan ends, if it ends at a step."""
    parameters: int
    device: str
    """The device in words, such as "CPU, 2 threads", in the language of whoever trained."""
    device_kind: str = ""
    """"cpu", "mps" or "cuda"."""


@dataclass(frozen=True, slots=True)
class StepDone(Event):
    """Means over all steps since the last StepDone."""

    step: int
    images: int
    """Pictures seen since the run began."""
    loss: float
    grad_norm: float
    learning_rate: float
    images_per_second: float
    seconds: float
    """Time spent training since this command or this click began, pauses left out."""
    fraction: float | None = None
    """How much of what was asked for is done, 0 to 1; None when the run has no end."""
    seconds_left: float | None = None
    spike: bool = False
    """The loss sticks out far from what was usual."""
    memory: int = 0
    """Bytes that the program holds, on a graphics card those that it has taken there; 0 where it is not known."""


@dataclass(frozen=True, slots=True)
class LossByNoise(Event):
    """The loss of the averaged weights, unweighted, on noisy pictures that are the same each time: a mean for each of a few
    equally wide bands of t, little noise first."""

    step: int
    training: tuple[float, ...]
    """On pictures that it learns from."""
    held_out: tuple[float, ...] = ()
    """On pictures that it never sees; empty where none are held out."""
    gap_error: float = 0.0
    """Standard error of the difference between the means of the two."""
    num_timesteps: int = 1000


@dataclass(frozen=True, slots=True)
class PreviewReady(Event):
    """Samples from noise that is the same at every preview."""

    step: int
    images: Images
    averaged: bool = True
    """Of the averaged (EMA) weights; False while the average holds too little of what was learnt."""
    raw: Images = field(default_factory=no_images)
    """What the weights themselves make of every second of these noises; empty where `images` are of them already."""
    walk: Images = field(default_factory=no_images)
    """How the first few pictures came about: the estimates of x_0 at some stages, noise first, uint8 [stages, pictures, H, W, C]."""


@dataclass(frozen=True, slots=True)
class FrameReady(Event):
    """One column of the filmstrip x_T -> x_0: the noisy pictures and what the network takes them for."""

    index: int
    count: int
    timestep: int
    """The t (0 ... T-1) that the network was called with; x_t is its input, pred_x_start its estimate of x_0."""
    x_t: Images
    pred_x_start: Images
    pred_noise: Images | None = None
    """What of x_t is not the estimate of x_0, at the contrast of x_t."""
    steps_left: int = 0
    """How many steps the way has from here to the picture, this one included; 0 where that is not told."""


@dataclass(frozen=True, slots=True)
class ImagesReady(Event):
    images: Images
    seeds: tuple[int, ...]
    model_step: int | None = None
    """How far the model was trained when it made them: a run in training makes others later."""
    timesteps: tuple[int, ...] = ()
    """Of a tree: where each row of pictures has branched off."""
    device: str = ""
    """The kind of the device that has made them ("cpu", "cuda", "mps"); on another the last bits may be others."""


@dataclass(frozen=True, slots=True)
class BatchReady(Event):
    """Pictures that are done while others of the same walk are still to come; in the end ImagesReady has them all."""

    images: Images
    seeds: tuple[int, ...]
    model_step: int | None = None
    device: str = ""


@dataclass(frozen=True, slots=True)
class Recreated(Event):
    """A picture was made again by its recipe, and compared with what it was."""

    values: int
    """How many numbers the picture consists of."""
    differing: int
    """How many of them are others now; 0: it is the same bit for bit."""
    largest: int
    """The largest difference, in grey levels."""
    model_step: int | None = None
    device: str = ""


@dataclass(frozen=True, slots=True)
class BlendReady(Event):
    """One blend; `latent_std` is the measured deviation of the noise in the mixture, `expected_std` what this way of
    mixing should give. The network was trained with 1."""

    weights: tuple[float, ...]
    """How much it holds of each picture."""
    timestep: int
    image: Images
    """uint8 [H, W, C]."""
    latent_std: float
    expected_std: float
    quick: bool = False
    model_step: int | None = None
    device: str = ""
    """The kind of the device that has made it."""

    @property
    def lam(self) -> float:
        """Lambda of two pictures; of more, the weight of the last."""
        return self.weights[-1]

    @property
    def facts(self) -> dict[str, Any]:
        """What its recipe says beside what was asked for."""
        share: dict[str, Any] = {"lam": self.lam} if len(self.weights) == 2 else {}
        if self.weights != (1 - self.lam, self.lam):
            share["weights"] = list(self.weights)  # all their digits: the picture is made again with them
        return {**share, "latent_std": self.latent_std, "model_step": self.model_step, "made_on": self.device}


@dataclass(frozen=True, slots=True)
class FilmSaved(Event):
    path: Path
    frames: int
    size: int
    """Bytes of the file."""


@dataclass(frozen=True, slots=True)
class Inverted(Event):
    """A picture, the noise that DDIM makes it of, and what it makes of that noise."""

    noise: Images
    """uint8 [H, W, C], at a contrast that shows it"""
    reconstruction: Images
    noise_std: float
    """Deviation of the noise: 1 is what the model was trained to start from."""
    rmse: float
    """Root of the mean squared error of the reconstruction, in grey levels (0 to 255)."""
    psnr: float
    """The same in decibels; infinite when there is none."""
    model_step: int | None = None
    x_T: Latent | None = None
    """The noise itself, float32 [C, H, W]: a picture can hold but an image of it."""


@dataclass(frozen=True, slots=True)
class LikelihoodReady(Event):
    """The variational bound: means over pictures, in bits per dimension."""

    pictures: int
    bits: float
    error: float | None
    """Standard error of the mean; None for a single picture."""
    prior: float
    """L_T"""
    between: float
    """L_1 to L_{T-1}"""
    decoder: float
    """L_0"""
    model_step: int | None = None


@dataclass(frozen=True, slots=True)
class BenchReady(Event):
    """How fast a preset is on this machine."""

    preset: str
    device: str
    gflop: float
    """Cost of one picture in training, forward and backward."""
    training_images_per_second: float
    training_gflops: float
    """GFLOP per second that training reaches."""
    convolution_gflops: float
    """The same for its convolutions alone: the ceiling."""
    training_share: float
    """Time of the convolutions alone over that of a whole step, 0 to 1."""
    sampling_seconds: float
    """For 16 pictures in 20 steps."""
    sampling_share: float


@dataclass(frozen=True, slots=True)
class BlockInfo:
    """One block of a U-Net. Shapes are (C, H, W); `level` is its row, 0 at the top."""

    name: str
    kind: str
    """stem, res, attention, down, up, head, skip (the linear path from input to output), time, fold or unfold."""
    side: str
    """stem, down, middle, up, head, time, fold or unfold."""
    level: int
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    parameters: int
    gmacs: float
    """Billions of multiply-adds for one picture, forward."""
    tokens: int = 0
    """How many vectors an attention block compares with each other; 0 for all other blocks."""
    variant: str = ""
    """Which way of several it works: residual blocks "plain" or "shortcut", downsampling "conv" or "average", upsampling "nearest" or "transposed"."""


@dataclass(frozen=True, slots=True)
class NetworkInfo:
    """A whole network: its blocks in the order in which a picture passes them."""

    blocks: tuple[BlockInfo, ...]
    parameters: int
    gmacs: float
    activations: int
    """Numbers held between forward and backward for one picture, roughly."""
    size_factor: int
    """What the sides of a picture must be divisible by."""
    time: BlockInfo | None = None
    """The embedding of t, beside the way of the picture."""
    folding: tuple[BlockInfo, ...] = ()
    """The picture folded into patches before the first block, and unfolded after the last; empty where it comes in as it is."""


@dataclass(frozen=True, slots=True)
class ArchitectureReady(Event):
    name: str
    network: NetworkInfo


@dataclass(frozen=True, slots=True)
class FeaturesReady(Event):
    """Some channels of what a block puts out for a picture at `timestep`."""

    block: str
    timestep: int
    first: int
    """The channel of the first map."""
    channels: int
    """How many the block has."""
    maps: Images
    """uint8 [N, H, W, 1]: 128 is zero, 1 and 255 are -spread and spread."""
    spread: float
    """The value that 99.5 % of all numbers of the block stay below."""


@dataclass(frozen=True, slots=True)
class ImageSaved(Event):
    path: Path


@dataclass(frozen=True, slots=True)
class CheckpointSaved(Event):
    step: int
    path: Path


@dataclass(frozen=True, slots=True)
class Paused(Event):
    pass


@dataclass(frozen=True, slots=True)
class Resumed(Event):
    pass


@dataclass(frozen=True, slots=True)
class Finished(Event):
    step: int = 0
    stopped: bool = False
    """True when it ended because somebody asked for it."""


@dataclass(frozen=True, slots=True)
class Failed(Event):
    message: str
    hint: str
    details: str = ""
    """The traceback, for a fault of ours; empty for a user's mistake."""
    kind: str = ""
    """The class of the error, for whoever can do something about one of them."""

    @classmethod
    def of(cls, error: BaseException) -> Failed:
        if known := as_user_error(error):
            return cls(known.message, known.hint, kind=type(known).__name__)
        details = "".join(traceback.format_exception(error))
        return cls(tr("Something went wrong inside DDPM Studio ({kind}).", kind=type(error).__name__), tr("Copy the details and send them to us; saved work is safe."), details)


_NAMES = {"StepDone": "step", "LossByNoise": "loss_by_noise", "PreviewReady": "preview", "CheckpointSaved": "checkpoint", "TrainingStarted": "started"}


def as_json(event: Event) -> str:
    """One line of JSON with the numbers and words of an event; pictures are left out."""
    fields = {f.name: getattr(event, f.name) for f in dataclasses.fields(event)}
    line: dict[str, Any] = {"event": _NAMES.get(type(event).__name__, type(event).__name__.lower())}
    for name, value in fields.items():
        if isinstance(value, np.ndarray):
            continue
        line[name] = dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else str(value) if isinstance(value, Path) else value
    return json.dumps(line, ensure_ascii=False)
