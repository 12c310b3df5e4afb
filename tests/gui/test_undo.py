"""What was set is taken back, and set again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QLineEdit, QSpinBox
from pytestqt.qtbot import QtBot

from ddpm_studio import gallery
from ddpm_studio.gui import workers
from ddpm_studio.gui.main_window import MainWindow
from ddpm_studio.gui.pages.blend import BlendPage
from ddpm_studio.gui.pages.generate import GeneratePage
from ddpm_studio.gui.qimage import to_qimage
from ddpm_studio.gui.undo import Control, History, control
from ddpm_studio.models import GuideInfo
from ddpm_studio.presets import PRESETS
from ddpm_studio.requests import STEPS, SampleRequest, Start

from .fakes import FakeJobs, tiles
from .windows import Open

CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def window(open_window: Open, qtbot: QtBot) -> MainWindow:
    made = open_window()
    made.activateWindow()
    return made


def edits(window: MainWindow) -> list[str]:
    stack = window.studio.undo_stack
    return [stack.text(i) for i in range(stack.count())]


def generate_page(window: MainWindow) -> GeneratePage:
    page = window.pages["Generate"]
    assert isinstance(page, GeneratePage)
    return page


def test_nothing_to_undo_at_first(window: MainWindow) -> None:
    assert edits(window) == []
    assert not window.findChild(QAction, "actionUndo").isEnabled()  # type: ignore[union-attr]


def test_edits_of_one_field_that_follow_each_other_are_one(qtbot: QtBot, window: MainWindow) -> None:
    page = generate_page(window)
    window.show_page("Generate")
    for value in (17, 18, 19):
        page.count.setValue(value)
        qtbot.wait(5)
    page.seed.setValue(3)
    qtbot.wait(5)
    assert edits(window) == ["Number of pictures", "Seed"]
    window.studio.undo_stack.undo()
    window.studio.undo_stack.undo()
    assert (page.count.value(), page.seed.value()) == (16, 0)
    window.studio.undo_stack.redo()
    assert page.count.value() == 19
    page.count.setValue(16)
    qtbot.wait(5)
    assert not window.studio.undo_stack.canUndo(), "back where it began"


def test_a_control_that_could_not_be_set_back_ends_nothing(qtbot: QtBot, window: MainWindow) -> None:
    spin = QSpinBox(window)
    spin.setAccessibleName("Number")

    def write(value: int) -> None:
        raise ValueError(value)

    history = History(window.studio, "Generate", window, [Control("Broken", lambda: 0, write, None), control(spin)])
    with pytest.raises(ValueError, match="1"):
        history.write((1, 0))
    spin.setValue(7)
    qtbot.waitUntil(lambda: edits(window) == ["Number"], timeout=1000)


def test_what_an_edit_changes_along_goes_back_with_it(qtbot: QtBot, window: MainWindow) -> None:
    page = generate_page(window)
    page.steps.setValue(31)
    qtbot.wait(5)
    page.sampler.setCurrentIndex(page.sampler.findData("unipc"))
    qtbot.wait(5)
    assert page.steps.value() == STEPS["unipc"]
    window.studio.undo_stack.undo()
    assert (page.sampler.currentIndex(), page.steps.value()) == (0, 31)
    assert window.page == "Generate", "what has changed is shown"


def test_each_choice_is_an_edit_of_its_own(qtbot: QtBot, window: MainWindow) -> None:
    page = generate_page(window)
    for sampler in ("heun", "unipc"):
        page.sampler.setCurrentIndex(page.sampler.findData(sampler))
        qtbot.wait(5)
    window.studio.undo_stack.undo()
    assert page.sampler.currentData() == "heun"
    window.studio.undo_stack.undo()
    assert page.sampler.currentData() == "dpmpp-2m-sde"


def test_another_model_is_no_edit(qtbot: QtBot, window: MainWindow) -> None:
    models = window.studio.models
    page = generate_page(window)
    page.steps.setMaximum(20)  # as a model with few timesteps would
    window.studio.choose_model(models[1])
    qtbot.wait(5)
    assert edits(window) == []


@pytest.mark.parametrize("keys", [(Qt.Key.Key_Z, CTRL | SHIFT), (Qt.Key.Key_Y, CTRL)])
def test_keys_reach_the_stack_from_a_field(qtbot: QtBot, window: MainWindow, keys: tuple[Qt.Key, Qt.KeyboardModifier]) -> None:
    page = generate_page(window)
    window.show_page("Generate")
    page.count.setFocus()
    qtbot.keyClick(page.count, Qt.Key.Key_Up)
    qtbot.wait(5)
    assert page.count.value() == 17
    qtbot.keyClick(page.count, Qt.Key.Key_Z, CTRL)
    assert page.count.value() == 16
    qtbot.keyClick(page.count, *keys)
    assert page.count.value() == 17


def test_settings_of_a_training(qtbot: QtBot, window: MainWindow) -> None:
    settings = window.train_page.settings
    entry = settings.form.fields["training.learning_rate"].widget
    assert isinstance(entry, QLineEdit)
    for text in ("2e-4", "3e-4"):
        entry.setText(text)
        entry.editingFinished.emit()
        qtbot.wait(5)
    entry.editingFinished.emit()  # left as it is
    qtbot.wait(5)
    assert settings.config().training.learning_rate == 3e-4
    settings.preset.setCurrentIndex(settings.preset.findData("small-32"))
    qtbot.wait(5)
    assert edits(window) == ["Learning rate", "Preset"]
    window.studio.undo_stack.undo()
    assert settings.preset.currentData() == "auto"
    assert settings.config().training.learning_rate == 3e-4, "what the preset had swept away"
    assert entry.text() == "0.0003"
    window.studio.undo_stack.undo()
    assert settings.config() == PRESETS["tiny-32"]


def test_a_setting_that_was_made_empty_comes_back(qtbot: QtBot, window: MainWindow) -> None:
    settings = window.train_page.settings
    entry = settings.form.fields["training.total_steps"].widget
    assert isinstance(entry, QLineEdit)
    for text in ("500", ""):
        entry.setText(text)
        entry.editingFinished.emit()
    settings.form.fields["data.flip"].write(False)
    qtbot.wait(5)
    window.studio.undo_stack.undo()
    assert settings.config() == PRESETS["tiny-32"]


def test_blending_can_be_taken_back(qtbot: QtBot, window: MainWindow) -> None:
    page = window.pages["Blend"]
    assert isinstance(page, BlendPage)
    page.single.lam.setValue(80)
    qtbot.wait(5)
    page.controls.timestep.slider.setValue(300)
    qtbot.wait(5)
    assert edits(window) == ["Lambda", "Noise level t"]
    window.studio.undo_stack.undo()
    window.studio.undo_stack.undo()
    assert (page.single.lam.value(), page.controls.timestep.value) == (50, 500)


def test_guide_and_strength(qtbot: QtBot, window: MainWindow) -> None:
    jobs, page = window.studio.jobs, generate_page(window)
    assert isinstance(jobs, FakeJobs)
    guide = GuideInfo("mine@500", Path("/runs/mine/milestones/step_0000500.safetensors"), 500, True)
    jobs.guides = (guide,)
    window.show_page("Generate")
    qtbot.waitUntil(page.controls.guide.isEnabled)
    page.controls.guide.setCurrentIndex(1)
    qtbot.wait(5)
    page.controls.guidance.setValue(1.7)
    qtbot.wait(5)
    assert edits(window) == ["Guide", "Strength"]
    window.studio.undo_stack.undo()
    assert (page.controls.guide.currentData(), page.controls.guidance.value()) == (guide.path, 2.0)
    window.studio.undo_stack.undo()
    assert page.controls.guide.currentData() is None
    assert page.controls.guidance_box.isHidden()
    window.studio.undo_stack.redo()
    window.studio.undo_stack.redo()
    assert (page.controls.guide.currentData(), page.controls.guidance.value()) == (guide.path, 1.7)


def test_the_settings_of_a_picture_are_one_edit(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    way = SampleRequest("faces", steps=40, seed=541, count=1)
    request = SampleRequest("faces", sampler="dpmpp-2m", steps=33, seed=41, guide="mine@500", guidance=1.5, spacing="trailing", start=Start(way, 400))
    picture = gallery.save_pictures(tiles(1), gallery.recipes(request, [42], 24_000, "cpu"), tmp_path)[0]
    page, stack = generate_page(window), window.studio.undo_stack
    window.studio.choose_model(window.studio.find_model("faces"))
    settle(window, qtbot)
    before = page.request()
    for _ in range(2):
        window.opening.open_picture(picture)
        qtbot.waitUntil(page.offer.isVisible, timeout=5000)
        settle(window, qtbot)
        after = page.request()
        assert page.controls.lock.isChecked()
        assert edits(window) == ["Settings of a picture"]
        stack.undo()
        settle(window, qtbot)
        assert page.request() == before
        assert page.controls.start_box.isHidden()
        assert page.controls.missing_guide is None
        assert not page.controls.lock.isChecked()
        assert page.offer.isHidden()
        stack.redo()
        assert page.request() == after
        assert page.controls.start_box.isVisible()
        assert page.controls.missing_guide == "mine@500"
        assert page.controls.lock.isChecked()
        assert page.offer.isVisible()
        stack.undo()
    page.controls.lock.click()
    settle(window, qtbot)
    assert edits(window) == ["Keep this seed"]
    stack.undo()
    assert not page.controls.lock.isChecked()


def test_a_start_on_the_way_can_be_taken_back_but_not_that_of_another_model(qtbot: QtBot, window: MainWindow) -> None:
    page, stack = generate_page(window), window.studio.undo_stack
    window.show_page("Generate")
    window.studio.choose_model(window.studio.find_model("faces"))
    settle(window, qtbot)
    assert window.studio.model
    start = Start(SampleRequest(window.studio.model.path, count=1), 400)
    page.controls.begin_at(start, 11)
    settle(window, qtbot)
    assert edits(window) == ["Beginning"]
    page.controls.begin_anew()
    settle(window, qtbot)
    stack.undo()
    assert (page.controls.start, page.steps.value()) == (start, 11)
    stack.undo()
    assert (page.controls.start, page.steps.value()) == (None, 20)
    window.studio.choose_model(window.studio.find_model("tiles"))
    settle(window, qtbot)
    stack.redo()
    assert page.controls.start is None


def blend_page(window: MainWindow, qtbot: QtBot) -> BlendPage:
    page = window.pages["Blend"]
    assert isinstance(page, BlendPage)
    gallery.save_pictures(tiles(2), [{"kind": "sample", "seed": seed} for seed in range(2)])
    window.show_page("Blend")
    qtbot.waitUntil(lambda: page.wells.images is not None and not workers.running_threads())
    qtbot.wait(5)
    assert edits(window) == [], "nobody has chosen what is there"
    return page


def settle(window: MainWindow, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=5000)
    qtbot.wait(5)


def test_pictures_of_a_blend(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    page, wells, stack = blend_page(window, qtbot), window.pages["Blend"].wells, window.studio.undo_stack  # type: ignore[attr-defined]
    usual, other = dict(wells.sources), tiles(5)[4]
    page.set_source("A", other)
    settle(window, qtbot)
    page.single.lam.setValue(80)
    qtbot.wait(5)
    to_qimage(tiles(8)[7]).save(str(tmp_path / "c.png"))
    page.set_source("C", tmp_path / "c.png")
    settle(window, qtbot)
    wells.remove("B")
    settle(window, qtbot)
    assert edits(window) == ["Pictures", "Lambda", "Pictures", "Pictures"]
    assert wells.sources == {"A": other, "B": tmp_path / "c.png"}
    last = page.single.lam.value()

    stack.undo()
    assert [wells.sources[letter] for letter in wells.letters] == [other, usual["B"], tmp_path / "c.png"]
    assert wells.weights == pytest.approx((0.2 * 2 / 3, 0.8 * 2 / 3, 1 / 3))
    assert set(wells.pictures) >= {"A", "C"}, "what is seen already is not loaded again"
    stack.undo()
    assert (wells.letters, page.single.lam.value()) == ("AB", 80)
    stack.undo()
    assert page.single.lam.value() == 50
    stack.undo()
    assert wells.sources["A"] is usual["A"]
    settle(window, qtbot)
    assert wells.images is not None
    assert not stack.canUndo()
    for _ in range(4):
        stack.redo()
    settle(window, qtbot)
    assert [wells.sources[letter] for letter in wells.letters] == [other, tmp_path / "c.png"]
    assert page.single.lam.value() == last
    assert len(edits(window)) == 4, "going back and forth is no edit"


def test_several_files_at_once_are_one_edit_and_a_broken_one_is_none(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    page = blend_page(window, qtbot)
    files = [tmp_path / f"{i}.png" for i in range(3)]
    for i, file in enumerate(files):
        to_qimage(tiles(3)[i]).save(str(file))
    page.wells.set_paths("A", files)
    settle(window, qtbot)
    assert edits(window) == ["Pictures"]
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    page.wells.set_paths("B", [broken])
    settle(window, qtbot)
    page.wells.swap("A", "C")
    settle(window, qtbot)
    assert edits(window) == ["Pictures", "Pictures"]
    window.studio.undo_stack.undo()
    assert [page.wells.sources[letter] for letter in page.wells.letters] == files
    window.studio.undo_stack.undo()
    assert len(page.wells.weights) == 2


def test_shares_of_three_pictures(qtbot: QtBot, window: MainWindow) -> None:
    page = window.pages["Blend"]
    assert isinstance(page, BlendPage)
    page.wells.add()
    qtbot.wait(5)
    assert edits(window) == ["Pictures"], "a place is no edit of the shares"
    before = page.wells.weights
    page.wells.places["C"].slider.setValue(90)
    qtbot.wait(5)
    after = page.wells.weights
    assert after != before
    window.studio.undo_stack.undo()
    assert page.wells.weights == before
    window.studio.undo_stack.redo()
    assert page.wells.weights == after
    page.wells.remove("C")
    qtbot.wait(5)
    window.studio.undo_stack.undo()
    assert page.wells.weights == after


def test_the_settings_of_a_run_are_one_edit(qtbot: QtBot, window: MainWindow) -> None:
    settings, stack = window.train_page.settings, window.studio.undo_stack
    settings.preset.setCurrentIndex(settings.preset.findData("small-32"))
    qtbot.wait(5)
    settings.adopt(PRESETS["tiny-64"].with_changes({"training.learning_rate": 5e-4}))
    settings.form.edited.emit("training.batch_size", 7)
    qtbot.waitUntil(lambda: edits(window) == ["Preset", "Settings of a run", "Batch size"])
    stack.undo()
    assert settings.config().training.learning_rate == 5e-4
    assert settings.config().data.image_size == 64
    stack.undo()
    assert settings.config() == PRESETS["small-32"]
    stack.redo()
    assert settings.config().training.learning_rate == 5e-4


def test_pictures_are_not_left_out_unseen(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    page = window.train_page
    page.dataset.open([tmp_path])
    qtbot.waitUntil(lambda: page.dataset.report is not None, timeout=5000)
    page.pictures.sheet.select_rows(np.array([1]))
    page.pictures.leave_out()
    window.show_page("Gallery")
    qtbot.keyClick(window, Qt.Key.Key_Z, CTRL)
    assert not page.dataset.left_out
    assert window.page == "Train"
