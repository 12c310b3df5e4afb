"""DDPM Studio: train, watch and use denoising diffusion models on your own pictures.

Importing the package loads neither torch nor Qt; `load_model` does so when it is called.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from ddpm_studio.model import Model

__version__ = "0.1.0"

# Idle OpenMP threads must sleep, not spin: with as many threads as cores, any other busy program would
# otherwise slow training down thirtyfold. It counts only if it is set before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def load_model(path_or_name: str | Path, device: str = "cpu") -> Model:
    """Open a model folder, a run folder, a `.safetensors` file, or a shipped model by its name."""
    from ddpm_studio.model import Model

    return Model.load(path_or_name, device)
