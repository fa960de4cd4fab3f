import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from earmark.errors import TagError
from earmark.tagging.aggregate import TrackStatistics

WIDTHS = (2, 3)
LEVELS = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 30), st.just(sum(WIDTHS))),
    elements=st.floats(0, 100, width=32),
)
CUTS = st.lists(st.integers(0, 30), max_size=5).map(sorted)


def expected(statistic, levels):
    values = levels.astype(np.float64)
    if statistic == "max":
        return values.max(axis=0)
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    if statistic == "mean":
        return mean
    return np.concatenate([mean[:2], deviation[:2], mean[2:], deviation[2:]])


@pytest.mark.parametrize("statistic", ["mean", "max", "mean+deviation"])
@given(levels=LEVELS, cuts=CUTS)
def test_parts_equal_the_whole(statistic, levels, cuts):
    statistics = TrackStatistics(statistic, WIDTHS)
    for part in np.split(levels, cuts):
        statistics.add(part)
    assert statistics.count == len(levels)
    vector = statistics.vector()
    assert vector.dtype == np.float32
    np.testing.assert_allclose(vector, expected(statistic, levels), rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("statistic", ["mean", "max", "mean+deviation"])
@settings(deadline=None)
@given(levels=LEVELS, cuts=CUTS)
def test_vectors_of_groups_equal_the_whole(statistic, levels, cuts):
    groups = [part for part in np.split(levels, cuts) if len(part)]
    vectors = []
    for group in groups:
        statistics = TrackStatistics(statistic, WIDTHS)
        statistics.add(group)
        vectors.append(statistics.vector())
    merged = TrackStatistics(statistic, WIDTHS)
    merged.add_vectors(np.stack(vectors), np.array([len(group) for group in groups], dtype=np.int64))
    assert merged.count == len(levels)
    np.testing.assert_allclose(merged.vector(), expected(statistic, levels), rtol=1e-5, atol=1e-3)


def test_ten_hours_are_as_exact_as_ten_seconds():
    statistics = TrackStatistics("mean+deviation", (1,))
    part = np.array([[1000.0], [1000.1]], dtype=np.float32)
    for _ in range(50_000):
        statistics.add(part)
    np.testing.assert_allclose(
        statistics.vector(), [part.astype(np.float64).mean(), part.astype(np.float64).std()], rtol=1e-4
    )


@pytest.mark.parametrize("statistic", ["mean", "max", "mean+deviation"])
def test_equal_segments_deviate_by_nothing(statistic):
    statistics = TrackStatistics(statistic, WIDTHS)
    statistics.add(np.full((7, 5), 0.1, dtype=np.float32))
    assert np.isfinite(statistics.vector()).all()


@pytest.mark.parametrize("statistic", ["mean", "max", "mean+deviation"])
def test_nothing_has_no_vector(statistic):
    statistics = TrackStatistics(statistic, WIDTHS)
    statistics.add(np.empty((0, 5), dtype=np.float32))
    statistics.add_vectors(np.empty((0, 5), dtype=np.float32), np.empty(0, dtype=np.int64))
    with pytest.raises(TagError, match="before any segment"):
        statistics.vector()
