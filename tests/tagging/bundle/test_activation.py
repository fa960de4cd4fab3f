import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.errors import TagError
from earmark.tagging.bundle.calibration import activate, log_odds, sigmoid

LOGITS = st.lists(st.floats(-50, 50, width=32), min_size=2, max_size=6)


@given(LOGITS)
def test_log_odds_are_those_of_the_scores(values):
    logits = np.array([values, values[::-1]], dtype=np.float32)
    for activation in ("sigmoid", "softmax"):
        odds = log_odds(logits, activation)
        assert odds.dtype == np.float64
        np.testing.assert_allclose(sigmoid(odds), activate(logits, activation), atol=1e-6)


def test_log_odds_of_a_softmax_do_not_rise_with_all_logits():
    logits = np.array([1.0, -2.0, 0.5], dtype=np.float32)
    np.testing.assert_allclose(log_odds(logits + 64, "softmax"), log_odds(logits, "softmax"), atol=1e-9)
    far = np.array([2000.0, -2000.0], dtype=np.float32)
    np.testing.assert_array_equal(log_odds(far, "softmax"), [4000.0, -4000.0])


def test_a_softmax_over_one_tag_says_nothing():
    with pytest.raises(TagError, match="at least two tags"):
        log_odds(np.zeros((3, 1), dtype=np.float32), "softmax")
    np.testing.assert_array_equal(log_odds(np.zeros((3, 1), dtype=np.float32), "sigmoid"), np.zeros((3, 1)))
