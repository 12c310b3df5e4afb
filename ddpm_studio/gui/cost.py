"""How long pictures will take, said before anybody asks for them."""

from __future__ import annotations

import math
import os

from ddpm_studio.gui.preferences import Preferences
from ddpm_studio.requests import SampleRequest

KEPT = 40
"""Of how many models the measurements are remembered."""
GMACS_PER_SECOND = {"cpu": 11.0, "mps": 400.0, "cuda": 2000.0}
"""Billions of multiply-adds in a second: of one core, and of a usual graphics card. For guesses only."""


def calls(request: SampleRequest) -> int:
    """How often the network is asked, for one picture."""
    steps = request.steps or 1000
    once = 2 * steps - 1 if request.sampler == "heun" else steps
    return once * (2 if request.guide else 1)


def seconds(request: SampleRequest, preferences: Preferences, gmacs: float, device: str) -> tuple[float, bool] | None:
    """How long a request will take, and whether that was measured with this model; None when there is nothing to go by."""
    work = request.count * calls(request)
    if measured := preferences.call_seconds.get(str(request.model)):
        return work * measured, True
    if not gmacs:
        return None
    cores = min(os.cpu_count() or 1, 8) if device == "cpu" else 1
    return work * gmacs * (preferences.seconds_per_gmac or 1 / (GMACS_PER_SECOND.get(device, 400.0) * cores)), False


def with_measurement(preferences: Preferences, request: SampleRequest, elapsed: float, share: float, gmacs: float) -> dict[str, object]:
    """What to remember after `share` (0 to 1) of a request has taken `elapsed` seconds; nothing where that tells too little."""
    done = share * request.count * calls(request)
    if elapsed < 0.05 or done < 4 or not math.isfinite(elapsed):
        return {}
    measured = elapsed / done
    others = {name: value for name, value in preferences.call_seconds.items() if name != str(request.model)}
    newest = dict(list(others.items())[-KEPT + 1 :]) | {str(request.model): measured}
    return {"call_seconds": newest} | ({"seconds_per_gmac": measured / gmacs} if gmacs else {})
