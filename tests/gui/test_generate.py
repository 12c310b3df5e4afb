"""The Generate page: seeds, guides, what it costs, and what can be done with a picture that was made."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QToolTip, QWidget
from pytestqt.qtbot import QtBot

from ddpm_studio import gallery, imaging
from ddpm_studio.config import DataConfig
from ddpm_studio.control import RunControl
from ddpm_studio.data.cache import open_dataset
from ddpm_studio.data.dataset import pack_names
from ddpm_studio.errors import UserError
from ddpm_studio.evaluation import nearest as search
from ddpm_studio.events import BlendReady, Event, Finished, FrameReady
from ddpm_studio.gui import cost, workers
from ddpm_studio.gui.answers import ModelChoice, NearestFound
from ddpm_studio.gui.app import create
from ddpm_studio.gui.jobs import Jobs
from ddpm_studio.gui.main_window import MainWindow
from ddpm_studio.gui.pages.blend import SHEET, BlendPage
from ddpm_studio.gui.pages.exporting import save_png
from ddpm_studio.gui.pages.generate import GeneratePage
from ddpm_studio.gui.pages.generate_controls import variations
from ddpm_studio.gui.pages.generate_results import Results
from ddpm_studio.gui.pages.runs import RunsPage
from ddpm_studio.gui.preferences import Preferences
from ddpm_studio.gui.presenters import State
from ddpm_studio.models import GuideInfo, find_model
from ddpm_studio.presets import get_preset
from ddpm_studio.requests import STEPS, BlendRequest, SampleRequest, Start, recipe
from ddpm_studio.runs import Run

from .drops import drop_on
from .fakes import FakeJobs, tiles

GUIDE = GuideInfo("mine@500", Path("/runs/mine/milestones/step_0000500.safetensors"), 500, True)


@pytest.fixture
def jobs() -> FakeJobs:
    return FakeJobs()


@pytest.fixture
def window(qtbot: QtBot, jobs: FakeJobs) -> Iterator[MainWindow]:
    _, window = create(jobs=jobs)
    window.show()
    window.show_page("Generate")
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=5000)
    yield window
    window.studio.shut_down()
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=10_000)
    window.close()
    window.deleteLater()


@pytest.fixture
def page(window: MainWindow) -> GeneratePage:
    page = window.pages["Generate"]
    assert isinstance(page, GeneratePage)
    return page


def generated(qtbot: QtBot, page: GeneratePage) -> SampleRequest:
    """Click, wait; what was asked for."""
    page.generate_button.click()
    wait(qtbot, page)
    assert page.stage.request is not None
    return page.stage.request


def wait(qtbot: QtBot, page: GeneratePage) -> None:
    qtbot.waitUntil(lambda: page.stage.made is not None and page._studio.sampling.state is State.DONE, timeout=5000)


def test_an_open_lock_means_other_pictures_at_each_click(qtbot: QtBot, page: GeneratePage) -> None:
    assert generated(qtbot, page).seed == 0
    other = generated(qtbot, page).seed
    assert other != 0
    assert page.seed.value() == other
    page.controls.lock.click()
    assert generated(qtbot, page).seed == other
    page.controls.lock.click()
    page.seed.setValue(77)
    assert page.controls.lock.isChecked(), "whoever writes a seed means that one"
    assert [generated(qtbot, page).seed for _ in range(2)] == [77, 77]


def test_what_was_there_is_there_again_when_nothing_was_made(qtbot: QtBot, page: GeneratePage, jobs: FakeJobs) -> None:
    before = generated(qtbot, page)
    page.stage.results.grid.set_current(3)
    page.stage.filmstrip.slider.setValue(4)
    files, made = list(page.files), page.stage.made
    jobs.pause = 0.05
    page.generate_button.click()
    qtbot.waitUntil(lambda: len(page.stage.filmstrip.frames) == 2)
    assert (page.files, page.stage.made) == ([], None)
    page.cancel_button.click()
    qtbot.waitUntil(lambda: page._studio.sampling.state is State.DONE)
    assert page.stage.made is made
    assert page.stage.request is before
    assert page.files == files
    assert page.stage.results.grid.current == 3
    assert page.stage.filmstrip.strip.current == 4
    assert page.stage.results.made.text() == "16 pictures · seeds 0 to 15"
    assert page.stage.results.tools[Results.VARY].isEnabled()
    jobs.pause = 0.0
    assert generated(qtbot, page) is not before, "and the next ones take their place"


def test_a_guide_is_offered_where_there_is_one(qtbot: QtBot, window: MainWindow, page: GeneratePage, jobs: FakeJobs) -> None:
    guide, request = page.controls.guide, page.request()
    assert not guide.isEnabled()
    assert "no earlier state" in guide.toolTip()
    assert page.controls.guidance_box.isHidden()
    assert request
    assert request.guide is None
    jobs.guides = (GUIDE,)
    window.show_page("Runs")
    window.show_page("Generate")
    qtbot.waitUntil(guide.isEnabled)
    guide.setCurrentIndex(1)
    assert guide.currentText() == "Step 500"
    assert page.controls.guidance_box.isVisible()
    page.controls.guidance.setValue(1.7)
    request = page.request()
    assert request
    assert (request.guide, request.guidance) == (GUIDE.path, 1.7)
    commands = {command.text: command.action for command in window.menus.commands()}
    commands["Copy generation as a command"].trigger()
    assert "--guide mine@500 --guidance 1.7" in QApplication.clipboard().text()
    qtbot.waitUntil(lambda: not workers.running_threads())
    assert guide.currentIndex() == 1, "a new list leaves the choice alone"


@pytest.mark.parametrize(
    ("request_", "expected"),
    [(SampleRequest("m", steps=25), 25), (SampleRequest("m", steps=25, sampler="heun"), 49), (SampleRequest("m", steps=10, guide="g"), 20), (SampleRequest("m", steps=None), 1000)],
)
def test_how_often_the_network_is_asked(request_: SampleRequest, expected: int) -> None:
    assert cost.calls(request_) == expected


def test_the_cost_is_measured_and_else_guessed() -> None:
    request, preferences = SampleRequest(Path("m"), count=10, steps=20), Preferences()
    assert cost.seconds(request, preferences, 0.0, "cpu") is None
    guessed = cost.seconds(request, preferences, 0.1, "cpu")
    assert guessed
    assert not guessed[1]
    preferences = preferences.model_copy(update=cost.with_measurement(preferences, request, 4.0, 0.5, 0.1))
    assert cost.seconds(request, preferences, 0.1, "cpu") == (8.0, True)
    other = replace(request, model=Path("n"))
    assert cost.seconds(other, preferences, 0.2, "cpu") == (pytest.approx(16.0), False), "a network twice as large takes twice as long"
    assert cost.with_measurement(preferences, request, 0.001, 0.5, 0.1) == {}
    for number in range(100):
        preferences = preferences.model_copy(update=cost.with_measurement(preferences, replace(request, model=Path(str(number))), 4.0, 1.0, 0.1))
    assert len(preferences.call_seconds) == cost.KEPT
    assert Preferences.model_validate_json(preferences.model_dump_json()) == preferences


def test_the_cost_stands_above_the_button(qtbot: QtBot, window: MainWindow, page: GeneratePage, jobs: FakeJobs) -> None:
    assert page.controls.cost.text().endswith("a guess")
    assert "16 × 20" in page.controls.cost.toolTip()
    jobs.pause = 0.02
    generated(qtbot, page)
    assert page.controls.cost.text().startswith("about")
    assert not page.controls.cost.text().endswith("a guess")


def test_variations_need_noise_after_the_frame() -> None:
    shown = SampleRequest("m", sampler="dpmpp-2m", steps=25)
    varied = variations(shown, 5, 412, 9, 80, 6, 1234)
    assert varied.start == Start(replace(shown, seed=5, count=1), 412, 80)
    assert (varied.sampler, varied.eta, varied.steps, varied.count, varied.seed) == ("dpmpp-2m-sde", 0.0, 20, 6, 1234)
    assert variations(replace(shown, spacing="linspace"), 5, 412, 9, 80, 6, 1234) == replace(varied, start=Start(replace(shown, spacing="linspace", seed=5, count=1), 412, 80))
    ancestral = variations(replace(shown, sampler="ddpm", steps=1000), 5, 412, 413, None, 6, 1234)
    assert (ancestral.sampler, ancestral.steps) == ("ddpm", 413)
    noisy = replace(shown, sampler="ddim", eta=0.4)
    assert variations(noisy, 5, 3, 2, None, 1, 0).eta == 0.4
    assert variations(shown, 5, 3, 1, None, 1, 0).steps == 4, "no more steps than timesteps"
    assert variations(noisy, 5, 107, 3, None, 1, 0).steps == 3, "as on the way that is seen"
    assert variations(noisy, 5, 999, 1, None, 4, 0).steps == 2, "the last step adds no noise: with it alone all would be the same"
    more = variations(varied, 1236, 412, 25, 80, 6, 99)
    assert more.start == varied.start, "at the first frame all variations are one"
    assert variations(varied, 1236, 300, 20, 80, 6, 99).start == Start(replace(varied, seed=1236, count=1), 300, 80)


def settings_of(page: GeneratePage) -> tuple[object, ...]:
    controls = page.controls
    return controls.start, page.count.value(), page.sampler.currentData(), page.steps.value(), page.eta.value(), page.seed.value(), controls.lock.isChecked()


def test_vary_leaves_the_settings_alone(qtbot: QtBot, page: GeneratePage) -> None:
    page.sampler.setCurrentIndex(page.sampler.findData("ddim"))
    first, before = generated(qtbot, page), settings_of(page)
    page.stage.results.grid.set_current(3)
    page.stage.filmstrip.slider.setValue(6)
    frame, vary = page.stage.chosen_frame, page.stage.results.tools[Results.VARY]
    assert frame
    assert f"t = {frame.timestep}" in vary.toolTip()
    assert "Made by SDE-DPM-Solver++, for these pictures only" in vary.toolTip()
    vary.trigger()
    wait(qtbot, page)
    assert page.stage.request
    assert page.stage.request.start == Start(replace(first, seed=3, count=1), frame.timestep)
    assert page.stage.request.sampler == "dpmpp-2m-sde"
    assert f"· from t = {frame.timestep} of seed 3 on, Clear (SDE)" in page.stage.results.made.text()
    assert page.stage.filmstrip.frames[0].timestep == frame.timestep
    assert settings_of(page) == before
    assert generated(qtbot, page).sampler == "ddim"
    assert "From t" not in page.stage.results.made.text()


def test_at_the_end_of_the_way_the_middle_is_varied(qtbot: QtBot, page: GeneratePage) -> None:
    generated(qtbot, page)
    page.stage.filmstrip.slider.setValue(page.stage.filmstrip.strip.count - 1)
    branch, vary = page.stage.branch, page.stage.results.tools[Results.VARY]
    assert branch
    assert 400 < branch.timestep < 600
    assert "nothing is left to vary" in vary.toolTip()
    vary.trigger()
    wait(qtbot, page)
    assert page.stage.request
    assert page.stage.request.start
    assert page.stage.request.start.timestep == branch.timestep
    page.stage.filmstrip.start(1)
    page._receive([FrameReady(0, 1, 0, tiles(16), tiles(16))])
    assert not vary.isEnabled(), "there is one frame, and it is the end"
    page._receive([FrameReady(0, 1, 999, tiles(16), tiles(16), steps_left=1)])
    assert vary.isEnabled(), "there is one step, in place of which variations take several"


def test_the_strip_is_as_high_with_fewer_frames(page: GeneratePage) -> None:
    heights = set()
    for count in (12, 10, 7, 1):
        page.stage.filmstrip.start(count)
        heights.add(page.stage.filmstrip.strip.height())
    assert len(heights) == 1


def test_the_last_frame_of_the_usual_way_is_not_the_end_of_noise(qtbot: QtBot, page: GeneratePage) -> None:
    """It ends early: nothing is left to vary there, but another sampler can go on from it."""
    assert generated(qtbot, page).sampler == "dpmpp-2m-sde"
    page.stage.filmstrip.start(2)
    page._receive([FrameReady(0, 2, 999, tiles(16), tiles(16), steps_left=20), FrameReady(1, 2, 44, tiles(16), tiles(16), steps_left=1)])
    page.stage.filmstrip.slider.setValue(1)
    page.stage.results.grid.set_current(2)
    frame, branch = page.stage.chosen_frame, page.stage.branch
    assert frame
    assert branch
    assert 0 < frame.timestep < branch.timestep
    page.stage.again_from.click()
    page.sampler.setCurrentIndex(page.sampler.findData("unipc"))
    request = generated(qtbot, page)
    assert (request.sampler, request.count) == ("unipc", 1)
    assert request.start
    assert (request.start.timestep, request.start.walk.seed, request.start.walk.sampler) == (frame.timestep, 2, "dpmpp-2m-sde")


def test_start_again_from_a_frame(qtbot: QtBot, page: GeneratePage) -> None:
    page.sampler.setCurrentIndex(page.sampler.findData("ddim"))
    generated(qtbot, page)
    page.stage.results.grid.set_current(3)
    page.stage.filmstrip.slider.setValue(6)
    page.stage.again_from.click()
    start = page.controls.start
    assert start
    assert page.controls.start_box.isVisible()
    assert f"t = {start.timestep} of seed 3" in page.controls.start_text.text()
    assert "so one is made" in page.controls.start_text.text()
    assert generated(qtbot, page).count == 1, "not sixteen of the same"
    page.eta.setValue(1.0)
    assert "so one is made" not in page.controls.start_text.text()
    page.steps.setValue(1)
    assert "so one is made. With two steps" in page.controls.start_text.text(), "no noise follows the last step"
    page.steps.setValue(20)
    assert generated(qtbot, page).start == start
    # On the way of a variation somebody branches off once more.
    page.stage.filmstrip.slider.setValue(2)
    page.stage.again_from.click()
    again = page.controls.start
    assert again
    assert again.depth == 2
    page.sampler.setCurrentIndex(page.sampler.findData("ddpm"))
    assert page.steps.maximum() == again.timestep + 1
    request = generated(qtbot, page)
    assert (request.sampler, request.start) == ("ddpm", again)
    facts = gallery.read_recipe(page.files[0])
    assert facts["start"]["start"]["seed"] == 3
    page.controls.start_clear.click()
    assert not page.controls.start_box.isVisible()
    assert page.steps.maximum() == 1000
    assert page.steps.value() > 100, "somebody had chosen the sampler, and with it the steps"
    page.sampler.setCurrentIndex(page.sampler.findData("ddim"))
    page.stage.filmstrip.slider.setValue(2)
    page.stage.again_from.click()
    assert page.steps.value() < 20
    page.controls.start_clear.click()
    assert page.steps.value() == 20
    page.stage.filmstrip.slider.setValue(page.stage.filmstrip.strip.count - 1)
    assert not page.stage.again_from.isEnabled()
    assert "earlier frame" in page.stage.again_from.toolTip()


def test_another_model_has_other_ways(qtbot: QtBot, window: MainWindow, page: GeneratePage) -> None:
    generated(qtbot, page)
    page.stage.filmstrip.slider.setValue(5)
    page.stage.again_from.click()
    assert page.controls.start
    window.studio.choose_model(window.studio.models[1])
    assert page.controls.start is None


def test_ways_of_another_model_are_not_gone(qtbot: QtBot, window: MainWindow, page: GeneratePage) -> None:
    first = generated(qtbot, page)
    page.stage.filmstrip.slider.setValue(5)
    vary, mine = page.stage.results.tools[Results.VARY], window.studio.model
    assert vary.isEnabled()
    window.studio.choose_model(window.studio.models[1])
    assert not vary.isEnabled()
    assert not page.stage.again_from.isEnabled()
    for part in (vary, page.stage.again_from):
        assert "another model" in part.toolTip()
    with qtbot.waitSignal(window.studio.said, check_params_cb=lambda text: "choose it first" in text):
        page._act(Results.VARY, 1)
    page._start_from_frame()
    assert (page.stage.request, page.controls.start) == (first, None)
    window.studio.choose_model(mine)
    assert vary.isEnabled()
    assert page.stage.again_from.isEnabled()


def test_ends_of_a_blend_and_a_sheet(qtbot: QtBot, window: MainWindow, page: GeneratePage, tmp_path: Path) -> None:
    generated(qtbot, page)
    page.stage.results.grid.set_current(2)
    with qtbot.waitSignal(window.studio.blend_wanted) as wanted:
        page.stage.results.tools[Results.RIGHT].trigger()
    assert wanted.args == ["B", page.files[2]]
    window.show_page("Generate")
    page._act(Results.COPY_GRID, -1)
    assert QApplication.clipboard().image().width() > 4 * 32
    assert page.stage.made
    save_png(window.studio, tmp_path / "grid.png", window.studio.jobs.grid(page.stage.made.images), {"kind": "sample", "count": 16})
    assert imaging.read_pixels(tmp_path / "grid.png").shape[1] == QApplication.clipboard().image().width()


def test_a_dropped_picture_restores_its_settings_and_is_made_again(qtbot: QtBot, window: MainWindow, page: GeneratePage, jobs: FakeJobs, tmp_path: Path) -> None:
    way = SampleRequest("faces", sampler="ddim", eta=0.25, steps=40, seed=9, count=1)
    request = SampleRequest("faces", sampler="ddpm", steps=33, seed=41, count=4, guide="mine@500", guidance=1.5, start=Start(way, 400))
    picture = gallery.save_pictures(tiles(1), gallery.recipes(request, [42], 24_000, "cpu"), tmp_path)[0]
    window.show_page("Gallery")
    assert drop_on(window, picture)
    qtbot.waitUntil(lambda: window.page == "Generate" and not workers.running_threads(), timeout=5000)
    assert window.studio.model
    assert window.studio.model.name == "faces"
    assert (page.sampler.currentData(), page.steps.value(), page.seed.value(), page.count.value()) == ("ddpm", 33, 42, 1)
    assert page.controls.start == Start(replace(way, model=window.studio.model.path), 400)
    assert page.controls.missing_guide == "mine@500"
    assert page.offer.isVisible()
    for differing, words in ((0, "bit for bit"), (7, "7 of 3,072 values differ")):
        jobs.differing = differing
        page.offer.offer(picture)
        page.offer.button.click()
        wait(qtbot, page)
        qtbot.waitUntil(lambda words=words: words in page.offer.text.text())
    assert page.files == [], "what is made again is not kept twice"
    page.controls.set_guides((GUIDE,))
    assert page.controls.missing_guide is None
    made = page.request()
    assert made
    assert made.guide == GUIDE.path


def test_the_offer_goes_with_the_model_of_its_picture(qtbot: QtBot, window: MainWindow, page: GeneratePage, tmp_path: Path) -> None:
    picture = gallery.save_pictures(tiles(1), gallery.recipes(SampleRequest("tiles"), [0], 24_000, "cpu"), tmp_path)[0]
    window.opening.open_picture(picture)
    qtbot.waitUntil(page.offer.isVisible)
    window.studio.choose_model(next(model for model in window.studio.models if model.name == "faces"))
    assert page.offer.isHidden(), "it would be made by another model"


def held_back(picture_job: workers.Job, go_on: threading.Event) -> workers.Job:
    def job(control: RunControl) -> Iterator[Event]:
        go_on.wait(10)
        yield from picture_job(control)

    return job


def test_each_picture_that_is_made_again_has_its_own_answer(qtbot: QtBot, window: MainWindow, page: GeneratePage, jobs: FakeJobs, tmp_path: Path) -> None:
    x, y = gallery.save_pictures(tiles(2), gallery.recipes(SampleRequest("tiles", count=2), [0, 1], 24_000, "cpu"), tmp_path)
    go_on = threading.Event()
    jobs.recreate = lambda path, model: held_back(FakeJobs.recreate(jobs, path, model), go_on)  # type: ignore[method-assign]
    window.studio.recreate_wanted.emit(x, True)
    for picture, at_once in ((y, True), (y, False)):
        with qtbot.waitSignal(window.studio.said, check_params_cb=lambda text: "try again when they are done" in text):
            window.studio.recreate_wanted.emit(picture, at_once)
    go_on.set()
    wait(qtbot, page)
    assert f"{x.name} is the same again" in page.offer.text.text()


    def waiting(path: Path, model: Path) -> workers.Job:
        def job(control: RunControl) -> Iterator[Event]:
            while not control.stopping:
                time.sleep(0.01)
            yield Finished(stopped=True)

        return job

    jobs.recreate = waiting  # type: ignore[method-assign]
    window.studio.recreate_wanted.emit(y, True)
    qtbot.waitUntil(lambda: window.studio.sampling.state is State.RUNNING, timeout=5000)
    window.studio.sampling.cancel()
    qtbot.waitUntil(lambda: not window.studio.sampling.active, timeout=5000)
    assert page.offer.text.text() == f"These are the settings of {y.name}."
    assert page.offer.button.isVisible(), "whoever cancelled it may want it after all"

    def broken(path: Path, model: Path) -> workers.Job:
        def job(control: RunControl) -> Iterator[Event]:
            raise UserError("It cannot be read.", "Choose another one.")
            yield

        return job

    jobs.recreate = broken  # type: ignore[method-assign]
    window.studio.recreate_wanted.emit(y, True)
    window.show_page("Gallery")
    qtbot.waitUntil(lambda: window.studio.sampling.state is State.FAILED, timeout=5000)
    assert page.offer.isHidden(), "on whatever page one is by then"


@pytest.fixture
def own(home: Path) -> Run:
    """A run whose model is that of the faces."""
    run = Run(home / "runs" / "mine")
    run.write_config(get_preset("tiny-32"))
    shutil.copyfile(find_model("faces"), run.model_file)
    return run


def test_a_new_name_of_its_run_changes_nothing_for_what_was_made(qtbot: QtBot, window: MainWindow, page: GeneratePage, jobs: FakeJobs, own: Run) -> None:
    studio, controls = window.studio, page.controls
    jobs.models = Jobs().models  # type: ignore[method-assign]
    jobs.guides = (replace(GUIDE, path=own.milestone(500)),)
    studio.refresh_models(own.model_file)
    qtbot.waitUntil(lambda: studio.model is not None and studio.model.path == own.model_file and controls.guide.isEnabled())
    controls.guide.setCurrentIndex(1)
    generated(qtbot, page)
    page.stage.results.grid.set_current(1)
    page.stage.filmstrip.slider.setValue(5)
    page.stage.again_from.click()
    start = controls.start
    assert start
    runs_page = window.pages["Runs"]
    assert isinstance(runs_page, RunsPage)
    runs_page._rename(own, "eyes")
    new = own.path.with_name("eyes")
    jobs.guides = (replace(GUIDE, name="eyes@500", path=Run(new).milestone(500)),)
    for _ in range(2):  # at once, and when the models have been listed
        assert studio.model
        assert (studio.model.name, studio.model.path) == ("eyes", new / "model.safetensors")
        assert studio.preferences.last_model == str(studio.model.path)
        assert not page.stage.is_foreign
        assert page.stage.results.tools[Results.VARY].isEnabled()
        assert controls.start == replace(start, walk=start.walk.after_rename(own, Run(new)))
        assert controls.start.walk.model == studio.model.path
        assert controls.start.walk.guide == Run(new).milestone(500)
        qtbot.waitUntil(lambda: not workers.running_threads(), timeout=5000)
    assert controls.guide.currentData() == Run(new).milestone(500)
    assert controls.missing_guide is None
    # What is taken back is of the same model, too.
    controls.eta.setValue(0.5)
    qtbot.waitUntil(lambda: window.studio.undo_stack.undoText() == "Eta")
    window.studio.undo_stack.undo()
    assert controls.start == replace(start, walk=start.walk.after_rename(own, Run(new)))
    runs_page._rename(Run(new), "noses")
    new = own.path.with_name("noses")
    window.studio.undo_stack.redo()
    assert controls.start
    assert controls.start.walk.model == new / "model.safetensors"
    runs_page._rename(Run(new), "eyes")
    new = own.path.with_name("eyes")
    jobs.guides = (replace(GUIDE, name="eyes@500", path=Run(new).milestone(500)),)
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=5000)
    # Pictures of before are opened, too.
    picture = page.files[0]
    assert gallery.read_recipe(picture)["model"] == "mine"
    studio.choose_model(studio.models[0])
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=5000)
    assert studio.open_settings(picture, gallery.read_recipe(picture))
    assert studio.model
    assert studio.model.path == new / "model.safetensors"
    qtbot.waitUntil(lambda: controls.guide.currentData() == Run(new).milestone(500), timeout=5000)
    other = ModelChoice("mine", "mine", Path("/models/mine/model.safetensors"), (32, 32, 3))
    studio.models = (*studio.models, other)
    assert studio.find_model("mine") == other, "what is called so now goes first"


def test_the_chosen_guide_stays_and_makes_no_edits(qtbot: QtBot, window: MainWindow, page: GeneratePage) -> None:
    controls, stack = page.controls, window.studio.undo_stack
    other = replace(GUIDE, name="mine@900", path=GUIDE.path.with_name("step_0000900.safetensors"), step=900)
    controls.set_guides((GUIDE, other))
    controls.guide.setCurrentIndex(1)
    qtbot.waitUntil(lambda: stack.count() == 1)
    controls.set_guides((other, GUIDE))
    assert controls.guide.currentData() == GUIDE.path
    controls.set_guides((other,))
    assert controls.guide.currentData() is None
    qtbot.wait(5)
    page.count.setValue(3)
    qtbot.waitUntil(lambda: stack.count() == 2)
    controls.set_guides((GUIDE, other))
    stack.undo()
    assert controls.guide.currentData() is None, "it went away by itself, so it is not brought back with something else"


def test_steps_that_were_spread_otherwise_stay_so(page: GeneratePage) -> None:
    page.controls.use(SampleRequest("tiles", sampler="ddim", spacing="trailing", count=1))
    request = page.request()
    assert request
    assert request.spacing == "trailing"
    assert "trailing" in page.controls.sampler_note.text()
    page.sampler.setCurrentIndex(page.sampler.findData("unipc"))
    request = page.request()
    assert request
    assert request.spacing == "auto"
    assert "spread" not in page.controls.sampler_note.text()


def test_the_cost_is_that_of_the_model_at_work(qtbot: QtBot, window: MainWindow, page: GeneratePage, jobs: FakeJobs) -> None:
    jobs.pause = 0.02
    page.generate_button.click()
    qtbot.waitUntil(lambda: page.progress.value() > 1)
    page.cost._gmacs = 1000.0  # of another model, chosen meanwhile
    wait(qtbot, page)
    measured = next(iter(window.studio.preferences.call_seconds.values()))
    assert window.studio.preferences.seconds_per_gmac == pytest.approx(measured / 0.1)


def test_a_dropped_blend_goes_to_blend(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    request = BlendRequest("tiles", tiles(2)[0], tiles(2)[1], timestep=333, noise="slerp", seed=5)
    picture = gallery.save_pictures(tiles(1), [recipe(request, lam=0.2)], tmp_path)[0]
    window.opening.open_picture(picture)
    qtbot.waitUntil(lambda: window.page == "Blend")
    blend = window.pages["Blend"]
    assert (blend.controls.timestep.value, blend.single.lam.value(), blend.controls.noise.currentData(), blend.controls.seed.value()) == (333, 20, "slerp", 5)  # type: ignore[attr-defined]


def test_a_dropped_blend_brings_its_pictures_and_is_made_again(qtbot: QtBot, window: MainWindow, jobs: FakeJobs, tmp_path: Path) -> None:
    images, weights = tuple(tiles(5)[i] for i in (4, 1, 3)), (0.2, 0.3, 0.5)
    request = BlendRequest("tiles", images=images, weights=(weights,), timestep=333, sampler="ddpm", steps=None, seed=5)
    facts = gallery.blend_recipes(request, [BlendReady(weights, 333, tiles(1)[0], 1.0, 1.0, device="cpu")])[0]
    picture = tmp_path / "blend.png"
    imaging.save_png(picture, tiles(1)[0], gallery.text_of(facts, images))
    blend = window.pages["Blend"]
    assert isinstance(blend, BlendPage)
    blend.show_view(SHEET)
    assert drop_on(window, picture)
    qtbot.waitUntil(lambda: window.page == "Blend" and not workers.running_threads(), timeout=5000)
    assert blend.single.preview.isVisible()
    assert (blend.controls.timestep.value, blend.controls.seed.value(), blend.wells.weights) == (333, 5, weights)
    assert all(np.array_equal(blend.wells.pictures[letter], image) for letter, image in zip("ABC", images, strict=True))
    assert blend.offer.isVisible()
    assert not window.pages["Generate"].offer.isVisibleTo(window.pages["Generate"])  # type: ignore[attr-defined]
    blend.offer.button.click()
    qtbot.waitUntil(lambda: "bit for bit" in blend.offer.text.text() and not blend._studio.blending.busy, timeout=5000)
    assert blend.single.shown
    assert (blend.single.shown[0].sampler, blend.single.shown[0].steps) == ("ddpm", None), "by its own recipe, not by the page's"
    blend.single.save(tmp_path / "again.png")
    assert gallery.read_recipe(tmp_path / "again.png")["sampler"] == "ddpm"
    jobs.differing = 7
    window.studio.recreate_wanted.emit(picture, True)
    qtbot.waitUntil(lambda: "7 of 3,072 values differ" in blend.offer.text.text(), timeout=5000)
    jobs.pause = 0.3
    blend.maker.recreate(picture)
    blend.wells.places["A"].slider.setValue(70)
    assert blend.offer.button.isVisible(), "something else is blended now"
    jobs.pause = 0.0
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=5000)
    assert "bit for bit" not in blend.offer.text.text()


def test_a_blend_with_altered_pictures_is_refused_with_a_sentence(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    request = BlendRequest("tiles", images=tuple(tiles(2)), timestep=333)
    facts = gallery.blend_recipes(request, [BlendReady((0.5, 0.5), 333, tiles(1)[0], 1.0, 1.0)])[0]
    picture = tmp_path / "blend.png"
    imaging.save_png(picture, tiles(1)[0], gallery.text_of(facts, tiles(2)) | {f"{gallery.PICTURE_KEY}1": "x"})
    assert drop_on(window, picture)
    qtbot.waitUntil(lambda: window.banner.isVisible() and "damaged" in window.banner.message.text(), timeout=5000)


def test_strangers_pictures_are_refused_with_a_sentence(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    altered = gallery.save_pictures(tiles(1), [recipe(SampleRequest("tiles")) | {"steps": -5}], tmp_path)[0]
    plain = tmp_path / "plain.png"
    Image.fromarray(np.array(tiles(1)[0])).save(plain)
    for picture, words in ((plain, "carries no recipe"), (altered, "a value for steps")):
        assert drop_on(window, picture)
        qtbot.waitUntil(lambda words=words: window.banner.isVisible() and words in window.banner.message.text(), timeout=5000)
    assert not drop_on(window, tmp_path)


def test_a_picture_of_ours_is_no_data_to_learn_from(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    picture = gallery.save_pictures(tiles(1), [recipe(SampleRequest("tiles", seed=31))], tmp_path)[0]
    window.show_page("Train")
    zone = window.findChild(QWidget, "datasetDropZone")
    assert zone
    assert drop_on(zone, picture), "the zone leaves it to the window"
    qtbot.waitUntil(lambda: window.page == "Generate", timeout=5000)
    assert window.pages["Generate"].seed.value() == 31  # type: ignore[attr-defined]


def learnt_from(run: Run, data: Path) -> None:
    run.write_config(get_preset("tiny-32").with_changes({"data.image_size": 16}))
    run.resume_notes.write_text(f'{{"step": 5, "source": "{data}"}}')


def test_nearest_pictures_of_the_data(qtbot: QtBot, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (60, 16, 16, 3), np.uint8)
    data, run = tmp_path / "data", Run(home / "runs" / "mine")
    data.mkdir()
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(data / f"{number:03d}.png")
    learnt_from(run, data)
    query = pictures[17].copy()
    query[0, 0, 0] ^= 16
    assert Jobs().trained_on(run.model_file) == Jobs().trained_on(run.milestone(5)) == str(data)
    assert Jobs().trained_on(tmp_path / "other" / "model.safetensors") == ""
    job = Jobs().nearest(run.model_file, query, 4)
    with pytest.raises(UserError, match="not at hand"):
        list(job(RunControl()))
    list(open_dataset(data, DataConfig(image_size=16), RunControl()))
    monkeypatch.setattr(search, "CHUNK_BYTES", 4 * 16 * 16 * 3 * 7)
    found = next(event for event in job(RunControl()) if isinstance(event, NearestFound))
    np.testing.assert_array_equal(found.images[0], pictures[17])
    assert found.distances[0] == pytest.approx((16**2 / query.size) ** 0.5)
    exact = np.sqrt(((pictures.astype(float) - query) ** 2).mean(axis=(1, 2, 3)))
    assert found.distances == pytest.approx(sorted(exact)[:4], rel=1e-5)
    assert (found.total, found.data) == (60, "data")
    notes = run.read_notes() | {"left_out": pack_names(["017.png"])}
    run.resume_notes.write_text(json.dumps(notes), encoding="utf-8")
    found = next(event for event in job(RunControl()) if isinstance(event, NearestFound))
    assert found.total == 59  # what was left out of training is no training picture
    assert found.distances == pytest.approx(sorted(exact)[1:5], rel=1e-5)
    with pytest.raises(UserError, match="not known"):
        list(Jobs().nearest(tmp_path / "other" / "model.safetensors", query, 4)(RunControl()))


def test_nearest_pictures_are_shown_with_an_honest_word(qtbot: QtBot, page: GeneratePage, jobs: FakeJobs) -> None:
    generated(qtbot, page)
    tool = page.stage.results.tools[Results.NEAREST]
    assert not tool.isEnabled()
    assert "your own runs" in tool.toolTip(), "models that ship do not bring their pictures along"
    jobs.trained_on = lambda model: "/data/tiles"  # type: ignore[method-assign]
    generated(qtbot, page)
    assert tool.isEnabled()
    assert "learnt by heart" in tool.toolTip()

    def nearest(model: Path, image: np.ndarray, count: int) -> workers.Job:  # type: ignore[type-arg]
        def job(control: RunControl) -> Iterator[Event]:
            yield NearestFound(tiles(6), (0.0, 3.0, 9.0, 20.0, 30.0, 31.5), 1550, "tiles")

        return job

    jobs.nearest = nearest  # type: ignore[method-assign]
    tool.trigger()
    qtbot.waitUntil(lambda: len(page.stage.nearest.grid.images) == 6)
    assert "1,550 pictures" in page.stage.nearest.text.text()
    assert "pixel distance only" in page.stage.nearest.honest.text()
    assert page.stage.side.currentIndex() == 1
    page.stage.nearest.close_button.click()
    assert page.stage.side.currentIndex() == 0
    tool.trigger()
    qtbot.waitUntil(lambda: page.stage.side.currentIndex() == 1)
    page.stage.results.grid.set_current(1)
    assert page.stage.side.currentIndex() == 0, "they are not those of this picture"
    qtbot.waitUntil(lambda: not workers.running_threads())


def test_a_sampler_that_is_chosen_again_has_the_steps_that_it_had(qtbot: QtBot, page: GeneratePage) -> None:
    page.steps.setFocus()
    page.steps.lineEdit().selectAll()
    qtbot.keyClicks(page.steps.lineEdit(), "33")
    page.sampler.setFocus()
    page.sampler.setCurrentIndex(page.sampler.findData("unipc"))
    assert page.steps.value() == STEPS["unipc"]
    page.sampler.setCurrentIndex(page.sampler.findData("dpmpp-2m-sde"))
    assert page.steps.value() == 33
    page.steps.setValue(3)  # as a limit or a picture sets it
    page.sampler.setCurrentIndex(page.sampler.findData("unipc"))
    page.sampler.setCurrentIndex(page.sampler.findData("dpmpp-2m-sde"))
    assert page.steps.value() == 33


@pytest.mark.parametrize(
    ("typed", "number", "said"),
    [("400", 256, "256 is the most"), ("99999999999", 256, "256 is the most"), ("0", 1, "1 is the least"), ("-5", 1, "1 is the least"), ("12", 12, "")],
)
def test_a_number_that_is_too_large_is_not_another_one(qtbot: QtBot, page: GeneratePage, typed: str, number: int, said: str) -> None:
    QToolTip.hideText()
    page.count.lineEdit().selectAll()
    qtbot.keyClicks(page.count.lineEdit(), typed)
    qtbot.keyClick(page.count.lineEdit(), Qt.Key.Key_Return)
    assert page.count.value() == number
    assert QToolTip.text() == said


def test_a_number_that_is_still_being_typed_counts(qtbot: QtBot, page: GeneratePage) -> None:
    page.count.lineEdit().selectAll()
    qtbot.keyClicks(page.count.lineEdit(), "9999")
    page.steps.setValue(2)
    page.start()  # as by Ctrl+G, which moves no focus
    wait(qtbot, page)
    assert page.stage.request
    assert page.stage.request.count == page.count.value() == 256


def test_no_number_is_too_long_to_be_pasted(page: GeneratePage) -> None:
    page.count.setValue(7)
    page.count.lineEdit().selectAll()
    page.count.lineEdit().insert("9" * 5000)
    assert page.count.value() == 7
