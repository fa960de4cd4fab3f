"""The networks that are trained: local CNNs, one a scale, and the global classifier; the blocks are in `blocks.py`.

Segments are rows: (segments, length, inputs), with the mel bands (or the one waveform) last. In memory that is
what torch calls channels-last, so the convolutions are written as 2-D ones of width 1 with weights in that order: the
same arithmetic as Conv1d, and faster in training on a CPU (`benchmarks/convolutions.py`).
"""

from collections.abc import Iterable
from itertools import pairwise

import torch
from torch import Tensor, nn

from earmark.tagging.card import Extractor
from earmark.training.blocks import ChannelScaling, ConvolutionBlock, ResidualBlock, block_of
from earmark.training.norms import BatchNorm1d


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


class LocalCNN(nn.Module):
    """A small CNN that tags one segment; its blocks are data ([SPL] section II-A, Table of `method.md` section 3).

    The standardisation of the input, one scalar mean and deviation, is a buffer: it travels with the weights.
    """

    input_mean: Tensor
    input_deviation: Tensor

    def __init__(self, extractor: Extractor, dropout: float = 0.5, hints: int = 0) -> None:
        """`hints`: how many outputs follow those of the tags while it trains (`hints.py`)."""
        super().__init__()
        self.extractor = extractor
        self.register_buffer("input_mean", torch.tensor(extractor.input_mean))
        self.register_buffer("input_deviation", torch.tensor(extractor.input_deviation))
        channels = extractor.input_columns
        blocks: list[ConvolutionBlock | ResidualBlock] = []
        for shape in extractor.convolutions:
            blocks.append(block_of(channels, shape))
            channels = shape.channels
        self.blocks = nn.ModuleList(blocks)
        inputs = channels * output_length(extractor)
        self.hidden = (
            DenseBlock(inputs, extractor.hidden_units, dropout) if extractor.hidden_units else nn.Dropout(dropout)
        )
        self.output = nn.Linear(extractor.hidden_units or inputs, len(extractor.output_tags) + hints)
        initialise(self.modules())

    def activations(self, segments: Tensor) -> list[Tensor]:
        """The output of every block, pooled: (segments, length, inputs) -> a list of (segments, channels, time)."""
        rows = (segments - self.input_mean) / self.input_deviation
        rows = rows.transpose(1, 2).unsqueeze(-1)
        levels = []
        for block in self.blocks:
            rows = block(rows)
            levels.append(rows.squeeze(-1))
        return levels

    def start_at(self, logits: Tensor) -> None:
        """Let untrained outputs lie around given log odds, (tags,)."""
        with torch.no_grad():
            self.output.bias.copy_(logits)

    def drop_hints(self) -> None:
        """Keep the outputs of the tags alone."""
        whole, tags = self.output, len(self.extractor.output_tags)
        self.output = nn.Linear(whole.in_features, tags)
        with torch.no_grad():
            self.output.weight.copy_(whole.weight[:tags])
            self.output.bias.copy_(whole.bias[:tags])

    def forward(self, segments: Tensor) -> Tensor:
        """Tag segments: (segments, length, inputs) -> logits (segments, tags)."""
        logits: Tensor = self.output(self.hidden(self.activations(segments)[-1].flatten(1)))
        return logits


class GlobalClassifier(nn.Module):
    """The classifier on the concatenated vector of a clip: hidden layers, then one output a tag ([SPL] section II-C).

    The standardisation of the vector is a pair of buffers, a value a column (equal values where it is a scalar one).
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, columns: int, tags: int, hidden_units: tuple[int, ...] = (512, 512), dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(columns))
        self.register_buffer("deviation", torch.ones(columns))
        widths = (columns, *hidden_units)
        self.hidden = nn.Sequential(*(DenseBlock(inputs, units, dropout) for inputs, units in pairwise(widths)))
        self.output = nn.Linear(widths[-1], tags)
        initialise(self.modules())

    def start_at(self, logits: Tensor) -> None:
        """Let untrained outputs lie around given log odds, (tags,)."""
        with torch.no_grad():
            self.output.bias.copy_(logits)

    def forward(self, vectors: Tensor) -> Tensor:
        """Tag vectors: (n, columns) -> logits (n, tags)."""
        logits: Tensor = self.output(self.hidden((vectors - self.mean) / self.deviation))
        return logits


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


def output_length(extractor: Extractor) -> int:
    """How many time steps the last block leaves of a segment."""
    length = extractor.segment_length
    for shape in extractor.convolutions:
        length = length // shape.stride // shape.pool_length
    return length


def parameter_count(network: nn.Module) -> int:
    """Trainable parameters: convolution and dense weights and biases, batch norms' scale and shift."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
