"""Define what a library stores of a recording: logits, the vector in half precision, and tags over time as bytes."""

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.errors import LibraryError
from earmark.tagging.bundle.calibration import activate, probabilities
from earmark.tagging.bundle.card import Activation, Card
from earmark.tagging.prediction import OverTime, Prediction
from earmark.tagging.withheld import withheld_along

LARGEST_HALF = float(np.finfo(np.float16).max)
STEPS: Mapping[Activation, float] = {"sigmoid": 16.0, "softmax": 8.0}
"""The steps for each unit of a logit (sigmoid), or of a score's natural logarithm (softmax).

Sigmoid scores near one half have an error of up to 0.008, and the range is 0.0004 to 0.9996. Softmax scores have an
error of up to 6.5 %, and the range starts at 1e-7.
"""


@dataclass(frozen=True, eq=False)
class PackedOverTime:
    """The scores of a sound's windows, compressed.

    windows: the number of windows. scores: (windows, tags) int8, as `pack_over_time` makes them, compressed by zlib.
    """

    window_seconds: float
    hop_seconds: float
    windows: int
    scores: bytes


@dataclass(frozen=True, eq=False)
class Analysis:
    """The result of a model for one recording.

    logits: (tags,) float32. embedding: (columns,) float16. version: the version of earmark. The other fields are those
    of Prediction.
    """

    identity: str
    duration_seconds: float
    truncated: bool
    short: tuple[str, ...]
    decoder: str
    version: str
    logits: npt.NDArray[np.float32]
    embedding: npt.NDArray[np.float16]
    over_time: PackedOverTime | None
    silent: bool = False
    distance: float = math.nan


def analysis_of(identity: str, prediction: Prediction) -> Analysis:
    """Return what a library stores of a prediction."""
    over_time = prediction.over_time
    return Analysis(
        identity,
        prediction.duration_seconds,
        prediction.truncated,
        prediction.short,
        prediction.decoder,
        prediction.model.version,
        prediction.logits,
        half(prediction.embedding),
        pack_over_time(over_time, prediction.activation) if over_time is not None else None,
        prediction.silent,
        prediction.distance,
    )


def half(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float16]:
    """Convert vectors to half precision; larger values become its largest value."""
    return np.clip(vectors, -LARGEST_HALF, LARGEST_HALF).astype(np.float16)


def pack_over_time(over_time: OverTime, activation: Activation) -> PackedOverTime:
    """Quantise scores to bytes, as logits (sigmoid) or logarithms (softmax), and compress them."""
    scores = np.clip(over_time.scores.astype(np.float64), 1e-9, 1 - 1e-9)
    values = np.log(scores) if activation == "softmax" else np.log(scores) - np.log1p(-scores)
    steps = np.clip(np.rint(values * STEPS[activation]), -127, 127).astype(np.int8)
    return PackedOverTime(
        over_time.window_seconds, over_time.hop_seconds, len(scores), zlib.compress(steps.tobytes(), level=9)
    )


def unpack_over_time(packed: PackedOverTime, card: Card) -> OverTime:
    """Return the scores and probabilities of windows from their packed form.

    card: the card of the model that computed them. The distances of windows are not stored, so every window counts as
    familiar.

    Raises:
        LibraryError: the bytes are damaged or belong to another model.
    """
    try:
        content = zlib.decompress(packed.scores)
    except zlib.error as error:
        raise LibraryError(
            f"Tags over time: found bytes that cannot be unpacked ({error}). Add the track again."
        ) from error
    tags = len(card.labels)
    if len(content) != packed.windows * tags:
        raise LibraryError(
            f"Tags over time: found {len(content)} values, expected {packed.windows} windows of {tags} tags. "
            "Add the track again."
        )
    steps = np.frombuffer(content, np.int8).reshape(packed.windows, tags)
    # The logarithms of softmax scores are logits that give the same scores.
    logits = steps.astype(np.float32) / np.float32(STEPS[card.activation])
    likely = probabilities(logits, card)
    return OverTime(
        np.arange(packed.windows, dtype=np.float64) * packed.hop_seconds,
        activate(logits, card.activation),
        card.labels,
        packed.window_seconds,
        packed.hop_seconds,
        likely,
        withheld_along(likely, card),
    )
