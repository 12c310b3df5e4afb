"""Whatever can be used has a name that a screen reader can say, and can be reached without a mouse."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QGraphicsView,
    QHeaderView,
    QLineEdit,
    QMenu,
    QScrollBar,
    QTextEdit,
    QToolTip,
    QWidget,
)
from pytestqt.qtbot import QtBot

from ddpm_studio.gui import motion
from ddpm_studio.gui.main_window import PAGES, MainWindow
from ddpm_studio.gui.menus import BUTTONS
from ddpm_studio.gui.widgets.picture_grid import PictureGrid
from ddpm_studio.gui.widgets.welcome import Door

from .fakes import make_runs
from .windows import Open

CONTROLS = (QAbstractButton, QComboBox, QAbstractSpinBox, QAbstractSlider, QLineEdit, QTextEdit, QAbstractItemView, QGraphicsView)
MOUSE = ("mousePressEvent", "mouseReleaseEvent", "mouseDoubleClickEvent")
WITHOUT_FOCUS = {
    "commandList": "the arrow keys reach it from the line above",
    "schedulePlot": "the slider under it does the same",
    "filmstripFrames": "the slider under it does the same",
    "nearestGrid": "there is nothing to choose",
    "lossCanvas": "a look at the curve; its numbers are exported beside it",
    "heldOutCanvas": "a look at the curve",
}
"""What a mouse can be used on and the keyboard cannot reach, and why."""
PARTS_OF_QT = ("qt_", "ScrollLeftButton", "ScrollRightButton")


def interactive(root: QWidget) -> Iterator[QWidget]:
    for widget in root.findChildren(QWidget):
        parent = widget.parentWidget()
        inside = isinstance(parent, (QAbstractSpinBox, QComboBox, QLineEdit)) or (isinstance(widget, (QScrollBar, QHeaderView)))
        if inside or widget.objectName().startswith(PARTS_OF_QT) or _in_a_popup(widget) or type(widget).__name__ in ("QComboBoxListView", "QTableCornerButton"):
            continue
        if isinstance(widget, PictureGrid) and not widget._selectable:
            continue  # there is nothing to choose
        ours = [kind for kind in type(widget).__mro__ if kind.__module__.startswith("ddpm_studio")]
        if isinstance(widget, CONTROLS) or any(name in vars(kind) for kind in ours for name in MOUSE):
            yield widget


def _in_a_popup(widget: QWidget) -> bool:
    above: QWidget | None = widget
    while above is not None:
        if isinstance(above, (QMenu, QToolTip)) or "QComboBoxPrivateContainer" in above.metaObject().className():
            return True
        above = above.parentWidget()
    return False


@pytest.fixture
def window(open_window: Open, qtbot: QtBot) -> MainWindow:
    make_runs(3)
    made = open_window()
    made.train_page.live.plot.ensure_plot()
    for page, _, _ in PAGES:
        made.show_page(page)
        qtbot.wait(10)
    return made


def test_everything_that_can_be_used_has_a_name(window: MainWindow) -> None:
    nameless = []
    for widget in interactive(window):
        text = widget.text() if isinstance(widget, QAbstractButton) else ""
        if not (widget.accessibleName() or text):
            nameless.append(f"{type(widget).__name__} {widget.objectName()!r} in {widget.parentWidget().objectName()!r}")
    assert nameless == []
    assert len(list(interactive(window))) > 100
    assert [f"{type(widget).__name__} {widget.accessibleName()!r}" for widget in interactive(window) if not widget.objectName()] == [], "no object name"
    buttons = [widget for widget in interactive(window) if isinstance(widget, QAbstractButton) and not isinstance(widget, Door)]
    assert [button.objectName() for button in buttons if not button.text() and not button.toolTip()] == [], "an icon alone, without a tooltip"


def test_everything_that_can_be_used_is_reached_by_keyboard(qtbot: QtBot, window: MainWindow) -> None:
    unreached = [
        f"{type(widget).__name__} {widget.objectName()!r}"
        for widget in interactive(window)
        if not widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.focusProxy() is None and widget.objectName() not in WITHOUT_FOCUS
    ]
    assert unreached == []
    for page, _, _ in PAGES:
        _go_round(qtbot, window, page)


def _go_round(qtbot: QtBot, window: MainWindow, page: str) -> None:
    """With the Tab key: no control keeps the focus for itself."""
    window.show_page(page)
    window.activateWindow()
    first = window.rail.buttons[0]
    first.setFocus()
    seen = []
    for _ in range(400):
        qtbot.keyClick(QApplication.focusWidget() or window, Qt.Key.Key_Tab)
        seen.append(QApplication.focusWidget())
        if seen[-1] is first:
            break
    assert seen[-1] is first, f"stuck at {seen[-1].objectName() if seen[-1] else None}"
    assert len({id(widget) for widget in seen}) >= 3


def test_shortcuts_stand_in_the_tooltips_of_buttons_that_do_the_same(window: MainWindow) -> None:
    for button, action in BUTTONS.items():
        widget, made = window.findChild(QWidget, button), window.findChild(QAction, action)
        assert widget is not None, button
        assert made is not None, action
        assert made.shortcut().toString() in widget.toolTip(), f"{button}: {widget.toolTip()!r}"
    for i, rail_button in enumerate(window.rail.buttons):
        assert f"Ctrl+{i + 1}" in rail_button.toolTip()
    keys = [key.toString() for action in window.findChildren(QAction) for key in action.shortcuts()]
    assert len(keys) == len(set(keys)), "two actions share a shortcut"


def test_reduced_motion(qtbot: QtBot, open_window: Open) -> None:
    window = open_window()
    assert not motion.reduced()
    usual, effects = QApplication.cursorFlashTime(), QApplication.isEffectEnabled(Qt.UIEffect.UI_General)
    QApplication.setCursorFlashTime(734)
    for effect in (Qt.UIEffect.UI_General, Qt.UIEffect.UI_AnimateCombo):
        QApplication.setEffectEnabled(effect, True)
    window.menus.reduced_motion.trigger()
    assert motion.reduced()
    assert QApplication.cursorFlashTime() == 0
    assert not QApplication.isEffectEnabled(Qt.UIEffect.UI_AnimateCombo)
    bar = window.status.progress
    window.status.set_progress(-1.0)
    pictures = []
    for _ in range(2):
        qtbot.wait(80)
        pictures.append(bar.grab().toImage())
    assert pictures[0] == pictures[1], "it rests"
    assert pictures[0].pixelColor(QPoint(20, 3)) == pictures[0].pixelColor(QPoint(130, 3))
    again = open_window()
    assert motion.reduced(), "remembered"
    assert not again.pages["Blend"].film.playing, "no film plays unasked"  # type: ignore[attr-defined]
    again.menus.reduced_motion.trigger()
    assert not motion.reduced()
    assert QApplication.cursorFlashTime() == 734, "as the system has it"
    assert QApplication.isEffectEnabled(Qt.UIEffect.UI_AnimateCombo)
    QApplication.setCursorFlashTime(usual)
    QApplication.setEffectEnabled(Qt.UIEffect.UI_General, effects)


def test_views_splitters_and_folds_are_remembered(qtbot: QtBot, open_window: Open) -> None:
    window = open_window()
    inside = window.pages["Inside"]
    inside.view._group.button(1).click()  # type: ignore[attr-defined]
    window.train_page.settings.more.toggle.setChecked(True)
    window.train_page.live.plot.log_box.setChecked(False)
    window.train_page.live.plot.smoothing.slider.setValue(40)
    plots = window.train_page.live.plots
    plots.show_only(["noiseMapPlot", "memoryPlot"])
    assert [plot.objectName() for plot in plots.shown] == ["noiseMapPlot", "memoryPlot"]
    window.close()
    again = open_window()
    assert again.pages["Inside"].view.current == 1  # type: ignore[attr-defined]
    assert again.pages["Inside"].stack.currentIndex() == 1  # type: ignore[attr-defined]
    assert again.train_page.settings.more.toggle.isChecked()
    assert not again.train_page.live.plot.log_box.isChecked()
    assert again.train_page.live.plot.smoothing.value == 40
    assert [plot.objectName() for plot in again.train_page.live.plots.shown] == ["noiseMapPlot", "memoryPlot"]
    assert again.studio.undo_stack.count() == 0, "nobody has edited anything"


def test_a_damaged_memory_of_the_window_does_no_harm(qtbot: QtBot, open_window: Open) -> None:
    window = open_window()
    window.close()
    from ddpm_studio.gui.layout_memory import kept_settings

    kept = kept_settings()
    for key in ("geometry", "page", "views/insidePage/insideView", "open/settingsToggle", "splitters/trainPage/livePanel", "shown/smoothingSlider", "curves/trainPage"):
        kept.setValue(key, "nonsense")
    kept.setValue("views/insidePage/insideView", "99")
    kept.sync()
    again = open_window()
    assert again.page == "Train"
    assert again.pages["Inside"].view.current == 0  # type: ignore[attr-defined]
    assert [plot.objectName() for plot in again.train_page.live.plots.shown] == ["lossPlot", "heldOutPlot"]
