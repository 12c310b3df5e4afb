"""`ddpm-studio` and `python -m ddpm_studio`: the window without a command, else the command line."""

from __future__ import annotations

import multiprocessing
import sys
from typing import TYPE_CHECKING

from ddpm_studio import preflight
from ddpm_studio.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program with the given arguments, or those of the process; returns its exit status."""
    multiprocessing.freeze_support()  # a frozen program that starts a process would otherwise open itself again
    arguments = list(sys.argv[1:] if argv is None else argv)
    if preflight.opens_window(arguments):
        return _open_window(arguments[1:])
    if arguments[:1] == ["selftest"] and not {"-h", "--help"} & set(arguments):
        from ddpm_studio.selftest import main as selftest

        return selftest(arguments[1:])
    return _run_command(arguments)


def _open_window(arguments: list[str]) -> int:
    try:
        if arguments:
            _check_flags(arguments)
        preflight.check_qt()
    except UserError as error:
        print(f"error: {error.message}\nhint: {error.hint}", file=sys.stderr)
        return 2
    from ddpm_studio.gui.app import main as gui_main

    return gui_main(arguments)


def _check_flags(arguments: list[str]) -> None:
    """Raises UserError for a flag that the window does not know: the command line words such mistakes the same everywhere."""
    from ddpm_studio.cli.main import build_parser

    parser, commands = build_parser()
    _, unknown = parser.parse_known_args(["gui", *arguments])
    commands["gui"].refuse_unknown(unknown)


def _run_command(arguments: list[str]) -> int:
    try:
        from ddpm_studio.cli.main import main as cli_main
    except KeyboardInterrupt:  # while that is read; from here on it is seen to there
        return 130
    return cli_main(arguments)


if __name__ == "__main__":
    sys.exit(main())
