"""How even the window's pulse is while a real training computes on all cores: `python benchmarks/gui_heartbeat.py [--seconds 30] [--data FOLDER]`.

A 16 ms timer runs in the window's thread; printed are the times between its ticks in milliseconds, as JSON.
It trains the smallest preset on the sample pictures, in a data directory of its own; with `QT_QPA_PLATFORM=xcb` on a real screen.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--data", type=Path, help="folder or zip; the sample pictures by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["DDPM_STUDIO_HOME"] = home
        print(json.dumps(measure(options.seconds, options.data)))
    return 0


def measure(seconds: float, data: Path | None) -> dict[str, object]:
    import numpy as np
    from PySide6.QtCore import Qt, QTimer

    from ddpm_studio.gui.app import create
    from ddpm_studio.gui.presenters import State

    app, window = create()
    window.show()
    window.studio.failed.connect(lambda failed: sys.exit(f"{failed.message} {failed.hint}\n{failed.details}"))
    page = window.train_page
    if data:
        page.dataset.open([data])
    else:
        page.dataset.open_samples()
    ticks: list[float] = []
    timer = QTimer(timerType=Qt.TimerType.PreciseTimer, interval=16)
    timer.timeout.connect(lambda: ticks.append(time.perf_counter()))

    def run_until(done: object, limit: float) -> None:
        end = time.monotonic() + limit
        while not done() and time.monotonic() < end:  # type: ignore[operator]
            app.processEvents()
            time.sleep(0.002)

    run_until(lambda: page.dataset.report, 120)
    page.start()
    run_until(lambda: window.studio.training.state is State.RUNNING and window.studio.training.step > 5, 120)
    first = window.studio.training.step
    timer.start()
    QTimer.singleShot(round(seconds * 1000), app.quit)
    app.exec()
    timer.stop()
    steps = window.studio.training.step - first
    gaps = np.diff(ticks) * 1000
    window.close()
    run_until(lambda: not window.isVisible(), 30)
    p50, p99 = np.percentile(gaps, [50, 99])
    return {
        "p50_ms": round(float(p50), 1), "p99_ms": round(float(p99), 1), "max_ms": round(float(gaps.max()), 1), "ticks": len(ticks),
        "steps_per_second": round(steps / seconds, 2), "platform": app.platformName(), "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


if __name__ == "__main__":
    raise SystemExit(main())
