"""Nothing leaves the machine: no connection is ever opened, and what people share says nothing about whose machine it was."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.core.made_up import picture_folder

GUARDED = """
import os, sys
def guard(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        os.write(2, f"NETWORK: {event} {arguments}".encode())
        os._exit(99)
sys.addaudithook(guard)
from ddpm_studio.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "DDPM_STUDIO_HOME": str(home)}
    return subprocess.run([sys.executable, "-c", GUARDED, *arguments], cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


def test_the_guard_works(tmp_path: Path) -> None:
    code = GUARDED.split("from ddpm_studio")[0] + "import socket; socket.create_connection(('127.0.0.1', 9))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 99


@pytest.mark.slow
def test_no_command_opens_a_connection_and_what_is_shared_names_nobody(tmp_path: Path) -> None:
    secret = tmp_path / f"{getpass.getuser()}-holiday"
    data, home, out = picture_folder(secret), tmp_path / "home", tmp_path / "out"
    flags = ["--image-size=16", "--base-channels=16", "--channel-mults=1,2", "--attention=no,yes", "--batch-size=4", "--preview-count=2", "--milestone-steps=2", "--max-steps=3"]
    one, two = str(data / "disc_000.png"), str(data / "disc_001.png")
    commands = [
        ["train", str(data), "--run", "mine", *flags],
        ["generate", "mine", "--count", "2", "--steps", "2", "--out", str(out), "--grid", str(out / "grid.png"), "--filmstrip", str(out / "strip.png")],
        ["interpolate", "mine", one, two, "--steps", "2", "--lambda", "0:1:3", "--out", str(out / "blend")],
        ["denoise", "mine", one, "--timestep", "300", "--steps", "2", "--out", str(out / "again")],
        ["diffuse", one, "--out", str(out / "forward.png")],
        ["runs", "--json"],
    ]
    for command in commands:
        done = run(home, *command)
        assert done.returncode == 0, f"{command[0]}: {done.stderr}"
    shared = [*out.rglob("*.png"), home / "runs" / "mine" / "model.safetensors", *(home / "runs" / "mine" / "milestones").iterdir()]
    assert len(shared) >= 9
    for file in shared:
        content = file.read_bytes()
        for word in (str(tmp_path), data.name, "holiday", socket.gethostname()):
            assert len(word) < 4 or word.encode() not in content, f"{file.name} says {word}"
