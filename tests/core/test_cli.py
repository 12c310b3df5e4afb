"""The command line as a person or a script uses it: results, exit statuses, and one sentence for every mistake."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from ddpm_studio.cli.main import main
from ddpm_studio.cli.pictures import check_places
from ddpm_studio.requests import SAMPLERS
from ddpm_studio.runs import Run, list_runs
from tests.conftest import ROOT
from tests.core.made_up import TINY, picture_folder

FLAGS = [text for name, value in TINY.items() for text in (f"--{name.replace('_', '-')}", ",".join(map(str, value)) if isinstance(value, tuple) else str(value))]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return picture_folder(tmp_path / "discs")


@pytest.fixture
def run(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    run = Run(tmp_path / "run")
    assert main(["train", str(data), "--run", str(run.path), "--device", "cpu", "--max-steps", "3", *FLAGS]) == 0
    capsys.readouterr()
    return run


def pixels(path: Path) -> np.ndarray[Any, Any]:
    with Image.open(path) as image:
        return np.asarray(image).astype(int)


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return dict(json.loads(capsys.readouterr().out))


def test_train_prints_one_json_object_a_line(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(data), "--device", "cpu", "--max-steps", "4", "--json", *FLAGS]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    steps = [line for line in lines if line["event"] == "step"]
    assert [line["step"] for line in steps] == [1, 2, 3, 4]
    assert {"step", "images", "loss", "images_per_second", "seconds"} <= steps[0].keys()
    assert lines[-1]["event"] == "finished"
    assert [info.step for info in list_runs()] == [4]


def test_resume_goes_on(run: Run, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(data), "--run", str(run.path), "--resume", "--device", "cpu", "--max-steps", "2"]) == 0
    assert "step 5" in capsys.readouterr().out
    assert main(["train", str(data), "--resume", "--run", str(run.path), "--total-steps", "6", "--device", "cpu"]) == 0
    assert run.read_notes()["step"] == 6


def test_generate_writes_pictures_with_their_recipe(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    arguments = [
        "generate",
        str(run.path),
        "--count",
        "3",
        "--out",
        str(out),
        "--steps",
        "4",
        "--seed",
        "7",
        "--grid",
        str(tmp_path / "grid.png"),
        "--filmstrip",
        str(tmp_path / "strip.png"),
        "--json",
    ]
    assert main(arguments) == 0
    images = [Path(path) for path in told(capsys)["images"]]
    assert [path.name for path in images] == ["000007.png", "000008.png", "000009.png"]
    assert all(pixels(path).shape == (16, 16, 3) for path in images)
    assert pixels(tmp_path / "strip.png").shape[1] > 4 * 16
    assert (tmp_path / "grid.png").exists()
    assert main(["inspect", str(images[1]), "--json"]) == 0
    recipe = told(capsys)
    assert (recipe["model"], recipe["model_step"], recipe["seed"], recipe["sampler"], recipe["steps"], recipe["count"]) == ("run", 3, 8, "dpmpp-2m-sde", 4, 3)
    assert main(["inspect", str(tmp_path / "grid.png"), "--json"]) == 0
    assert told(capsys)["count"] == 3
    # The recipe alone makes the same picture again.
    assert main(["generate", str(run.path), "--count", "1", "--out", str(tmp_path / "again"), "--steps", "4", "--seed", "8"]) == 0
    assert np.abs(pixels(tmp_path / "again" / "000008.png") - pixels(images[1])).max() <= 1
    assert str(tmp_path) not in images[0].read_bytes().decode("latin-1")


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler(run: Run, tmp_path: Path, sampler: str) -> None:
    assert main(["generate", str(run.path), "--count", "1", "--out", str(tmp_path / "o"), "--sampler", sampler, "--steps", "5"]) == 0
    assert pixels(tmp_path / "o" / "000000.png").std() > 1


def test_interpolate_denoise_diffuse(run: Run, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = str(data / "disc_000.png"), str(data / "disc_001.png")
    assert main(["interpolate", str(run.path), a, b, "--out", str(tmp_path / "blends"), "--lambda", "0:1:5", "--timestep", "10", "--json"]) == 0
    values = told(capsys)
    assert values["lambdas"] == [0, 0.25, 0.5, 0.75, 1]
    assert (tmp_path / "blends" / "sheet.png").exists()
    assert main(["denoise", str(run.path), a, "--timestep", "20", "--count", "2", "--out", str(tmp_path / "clean"), "--json"]) == 0
    assert len(told(capsys)["images"]) == 2
    assert main(["denoise", str(run.path), a, "--timestep", "20", "--already-noisy", "--out", str(tmp_path / "clean2")]) == 0
    assert main(["diffuse", a, "--out", str(tmp_path / "strip.png"), "--timesteps", "0:999:6", "--beta-schedule", "cosine"]) == 0
    assert pixels(tmp_path / "strip.png").shape[1] >= 6 * 64


def test_inspect_dataset_runs(run: Run, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(run.path), "--json"]) == 0
    values = told(capsys)
    assert values["notes"]["step"] == 3
    assert values["blocks"][0]["in_shape"] == [12, 8, 8]
    assert main(["inspect", "paper-cifar10"]) == 0
    assert "35,746,307 parameters" in capsys.readouterr().out
    assert main(["dataset", str(data), "--image-size", "16", "--json"]) == 0
    assert told(capsys)["pictures"] == 12
    assert main(["dataset", str(data)]) == 0
    assert "12 pictures" in capsys.readouterr().out
    assert main(["runs"]) == 0
    assert "No runs yet" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "{data}", "--no-such-flag"],
        ["train", "{data}", "--learning-rat", "1"],
        ["train"],
        ["fly"],
        ["train", "{tmp}/nowhere"],
        ["train", "{tmp}/empty"],
        ["train", "{data}/disc_000.png"],
        ["train", "{data}", "--preset", "huge"],
        ["train", "{data}", "--image-size", "33"],
        ["train", "{data}", "--image-size", "many"],
        ["train", "{data}", "--device", "tpu"],
        ["train", "{data}", "--max-steps", "0"],
        ["train", "{data}", "--max-seconds", "nan"],
        ["train", "{data}", "--base-channels", "12", "--channel-mults", "2,4", "--attention", "no,no"],
        ["generate", "{run}", "--out", "{tmp}/o", "--seed", "-1"],
        ["generate", "{run}", "--out", "{tmp}/o", "--steps", "101"],
        ["generate", "{run}", "--out", "{data}/disc_000.png", "--sampler", "ddpm"],
        ["generate", "{run}", "--out", "{tmp}/o", "--grid", "{tmp}/g.xyz"],
        ["train", "{data}", "--run", ""],
        ["train", "{data}", "--learning-rate", "nan"],
        ["generate", "{run}", "--out", "{tmp}/o", "--sampler", "ddim", "--eta", "5"],
        ["train", "{data}", "--max-steps", "some"],
        ["train", "{data}", "--resume"],
        ["train", "{data}", "--resume", "--run", "nothing"],
        ["train", "{data}", "--image-size", "512", "--batch-size", "4096", "--preset", "small-64"],
        ["generate", "{tmp}/nowhere", "--out", "{tmp}/o"],
        ["generate", "{data}", "--out", "{tmp}/o"],
        ["generate", "{data}/disc_000.png", "--out", "{tmp}/o"],
        ["generate", "{run}", "--out", "{tmp}/o", "--count", "0"],
        ["generate", "{run}", "--out", "{tmp}/o", "--steps", "0"],
        ["generate", "{run}", "--out", "{tmp}/o", "--sampler", "magic"],
        ["generate", "{run}"],
        ["generate", "{run}", "--out", ""],
        ["interpolate", "{run}", "{data}/disc_000.png", "{tmp}/nowhere.png", "--out", "{tmp}/o"],
        ["interpolate", "{run}", "{data}/disc_000.png", "{data}/disc_001.png", "--out", "{tmp}/o", "--lambda", "2"],
        ["interpolate", "{run}", "{data}/disc_000.png", "{data}/disc_001.png", "--out", "{tmp}/o", "--lambda", "0:1"],
        ["interpolate", "{run}", "{data}/disc_000.png", "{data}/disc_001.png", "--out", "{tmp}/o", "--timestep", "100"],
        ["denoise", "{run}", "{run}/config.json", "--timestep", "3", "--out", "{tmp}/o"],
        ["diffuse", "{data}/disc_000.png", "--out", "{tmp}/s.png", "--timesteps", "0:5000:3"],
        ["diffuse", "{data}/disc_000.png", "--out", "{tmp}/s.png", "--image-size", "7"],
        ["inspect", "{data}/disc_000.png"],
        ["dataset", "{tmp}/empty"],
        ["generate", "{run}", "--out", "{data}/disc_000.png/x"],
    ],
)
def test_mistakes_get_one_sentence_and_a_hint(arguments: list[str], run: Run, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    filled = [text.format(data=data, tmp=tmp_path, run=run.path) for text in arguments]
    assert main(filled) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.strip().splitlines()
    assert len(lines) == 2, err
    assert lines[0].startswith("error: ")
    assert lines[1].startswith("hint: ")
    assert not (tmp_path / "o").exists(), "a command that fails leaves no empty folder"


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["generate", "faces", "--out", "o", "--sampler", "sde"], "Did you mean dpmpp-2m-sde?"),
        (["generate", "faces", "--out", "o", "--sampler", "DDIM"], "Did you mean ddim?"),
        (["generate", "faces", "--out", "o", "--sampler", "magic"], "`ddpm-studio generate --help` shows what it understands."),
        (["trian", "pictures"], "Did you mean train?"),
        (["generate", "facse", "--out", "o"], "Did you mean faces?"),
        (["generate", "faces", "--out", "o", "--stesp", "3"], "Did you mean --steps?"),
    ],
)
def test_what_was_perhaps_meant(arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err.strip().splitlines()[1] == f"hint: {hint}"


@pytest.mark.skipif(sys.platform == "win32", reason="links want rights there")
@pytest.mark.parametrize("place", ["file.png/x/y", "gone", "n" * 300])
def test_a_place_for_pictures_that_cannot_be_is_told_before_the_work(place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file.png").touch()
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert main(["generate", "faces", "--out", str(tmp_path / place)]) == 2
    error, hint = capsys.readouterr().err.strip().splitlines()
    assert error.startswith(f"error: Could not write into {tmp_path / place}")
    assert hint.startswith("hint: ")


def test_places_are_looked_at_and_left_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another command may be about to write there."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    for place in ("there", "link/new", "new/newer", "~/other", str(tmp_path / "x" / "y")):
        check_places(place, "grids/grid.png", None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "there"]
    assert not list((tmp_path / "there").iterdir())


def test_a_fault_of_ours_goes_to_the_log(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], home: Path) -> None:
    monkeypatch.setattr("ddpm_studio.cli.commands.list_runs", lambda: 1 / 0)
    assert main(["runs"]) == 1
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert str(home) in err
    assert "ZeroDivisionError" in (home / "ddpm-studio.log").read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of another kind there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_stops(number: int, data: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    command = [sys.executable, "-m", "ddpm_studio", "train", str(data), "--run", str(run.path), "--device", "cpu", "--json", *FLAGS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "step":
                break
        process.send_signal(number)
        rest = process.stdout.read().splitlines()
        deadline = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
    assert process.returncode == 130
    assert json.loads(rest[-1])["stopped"] is True
    assert run.read_notes()["step"] >= 1


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals there")
def test_generate_keeps_what_was_done_when_it_is_interrupted(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "ddpm_studio", "generate", str(run.path), "--count", "100000", "--steps", "2", "--out", str(out), "--device", "cpu"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and sum(psutil.Process(process.pid).cpu_times()[:2]) < 8:  # however busy the machine is
        time.sleep(0.1)
    assert list(out.glob("*.png")), "they are kept as they are done, whatever happens to the rest"
    process.send_signal(signal.SIGINT)
    told, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    made = len(list(out.glob("*.png")))
    assert 0 < made < 100000
    assert f"stopped: {made} of 100000 were done" in told


def test_the_flags_say_what_they_have_without_being_given(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "Step size of Adam. [0.002]" in text
    assert "One of linear, cosine, sigmoid. [cosine]" in text
    assert "[1,2,4]" in text
    assert "Annotated" not in text
    assert "typing" not in text


def test_a_reader_that_goes_away_does_not_cost_the_run(data: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    command = [sys.executable, "-m", "ddpm_studio", "train", str(data), "--run", str(run.path), "--device", "cpu", "--max-steps", "100000", "--json", *FLAGS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "step":
                break
        process.stdout.close()
        errors = process.stderr.read()
        process.wait(60)
    assert "Traceback" not in errors
    assert "Broken" not in errors
    assert process.returncode != 0
    assert run.read_notes()["step"] >= 1


def test_a_bare_run_name_is_not_the_folder_of_pictures(data: Path, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.chdir(data.parent)
    assert main(["train", "discs", "--run", "discs", "--device", "cpu", "--max-steps", "1", *FLAGS]) == 0
    assert (home / "runs" / "discs" / "config.json").exists()
    assert not (data / "config.json").exists()
    # And --resume finds it from elsewhere, by the pictures alone.
    monkeypatch.chdir(home)
    assert main(["train", str(data / ".." / "discs"), "--resume", "--device", "cpu", "--max-steps", "1"]) == 0


def test_the_cost_of_a_setting_is_seen_before_any_training(capsys: pytest.CaptureFixture[str]) -> None:
    """The article's idea: patches as tokens. Its cost shows in `inspect` of a preset."""
    tokens, cost = [], []
    for patch in ("1", "2", "4"):
        assert main(["inspect", "annotated", "--attention-patch", patch, "--json"]) == 0
        blocks = json.loads(capsys.readouterr().out)["blocks"]
        attention = next(block for block in blocks if block["kind"] == "attention")
        tokens.append(attention["tokens"])
        cost.append(attention["gmacs"])
    assert tokens == [256, 64, 16]
    assert cost[0] > cost[1] > cost[2]
    assert main(["inspect", "annotated", "--attention-patch", "3"]) == 2
    assert "attention_patch" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["generate", "interpolate", "denoise", "tree", "loop", "inpaint", "invert", "inspect"])
def test_bad_models_are_refused_before_torch_is_loaded(command: str, data: Path, tmp_path: Path) -> None:
    picture, bad = str(data / "disc_000.png"), tmp_path / "bad.safetensors"
    bad.write_bytes((data / "disc_000.png").read_bytes())
    more = {"interpolate": [picture, picture], "denoise": [picture, "--timestep", "3"], "loop": [picture, picture], "inpaint": [picture, "--mask", picture], "invert": [picture]}
    arguments = [command, str(bad), *more.get(command, []), *([] if command == "inspect" else ["--out", str(tmp_path / "out")])]
    code = f"import sys; sys.modules['torch'] = None\nfrom ddpm_studio.cli.main import main\nsys.exit(main({arguments!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "not a model file" in done.stderr


def test_train_says_what_to_expect(tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = picture_folder(tmp_path / "discs", 12)
    assert main(["train", str(data), "--preset", "small-32", "--batch-size", "2", "--preview-count", "0", "--max-seconds", "0.1", "--device", "cpu"]) == 0
    told = capsys.readouterr().err
    assert "Something recognisable is to be expected after about" in told
    assert "That is more time than it has: a smaller preset learns faster." in told
    assert main(["train", str(data), "--preset", "annotated", "--batch-size", "2", "--preview-count", "0", "--image-size", "16", "--max-steps", "1", "--device", "cpu"]) == 0
    assert "to be expected" not in capsys.readouterr().err  # its loss is of another kind, and nothing was measured
