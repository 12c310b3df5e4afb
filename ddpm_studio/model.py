"""One trained model: its network, its diffusion, and what can be done with them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ddpm_studio.blend_weights import Weights, pair
from ddpm_studio.config import RunConfig
from ddpm_studio.devices import Device
from ddpm_studio.diffusion import codec
from ddpm_studio.diffusion.gaussian import GaussianDiffusion, Network
from ddpm_studio.diffusion.guidance import Autoguided
from ddpm_studio.diffusion.interpolation import mix
from ddpm_studio.diffusion.sampling import SAMPLE_LOOPS, SampleStep
from ddpm_studio.diffusion.spacing import sampler_timesteps
from ddpm_studio.errors import DamagedFile, UserError
from ddpm_studio.events import Images, NetworkInfo
from ddpm_studio.files import previous_of
from ddpm_studio.language import tr
from ddpm_studio.models import FORMAT_VERSION, find_model, read_sound_header, terms
from ddpm_studio.nn.describe import describe_network
from ddpm_studio.nn.unet import UNet
from ddpm_studio.randomness import ImageNoise
from ddpm_studio.recorded import RecordedNetwork, can_record
from ddpm_studio.requests import NoiseMode, Sampler, Spacing
from ddpm_studio.side_by_side import SideBySide
from ddpm_studio.tensor_files import read_tensors, write_tensors


def inference_bytes(network: NetworkInfo) -> int:
    """About what one picture takes on its way through a network: all that the way up will find again, in float32, and what
    one block works with (its input, normalised and activated copies, its output, and the skip connection beside them)."""
    sizes = {block.name: math.prod(block.in_shape) for block in network.blocks}
    return 4 * (sum(size for name, size in sizes.items() if name.startswith("down")) + 6 * max(sizes.values()))


@dataclass(frozen=True, slots=True)
class Model:
    """A network with the diffusion it was trained for, ready to sample."""

    config: RunConfig
    net: UNet
    diffusion: GaussianDiffusion
    notes: dict[str, Any]
    """step and images at the time of saving."""
    network: Network
    """The network as samplers call it: a batch is spread over the cores of a processor, or recorded on an NVIDIA GPU."""
    remark: str = ""
    """What people should know about where it came from: that a damaged save was passed over."""

    @classmethod
    def load(cls, path_or_name: str | Path, device: str = "cpu") -> Model:
        """From a model folder, run folder, `.safetensors` file or shipped name.

        Raises UserError for anything that is not a whole model of ours; weights are only read once the settings have
        passed and every tensor has the name and shape that they ask for.
        """
        file = find_model(path_or_name)
        try:
            found = cls._read(file, device)
            missing = file.with_name(file.name.replace(".previous.", "."))
            if missing.exists():
                return found
            return replace(found, remark=tr("{name} is missing: the save before it is used, of step {step:,}.", name=missing.name, step=found.step or 0))
        except DamagedFile as damage:
            if not previous_of(file).is_file():
                raise
            before = cls._read(previous_of(file), device)
            return replace(before, remark=tr("{message} The save before it is used, of step {step:,}.", message=damage.message, step=before.step or 0))

    @classmethod
    def _read(cls, file: Path, device: str) -> Model:
        config, notes = read_sound_header(file)
        tensors = read_tensors(file)[0]
        if broken := next((name for name, tensor in tensors.items() if not tensor.float().isfinite().all()), None):
            raise UserError(
                tr("The weights in {name} are not finite numbers ({tensor}).", name=file.name, tensor=broken),
                tr("The training that they come from had failed: use an earlier copy."),
            )
        with torch.device("meta"):
            net = UNet.of(config)
        net.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
        return cls.of(net.to(device), config, notes)

    @classmethod
    def of(cls, net: UNet, config: RunConfig, notes: dict[str, Any] | None = None) -> Model:
        """A model around a network that is already on its device; the network is put into evaluation mode."""
        device = next(net.parameters()).device
        diffusion = GaussianDiffusion(config.diffusion, torch.float32 if device.type == "mps" else torch.float64).to(device)
        net = net.eval().requires_grad_(False)
        network: Network = RecordedNetwork(net) if can_record(device) else SideBySide(net, light=describe_network(config).gmacs <= SideBySide.LIGHT)
        return cls(config, net, diffusion, notes or {}, network)

    @property
    def step(self) -> int | None:
        """How many steps it was trained; None where the file does not say."""
        step = self.notes.get("step")
        return step if isinstance(step, int) else None

    @property
    def device(self) -> torch.device:
        return next(self.net.parameters()).device

    @property
    def batch_size(self) -> int:
        """How many pictures to make at once: enough to keep the device busy, few enough to answer a Cancel soon and to take
        no more than half of the memory that is free."""
        height, width, _ = self.config.data.shape
        network = describe_network(self.config)
        if self.device.type == "cpu":  # up to 32 while a call takes 32 billion multiply-adds at most, but 16 of 32 x 32 in any case
            busy = max(16 * 1024 // (height * width), *(count for count in (1, 2, 4, 8, 16, 32) if count * network.gmacs <= 32), 1)
        else:
            busy = 256 * 1024 // (height * width)
        fitting = Device(self.device, "", False).free_memory() // 2 // inference_bytes(network)
        return max(1, min(256, busy, fitting))

    @property
    def alphas_cumprod(self) -> Tensor:
        """float64 [T]."""
        return self.diffusion.alphas_cumprod.double() if self.device.type != "mps" else self.diffusion.alphas_cumprod.cpu().double()

    @torch.no_grad()
    def predict_noise(self, x_t: Tensor, t: Tensor) -> Tensor:
        """float32 [B, C, H, W] in the scale of [-1, 1], t int64 [B] in 0 ... T-1 -> the noise in it, float32 [B, C, H, W]."""
        x_t, t = x_t.to(self.device), t.to(self.device)
        return self.diffusion.predict_noise(self.network(x_t, t), x_t, t)

    def noise(self, seeds: Sequence[int]) -> tuple[Tensor, ImageNoise]:
        """x_T for each seed, float32 [B, C, H, W] on the device, and the source of the noise of the steps after it."""
        height, width, channels = self.config.data.shape
        source = ImageNoise(seeds)
        return source.draw(torch.empty(len(seeds), channels, height, width, device=self.device)), source

    def timesteps(self, sampler: Sampler, steps: int | None = None, start: int | None = None, spacing: Spacing = "auto") -> list[int]:
        """The timesteps of a walk from `start` (pure noise by default) to the picture in `steps` steps (all timesteps by default).

        A walk that starts at a given noisy picture has its first stop there, however the rest is spread.
        """
        if start is None:
            return sampler_timesteps(sampler, self.diffusion, self.diffusion.num_timesteps - 1, steps, spacing)
        return [start, *sampler_timesteps(sampler, self.diffusion, start, steps, spacing)[1:]]

    def sample_steps(self, x_t: Tensor, source: ImageNoise, sampler: Sampler, timesteps: Sequence[int], eta: float = 0.0, network: Network | None = None) -> Iterator[SampleStep]:
        """All steps from x_t, which belongs to the first of the timesteps, to pictures; `network` stands in for the model's own (guidance)."""
        return SAMPLE_LOOPS[sampler](self.diffusion, network or self.network, x_t, timesteps, source.draw, eta)

    def guided_by(self, guide: Model, weight: float) -> Network:
        """This model's network, guided by a worse one (autoguidance). Raises UserError when the two do not speak of the same noise."""
        if terms(guide.config) != terms(self.config):
            raise UserError(
                tr("The guide is a model of another kind."),
                tr("It must have the same picture size, schedule and prediction type, as an earlier state of the same run has."),
            )
        return Autoguided(self.network, guide.network, weight)

    def sample(self, seeds: Sequence[int], sampler: Sampler = "ddim", steps: int | None = 50, x_T: Tensor | None = None, eta: float = 0.0, t: int | None = None) -> Images:
        """Pictures uint8 [N, H, W, C], one for each seed; `steps` None: all T. With x_T the walk begins at that noise, and
        with t, at that timestep: x_T is then an x_t of whatever origin."""
        x_t, source = self.noise(seeds)
        x_t = x_t if x_T is None else x_T.to(self.device, torch.float32)
        for step in self.sample_steps(x_t, source, sampler, self.timesteps(sampler, steps, t), eta):
            x_t = step.x_next
        return codec.decode(x_t)

    def interpolate(
        self, a: Images, b: Images, lam: float = 0.5, t: int = 500, noise: NoiseMode = "independent", seed: int = 0,
        sampler: Sampler = "ddpm", steps: int | None = None, eta: float = 0.0,
    ) -> Images:  # fmt: skip
        """The blend of two pictures uint8 [H, W, C] at lam, noised to t: uint8 [H, W, C]. By default as in the paper."""
        x_t, source = self.mix((a, b), [pair(lam)], t, noise, seed)[:2]
        for step in self.sample_steps(x_t, source, sampler, self.timesteps(sampler, steps, t), eta):
            x_t = step.x_next
        blended: Images = codec.decode(x_t)[0]
        return blended

    def mix(
        self, images: Sequence[Images], weights: Sequence[Weights], t: int, noise: NoiseMode, seed: int
    ) -> tuple[Tensor, ImageNoise, list[Tensor]]:
        """The mixtures [len(weights), C, H, W] at t, the noise for the steps after it, and the noise given to each picture.

        All noise depends on the seed and the picture's place only, so that nothing but the weights changes from one mixture to the next.
        """
        pictures = [codec.from_images(image[None]).to(self.device) for image in images]
        noises = [ImageNoise([seed], stream).draw(pictures[0]) for stream in range(1, len(pictures) + 1)]
        mixtures = [mix(self.diffusion, pictures, shares, t, noises, noise) for shares in weights]
        return torch.cat(mixtures), ImageNoise([seed] * len(weights)), noises


def save_model(file: Path, weights: dict[str, Tensor], config: RunConfig, notes: dict[str, Any], keep_previous: bool = False) -> None:
    """Write a model file: weights, and everything needed to use them in its header. It holds no path and no name of a user."""
    header = {"format": "ddpm-studio", "format_version": str(FORMAT_VERSION), "config": config.model_dump_json(), "notes": json.dumps(notes)}
    write_tensors(file, weights, header, keep_previous)


def load_cached(path_or_name: str | Path, device: str) -> Model:
    """Like Model.load, but the last three models (one, and two guides) stay in memory until their files change, so a slider need not wait."""
    file = find_model(path_or_name)
    status = file.stat()
    return _load_once(file.absolute(), status.st_mtime_ns, status.st_size, device)


@lru_cache(maxsize=3)
def _load_once(file: Path, modified: int, size: int, device: str) -> Model:
    return Model.load(file, device)
