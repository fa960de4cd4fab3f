"""Reliability of probabilities: curves, expected calibration error, and promised against kept precision.

It is measured on tracks that neither trained nor calibrated the model.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from earmark.errors import TrainingError
from earmark.tagging.bundle.calibration import Calibrated, promised, promises
from earmark.tagging.bundle.card import Activation, TagCalibration

Probabilities = npt.NDArray[np.float32]

POOLED_BINS = 15
TAG_BINS = 5
"""Choice: few, since a bin of few tracks is off its mean by chance, which counts as calibration error."""
RESAMPLES = 500
SEED = 0


@dataclasses.dataclass(frozen=True)
class ScoreCalibration:
    """An activation and the calibration of some tags in order: the parts of a card that probabilities depend on."""

    activation: Activation
    calibration: tuple[TagCalibration, ...] = ()


@dataclasses.dataclass(frozen=True)
class ScoredTracks:
    """The probabilities that one model gave some tracks.

    Attributes:
        probabilities, targets: (tracks, tags); targets in 0..1, NaN where unknown.
        card: its thresholds, a tag each in the same order.
    """

    probabilities: Probabilities
    targets: Probabilities
    card: Calibrated


@dataclasses.dataclass(frozen=True)
class Bin:
    """Tracks of about one probability: its mean, the mean of their targets, and how many there are."""

    probability: float
    share: float
    count: int


@dataclasses.dataclass(frozen=True)
class Promise:
    """A promised precision and what came of it, over all tags that store a threshold for it.

    Attributes:
        precision: what was promised.
        tags: how many tags store a threshold.
        kept: for how many pairs of track and tag the promise was made.
        achieved: the share of those that are positive; NaN for none.
        low, high: its 95 % interval over resampled tracks.
        recall: the share of all positives of these tags that were among them; NaN for no positives.
    """

    precision: float
    tags: int
    kept: int
    achieved: float
    low: float
    high: float
    recall: float


@dataclasses.dataclass(frozen=True)
class Reliability:
    """How far probabilities can be believed.

    Attributes:
        curve: all tags together, in bins of equal mass.
        pooled_error: expected calibration error of that curve.
        error: the mean over tags of each tag's own, which the pooled one may hide.
        tag_errors: by label; a tag without known targets is absent.
        promises: one a promised precision, ascending; none where the model promises none.
    """

    curve: tuple[Bin, ...]
    pooled_error: float
    error: float
    tag_errors: dict[str, float]
    promises: tuple[Promise, ...]


def measure_reliability(
    parts: Sequence[ScoredTracks], labels: Sequence[str], positive_threshold: float = 0.5
) -> Reliability:
    """Compare probabilities with targets, of one model, or of several that score tracks of their own each (folds).

    A probability is compared with the target itself, a promise with positives: targets at or above the threshold.

    Raises:
        TrainingError: no target is known.
    """
    probabilities = np.concatenate([part.probabilities for part in parts])
    targets = np.concatenate([part.targets for part in parts])
    known = ~np.isnan(targets)
    if not known.any():
        raise TrainingError(
            f"None of {targets.size} targets is known; expected some. Measure on tracks with known labels."
        )
    curve = reliability_curve(probabilities[known], targets[known], POOLED_BINS)
    tag_errors = {
        label: calibration_error(
            reliability_curve(probabilities[known[:, tag], tag], targets[known[:, tag], tag], TAG_BINS)
        )
        for tag, label in enumerate(labels)
        if known[:, tag].any()
    }
    precisions = sorted({precision for part in parts for precision in promises(part.card)})
    return Reliability(
        curve,
        calibration_error(curve),
        float(np.mean(list(tag_errors.values()))),
        tag_errors,
        tuple(_promise(parts, targets, precision, positive_threshold) for precision in precisions),
    )


def reliability_curve(probabilities: Probabilities, targets: Probabilities, bins: int) -> tuple[Bin, ...]:
    """Sort probabilities and known targets (n,), at least one, into bins of equal mass, ascending."""
    order = np.argsort(probabilities, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    return tuple(
        Bin(
            float(probabilities[part].mean(dtype=np.float64)),
            float(targets[part].mean(dtype=np.float64)),
            len(part),
        )
        for part in parts
    )


def calibration_error(curve: Sequence[Bin]) -> float:
    """Compute the expected calibration error: distances of the bins' shares from their probabilities, by count."""
    total = sum(part.count for part in curve)
    return sum(abs(part.share - part.probability) * part.count for part in curve) / total


def _promise(
    parts: Sequence[ScoredTracks], targets: Probabilities, precision: float, positive_threshold: float
) -> Promise:
    known = ~np.isnan(targets)
    # A tag may have a threshold in one fold and none in another.
    able = np.concatenate([_able(part, precision) for part in parts])
    kept = np.concatenate([promised(part.probabilities, part.card, precision) for part in parts]) & known
    positive = known & (targets >= positive_threshold)
    hits, made = (kept & positive).sum(axis=1), kept.sum(axis=1)
    count, positives = int(made.sum()), int((positive & able).sum())
    low, high = _interval(hits, made)
    return Promise(
        precision,
        int(able.any(axis=0).sum()),
        count,
        float(hits.sum() / count) if count else float("nan"),
        low,
        high,
        float(hits.sum() / positives) if positives else float("nan"),
    )


def _able(part: ScoredTracks, precision: float) -> npt.NDArray[np.bool_]:
    """Tell which tags store a threshold that keeps a precision, for every track of a part: (tracks, tags)."""
    able = np.zeros(part.targets.shape, dtype=np.bool_)
    for place, entry in enumerate(part.card.calibration):
        able[:, place] = any(float(stored) >= precision for stored in entry.thresholds)
    return able


def _interval(hits: npt.NDArray[np.int64], made: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Compute the 95 % interval of all hits over all made over resampled tracks; NaN where none was made."""
    if not made.any():
        return float("nan"), float("nan")
    generator = np.random.default_rng(SEED)
    chosen = generator.integers(0, len(made), (RESAMPLES, len(made)))
    totals = made[chosen].sum(axis=1)
    shares = hits[chosen].sum(axis=1)[totals > 0] / totals[totals > 0]
    low, high = np.quantile(shares, [0.025, 0.975])
    return float(low), float(high)
