"""Define the two networks of the method: the local CNN and the global classifier.

Segments have the axes (segments, length, inputs), where inputs are the mel bands or the one channel of raw sound. This
is the layout that torch calls channels-last. So convolutions are 2-D convolutions of width 1 with weights in that
order, which compute the same as Conv1d and train faster on a CPU (`benchmarks/convolutions.py`).
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from earmark.tagging.bundle.card import Extractor
from earmark.training.networks.blocks import (
    ConvolutionBlock,
    DenseBlock,
    ResidualBlock,
    first_outputs,
    initialise,
    make_block,
)


class LocalCNN(nn.Module):
    """The local CNN, which tags one segment of a scale ([SPL] II-A, method section 3).

    The extractor describes its blocks. The mean and deviation that standardise the input are scalar buffers, so that
    they are stored with the weights.
    """

    input_mean: Tensor
    input_deviation: Tensor

    def __init__(self, extractor: Extractor, dropout: float = 0.5, further_outputs: int = 0) -> None:
        """Make an untrained network.

        Args:
            extractor: the description of the network.
            dropout: the share of units left out before the output, 0..1.
            further_outputs: the number of outputs after those of the tags, used in training only
                (`extras.distillation`).
        """
        super().__init__()
        self.extractor = extractor
        self.register_buffer("input_mean", torch.tensor(extractor.input_mean))
        self.register_buffer("input_deviation", torch.tensor(extractor.input_deviation))
        channels = extractor.input_columns
        blocks: list[ConvolutionBlock | ResidualBlock] = []
        for shape in extractor.convolutions:
            blocks.append(make_block(channels, shape))
            channels = shape.channels
        self.blocks = nn.ModuleList(blocks)
        inputs = channels * output_length(extractor)
        self.hidden = (
            DenseBlock(inputs, extractor.hidden_units, dropout) if extractor.hidden_units else nn.Dropout(dropout)
        )
        self.output = nn.Linear(extractor.hidden_units or inputs, len(extractor.output_tags) + further_outputs)
        initialise(self.modules())

    def activations(self, segments: Tensor) -> list[Tensor]:
        """Return the output of every block: (segments, length, inputs) to (segments, channels, time) for each level."""
        rows = (segments - self.input_mean) / self.input_deviation
        rows = rows.transpose(1, 2).unsqueeze(-1)
        levels = []
        for block in self.blocks:
            rows = block(rows)
            levels.append(rows.squeeze(-1))
        return levels

    def drop_further_outputs(self) -> None:
        """Remove the outputs that are not of tags."""
        self.output = first_outputs(self.output, len(self.extractor.output_tags))

    def forward(self, segments: Tensor) -> Tensor:
        """Compute logits: (segments, length, inputs) to (segments, tags)."""
        logits: Tensor = self.output(self.hidden(self.activations(segments)[-1].flatten(1)))
        return logits


def output_length(extractor: Extractor) -> int:
    """Return the number of time steps of a segment after the last block."""
    length = extractor.segment_length
    for shape in extractor.convolutions:
        length = length // shape.stride // shape.pool_length
    return length


class GlobalClassifier(nn.Module):
    """The global classifier, which tags a clip by its vector: hidden layers, then an output for each tag ([SPL] II-C).

    The mean and deviation that standardise the vector are buffers with a value for each column; scalar standardisation
    has equal values.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        columns: int,
        tags: int,
        hidden_units: tuple[int, ...] = (512, 512),
        dropout: float = 0.5,
        further_outputs: int = 0,
    ) -> None:
        """Make an untrained classifier.

        Args:
            columns: the length of the vector.
            tags: the number of tags.
            hidden_units: the width of each hidden layer.
            dropout: the share of units left out after each hidden layer, 0..1.
            further_outputs: the number of outputs after those of the tags, used in training only
                (`extras.distillation`).
        """
        super().__init__()
        self.register_buffer("mean", torch.zeros(columns))
        self.register_buffer("deviation", torch.ones(columns))
        widths = (columns, *hidden_units)
        self.hidden = nn.Sequential(*(DenseBlock(inputs, units, dropout) for inputs, units in pairwise(widths)))
        self.output = nn.Linear(widths[-1], tags + further_outputs)
        self._tags = tags
        initialise(self.modules())

    def drop_further_outputs(self) -> None:
        """Remove the outputs that are not of tags."""
        self.output = first_outputs(self.output, self._tags)

    def forward(self, vectors: Tensor) -> Tensor:
        """Compute logits: (clips, columns) to (clips, tags)."""
        logits: Tensor = self.output(self.hidden((vectors - self.mean) / self.deviation))
        return logits


def parameter_count(network: nn.Module) -> int:
    """Count the trainable parameters of a network: weights, biases, and scale and shift of batch norms."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
