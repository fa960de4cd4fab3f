"""The trained networks' forward pass, in numpy alone: a convolution is a few matrix products.

Batch norms are folded into the weights when a bundle is made. What is computed is, block by block, convolution, bias,
ReLU, max-pool (`blocks.py`, `convolve.py`).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.errors import TagError
from earmark.tagging.blocks import Block, as_rows, block_of
from earmark.tagging.card import Extractor, Head, Weights
from earmark.tagging.card_check import layer_lengths
from earmark.tagging.convolve import Workspace, padded_rows, rectify

Array = npt.NDArray[np.float32]

LARGEST_BATCH = 32
"""Segments in a batch: enough for the last layers' matrix products to be as fast as the first ones'; with more
of them the unrolled input leaves the processor's cache (measured: 16 to 64 are within 5 % of each other)."""
BATCH_VALUES = 2_000_000
"""The most values that a batch's unrolled convolution input may have (8 MB), where one segment allows."""


@dataclass(frozen=True)
class Activations:
    """What a local network says about segments.

    `levels`: (segments, width) float32, at least 0: every level used, its statistic over the segment, side by
    side. `logits`: (segments, tags) float32, the local output before its sigmoid or softmax; no columns where
    the bundle has no local output.
    """

    levels: Array
    logits: Array


class LocalNetwork:
    """One extractor's network: segments in, the activations of its levels and its local logits out.

    It holds weights only, so threads may share it; each brings its own workspace.
    """

    def __init__(self, extractor: Extractor, weights: Weights) -> None:
        """`weights`: a bundle's verified weights, of which those of this extractor are taken."""
        prefix = f"extractor.{extractor.name}"
        lengths = layer_lengths(extractor)
        self.extractor = extractor
        self.width = sum(extractor.level_widths)
        self._shape = (extractor.segment_length, extractor.input_columns)
        self._mean = np.float32(extractor.input_mean)
        self._deviation = np.float32(extractor.input_deviation)
        self._blocks: list[Block] = []
        columns = extractor.input_columns
        for number, convolution in enumerate(extractor.convolutions, start=1):
            statistic = extractor.segment_statistic if number in extractor.levels else None
            name = f"{prefix}.convolution.{number}"
            self._blocks.append(block_of(convolution, weights, name, lengths[number - 1], columns, statistic))
            columns = convolution.channels
        self._end = (lengths[-1], columns)
        self._dense = [
            (as_rows(weights[f"{prefix}.{part}.weight"]), weights[f"{prefix}.{part}.bias"])
            for part, there in (("hidden", extractor.hidden_units), ("output", len(extractor.output_tags)))
            if there
        ]
        largest = max(max(self._values("unrolled_values"), self._values("product_values"), self._row_values()), 1)
        self.batch_segments = max(1, min(LARGEST_BATCH, BATCH_VALUES // largest))
        """The number of segments a batch; the same for every sound, so that its numbers are the same."""

    def workspace(self) -> Workspace:
        """Memory for batches of up to `batch_segments` segments."""

        def room(values: int) -> Array:
            return np.empty(values * self.batch_segments, dtype=np.float32)

        rows = (room(self._row_values()), room(self._row_values()), room(self._values("between_values")))
        return Workspace(room(self._values("unrolled_values")), room(self._values("product_values")), rows)

    def _values(self, what: str) -> int:
        """The most values of a kind that any block has of one segment."""
        return max(int(getattr(block, what)) for block in self._blocks)

    def _row_values(self) -> int:
        """The most values that enter or leave a block, of one segment."""
        length, columns = self._end
        return max(self._values("input_values"), length * columns)

    def __call__(self, segments: Array, workspace: Workspace | None = None) -> Activations:
        """Run up to `batch_segments` segments through the network.

        `segments`: (segments, length, columns) float32: frames of log-mel, or raw samples with one column.
        Raises TagError for another shape or for more segments.
        """
        if segments.shape[1:] != self._shape or len(segments) > self.batch_segments:
            raise TagError(
                f"The network {self.extractor.name!r} was given the shape {segments.shape}; it takes up to "
                f"{self.batch_segments} segments of {self._shape}. Cut the sound into segments, then into batches."
            )
        space = self.workspace() if workspace is None else workspace
        rows, padded = self._room(space, 0, len(segments))
        np.subtract(segments, self._mean, out=rows)
        rows /= self._deviation
        levels: list[Array] = []
        for number, block in enumerate(self._blocks, start=1):
            out, padded_out = self._room(space, number, len(segments))
            level = block(rows, padded, out, space)
            if level is not None:
                levels.append(level)
            rows, padded = out, padded_out
        return Activations(np.concatenate(levels, axis=1), self._local_logits(rows))

    def _room(self, space: Workspace, number: int, segments: int) -> tuple[Array, Array]:
        """Room for what enters block `number`, counted from 0, or leaves the last; two pieces of memory in turn."""
        memory = space.rows[number % 2]
        if number == len(self._blocks):
            length, columns = self._end
            return padded_rows(memory, segments, length, columns)
        block = self._blocks[number]
        return padded_rows(memory, segments, block.rows_in, block.columns_in, block.zeros)

    def _local_logits(self, rows: Array) -> Array:
        if not self._dense:
            return np.empty((len(rows), 0), dtype=np.float32)
        # Channels first, as torch flattens them; nothing to move where one row is left, which is the usual case.
        vectors: Array = rows.transpose(0, 2, 1).reshape(len(rows), -1)
        for weight, bias in self._dense[:-1]:
            vectors = rectify(vectors @ weight, bias)
        weight, bias = self._dense[-1]
        return np.asarray(vectors @ weight + bias, dtype=np.float32)


class Classifier:
    """The global classifier: track or window vectors in, logits out ([SPL] II-C)."""

    def __init__(self, head: Head, weights: Weights) -> None:
        """`weights`: a bundle's verified weights, of which those of the head are taken."""
        self._mean = weights["head.mean"]
        self._deviation = weights["head.deviation"]
        numbers = range(1, len(head.hidden_units) + 2)
        self._layers = [
            (as_rows(weights[f"head.layer.{number}.weight"]), weights[f"head.layer.{number}.bias"])
            for number in numbers
        ]

    def __call__(self, vectors: Array) -> Array:
        """Classify vectors: (vectors, columns) float32 to (vectors, tags) float32 logits."""
        *hidden, (weight, bias) = self._layers
        return np.asarray(self._rectified(hidden, vectors) @ weight + bias, dtype=np.float32)

    def hidden(self, vectors: Array) -> Array:
        """What the first hidden layer makes of vectors: (vectors, columns) to (vectors, units) float32, 0 and above.

        Raises TagError for a classifier without one.
        """
        if len(self._layers) == 1:
            raise TagError(
                "This model's classifier has no hidden layer: found nothing between its vectors and its tags. Take the "
                "vectors themselves, or a model whose recipe names global.hidden_units."
            )
        return self._rectified(self._layers[:1], vectors)

    def _rectified(self, layers: list[tuple[Array, Array]], vectors: Array) -> Array:
        if vectors.ndim != 2 or vectors.shape[1] != len(self._mean):
            raise TagError(
                f"The classifier was given the shape {vectors.shape}; it takes (vectors, {len(self._mean)}). "
                "Give vectors of the same model."
            )
        values: Array = (vectors - self._mean) / self._deviation
        for weight, bias in layers:
            values = rectify(values @ weight, bias)
        return values
