"""What each command does: builds a request, drains the run, prints what came of it."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ddpm_studio import gallery
from ddpm_studio.as_command import words_of
from ddpm_studio.cli.bench import bench
from ddpm_studio.cli.evaluation import evaluate
from ddpm_studio.cli.exchange import export, import_
from ddpm_studio.cli.experiments import inpaint, invert, loop, tree
from ddpm_studio.cli.flags import setting_changes
from ddpm_studio.cli.pictures import denoise, diffuse, generate, interpolate
from ddpm_studio.cli.show import network_text, print_result, report_text, with_progress
from ddpm_studio.cli.training import train
from ddpm_studio.config import DataConfig, RunConfig
from ddpm_studio.control import RunControl
from ddpm_studio.errors import UserError
from ddpm_studio.events import DatasetExamined, DatasetReady, NetworkInfo
from ddpm_studio.models import find_model, read_header
from ddpm_studio.presets import PRESETS
from ddpm_studio.runs import list_runs


def run(arguments: argparse.Namespace) -> int:
    actions: dict[str, Callable[[argparse.Namespace], int]] = {
        "train": train, "generate": generate, "interpolate": interpolate, "denoise": denoise, "diffuse": diffuse, "inspect": inspect, "dataset": dataset, "runs": runs,
        "tree": tree, "loop": loop, "inpaint": inpaint, "invert": invert, "evaluate": evaluate, "bench": bench, "import": import_, "export": export,
    }  # fmt: skip
    return actions[arguments.command](arguments)


def inspect(arguments: argparse.Namespace) -> int:
    path = Path(arguments.model).expanduser()
    if path.suffix.lower() == ".png" and path.is_file():
        facts = gallery.read_recipe(path)
        print_result(facts, arguments.json, "\n".join(f"{name:14}{_in_words(value)}" for name, value in facts.items()))
        return 0
    notes: dict[str, Any] = {}
    changes = setting_changes(arguments)
    if arguments.model in PRESETS:
        config = PRESETS[arguments.model].with_changes(changes)
    elif changes:
        raise UserError("A model has the settings that it was trained with.", f"Leave the settings out, or look at a preset: {', '.join(PRESETS)}.")
    else:
        config, notes = read_header(find_model(arguments.model))
    from ddpm_studio.nn.describe import describe_network

    network = describe_network(config)
    values = {"config": config.model_dump(), "notes": notes, **dataclasses.asdict(network)}
    print_result(values, arguments.json, _inspect_text(config, notes, network))
    return 0


def _in_words(value: object) -> str:
    """A value of a recipe; that of a beginning is a recipe itself."""
    if not isinstance(value, dict):
        return str(value)
    return ", ".join(f"{name} ({_in_words(part)})" if isinstance(part, dict) else f"{name} {part}" for name, part in value.items())


def _inspect_text(config: RunConfig, notes: dict[str, Any], network: NetworkInfo) -> str:
    lines = [f"{name}: {value}" for name, value in notes.items()]
    for section, settings in config.model_dump().items():
        if isinstance(settings, dict):
            lines.append(f"{section}: " + ", ".join(f"{name} {words_of(value)}" for name, value in settings.items()))
        else:
            lines.append(f"{section}: {settings}")
    cost = f"{network.parameters:,} parameters, {network.gmacs:.2f} GMAC a picture forward, about {6 * network.gmacs:.2f} GFLOP a picture in training"
    return "\n".join([*lines, "", cost, "", network_text(network)])


def dataset(arguments: argparse.Namespace) -> int:
    from ddpm_studio.data.dataset import write_name_list
    from ddpm_studio.data.doctor import examine_dataset
    from ddpm_studio.data.findings import all_but_one, in_words

    settings = DataConfig(image_size=arguments.image_size)
    ready: DatasetReady | None = None
    for event in with_progress(examine_dataset(Path(arguments.folder).expanduser(), settings, RunControl())):
        if isinstance(event, DatasetReady):
            ready = event
        elif isinstance(event, DatasetExamined) and ready and ready.contents:
            report, names = ready.report, ready.contents.names
            found = [(finding, *in_words(finding, report, settings.background)) for finding in event.findings]
            values = {
                **dataclasses.asdict(report), "distinct": event.distinct, "kept_share": event.kept_share,
                "findings": {f.kind: {"what": what, "pictures": [names[row] for row in f.rows], "groups": [] if f.groups is None else f.groups.tolist()} for f, what, _ in found},
            }  # fmt: skip
            print_result(values, arguments.json, report_text(report, [f"{what}. {why}" for _, what, why in found], event.kept_share))
            if arguments.list_copies:
                copies = next((all_but_one(finding) for finding in event.findings if finding.kind == "copies"), ())
                write_name_list(Path(arguments.list_copies).expanduser(), [names[row] for row in copies])
    return 0


def runs(arguments: argparse.Namespace) -> int:
    found = list_runs()
    values = [
        {"name": i.run.name, "path": str(i.run.path), "preset": i.preset, "image_size": i.shape[1], "image_height": i.shape[0],
         "step": i.step, "images": i.images, "data": i.data, "model": i.has_model}
        for i in found
    ]  # fmt: skip
    lines = [f"{'run':32}{'preset':16}{'size':>10}{'step':>10}{'pictures':>12}  data"]
    lines += [f"{v['name']!s:32}{v['preset']!s:16}{v['image_size']!s:>4} x {v['image_height']!s:<3}{v['step']:>10,}{v['images']:>12,}  {v['data']}" for v in values]
    print_result({"runs": values}, arguments.json, "\n".join(lines) if values else "No runs yet. `ddpm-studio train FOLDER` starts one.")
    return 0
