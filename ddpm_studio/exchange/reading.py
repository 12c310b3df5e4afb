"""Files of unknown origin: settings and tensors, and never any code.

Safetensors hold numbers only. PyTorch's own files are pickles, which may hold programs: they are opened by its reader
for weights, which makes tensors and plain containers and refuses all else.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ddpm_studio.errors import UserError, describe_os_error

PICKLED = (".bin", ".pt", ".pth", ".ckpt")
_WRAPPERS = ("ema", "model", "state_dict", "model_state_dict", "eps_model", "net")
_FETCH_AGAIN = "Fetch it again from where it came from."


def quote(value: object, most: int = 80) -> str:
    """Something out of a stranger's file for a message: as their files write it, on one line, short, and without control characters."""
    if isinstance(value, (tuple, list)):
        text = ", ".join(quote(part) for part in value[:20]) or "an empty list"
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
        raise describe_os_error(error, f"open {file.name}") from error
    except (ValueError, RecursionError):
        raise UserError(f"{file.name} is damaged.", _FETCH_AGAIN) from None
    if not isinstance(values, dict):
        raise UserError(f"{file.name} holds no settings.", _FETCH_AGAIN)
    return values


def read_tensors(file: Path) -> dict[str, Tensor]:
    """The weights in a safetensors file or in a checkpoint of PyTorch, by name, on the CPU.

    Nothing is believed but what fits into the file: safetensors are checked against its length, and PyTorch's are
    mapped into memory rather than read, so that no declared size is ever allocated.
    """
    try:
        return load_file(file) if file.suffix == ".safetensors" else _read_pickled(file)
    except OSError as error:
        raise describe_os_error(error, f"open {file.name}") from error
    except SafetensorError:
        raise UserError(f"{file.name} is not a safetensors file, or it is damaged.", _FETCH_AGAIN) from None


def _read_pickled(file: Path) -> dict[str, Tensor]:
    if not zipfile.is_zipfile(file):
        raise UserError(f"{file.name} is not a checkpoint that PyTorch wrote since version 1.6, or it is damaged.", "Load it with PyTorch and save it anew, or fetch it again.")
    try:
        with zipfile.ZipFile(file) as archive:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise ValueError("compressed entries, which PyTorch never writes")
        loaded = torch.load(str(file), map_location="cpu", weights_only=True, mmap=True)
    except OSError:
        raise
    except Exception:  # whatever a damaged or malicious file may provoke
        raise UserError(
            f"{file.name} holds more than weights, or it is damaged.",
            "Only weights are opened, because other things in such files can be programs; ask for a safetensors file.",
        ) from None
    weights = _weights_in(loaded)
    if not weights:
        raise UserError(f"{file.name} holds no weights.", "Give a checkpoint that holds the network's state_dict.")
    return weights


def _weights_in(loaded: object, depth: int = 0) -> dict[str, Tensor]:
    """The dictionary of tensors: the file's own, or what stands in it under one of the names that training programs use."""
    if not isinstance(loaded, dict) or depth > 3:
        return {}
    if all(isinstance(name, str) and isinstance(value, Tensor) for name, value in loaded.items()):
        return loaded
    return next((found for name in _WRAPPERS if (found := _weights_in(loaded.get(name), depth + 1))), {})
