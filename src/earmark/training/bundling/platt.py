"""Platt's calibration: turns the logits of each tag into probabilities, on tracks that did not train the model.

One tag at a time, logistic regression of the target on the tag's log odds gives a slope and an intercept. (Isotonic
regression would need a table for every tag, which a card does not hold.) Thresholds for promised precisions are chosen
on out-of-fold probabilities, so that no track calibrates the probability that it is judged by.

This module needs scikit-learn alone, so that `earmark teach` can hand it to a part of earmark that trains nothing.
"""

import dataclasses
import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from earmark.errors import TrainingError
from earmark.tagging.bundle.calibration import log_odds, sigmoid
from earmark.tagging.bundle.card import Activation, TagCalibration

Scores = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class CalibrationRule:
    """The rule by which tags are calibrated and precisions promised.

    Attributes:
        precisions: what thresholds are sought for, ascending.
        confidence: Choice: a threshold promises a precision where Wilson's one-sided lower bound at this confidence
            reaches it: 7 of 7 tracks for 0.9, 21 of 22, 37 of 39. It leans to "don't know" where positives are few.
        least_positives, least_negatives: Choice: with fewer of either among the validation tracks nothing is promised:
            a tag that nearly all of them have would be promised for any sound at all.
        least_hits: Choice: a threshold keeps at least so many positives. Simulated tags that are told too badly for any
            promise got one of 0.7 in about half of the cases without this and a quarter with it (300 tracks).
        least_probability: Choice: a tag is not promised for a track that more likely than not lacks it, by the curve of
            positives. A tag that is told perfectly could afford some misses, and its threshold would slide far down
            into the gap between the two kinds, where no validation track has ever been.
        folds: parts of the validation tracks, each calibrated by the others, to find thresholds.
        prior_tracks: Choice: regularisation in tracks: so many are added that say what the model itself says, so that
            a tag with few or separable tracks keeps a slope near 1.
    """

    precisions: tuple[float, ...] = (0.7, 0.8, 0.9)
    confidence: float = 0.8
    least_positives: int = 10
    least_negatives: int = 10
    least_hits: int = 6
    least_probability: float = 0.5
    folds: int = 5
    prior_tracks: float = 4.0


@dataclasses.dataclass(frozen=True)
class Curve:
    """The line from a tag's log odds to those of its calibrated probability."""

    slope: float
    intercept: float

    def __call__(self, odds: Numbers) -> Scores:
        """Turn log odds into probabilities, both (tracks,)."""
        return sigmoid(self.slope * odds + self.intercept)


_PRIOR_PLACES = 9
_PRIOR_DOUBT = 0.05
"""The prior's tracks keep this distance from certainty, so that they hold the slope however far apart logits lie."""


def fit_calibration(
    logits: Scores,
    targets: Scores,
    labels: Sequence[str],
    groups: Sequence[str],
    *,
    activation: Activation = "sigmoid",
    positive_threshold: float = 0.5,
    rule: CalibrationRule | None = None,
) -> tuple[TagCalibration, ...]:
    """Calibrate every tag on validation tracks: a card's `calibration`, in the order of the labels.

    `logits`, `targets`: (tracks, tags); targets in 0..1, NaN where unknown, which leaves the track out of that tag. A
    target of 0.3 counts as three tenths of a track with the tag and seven tenths without, so that probabilities predict
    the target itself: a share of raters, or a label. A promised precision refers to positives, targets at or above
    `positive_threshold`, as in every evaluation. `groups`: the artist or source of each track, which stays in one fold.

    A tag without any known target keeps its own score as its probability. A tag whose tracks contradict the model (a
    slope of 0 or less) gets its mean target as the probability of every track. Neither is ever promised.

    Raises:
        TrainingError: the parts have other numbers of tracks or tags, or there are no tracks.
    """
    rule = rule or CalibrationRule()
    expected = (len(groups), len(labels))
    if logits.shape != expected or targets.shape != expected or not len(groups):
        raise TrainingError(
            f"Found logits of shape {logits.shape} and targets of shape {targets.shape}, expected (tracks, tags) of "
            f"{len(groups)} tracks and {len(labels)} tags, at least one of each. Calibrate on a side that has tracks."
        )
    odds = log_odds(logits, activation)
    group_numbers = np.unique(np.array(groups), return_inverse=True)[1]
    calibration = []
    for place, label in enumerate(labels):
        known = ~np.isnan(targets[:, place])
        tag = _Tracks(
            odds[known, place],
            targets[known, place].astype(np.float64),
            targets[known, place] >= positive_threshold,
            group_numbers[known],
        )
        curve = _fitted(tag.odds, tag.targets, rule)
        thresholds = _thresholds(tag, rule) if curve.slope > 0 else {}
        calibration.append(TagCalibration(label, curve.slope, curve.intercept, thresholds))
    return tuple(calibration)


def wilson_lower_bound(hits: npt.ArrayLike, count: npt.ArrayLike, confidence: float) -> Numbers:
    """Compute Wilson's one-sided lower bound of a share, at a confidence such as 0.8."""
    z = NormalDist().inv_cdf(confidence)
    n = np.asarray(count, dtype=np.float64)
    share = np.asarray(hits, dtype=np.float64) / n
    spread = z * np.sqrt(share * (1.0 - share) / n + z**2 / (4.0 * n**2))
    return np.asarray((share + z**2 / (2.0 * n) - spread) / (1.0 + z**2 / n))


@dataclasses.dataclass(frozen=True)
class _Tracks:
    """The validation tracks of one tag: (tracks,) each."""

    odds: Numbers
    targets: Numbers
    positive: npt.NDArray[np.bool_]
    groups: npt.NDArray[np.int64]


def _fitted(odds: Numbers, targets: Numbers, rule: CalibrationRule) -> Curve:
    """Fit the curve of one tag on tracks whose target is known."""
    if not len(odds):
        return Curve(1.0, 0.0)
    prior_odds = np.quantile(odds, np.linspace(0.0, 1.0, _PRIOR_PLACES))
    prior = np.clip(sigmoid(prior_odds).astype(np.float64), _PRIOR_DOUBT, 1.0 - _PRIOR_DOUBT)
    all_odds = np.concatenate([odds, prior_odds])
    all_targets = np.concatenate([targets, prior])
    weights = np.concatenate([np.ones(len(odds)), np.full(_PRIOR_PLACES, rule.prior_tracks / _PRIOR_PLACES)])
    mean = float(np.average(all_targets, weights=weights))
    centre, spread = float(np.mean(odds)), float(np.std(odds))
    constant = Curve(0.0, math.log(mean / (1.0 - mean)))
    if spread < 1e-6:
        return constant
    column = ((all_odds - centre) / spread)[:, np.newaxis]
    # Prior tracks regularise instead of a penalty on the slope, so that slope and intercept keep their meaning.
    regression = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-8, max_iter=200)
    regression.fit(
        np.concatenate([column, column]),
        np.repeat([1, 0], len(column)),
        np.concatenate([weights * all_targets, weights * (1.0 - all_targets)]),
    )
    slope = float(regression.coef_[0, 0]) / spread
    if slope <= 0:
        return constant
    return Curve(slope, float(regression.intercept_[0]) - slope * centre)


def _thresholds(tag: _Tracks, rule: CalibrationRule) -> dict[str, float]:
    """Find, by promised precision, the least out-of-fold probability whose tracks keep it; absent where none does."""
    folds = min(rule.folds, len(np.unique(tag.groups)))
    positives = int(tag.positive.sum())
    if positives < rule.least_positives or len(tag.positive) - positives < rule.least_negatives or folds < 2:
        return {}
    found = _out_of_fold(tag, tag.targets, folds, rule)
    # Targets between 0 and 1 need a second curve, for the probability of counting as positive.
    hard = tag.positive.astype(np.float64)
    positive = found if np.array_equal(hard, tag.targets) else _out_of_fold(tag, hard, folds, rule)
    order = np.argsort(-found, kind="stable")
    kept = np.arange(1, len(order) + 1)
    hits = np.cumsum(tag.positive[order])
    bounds = wilson_lower_bound(hits, kept, rule.confidence)
    # The curve has to expect the precision too, since among many thresholds some look good by luck.
    expected = np.cumsum(positive[order], dtype=np.float64) / kept
    # Tracks of equal probability are kept together.
    ordered = found[order]
    enough = np.append(ordered[1:] < ordered[:-1], True) & (hits >= rule.least_hits)
    enough &= positive[order] >= rule.least_probability
    thresholds = {}
    for precision in rule.precisions:
        keeping = np.flatnonzero(enough & (bounds >= precision) & (expected >= precision))
        if len(keeping):
            thresholds[f"{precision:g}"] = float(ordered[keeping[-1]])
    return thresholds


def _out_of_fold(tag: _Tracks, targets: Numbers, folds: int, rule: CalibrationRule) -> Scores:
    """Compute the probability of every track by a curve that was fitted without its group: (tracks,)."""
    found = np.empty(len(tag.odds), dtype=np.float32)
    for train, rest in GroupKFold(folds).split(tag.odds, groups=tag.groups):
        found[rest] = _fitted(tag.odds[train], targets[train], rule)(tag.odds[rest])
    return found
