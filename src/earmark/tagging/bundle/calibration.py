"""Turns logits into scores and probabilities, and says which tags keep a promised precision.

A calibration is fitted in training and applied here.
"""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from earmark.errors import TagError
from earmark.tagging.bundle.card import Activation, TagCalibration, TagName
from earmark.tagging.bundle.coherence import relations_of

Array = npt.NDArray[np.float32]


def activate(logits: Array, activation: Activation) -> Array:
    """Turn logits (..., tags) into scores of the same shape, float32 in 0..1; softmax is taken over the last axis."""
    values = logits.astype(np.float64)
    if activation == "softmax":
        powers = np.exp(values - values.max(axis=-1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True), dtype=np.float32)
    return sigmoid(values)


def sigmoid(values: npt.NDArray[np.float64]) -> Array:
    """1 / (1 + exp(-value)) of every value, as float32, without overflow."""
    # By the absolute value, so that no exponential overflows.
    small = np.exp(-np.abs(values))
    return np.where(values >= 0, 1.0 / (1.0 + small), small / (1.0 + small)).astype(np.float32)


def log_odds(logits: Array, activation: Activation) -> npt.NDArray[np.float64]:
    """Return the log odds of every score: (..., tags) float64, of which the sigmoid is the score.

    With a sigmoid they are the logits. Of a softmax they are the logit minus the log of the summed exponentials of
    all other tags: unlike the logits alone, they do not change when all logits rise together.

    Raises TagError for a softmax over one tag, of which the score is 1 whatever is heard.
    """
    values = logits.astype(np.float64)
    if activation == "sigmoid":
        return values
    if values.shape[-1] < 2:
        raise TagError(
            "A softmax over one tag gives every sound the score 1; expected at least two tags. Train it on more tags."
        )
    odds = np.empty_like(values)
    for tag in range(values.shape[-1]):
        others = np.delete(values, tag, axis=-1)
        highest = others.max(axis=-1)
        summed = np.exp(others - highest[..., np.newaxis]).sum(axis=-1)
        odds[..., tag] = values[..., tag] - highest - np.log(summed)
    return odds


_SLACK = 1e-9
"""The greatest difference between two equal precisions, of which one was text."""


class Calibrated(Protocol):
    """The activation and the calibration of a model: a card, or a prediction, which has those of its card."""

    @property
    def activation(self) -> Activation:
        """The function that turns logits into scores."""

    @property
    def calibration(self) -> tuple[TagCalibration, ...]:
        """One for each tag, in the order of the logits; empty if the model is not calibrated."""

    @property
    def tags(self) -> tuple[TagName, ...]:
        """The tags with their relations, in the order of the logits; empty if no tags are related."""


def probabilities(logits: Array, card: Calibrated) -> Array:
    """Turn logits (..., tags) into probabilities of the same shape, float32 in 0..1.

    The sigmoid of slope times log odds plus intercept, each tag by itself, so that probabilities of a softmax
    model do not add up to 1; then those of related tags are made coherent (`coherence`). The log odds are the logit
    itself, but for softmax (`log_odds`). Without a calibration the probabilities are the scores, those of related tags
    made coherent as well, and no tag can be promised.
    """
    relations = relations_of(card.tags)
    if not card.calibration and not len(relations.places):
        return activate(logits, card.activation)
    return sigmoid(relations.coherent(_calibrated(logits, card)))


def ranks(logits: Array, card: Calibrated) -> npt.NDArray[np.float64]:
    """Return numbers (..., tags) that order tags as their probabilities do, also where these are all but 0 or 1."""
    relations = relations_of(card.tags)
    if not card.calibration and not len(relations.places):
        return logits.astype(np.float64)
    return relations.coherent(_calibrated(logits, card))


def promised(probabilities: Array, card: Calibrated, precision: float) -> npt.NDArray[np.bool_]:
    """Return which tags keep a promised precision: probabilities (..., tags) to a mask of the same shape.

    `precision`: above 0 and up to 1; this share of the tracks that a tag is promised for truly has the tag. A tag that
    stores no threshold for that precision or a higher one is never promised: it cannot be known. Choice: a precision
    between two stored ones uses the threshold of the higher one, which keeps the lower one as well.

    Raises TagError for a precision outside that range.
    """
    _refuse_precision(precision)
    return np.asarray(probabilities >= _thresholds(card, precision, probabilities.shape[-1]))


def promises(card: Calibrated) -> tuple[float, ...]:
    """Return the precisions that at least one tag stores a threshold for, ascending; none: nothing can be promised."""
    return tuple(sorted({float(precision) for entry in card.calibration for precision in entry.thresholds}))


def refuse_unpromised(card: Calibrated, precision: float) -> None:
    """Raise TagError where no tag of the model could ever keep a precision: it has no thresholds, or lower ones."""
    _refuse_precision(precision)
    stored = promises(card)
    if not stored:
        raise TagError(
            f"precision: found {precision:g}, but the model stores no thresholds: none of its tags can be "
            "promised. Calibrate it on tracks that it was not trained on, or ask for no precision."
        )
    if precision > stored[-1] + _SLACK:
        raise TagError(
            f"precision: found {precision:g}, expected up to {stored[-1]:g}, the highest that the model's thresholds "
            "promise. Ask for that or less."
        )


def _thresholds(card: Calibrated, precision: float, tags: int) -> npt.NDArray[np.float32]:
    """Return the least probability that keeps a precision, (tags,) float32; infinity where there is none."""
    least = np.full(tags, np.inf, dtype=np.float32)
    for place, entry in enumerate(card.calibration):
        fitting = [value for stored, value in entry.thresholds.items() if float(stored) >= precision - _SLACK]
        # Rounded as the probabilities are, so that the one at the threshold itself is in.
        least[place] = np.float32(min(fitting, default=np.inf))
    return least


def _calibrated(logits: Array, card: Calibrated) -> npt.NDArray[np.float64]:
    if not card.calibration:
        return log_odds(logits, card.activation)
    slopes = np.array([entry.slope for entry in card.calibration], dtype=np.float64)
    intercepts = np.array([entry.intercept for entry in card.calibration], dtype=np.float64)
    return np.asarray(slopes * log_odds(logits, card.activation) + intercepts)


def _refuse_precision(precision: float) -> None:
    if not 0.0 < precision <= 1.0:
        raise TagError(f"precision: found {precision!r}, expected above 0 and up to 1, such as 0.9. Choose another.")
