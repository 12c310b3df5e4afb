"""What is said in which language."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ddpm_studio import language
from ddpm_studio.language import language_of_system, ntr, tr


@pytest.fixture(autouse=True)
def _english_afterwards(tmp_path: Path) -> Iterator[None]:
    yield
    language.speak("en", tmp_path)


def test_without_a_catalog_it_is_english(tmp_path: Path) -> None:
    language.speak("zh_CN", tmp_path)
    assert tr("Delete {name}?", name="a{b}") == "Delete a{b}?"
    assert tr("Braces { stay } where nothing is filled in") == "Braces { stay } where nothing is filled in"
    assert ntr("{count} picture in {place}", "{count} pictures in {place}", 1, place="x") == "1 picture in x"
    assert ntr("{count} picture", "{count} pictures", 1200) == "1,200 pictures"


@pytest.mark.parametrize(
    ("asked", "language"),
    [("zh_CN.UTF-8", "zh_CN"), ("zh_SG", "zh_CN"), ("zh_TW.UTF-8", "en"), ("de_DE.UTF-8", "en"), ("C", "en"), ("", "en")],
)
def test_the_language_of_the_system(monkeypatch: pytest.MonkeyPatch, asked: str, language: str) -> None:
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", asked)
    assert language_of_system() == language
