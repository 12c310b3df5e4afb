"""The parser, and flags for every setting, derived from the settings themselves."""

from __future__ import annotations

import argparse
import difflib
import math
import re
import typing
from collections.abc import Callable
from typing import Any, NoReturn

from ddpm_studio.as_command import words_of
from ddpm_studio.config import SECTIONS
from ddpm_studio.errors import UserError


class Parser(argparse.ArgumentParser):
    """argparse whose complaints are ours: one sentence and a hint, exit status 2."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, "formatter_class": argparse.RawDescriptionHelpFormatter, **options})

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message[:1].upper()}{message[1:].rstrip('.')}.", _perhaps(message) or f"`{self.prog} --help` shows what it understands.")

    def refuse_unknown(self, unknown: list[str]) -> None:
        """Name the first argument that nobody understands, and the flag that was perhaps meant."""
        if not unknown:
            return
        known = [option for action in self._actions for option in action.option_strings]
        close = difflib.get_close_matches(unknown[0].split("=")[0], known, n=1, cutoff=0.75)
        hint = f"Did you mean {close[0]}?" if close else f"`{self.prog} --help` shows what it understands."
        raise UserError(f"Unknown argument {unknown[0]!r}.", hint)


def _perhaps(message: str) -> str:
    """What was perhaps meant where argparse refuses a choice: one that is like it, or the only one that has it in its name."""
    if not (refused := re.search(r"invalid choice: '([^']+)' \(choose from (.+)\)", message)):
        return ""
    given, choices = refused[1], re.findall(r"[^', ]+", refused[2])
    containing = [choice for choice in choices if given.lower() in choice]
    close = containing if len(containing) == 1 else difflib.get_close_matches(given.lower(), choices, n=1)
    return f"Did you mean {close[0]}?" if close else ""


def add_setting_flags(parser: argparse.ArgumentParser) -> None:
    """`--learning-rate` and, the same, `--training.learning-rate`, and so on for all settings of a run."""
    for section, model in SECTIONS.items():
        group = parser.add_argument_group(f"{section} settings", f"{(model.__doc__ or '').strip()} In brackets: what tiny-32 has; other presets differ.")
        for name, field in model.model_fields.items():
            flag = name.replace("_", "-")
            options = {"dest": f"{section}.{name}", "default": None, "help": _help(field.description, field.annotation, field.default)}
            if field.annotation is bool:
                group.add_argument(f"--{flag}", f"--{section}.{flag}", action=argparse.BooleanOptionalAction, **options)  # type: ignore[arg-type]
            else:
                group.add_argument(f"--{flag}", f"--{section}.{flag}", metavar="VALUE", **options)  # type: ignore[arg-type]


def setting_changes(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that were given as flags, as `RunConfig.with_changes` takes them."""
    changes = {name: value for name, value in vars(arguments).items() if "." in name and value is not None}
    return {name: None if value == "none" else _number_choice(name, value) for name, value in changes.items()}


def _number_choice(name: str, value: Any) -> Any:
    """Literal[1, 3] wants a number where a command line has text; everything else pydantic turns by itself."""
    section, _, field = name.partition(".")
    choices = typing.get_args(SECTIONS[section].model_fields[field].annotation)
    return int(value) if isinstance(value, str) and value.isdigit() and int(value) in choices else value


def _help(description: str | None, annotation: Any, default: Any) -> str:
    choices = typing.get_args(annotation) if typing.get_origin(annotation) is typing.Literal else ()
    listed = f" One of {', '.join(str(choice) for choice in choices)}." if choices else ""
    return f"{description or ''}{listed} [{words_of(default)}]".replace("%", "%%")


def within(kind: type[int] | type[float], lowest: float, highest: float | None = None) -> Callable[[str], float]:
    """A number of this kind in this range, as argparse wants it."""

    def number(text: str) -> float:
        value = kind(text)
        if not value >= lowest or not value <= (math.inf if highest is None else highest) or value == math.inf:
            raise argparse.ArgumentTypeError(f"it must be {lowest} or more" if highest is None else f"it must be between {lowest} and {highest}")
        return value

    number.__name__ = "whole number" if kind is int else "number"
    return number


def steps_or_all(text: str) -> float | str:
    """A number of steps, or "all": one for each timestep."""
    try:
        return text if text == "all" else within(int, 1)(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a whole number nor `all`") from None


def number_list(text: str, what: str) -> list[float]:
    """"0.5" -> [0.5]; "0:1:9" -> nine numbers from 0 to 1."""
    try:
        parts = [float(part) for part in text.split(":")]
        if not all(math.isfinite(part) for part in parts):
            raise ValueError
        if len(parts) == 1:
            return parts
        first, last, count = parts
        if count != int(count) or not 2 <= count <= 1000:
            raise ValueError
        return [first + (last - first) * i / (int(count) - 1) for i in range(int(count))]
    except ValueError:
        raise UserError(f"{text!r} is not understood as {what}.", "Give one number, such as 0.5, or first:last:count, such as 0:1:9.") from None
