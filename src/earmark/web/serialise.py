"""The results of jobs as dictionaries for JSON."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from earmark.tagging.bundle.card import Card
from earmark.tagging.prediction import Prediction

DIGITS = 5
"""Significant digits of tags over time and evidence, which are only drawn: a third of the bytes of all digits."""


def tag_record(name: str, prediction: Prediction, evidence: bool, top: int | None) -> dict[str, object]:
    """Return the result of tagging; `tags` are the `top` most probable tags, or all of them."""
    labels = prediction.labels if evidence else ()
    record = prediction.to_dict(evidence=labels)
    record["source"] = name
    record["tags"] = _tags(prediction, top)
    for drawn in ("over_time", "evidence"):
        if drawn in record:
            record[drawn] = shortened(record[drawn])
    return record


def track_record(
    name: str, prediction: Prediction, waveform: Mapping[str, object], sound: Mapping[str, object]
) -> dict[str, object]:
    """Return everything that the page shows of a track, without its identifier."""
    record = tag_record(name, prediction, True, None)
    record["embedding"] = shortened(prediction.embedding.tolist())
    evidence = record.pop("evidence")
    return {"name": name, "prediction": record, "waveform": waveform, "sound": sound, "evidence": evidence}


def embed_record(prediction: Prediction, card: Card) -> dict[str, object]:
    """Return a track vector and the meaning of its columns."""
    layout = [
        {
            "scale": block.extractor,
            "level": block.level,
            "statistic": block.statistic,
            "start": block.start,
            "stop": block.stop,
        }
        for block in card.layout
    ]
    described = prediction.to_dict()
    return {
        "embedding": prediction.embedding.tolist(),
        "layout": layout,
        "model": described["model"],
        "decoder": prediction.decoder,
        "duration_seconds": prediction.duration_seconds,
        "truncated": prediction.truncated,
        "short": list(prediction.short),
    }


def features_beside(answer: Path) -> Path:
    """Return the file of the features of a track, which lies beside its result."""
    return answer.with_suffix(".npz")


def shortened(value: object) -> object:
    """Return the same lists, dictionaries and numbers with DIGITS significant digits."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: shortened(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [shortened(each) for each in value]
    return value


def _tags(prediction: Prediction, top: int | None) -> list[dict[str, object]]:
    count = len(prediction.labels) if top is None else top
    return [
        {"label": tag.label, "group": tag.group, "probability": tag.probability, "score": tag.score}
        for tag in prediction.top(count)
    ]
