"""Through training and through denoising, by mouse and by keys."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from ddpm_studio.events import PreviewReady
from ddpm_studio.gui.qimage import to_qimage
from ddpm_studio.gui.widgets.growth_film import GrowthFilm
from ddpm_studio.gui.widgets.live_panel import LivePanel

from .fakes import preview, tiles


@pytest.fixture
def film(qtbot: QtBot) -> GrowthFilm:
    film = GrowthFilm()
    qtbot.addWidget(film)
    film.resize(800, 260)
    film.show()
    film.set_previews([preview(100 * i, 0.9 - 0.02 * i) for i in range(1, 41)], 39)
    return film


def test_it_begins_with_the_newest_picture(film: GrowthFilm) -> None:
    assert (film.index, film.stage) == (39, 5)
    assert film.caption == "step 4,000 · denoised 6 of 6"
    assert 5 < film.columns < 40, "not all of them fit"
    assert film.place(0) == 0
    assert film.place(film.columns - 1) == 39


def test_a_drag_comes_by_all_previews(qtbot: QtBot, film: GrowthFilm) -> None:
    seen: list[int] = []
    film.chosen.connect(seen.append)
    start = film.cell_rect(0, 2).center().toPoint()
    qtbot.mousePress(film, Qt.MouseButton.LeftButton, pos=start)
    assert (film.index, film.stage) == (0, 2)
    end = film.cell_rect(film.columns - 1, 3).center().toPoint()
    for x in range(start.x(), end.x() + 4):
        qtbot.mouseMove(film, QPoint(x, end.y()))
    qtbot.mouseRelease(film, Qt.MouseButton.LeftButton, pos=end)
    assert seen == list(range(40))
    assert (film.index, film.stage) == (39, 3)
    qtbot.mouseClick(film, Qt.MouseButton.LeftButton, pos=film._choice_rect(2).center().toPoint())
    assert film.picture == 2


@pytest.mark.parametrize(("width", "height"), [(520, 120), (520, 196), (520, 260), (800, 239), (900, 500)])
def test_all_pictures_can_be_chosen_in_any_window(qtbot: QtBot, film: GrowthFilm, width: int, height: int) -> None:
    film.resize(width, height)
    for picture in reversed(range(4)):
        room = film._choice_rect(picture)
        assert film.rect().contains(room.toAlignedRect())
        assert room.left() > film.cell_rect(film.columns - 1, 0).right()
        assert not room.intersects(film._large)
        qtbot.mouseClick(film, Qt.MouseButton.LeftButton, pos=room.center().toPoint())
        assert film.picture == picture
        assert (film.index, film.stage) == (39, 5)


@pytest.mark.parametrize(("width", "height"), [(800, 220), (800, 400), (900, 300), (1300, 900)])
def test_few_previews_use_the_room(film: GrowthFilm, width: int, height: int) -> None:
    film.resize(width, height)
    film.set_previews(film.previews[:2], 1)
    right = film.cell_rect(film.columns - 1, 0).right()
    assert film.columns == 2
    left = film._choice_rect(0).left() if film._beside else film._large.left()
    assert left == pytest.approx(right + 16), "the large one stands beside them"
    assert film._large.height() >= min(width - right - 120, height - 100), "all that is left over, or as high as there is room"
    assert film.rect().contains(film._large.toAlignedRect())
    film.resize(1300, 1400)
    assert film.cell_rect(0, 0).width() > 96


def test_arrow_keys(qtbot: QtBot, film: GrowthFilm) -> None:
    for key in (Qt.Key.Key_Left, Qt.Key.Key_Left, Qt.Key.Key_Up, Qt.Key.Key_3):
        qtbot.keyClick(film, key)
    assert (film.index, film.stage, film.picture) == (37, 4, 2)
    qtbot.keyClick(film, Qt.Key.Key_Home)
    qtbot.keyClick(film, Qt.Key.Key_Left)
    assert film.index == 0
    expected = film.previews[0].walk[4, 2]
    assert film.frame(0, 4, 2) == to_qimage(expected)


def test_the_panel_goes_with_it_and_old_runs_have_none(qtbot: QtBot) -> None:
    panel = LivePanel()
    qtbot.addWidget(panel)
    panel.resize(800, 700)
    panel.show()
    panel.receive([PreviewReady(100, tiles(4))])
    panel.view.chosen.emit(1)
    assert panel.film.isVisible()
    panel.film.repaint()  # says that there is none
    assert panel.film.stages == 0
    qtbot.keyClick(panel.film, Qt.Key.Key_Left)
    panel.receive([preview(200, 0.5), preview(300, 0.3)])
    assert (panel.film.index, panel.film.stage) == (2, 5)
    panel.film.repaint()
    qtbot.keyClick(panel.film, Qt.Key.Key_Left)
    assert panel.slider.value() == 1
    assert "step 200" in panel.detail.text()
    panel.receive([preview(400, 0.2)])
    assert panel.film.index == 1, "whoever looks at the past is left there"
    panel.clear()
    assert panel.film.previews == []
