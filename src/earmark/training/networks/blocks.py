"""The blocks of networks: a convolution's, those of the sample-level family's follow-up, and a dense layer's.

Segments are (segments, channels, time, 1), channels-last in memory: convolutions are 2-D ones of width 1 (see
`local_cnn.py`). The follow-up (Kim, Lee, Nam, "Sample-level CNN Architectures for Music Auto-tagging Using Raw
Waveforms", 2018) scales channels by what the whole segment holds (SE), adds a block's input to its output (Res-1,
Res-2), or both (ReSE-1, ReSE-2).
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from earmark.tagging.bundle.card import Convolution
from earmark.training.networks.norms import BatchNorm1d, BatchNorm2d

RESIDUAL_DROPOUT = 0.2
"""Between the two convolutions of a residual block (authors' code)."""


class SameConvolution(nn.Conv2d):
    """A convolution over time: a stride of 1 pads with zeros to "same" length, a larger one pads nothing.

    An even filter pads one zero more at the end.
    """

    def __init__(self, inputs: int, channels: int, filter_length: int, stride: int = 1) -> None:
        same = stride == 1
        before = (filter_length - 1) // 2 if same else 0
        super().__init__(inputs, channels, (filter_length, 1), stride=(stride, 1), padding=(before, 0))
        # torch pads both ends alike; what an even filter wants more is added at the end by hand.
        self._zeros_after = filter_length - 1 - 2 * before if same else 0
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  torch's name
        """(segments, inputs, time, 1) -> (segments, channels, time / stride, 1)."""
        if self.stride[0] > 1:
            return self._of_pieces(input)
        if self._zeros_after:
            input = functional.pad(input, (0, 0, 0, self._zeros_after))  # noqa: A001
        # The same numbers in memory, with time as what torch calls width: its backward pass is then up to twice as fast
        # on a processor (measured, `docs/explanation/sample-level.md`).
        padding = (0, int(self.padding[0]))
        return _turned(functional.conv2d(_turned(input), _turned(self.weight), self.bias, padding=padding))

    def _of_pieces(self, rows: Tensor) -> Tensor:
        """A stride as long as the filter is one matrix product on pieces of the input: faster than as a convolution."""
        count, inputs, length, _ = rows.shape
        pieces = rows.permute(0, 2, 3, 1).reshape(count, length // self.stride[0], self.stride[0] * inputs)
        # Multiplied from the right, laid out row by row: the gradient of the weight is then the product that is fast.
        weight = self.weight.squeeze(-1).permute(2, 1, 0).flatten(0, 1).contiguous()
        outputs = pieces.flatten(0, 1) @ weight
        if self.bias is not None:
            outputs = outputs + self.bias
        return outputs.view(count, -1, 1, self.out_channels).permute(0, 3, 1, 2)


class ChannelScaling(nn.Module):
    """Every channel times a factor, 0 to 1, that two dense layers make of all channels' means over time (SE).

    Unlike in other nets the layers widen in between, 16-fold, and come back (the follow-up, section 2.2).
    """

    def __init__(self, channels: int, units: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, units)
        self.excite = nn.Linear(units, channels)

    def initialise(self) -> None:
        """Glorot-uniform weights (authors' code)."""
        for layer in (self.squeeze, self.excite):
            nn.init.xavier_uniform_(layer.weight)

    def forward(self, rows: Tensor) -> Tensor:
        """(segments, channels, time, 1) -> the same."""
        means = rows.mean(dim=(2, 3))
        factors = torch.sigmoid(self.excite(torch.relu(self.squeeze(means))))
        scaled: Tensor = rows * factors[:, :, None, None]
        return scaled


class ConvolutionBlock(nn.Module):
    """Convolution, batch norm, ReLU, max-pool with stride equal to its length ([SPL] section II-A).

    A stride of 1 pads with zeros to "same" length (an even filter pads one more at the end); a larger one, the first
    layer of the sample-level family, pads nothing. With `squeeze_units` what the pool leaves is scaled (SE).
    """

    def __init__(self, inputs: int, shape: Convolution) -> None:
        super().__init__()
        self.convolution = SameConvolution(inputs, shape.channels, shape.filter_length, shape.stride)
        self.norm = BatchNorm2d(shape.channels)
        self.pool = _pool(shape)
        self.scaling = _scaling(shape)

    def forward(self, rows: Tensor) -> Tensor:
        """(segments, inputs, time, 1) -> (segments, channels, shorter time, 1)."""
        pooled: Tensor = self.scaling(self.pool(torch.relu(self.norm(self.convolution(rows)))))
        return pooled


class ResidualBlock(nn.Module):
    """One or two convolutions with batch norms, scaled with `squeeze_units`, plus the input; then ReLU and max-pool.

    Where the channels differ from the input's, the input goes through a 1 × 1 convolution with a batch norm.
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
        """(segments, inputs, time, 1) -> (segments, channels, shorter time, 1)."""
        inside = self.norm(self.convolution(rows))
        if self.second is not None:
            inside = self.second(self.dropout(torch.relu(inside)))
        beside = rows if self.shortcut is None else self.shortcut(rows)
        pooled: Tensor = self.pool(torch.relu(beside + self.scaling(inside)))
        return pooled


class DenseBlock(nn.Module):
    """Dense layer, batch norm, ReLU, dropout."""

    def __init__(self, inputs: int, units: int, dropout: float) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, units)
        self.norm = BatchNorm1d(units)
        self.dropout = nn.Dropout(dropout)

    def forward(self, vectors: Tensor) -> Tensor:
        """(n, inputs) -> (n, units)."""
        active: Tensor = self.dropout(torch.relu(self.norm(self.dense(vectors))))
        return active


def first_outputs(layer: nn.Linear, outputs: int) -> nn.Linear:
    """A layer with the first outputs alone, those of the tags, once hints (`material.hints`) have done their work."""
    kept = nn.Linear(layer.in_features, outputs)
    with torch.no_grad():
        kept.weight.copy_(layer.weight[:outputs])
        kept.bias.copy_(layer.bias[:outputs])
    return kept


def block_of(inputs: int, shape: Convolution) -> ConvolutionBlock | ResidualBlock:
    """The block that a card describes."""
    return ResidualBlock(inputs, shape) if shape.residual_convolutions else ConvolutionBlock(inputs, shape)


def initialise(modules: Iterable[nn.Module]) -> None:
    """He-uniform weights, zero biases (authors' code); layers that scale channels as they initialise themselves."""
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
    """(n, channels, time, 1) as (n, channels, 1, time), or back: a view, where channels are last in memory."""
    count, channels, height, width = tensor.shape
    return tensor.permute(0, 2, 3, 1).reshape(count, width, height, channels).permute(0, 3, 1, 2)


def _pool(shape: Convolution) -> nn.Module:
    return nn.MaxPool2d((shape.pool_length, 1)) if shape.pool_length > 1 else nn.Identity()


def _scaling(shape: Convolution) -> nn.Module:
    return ChannelScaling(shape.channels, shape.squeeze_units) if shape.squeeze_units else nn.Identity()
