"""How the window was left: its size and place, its page, its splitters, and which view and which curves each page showed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from PySide6.QtCore import QByteArray, QSettings
from PySide6.QtWidgets import QMainWindow, QSplitter, QWidget

from ddpm_studio import paths
from ddpm_studio.gui.pages.past_run import PastRun
from ddpm_studio.gui.undo import Control, control
from ddpm_studio.gui.widgets.containers import Collapsible
from ddpm_studio.gui.widgets.inputs import Segments
from ddpm_studio.gui.widgets.live_panel import BEHIND
from ddpm_studio.gui.widgets.plots_panel import PlotsPanel

FOLLOWS_WORK = ("trainView", "blendView", "pictureSource")
"""Segments that show what is going on or what is there, whatever was shown last time."""
FOLDABLE = ("settingsToggle",)
CONTROLS = ("lossLogCheck", "smoothingSlider", "forwardRootsCheck")
"""How something is shown, not what is computed."""
TITLE_BAR = 36
"""About what a window manager puts on top; without it a small screen would hide the status line."""

Part = TypeVar("Part", bound=QWidget)


def kept_settings() -> QSettings:
    """`window.ini` in the data directory."""
    return QSettings(str(paths.data_dir() / "window.ini"), QSettings.Format.IniFormat)


def save_layout(window: QMainWindow, page: str, pages: Iterable[QWidget]) -> None:
    """`page`: the name of the one in sight."""
    kept = kept_settings()
    kept.setValue("geometry", window.saveGeometry())
    kept.setValue("page", page)
    _save_views(pages, kept)


def restore_layout(window: QMainWindow, pages: Iterable[QWidget]) -> str:
    """The name of the page that was in sight."""
    kept = kept_settings()
    geometry = kept.value("geometry")
    if not isinstance(geometry, QByteArray) or not window.restoreGeometry(geometry):
        room = window.screen().availableGeometry()
        window.resize(min(1280, room.width()), min(800, room.height() - TITLE_BAR))
    _restore_views(pages, kept)
    return str(kept.value("page", "Train"))


def _save_views(pages: Iterable[QWidget], kept: QSettings) -> None:
    for page in pages:
        for name, splitter in _splitters(page):
            kept.setValue(f"splitters/{name}", splitter.saveState())
        for name, segments in _segments(page):
            kept.setValue(f"views/{name}", segments.current)
        for name, part in _foldable(page):
            kept.setValue(f"open/{name}", int(part.toggle.isChecked()))
        for panel in _parts(page, PlotsPanel):
            kept.setValue(f"curves/{page.objectName()}", " ".join(_name(plot) for plot in panel.shown))
        for name, shown in _controls(page):
            kept.setValue(f"shown/{name}", int(shown.read()))


def _restore_views(pages: Iterable[QWidget], kept: QSettings) -> None:
    """What is not there, or does not fit any more, stays as it is."""
    for page in pages:
        for name, splitter in _splitters(page):
            if isinstance(state := kept.value(f"splitters/{name}"), QByteArray):
                splitter.restoreState(state)
        for name, segments in _segments(page):
            index = _number(kept, f"views/{name}")
            if index is not None and index < segments.count and index != segments.current:
                segments.choose(index)
                segments.chosen.emit(index)
        for name, part in _foldable(page):
            part.toggle.setChecked(_number(kept, f"open/{name}") == 1)
        for panel in _parts(page, PlotsPanel):
            panel.show_only(str(kept.value(f"curves/{page.objectName()}", "")).split())
        for name, shown in _controls(page):
            if (value := _number(kept, f"shown/{name}")) is not None:
                shown.write(type(shown.read())(value))


def _number(kept: QSettings, key: str) -> int | None:
    text = str(kept.value(key, ""))
    return int(text) if text.isdecimal() else None


def _parts(page: QWidget, kind: type[Part]) -> list[Part]:
    """Without those of a past run beside a training: how that is looked at is nothing to remember."""
    past = page.findChildren(PastRun)
    return [part for part in page.findChildren(kind) if not any(run.isAncestorOf(part) for run in past)]


def _name(part: QWidget) -> str:
    """Whether or not it can be seen just now."""
    return part.objectName().removeprefix(BEHIND)


def _splitters(page: QWidget) -> Iterator[tuple[str, QSplitter]]:
    """By their own names or those of what they divide."""
    for splitter in _parts(page, QSplitter):
        parent = splitter.parentWidget()
        if name := _name(splitter) or (_name(parent) if parent else ""):
            yield f"{page.objectName()}/{name}", splitter


def _segments(page: QWidget) -> Iterator[tuple[str, Segments]]:
    return ((f"{page.objectName()}/{_name(part)}", part) for part in _parts(page, Segments) if _name(part) not in FOLLOWS_WORK)


def _controls(page: QWidget) -> Iterator[tuple[str, Control]]:
    return ((_name(part), control(part)) for part in _parts(page, QWidget) if _name(part) in CONTROLS)


def _foldable(page: QWidget) -> Iterator[tuple[str, Collapsible]]:
    return ((part.toggle.objectName(), part) for part in page.findChildren(Collapsible) if part.toggle.objectName() in FOLDABLE)
