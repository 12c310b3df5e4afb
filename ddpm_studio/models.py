"""Which models there are: those that ship with the program, and those of the runs. Loads no torch."""

from __future__ import annotations

import contextlib
import difflib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from ddpm_studio import paths
from ddpm_studio.checksums import matches_checksum
from ddpm_studio.config import RunConfig, parse_saved_config
from ddpm_studio.errors import DamagedFile, UserError, describe_os_error
from ddpm_studio.files import check_header_size, previous_of, whole_number
from ddpm_studio.language import later, tr
from ddpm_studio.requests import model_name
from ddpm_studio.runs import Run, find_run, list_runs, run_once_called
from ddpm_studio.tensor_layout import tensor_layout

MODEL_FILE = "model.safetensors"
FORMAT_VERSION = 1
_NUMPY_KNOWS = ("F16", "F32", "F64")
_FLOATS = (*_NUMPY_KNOWS, "BF16", "F8_E4M3", "F8_E5M2")
_GIVE_ANOTHER = later("Give a model folder, a run folder, a .safetensors file made by DDPM Studio, or the name of a shipped model.")


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that can be chosen; `label` is what people read."""

    name: str
    path: Path
    label: str
    shape: tuple[int, int, int]
    """Height, width and channels of its pictures."""
    num_timesteps: int
    background: str
    former: tuple[str, ...] = ()
    """What it was called before; another one may be called so now."""


def list_models(also: Path | None = None) -> list[ModelInfo]:
    """Shipped models first, then those of the runs, newest first, then `also`; unreadable ones are left out."""
    shipped = sorted(paths.models_dir().glob(f"*/{MODEL_FILE}")) if paths.models_dir().is_dir() else []
    found: list[tuple[Path, str, tuple[str, ...]]] = [(path, tr("{name} (shipped)", name=path.parent.name), ()) for path in shipped]
    found += [(info.run.model_file, info.run.name, info.remarks.former) for info in list_runs() if info.has_model]
    if also and all(path != also for path, _, _ in found):
        found.append((also, _name(also), ()))
    models = []
    for path, label, former in found:
        try:
            config, notes = read_header(path)
        except UserError:
            continue
        step = whole_number(notes.get("step"))
        models.append(
            ModelInfo(
                _name(path),
                path,
                tr("{name} · {width} x {height} · step {step:,}", name=label, width=config.data.shape[1], height=config.data.shape[0], step=step),
                config.data.shape,
                config.diffusion.num_timesteps,
                config.data.background,
                former,
            )
        )
    return models


def _name(file: Path) -> str:
    return file.parent.name if file.name == MODEL_FILE else file.stem


@dataclass(frozen=True, slots=True)
class GuideInfo:
    """A worse model that can guide another; `name` is what it can be asked for by."""

    name: str
    path: Path
    step: int
    milestone: bool
    """An earlier state of the same run, which guides best."""


def terms(config: RunConfig) -> tuple[object, ...]:
    """What two models must have in common for one to guide the other: their answers are then about the same noise."""
    diffusion = config.diffusion
    return config.data.shape, diffusion.num_timesteps, diffusion.beta_schedule, diffusion.zero_terminal_snr, diffusion.prediction_type


def list_guides(model: Path) -> list[GuideInfo]:
    """Who can guide a model (autoguidance): earlier states of its run, the latest first, then runs on pictures of the same
    name that have seen fewer of them. Raises UserError when the model cannot be read."""
    config, notes = read_header(model)
    run = run_of(model)
    step, images = whole_number(notes.get("step")), whole_number(notes.get("images"))
    guides = []
    for file in sorted(run.milestone(0).parent.glob("step_*.safetensors"), reverse=True):
        guides += _as_guide(file, config, lambda found: whole_number(found.get("step")) < step, milestone=True)
    data = run.read_notes().get("data") if run.exists else None
    for info in list_runs() if data else ():
        if info.data == data and info.has_model and info.run.path != run.path:
            guides += _as_guide(info.run.model_file, config, lambda found: whole_number(found.get("images")) < images)
    return guides


def _as_guide(file: Path, config: RunConfig, weaker: Callable[[dict[str, Any]], bool], milestone: bool = False) -> list[GuideInfo]:
    with contextlib.suppress(UserError):
        found, notes = read_header(file)
        if terms(found) == terms(config) and weaker(notes):
            return [GuideInfo(model_name(file), file, whole_number(notes.get("step")), milestone)]
    return []


def find_model(path_or_name: str | Path) -> Path:
    """The file behind a model folder, a run folder, a `.safetensors` file, the name of a run or of a shipped model; with
    @STEP behind a run, that of its milestone. Where nothing is called so now, a name that a run had before counts."""
    path = Path(path_or_name).expanduser()
    if whole := there(path):
        return whole
    name, at, step = str(path_or_name).rpartition("@")
    for find in (find_run, run_once_called) if at and step.isdecimal() else ():
        if (run := find(name)) and (milestone := run.milestone(int(step))).is_file():
            return milestone
    names = [path, *([paths.runs_dir() / path, paths.models_dir() / path] if len(path.parts) == 1 and not path.is_absolute() else [])]
    for folder in names:
        if whole := there(folder / MODEL_FILE):
            return whole
    if (run := run_once_called(str(path_or_name))) and (whole := there(run.model_file)):
        return whole
    if path.is_dir():
        raise UserError(
            tr("There is no model in the folder {name!r}.", name=path.name or str(path)),
            tr("A run has one after its first save; or give a model folder, a run folder, a .safetensors file made by DDPM Studio, or the name of a shipped model."),
        )
    known = list(dict.fromkeys(info.name for info in list_models()))
    message, listed = tr("There is no model called {name!r}.", name=str(path_or_name)), ", ".join(known) or tr("none yet")
    if close := difflib.get_close_matches(str(path_or_name), known, n=1):
        raise UserError(message, tr("Did you mean {name}?", name=close[0]))
    raise UserError(
        message,
        tr("Give a model folder, a run folder, a .safetensors file made by DDPM Studio, or the name of a shipped model. Known names: {names}.", names=listed),
    )


def run_of(model: Path) -> Run:
    """The run that a model file, or a milestone, lies in; whether there is one says `exists`."""
    return Run(model.parent.parent if model.parent.name == "milestones" else model.parent)


def there(file: Path) -> Path | None:
    """The file, or the save before it when a crash has left only that."""
    return next((path for path in (file, previous_of(file)) if path.is_file()), None) if file.name else None


def read_header(file: Path) -> tuple[RunConfig, dict[str, Any]]:
    """Settings and notes (step, images) of a model file; no weights are read. Of a damaged one in a run, those of the
    save before it.

    Raises UserError when the file is not a model of ours, is damaged, or is of a newer format.
    """
    try:
        return read_sound_header(file)
    except UserError:
        if previous_of(file).is_file():
            return read_header(previous_of(file))
        raise


def read_sound_header(file: Path) -> tuple[RunConfig, dict[str, Any]]:
    """As `read_header`, of this file alone, of which it also checks that its tensors are those of the network of its settings."""
    try:
        check_header_size(file)
        with safe_open(file, framework="np") as tensors:
            config, notes = _parse(file, dict(tensors.metadata() or {}))
            slices = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118  (safe_open is no dict)
            found = {name: tuple(part.get_shape()) for name, part in slices.items() if part.get_dtype() in _FLOATS}
    except SafetensorError:
        raise DamagedFile(tr("{name} is not a model file, or it is damaged.", name=file.name), tr(_GIVE_ANOTHER)) from None
    except OSError as error:
        raise describe_os_error(error, tr("open {name}", name=file.name)) from error
    expected = tensor_layout(config)
    misfits = sorted(name for name in expected.keys() | slices.keys() if found.get(name) != expected.get(name))
    if misfits:
        raise UserError(
            tr("The weights in {name} do not fit its settings: {tensor}.", name=file.name, tensor=misfits[0][:80]),
            tr("The file was altered; use an earlier copy of it, or train again."),
        )
    return config, notes


def check_model(path_or_name: str | Path) -> RunConfig:
    """The settings of a model that is whole, told without torch: its header, the names, shapes and types of its tensors, its
    checksum, and that its weights are numbers. Of a damaged one in a run, those of the save before it.

    Raises UserError as `Model.load` would, seconds earlier.
    """
    file = find_model(path_or_name)
    config, _ = read_header(file)
    if previous_of(file).is_file():
        return config  # there is something to fall back on, which is told when the model is loaded
    try:
        if matches_checksum(file) is False:
            raise DamagedFile(tr("{name} is damaged: its content does not match its checksum.", name=file.name), tr(_GIVE_ANOTHER))
        with safe_open(file, framework="np") as tensors:
            for name in tensors.keys():  # noqa: SIM118  (safe_open is no dict)
                if tensors.get_slice(name).get_dtype() in _NUMPY_KNOWS and not np.isfinite(tensors.get_tensor(name)).all():
                    raise UserError(
                        tr("The weights in {name} are not finite numbers ({tensor}).", name=file.name, tensor=name[:80]),
                        tr("The training that they come from had failed: use an earlier copy."),
                    )
    except OSError as error:
        raise describe_os_error(error, tr("open {name}", name=file.name)) from error
    except SafetensorError:
        raise DamagedFile(tr("{name} is not a model file, or it is damaged.", name=file.name), tr(_GIVE_ANOTHER)) from None
    return config


def starting_settings(path_or_name: str | Path) -> RunConfig:
    """The settings of a run that starts from a model: all that the model has, but no planned end; and how many pictures are
    held out is settled when it is known which there are."""
    config = read_header(find_model(path_or_name))[0]
    return config.with_changes({"training.total_steps": None, "training.held_out": None})


def _parse(file: Path, header: dict[str, str]) -> tuple[RunConfig, dict[str, Any]]:
    """What the header of a model file says. Raises UserError, and DamagedFile where it was altered."""
    if header.get("format") != "ddpm-studio":
        raise UserError(tr("{name} holds weights, but was not made by DDPM Studio.", name=file.name), tr(_GIVE_ANOTHER))
    if header.get("format_version") != str(FORMAT_VERSION):
        raise UserError(tr("{name} was made by a newer version of DDPM Studio.", name=file.name), tr("Update DDPM Studio to open it."))
    try:
        config, notes = json.loads(header["config"]), json.loads(header.get("notes", "{}"))
    except (KeyError, ValueError, RecursionError):
        raise DamagedFile(tr("The settings stored in {name} are damaged.", name=file.name), tr(_GIVE_ANOTHER)) from None
    return parse_saved_config(config), notes if isinstance(notes, dict) else {}
