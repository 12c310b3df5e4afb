"""The loss by noise level: on pictures that are learnt from and on held-out ones, over the steps and over t."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from PySide6.QtCore import QRectF, Slot

from ddpm_studio.events import LossByNoise
from ddpm_studio.gui import theme
from ddpm_studio.gui.widgets.plot import Plot
from ddpm_studio.gui.words import count, loss
from ddpm_studio.language import tr

COLUMNS = 400
"""Of the map, along the steps."""
GROWTH = 0.02
"""By how much of the loss the gap must have grown since the middle of the run to be called growing."""

SEEN = 0.02
"""From which share of the loss on the gap is seen in the curves and in the numbers beside them."""


def verdict(measures: Sequence[LossByNoise]) -> str:
    """What the two losses say, in one sentence."""
    if not measures:
        return tr("The loss on held-out pictures is first measured after a few seconds.")
    if not measures[-1].held_out:
        return tr("No pictures are held out of this run, so it cannot be read whether any are being copied.")
    if len(measures) < 3:
        return tr("The loss on held-out pictures has been measured too few times to say more.")
    now, then = (_gap(measure) / max(float(np.mean(measure.training)), 1e-9) for measure in (measures[-1], measures[len(measures) // 2]))
    if _gap(measures[-1]) <= 2 * measures[-1].gap_error:
        if now > SEEN:
            return tr("The gap is no greater than chance makes it with so few held-out pictures: no sign of copying.")
        return tr("Held-out pictures are denoised no worse than training pictures: no sign of copying.")
    if now > then + GROWTH:
        return tr("The gap grows: the model begins to learn pictures by heart.")
    return tr("Held-out pictures are denoised a little worse than training pictures, and the gap does not grow.")


def _gap(measure: LossByNoise) -> float:
    return float(np.mean(measure.held_out) - np.mean(measure.training))


class _NoisePlot(Plot):
    """Holds what was measured."""

    def __init__(self, name: str, title: str, accessible: str) -> None:
        super().__init__(name, title, accessible)
        self.measures: list[LossByNoise] = []

    @property
    def length(self) -> int:
        return len(self.measures)

    def clear(self) -> None:
        self.measures.clear()
        self._begin_again()

    def add(self, measures: Sequence[LossByNoise]) -> None:
        for measure in measures:
            while self.measures and self.measures[-1].step >= measure.step:  # made again after a resume
                self.measures.pop()
            self.measures.append(measure)
        if measures:
            self._say_last()
            self._later()

    def forget_from(self, step: int) -> None:
        """The run was taken up again before this step."""
        if self.measures and self.measures[-1].step > step:
            self.measures = [measure for measure in self.measures if measure.step <= step]
            self._later()

    def _say_last(self) -> None:
        raise NotImplementedError

    def table(self) -> tuple[str, Iterable[Sequence[float]]]:
        bands = range(len(self.measures[-1].training)) if self.measures else range(0)
        names = [f"{group}_{band}" for group in ("training", "held_out") for band in bands]
        gaps = [float("nan")] * len(bands)
        return ",".join(["step", *names, "gap_error"]), ([m.step, *m.training, *(m.held_out or gaps), m.gap_error] for m in self.measures if len(m.training) == len(bands))

    def _nearest(self, step: float) -> LossByNoise:
        return min(self.measures, key=lambda measure: abs(measure.step - step))

    def _means(self, measure: LossByNoise) -> tuple[float, float | None]:
        return float(np.mean(measure.training)), float(np.mean(measure.held_out)) if measure.held_out else None


class GapPlot(_NoisePlot):
    """Both means over the steps, and what lies between them."""

    def __init__(self) -> None:
        super().__init__("heldOutPlot", tr("Held out"), tr("Loss on training pictures and on held-out pictures"))
        self.beside = tr("Loss")

    def _say_last(self) -> None:
        training, held_out = self._means(self.measures[-1])
        if held_out is None:
            self._say(tr("training {training}", training=loss(training)), loss(training))
        else:
            self._say(tr("training {training} · held out {held_out}", training=loss(training), held_out=loss(held_out)), f"{loss(training)} · {loss(held_out)}")
        self.setAccessibleDescription(f"{self.value.text()}. {verdict(self.measures)}")

    def _make(self, item: Any) -> None:
        self._training = item.plot([], [])
        self._held_out = item.plot([], [])
        self._beside = item.plot([], [], pen=self._pg.mkPen(None))  # the training loss where there is the other, too: a run may end to hold pictures out
        self._between = self._pg.FillBetweenItem(self._beside, self._held_out)
        item.addItem(self._between)
        self._use_log(True)

    def _colour(self) -> None:
        self._training.setPen(self._pg.mkPen(theme.color("accent"), width=2))
        self._held_out.setPen(self._pg.mkPen(theme.color("warn"), width=2))
        soft = theme.color("warn")
        soft.setAlpha(70)
        self._between.setBrush(self._pg.mkBrush(soft))

    @Slot()
    def _redraw(self) -> None:
        if self._plot is None:
            return
        steps = [measure.step for measure in self.measures]
        self._training.setData(steps, [self._means(measure)[0] for measure in self.measures], **_dots("accent", steps))
        both = [measure for measure in self.measures if measure.held_out]
        self._beside.setData([measure.step for measure in both], [self._means(measure)[0] for measure in both])
        self._held_out.setData([measure.step for measure in both], [self._means(measure)[1] for measure in both], **_dots("warn", steps))
        self._explain_colours([("accent", tr("training")), ("warn", tr("held out"))] if both else [])

    def _read(self, x: float, y: float) -> tuple[float, str] | None:
        measure = self._nearest(x)
        training, held_out = self._means(measure)
        lines = [tr("step {step}", step=count(measure.step)), tr("training {training}", training=loss(training))]
        if held_out is not None:
            lines += [tr("held out {held_out}", held_out=loss(held_out)), tr("gap {gap} ± {error}", gap=f"{held_out - training:+.4f}", error=f"{measure.gap_error:.4f}")]
        return measure.step, "\n".join(lines)


def _dots(token: str, steps: list[int]) -> dict[str, object]:
    """How points are drawn: a line through a single one would not be seen."""
    colour = theme.color(token)
    return {"symbol": "o", "symbolSize": 6, "symbolBrush": colour, "symbolPen": colour} if len(steps) == 1 else {"symbol": None}


class NoiseMap(_NoisePlot):
    """Steps to the right, t upwards; the more a spot stands out from the ground, the greater the loss on training pictures there."""

    def __init__(self) -> None:
        super().__init__("noiseMapPlot", tr("By noise"), tr("Loss by noise level over the steps"))
        self.beside = ""  # its numbers begin with a t

    def _say_last(self) -> None:
        lowest, highest = min(self.measures[-1].training), max(self.measures[-1].training)
        self._say(tr("loss {lowest} to {highest}", lowest=loss(lowest), highest=loss(highest)), f"{loss(lowest)} – {loss(highest)}")

    def _make(self, item: Any) -> None:
        self._image = self._pg.ImageItem(axisOrder="row-major")
        item.addItem(self._image)
        item.getViewBox().setDefaultPadding(0.0)

    def _colour(self) -> None:
        stops = [theme.color(token) for token in ("well", "accent", "kind_attention", "warn")]
        colours = self._pg.ColorMap([0.0, 0.45, 0.75, 1.0], stops)
        self._image.setLookupTable(colours.getLookupTable(nPts=256))
        for side in ("left", "bottom"):
            self._plot.getAxis(side).setGrid(False)

    @Slot()
    def _redraw(self) -> None:
        if self._plot is None:
            return
        if not self.measures:
            self._image.clear()
            return
        newest = self.measures[-1]
        known = [measure for measure in self.measures if len(measure.training) == len(newest.training)]
        steps = np.array([measure.step for measure in known], dtype=float)
        edges = np.concatenate([[0.0], (steps[1:] + steps[:-1]) / 2, [steps[-1]]])
        places = (np.arange(COLUMNS) + 0.5) / COLUMNS * max(steps[-1], 1.0)
        losses = np.log10(np.maximum([measure.training for measure in known], 1e-9))
        chosen = np.clip(np.searchsorted(edges, places) - 1, 0, len(known) - 1)
        self._image.setImage(losses[chosen].T, levels=(float(losses.min()), float(losses.max()) + 1e-6))
        self._plot.getAxis("left").setTicks([[(t, f"t {t}") for t in (0, newest.num_timesteps // 2, newest.num_timesteps)]])
        self._image.setRect(QRectF(0, 0, max(steps[-1], 1.0), newest.num_timesteps))

    def _read(self, x: float, y: float) -> tuple[float, str] | None:
        measure = self._nearest(x)
        bands, total = len(measure.training), measure.num_timesteps
        band = int(y * bands / total)
        if not 0 <= y < total or band >= bands:
            return None
        lines = [tr("step {step}", step=count(measure.step)), tr("t {low} to {high}", low=band * total // bands, high=(band + 1) * total // bands - 1)]
        lines.append(tr("training {training}", training=loss(measure.training[band])))
        if measure.held_out:
            lines.append(tr("held out {held_out}", held_out=loss(measure.held_out[band])))
        return measure.step, "\n".join(lines)
