"""Metrics of tags: ROC-AUC, PR-AUC and accuracy, and the paired bootstrap of a difference."""

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score, roc_auc_score

from earmark.errors import TrainingError
from earmark.training.datasets.base import Task

Scores = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class TagMetrics:
    """How well one tag was told: areas under the ROC and precision-recall curves, and how many tracks have it."""

    label: str
    roc_auc: float
    pr_auc: float
    positives: int
    negatives: int


@dataclasses.dataclass(frozen=True)
class TaggingMetrics:
    """How well a set of tracks was tagged.

    Attributes:
        roc_auc: macro mean over the tags that have positives and negatives.
        pr_auc: the same of average precision.
        accuracy: share of tracks whose strongest tag is the true one; NaN for multi-label tasks.
        tags: tag by tag, in order.
        left_out: tags without positives or without negatives; they are in no mean.
    """

    roc_auc: float
    pr_auc: float
    accuracy: float
    tags: tuple[TagMetrics, ...]
    left_out: tuple[str, ...]

    def value(self, task: Task) -> float:
        """Return the number that a task is judged by: accuracy where a track has one label, ROC-AUC elsewhere."""
        return self.accuracy if task == "one-label" else self.roc_auc


def measure(
    scores: Scores, targets: Scores, labels: tuple[str, ...], task: Task, positive_threshold: float = 0.5
) -> TaggingMetrics:
    """Compare scores with targets: both (tracks, tags); targets at or above the threshold are positive, NaN unknown.

    Raises:
        TrainingError: no tag has both positives and negatives.
    """
    tags, left_out = [], []
    for index, label in enumerate(labels):
        known = ~np.isnan(targets[:, index])
        positive = targets[known, index] >= positive_threshold
        if positive.all() or not positive.any():
            left_out.append(label)
            continue
        column = scores[known, index]
        tags.append(
            TagMetrics(
                label,
                float(roc_auc_score(positive, column)),
                float(average_precision_score(positive, column)),
                int(positive.sum()),
                int((~positive).sum()),
            )
        )
    if not tags:
        raise TrainingError(
            f"None of the {len(labels)} tags has both positive and negative tracks among {len(scores)}; "
            "expected at least one. Evaluate on a larger split."
        )
    hits = scores.argmax(axis=1) == targets.argmax(axis=1)
    return TaggingMetrics(
        float(np.mean([tag.roc_auc for tag in tags])),
        float(np.mean([tag.pr_auc for tag in tags])),
        float(hits.mean()) if task == "one-label" else float("nan"),
        tuple(tags),
        tuple(left_out),
    )


def quick_value(scores: Scores, targets: Scores, task: Task, positive_threshold: float = 0.5) -> float:
    """Compute `measure(...).value(task)` for all tags at once, some hundred times as fast, for resampling.

    The area under a ROC curve is the share of pairs in the right order, which is a sum of ranks. NaN where no tag has
    both positives and negatives.
    """
    if task == "one-label":
        return float((scores.argmax(axis=1) == targets.argmax(axis=1)).mean())
    known = ~np.isnan(targets)
    positive = known & (targets >= positive_threshold)
    positives, negatives = positive.sum(axis=0), (known & ~positive).sum(axis=0)
    there = (positives > 0) & (negatives > 0)
    if not there.any():
        return float("nan")
    # Unknown scores rank above all others, so that they change no other rank.
    ranks = rankdata(np.where(known, scores, np.inf), axis=0)
    right = np.where(positive, ranks, 0.0).sum(axis=0) - positives * (positives + 1) / 2
    return float((right[there] / (positives * negatives)[there]).mean())


@dataclasses.dataclass(frozen=True)
class Difference:
    """A difference between two methods on the same tracks, with a 95 % interval over resampled tracks."""

    mean: float
    low: float
    high: float
    share_above_zero: float

    @property
    def text(self) -> str:
        """Such as "+0.012 [-0.003, +0.027]"."""
        return f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


def paired_bootstrap(
    metric: Callable[[npt.NDArray[np.int64], bool], float], tracks: int, resamples: int = 500, seed: int = 0
) -> Difference:
    """Resample tracks with replacement and compare two methods on each resample.

    `metric(chosen, first)` gives the value of the first or second method on the chosen tracks, (n,) positions; a
    resample on which it is NaN is left out.

    Raises:
        TrainingError: it is NaN on every resample.
    """
    generator = np.random.default_rng(seed)
    everything = np.arange(tracks)
    differences = []
    for _ in range(resamples):
        chosen = generator.integers(0, tracks, tracks)
        differences.append(metric(chosen, True) - metric(chosen, False))
    valid = np.array(differences)[~np.isnan(differences)]
    if not len(valid):
        raise TrainingError(
            f"None of {resamples} resamples of {tracks} tracks can be measured; expected at least one. "
            "Compare on more tracks."
        )
    low, high = np.quantile(valid, [0.025, 0.975])
    return Difference(
        metric(everything, True) - metric(everything, False),
        float(low),
        float(high),
        float((valid > 0).mean()),
    )
