"""What goes to the trash comes back: in any order, when it takes long, and when it does not go well at first."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtGui import QAction
from pytestqt.qtbot import QtBot

from ddpm_studio import gallery
from ddpm_studio.control import RunControl
from ddpm_studio.events import Event
from ddpm_studio.gui import workers
from ddpm_studio.gui.main_window import MainWindow
from ddpm_studio.gui.pages.gallery import GalleryPage
from ddpm_studio.gui.pages.generate import GeneratePage
from ddpm_studio.gui.pages.runs import EMPTY, LISTED, RunsPage
from ddpm_studio.gui.trash import Trash
from ddpm_studio.gui.widgets.run_details import PAUSE_MS
from ddpm_studio.remarks import read_remarks
from ddpm_studio.requests import SampleRequest
from ddpm_studio.runs import Run, lock_run

from .fakes import make_runs, tiles
from .windows import Open


class Bin:
    """A folder in the place of the trash: that of a machine that runs tests is not ours to fill."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.pause = folder, 0.0
        self.threads: set[int] = set()

    def throw_away(self, trash: Trash, path: Path) -> bool:
        self.threads.add(threading.get_ident())
        time.sleep(self.pause)
        trash.places[path] = path.rename(self.folder / path.name)
        return True


@pytest.fixture
def bin_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bin:
    made = Bin(tmp_path / "bin")
    monkeypatch.setattr(Trash, "throw_away", lambda trash, path: made.throw_away(trash, path))
    return made


@pytest.fixture
def window(qtbot: QtBot, open_window: Open, bin_: Bin) -> MainWindow:
    make_runs(4)
    gallery.save_pictures(tiles(6), gallery.recipes(SampleRequest(model="tiles", seed=0, count=6), range(6), 5, "cpu"))
    window = open_window()
    window.activateWindow()
    return window


def idle(qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=10_000)


def runs_page(window: MainWindow, qtbot: QtBot) -> RunsPage:
    window.show_page("Runs")
    page = window.pages["Runs"]
    assert isinstance(page, RunsPage)
    qtbot.waitUntil(lambda: page.model.rowCount() == 4, timeout=10_000)
    idle(qtbot)
    return page


def gallery_page(window: MainWindow, qtbot: QtBot) -> GalleryPage:
    window.show_page("Gallery")
    page = window.pages["Gallery"]
    assert isinstance(page, GalleryPage)
    qtbot.waitUntil(lambda: page.model.rowCount() == 6, timeout=10_000)
    idle(qtbot)
    return page


def delete_run(page: RunsPage, row: int, qtbot: QtBot) -> Run:
    page.view.selectRow(row)
    assert page.current
    run = page.current.run
    page.delete_button.click()
    page.question.confirm.click()
    qtbot.waitUntil(lambda: page.question.undo.isVisible() and run.name in page.question.text.text(), timeout=10_000)
    idle(qtbot)
    assert not run.exists
    return run


def delete_picture(page: GalleryPage, row: int, qtbot: QtBot) -> Path:
    path = ask_about_picture(page, row)
    page.question.confirm.click()
    qtbot.waitUntil(lambda: path not in page.model.files, timeout=10_000)
    idle(qtbot)
    return path


def ask_about_picture(page: GalleryPage, row: int) -> Path:
    page.view.setCurrentIndex(page.model.index(row))
    path = page.chosen[0]
    page.side.trash.click()
    assert page.question.asks
    return path


def set_something(window: MainWindow, qtbot: QtBot, value: int) -> GeneratePage:
    page = window.pages["Generate"]
    assert isinstance(page, GeneratePage)
    page.count.setValue(value)
    qtbot.wait(5)
    return page


def test_what_the_button_took_back_is_no_longer_on_the_stack(qtbot: QtBot, window: MainWindow) -> None:
    stack, page = window.studio.undo_stack, runs_page(window, qtbot)
    set_something(window, qtbot, 17)
    run = delete_run(page, 1, qtbot)
    generate = set_something(window, qtbot, 18)
    page.question.undo.click()
    qtbot.waitUntil(lambda: run.exists, timeout=10_000)
    idle(qtbot)
    assert stack.undoText() == "Number of pictures"
    stack.undo()
    assert generate.count.value() == 17
    assert stack.undoText() == "Number of pictures", "not the run, which is back"
    action = window.findChild(QAction, "actionUndo")
    assert action is not None
    assert action.text() == "&Undo Number of pictures"
    action.trigger()
    assert generate.count.value() == 16
    assert not stack.canUndo()
    assert not action.isEnabled()
    stack.redo()
    stack.redo()
    assert generate.count.value() == 18
    assert run.exists


def test_the_second_try_is_of_the_same_run(qtbot: QtBot, window: MainWindow) -> None:
    stack, page = window.studio.undo_stack, runs_page(window, qtbot)
    first, second = delete_run(page, 0, qtbot), delete_run(page, 0, qtbot)
    stack.undo()
    qtbot.waitUntil(lambda: second.exists, timeout=10_000)
    idle(qtbot)
    first.path.mkdir()
    for _ in range(2):
        with qtbot.waitSignal(window.studio.failed):
            stack.undo()
        idle(qtbot)
        assert page.question.text.text() == f"{first.name} could not be taken back from the trash."
        assert stack.undoText() == f"{first.name} moved to the trash", "it is still there"
    first.path.rmdir()
    page.question.undo.click()
    qtbot.waitUntil(lambda: first.exists, timeout=10_000)
    idle(qtbot)
    assert not page.question.isVisible()
    assert not window.banner.isVisible(), "what failed before has gone well"
    assert not stack.canUndo()
    assert page.model.rowCount() == 4


def test_an_older_deletion_of_pictures_is_tried_again_too(qtbot: QtBot, window: MainWindow) -> None:
    stack, page = window.studio.undo_stack, gallery_page(window, qtbot)
    first, second = delete_picture(page, 0, qtbot), delete_picture(page, 0, qtbot)
    stack.undo()
    qtbot.waitUntil(second.exists, timeout=10_000)
    idle(qtbot)
    first.write_bytes(b"another file")
    with qtbot.waitSignal(window.studio.failed):
        stack.undo()
    idle(qtbot)
    assert page.question.undo.isVisible()
    first.unlink()
    page.question.undo.click()
    qtbot.waitUntil(lambda: first in page.model.files and page.model.rowCount() == 6, timeout=10_000)
    idle(qtbot)


def test_what_is_given_up_is_not_in_the_way(qtbot: QtBot, window: MainWindow, bin_: Bin) -> None:
    stack, page = window.studio.undo_stack, gallery_page(window, qtbot)
    generate = set_something(window, qtbot, 17)
    path = delete_picture(page, 0, qtbot)
    path.write_bytes(b"another file")
    with qtbot.waitSignal(window.studio.failed):
        stack.undo()
    page.question.close_button.click()
    assert stack.undoText() == "Number of pictures"
    window.show_page("Gallery")
    delete_picture(page, 0, qtbot)
    for thrown in bin_.folder.iterdir():  # the trash is emptied
        thrown.unlink()
    with qtbot.waitSignal(window.studio.failed):
        stack.undo()
    assert not page.question.isVisible(), "there is nothing to try again"
    stack.undo()
    assert generate.count.value() == 16


def test_a_question_stays_while_others_come_back(qtbot: QtBot, window: MainWindow) -> None:
    page = gallery_page(window, qtbot)
    path = delete_picture(page, 1, qtbot)
    asked = ask_about_picture(page, 3)
    window.studio.undo_stack.undo()
    qtbot.waitUntil(lambda: path in page.model.files, timeout=10_000)
    idle(qtbot)
    assert page.question.asks
    assert page.question.about == (asked,)
    assert page.chosen == [asked]
    page.question.confirm.click()
    qtbot.waitUntil(lambda: asked not in page.model.files, timeout=10_000)
    idle(qtbot)
    assert path.exists()

    runs = runs_page(window, qtbot)
    run = delete_run(runs, 1, qtbot)
    runs.view.selectRow(2)
    runs.delete_button.click()
    window.studio.undo_stack.undo()
    qtbot.waitUntil(lambda: run.exists and runs.model.rowCount() == 4, timeout=10_000)
    idle(qtbot)
    assert runs.question.asks
    assert runs.current
    assert runs.question.about == (runs.current.run.path,)
    runs.view.selectRow(0)
    assert not runs.question.isVisible()


def test_late_news_wait_behind_a_question(qtbot: QtBot, window: MainWindow, bin_: Bin) -> None:
    page = gallery_page(window, qtbot)
    bin_.pause = 0.2
    page.view.setCurrentIndex(page.model.index(1))
    first = page.chosen[0]
    page.side.trash.click()
    page.question.confirm.click()
    asked = ask_about_picture(page, 3)
    qtbot.waitUntil(lambda: first not in page.model.files, timeout=10_000)
    idle(qtbot)
    assert page.question.text.text() == "Move 1 picture to the trash?"
    assert page.question.asks
    assert page.chosen == [asked]
    page.question.keep.click()
    assert page.question.text.text() == "1 picture moved to the trash"
    page.question.undo.click()
    qtbot.waitUntil(lambda: first in page.model.files, timeout=10_000)
    idle(qtbot)
    assert not page.question.isVisible()
    ask_about_picture(page, 2)
    page.question.keep.click()
    assert not page.question.isVisible(), "that is old"


def test_runs_are_moved_beside_the_window(qtbot: QtBot, window: MainWindow, bin_: Bin) -> None:
    page = runs_page(window, qtbot)
    bin_.pause = 0.3
    assert page.current
    run = page.current.run
    page.delete_button.click()
    page.question.confirm.click()
    assert run.exists, "the window does not wait"
    assert not page.delete_button.isEnabled()
    assert not page.continue_button.isEnabled()
    assert window.status.message.text() == f"{run.name} is being moved…"
    window.studio.undo_stack.undo()
    qtbot.waitUntil(page.question.undo.isVisible, timeout=10_000)
    idle(qtbot)
    assert bin_.threads
    assert threading.get_ident() not in bin_.threads
    for _ in range(3):  # three times Ctrl+Z in haste are one
        window.studio.undo_stack.undo()
    qtbot.waitUntil(lambda: page.current is not None and page.current.run == run, timeout=10_000)
    idle(qtbot)
    assert page.delete_button.isEnabled()
    assert not window.studio.undo_stack.canUndo()
    assert not window.banner.isVisible()


def test_a_run_in_training_stays(qtbot: QtBot, window: MainWindow, bin_: Bin) -> None:
    page = runs_page(window, qtbot)
    assert page.current
    run = page.current.run
    with lock_run(run):
        page.delete_button.click()
        with qtbot.waitSignal(window.studio.failed) as failed:
            page.question.confirm.click()
    assert "is being trained" in failed.args[0].message
    idle(qtbot)
    assert run.exists
    assert not bin_.threads
    assert page.delete_button.isEnabled()
    assert not window.studio.undo_stack.canUndo()


def test_a_note_that_was_just_written_goes_along_and_comes_back(qtbot: QtBot, window: MainWindow, bin_: Bin) -> None:
    bin_.pause = 2 * PAUSE_MS / 1000
    page = runs_page(window, qtbot)
    page.view.selectRow(1)
    assert page.current
    run = page.current.run
    page.delete_button.click()
    page.details.note.setPlainText("worth remembering")  # while it is asked
    page.question.confirm.click()
    qtbot.waitUntil(lambda: run.path in page.question.moving)
    assert not page.details.note.isEnabled()
    assert not page.details.name.isEnabled()
    idle(qtbot)
    qtbot.wait(PAUSE_MS + 50)
    assert not run.path.exists()
    assert page.details.note.isEnabled()
    window.studio.undo_stack.undo()
    qtbot.waitUntil(lambda: run.exists, timeout=10_000)
    idle(qtbot)
    assert read_remarks(run.path).note == "worth remembering"
    assert not window.banner.isVisible()


def test_a_note_about_a_run_that_is_gone_is_refused(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    page = runs_page(window, qtbot)
    page.view.selectRow(1)
    assert page.current
    run = page.current.run
    run.path.rename(tmp_path / "elsewhere")
    page.details.note.setPlainText("worth remembering")
    page.details.save()
    assert "is gone" in window.banner.message.text()
    assert not run.path.exists()


def test_a_picture_comes_back_with_its_star(qtbot: QtBot, window: MainWindow) -> None:
    page = gallery_page(window, qtbot)
    first, second = page.model.files[:2]
    page._star([first])
    assert delete_picture(page, 0, qtbot) == first
    page._star([second])
    window.studio.undo_stack.undo()
    qtbot.waitUntil(lambda: first in page.model.files, timeout=10_000)
    idle(qtbot)
    assert gallery.read_stars() == {first.name, second.name}
    assert {first.name, second.name} <= page.model.stars
    page._star([first])
    assert gallery.read_stars() == {second.name}


def test_a_star_that_is_set_during_a_listing_stays(qtbot: QtBot, window: MainWindow) -> None:
    page, jobs = gallery_page(window, qtbot), window.studio.jobs
    read, go_on, whole = threading.Event(), threading.Event(), jobs.list_gallery

    def held_back(known: frozenset[Path]) -> workers.Job:
        def job(control: RunControl) -> Iterator[Event]:
            for event in whole(known)(control):
                read.set()
                assert go_on.wait(10)
                yield event

        return job

    jobs.list_gallery = held_back  # type: ignore[method-assign]
    page.refresh()
    assert read.wait(10)
    path = page.model.files[2]
    page._star([path])
    go_on.set()
    idle(qtbot)
    assert path.name in gallery.read_stars()
    assert path.name in page.model.stars


def test_the_last_ones_can_be_taken_back_where_none_is_left(qtbot: QtBot, window: MainWindow) -> None:
    page = runs_page(window, qtbot)
    page.view.selectAll()
    page.delete_button.click()
    page.question.confirm.click()
    qtbot.waitUntil(lambda: page.stack.currentIndex() == EMPTY and page.question.undo.isVisible(), timeout=10_000)
    idle(qtbot)
    page.question.undo.click()
    qtbot.waitUntil(lambda: page.stack.currentIndex() == LISTED and page.model.rowCount() == 4, timeout=10_000)
    idle(qtbot)
    shelf = gallery_page(window, qtbot)
    shelf.view.selectAll()
    shelf.side.trash.click()
    shelf.question.confirm.click()
    qtbot.waitUntil(lambda: shelf.stack.currentIndex() == 0 and shelf.question.undo.isVisible(), timeout=10_000)
    idle(qtbot)
    shelf.question.undo.click()
    qtbot.waitUntil(lambda: shelf.model.rowCount() == 6, timeout=10_000)
    idle(qtbot)
