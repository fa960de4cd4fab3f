"""What a tagger says about a sound: logits kept, scores made when asked for, and who said it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.errors import TagError
from earmark.tagging.card import Activation, TagName
from earmark.tagging.kept import KeptFeatures

Array = npt.NDArray[np.float32]


def activate(logits: Array, activation: Activation) -> Array:
    """Logits (..., tags) to scores of the same shape, 0 to 1: float32; softmax over the last axis."""
    values = logits.astype(np.float64)
    if activation == "softmax":
        powers = np.exp(values - values.max(axis=-1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True), dtype=np.float32)
    # By the absolute value, so that no exponential overflows.
    small = np.exp(-np.abs(values))
    return np.where(values >= 0, 1.0 / (1.0 + small), small / (1.0 + small)).astype(np.float32)


@dataclass(frozen=True)
class Tag:
    """One tag with its score, 0 to 1, and the group that the model puts it in."""

    label: str
    score: float
    group: str


@dataclass(frozen=True)
class ModelIdentity:
    """Which model made a prediction, to the bit: its name, its hashes, and the version of earmark that ran it."""

    name: str
    extractor_hashes: tuple[str, ...]
    head_hash: str
    version: str


@dataclass(frozen=True, eq=False)
class OverTime:
    """Scores of windows along a sound.

    `seconds`: (windows,) float64, where each window starts; it ends `window_seconds` later. `scores`: (windows,
    tags) float32, 0 to 1, the tags in the order of `labels`. `hop_seconds`: from one start to the next.
    """

    seconds: npt.NDArray[np.float64]
    scores: Array
    labels: tuple[str, ...]
    window_seconds: float
    hop_seconds: float

    def __repr__(self) -> str:
        return (
            f"OverTime({len(self.seconds)} windows of {self.window_seconds:g} s every {self.hop_seconds:g} s, "
            f"{len(self.labels)} tags)"
        )

    def to_dict(self) -> dict[str, object]:
        """Plain lists and numbers, for JSON."""
        return {
            "window_seconds": self.window_seconds,
            "hop_seconds": self.hop_seconds,
            "seconds": self.seconds.tolist(),
            "labels": list(self.labels),
            "scores": self.scores.tolist(),
        }


@dataclass(frozen=True, eq=False)
class Prediction:
    """A tagger's answer about one sound."""

    tags: tuple[TagName, ...]
    logits: Array
    """(tags,) float32, of the global classifier on the track vector."""
    activation: Activation
    embedding: Array
    """(columns,) float32: the track vector."""
    local_scores: Array | None
    """(tags,) float32, 0 to 1: the letter's local prediction, the mean of every segment's scores, averaged over
    the extractors. None where the extractors were trained on other tags than the head."""
    source: str
    duration_seconds: float
    truncated: bool
    """Whether the file promised more sound than could be decoded."""
    short: tuple[str, ...]
    """The scales that the sound was too short for; its sound was repeated to fill one segment of each."""
    model: ModelIdentity
    decoder: str
    over_time: OverTime | None = None
    features: KeptFeatures | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The tags' labels, in the order of logits and scores."""
        return tuple(tag.label for tag in self.tags)

    @property
    def scores(self) -> Array:
        """(tags,) float32, 0 to 1, in the model's order of tags: each by itself, or of one sum (softmax)."""
        return activate(self.logits, self.activation)

    def top(self, k: int = 5) -> list[Tag]:
        """The k tags with the highest scores, highest first, equal ones in the model's order; raises TagError."""
        if k < 1:
            raise TagError(f"top: found k = {k}, expected at least 1. Ask for one tag or more.")
        order = np.argsort(-self.logits, kind="stable")[:k].tolist()
        scores = self.scores.tolist()
        return [Tag(self.tags[index].label, scores[index], self.tags[index].group) for index in order]

    def to_dict(self, *, embedding: bool = False) -> dict[str, object]:
        """Plain dictionaries, lists, text and numbers, for JSON; scores by label, in the model's order.

        `embedding` adds the track vector; `over_time` is there where it was asked for; kept features never.
        """
        record: dict[str, object] = {
            "source": self.source,
            "duration_seconds": self.duration_seconds,
            "truncated": self.truncated,
            "short": list(self.short),
            "decoder": self.decoder,
            "model": {
                "name": self.model.name,
                "extractor_hashes": list(self.model.extractor_hashes),
                "head_hash": self.model.head_hash,
                "version": self.model.version,
            },
            "activation": self.activation,
            "scores": self._by_label(self.scores),
            "logits": self._by_label(self.logits),
            "groups": {tag.label: tag.group for tag in self.tags},
            "local_scores": None if self.local_scores is None else self._by_label(self.local_scores),
        }
        if embedding:
            record["embedding"] = self.embedding.tolist()
        if self.over_time is not None:
            record["over_time"] = self.over_time.to_dict()
        return record

    def to_json(self, *, embedding: bool = False, indent: int | None = None) -> str:
        """`to_dict` as strict JSON text: no NaN or infinity; on one line unless `indent` is given."""
        return json.dumps(self.to_dict(embedding=embedding), ensure_ascii=False, allow_nan=False, indent=indent)

    def csv_header(self) -> tuple[str, ...]:
        """The names of `csv_row`'s cells: the same for every prediction of a model."""
        return ("source", "duration_seconds", "truncated", "short", "decoder", "model", "head_hash", *self.labels)

    def csv_row(self) -> tuple[str, ...]:
        """The prediction as the cells of one row, for csv.writer: what was heard, by whom, and all scores."""
        return (
            self.source,
            f"{self.duration_seconds:.3f}",
            "true" if self.truncated else "false",
            " ".join(self.short),
            self.decoder,
            self.model.name,
            self.model.head_hash,
            *(f"{score:.6f}" for score in self.scores.tolist()),
        )

    def _by_label(self, values: Array) -> Mapping[str, float]:
        return dict(zip(self.labels, values.tolist(), strict=True))

    def __repr__(self) -> str:
        top = ", ".join(f"{tag.label} {tag.score:.2f}" for tag in self.top(3))
        more = ", …" if len(self.tags) > 3 else ""
        marks = "".join([", truncated" if self.truncated else "", ", short" if self.short else ""])
        return (
            f"<Prediction of {self.source!r} ({self.duration_seconds:.1f} s{marks}) "
            f"by {self.model.name!r}: {top}{more}>"
        )
