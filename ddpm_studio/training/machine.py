"""What the machine says about itself while it computes for hours: running on its battery, or slowed down by heat."""

from __future__ import annotations

from pathlib import Path

import psutil

from ddpm_studio.language import tr

THROTTLE_COUNTERS = "/sys/devices/system/cpu/cpu0/thermal_throttle"


def battery_left() -> float | None:
    """The charge in per cent while the machine runs on its battery; None on mains, or without a battery."""
    try:
        battery = psutil.sensors_battery()
    except (AttributeError, OSError, ValueError):  # not on this system, or a driver that makes no sense
        return None
    return None if battery is None or battery.power_plugged is not False else float(battery.percent)


def throttle_count(folder: str | Path = THROTTLE_COUNTERS) -> int:
    """How often the processor has slowed itself down for heat since it was started; 0 where it does not say (only Linux on x86 does)."""
    total = 0
    for file in Path(folder).glob("*_throttle_count"):
        try:
            total += int(file.read_text())
        except (OSError, ValueError):
            continue
    return total


class MachineWatch:
    """Looks now and then, and tells each change once, in a sentence."""

    def __init__(self) -> None:
        self._on_battery = False
        self._throttled, self._hot = throttle_count(), False

    @property
    def on_battery(self) -> bool:
        return self._on_battery

    def is_back_on_mains(self) -> bool:
        self.look()
        return not self._on_battery

    def look(self) -> list[str]:
        news = []
        left, throttled = battery_left(), throttle_count()
        if (left is not None) != self._on_battery:
            self._on_battery = left is not None
            news.append(tr("The machine runs on its battery now ({charge:.0f} % left).", charge=left) if left is not None else tr("The machine is on mains power again."))
        hot = throttled > self._throttled
        if hot and not self._hot:
            news.append(tr("The processor has become too hot and slows itself down: training takes longer than it could."))
        self._throttled, self._hot = throttled, hot
        return news
