"""Which device computes, in which precision, and how to say so."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import os
import sys
from dataclasses import dataclass

import psutil
import torch
from torch import Tensor

from ddpm_studio import recorded
from ddpm_studio.errors import UserError
from ddpm_studio.language import ntr, tr

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of glibc's malloc.h."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device that is really there."""

    torch: torch.device
    label: str
    """In words, such as "CPU, 2 threads"."""
    bfloat16: bool
    """Whether mixed precision in bfloat16 is computed natively."""

    @property
    def kind(self) -> str:
        return self.torch.type

    def send(self, tensor: Tensor) -> Tensor:
        """A tensor of the CPU on this device. To an NVIDIA GPU it goes by way of pinned memory, so that nobody waits for the copy."""
        return (tensor.pin_memory() if self.kind == "cuda" else tensor).to(self.torch, non_blocking=True)

    def autocast(self, precision: str) -> contextlib.AbstractContextManager[object]:
        """Mixed precision for "auto" where it is native, and for "bfloat16" anywhere; nothing for "float32"."""
        wanted = precision == "bfloat16" or (precision == "auto" and self.bfloat16)
        return torch.autocast(self.kind, torch.bfloat16) if wanted else contextlib.nullcontext()

    def synchronise(self) -> None:
        """Wait until everything that was asked of the device is done."""
        if self.kind == "cuda":
            torch.cuda.synchronize()
        elif self.kind == "mps":
            torch.mps.synchronize()

    def free_memory(self) -> int:
        """Bytes that can still be taken: of the graphics card for CUDA, with what PyTorch keeps there for later but without what
        recordings keep for themselves, of the machine otherwise."""
        if self.kind == "cuda":
            unused = torch.cuda.memory_reserved(self.torch) - torch.cuda.memory_allocated(self.torch)
            return int(torch.cuda.mem_get_info(self.torch)[0]) + max(0, unused - recorded.held_memory())
        return int(psutil.virtual_memory().available)

    def held_memory(self) -> int:
        """Bytes that this process has taken: of the graphics card for CUDA, of the machine otherwise."""
        return int(torch.cuda.memory_reserved(self.torch) if self.kind == "cuda" else psutil.Process().memory_info().rss)

    def release_memory(self) -> None:
        """Give back what failed work has left, and what is kept for later: allocations and recordings."""
        recorded.forget_all()
        gc.collect()
        if self.kind == "cuda":
            torch.cuda.empty_cache()
        elif self.kind == "mps":
            torch.mps.empty_cache()


def choose_device(name: str = "auto") -> Device:
    """The device called "cpu", "cuda" or "mps"; "auto" takes the fastest there is.

    Raises UserError when it is not there.
    """
    has = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    kind = next(kind for kind, there in has.items() if there) if name == "auto" else name
    if kind not in has:
        raise UserError(tr("There is no device called {name!r}.", name=name), tr("Choose auto, cpu, cuda or mps."))
    if not has[kind]:
        missing = tr("an NVIDIA GPU that this build of PyTorch can use") if kind == "cuda" else tr("an Apple GPU")
        raise UserError(tr("This machine has no {kind} device: {missing} was not found.", kind=kind, missing=missing), tr("Choose auto or cpu."))
    if kind == "cuda":
        allow_tf32()
        properties = torch.cuda.get_device_properties(0)
        return Device(torch.device("cuda"), f"{properties.name}, {properties.total_memory / 2**30:.0f} GB", properties.major >= 8)
    if kind == "mps":
        return Device(torch.device("mps"), tr("Apple GPU"), False)
    keep_freed_memory()
    return Device(torch.device("cpu"), ntr("CPU, {count} thread", "CPU, {count} threads", torch.get_num_threads()), False)


@functools.cache
def keep_freed_memory() -> None:
    """Let glibc keep what a step has freed, up to 256 MB, for the next step: given back to the system, the same memory would be
    asked for again and zeroed at each step, 2 to 3 % of the time (docs/MEASUREMENTS.md). Other C libraries, and
    whoever has set these limits by the environment, are left as they are."""
    if not sys.platform.startswith("linux") or {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"} & os.environ.keys():
        return
    with contextlib.suppress(OSError, AttributeError):
        c = ctypes.CDLL(None)
        c.gnu_get_libc_version  # noqa: B018  # others have a mallopt that means nothing
        c.mallopt(M_MMAP_THRESHOLD, 32 * 2**20)
        c.mallopt(M_TRIM_THRESHOLD, 256 * 2**20)


def allow_tf32() -> None:
    """Let NVIDIA GPUs multiply float32 numbers with ten bits of precision, several times as fast; sums stay float32."""
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
