"""What is answered about one sound, as plain dictionaries for JSON."""

from collections.abc import Mapping, Sequence

from earmark.tagging.bundle.card import Card
from earmark.tagging.prediction import Prediction
from earmark.web.outline import Outline

DIGITS = 5
"""Significant ones of what is drawn, tags over time and evidence: a third of the bytes of all of them."""


def tag_record(name: str, prediction: Prediction, evidence: bool, top: int | None) -> dict[str, object]:
    """A tagger's answer, and the most probable tags in order."""
    labels = prediction.labels if evidence else ()
    record = prediction.to_dict(evidence=labels)
    record["source"] = name
    record["tags"] = _tags(prediction, top)
    for drawn in ("over_time", "evidence"):
        if drawn in record:
            record[drawn] = shortened(record[drawn])
    return record


def track_record(name: str, prediction: Prediction, outline: Outline) -> dict[str, object]:
    """All that the page shows of a track, but for its identifier."""
    record = tag_record(name, prediction, True, None)
    record["embedding"] = shortened(prediction.embedding.tolist())
    evidence = record.pop("evidence")
    return {"name": name, "prediction": record, "waveform": outline.to_dict(), "evidence": evidence}


def embed_record(prediction: Prediction, card: Card) -> dict[str, object]:
    """A track vector and which of its columns mean what."""
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


def shortened(value: object) -> object:
    """The same lists, dictionaries and numbers, with fewer digits."""
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
