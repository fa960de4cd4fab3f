import math
from dataclasses import dataclass

import numpy as np
import pytest

pytest.importorskip("pydantic", reason="needs the extra train")

from earmark.errors import TrainingError
from earmark.tagging.bundle.card import Activation, TagCalibration, TagName
from earmark.training.evaluation.reliability import (
    Bin,
    ScoredTracks,
    calibration_error,
    measure_judgement,
    measure_reliability,
    reliability_curve,
)


@dataclass(frozen=True)
class Model:
    """As much of a card as promises need."""

    calibration: tuple[TagCalibration, ...]
    activation: Activation = "sigmoid"
    tags: tuple[TagName, ...] = ()


def single(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_a_curve_by_hand() -> None:
    curve = reliability_curve(single(0.9, 0.1, 0.2, 0.7), single(1, 0, 1, 0), 2)
    assert curve == (Bin(pytest.approx(0.15), 0.5, 2), Bin(pytest.approx(0.8), 0.5, 2))
    assert calibration_error(curve) == pytest.approx((0.35 * 2 + 0.3 * 2) / 4)
    assert [part.count for part in reliability_curve(single(0.1, 0.2, 0.3), single(0, 0, 1), 15)] == [1, 1, 1]


def test_honest_probabilities_have_nearly_no_error() -> None:
    generator = np.random.default_rng(0)
    probabilities = generator.random((5000, 3)).astype(np.float32)
    targets = (generator.random((5000, 3)) < probabilities).astype(np.float32)
    honest = measure_reliability([ScoredTracks(probabilities, targets, Model(()))], ("a", "b", "c"))
    boastful = measure_reliability([ScoredTracks(np.sqrt(probabilities), targets, Model(()))], ("a", "b", "c"))
    assert honest.pooled_error < 0.02
    assert honest.error < 0.03
    assert boastful.error > 0.1
    assert honest.promises == ()
    assert set(honest.tag_errors) == {"a", "b", "c"}


def test_errors_of_opposite_tags_do_not_cancel_by_tag() -> None:
    probabilities = np.full((100, 2), 0.5, dtype=np.float32)
    targets = np.repeat(np.array([[1.0, 0.0]], dtype=np.float32), 100, axis=0)
    found = measure_reliability([ScoredTracks(probabilities, targets, Model(()))], ("a", "b"))
    assert found.error == pytest.approx(0.5)


def test_promises_are_counted_over_the_tags_that_make_them() -> None:
    model = Model(
        (
            TagCalibration("a", 1.0, 0.0, {"0.8": 0.6, "0.9": 0.8}),
            TagCalibration("b", 1.0, 0.0, {"0.8": 0.5}),
            TagCalibration("c", 1.0, 0.0, {}),
        )
    )
    probabilities = np.array([[0.9, 0.6, 0.9], [0.7, 0.4, 0.9], [0.85, 0.9, 0.9], [0.1, 0.1, 0.9]], dtype=np.float32)
    targets = np.array([[1, 1, 0], [0, 1, 0], [1, np.nan, 0], [1, 0, 0]], dtype=np.float32)
    low, high = measure_reliability([ScoredTracks(probabilities, targets, model)], ("a", "b", "c")).promises
    assert (low.precision, low.tags, low.kept, low.achieved) == (0.8, 2, 4, 0.75)
    assert low.recall == pytest.approx(3 / 5), "three of the five positives of a and b"
    assert (high.precision, high.tags, high.kept, high.achieved) == (0.9, 1, 2, 1.0)
    assert high.recall == pytest.approx(2 / 3)
    assert 0 <= low.low <= low.achieved <= low.high <= 1


def test_folds_keep_their_own_thresholds() -> None:
    strict, lax = (Model((TagCalibration("a", 1.0, 0.0, {"0.9": least}),)) for least in (0.9, 0.2))
    silent = Model((TagCalibration("a", 1.0, 0.0, {}),))
    probabilities = np.full((4, 1), 0.5, np.float32)
    targets = single(1, 1, 0, 1)[:, None]
    parts = [ScoredTracks(probabilities, targets, model) for model in (strict, lax, silent, Model(()))]
    (promise,) = measure_reliability(parts, ("a",)).promises
    assert (promise.tags, promise.kept, promise.achieved) == (1, 4, 0.75), "only the second fold promises"
    assert promise.recall == 0.5, "of the positives of the folds that could promise"


def test_promises_and_errors_are_both_of_positives() -> None:
    model = Model((TagCalibration("a", 1.0, 0.0, {"0.9": 0.3}),))
    probabilities, targets = np.full((20, 1), 0.4, np.float32), np.full((20, 1), 0.4, np.float32)
    found = measure_reliability([ScoredTracks(probabilities, targets, model)], ("a",), positive_threshold=0.25)
    assert found.error == pytest.approx(0.6)
    assert found.promises[0].achieved == 1.0


def test_promises_are_held_against_what_people_said() -> None:
    model = Model(
        (TagCalibration("a", 1.0, 0.0, {"0.7": 0.3, "0.9": 0.5}), TagCalibration("b", 1.0, 0.0, {"0.9": 0.5}))
    )
    probabilities = np.array([[0.9, 0.9], [0.8, 0.9], [0.4, 0.9], [0.9, 0.1]], np.float32)
    said = np.array([[1, np.nan], [0, 0], [1, 1], [np.nan, 0]], np.float32)
    found = measure_judgement([ScoredTracks(probabilities, said, model)], ("a", "b"))
    assert [(each.precision, each.kept, each.achieved) for each in found.promises] == [
        (0.7, 5, pytest.approx(3 / 5)),
        (0.9, 4, pytest.approx(2 / 4)),
    ]
    assert found.wrong == {"a": 1, "b": 1}
    unreached = Model((TagCalibration("a", 1.0, 0.0, {"0.7": 0.3, "0.95": 0.99}), TagCalibration("b", 1.0, 0.0, {})))
    found = measure_judgement([ScoredTracks(probabilities, said, unreached)], ("a", "b"))
    assert found.wrong == {"a": 1}, "of the highest precision at which anything was promised"


def test_no_promise_made() -> None:
    model = Model((TagCalibration("a", 1.0, 0.0, {"0.9": 0.9}),))
    low = np.full((5, 1), 0.1, np.float32)
    (promise,) = measure_reliability([ScoredTracks(low, np.zeros((5, 1), np.float32), model)], ("a",)).promises
    assert (promise.kept, promise.tags) == (0, 1)
    assert math.isnan(promise.achieved) and math.isnan(promise.low) and math.isnan(promise.recall)


def test_nothing_known_is_refused() -> None:
    nothing = np.full((3, 2), np.nan, np.float32)
    with pytest.raises(TrainingError, match="None of 6 targets is known"):
        measure_reliability([ScoredTracks(np.zeros((3, 2), np.float32), nothing, Model(()))], ("a", "b"))
