"""`ddpm-studio COMMAND ...`: the parser, and what becomes of errors."""

from __future__ import annotations

import argparse
import datetime
import os
import sys
import traceback

from ddpm_studio import __version__, paths
from ddpm_studio.cli.exchange import add_export_flags, add_import_flags
from ddpm_studio.cli.flags import Parser, add_setting_flags, within
from ddpm_studio.errors import Cancelled, UserError, as_user_error
from ddpm_studio.presets import PRESETS
from ddpm_studio.requests import NOISE_MODES, SAMPLERS, SPACINGS

DESCRIPTION = """Train, watch and use denoising diffusion models on your own pictures.

Without a command the window opens. DATA is a folder (searched through its sub-folders) or a .zip.
MODEL is a model folder, a run folder, a .safetensors file, the name of a run or of a shipped model."""


def build_parser() -> tuple[Parser, dict[str, Parser]]:
    parser = Parser(prog="ddpm-studio", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"ddpm-studio {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    made: dict[str, Parser] = {}

    def command(name: str, help_text: str) -> Parser:
        made[name] = commands.add_parser(name, help=help_text, description=help_text)
        return made[name]

    window = command("gui", "Open the window.")
    window.add_argument("--model", help="Model to generate and blend with.")
    window.add_argument("--run", help="Run to show.")
    window.add_argument("--data", help="Data set to open.")

    train = command("train", "Train a model on the pictures of a folder or zip. Ctrl-C saves and stops.")
    train.add_argument("data_path", metavar="DATA", help="Folder or zip of pictures.")
    train.add_argument("--run", help="Name or folder of the run; made up from data and preset by default.")
    train.add_argument("--preset", default=None, metavar="NAME", help=f"auto (default), {', '.join(PRESETS)}.")
    train.add_argument("--resume", action="store_true", help="Go on where the run stopped.")
    train.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or mps.")
    train.add_argument("--max-steps", type=within(int, 1), metavar="N", help="Stop after N more steps.")
    train.add_argument("--max-images", type=within(int, 1), metavar="N", help="Stop after N more pictures were seen.")
    train.add_argument("--max-seconds", type=within(float, 0.001), metavar="S", help="Plan the training to end after S seconds.")
    train.add_argument("--json", action="store_true", help="Print one JSON object a line.")
    add_setting_flags(train)

    generate = command("generate", "Make pictures from noise.")
    generate.add_argument("model", metavar="MODEL")
    generate.add_argument("--count", type=within(int, 1), default=16, metavar="N", help="How many pictures (16).")
    generate.add_argument("--out", required=True, metavar="DIR", help="Folder for the pictures.")
    generate.add_argument("--grid", metavar="FILE", help="Also write all pictures as one.")
    generate.add_argument("--filmstrip", metavar="FILE", help="Also write the way from noise to picture.")
    _sampling_flags(generate, "dpmpp-2m")

    interpolate = command("interpolate", "Blend two pictures through the noise.")
    interpolate.add_argument("model", metavar="MODEL")
    interpolate.add_argument("a", metavar="A", help="Picture at lambda 0.")
    interpolate.add_argument("b", metavar="B", help="Picture at lambda 1.")
    interpolate.add_argument("--out", required=True, metavar="DIR", help="Folder for the blends.")
    interpolate.add_argument("--lambda", dest="lam", default="0.5", metavar="L", help="One number, or first:last:count such as 0:1:9.")
    interpolate.add_argument("--timestep", type=within(int, 0), default=None, metavar="T", help="How far both are noised first (half of all timesteps).")
    interpolate.add_argument("--noise", choices=NOISE_MODES, default="independent", help="How the two noises are mixed (independent, as in the paper).")
    _sampling_flags(interpolate, "ddpm")

    denoise = command("denoise", "Noise a picture to a timestep and denoise it again.")
    denoise.add_argument("model", metavar="MODEL")
    denoise.add_argument("image", metavar="IMAGE")
    denoise.add_argument("--timestep", type=within(int, 0), required=True, metavar="T", help="How far it is noised.")
    denoise.add_argument("--count", type=within(int, 1), default=1, metavar="N", help="How many times, each with other noise (1).")
    denoise.add_argument("--already-noisy", action="store_true", help="The picture is noisy already: only denoise it.")
    denoise.add_argument("--out", required=True, metavar="DIR", help="Folder for the pictures.")
    _sampling_flags(denoise, "ddpm")

    diffuse = command("diffuse", "Show the forward process of one picture as a strip.")
    diffuse.add_argument("image", metavar="IMAGE")
    diffuse.add_argument("--out", required=True, metavar="FILE", help="PNG to write.")
    diffuse.add_argument("--timesteps", default="0:999:10", metavar="LIST", help="first:last:count (0:999:10).")
    diffuse.add_argument("--beta-schedule", choices=("linear", "cosine", "sigmoid"), default="linear", help="Noise schedule (linear, as in the paper).")
    diffuse.add_argument("--image-size", type=within(int, 8, 512), default=64, metavar="N", help="Side of the pictures (64).")
    diffuse.add_argument("--seed", type=within(int, 0, 2**31 - 1), default=0, metavar="N", help="Seed of the noise (0).")
    diffuse.add_argument("--json", action="store_true", help="Print a JSON object.")

    inspect = command("inspect", "Settings, parameters, cost and every block of a model; the recipe of a PNG.")
    inspect.add_argument("model", metavar="MODEL_OR_RUN_OR_PNG", help="Or the name of a preset.")
    inspect.add_argument("--json", action="store_true", help="Print a JSON object.")

    dataset = command("dataset", "What is in a folder or zip of pictures.")
    dataset.add_argument("folder", metavar="FOLDER")
    dataset.add_argument("--image-size", type=within(int, 8, 512), default=32, metavar="N", help="Side of the pictures (32).")
    dataset.add_argument("--json", action="store_true", help="Print a JSON object.")

    add_import_flags(command("import", "Make a model from somebody else's checkpoint."))
    add_export_flags(command("export", "Write a model as other programs read it."))

    runs = command("runs", "List the runs in the data directory.")
    runs.add_argument("--json", action="store_true", help="Print a JSON object.")

    command("selftest", "Do a few steps of everything on made-up pictures.")
    return parser, made


def _sampling_flags(parser: argparse.ArgumentParser, sampler: str) -> None:
    parser.add_argument("--sampler", choices=SAMPLERS, default=sampler, help=f"How to walk from noise to picture ({sampler}).")
    parser.add_argument("--steps", type=within(int, 1), default=None, metavar="N", help="Steps per picture (ddpm: all timesteps, others: 25); heun asks the network twice in each.")
    parser.add_argument("--spacing", choices=SPACINGS, default="auto", help="How the steps are spread over the timesteps (auto: as suits the sampler).")
    parser.add_argument("--eta", type=within(float, 0, 1), default=0.0, metavar="E", help="Noise of ddim: 0 none, 1 as much as ddpm (0).")
    parser.add_argument("--guide", metavar="MODEL", help="A worse model of the same kind to guide by, such as an earlier state of the run (autoguidance).")
    parser.add_argument("--guidance", type=within(float, 0, 10), default=2.0, metavar="W", help="How far to go from the guide through the model: 1 not at all (2).")
    parser.add_argument("--seed", type=within(int, 0, 2**31 - 1), default=0, metavar="N", help="Picture i uses seed N + i (0).")
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or mps.")
    parser.add_argument("--json", action="store_true", help="Print a JSON object.")


def main(argv: list[str]) -> int:
    """Run one command; returns the exit status: 0 done, 1 a fault of ours, 2 the user's mistake, 130 interrupted."""
    try:
        parser, commands = build_parser()
        arguments, unknown = parser.parse_known_args(argv)
        (commands.get(arguments.command) or parser).refuse_unknown(unknown)
        if arguments.command is None:
            parser.print_help()
            return 0
        from ddpm_studio.cli import commands as actions

        return actions.run(arguments)
    except (KeyboardInterrupt, Cancelled):
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain once more when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 130
    except Exception as error:
        known = as_user_error(error)
        if known is None:
            known = UserError("Something went wrong inside DDPM Studio.", _log_fault(argv))
        sys.stderr.write(f"error: {known.message}\nhint: {known.hint}\n")
        return 2 if as_user_error(error) else 1


def _log_fault(argv: list[str]) -> str:
    """Writes the traceback at hand into the log, and says where that is."""
    log = paths.log_file()
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as file:
            file.write(f"{datetime.datetime.now().isoformat(timespec='seconds')} ddpm-studio {argv[:1]}\n{traceback.format_exc()}\n")
    except OSError:
        return f"{traceback.format_exc().strip().splitlines()[-1]} (the log {log} cannot be written)"
    return f"The details are in {log}"
