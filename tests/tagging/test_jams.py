import json
import math

import numpy as np
import pytest
from tagging.builders import make_bundle

import earmark
from earmark.tagging.jams import jams_record, jams_text
from earmark.tagging.prediction import Prediction
from earmark.tagging.tagger import Tagger


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    sound = np.random.default_rng(0).normal(0, 0.1, 6 * 22_050).astype(np.float32)
    tagger = Tagger(make_bundle(tags=3, calibrated=True))
    return tagger.tag((sound, 22_050), over_time=earmark.OverTimeSettings(2.0, 1.0))


def test_there_is_one_observation_a_tag_and_one_a_tag_and_window(prediction: Prediction) -> None:
    record = jams_record(prediction)
    whole, windows = record["annotations"]
    assert [each["value"] for each in whole["data"]] == list(prediction.labels)
    assert [each["confidence"] for each in whole["data"]] == prediction.probabilities.tolist()
    assert {(each["time"], each["duration"]) for each in whole["data"]} == {(0.0, 6.0)}
    over_time = prediction.over_time
    assert over_time is not None
    assert len(windows["data"]) == len(over_time.seconds) * 3
    assert windows["data"][4] == {
        "time": over_time.seconds[1],
        "duration": 2.0,
        "value": "tag 2",
        "confidence": float(over_time.probabilities[1, 1]),
    }


def test_it_says_who_made_it(prediction: Prediction) -> None:
    record = json.loads(jams_text(prediction))
    made = record["sandbox"]["earmark"]
    assert (made["model"], made["version"], made["decoder"]) == ("random", earmark.__version__, "array")
    assert made["head_hash"] == prediction.model.head_hash
    assert made["calibrated"] is True
    assert earmark.__version__ in record["annotations"][0]["annotation_metadata"]["annotation_tools"]


@pytest.mark.filterwarnings("ignore")
def test_the_package_jams_accepts_it(prediction: Prediction) -> None:
    jams = pytest.importorskip("jams", reason="needs the package jams, the judge of the format")
    import io

    read = jams.load(io.StringIO(jams_text(prediction)), validate=True, strict=True)
    assert read.validate(strict=True)
    assert len(read.annotations) == 2
    observation = read.annotations.search(namespace="tag_open")[0].data[0]
    assert (observation.time, observation.value) == (0.0, "tag 1")
    assert not math.isnan(observation.confidence)
