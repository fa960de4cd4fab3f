from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.tagging.engines import convolution as convolve
from earmark.tagging.engines.convolution import Filters, Workspace, padded_rows, pooled, products


def run(long_rows, filters, rows, pool_length):
    """Pooled outputs, and the products by places, with products of so many rows counted as long."""
    with mock.patch.object(convolve, "LONG_ROWS", long_rows):
        segments, length, columns = rows.shape
        positions = length // filters.stride
        memory = np.full(100_000, np.nan, dtype=np.float32)
        inside, padded = padded_rows(memory, segments, length, columns, filters.zeros(positions, pool_length))
        inside[...] = rows
        space = Workspace(np.full(100_000, np.nan, "f4"), np.full(100_000, np.nan, "f4"), (memory,) * 3)
        out = np.empty((segments, positions // pool_length, len(filters.bias)), dtype=np.float32)
        pooled(filters, padded, positions, pool_length, space, out)
        return out, products(filters, padded, positions, pool_length, space).copy()


@settings(max_examples=80, deadline=None)
@given(
    filter_length=st.integers(1, 5),
    strided=st.booleans(),
    pool_length=st.integers(1, 5),
    pools=st.integers(1, 7),
    columns=st.integers(1, 4),
    channels=st.integers(1, 4),
    segments=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_both_ways_say_the_same(filter_length, strided, pool_length, pools, columns, channels, segments, seed):
    generator = np.random.default_rng(seed)
    stride = filter_length if strided else 1
    weight = generator.normal(size=(filter_length * columns, channels)).astype(np.float32)
    filters = Filters(weight, generator.normal(size=channels).astype(np.float32), filter_length, stride)
    rows = generator.normal(size=(segments, pools * pool_length * stride, columns)).astype(np.float32)
    seen, placed = run(1, filters, rows, pool_length)
    copied, placed_copied = run(10**9, filters, rows, pool_length)
    np.testing.assert_allclose(seen, copied, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(placed, placed_copied, rtol=1e-5, atol=1e-5)
    rectified = np.maximum(placed.max(axis=0) + filters.bias, 0)
    np.testing.assert_allclose(seen, rectified, rtol=1e-5, atol=1e-5)


def test_a_filter_longer_than_its_pool_is_copied():
    filters = Filters(np.ones((5, 1), dtype=np.float32), np.zeros(1, dtype=np.float32), 5)
    assert not filters.seen_in_place(3000, 3)
    assert filters.unrolled_values(3000, 3) == 15_000
    assert Filters(filters.weight[:3], filters.bias, 3).unrolled_values(3000, 3) == 0


@pytest.mark.parametrize(("length", "zeros"), [(1, (0, 0)), (2, (0, 1)), (3, (1, 1)), (4, (1, 2))])
def test_an_even_filter_has_one_zero_more_behind(length, zeros):
    filters = Filters(np.ones((length, 1), dtype=np.float32), np.zeros(1, dtype=np.float32), length)
    assert filters.zeros(4000, 4) == zeros
    assert filters.zeros(40, 4) == (0, 0), "short rows are copied"
