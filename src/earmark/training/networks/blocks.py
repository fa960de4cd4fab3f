"""Define the blocks of networks: convolution blocks, dense blocks, and the blocks of the 2018 follow-up.

Segments have the axes (segments, channels, time, 1) and are channels-last in memory; convolutions are 2-D convolutions
of width 1 (see `networks.py`). The follow-up is Kim, Lee, Nam, "Sample-level CNN Architectures for Music Auto-tagging
Using Raw Waveforms", 2018. Its blocks scale channels by their means over the segment (SE), add their input to their
output (Res-1, Res-2), or do both (ReSE-1, ReSE-2).
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional

from earmark.tagging.bundle.card import Convolution


class BatchNorm1d(nn.BatchNorm1d):
    """A batch norm over (n, features) whose statistics include the batches of all processes."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  torch's name
        """Normalise features: (n, features) to the same shape."""
        return _normalise(self, input) if _shared(self) else super().forward(input)


class BatchNorm2d(nn.BatchNorm2d):
    """A batch norm over (n, channels, rows, columns) whose statistics include the batches of all processes."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  torch's name
        """Normalise channels: (n, channels, rows, columns) to the same shape."""
        return _normalise(self, input) if _shared(self) else super().forward(input)


def _shared(norm: nn.Module) -> bool:
    """Return whether several processes train together; torch's own synchronised batch norm would need a GPU."""
    return (
        norm.training
        and distributed.is_available()
        and distributed.is_initialized()
        and (distributed.get_world_size() > 1)
    )


def _normalise(norm: BatchNorm1d | BatchNorm2d, rows: Tensor) -> Tensor:
    """Normalise by the mean and variance over the rows of all processes; every process has the same number of rows."""
    processes = distributed.get_world_size()
    dimensions = [0, *range(2, rows.ndim)]
    # Moments are computed in float32, because the difference of squares would be inaccurate in bfloat16.
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
    """The sum of a tensor over all processes; the backward pass sums the gradients of all processes."""

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


RESIDUAL_DROPOUT = 0.2
"""The dropout between the two convolutions of a residual block (authors' code)."""


class SameConvolution(nn.Conv2d):
    """A convolution over time that keeps the length with a stride of 1, and does not pad with a larger stride.

    It pads with zeros; filters of even length have one more zero at the end.
    """

    def __init__(self, inputs: int, channels: int, filter_length: int, stride: int = 1) -> None:
        same = stride == 1
        before = (filter_length - 1) // 2 if same else 0
        super().__init__(inputs, channels, (filter_length, 1), stride=(stride, 1), padding=(before, 0))
        # torch pads both ends equally, so the additional zero of an even filter is added in `forward`.
        self._zeros_after = filter_length - 1 - 2 * before if same else 0
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  torch's name
        """Convolve over time: (segments, inputs, time, 1) to (segments, channels, time / stride, 1)."""
        if self.stride[0] > 1:
            return self._of_pieces(input)
        if self._zeros_after:
            input = functional.pad(input, (0, 0, 0, self._zeros_after))  # noqa: A001
        # With time as the width, the backward pass is up to twice as fast on a CPU
        # (`docs/explanation/sample-level.md`); the layout in memory is the same.
        padding = (0, int(self.padding[0]))
        return _turned(functional.conv2d(_turned(input), _turned(self.weight), self.bias, padding=padding))

    def _of_pieces(self, rows: Tensor) -> Tensor:
        """Convolve with a stride equal to the filter length by one matrix product, which is faster."""
        count, inputs, length, _ = rows.shape
        pieces = rows.permute(0, 2, 3, 1).reshape(count, length // self.stride[0], self.stride[0] * inputs)
        # In this layout the gradient of the weight is a faster matrix product.
        weight = self.weight.squeeze(-1).permute(2, 1, 0).flatten(0, 1).contiguous()
        outputs = pieces.flatten(0, 1) @ weight
        if self.bias is not None:
            outputs = outputs + self.bias
        return outputs.view(count, -1, 1, self.out_channels).permute(0, 3, 1, 2)


class ChannelScaling(nn.Module):
    """Squeeze and excitation (SE): two dense layers compute a factor in 0..1 for every channel from the channel means.

    The hidden layer is 16 times as wide as the channels, not narrower as in other networks (the follow-up, section
    2.2).
    """

    def __init__(self, channels: int, units: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, units)
        self.excite = nn.Linear(units, channels)

    def initialise(self) -> None:
        """Draw the weights from a Glorot-uniform distribution (authors' code)."""
        for layer in (self.squeeze, self.excite):
            nn.init.xavier_uniform_(layer.weight)

    def forward(self, rows: Tensor) -> Tensor:
        """Scale channels: (segments, channels, time, 1) to the same shape."""
        means = rows.mean(dim=(2, 3))
        factors = torch.sigmoid(self.excite(torch.relu(self.squeeze(means))))
        scaled: Tensor = rows * factors[:, :, None, None]
        return scaled


class ConvolutionBlock(nn.Module):
    """A convolution, batch norm, ReLU and a max-pool whose stride is its length ([SPL] II-A).

    With `squeeze_units` the pooled channels are scaled (SE).
    """

    def __init__(self, inputs: int, shape: Convolution) -> None:
        super().__init__()
        self.convolution = SameConvolution(inputs, shape.channels, shape.filter_length, shape.stride)
        self.norm = BatchNorm2d(shape.channels)
        self.pool = _pool(shape)
        self.scaling = _scaling(shape)

    def forward(self, rows: Tensor) -> Tensor:
        """Run the block: (segments, inputs, time, 1) to (segments, channels, shorter time, 1)."""
        pooled: Tensor = self.scaling(self.pool(torch.relu(self.norm(self.convolution(rows)))))
        return pooled


class ResidualBlock(nn.Module):
    """One or two convolutions with batch norms whose output is added to the input, then ReLU and max-pool.

    With `squeeze_units` the output of the convolutions is scaled (SE). Where the number of channels changes, the input
    goes through a 1 × 1 convolution with a batch norm.
    """

    def __init__(self, inputs: int, shape: Convolution) -> None:
        super().__init__()
        channels = shape.channels
        self.convolution = SameConvolution(inputs, channels, shape.filter_length)
        self.norm = BatchNorm2d(channels)
        two = shape.residual_convolutions == 2
        self.second = _NormedConvolution(channels, channels, shape.filter_length) if two else None
        self.dropout = nn.Dropout(RESIDUAL_DROPOUT)
        self.shortcut = _NormedConvolution(inputs, channels, 1) if inputs != channels else None
        self.scaling = _scaling(shape)
        self.pool = _pool(shape)

    def forward(self, rows: Tensor) -> Tensor:
        """Run the block: (segments, inputs, time, 1) to (segments, channels, shorter time, 1)."""
        inside = self.norm(self.convolution(rows))
        if self.second is not None:
            inside = self.second(self.dropout(torch.relu(inside)))
        beside = rows if self.shortcut is None else self.shortcut(rows)
        pooled: Tensor = self.pool(torch.relu(beside + self.scaling(inside)))
        return pooled


class DenseBlock(nn.Module):
    """A dense layer with batch norm, ReLU and dropout."""

    def __init__(self, inputs: int, units: int, dropout: float) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, units)
        self.norm = BatchNorm1d(units)
        self.dropout = nn.Dropout(dropout)

    def forward(self, vectors: Tensor) -> Tensor:
        """Run the layer: (n, inputs) to (n, units)."""
        active: Tensor = self.dropout(torch.relu(self.norm(self.dense(vectors))))
        return active


def first_outputs(layer: nn.Linear, outputs: int) -> nn.Linear:
    """Return a layer that has only the first outputs of another layer."""
    kept = nn.Linear(layer.in_features, outputs)
    with torch.no_grad():
        kept.weight.copy_(layer.weight[:outputs])
        kept.bias.copy_(layer.bias[:outputs])
    return kept


def make_block(inputs: int, shape: Convolution) -> ConvolutionBlock | ResidualBlock:
    """Make the block that a bundle's card describes; `inputs` is the number of its input channels."""
    return ResidualBlock(inputs, shape) if shape.residual_convolutions else ConvolutionBlock(inputs, shape)


def initialise(modules: Iterable[nn.Module]) -> None:
    """Draw weights from a He-uniform distribution and set biases to 0 (authors' code); SE layers are Glorot-uniform."""
    scalings = []
    for module in modules:
        if isinstance(module, ChannelScaling):
            scalings.append(module)
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for scaling in scalings:
        scaling.initialise()


class _NormedConvolution(nn.Module):
    """A convolution with its batch norm."""

    def __init__(self, inputs: int, channels: int, filter_length: int) -> None:
        super().__init__()
        self.convolution = SameConvolution(inputs, channels, filter_length)
        self.norm = BatchNorm2d(channels)

    def forward(self, rows: Tensor) -> Tensor:
        normed: Tensor = self.norm(self.convolution(rows))
        return normed


def _turned(tensor: Tensor) -> Tensor:
    """View (n, channels, time, 1) as (n, channels, 1, time), or the reverse, in channels-last memory."""
    count, channels, height, width = tensor.shape
    return tensor.permute(0, 2, 3, 1).reshape(count, width, height, channels).permute(0, 3, 1, 2)


def _pool(shape: Convolution) -> nn.Module:
    return nn.MaxPool2d((shape.pool_length, 1)) if shape.pool_length > 1 else nn.Identity()


def _scaling(shape: Convolution) -> nn.Module:
    return ChannelScaling(shape.channels, shape.squeeze_units) if shape.squeeze_units else nn.Identity()
