"""The language that the window speaks. English sentences are the keys; a catalog of another language takes their place.

The command line speaks English always: scripts read it.
"""

from __future__ import annotations

import gettext
import locale
import os
import re
from pathlib import Path

LANGUAGES = {"en": "English", "zh_CN": "简体中文"}
"""What each language calls itself."""

_catalog: gettext.NullTranslations = gettext.NullTranslations()
_spoken = "en"


def speak(language: str, catalogs: Path) -> None:
    """From now on, `tr` and `ntr` answer in this language (a key of LANGUAGES); one without a catalog there is English."""
    global _catalog, _spoken
    _spoken, _catalog = language, gettext.translation("ddpm_studio", catalogs, [language], fallback=True)


def spoken() -> str:
    """The language that is spoken now."""
    return _spoken


def chosen(preference: str, told: str = "") -> str:
    """The key of LANGUAGES for what somebody has chosen: one of them, or "system"."""
    return preference if preference in LANGUAGES else language_of_system(told)


def language_of_system(told: str = "") -> str:
    """The one of LANGUAGES that the system asks for: by its variables, or else by what it has `told` otherwise."""
    asked = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), told or locale.getlocale()[0] or "")
    chinese = ("zh_cn", "zh_sg", "zh_hans", "chinese (simplified)", "chinese_china")
    return "zh_CN" if asked.lower().replace("-", "_").startswith(chinese) else "en"


def tr(text: str, /, **values: object) -> str:
    """The text in the language of the window, its {fields} filled in: tr("Delete {name}?", name=run.name)."""
    said = _catalog.gettext(text) if text else ""  # under "" a catalog keeps what it says about itself
    return said.format(**values) if values else said


def ntr(one: str, many: str, count: int, /, **values: object) -> str:
    """As `tr`, in the form that the count asks for; {count} is filled in with thousands separated."""
    return _catalog.ngettext(one, many, count).format(count=f"{count:,}", **values)


def later(text: str) -> str:
    """The text as it is, known to the catalogs: for constants, which are made before the language is chosen, and for what
    is kept in English. It is shown by `tr(CONSTANT)`, or by `again`."""
    return text


_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def again(text: str) -> str:
    """A text that was made in English, perhaps long ago, in the language of the window. The numbers in it are those of
    `later("too large: {} MB").format(512)`; what no catalog knows stays as it is."""
    said = _catalog.gettext(pattern := _NUMBER.sub("{}", text))
    return text if said == pattern else said.format(*_NUMBER.findall(text))
