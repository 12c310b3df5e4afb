"""Makes a model that ships with the program out of a run: `python benchmarks/ship_model.py RUN NAME`.

The averaged weights as 16-bit floats, half the size; pictures differ by a grey level here and there. MODEL_CARD.md is
written by hand beside it.
"""

from __future__ import annotations

import argparse

from ddpm_studio import paths
from ddpm_studio.model import Model, save_model
from ddpm_studio.models import MODEL_FILE


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a model that ships out of a run.")
    parser.add_argument("run")
    parser.add_argument("name")
    options = parser.parse_args()
    model = Model.load(options.run)
    file = paths.models_dir() / options.name / MODEL_FILE
    notes = {name: model.notes[name] for name in ("step", "images") if name in model.notes}
    save_model(file, {name: value.half() for name, value in model.net.state_dict().items()}, model.config, notes)
    print(f"{file}: {file.stat().st_size / 1e6:.1f} MB, step {model.step:,}")


if __name__ == "__main__":
    main()
