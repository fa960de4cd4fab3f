"""The blocks of a local network in numpy: convolution, ReLU, max-pool, and what the raw family's follow-up adds.

The additions are those of Kim, Lee and Nam, "Sample-level CNN Architectures for Music Auto-tagging Using Raw
Waveforms", 2018: the channels scaled by what the whole segment holds (SE), the block's input added to its output
(Res-1, Res-2), and both (ReSE-1, ReSE-2). Where they stand follows the authors' code: SE scales what the pool leaves;
in a residual block it scales the convolutions' output before the sum, and ReLU and pool come last.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.tagging.card import Convolution, SegmentStatistic, Weights
from earmark.tagging.convolve import (
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
    """Two dense layers from a segment's mean of every channel to a factor of every channel, 0 to 1 (SE)."""

    squeeze: Array
    """(channels, units)"""
    squeeze_bias: Array
    excite: Array
    """(units, channels)"""
    excite_bias: Array

    def __call__(self, means: Array) -> Array:
        """The factors of some segments: (segments, channels) to the same, float32."""
        excited: Array = rectify(means @ self.squeeze, self.squeeze_bias) @ self.excite + self.excite_bias
        # The sigmoid, written so that no exponential overflows.
        return np.asarray(np.float32(0.5) * (np.tanh(np.float32(0.5) * excited) + np.float32(1.0)))


@dataclass(frozen=True)
class Block:
    """One block of a network: its filters and what is done with their outputs."""

    filters: Filters
    second: Filters | None
    """The second convolution of a residual block."""
    shortcut: Filters | None
    """A convolution of one row for a residual block's input, where its channels are others than its output's."""
    residual: bool
    scaling: Scaling | None
    pool_length: int
    rows_in: int
    columns_in: int
    statistic: SegmentStatistic | None
    """How its activations become a level of the vector; none where they do not."""

    @property
    def positions(self) -> int:
        """The outputs that its first convolution has of a segment."""
        return self.rows_in // self.filters.stride

    @property
    def unrolled_values(self) -> int:
        """The values of one segment's copied rows."""
        filters = [self.filters] if self.second is None else [self.filters, self.second]
        return max(each.unrolled_values(self.positions, self.pool_length) for each in filters)

    @property
    def product_values(self) -> int:
        """The values of one segment's products that are held at once."""
        channels = len(self.filters.bias)
        if self._pools_at_once and self.filters.seen_in_place(self.positions, self.pool_length):
            return min(CHUNK_ROWS, self.positions // self.pool_length) * channels
        return self.positions * channels

    @property
    def input_values(self) -> int:
        """The values of one segment's input, the zeros around it included."""
        return (self.rows_in + sum(self.zeros)) * self.columns_in

    @property
    def between_values(self) -> int:
        """The values of one segment between two convolutions, the zeros around them included."""
        if self.second is None:
            return 0
        zeros = self.second.zeros(self.positions, self.pool_length)
        return (self.positions + sum(zeros)) * len(self.filters.bias)

    @property
    def zeros(self) -> tuple[int, int]:
        """Rows of zeros that it wants before and behind every segment."""
        return self.filters.zeros(self.positions, self.pool_length)

    @property
    def _pools_at_once(self) -> bool:
        """Whether nothing is wanted of the outputs but their pool."""
        return not self.residual and self.statistic != "mean"

    def __call__(self, rows: Array, padded: Array, out: Array, space: Workspace) -> Array | None:
        """Run the block; returns its level, (segments, channels) float32, where it has one.

        `rows`: (segments, rows in, columns); `padded`: the same with the `zeros` around it; `out`: (segments, rows out,
        channels), written.
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
        """A residual block's one or two convolutions with their biases, scaled, before the sum; by places of a pool."""
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
        """Add the block's input, through the shortcut's filters where it has some, and take ReLU."""
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
    """A block from a card's description and a bundle's verified weights; `name` begins those of its tensors."""
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
    """A dense layer's (out, in) weight as (in, out), to be multiplied from the right."""
    return np.ascontiguousarray(weight.T)


def _filters(weights: Weights, name: str, stride: int = 1) -> Filters:
    weight = weights[f"{name}.weight"]  # (out, in, filter)
    channels, _, length = weight.shape
    flat = np.ascontiguousarray(weight.transpose(2, 1, 0).reshape(-1, channels))
    return Filters(flat, weights[f"{name}.bias"], length, stride)
