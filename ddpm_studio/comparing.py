"""Two runs side by side: what was set differently, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ddpm_studio.config import SECTIONS, RunConfig
from ddpm_studio.events import Event, LossByNoise, StepDone
from ddpm_studio.files import whole_number
from ddpm_studio.journal import JournalReader
from ddpm_studio.runs import Run

LAST_REPORTS = 50
"""Whose mean is the loss that a run ended with."""


@dataclass(frozen=True, slots=True)
class RunRead(Event):
    """All that is known about how a run went."""

    name: str
    config: RunConfig
    steps: tuple[StepDone, ...]
    measures: tuple[LossByNoise, ...]
    step: int
    images: int
    seconds: float
    """Spent training, in all sessions."""
    data: str = ""
    """Name of the data set; empty before the run was saved for the first time."""
    pictures: int = 0
    fingerprint: str = ""
    """Of the pictures: sets of one name and size need not be the same."""

    @property
    def end_loss(self) -> float | None:
        last = [step.loss for step in self.steps[-LAST_REPORTS:]]
        return sum(last) / len(last) if last else None

    @property
    def end_means(self) -> tuple[float | None, float | None]:
        """The last loss on training pictures and on held-out ones, over all noise levels."""
        if not self.measures:
            return None, None
        training, held_out = self.measures[-1].training, self.measures[-1].held_out
        return sum(training) / len(training), sum(held_out) / len(held_out) if held_out else None


def read_run(run: Run) -> RunRead:
    """Raises UserError when its settings cannot be read."""
    events = JournalReader(run).read_new()
    notes = run.read_notes()
    seconds = notes.get("seconds")
    steps, measures = tuple(event for event in events if isinstance(event, StepDone)), tuple(event for event in events if isinstance(event, LossByNoise))
    spent = float(seconds) if isinstance(seconds, (int, float)) and 0 <= seconds < 1e12 else 0.0
    data, fingerprint = (str(notes.get(key) or "") for key in ("data", "fingerprint"))
    done = whole_number(notes.get("step")), whole_number(notes.get("images")), spent
    return RunRead(run.name, run.read_config(), steps, measures, *done, data, whole_number(notes.get("pictures")), fingerprint)


def differing_settings(a: RunConfig, b: RunConfig) -> list[tuple[str, Any, Any]]:
    """The settings that are not the same: their names `section.field`, and both values."""
    found = []
    for section, kind in SECTIONS.items():
        for field in kind.model_fields:
            one, other = getattr(getattr(a, section), field), getattr(getattr(b, section), field)
            if one != other:
                found.append((f"{section}.{field}", one, other))
    return found


def is_one_data(a: RunRead, b: RunRead) -> bool:
    """Whether both learnt from the same pictures, as far as is known."""
    if a.fingerprint and b.fingerprint:
        return a.fingerprint == b.fingerprint
    return (a.data, a.pictures) == (b.data, b.pictures)


def is_one_loss(a: RunConfig, b: RunConfig) -> bool:
    """Whether the losses of two runs mean the same, so that the lower one is the better one."""
    without = {"clip_x_start": True} | ({"min_snr_gamma": 1.0, "min_snr_floor": 0.0} if a.diffusion.loss_weighting == "simple" else {})
    return a.data.shape == b.data.shape and a.diffusion.learnt.model_copy(update=without) == b.diffusion.learnt.model_copy(update=without)
