"""Batch norms that count the whole batch, also where several processes share it."""

from typing import Any

import torch
from torch import Tensor, distributed, nn


class BatchNorm1d(nn.BatchNorm1d):
    """torch's batch norm over (n, features), with the statistics of the batches of all processes together."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  torch's name
        """(n, features) -> (n, features)."""
        return _normalise(self, input) if _shared(self) else super().forward(input)


class BatchNorm2d(nn.BatchNorm2d):
    """torch's batch norm over (n, channels, rows, columns), with the statistics of all processes together."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  torch's name
        """(n, channels, rows, columns) -> the same."""
        return _normalise(self, input) if _shared(self) else super().forward(input)


def _shared(norm: nn.Module) -> bool:
    """Whether this is a training of several processes; torch's own synchronised batch norm needs a GPU."""
    return (
        norm.training
        and distributed.is_available()
        and distributed.is_initialized()
        and (distributed.get_world_size() > 1)
    )


def _normalise(norm: BatchNorm1d | BatchNorm2d, rows: Tensor) -> Tensor:
    """Normalise by the mean and variance over every process's rows, which are equally many."""
    processes = distributed.get_world_size()
    dimensions = [0, *range(2, rows.ndim)]
    # In float32 also where the layers before work in less: a difference of squares would lose what bfloat16 has.
    exact = rows.float()
    moments = torch.cat([exact.mean(dimensions), exact.square().mean(dimensions)])
    moments = _Sum.apply(moments)  # type: ignore[no-untyped-call]
    mean, square = (moments / processes).chunk(2)
    variance = (square - mean.square()).clamp(min=0)
    if norm.running_mean is not None and norm.running_var is not None and norm.momentum is not None:
        count = rows.numel() // rows.shape[1] * processes
        with torch.no_grad():
            norm.running_mean.lerp_(mean, norm.momentum)
            norm.running_var.lerp_(variance * count / max(count - 1, 1), norm.momentum)
    shape = [1, -1, *[1] * (rows.ndim - 2)]
    scale = norm.weight * torch.rsqrt(variance + norm.eps)
    normalised: Tensor = (exact - mean.reshape(shape)) * scale.reshape(shape) + norm.bias.reshape(shape)
    return normalised.to(rows.dtype)


class _Sum(torch.autograd.Function):
    """The sum of a tensor over all processes; each one's part in the others' losses comes back the same way."""

    @staticmethod
    def forward(_: Any, part: Tensor) -> Tensor:
        total = part.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        distributed.all_reduce(total)
        return total
