"""The curves of a run: what they hold, how they are read, zoomed and exported, and what the loss by noise level says."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPicture, QWheelEvent
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from ddpm_studio.comparing import RunRead, read_run
from ddpm_studio.events import LossByNoise, StepDone
from ddpm_studio.gui import theme
from ddpm_studio.gui.widgets.compare_view import CompareView
from ddpm_studio.gui.widgets.loss_plot import NumberPlot
from ddpm_studio.gui.widgets.noise_plots import GapPlot, verdict
from ddpm_studio.gui.widgets.plots_panel import PlotsPanel
from ddpm_studio.gui.widgets.series import Series
from ddpm_studio.runs import Run

from .fakes import make_runs, read


def step(number: int) -> StepDone:
    return StepDone(number, number * 32, 1 / number, 2.0, 1e-3, 400.0, number * 0.1, memory=500_000_000 + number)


def measure(number: int, gap: float = 0.0, error: float = 0.01) -> LossByNoise:
    training = tuple(1 / (band + 1) for band in range(10))
    return LossByNoise(number, training, tuple(loss + gap for loss in training), error, 500)


@pytest.fixture
def panel(qtbot: QtBot) -> PlotsPanel:
    panel = PlotsPanel()
    qtbot.addWidget(panel)
    panel.resize(1000, 400)
    panel.show()
    for plot in panel.plots:
        plot.ensure_plot()
    panel.add([step(i) for i in range(1, 101)] + [measure(10 * i) for i in range(1, 11)])
    return panel


def test_a_mean_in_blocks_is_that_of_one_after_the_other() -> None:
    values = np.random.default_rng(0).normal(size=500)
    at_once, in_parts = Series(), Series()
    at_once.extend(range(500), values, 0.9)
    for start in range(0, 500, 7):
        in_parts.extend(range(start, min(start + 7, 500)), values[start : start + 7], 0.9)
    total, weight, expected = 0.0, 0.0, []
    for value in values:
        total, weight = 0.9 * total + 0.1 * value, 0.9 * weight + 0.1
        expected.append(total / weight)
    assert np.allclose(at_once.means, expected)
    assert np.allclose(in_parts.means, expected)


def test_curves_are_chosen_and_one_always_stays(qtbot: QtBot, panel: PlotsPanel) -> None:
    assert panel.shown == [panel.loss, panel.gap]
    for chip in panel.chips:
        qtbot.mouseClick(chip, Qt.MouseButton.LeftButton)
    assert [plot.objectName() for plot in panel.shown] == ["lossPlot", "noiseMapPlot", "learningRatePlot", "gradientPlot", "speedPlot", "memoryPlot"]
    assert panel.map.isVisible()
    assert not panel.gap.isVisible()
    for chip in panel.chips[2:]:
        qtbot.mouseClick(chip, Qt.MouseButton.LeftButton)
    assert panel.shown == [panel.loss]
    assert panel.sentence.text() == ""


def test_every_curve_is_exported(panel: PlotsPanel, tmp_path: Path) -> None:
    for plot in panel.plots:
        for suffix in ("png", "svg", "csv"):
            plot.export(tmp_path / f"a.{suffix}")
        picture = QImage(str(tmp_path / "a.png"))
        assert len({picture.pixel(x, y) for x in range(0, picture.width(), 5) for y in range(0, picture.height(), 5)}) > 3
        assert "<svg" in (tmp_path / "a.svg").read_text(encoding="utf-8")
        lines = (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith("step,")
        assert len(lines) == 1 + plot.length
        assert len(lines[1].split(",")) == len(lines[0].split(","))
    assert lines[-1] == "100,500"


def where(picture: QImage, colour: QColor) -> list[int]:
    """From where to where there is about this colour."""
    pixels = np.frombuffer(picture.convertToFormat(QImage.Format.Format_RGB32).constBits(), np.uint8).reshape(picture.height(), picture.width(), 4).astype(int)
    rows, columns = np.nonzero(np.abs(pixels[..., :3] - [colour.blue(), colour.green(), colour.red()]).max(axis=2) < 24)
    return [int(edge) for places in (columns, rows) if len(places) for edge in (places.min(), places.max())]


def drawn(file: Path, size: QSize) -> QImage:
    picture = QImage(size, QImage.Format.Format_RGB32)
    painter = QPainter(picture)
    QSvgRenderer(str(file)).render(painter)
    painter.end()
    return picture


def test_a_drawing_looks_like_the_picture(qtbot: QtBot, panel: PlotsPanel, tmp_path: Path) -> None:
    """Curve, axes and the rest stand in both at the same places."""
    compared = CompareView()
    qtbot.addWidget(compared)
    compared.set_runs(read("fast", 4e-3), read("slow", 1e-3))
    panel.clear()
    late = [replace(step(number), step=1_000_000 + number, grad_norm=1 + 1 / number, images_per_second=400 + number % 7) for number in range(1, 101)]
    panel.add([*late, *(replace(measure(10 * number, 0.1), step=1_000_000 + 10 * number) for number in range(1, 11))])
    for plot in panel.plots:
        plot._redraw()
        plot._keep_within()
        if plot is not panel.map:  # hundred steps of a million are nothing in it
            plot._plot.getPlotItem().getViewBox().setRange(xRange=(1_000_000, 1_000_100))
    for plot in (*panel.plots, compared.plot):
        for suffix in ("png", "svg"):
            plot.export(tmp_path / f"a.{suffix}")
        below_title = QRect(0, 80, 1200, 700)  # its letters have soft edges of all colours
        picture = QImage(str(tmp_path / "a.png"))
        drawing = drawn(tmp_path / "a.svg", picture.size()).copy(below_title)
        picture = picture.copy(below_title)
        with theme.on_paper():
            colours = {token: theme.color(token) for token in ("accent", "line_strong", "dim")}
        for token, colour in colours.items():
            found = where(picture, colour)
            assert found or plot is panel.map
            assert where(drawing, colour) == pytest.approx(found, abs=16), (plot.objectName(), token)


def test_the_numbers_of_a_drawing_are_those_of_the_curve(panel: PlotsPanel, tmp_path: Path) -> None:
    panel.loss.export(tmp_path / "a.svg")
    svg = (tmp_path / "a.svg").read_text(encoding="utf-8")
    named = {text: (float(x), float(y)) for x, y, text in re.findall(r'<text [^>]*?x="([^"]*)" y="([^"]*)"[^>]*>([^<]*)</text>', svg)}
    curve = re.findall(r'<path [^>]*d="(M[^"Z]*)"', svg)[-1]
    points = np.array([[float(number) for number in pair.split(",")] for pair in re.findall(r"[-\d.e]+,[-\d.e]+", curve)])
    per_step = (named["80"][0] - named["40"][0]) / 40
    per_power = named["0.1"][1] - named["1"][1]
    assert np.ptp(points[:, 0]) / per_step == pytest.approx(99, abs=1.5)
    assert np.ptp(points[:, 1]) / per_power == pytest.approx(np.ptp(np.log10(panel.loss.series.means)), rel=0.03)


def test_an_export_is_a_handout(qtbot: QtBot, panel: PlotsPanel, tmp_path: Path) -> None:
    """Light, with the names of all that is in it, of one size however small it is seen; the plot in the window stays as it is."""
    program = QApplication.instance()
    assert isinstance(program, QApplication)
    theme.prepare(program)
    before = theme.name()
    files: dict[str, bytes] = {}
    for name in ("light", "dark"):
        theme.apply(program, name)
        panel.resize(400, 300 if name == "dark" else 600)
        panel.loss._draw()
        seen = panel.loss._plot.getPlotItem().geometry()
        panel.loss.export(tmp_path / "a.png")
        panel.loss.export(tmp_path / "a.svg")
        assert panel.loss._plot.getPlotItem().geometry() == seen
        assert panel.loss._plot.backgroundBrush().color() == theme.color("base")
        files[name] = (tmp_path / "a.png").read_bytes()
    theme.apply(program, before)
    assert files["light"] == files["dark"]
    picture = QImage(str(tmp_path / "a.png"))
    assert picture.pixelColor(2, 2) == QColor("white")
    ink = where(picture, QColor("#5b6473"))
    assert picture.height() - ink[3] < 40, "nothing is empty below the name of the axis"
    words = re.findall(r">([^<]*)</text>", (tmp_path / "a.svg").read_text(encoding="utf-8"))
    assert {"Loss curve", "Step", "Loss"} <= set(words)


def test_no_program_has_to_know_lines_that_no_scale_widens(panel: PlotsPanel, tmp_path: Path) -> None:
    for plot in panel.plots:
        plot.export(tmp_path / "a.svg")
        svg = (tmp_path / "a.svg").read_text(encoding="utf-8")
        assert "non-scaling-stroke" not in svg
        scales = re.findall(r'transform="matrix\(([^,]*),[^,]*,[^,]*,([^,]*),[^)]*\)"[^>]*>\s*<(?:path|polyline)', svg)
        assert set(scales) == {("1", "1")}


def test_a_zoomed_curve_ends_at_the_axes(qtbot: QtBot, panel: PlotsPanel, tmp_path: Path) -> None:
    """And nothing else is cut off with it."""
    panel.gap._draw()
    panel.gap._plot.getPlotItem().getViewBox().setRange(xRange=(40, 60), yRange=(-0.6, -0.5))
    panel.gap.export(tmp_path / "a.svg")
    svg = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert re.search(r'<g clip-path="[^"]*"><g [^>]*>\s*<path [^>]*d="M-', svg)
    assert not re.search(r'<g clip-path="[^"]*"><g [^>]*>\s*<(?:text|polyline)', svg)


def test_a_place_is_read_a_rectangle_zooms_and_a_double_click_shows_everything(qtbot: QtBot, panel: PlotsPanel) -> None:
    assert panel.loss._read(40.2, 0.0) == (41, f"step 41\n{1 / 41:.4f}\nmean {panel.loss.series.means[40]:.4f}")
    read = panel.map._read(52.0, 60.0)
    assert read
    assert read[1].splitlines() == ["step 50", "t 50 to 99", "training 0.5000", "held out 0.5000"]
    assert panel.map._read(52.0, 501.0) is None
    panel.loss._redraw()
    box = panel.loss._plot.getPlotItem().getViewBox()
    whole = box.viewRange()[0]
    box.scaleBy(x=0.1)
    box.sigRangeChangedManually.emit([True, False])
    assert panel.loss.whole_button.isVisible()
    assert box.viewRange()[0][1] - box.viewRange()[0][0] < whole[1] - whole[0]
    viewport = panel.loss._plot.viewport()
    middle = panel.loss._plot.mapFromScene(box.sceneBoundingRect().center())
    qtbot.mouseDClick(viewport, Qt.MouseButton.LeftButton, pos=middle)
    assert not panel.loss.whole_button.isVisible()
    qtbot.waitUntil(lambda: np.allclose(box.viewRange()[0], whole, atol=1.0))
    panel.loss._mouse_moved(QPointF(box.sceneBoundingRect().center()))
    assert panel.loss._hover.isVisible()


def test_the_head_of_a_narrow_plot_says_less_and_cuts_nothing(qtbot: QtBot, panel: PlotsPanel) -> None:
    for plot, shorter in ((panel.loss, f"{panel.loss.series.means[-1]:.4f}"), (panel.gap, "0.2929 · 0.2929"), (panel.map, "0.1000 – 1")):
        plot._say_last()
        whole = plot.value.text()
        plot.value.setFixedWidth(plot.value.fontMetrics().horizontalAdvance(shorter) + 2)
        said = plot.value.grab().toImage()
        assert plot.value.toolTip() == whole
        assert plot.accessibleDescription().startswith(whole)
        plot.value.setText(shorter)
        assert plot.value.grab().toImage() == said


@pytest.mark.parametrize("width", [225, 600])
def test_what_the_mouse_reads_is_cut_off_nowhere(qtbot: QtBot, panel: PlotsPanel, width: int) -> None:
    panel.resize(1000, 700)
    panel.show_only([plot.objectName() for plot in panel.plots])
    for plot in panel.plots:
        plot._draw()
        plot._plot.setFixedSize(width, 110)
        plot._plot.grab()
        canvas, box = QRectF(plot._plot.rect()), plot._plot.getPlotItem().getViewBox().sceneBoundingRect()
        for share in (0.01, 0.3, 0.49, 0.51, 0.8, 0.99):
            plot._mouse_moved(QPointF(box.left() + share * box.width(), box.center().y()))
            assert plot._hover.isVisible()
            assert plot._hover.parentItem() is plot._plot.getPlotItem(), "the view would cut it off"
            assert canvas.adjusted(-1, -1, 1, 1).contains(plot._hover.sceneBoundingRect()), (plot.objectName(), share)


def test_an_axis_of_numbers_has_a_unit(panel: PlotsPanel) -> None:
    label = panel.numbers[-1]._plot.getAxis("left").label
    assert label.isVisible()
    assert label.toPlainText().strip() == "MB"


def test_what_is_off_and_has_the_focus_does_not_look_as_if_it_were_on(qtbot: QtBot, panel: PlotsPanel) -> None:
    program = QApplication.instance()
    assert isinstance(program, QApplication)
    theme.prepare(program)
    theme.apply(program, "dark")
    panel.show()
    chip = panel.chips[0]
    pictures = {}
    for on in (True, False):
        chip.setChecked(on)
        chip.setFocus()
        qtbot.waitUntil(chip.hasFocus)
        pictures[on] = panel.chip_frame.grab(chip.geometry()).toImage()
    assert where(pictures[True], theme.color("text"))
    assert not where(pictures[False], theme.color("text"))
    assert where(pictures[False], theme.color("accent")), "a ring"


def test_a_resumed_run_replaces_what_was_measured_later(panel: PlotsPanel) -> None:
    panel.add([step(51)])
    assert [m.step for m in panel.map.measures] == [10, 20, 30, 40, 50]
    panel.add([measure(51), step(52), measure(52)])
    assert [m.step for m in panel.gap.measures][-2:] == [51, 52]
    panel.clear()
    assert panel.map.length == panel.loss.length == 0
    panel.map._redraw()


def test_what_nobody_sees_is_drawn_when_it_is_seen(qtbot: QtBot, panel: PlotsPanel, tmp_path: Path) -> None:
    def drawn(plot: NumberPlot) -> int:
        steps = plot._raw.getData()[0]
        return 0 if steps is None else len(steps)

    rate = panel.numbers[1]
    qtbot.waitUntil(lambda: drawn(panel.loss) == 100)
    panel.hide()
    panel.add([step(i) for i in range(101, 121)])
    qtbot.wait(150)
    assert (drawn(panel.loss), drawn(rate)) == (100, 0)
    rate.export(tmp_path / "rate.svg")
    assert drawn(rate) == 120, "what is exported is all"
    panel.show()
    assert drawn(panel.loss) == 120
    assert not panel.loss._redraw_timer.isActive()


def test_hidden_curves_are_smoothed_when_they_are_shown(qtbot: QtBot, panel: PlotsPanel) -> None:
    gradient = next(plot for plot in panel.numbers if plot.objectName() == "gradientPlot")
    before = gradient.memory
    panel.loss.smoothing.slider.setValue(30)
    qtbot.waitUntil(lambda: panel.loss.memory == 0.3)
    assert gradient.memory == before
    panel.chips[panel.plots.index(gradient)].setChecked(True)
    assert gradient.memory == 0.3


def wheel(plot: NumberPlot, down: int, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> bool:
    """Whether the plot took it for itself."""
    viewport = plot._plot.viewport()
    middle = QPointF(viewport.rect().center())
    place, none = QPointF(viewport.mapToGlobal(middle.toPoint())), Qt.MouseButton.NoButton
    event = QWheelEvent(middle, place, QPoint(), QPoint(0, -120 * down), none, modifiers, Qt.ScrollPhase.NoScrollPhase, False)
    QApplication.sendEvent(viewport, event)
    return event.isAccepted()


def test_the_wheel_does_not_lead_to_where_no_steps_are(qtbot: QtBot, panel: PlotsPanel) -> None:
    box = panel.loss._plot.getPlotItem().getViewBox()
    qtbot.waitUntil(lambda: box.viewRange()[0][1] > 90)
    for _ in range(30):
        wheel(panel.loss, 1)
    first, last = box.viewRange()[0]
    assert -3 < first < 2 < 99 < last < 104
    wheel(panel.loss, -3)
    assert box.viewRange()[0][1] - box.viewRange()[0][0] < 90, "it zooms"


def test_where_plots_can_be_scrolled_the_wheel_scrolls_and_ctrl_zooms(qtbot: QtBot, panel: PlotsPanel) -> None:
    box = panel.loss._plot.getPlotItem().getViewBox()
    qtbot.waitUntil(lambda: box.viewRange()[0][1] > 90)
    panel.resize(420, 260)
    for chip in panel.chips:
        chip.setChecked(True)
    qtbot.waitUntil(panel.loss._can_scroll)
    before = box.viewRange()[0]
    wheel(panel.loss, -2)
    assert box.viewRange()[0] == before
    wheel(panel.loss, -2, Qt.KeyboardModifier.ControlModifier)
    assert box.viewRange()[0] != before


def test_another_run_begins_with_a_range_of_its_own(qtbot: QtBot, panel: PlotsPanel) -> None:
    box = panel.loss._plot.getPlotItem().getViewBox()
    qtbot.waitUntil(lambda: box.viewRange()[0][1] > 90)
    wheel(panel.loss, -3)
    panel.clear()
    assert not panel.loss.whole_button.isVisible()
    panel.add([step(1)])
    qtbot.waitUntil(lambda: panel.loss._raw.getData()[0] is not None)
    panel.grab()
    (first, last), (low, high) = box.viewRange()
    assert -1 < first < 1 < last < 3
    assert 0.01 < high - low < 2


def test_a_first_step_whose_mean_differs_by_its_rounding_is_shown(qtbot: QtBot, panel: PlotsPanel) -> None:
    panel.clear()
    panel.add([replace(step(1), loss=0.9992871)])
    panel.loss.series.means[0] = np.nextafter(panel.loss.series.values[0], 1)
    panel.loss._redraw()
    panel.grab()
    axis = panel.loss._plot.getAxis("left")
    axis.setRange(0.3, 0.3 + 1e-15)
    assert axis.logTickValues(0.3, 0.3 + 1e-15, 150.0, []) is not None
    for low, high in ((-0.01, 0.01), (-0.0008, 0.0), (0.3, 0.31)):
        axis.setRange(low, high)
        named = axis.logTickStrings(axis.logTickValues(low, high, 150.0, [])[0][1], 1.0, 1.0)
        assert len(named) == len(set(named)) > 1


def test_two_runs_lie_over_each_other_with_what_differs(qtbot: QtBot, tmp_path: Path) -> None:
    view = CompareView()
    qtbot.addWidget(view)
    view.resize(900, 700)
    view.show()
    view.plot.ensure_plot()
    fast, slow = read("fast", 4e-3), read("slow", 1e-3)
    view.set_runs(fast, slow)
    view.plot._redraw()
    assert view.plot.names == ["fast", "slow"]
    assert [len(curve.getOriginalDataset()[0]) for curve in view.plot._means] == [300, 300]
    rows = [[view.table.item(number, place).text() for place in range(3)] for number in range(view.table.rowCount())]  # type: ignore[union-attr]
    assert ["Learning rate", "0.004", "0.001"] in rows
    assert rows[0] == ["Steps", "3,000", "3,000"]
    assert [name for name, *_ in rows].index("Learning rate") == len(rows) - 1, "what is the same is not shown"
    assert not view.caution.isVisible()
    line = view.plot._read(1504.0, 0.0)
    assert line
    assert line[1].startswith("step 1,510\nfast: 0.")
    view.plot.export(tmp_path / "a.csv")
    assert len((tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()) == 601
    view.set_runs(fast, replace(slow, config=slow.config.with_changes({"diffusion.loss_weighting": "simple"})))
    assert view.caution.isVisible()
    with qtbot.waitSignal(view.closed):
        view.back.click()


def test_two_runs_are_compared_in_words(qtbot: QtBot) -> None:
    view = CompareView()
    qtbot.addWidget(view)
    a = read("a")
    changes = {"diffusion.variance_type": "fixedlarge", "training.held_out": 64, "data.flip": False, "model.attention": (True, True, False)}
    b = replace(a, name="b", config=a.config.with_changes(changes).model_copy(update={"preset": "mine"}))

    def rows() -> list[list[str]]:
        return [[view.table.item(number, place).text() for place in range(3)] for number in range(view.table.rowCount())]  # type: ignore[union-attr]

    view.set_runs(a, b)
    assert rows()[0] == ["Preset", "tiny-32", "mine"]
    assert ["Held out", "–", "64"] in rows()
    assert ["Flip", "yes", "no"] in rows()
    assert ["Attention", "no, yes, no", "yes, yes, no"] in rows()
    assert ["Variance type", "fixedsmall", "fixedlarge"] in rows()
    last = view.table.item(view.table.rowCount() - 1, 0)
    assert last
    assert last.toolTip().startswith("Pictures that are kept out"), "what the setting means"


def test_other_pictures_are_a_difference(qtbot: QtBot) -> None:
    view = CompareView()
    qtbot.addWidget(view)

    def first_row(a: RunRead, b: RunRead) -> list[str]:
        view.set_runs(a, b)
        return [view.table.item(0, place).text() for place in range(3)]  # type: ignore[union-attr]

    faces = replace(read("a"), data="faces", pictures=1400, fingerprint="one")
    assert first_row(faces, replace(faces, name="b"))[0] == "Steps"
    assert view.caution.isHidden()
    assert first_row(faces, replace(faces, data="flowers", pictures=1, fingerprint="two")) == ["Pictures", "faces, 1,400 pictures", "flowers, 1 picture"]
    assert view.caution.text().startswith("They learnt from different pictures")
    assert first_row(faces, replace(faces, fingerprint="two")) == ["Pictures", "faces, 1,400 pictures", "faces, 1,400 pictures, but others"]
    assert first_row(faces, read("c")) == ["Pictures", "faces, 1,400 pictures", "–"]


def test_a_run_knows_its_pictures(home: Path) -> None:
    make_runs(1)
    run = Run(home / "runs" / "pixel_tiles-tiny-32-1")
    notes = json.loads(run.resume_notes.read_text(encoding="utf-8")) | {"pictures": 400, "fingerprint": "abc"}
    run.resume_notes.write_text(json.dumps(notes), encoding="utf-8")
    found = read_run(run)
    assert (found.data, found.pictures, found.fingerprint) == ("pixel_tiles", 400, "abc")


def test_without_data_there_are_words_and_no_axes(qtbot: QtBot, panel: PlotsPanel) -> None:
    for plot in (panel.loss, panel.gap):
        assert plot._plot.isVisible()
        assert not plot._empty.isVisible()
    panel.clear()
    for plot in (panel.loss, panel.gap):
        assert not plot._plot.isVisible()
        assert plot._empty.isVisible()
        assert plot._empty.text() == "Nothing measured yet"
    panel.add([step(1)])
    assert panel.loss._plot.isVisible()
    assert not panel.gap._plot.isVisible()


def test_what_the_colours_mean_hides_no_data(panel: PlotsPanel) -> None:
    panel.resize(480, 260)
    panel.gap._redraw()
    item = panel.gap._plot.getPlotItem()
    item.layout.activate()
    assert "held out" in item.titleLabel.text
    assert item.titleLabel.sceneBoundingRect().bottom() <= item.getViewBox().sceneBoundingRect().top()
    panel.gap.clear()
    panel.gap.add([LossByNoise(1, (0.5, 0.25))])
    panel.gap._redraw()
    assert not item.titleLabel.isVisible(), "there is one curve"


@pytest.mark.parametrize("height", [80, 150, 400])
@pytest.mark.parametrize(("low", "high"), [(0.01, 1.0), (0.25, 0.9), (0.2, 0.35), (0.051, 0.056)])
def test_numbers_beside_an_axis_are_enough_and_do_not_overlap(panel: PlotsPanel, low: float, high: float, height: int) -> None:
    axis = panel.loss._plot.getAxis("left")
    axis.logMode, axis.range, axis.height = True, [np.log10(low), np.log10(high)], lambda: height
    ticks = axis.tickValues(*axis.range, height)[-1][1]
    named = [(place, float(text)) for place, text in zip(ticks, axis.logTickStrings(ticks, 1.0, None), strict=True) if text]
    assert len(named) >= 2
    assert [number for _, number in named] == pytest.approx([10**place for place, _ in named])
    assert np.diff([place for place, _ in named]).min() * height / (axis.range[1] - axis.range[0]) >= 14.9


def test_a_value_that_does_not_change_can_be_read(panel: PlotsPanel) -> None:
    for plot, value in ((panel.numbers[1], 1e-3), (panel.numbers[2], 2.0)):
        plot.set_memory(0.9)
        plot._redraw()
        plot._keep_within()
        plot._plot.grab()
        low, high = plot._plot.getPlotItem().getViewBox().viewRange()[1]
        assert 0.8 * value < low < value < high < 1.2 * value
        picture = QPicture()
        painter = QPainter(picture)
        named = [text for *_, text in plot._plot.getAxis("left").generateDrawSpecs(painter)[2]]
        painter.end()
        assert f"{value:g}" in named
    panel.numbers[1].add([replace(step(number), learning_rate=1e-3 * number) for number in range(101, 120)])
    panel.numbers[1]._redraw()
    panel.numbers[1]._keep_within()
    panel.numbers[1]._plot.grab()
    assert panel.numbers[1]._plot.getPlotItem().getViewBox().viewRange()[1][1] > 0.1


def test_late_steps_are_written_out(panel: PlotsPanel) -> None:
    assert panel.loss._plot.getAxis("bottom").tickStrings([1_000_020.0, 2.0], 1.0, 20.0) == ["1000020", "2"]


def test_both_themes(panel: PlotsPanel) -> None:
    for plot in panel.plots:
        plot._recolour()
        assert plot._plot.backgroundBrush().color() == theme.color("base")


def test_what_the_gap_says() -> None:
    assert "first measured" in verdict([])
    assert "No pictures are held out" in verdict([LossByNoise(1, (1.0,))])
    assert "no worse than" in verdict([measure(i, 0.004) for i in range(5)])
    assert "no worse than" in verdict([measure(i, -0.1) for i in range(5)])
    assert "than chance makes it" in verdict([measure(i, 0.015) for i in range(5)]), "0.29 against 0.31: nobody would call that the same"
    assert "does not grow" in verdict([measure(i, 0.05) for i in range(5)])
    assert "by heart" in verdict([measure(i, 0.03 * i) for i in range(5)])


def test_the_gap_ends_where_none_is_held_out_any_more(panel: PlotsPanel) -> None:
    """What lies between the curves ends with the second of them."""
    panel.add([LossByNoise(step, measure(0).training) for step in (110, 400)])
    panel.gap._redraw()
    assert panel.gap._training.xData.tolist()[-1] == 400
    assert panel.gap._between.path().boundingRect().right() == 100
    assert panel.gap._read(400.0, 0.0) == (400, "step 400\ntraining 0.2929")


def test_a_run_without_held_out_pictures_is_drawn_too(qtbot: QtBot, tmp_path: Path) -> None:
    panel = PlotsPanel()
    qtbot.addWidget(panel)
    panel.resize(600, 400)
    panel.show()
    assert panel.menu_button.isVisible(), "it is narrow"
    for plot in panel.plots:
        plot.ensure_plot()
    panel.add([step(1), LossByNoise(1, (0.5, 0.25)), step(2), LossByNoise(2, (0.4, 0.2))])
    for plot in panel.plots:
        plot._redraw()
        plot.grab()
    read = panel.gap._read(2.0, 0.0)
    assert read == (2, "step 2\ntraining 0.3000")
    panel.gap.export(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()[1] == "1,0.5,0.25,,,0"
    panel.menu_button.menu().actions()[2].trigger()
    assert panel.shown == [panel.loss, panel.gap, panel.map]


def test_a_single_measurement_is_two_dots_in_their_colours(qtbot: QtBot) -> None:
    plot = GapPlot()
    qtbot.addWidget(plot)
    plot.show()
    plot.add([measure(10)])
    plot.ensure_plot()
    plot._redraw()
    colours = [curve.opts["symbolBrush"].name() for curve in (plot._training, plot._held_out)]
    assert colours == [theme.color("accent").name(), theme.color("warn").name()]


def test_an_exported_curve_says_of_which_run_it_is(panel: PlotsPanel, tmp_path: Path) -> None:
    panel.loss.export(tmp_path / "a.svg", "cats-tiny-32-1")
    assert "<title>Loss curve: cats-tiny-32-1</title>" in (tmp_path / "a.svg").read_text(encoding="utf-8")
    panel.loss.export(tmp_path / "a.svg", "w" * 200)
    shown = re.findall(r"<text [^>]*>(Loss curve[^<]*)</text>", (tmp_path / "a.svg").read_text(encoding="utf-8"))
    assert len(shown) == 1
    assert "…" in shown[0]
    assert len(shown[0]) < 80
    panel.loss.export(tmp_path / "a.png", "cats-tiny-32-1")
