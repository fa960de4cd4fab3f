"""The global classifier: hidden layers on the concatenated vector of a clip."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from earmark.training.networks.blocks import DenseBlock, first_outputs, initialise


class GlobalClassifier(nn.Module):
    """The classifier on the vector of a clip: hidden layers, then one output for each tag ([SPL] II-C).

    The standardisation of the vector is a pair of buffers with one value for each column; a scalar one has equal
    values.
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

        `further_outputs` follow those of the tags while it trains (`extras.distillation`).
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
        """Keep the outputs of the tags alone."""
        self.output = first_outputs(self.output, self._tags)

    def forward(self, vectors: Tensor) -> Tensor:
        """Tag vectors: (n, columns) -> logits (n, tags)."""
        logits: Tensor = self.output(self.hidden((vectors - self.mean) / self.deviation))
        return logits
