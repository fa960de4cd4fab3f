import csv
import dataclasses
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.errors import TagError
from earmark.tagging.bundle.calibration import activate
from earmark.tagging.bundle.card import TagCalibration, TagName
from earmark.tagging.prediction import ModelIdentity, OverTime, Prediction, Tag


def prediction(**changes):
    values = {
        "tags": (TagName("guitar", "instrument"), TagName("slow, calm", "tempo"), TagName("ťažký", "genre")),
        "logits": np.array([0.0, 2.0, -1.0], dtype=np.float32),
        "activation": "sigmoid",
        "embedding": np.array([0.25, 0.5], dtype=np.float32),
        "local_scores": np.array([0.5, 0.75, 0.25], dtype=np.float32),
        "source": "song.mp3",
        "duration_seconds": 1.5,
        "truncated": False,
        "short": (),
        "model": ModelIdentity("demo", ("aa", "bb"), "cc", "1.0"),
        "decoder": "array",
    }
    return Prediction(**{**values, **changes})


@given(st.lists(st.floats(-1000, 1000, width=32), min_size=1, max_size=5))
def test_sigmoid_is_finite_and_monotone(logits):
    scores = activate(np.array(sorted(logits), dtype=np.float32), "sigmoid")
    assert scores.dtype == np.float32
    assert ((scores >= 0) & (scores <= 1)).all()
    assert (np.diff(scores) >= 0).all()


def test_activations_are_their_definitions():
    logits = np.array([[0.5, -2.0, 3.0]], dtype=np.float32)
    np.testing.assert_allclose(activate(logits, "sigmoid"), 1 / (1 + np.exp(-logits)), rtol=1e-6)
    np.testing.assert_allclose(activate(logits, "softmax"), np.exp(logits) / np.exp(logits).sum(), rtol=1e-6)
    np.testing.assert_allclose(activate(logits + 500, "softmax").sum(), 1.0, rtol=1e-6)


def test_top():
    assert prediction().top(2) == [
        Tag("slow, calm", pytest.approx(0.8808, abs=1e-4), "tempo", pytest.approx(0.8808, abs=1e-4)),
        Tag("guitar", 0.5, "instrument", 0.5),
    ]
    assert [tag.label for tag in prediction().top(10)] == ["slow, calm", "guitar", "ťažký"]


def test_top_goes_by_logits_where_scores_are_equal_and_keeps_the_order_of_ties():
    saturated = prediction(logits=np.array([100.0, 200.0, 100.0], dtype=np.float32))
    assert [tag.label for tag in saturated.top(3)] == ["slow, calm", "guitar", "ťažký"]


CALIBRATION = (
    TagCalibration("guitar", 2.0, 1.5, {"0.7": 0.5, "0.9": 0.8}),
    TagCalibration("slow, calm", 0.5, -1.0, {"0.7": 0.4}),
    TagCalibration("ťažký", 1.0, 0.0, {}),
)


def test_top_goes_by_probabilities_where_the_model_is_calibrated():
    found = prediction(calibration=CALIBRATION)
    assert found.calibrated
    assert not prediction().calibrated
    assert found.top(2) == [
        Tag("guitar", 0.5, "instrument", pytest.approx(1 / (1 + np.exp(-1.5)), abs=1e-6)),
        Tag("slow, calm", pytest.approx(0.8808, abs=1e-4), "tempo", 0.5),
    ]
    np.testing.assert_array_equal(found.scores, prediction().scores)
    saturated = prediction(calibration=CALIBRATION, logits=np.array([300.0, 2000.0, 610.0], dtype=np.float32))
    assert [tag.label for tag in saturated.top(3)] == ["slow, calm", "ťažký", "guitar"]
    assert repr(found).endswith("guitar 0.82, slow, calm 0.50, ťažký 0.27>")


def test_promised_tags_are_those_at_their_threshold():
    found = prediction(calibration=CALIBRATION)
    assert [tag.label for tag in found.promised(0.7)] == ["guitar", "slow, calm"]
    assert [tag.label for tag in found.promised(0.9)] == ["guitar"]
    assert found.promised(0.95) == []
    assert prediction().promised(0.5) == []


def test_what_cannot_be_promised_is_an_empty_cell():
    found = prediction(calibration=CALIBRATION)
    assert found.csv_row(0.9)[-3:] == ("0.817575", "", "")
    assert found.csv_row()[-5:] == ("true", "", "0.817575", "0.500000", "0.268941")


def test_json_says_whether_probabilities_are_calibrated():
    plain, calibrated = prediction().to_dict(), prediction(calibration=CALIBRATION).to_dict()
    assert plain["calibrated"] is False
    assert plain["probabilities"] == plain["scores"]
    assert calibrated["calibrated"] is True
    assert calibrated["probabilities"]["slow, calm"] == 0.5
    assert calibrated["scores"] == plain["scores"]


def test_evidence_needs_features():
    with pytest.raises(TagError, match="keep_features=True"):
        prediction().evidence("guitar")
    with pytest.raises(TagError, match=r"found the tag 'gitar'.*Did you mean 'guitar'"):
        prediction().evidence("gitar")


def test_no_tags_cannot_be_asked_for():
    with pytest.raises(TagError, match="k = 0"):
        prediction().top(0)


def test_softmax_scores_sum_to_one():
    assert prediction(activation="softmax").scores.sum() == pytest.approx(1.0)


def test_json_round_trip():
    found = prediction(
        over_time=OverTime(
            np.array([0.0, 1.0]),
            np.full((2, 3), 0.5, dtype=np.float32),
            ("guitar", "slow, calm", "ťažký"),
            3.0,
            1.0,
            np.full((2, 3), 0.25, dtype=np.float32),
        ),
        short=("54",),
    )
    record = json.loads(found.to_json(embedding=True))
    assert record == found.to_dict(embedding=True)
    assert "\n" not in found.to_json()
    assert record["scores"]["guitar"] == 0.5
    assert record["logits"] == {"guitar": 0.0, "slow, calm": 2.0, "ťažký": -1.0}
    assert record["groups"]["ťažký"] == "genre"
    assert record["embedding"] == [0.25, 0.5]
    assert record["over_time"]["scores"] == [[0.5] * 3] * 2
    assert record["over_time"]["probabilities"] == [[0.25] * 3] * 2
    assert record["model"] == {
        **{"name": "demo", "extractor_hashes": ["aa", "bb"], "head_hash": "cc"},
        **{"version": "1.0", "engine": "numpy"},
    }
    assert record["short"] == ["54"]


def test_parts_not_asked_for_are_absent():
    record = prediction(local_scores=None).to_dict()
    assert "embedding" not in record
    assert "over_time" not in record
    assert record["local_scores"] is None


def test_json_is_strict():
    with pytest.raises(ValueError, match="JSON"):
        prediction(logits=np.array([np.nan, 0, 0], dtype=np.float32)).to_json()


def test_csv():
    found = prediction(short=("27", "54"), truncated=True)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(found.csv_header())
    writer.writerow(found.csv_row())
    row = next(csv.DictReader(io.StringIO(text.getvalue())))
    assert row["source"] == "song.mp3"
    assert row["short"] == "27 54"
    assert row["truncated"] == "true"
    assert row["slow, calm"] == "0.880797"
    assert len(found.csv_header()) == len(found.csv_row())


def test_repr_is_short_and_says_the_top():
    text = repr(prediction(truncated=True, short=("54",)))
    assert text == (
        "<Prediction of 'song.mp3' (1.5 s, truncated, short) by 'demo': slow, calm 0.88, guitar 0.50, ťažký 0.27>"
    )
    zeros = np.zeros((2, 1), dtype=np.float32)
    over_time = OverTime(np.zeros(2), zeros, ("a",), 3.0, 0.5, zeros)
    assert repr(over_time) == "OverTime(2 windows of 3 s every 0.5 s, 1 tags)"


def test_records_are_rows_of_a_table_and_classifications_those_of_a_pipeline():
    made = prediction()
    rows = made.to_records()
    assert [row["label"] for row in rows] == [tag.label for tag in made.top(len(made.tags))]
    for row, tag in zip(rows, made.top(len(made.tags)), strict=True):
        assert row == {"source": made.source, **dataclasses.asdict(tag)}
    assert made.to_classification(2) == [{"label": tag.label, "score": tag.probability} for tag in made.top(2)]
    assert json.loads(json.dumps([rows, made.to_classification()])) == [rows, made.to_classification()]
