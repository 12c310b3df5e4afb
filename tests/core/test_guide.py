"""The handbook is the same in each language: its parts, its commands, and what the window calls things."""

from __future__ import annotations

import gettext
import re

import pytest

from ddpm_studio import paths
from ddpm_studio.language import LANGUAGES

OTHERS = [language for language in LANGUAGES if language != "en"]
ENGLISH = paths.guide_file().read_text(encoding="utf-8")


def _outline(guide: str) -> list[str]:
    """What each line is, without what it says: the depth of a heading, the columns of a table, a command without its comment."""
    lines, inside = [], False
    for line in guide.splitlines():
        if line.startswith("```"):
            inside = not inside
        if inside or line.startswith("```"):
            lines.append(line.split("    #")[0].rstrip())
        else:
            lines.append((re.match(r"#+ ", line) or [""])[0] + "|" * line.count("|") + ("text" if line else ""))
    return lines


def _named(guide: str) -> list[str]:
    """What stands in stars, as names of controls do."""
    return [name.removesuffix("…") for name in re.findall(r"\*{1,2}([^*\n]+)\*{1,2}", re.sub(r"```.*?```", "", guide, flags=re.DOTALL))]


@pytest.mark.parametrize("language", OTHERS)
def test_each_language_has_the_same_handbook(language: str) -> None:
    guide = paths.guide_file(language)
    assert guide != paths.guide_file()
    assert _outline(guide.read_text(encoding="utf-8")) == _outline(ENGLISH)


@pytest.mark.parametrize("language", OTHERS)
def test_controls_are_called_what_the_window_calls_them(language: str) -> None:
    catalog = gettext.translation("ddpm_studio", paths.languages_dir(), [language])
    guide = paths.guide_file(language).read_text(encoding="utf-8")
    called = {name: catalog.gettext(name) if catalog.gettext(name) != name else catalog.gettext(name + "…").removesuffix("…") for name in _named(ENGLISH)}
    known = {name: translation for name, translation in called.items() if translation != name}
    assert len(known) > 25
    assert [(name, translation) for name, translation in known.items() if translation not in guide] == []


def test_a_language_without_one_reads_the_english() -> None:
    assert paths.guide_file("de") == paths.guide_file()
