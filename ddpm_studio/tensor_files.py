"""Safetensors files with a checksum: written whole or not at all, and noticed when they were altered afterwards.

The checksum is in the header and covers the rest of the header and every tensor. It tells a rotten disk from a whole
file; it is no signature, and says nothing about who wrote the file.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ddpm_studio.checksums import CHECKSUM
from ddpm_studio.errors import DamagedFile, DiskTrouble, describe_os_error
from ddpm_studio.files import check_header_size, previous_of, replace_atomically
from ddpm_studio.language import later, tr

_USE_ANOTHER = later("Give a model folder, a run folder or a .safetensors file made by DDPM Studio; of a damaged one use an earlier copy.")


def write_tensors(file: Path, tensors: Mapping[str, Tensor], header: Mapping[str, str], keep_previous: bool = False, with_checksum: bool = True) -> None:
    """Write tensors, and `header` with the checksum added (files for other programs go `with_checksum` False). The new file is
    read back before it takes the old one's place; with `keep_previous` the old one stays beside it, where `previous_of` says.

    Raises UserError when it cannot be written, or not be read back as it was; what was there before is then untouched.
    """
    copies = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    header = {**header, CHECKSUM: checksum(copies, header)} if with_checksum else dict(header)

    def write(temporary: Path) -> None:
        temporary.touch()
        mode = temporary.stat().st_mode  # as this process makes files; safetensors makes them for the owner alone
        try:
            save_file(copies, temporary, metadata=header)
            temporary.chmod(mode)
        except SafetensorError as error:  # it wraps what the operating system said
            if (number := re.search(r"os error (\d+)", str(error))) is None:
                raise
            raise OSError(int(number[1]), os.strerror(int(number[1]))) from error

    def verify(temporary: Path) -> None:
        try:
            read_tensors(temporary)
        except DamagedFile as error:
            raise DiskTrouble(
                tr("The disk did not keep {name} as it was written.", name=file.name),
                tr("Check that disk, or choose another one; the save before it is untouched."),
            ) from error

    replace_atomically(file, write, verify, previous_of(file) if keep_previous else None)


def read_tensors(file: Path, needs_checksum: bool = False) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All tensors, on the CPU, and the header.

    Nothing larger than the file itself is ever allocated: safetensors checks all declared shapes against its length.
    Raises DamagedFile when it is no safetensors file or does not match its checksum (files without one are believed,
    unless it is needed (`needs_checksum`)), UserError when it cannot be opened.
    """
    check_header_size(file)
    try:
        with safe_open(file, framework="pt") as opened:
            header = dict(opened.metadata() or {})
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  (safe_open is no dict)
    except (SafetensorError, ValueError, KeyError, AttributeError):  # the last two: dtypes that torch does not know
        raise DamagedFile(tr("{name} is not a model file, or it is damaged.", name=file.name), tr(_USE_ANOTHER)) from None
    except OSError as error:
        raise describe_os_error(error, tr("open {name}", name=file.name)) from error
    if (needs_checksum or CHECKSUM in header) and header.get(CHECKSUM) != checksum(tensors, header):
        raise DamagedFile(tr("{name} is damaged: its content does not match its checksum.", name=file.name), tr(_USE_ANOTHER))
    return tensors, header


def checksum(tensors: Mapping[str, Tensor], header: Mapping[str, str]) -> str:
    """BLAKE2b of the header (without any checksum) and of all tensors by name, type, shape and content."""
    digest = hashlib.blake2b(digest_size=20)
    for key in sorted(header.keys() - {CHECKSUM}):
        digest.update(f"{key}\0{header[key]}\0".encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(_bytes(tensor))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> memoryview:
    flat = tensor.contiguous().reshape(-1)
    return memoryview(flat.view(torch.uint8).numpy()) if flat.numel() else memoryview(b"")  # type: ignore[arg-type]
