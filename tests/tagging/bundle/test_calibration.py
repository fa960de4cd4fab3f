from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.errors import TagError
from earmark.tagging.bundle.calibration import activate, probabilities, promised, promises, ranks, refuse_unpromised
from earmark.tagging.bundle.card import TagCalibration

ENTRIES = (
    TagCalibration("a", 2.0, 0.5, {"0.7": 0.4, "0.8": 0.5, "0.9": 0.75}),
    TagCalibration("b", 0.5, -1.0, {"0.7": 0.3}),
    TagCalibration("c", 1.0, 0.0, {}),
)


@dataclass(frozen=True)
class Model:
    """As much of a card as probabilities need."""

    activation: str = "sigmoid"
    calibration: tuple = ENTRIES
    tags: tuple = ()


def logits(*values):
    return np.array(values, dtype=np.float32)


def test_probabilities_by_hand():
    found = probabilities(logits([1.0, 2.0, -3.0], [0.0, 0.0, 0.0]), Model())
    assert found.dtype == np.float32
    expected = 1 / (1 + np.exp(-np.array([[2.5, 0.0, -3.0], [0.5, -1.0, 0.0]])))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_without_a_calibration_probabilities_are_the_scores(activation):
    values = np.random.default_rng(0).normal(0, 3, (4, 5)).astype(np.float32)
    np.testing.assert_array_equal(probabilities(values, Model(activation, ())), activate(values, activation))


def test_softmax_is_calibrated_by_its_log_odds():
    values = logits(1.0, 2.0, 0.5)
    identity = tuple(TagCalibration(label, 1.0, 0.0, {}) for label in "abc")
    found = probabilities(values, Model("softmax", identity))
    np.testing.assert_allclose(found, activate(values, "softmax"), rtol=1e-6)
    np.testing.assert_allclose(probabilities(values + 8, Model("softmax", ENTRIES)), found_of(values), rtol=1e-5)


def found_of(values):
    return probabilities(values, Model("softmax", ENTRIES))


@given(st.lists(st.floats(-1000, 1000, width=32), min_size=3, max_size=3))
def test_probabilities_are_finite_and_ordered_by_ranks(values):
    found = probabilities(logits(*values), Model())
    assert ((found >= 0) & (found <= 1)).all()
    order = np.argsort(ranks(logits(*values), Model()))
    assert (np.diff(found[order]) >= 0).all()


def test_promised_tags_have_at_least_their_threshold():
    values = logits([0.4, 0.29, 0.99], [0.75, 0.3, 0.99])
    np.testing.assert_array_equal(promised(values, Model(), 0.7), [[True, False, False], [True, True, False]])
    np.testing.assert_array_equal(promised(values, Model(), 0.9), [[False] * 3, [True, False, False]])


def test_a_higher_stored_precision_serves_and_a_lower_one_does_not():
    values = logits(0.6, 0.99, 0.99)
    assert promised(values, Model(), 0.75).tolist() == [True, False, False]
    assert promised(values, Model(), 0.85).tolist() == [False, False, False]
    assert promised(values, Model(), 0.95).tolist() == [False, False, False]
    assert promised(values, Model(calibration=()), 0.1).tolist() == [False] * 3


def test_a_probability_is_at_its_threshold_whatever_its_precision():
    """A threshold is stored as a float64 of what may have been a float32."""
    least = probabilities(logits(0.123, 0.0, 0.0), Model())
    entry = TagCalibration("a", 2.0, 0.5, {"0.9": float(least[0])})
    assert promised(least, Model(calibration=(entry, *ENTRIES[1:])), 0.9)[0]


def test_promises():
    assert promises(Model()) == (0.7, 0.8, 0.9)
    assert promises(Model(calibration=())) == ()


@pytest.mark.parametrize("precision", [0.0, -1.0, 1.5, float("nan")])
def test_a_precision_out_of_range_is_refused(precision):
    with pytest.raises(TagError, match="expected above 0 and up to 1"):
        promised(logits(0.5, 0.5, 0.5), Model(), precision)
    with pytest.raises(TagError, match="expected above 0 and up to 1"):
        refuse_unpromised(Model(), precision)


def test_what_a_model_can_never_promise_is_refused():
    refuse_unpromised(Model(), 0.9)
    refuse_unpromised(Model(), 0.1)
    with pytest.raises(TagError, match=r"found 0.91, expected up to 0.9"):
        refuse_unpromised(Model(), 0.91)
    with pytest.raises(TagError, match="stores no thresholds"):
        refuse_unpromised(Model(calibration=ENTRIES[2:]), 0.5)
