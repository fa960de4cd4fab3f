"""A model's trained networks in numpy: the local CNN with its blocks and levels, and the global classifier."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.errors import TagError
from earmark.tagging.bundle.card import Convolution, Extractor, Head, SegmentStatistic, Weights
from earmark.tagging.bundle.check import layer_lengths
from earmark.tagging.engines.convolution import (
    CHUNK_ROWS,
    Filters,
    Workspace,
    maximum,
    padded_rows,
    pooled,
    products,
    rectify,
)

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Scaling:
    """Two dense layers from the mean of every channel over a segment to a factor of every channel, 0 to 1 (SE)."""

    squeeze: Array
    """(channels, units)"""
    squeeze_bias: Array
    excite: Array
    """(units, channels)"""
    excite_bias: Array

    def __call__(self, means: Array) -> Array:
        """Return the factors of some segments from their means: (segments, channels) float32 both."""
        excited: Array = rectify(means @ self.squeeze, self.squeeze_bias) @ self.excite + self.excite_bias
        # In this form of the sigmoid no exponential overflows.
        return np.asarray(np.float32(0.5) * (np.tanh(np.float32(0.5) * excited) + np.float32(1.0)))


@dataclass(frozen=True)
class Block:
    """One block of a network: its filters and the operations on their outputs."""

    filters: Filters
    second: Filters | None
    """The second convolution of a residual block."""
    shortcut: Filters | None
    """A convolution of one row on a residual block's input, where its channels differ from the output's."""
    residual: bool
    scaling: Scaling | None
    pool_length: int
    rows_in: int
    columns_in: int
    statistic: SegmentStatistic | None
    """The statistic over the segment that makes the block's level; None where it has no level."""

    @property
    def positions(self) -> int:
        """The number of outputs of its first convolution for one segment."""
        return self.rows_in // self.filters.stride

    @property
    def unrolled_values(self) -> int:
        """The number of values in one segment's copied rows."""
        filters = [self.filters] if self.second is None else [self.filters, self.second]
        return max(each.unrolled_values(self.positions, self.pool_length) for each in filters)

    @property
    def product_values(self) -> int:
        """The number of values of one segment's products that are held at once."""
        channels = len(self.filters.bias)
        if self._pools_at_once and self.filters.seen_in_place(self.positions, self.pool_length):
            return min(CHUNK_ROWS, self.positions // self.pool_length) * channels
        return self.positions * channels

    @property
    def input_values(self) -> int:
        """The number of values of one segment's input, with the zeros around it."""
        return (self.rows_in + sum(self.zeros)) * self.columns_in

    @property
    def between_values(self) -> int:
        """The number of values of one segment between two convolutions, with the zeros around them."""
        if self.second is None:
            return 0
        zeros = self.second.zeros(self.positions, self.pool_length)
        return (self.positions + sum(zeros)) * len(self.filters.bias)

    @property
    def zeros(self) -> tuple[int, int]:
        """The rows of zeros needed before and behind every segment."""
        return self.filters.zeros(self.positions, self.pool_length)

    @property
    def _pools_at_once(self) -> bool:
        """Whether only the pool of its outputs is needed."""
        return not self.residual and self.statistic != "mean"

    def __call__(self, rows: Array, padded: Array, out: Array, space: Workspace) -> Array | None:
        """Run the block and return its level, (segments, channels) float32, or None where it has none.

        `rows`: (segments, rows in, columns); `padded`: the same with the `zeros` around it; `out`: (segments, rows out,
        channels), which is written.
        """
        if self._pools_at_once:
            pooled(self.filters, padded, self.positions, self.pool_length, space, out)
            if self.scaling is not None:
                out *= self.scaling(out.mean(axis=1))[:, np.newaxis]
            return out.max(axis=1) if self.statistic == "max" else None
        placed = products(self.filters, padded, self.positions, self.pool_length, space)
        if self.residual:
            placed = self._convolved(placed, space)
            self._add_input(placed, rows)
        else:
            rectify(placed, self.filters.bias)
        maximum(placed, out)
        factors = None
        if self.scaling is not None and not self.residual:
            factors = self.scaling(out.mean(axis=1))
            out *= factors[:, np.newaxis]
        if self.statistic == "mean":
            level = placed.mean(axis=(0, 2), dtype=np.float64).astype(np.float32)
            return level if factors is None else np.asarray(level * factors)
        return out.max(axis=1) if self.statistic == "max" else None

    def _convolved(self, placed: Array, space: Workspace) -> Array:
        """Return a residual block's convolutions by places of a pool, with biases and scaled, before the sum."""
        if self.second is None:
            placed += self.filters.bias
        else:
            channels = len(self.filters.bias)
            rectify(placed, self.filters.bias)
            zeros = self.second.zeros(self.positions, self.pool_length)
            between, padded = padded_rows(space.rows[2], placed.shape[1], self.positions, channels, zeros)
            for place, outputs in enumerate(placed):
                between[:, place :: self.pool_length] = outputs
            placed = products(self.second, padded, self.positions, self.pool_length, space)
            placed += self.second.bias
        if self.scaling is not None:
            placed *= self.scaling(placed.mean(axis=(0, 2)))[:, np.newaxis]
        return placed

    def _add_input(self, placed: Array, rows: Array) -> None:
        """Add the block's input, through the shortcut where there is one, and apply ReLU."""
        if self.shortcut is not None:
            rows = rows @ self.shortcut.weight + self.shortcut.bias
        for place, outputs in enumerate(placed):
            outputs += rows[:, place :: self.pool_length]
            np.maximum(outputs, np.float32(0.0), out=outputs)


def block_of(
    convolution: Convolution,
    weights: Weights,
    name: str,
    rows_in: int,
    columns_in: int,
    statistic: SegmentStatistic | None,
) -> Block:
    """Return a block from its description in a card and a bundle's verified weights; `name` is their prefix."""
    scaling = None
    if convolution.squeeze_units:
        scaling = Scaling(
            as_rows(weights[f"{name}.squeeze.weight"]),
            weights[f"{name}.squeeze.bias"],
            as_rows(weights[f"{name}.excite.weight"]),
            weights[f"{name}.excite.bias"],
        )
    residual = convolution.residual_convolutions > 0
    return Block(
        filters=_filters(weights, name, convolution.stride),
        second=_filters(weights, f"{name}.second") if convolution.residual_convolutions == 2 else None,
        shortcut=_filters(weights, f"{name}.shortcut") if residual and columns_in != convolution.channels else None,
        residual=residual,
        scaling=scaling,
        pool_length=convolution.pool_length,
        rows_in=rows_in,
        columns_in=columns_in,
        statistic=statistic,
    )


def as_rows(weight: Array) -> Array:
    """Return a dense layer's (out, in) weight as (in, out), to be multiplied from the right."""
    return np.ascontiguousarray(weight.T)


def _filters(weights: Weights, name: str, stride: int = 1) -> Filters:
    weight = weights[f"{name}.weight"]  # (out, in, filter)
    channels, _, length = weight.shape
    flat = np.ascontiguousarray(weight.transpose(2, 1, 0).reshape(-1, channels))
    return Filters(flat, weights[f"{name}.bias"], length, stride)


LARGEST_BATCH = 32
"""The most segments in a batch. They make the last layers' matrix products as fast as the first ones'; with more, the
unrolled input leaves the processor's cache (measured: 16 to 64 are within 5 % of each other)."""
BATCH_VALUES = 2_000_000
"""The most values in a batch's unrolled convolution input (8 MB), unless one segment has more."""


@dataclass(frozen=True)
class Activations:
    """The activations of a local network on segments.

    `levels`: (segments, width) float32, at least 0: the statistic over the segment of every level used, side by side.
    `logits`: (segments, tags) float32, the local output before its sigmoid or softmax; no columns where the bundle has
    no local output.
    """

    levels: Array
    logits: Array


class LocalNetwork:
    """One extractor's network in numpy: from segments to the activations of its levels and its local logits.

    It holds weights only, so threads may share it; each has its own workspace.
    """

    def __init__(self, extractor: Extractor, weights: Weights) -> None:
        """`weights`: a bundle's verified weights, from which those of this extractor are taken."""
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
        """The number of segments in a batch; it is the same for every sound, so that a sound's numbers are the same."""

    def workspace(self) -> Workspace:
        """Return memory for batches of up to `batch_segments` segments."""

        def room(values: int) -> Array:
            return np.empty(values * self.batch_segments, dtype=np.float32)

        rows = (room(self._row_values()), room(self._row_values()), room(self._values("between_values")))
        return Workspace(room(self._values("unrolled_values")), room(self._values("product_values")), rows)

    def _values(self, what: str) -> int:
        """Return the largest number of values of a kind that any block has for one segment."""
        return max(int(getattr(block, what)) for block in self._blocks)

    def _row_values(self) -> int:
        """Return the largest number of values that enter or leave a block for one segment."""
        length, columns = self._end
        return max(self._values("input_values"), length * columns)

    def __call__(self, segments: Array, workspace: Workspace | None = None) -> Activations:
        """Run up to `batch_segments` segments through the network.

        `segments`: (segments, length, columns) float32: log-mel frames, or raw samples with one column.

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
        """Return room for the input of block `number`, counted from 0, or the last output; two memories alternate."""
        memory = space.rows[number % 2]
        if number == len(self._blocks):
            length, columns = self._end
            return padded_rows(memory, segments, length, columns)
        block = self._blocks[number]
        return padded_rows(memory, segments, block.rows_in, block.columns_in, block.zeros)

    def _local_logits(self, rows: Array) -> Array:
        if not self._dense:
            return np.empty((len(rows), 0), dtype=np.float32)
        # Channels first, as torch flattens them; with one row left, as usual, nothing is moved.
        vectors: Array = rows.transpose(0, 2, 1).reshape(len(rows), -1)
        for weight, bias in self._dense[:-1]:
            vectors = rectify(vectors @ weight, bias)
        weight, bias = self._dense[-1]
        return np.asarray(vectors @ weight + bias, dtype=np.float32)


class Classifier:
    """The global classifier, from track or window vectors to logits ([SPL] II-C)."""

    def __init__(self, head: Head, weights: Weights) -> None:
        """`weights`: a bundle's verified weights, from which those of the head are taken."""
        self._mean = weights["head.mean"]
        self._deviation = weights["head.deviation"]
        numbers = range(1, len(head.hidden_units) + 2)
        self._layers = [
            (as_rows(weights[f"head.layer.{number}.weight"]), weights[f"head.layer.{number}.bias"])
            for number in numbers
        ]

    def __call__(self, vectors: Array) -> Array:
        """Return the logits of vectors: (vectors, columns) float32 to (vectors, tags) float32."""
        *hidden, (weight, bias) = self._layers
        return np.asarray(self._rectified(hidden, vectors) @ weight + bias, dtype=np.float32)

    def hidden(self, vectors: Array) -> Array:
        """Return the activations of the first hidden layer: (vectors, columns) to (vectors, units) float32, at least 0.

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
