"""What a run must remember to go on as if it had never stopped, and the model file that others use.

Randomness is a function of (seed, step), so no generator has a state to save.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ddpm_studio.errors import UserError
from ddpm_studio.files import write_atomically
from ddpm_studio.model import save_model, write_tensors
from ddpm_studio.nn.unet import UNet

if TYPE_CHECKING:
    from ddpm_studio.config import RunConfig
    from ddpm_studio.runs import Run


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

    @classmethod
    def new(cls, config: RunConfig, device: torch.device, memory_format: torch.memory_format) -> TrainingState:
        """Weights from the run's seed, the same on every device; the average starts as a copy of them."""
        # Layers draw their first weights from the global generator; fork_rng gives it back to the others untouched.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.training.seed)
            net = UNet.of(config)
        net.use_checkpointing(config.training.gradient_checkpointing)
        ema = UNet.of(config)
        ema.load_state_dict(net.state_dict())
        net = net.to(device=device, memory_format=memory_format)  # type: ignore[call-overload]
        ema = ema.to(device=device, memory_format=memory_format).eval().requires_grad_(False)  # type: ignore[call-overload]
        settings = config.training
        optimizer = torch.optim.Adam(net.parameters(), lr=settings.learning_rate, betas=(0.9, settings.adam_beta2), eps=1e-8, fused=device.type in ("cpu", "cuda"))
        return cls(net, ema, optimizer)

    def tensors(self) -> dict[str, Tensor]:
        """Everything by name; saving and loading walk the same list."""
        named = {f"net.{name}": value for name, value in self.net.state_dict().items()}
        named |= {f"ema.{name}": value for name, value in self.ema.state_dict().items()}
        for name, parameter in self.net.named_parameters():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                named[f"adam.{key}.{name}"] = value
        return named


def save_checkpoint(run: Run, state: TrainingState, config: RunConfig, about: dict[str, Any]) -> None:
    """Write what resume needs, then the model (EMA weights), then the notes that lists of runs read.

    The counters are in the header of resume.safetensors, so they always belong to the tensors beside them.
    """
    notes = {"step": state.step, "images": state.images, "seconds": round(state.seconds, 3), **about}
    write_tensors(run.resume_file, state.tensors(), {"format": "ddpm-studio-resume", "notes": json.dumps(notes)})
    save_model(run.model_file, state.ema.state_dict(), config, {"step": state.step, "images": state.images})
    write_atomically(run.resume_notes, (json.dumps(notes, ensure_ascii=False, indent=2) + "\n").encode())


def save_milestone(run: Run, state: TrainingState, config: RunConfig) -> None:
    """A copy of the model (EMA weights) as it is now, which later saves leave alone."""
    save_model(run.milestone(state.step), state.ema.state_dict(), config, {"step": state.step, "images": state.images})


def load_checkpoint(run: Run, state: TrainingState) -> dict[str, Any]:
    """Fill a new state from the last save of a run, and return its notes.

    Raises UserError when there is no save, or it is damaged or belongs to another network.
    """
    hint = "Start a new run; the model that this one has saved can still be used."
    if not run.resume_file.is_file():
        raise UserError(f"The run {run.name} cannot be continued: it has not saved anything yet.", "Start it anew without --resume.")
    try:
        with safe_open(run.resume_file, framework="pt") as saved:
            notes = json.loads((saved.metadata() or {}).get("notes", "{}"))
            tensors = {name: saved.get_tensor(name) for name in saved.keys()}  # noqa: SIM118  (safe_open is no dict)
    except (SafetensorError, ValueError):
        raise UserError(f"The saved state of the run {run.name} is damaged.", hint) from None
    for prefix, module in (("net.", state.net), ("ema.", state.ema)):
        weights = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        expected = {name: value.shape for name, value in module.state_dict().items()}
        if {name: value.shape for name, value in weights.items()} != expected:
            raise UserError(f"The saved state of the run {run.name} does not fit its settings.", hint)
        module.load_state_dict(weights)
    for name, parameter in state.net.named_parameters():
        keys = {key: f"adam.{key}.{name}" for key in ("step", "exp_avg", "exp_avg_sq")}
        if all(key in tensors for key in keys.values()):
            # The step count stays on the CPU unless the fused CUDA kernel wants it beside the weights.
            state.optimizer.state[parameter] = {
                key: tensors[saved_name].to(parameter.device if key != "step" or parameter.device.type == "cuda" else "cpu") for key, saved_name in keys.items()
            }
    try:
        state.step, state.images, state.seconds = int(notes["step"]), int(notes["images"]), float(notes["seconds"])
    except (KeyError, TypeError, ValueError):
        raise UserError(f"The saved state of the run {run.name} is damaged.", hint) from None
    return dict(notes)
