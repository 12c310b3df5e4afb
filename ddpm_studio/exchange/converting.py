"""`import` and `export`: from whatever a source is to a model of ours, and back out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ddpm_studio.config import RunConfig
from ddpm_studio.errors import UserError
from ddpm_studio.exchange import annotated, diffusers_layout, lucidrains
from ddpm_studio.exchange.reading import PICKLED, read_shapes, read_tensors
from ddpm_studio.language import later, tr
from ddpm_studio.models import MODEL_FILE, check_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from ddpm_studio.model import Model

_UNDERSTOOD = later("Give a diffusers folder, or a checkpoint (.safetensors, .pt) of the annotated implementation.")


@dataclass(frozen=True, slots=True)
class Imported:
    """A model that came from elsewhere."""

    kind: str
    """diffusers or annotated."""
    config: RunConfig
    weights: dict[str, Tensor]
    remarks: tuple[str, ...]
    """What the user should know about it, a sentence each."""


def read_source(source: Path, image_size: int | None = None) -> Imported:
    """A model in one of the known layouts; `image_size` where the files do not tell the size of the pictures, or another is wanted.

    Raises UserError that names the first thing which does not fit.
    """
    if source.is_dir():
        if not diffusers_layout.recognise(source):
            raise UserError(tr("The folder {name!r} is not in the layout of diffusers.", name=source.name), tr(_UNDERSTOOD))
        return Imported("diffusers", *diffusers_layout.read_folder(source, image_size))
    if not source.is_file():
        raise UserError(
            tr("There is no file or folder {source!r}.", source=str(source)),
            tr("Give a diffusers folder, or a checkpoint (.safetensors, .pt) of the annotated implementation. What lies on a server has to be fetched first."),
        )
    if source.suffix not in (".safetensors", *PICKLED):
        raise UserError(tr("{name} is no kind of checkpoint that is known here.", name=source.name), tr(_UNDERSTOOD))
    if source.suffix == ".safetensors":
        _check_layout(source, read_shapes(source))  # before torch is loaded, which takes seconds
    tensors = read_tensors(source)
    _check_layout(source, {name: tuple(tensor.shape) for name, tensor in tensors.items()})
    return Imported("annotated", *annotated.convert(tensors, image_size), annotated.REMARKS)


def _check_layout(source: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises UserError unless these are the tensors of the annotated implementation: the only layout of a single file."""
    if annotated.recognise(shapes):
        return
    if lucidrains.recognise(shapes):
        lucidrains.refuse(shapes)
    if "conv_in.weight" in shapes:
        raise UserError(tr("{name} holds the weights of a diffusers model, but not its settings.", name=source.name), tr("Give the folder that it came in."))
    if "stem.weight" in shapes:
        raise UserError(tr("{name} is a model of DDPM Studio already.", name=source.name), tr("Use it as it is: `ddpm-studio generate` takes it."))
    raise UserError(tr("The weights in {name} belong to no network that is known here.", name=source.name), tr(_UNDERSTOOD))


def import_model(source: Path, out: Path, image_size: int | None = None) -> tuple[Imported, Path]:
    """Make a model of ours, and say which file it is: `out` itself where that ends in .safetensors, or one in the folder `out`."""
    refuse_existing(out)
    found = read_source(source, image_size)
    from ddpm_studio.model import save_model

    file = out if out.suffix == ".safetensors" else out / MODEL_FILE
    save_model(file, found.weights, found.config, {"imported_from": found.kind})
    return found, file


def export_model(model: str | Path, out: Path) -> Model:
    """Write a model of ours as a diffusers folder."""
    refuse_existing(out)
    check_model(model)  # before torch is loaded
    from ddpm_studio.model import Model

    loaded = Model.load(model)
    diffusers_layout.write_folder(loaded, out)
    return loaded


def refuse_existing(out: Path) -> None:
    if out.exists() or out.is_symlink():
        raise UserError(tr("{name!r} exists already.", name=out.name), tr("Choose another name with --out, or move it away; nothing is written over."))
