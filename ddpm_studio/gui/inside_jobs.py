"""What the page Inside asks of the engines: a part of `jobs.Jobs`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ddpm_studio.config import DataConfig, RunConfig
from ddpm_studio.control import RunControl
from ddpm_studio.events import ArchitectureReady, Event, Finished, Images, Progress, frozen_images
from ddpm_studio.gui.forward import OF_MODEL, ForwardReady
from ddpm_studio.language import tr
from ddpm_studio.requests import FeatureRequest
from ddpm_studio.runs import Run

if TYPE_CHECKING:
    from ddpm_studio.gui.workers import Job


class InsideJobs:
    def architecture(self, name: str, model: Path | RunConfig) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            yield Progress(tr("Measuring the network"))
            from ddpm_studio.nn.describe import describe_network

            yield ArchitectureReady(name, describe_network(model if isinstance(model, RunConfig) else settings_of(model)))
            yield Finished()

        return job

    def forward(self, source: Path | Images, model: Path | None, seed: int) -> Job:
        """A picture in the shape that the model wants, its noise, and the schedules to add it by. Without a model 64 x 64 pixels, and the usual schedule."""

        def job(control: RunControl) -> Iterator[Event]:
            from ddpm_studio.sampling.forward import alphas_cumprod, noise_of, plain_schedules

            config = settings_of(model) if model else RunConfig(data=DataConfig(image_size=64))
            picture = fitted(source, config.data.shape, config.data.background)
            schedules = {OF_MODEL: alphas_cumprod(config.diffusion), **plain_schedules(config.diffusion.num_timesteps)}
            yield ForwardReady(picture, noise_of(picture, seed), schedules, seed)
            yield Finished()

        return job

    def features(self, request: FeatureRequest) -> Job:
        """Some feature maps of a block of the network."""

        def job(control: RunControl) -> Iterator[Event]:
            from ddpm_studio.sampling.features import feature_maps

            yield from feature_maps(request, control)

        return job


def fitted(source: Path | Images, shape: tuple[int, int, int], background: str) -> Images:
    """A file or a picture of the window in the shape that a model wants: uint8 [H, W, C]."""
    from PIL import Image

    from ddpm_studio import imaging

    if isinstance(source, Path):
        return frozen_images(imaging.load_picture(source, shape, background))
    return frozen_images(imaging.fit(Image.fromarray(source[:, :, 0] if source.shape[2] == 1 else source), shape, background))


def settings_of(model: Path) -> RunConfig:
    """The settings of a model; of one in training that has not been saved yet, those of its run."""
    from ddpm_studio.models import find_model, read_header

    return read_header(find_model(model))[0] if model.exists() else Run(model.parent).read_config()
