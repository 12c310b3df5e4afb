"""What people write about a run: a note and tags, and what they called it before, in a small file of its folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ddpm_studio.errors import UserError
from ddpm_studio.files import write_atomically
from ddpm_studio.language import tr

FILE = "remarks.json"
MAX_BYTES = 200_000
MOST_TAGS = 50
MOST_NAMES = 100


@dataclass(frozen=True, slots=True)
class Remarks:
    note: str = ""
    tags: tuple[str, ...] = ()
    former: tuple[str, ...] = ()
    """Names that the run had, the last one first: pictures that it made still bear them."""


def read_remarks(folder: Path) -> Remarks:
    """Of a run's folder; empty where there are none, or where the file is damaged."""
    file = folder / FILE
    try:
        if file.stat().st_size > MAX_BYTES:
            return Remarks()
        found = json.loads(file.read_text(encoding="utf-8"))
        tags, former = (tuple(str(word) for word in words) for words in (found["tags"], found.get("former", ())))
        return Remarks(str(found["note"]), tags[:MOST_TAGS], former[:MOST_NAMES])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return Remarks()


def write_remarks(folder: Path, remarks: Remarks) -> None:
    """Raises UserError when it cannot be written, as where the run is gone: its folder is not made anew, or it could not come back."""
    if not folder.is_dir():
        raise folder_gone(folder)
    tags, former = ([word[:100] for word in words] for words in (remarks.tags[:MOST_TAGS], remarks.former[:MOST_NAMES]))
    content = json.dumps({"note": remarks.note[: MAX_BYTES // 8], "tags": tags, "former": former}, ensure_ascii=False, indent=2)
    write_atomically(folder / FILE, f"{content}\n".encode("utf-8", "replace"))  # halves of characters, out of a stranger's file


def folder_gone(folder: Path) -> UserError:
    """Of a run."""
    return UserError(tr("The folder of the run {name} is gone.", name=folder.name), tr("It was moved or deleted outside of this window."))


def parse_tags(text: str) -> tuple[str, ...]:
    """Tags as people write them, with commas between them: each once, in the order in which they came."""
    return tuple(dict.fromkeys(tag for part in text.replace("，", ",").split(",") if (tag := " ".join(part.split()))))
