"""What a device is asked for before it computes."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource, torch
from ddpm_studio.bench import _training_step
from ddpm_studio.devices import Device, choose_device
from ddpm_studio.presets import get_preset
step = _training_step(get_preset("tiny-32"), choose_device("cpu"))
for _ in range(3): step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5): step()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 5)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is asked to keep memory")
def test_what_a_step_frees_is_kept_for_the_next() -> None:
    """Pages that are asked for in a step of training: 4,000 and more, if they were given back after the last one."""
    told = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=120)
    assert int(told.stdout) < 1000
