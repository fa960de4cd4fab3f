"""The sample-level family's blocks in torch, and that numpy says the same of them."""

import dataclasses
from collections.abc import Iterator
from typing import get_args

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from torch import distributed, nn

from earmark.tagging.bundle.card import Convolution
from earmark.tagging.engines.network import LocalNetwork
from earmark.training.networks import blocks
from earmark.training.networks.blocks import (
    RESIDUAL_DROPOUT,
    ChannelScaling,
    ConvolutionBlock,
    ResidualBlock,
    SameConvolution,
    make_block,
)
from earmark.training.networks.export import check_local, local_arrays
from earmark.training.networks.networks import LocalCNN
from earmark.training.networks.scales import BlockKind, SampleLevelShape, raw_extractor

KINDS = get_args(BlockKind)


def trained(kind: BlockKind, samples: int = 2187, levels: int = 3) -> LocalCNN:
    """A thin network after a few batches, so that its batch norms have something to fold."""
    torch.manual_seed(3)
    shape = SampleLevelShape(channel_multiplier=1 / 16, block=kind, top_levels=levels)
    network = LocalCNN(raw_extractor(samples, ("a", "b"), shape))
    for _ in range(4):
        network(0.2 * torch.randn(8, samples, 1))
    return network.eval()


@pytest.mark.parametrize("kind", KINDS)
def test_numpy_says_what_torch_says(kind: BlockKind) -> None:
    """To 1e-5 of the largest value, for every hidden layer."""
    network = trained(kind, levels=99)
    assert network.extractor.levels == tuple(range(1, 9))
    check_local(
        network, local_arrays(network), (0.2 * np.random.default_rng(0).standard_normal((5, 2187, 1))).astype("f4")
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_mean_over_a_segment_is_before_the_pool(kind: BlockKind) -> None:
    network = trained(kind, levels=99)
    extractor = dataclasses.replace(network.extractor, segment_statistic="mean")
    segments = 0.2 * torch.randn(2, 2187, 1)
    rows = segments.transpose(1, 2).unsqueeze(-1)
    expected = []
    with torch.inference_mode():
        for block in network.blocks:
            pool, block.pool = block.pool, torch.nn.Identity()
            before = block(rows)
            block.pool = pool
            if isinstance(block, ConvolutionBlock) and isinstance(block.scaling, ChannelScaling):
                # The factors are made of what the pool leaves.
                unscaled = torch.relu(block.norm(block.convolution(rows)))
                pooled = pool(unscaled)
                before = unscaled * (block.scaling(pooled) / pooled.clamp(min=1e-9)).amax(2, keepdim=True)
            expected.append(before.mean(dim=(2, 3)))
            rows = block(rows)
    found = LocalNetwork(extractor, local_arrays(network))(segments.numpy()).levels
    np.testing.assert_allclose(found, torch.cat(expected, dim=1).numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("inputs", "length"), [(1, 3), (1, 2), (4, 3)])
def test_a_strided_convolution_is_torchs_own(inputs: int, length: int) -> None:
    torch.manual_seed(0)
    convolution = SameConvolution(inputs, 5, length, length)
    rows = torch.randn(2, inputs, 6 * length, 1, requires_grad=True)
    outputs = []
    for found in (
        convolution(rows),
        torch.nn.functional.conv2d(rows, convolution.weight, convolution.bias, stride=(length, 1)),
    ):
        gradients = torch.autograd.grad(found.square().sum(), (rows, convolution.weight, convolution.bias))
        outputs.append((found, *gradients))
    for one, other in zip(*outputs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    assert outputs[0][0].is_contiguous(memory_format=torch.channels_last)


def test_factors_are_made_of_the_whole_segment() -> None:
    torch.manual_seed(0)
    scaling = ChannelScaling(4, 64)
    rows = torch.rand(2, 4, 9, 1)
    hidden = torch.relu(rows.mean(dim=(2, 3)) @ scaling.squeeze.weight.T + scaling.squeeze.bias)
    factors = torch.sigmoid(hidden @ scaling.excite.weight.T + scaling.excite.bias)
    torch.testing.assert_close(scaling(rows), rows * factors[:, :, None, None])


def test_a_residual_block_adds_its_input() -> None:
    torch.manual_seed(0)
    block = ResidualBlock(4, Convolution(3, 4, 3, residual_convolutions=1)).eval()
    assert block.shortcut is None and block.second is None
    torch.nn.init.zeros_(block.convolution.weight)
    torch.nn.init.zeros_(block.convolution.bias)
    rows = torch.randn(2, 4, 9, 1)
    with torch.inference_mode():
        found = block(rows)
    torch.testing.assert_close(found, torch.relu(rows).reshape(2, 4, 3, 3, 1).amax(3))


def test_other_channels_go_through_a_shortcut() -> None:
    block = ResidualBlock(4, Convolution(3, 8, 3, residual_convolutions=2))
    assert block.shortcut is not None
    assert block.shortcut.convolution.kernel_size == (1, 1)
    assert block.dropout.p == RESIDUAL_DROPOUT
    assert block(torch.randn(2, 4, 9, 1)).shape == (2, 8, 3, 1)


def test_a_card_names_the_block() -> None:
    assert isinstance(make_block(2, Convolution(3, 4, 3)), ConvolutionBlock)
    assert isinstance(make_block(2, Convolution(3, 4, 3, residual_convolutions=1)), ResidualBlock)
    scaled = make_block(2, Convolution(3, 4, 3, squeeze_units=64))
    assert isinstance(scaled.scaling, ChannelScaling)
    assert scaled.scaling.squeeze.weight.shape == (64, 4)


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["basic", "rese-2"])
def test_mixed_precision_on_a_gpu_learns(kind: BlockKind) -> None:
    """bf16 inside, float32 weights; the loss of one batch falls, and the network still exports to 1e-5."""
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    from lightning.fabric import Fabric

    torch.manual_seed(0)
    fabric = Fabric(accelerator="cuda", devices=1, precision="bf16-mixed")
    network = LocalCNN(raw_extractor(19_683, ("a", "b"), SampleLevelShape(channel_multiplier=0.25, block=kind)))
    segments, targets = 0.2 * torch.randn(16, 19_683, 1), torch.tensor([[0.0, 1.0], [1.0, 0.0]]).repeat(8, 1)
    segments[::2] *= 0.1
    wrapped, optimiser = fabric.setup(network, torch.optim.AdamW(network.parameters(), lr=1e-3))
    losses = []
    for _ in range(30):
        logits = wrapped(fabric.to_device(segments))
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), fabric.to_device(targets))
        optimiser.zero_grad()
        fabric.backward(loss)
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    network.cpu().eval()
    check_local(network, local_arrays(network), segments[:2].numpy())


SHAPES = {1: (14, 5), 2: (14, 5, 6, 1)}


def made(dimensions: int, ours: bool) -> nn.Module:
    """A batch norm with weights of its own."""
    kinds = {1: (nn.BatchNorm1d, blocks.BatchNorm1d), 2: (nn.BatchNorm2d, blocks.BatchNorm2d)}
    norm = kinds[dimensions][ours](5)
    with torch.no_grad():
        norm.weight.copy_(torch.linspace(0.5, 1.5, 5))
        norm.bias.copy_(torch.linspace(-1, 1, 5))
    return norm


def passed(norm: nn.Module, dimensions: int, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    """What comes out of two batches, forwards and backwards, and what stays in the norm."""
    generator = torch.Generator().manual_seed(1)
    results = []
    for _ in range(2):
        rows = (3 + 2 * torch.randn(SHAPES[dimensions], generator=generator)).to(dtype).requires_grad_()
        out = norm(rows)
        (out.square() * torch.linspace(-1, 2, out.numel()).reshape(out.shape)).sum().backward()
        results += [out, rows.grad]
    parameters = dict(norm.named_parameters())
    buffers = dict(norm.named_buffers())
    results += [parameters["weight"].grad, parameters["bias"].grad, buffers["running_mean"], buffers["running_var"]]
    norm.eval()
    return [*results, norm(rows.detach())]


@pytest.fixture
def group_of_one(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A group of one process in which the norms think that there are several."""
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    monkeypatch.setattr(blocks, "_shared", lambda norm: norm.training)
    yield
    distributed.destroy_process_group()


@pytest.mark.parametrize("dimensions", [1, 2])
def test_one_process_has_torchs_own_norm(dimensions: int) -> None:
    for ours, torchs in zip(
        passed(made(dimensions, True), dimensions), passed(made(dimensions, False), dimensions), strict=True
    ):
        assert torch.equal(ours, torchs)


@pytest.mark.parametrize("dimensions", [1, 2])
def test_the_shared_statistics_are_torchs_too(dimensions: int, group_of_one: None) -> None:
    """To rounding: a mean of squares less a squared mean stands for torch's variance."""
    ours, torchs = passed(made(dimensions, True), dimensions), passed(made(dimensions, False), dimensions)
    for one, two in zip(ours, torchs, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)


def test_statistics_are_exact_where_rows_are_not(group_of_one: None) -> None:
    """Under bf16-mixed the rows are bfloat16; of statistics in bfloat16 not even the first digit would be right."""
    norm, exact = made(2, True), made(2, False)
    rows = (50 + torch.randn(SHAPES[2], generator=torch.Generator().manual_seed(1))).bfloat16()
    out, expected = norm(rows), exact(rows.float())
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), expected, rtol=1e-2, atol=2e-2)
    for name in ("running_mean", "running_var"):
        torch.testing.assert_close(getattr(norm, name), getattr(exact, name), rtol=1e-2, atol=1e-3)
