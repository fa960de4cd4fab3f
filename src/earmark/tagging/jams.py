"""Predictions as JAMS, the JSON format of music annotations (Humphrey et al. 2014), with one observation for each tag.

The namespace is "tag_open", whose values are any words and whose confidence is a number. The package `jams` is not
needed; the tests of that package accept the result.
"""

import json
from pathlib import Path
from typing import Any

from earmark.file_name import text_of
from earmark.tagging.prediction import Prediction

JAMS_VERSION = "0.3.4"
NAMESPACE = "tag_open"


def jams_record(prediction: Prediction) -> dict[str, Any]:
    """Return a prediction as JAMS: plain dictionaries, lists, text and numbers, for JSON.

    The first annotation has one observation for each tag over the whole track, with its probability as confidence; with
    tags over time, a second one has one for each tag and window. The sandbox of the file holds what JAMS has no field
    for: hashes, decoder, and whether the probabilities are calibrated.
    """
    duration_seconds = prediction.duration_seconds
    whole = [
        _observation(0.0, duration_seconds, label, float(chance))
        for label, chance in zip(prediction.labels, prediction.probabilities.tolist(), strict=True)
    ]
    annotations = [_annotation(prediction, whole, "over the whole track")]
    over_time = prediction.over_time
    if over_time is not None:
        windows = [
            _observation(start, over_time.window_seconds, label, float(chance))
            for start, chances in zip(over_time.seconds.tolist(), over_time.probabilities.tolist(), strict=True)
            for label, chance in zip(over_time.labels, chances, strict=True)
        ]
        annotations.append(_annotation(prediction, windows, "over time, window by window"))
    return {
        "annotations": annotations,
        "file_metadata": {
            "title": text_of(Path(prediction.source).stem),
            "artist": "",
            "release": "",
            "duration": duration_seconds,
            "identifiers": {},
            "jams_version": JAMS_VERSION,
        },
        "sandbox": {
            "earmark": {
                "source": text_of(prediction.source),
                "model": prediction.model.name,
                "version": prediction.model.version,
                "extractor_hashes": list(prediction.model.extractor_hashes),
                "head_hash": prediction.model.head_hash,
                "decoder": prediction.decoder,
                "calibrated": prediction.calibrated,
                "truncated": prediction.truncated,
                "silent": prediction.silent,
                "withheld": None if prediction.withheld is None else prediction.withheld.sentence,
                "short": list(prediction.short),
            }
        },
    }


def jams_text(prediction: Prediction) -> str:
    """Return a prediction as JAMS in strict JSON text."""
    return json.dumps(jams_record(prediction), ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _observation(time: float, duration: float, value: str, confidence: float) -> dict[str, Any]:
    return {"time": time, "duration": duration, "value": value, "confidence": confidence}


def _annotation(prediction: Prediction, observations: list[dict[str, Any]], what: str) -> dict[str, Any]:
    return {
        "namespace": NAMESPACE,
        "data": observations,
        "annotation_metadata": {
            "curator": {"name": "", "email": ""},
            "annotator": {"model": prediction.model.name, "head_hash": prediction.model.head_hash},
            "version": prediction.model.version,
            "corpus": "",
            "annotation_tools": f"earmark {prediction.model.version}; {prediction.decoder}",
            "annotation_rules": f"a tag's probability {what}",
            "validation": "",
            "data_source": "program",
        },
        "sandbox": {},
        "time": 0.0,
        "duration": prediction.duration_seconds,
    }
