"""What to expect of a training with these pictures and settings, in a few sentences; all of it estimates, and said so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QWidget

from ddpm_studio import forecast
from ddpm_studio.config import RunConfig
from ddpm_studio.data import shapes
from ddpm_studio.errors import UserError
from ddpm_studio.events import Event, Failed
from ddpm_studio.forecast import BLOBS, GOOD, RECOGNISABLE, Forecast
from ddpm_studio.gui import theme
from ddpm_studio.gui.pages.dataset_section import DatasetSection
from ddpm_studio.gui.pages.train_settings import SIZES, TrainSettings
from ddpm_studio.gui.studio import Studio
from ddpm_studio.gui.widgets.basics import column, label
from ddpm_studio.gui.words import count, duration, elided, sentences
from ddpm_studio.gui.workers import LatestRun
from ddpm_studio.language import ntr, tr
from ddpm_studio.requests import model_name
from ddpm_studio.runs import Run

MUCH = 0.2
"""From which share on, that shapes cut off, it is said that they do."""


class Expectations(QWidget):
    def __init__(self, studio: Studio, dataset: DatasetSection) -> None:
        super().__init__()
        self.setObjectName("expectations")
        self.setAccessibleName(tr("What to expect"))
        self._studio, self._dataset = studio, dataset
        self._settings: TrainSettings | None = None
        self._forecast: Forecast | None = None
        self._failed = False
        self._asked: tuple[RunConfig, str] | None = None
        self._device = ""
        self.size_label = label("", "caption", "expectedSize", wrap=True)
        self.time_label = label("", "caption", "expectedTime", wrap=True)
        self.copies_label = label("", "caption", "expectedCopies", wrap=True)
        self.setLayout(column(label(tr("What to expect"), "field"), self.size_label, self.time_label, self.copies_label, spacing=4))
        self._run = LatestRun(self, interval=33)
        self._run.events.connect(self._receive)
        self._run.events.connect(studio.report_failures)
        dataset.ready.connect(self.ask)
        dataset.examined.connect(self.show_words)
        dataset.left_out_changed.connect(self.show_words)
        studio.device_found.connect(self._device_found)
        studio.runs_changed.connect(self._forget)
        studio.run_renamed.connect(self._run_renamed)
        self.hide()

    def follow(self, settings: TrainSettings) -> None:
        """From now on, say what comes of these settings."""
        self._settings = settings
        settings.data_changed.connect(self.ask)
        settings.form.edited.connect(self.ask)
        settings.duration.currentIndexChanged.connect(self.show_words)

    @Slot(str, str)
    def _device_found(self, kind: str, words: str) -> None:
        self._device = words
        self.ask()

    @Slot()
    def _forget(self) -> None:
        """A run has been trained: its speed is known now."""
        if not self._studio.training.active:
            self._asked = None
            self.ask()

    @Slot(object, object)
    def _run_renamed(self, old: Run, new: Run) -> None:
        if self._forecast is None:  # it may just be made, by the old name
            self._forget()
        elif self._forecast.run == old.name:
            self._forecast = replace(self._forecast, run=new.name)
            self.show_words()

    @Slot()
    def ask(self) -> None:
        """Estimate the speed anew, when there are pictures and the settings are others."""
        if self._settings is None or self._dataset.report is None or self._studio.training.active:
            return
        try:
            config = self._settings.config()
        except UserError:
            return
        if (config, self._device) != self._asked:
            self._asked, self._forecast, self._failed = (config, self._device), None, False
            self._run.request(self._studio.jobs.forecast(config, self._studio.device, self._device))
        self.show_words()

    @Slot(list)
    def _receive(self, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, Forecast):
                self._forecast = event
            elif isinstance(event, Failed):
                self._failed = True
        self.show_words()

    @Slot()
    def show_words(self) -> None:
        if self._settings is None or self._dataset.report is None or self._asked is None:
            return
        self.show()
        self.size_label.setText(self._size_words(self._asked[0]))
        self.size_label.setVisible(bool(self.size_label.text()))
        waiting = tr("How long it takes could not be estimated.") if self._failed else tr("Estimating the time…")
        self.time_label.setText(self._time_words(self._forecast) if self._forecast else waiting)
        text, doubtful = self._copies_words()
        self.copies_label.setText(text)
        if self.copies_label.property("tone") != (tone := "warn" if doubtful else ""):
            self.copies_label.setProperty("tone", tone)
            theme.restyle(self.copies_label)

    def _size_words(self, config: RunConfig) -> str:
        """Whether the picture size suits the pictures."""
        sizes, shape, factor = self._dataset.sizes, config.data.shape[:2], config.model.size_factor
        if sizes is None:
            return ""
        used, room, lost = _in_words(shape), shapes.room(sizes, shape), shapes.cut_off(sizes, shape)
        if self._start is not None:  # whose size it is
            soft = tr("Most pictures are smaller than {used}, and look soft.", used=used) if room < 1 else tr("{used} suits these pictures.", used=used)
            return tr("{used} cuts off {share} % of the pictures on average.", used=used, share=round(100 * lost)) if lost >= MUCH else soft
        if room < 1 and (fits := shapes.fitting_shape(sizes, shape, SIZES, factor)):
            return tr("Most pictures are smaller than {used}: {fits} would do, and be quicker.", used=used, fits=_in_words(fits))
        if (height := shapes.better_height(sizes, shape, factor)) is not None:
            before, after = (round(100 * part) for part in (lost, shapes.cut_off(sizes, (height, shape[1]))))
            return tr(
                "{used} cuts off {before} % of the pictures on average; with an image height of {height} (All settings) it would be {after} %.",
                used=used, before=before, after=after, height=height,
            )  # fmt: skip
        if lost >= MUCH:
            many = tr("The pictures are of many shapes: {used} cuts off {share} % on average, and no other height does clearly better.", used=used, share=round(100 * lost))
            return sentences(many, tr("Most pictures are smaller than {used}, and look soft.", used=used) if room < 1 else "")
        if room < 1:
            return tr("Most pictures are smaller than {used}, and look soft.", used=used)
        if room >= 2 and min(shape) < 64:
            larger = _in_words((2 * shape[0], 2 * shape[1]))
            return tr("{used} suits them; they would do for {larger} too, which takes about four times as long.", used=used, larger=larger)
        return tr("{used} suits these pictures.", used=used)

    @property
    def _start(self) -> Path | None:
        """The model that it is to begin with."""
        return self._settings.start_from if self._settings else None

    def _time_words(self, known: Forecast) -> str:
        if self._start is not None:
            a_second = count(max(1, round(known.images_per_second)))
            name = elided(model_name(self._start), 28)
            begun = tr("It begins with what {name} has learnt: the first previews are pictures already, and become more and more like yours.", name=name)
            return sentences(begun, tr("About {count} pictures a second.", count=a_second))
        run = elided(known.run, 28)  # a name without spaces cannot be wrapped
        basis = {
            "measured": tr("Measured with the run {run}.", run=run),
            "scaled": tr("Roughly, from the speed of the run {run} with another network.", run=run),
            "guessed": tr("Roughly, from the size of the network and the number of cores."),
        }[known.basis]
        if not known.comparable:
            a_second = count(max(1, round(known.images_per_second)))
            speed = tr("About {count} pictures a second. How many these settings need was not measured: many more than the quick presets.", count=a_second)
            return sentences(speed, basis)
        words = tr(
            "Blobs after {blobs}, something recognisable after {recognisable}, good pictures after {good}.",
            blobs=duration(known.seconds(BLOBS)), recognisable=duration(known.seconds(RECOGNISABLE)), good=duration(known.seconds(GOOD)),
        )  # fmt: skip
        return sentences(words, basis)

    def _copies_words(self) -> tuple[str, bool]:
        """Whether the model will repeat its pictures, and whether that is worth a warning."""
        report, examined = self._dataset.report, self._dataset.examination
        if report is None or self._settings is None:
            return "", False
        number = max(1, min(examined.distinct if examined else report.pictures, report.pictures - len(self._dataset.left_out)))
        expected = forecast.copying(number)
        words = {
            "certain": ntr("{count} picture is too few: it will be learnt by heart.", "{count} pictures are too few: the model will learn them by heart.", number),
            "likely": tr("Below about 1,000 different pictures a network mostly learns them by heart and repeats them. Shorter training, flip and dropout help."),
            "later": tr("Learning pictures by heart is rare at first and comes with long training; the more pictures, the later."),
            "unlikely": tr("Of so many pictures it hardly learns any by heart."),
        }[expected]
        seconds = self._settings.max_seconds
        if self._forecast and seconds:
            seen = seconds * self._forecast.images_per_second / number
            if seen >= 1:
                words = sentences(words, tr("Each picture is seen about {times} times.", times=count(round(seen))))
        return words, expected in ("certain", "likely")


def _in_words(shape: tuple[int, int]) -> str:
    """Height and width as people say them, the width first."""
    return f"{shape[1]} × {shape[0]}"
