"""`train`: from the command line to a request, and the run's events to the terminal."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ddpm_studio.cli.flags import setting_changes
from ddpm_studio.cli.interrupt import stop_on_signals
from ddpm_studio.cli.show import duration, with_progress
from ddpm_studio.config import DataConfig, RunConfig
from ddpm_studio.control import RunControl
from ddpm_studio.errors import UserError
from ddpm_studio.events import DatasetReady, Event, Notice, StepDone, TrainingStarted, as_json
from ddpm_studio.forecast import GOOD, RECOGNISABLE, forecast
from ddpm_studio.models import starting_settings
from ddpm_studio.presets import choose_preset, get_preset
from ddpm_studio.requests import TrainRequest
from ddpm_studio.runs import Run, find_run, list_runs, new_run, run_once_called


def train(arguments: argparse.Namespace) -> int:
    from ddpm_studio.devices import choose_device
    from ddpm_studio.training.engine import train as engine_train

    data = Path(arguments.data_path).expanduser()
    changes = setting_changes(arguments)
    chosen: Run | None = find_run(arguments.run) if arguments.run is not None else None
    why = ""
    if arguments.start_from is not None and (arguments.resume or arguments.preset):
        raise UserError("A run that starts from a model has that model's settings, and is a new one: --from excludes --preset and --resume.", "Leave one of them out.")
    if arguments.resume:
        if chosen and not chosen.exists and (renamed := run_once_called(arguments.run)):
            sys.stderr.write(f"{arguments.run} is called {renamed.name} now.\n")
            chosen = renamed
        chosen = chosen or _last_run_on(data)
        config = None if not changes else chosen.read_config().with_changes(changes)
        if arguments.preset:
            raise UserError("A run goes on with the settings that it has: --preset and --resume exclude each other.", "Leave one of them out.")
    elif arguments.start_from is not None:
        config = starting_settings(arguments.start_from).with_changes(changes)
        chosen = chosen or new_run(data.stem, config.preset)
    else:
        config, why = _new_settings(arguments.preset or "auto", choose_device(arguments.device).kind, changes, data)
        chosen = chosen or new_run(data.stem, config.preset)

    control = RunControl()
    stop_on_signals(control, "Saving ... (Ctrl-C again ends without saving)")
    request = TrainRequest(
        run=chosen, data=data, config=config, start_from=arguments.start_from, resume=arguments.resume, exclude=_excluded(arguments.exclude),
        accept_new_data=arguments.accept_new_data, compile=arguments.compile, device=arguments.device, max_steps=arguments.max_steps,
        max_images=arguments.max_images, max_seconds=arguments.max_seconds, report_seconds=0.0 if arguments.json else 0.1,
    )  # fmt: skip
    last: StepDone | None = None
    say = _json_lines(control) if arguments.json else None
    if say and why:
        say(Notice(why))
    for event in with_progress(engine_train(request, control)):
        if say:
            say(event)
        elif isinstance(event, TrainingStarted):
            where = f", going on at step {event.step:,}" if event.step else ""
            sys.stderr.write(f"{why + chr(10) if why else ''}Run {chosen.name}: {event.parameters:,} parameters on {event.device}{where}. Ctrl-C saves and stops.\n")
            if config is not None and not event.step and arguments.start_from is None:
                sys.stderr.write(_expected(config, event, arguments.max_seconds))
        if isinstance(event, StepDone):
            last = event
    if not arguments.json:
        if last is None:
            print(f"Run {chosen.name} took no step." + ("" if control.stopping else " It has reached its planned end: plan more with --max-seconds or --total-steps to go on."))
        else:
            spent = f"{duration(last.seconds)}{' this time' if arguments.resume else ''}"
            print(f"Run {chosen.name}: step {last.step:,}, {last.images:,} pictures seen, loss {last.loss:.4f}, {spent}.\nModel: {chosen.model_file}")
            if control.stopping:
                print(f"Go on with: ddpm-studio train {shlex.quote(str(request.data))} --run {shlex.quote(arguments.run or chosen.name)} --resume")
    return 130 if control.stopping else 0


def _expected(config: RunConfig, started: TrainingStarted, max_seconds: float | None) -> str:
    """A line on how long it takes until pictures are good, as far as that is known for settings like these."""
    from ddpm_studio.nn.describe import describe_network

    def gmacs(settings: RunConfig) -> float:
        return describe_network(settings).gmacs

    known = forecast(config, started.device_kind, started.device, gmacs)
    if not known.comparable:
        return ""
    soon, good = known.seconds(RECOGNISABLE), known.seconds(GOOD)
    line = f"Something recognisable is to be expected after about {duration(soon)}, good pictures after {duration(good)}.\n"
    if max_seconds is not None and max_seconds < soon:
        line += "That is more time than it has" + (": a smaller preset learns faster.\n" if gmacs(config) > gmacs(get_preset("tiny-32")) else ".\n")
    return line


def _excluded(file: str | None) -> tuple[str, ...] | None:
    from ddpm_studio.data.dataset import read_name_list

    return None if file is None else read_name_list(Path(file).expanduser())


def _json_lines(control: RunControl) -> Callable[[Event], None]:
    """Prints events as JSON lines; when nobody reads them any more, the run is asked to save and stop."""

    def say(event: Event) -> None:
        try:
            print(as_json(event), flush=True)
        except BrokenPipeError:
            control.stop()
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    return say


def _new_settings(preset: str, device: str, changes: dict[str, Any], data: Path) -> tuple[RunConfig, str]:
    why = ""
    if preset == "auto":
        size = changes.get("data.image_size")
        wanted = int(size) if size and str(size).isdigit() else None
        preset, why = choose_preset(device, wanted, None if wanted or device == "cpu" else _shorter_side(data))
    return get_preset(preset).with_changes(changes), why


def _shorter_side(data: Path) -> int | None:
    """The median shorter side of the pictures; on a GPU it decides between the sizes 32 and 64."""
    from ddpm_studio.data.cache import inspect_dataset

    for event in with_progress(inspect_dataset(data, DataConfig(image_size=64), RunControl())):
        if isinstance(event, DatasetReady):
            return min(event.report.median)
    return None


def _last_run_on(data: Path) -> Run:
    source = os.path.abspath(data)
    for info in list_runs():
        if info.run.read_notes().get("source") == source:
            return info.run
    raise UserError(f"No run on {data.name!r} was found to go on with.", "Name it with --run, or leave --resume out to start one.")
