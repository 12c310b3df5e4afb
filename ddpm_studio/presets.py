"""Named settings for the machines that people have, and the choice among them."""

from __future__ import annotations

from ddpm_studio.config import DataConfig, DiffusionConfig, ModelConfig, RunConfig, TrainConfig
from ddpm_studio.errors import UserError
from ddpm_studio.language import later, tr

PAPER_DIFFUSION = DiffusionConfig(beta_schedule="linear", prediction_type="epsilon", loss_weighting="simple", variance_type="fixedlarge")
PAPER_TRAINING = TrainConfig(adam_beta2=0.999, warmup_steps=5000, decay_share=0.0, ema_decay=0.9999, ema_warmup=False, precision="float32")

PRESETS: dict[str, RunConfig] = {
    "tiny-32": RunConfig(preset="tiny-32"),
    "small-32": RunConfig(
        preset="small-32",
        model=ModelConfig(base_channels=64, channel_mults=(1, 2, 4), num_res_blocks=1, stem_patch=2),
        training=TrainConfig(learning_rate=1e-3, ema_decay=0.999),
    ),
    "tiny-64": RunConfig(
        preset="tiny-64",
        data=DataConfig(image_size=64),
        model=ModelConfig(base_channels=32, channel_mults=(1, 1, 2, 4), num_res_blocks=1, attention=(False, False, True, False), stem_patch=2),
    ),
    "small-64": RunConfig(
        preset="small-64",
        data=DataConfig(image_size=64),
        model=ModelConfig(base_channels=64, channel_mults=(1, 2, 3, 4), num_res_blocks=2, attention=(False, False, True, False), stem_patch=2),
        training=TrainConfig(learning_rate=5e-4, ema_decay=0.9995),
    ),
    "base-32": RunConfig(
        preset="base-32",
        model=ModelConfig(base_channels=128, channel_mults=(1, 2, 2), num_res_blocks=2, attention=(False, True, False), stem_patch=1, norm_groups=32, dropout=0.1),
        training=TrainConfig(batch_size=128, learning_rate=4e-4, warmup_steps=1000, ema_decay=0.9995),
    ),
    "annotated": RunConfig(
        preset="annotated",
        diffusion=PAPER_DIFFUSION,
        # Widths 64, 128, 128, 256 (the implementation multiplies its multipliers up to 1024) and attention at 16 x 16 (there at 4 x 4).
        model=ModelConfig(
            base_channels=64, channel_mults=(1, 2, 2, 4), num_res_blocks=2, attention=(False, True, False, False), stem_patch=1,
            downsample="conv", downsample_padding="symmetric", upsample="transposed", up_narrowing="before", dropout=0.1, norm_groups=32, input_skip=False,
        ),
        training=TrainConfig(batch_size=64, learning_rate=2e-4, warmup_steps=1000, ema_decay=0.999),
    ),
    "paper-cifar10": RunConfig(
        preset="paper-cifar10",
        diffusion=PAPER_DIFFUSION,
        model=ModelConfig(
            base_channels=128, channel_mults=(1, 2, 2, 2), num_res_blocks=2, attention=(False, True, False, False), stem_patch=1,
            downsample="conv", downsample_padding="asymmetric", upsample="nearest", dropout=0.1, norm_groups=32, norm_eps=1e-6, input_skip=False,
        ),
        training=PAPER_TRAINING.model_copy(update={"batch_size": 128, "learning_rate": 2e-4, "total_steps": 800_000}),
    ),
    "paper-256": RunConfig(
        preset="paper-256",
        data=DataConfig(image_size=256),
        diffusion=PAPER_DIFFUSION.model_copy(update={"variance_type": "fixedsmall"}),
        model=ModelConfig(
            base_channels=128, channel_mults=(1, 1, 2, 2, 4, 4), num_res_blocks=2, attention=(False, False, False, False, True, False), stem_patch=1,
            downsample="conv", downsample_padding="asymmetric", upsample="nearest", dropout=0.0, norm_groups=32, norm_eps=1e-6, input_skip=False,
        ),
        training=PAPER_TRAINING.model_copy(update={"batch_size": 64, "learning_rate": 2e-5, "total_steps": 500_000}),
    ),
}

DESCRIPTIONS: dict[str, str] = {
    "tiny-32": later("32 x 32 on a laptop's processor: faces in about ten minutes."),
    "small-32": later("32 x 32, four times the work of tiny-32: an evening on a processor, minutes on a GPU."),
    "tiny-64": later("64 x 64 on a laptop's processor, for an hour or a night."),
    "small-64": later("64 x 64 for a GPU."),
    "base-32": later("32 x 32 for a GPU."),
    "annotated": later("The U-Net of the article and its annotated implementation: strided convolution down, transposed convolution up."),
    "paper-cifar10": later("Exactly the network and recipe of Ho et al. 2020 for CIFAR-10: days on a GPU."),
    "paper-256": later("Exactly the network and recipe of Ho et al. 2020 for faces of 256 x 256: weeks on a large GPU."),
}


def get_preset(name: str) -> RunConfig:
    if name not in PRESETS:
        raise UserError(tr("There is no preset called {name!r}.", name=name), tr("Choose one of: auto, {names}.", names=", ".join(PRESETS)))
    return PRESETS[name]


def choose_preset(device: str, image_size: int | None, shorter_side: int | None = None) -> tuple[str, str]:
    """The preset that suits a device ("cpu", "mps", "cuda") and a picture size, and why, in one sentence.

    `image_size` is what the user asked for; without it the median shorter side of the pictures decides between 32 and 64.
    """
    wanted = image_size or (64 if device != "cpu" and (shorter_side or 32) >= 64 else 32)
    small = wanted <= 32
    name = {"cpu": "tiny-32", "mps": "small-32"}.get(device, "base-32") if small else "tiny-64" if device == "cpu" else "small-64"
    where = {"cpu": tr("a processor without a GPU"), "mps": tr("an Apple GPU")}.get(device, tr("an NVIDIA GPU"))
    return name, tr("{name}, because this machine trains on {device} and the pictures become {side} x {side}.", name=name, device=where, side=wanted)
