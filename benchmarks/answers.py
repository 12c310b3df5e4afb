"""How soon the window answers: `python benchmarks/answers.py [--model faces]`. The real window with the real engine.

* Generate: from the click to the first frame of the filmstrip, and to the last of 16 pictures.
* Slide: from each movement of the lambda slider to the first blend on screen that was asked for at or after it, with the
  slider moved every 40 ms as a hand does, in strokes with a rest between them.

Printed is JSON in milliseconds; with `QT_QPA_PLATFORM=xcb` on a real screen.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="faces")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["DDPM_STUDIO_HOME"] = home
        print(json.dumps(measure(options.model, options.rounds), indent=2))
    return 0


def measure(model: str, rounds: int) -> dict[str, object]:
    import numpy as np

    from ddpm_studio.events import BlendReady, Event, FrameReady
    from ddpm_studio.gui.app import create

    app, window = create()
    studio = window.studio
    studio.failed.connect(lambda failed: sys.exit(f"{failed.message} {failed.hint}\n{failed.details}"))
    window.show()

    def run_until(done: Callable[[], object], limit: float) -> None:
        end = time.monotonic() + limit
        while not done() and time.monotonic() < end:
            app.processEvents()
            time.sleep(0.001)

    run_until(lambda: studio.models, 30)
    studio.choose_model(next(choice for choice in studio.models if choice.name == model))

    # Generate.
    window.show_page("Generate")
    page = window.pages["Generate"]

    def generate(seed: int) -> tuple[float, float]:
        """Milliseconds from the click to the first frame and to the last picture."""
        seen: list[float] = []
        finished: list[float] = []

        def watch(batch: list[Event]) -> None:
            seen.extend(time.perf_counter() for event in batch if isinstance(event, FrameReady))

        def done(*_: object) -> None:
            finished.append(time.perf_counter())

        studio.sampling.events.connect(watch)
        window.generationFinished.connect(done)
        page.seed.setValue(seed)  # type: ignore[attr-defined]
        began = time.perf_counter()
        page.generate_button.click()  # type: ignore[attr-defined]
        run_until(lambda: finished, 60)
        studio.sampling.events.disconnect(watch)
        window.generationFinished.disconnect(done)
        return 1000 * (seen[0] - began), 1000 * (finished[0] - began)

    generations = [generate(1000 * number) for number in range(rounds + 1)]  # the first, which loads torch and the model, is told apart

    # Slide.
    window.show_page("Blend")
    blend = window.pages["Blend"]
    run_until(lambda: len(blend.wells.pictures) == 2, 30)  # type: ignore[attr-defined]
    run_until(lambda: not studio.blending.busy, 30)
    moves: list[tuple[float, float]] = []
    answers: list[tuple[float, float]] = []
    studio.blending.events.connect(lambda batch: answers.extend((time.perf_counter(), event.lam) for event in batch if isinstance(event, BlendReady)))
    for stroke in range(12):
        for i in range(25):
            lam = i * 4 if stroke % 2 == 0 else 100 - i * 4
            if lam == blend.single.lam.value():  # type: ignore[attr-defined]
                continue
            moves.append((time.perf_counter(), lam / 100))
            blend.single.lam.setValue(lam)  # type: ignore[attr-defined]
            until = time.perf_counter() + 0.04
            run_until(lambda until=until: time.perf_counter() >= until, 1)
        run_until(lambda: not studio.blending.busy, 30)
        rest = time.perf_counter() + 0.6
        run_until(lambda rest=rest: time.perf_counter() >= rest, 2)
    # The answer to a movement is the first blend that was asked for then or later: of this lambda, or of a later one in the stroke.
    waits = []
    for i, (moved, _) in enumerate(moves):
        later = {lam for _, lam in moves[i : i + 25]}
        waits.append(next((1000 * (shown - moved) for shown, lam in answers if shown > moved and lam in later), float("inf")))
    window.close()
    run_until(lambda: not window.isVisible(), 10)
    p50, p95 = np.percentile(waits, [50, 95])
    return {
        "model": model,
        "generate_first": dict(zip(("first_frame", "last_picture"), map(round, generations[0]), strict=True)),
        "generate": dict(zip(("first_frame", "last_picture"), map(round, np.median(generations[1:], axis=0).tolist()), strict=True)),
        "slide": {"moves": len(moves), "pictures": len(answers), "p50": round(float(p50)), "p95": round(float(p95)), "max": round(max(waits))},
        "platform": app.platformName(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


if __name__ == "__main__":
    raise SystemExit(main())
