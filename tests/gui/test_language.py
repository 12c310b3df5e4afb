"""The window in another language, and the way from one to the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import shiboken6
from PySide6.QtWidgets import QApplication, QDialogButtonBox
from pytestqt.qtbot import QtBot

from ddpm_studio import gallery, paths
from ddpm_studio.gui import app, preferences, words, workers
from ddpm_studio.gui.main_window import MainWindow
from ddpm_studio.gui.pages.train import LIVE
from ddpm_studio.gui.widgets.command_palette import Command, matches, without_mnemonic
from ddpm_studio.language import tr

from .fakes import FakeJobs, make_runs, tiles


@pytest.fixture
def program(qtbot: QtBot) -> Iterator[QApplication]:
    """The program; it speaks English again afterwards."""
    there = QApplication.instance()
    assert isinstance(there, QApplication)
    yield there
    app.choose_language(there, "en")


def idle(qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not workers.running_threads(), timeout=20_000)


def test_the_window_is_made_anew_in_the_language_that_is_chosen(qtbot: QtBot, program: QApplication) -> None:
    _, english = app.create(jobs=FakeJobs(pause=0.002, steps=4000))
    english.show()
    idle(qtbot)
    english.train_page.dataset.open([paths.samples_archive()])
    qtbot.waitUntil(lambda: english.train_page.dataset.report is not None, timeout=20_000)
    idle(qtbot)
    english.show_page("Gallery")
    reporter = app._Reporter()
    reporter.window = english
    app.listen_for_language(program, reporter)
    english.menus.languages["zh_CN"].trigger()
    qtbot.waitUntil(lambda: not shiboken6.isValid(english), timeout=30_000)
    chinese = reporter.window
    try:
        assert preferences.load().language == "zh_CN"
        assert chinese.isVisible()
        assert chinese.page == "Gallery"
        assert chinese.header.title.text() == tr("Gallery") == "图库"
        assert chinese.menus.languages["zh_CN"].isChecked()
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        assert buttons.buttons()[0].text() == "取消", "Qt speaks it, too"
        qtbot.waitUntil(lambda: chinese.train_page.dataset.source == paths.samples_archive(), timeout=20_000)
        idle(qtbot)
        _while_files_are_written_it_waits(qtbot, chinese)
        _while_training_it_waits(qtbot, chinese)
    finally:
        chinese.studio.shut_down()
        idle(qtbot)
        chinese.close()
        chinese.deleteLater()


def test_what_was_made_and_set_comes_along(qtbot: QtBot, program: QApplication) -> None:
    make_runs(3)  # one of them has not ended: with that the program begins on the page Train
    _, english = app.create(jobs=FakeJobs(pause=0.002, steps=4000))
    english.show()
    idle(qtbot)
    assert english.train_page.offer.run
    english.studio.choose_model(english.studio.models[-1])
    chosen = english.studio.model
    assert chosen
    assert chosen != english.studio.models[0]
    english.show_page("Train")
    english.train_page.settings.preset.setCurrentIndex(2)
    preset = english.train_page.settings.preset.currentData()
    offered = english.train_page.offer.run
    english.train_page.replay(offered)
    idle(qtbot)
    english.show_page("Generate")
    page = english.generate_page
    page.count.setValue(3)
    page.steps.setValue(7)
    page.seed.setValue(5)
    page.start()
    qtbot.waitUntil(lambda: page.stage.made is not None and not english.studio.sampling.active, timeout=10_000)
    idle(qtbot)
    page.stage.results.grid.set_current(1)
    page.stage.filmstrip.slider.setValue(2)
    asked, made, files, frames, shown = page.request(), page.stage.made, page.files, page.stage.filmstrip.frames, page.stage.filmstrip.strip.current
    assert files
    english.studio.remember(language="zh_CN")
    chinese = app.speak_anew(program, english)
    try:
        idle(qtbot)
        page = chinese.generate_page
        assert chinese.page == "Generate"
        assert chinese.studio.model
        assert chinese.studio.model.path == chosen.path
        assert page.request() == asked
        assert (page.stage.made, page.files, page.stage.filmstrip.frames) == (made, files, frames)
        assert page.stage.currentIndex() == 1
        assert page.stage.results.grid.current == 1
        assert page.stage.filmstrip.strip.current == shown
        assert chinese.train_page.settings.preset.currentData() == preset
        qtbot.waitUntil(lambda: chinese.train_page.live.plots.loss.length == english.train_page.live.plots.loss.length > 0, timeout=10_000)
        assert chinese.train_page.view.current == LIVE
        assert (chinese.train_page.offer.run, chinese.train_page.offer.isHidden()) == (offered, False)
        assert chinese.studio.undo_stack.count() == 0
        assert chinese.banner.isHidden()
        page.controls.lock.setChecked(False)
        page.start()
        qtbot.waitUntil(lambda: not chinese.studio.sampling.active, timeout=10_000)
        assert page.seed.value() != 5, "that one was used already"
    finally:
        chinese.studio.shut_down()
        idle(qtbot)
        chinese.close()
        chinese.deleteLater()


def test_a_film_that_does_not_come_along_is_named(qtbot: QtBot, program: QApplication) -> None:
    _, english = app.create(jobs=FakeJobs(pause=0.002, steps=4000))
    english.show()
    idle(qtbot)
    gallery.save_pictures(tiles(3), [{"kind": "sample", "seed": seed} for seed in range(3)])
    english.show_page("Blend")
    blend = english.blend_page
    qtbot.waitUntil(lambda: blend.wells.images is not None and not workers.running_threads())
    blend.wells.set_source("A", gallery.list_pictures()[2])
    idle(qtbot)
    blend.make_film()
    qtbot.waitUntil(lambda: blend.film.complete and not english.studio.blending.busy, timeout=20_000)
    idle(qtbot)
    sources = dict(blend.wells.sources)
    english.studio.remember(language="zh_CN")
    chinese = app.speak_anew(program, english)
    try:
        idle(qtbot)
        assert chinese.page == "Blend"
        assert chinese.blend_page.wells.sources == sources
        assert chinese.banner.is_notice
        assert "动画" in chinese.banner.message.text()
    finally:
        chinese.studio.shut_down()
        idle(qtbot)
        chinese.close()
        chinese.deleteLater()


def _while_files_are_written_it_waits(qtbot: QtBot, chinese: MainWindow) -> None:
    done = threading.Event()
    chinese.studio.ask(chinese.studio.jobs.for_each([Path("a.png")], lambda path: done.wait(10)), lambda batch: None)
    with qtbot.assertNotEmitted(chinese.language_chosen):
        chinese.menus.languages["en"].trigger()
    done.set()
    idle(qtbot)
    assert not chinese.studio.busy
    chinese.studio.remember(language="zh_CN")


def _while_training_it_waits(qtbot: QtBot, chinese: MainWindow) -> None:
    chinese.train_page.start()
    assert chinese.studio.busy
    with qtbot.assertNotEmitted(chinese.language_chosen):
        chinese.menus.languages["en"].trigger()
    assert "is started again" in chinese.banner.message.text(), "said in the language that comes"
    assert chinese.banner.isVisible()
    assert preferences.load().language == "en"
    assert tr("Gallery") == "图库"


def test_numbers_and_times_in_chinese(program: QApplication) -> None:
    app.choose_language(program, "zh_CN")
    assert words.duration(4800) == "1 小时 20 分钟"
    assert words.time_left(40) == "剩余 40 秒"
    assert words.sentences("一。", "", "二。") == "一。二。"
    assert words.sentences("One.", "", "Two.") == "One. Two."
    assert words.moment(time.time()).startswith("今天 ")
    assert words.moment(time.mktime((2020, 3, 5, 12, 0, 0, 0, 0, -1))) == "2020年3月5日"


def test_commands_are_found_in_both_languages(qtbot: QtBot, program: QApplication) -> None:
    assert without_mnemonic("文件(&F)") == "文件"
    assert without_mnemonic("打开文件夹(&F)…") == "打开文件夹…"
    assert without_mnemonic("S&top and save") == "Stop and save"
    assert matches("打开文件夹…", "夹")
    assert not matches("打开文件夹…", "包")
    app.choose_language(program, "zh_CN")
    window = MainWindow(FakeJobs())
    qtbot.addWidget(window)
    palette = window.menus.palette
    palette.open(window.menus.commands())
    for query in ("示例", "sample"):
        palette.query.setText(query)
        assert palette.list.count() == 1
    idle(qtbot)
    assert isinstance(window.menus.commands()[0], Command)
