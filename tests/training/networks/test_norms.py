from collections.abc import Iterator

import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from torch import distributed, nn

from earmark.training.networks import norms

SHAPES = {1: (14, 5), 2: (14, 5, 6, 1)}


def made(dimensions: int, ours: bool) -> nn.Module:
    """A batch norm with weights of its own."""
    kinds = {1: (nn.BatchNorm1d, norms.BatchNorm1d), 2: (nn.BatchNorm2d, norms.BatchNorm2d)}
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
    monkeypatch.setattr(norms, "_shared", lambda norm: norm.training)
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
