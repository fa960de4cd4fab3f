"""A convolution over time with its max-pool, as matrix products in numpy.

There are two ways. Where a filter is no longer than its pool, as in all networks of both families, the rows under the
filter at the first, second … place of every pool are the padded input itself, viewed with longer rows. So there is one
product for each place of a pool, nothing is copied, and the maximum over the products is the pool. This way serves long
inputs. For short inputs, where the product of one segment has few rows, the rows under the filter are first copied side
by side for all segments of a batch, and there is one product.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

LONG_ROWS = 64
"""The number of rows from which a product of one segment is as fast as a larger one (measured)."""
CHUNK_ROWS = 256
"""The rows of one product where several are pooled: with 512 channels half a megabyte, which stays in the cache."""


@dataclass(frozen=True)
class Filters:
    """The filters of one convolution, arranged for a matrix product.

    `weight`: (filter_length · columns in, channels out); `bias`: (channels out,). With a stride of 1 the input is
    padded with zeros ("same" padding; an even filter has one more behind). Any other stride equals the filter's length,
    without padding.
    """

    weight: Array
    bias: Array
    filter_length: int
    stride: int = 1

    def seen_in_place(self, positions: int, pool_length: int) -> bool:
        """Return whether the input and the pool are long enough to multiply with the input in place."""
        return self.filter_length <= self.stride * pool_length and positions // pool_length >= LONG_ROWS

    def zeros(self, positions: int, pool_length: int) -> tuple[int, int]:
        """Return the rows of zeros needed before and behind a segment; none where its rows are copied."""
        if self.stride > 1 or not self.seen_in_place(positions, pool_length):
            return 0, 0
        before = (self.filter_length - 1) // 2
        return before, self.filter_length - 1 - before

    def unrolled_values(self, positions: int, pool_length: int) -> int:
        """Return the number of values in one segment's copied rows; 0 where the input is used in place."""
        serves = self.stride > 1 or self.filter_length == 1 or self.seen_in_place(positions, pool_length)
        return 0 if serves else positions * len(self.weight)


@dataclass(frozen=True)
class Workspace:
    """Memory for one batch of one network, used again for every batch and layer; not to be shared by threads.

    `unrolled`: the rows under the filter. `product`: the result of a product. `rows`: the padded rows of a block's
    input, of its output, and of what is between its two convolutions.
    """

    unrolled: Array
    product: Array
    rows: tuple[Array, Array, Array]


def padded_rows(
    memory: Array, segments: int, length: int, columns: int, zeros: tuple[int, int] = (0, 0)
) -> tuple[Array, Array]:
    """Return room for the rows of some segments, (segments, length, columns), and the same with zeros around them."""
    before, after = zeros
    whole = before + length + after
    padded = memory[: segments * whole * columns].reshape(segments, whole, columns)
    padded[:, :before] = 0.0
    padded[:, before + length :] = 0.0
    return padded[:, before : before + length], padded


def products(filters: Filters, padded: Array, positions: int, pool_length: int, space: Workspace) -> Array:
    """Return a convolution without its bias, by places of a pool.

    `padded`: (segments, rows, columns) with the zeros around it; it has `positions` outputs a segment. Returns
    (pool_length, segments, pools, channels), in the workspace: item i holds the outputs at place i of every pool.
    """
    count, channels = len(padded), len(filters.bias)
    pools = positions // pool_length
    product = space.product[: count * positions * channels]
    if filters.seen_in_place(positions, pool_length):
        placed = product.reshape(pool_length, count, pools, channels)
        for place in range(pool_length):
            np.matmul(_seen(filters, padded, place, pool_length, pools), filters.weight, out=placed[place])
        return placed
    flat = product.reshape(count * positions, channels)
    np.matmul(_under_filter(filters, padded, positions, space), filters.weight, out=flat)
    return flat.reshape(count, pools, pool_length, channels).transpose(2, 0, 1, 3)


def pooled(filters: Filters, padded: Array, positions: int, pool_length: int, space: Workspace, out: Array) -> None:
    """Write a convolution with its bias, ReLU and max-pool into `out`, (segments, pools, channels).

    The pool is taken before bias and ReLU: both are monotone, also when rounded, so the numbers are the same to the bit
    and there are fewer of them.
    """
    if not filters.seen_in_place(positions, pool_length):
        maximum(products(filters, padded, positions, pool_length, space), out)
        rectify(out, filters.bias)
        return
    pools = positions // pool_length
    places = [_seen(filters, padded, place, pool_length, pools) for place in range(pool_length)]
    for segment in range(len(padded)):
        for first in range(0, pools, CHUNK_ROWS):
            part = out[segment, first : first + CHUNK_ROWS]
            product = space.product[: part.size].reshape(part.shape)
            np.matmul(places[0][segment, first : first + CHUNK_ROWS], filters.weight, out=part)
            for seen in places[1:]:
                np.matmul(seen[segment, first : first + CHUNK_ROWS], filters.weight, out=product)
                np.maximum(part, product, out=part)
            rectify(part, filters.bias)


def maximum(placed: Array, out: Array) -> None:
    """Write the maximum over the places of every pool, (pool_length, segments, pools, channels), into `out`."""
    if len(placed) == 1:
        out[...] = placed[0]
        return
    np.maximum(placed[0], placed[1], out=out)
    for place in placed[2:]:
        np.maximum(out, place, out=out)


def rectify(values: Array, bias: Array) -> Array:
    """Add the bias and apply ReLU in place; returns the same array."""
    values += bias
    return np.maximum(values, np.float32(0.0), out=values)


def _seen(filters: Filters, padded: Array, place: int, step: int, count: int) -> Array:
    """Return a view of the rows under the filter at every `step`th position: (segments, count, filter · columns)."""
    segments, _, columns = padded.shape
    shape = (segments, count, filters.filter_length * columns)
    strides = (padded.strides[0], step * filters.stride * padded.strides[1], padded.strides[2])
    return np.lib.stride_tricks.as_strided(padded[:, place * filters.stride :], shape, strides, writeable=False)


def _under_filter(filters: Filters, rows: Array, positions: int, space: Workspace) -> Array:
    """Return the rows under the filter side by side, (segments · positions, filter · columns), with zeros beyond the
    ends.

    An even filter has one more neighbour on the right, as in the frameworks used in the letter and here.
    """
    count, length, columns = rows.shape
    if filters.stride > 1 or filters.filter_length == 1:
        return rows.reshape(count * positions, -1)
    values = count * length * filters.filter_length * columns
    unrolled = space.unrolled[:values].reshape(count, length, filters.filter_length, columns)
    for place in range(filters.filter_length):
        shift = place - (filters.filter_length - 1) // 2
        first, last = min(length, max(0, -shift)), max(0, min(length, length - shift))
        unrolled[:, :first, place] = 0.0
        unrolled[:, first:last, place] = rows[:, first + shift : last + shift]
        unrolled[:, max(first, last) :, place] = 0.0
    return unrolled.reshape(count * length, -1)
