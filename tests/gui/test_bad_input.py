"""Bad pictures and bad models in the real window with the real engine: a sentence, and the window lives on."""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from pytestqt.qtbot import QtBot
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ddpm_studio.gui import app, workers
from ddpm_studio.gui.app import create
from ddpm_studio.gui.main_window import MainWindow
from ddpm_studio.runs import Run
from tests.core.made_up import picture_folder, tiny_config, trained_in

from .test_main_window import drop_on, find


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[MainWindow]:
    _, window = create()
    window.show()
    yield window
    window.studio.shut_down()
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=20_000)
    window.close()
    window.deleteLater()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained_in(tmp_path_factory.mktemp("bad"), "runs/a", config=tiny_config(training__preview_count=0), max_steps=2)


def opened(qtbot: QtBot, window: MainWindow, source: Path) -> str:
    """Drop something and wait for what comes of it: the text of the report, or that of the error banner."""
    window.banner.hide()
    section = window.train_page.dataset
    section.report = None
    assert drop_on(find(window, "datasetDropZone"), source)
    qtbot.waitUntil(lambda: section.report is not None or window.banner.isVisible(), timeout=60_000)
    return window.banner.message.text() if window.banner.isVisible() else find(window, "datasetReport").accessibleDescription()


def test_the_messy_collection(qtbot: QtBot, window: MainWindow, shared_data: Callable[[str], Path]) -> None:
    text = opened(qtbot, window, shared_data("messy/messy.zip"))
    assert not window.banner.isVisible()
    report = window.train_page.dataset.report
    assert report is not None
    assert report.pictures >= 330
    assert len(report.skipped) >= 60
    assert f"{report.pictures:,}" in text
    assert find(window, "trainButton").isEnabled()


def test_made_up_files(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    photos = picture_folder(tmp_path / "photos")
    Image.new("L", (1, 1)).save(photos / "1x1.png")
    Image.new("L", (1, 60000)).save(photos / "1x60000.png")
    Image.new("L", (20_000, 10_000), 7).save(photos / "200 megapixels.png")
    (photos / "words.jpg").write_text("not a picture")
    frames = [Image.new("P", (32, 32), i) for i in range(100)]
    frames[0].save(photos / "endless.gif", save_all=True, append_images=frames[1:], loop=0)
    if sys.platform != "win32":
        os.mkfifo(photos / "pipe.png")
        (photos / "loop").symlink_to(photos)
        shutil.copyfile(photos / "disc_000.png", photos / "new\nline.png")
    opened(qtbot, window, photos)
    assert not window.banner.isVisible()
    report = window.train_page.dataset.report
    assert report is not None
    assert {"1x1.png", "1x60000.png", "words.jpg"} <= {skipped.path for skipped in report.skipped}


@pytest.mark.parametrize("kind", ["bomb", "outside", "encrypted", "cut off", "empty", "gone"])
def test_bad_archives_and_folders(kind: str, qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    good = opened(qtbot, window, picture_folder(tmp_path / "good"))
    picture = io.BytesIO()
    Image.effect_noise((40, 40), 80).save(picture, "PNG")
    source = tmp_path / "bad.zip"
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
        if kind == "bomb":
            archive.writestr("bomb.png", picture.getvalue() + bytes(300_000_000))
        elif kind == "outside":
            archive.writestr("../../outside.png", picture.getvalue())
        elif kind != "empty":
            archive.writestr("one.png", picture.getvalue())
    content = bytearray(source.read_bytes())
    if kind == "encrypted":
        for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            content[content.index(signature) + flags] |= 1
    if kind == "cut off":
        del content[len(content) // 2 :]
    source.write_bytes(content)
    if kind == "gone":
        source = tmp_path / "gone"
    text = opened(qtbot, window, source) if kind != "gone" else refused(qtbot, window, source)
    assert text
    assert "Traceback" not in text
    assert not list(tmp_path.parent.glob("outside.png"))
    if kind not in ("outside", "bomb"):  # of those with pictures, what is good is used, or refused in the report
        assert window.banner.isVisible()
    assert good
    assert opened(qtbot, window, picture_folder(tmp_path / "more", 14))
    assert not window.banner.isVisible()


def refused(qtbot: QtBot, window: MainWindow, source: Path) -> str:
    window.opening.open_data(source)
    qtbot.waitUntil(window.banner.isVisible, timeout=10_000)
    return window.banner.message.text()


def _bad_model(kind: str, trained: Run, folder: Path) -> Path:
    """A damaged or malicious copy of a model."""
    file = folder / "model.safetensors"
    folder.mkdir(parents=True)
    content = trained.model_file.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    with safe_open(trained.model_file, framework="np") as whole:
        metadata = {name: value for name, value in whole.metadata().items() if name != "checksum"}
    tensors = load_file(trained.model_file)
    if kind == "a picture":
        Image.effect_noise((64, 64), 80).save(file, "PNG")
        return file
    if kind == "cut off":
        file.write_bytes(content[: len(content) // 2])
        return file
    if kind == "flipped":
        flipped = bytearray(content)
        flipped[-500] ^= 255
        file.write_bytes(flipped)
        return file
    if kind == "a pickle":
        torch.save(tensors, file)
        return file
    if kind == "huge shapes":
        header["stem.weight"]["shape"] = [2**20, 2**20, 3, 3]
        text = json.dumps(header).encode()
        file.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + size :])
        return file
    config = json.loads(metadata["config"])
    if kind == "too large":
        config["model"] |= {"base_channels": 512, "channel_mults": [16] * 5, "num_res_blocks": 8, "attention": [True] * 5, "norm_groups": 64}
    elif kind == "another version":
        config["version"] = 7
    elif kind == "half settings":
        del config["diffusion"]
    elif kind == "wrong numbers":
        tensors["stem.weight"] = tensors["stem.weight"].to(torch.int64)
    elif kind == "missing":
        del tensors["stem.weight"]
    elif kind == "extra":
        tensors["more"] = torch.zeros(3)
    elif kind == "not finite":
        tensors["stem.weight"][0] = torch.nan
    save_file(tensors, file, metadata=metadata | {"config": json.dumps(config)})
    return file


KINDS = ["a picture", "cut off", "flipped", "a pickle", "huge shapes", "too large", "another version", "half settings", "wrong numbers", "missing", "extra", "not finite"]


@pytest.mark.parametrize("kind", KINDS)
def test_bad_models(kind: str, trained: Run, qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    """Opened by name, and where the list takes it (its header is whole), asked for pictures."""
    file = _bad_model(kind, trained, tmp_path / "model of a stranger")
    app._begin(window, argparse.Namespace(run=None, model=str(file), data=None))
    if not window.banner.isVisible():
        studio = window.studio
        qtbot.waitUntil(lambda: any(model.path == file for model in studio.models), timeout=20_000)
        studio.choose_model(next(model for model in studio.models if model.path == file))
        window.show_page("Generate")
        find(window, "generateButton").click()  # type: ignore[attr-defined]
        qtbot.waitUntil(window.banner.isVisible, timeout=30_000)
    text = window.banner.message.text()
    assert text
    assert "\n" not in text
    assert "Traceback" not in text
    assert window.isVisible()
    assert window.studio.models


def test_a_bad_model_is_told_when_pictures_are_opened_too(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    Image.effect_noise((64, 64), 80).save(tmp_path / "m.png")
    (tmp_path / "m.png").rename(tmp_path / "m.safetensors")
    app._begin(window, argparse.Namespace(run=None, model=str(tmp_path / "m.safetensors"), data=picture_folder(tmp_path / "discs")))
    qtbot.waitUntil(lambda: window.train_page.dataset.report is not None, timeout=30_000)
    assert window.banner.isVisible()
    assert "m.safetensors is not a model file" in window.banner.message.text()
