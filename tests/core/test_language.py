"""What is said in which language."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Message

from ddpm_studio import language, paths
from ddpm_studio.config import parse_config
from ddpm_studio.errors import UserError
from ddpm_studio.language import again, chosen, language_of_system, later, ntr, tr
from tests import catalog

CATALOGS = catalog.catalogs()


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
    assert chosen("system", "zh-Hans-CN") == (language if asked else "zh_CN"), "what the variables say counts more"
    assert chosen("en") == "en"
    assert chosen("of a later version") == language


def test_chinese_is_spoken() -> None:
    language.speak("zh_CN", paths.languages_dir())
    assert tr("Saved at step {step:,}", step=1200) == "已保存第 1,200 步"
    with pytest.raises(UserError, match="应大于 0") as caught:
        parse_config({"training": {"learning_rate": -1}})
    assert caught.value.message.startswith("设置 training.learning_rate 不能为 -1")


def test_what_was_said_in_english_can_be_said_again() -> None:
    """Caches keep reasons in English: with the same numbers they are said in the language of the window."""
    reason = later("too large: {} MB").format("5,369")
    assert again(reason) == reason == "too large: 5,369 MB"
    language.speak("zh_CN", paths.languages_dir())
    assert again(reason) == "过大：5,369 MB"
    assert again("of 2 systems {none} knows") == "of 2 systems {none} knows"


def test_there_is_a_catalog_for_each_language() -> None:
    assert {file.parent.parent.name for file in CATALOGS} == language.LANGUAGES.keys() - {"en"}


@pytest.mark.parametrize("file", CATALOGS, ids=lambda file: file.parent.parent.name)
def test_catalogs_are_whole(file: Path) -> None:
    """Nothing missing or stale, nothing in doubt, the same {fields} on both sides. `python tests/catalog.py` helps."""
    assert catalog.problems(catalog.read(file)) == []


@pytest.mark.parametrize("file", CATALOGS, ids=lambda file: file.parent.parent.name)
def test_catalogs_are_compiled(file: Path) -> None:
    assert file.with_suffix(".mo").read_bytes() == catalog.compiled(catalog.read(file)), "run: python tests/catalog.py"


@pytest.mark.parametrize("file", catalog.sources(), ids=lambda file: file.relative_to(catalog.ROOT / "ddpm_studio").as_posix())
def test_what_people_read_goes_through_the_catalog(file: Path) -> None:
    """No call that shows a text is given a bare one."""
    assert catalog.bare_literals(file) == []


def test_bare_texts_are_found(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text('''
label("Bare"); label(tr("Said")); label(name, "caption"); button(f"{count} runs" if count else "None", "name", tip="Do it")
raise UserError("Wrong: " + why, tr("Mend it"))
''')
    assert catalog.bare_literals(module) == ["2: Bare", "2:  runs", "2: None", "2: Do it", "3: Wrong: "]


def test_texts_are_found_within_others() -> None:
    """Inside of f-strings as well, and one given to another."""
    code = """
kinds = f"{tr('Zip files')} (*.zip)"; words = f"{first} {tr('{n} times', n=count(1))}"
tr("In {place}", place=tr("a zip")); f"{ntr('{count} run', '{count} runs', 2)}"; tr(name); MONTH = later("Jan" "uary")
"""
    assert catalog.texts_in(code) == ["Zip files", "{n} times", "In {place}", "a zip", ("{count} run", "{count} runs"), "January"]


def test_sizes_are_written_in_one_way() -> None:
    for size in ("{width} x {height} 像素", "32 x 32"):
        assert list(catalog._faults(Message(size, size))) == ["x for ×"]
    assert list(catalog._faults(Message("32 x 32", "32 × 32"))) == []
