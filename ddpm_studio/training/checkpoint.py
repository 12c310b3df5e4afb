"""What a run must remember to go on as if it had never stopped, and the model file that others use.

Randomness is a function of (seed, step), so no generator has a state to save.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ddpm_studio.config import RunConfig, parse_saved_config
from ddpm_studio.errors import DamagedFile, DiskTrouble, UserError
from ddpm_studio.files import previous_of, write_atomically
from ddpm_studio.language import later, tr
from ddpm_studio.model import save_model
from ddpm_studio.nn.unet import UNet
from ddpm_studio.recorded import Recorded
from ddpm_studio.runs import is_held
from ddpm_studio.tensor_files import read_tensors, write_tensors

if TYPE_CHECKING:
    from ddpm_studio.runs import Run


_START_ANEW = later("Start a new run; the model that this one has saved can still be used.")


@dataclass(slots=True)
class TrainingState:
    """Network, average, optimizer and counters of a run in progress."""

    net: UNet
    ema: UNet
    optimizer: torch.optim.Adam
    step: int = 0
    images: int = 0
    seconds: float = 0.0
    """Time spent training in all sessions, pauses left out."""
    rate_scale: float = 1.0
    """What the learning rate is multiplied by: less than 1 after a rescue from numbers that were not finite."""
    pieces: int = 1
    """In how many pieces a batch is computed at least, because it does not fit into the memory at once."""
    recorded: Recorded | None = None
    """A training step of these weights as an NVIDIA GPU replays it."""
    weights: list[nn.Parameter] = field(init=False)
    average: list[nn.Parameter] = field(init=False)
    """All parameters of `net` and of `ema`, in the same order: they never become others, and walking the modules takes time."""

    def __post_init__(self) -> None:
        self.weights, self.average = list(self.net.parameters()), list(self.ema.parameters())

    @classmethod
    def new(cls, config: RunConfig, device: torch.device) -> TrainingState:
        """Weights from the run's seed, the same on every device; the average starts as a copy of them."""
        # Layers draw their first weights from the global generator; fork_rng gives it back to the others untouched.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.training.seed)
            net = UNet.of(config)
        net.use_checkpointing(config.training.gradient_checkpointing)
        ema = UNet.of(config)
        ema.load_state_dict(net.state_dict())
        net, ema = net.to(device), ema.to(device).eval().requires_grad_(False)
        settings = config.training
        fused = device.type in ("cpu", "cuda", "mps")
        optimizer = torch.optim.Adam(net.parameters(), lr=settings.learning_rate, betas=(0.9, settings.adam_beta2), eps=1e-8, fused=fused)
        # Adam makes its moments in its first step; made here, a shortage of memory shows before anything is changed.
        for parameter in net.parameters():
            count = torch.zeros((), dtype=torch.float32, device=parameter.device if fused else "cpu")
            optimizer.state[parameter] = {"step": count, "exp_avg": torch.zeros_like(parameter), "exp_avg_sq": torch.zeros_like(parameter)}
        return cls(net, ema, optimizer)

    def take_weights(self, net: UNet) -> None:
        """Begin with the weights of a model that is trained already: for the network and for the average."""
        for mine in (self.net, self.ema):
            mine.load_state_dict(net.state_dict())

    def counters(self) -> dict[str, Any]:
        return {"step": self.step, "images": self.images, "seconds": round(self.seconds, 3), "rate_scale": self.rate_scale, "pieces": self.pieces}

    def set_counters(self, notes: dict[str, Any]) -> None:
        """Raises KeyError, TypeError or ValueError when these are not the notes of a save."""
        step, images, seconds = int(notes["step"]), int(notes["images"]), float(notes["seconds"])
        if min(step, images, seconds) < 0:
            raise ValueError("counters below 0")
        self.rate_scale, self.pieces = float(notes.get("rate_scale", 1.0)), max(1, int(notes.get("pieces", 1)))
        self.step, self.images, self.seconds = step, images, seconds

    @torch.no_grad()
    def is_finite(self) -> bool:
        """Whether everything that would be saved is made of numbers."""
        return all(bool(tensor.isfinite().all()) for tensor in self.tensors().values())

    def tensors(self) -> dict[str, Tensor]:
        """Everything by name; saving and loading walk the same list."""
        named = {f"net.{name}": value for name, value in self.net.state_dict().items()}
        named |= {f"ema.{name}": value for name, value in self.ema.state_dict().items()}
        for name, parameter in self.net.named_parameters():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                named[f"adam.{key}.{name}"] = value
        return named


def save_checkpoint(run: Run, state: TrainingState, config: RunConfig, about: dict[str, Any]) -> None:
    """Write what resume needs, then the model (EMA weights), then the notes that lists of runs read. The run must be locked.

    Each file is read back before it takes its place, and the one before it is kept. The counters are in the header of
    resume.safetensors, so they always belong to the tensors beside them.
    """
    if not is_held(run):
        raise DiskTrouble(tr("The folder of the run {name} is gone.", name=run.name), tr("Put it back where it was, and continue the run from its last save."))
    notes = {**state.counters(), **about}
    write_tensors(run.resume_file, state.tensors(), {"format": "ddpm-studio-resume", "config": config.model_dump_json(), "notes": json.dumps(notes)}, keep_previous=True)
    save_model(run.model_file, state.ema.state_dict(), config, {"step": state.step, "images": state.images}, keep_previous=True)
    write_notes(run, notes)


def write_notes(run: Run, notes: dict[str, Any]) -> None:
    write_atomically(run.resume_notes, (json.dumps(notes, indent=2) + "\n").encode())  # in ASCII: a path may hold bytes that are no text


def save_milestone(run: Run, state: TrainingState, config: RunConfig) -> None:
    """A copy of the model (EMA weights) as it is now, which later saves leave alone; the budget of the settings decides how many stay."""
    if not is_held(run):
        raise DiskTrouble(tr("The folder of the run {name} is gone.", name=run.name), tr("Put it back where it was."))
    save_model(run.milestone(state.step), state.ema.state_dict(), config, {"step": state.step, "images": state.images})
    if config.training.milestones_mb is not None:
        thin_out(run.milestone(0).parent, config.training.milestones_mb * 10**6)


def thin_out(folder: Path, budget: int, pattern: str = "step_*.safetensors", beside: tuple[str, ...] = ()) -> None:
    """Remove milestones (or previews) until the rest takes at most `budget` bytes: always the one whose neighbours are nearest to each
    other, so that what stays is spread evenly over the run. The newest stays in any case, and so does what cannot be removed.
    What lies beside a file under another prefix than step_ counts and goes with it."""
    with contextlib.suppress(OSError):
        kept = sorted(folder.glob(pattern))
        groups = {file: [file, *(other for name in beside if (other := file.with_name(file.name.replace("step_", name, 1))).is_file())] for file in kept}
        sizes = {file: sum(one.stat().st_size for one in group) for file, group in groups.items()}
        steps = {file: int(file.stem.removeprefix("step_")) for file in kept}
        while len(kept) > 1 and sum(sizes[file] for file in kept) > budget:
            before = [-1, *(steps[file] for file in kept)]
            gaps = [steps[after] - before[index] for index, after in enumerate(kept[1:])]
            for file in groups[kept.pop(gaps.index(min(gaps)))]:
                file.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Saved:
    """A whole save, read from the disk."""

    config: RunConfig
    notes: dict[str, Any]
    tensors: dict[str, Tensor]
    """Empty when the run never came to a save: it then begins at its beginning, which is the same."""
    remarks: tuple[str, ...]
    """What people should know, a sentence each."""


def read_checkpoint(run: Run) -> Saved:
    """The last whole save of a run. A damaged one is named, and the one before it takes its place.

    Only the process that holds the run's lock may call this. Raises UserError when no save is whole.
    """
    remarks = [
        tr("{file} of the run {name} is {state}: the save before it is used.", file=file.name, name=run.name, state=tr(state))
        for file in (run.resume_file, run.model_file)
        if (state := _restored(file))
    ]
    for small in (run.config_file, run.resume_notes):
        if not _is_json(small):
            remarks.append(tr("{file} of the run {name} is damaged or missing: what the save itself says is used.", file=small.name, name=run.name))
    if not run.resume_file.is_file():
        others = (previous_of(run.resume_file), run.model_file, previous_of(run.model_file))
        if any(file.is_file() for file in others) or run.read_notes().get("step"):
            raise UserError(tr("The saved state of the run {name} is gone or damaged.", name=run.name), tr(_START_ANEW))
        remarks.append(tr("The run {name} had not saved anything yet: it begins at its beginning.", name=run.name))
        return Saved(run.read_config(), run.read_notes(), {}, tuple(remarks))
    try:
        tensors, header = read_tensors(run.resume_file, needs_checksum=True)
        config, notes = json.loads(header["config"]), dict(json.loads(header["notes"]))
    except DamagedFile:
        raise UserError(tr("The saved state of the run {name} is damaged.", name=run.name), tr(_START_ANEW)) from None
    except (KeyError, TypeError, ValueError, RecursionError):
        raise UserError(tr("The saved state of the run {name} is of another version of DDPM Studio.", name=run.name), tr(_START_ANEW)) from None
    return Saved(parse_saved_config(config), notes, tensors, tuple(remarks))


def restore(state: TrainingState, saved: Saved, name: str) -> None:
    """Fill a new state from a save of the run called `name`. Raises UserError when it belongs to another network."""
    tensors = saved.tensors
    if not tensors:
        return
    for prefix, module in (("net.", state.net), ("ema.", state.ema)):
        weights = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        expected = {name: value.shape for name, value in module.state_dict().items()}
        if {name: value.shape for name, value in weights.items()} != expected:
            raise UserError(tr("The saved state of the run {name} does not fit its settings.", name=name), tr(_START_ANEW))
        module.load_state_dict(weights)
    for parameter_name, parameter in state.net.named_parameters():
        keys = {key: f"adam.{key}.{parameter_name}" for key in ("step", "exp_avg", "exp_avg_sq")}
        shapes = {key: tensors[name].shape for key, name in keys.items() if name in tensors}
        if shapes != {"step": torch.Size(), "exp_avg": parameter.shape, "exp_avg_sq": parameter.shape}:
            raise UserError(tr("The saved state of the run {name} does not fit its settings.", name=name), tr(_START_ANEW))
        with torch.no_grad():
            for key, saved_name in keys.items():
                state.optimizer.state[parameter][key].copy_(tensors[saved_name])
    try:
        state.set_counters(saved.notes)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise UserError(tr("The saved state of the run {name} is of another version of DDPM Studio.", name=name), tr(_START_ANEW)) from None


def mend_model(run: Run, state: TrainingState, config: RunConfig) -> None:
    """Write the model anew when it is not of the state that was restored: a crash may have come between the two files of a save."""
    if not state.step:
        return
    try:
        if run.model_file.is_file() and json.loads(read_tensors(run.model_file, needs_checksum=True)[1]["notes"])["step"] == state.step:
            return
    except (UserError, KeyError, TypeError, ValueError):
        pass
    save_model(run.model_file, state.ema.state_dict(), config, {"step": state.step, "images": state.images}, keep_previous=True)


def _is_json(file: Path) -> bool:
    try:
        json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return True


def _restored(file: Path) -> str:
    """What a file was, "damaged" or "missing", when the one before it has taken its place; else nothing."""
    previous = previous_of(file)
    if not previous.is_file():
        return ""
    state = later("damaged") if file.is_file() else later("missing")
    try:
        if file.is_file():
            read_tensors(file, needs_checksum=True)
            return ""
    except DamagedFile:
        pass
    try:
        read_tensors(previous, needs_checksum=True)
    except DamagedFile:
        return ""
    os.replace(previous, file)
    return state
