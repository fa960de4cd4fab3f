"""Platt's calibration: turns the logits of each tag into probabilities, on tracks that did not train the model.

One tag at a time, logistic regression of what is positive on the tag's log odds gives a slope and an intercept.
(Isotonic regression would need a table for every tag, which a card does not hold.) Thresholds for promised precisions
are chosen on the probabilities that are shown, made coherent with those of related tags, and out of fold, so that no
track calibrates the probability that it is judged by.

Choice: a probability is that of being positive, as a promise is. One that predicts the mean of soft targets instead is
another number: with targets such as scores of taggers, of which 0.2 counts as positive, most tags were promised at
probabilities below one half.

This module needs scikit-learn alone, so that `earmark teach` can hand it to a part of earmark that trains nothing.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from earmark.errors import TrainingError
from earmark.tagging.bundle.calibration import log_odds, sigmoid
from earmark.tagging.bundle.card import Activation, TagCalibration, TagName, Truth
from earmark.tagging.bundle.coherence import relations_of

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
        least_probability: Choice: a tag is not promised for a track that more likely than not lacks it: a promise never
            contradicts the probability beside it. A tag that is told perfectly could afford some misses, and its
            threshold would slide far down into the gap between the two kinds, where no validation track has ever been.
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

    def __call__(self, odds: Numbers) -> Numbers:
        """Turn log odds into calibrated ones, both (tracks,)."""
        return self.slope * odds + self.intercept


_PRIOR_PLACES = 9
_PRIOR_DOUBT = 0.05
"""The prior's tracks keep this distance from certainty, so that they hold the slope however far apart logits lie."""


def fit_calibration(
    logits: Scores,
    targets: Scores,
    tags: Sequence[TagName],
    groups: Sequence[str],
    *,
    activation: Activation = "sigmoid",
    positive_threshold: float = 0.5,
    truth: Truth | None = None,
    people: Mapping[Truth, Scores] = MappingProxyType({}),
    rule: CalibrationRule | None = None,
) -> tuple[TagCalibration, ...]:
    """Calibrate every tag on validation tracks: a card's `calibration`, in the order of the tags.

    `logits`, `targets`: (tracks, tags); targets in 0..1, NaN where unknown, which leaves the track out of that tag.
    Probabilities and promises are both of positives: targets at or above `positive_threshold`, as in every evaluation.
    `tags`: with their relations. `groups`: the artist or source of each track, which stays in one fold. `truth`: whose
    word the targets are, for the card. `people`: what people said of the same tracks, by whose word it is, (tracks,
    tags) each like the targets, mostly NaN.

    Choice: a tag is fitted and judged by the first of `people` that knows enough tracks with it and without it
    (`rule.least_positives`, `rule.least_negatives`), and by the targets where none does. They are never mixed, so that
    a card can say by whose word a promise is kept.

    A tag without any known target keeps its own score as its probability. A tag whose tracks contradict the model (a
    slope of 0 or less) gets the share of positives as the probability of every track. Neither is ever promised.

    Raises:
        TrainingError: the parts have other numbers of tracks or tags, or there are no tracks.
    """
    rule = rule or CalibrationRule()
    expected = (len(groups), len(tags))
    shapes = {values.shape for values in (logits, targets, *people.values())}
    if shapes != {expected} or not len(groups):
        raise TrainingError(
            f"Found logits of shape {logits.shape} and targets of shape {targets.shape}"
            f"{''.join(f', those of {whose} of {said.shape}' for whose, said in people.items())}; expected (tracks, "
            f"tags) of {len(groups)} tracks and {len(tags)} tags, at least one of each. Calibrate on a side that has "
            "tracks."
        )
    odds = log_odds(logits, activation)
    chosen = [_truth_of(place, targets, truth, people, positive_threshold, rule) for place in range(len(tags))]
    curves = [_fitted(odds[said.known, place], said.positive, rule) for place, said in enumerate(chosen)]
    group_numbers = np.unique(np.array(groups), return_inverse=True)[1]
    fold_of = _folds(group_numbers, rule)
    found = _out_of_fold(odds, chosen, fold_of, tags, rule)
    calibration = []
    for place, (tag, said, curve) in enumerate(zip(tags, chosen, curves, strict=True)):
        judged = curve.slope > 0 and len(np.unique(fold_of[said.known])) > 1
        thresholds = _thresholds(found[said.known, place], said.positive, rule) if judged else {}
        best = _best_f1(found[said.known, place], said.positive) if judged and said.is_enough(rule) else None
        tracks = int(said.known.sum()) if said.truth is not None else 0
        calibration.append(
            TagCalibration(tag.label, curve.slope, curve.intercept, thresholds, said.truth, tracks, best)
        )
    return tuple(calibration)


def wilson_lower_bound(hits: npt.ArrayLike, count: npt.ArrayLike, confidence: float) -> Numbers:
    """Compute Wilson's one-sided lower bound of a share, at a confidence such as 0.8."""
    z = NormalDist().inv_cdf(confidence)
    n = np.asarray(count, dtype=np.float64)
    share = np.asarray(hits, dtype=np.float64) / n
    spread = z * np.sqrt(share * (1.0 - share) / n + z**2 / (4.0 * n**2))
    return np.asarray((share + z**2 / (2.0 * n) - spread) / (1.0 + z**2 / n))


@dataclasses.dataclass(frozen=True)
class _Said:
    """What a tag is fitted and judged by: `known` (tracks,), and `positive` (known tracks,), 1 or 0."""

    truth: Truth | None
    known: npt.NDArray[np.bool_]
    positive: Numbers

    def is_enough(self, rule: CalibrationRule) -> bool:
        """Whether there are enough tracks with the tag and without it for a promise."""
        positives = int(self.positive.sum())
        return positives >= rule.least_positives and len(self.positive) - positives >= rule.least_negatives


def _truth_of(
    place: int,
    targets: Scores,
    truth: Truth | None,
    people: Mapping[Truth, Scores],
    positive_threshold: float,
    rule: CalibrationRule,
) -> _Said:
    """Choose whose word a tag is fitted by."""
    for whose, said in (*people.items(), (truth, targets)):
        known = ~np.isnan(said[:, place])
        found = _Said(whose, known, (said[known, place] >= positive_threshold).astype(np.float64))
        if found.is_enough(rule):
            break
    return found


def _folds(groups: npt.NDArray[np.int64], rule: CalibrationRule) -> npt.NDArray[np.int64]:
    """Give every track, (tracks,), the number of its fold; all the same one where there is one group."""
    fold_of = np.zeros(len(groups), np.int64)
    folds = min(rule.folds, len(np.unique(groups)))
    if folds > 1:
        for fold, (_, rest) in enumerate(GroupKFold(folds).split(groups, groups=groups)):
            fold_of[rest] = fold
    return fold_of


def _out_of_fold(
    odds: Numbers,
    chosen: Sequence[_Said],
    fold_of: npt.NDArray[np.int64],
    tags: Sequence[TagName],
    rule: CalibrationRule,
) -> Scores:
    """Compute the probabilities that would be shown, by curves fitted without the track's fold: (tracks, tags)."""
    calibrated = np.empty_like(odds)
    for fold in np.unique(fold_of):
        rest = fold_of == fold
        for place, said in enumerate(chosen):
            curve = _fitted(odds[said.known & ~rest, place], said.positive[~rest[said.known]], rule)
            calibrated[rest, place] = curve(odds[rest, place])
    return sigmoid(relations_of(tags).coherent(calibrated))


def _fitted(odds: Numbers, positive: Numbers, rule: CalibrationRule) -> Curve:
    """Fit the curve of one tag on tracks of which it is known whether they are positive."""
    if not len(odds):
        return Curve(1.0, 0.0)
    prior_odds = np.quantile(odds, np.linspace(0.0, 1.0, _PRIOR_PLACES))
    prior = np.clip(sigmoid(prior_odds).astype(np.float64), _PRIOR_DOUBT, 1.0 - _PRIOR_DOUBT)
    all_odds = np.concatenate([odds, prior_odds])
    all_targets = np.concatenate([positive, prior])
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


def _thresholds(found: Scores, positive: Numbers, rule: CalibrationRule) -> dict[str, float]:
    """Find, by promised precision, the least out-of-fold probability whose tracks keep it; absent where none does.

    `found`, `positive`: (known tracks,).
    """
    if not _Said(None, np.ones(len(positive), np.bool_), positive).is_enough(rule):
        return {}
    order = np.argsort(-found, kind="stable")
    ordered = found[order]
    kept = np.arange(1, len(order) + 1)
    hits = np.cumsum(positive[order])
    bounds = wilson_lower_bound(hits, kept, rule.confidence)
    # The curve has to expect the precision too, since among many thresholds some look good by luck.
    expected = np.cumsum(ordered, dtype=np.float64) / kept
    # Tracks of equal probability are kept together.
    enough = np.append(ordered[1:] < ordered[:-1], True) & (hits >= rule.least_hits)
    enough &= ordered >= rule.least_probability
    thresholds = {}
    for precision in rule.precisions:
        keeping = np.flatnonzero(enough & (bounds >= precision) & (expected >= precision))
        if len(keeping):
            thresholds[f"{precision:g}"] = float(ordered[keeping[-1]])
    return thresholds


def _best_f1(found: Scores, positive: Numbers) -> float:
    """Find the out-of-fold probability from which tracks count as positive where F1 is highest.

    `found`, `positive`: (known tracks,), with at least one positive. Choice: a track counts half as what it is and
    half as what the curve expects, since the best of many thresholds is good by luck too.
    """
    order = np.argsort(-found, kind="stable")
    ordered = found[order]
    hits = (positive[order] + ordered) / 2.0
    f1 = 2.0 * np.cumsum(hits) / (np.arange(1, len(order) + 1) + hits.sum())
    last_of_equal = np.append(ordered[1:] < ordered[:-1], True)
    return float(ordered[int(np.argmax(np.where(last_of_equal, f1, -1.0)))])
