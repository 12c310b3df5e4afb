"""The pictures of the README, of a real training and of real samples: `python benchmarks/readme_pictures.py [--seconds 300]`.

The window trains on the sample pictures (CC0), is photographed while it does, and then makes pictures with the result.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["DDPM_STUDIO_HOME"] = home
        photograph(options.seconds, ROOT / "docs" / "images")
    return 0


def photograph(seconds: float, folder: Path) -> None:
    from ddpm_studio.gui.app import create
    from ddpm_studio.gui.presenters import State

    folder.mkdir(parents=True, exist_ok=True)
    app, window = create()
    window.resize(1280, 800)
    window.show()
    page, training = window.train_page, window.studio.training

    def run_until(done: Callable[[], object], limit: float) -> None:
        end = time.monotonic() + limit
        while not done() and time.monotonic() < end:
            app.processEvents()
            time.sleep(0.005)

    def grab(name: str, theme: str) -> None:
        window.set_theme(theme)
        run_until(lambda: False, 0.5)
        window.grab().save(str(folder / f"{name}.png"))

    page.dataset.open_samples()
    run_until(lambda: page.dataset.report, 120)
    page.start()
    run_until(lambda: training.state is State.RUNNING, 60)
    run_until(lambda: training.state is not State.RUNNING, seconds)
    grab("train", "dark")
    training.stop()
    run_until(lambda: not training.active, 60)
    run_until(lambda: False, 1.0)
    made: list[object] = []
    window.generationFinished.connect(made.append)
    window.show_page("Generate")
    window.pages["Generate"].start()  # type: ignore[attr-defined]
    run_until(lambda: made, 60)
    window.banner.hide()
    grab("generate", "light")
    window.close()
    run_until(lambda: not window.isVisible(), 10)


if __name__ == "__main__":
    raise SystemExit(main())
