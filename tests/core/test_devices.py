"""What a device is asked for before it computes."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource, torch
from ddpm_studio.devices import choose_device
choose_device("cpu")
def step():
    blocks = [torch.ones(2**21) for _ in range(4)]  # 8 MB each
for _ in range(3): step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20): step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is asked to keep memory")
def test_what_a_step_frees_is_kept_for_the_next() -> None:
    """Four blocks of 8 MB are 8,192 pages, and twenty steps would ask for 160,000."""
    told = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=120)
    assert int(told.stdout) < 8192
