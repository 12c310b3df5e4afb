"""Numbers and times as people say them."""

from __future__ import annotations

import time

from ddpm_studio.language import later, tr

MONTHS = (
    later("Jan"), later("Feb"), later("Mar"), later("Apr"), later("May"), later("Jun"),
    later("Jul"), later("Aug"), later("Sep"), later("Oct"), later("Nov"), later("Dec"),
)  # fmt: skip


def count(number: int) -> str:
    return f"{number:,}"


def short_count(number: float) -> str:
    """1.4 M, 820 k, 95."""
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= limit:
            return f"{number / limit:.3g} {letter}"
    return f"{number:.3g}"


def sentences(*parts: str) -> str:
    """One after the other; a Chinese full stop is as wide as a letter, and has its space within."""
    return " ".join(filter(None, parts)).replace("。 ", "。")


def duration(seconds: float) -> str:
    """Rounded to what matters: 40 s, 12 min, 1 h 20 min."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return tr("{seconds} s", seconds=seconds)
    minutes = round(seconds / 60)
    if minutes < 60:
        return tr("{minutes} min", minutes=minutes)
    hours, minutes = divmod(minutes, 60)
    return tr("{hours} h {minutes} min", hours=hours, minutes=minutes) if minutes and hours < 12 else tr("{hours} h", hours=hours)


def time_left(seconds: float) -> str:
    return tr("{duration} left", duration=duration(seconds))


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
    clock, month = time.strftime("%H:%M", then), tr(MONTHS[then.tm_mon - 1])
    if then[:3] == now[:3]:
        return tr("today {time}", time=clock)
    if then[0] == now[0]:
        return tr("{day:02} {month} {time}", day=then.tm_mday, month=month, time=clock)
    return tr("{day:02} {month} {year}", day=then.tm_mday, month=month, year=then.tm_year)
