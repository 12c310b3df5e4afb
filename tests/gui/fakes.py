"""Jobs with made-up pictures, for tests and screenshots: no torch, no waiting."""

from __future__ import annotations

import functools
import io
import math
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from ddpm_studio import paths
from ddpm_studio.comparing import RunRead
from ddpm_studio.config import DataConfig, RunConfig
from ddpm_studio.control import RunControl
from ddpm_studio.errors import UserError
from ddpm_studio.events import (
    ArchitectureReady,
    BlendReady,
    BlockInfo,
    CheckpointSaved,
    Contents,
    DatasetExamined,
    DatasetReady,
    DatasetReport,
    Event,
    FeaturesReady,
    Finding,
    Finished,
    FrameReady,
    Images,
    ImageSaved,
    ImagesReady,
    LossByNoise,
    NetworkInfo,
    OriginalLoaded,
    PicturesLoaded,
    PreviewReady,
    Progress,
    Recreated,
    Rows,
    Skipped,
    StepDone,
    TrainingStarted,
    frozen_images,
)
from ddpm_studio.forecast import Forecast
from ddpm_studio.gui.answers import DeviceFound, ModelAbout, ModelChoice, ModelsListed, SourceFound
from ddpm_studio.gui.forward import ForwardReady
from ddpm_studio.gui.inside_jobs import fitted
from ddpm_studio.gui.jobs import Jobs
from ddpm_studio.gui.workers import Job
from ddpm_studio.models import GuideInfo
from ddpm_studio.presets import get_preset
from ddpm_studio.requests import BlendRequest, FeatureRequest, SampleRequest, TrainRequest
from ddpm_studio.runs import Run

SIDE = 32


@functools.cache
def tiles(count: int = 96) -> Images:
    """Pixel tiles that ship with the program, uint8 [count, 32, 32, 3]; blobs where they are missing."""
    archive = paths.samples_archive()
    if not archive.is_file():
        return blobs(count)
    pictures = []
    with zipfile.ZipFile(archive) as files:
        names = sorted(name for name in files.namelist() if name.endswith(".png"))
        for name in names[:: max(1, len(names) // (count + 8))]:
            image = Image.open(io.BytesIO(files.read(name))).convert("RGBA")
            ground = Image.new("RGB", image.size, "white")
            ground.paste(image, mask=image.getchannel("A"))
            pictures.append(np.asarray(ground.resize((SIDE, SIDE), Image.Resampling.NEAREST)))
            if len(pictures) == count:
                break
    return frozen_images(np.stack(pictures))


def blobs(count: int = 16, seed: int = 0) -> Images:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    pictures = []
    for _ in range(count):
        picture = np.ones((SIDE, SIDE, 3)) * rng.uniform(0.05, 0.3, 3)
        for _ in range(3):
            cx, cy, r = rng.uniform(0.2, 0.8, 3) * (1, 1, 0.4)
            picture += np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / r**2)[:, :, None] * rng.uniform(0, 1, 3)
        pictures.append(np.clip(picture, 0, 1) * 255)
    return frozen_images(np.stack(pictures))


def noised(images: Images, alpha_bar: float, seed: int = 0) -> Images:
    """q(x_t | x_0), as a picture."""
    noise = np.random.default_rng(seed).normal(size=images.shape)
    x = math.sqrt(alpha_bar) * (images / 127.5 - 1) + math.sqrt(1 - alpha_bar) * noise
    return frozen_images(np.clip(x * 0.6 * 127.5 + 128, 0, 255))


def softened(images: Images, amount: float) -> Images:
    """What a network that has not learnt enough makes of a picture."""
    side = max(2, round(SIDE * (1 - amount)))
    out = [np.asarray(Image.fromarray(p).resize((side, side), Image.Resampling.BOX).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for p in images]
    return frozen_images(np.stack(out))


SHAPES = (3, 32, 32), (12, 16, 16)
"""Of a picture, and of its patches."""


def blocks(levels: tuple[int, ...] = (32, 64, 128), size: int = 16, skip: bool = True) -> tuple[BlockInfo, ...]:
    found = [BlockInfo("stem", "stem", "stem", 0, (12, size, size), (levels[0], size, size), 3_500, 0.001)]
    channels, side = levels[0], size
    for level, width in enumerate(levels):
        found.append(BlockInfo(f"down.{level}.res0", "res", "down", level, (channels, side, side), (width, side, side), width * width * 20, 0.02))
        channels = width
        if level == 1:
            found.append(BlockInfo(f"down.{level}.attn0", "attention", "down", level, (width, side, side), (width, side, side), width * width * 4, 0.004))
        if level < len(levels) - 1:
            found.append(BlockInfo(f"down.{level}.down", "down", "down", level, (width, side, side), (width, side // 2, side // 2), width * width * 9, 0.006))
            side //= 2
    for i, kind in enumerate(("res", "attention", "res")):
        found.append(BlockInfo(f"middle{i}", kind, "middle", len(levels) - 1, (channels, side, side), (channels, side, side), channels * channels * 18, 0.012))
    for level in reversed(range(len(levels))):
        width = levels[level]
        for i in range(2):
            found.append(BlockInfo(f"up.{level}.res{i}", "res", "up", level, (channels + width, side, side), (width, side, side), width * width * 30, 0.03))
            channels = width
        if level:
            found.append(BlockInfo(f"up.{level}.up", "up", "up", level, (width, side, side), (width, side * 2, side * 2), width * width * 9, 0.01))
            side *= 2
    found.append(BlockInfo("head", "head", "head", 0, (levels[0], size, size), (12, size, size), 3_500, 0.002))
    if skip:
        found.append(BlockInfo("input_skip", "skip", "head", 0, (12, size, size), (12, size, size), 5_000, 0.003))
    return tuple(found)


def preview(step: int, amount: float) -> PreviewReady:
    """`amount`: how little has been learnt, 1 to 0."""
    images = softened(noised(tiles(16), 1 - 0.3 * amount), amount)
    raw = softened(noised(tiles(16)[::2], 1 - min(0.9, 0.3 * amount + 0.02), seed=step), min(0.95, amount + 0.05))
    stages = [softened(noised(tiles(16)[:4], 1 - 0.3 * amount), min(0.95, amount + 0.9 * (1 - stage / 5))) for stage in range(6)]
    return PreviewReady(step, images, True, raw, frozen_images(np.stack(stages)))


def measured(step: int, rng: np.random.Generator) -> LossByNoise:
    """As of a run that begins to copy after 2,000 steps."""
    bands = [0.04 + (0.6 - 0.05 * band) * math.exp(-step / (300 + 60 * band)) + 0.25 * math.exp(-band / 2) + rng.normal() * 0.001 for band in range(10)]
    gap = 0.03 * max(0.0, step / 2000 - 1)
    return LossByNoise(step, tuple(bands), tuple(loss + gap + rng.normal() * 0.001 for loss in bands), 0.006)


class FakeJobs(Jobs):
    """Everything happens at once, unless `pause` says how long a step takes."""

    def __init__(self, pause: float = 0.0, steps: int = 400, models: bool = True) -> None:
        self.pause, self.steps, self.has_models = pause, steps, models
        self.calls: list[str] = []
        self.guides: tuple[GuideInfo, ...] = ()
        self.differing = 0

    def _wait(self) -> None:
        if self.pause:
            time.sleep(self.pause)

    def warm_up(self) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            yield DeviceFound("cpu", "CPU, 2 threads")
            yield Finished()

        return job

    def inspect(self, sources: list[Path], settings: DataConfig) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            self.calls.append(f"inspect {settings.image_size}")
            source = sources[0]
            yield SourceFound(source)
            yield Progress("Reading pictures", 400, 1204, 3.0)
            if source.name == "empty":
                raise UserError("There are no pictures in this folder.", "Choose a folder with jpg, png, webp, bmp, gif or tiff files.")
            self.shape = settings.shape
            report = DatasetReport(
                name=source.name, source=str(source), pictures=1204,
                skipped=(Skipped("a/broken.png", "the file is cut off"), Skipped("notes.gif", "the file is empty"), Skipped("b/icon.png", "too small: 4 x 4 pixels")),
                duplicates=3, image_size=settings.image_size, image_height=settings.shape[0], channels=3,
                smallest=(16, 16), median=(32, 32), largest=(256, 256), grey=12, transparent=96, from_cache=False, seconds=2.4,
            )
            rng = np.random.default_rng(0)
            sizes = np.stack([rng.choice([16, 32, 64, 128, 256], 1204, p=[0.05, 0.6, 0.2, 0.1, 0.05])] * 2, axis=1).astype(np.int32)
            sizes[::7, 1] = sizes[::7, 1] * 4 // 3
            yield DatasetReady(report, tiles(48), Contents(Path("/cache"), tuple(f"tiles/{i:04}.png" for i in range(1204)), sizes))
            self._wait()
            yield DatasetExamined(
                (
                    Finding("copies", np.array([0, 400, 800, 5, 405]), np.array([0, 0, 0, 1, 1])),
                    Finding("alike", np.array([7, 8, 30, 31, 32, 60, 61]), np.array([0, 0, 1, 1, 1, 2, 2])),
                    Finding("grey", np.arange(10, 22)),
                    Finding("transparent", np.arange(96)),
                ),
                distinct=1201,
                kept_share=0.96,
            )
            yield Finished()

        return job

    def pictures(self, cache: Path, rows: Rows) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            yield PicturesLoaded(cache, rows, tiles(96)[rows % 96])
            yield Finished()

        return job

    def original(self, source: Path, name: str, background: str) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            row = int(Path(name).stem)
            picture = tiles(96)[row % 96].repeat(6, axis=0).repeat(6, axis=1)
            wide = np.concatenate([picture[:, ::-1], picture], axis=1)[:, 60:348]
            yield OriginalLoaded(name, frozen_images(wide), (288, 192))
            yield Finished()

        return job

    def forecast(self, config: RunConfig, device: str, device_label: str) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            yield Forecast(206.0, "measured", "faces-tiny-32-1")
            yield Finished()

        return job

    def remember_left_out(self, source: Path, names: frozenset[str]) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            self.calls.append(f"remember {len(names)}")
            yield Finished()

        return job

    def train(self, request: TrainRequest) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            self.calls.append("train")
            yield Progress("Loading PyTorch")
            start = 200 if request.resume else 0
            if request.config:
                request.run.write_config(request.config)
            yield TrainingStarted(str(request.run.path), start, None, 1_428_000, "CPU, 2 threads")
            rng = np.random.default_rng(0)
            step = start
            while step < start + self.steps and not control.stopping:
                step += 1
                loss = 0.04 + 0.5 * math.exp(-step / 40) + 0.25 * math.exp(-step / 300) + rng.normal() * 0.008
                fraction = (step - start) / self.steps
                rate = 2e-3 * min(1.0, step / 20) * min(1.0, (1 - fraction) / 0.4 + 0.001)
                speed, memory = 412 + rng.normal() * 9, round(6.2e8 + 2e7 * math.tanh(step / 50))
                yield StepDone(step * 10, step * 320, loss, 0.3 + loss + abs(rng.normal()) * 0.1, rate, speed, step * 0.5, fraction, (1 - fraction) * 540, memory=memory)
                if step % 50 == 0 or step == start + 5:
                    amount = 0.92 * math.exp(-step / 150)
                    yield preview(step * 10, amount)
                if step % 20 == 0:
                    yield measured(step * 10, rng)
                if control.pausing:
                    yield CheckpointSaved(step * 10, request.run.model_file)
                    yield from control.gate()
                self._wait()
            yield CheckpointSaved(step * 10, request.run.model_file)
            yield Finished(step * 10, control.stopping)

        return job

    def generate(self, request: SampleRequest) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            self.calls.append("generate")
            final = tiles(96)[np.arange(40, 40 + request.count) % 96]
            columns = min(request.frames, request.steps or 1000)
            first = request.start.timestep if request.start else 999
            for index in range(columns):
                known = (index / max(1, columns - 1)) ** 1.2
                yield Progress("Generating", index + 1, columns)
                yield FrameReady(index, columns, round(first * (1 - known)), noised(final, known), softened(final, 0.93 * (1 - known)), noised(final, 0.0), columns - index)
                yield from control.gate()
                if control.stopping:
                    yield Finished(stopped=True)
                    return
                self._wait()
            seeds = tuple(request.seed + i for i in range(request.count))
            yield ImagesReady(final, seeds)
            from ddpm_studio import gallery

            for path in gallery.save_pictures(final, gallery.recipes(request, seeds, None, "cpu")):
                yield ImageSaved(path)
            yield Finished(step=columns)

        return job

    def about_model(self, model: Path) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            yield ModelAbout(model, self.guides, 0.1)
            yield Finished()

        return job

    def recreate(self, path: Path, model: Path) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            from ddpm_studio import gallery, imaging

            seed = gallery.read_recipe(path)["seed"]
            yield ImagesReady(frozen_images(imaging.read_pixels(path)[None]), (seed,), 24_000, device="cpu")
            yield Recreated(3072, self.differing, 3 if self.differing else 0, 24_000, "cpu")
            yield Finished()

        return job

    def recreate_blend(self, together: BlendRequest, place: int, path: Path) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            self.calls.append("recreate")
            for event in self.blend(replace(together, weights=(together.weights[place],)))(control):
                yield event
                if isinstance(event, BlendReady):
                    yield Recreated(3072, self.differing, 3 if self.differing else 0, 24_000, "cpu")

        return job

    def blend(self, request: BlendRequest) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            self.calls.append(f"blend {request.weights[0][-1]:.2f} {'quick' if request.quick else 'full'}")
            for number, weights in enumerate(request.weights, 1):
                self._wait()
                yield from control.gate()
                if control.stopping:
                    yield Finished(stopped=True)
                    return
                mixed = sum(weight * image.astype(float) for weight, image in zip(weights, request.images, strict=True))
                if len(request.weights) > 1:
                    yield Progress("Blending", number, len(request.weights))
                yield BlendReady(weights, request.timestep, frozen_images(np.clip(mixed, 0, 255)), math.hypot(*weights), math.hypot(*weights), request.quick)
            yield Finished()

        return job

    def architecture(self, name: str, model: Path | RunConfig) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            found = blocks()
            time = BlockInfo("time", "time", "time", 0, (32,), (128,), 20_736, 0.00002)
            fold, unfold = (BlockInfo(kind, kind, kind, 0, *shapes, 0, 0.0) for kind, shapes in (("fold", SHAPES), ("unfold", SHAPES[::-1])))
            yield ArchitectureReady(name, NetworkInfo(found, sum(b.parameters for b in found), sum(b.gmacs for b in found), 1_000_000, 8, time, (fold, unfold)))
            yield Finished()

        return job

    def forward(self, source: Path | Images, model: Path | None, seed: int) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            self.calls.append(f"forward {seed}")
            u = np.arange(1, 1001) / 1000
            cosine, linear = np.cos(u * np.pi / 2 * 0.99) ** 2, np.exp(-10 * u**2)
            picture = fitted(source, (SIDE, SIDE, 3), "white")
            noise = np.random.default_rng(seed).normal(size=picture.shape).astype(np.float32)
            yield ForwardReady(picture, noise, {"model": cosine, "linear": linear, "cosine": cosine, "sigmoid": cosine**1.2}, seed)
            yield Finished()

        return job

    def features(self, request: FeatureRequest) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            self.calls.append(f"features {request.block} {request.timestep} {request.first}")
            found = {block.name: block for block in blocks()}[request.block]
            channels, side = found.out_shape[0], found.out_shape[1]
            y, x = np.mgrid[0:side, 0:side] / side
            maps = [np.sin((request.first + i + 1) * x * 2 + i * y + request.timestep / 200) for i in range(min(16, channels - request.first))]
            yield FeaturesReady(request.block, request.timestep, request.first, channels, np.clip(128 + 127 * np.stack(maps), 1, 255).astype(np.uint8)[..., None], 2.37)
            yield Finished()

        return job

    def replay(self, run: Run, follow: bool = False) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            for step in range(1, 300):
                yield StepDone(step * 10, step * 320, 0.05 + 0.5 * math.exp(-step / 60), 0.8, 1e-3, 400.0, step * 0.5)
                if step % 20 == 0:
                    yield measured(step * 10, np.random.default_rng(step))
            for step in (600, 1800):
                yield preview(step, 0.92 * math.exp(-step / 1500))
            yield PreviewReady(3000, tiles(16))
            yield Finished()

        return job

    def models(self, also: Path | None = None) -> Job:
        def job(control: RunControl) -> Iterator[Event]:
            found = []
            if self.has_models:
                found.append(ModelChoice("tiles", "tiles (shipped) · 32 x 32 · step 24,000", Path("/models/tiles/model.safetensors"), (SIDE, SIDE, 3), 1000))
                found.append(ModelChoice("faces", "faces (shipped) · 32 x 32 · step 61,000", Path("/models/faces/model.safetensors"), (SIDE, SIDE, 3), 1000))
            yield ModelsListed(tuple(found))
            yield Finished()

        return job


def read(name: str, learning_rate: float = 2e-3) -> RunRead:
    """A run of 3,000 steps that learns the faster the higher its rate."""
    rng = np.random.default_rng(0)
    config = get_preset("tiny-32").with_changes({"training.learning_rate": learning_rate})
    steps = tuple(StepDone(s * 10, s * 320, 0.05 + 0.5 * math.exp(-s * learning_rate / 0.1) + abs(rng.normal()) * 0.01, 0.8, learning_rate, 400.0, s * 0.5) for s in range(1, 301))
    return RunRead(name, config, steps, (measured(3000, rng),), 3000, 96_000, 1500.0)


def make_runs(count: int = 5) -> None:
    """Runs in the data directory, as if somebody had trained them."""
    names = ("pixel_tiles-tiny-32-1", "faces-tiny-32-1", "faces-small-32-1", "flowers-tiny-64-1", "handwriting-tiny-32-1")
    for i, name in enumerate(names[:count]):
        run = Run(paths.runs_dir() / name)
        preset = "-".join(name.split("-")[1:3])
        run.write_config(get_preset(preset))
        step = (24_000, 61_400, 18_250, 9_800, 12_000)[i]
        started = ', "start_from": "faces"' if i == 3 else ""
        notes = f'"step": {step}, "images": {step * 32}, "data": "{name.split("-")[0]}", "source": "/data/{name.split("-")[0]}"{started}'
        run.resume_notes.write_text(f"{{{notes}}}", encoding="utf-8")
        run.resume_file.write_bytes(b"")
        run.model_file.write_bytes(b"")
