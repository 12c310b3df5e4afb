"""What the command line prints."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ddpm_studio.events import DatasetReport, Event, NetworkInfo, Notice, Progress, StepDone


def duration(seconds: float) -> str:
    """42 s, 3 min 20 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


LOG_SECONDS = 60.0
"""How often progress is written where it can't be written over, as in the log of a training at night."""


def with_progress(events: Iterable[Event], log_seconds: float = LOG_SECONDS) -> Iterator[Event]:
    """Passes events through; on a terminal it keeps one line of progress on stderr, with the time that is left.

    Elsewhere, as in a file, it writes such a line every `log_seconds`.
    """
    terminal = sys.stderr.isatty()
    logged = started = time.monotonic()
    width = 0
    for event in events:
        now = time.monotonic()
        line = progress_line(event, now - started)
        if isinstance(event, Notice):
            _write(("\r" if terminal else "") + event.text.ljust(width) + "\n")
        elif terminal and line:
            line = line[:110]
            _write("\r" + line.ljust(width))
            width = len(line)
        elif line and now - logged >= log_seconds:
            _write(line + "\n")
            logged = now
        elif terminal and width and not line:  # whoever prints something now begins on an empty line
            _write("\r" + " " * width + "\r")
            width = 0
        yield event
    if terminal and width:
        _write("\r" + " " * width + "\r")


def _write(text: str) -> None:
    """To stderr; a log whose reader has gone or whose disk is full ends no training."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    except OSError:
        pass


def progress_line(event: Event, elapsed: float) -> str:
    if isinstance(event, Progress):
        if not event.total:
            return f"{event.text} ..."
        left = event.seconds_left
        if left is None and event.done and elapsed > 1:
            left = elapsed / event.done * (event.total - event.done)
        return f"{event.text}: {event.done:,} of {event.total:,}" + (f", {duration(left)} left" if left is not None else "")
    if isinstance(event, StepDone):
        left_text = f", {duration(event.seconds_left)} left" if event.seconds_left is not None else ""
        return f"step {event.step:,}  loss {event.loss:.4f}  {event.images_per_second:.0f} images/s  {duration(event.seconds)}{left_text}"
    return ""


def print_result(values: dict[str, Any], as_json: bool, text: str) -> None:
    print(json.dumps(values, ensure_ascii=False) if as_json else text)


def report_text(report: DatasetReport, findings: Sequence[str] = (), kept_share: float = 1.0, most: int = 20) -> str:
    """A data set in words."""
    lines = [f"{report.name}: {report.pictures:,} pictures, used at {report.image_size} x {report.image_height}"]
    (a, b), (c, d), (e, f) = report.smallest, report.median, report.largest
    lines.append(f"  sizes        {a} x {b} to {e} x {f}, typically {c} x {d}")
    if kept_share < 0.995:
        lines.append(f"  cut off      {1 - kept_share:.0%} of each picture, on average (--crop-x and --crop-y of train choose what stays)")
    lines.append(f"  grey         {report.grey:,}")
    lines.append(f"  transparent  {report.transparent:,}")
    lines.append(f"  duplicates   {report.duplicates:,}")
    if report.others:
        lines.append(f"  other files  {report.others:,} (no jpg, png, webp, bmp, gif or tiff by their names)")
    lines.append(f"  skipped      {len(report.skipped):,}")
    lines += [f"    {skipped.path}: {skipped.reason}" for skipped in report.skipped[:most]]
    if len(report.skipped) > most:
        lines.append(f"    ... and {len(report.skipped) - most:,} more (--json lists them all)")
    if findings:
        lines += ["  look at", *(f"    {finding}" for finding in findings)]
    return "\n".join(lines)


def network_text(network: NetworkInfo) -> str:
    """A network block by block, in the order in which a picture passes it."""

    def shape(numbers: tuple[int, ...]) -> str:
        return " x ".join(str(n) for n in (*numbers[1:], numbers[0]))

    lines = [f"{'block':28}{'kind':12}{'in (H x W x C)':>18}{'out':>18}{'parameters':>14}{'MMAC':>10}{'tokens':>8}"]
    for block in network.blocks:
        line = f"{block.name:28}{block.kind:12}{shape(block.in_shape):>18}{shape(block.out_shape):>18}{block.parameters:>14,}{1000 * block.gmacs:>10.1f}"
        lines.append(line + (f"{block.tokens:>8,}" if block.tokens else ""))
    lines.append(f"{'all':28}{'':12}{'':18}{'':18}{network.parameters:>14,}{1000 * network.gmacs:>10.1f}")
    return "\n".join(lines)
