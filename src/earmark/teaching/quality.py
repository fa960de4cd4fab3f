"""The quality of a word's scores: the area under the ROC curve, with an interval that is wide for few examples."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Quality:
    """The area under the ROC curve of a word (0.5 is chance, 1 is perfect), and the ends of its interval at 95 %."""

    auc: float
    low: float
    high: float


def roc_auc(scores: npt.NDArray[np.float64], has: npt.NDArray[np.bool_]) -> float:
    """Return the probability that a track with the word scores above one without it; a tie counts half.

    `scores`, `has`: (tracks,) each. Returns NaN unless there are tracks of both kinds.
    """
    positives = int(has.sum())
    negatives = len(has) - positives
    if not positives or not negatives:
        return math.nan
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2.0
    above = float(ranks[places][has].sum()) - positives * (positives + 1) / 2.0
    return above / (positives * negatives)


def auc_interval(auc: float, positives: int, negatives: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the interval of an AUC from the numbers of tracks with and without the word, as (low, high).

    Choice: it holds the true values under which the AUC found would be likely, like Wilson's interval of a share. The
    standard deviation is that of Hanley and McNeil's exponential model, with the mean of both numbers in place of each.
    The interval therefore stays between 0 and 1, and is wide for a perfect AUC of few examples.
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    more = (positives + negatives) / 2.0 - 1.0

    def away(value: float) -> float:
        variance = value * (1.0 - value) / (positives * negatives)
        variance *= 1.0 + more * ((1.0 - value) / (2.0 - value) + value / (1.0 + value))
        return abs(auc - value) - z * math.sqrt(max(variance, 0.0))

    return _root(away, 0.0, auc, falling=True), _root(away, auc, 1.0, falling=False)


def quality_of(scores: npt.NDArray[np.float64], has: npt.NDArray[np.bool_], groups: npt.NDArray[np.int64]) -> Quality:
    """Return the quality of out-of-fold scores.

    `scores`, `has`, and `groups`, the number of each track's group: (tracks,) each.

    Choice: the interval counts groups with and without the word instead of tracks, because the songs of one artist are
    not independent.
    """
    auc = roc_auc(scores, has)
    low, high = auc_interval(auc, len(np.unique(groups[has])), len(np.unique(groups[~has])))
    return Quality(auc, low, high)


def _root(away: Callable[[float], float], start: float, stop: float, *, falling: bool) -> float:
    """Return where a function that is positive at the outer end crosses zero, or the outer end where it is not."""
    outer = start if falling else stop
    if away(outer) <= 0.0:
        return outer
    for _ in range(60):
        middle = (start + stop) / 2.0
        outside = away(middle) > 0.0
        if outside == falling:
            start = middle
        else:
            stop = middle
    return (start + stop) / 2.0
