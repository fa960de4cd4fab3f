"""The trained networks' forward pass, in numpy alone: a convolution is one matrix product.

Batch norms are folded into the weights when a bundle is made. What is computed is, layer by layer,
convolution, bias, ReLU, max-pool. Where a level's maximum is wanted, the pool is taken before bias and ReLU:
both are monotone, also when rounded, so the numbers are the same to the bit and there are fewer of them.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.errors import TagError
from earmark.tagging.card import Extractor, Head, Weights
from earmark.tagging.card_check import layer_lengths

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


@dataclass(frozen=True)
class Workspace:
    """Memory for one batch of one network, used again for every batch and layer; never by two threads."""

    unrolled: Array
    product: Array


@dataclass(frozen=True)
class _Layer:
    weight: Array
    """(filter_length * channels in, channels out)"""
    bias: Array
    filter_length: int
    stride: int
    pool_length: int
    rows_in: int
    columns_in: int
    used: bool
    """Whether the level enters the track vector."""

    @property
    def unrolled_values(self) -> int:
        """The values of one segment's unrolled input; 0 where the input itself serves."""
        unrolls = self.stride == 1 and self.filter_length > 1
        return self.rows_in * self.filter_length * self.columns_in if unrolls else 0

    @property
    def product_values(self) -> int:
        return self.rows_in // self.stride * len(self.bias)


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
        self._layers: list[_Layer] = []
        columns = extractor.input_columns
        for number, convolution in enumerate(extractor.convolutions, start=1):
            weight = weights[f"{prefix}.convolution.{number}.weight"]  # (out, in, filter)
            self._layers.append(
                _Layer(
                    np.ascontiguousarray(weight.transpose(2, 1, 0).reshape(-1, convolution.channels)),
                    weights[f"{prefix}.convolution.{number}.bias"],
                    convolution.filter_length,
                    convolution.stride,
                    convolution.pool_length,
                    lengths[number - 1],
                    columns,
                    number in extractor.levels,
                )
            )
            columns = convolution.channels
        self._dense = [
            (_as_rows(weights[f"{prefix}.{part}.weight"]), weights[f"{prefix}.{part}.bias"])
            for part, there in (("hidden", extractor.hidden_units), ("output", len(extractor.output_tags)))
            if there
        ]
        largest = max(max(layer.unrolled_values, layer.product_values) for layer in self._layers)
        self.batch_segments = max(1, min(LARGEST_BATCH, BATCH_VALUES // largest))
        """The number of segments a batch; the same for every sound, so that its numbers are the same."""

    def workspace(self) -> Workspace:
        """Memory for batches of up to `batch_segments` segments."""
        unrolled = max(layer.unrolled_values for layer in self._layers) * self.batch_segments
        product = max(layer.product_values for layer in self._layers) * self.batch_segments
        return Workspace(np.empty(unrolled, dtype=np.float32), np.empty(product, dtype=np.float32))

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
        rows = (segments - self._mean) / self._deviation
        levels: list[Array] = []
        for layer in self._layers:
            product = _convolve(layer, rows, space)
            if self.extractor.segment_statistic == "mean":
                rows = _pool(_rectify(product, layer.bias), layer.pool_length)
                level = product.mean(axis=1, dtype=np.float64).astype(np.float32) if layer.used else None
            else:
                rows = _rectify(_pool(product, layer.pool_length), layer.bias)
                level = rows.max(axis=1) if layer.used else None
            if level is not None:
                levels.append(level)
        return Activations(np.concatenate(levels, axis=1), self._local_logits(rows))

    def _local_logits(self, rows: Array) -> Array:
        if not self._dense:
            return np.empty((len(rows), 0), dtype=np.float32)
        # Channels first, as torch flattens them; nothing to move where one row is left, which is the usual case.
        vectors = rows.transpose(0, 2, 1).reshape(len(rows), -1)
        for weight, bias in self._dense[:-1]:
            vectors = _rectify(vectors @ weight, bias)
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
            (_as_rows(weights[f"head.layer.{number}.weight"]), weights[f"head.layer.{number}.bias"])
            for number in numbers
        ]

    def __call__(self, vectors: Array) -> Array:
        """Classify vectors: (vectors, columns) float32 to (vectors, tags) float32 logits."""
        if vectors.ndim != 2 or vectors.shape[1] != len(self._mean):
            raise TagError(
                f"The classifier was given the shape {vectors.shape}; it takes (vectors, {len(self._mean)}). "
                "Give vectors of the same model."
            )
        values: Array = (vectors - self._mean) / self._deviation
        for weight, bias in self._layers[:-1]:
            values = _rectify(values @ weight, bias)
        weight, bias = self._layers[-1]
        return np.asarray(values @ weight + bias, dtype=np.float32)


def _convolve(layer: _Layer, rows: Array, space: Workspace) -> Array:
    """One convolution without its bias: (segments, rows in, columns) to (segments, rows out, channels)."""
    count, rows_out = len(rows), layer.rows_in // layer.stride
    unrolled = _unroll(layer, rows, space) if layer.unrolled_values else rows
    product = space.product[: count * layer.product_values].reshape(count * rows_out, -1)
    np.matmul(unrolled.reshape(count * rows_out, -1), layer.weight, out=product)
    return product.reshape(count, rows_out, -1)


def _unroll(layer: _Layer, rows: Array, space: Workspace) -> Array:
    """Put beside every row its neighbours under the filter, zeros beyond the ends: "same" padding.

    An even filter has one neighbour more on the right, as in the frameworks that the letter and we train in.
    """
    count, length, columns = rows.shape
    unrolled = space.unrolled[: count * layer.unrolled_values].reshape(count, length, layer.filter_length, columns)
    for place in range(layer.filter_length):
        shift = place - (layer.filter_length - 1) // 2
        first, last = min(length, max(0, -shift)), max(0, min(length, length - shift))
        unrolled[:, :first, place] = 0.0
        unrolled[:, first:last, place] = rows[:, first + shift : last + shift]
        unrolled[:, max(first, last) :, place] = 0.0
    return unrolled


def _pool(rows: Array, length: int) -> Array:
    """Max-pool: (segments, rows, channels) to (segments, rows // length, channels)."""
    if length == 1:
        return rows.copy()  # the product's memory is used again by the next layer
    parts = rows.reshape(rows.shape[0], -1, length, rows.shape[2])
    pooled = np.maximum(parts[:, :, 0], parts[:, :, 1])
    for place in range(2, length):
        np.maximum(pooled, parts[:, :, place], out=pooled)
    return pooled


def _rectify(values: Array, bias: Array) -> Array:
    """Add the bias and take ReLU, in place."""
    values += bias
    return np.maximum(values, np.float32(0.0), out=values)


def _as_rows(weight: Array) -> Array:
    """A dense layer's (out, in) weight as (in, out), to be multiplied from the right."""
    return np.ascontiguousarray(weight.T)
