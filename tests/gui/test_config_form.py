"""The form is the settings."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QCheckBox, QComboBox, QLabel, QLineEdit, QSpinBox
from pytestqt.qtbot import QtBot

from ddpm_studio.config import SECTIONS, RunConfig
from ddpm_studio.gui.config_form import ConfigForm
from ddpm_studio.gui.pages.train_settings import TrainSettings
from ddpm_studio.presets import PRESETS

from .windows import Open


@pytest.fixture
def form(qtbot: QtBot) -> ConfigForm:
    made = ConfigForm()
    qtbot.addWidget(made)
    return made


def test_every_setting_has_a_field_with_name_and_meaning(form: ConfigForm) -> None:
    expected = {f"{section}.{name}" for section, model in SECTIONS.items() for name in model.model_fields}
    assert set(form.fields) == expected
    for entry in form.fields.values():
        assert entry.widget.objectName()
        assert entry.widget.accessibleName()
        assert entry.widget.toolTip()


def test_labels_stand_in_the_middle_of_their_fields(qtbot: QtBot, open_window: Open) -> None:
    settings = open_window().train_page.settings
    settings.more.toggle.setChecked(True)
    for name, entry in settings.form.fields.items():
        caption = next(part for part in settings.form.findChildren(QLabel) if part.buddy() is entry.widget)
        qtbot.waitUntil(lambda caption=caption, part=entry.widget: abs(caption.geometry().center().y() - part.geometry().center().y()) <= 1, timeout=2000)  # type: ignore[misc]
        assert max(map(len, entry.widget.toolTip().splitlines())) <= 80, f"the tip of {name} is read with ease"


def test_an_empty_field_says_what_that_means(form: ConfigForm) -> None:
    held_out, end = form.fields["training.held_out"].widget, form.fields["training.total_steps"].widget
    assert isinstance(held_out, QLineEdit)
    assert isinstance(end, QLineEdit)
    assert (held_out.placeholderText(), end.placeholderText()) == ("automatic (2 %)", "none")


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_comes_back_as_it_went_in(form: ConfigForm, name: str) -> None:
    form.set_config(PRESETS[name])
    read = {field: entry.read() for field, entry in form.fields.items()}
    assert PRESETS[name].with_changes(read) == PRESETS[name]


def test_kinds_of_fields(form: ConfigForm) -> None:
    kinds = {"training.batch_size": QSpinBox, "training.learning_rate": QLineEdit, "data.flip": QCheckBox, "diffusion.beta_schedule": QComboBox, "training.total_steps": QLineEdit}
    for name, kind in kinds.items():
        assert isinstance(form.fields[name].widget, kind)
    spin = form.fields["training.batch_size"].widget
    assert isinstance(spin, QSpinBox)
    assert (spin.minimum(), spin.maximum()) == (1, 4096)


def test_an_edit_is_told_with_its_value(qtbot: QtBot, form: ConfigForm) -> None:
    form.set_config(RunConfig())
    edit = form.fields["training.learning_rate"].widget
    assert isinstance(edit, QLineEdit)
    edit.setText("2e-4")
    with qtbot.waitSignal(form.edited) as told:
        edit.editingFinished.emit()
    assert told.args == ["training.learning_rate", 2e-4]


@pytest.mark.parametrize("text", ["much", "-1", "7"])
def test_what_does_not_fit_is_marked_and_not_told(qtbot: QtBot, form: ConfigForm, text: str) -> None:
    edit = form.fields["training.learning_rate"].widget
    assert isinstance(edit, QLineEdit)
    edit.setText(text)
    with qtbot.assertNotEmitted(form.edited):
        edit.editingFinished.emit()
    assert edit.property("invalid")


def test_automatic_preset_says_why(qtbot: QtBot) -> None:
    settings = TrainSettings()
    qtbot.addWidget(settings)
    assert settings.config() == PRESETS["tiny-32"]
    assert "processor without a GPU" in settings.reason.text()
    settings.set_device("cuda")
    assert settings.config() == PRESETS["base-32"]


def test_size_and_edits_are_kept_but_a_new_preset_starts_afresh(qtbot: QtBot) -> None:
    settings = TrainSettings()
    qtbot.addWidget(settings)
    settings.form.edited.emit("training.batch_size", 8)
    settings.size_box.setCurrentIndex(settings.size_box.findData(64))
    assert settings.config().data.image_size == 64
    assert settings.config().training.batch_size == 8
    settings.preset.setCurrentIndex(settings.preset.findData("small-32"))
    assert settings.config().training.batch_size == PRESETS["small-32"].training.batch_size


def test_settings_that_do_not_fit_together_are_explained(qtbot: QtBot) -> None:
    settings = TrainSettings()
    qtbot.addWidget(settings)
    settings.form.edited.emit("model.channel_mults", ("1", "2"))
    assert not settings.problem.isHidden()
    assert "attention" in settings.problem.text()
    settings.form.edited.emit("model.attention", ("no", "yes"))
    assert settings.problem.isHidden()
    assert settings.config().model.channel_mults == (1, 2)
