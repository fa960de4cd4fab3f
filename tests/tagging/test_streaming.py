import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from earmark.tagging.streaming import Batches


@given(st.integers(1, 7), st.lists(st.integers(0, 20), max_size=8))
def test_batches_do_not_depend_on_how_rows_arrive(size, pushes):
    rows = np.arange(2 * sum(pushes), dtype=np.float32).reshape(-1, 2)
    batches = Batches(size, (2,))
    found = []
    start = 0
    for count in pushes:
        found += [batch.copy() for batch in batches.push(rows[start : start + count])]
        start += count
    found += [batch.copy() for batch in batches.rest()]
    expected = [rows[start : start + size] for start in range(0, len(rows), size)]
    assert len(found) == len(expected)
    for batch, part in zip(found, expected, strict=True):
        np.testing.assert_array_equal(batch, part)


def test_it_begins_anew_after_the_rest():
    batches = Batches(3, ())
    assert list(batches.push(np.ones(2, dtype=np.float32))) == []
    assert [len(batch) for batch in batches.rest()] == [2]
    assert list(batches.rest()) == []
