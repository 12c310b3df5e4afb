"""The models to choose from, as lines of a combo box."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt

from ddpm_studio.gui.widgets.basics import plain_tip

if TYPE_CHECKING:
    from PySide6.QtWidgets import QComboBox

    from ddpm_studio.gui.answers import ModelChoice


def show_models(box: QComboBox, models: Sequence[ModelChoice], first: int = 0) -> None:
    """As the lines from `first` on. Where they are the same models, only what they are called changes: the list may be open."""
    tip = Qt.ItemDataRole.ToolTipRole
    if [box.itemData(i, tip) for i in range(first, box.count())] != [plain_tip(str(model.path)) for model in models]:
        while box.count() > first:
            box.removeItem(first)
        for model in models:
            box.addItem(model.label)
    for i, model in enumerate(models, first):
        box.setItemText(i, model.label)
        box.setItemData(i, model)
        box.setItemData(i, plain_tip(str(model.path)), tip)
