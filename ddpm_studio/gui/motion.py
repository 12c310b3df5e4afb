"""Whether anything may move by itself: it makes some people dizzy.

Whoever animates something, or starts a film that nobody has asked for, looks at `reduced()` first.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from PySide6.QtCore import QEvent, QObject, QRectF, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QApplication, QProgressBar, QWidget

from ddpm_studio.gui import theme

EFFECTS = (
    Qt.UIEffect.UI_AnimateMenu, Qt.UIEffect.UI_FadeMenu, Qt.UIEffect.UI_AnimateCombo, Qt.UIEffect.UI_AnimateTooltip, Qt.UIEffect.UI_FadeTooltip, Qt.UIEffect.UI_AnimateToolBox,
)  # fmt: skip


@dataclass
class _Motion:
    """Whether it is reduced, and how the system wants it where it is not."""

    reduced: bool = False
    effects: list[Qt.UIEffect] = field(default_factory=list)
    flash_ms: int = 0


_motion = _Motion()


def reduced() -> bool:
    return _motion.reduced


def apply(app: QApplication, reduce: bool) -> None:
    """From now on no menus that fade, no cursor that blinks, no bars that run to and fro; or all of it again as it was."""
    if reduce == _motion.reduced:
        return
    _motion.reduced = reduce
    if reduce:
        _motion.effects, _motion.flash_ms = [effect for effect in EFFECTS if QApplication.isEffectEnabled(effect)], app.cursorFlashTime()
    for effect in _motion.effects:
        QApplication.setEffectEnabled(effect, not reduce)
    app.setCursorFlashTime(0 if reduce else _motion.flash_ms)
    for window in app.topLevelWidgets():
        window.update()


class _RestingBar(QObject):
    """Paints a bar that does not know how much is left: full and still, instead of running to and fro."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() != QEvent.Type.Paint or not reduced() or not isinstance(watched, QProgressBar) or watched.maximum() > watched.minimum():
            return False
        painter = QPainter(watched)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("accent"))
        painter.setOpacity(0.5)
        painter.drawRoundedRect(QRectF(watched.rect()), 3, 3)
        painter.end()
        return True


def calm_bars(root: QWidget) -> None:
    """Let the progress bars in `root` rest when motion is reduced."""
    resting = _RestingBar(root)
    for bar in root.findChildren(QProgressBar):
        bar.installEventFilter(resting)
