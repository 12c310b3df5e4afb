"""Numbers and times as people say them."""

from __future__ import annotations

import time


def count(number: int) -> str:
    return f"{number:,}"


def plural(number: int, one: str, many: str) -> str:
    return f"{count(number)} {one if number == 1 else many}"


def short_count(number: float) -> str:
    """1.4 M, 820 k, 95."""
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= limit:
            return f"{number / limit:.3g} {letter}"
    return f"{number:.3g}"


def duration(seconds: float) -> str:
    """Rounded to what matters: 40 s, 12 min, 1 h 20 min."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes and hours < 12 else f"{hours} h"


def time_left(seconds: float) -> str:
    return f"{duration(seconds)} left"


def loss(value: float) -> str:
    return f"{value:.4f}" if value < 1 else f"{value:.3g}"


def memory(megabytes: float) -> str:
    return f"{megabytes / 1000:.2f} GB" if megabytes >= 1000 else f"{megabytes:.0f} MB"


def shape(numbers: tuple[int, ...]) -> str:
    """(64, 16, 16) -> 64 × 16 × 16."""
    return " × ".join(str(n) for n in numbers)


def elided(text: str, length: int) -> str:
    """The middle of a long name left out."""
    return text if len(text) <= length else f"{text[: length // 2 - 1]}…{text[-(length - length // 2):]}"


def moment(seconds: float) -> str:
    """A moment since the epoch as people say it: the time today, else the day."""
    then, now = time.localtime(seconds), time.localtime()
    if then[:3] == now[:3]:
        return time.strftime("today %H:%M", then)
    return time.strftime("%d %b %H:%M" if then[0] == now[0] else "%d %b %Y", then)
