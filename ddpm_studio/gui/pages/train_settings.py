"""What to train and for how long: preset, size, duration, and all settings for those who want them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QWidget

from ddpm_studio.config import SECTIONS, DataConfig, RunConfig
from ddpm_studio.errors import UserError
from ddpm_studio.events import DatasetReport
from ddpm_studio.gui.answers import ModelChoice
from ddpm_studio.gui.config_form import ConfigForm
from ddpm_studio.gui.model_lines import show_models
from ddpm_studio.gui.undo import Control, control
from ddpm_studio.gui.widgets.basics import column, field, label, row, wrapped
from ddpm_studio.gui.widgets.containers import Card, Collapsible
from ddpm_studio.gui.widgets.inputs import combo
from ddpm_studio.gui.words import sentences
from ddpm_studio.language import later, tr
from ddpm_studio.models import starting_settings
from ddpm_studio.presets import DESCRIPTIONS, PRESETS, choose_preset

SIZES = (16, 32, 48, 64, 96, 128, 256)
DURATIONS = ((later("10 minutes"), 600), (later("30 minutes"), 1800), (later("1 hour"), 3600), (later("Tonight (8 h)"), 8 * 3600), (later("Until I stop it"), None))
_AS_PRESET = object()
"""In the place of a setting that nobody has changed."""


class TrainSettings(QWidget):
    data_changed = Signal()
    """`data_config` is another one."""
    adopted = Signal()
    """All settings are those of a run."""

    def __init__(self, *more: QWidget) -> None:
        """`more` stands under the choices."""
        super().__init__()
        self._device = "cpu"
        self._report: DatasetReport | None = None
        self._changes: dict[str, Any] = {}
        self._started: tuple[tuple[Path, int], RunConfig] | None = None
        """The model that a run was to start from last, with its time of change, and its settings."""
        self._missing: ModelChoice | None = None
        """The chosen model while it is not listed any more: with all that was set on it, it stays for when it comes back."""
        self.duration_chosen = False
        """By hand, since the last run began."""
        self.start = combo("startCombo", [(tr("Nothing: it learns all by itself"), None)])
        self.start.setToolTip(wrapped(tr("Begin with what a model has learnt already: with few pictures, or to go on with one that ships, this saves most of the time")))
        self.preset = combo("presetCombo", [(tr("Automatic"), "auto"), *((name, name) for name in PRESETS)])
        for i, name in enumerate(PRESETS):
            self.preset.setItemData(i + 1, tr(DESCRIPTIONS.get(name, "")), Qt.ItemDataRole.ToolTipRole)
        self.size_box = combo("imageSizeCombo", [(tr("Automatic"), None), *((f"{n} \u00d7 {n}", n) for n in SIZES)])
        self.duration = combo("durationCombo", [(tr(text), seconds) for text, seconds in DURATIONS])
        self.reason = label("", "caption", "presetReason", wrap=True)
        self.problem = label("", "caption", "settingsProblem", wrap=True)
        self.problem.setProperty("tone", "bad")
        self.problem.hide()
        self.form = ConfigForm(hidden=frozenset({"data.image_size"}))
        self.more = Collapsible(tr("All settings"), self.form, "settingsToggle")
        card = Card(
            field(tr("Start from"), self.start),
            column(field(tr("Preset"), self.preset), self.reason, spacing=6),
            row(field(tr("Picture size"), self.size_box), field(tr("Train for"), self.duration), spacing=12),
            *more,
            self.more,
            self.problem,
            margin=12,
        )
        self.setLayout(column(card))
        self.start.currentIndexChanged.connect(self._preset_chosen)
        self.preset.currentIndexChanged.connect(self._preset_chosen)
        self.size_box.currentIndexChanged.connect(self._rebase)
        self.duration.activated.connect(self._duration_chosen)
        self.form.edited.connect(self._edited)
        self._rebase()

    @property
    def max_seconds(self) -> float | None:
        seconds: float | None = self.duration.currentData()
        return seconds

    @property
    def data_config(self) -> DataConfig:
        try:
            return self.config().data
        except UserError:
            return self._base().data

    def config(self) -> RunConfig:
        """Raises UserError when the settings do not fit together."""
        return self._base().with_changes(self._changes) if self._changes else self._base()

    def check(self) -> None:
        """Raises UserError when something that was typed, or the model to start from, cannot be used."""
        self.form.check()
        self._check_start()

    @property
    def start_from(self) -> Path | None:
        """The model whose weights the run begins with."""
        model: ModelChoice | None = self.start.currentData()
        return model.path if model else None

    def controls(self) -> list[Control]:
        """What can be taken back: the choices at the top, and every setting under them."""
        top = [Control(self.start.accessibleName(), lambda: self.start_from, self._choose_start, self.start.currentIndexChanged, self.start)]
        top += [control(box) for box in (self.preset, self.size_box, self.duration)]
        return top + [
            Control(entry.widget.accessibleName(), partial(self._change_of, name), partial(self._change, name), None if i else self.form.edited, entry.widget)
            for i, (name, entry) in enumerate(self.form.fields.items())
        ]

    @Slot()
    def show_changes(self) -> None:
        """The controls were written from elsewhere."""
        self._rebase()

    def _choose_start(self, path: Path | None) -> None:
        models = [self.start.itemData(i) for i in range(1, self.start.count())]
        self.start.setCurrentIndex(models.index(model) + 1 if (model := _at(path, models)) else 0)

    def _change_of(self, name: str) -> Any:
        return self._changes.get(name, _AS_PRESET)

    def _change(self, name: str, value: Any) -> None:
        if value is _AS_PRESET:
            self._changes.pop(name, None)
        else:
            self._changes[name] = value

    def set_models(self, models: Sequence[ModelChoice]) -> None:
        """What a run can start from; the choice stays, also under another name, and when its model went away."""
        chosen: ModelChoice | None = self.start.currentData()
        kept, was_missing = _at(self.start_from, models), self._missing is not None
        self._missing = None
        if chosen and kept is None:
            kept = self._missing = replace(chosen, label=tr("{name} · not here any more", name=chosen.name))
            models = [*models, kept]
        self.start.blockSignals(True)
        show_models(self.start, models, first=1)
        self.start.setCurrentIndex(models.index(kept) + 1 if kept else 0)
        self.start.blockSignals(False)
        if was_missing != (self._missing is not None):
            self._rebase()

    @Slot(float, float)
    def set_crop(self, x: float, y: float) -> None:
        """The focus that the pictures are cropped with: an edit like those in the form."""
        for name, value in (("data.crop_x", x), ("data.crop_y", y)):
            if (value := round(value, 3)) != getattr(self.data_config, name.removeprefix("data.")):
                self.form.edited.emit(name, value)
        if self.problem.isHidden():
            self.form.set_config(self.config())

    def set_report(self, report: DatasetReport) -> None:
        self._report = report
        self._rebase()

    def set_device(self, kind: str) -> None:
        if kind != self._device:
            self._device = kind
            self._rebase()

    def _base(self) -> RunConfig:
        if self.start_from:
            try:
                return self._starting_settings(self.start_from)
            except UserError:  # gone or damaged since it was listed: said when training starts
                if self._started and self._started[0][0] == self.start_from:
                    return self._started[1]
        name, size = self.preset.currentData(), self.size_box.currentData()
        if name == "auto":
            name, _ = choose_preset(self._device, size, min(self._report.median) if self._report else None)
        base = PRESETS[name]
        return base.with_changes({"data.image_size": size}) if size and size != base.data.image_size else base

    def _starting_settings(self, model: Path) -> RunConfig:
        """They stand in the model's file, which is read when it is another one or has changed."""
        known = model, model.stat().st_mtime_ns if model.is_file() else 0
        if self._started is None or self._started[0] != known:
            self._started = known, starting_settings(model)
        return self._started[1]

    @Slot(object)
    def adopt(self, config: RunConfig) -> None:
        """Set everything as a run had it; which pictures are held out is settled anew."""
        preset = config.preset if config.preset in PRESETS else next(iter(PRESETS))
        sizes = [self.size_box.itemData(i) for i in range(self.size_box.count())]
        size = config.data.image_size
        for box, index in ((self.start, 0), (self.preset, self.preset.findData(preset)), (self.size_box, sizes.index(size) if size in sizes else 0)):
            box.blockSignals(True)
            box.setCurrentIndex(index)
            box.blockSignals(False)
        held_out = None if config.training.held_out else config.training.held_out
        config = config.model_copy(update={"training": config.training.model_copy(update={"held_out": held_out})})
        base = self._base()
        wanted, usual = ({f"{section}.{name}": value for section in SECTIONS for name, value in getattr(settings, section)} for settings in (config, base))
        self._changes = {name: value for name, value in wanted.items() if value != usual[name]}
        self._rebase()
        self.adopted.emit()

    @Slot()
    def _preset_chosen(self) -> None:
        self._changes.clear()
        self._rebase()

    @Slot()
    def _duration_chosen(self) -> None:
        self.duration_chosen = True

    @Slot()
    def _rebase(self) -> None:
        name, size = self.preset.currentData(), self.size_box.currentData()
        for box in (self.preset, self.size_box):
            box.setEnabled(self.start_from is None)
        if self.start_from:
            self.reason.setText(tr("The network and the size of the pictures are those of the model."))
        elif name == "auto":
            _, why = choose_preset(self._device, size, min(self._report.median) if self._report else None)
            self.reason.setText(tr("Chosen: {why}", why=why))
        else:
            self.reason.setText(tr(DESCRIPTIONS.get(name, "")))
        self._check()
        if self.problem.isHidden():
            self.form.set_config(self.config())
        self.data_changed.emit()

    @Slot(str, object)
    def _edited(self, name: str, value: Any) -> None:
        self._changes[name] = value
        self._check()
        if name.startswith("data."):
            self.data_changed.emit()

    def _check_start(self) -> None:
        if self._missing and self._missing.path == self.start_from:
            hint = tr("Choose another one to start from, or take it back from the trash.")
            raise UserError(tr("The model {name} is not here any more.", name=self._missing.name), hint)

    def _check(self) -> None:
        try:
            self.config()
            self._check_start()
        except UserError as error:
            self.problem.setText(sentences(error.message, error.hint))
            self.problem.show()
        else:
            self.problem.hide()


def _at(path: Path | None, models: Sequence[ModelChoice]) -> ModelChoice | None:
    """The model that lies there; else the one that did before its run was renamed."""
    return next((model for model in models if model.path == path), None) or next((model for model in models if path and model.was_at(path)), None)
