"""The pictures of the README, of a real training and of real samples:

    DDPM_STUDIO_HOME=HOME ddpm-studio train resources/samples/pixel_tiles.zip --run tiles --total-steps 24000 --min-snr-gamma 5 --no-flip
    python benchmarks/readme_pictures.py HOME tiles --picture 2

The window shows that run on the sample pictures (CC0), makes pictures with its model, and looks inside it.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path, help="data directory of the run")
    parser.add_argument("run", help="name of a run on the sample pictures")
    parser.add_argument("--picture", type=int, default=0, help="which of the sixteen is shown with its way")
    options = parser.parse_args()
    os.environ["DDPM_STUDIO_HOME"] = str(options.home.absolute())
    photograph(options.run, ROOT / "docs" / "images", options.picture)
    return 0


def photograph(name: str, folder: Path, picture: int) -> None:
    from ddpm_studio.gui.app import create
    from ddpm_studio.runs import find_run

    folder.mkdir(parents=True, exist_ok=True)
    app, window = create()
    window.resize(1280, 800)
    window.show()
    page, run = window.train_page, find_run(name)

    def run_until(done: Callable[[], object], limit: float) -> None:
        end = time.monotonic() + limit
        while not done() and time.monotonic() < end:
            app.processEvents()
            time.sleep(0.005)

    def grab(name: str, theme: str) -> None:
        window.set_theme(theme)
        run_until(lambda: False, 0.5)
        window.grab().save(str(folder / f"{name}.png"))

    run_until(lambda: window.studio.device, 60)
    page.dataset.open_samples()
    run_until(lambda: page.dataset.report, 120)
    run_until(lambda: False, 6.0)  # the doctor looks at every picture
    window.studio.refresh_models(run.model_file)
    page.replay(run)
    run_until(lambda: page.live.previews, 60)
    run_until(lambda: False, 2.0)
    page.offer.dismiss_button.click()
    grab("train", "dark")

    made: list[object] = []
    window.generationFinished.connect(made.append)
    window.show_page("Generate")
    generate: Any = window.pages["Generate"]
    generate.start()
    run_until(lambda: made, 90)
    generate.stage.results.grid.set_current(picture)
    run_until(lambda: False, 1.0)
    grab("generate", "light")

    window.show_page("Inside")
    inside: Any = window.pages["Inside"]
    run_until(lambda: False, 2.0)
    inside.view.choose(1)
    inside.view.chosen.emit(1)
    run_until(lambda: False, 2.0)
    grab("network", "light")
    window.close()
    run_until(lambda: not window.isVisible(), 10)


if __name__ == "__main__":
    raise SystemExit(main())
