"""Measure how reliable probabilities are: reliability curve, calibration error, promised and achieved precision.

The tracks must be ones that neither trained nor calibrated the model.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from earmark.errors import TrainingError
from earmark.tagging.bundle.calibration import Calibrated, promised, promises
from earmark.tagging.bundle.card import Activation, TagCalibration, TagName, Truth

Probabilities = npt.NDArray[np.float32]

POOLED_BINS = 15
TAG_BINS = 5
"""Choice: few bins, because chance moves the mean of a bin with few tracks, and that counts as calibration error."""
RESAMPLES = 500
SEED = 0


@dataclasses.dataclass(frozen=True)
class ScoreCalibration:
    """The parts of a model card that probabilities depend on: the activation, and the calibration of each tag."""

    activation: Activation
    calibration: tuple[TagCalibration, ...] = ()
    tags: tuple[TagName, ...] = ()


@dataclasses.dataclass(frozen=True)
class ScoredTracks:
    """The probabilities of some tracks by one model.

    Attributes:
        probabilities: (tracks, tags) float32 in 0..1.
        targets: (tracks, tags) float32 in 0..1, NaN where unknown.
        card: the calibration and thresholds of each tag, in the same order.
    """

    probabilities: Probabilities
    targets: Probabilities
    card: Calibrated


@dataclasses.dataclass(frozen=True)
class Bin:
    """A bin of pairs of track and tag with similar probabilities.

    Attributes:
        probability: their mean probability.
        share: the share of positives among them.
        count: the number of pairs.
    """

    probability: float
    share: float
    count: int


@dataclasses.dataclass(frozen=True)
class Promise:
    """A promised precision beside the achieved one, over all tags that store a threshold for it.

    Attributes:
        precision: the promised precision.
        tags: the number of tags that store a threshold.
        kept: the number of pairs of track and tag whose probability reaches the threshold.
        achieved: the share of these pairs that are positive; NaN where there are none.
        low, high: the 95 % interval of `achieved` over resampled tracks.
        recall: the share of the positives of these tags that are among the pairs; NaN without positives.
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
    """The reliability of a model's probabilities.

    Attributes:
        curve: the reliability curve of all tags together, in bins of equal count.
        pooled_error: the expected calibration error of this curve.
        error: the mean over tags of the expected calibration error of each tag; errors of single tags can cancel in
            `pooled_error`.
        tag_errors: the expected calibration error by label, without tags that have no known target.
        promises: one entry for each promised precision, ascending; none where the model promises none.
    """

    curve: tuple[Bin, ...]
    pooled_error: float
    error: float
    tag_errors: dict[str, float]
    promises: tuple[Promise, ...]


@dataclasses.dataclass(frozen=True)
class Judgement:
    """Promises held against what people said, where they said anything.

    Attributes:
        promises: one entry for each promised precision, ascending; pairs that nobody judged do not count.
        wrong: how often each tag was promised, at the highest precision at which any was, although people said that it
            is absent; by label, the most frequent first.
    """

    promises: tuple[Promise, ...]
    wrong: dict[str, int]


@dataclasses.dataclass(frozen=True)
class FoldReliability:
    """The reliability on the test tracks of all splits together, before (`raw`) and after calibration.

    `people` holds the promises after calibration as people judge them, by whose word it is.
    """

    splits: tuple[str, ...]
    tracks: int
    raw: Reliability
    calibrated: Reliability
    people: Mapping[Truth, Judgement]


def measure_reliability(
    parts: Sequence[ScoredTracks], labels: Sequence[str], positive_threshold: float = 0.5
) -> Reliability:
    """Measure the reliability of one model, or of several models that each score other tracks (folds).

    Probabilities and promises are both compared with positives: targets at or above `positive_threshold`.

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
    positive = (targets >= positive_threshold).astype(np.float32)
    curve = reliability_curve(probabilities[known], positive[known], POOLED_BINS)
    tag_errors = {
        label: calibration_error(
            reliability_curve(probabilities[known[:, tag], tag], positive[known[:, tag], tag], TAG_BINS)
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


def measure_judgement(
    parts: Sequence[ScoredTracks], labels: Sequence[str], positive_threshold: float = 0.5
) -> Judgement:
    """Hold promises against what people said, the targets of `parts`, NaN where nobody said anything."""
    said = np.concatenate([part.targets for part in parts])
    precisions = sorted({precision for part in parts for precision in promises(part.card)})
    judged = tuple(_promise(parts, said, precision, positive_threshold) for precision in precisions)
    wrong = np.zeros(len(labels), np.int64)
    made = [promise.precision for promise in judged if promise.kept]
    if made:
        kept = np.concatenate([promised(part.probabilities, part.card, made[-1]) for part in parts])
        wrong = (kept & (said < positive_threshold)).sum(axis=0)
    return Judgement(
        judged,
        {labels[place]: int(wrong[place]) for place in np.argsort(-wrong, kind="stable") if wrong[place]},
    )


def reliability_curve(probabilities: Probabilities, positive: Probabilities, bins: int) -> tuple[Bin, ...]:
    """Sort probabilities (n,) and positives (n,), 1 or 0, into bins of equal count, ascending; n is at least 1."""
    order = np.argsort(probabilities, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    return tuple(
        Bin(
            float(probabilities[part].mean(dtype=np.float64)),
            float(positive[part].mean(dtype=np.float64)),
            len(part),
        )
        for part in parts
    )


def calibration_error(curve: Sequence[Bin]) -> float:
    """Compute the expected calibration error: the mean of |share - probability| over bins, weighted by their counts."""
    total = sum(part.count for part in curve)
    return sum(abs(part.share - part.probability) * part.count for part in curve) / total


def fold_reliability_text(measured: FoldReliability) -> str:
    """Write the measurement as Markdown, to stand below an evaluation."""
    raw, calibrated = measured.raw, measured.calibrated
    lines = [
        f"Probabilities, calibrated on validation sides of other groups and judged on the test sides of "
        f"{', '.join(measured.splits)}: {measured.tracks} tracks. "
        f"Expected calibration error by tag {calibrated.error:.3f} (scores {raw.error:.3f}), "
        f"all tags together {calibrated.pooled_error:.3f} (scores {raw.pooled_error:.3f}).",
    ]
    made = [promise for promise in calibrated.promises if promise.kept]
    if not made:
        return "\n".join([*lines, "", "No tag was promised at any precision."])
    lines += ["", *_promise_table(made)]
    for truth, judged in measured.people.items():
        made = [promise for promise in judged.promises if promise.kept]
        if made:
            wrong = ", ".join(f"{label} {count}" for label, count in judged.wrong.items()) or "none"
            lines += ["", f"The same promises, where {truth} said anything:", "", *_promise_table(made)]
            lines += ["", f"Wrong of those at {made[-1].precision:g}: {wrong}."]
    return "\n".join(lines)


def _promise_table(promises: Sequence[Promise]) -> list[str]:
    """Write promises as the lines of a Markdown table."""
    return [
        "| promised precision | achieved, with its 95 % interval | promises made | of the positives | tags |",
        "|---|---|---|---|---|",
        *(
            f"| {promise.precision:g} | {promise.achieved:.3f} [{promise.low:.3f}, {promise.high:.3f}] "
            f"| {promise.kept} | {promise.recall:.0%} | {promise.tags} |"
            for promise in promises
        ),
    ]


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
    """Mark the tags that store a threshold for a precision, for every track of a part: (tracks, tags) bool."""
    able = np.zeros(part.targets.shape, dtype=np.bool_)
    for place, entry in enumerate(part.card.calibration):
        able[:, place] = any(float(stored) >= precision for stored in entry.thresholds)
    return able


def _interval(hits: npt.NDArray[np.int64], made: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Compute the 95 % interval of the precision, sum(hits) / sum(made), over resampled tracks.

    `hits` and `made` are (tracks,); the interval is NaN where no promise was made.
    """
    if not made.any():
        return float("nan"), float("nan")
    generator = np.random.default_rng(SEED)
    chosen = generator.integers(0, len(made), (RESAMPLES, len(made)))
    totals = made[chosen].sum(axis=1)
    shares = hits[chosen].sum(axis=1)[totals > 0] / totals[totals > 0]
    low, high = np.quantile(shares, [0.025, 0.975])
    return float(low), float(high)
