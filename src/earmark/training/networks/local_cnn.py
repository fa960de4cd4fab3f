"""The local CNN: a small network that tags one segment of a scale; its blocks are in `blocks.py`.

Segments are rows: (segments, length, inputs), with the mel bands (or the one waveform) last. In memory this is what
torch calls channels-last. So convolutions are 2-D ones of width 1 with weights in that order: the same arithmetic as
Conv1d, and faster in training on a CPU (`benchmarks/convolutions.py`).
"""

import torch
from torch import Tensor, nn

from earmark.tagging.bundle.card import Extractor
from earmark.training.networks.blocks import (
    ConvolutionBlock,
    DenseBlock,
    ResidualBlock,
    block_of,
    first_outputs,
    initialise,
)


class LocalCNN(nn.Module):
    """A small CNN that tags one segment ([SPL] II-A, method section 3); its extractor describes its blocks.

    The standardisation of the input, one scalar mean and deviation, is a buffer: it travels with the weights.
    """

    input_mean: Tensor
    input_deviation: Tensor

    def __init__(self, extractor: Extractor, dropout: float = 0.5, further_outputs: int = 0) -> None:
        """Make an untrained network.

        `further_outputs` follow those of the tags while it trains (`extras.distillation`).
        """
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
        self.output = nn.Linear(extractor.hidden_units or inputs, len(extractor.output_tags) + further_outputs)
        initialise(self.modules())

    def activations(self, segments: Tensor) -> list[Tensor]:
        """Return every pooled level: (segments, length, inputs) to one (segments, channels, time) each."""
        rows = (segments - self.input_mean) / self.input_deviation
        rows = rows.transpose(1, 2).unsqueeze(-1)
        levels = []
        for block in self.blocks:
            rows = block(rows)
            levels.append(rows.squeeze(-1))
        return levels

    def drop_further_outputs(self) -> None:
        """Keep the outputs of the tags alone."""
        self.output = first_outputs(self.output, len(self.extractor.output_tags))

    def forward(self, segments: Tensor) -> Tensor:
        """Tag segments: (segments, length, inputs) -> logits (segments, tags)."""
        logits: Tensor = self.output(self.hidden(self.activations(segments)[-1].flatten(1)))
        return logits


def output_length(extractor: Extractor) -> int:
    """Count the time steps that the last block leaves of a segment."""
    length = extractor.segment_length
    for shape in extractor.convolutions:
        length = length // shape.stride // shape.pool_length
    return length
