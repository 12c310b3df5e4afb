"""The network against the paper's numbers and against another implementation of it."""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from ddpm_studio.config import ModelConfig
from ddpm_studio.errors import UserError
from ddpm_studio.nn.describe import describe_network
from ddpm_studio.nn.ema import ema_decay_at, ema_update, is_ripe
from ddpm_studio.nn.unet import AttentionBlock, ResBlock, UNet, timestep_embedding
from ddpm_studio.presets import PRESETS
from ddpm_studio.tensor_layout import tensor_layout
from tests.core.made_up import diffusers_or_skip


def test_paper_cifar10_has_the_papers_size() -> None:
    network = describe_network(PRESETS["paper-cifar10"])
    assert network.parameters == 35_746_307
    assert network.gmacs == pytest.approx(6.2, abs=0.05)


def test_paper_256_has_the_papers_size() -> None:
    config = PRESETS["paper-256"]
    network = describe_network(config)
    assert network.parameters == 113_673_219
    assert network.gmacs == pytest.approx(248.5, abs=0.05)
    assert {block.in_shape[1:] for block in network.blocks if block.kind == "attention"} == {(16, 16), (8, 8)}
    assert (config.model.dropout, config.training.batch_size, config.training.learning_rate) == (0.0, 64, 2e-5)


def test_the_annotated_network_is_that_of_the_article_without_its_slips() -> None:
    config = PRESETS["annotated"]
    blocks = {block.name: block for block in describe_network(config).blocks}
    assert [blocks[f"down.{i}.blocks.1"].out_shape[0] for i in range(4)] == [64, 128, 128, 256]
    assert blocks["down.1.attention.0"].tokens == 256
    assert blocks["up.0.resample"].in_shape == (128, 4, 4)
    assert config.model.attention_norm
    assert config.data.flip
    assert config.training.ema_decay > 0.99


def test_tiny_32_costs_little_more_than_half_a_gigaflop() -> None:
    assert 6 * describe_network(PRESETS["tiny-32"]).gmacs == pytest.approx(0.6, abs=0.02)


ODDITIES: dict[str, dict[str, Any]] = {
    "patches of attention": {"model.attention_patch": 2, "model.num_heads": 4, "model.attention_norm": False},
    "transposed, narrowed before": {"model.upsample": "transposed", "model.up_narrowing": "before", "model.stem_patch": 1},
    "averaged, not square": {"model.downsample": "average", "data.image_height": 64, "model.dropout": 0.1, "model.middle_attention": False},
    "as it is imported": {
        "model.freq_shift": 0, "model.head_norm_groups": 4, "model.downsample_padding": "asymmetric", "model.norm_eps": 1e-6, "model.input_skip": False,
        "model.stem_patch": 1, "model.num_heads": 2, "model.num_res_blocks": 2, "diffusion.variance_type": "learned",
    },
    "learned variance": {"diffusion.variance_type": "learned", "model.num_res_blocks": 3, "model.attention": (True, True, True)},
}


@pytest.mark.parametrize("name", [*PRESETS, *ODDITIES])
def test_the_description_is_what_a_network_does(name: str) -> None:
    """Against the network itself, run without numbers, and torch's own counter of operations."""
    config = PRESETS[name] if name in PRESETS else PRESETS["tiny-32"].with_changes(ODDITIES[name])
    described = describe_network(config)
    with torch.device("meta"):
        net = UNet.of(config).eval()
        height, width, channels = config.data.shape
        x, t = torch.empty(1, channels, height, width), torch.zeros(1, dtype=torch.int64)
    shapes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}
    outputs = []
    for block_name, module in net.named_modules():
        module.register_forward_hook(lambda _, inputs, output, name=block_name: shapes.update({name: (tuple(inputs[0].shape[1:]), tuple(output.shape[1:]))}))
        if not list(module.children()):
            module.register_forward_hook(lambda _, inputs, output: outputs.append(output.numel()))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(x, t)
    assert tensor_layout(config) == {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    flops = {module.removeprefix("UNet."): sum(counts.values()) for module, counts in counter.get_flop_counts().items()}

    assert [block.name for block in described.blocks] == [name for name in shapes if name in {block.name for block in described.blocks}]
    for block in described.blocks:
        assert (block.in_shape, block.out_shape) == shapes[block.name], block.name
        assert block.gmacs == pytest.approx(flops.get(block.name, 0) / 2e9), block.name
        assert block.parameters == sum(parameter.numel() for parameter in net.get_submodule(block.name).parameters())
    if config.model.stem_patch == 1:
        assert described.folding == ()
    else:
        fold, unfold = described.folding
        assert (fold.in_shape, fold.out_shape) == ((channels, height, width), shapes["stem"][0])
        assert (unfold.in_shape, unfold.out_shape) == (shapes["head"][1], shapes[""][1])
    assert described.time is not None
    beside = sum(parameter.numel() for parameter in net.head_norm.parameters())
    assert sum(block.parameters for block in described.blocks) + described.time.parameters + beside == described.parameters == sum(p.numel() for p in net.parameters())
    assert (described.time.in_shape[0], described.time.out_shape) == (shapes["time1"][0][-1], shapes["time2"][1][-1:])
    assert described.gmacs == pytest.approx(counter.get_total_flops() / 2e9)
    assert described.activations == sum(outputs)


def test_describing_loads_no_compiler() -> None:
    """It is done at the start of every training, and torch's compilers take four seconds to load."""
    program = "from ddpm_studio.nn.describe import describe_network; from ddpm_studio.presets import PRESETS; describe_network(PRESETS['tiny-32'])"
    code = f"import sys; {program}; assert 'torch._dynamo' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", list(PRESETS))
def test_presets_describe_themselves(name: str) -> None:
    config = PRESETS[name]
    network = describe_network(config)
    assert network.blocks[0].kind == "stem"
    assert network.blocks[-1].kind == ("skip" if config.model.input_skip else "head")
    assert sum(block.gmacs for block in network.blocks) == pytest.approx(network.gmacs, rel=0.01)
    levels = len(config.model.channel_mults)
    assert {block.level for block in network.blocks} == set(range(levels))
    per_side = config.model.num_res_blocks
    assert sum(block.kind == "res" for block in network.blocks) == levels * (2 * per_side + 1) + 2
    # What goes in comes out of the block before it, but for what the skip connections add on the way up.
    chain = [block for block in network.blocks if block.kind != "skip"]
    for before, after in itertools.pairwise(chain):
        assert after.in_shape[1:] == before.out_shape[1:]
        assert after.in_shape[0] >= before.out_shape[0]


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig(),
        ModelConfig(stem_patch=1, downsample="average", upsample="transposed", channel_mults=(1, 2), attention=(True, True)),
        ModelConfig(stem_patch=4, num_heads=4, middle_attention=False, downsample_padding="asymmetric", dropout=0.3),
        ModelConfig(attention_patch=2, num_heads=2, attention_norm=False, up_narrowing="before", head_norm_groups=4, channel_mults=(2, 2, 4)),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes_and_first_answer(config: ModelConfig, channels: int) -> None:
    net = UNet(config, channels)
    x = torch.randn(2, channels, 32, 48)
    out = net(x, torch.tensor([0, 999]))
    assert out.shape == x.shape
    # The last layer starts at zero, so training starts from a network that answers 0.
    assert torch.count_nonzero(out) == 0
    out.square().sum().backward()


@pytest.mark.parametrize("name", ["tiny-32", "base-32"])
def test_checkpointing_keeps_less_and_changes_nothing(name: str) -> None:
    config = PRESETS[name].with_changes({"model.base_channels": 32, "model.dropout": 0.2})
    torch.manual_seed(0)
    net = UNet.of(config)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    x, t = torch.randn(2, 3, 32, 32), torch.tensor([3, 800])
    kept, gradients = [], []
    for on in (False, True):
        net.use_checkpointing(on)
        net.zero_grad()
        storages: dict[int, int] = {}

        def keep(value: torch.Tensor, storages: dict[int, int] = storages) -> torch.Tensor:
            storages[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
            return value

        torch.manual_seed(1)  # dropout
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
            loss = net(x, t).square().mean()
        kept.append(sum(storages.values()))
        loss.backward()
        gradients.append([parameter.grad.clone() for parameter in net.parameters() if parameter.grad is not None])
    assert kept[1] < 0.7 * kept[0]  # weights, which both keep, are counted too
    for plain, again in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, again)


def test_time_reaches_every_residual_block() -> None:
    net = UNet(ModelConfig(), 3)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    net(torch.randn(2, 3, 32, 32), torch.tensor([10, 900])).square().sum().backward()
    blocks = [module for module in net.modules() if isinstance(module, ResBlock)]
    assert blocks
    assert all(block.time.weight.grad is not None and block.time.weight.grad.abs().sum() > 0 for block in blocks)


def test_attention_switches() -> None:
    def count(config: ModelConfig) -> int:
        return sum(isinstance(module, AttentionBlock) for module in UNet(config, 3).modules())

    assert count(ModelConfig(attention=(False, False, False), middle_attention=False)) == 0
    assert count(ModelConfig(attention=(False, False, False))) == 1
    assert count(ModelConfig(attention=(False, True, False))) == 1 + 1 + 2


@torch.no_grad()
@pytest.mark.parametrize(("patch", "heads"), [(1, 1), (2, 1), (2, 4), (4, 2)])
def test_attention_among_patches(patch: int, heads: int) -> None:
    """Fold, one linear layer for queries, keys and values, attend, another linear layer, unfold: written out with vectors."""
    block = AttentionBlock(16, ModelConfig(attention_patch=patch, num_heads=heads)).double()
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    x = torch.randn(2, 16, 8, 12, dtype=torch.float64)
    tokens = torch.nn.functional.unfold(block.norm(x), patch, stride=patch).transpose(1, 2)  # [B, tokens, 16 * patch^2]
    assert tokens.shape[1] == 8 * 12 // patch**2
    weight, bias = block.query_key_value.weight.flatten(1), block.query_key_value.bias
    query, key, value = (part.unflatten(2, (heads, -1)).transpose(1, 2) for part in (tokens @ weight.T + bias).chunk(3, dim=2))
    shares = (query @ key.transpose(2, 3) / (16 / heads) ** 0.5).softmax(dim=3)
    answer = (shares @ value).transpose(1, 2).flatten(2) @ block.out.weight.flatten(1).T + block.out.bias
    torch.testing.assert_close(block(x), x + torch.nn.functional.fold(answer.transpose(1, 2), (8, 12), patch, stride=patch))


def test_patches_make_attention_cheaper_and_must_fit() -> None:
    def attention(patch: int) -> tuple[int, float]:
        block = next(block for block in describe_network(PRESETS["paper-cifar10"].with_changes({"model.attention_patch": patch})).blocks if block.kind == "attention")
        return block.tokens, block.gmacs

    assert [attention(patch)[0] for patch in (1, 2, 4)] == [256, 64, 16]
    # The projections stay; among T tokens of C channels the attention itself costs 2 T^2 C.
    assert attention(1)[1] - attention(2)[1] == pytest.approx(2 * (256**2 - 64**2) * 256 / 1e9, rel=1e-3)
    with pytest.raises(UserError, match=r"model.attention_patch 4 does not divide the 2 x 2 feature map of level 5, which has attention"):
        PRESETS["paper-cifar10"].with_changes({"model.channel_mults": (1, 2, 2, 2, 2), "model.attention": (False,) * 5, "model.attention_patch": 4})
    PRESETS["paper-cifar10"].with_changes(
        {"model.channel_mults": (1, 2, 2, 2, 2), "model.attention": (True, False, False, False, False), "model.middle_attention": False, "model.attention_patch": 4}
    )


def test_timestep_embedding_is_sines_then_cosines() -> None:
    embedding = timestep_embedding(torch.tensor([0, 1, 500]), 8)
    assert embedding.shape == (3, 8)
    torch.testing.assert_close(embedding[0], torch.tensor([0.0] * 4 + [1.0] * 4))
    frequencies = torch.tensor([1.0, 10000 ** (-1 / 3), 10000 ** (-2 / 3), 1e-4])
    torch.testing.assert_close(embedding[2], torch.cat([(500 * frequencies).sin(), (500 * frequencies).cos()]), rtol=1e-4, atol=1e-4)


def test_equals_diffusers() -> None:
    """UNet2DModel in the configuration of google/ddpm-cifar10-32, its random weights copied into ours."""
    diffusers = diffusers_or_skip()
    theirs = diffusers.UNet2DModel(
        sample_size=32,
        block_out_channels=(32, 64, 64, 64),
        layers_per_block=2,
        attention_head_dim=None,
        downsample_padding=0,
        flip_sin_to_cos=False,
        freq_shift=1,
        norm_eps=1e-6,
        norm_num_groups=32,
        act_fn="silu",
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    ).eval()
    paper = PRESETS["paper-cifar10"].model
    ours = UNet(paper.model_copy(update={"base_channels": 32, "channel_mults": (1, 2, 2, 2)}), 3).eval()
    torch.manual_seed(0)
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    ours.load_state_dict(_from_diffusers(theirs.state_dict(), ours))
    x, t = torch.randn(2, 3, 32, 32), torch.tensor([3, 800])
    with torch.no_grad():
        expected, got = theirs(x, t).sample, ours(x, t)
    assert ((got - expected).abs().max() / expected.abs().max()).item() < 1e-5


def _from_diffusers(theirs: dict[str, torch.Tensor], ours: UNet) -> dict[str, torch.Tensor]:
    out: dict[str, torch.Tensor] = {}

    def take(our: str, their: str) -> None:
        for part in ("weight", "bias"):
            if f"{their}.{part}" in theirs:
                out[f"{our}.{part}"] = theirs[f"{their}.{part}"]

    def res(our: str, their: str) -> None:
        for a, b in (("norm1", "norm1"), ("conv1", "conv1"), ("time", "time_emb_proj"), ("norm2", "norm2"), ("conv2", "conv2"), ("shortcut", "conv_shortcut")):
            take(f"{our}.{a}", f"{their}.{b}")

    def attention(our: str, their: str) -> None:
        take(f"{our}.norm", f"{their}.group_norm")
        for part in ("weight", "bias"):
            qkv = torch.cat([theirs[f"{their}.to_{name}.{part}"] for name in "qkv"])
            out[f"{our}.query_key_value.{part}"] = qkv[:, :, None, None] if part == "weight" else qkv
        out[f"{our}.out.weight"] = theirs[f"{their}.to_out.0.weight"][:, :, None, None]
        out[f"{our}.out.bias"] = theirs[f"{their}.to_out.0.bias"]

    take("time1", "time_embedding.linear_1")
    take("time2", "time_embedding.linear_2")
    take("stem", "conv_in")
    take("head_norm", "conv_norm_out")
    take("head", "conv_out")
    res("middle1", "mid_block.resnets.0")
    res("middle2", "mid_block.resnets.1")
    attention("middle_attention", "mid_block.attentions.0")
    for side, their_side, resample in (("down", "down_blocks", "downsamplers.0.conv"), ("up", "up_blocks", "upsamplers.0.conv")):
        for i, level in enumerate(getattr(ours, side)):
            for j in range(len(level.blocks)):
                res(f"{side}.{i}.blocks.{j}", f"{their_side}.{i}.resnets.{j}")
                if len(level.attention):
                    attention(f"{side}.{i}.attention.{j}", f"{their_side}.{i}.attentions.{j}")
            take(f"{side}.{i}.resample.conv", f"{their_side}.{i}.{resample}")
    return out


def test_every_layer_starts_as_the_authors_have_it() -> None:
    """Uniform with variance 1 / average of fan-in and fan-out, zeros where a branch must start silent, biases 0.
    Query, key and value are three layers of theirs in one of ours."""
    torch.manual_seed(0)
    net = UNet.of(PRESETS["paper-cifar10"])
    silent = 0
    for name, layer in net.named_modules():
        if not isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            continue
        assert layer.bias is not None
        assert not layer.bias.any()
        for weight in layer.weight.chunk(3) if name.endswith("query_key_value") else (layer.weight,):
            if not weight.any():
                silent += 1
                continue
            area = weight[0, 0].numel()
            bound = (6 / (area * (weight.shape[0] + weight.shape[1]))) ** 0.5
            assert weight.abs().max().item() <= bound * (1 + 1e-6)
            assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.06), name
    blocks = [module for module in net.modules() if isinstance(module, ResBlock | AttentionBlock)]
    assert silent == len(blocks) + 1  # the last layer of each, and the head


def test_the_papers_average_copies_first_and_then_keeps_its_pace() -> None:
    training = PRESETS["paper-cifar10"].training
    decays = [ema_decay_at(step, training.ema_decay, training.ema_warmup) for step in (0, 1, 1000, 100_000)]
    assert decays == [0.0, 0.9999, 0.9999, 0.9999]
    assert [is_ripe(steps, 0.9999, False) for steps in (1, 5000, 7000)] == [False, False, True]  # 0.9999^6931 = 1/2
    assert is_ripe(1, 0.998, True)


def test_ema_warms_up_and_forgets_the_start() -> None:
    weights, average = [torch.tensor([0.0])], [torch.tensor([0.0])]
    decays = [ema_decay_at(step, 0.998) for step in range(20_000)]
    assert decays == sorted(decays)
    assert decays[-1] == 0.998
    held = 1.0  # share of the initial weights in the average
    for step in range(50):
        held *= decays[step]
    assert held < 1e-6
    weights[0] += 1
    ema_update(average, weights, 0.75)
    assert average[0].item() == pytest.approx(0.25)
