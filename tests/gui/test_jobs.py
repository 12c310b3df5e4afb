"""What the window hands to the engines."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ddpm_studio import models
from ddpm_studio.control import RunControl
from ddpm_studio.errors import UserError
from ddpm_studio.events import BlendReady, Notice, PreviewReady, Recreated, StepDone
from ddpm_studio.gui.answers import ModelChoice, PictureLoaded
from ddpm_studio.gui.dataset_jobs import one_source
from ddpm_studio.gui.dialogs import picture_kinds
from ddpm_studio.gui.jobs import Jobs
from ddpm_studio.imaging import grid, save_png
from ddpm_studio.models import find_model
from ddpm_studio.presets import get_preset
from ddpm_studio.requests import BlendRequest, recipe
from ddpm_studio.runs import Run, is_in_training, lock_run


def picture(path: Path, colour: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 20), colour).save(path)
    return path


def test_loose_pictures_are_gathered_and_changes_are_seen(tmp_path: Path, home: Path) -> None:
    files = [picture(tmp_path / f"{name}.png", name) for name in ("red", "blue")]
    folder = one_source(files)
    assert folder.is_relative_to(home)
    assert len(list(folder.iterdir())) == 2
    assert one_source(files) == folder
    picture(files[0], "green")
    os.utime(files[0], (1, 1))
    assert one_source(files) != folder


def test_folders_and_zips_stay_where_they_are(tmp_path: Path) -> None:
    assert one_source([tmp_path]) == tmp_path
    assert one_source([tmp_path / "a.zip"]) == tmp_path / "a.zip"


def test_more_than_one_folder_is_refused(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    with pytest.raises(UserError, match="Only one folder"):
        one_source([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(UserError, match="One picture is not enough"):
        one_source([picture(tmp_path / "alone.png", "red")])
    with pytest.raises(UserError, match="Only one folder"):
        one_source([tmp_path / "a", picture(tmp_path / "red.png", "red")])


@pytest.mark.parametrize(("background", "grey"), [("white", 255), ("black", 0)])
def test_what_is_transparent_gets_the_ground_that_the_model_knows(tmp_path: Path, background: str, grey: int) -> None:
    Image.new("RGBA", (20, 20), (9, 9, 9, 0)).save(tmp_path / "glass.png")
    loaded = next(iter(Jobs().load_picture("A", tmp_path / "glass.png", (8, 8, 3), background)(RunControl())))
    assert isinstance(loaded, PictureLoaded)
    assert (loaded.image == grey).all()


def test_a_blend_that_was_saved_is_made_again(tmp_path: Path) -> None:
    model = ModelChoice("tiles", "tiles", find_model("tiles"), (32, 32, 3))
    images = tuple(np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8))
    request = BlendRequest(model.path, images=images, weights=((0.7, 0.3),), timestep=300, steps=2, seed=3)
    ready = next(event for event in Jobs().blend(request)(RunControl()) if isinstance(event, BlendReady))
    Jobs().save_png(tmp_path / "blend.png", ready.image, recipe(request, **ready.facts), images)
    together, place = Jobs().blend_request(tmp_path / "blend.png", model)
    told = next(event for event in Jobs().recreate_blend(together, place, tmp_path / "blend.png")(RunControl()) if isinstance(event, Recreated))
    assert (told.differing, told.values) == (0, 3072)


def test_a_model_that_is_not_saved_yet_has_no_step_and_no_others_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "list_models", lambda also=None: pytest.fail("the window would wait for that"))
    assert Jobs().model_step(tmp_path / "model.safetensors") is None
    assert Jobs().model_step(find_model("tiles"))


def test_dialogs_offer_what_can_be_read() -> None:
    kinds = picture_kinds("Zip files and pictures", ".zip")
    assert kinds.startswith("Zip files and pictures (*.zip *.bmp ")
    assert "*.png" in kinds


WRITER = """
import sys, time
from pathlib import Path
from ddpm_studio.events import StepDone
from ddpm_studio.journal import Journal
from ddpm_studio.presets import get_preset
from ddpm_studio.runs import Run, lock_run
run = Run(Path({run!r}))
with lock_run(run), Journal(run.journal_file) as journal:
    run.write_config(get_preset("tiny-32"))
    for step in range(1, 1000):
        journal._last = -1.0  # all of them, and not one a second
        journal.write(StepDone(step, step, 0.5, 1.0, 1e-3, 1.0, 1.0))
        print(step, flush=True)
        time.sleep(0.05)
"""


def test_a_run_of_another_process_is_followed_until_that_ends(tmp_path: Path) -> None:
    run = Run(tmp_path / "runs" / "a")
    with subprocess.Popen([sys.executable, "-c", WRITER.format(run=str(run.path))], stdout=subprocess.PIPE, text=True) as writer:
        try:
            assert writer.stdout is not None
            while int(writer.stdout.readline()) < 5:
                pass
            assert is_in_training(run)
            control, steps, notices = RunControl(), [], []
            for event in Jobs().replay(run, follow=True)(control):
                if isinstance(event, Notice):
                    notices.append(event.text)
                elif isinstance(event, StepDone):
                    steps.append(event.step)
                    if event.step == 20:
                        writer.kill()
                        writer.wait()
            assert "another window" in notices[0]
        finally:
            writer.kill()
    assert steps == list(range(1, steps[-1] + 1))
    assert steps[-1] >= 20
    assert not is_in_training(run)
    with lock_run(run):  # a killed process holds nothing
        assert is_in_training(run)
    assert not is_in_training(run)


def test_damaged_previews_are_passed_over(tmp_path: Path) -> None:
    run = Run(tmp_path / "a")
    run.write_config(get_preset("tiny-32"))
    run.previews.mkdir()
    save_png(run.previews / "step_0000002.png", grid(np.zeros((4, 32, 32, 3), np.uint8)))
    (run.previews / "step_0000001.png").write_bytes((run.previews / "step_0000002.png").read_bytes()[:100])
    picture(run.previews / "step_0000003.png", "red")
    shown = [event for event in Jobs().replay(run)(RunControl()) if isinstance(event, PreviewReady)]
    assert [event.step for event in shown] == [2]
