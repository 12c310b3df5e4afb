"""The texts of the window and their translations: `python tests/catalog.py` brings the catalogs up to date.

Texts are gathered from the calls of `tr`, `ntr` and `later`, and from the settings, whose names, values and descriptions
the window shows. New ones are then to be translated in `resources/languages/*/LC_MESSAGES/ddpm_studio.po`; run this once
more to compile them. `tests/core/test_language.py` says what is missing.
"""

from __future__ import annotations

import ast
import io
import re
import string
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
LANGUAGES = ROOT / "resources" / "languages"
KEYWORDS = {"tr": 1, "later": 1, "ntr": 2}
"""How many texts each of these calls is given."""
NOT_SHOWN = ("cli/", "selftest.py", "__main__.py")
"""The command line speaks English."""

Text = str | tuple[str, str]


def sources() -> list[Path]:
    package = ROOT / "ddpm_studio"
    return [file for file in sorted(package.rglob("*.py")) if not file.relative_to(package).as_posix().startswith(NOT_SHOWN)]


def gather() -> dict[Text, list[str]]:
    """Every text of the window, and the files it stands in; one with a plural is a pair."""
    texts: dict[Text, list[str]] = {}
    for file in sources():
        for text in texts_in(file.read_text(encoding="utf-8")):
            texts.setdefault(text, []).append(file.relative_to(ROOT).as_posix())
    for text in settings_texts():
        texts.setdefault(text, []).append("ddpm_studio/config.py")
    return texts


def texts_in(code: str) -> list[Text]:
    """What is given to `tr`, `later` and `ntr`, in the order of the code; inside of f-strings as well, where Babel sees
    none before Python 3.12."""
    calls = [call for call in ast.walk(ast.parse(code)) if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in KEYWORDS]
    found: list[Text] = []
    for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
        texts = [part.value for part in call.args[: KEYWORDS[call.func.id]] if isinstance(part, ast.Constant) and isinstance(part.value, str)]
        if len(texts) == KEYWORDS[call.func.id]:
            found.append(texts[0] if len(texts) == 1 else (texts[0], texts[1]))
    return found


def settings_texts() -> Iterator[str]:
    """What the form of all settings shows: names, values in words, and descriptions."""
    sys.path.insert(0, str(ROOT))
    from ddpm_studio.config import SECTIONS

    for model in SECTIONS.values():
        for name, info in model.model_fields.items():
            yield name.replace("_", " ").capitalize()
            yield from filter(None, [info.description])
            yield from (value.replace("_", " ") for value in _choices(info.annotation))


def _choices(kind: Any) -> list[str]:
    if get_origin(kind) is Literal:
        return [value for value in get_args(kind) if isinstance(value, str)]
    return [value for part in get_args(kind) for value in _choices(part)]


class Plain(Catalog):
    """A catalog without dates and names in its head: the same texts make the same files."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        return [("Content-Type", "text/plain; charset=utf-8"), ("Language", str(self.locale_identifier)), ("Plural-Forms", self.plural_forms)]


def catalogs() -> list[Path]:
    return sorted(LANGUAGES.glob("*/LC_MESSAGES/ddpm_studio.po"))


def read(file: Path) -> Catalog:
    with file.open("rb") as opened:
        return read_po(opened, locale=file.parent.parent.name)


def compiled(catalog: Catalog) -> bytes:
    """What belongs into the .mo."""
    plain, out = Plain(locale=catalog.locale), io.BytesIO()
    for message in catalog:
        if message.id and not message.fuzzy:
            plain[message.id] = message
    write_mo(out, plain)
    return out.getvalue()


def update(file: Path) -> Catalog:
    """The texts of today, with the translations that are there; those of texts that are gone go as well."""
    before = read(file) if file.exists() else Catalog(locale=file.parent.parent.name)
    catalog = Plain(locale=before.locale, header_comment="# The texts of the window of DDPM Studio.", fuzzy=False)
    for text, places in gather().items():
        known = before.get(text if isinstance(text, str) else text[0])
        catalog.add(text, known.string if known else None, locations=[(place, None) for place in dict.fromkeys(places)])
    out = io.BytesIO()
    write_po(out, catalog, width=0, sort_by_file=True, include_lineno=False, omit_header=True)
    head = f'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n"Language: {catalog.locale_identifier}\\n"\n"Plural-Forms: {catalog.plural_forms}\\n"\n\n'
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(head.encode() + out.getvalue().rstrip() + b"\n")
    catalog = read(file)
    file.with_suffix(".mo").write_bytes(compiled(catalog))
    return catalog


def problems(catalog: Catalog) -> list[str]:
    """What keeps a catalog from being whole, a line each."""
    found = []
    wanted = {text if isinstance(text, str) else text[0] for text in gather()}
    known = {message.id if isinstance(message.id, str) else message.id[0]: message for message in catalog if message.id}
    found += [f"missing: {text!r}" for text in sorted(wanted - known.keys())]
    found += [f"stale: {text!r}" for text in sorted(known.keys() - wanted)]
    for text, message in known.items():
        found += [f"fuzzy: {text!r}"] if message.fuzzy else []
        found += [f"{what}: {text!r}" for what in _faults(message)]
    return found


def _faults(message: Message) -> Iterator[str]:
    originals = (message.id,) if isinstance(message.id, str) else message.id
    said = (message.string,) if isinstance(message.string, str) else message.string
    for text in said:
        if not text:
            yield "not translated"
            continue
        if fields(text) != fields(originals[-1]):
            yield f"fields {fields(text)} for {fields(originals[-1])}"
        if ("&" in text) != ("&" in originals[0]):
            yield "mnemonic"
        if re.search(r"[\d}] x [\d{]", text):
            yield "x for \N{MULTIPLICATION SIGN}"
        if text.strip() != text and originals[0].strip() == originals[0]:
            yield "spaces at the ends"
        if originals[-1].endswith(".") != text.endswith("。") or originals[-1].endswith("…") != text.endswith("…"):
            yield "another end of the sentence"


def fields(text: str) -> list[str]:
    """The names between braces, sorted; those without a name as often as they come."""
    try:
        return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)
    except ValueError:
        return sorted(re.findall(r"[{}]", text))


# Texts that nobody has given to `tr`.

ALL = range(9)
SHOWING: dict[str, range | tuple[int, ...]] = {
    "UserError": ALL, "DamagedFile": ALL, "DiskTrouble": ALL, "DiskFull": ALL, "DataChanged": ALL, "RunBusy": ALL, "UnreadablePicture": ALL, "Failed": (0, 1),
    "describe_os_error": (1,), "Notice": (0,), "Progress": (0,), "Skipped": (1,),
    "setText": ALL, "setToolTip": ALL, "setAccessibleName": ALL, "setAccessibleDescription": ALL, "setPlaceholderText": ALL, "setWindowTitle": ALL, "setTitle": ALL,
    "setLabelText": ALL, "setInformativeText": ALL, "setStatusTip": ALL, "setWhatsThis": ALL, "setSuffix": ALL, "setPrefix": ALL, "setSpecialValueText": ALL,
    "addAction": ALL, "addMenu": ALL, "addTab": ALL, "addItem": (0,), "addItems": ALL, "addRow": (0,), "setLabel": ALL, "QAction": (0,), "QLabel": (0,), "QMenu": (0,),
    "QPushButton": (0,), "QCheckBox": (0,), "QRadioButton": (0,), "drawText": ALL, "QFileDialog": (1,), "QMessageBox": ALL,
    "label": (0,), "ElidedLabel": (0,), "button": (0, 4, 5), "tool_button": (2,), "named": (2,), "field": (0, 2), "Collapsible": (0,), "ValueSlider": (0,), "EmptyState": (1, 2),
    "Segments": (0, 2), "Door": (2, 3), "Readout": (1,), "say": (0,), "show_notice": ALL, "offer": (0,), "begin": (0,), "choose_folder": (1, 3), "choose_files": (1,),
    "choose_target": (1, 4), "picture_kinds": (0,), "emit": ALL, "PictureView": (1,), "PictureGrid": (1,),
}  # fmt: skip
"""Calls that show a text, and which of their arguments."""
NAMED = ("tip", "accessible", "heading", "text", "hint", "message", "title", "caption")
"""Arguments that are shown, whatever is called."""
AS_IT_IS = ("DDPM Studio", "gallery", "examples")
"""Names, and words that only the program reads."""
WORD = re.compile("[A-Za-z]{2}")


def bare_literals(file: Path) -> list[str]:
    """Where a text is shown that is not translated, as "line: text"."""
    found = []
    for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(call, ast.Call):
            name = call.func.id if isinstance(call.func, ast.Name) else call.func.attr if isinstance(call.func, ast.Attribute) else ""
            if name in ("tr", "ntr", "later", "again") or ast.unparse(call.func).endswith("page_wanted.emit"):
                continue
            shown = [argument for place, argument in enumerate(call.args) if place in SHOWING.get(name, ())]
            shown += [keyword.value for keyword in call.keywords if keyword.arg in NAMED]
            found += [f"{text.lineno}: {said}" for argument in shown for text, said in _literals(argument)]
    return found


def _literals(node: ast.expr) -> Iterator[tuple[ast.expr, str]]:
    match node:
        case ast.Constant(value=str(text)) if WORD.search(text) and text not in AS_IT_IS:
            yield node, text
        case ast.JoinedStr(values=parts):
            words = re.sub(r"\(\*\.[^)]*\)", "", "".join(part.value for part in parts if isinstance(part, ast.Constant)))  # (*.png) of a file dialog
            if WORD.search(words):
                yield node, words
            for part in parts:
                if isinstance(part, ast.FormattedValue):
                    yield from _literals(part.value)
        case ast.IfExp(body=body, orelse=orelse):
            yield from _literals(body)
            yield from _literals(orelse)
        case ast.BinOp(left=left, right=right):
            yield from _literals(left)
            yield from _literals(right)
        case ast.BoolOp(values=values) | ast.Tuple(elts=values) | ast.List(elts=values):
            for value in values:
                yield from _literals(value)


if __name__ == "__main__":
    for po in catalogs() or [LANGUAGES / "zh_CN" / "LC_MESSAGES" / "ddpm_studio.po"]:
        print(po.relative_to(ROOT), *problems(update(po)), sep="\n")
