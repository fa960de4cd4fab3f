"""What is kept of a recording: logits, the vector in half precision, tags over time in a byte each."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.errors import LibraryError
from earmark.tagging.bundle.calibration import activate, probabilities
from earmark.tagging.bundle.card import Activation, Card
from earmark.tagging.prediction import OverTime, Prediction

LARGEST_HALF = float(np.finfo(np.float16).max)
STEPS: Mapping[Activation, float] = {"sigmoid": 16.0, "softmax": 8.0}
"""Steps a unit of logit, or of a softmax score's natural logarithm. Scores near one half are kept to 0.008, and 0.0004
to 0.9996 are told apart; those of softmax within 6.5 %, down to 1e-7."""


@dataclass(frozen=True, eq=False)
class PackedOverTime:
    """Scores of windows along a sound, a byte each, compressed.

    scores: (windows, tags) int8, as `pack_over_time` makes them, through zlib.
    """

    window_seconds: float
    hop_seconds: float
    windows: int
    scores: bytes


@dataclass(frozen=True, eq=False)
class Analysis:
    """What a model heard in one recording.

    logits: (tags,) float32. embedding: (columns,) float16. version: of earmark. The other fields are a Prediction's.
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


def analysis_of(identity: str, prediction: Prediction) -> Analysis:
    """Make what is kept of a prediction."""
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
    )


def half(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float16]:
    """Vectors in half precision, what is beyond it at its end."""
    return np.clip(vectors, -LARGEST_HALF, LARGEST_HALF).astype(np.float16)


def pack_over_time(over_time: OverTime, activation: Activation) -> PackedOverTime:
    """Keep scores as logits (sigmoid) or logarithms (softmax) in steps of a byte."""
    scores = np.clip(over_time.scores.astype(np.float64), 1e-9, 1 - 1e-9)
    values = np.log(scores) if activation == "softmax" else np.log(scores) - np.log1p(-scores)
    steps = np.clip(np.rint(values * STEPS[activation]), -127, 127).astype(np.int8)
    return PackedOverTime(
        over_time.window_seconds, over_time.hop_seconds, len(scores), zlib.compress(steps.tobytes(), level=9)
    )


def unpack_over_time(packed: PackedOverTime, card: Card) -> OverTime:
    """Scores and probabilities of windows as they were kept; raises LibraryError where the bytes are not of this model.

    card: of the model that heard them.
    """
    try:
        content = zlib.decompress(packed.scores)
    except zlib.error as error:
        raise LibraryError(
            f"Tags over time: found bytes that do not unpack ({error}), expected what was kept. Add the track again."
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
    return OverTime(
        np.arange(packed.windows, dtype=np.float64) * packed.hop_seconds,
        activate(logits, card.activation),
        card.labels,
        packed.window_seconds,
        packed.hop_seconds,
        probabilities(logits, card),
    )
