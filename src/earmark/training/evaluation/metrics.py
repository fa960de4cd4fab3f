"""Measure tags: ROC-AUC, PR-AUC, accuracy, agreement with a teacher, and the paired bootstrap of a difference.

Where targets are the scores of another tagger (a teacher), they have no positives. Agreement with a teacher is
Spearman's rank correlation of each tag over tracks, and the share of a track's three strongest tags that both name.
"""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score, roc_auc_score

from earmark.errors import TrainingError
from earmark.tagging.bundle.card import TagName
from earmark.training.datasets.base import Task

Scores = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class TagMetrics:
    """The metrics of one tag.

    Attributes:
        roc_auc: area under the ROC curve, 0..1.
        pr_auc: average precision, the area under the precision-recall curve, 0..1.
        positives, negatives: the numbers of tracks that have the tag and that lack it.
    """

    label: str
    roc_auc: float
    pr_auc: float
    positives: int
    negatives: int


@dataclasses.dataclass(frozen=True)
class TaggingMetrics:
    """The metrics of a set of tracks.

    Attributes:
        roc_auc: mean ROC-AUC over the tags that have positives and negatives.
        pr_auc: mean average precision over the same tags.
        accuracy: share of tracks whose strongest tag is the true one; NaN for multi-label tasks.
        tags: the metrics of each of these tags, in order.
        left_out: labels of tags without positives or without negatives, which no mean includes.
    """

    roc_auc: float
    pr_auc: float
    accuracy: float
    tags: tuple[TagMetrics, ...]
    left_out: tuple[str, ...]

    def value(self, task: Task) -> float:
        """Return the metric of a task: accuracy for one-label tasks, ROC-AUC for multi-label tasks."""
        return self.accuracy if task == "one-label" else self.roc_auc


def measure(
    scores: Scores, targets: Scores, labels: tuple[str, ...], task: Task, positive_threshold: float = 0.5
) -> TaggingMetrics:
    """Compute the metrics of scores against targets.

    Args:
        scores: (tracks, tags) float32.
        targets: (tracks, tags) float32 in 0..1, NaN where unknown.
        labels: the tags in order.
        task: the task of the dataset.
        positive_threshold: targets at or above it are positive.

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
    """Compute `measure(...).value(task)` for all tags at once, which is about a hundred times as fast.

    The arguments are those of `measure`. The result is NaN where no tag has both positives and negatives. ROC-AUC is
    computed from ranks: it is the share of pairs of a positive and a negative track that the scores order rightly.
    """
    if task == "one-label":
        return float((scores.argmax(axis=1) == targets.argmax(axis=1)).mean())
    known = ~np.isnan(targets)
    positive = known & (targets >= positive_threshold)
    positives, negatives = positive.sum(axis=0), (known & ~positive).sum(axis=0)
    there = (positives > 0) & (negatives > 0)
    if not there.any():
        return float("nan")
    # Unknown targets get the highest ranks, so that they change no other rank.
    ranks = rankdata(np.where(known, scores, np.inf), axis=0)
    right = np.where(positive, ranks, 0.0).sum(axis=0) - positives * (positives + 1) / 2
    return float((right[there] / (positives * negatives)[there]).mean())


@dataclasses.dataclass(frozen=True)
class Difference:
    """A difference between two methods on the same tracks.

    Attributes:
        mean: the difference on all tracks.
        low, high: its 95 % interval over resampled tracks.
        share_above_zero: the share of resamples in which the first method is better.
    """

    mean: float
    low: float
    high: float
    share_above_zero: float

    @property
    def text(self) -> str:
        """The difference with its interval, such as "+0.012 [-0.003, +0.027]"."""
        return f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


def paired_bootstrap(
    metric: Callable[[npt.NDArray[np.int64], bool], float], tracks: int, resamples: int = 500, seed: int = 0
) -> Difference:
    """Compare two methods by a paired bootstrap: resample tracks with replacement, and measure both on each resample.

    Args:
        metric: `metric(chosen, first)` returns the value of the first (True) or second method on the tracks at the
            positions `chosen`, (n,) int64. Resamples on which it is NaN are left out.
        tracks: the number of tracks.
        resamples: the number of resamples.
        seed: the seed of the resampling.

    Raises:
        TrainingError: the metric is NaN on every resample.
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


FEWEST_TRACKS = 10
STRONGEST = 3


@dataclasses.dataclass(frozen=True)
class Agreement:
    """Agreement of scores with the scores of a teacher, in one group of tags.

    Attributes:
        correlation: mean over the tags of Spearman's rank correlation.
        strongest: mean over tracks of the share of the three strongest tags that both name; NaN for at most three tags.
        tags: the rank correlation of each tag, by label.
    """

    group: str
    correlation: float
    strongest: float
    tags: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Truth:
    """ROC-AUC of a student and of its teacher against the answers of listeners.

    Attributes:
        student, teacher: ROC-AUC, mean over the tags that both have.
        difference: student minus teacher, with its interval.
    """

    student: float
    teacher: float
    difference: Difference
    tags: Mapping[str, tuple[float, float, int, int]]
    """By word: ROC-AUC of the student, ROC-AUC of the teacher, positives, negatives."""


def agreements(scores: Scores, targets: Scores, tags: tuple[TagName, ...]) -> tuple[Agreement, ...]:
    """Return the agreement of scores with a teacher's scores, group by group.

    `scores` and `targets` are (tracks, tags) float32 in 0..1, targets NaN where unknown. Groups whose targets are all 0
    or 1 come from listeners, not from a teacher, and are left out.
    """
    found = []
    for group in dict.fromkeys(tag.group for tag in tags):
        columns = [place for place, tag in enumerate(tags) if tag.group == group]
        known = ~np.isnan(targets[:, columns])
        values = targets[:, columns][known]
        if not ((values > 0) & (values < 1)).any():
            continue
        by_tag = {tags[column].label: rank_correlation(scores[:, column], targets[:, column]) for column in columns}
        usable = [value for value in by_tag.values() if not np.isnan(value)]
        if usable:
            found.append(
                Agreement(group, float(np.mean(usable)), _same_strongest(scores, targets, columns, known), by_tag)
            )
    return tuple(found)


def rank_correlation(scores: npt.NDArray[np.float32], targets: npt.NDArray[np.float32]) -> float:
    """Compute Spearman's rank correlation of scores (tracks,) with targets (tracks,), NaN where unknown.

    The result is NaN for fewer than 10 known targets, and where all scores or all targets are equal.
    """
    known = ~np.isnan(targets)
    if known.sum() < FEWEST_TRACKS:
        return float("nan")
    one, two = rankdata(scores[known]), rankdata(targets[known])
    if not (one.std() and two.std()):
        return float("nan")
    return float(np.corrcoef(one, two)[0, 1])


def _same_strongest(scores: Scores, targets: Scores, columns: list[int], known: npt.NDArray[np.bool_]) -> float:
    if len(columns) <= STRONGEST:
        return float("nan")
    whole = known.all(axis=1)
    one = np.argsort(-scores[whole][:, columns], axis=1, kind="stable")[:, :STRONGEST]
    two = np.argsort(-targets[whole][:, columns], axis=1, kind="stable")[:, :STRONGEST]
    if not len(one):
        return float("nan")
    return float((one[:, :, None] == two[:, None, :]).any(axis=2).mean())


def truth(
    scores: Scores, targets: Scores, tags: tuple[TagName, ...], listeners: str, teacher: str, resamples: int = 500
) -> Truth:
    """Compare a student and its teacher with the answers of listeners, on the words that both groups have.

    Args:
        scores: the student's scores, (tracks, tags) float32.
        targets: (tracks, tags) float32, NaN where unknown: the teacher's scores, and the listeners' answers (0 or 1).
        tags: the tags in order; the labels of both groups have the form "WORD (GROUP)".
        listeners: the group of tags that holds the answers of listeners.
        teacher: the group of tags that the student learned from the teacher.
        resamples: the number of resamples of the difference's interval.

    Raises:
        TrainingError: the groups share no word that listeners gave to some tracks and not to others.
    """
    place = {tag.label: at for at, tag in enumerate(tags)}
    pairs = {}
    for tag in tags:
        word = tag.label.removesuffix(f" ({listeners})")
        if tag.group == listeners and f"{word} ({teacher})" in place:
            said = targets[:, place[tag.label]]
            if (said == 1).any() and (said == 0).any():
                pairs[word] = (place[tag.label], place[f"{word} ({teacher})"])
    if not pairs:
        raise TrainingError(f"No word of {listeners!r} is also one of {teacher!r}; expected at least one.")

    of_listeners, of_teacher = ([pair[part] for pair in pairs.values()] for part in (0, 1))

    def areas(chosen: npt.NDArray[np.int64], values: Scores) -> float:
        return quick_value(values[chosen][:, of_teacher], targets[chosen][:, of_listeners], "multi-label")

    everything = np.arange(len(scores))
    return Truth(
        areas(everything, scores),
        areas(everything, targets),
        paired_bootstrap(lambda chosen, first: areas(chosen, scores if first else targets), len(scores), resamples),
        {
            word: (
                _area(scores[:, two], targets[:, one]),
                _area(targets[:, two], targets[:, one]),
                int((targets[:, one] == 1).sum()),
                int((targets[:, one] == 0).sum()),
            )
            for word, (one, two) in pairs.items()
        },
    )


def _area(scores: npt.NDArray[np.float32], said: npt.NDArray[np.float32]) -> float:
    known = ~np.isnan(said)
    positive = said[known] == 1
    if positive.all() or not positive.any():
        return float("nan")
    return float(roc_auc_score(positive, scores[known]))
