"""Pictures stay sharp, curves stay honest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QRectF, QSizeF, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QGraphicsPathItem
from pytestqt.qtbot import QtBot

from ddpm_studio.events import BlockInfo, DatasetReport, FrameReady, PreviewReady, Skipped, StepDone
from ddpm_studio.gui import theme
from ddpm_studio.gui.qimage import fitted, to_array, to_qimage, zoom_for
from ddpm_studio.gui.widgets.architecture import ArchitectureView
from ddpm_studio.gui.widgets.block_item import BlockItem
from ddpm_studio.gui.widgets.dataset_report import DatasetReportView
from ddpm_studio.gui.widgets.filmstrip import Filmstrip
from ddpm_studio.gui.widgets.inputs import Slider
from ddpm_studio.gui.widgets.live_panel import LivePanel
from ddpm_studio.gui.widgets.loss_plot import LossPlot
from ddpm_studio.gui.widgets.picture_grid import PictureGrid
from ddpm_studio.gui.widgets.picture_view import PictureView

from .fakes import blocks, noised, preview, softened, tiles


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_survive_odd_widths(channels: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (17, 29, channels), dtype=np.uint8)
    back = to_array(to_qimage(picture))
    assert np.array_equal(back, np.repeat(picture, 3 // channels, axis=2))


@pytest.mark.parametrize(("side", "room", "ratio", "zoom"), [(32, 100, 1.0, 3), (32, 100, 1.5, 4 / 1.5), (32, 31, 1.0, 31 / 32), (128, 64, 1.0, 0.5)])
def test_zoom_is_a_whole_number_of_device_pixels(side: int, room: float, ratio: float, zoom: float) -> None:
    assert zoom_for(side, room, ratio) == zoom


def test_fitted_rectangles_lie_on_pixels() -> None:
    rect = fitted(QSizeF(32, 32), QRectF(0, 0, 101, 99))
    assert (rect.width(), rect.x(), rect.y()) == (96, round(2.5), round(1.5))


def test_a_picture_is_drawn_without_blur(qtbot: QtBot) -> None:
    view = PictureView("view", "View")
    qtbot.addWidget(view)
    view.resize(100, 100)
    view.set_picture(tiles(1)[0])
    drawn = to_array(view.grab().toImage())[2:98, 2:98]
    assert np.array_equal(drawn, tiles(1)[0].repeat(3, axis=0).repeat(3, axis=1))


def test_grid_uses_the_room_and_keeps_pictures_whole(qtbot: QtBot) -> None:
    grid = PictureGrid("grid", "Grid", selectable=True)
    qtbot.addWidget(grid)
    grid.resize(420, 420)
    grid.set_images(tiles(16))
    grid.show()
    rects = [grid.cell_rect(i) for i in range(16)]
    assert rects[0].size().width() == 96
    assert all(grid.viewport().rect().contains(rect) for rect in rects)
    grid.resize(100, 100)
    assert grid.verticalScrollBar().maximum() > 0, "pictures are not made smaller than can be seen"


@pytest.mark.parametrize(("width", "height"), [(700, 330), (760, 300), (1200, 500), (500, 600), (480, 180), (600, 150), (300, 110)])
def test_rows_are_full(qtbot: QtBot, width: int, height: int) -> None:
    grid = PictureGrid("grid", "Grid")
    qtbot.addWidget(grid)
    grid.resize(width, height)
    grid.set_images(tiles(16))
    grid.show()
    assert 16 % grid._columns == 0
    assert all(grid.viewport().rect().contains(grid.cell_rect(i)) for i in range(16))


@pytest.mark.parametrize(("width", "height"), [(440, 215), (520, 245)])
def test_a_last_row_is_rather_short_than_all_pictures_half_the_size(qtbot: QtBot, width: int, height: int) -> None:
    grid = PictureGrid("grid", "Grid")
    qtbot.addWidget(grid)
    grid.resize(width, height)
    grid.set_images(tiles(16))
    grid.show()
    assert grid.cell_rect(0).width() == 64
    assert all(grid.viewport().rect().contains(grid.cell_rect(i)) for i in range(16))


def test_raw_and_averaged_weights_stand_side_by_side_at_one_size(qtbot: QtBot) -> None:
    panel = LivePanel()
    panel.call_past(True)
    assert (panel.accessibleName(), panel.detail.text()) == ("A run as it went", "There is no preview of this run yet.")
    panel.call_past(False)
    assert (panel.accessibleName(), panel.detail.text()) == ("Training in progress", "The first preview comes after a few seconds.")
    qtbot.addWidget(panel)
    panel.resize(840, 640)
    panel.show()
    panel.receive([preview(100, 0.5)])
    assert panel.raw_grid.isVisible()
    assert panel.grid.cell_rect(0).size() == panel.raw_grid.cell_rect(0).size()
    offset = panel.grid.cell_rect(0).top() - panel.raw_grid.cell_rect(0).top()
    for i in range(8):  # every second noise, in the same row
        assert panel.grid.cell_rect(2 * i).top() - panel.raw_grid.cell_rect(i).top() == offset
    panel.receive([PreviewReady(200, tiles(16), averaged=False)])
    assert not panel.raw_grid.isVisible()
    assert "raw weights" in panel.detail.text()


def test_grid_by_mouse_and_keyboard(qtbot: QtBot) -> None:
    grid = PictureGrid("grid", "Grid", selectable=True)
    qtbot.addWidget(grid)
    grid.resize(420, 420)
    grid.set_images(tiles(16))
    grid.show()
    qtbot.mouseClick(grid.viewport(), Qt.MouseButton.LeftButton, pos=grid.cell_rect(5).center())
    assert grid.current == 5
    qtbot.keyClick(grid, Qt.Key.Key_Down)
    qtbot.keyClick(grid, Qt.Key.Key_Right)
    assert grid.current == 10
    with qtbot.waitSignal(grid.activated) as chosen:
        qtbot.keyClick(grid, Qt.Key.Key_Return)
    assert chosen.args == [10]
    assert grid.index_at(QPoint(-5, -5)) == -1


def step(number: int, loss: float) -> StepDone:
    return StepDone(number, number * 32, loss, 1.0, 1e-3, 400.0, number * 0.1)


def test_loss_plot_grows_smooths_and_leaves_out_what_is_not_finite(qtbot: QtBot) -> None:
    plot = LossPlot()
    qtbot.addWidget(plot)
    plot.show()
    plot.ensure_plot()
    plot.add([step(i, 1 / i) for i in range(1, 3001)])
    plot.add([step(3001, float("nan"))])
    assert plot.series.size == 3000
    assert plot.series.means[0] == pytest.approx(1.0), "the mean begins unbiased"
    plot.smoothing.slider.setValue(0)
    qtbot.waitUntil(lambda: np.allclose(plot.series.means, plot.series.values))
    plot.log_box.setChecked(False)
    qtbot.waitUntil(lambda: plot._raw.getData()[0] is not None and len(plot._raw.getData()[0]) > 0)


def test_a_resumed_run_replaces_what_was_not_saved(qtbot: QtBot) -> None:
    plot = LossPlot()
    qtbot.addWidget(plot)
    plot.add([step(i, 0.5) for i in range(1, 101)])
    plot.add([step(81, 0.25)])
    assert plot.series.steps[-1] == 81
    assert plot.series.size == 81


def test_a_replayed_crash_leaves_no_zigzag(qtbot: QtBot) -> None:
    plot = LossPlot()
    qtbot.addWidget(plot)
    plot.add([step(i, 0.5) for i in (1, 2, 3, 4, 5, 3, 4, 5, 6)])
    assert list(plot.series.steps) == [1, 2, 3, 4, 5, 6]
    plot.add([step(i, 0.25) for i in (7, 8, 5, 6)])
    assert list(plot.series.steps) == [1, 2, 3, 4, 5, 6]
    assert list(plot.series.values[-2:]) == [0.25, 0.25]


def test_earlier_previews_can_be_seen_again(qtbot: QtBot) -> None:
    panel = LivePanel()
    qtbot.addWidget(panel)
    panel.receive([PreviewReady(step, softened(tiles(4), 1 - step / 1000)) for step in (100, 500, 900)])
    assert "900" in panel.detail.text()
    panel.slider.setValue(0)
    assert "step 100" in panel.detail.text()
    panel.receive([PreviewReady(1000, tiles(4))])
    assert "step 100" in panel.detail.text(), "whoever looks at the past is left there"
    panel.newest.click()
    assert "1,000" in panel.detail.text()


def test_thousands_of_previews_are_thinned_out(qtbot: QtBot) -> None:
    panel = LivePanel()
    qtbot.addWidget(panel)
    panel.receive([PreviewReady(step, tiles(1)) for step in range(1000)])
    assert len(panel.previews) <= 401
    assert panel.previews[0].step == 0
    assert panel.previews[-1].step == 999


def test_filmstrip_fills_and_scrubs(qtbot: QtBot) -> None:
    strip = Filmstrip()
    qtbot.addWidget(strip)
    strip.resize(820, 200)
    strip.show()
    strip.start(12)
    for i in range(12):
        strip.add_frame(FrameReady(i, 12, 990 - 90 * i, noised(tiles(4), i / 11), softened(tiles(4), 0.5)))
    assert strip.strip.current == 11
    assert strip.slider.value() == 11
    qtbot.mouseClick(strip.strip, Qt.MouseButton.LeftButton, pos=strip.strip.cell(4, 0).center().toPoint())
    assert strip.slider.value() == 4
    strip.set_picture(3)
    frame = strip.current_frame
    assert frame
    assert frame[0] == 630
    assert frame[1] == to_qimage(noised(tiles(4), 4 / 11)[3])


def test_filmstrip_says_where_no_way_was_kept(qtbot: QtBot) -> None:
    strip = Filmstrip()
    qtbot.addWidget(strip)
    strip.start(2)
    for i in range(2):
        strip.add_frame(FrameReady(i, 2, 900 - 900 * i, tiles(4), tiles(4)))
    assert not strip.strip.note
    strip.set_picture(4)
    assert strip.strip.note == "The way is kept for the first 4 pictures"
    assert strip.current_frame is None
    assert not strip.slider.isEnabled()
    strip.set_picture(3)
    assert not strip.strip.note
    assert strip.current_frame is not None
    assert strip.slider.isEnabled()
    strip.set_picture(4)
    strip.start(2)
    assert not strip.strip.note


def test_report_names_what_is_wrong(qtbot: QtBot) -> None:
    view = DatasetReportView()
    qtbot.addWidget(view)
    many = tuple(Skipped(f"a/{i}.png", "the file is cut off") for i in range(2600))
    view.show_report(DatasetReport("cats", "/cats", 40, many, 2, 32, 32, 3, (10, 20), (64, 64), (4000, 3000), 3, 1, True, 0.1))
    words = view.accessibleDescription()
    assert all(part in words for part in ("40, as 32 × 32 colour", "10 × 20 to 4000 × 3000"))
    assert view.skipped.toggle.text() == "2,600 files skipped"
    assert view._list.count() == 2001


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("levels", [(32,), (32, 64, 128)])
def test_every_block_is_drawn_once(qtbot: QtBot, levels: tuple[int, ...], skip: bool) -> None:
    view = ArchitectureView()
    qtbot.addWidget(view)
    view.resize(1000, 600)
    known = blocks(levels, skip=skip)
    view.show_blocks(known, BlockInfo("time", "time", "time", 0, (32,), (128,), 20_736, 0.0))
    drawn = [item for item in view.scene().items() if isinstance(item, BlockItem)]
    assert len(drawn) == len(known) + 1
    assert ("Linear filter" in view.accessibleDescription()) == skip
    time = next(item for item in drawn if item.block.kind == "time")
    room = time.sceneBoundingRect().adjusted(5, 5, -5, -5)
    ways = [item for item in view.scene().items() if isinstance(item, QGraphicsPathItem)]
    assert not any(way.sceneBoundingRect().intersects(room) for way in ways), "a line runs through the time embedding"
    places = [item.sceneBoundingRect() for item in drawn]
    assert not any(a.intersects(b.adjusted(2, 2, -2, -2)) for i, a in enumerate(places) for b in places[i + 1 :]), "blocks overlap"


def test_spikes_are_marked_and_go_with_the_steps_that_are_made_again(qtbot: QtBot) -> None:
    plot = LossPlot()
    qtbot.addWidget(plot)
    plot.ensure_plot()
    plot.add([step(1, 0.5), replace(step(2, 4.0), spike=True), step(3, 0.5), replace(step(4, 5.0), spike=True)])
    assert plot.spikes == [(2, 4.0), (4, 5.0)]
    plot._redraw()
    x, y = plot._marks.getData()
    assert list(x) == [2, 4]
    assert list(y) == pytest.approx([0.602, 0.699], abs=1e-3)  # the scale is logarithmic
    plot.log_box.setChecked(False)
    assert list(plot._marks.getData()[1]) == [4.0, 5.0]
    plot.add([step(3, 0.4)])  # back to the save after step 2
    assert plot.spikes == [(2, 4.0)]
    plot.clear()
    assert plot.spikes == []


def test_a_curve_is_exported_as_picture_drawing_and_numbers(qtbot: QtBot, tmp_path: Path) -> None:
    plot = LossPlot()
    qtbot.addWidget(plot)
    plot.resize(600, 200)
    plot.show()
    plot.ensure_plot()
    plot.add([StepDone(step, step * 32, 1 / step, 1.0, 1e-3, 100.0, float(step), None, None, False) for step in range(1, 51)])
    for suffix in ("png", "svg", "csv"):
        plot.export(tmp_path / f"curve.{suffix}")
    picture = QImage(str(tmp_path / "curve.png"))
    assert picture.width() >= 1000
    assert len({picture.pixel(x, y) for x in range(0, picture.width(), 7) for y in range(0, picture.height(), 7)}) > 3, "there is something on it"
    assert "<svg" in (tmp_path / "curve.svg").read_text(encoding="utf-8")
    lines = (tmp_path / "curve.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "step,loss,mean"
    assert lines[1] == "1,1,1"
    assert len(lines) == 51


@pytest.mark.parametrize("large", [False, True])
def test_a_slider_goes_where_it_is_clicked_and_is_dragged_on_from_there(qtbot: QtBot, large: bool) -> None:
    program = QApplication.instance()
    assert isinstance(program, QApplication)
    theme.prepare(program)
    theme.apply(program, "dark")
    slider = Slider()
    qtbot.addWidget(slider)
    slider.setProperty("large", large)
    slider.setRange(0, 100)
    slider.resize(420, 40)
    slider.show()
    said: list[str] = []
    slider.sliderPressed.connect(lambda: said.append("pressed"))
    slider.sliderReleased.connect(lambda: said.append("released"))
    for y in (3, 20, 36):
        slider.setValue(0)
        qtbot.mousePress(slider, Qt.MouseButton.LeftButton, pos=QPoint(315, y))
        assert slider.value() == pytest.approx(75, abs=2)
        qtbot.mouseMove(slider, QPoint(210, y))
        assert slider.value() == pytest.approx(50, abs=1)
        qtbot.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=QPoint(210, y))
        qtbot.mouseClick(slider, Qt.MouseButton.LeftButton, pos=QPoint(212, y))
        assert slider.value() == pytest.approx(50, abs=1), "a click on the handle moves nothing"
        for x, value in ((419, 100), (0, 0)):
            qtbot.mouseClick(slider, Qt.MouseButton.LeftButton, pos=QPoint(x, y))
            assert slider.value() == value
    assert said == ["pressed", "released"] * 12
    qtbot.keyClick(slider, Qt.Key.Key_PageUp)
    assert slider.value() == 10
