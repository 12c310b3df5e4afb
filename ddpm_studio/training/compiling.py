"""The network compiled to fewer and larger operations (torch.compile): minutes of waiting, then faster steps on a graphics card."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import torch
from torch import nn

from ddpm_studio.devices import Device
from ddpm_studio.errors import UserError, is_out_of_memory
from ddpm_studio.events import Event, Notice, Progress
from ddpm_studio.language import tr


def compile_network(net: nn.Module, device: Device) -> Iterator[Event]:
    """From its next call on, `net` runs compiled; weights, names and saves stay as they are.

    Raises UserError where this machine has no compiler: found out on one layer, before anybody waits for the whole network.
    """
    if getattr(sys, "frozen", False):
        raise UserError(tr("The packaged program cannot compile networks."), tr("Train without --compile, or install DDPM Studio with Python."))
    if device.kind == "cpu":
        yield Notice(tr("Compiling takes minutes, and on a processor it gained nothing when it was measured."))
    yield Progress(tr("Compiling the network: a few minutes, once"))
    try:
        torch.compile(nn.Linear(2, 2).to(device.torch))(torch.ones(1, 2, device=device.torch))
    except Exception as error:  # whatever the compiler behind torch.compile raises: its kinds are no part of torch's promises
        if is_out_of_memory(error):
            raise
        message = tr("PyTorch cannot compile networks on this machine: {why}", why=_first_line(error))
        raise UserError(message, tr("Train without --compile, or install a C++ compiler (for CUDA also Triton).")) from error
    net.compile(dynamic=False)


@contextlib.contextmanager
def compiler_in_words() -> Iterator[None]:
    """Around calls of a compiled network and of its gradient: the compiler begins with the first of them, and with each new shape
    of a batch, and may fail at what is in the whole network although the one layer went well.

    Raises UserError where it does; a shortage of memory and everything else come through as they are.
    """
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error) or not _is_of_compiler(error):
            raise
        raise UserError(tr("PyTorch cannot compile this network on this machine: {why}", why=_first_line(error)), tr("Train without --compile.")) from error


def _is_of_compiler(error: BaseException) -> bool:
    """By where its kind, or one that it is derived from, is at home: a list of kinds would be another one in each version of torch."""
    homes = ("torch._dynamo", "torch._inductor", "torch._functorch", "triton")
    return any(kind.__module__.startswith(homes) for kind in type(error).__mro__)


def _first_line(error: BaseException) -> str:
    inner = getattr(error, "inner_exception", error)  # of torch's "backend='...' raised"
    return (str(inner).strip().splitlines() or [type(inner).__name__])[0][:120]
