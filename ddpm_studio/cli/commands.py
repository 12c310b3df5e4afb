"""What each command does: builds a request, drains the run, prints what came of it."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from ddpm_studio import gallery, imaging
from ddpm_studio.cli.flags import number_list, setting_changes
from ddpm_studio.cli.show import duration, network_text, print_result, report_text, with_progress
from ddpm_studio.config import DataConfig, DiffusionConfig, RunConfig
from ddpm_studio.control import RunControl
from ddpm_studio.errors import UserError
from ddpm_studio.events import BlendReady, DatasetReady, Event, Finished, FrameReady, Images, ImagesReady, NetworkInfo, Notice, StepDone, TrainingStarted, as_json
from ddpm_studio.models import find_model, read_header
from ddpm_studio.presets import PRESETS, choose_preset, get_preset
from ddpm_studio.requests import BlendRequest, DenoiseRequest, SampleRequest, TrainRequest, recipe
from ddpm_studio.runs import Run, find_run, list_runs, new_run

DEFAULT_STEPS = 25


def run(arguments: argparse.Namespace) -> int:
    actions: dict[str, Callable[[argparse.Namespace], int]] = {
        "train": train, "generate": generate, "interpolate": interpolate, "denoise": denoise, "diffuse": diffuse, "inspect": inspect, "dataset": dataset, "runs": runs,
    }  # fmt: skip
    return actions[arguments.command](arguments)


# Training.


def train(arguments: argparse.Namespace) -> int:
    from ddpm_studio.devices import choose_device
    from ddpm_studio.training.engine import train as engine_train

    data = Path(arguments.data_path).expanduser()
    changes = setting_changes(arguments)
    chosen: Run | None = find_run(arguments.run) if arguments.run else None
    why = ""
    if arguments.resume:
        chosen = chosen or _last_run_on(data)
        config = None if not changes else chosen.read_config().with_changes(changes)
        if arguments.preset:
            raise UserError("A run goes on with the settings that it has: --preset and --resume exclude each other.", "Leave one of them out.")
    else:
        config, why = _new_settings(arguments.preset or "auto", choose_device(arguments.device).kind, changes, data)
        chosen = chosen or new_run(data.stem, config.preset)

    control = RunControl()
    _stop_on_signals(control)
    request = TrainRequest(
        run=chosen, data=data, config=config, resume=arguments.resume, device=arguments.device, max_steps=arguments.max_steps,
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
            sys.stderr.write(f"{why + chr(10) if why else ''}Run {chosen.name}: {event.parameters:,} parameters on {event.device}. Ctrl-C saves and stops.\n")
        if isinstance(event, StepDone):
            last = event
    if not arguments.json:
        if last is None:
            print(f"Run {chosen.name} took no step." + ("" if control.stopping else " It has reached its planned end: raise --total-steps to go on."))
        else:
            print(f"Run {chosen.name}: step {last.step:,}, {last.images:,} pictures seen, loss {last.loss:.4f}, {duration(last.seconds)}.\nModel: {chosen.model_file}")
    return 130 if control.stopping else 0


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


def _stop_on_signals(control: RunControl) -> None:
    """The first Ctrl-C (or SIGTERM) asks the run to save and stop, the second one ends it at once."""
    caught: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if caught:
            raise KeyboardInterrupt
        caught.append(number)
        control.stop()
        if sys.stderr.isatty():
            sys.stderr.write("\nSaving ... (Ctrl-C again ends without saving)\n")

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)


# Pictures.


def generate(arguments: argparse.Namespace) -> int:
    from ddpm_studio.sampling.engine import generate as engine_generate

    config, _ = read_header(find_model(arguments.model))
    steps = _steps(arguments, config.diffusion.num_timesteps)
    request = SampleRequest(arguments.model, arguments.count, arguments.sampler, steps, arguments.eta, arguments.seed, arguments.device)
    made = _drain(engine_generate(request, RunControl()))
    recipes = [recipe(request, seed=seed, count=1) for seed in made.seeds]
    saved = _save(made.images, [f"{seed:06d}" for seed in made.seeds], recipes, arguments.out)
    whole = recipe(request)
    if arguments.grid:
        _save_one(Path(arguments.grid), imaging.grid(made.images), whole)
    if arguments.filmstrip:
        _save_one(Path(arguments.filmstrip), made.filmstrip(), whole)
    return _tell(arguments, saved, made.seconds)


def interpolate(arguments: argparse.Namespace) -> int:
    from ddpm_studio.sampling.engine import blend

    config, _ = read_header(find_model(arguments.model))
    lams = number_list(arguments.lam, "lambda")
    if not all(0 <= lam <= 1 for lam in lams):
        raise UserError("Lambda runs from 0 (picture A) to 1 (picture B).", "Give numbers between 0 and 1.")
    timestep = config.diffusion.num_timesteps // 2 if arguments.timestep is None else arguments.timestep
    a, b = (_picture(path, config) for path in (arguments.a, arguments.b))
    request = BlendRequest(
        arguments.model, a, b, tuple(lams), timestep, arguments.noise, arguments.sampler, _steps(arguments, timestep + 1), arguments.eta, arguments.seed, arguments.device,
    )  # fmt: skip
    made = _drain(blend(request, RunControl()))
    recipes = [recipe(request, lam=event.lam, latent_std=event.latent_std) for event in made.blends]
    images = np.stack([event.image for event in made.blends])
    saved = _save(images, [f"lambda_{event.lam:.3f}" for event in made.blends], recipes, arguments.out)
    if len(lams) > 1:
        sheet = imaging.grid(np.concatenate([a[None], images, b[None]]), columns=len(images) + 2)
        _save_one(Path(arguments.out) / "sheet.png", sheet, recipe(request, lams=lams))
    stds = [round(event.latent_std, 4) for event in made.blends]
    return _tell(arguments, saved, made.seconds, {"lambdas": lams, "latent_std": stds, "timestep": timestep})


def denoise(arguments: argparse.Namespace) -> int:
    from ddpm_studio.sampling.engine import denoise as engine_denoise

    config, _ = read_header(find_model(arguments.model))
    request = DenoiseRequest(
        arguments.model, _picture(arguments.image, config), arguments.timestep, arguments.count, arguments.already_noisy, arguments.sampler,
        _steps(arguments, arguments.timestep + 1), arguments.eta, arguments.seed, arguments.device,
    )  # fmt: skip
    made = _drain(engine_denoise(request, RunControl()))
    recipes = [recipe(request, seed=seed, count=1) for seed in made.seeds]
    return _tell(arguments, _save(made.images, [f"{seed:06d}" for seed in made.seeds], recipes, arguments.out), made.seconds)


def diffuse(arguments: argparse.Namespace) -> int:
    from ddpm_studio.sampling.forward import diffuse as forward

    data = DataConfig(image_size=arguments.image_size)
    image = imaging.load_picture(Path(arguments.image).expanduser(), data.image_size, data.channels, data.background)
    timesteps = [round(t) for t in number_list(arguments.timesteps, "timesteps")]
    strip = forward(image, timesteps, DiffusionConfig(beta_schedule=arguments.beta_schedule), arguments.seed)
    imaging.save_png(Path(arguments.out), imaging.grid(strip, columns=len(strip)), None)
    print_result({"out": arguments.out, "timesteps": timesteps}, arguments.json, f"{len(strip)} timesteps in {arguments.out}")
    return 0


@dataclasses.dataclass
class _Made:
    images: Images
    seeds: tuple[int, ...]
    frames: list[FrameReady]
    blends: list[BlendReady]
    seconds: float

    def filmstrip(self, most: int = 8) -> Images:
        """For each picture its x_t above its predicted x_0, from noise to picture."""
        rows = [[getattr(frame, name)[i] for frame in self.frames] for i in range(min(most, len(self.frames[0].x_t))) for name in ("x_t", "pred_x_start")]
        return imaging.grid(np.stack([image for row in rows for image in row]), columns=len(self.frames))


def _drain(events: Iterable[Event]) -> _Made:
    started = time.monotonic()
    made = _Made(np.empty(0, np.uint8), (), [], [], 0.0)
    for event in with_progress(events):
        if isinstance(event, FrameReady):
            made.frames.append(event)
        elif isinstance(event, BlendReady):
            made.blends.append(event)
        elif isinstance(event, ImagesReady):
            made.images, made.seeds = event.images, event.seeds
        elif isinstance(event, Finished) and event.stopped:
            raise KeyboardInterrupt
    made.seconds = time.monotonic() - started
    return made


def _steps(arguments: argparse.Namespace, all_steps: int) -> int:
    wanted = arguments.steps or (all_steps if arguments.sampler == "ddpm" else DEFAULT_STEPS)
    return int(max(1, min(wanted, all_steps)))


def _picture(path: str, config: RunConfig) -> Images:
    return imaging.load_picture(Path(path).expanduser(), config.data.image_size, config.data.channels, config.data.background)


def _save(images: Images, names: list[str], recipes: list[dict[str, Any]], out: str) -> list[Path]:
    saved = []
    for image, name, facts in zip(images, names, recipes, strict=True):
        path = Path(out).expanduser() / f"{name}.png"
        _save_one(path, image, facts)
        saved.append(path)
    return saved


def _save_one(path: Path, image: Images, facts: dict[str, Any]) -> None:
    imaging.save_png(path.expanduser(), image, {gallery.RECIPE_KEY: json.dumps(facts, ensure_ascii=False)})


def _tell(arguments: argparse.Namespace, saved: list[Path], seconds: float, more: dict[str, Any] | None = None) -> int:
    values = {"images": [str(path) for path in saved], "seconds": round(seconds, 3), **(more or {})}
    print_result(values, arguments.json, f"{len(saved)} picture{'s' if len(saved) != 1 else ''} in {arguments.out} ({seconds:.1f} s)")
    return 0


# Looking.


def inspect(arguments: argparse.Namespace) -> int:
    path = Path(arguments.model).expanduser()
    if path.suffix.lower() == ".png" and path.is_file():
        facts = gallery.read_recipe(path)
        print_result(facts, arguments.json, "\n".join(f"{name:14}{value}" for name, value in facts.items()))
        return 0
    notes: dict[str, Any] = {}
    if arguments.model in PRESETS:
        config = PRESETS[arguments.model]
    else:
        config, notes = read_header(find_model(arguments.model))
    from ddpm_studio.nn.describe import describe_network

    network = describe_network(config)
    values = {"config": config.model_dump(), "notes": notes, **dataclasses.asdict(network)}
    print_result(values, arguments.json, _inspect_text(config, notes, network))
    return 0


def _inspect_text(config: RunConfig, notes: dict[str, Any], network: NetworkInfo) -> str:
    lines = [f"{name}: {value}" for name, value in notes.items()]
    for section, settings in config.model_dump().items():
        if isinstance(settings, dict):
            lines.append(f"{section}: " + ", ".join(f"{name} {value}" for name, value in settings.items()))
        else:
            lines.append(f"{section}: {settings}")
    cost = f"{network.parameters:,} parameters, {network.gmacs:.2f} GMAC a picture forward, about {6 * network.gmacs:.2f} GFLOP a picture in training"
    return "\n".join([*lines, "", cost, "", network_text(network)])


def dataset(arguments: argparse.Namespace) -> int:
    from ddpm_studio.data.cache import inspect_dataset

    for event in with_progress(inspect_dataset(Path(arguments.folder).expanduser(), DataConfig(image_size=arguments.image_size), RunControl())):
        if isinstance(event, DatasetReady):
            print_result(dataclasses.asdict(event.report), arguments.json, report_text(event.report))
    return 0


def runs(arguments: argparse.Namespace) -> int:
    found = list_runs()
    values = [
        {"name": i.run.name, "path": str(i.run.path), "preset": i.preset, "image_size": i.image_size, "step": i.step, "images": i.images, "data": i.data, "model": i.has_model}
        for i in found
    ]
    lines = [f"{'run':32}{'preset':16}{'size':>6}{'step':>10}{'pictures':>12}  data"]
    lines += [f"{v['name']!s:32}{v['preset']!s:16}{v['image_size']!s:>6}{v['step']:>10,}{v['images']:>12,}  {v['data']}" for v in values]
    print_result({"runs": values}, arguments.json, "\n".join(lines) if values else "No runs yet. `ddpm-studio train FOLDER` starts one.")
    return 0
