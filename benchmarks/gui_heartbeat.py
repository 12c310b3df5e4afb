"""How even the window's pulse is while a real training computes on all cores: `python benchmarks/gui_heartbeat.py [--seconds 30] [--data FOLDER] [--lived-in]`.

A 16 ms timer runs in the window's thread; printed are the times between its ticks in milliseconds, as JSON.
It trains the smallest preset on the sample pictures, in a data directory of its own; with `QT_QPA_PLATFORM=xcb` on a real screen.

With --lived-in somebody has used the program for long, and does not sit still: the run has 10,000 steps of curve and 200
previews behind it, which are scrubbed through; the gallery has 10,000 pictures, which are scrolled through; and pictures are
generated in between, for which the training makes room.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

STEPS, PREVIEWS, PICTURES = 10_000, 200, 10_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--data", type=Path, help="folder or zip; the sample pictures by default")
    parser.add_argument("--lived-in", action="store_true", help="a long run, a full gallery, and a hand that moves")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["DDPM_STUDIO_HOME"] = home
        print(json.dumps(measure(options.seconds, options.data, options.lived_in)))
    return 0


def measure(seconds: float, data: Path | None, lived_in: bool) -> dict[str, object]:
    import numpy as np
    from PySide6.QtCore import Qt, QTimer

    from ddpm_studio.gui import workers
    from ddpm_studio.gui.app import create
    from ddpm_studio.gui.presenters import State

    run = _have_lived(data) if lived_in else None
    app, window = create()
    window.resize(1280, 800)
    window.show()
    window.studio.failed.connect(lambda failed: sys.exit(f"{failed.message} {failed.hint}\n{failed.details}"))
    page, training = window.train_page, window.studio.training
    ticks: list[float] = []
    timer = QTimer(timerType=Qt.TimerType.PreciseTimer, interval=16)
    timer.timeout.connect(lambda: ticks.append(time.perf_counter()))

    def run_until(done: Callable[[], object], limit: float) -> None:
        end = time.monotonic() + limit
        while not done() and time.monotonic() < end:
            app.processEvents()
            time.sleep(0.002)

    window.studio.ask(window.studio.jobs.warm_up(), lambda batch: None)  # as the program does when it starts
    run_until(lambda: not workers.running_threads(), 120)
    if run is not None:
        window.studio.resume_wanted.emit(run)
    else:
        if data:
            page.dataset.open([data])
        else:
            page.dataset.open_samples()
        run_until(lambda: page.dataset.report, 120)
        page.start()
    run_until(lambda: training.state is State.RUNNING and training.step > 5, 120)
    hand = _hand(window) if lived_in else None
    if hand:
        run_until(lambda: len(page.live.previews) > 50, 60)
        move = QTimer(interval=40)
        move.timeout.connect(lambda: next(hand))
        move.start()
    first = training.step
    timer.start()
    QTimer.singleShot(round(seconds * 1000), app.quit)
    app.exec()
    timer.stop()
    if hand:
        move.stop()
    steps = training.step - first
    gaps = np.diff(ticks) * 1000
    window.close()
    run_until(lambda: not window.isVisible(), 30)
    p50, p99 = np.percentile(gaps, [50, 99])
    return {
        "p50_ms": round(float(p50), 1), "p99_ms": round(float(p99), 1), "max_ms": round(float(gaps.max()), 1), "ticks": len(ticks),
        "steps_per_second": round(steps / seconds, 2), "platform": app.platformName(), "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def _hand(window: Any) -> Any:
    """One movement at each `next`: two seconds in each place, and round again."""
    train, generate, gallery = (window.pages[name] for name in ("Train", "Generate", "Gallery"))
    for place in itertools.cycle(("Train", "Gallery", "Generate", "Train", "Gallery")):
        window.show_page(place)
        if place == "Generate":
            generate.start()
        for moment in range(50):
            if place == "Train":
                train.live.slider.setValue(round(train.live.slider.maximum() * abs(moment - 25) / 25))
            elif place == "Gallery":
                bar = gallery.view.verticalScrollBar()
                bar.setValue(round(bar.maximum() * moment / 50))
            yield


def _have_lived(data: Path | None) -> Any:
    """A run with a long past, and a full gallery."""
    import numpy as np

    from ddpm_studio import gallery, imaging, paths
    from ddpm_studio.control import RunControl
    from ddpm_studio.events import StepDone, as_json
    from ddpm_studio.presets import get_preset
    from ddpm_studio.requests import SampleRequest, TrainRequest, recipe
    from ddpm_studio.runs import Run
    from ddpm_studio.training.engine import train

    run = Run(paths.runs_dir() / "long")
    for _ in train(TrainRequest(run, data or paths.samples_archive(), get_preset("tiny-32"), max_steps=2), RunControl()):
        pass
    rng = np.random.default_rng(0)
    losses = 0.03 + 0.3 * np.exp(-np.arange(STEPS) / 800) + rng.normal(0, 0.004, STEPS)
    with run.journal_file.open("w", encoding="utf-8") as journal:
        for step, loss in enumerate(losses, 1):
            journal.write(as_json(StepDone(step, 32 * step, float(loss), 0.5, 2e-3, 220.0, 0.15 * step)) + "\n")
    for step in range(0, STEPS, STEPS // PREVIEWS):
        imaging.save_png(run.previews / f"step_{step:07d}.png", imaging.grid(rng.integers(0, 255, (16, 32, 32, 3), dtype=np.uint8)), None)
    pictures = rng.integers(0, 255, (100, 32, 32, 3), dtype=np.uint8)
    for start in range(0, PICTURES, len(pictures)):
        seeds = range(start, start + len(pictures))
        gallery.save_pictures(pictures, [recipe(SampleRequest(model="faces", seed=seed), seed=seed) for seed in seeds])
    return run


if __name__ == "__main__":
    raise SystemExit(main())
