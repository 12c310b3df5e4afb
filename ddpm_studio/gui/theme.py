"""Light and dark: Fusion, an own palette, a style sheet filled with tokens, icons in the colour of the text."""

from __future__ import annotations

import json
import string
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Literal

from PySide6.QtCore import QByteArray, QDir, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QAction, QColor, QFont, QFontDatabase, QGuiApplication, QIcon, QPainter, QPalette, QPen, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QPushButton, QWidget

from ddpm_studio import paths

Choice = Literal["system", "light", "dark"]
FAMILIES = [
    "Inter", "Segoe UI", "SF Pro Text", "Noto Sans", "DejaVu Sans",
    "PingFang SC", "Microsoft YaHei UI", "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Micro Hei", "sans-serif",
]  # fmt: skip
"""The first that has a letter shows it: those in the second line have the Chinese ones, in the forms of the mainland."""
TEXT_SIZE = 13
_state: dict[str, str] = {"name": "dark"}


@cache
def _palettes() -> dict[str, dict[str, str]]:
    loaded: dict[str, dict[str, str]] = json.loads((paths.resources_dir() / "styles" / "palettes.json").read_text(encoding="utf-8"))
    return loaded


def name() -> str:
    """"light" or "dark", as shown now."""
    return _state["name"]


def color(token: str) -> QColor:
    return QColor(_palettes()[name()][token])


@contextmanager
def on_paper() -> Iterator[None]:
    """What is drawn meanwhile has the light colours, whatever the window has."""
    shown, _state["name"] = name(), "light"
    try:
        yield
    finally:
        _state["name"] = shown


def resolve(choice: str) -> str:
    if choice in ("light", "dark"):
        return choice
    return "dark" if QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark else "light"


def prepare(app: QApplication) -> None:
    """What does not change with the theme: style, font, where the style sheet finds its little pictures."""
    if app.property("prepared"):
        return
    app.setProperty("prepared", True)
    styles = paths.resources_dir() / "styles"
    for file in sorted((styles / "fonts").glob("*.otf")):
        QFontDatabase.addApplicationFont(str(file))
    app.setStyle("Fusion")
    font = QFont(FAMILIES)
    font.setPixelSize(TEXT_SIZE)
    font.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    app.setFont(font)
    for theme in _palettes():
        QDir.setSearchPaths(theme, [str(styles / theme)])


def apply(app: QApplication, choice: str) -> None:
    """Recolour the whole program, also while it runs. Widgets that paint themselves read `color` when they paint."""
    set_colors(app, choice)
    if set_style_sheet(app):
        for window in app.topLevelWidgets():
            refresh_icons(window)


def set_colors(app: QApplication, choice: str) -> None:
    """What `color` says from now on, and the palette."""
    _state["name"] = resolve(choice)
    if app.property("palette") != name():
        app.setProperty("palette", name())
        app.setPalette(_palette(_palettes()[name()]))


def set_style_sheet(app: QApplication) -> bool:
    """The sheet in the colours that were set; whether it is another one. It takes a moment for every widget that is there,
    and as long again each time one that comes later moves into another: at the start it waits until the window is put together."""
    if app.property("styleSheetTheme") == name():
        return False
    app.setProperty("styleSheetTheme", name())
    sheet = (paths.resources_dir() / "styles" / "base.qss").read_text(encoding="utf-8")
    app.setStyleSheet(string.Template(sheet).safe_substitute(_palettes()[name()], theme=name()))
    return True


def _palette(tokens: dict[str, str]) -> QPalette:
    role = QPalette.ColorRole
    palette = QPalette()
    for target, token in {
        role.Window: "window", role.WindowText: "text", role.Base: "base", role.AlternateBase: "raised", role.Text: "text", role.PlaceholderText: "faint",
        role.Button: "raised", role.ButtonText: "text", role.BrightText: "bad", role.Highlight: "accent", role.HighlightedText: "on_accent",
        role.ToolTipBase: "raised", role.ToolTipText: "text", role.Link: "accent", role.LinkVisited: "accent", role.Accent: "accent",
        role.Light: "hover", role.Midlight: "hover", role.Mid: "line", role.Dark: "line", role.Shadow: "window",
    }.items():
        palette.setColor(target, QColor(tokens[token]))
    for target in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, target, QColor(tokens["faint"]))
    return palette


# Icons.


@cache
def _svg(icon_name: str) -> bytes | None:
    for folder in ("icons", "styles"):
        file = paths.resources_dir() / folder / f"{icon_name}.svg"
        if file.is_file():
            return file.read_bytes()
    return None


@cache
def _drawn(icon_name: str, hex_color: str, side: int, gap: int = 0) -> QPixmap | None:
    """`gap`: empty pixels at the right, since Qt puts the text of a button very close to its icon."""
    svg = _svg(icon_name)
    if svg is None:
        return None
    pixmap = QPixmap(side + gap, side)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    QSvgRenderer(QByteArray(svg.replace(b"currentColor", hex_color.encode()))).render(painter, QRectF(0, 0, side, side))
    painter.end()
    return pixmap


def icon(icon_name: str, token: str = "text", gap: float = 0.0, sides: tuple[int, ...] = (16, 20, 24, 32, 48, 64)) -> QIcon:
    """A Lucide icon in a colour of the theme; empty when the file is missing. `gap` is a share of its width."""
    result = QIcon()
    for side in sides:
        for mode, shade in ((QIcon.Mode.Normal, token), (QIcon.Mode.Disabled, "faint")):
            for state in (QIcon.State.Off, QIcon.State.On):
                wanted = "accent" if state == QIcon.State.On and mode == QIcon.Mode.Normal and token in ("text", "dim") else shade
                pixmap = _drawn(icon_name, color(wanted).name(), side, round(side * gap))
                if pixmap:
                    result.addPixmap(pixmap, mode, state)
    return result


def set_icon(target: QAbstractButton | QAction | QLabel, icon_name: str, token: str = "text", side: int = 16) -> None:
    """Give a button, an action or a label an icon that follows the theme."""
    target.setProperty("iconName", icon_name)
    target.setProperty("iconToken", token)
    target.setProperty("iconSide", side)
    _draw_icon(target)


def _draw_icon(target: QAbstractButton | QAction | QLabel) -> None:
    icon_name, token, side = target.property("iconName"), target.property("iconToken"), int(target.property("iconSide"))
    if isinstance(target, QLabel):
        ratio = target.devicePixelRatioF()
        pixmap = _drawn(icon_name, color(token).name(), round(side * ratio))
        if pixmap:
            copy = QPixmap(pixmap)
            copy.setDevicePixelRatio(ratio)
            target.setPixmap(copy)
    else:
        gap = 0.25 if isinstance(target, QPushButton) and target.text() else 0.0
        ratio = max((screen.devicePixelRatio() for screen in QGuiApplication.screens()), default=1.0)
        target.setIcon(icon(icon_name, token, gap, tuple({side, round(side * ratio), 2 * side})))  # each costs time at the start
        if isinstance(target, QAbstractButton):
            target.setIconSize(QSize(round(side * (1 + gap)), side))


def refresh_icons(root: QWidget) -> None:
    for kind in (QAbstractButton, QAction, QLabel):
        for target in root.findChildren(kind):
            if target.property("iconName") and isinstance(target, (QAbstractButton, QAction, QLabel)):
                _draw_icon(target)


def app_icon() -> QIcon:
    result = QIcon()
    for side in (16, 24, 32, 48, 64, 128, 256):
        pixmap = _drawn("app", "#6ea8fe", side)
        if pixmap:
            result.addPixmap(pixmap)
    return result


def draw_ring(painter: QPainter, room: QRect) -> None:
    """Around what has the focus, where the style sheet cannot draw it."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(color("accent"), 1))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRoundedRect(QRectF(room).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)


def restyle(widget: QWidget) -> None:
    """Make the style sheet look again after a dynamic property changed."""
    widget.style().unpolish(widget)
    widget.style().polish(widget)
    widget.update()
