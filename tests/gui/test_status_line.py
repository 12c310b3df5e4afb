"""What the status line says, and on which pages."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMessageBox
from pytestqt.qtbot import QtBot

from ddpm_studio import gallery
from ddpm_studio.events import Failed
from ddpm_studio.gui.main_window import PAGES, MainWindow
from ddpm_studio.gui.presenters import State
from ddpm_studio.presets import get_preset
from ddpm_studio.requests import BlendRequest, SampleRequest, TrainRequest, recipe
from ddpm_studio.runs import Run

from .drops import drop_on
from .fakes import FakeJobs, make_runs, tiles
from .test_main_window import find, show_runs
from .windows import Open


def said(window: MainWindow) -> str:
    return window.status.message.text()


def go_to(qtbot: QtBot, window: MainWindow, page: str) -> None:
    """As a person does: a while after whatever was last."""
    qtbot.wait(10)
    window.rail.buttons[[name for name, _, _ in PAGES].index(page)].click()


def train(qtbot: QtBot, window: MainWindow, home: Path) -> Run:
    run = Run(home / "runs" / "mine")
    window.studio.training.start(TrainRequest(run, home, get_preset("tiny-32")))
    qtbot.waitUntil(lambda: window.studio.training.step > 10)
    return run


def test_finished_pictures_are_news_on_one_page(qtbot: QtBot, open_window: Open) -> None:
    window = open_window()
    window.show_page("Generate")
    with qtbot.waitSignal(window.generationFinished, timeout=10_000):
        find(window, "generateButton").click()  # type: ignore[attr-defined]
    assert "done and in the gallery" in said(window)
    go_to(qtbot, window, "Generate")
    assert "done and in the gallery" in said(window), "it is the same page"
    go_to(qtbot, window, "Gallery")
    assert said(window) == "Ready"
    go_to(qtbot, window, "Generate")
    assert said(window) == "Ready"


def test_what_a_menu_answers_goes_with_the_page(qtbot: QtBot, open_window: Open) -> None:
    """That a command shows its page first takes nothing away."""
    window = open_window()
    action = window.findChild(QAction, "actionCopyGenerationAsACommand")
    assert action
    action.trigger()
    assert said(window).startswith("Copied: ddpm-studio generate")
    go_to(qtbot, window, "Runs")
    assert said(window) == "Ready"


def test_words_after_a_change_of_page_belong_to_the_new_one(qtbot: QtBot, open_window: Open) -> None:
    make_runs(1)
    window = open_window()
    show_runs(qtbot, window).details.again.click()
    assert window.page == "Train"
    assert said(window) == "The settings of pixel_tiles-tiny-32-1 are set"
    qtbot.wait(10)
    assert said(window) == "The settings of pixel_tiles-tiny-32-1 are set"
    go_to(qtbot, window, "Runs")
    assert said(window) == "Ready"


def test_words_before_a_change_of_page_belong_to_the_new_one(qtbot: QtBot, open_window: Open) -> None:
    window = open_window()
    go_to(qtbot, window, "Runs")
    window.studio.said.emit("It is on the Train page")
    window.studio.page_wanted.emit("Train")
    assert said(window) == "It is on the Train page"
    go_to(qtbot, window, "Runs")
    assert said(window) == "Ready"


def test_a_dropped_picture_is_spoken_of_on_the_page_that_it_opens(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    request = BlendRequest("tiles", tiles(2)[0], tiles(2)[1], timestep=333, seed=5)
    picture = gallery.save_pictures(tiles(1), [recipe(request, lam=0.2)], tmp_path)[0]
    window = open_window()
    assert drop_on(window, picture)
    qtbot.waitUntil(lambda: window.page == "Blend")
    assert "does not hold the pictures" in said(window)
    go_to(qtbot, window, "Train")
    assert said(window) == "Ready"


def test_words_about_the_training_stay(qtbot: QtBot, open_window: Open, home: Path) -> None:
    window = open_window(FakeJobs(pause=0.05))
    train(qtbot, window, home)
    window.show_page("Generate")
    find(window, "generateButton").click()  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: "Training is paused while pictures are made" in said(window))
    go_to(qtbot, window, "Gallery")
    assert "Training is paused while pictures are made" in said(window)
    window.studio.training.stop()
    qtbot.waitUntil(lambda: window.studio.training.state is State.DONE)
    go_to(qtbot, window, "Train")
    assert "its model is ready" in said(window)


def test_words_about_pictures_that_are_being_made_come_back(qtbot: QtBot, open_window: Open) -> None:
    window = open_window(FakeJobs(pause=0.05))
    window.show_page("Generate")
    find(window, "generateButton").click()  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: said(window) == "Generating")
    go_to(qtbot, window, "Gallery")
    assert said(window) == "Generating"
    window.studio.said.emit("Copied 2 pictures")
    go_to(qtbot, window, "Runs")
    assert said(window) == "Generating"


def test_an_error_is_not_swallowed(qtbot: QtBot, open_window: Open) -> None:
    window = open_window()
    window.studio.failed.emit(Failed("The disk is full.", ""))
    window.studio.device_found.emit("cuda", "NVIDIA H100")
    assert said(window) == "The disk is full."
    assert window.banner.isVisible()
    go_to(qtbot, window, "Runs")
    assert said(window) == "Ready", "it goes with its banner"
    window.studio.failed.emit(Failed("The disk is full.", ""))
    window.studio.tried_again.emit()
    assert said(window) == "Ready"
    assert not window.banner.isVisible()


def test_a_notice_of_what_runs_stays_on_every_page(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    window = open_window()
    window.studio.failed.emit(Failed("The disk is full.", ""))
    window.studio.noticed.emit("The learning rate was halved.")
    assert said(window) == "Ready", "the complaint went with its banner"
    go_to(qtbot, window, "Runs")
    assert window.banner.isVisible()
    picture = gallery.save_pictures(tiles(1), gallery.recipes(SampleRequest("tiles"), [0], 24_000, "cpu"), tmp_path)[0]
    window.opening.open_picture(picture)
    qtbot.waitUntil(lambda: window.page == "Generate")
    assert window.banner.isVisible()


def test_a_complaint_goes_when_a_picture_is_opened(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    window = open_window()
    go_to(qtbot, window, "Generate")
    window.studio.failed.emit(Failed("The disk is full.", ""))
    picture = gallery.save_pictures(tiles(1), gallery.recipes(SampleRequest("tiles"), [0], 24_000, "cpu"), tmp_path)[0]
    window.opening.open_picture(picture)
    qtbot.waitUntil(lambda: not window.banner.isVisible())
    assert said(window) != "The disk is full."


def test_a_remark_can_be_read_while_a_training_counts_its_steps(qtbot: QtBot, open_window: Open, home: Path) -> None:
    window = open_window(FakeJobs(pause=0.002, steps=4000))
    train(qtbot, window, home)
    window.studio.said.emit("Copied: this")
    step = window.studio.training.step
    qtbot.waitUntil(lambda: window.studio.training.step > step + 50)
    assert said(window) == "Copied: this"
    window.reporting._reading.setInterval(1)
    window.studio.said.emit("Copied: that")
    qtbot.waitUntil(lambda: said(window).startswith("Training mine"))


def test_space_pauses_only_where_that_is_seen(qtbot: QtBot, open_window: Open, home: Path) -> None:
    window = open_window(FakeJobs(pause=0.002, steps=4000))
    train(qtbot, window, home)
    window.show_page("Gallery")
    qtbot.keyClick(window, Qt.Key.Key_Space)
    assert window.studio.training.state is State.RUNNING
    window.show_page("Train")
    qtbot.keyClick(window, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: window.studio.training.state is State.PAUSED)


def test_about_is_a_box_of_its_own(qtbot: QtBot, open_window: Open) -> None:
    window = open_window()
    window.menus._about()
    box = window.findChild(QMessageBox, "aboutBox")
    assert box
    assert box.isVisible()
    assert not box.isModal(), "a training can be paused beside it"
    assert box.text().startswith("DDPM Studio ")
    qtbot.keyClick(box, Qt.Key.Key_Escape)
    assert not box.isVisible()
