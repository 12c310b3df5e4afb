"""`ddpm-studio selftest`: a few steps of everything on made-up pictures, also in the frozen program."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ddpm_studio import paths
from ddpm_studio.errors import UserError

_SMALL = {
    "data.image_size": 16, "model.base_channels": 16, "model.channel_mults": (1, 2), "model.attention": (False, True), "training.batch_size": 4,
    "training.preview_count": 4, "training.preview_steps": 3, "diffusion.num_timesteps": 50,
}  # fmt: skip


def main(arguments: list[str]) -> int:
    """Prints what it tries, and `selftest passed` at the end; returns 0, or 1 with the name of what failed."""
    if arguments:
        sys.stderr.write(f"error: Unknown argument {arguments[0]!r}.\nhint: selftest takes none.\n")
        return 2
    before = os.environ.get("DDPM_STUDIO_HOME")
    with tempfile.TemporaryDirectory(prefix="ddpm-studio-selftest-", ignore_cleanup_errors=True) as folder:
        os.environ["DDPM_STUDIO_HOME"] = folder
        try:
            for check in (_pictures, _training, _resume, _sampling, _blending, _inspecting, _resources, _window):
                if not _passes(check, Path(folder)):
                    return 1
        finally:
            os.environ.pop("DDPM_STUDIO_HOME") if before is None else os.environ.update(DDPM_STUDIO_HOME=before)
    sys.stdout.write("selftest passed\n")
    return 0


def _passes(check: Callable[[Path], None], folder: Path) -> bool:
    name, started = check.__name__.strip("_"), time.monotonic()
    try:
        check(folder)
    except UserError as error:
        sys.stderr.write(f"error: {name}: {error.message}\nhint: {error.hint}\n")
        return False
    except Exception as error:
        sys.stderr.write(f"error: {name} failed: {type(error).__name__}: {error}\nhint: Reinstall DDPM Studio, and tell us if that does not help.\n")
        return False
    sys.stdout.write(f"{name:12}{time.monotonic() - started:6.1f} s\n")
    sys.stdout.flush()
    return True


def _pictures(folder: Path) -> None:
    from ddpm_studio import imaging

    rng = np.random.default_rng(0)
    for i in range(6):
        imaging.save_png(folder / "pictures" / f"{i}.png", np.kron(rng.integers(0, 255, (4, 4, 3)), np.ones((5, 5, 1))).astype(np.uint8), None)


def _training(folder: Path) -> None:
    from ddpm_studio.config import RunConfig
    from ddpm_studio.control import RunControl
    from ddpm_studio.requests import TrainRequest
    from ddpm_studio.runs import Run
    from ddpm_studio.training.engine import train

    request = TrainRequest(Run(folder / "run"), folder / "pictures", RunConfig().with_changes(_SMALL), max_steps=4)
    list(train(request, RunControl()))


def _resume(folder: Path) -> None:
    from ddpm_studio.control import RunControl
    from ddpm_studio.requests import TrainRequest
    from ddpm_studio.runs import Run
    from ddpm_studio.training.engine import train

    run = Run(folder / "run")
    list(train(TrainRequest(run, folder / "pictures", resume=True, max_steps=2), RunControl()))
    if run.read_notes().get("step") != 6:
        raise UserError("The run was not taken up where it stopped.", "Reinstall DDPM Studio.")


def _sampling(folder: Path) -> None:
    from ddpm_studio.control import RunControl
    from ddpm_studio.events import ImagesReady
    from ddpm_studio.gallery import read_recipe, save_pictures
    from ddpm_studio.requests import SAMPLERS, SampleRequest, recipe
    from ddpm_studio.sampling.engine import generate

    for sampler in SAMPLERS:
        request = SampleRequest(folder / "run", count=2, sampler=sampler, steps=4)
        made = next(event for event in generate(request, RunControl()) if isinstance(event, ImagesReady))
        saved = save_pictures(made.images, [recipe(request, seed=seed) for seed in made.seeds])
        read_recipe(saved[0])


def _blending(folder: Path) -> None:
    from ddpm_studio.blend_weights import pair
    from ddpm_studio.control import RunControl
    from ddpm_studio.imaging import load_picture
    from ddpm_studio.requests import NOISE_MODES, BlendRequest, DenoiseRequest
    from ddpm_studio.sampling.engine import blend, denoise

    a, b = (load_picture(folder / "pictures" / f"{i}.png", (16, 16, 3), "white") for i in range(2))
    for noise in NOISE_MODES:
        list(blend(BlendRequest(folder / "run", (a, b), (pair(0.0), pair(0.5), pair(1.0)), timestep=20, noise=noise, steps=3), RunControl()))
    list(denoise(DenoiseRequest(folder / "run", a, timestep=5, sampler="ddpm"), RunControl()))


def _inspecting(folder: Path) -> None:
    from ddpm_studio.config import DiffusionConfig
    from ddpm_studio.imaging import load_picture
    from ddpm_studio.models import read_header
    from ddpm_studio.nn.describe import describe_network
    from ddpm_studio.sampling.forward import diffuse

    describe_network(read_header(folder / "run" / "model.safetensors")[0])
    diffuse(load_picture(folder / "pictures" / "0.png", (16, 16, 3), "white"), [0, 500, 999], DiffusionConfig())


def _resources(folder: Path) -> None:
    for needed in (paths.resources_dir() / "icons" / "app.svg", paths.samples_archive()):
        if not needed.is_file():
            raise UserError(f"{needed.name} is missing.", "Reinstall DDPM Studio.")


def _window(folder: Path) -> None:
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from ddpm_studio import preflight

    preflight.check_qt()
    from ddpm_studio.gui.app import create

    app, window = create([])
    window.show()
    app.processEvents()
    if window.grab().isNull():
        raise UserError("The window stays empty.", "Reinstall DDPM Studio.")
    window.close()
    app.processEvents()
