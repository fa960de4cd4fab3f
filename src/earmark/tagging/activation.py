"""From a classifier's logits to its own scores, and to the log odds that a calibration reads."""

import numpy as np
import numpy.typing as npt

from earmark.errors import TagError
from earmark.tagging.card import Activation

Array = npt.NDArray[np.float32]


def activate(logits: Array, activation: Activation) -> Array:
    """Logits (..., tags) to scores of the same shape, 0 to 1: float32; softmax over the last axis."""
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
    """The log odds of every score: (..., tags) float64, of which the sigmoid is the score.

    With a sigmoid they are the logits. Of a softmax they are the logit minus the log of the summed exponentials of
    all other tags: unlike the logits alone, they do not change when all logits rise together.

    Raises TagError for a softmax over one tag, of which the score is 1 whatever is heard.
    """
    values = logits.astype(np.float64)
    if activation == "sigmoid":
        return values
    if values.shape[-1] < 2:
        raise TagError("A softmax over one tag says 1 of any sound; expected at least two tags. Train it on more tags.")
    odds = np.empty_like(values)
    for tag in range(values.shape[-1]):
        others = np.delete(values, tag, axis=-1)
        highest = others.max(axis=-1)
        summed = np.exp(others - highest[..., np.newaxis]).sum(axis=-1)
        odds[..., tag] = values[..., tag] - highest - np.log(summed)
    return odds
