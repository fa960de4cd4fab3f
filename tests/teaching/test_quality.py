"""The area under the ROC curve and its interval."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("sklearn", reason="needs the extra teach")

from sklearn.metrics import roc_auc_score

from earmark.teaching.quality import auc_interval, quality_of, roc_auc


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 40))
def test_the_area_is_scikit_learns(seed: int, tracks: int) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.integers(0, 6, tracks).astype(np.float64)
    has = generator.random(tracks) < 0.5
    if has.all() or not has.any():
        assert np.isnan(roc_auc(scores, has))
    else:
        assert roc_auc(scores, has) == pytest.approx(roc_auc_score(has, scores))


@settings(deadline=None)
@given(st.floats(0, 1), st.integers(2, 200), st.integers(2, 200))
def test_the_interval_holds_the_area_and_narrows_with_tracks(auc: float, positives: int, negatives: int) -> None:
    low, high = auc_interval(auc, positives, negatives)
    assert 0 <= low <= auc <= high <= 1
    more_low, more_high = auc_interval(auc, positives * 4, negatives * 4)
    assert more_high - more_low <= high - low + 1e-9


def test_a_perfect_area_of_few_examples_promises_little() -> None:
    assert auc_interval(1.0, 5, 20)[0] < 0.85
    assert auc_interval(1.0, 200, 800)[0] > 0.98


@pytest.mark.parametrize(("distance", "positives", "negatives"), [(0.0, 10, 40), (1.0, 10, 40), (2.0, 20, 20)])
def test_nineteen_of_twenty_intervals_hold_the_truth(distance: float, positives: int, negatives: int) -> None:
    from statistics import NormalDist

    generator = np.random.default_rng(5)
    true = NormalDist().cdf(distance / 2**0.5)
    held = 0
    for _ in range(400):
        scores = np.concatenate([generator.normal(distance, 1, positives), generator.normal(0, 1, negatives)])
        has = np.arange(positives + negatives) < positives
        low, high = auc_interval(roc_auc(scores, has), positives, negatives)
        held += low <= true <= high
    assert 0.92 <= held / 400 <= 0.99


def test_songs_of_one_artist_are_no_independent_witnesses() -> None:
    scores, has = np.linspace(0, 1, 40), np.arange(40) >= 20
    alone = quality_of(scores, has, np.arange(40))
    together = quality_of(scores, has, np.arange(40) // 10)
    assert alone.auc == together.auc == 1.0
    assert together.low < alone.low
