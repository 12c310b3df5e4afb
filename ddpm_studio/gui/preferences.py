"""What the window remembers about a person, apart from its geometry: `settings.json` in the data directory."""

from __future__ import annotations

import contextlib
import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from PySide6.QtCore import QLocale

from ddpm_studio import paths
from ddpm_studio.errors import UserError
from ddpm_studio.files import write_atomically
from ddpm_studio.language import chosen


class Preferences(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    theme: Literal["system", "light", "dark"] = "system"
    language: Literal["system", "en", "zh_CN"] = "system"
    reduced_motion: bool = False
    """Nothing moves by itself."""
    last_folder: str = ""
    """Where the last file dialog was."""
    last_data: str = ""
    """The data set that was open."""
    last_model: str = ""
    """The model that was chosen last."""
    dismissed_run: str = ""
    """The stopped run that is not offered for continuation any more."""
    call_seconds: dict[str, float] = {}
    """How long one network call for one picture took lately, for the models that were used last, by their files."""
    seconds_per_gmac: float = 0.0
    """The same for a billion multiply-adds, whatever the model; 0 until something was measured."""


def spoken(language: str) -> str:
    """The language that a preference stands for, a key of LANGUAGES. On a Mac and on Windows the system tells Qt what it speaks."""
    return chosen(language, next(iter(QLocale.system().uiLanguages()), ""))


def load() -> Preferences:
    with contextlib.suppress(OSError, ValueError, RecursionError, ValidationError):
        return Preferences.model_validate(json.loads(paths.settings_file().read_text(encoding="utf-8")))
    return Preferences()


def save(preferences: Preferences) -> None:
    """A full or read-only disk is no reason to disturb anybody about a preference."""
    with contextlib.suppress(UserError):
        write_atomically(paths.settings_file(), (preferences.model_dump_json(indent=2) + "\n").encode())
