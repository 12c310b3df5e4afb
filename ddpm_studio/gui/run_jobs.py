"""What is asked of trainings, and of the runs and models that come of them: a part of `jobs.Jobs`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ddpm_studio.config import RunConfig
from ddpm_studio.control import RunControl
from ddpm_studio.errors import UserError
from ddpm_studio.events import Event, Finished, Notice, Progress
from ddpm_studio.gui.answers import ModelAbout, ModelChoice, ModelsListed, RunsListed
from ddpm_studio.language import tr
from ddpm_studio.requests import TrainRequest
from ddpm_studio.runs import Run

if TYPE_CHECKING:
    from ddpm_studio.gui.workers import Job
    from ddpm_studio.models import ModelInfo

AT_ONCE = 8000
"""Numbers of a past run that the window is given in one go: more would hold it up."""


class RunJobs:
    def forecast(self, config: RunConfig, device: str, device_label: str) -> Job:
        """How fast a training with these settings may be."""

        def job(control: RunControl) -> Iterator[Event]:
            from ddpm_studio.forecast import forecast
            from ddpm_studio.nn.describe import describe_network

            yield forecast(config, device, device_label, lambda settings: describe_network(settings).gmacs)
            yield Finished()

        return job

    def train(self, request: TrainRequest) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            yield Progress(tr("Loading PyTorch"))
            from ddpm_studio.training.engine import train

            yield from train(request, control)

        return job

    def replay(self, run: Run, follow: bool = False) -> Job:
        """The journal of a run, and its previews; with `follow` also what another process adds to them, as long as it trains."""

        def job(control: RunControl) -> Iterator[Event]:
            from ddpm_studio.journal import JournalReader
            from ddpm_studio.previews import list_previews, read_preview
            from ddpm_studio.runs import is_in_training

            reader, seen = JournalReader(run), set[Path]()
            shape = run.read_config().data.shape
            following = follow and is_in_training(run)
            if following:
                yield Notice(tr("The run {name} is being trained by another window or command: it is shown as it goes, and can be changed only there.", name=run.name))
            while True:
                found = reader.read_new()
                for start in range(0, len(found), AT_ONCE):
                    yield from found[start : start + AT_ONCE]
                    if start + AT_ONCE < len(found) and control.wait(0.04):
                        return
                new = [file for file in list_previews(run) if file not in seen]
                seen.update(new)
                for file in spread(new, 200):
                    if control.stopping:
                        break
                    if (preview := read_preview(file, shape)) is not None:
                        yield preview
                if not following or control.wait(0.5):
                    break
                following = is_in_training(run)  # looked at before the last reading, so that nothing is missed
                if not following:
                    yield Notice(tr("The run {name} is not trained any more by the other window or command.", name=run.name))
            yield Finished()

        return job

    def list_runs(self) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            from ddpm_studio.runs import newest_runs

            found = []
            for info in newest_runs():
                if control.stopping:
                    return
                found.append(info)
            yield RunsListed(tuple(found))
            yield Finished()

        return job

    def read_runs(self, runs: Sequence[Run]) -> Job:
        """RunRead for each of them."""

        def job(control: RunControl) -> Iterator[Event]:
            from ddpm_studio.comparing import read_run

            for run in runs:
                yield read_run(run)
            yield Finished()

        return job

    def models(self, also: Path | None = None) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            from ddpm_studio.models import list_models

            yield ModelsListed(tuple(_as_choice(info) for info in list_models(also)))
            yield Finished()

        return job

    def about_model(self, model: Path) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            if model.is_file():  # one in training may not have been saved yet
                from ddpm_studio.models import list_guides, read_header
                from ddpm_studio.nn.describe import describe_network

                yield ModelAbout(model, tuple(list_guides(model)), describe_network(read_header(model)[0]).gmacs)
            yield Finished()

        return job

    # Short enough to be called where they are needed.

    def model_step(self, model: Path) -> int | None:
        """How many steps a model was trained so far; None where it does not say, or has not been saved yet."""
        from ddpm_studio.models import read_header, there

        try:
            step = read_header(file)[1].get("step") if (file := there(model)) else None
        except UserError:
            return None
        return step if isinstance(step, int) else None


def spread(files: list[Path], most: int) -> list[Path]:
    """At most so many of them, evenly spread, with the first and the last."""
    return files if len(files) <= most else [files[round(i * (len(files) - 1) / (most - 1))] for i in range(most)]


def _as_choice(info: ModelInfo) -> ModelChoice:
    examples = tuple(sorted(info.path.parent.glob("example_*.png")))
    return ModelChoice(info.name, info.label, info.path, info.shape, info.num_timesteps, info.background, examples, info.former)
