"""Whether a safetensors file is what was once written, found out without torch: a refusal should not wait for it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

CHECKSUM = "checksum"
"""Its place in the header."""
# How torch calls the types of a safetensors file: the checksum is made of its words.
_TYPES = {
    "F64": "torch.float64", "F32": "torch.float32", "F16": "torch.float16", "BF16": "torch.bfloat16", "F8_E4M3": "torch.float8_e4m3fn", "F8_E5M2": "torch.float8_e5m2",
    "I64": "torch.int64", "I32": "torch.int32", "I16": "torch.int16", "I8": "torch.int8", "U8": "torch.uint8", "BOOL": "torch.bool", "C64": "torch.complex64",
}  # fmt: skip
_AT_ONCE = 2**22


def matches_checksum(file: Path) -> bool | None:
    """Whether content and checksum agree; None where the file has none, or a type that is not known here.

    The header must have been found sound by safetensors; `tensor_files.checksum` is the same sum, of tensors. Raises OSError.
    """
    with file.open("rb") as opened:
        start = 8 + int.from_bytes(opened.read(8), "little")
        header = json.loads(opened.read(start - 8))
        facts = header.pop("__metadata__", {})
        if CHECKSUM not in facts or any(entry["dtype"] not in _TYPES for entry in header.values()):
            return None
        digest = hashlib.blake2b(digest_size=20)
        for key in sorted(facts.keys() - {CHECKSUM}):
            digest.update(f"{key}\0{facts[key]}\0".encode())
        for name in sorted(header):
            entry = header[name]
            digest.update(f"{name}\0{_TYPES[entry['dtype']]}\0{tuple(entry['shape'])}\0".encode())
            first, end = entry["data_offsets"]
            opened.seek(start + first)
            left = end - first
            while left > 0 and (part := opened.read(min(left, _AT_ONCE))):
                digest.update(part)
                left -= len(part)
        return bool(digest.hexdigest() == facts[CHECKSUM])
