"""The network compiled to fewer and larger operations (torch.compile): minutes of waiting, then faster steps on a graphics card."""

from __future__ import annotations

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
        why = (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
        raise UserError(
            tr("PyTorch cannot compile networks on this machine: {why}", why=why),
            tr("Train without --compile, or install a C++ compiler (for CUDA also Triton)."),
        ) from error
    net.compile(dynamic=False)
