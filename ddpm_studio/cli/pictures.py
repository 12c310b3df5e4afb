"""The commands that make pictures: generate, interpolate, denoise, diffuse; and what all such commands share.

A model's header is looked at before the engine is imported: a bad one is refused before PyTorch has been loaded.
"""

from __future__ import annotations

import argparse
import dataclasses
import errno
import io
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ddpm_studio import films, gallery, imaging
from ddpm_studio.blend_weights import Weights, normalized, pair
from ddpm_studio.cli.flags import number_list
from ddpm_studio.cli.interrupt import stop_on_signals
from ddpm_studio.cli.show import print_result, with_progress
from ddpm_studio.config import DataConfig, DiffusionConfig, RunConfig
from ddpm_studio.control import RunControl
from ddpm_studio.errors import Cancelled, UserError, describe_os_error
from ddpm_studio.events import BatchReady, BlendReady, Event, Finished, FrameReady, Images, ImagesReady, Inverted, Latent
from ddpm_studio.files import force_all, write_atomically
from ddpm_studio.models import check_model, find_model, run_of
from ddpm_studio.requests import STEPS, BlendRequest, DenoiseRequest, FilmRequest, SampleRequest, Start, is_noisy, model_name, recipe, request_of, start_of

STRIP_FRAMES, FILM_FRAMES = 12, 60
"""How many moments of the way from noise to picture a filmstrip and a film show, at most."""


def generate(arguments: argparse.Namespace) -> int:
    config = check_model(arguments.model)
    check_film_place(arguments)
    check_places(arguments.out, arguments.grid, arguments.filmstrip)
    from ddpm_studio.sampling.engine import generate as engine_generate

    start, frames = _start(arguments), FILM_FRAMES if arguments.film else STRIP_FRAMES
    walk = walk_of(arguments, start.timestep + 1 if start else config.diffusion.num_timesteps)
    request = SampleRequest(arguments.model, arguments.count, frames=frames, start=start, **walk)
    if start and request.count > 1 and not (is_noisy(request.sampler, request.eta) and request.steps != 1):
        raise UserError(
            "From one beginning this way leads to one picture: its steps add no noise.",
            "Give --count 1, or a sampler whose steps add noise: dpmpp-2m-sde or ddpm, or ddim with an --eta above 0, in more than one step.",
        )
    control = RunControl()
    stop_on_signals(control, "Stopping ... (Ctrl-C again ends at once)")
    saved: list[Path] = []

    def keep(batch: BatchReady) -> None:
        recipes = gallery.recipes(request, batch.seeds, batch.model_step, batch.device)
        saved.extend(save_all(batch.images, [f"{seed:06d}" for seed in batch.seeds], recipes, arguments.out))

    made = drain(engine_generate(request, control), keep)
    whole = recipe(request, model_step=made.model_step)
    if arguments.grid:
        save_one(Path(arguments.grid), imaging.grid(made.images), whole)
    if arguments.filmstrip:
        save_one(Path(arguments.filmstrip), made.filmstrip(), whole)
    if arguments.film:
        save_film(arguments, made.film(), hold_seconds=1.5)
    tell(arguments, saved, made.seconds, remark=f"stopped: {len(saved)} of {arguments.count} were done" if made.stopped else "")
    return 130 if made.stopped else 0


def _start(arguments: argparse.Namespace) -> Start | None:
    """What --start and --start-timestep ask for. Raises UserError when they do not make sense together."""
    if (arguments.start is None) != (arguments.start_timestep is None):
        raise UserError("--start and --start-timestep belong together.", "Give both, or neither.")
    if arguments.start is None:
        return None
    text = arguments.start.strip()
    if text.startswith("{"):
        facts = gallery.parse_recipe(text, "--start")
    else:
        facts = gallery.read_recipe(Path(text).expanduser())
        request_of(facts, arguments.model)  # a blend has another way, which is not that from its seed
    _check_same_model(facts, arguments.model)
    return start_of({**facts, "timestep": arguments.start_timestep}, arguments.model)


def _check_same_model(facts: dict[str, Any], model: str) -> None:
    """Raises UserError when the recipe is of another model that is here, too; another state of the same run will do."""
    name = str(facts.get("model", model))
    try:
        theirs = run_of(find_model(name)).path.resolve()
    except UserError:
        return  # it is not here, or no longer called so
    if theirs != run_of(find_model(model)).path.resolve():
        raise UserError(f"The way to begin on is one of the model {name}: {model_name(model)} goes another from the same noise.", f"Make pictures with {name}.")


def interpolate(arguments: argparse.Namespace) -> int:
    config = check_model(arguments.model)
    from ddpm_studio.sampling.engine import blend

    sources = [arguments.a, arguments.b, *arguments.more]
    lams, weights = mixtures(arguments, len(sources))
    timesteps = _timesteps(arguments, config) or [config.diffusion.num_timesteps // 2]
    check_places(arguments.out)
    images = tuple(picture(path, config) for path in sources)
    saved, rows, stds, seconds = [], [], [], 0.0
    for timestep in timesteps:
        request = BlendRequest(arguments.model, images, weights, timestep, arguments.noise, **walk_of(arguments, timestep + 1))
        made = drain(blend(request, RunControl()))
        facts = gallery.blend_recipes(request, made.blends)
        blends = np.stack([event.image for event in made.blends])
        before = f"t_{timestep:04d}_" if arguments.timesteps else ""
        names = [f"{before}lambda_{lam:.3f}" for lam in lams] or [f"{before}blend"]
        saved += save_all(blends, names, facts, arguments.out, images)
        ends = images if not lams or lams[0] <= lams[-1] else images[::-1]
        rows.append(np.concatenate([ends[0][None], blends, np.stack(ends[1:])]))
        stds += [round(event.latent_std, 4) for event in made.blends]
        seconds += made.seconds
    if len(weights) > 1 or len(timesteps) > 1:
        # Figure 9 of the paper: lambda to the right, t downwards; the more noise, the freer the blend.
        shares: dict[str, Any] = {"lams": lams} if lams else {"weights": list(weights[0])}
        facts_of_all = recipe(request, **shares, timesteps=timesteps, model_step=made.blends[0].model_step)
        save_one(Path(arguments.out) / "sheet.png", imaging.grid(np.concatenate(rows), columns=len(rows[0])), facts_of_all)
    more = {"timesteps": timesteps} if arguments.timesteps else {"timestep": timesteps[0]}
    shown: dict[str, Any] = {"lambdas": lams} if lams else {"weights": [round(weight, 6) for weight in weights[0]]}
    return tell(arguments, saved, seconds, {**shown, "latent_std": stds, **more})


def denoise(arguments: argparse.Namespace) -> int:
    config = check_model(arguments.model)
    from ddpm_studio.sampling.engine import denoise as engine_denoise

    timesteps = _timesteps(arguments, config)
    check_places(arguments.out)
    source = Path(arguments.image).expanduser()
    x_t = load_noise(source) if arguments.already_noisy and source.suffix == ".npy" else None
    image = picture(arguments.image, config) if x_t is None else np.zeros(config.data.shape, np.uint8)
    saved, columns, seconds = [], [], 0.0
    for timestep in timesteps:
        request = DenoiseRequest(arguments.model, image, timestep, arguments.count, arguments.already_noisy, x_t, **walk_of(arguments, timestep + 1))
        made = drain(engine_denoise(request, RunControl()))
        facts = [recipe(request, seed=seed, count=1, model_step=made.model_step) for seed in made.seeds]
        before = f"t_{timestep:04d}_" if arguments.timesteps else ""
        saved += save_all(made.images, [f"{before}{seed:06d}" for seed in made.seeds], facts, arguments.out)
        columns.append(made.images)
        seconds += made.seconds
    if arguments.timesteps:
        # SDEdit's strip: the picture itself, then ever freer versions of it; a row for each seed.
        originals = np.repeat(image[None, None], arguments.count, axis=0)
        strip = np.concatenate([originals, np.stack(columns, axis=1)], axis=1)
        facts_of_all = recipe(request, timesteps=timesteps, model_step=made.model_step)
        save_one(Path(arguments.out) / "strip.png", imaging.grid(strip.reshape(-1, *image.shape), columns=strip.shape[1]), facts_of_all)
    return tell(arguments, saved, seconds)


def diffuse(arguments: argparse.Namespace) -> int:
    from ddpm_studio.sampling.forward import diffuse as forward

    data = DataConfig(image_size=arguments.image_size)
    check_places(str(Path(arguments.out).expanduser().parent), arguments.out)
    image = imaging.load_picture(Path(arguments.image).expanduser(), data.shape, data.background)
    timesteps = [round(t) for t in number_list(arguments.timesteps, "timesteps")]
    strip = forward(image, timesteps, DiffusionConfig(beta_schedule=arguments.beta_schedule), arguments.seed)
    imaging.save_png(Path(arguments.out).expanduser(), imaging.grid(strip, columns=len(strip)), None)
    print_result({"out": arguments.out, "timesteps": timesteps}, arguments.json, f"{len(strip)} timesteps in {arguments.out}")
    return 0


@dataclasses.dataclass
class Made:
    images: Images
    seeds: tuple[int, ...]
    frames: list[FrameReady]
    blends: list[BlendReady]
    seconds: float
    inverted: Inverted | None = None
    model_step: int | None = None
    timesteps: tuple[int, ...] = ()
    device: str = ""
    stopped: bool = False
    """Somebody stopped it: `images` are those that were done by then."""

    def filmstrip(self, most: int = 8) -> Images:
        """For each picture its x_t above its predicted x_0, from noise to picture."""
        count = min(STRIP_FRAMES, len(self.frames))
        frames = [self.frames[round(i * (len(self.frames) - 1) / max(1, count - 1))] for i in range(count)]
        rows = [[getattr(frame, name)[i] for frame in frames] for i in range(min(most, len(frames[0].x_t))) for name in ("x_t", "pred_x_start")]
        return imaging.grid(np.stack([image for row in rows for image in row]), columns=count)

    def film(self, most: int = 64) -> Images:
        """From noise to picture, uint8 [N, H, W, C]: the pictures of the first batch side by side, at last as they came out."""
        count = min(most, len(self.frames[0].x_t))
        return np.stack([imaging.grid(images[:count]) for images in (*(frame.x_t for frame in self.frames), self.images)])


def drain(events: Iterable[Event], keep: Callable[[BatchReady], None] = lambda batch: None) -> Made:
    """All that a request comes to; `keep` is given each batch as it is done."""
    started = time.monotonic()
    made = Made(np.empty(0, np.uint8), (), [], [], 0.0)
    for event in with_progress(events):
        if isinstance(event, BatchReady):
            keep(event)
        elif isinstance(event, FrameReady):
            made.frames.append(event)
        elif isinstance(event, BlendReady):
            made.blends.append(event)
        elif isinstance(event, Inverted):
            made.inverted = event
        elif isinstance(event, ImagesReady):
            made.images, made.seeds, made.model_step, made.timesteps, made.device = event.images, event.seeds, event.model_step, event.timesteps, event.device
        elif isinstance(event, Finished) and event.stopped:
            if not len(made.images):
                sys.stderr.write("Stopped before the first pictures were done.\n")
                raise Cancelled
            made.stopped = True
    made.seconds = time.monotonic() - started
    return made


def check_places(folder: str, *files: str | None) -> None:
    """Find out before the work whether its results can be kept; folders are made when something is saved in them. Single files are to be .png."""
    if not folder:
        raise UserError("The pictures need a folder.", "Name one with --out; a dot is the folder you are in.")
    for place in (Path(folder).expanduser(), *(Path(file).expanduser().parent for file in files if file)):
        try:
            nearest = next(path for path in (place, *place.parents) if path.is_symlink() or path.exists())
            if not nearest.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(nearest))
        except OSError as error:
            raise describe_os_error(error, f"write into {place}") from error
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise UserError(f"Could not write into {place}: permission denied.", "Choose a folder that you may write.")
    for file in files:
        if file and Path(file).suffix.lower() != ".png":
            raise UserError(f"{file!r} is not the name of a PNG.", "Pictures are written as PNG: give a name that ends in .png.")


def check_film_place(arguments: argparse.Namespace) -> None:
    """Find out before the work whether the film that was asked for, if any, can be kept."""
    if arguments.film:
        film = Path(arguments.film).expanduser()
        films.check_film(film)
        check_places(str(film.parent))


def save_film(arguments: argparse.Namespace, frames: Images, frames_per_second: float | None = None, hold_seconds: float = 0.0) -> None:
    """Write the film that was asked for with `film_flags`."""
    scale = arguments.scale or max(1, 256 // max(frames.shape[1:3]))
    request = FilmRequest(Path(arguments.film).expanduser(), frames, frames_per_second or arguments.fps or 12.0, scale, hold_seconds)
    control = RunControl()
    stop_on_signals(control, "Stopping ... (Ctrl-C again ends at once)")
    for _ in with_progress(films.write_film(request, control)):
        pass


def lambdas(text: str) -> list[float]:
    numbers = number_list(text, "lambda")
    if not all(0 <= lam <= 1 for lam in numbers):
        raise UserError("Lambda runs from 0 (picture A) to 1 (picture B).", "Give numbers between 0 and 1.")
    return numbers


def mixtures(arguments: argparse.Namespace, count: int) -> tuple[list[float], tuple[Weights, ...]]:
    """The lambdas that were asked for and the weights that they mean; no lambdas where the weights were given themselves."""
    if arguments.weights is None and count == 2:
        lams = lambdas(arguments.lam or "0.5")
        return lams, tuple(pair(lam) for lam in lams)
    if arguments.lam is not None:
        message = f"Lambda is for two pictures, and these are {count}." if count > 2 else "Give either lambda or weights."
        raise UserError(message, "Say with --weights how much of each, such as --weights 2,1,1.")
    try:
        given = [float(part) for part in arguments.weights.split(",")] if arguments.weights else [1.0] * count
        if len(given) != count or not all(0 <= weight < math.inf for weight in given) or not sum(given) > 0:
            raise ValueError
    except ValueError:
        raise UserError(f"{arguments.weights!r} is not understood as the weights of {count} pictures.", "Give a number for each picture, 0 or more, such as 2,1,1.") from None
    return [], (normalized(given),)


def _timesteps(arguments: argparse.Namespace, config: RunConfig) -> list[int]:
    """What --timesteps or --timestep asks for; empty where neither was given. Raises UserError before any work is done."""
    if arguments.timesteps is None:
        return [] if arguments.timestep is None else [arguments.timestep]
    timesteps = [round(t) for t in number_list(arguments.timesteps, "timesteps")]
    if not all(0 <= t < config.diffusion.num_timesteps for t in timesteps):
        raise UserError("These timesteps are out of range.", f"This model knows timesteps 0 to {config.diffusion.num_timesteps - 1}.")
    return timesteps


def walk_of(arguments: argparse.Namespace, all_steps: int, default: int | None = None) -> dict[str, Any]:
    """What `_sampling_flags` asked for, as the fields of a Walk; `default` steps where none were named."""
    if getattr(arguments, "eta", None) and arguments.sampler != "ddim":
        raise UserError(f"--eta is for the sampler ddim; {arguments.sampler} has no such number.", "Leave it out, or add --sampler ddim.")
    if arguments.guidance is not None and not arguments.guide:
        raise UserError("--guidance says how far to go from a guide, and there is none.", "Name one with --guide, such as an earlier state of the run.")
    names = ("sampler", "spacing", "eta", "guide", "guidance", "seed", "device")
    given = {name: value for name in names if (value := getattr(arguments, name, None)) is not None}
    return given | {"steps": _steps(arguments, all_steps, default)}


def _steps(arguments: argparse.Namespace, all_steps: int, default: int | None) -> int:
    if arguments.steps == "all":
        return all_steps
    if arguments.steps and arguments.steps > all_steps:
        if arguments.command not in ("interpolate", "denoise", "loop"):
            raise UserError(f"There are only {all_steps:,} timesteps to walk, not {arguments.steps:,}.", f"Give --steps {all_steps} or fewer.")
        sys.stderr.write(f"Only {all_steps:,} timesteps lead down from there: that many steps are made.\n")
    wanted = arguments.steps or default or STEPS[arguments.sampler] or all_steps
    return int(max(1, min(wanted, all_steps)))


def picture(path: str, config: RunConfig) -> Images:
    return imaging.load_picture(Path(path).expanduser(), config.data.shape, config.data.background)


def save_all(images: Images, names: list[str], recipes: list[dict[str, Any]], out: str, blended: Sequence[Images] = ()) -> list[Path]:
    saved = []
    for image, name, facts in zip(images, names, recipes, strict=True):
        path = Path(out).expanduser() / f"{name}.png"
        save_one(path, image, facts, blended, forced=False)
        saved.append(path)
    force_all(saved)
    return saved


def save_one(path: Path, image: Images, facts: dict[str, Any], blended: Sequence[Images] = (), forced: bool = True) -> None:
    imaging.save_png(path.expanduser(), image, gallery.text_of(facts, blended), forced)


def save_array(path: Path, array: Latent) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_atomically(path.expanduser(), buffer.getvalue())


def load_noise(path: Path) -> Latent:
    """A float array [C, H, W] that `invert` has written. Raises UserError when it is something else."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if array.ndim == 3 and array.dtype.kind == "f" and array.size <= 4 * 512 * 512:
            return np.array(array, dtype=np.float32)
    except OSError as error:
        raise describe_os_error(error, f"open {path.name}") from error
    except (ValueError, EOFError, AttributeError):
        pass
    raise UserError(f"{path.name} holds no noise.", "Give the noise.npy that `invert` has written.")


def tell(arguments: argparse.Namespace, saved: list[Path], seconds: float, more: dict[str, Any] | None = None, remark: str = "") -> int:
    values = {"images": [str(path) for path in saved], "seconds": round(seconds, 3), **(more or {})}
    text = f"{len(saved)} picture{'s' if len(saved) != 1 else ''} in {arguments.out} ({seconds:.1f} s)"
    print_result(values, arguments.json, f"{text}; {remark}" if remark else text)
    return 0
