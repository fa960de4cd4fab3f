"""Agreement of scores with targets that are another tagger's scores, not yes or no.

A tagger's scores are as good as the order in which they put tracks. So agreement is Spearman's rank correlation of each
tag over tracks, and the share of a track's three strongest tags that are the same. Against listeners it is the area
under the ROC curve, of the student and of its teacher on the same tracks.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from earmark.errors import TrainingError
from earmark.tagging.bundle.card import TagName
from earmark.training.evaluation.metrics import Difference, paired_bootstrap, quick_value

Scores = npt.NDArray[np.float32]

FEWEST_TRACKS = 10
STRONGEST = 3


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How far scores agree with soft targets in one group of tags: means over its tags, and over tracks."""

    group: str
    correlation: float
    strongest: float
    tags: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Truth:
    """Areas under the ROC curve against listeners, of a student's scores and of its teacher's, means over tags."""

    student: float
    teacher: float
    difference: Difference
    tags: Mapping[str, tuple[float, float, int, int]]
    """By label: area of the student and of the teacher, positives, negatives."""


def agreements(scores: Scores, targets: Scores, tags: tuple[TagName, ...]) -> tuple[Agreement, ...]:
    """Measure how scores agree with targets, both (tracks, tags), by group; groups of yes and no are left out."""
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
    """Compute Spearman's correlation over tracks with a known target; NaN for few tracks, or where nothing differs."""
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
    """Compare a student with its teacher on what listeners said.

    `listeners` and `teacher` are groups of tags whose labels are "WORD (GROUP)": what was said (0, 1 or NaN), and what
    the student learned from the teacher, whose own scores are the targets.

    Raises:
        TrainingError: the groups share no word that some tracks have and others do not.
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
