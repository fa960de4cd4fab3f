"""The prediction of a tagger for one sound: logits, scores, probabilities, and the model that made them."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from earmark.errors import TagError
from earmark.file_name import is_text, percent_encoded, text_of
from earmark.tagging.bundle.calibration import activate, probabilities, promised, ranks
from earmark.tagging.bundle.card import Activation, TagCalibration, TagName
from earmark.tagging.evidence import Evidence, Explainer, TrackEvidence, place_of
from earmark.tagging.features import StoredFeatures
from earmark.tagging.withheld import Withheld, promisable

Array = npt.NDArray[np.float32]

_CSV_COLUMNS = (
    "source",
    "duration_seconds",
    "truncated",
    "short",
    "decoder",
    "model",
    "head_hash",
    "calibrated",
    "withheld",
)


@dataclass(frozen=True)
class Tag:
    """One tag, and the group that the model puts it in.

    `probability`, 0 to 1, is what a person is shown: calibrated where the model is, else the score. `score`, 0 to 1, is
    what came out of the classifier.
    """

    label: str
    score: float
    group: str
    probability: float


class TagRecord(TypedDict):
    """One tag of one sound as a row of a table; the fields are those of Tag."""

    source: str
    label: str
    group: str
    probability: float
    score: float


class LabelScore(TypedDict):
    """One tag in the form of an audio-classification pipeline; `score` is its probability, 0 to 1."""

    label: str
    score: float


@dataclass(frozen=True)
class ModelIdentity:
    """Which model made a prediction: its name, its hashes, and the version and engine of earmark that ran it."""

    name: str
    extractor_hashes: tuple[str, ...]
    head_hash: str
    version: str
    engine: str = "numpy"


@dataclass(frozen=True, eq=False)
class OverTime:
    """Scores and probabilities of windows along a sound.

    `seconds`: (windows,) float64, where each window starts; it ends `window_seconds` later. `scores` and
    `probabilities`: (windows, tags) float32, 0 to 1, the tags in the order of `labels`; both are the same where the
    model is not calibrated. `hop_seconds`: from one start to the next.

    Choice: a window has the calibration of the whole track, so that its bars can stand beside the track's. It was
    fitted on tracks: a window's probability says what a track that sounds like this throughout would have.
    """

    seconds: npt.NDArray[np.float64]
    scores: Array
    labels: tuple[str, ...]
    window_seconds: float
    hop_seconds: float
    probabilities: Array
    withheld: tuple[Withheld | None, ...] = ()
    """For each window, why promises are withheld, or None; empty where it is not known."""

    def __repr__(self) -> str:
        return (
            f"OverTime({len(self.seconds)} windows of {self.window_seconds:g} s every {self.hop_seconds:g} s, "
            f"{len(self.labels)} tags)"
        )

    def to_dict(self) -> dict[str, object]:
        """Return plain lists and numbers, for JSON."""
        return {
            "window_seconds": self.window_seconds,
            "hop_seconds": self.hop_seconds,
            "seconds": self.seconds.tolist(),
            "labels": list(self.labels),
            "probabilities": self.probabilities.tolist(),
            "scores": self.scores.tolist(),
            "withheld": [None if each is None else each.to_dict() for each in self.withheld],
        }


@dataclass(frozen=True, eq=False)
class Prediction:
    """A tagger's answer about one sound.

    Logits are what is kept; scores and probabilities are made from them when asked for.
    """

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
    features: StoredFeatures | None = None
    calibration: tuple[TagCalibration, ...] = ()
    """The calibration of the model, one for each tag; empty if it is not calibrated."""
    explainer: Explainer | None = None
    """Computes evidence; None unless features were kept."""
    withheld: Withheld | None = None
    """Why no tags are promised except those of other sounds than music, or None. There are probabilities all the same,
    but they are those of a model of music for something else."""
    distance: float = math.nan
    """The distance of the sound from the music of training, about 1 for similar music; NaN where the model has no
    familiarity."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The tags' labels, in the order of logits and scores."""
        return tuple(tag.label for tag in self.tags)

    @property
    def silent(self) -> bool:
        """Whether nothing could be heard."""
        return self.withheld is not None and self.withheld.reason == "silence"

    @property
    def scores(self) -> Array:
        """The scores, (tags,) float32 in 0..1, in the model's order: independent, or with the sum 1 (softmax)."""
        return activate(self.logits, self.activation)

    @property
    def calibrated(self) -> bool:
        """Whether probabilities are calibrated; if not they are the scores, and no tag can be promised."""
        return bool(self.calibration)

    @property
    def probabilities(self) -> Array:
        """(tags,) float32, 0 to 1, in the model's order of tags: calibrated where the model is, and coherent: no tag is
        above one that it implies, and tags that exclude each other are not above 1 together."""
        return probabilities(self.logits, self)

    def top(self, k: int = 5) -> list[Tag]:
        """Return the k most probable tags, most probable first, equal ones in the model's order; raises TagError."""
        if k < 1:
            raise TagError(f"top: found k = {k}, expected at least 1. Ask for one tag or more.")
        return self._tags(self._order()[:k])

    def promised(self, precision: float) -> list[Tag]:
        """Return the tags that keep a promised precision, such as 0.9, most probable first; none where none can be
        promised.

        Of all tracks for which the model promises a tag at 0.9, nine in ten truly have it, as far as its validation
        tracks could tell. Raises TagError for a precision that is not above 0 and up to 1.
        """
        kept = self._promised(precision)
        return self._tags([place for place in self._order() if kept[place]])

    def _promised(self, precision: float) -> npt.NDArray[np.bool_]:
        """Return which tags keep a promised precision: (tags,) bool; only other sounds where promises are withheld."""
        return promised(self.probabilities, self, precision) & promisable(self.tags, self.withheld)

    def evidence(self, tag: str) -> Evidence:
        """Return why the track got a tag or did not: which scales and levels decided, and when the tag is heard.

        `tag`: its label or a synonym.

        All tags' evidence is computed when the first is asked for: only the classifier runs again. Raises TagError for
        a tag that the model does not have, and where no features were kept (`tag(..., keep_features=True)`).
        """
        place = place_of(tag, self.tags)
        return self._evidence.of(place)

    @cached_property
    def _evidence(self) -> TrackEvidence:
        if self.explainer is None or self.features is None:
            raise TagError(
                "evidence: no features of this sound were kept, and evidence is found in them. "
                "Tag it again with keep_features=True."
            )
        return self.explainer.explain(self.embedding, self.features)

    def _order(self) -> list[int]:
        """Return the places of all tags, most probable first."""
        order: list[int] = np.argsort(-ranks(self.logits, self), kind="stable").tolist()
        return order

    def _tags(self, places: Sequence[int]) -> list[Tag]:
        """Return the tags at some places."""
        scores, likely = self.scores, self.probabilities
        return [
            Tag(self.tags[place].label, float(scores[place]), self.tags[place].group, float(likely[place]))
            for place in places
        ]

    def to_dict(self, *, embedding: bool = False, evidence: Sequence[str] = ()) -> dict[str, object]:
        """Return plain dictionaries, lists, text and numbers, for JSON; numbers by label, in the model's order.

        `probabilities` are what to show, and `calibrated` says whether they are more than the scores. `embedding` adds
        the track vector, `evidence` that of the tags named; `over_time` is there where it was asked for; kept features
        never. Every text is Unicode: of a source whose name is none, `source` has U+FFFD in place of some bytes, and
        `source_bytes` has all of them, percent-encoded. Raises TagError as `evidence` does.
        """
        record: dict[str, object] = {
            "source": text_of(self.source),
            **({} if is_text(self.source) else {"source_bytes": percent_encoded(self.source)}),
            "duration_seconds": self.duration_seconds,
            "truncated": self.truncated,
            "silent": self.silent,
            "withheld": None if self.withheld is None else self.withheld.to_dict(),
            "short": list(self.short),
            "decoder": self.decoder,
            "model": {
                "name": self.model.name,
                "extractor_hashes": list(self.model.extractor_hashes),
                "head_hash": self.model.head_hash,
                "version": self.model.version,
                "engine": self.model.engine,
            },
            "activation": self.activation,
            "calibrated": self.calibrated,
            "probabilities": self._by_label(self.probabilities),
            "scores": self._by_label(self.scores),
            "logits": self._by_label(self.logits),
            "groups": {tag.label: tag.group for tag in self.tags},
            "local_scores": None if self.local_scores is None else self._by_label(self.local_scores),
        }
        if embedding:
            record["embedding"] = self.embedding.tolist()
        if self.over_time is not None:
            record["over_time"] = self.over_time.to_dict()
        if evidence:
            record["evidence"] = {tag: self.evidence(tag).to_dict() for tag in evidence}
        return record

    def to_records(self) -> list[TagRecord]:
        """Return a row for each tag, most probable first, for a table such as `pandas.DataFrame`."""
        source = text_of(self.source)
        return [
            TagRecord(source=source, label=tag.label, group=tag.group, probability=tag.probability, score=tag.score)
            for tag in self._tags(self._order())
        ]

    def to_classification(self, k: int = 5) -> list[LabelScore]:
        """Return the k most probable tags as the "audio-classification" pipeline of transformers does.

        Its `score` is the probability, not the score of the classifier. Raises TagError as `top` does.
        """
        return [LabelScore(label=tag.label, score=tag.probability) for tag in self.top(k)]

    def to_json(self, *, embedding: bool = False, indent: int | None = None) -> str:
        """`to_dict` as strict JSON text: no NaN or infinity; on one line unless `indent` is given."""
        return json.dumps(self.to_dict(embedding=embedding), ensure_ascii=False, allow_nan=False, indent=indent)

    def csv_header(self) -> tuple[str, ...]:
        """Return the names of `csv_row`'s cells: the same for every prediction of a model."""
        return (*_CSV_COLUMNS, *self.labels)

    def csv_row(self, precision: float | None = None) -> tuple[str, ...]:
        """Return the prediction as the cells of one row, for csv.writer: what was heard, by whom, and all
        probabilities.

        With a precision, the cells of tags that cannot be promised at it are empty.
        """
        values = self.probabilities
        kept = np.ones(len(values), np.bool_) if precision is None else self._promised(precision)
        return (
            text_of(self.source),
            f"{self.duration_seconds:.3f}",
            "true" if self.truncated else "false",
            " ".join(self.short),
            self.decoder,
            self.model.name,
            self.model.head_hash,
            "true" if self.calibrated else "false",
            "" if self.withheld is None else self.withheld.sentence,
            *(f"{value:.6f}" if keeps else "" for value, keeps in zip(values.tolist(), kept.tolist(), strict=True)),
        )

    def _by_label(self, values: Array) -> Mapping[str, float]:
        return dict(zip(self.labels, values.tolist(), strict=True))

    def __repr__(self) -> str:
        top = ", ".join(f"{tag.label} {tag.probability:.2f}" for tag in self.top(3))
        more = ", …" if len(self.tags) > 3 else ""
        withheld = "" if self.withheld is None else f", {self.withheld.sentence}"
        marks = "".join([", truncated" if self.truncated else "", ", short" if self.short else "", withheld])
        return (
            f"<Prediction of {self.source!r} ({self.duration_seconds:.1f} s{marks}) "
            f"by {self.model.name!r}: {top}{more}>"
        )
