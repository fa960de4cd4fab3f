import dataclasses

import numpy as np
import pytest
from tagging.builders import make_bundle

from earmark.errors import LibraryError
from earmark.library.analysis import analysis_of, half, pack_over_time, unpack_over_time
from earmark.tagging.bundle.calibration import activate, probabilities
from earmark.tagging.prediction import OverTime
from earmark.tagging.tagger import Tagger


def over_time(tagger: Tagger, windows: int = 40, spread: float = 3.0) -> OverTime:
    logits = np.random.default_rng(1).normal(0, spread, (windows, len(tagger.labels))).astype(np.float32)
    seconds = np.arange(windows) * 5.0
    scores = activate(logits, tagger.card.activation)
    return OverTime(seconds, scores, tagger.labels, 10.0, 5.0, probabilities(logits, tagger.card))


@pytest.mark.parametrize(("activation", "tolerance"), [("sigmoid", 0.009), ("softmax", 0.04)])
def test_tags_over_time_come_back_within_a_step(activation: str, tolerance: float) -> None:
    tagger = Tagger(make_bundle(tags=5, activation=activation, calibrated=True))  # type: ignore[arg-type]
    given = over_time(tagger)
    got = unpack_over_time(pack_over_time(given, tagger.card.activation), tagger.card)
    np.testing.assert_array_equal(got.seconds, given.seconds)
    assert (got.window_seconds, got.hop_seconds, got.labels) == (10.0, 5.0, tagger.labels)
    np.testing.assert_allclose(got.scores, given.scores, atol=tolerance)
    np.testing.assert_allclose(got.probabilities, given.probabilities, atol=tolerance)


def test_they_take_less_than_a_byte_a_score(tagger: Tagger) -> None:
    packed = pack_over_time(over_time(tagger, windows=400, spread=0.5), "sigmoid")
    assert len(packed.scores) < 400 * 5


def test_scores_at_the_ends_stay_there(tagger: Tagger) -> None:
    ends = over_time(tagger, windows=2)
    ends = dataclasses.replace(ends, scores=np.array([[0, 1, 0.5, 0, 1]] * 2, np.float32))
    got = unpack_over_time(pack_over_time(ends, "sigmoid"), tagger.card).scores
    np.testing.assert_allclose(got, ends.scores, atol=5e-4)


def test_bytes_of_another_model_are_refused(tagger: Tagger) -> None:
    packed = pack_over_time(over_time(tagger), "sigmoid")
    other = Tagger(make_bundle(tags=4)).card
    with pytest.raises(LibraryError, match="expected 40 windows of 4 tags"):
        unpack_over_time(packed, other)
    with pytest.raises(LibraryError, match="cannot be unpacked"):
        unpack_over_time(dataclasses.replace(packed, scores=b"nothing"), tagger.card)


def test_half_precision_ends_where_it_ends() -> None:
    assert half(np.array([1e9, -1e9, 0.5], np.float32)).tolist() == [65504.0, -65504.0, 0.5]


def test_what_is_kept_is_what_was_predicted(tagger: Tagger) -> None:
    prediction = tagger.tag((np.random.default_rng(0).uniform(-0.1, 0.1, 60_000).astype(np.float32), 22_050))
    kept = analysis_of("packets:1", prediction)
    assert (kept.identity, kept.decoder, kept.short) == ("packets:1", "array", ())
    np.testing.assert_array_equal(kept.logits, prediction.logits)
    np.testing.assert_allclose(kept.embedding, prediction.embedding, rtol=1e-3)
    assert kept.over_time is None
