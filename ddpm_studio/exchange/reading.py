"""Files of unknown origin: settings and tensors, and never any code. What can be refused is refused before torch is loaded.

Safetensors hold numbers only. PyTorch's own files are pickles, which may hold programs: they are opened by its reader
for weights, which makes tensors and plain containers and refuses all else.
"""

from __future__ import annotations

import json
import pickletools
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from ddpm_studio.errors import DamagedFile, UserError, describe_os_error
from ddpm_studio.files import check_header_size
from ddpm_studio.language import later, tr

if TYPE_CHECKING:
    from torch import Tensor

PICKLED = (".bin", ".pt", ".pth", ".ckpt")
_WRAPPERS = ("ema", "model", "state_dict", "model_state_dict", "eps_model", "net")
_HARMLESS = {"_codecs encode", *(f"{module} {name}" for module in ("__builtin__", "builtins") for name in ("set", "bytearray", "complex"))}
MOST_PICKLED = 4 * 2**20
"""Names, shapes and settings of a large network take some hundred kilobytes; the numbers themselves lie beside them."""
_FETCH_AGAIN = later("Fetch it again from where it came from.")


def quote(value: object, most: int = 80) -> str:
    """Something out of a stranger's file for a message: as their files write it, on one line, short, and without control characters."""
    if isinstance(value, (tuple, list)):
        text = ", ".join(quote(part) for part in value[:20]) or tr("an empty list")
    else:
        text = json.dumps(value) if value is None or isinstance(value, bool) else str(value)
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= most else f"{text[:most]}..."


def read_json(file: Path) -> dict[str, Any]:
    """The settings in a small JSON file. Raises UserError when it is not one."""
    try:
        with file.open("rb") as opened:
            values = json.loads(opened.read(2**20))
    except OSError as error:
        raise describe_os_error(error, tr("open {name}", name=file.name)) from error
    except (ValueError, RecursionError):
        raise UserError(tr("{name} is damaged.", name=file.name), tr(_FETCH_AGAIN)) from None
    if not isinstance(values, dict):
        raise UserError(tr("{name} holds no settings.", name=file.name), tr(_FETCH_AGAIN))
    return values


def read_shapes(file: Path) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor in a safetensors file, by name; none is read. Raises UserError when it is not one."""
    try:
        check_header_size(file)
        with safe_open(file, framework="np") as opened:
            return {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118  (safe_open is no dict)
    except OSError as error:
        raise describe_os_error(error, tr("open {name}", name=file.name)) from error
    except (SafetensorError, DamagedFile):
        raise UserError(tr("{name} is not a safetensors file, or it is damaged.", name=file.name), tr(_FETCH_AGAIN)) from None


def check_file(file: Path) -> None:
    """Raises UserError for a file of weights of which can be told without torch that it is none."""
    if file.suffix == ".safetensors":
        read_shapes(file)
    else:
        _check_pickled(file)


def read_tensors(file: Path) -> dict[str, Tensor]:
    """The weights in a safetensors file or in a checkpoint of PyTorch, by name, on the CPU.

    Nothing is believed but what fits into the file: safetensors are checked against its length, and PyTorch's are
    mapped into memory rather than read, so that no declared size is ever allocated.
    """
    check_file(file)
    from safetensors.torch import load_file

    try:
        return load_file(file) if file.suffix == ".safetensors" else _read_pickled(file)
    except OSError as error:
        raise describe_os_error(error, tr("open {name}", name=file.name)) from error
    except (SafetensorError, KeyError, AttributeError):  # the last two: dtypes that torch does not know
        raise UserError(tr("{name} is not a safetensors file, or it is damaged.", name=file.name), tr(_FETCH_AGAIN)) from None


def _check_pickled(file: Path) -> None:
    try:
        if not zipfile.is_zipfile(file):
            raise UserError(
                tr("{name} is not a checkpoint that PyTorch wrote since version 1.6, or it is damaged.", name=file.name),
                tr("Load it with PyTorch and save it anew, or fetch it again."),
            )
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):  # PyTorch never writes such
                raise _more_than_weights(file)
            pickles = [entry for entry in entries if entry.filename.rpartition("/")[2] == "data.pkl"]
            if len(pickles) != 1 or pickles[0].file_size > MOST_PICKLED or _asks_for_strangers(archive.read(pickles[0])):
                raise _more_than_weights(file)
    except OSError as error:
        raise describe_os_error(error, tr("open {name}", name=file.name)) from error
    except UserError:
        raise
    except Exception:  # whatever a damaged or malicious file may provoke
        raise _more_than_weights(file) from None


def _asks_for_strangers(pickled: bytes) -> bool:
    """Whether a pickle names something outside torch and the standard containers. That it does not proves nothing: what it
    may make is for torch's reader of weights to decide. It only spares the wait for torch."""
    named = (str(what) for op, what, _ in pickletools.genops(pickled) if op.name == "GLOBAL")
    return any(not name.startswith(("torch", "collections ")) and name not in _HARMLESS for name in named)


def _more_than_weights(file: Path) -> UserError:
    hint = tr("Only weights are opened, because other things in such files can be programs; ask for a safetensors file.")
    return UserError(tr("{name} holds more than weights, or it is damaged.", name=file.name), hint)


def _read_pickled(file: Path) -> dict[str, Tensor]:
    import torch

    try:
        loaded = torch.load(str(file), map_location="cpu", weights_only=True, mmap=True)
    except OSError:
        raise
    except Exception:  # whatever a damaged or malicious file may provoke
        raise _more_than_weights(file) from None
    weights = _weights_in(loaded)
    if not weights:
        raise UserError(tr("{name} holds no weights.", name=file.name), tr("Give a checkpoint that holds the network's state_dict."))
    return weights


def _weights_in(loaded: object, depth: int = 0) -> dict[str, Tensor]:
    """The dictionary of tensors: the file's own, or what stands in it under one of the names that training programs use."""
    from torch import Tensor

    if not isinstance(loaded, dict) or depth > 3:
        return {}
    if all(isinstance(name, str) and isinstance(value, Tensor) for name, value in loaded.items()):
        return loaded
    return next((found for name in _WRAPPERS if (found := _weights_in(loaded.get(name), depth + 1))), {})
