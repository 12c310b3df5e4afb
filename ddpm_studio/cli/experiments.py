"""The commands that play with the noise: tree, loop, inpaint, invert."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ddpm_studio import imaging
from ddpm_studio.blend_weights import around
from ddpm_studio.cli.flags import number_list
from ddpm_studio.cli.pictures import check_film_place, check_places, drain, picture, save_all, save_array, save_film, save_one, tell, walk_of
from ddpm_studio.cli.show import print_result
from ddpm_studio.control import RunControl
from ddpm_studio.errors import UserError
from ddpm_studio.films import MOST_PER_SECOND
from ddpm_studio.models import check_model
from ddpm_studio.requests import BlendRequest, InpaintRequest, InvertRequest, TreeRequest, recipe


def tree(arguments: argparse.Namespace) -> int:
    config = check_model(arguments.model)
    from ddpm_studio.sampling.experiments import tree as engine_tree

    most = config.diffusion.num_timesteps
    timesteps = tuple(round(t) for t in number_list(arguments.timesteps, "timesteps")) if arguments.timesteps else tuple(round(most * share) for share in (0.9, 0.75, 0.5, 0.25))
    check_places(arguments.out)
    request = TreeRequest(arguments.model, timesteps, arguments.count, **walk_of(arguments, most))
    made = drain(engine_tree(request, RunControl()))
    rows = list(made.timesteps)  # where the walk has a stop, which may be beside what was asked for
    names = [f"t_{t:04d}_{i:02d}" for t in rows for i in range(arguments.count)]
    facts = recipe(request, model_step=made.model_step, timesteps=rows)
    saved = save_all(made.images, names, [facts] * len(names), arguments.out)
    save_one(Path(arguments.out) / "tree.png", imaging.grid(made.images, columns=arguments.count), facts)
    moved = f"branched off at {', '.join(map(str, rows))}, where the walk stops" if rows != sorted(timesteps, reverse=True) else ""
    return tell(arguments, saved, made.seconds, {"timesteps": rows}, moved)


def loop(arguments: argparse.Namespace) -> int:
    config = check_model(arguments.model)
    if len(arguments.images) < 2:
        raise UserError("A loop needs at least two pictures.", "Name two or more.")
    if not arguments.film and not arguments.out:
        raise UserError("There is nothing to write.", "Name a film (--film loop.gif), a folder for its pictures (--out), or both.")
    check_film_place(arguments)
    if arguments.out:
        check_places(arguments.out)
    from ddpm_studio.sampling.engine import blend

    timestep = config.diffusion.num_timesteps // 2 if arguments.timestep is None else arguments.timestep
    pictures = tuple(picture(path, config) for path in arguments.images)
    way = around(len(pictures), arguments.frames)
    request = BlendRequest(arguments.model, pictures, way, timestep, arguments.noise, **walk_of(arguments, timestep + 1))
    made = drain(blend(request, RunControl()))
    images = np.stack([event.image for event in made.blends])
    saved = []
    if arguments.out:
        facts = [recipe(request, **event.facts) for event in made.blends]
        saved = save_all(images, [f"{i:04d}" for i in range(len(images))], facts, arguments.out)
    if arguments.film:
        save_film(arguments, images, arguments.fps or min(MOST_PER_SECOND, len(images) / arguments.seconds))
    written = ", ".join(place for place in (arguments.out, arguments.film) if place)
    values = {"images": [str(path) for path in saved], "seconds": round(made.seconds, 3), **({"film": arguments.film} if arguments.film else {})}
    print_result(values, arguments.json, f"{len(images)} pictures in {written} ({made.seconds:.1f} s)")
    return 0


def inpaint(arguments: argparse.Namespace) -> int:
    config = check_model(arguments.model)
    from ddpm_studio.sampling.experiments import inpaint as engine_inpaint

    check_places(arguments.out)
    image = picture(arguments.image, config)
    mask = imaging.load_picture(Path(arguments.mask).expanduser(), (*config.data.shape[:2], 1), "black")
    request = InpaintRequest(
        arguments.model, image, mask, arguments.count, arguments.jump_length, arguments.resamples, **walk_of(arguments, config.diffusion.num_timesteps, default=50)
    )
    made = drain(engine_inpaint(request, RunControl()))
    facts = [recipe(request, seed=seed, count=1, model_step=made.model_step) for seed in made.seeds]
    return tell(arguments, save_all(made.images, [f"{seed:06d}" for seed in made.seeds], facts, arguments.out), made.seconds)


def invert(arguments: argparse.Namespace) -> int:
    config = check_model(arguments.model)
    from ddpm_studio.sampling.experiments import invert as engine_invert

    check_places(arguments.out)
    image = picture(arguments.image, config)
    walk = walk_of(arguments, config.diffusion.num_timesteps, default=50) | {"sampler": "ddim", "eta": 0.0}
    request = InvertRequest(arguments.model, image, arguments.refinements, **walk)
    made = drain(engine_invert(request, RunControl()))
    found = made.inverted
    assert found is not None  # drain has raised otherwise
    errors = {"rmse": round(found.rmse, 4), "psnr": round(found.psnr, 2), "noise_std": round(found.noise_std, 4)}
    facts = recipe(request, model_step=found.model_step, **errors)
    saved = save_all(np.stack([image, found.noise, found.reconstruction]), ["picture", "noise", "reconstruction"], [facts] * 3, arguments.out)
    assert found.x_T is not None
    save_array(Path(arguments.out) / "noise.npy", found.x_T)
    remark = f"reconstructed with an error of {found.rmse:.2f} grey levels ({found.psnr:.1f} dB) from noise of deviation {found.noise_std:.3f}"
    return tell(arguments, saved, made.seconds, errors, remark)
