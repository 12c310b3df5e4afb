"""The page Inside: the forward process under a slider, the network and its feature maps."""

from __future__ import annotations

import itertools
import math
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage, QPainter
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from ddpm_studio.config import DiffusionConfig, RunConfig
from ddpm_studio.control import RunControl
from ddpm_studio.errors import UserError
from ddpm_studio.events import Event, Images
from ddpm_studio.gui import theme, workers
from ddpm_studio.gui.forward import OF_MODEL, ForwardReady, log_snr, shares
from ddpm_studio.gui.jobs import Jobs
from ddpm_studio.gui.main_window import MainWindow
from ddpm_studio.gui.pages.inside import FORWARD, NETWORK, InsidePage
from ddpm_studio.gui.widgets.architecture import READABLE, ArchitectureView
from ddpm_studio.gui.widgets.block_item import BOX_H, BOX_W, formula, meaning, title
from ddpm_studio.gui.widgets.feature_panel import FeaturePanel, colours
from ddpm_studio.gui.widgets.noise_strip import evening
from ddpm_studio.gui.widgets.schedule_plot import SchedulePlot
from ddpm_studio.nn.describe import describe_network
from ddpm_studio.presets import PRESETS
from ddpm_studio.sampling.forward import alphas_cumprod, diffuse, noise_of, plain_schedules

from .drops import drop_on
from .fakes import FakeJobs, blocks, tiles
from .windows import Open

VARIANTS = {
    "patches": {"model.attention_patch": 2, "model.num_heads": 4},
    "transposed": {"model.upsample": "transposed", "model.up_narrowing": "before", "model.stem_patch": 1},
    "averaged": {"model.downsample": "average", "data.image_height": 64, "model.middle_attention": False},
    "learned": {"diffusion.variance_type": "learned", "model.num_res_blocks": 3, "model.attention": (True, True, True), "model.input_skip": False},
}


def page_of(window: MainWindow, view: int = FORWARD) -> InsidePage:
    page = window.pages["Inside"]
    assert isinstance(page, InsidePage)
    window.show_page("Inside")
    page.view.choose(view)
    page._show_view()
    return page


# What has little room.


def test_maps_hide_nothing_in_a_low_window(qtbot: QtBot) -> None:
    panel = FeaturePanel()
    qtbot.addWidget(panel)
    block = next(block for block in blocks() if block.name == "up.1.res1")
    panel.show_block(block, 0.1)
    panel.resize(344, 520)
    panel.show()
    assert panel.minimumSizeHint().height() <= 520
    assert panel.grid.geometry().bottom() < panel.bar.y() < panel.channels.y()


def test_names_of_curves_take_another_line(qtbot: QtBot) -> None:
    plot = SchedulePlot()
    qtbot.addWidget(plot)
    plot.resize(220, 200)
    plot.show_roots(True)
    plot.show_schedules({OF_MODEL: np.linspace(1, 0.1, 50), **plain_schedules(50)}, OF_MODEL)
    picture = QImage(plot.size(), QImage.Format.Format_RGB32)
    plot.render(picture)
    painter = QPainter(picture)
    painter.setFont(plot.font())
    for place, text, _ in plot._key(painter):
        assert place.x() + 23 + painter.fontMetrics().horizontalAdvance(text) <= 221
        assert place.y() + 16 <= plot._room.top()
    painter.end()


# The forward process.


@pytest.mark.parametrize(("schedule", "zero"), [("cosine", False), ("linear", False), ("sigmoid", True)])
def test_numpy_says_what_torch_says(schedule: str, zero: bool) -> None:
    config = DiffusionConfig(beta_schedule=schedule, zero_terminal_snr=zero)  # type: ignore[arg-type]
    picture = tiles(1)[0]
    parts = ForwardReady(picture, noise_of(picture, 5), {OF_MODEL: alphas_cumprod(config), **plain_schedules(1000)}, 5)
    steps = [0, 1, 250, 700, 999]
    for t, expected in zip(steps, diffuse(picture, steps, config, seed=5), strict=True):
        assert np.abs(parts.x_t(OF_MODEL, t).astype(int) - expected).max() <= 1
    signal, sigma = shares(parts.schedules[OF_MODEL], 250)
    assert signal**2 + sigma**2 == pytest.approx(1)
    assert log_snr(parts.schedules[OF_MODEL], 250) == pytest.approx(2 * math.log(signal / sigma))
    assert parts.schedules["linear"][0] == pytest.approx(0.9999)


def test_the_end_of_a_schedule_without_any_signal() -> None:
    assert log_snr(alphas_cumprod(DiffusionConfig(zero_terminal_snr=True)), 999) == -math.inf


def test_small_pictures_of_the_strip_are_the_same_noise() -> None:
    picture = tiles(1)[0]
    parts = ForwardReady(picture, noise_of(picture), plain_schedules(100) | {OF_MODEL: alphas_cumprod(DiffusionConfig(num_timesteps=100))}, 0)
    np.testing.assert_array_equal(parts.x_t(OF_MODEL, 40, 16), parts.x_t(OF_MODEL, 40)[::2, ::2])


def test_the_real_job_takes_any_file_and_needs_no_model(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    class Real(FakeJobs):
        forward = Jobs.forward

    window = open_window(Real(models=False))
    page = page_of(window)
    qtbot.waitUntil(lambda: page.forward.parts is not None, timeout=20_000)  # imports torch
    file = tmp_path / "photo.jpg"
    Image.new("RGB", (300, 200), (200, 40, 40)).save(file)
    assert drop_on(page.forward, file)
    parts = page.forward.parts
    qtbot.waitUntil(lambda: page.forward.parts is not parts, timeout=5000)
    assert page.forward.parts is not None
    assert page.forward.parts.picture.shape == (64, 64, 3)
    assert page.forward.parts.picture[0, 0].tolist() == pytest.approx([200, 40, 40], abs=4)


def test_the_slider_moves_picture_point_and_formula(qtbot: QtBot, open_window: Open) -> None:
    page = page_of(open_window())
    qtbot.waitUntil(lambda: page.forward.parts is not None, timeout=5000)
    slider = page.forward.slider.slider
    slider.setValue(0)
    almost_clean = page.forward.picture.image
    slider.setValue(999)
    assert page.forward.picture.image != almost_clean
    assert page.forward.equation.formula.startswith("x₉₉₉ = 0.0")
    assert page.forward.snr.text().startswith("log-SNR −")
    page.forward.strip.set_current(2)
    assert slider.value() == page.forward.stops[2] == 222
    qtbot.mouseClick(page.forward.plot, Qt.MouseButton.LeftButton, pos=page.forward.plot.rect().center())
    assert 350 < slider.value() < 650
    before = page.forward.picture.image
    page.forward.schedule.setCurrentIndex(1)
    assert page.forward.picture.image != before, "another schedule"


def test_other_noise_can_be_taken_back(qtbot: QtBot, open_window: Open) -> None:
    window = open_window()
    page = page_of(window)
    qtbot.waitUntil(lambda: page.forward.parts is not None, timeout=5000)
    page.forward.shuffle.click()
    qtbot.waitUntil(lambda: page.forward.parts is not None and page.forward.parts.seed != 0, timeout=5000)
    window.studio.undo_stack.undo()
    qtbot.waitUntil(lambda: page.forward.parts is not None and page.forward.parts.seed == 0, timeout=5000)


def test_a_file_that_is_no_picture_changes_nothing(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    class Real(FakeJobs):
        forward = Jobs.forward

    window = open_window(Real(models=False))
    page = page_of(window)
    qtbot.waitUntil(lambda: page.forward.parts is not None, timeout=20_000)
    parts = page.forward.parts
    bad = tmp_path / "notes.png"
    bad.write_text("no picture")
    page.forward.set_source(bad)
    qtbot.waitUntil(window.banner.isVisible, timeout=5000)
    assert page.forward.parts is parts


# The network.


@pytest.mark.parametrize("name", [*PRESETS, *VARIANTS])
def test_every_network_is_drawn_whole_and_nothing_overlaps(qtbot: QtBot, name: str, tmp_path: Path) -> None:
    network = describe_network(PRESETS[name] if name in PRESETS else PRESETS["tiny-32"].with_changes(VARIANTS[name]))
    view = ArchitectureView()
    qtbot.addWidget(view)
    view.show_blocks(network.blocks, network.time, network.folding)
    inside = [block.name for block in network.blocks]
    assert list(view._scene.items_by_name) == [*(["fold"] if network.folding else []), *inside, *(["unfold"] if network.folding else []), "time"]
    rooms = {name: item.sceneBoundingRect() for name, item in view._scene.items_by_name.items()}
    for (one, a), (other, b) in itertools.combinations(rooms.items(), 2):
        assert not a.intersects(b), f"{one} lies on {other}"
    for block in view.blocks:
        assert meaning(block)
        assert formula(block)
        assert title(block) != block.kind
    assert sum(item.share for item in view._scene.items_by_name.values()) == pytest.approx(1)
    assert all(room.width() >= BOX_W and room.height() >= BOX_H for room in rooms.values())


def test_the_curve_of_the_schedule_is_exported(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    page = page_of(open_window())
    qtbot.waitUntil(lambda: page.forward.parts is not None, timeout=20_000)
    page.forward.slider.slider.setValue(500)
    for suffix in ("svg", "png"):
        page.forward.export(tmp_path / f"a.{suffix}")
    words = re.findall(">([^<>]+)</text>", (tmp_path / "a.svg").read_text(encoding="utf-8"))
    assert {"How much of the picture's variance is left at each t", "t", "0.5", "linear"} <= set(words)
    picture = QImage(str(tmp_path / "a.png"))
    assert picture.width() > 2 * page.forward.plot.width()
    assert picture.pixelColor(1, 1).name() == "#ffffff"


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_the_drawing_is_exported(qtbot: QtBot, tmp_path: Path, suffix: str) -> None:
    network = describe_network(PRESETS["tiny-32"])
    view = ArchitectureView()
    qtbot.addWidget(view)
    view.show_blocks(network.blocks, network.time, network.folding)
    file = tmp_path / f"network{suffix}"
    view.export(file)
    if suffix == ".svg":
        assert QSvgRenderer(str(file)).isValid()
        assert {"Folding into patches", "3 × 32 × 32 → 12 × 16 × 16", "12 × 16 × 16 → 3 × 32 × 32"} <= set(re.findall(">([^<>]+)</text>", file.read_text(encoding="utf-8")))
        assert file.read_text(encoding="utf-8").count("Residual block") == sum(block.kind == "res" for block in network.blocks)
    else:
        assert QImage(str(file)).width() == pytest.approx(2 * view.sceneRect().width(), abs=2)


def test_the_export_is_light_and_nothing_in_it_is_chosen(qtbot: QtBot, tmp_path: Path) -> None:
    network = describe_network(PRESETS["tiny-32"])
    view = ArchitectureView()
    qtbot.addWidget(view)
    program = QApplication.instance()
    assert isinstance(program, QApplication)
    theme.prepare(program)
    before = theme.name()
    files = []
    for name, chosen in (("light", ""), ("dark", "middle1")):
        theme.apply(program, name)
        view.show_blocks(network.blocks, network.time, network.folding)
        view.choose(chosen)
        files.append(tmp_path / f"{name}.svg")
        view.export(files[-1])
        assert theme.name() == name
    theme.apply(program, before)
    assert files[0].read_text(encoding="utf-8") == files[1].read_text(encoding="utf-8")


def test_a_large_network_is_not_fitted_below_what_can_be_read(qtbot: QtBot) -> None:
    network = describe_network(PRESETS["annotated"])
    view = ArchitectureView()
    qtbot.addWidget(view)
    view.resize(800, 500)
    view.show()
    view.show_blocks(network.blocks, network.time, network.folding)
    view.fit()
    assert view.transform().m11() == pytest.approx(READABLE)
    assert view.verticalScrollBar().maximum() > 0


def test_the_chosen_block_stays_in_sight_beside_its_maps(qtbot: QtBot, open_window: Open) -> None:
    window = open_window()
    window.resize(1024, 700)
    page = page_of(window, NETWORK)
    network = page.network
    qtbot.waitUntil(lambda: bool(network.view.blocks), timeout=5000)
    for name in network.view._scene.items_by_name:
        network.panel.close_button.click()
        QApplication.processEvents()
        network.view.choose(name)
        QApplication.processEvents()
        item = network.view.item(name)
        assert item is not None
        room = network.view.mapFromScene(item.scenePos().x(), item.scenePos().y()), network.view.mapFromScene(item.scenePos().x() + BOX_W, item.scenePos().y() + BOX_H)
        assert all(network.view.viewport().rect().contains(corner) for corner in room), name


def test_presets_are_drawn_without_a_model(qtbot: QtBot, open_window: Open) -> None:
    jobs = FakeJobs()
    window = open_window(jobs)
    page = page_of(window, NETWORK)
    network = page.network
    qtbot.waitUntil(lambda: bool(network.view.blocks) and page.forward.parts is not None, timeout=5000)
    asked: list[tuple[str, object]] = []
    right = jobs.architecture

    def architecture(name: str, model: Path | RunConfig) -> workers.Job:
        asked.append((name, model))
        return right(name, model)

    jobs.architecture = architecture  # type: ignore[method-assign]
    names = [network.network.itemData(number) for number in range(network.network.count()) if network.network.itemText(number)]
    assert names == ["", *PRESETS]
    network.network.setCurrentIndex(network.network.findData("annotated"))
    assert asked == [("annotated", PRESETS["annotated"])]
    network.view.choose("middle0")
    assert network.panel.without.isVisible()
    assert network.panel.without.text().startswith("Feature maps need a trained model")
    assert not any(call.startswith("features") for call in jobs.calls)
    window.studio.page_wanted.emit("Inside")
    assert network.preset == "", "who is led here comes to see the model"
    assert not network.panel.isVisible()
    network.view.choose("fold")
    assert network.panel.without.text() == "It only moves pixels about, so it has no maps."
    network.view.choose("middle0")
    qtbot.waitUntil(lambda: network.panel.shown is not None, timeout=5000)


def test_blocks_are_chosen_by_mouse_and_keys(qtbot: QtBot, open_window: Open) -> None:
    page = page_of(open_window(), NETWORK)
    view = page.network.view
    qtbot.waitUntil(lambda: bool(view.blocks), timeout=5000)
    item = view.item("down.1.attn0")
    assert item is not None
    place = view.mapFromScene(item.scenePos().x() + BOX_W / 2, item.scenePos().y() + BOX_H / 2)
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert page.network.panel.name.text() == "Self-attention"
    qtbot.waitUntil(lambda: page.network.panel.shown is not None, timeout=5000)
    assert len(page.network.panel.grid.images) == 16
    view.setFocus()
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Return):
        qtbot.keyClick(view, key)
    assert page.network.panel.path.text() == "down.1.down"
    page.network.panel.close_button.click()
    assert not page.network.panel.isVisible()


def test_feature_maps_follow_t_and_are_remembered(qtbot: QtBot, open_window: Open) -> None:
    jobs = FakeJobs()
    page = page_of(open_window(jobs), NETWORK)
    network = page.network
    qtbot.waitUntil(lambda: bool(network.view.blocks) and page.forward.parts is not None, timeout=5000)
    network.view.choose("middle0")
    qtbot.waitUntil(lambda: network.panel.shown is not None, timeout=5000)
    network.panel.slider.slider.setValue(700)
    assert page.forward.t == 700
    qtbot.waitUntil(lambda: network.panel.shown is not None and network.panel.shown.timestep == 700, timeout=5000)
    network.panel.after.click()
    qtbot.waitUntil(lambda: network.panel.first == 16, timeout=5000)
    asked = sum(call.startswith("features") for call in jobs.calls)
    network.panel.before.click()
    assert network.panel.first == 0, "seen before"
    assert sum(call.startswith("features") for call in jobs.calls) == asked
    before = network.panel.grid.images.copy()
    network.panel.colours._group.button(1).click()
    assert not np.array_equal(network.panel.grid.images, before)


def test_a_network_that_could_not_be_read_is_looked_at_again(qtbot: QtBot, open_window: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    window = open_window()
    page = window.pages["Inside"]
    assert isinstance(page, InsidePage)
    right = window.studio.jobs.architecture

    def broken(name: str, model: Path | RunConfig) -> workers.Job:
        def job(control: RunControl) -> Iterator[Event]:
            raise UserError("The file is being written.", "Try again.")
            yield

        return job

    monkeypatch.setattr(window.studio.jobs, "architecture", broken)
    with qtbot.waitSignal(window.studio.failed, timeout=5000):
        page_of(window, NETWORK)
    monkeypatch.setattr(window.studio.jobs, "architecture", right)
    window.show_page("Runs")
    window.show_page("Inside")
    qtbot.waitUntil(lambda: "parameters" in page.network.facts.text(), timeout=5000)


def test_the_answer_for_the_model_before_is_not_taken(qtbot: QtBot, open_window: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    window = open_window()
    page, jobs = window.pages["Inside"], window.studio.jobs
    assert isinstance(page, InsidePage)
    go_on, right = threading.Event(), jobs.forward
    asked: list[Path | None] = []

    def slow(source: Path | Images, model: Path | None, seed: int) -> workers.Job:
        def job(control: RunControl) -> Iterator[Event]:
            asked.append(model)
            go_on.wait(10)
            yield from right(evening() if len(asked) == 1 else tiles(1)[0], model, seed)(control)

        return job

    monkeypatch.setattr(jobs, "forward", slow)
    seen: list[Images] = []
    page.forward.changed.connect(lambda: seen.append(page.forward.parts.picture if page.forward.parts else tiles(2)[1]))
    window.show_page("Inside")
    qtbot.waitUntil(lambda: bool(asked), timeout=5000)
    window.studio.choose_model(window.studio.models[1])
    go_on.set()
    qtbot.waitUntil(lambda: page.forward.parts is not None and not workers.running_threads(), timeout=5000)
    assert len(asked) == 2
    assert all((picture == tiles(1)[0]).all() for picture in seen)


def test_the_embedding_of_t_has_no_maps(qtbot: QtBot, open_window: Open) -> None:
    jobs = FakeJobs()
    page = page_of(open_window(jobs), NETWORK)
    qtbot.waitUntil(lambda: bool(page.network.view.blocks) and page.forward.parts is not None, timeout=5000)
    page.network.view.choose("time")
    assert page.network.panel.without.isVisible()
    assert not any(call.startswith("features") for call in jobs.calls)


def test_without_a_model_the_forward_process_works_and_presets_are_drawn(qtbot: QtBot, open_window: Open) -> None:
    page = page_of(open_window(FakeJobs(models=False)))
    qtbot.waitUntil(lambda: page.forward.parts is not None, timeout=5000)
    page.view.choose(NETWORK)
    page._show_view()
    assert page.network.preset == "tiny-32"
    qtbot.waitUntil(lambda: bool(page.network.view.blocks), timeout=5000)


def test_colours_of_maps() -> None:
    grey, diverging = colours(False), colours(True)
    assert grey.shape == diverging.shape == (256, 3)
    assert grey[128].tolist() == [128, 128, 128]
    assert diverging[1].tolist()[2] > diverging[1].tolist()[0], "below zero blue"
    assert diverging[255].tolist()[0] > diverging[255].tolist()[2], "above zero orange"
