"""Makes a model that ships with the program out of a run: `python benchmarks/ship_model.py RUN NAME --examples 12 42`.

Beside it come two pictures of its own, of the seeds that are given, for the first blend (of RUN `-`, of the model that is
there already). The averaged weights as 16-bit floats, half the size; pictures differ by a grey level here and there. MODEL_CARD.md is
written by hand beside it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ddpm_studio import imaging, paths
from ddpm_studio.config import RunConfig, TrainConfig
from ddpm_studio.model import Model, save_model
from ddpm_studio.models import MODEL_FILE
from ddpm_studio.requests import STEPS, USUAL_SAMPLER


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a model that ships out of a run.")
    parser.add_argument("run")
    parser.add_argument("name")
    parser.add_argument("--examples", type=int, nargs=2, metavar="SEED", help="seeds of the two example pictures")
    parser.add_argument("--lambda-max", type=float, help="where its ways end, if not where its run says")
    options = parser.parse_args()
    folder = paths.models_dir() / options.name
    if options.run != "-" or options.lambda_max is not None:
        model = Model.load(folder if options.run == "-" else options.run)
        changes = {} if options.lambda_max is None else {"diffusion.lambda_max": options.lambda_max}
        ship(model, model.config.with_changes(changes), folder / MODEL_FILE)
    if options.examples:
        pictures = Model.load(folder).sample(options.examples, USUAL_SAMPLER, STEPS[USUAL_SAMPLER])
        for number, picture in enumerate(pictures, 1):
            imaging.save_png(folder / f"example_{number}.png", picture, None)


def ship(model: Model, config: RunConfig, file: Path) -> None:
    notes = {name: model.notes[name] for name in ("step", "images") if name in model.notes}
    config = config.with_changes({"training.preview_count": TrainConfig().preview_count})  # whoever trains it further wants to see it learn
    save_model(file, {name: value.half() for name, value in model.net.state_dict().items()}, config, notes)
    print(f"{file}: {file.stat().st_size / 1e6:.1f} MB, step {model.step:,}")


if __name__ == "__main__":
    main()
