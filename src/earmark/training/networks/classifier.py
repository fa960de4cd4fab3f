"""The global classifier: hidden layers on the concatenated vector of a clip."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from earmark.training.networks.blocks import DenseBlock, first_outputs, initialise


class GlobalClassifier(nn.Module):
    """The classifier on the concatenated vector of a clip: hidden layers, then one output a tag ([SPL] section II-C).

    The standardisation of the vector is a pair of buffers, a value a column (equal values where it is a scalar one).
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, columns: int, tags: int, hidden_units: tuple[int, ...] = (512, 512), dropout: float = 0.5, hints: int = 0
    ) -> None:
        """`hints`: how many outputs follow those of the tags while it trains (`material.hints`)."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(columns))
        self.register_buffer("deviation", torch.ones(columns))
        widths = (columns, *hidden_units)
        self.hidden = nn.Sequential(*(DenseBlock(inputs, units, dropout) for inputs, units in pairwise(widths)))
        self.output = nn.Linear(widths[-1], tags + hints)
        self._tags = tags
        initialise(self.modules())

    def start_at(self, logits: Tensor) -> None:
        """Let untrained outputs lie around given log odds, (tags,)."""
        with torch.no_grad():
            self.output.bias.copy_(logits)

    def drop_hints(self) -> None:
        """Keep the outputs of the tags alone."""
        self.output = first_outputs(self.output, self._tags)

    def forward(self, vectors: Tensor) -> Tensor:
        """Tag vectors: (n, columns) -> logits (n, tags)."""
        logits: Tensor = self.output(self.hidden((vectors - self.mean) / self.deviation))
        return logits
