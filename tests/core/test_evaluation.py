"""`evaluate` end to end; the parts of the bound themselves are tested in test_likelihood."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ddpm_studio.cli.main import main
from ddpm_studio.config import DataConfig
from ddpm_studio.diffusion import codec
from ddpm_studio.diffusion.likelihood import prior_term
from ddpm_studio.imaging import load_picture
from ddpm_studio.model import Model, save_model
from ddpm_studio.nn.unet import UNet
from ddpm_studio.runs import Run
from tests.core.made_up import picture_folder, tiny_config, train_tiny


def test_nll(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = picture_folder(tmp_path / "data")
    config = tiny_config(data__flip=False)
    train_tiny(Run(tmp_path / "run"), data, config=config, max_steps=120)
    torch.manual_seed(0)
    save_model(tmp_path / "untrained.safetensors", UNet.of(config).state_dict(), config, {})

    def nll(model: str, *flags: str) -> dict[str, float]:
        assert main(["evaluate", str(tmp_path / model), "--data", str(data), "--device", "cpu", "--json", *flags]) == 0
        return dict(json.loads(capsys.readouterr().out))

    whole = nll("run", "--stride", "1")
    assert whole["pictures"] == 12
    assert whole["nll"] == pytest.approx(whole["prior"] + whole["between"] + whole["decoder"])
    # L_T needs no network: the same by hand.
    pictures = np.stack([load_picture(path, DataConfig(image_size=16).shape) for path in sorted(data.glob("*.png"))])
    expected = prior_term(Model.load(tmp_path / "run").diffusion, codec.from_images(pictures)).mean().item()
    assert whole["prior"] == pytest.approx(expected, rel=1e-4)
    assert nll("run", "--stride", "1") | {"seconds": 0} == whole | {"seconds": 0}  # the seed decides
    assert nll("run", "--stride", "5")["nll"] == pytest.approx(whole["nll"], rel=0.35)
    assert nll("untrained.safetensors", "--stride", "1")["nll"] > 1.1 * whole["nll"]


def test_mistakes_get_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for flags, says in ((["--metrics", "beauty"], "no metric called 'beauty'"), (["--count", "0"], "1 or more"), ([], "no model called")):
        assert main(["evaluate", "nowhere", "--data", str(tmp_path), *flags]) == 2
        assert says in capsys.readouterr().err
