"""`ddpm-studio COMMAND ...`: the parser, and what becomes of errors."""

from __future__ import annotations

import argparse
import datetime
import os
import sys
import traceback

from ddpm_studio import __version__, paths
from ddpm_studio.cli.bench import add_bench_flags
from ddpm_studio.cli.evaluation import add_evaluate_flags
from ddpm_studio.cli.exchange import add_export_flags, add_import_flags
from ddpm_studio.cli.flags import Parser, add_setting_flags, steps_or_all, within
from ddpm_studio.errors import Cancelled, UserError, as_user_error
from ddpm_studio.presets import PRESETS
from ddpm_studio.requests import NOISE_MODES, SAMPLERS, SPACINGS, STEPS, USUAL_SAMPLER

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
    train.add_argument("--from", dest="start_from", metavar="MODEL", help="Begin with the weights of this model, such as faces, and its settings.")
    train.add_argument("--resume", action="store_true", help="Go on where the run stopped.")
    train.add_argument("--exclude", metavar="FILE", help="Leave out the pictures whose names (paths below DATA) are the lines of this text file; a run remembers them.")
    train.add_argument("--accept-new-data", action="store_true", help="With --resume: go on although the pictures are no longer the same.")
    train.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or mps.")
    train.add_argument("--compile", action="store_true", help="Compile the network first: minutes of waiting, meant for graphics cards.")
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
    generate.add_argument("--start", metavar="PNG", help="Begin on the way of a picture that was made before (or of a recipe, as JSON): other pictures with the same x_t.")
    generate.add_argument("--start-timestep", type=within(int, 0), default=None, metavar="T", help="At which of the stops on its way.")
    _film_flags(generate, "Also write the way from noise to picture as a film")
    _sampling_flags(generate, USUAL_SAMPLER)

    interpolate = command("interpolate", "Blend two pictures or more through the noise.")
    interpolate.add_argument("model", metavar="MODEL")
    interpolate.add_argument("a", metavar="A", help="Picture at lambda 0.")
    interpolate.add_argument("b", metavar="B", help="Picture at lambda 1.")
    interpolate.add_argument("more", nargs="*", metavar="C", help="More pictures to mix in; how much of each is said by --weights.")
    interpolate.add_argument("--out", required=True, metavar="DIR", help="Folder for the blends.")
    interpolate.add_argument("--lambda", dest="lam", metavar="L", help="One number, or first:last:count such as 0:1:9 (0.5).")
    interpolate.add_argument("--weights", metavar="LIST", help="How much of each picture, such as 2,1,1 (the same of each).")
    depth = interpolate.add_mutually_exclusive_group()
    depth.add_argument("--timestep", type=within(int, 0), default=None, metavar="T", help="How far both are noised first (half of all timesteps).")
    depth.add_argument("--timesteps", metavar="LIST", help="Several, first:last:count such as 100:900:5: a sheet of t and lambda (figure 9 of the paper).")
    interpolate.add_argument("--noise", choices=NOISE_MODES, default="independent", help="How the two noises are mixed (independent, as in the paper).")
    _sampling_flags(interpolate, "ddpm")

    denoise = command("denoise", "Noise a picture to a timestep and denoise it again.")
    denoise.add_argument("model", metavar="MODEL")
    denoise.add_argument("image", metavar="IMAGE")
    strength = denoise.add_mutually_exclusive_group(required=True)
    strength.add_argument("--timestep", type=within(int, 0), metavar="T", help="How far it is noised.")
    strength.add_argument("--timesteps", metavar="LIST", help="Several, first:last:count such as 100:900:5: a strip of ever freer versions (SDEdit).")
    denoise.add_argument("--count", type=within(int, 1), default=1, metavar="N", help="How many times, each with other noise (1).")
    denoise.add_argument("--already-noisy", action="store_true", help="The picture (or noise.npy of `invert`) is noisy already: only denoise it.")
    denoise.add_argument("--out", required=True, metavar="DIR", help="Folder for the pictures.")
    _sampling_flags(denoise, "ddpm")

    tree = command("tree", "Branch off from one walk at several timesteps: pictures that share x_t (figure 7 of the paper).")
    tree.add_argument("model", metavar="MODEL")
    tree.add_argument("--timesteps", metavar="LIST", help="Where to branch off, first:last:count such as 250:750:3 (0.9, 0.75, 0.5 and 0.25 of all).")
    tree.add_argument("--count", type=within(int, 1, 64), default=5, metavar="N", help="Branches at each timestep (5).")
    tree.add_argument("--out", required=True, metavar="DIR", help="Folder for the pictures and tree.png.")
    _sampling_flags(tree, "ddpm")

    loop = command("loop", "Blend a chain of pictures, and the last into the first again: an endless film.")
    loop.add_argument("model", metavar="MODEL")
    loop.add_argument("images", nargs="+", metavar="IMAGE", help="Two pictures or more.")
    loop.add_argument("--frames", type=within(int, 1, 1000), default=12, metavar="N", help="Pictures from each one to the next (12).")
    _film_flags(loop, "The film to write")
    loop.add_argument("--seconds", type=within(float, 0.1, 3600), default=6.0, metavar="S", help="How long the film takes where --fps does not say it (6).")
    loop.add_argument("--timestep", type=within(int, 0), default=None, metavar="T", help="How far all are noised first (half of all timesteps).")
    loop.add_argument("--noise", choices=NOISE_MODES, default="slerp", help="How the noises are mixed (slerp, which keeps their strength).")
    loop.add_argument("--out", metavar="DIR", help="Folder for the single pictures.")
    _sampling_flags(loop, "ddim")

    inpaint = command("inpaint", "Draw part of a picture anew (RePaint): the part that is bright in the mask.")
    inpaint.add_argument("model", metavar="MODEL")
    inpaint.add_argument("image", metavar="IMAGE")
    inpaint.add_argument("--mask", required=True, metavar="IMAGE", help="White where the picture is drawn anew, black where it stays.")
    inpaint.add_argument("--count", type=within(int, 1), default=1, metavar="N", help="How many versions (1).")
    inpaint.add_argument("--jump-length", type=within(int, 1, 1000), default=10, metavar="N", help="After how many steps to go back as many (10).")
    inpaint.add_argument("--resamples", type=within(int, 1, 100), default=10, metavar="N", help="How often each stretch is walked (10); 1 is fastest and fits worst.")
    inpaint.add_argument("--out", required=True, metavar="DIR", help="Folder for the pictures.")
    _sampling_flags(inpaint, "ddpm", fixed=True, steps="50")

    invert = command("invert", "Find the noise that DDIM makes a picture of, and how well the picture comes back.")
    invert.add_argument("model", metavar="MODEL")
    invert.add_argument("image", metavar="IMAGE")
    invert.add_argument("--refinements", type=within(int, 0, 100), default=3, metavar="N", help="Times each step is made more exact, one network call each (3).")
    invert.add_argument("--out", required=True, metavar="DIR", help="Folder for the picture, its noise and its reconstruction.")
    _sampling_flags(invert, "ddim", fixed=True, steps="50")

    diffuse = command("diffuse", "Show the forward process of one picture as a strip.")
    diffuse.add_argument("image", metavar="IMAGE")
    diffuse.add_argument("--out", required=True, metavar="FILE", help="PNG to write.")
    diffuse.add_argument("--timesteps", default="0:999:10", metavar="LIST", help="first:last:count (0:999:10).")
    diffuse.add_argument("--beta-schedule", choices=("linear", "cosine", "sigmoid"), default="linear", help="Noise schedule (linear, as in the paper).")
    diffuse.add_argument("--image-size", type=within(int, 8, 512), default=64, metavar="N", help="Side of the pictures (64).")
    diffuse.add_argument("--seed", type=within(int, 0, 2**31 - 1), default=0, metavar="N", help="Seed of the noise (0).")
    diffuse.add_argument("--json", action="store_true", help="Print a JSON object.")

    inspect = command("inspect", "Settings, parameters, cost and every block of a model; the recipe of a PNG.")
    inspect.add_argument("model", metavar="MODEL_OR_RUN_OR_PNG", help="Or the name of a preset; its settings can be changed by the flags below.")
    inspect.add_argument("--json", action="store_true", help="Print a JSON object.")
    add_setting_flags(inspect)

    dataset = command("dataset", "What is in a folder or zip of pictures.")
    dataset.add_argument("folder", metavar="FOLDER")
    dataset.add_argument("--image-size", type=within(int, 8, 512), default=32, metavar="N", help="Side of the pictures (32).")
    dataset.add_argument("--list-copies", metavar="FILE", help="Write the names of all exact copies but one of each, for train --exclude.")
    dataset.add_argument("--json", action="store_true", help="Print a JSON object.")

    add_bench_flags(command("bench", "How fast this machine trains and samples, and what that means in minutes."))
    add_evaluate_flags(command("evaluate", "Say in figures how good a model is."))
    add_import_flags(command("import", "Make a model from somebody else's checkpoint."))
    add_export_flags(command("export", "Write a model as other programs read it."))

    runs = command("runs", "List the runs in the data directory.")
    runs.add_argument("--json", action="store_true", help="Print a JSON object.")

    command("selftest", "Do a few steps of everything on made-up pictures.")
    return parser, made


def _film_flags(parser: argparse.ArgumentParser, help_text: str) -> None:
    parser.add_argument("--film", metavar="FILE", help=f"{help_text}: .gif, .webp, .png (animated) or .mp4.")
    parser.add_argument("--fps", type=within(float, 0.1, 50), default=None, metavar="N", help="Pictures a second of the film.")
    parser.add_argument("--scale", type=within(int, 1, 64), default=None, metavar="N", help="Each pixel of the film becomes a square of N (about 256 pixels in all).")


def _sampling_flags(parser: argparse.ArgumentParser, sampler: str, fixed: bool = False, steps: str = "") -> None:
    """How to walk; with `fixed` the sampler cannot be chosen."""
    if fixed:
        parser.set_defaults(sampler=sampler, eta=0.0)
    else:
        parser.add_argument("--sampler", choices=SAMPLERS, default=sampler, help=f"How to walk from noise to picture ({sampler}).")
        parser.add_argument("--eta", type=within(float, 0, 1), default=None, metavar="E", help="Noise of ddim: 0 none, 1 as much as ddpm (0).")
    steps = steps or ", ".join(f"{name}: {count or 'all timesteps'}" for name, count in STEPS.items())
    parser.add_argument("--steps", type=steps_or_all, default=None, metavar="N", help=f"Steps per picture, or all ({steps}){'' if fixed else '; heun asks twice in each'}.")
    parser.add_argument("--spacing", choices=SPACINGS, default="auto", help="How the steps are spread over the timesteps (auto: as suits the sampler).")
    parser.add_argument("--guide", metavar="MODEL", help="A worse model of the same kind to guide by, such as an earlier state of the run (autoguidance).")
    parser.add_argument("--guidance", type=within(float, 0, 10), default=None, metavar="W", help="How far to go from the guide through the model: 1 not at all (2).")
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
    except Cancelled:
        return 130
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
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
