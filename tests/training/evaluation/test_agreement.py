"""Agreement with soft targets and with listeners, against scipy and by hand."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the extra train")

from scipy.stats import spearmanr

from earmark.errors import TrainingError
from earmark.tagging.bundle.card import TagName
from earmark.training.evaluation.agreement import agreements, rank_correlation, truth

TAGS = (
    TagName("a (teacher)", "teacher"),
    TagName("b (teacher)", "teacher"),
    TagName("c (teacher)", "teacher"),
    TagName("d (teacher)", "teacher"),
    TagName("a (people)", "people"),
    TagName("c (people)", "people"),
)


def made(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    targets = generator.uniform(0.01, 0.99, (40, 6)).astype(np.float32)
    targets[:, 4] = targets[:, 0] > 0.5
    targets[:, 5] = np.where(np.arange(40) < 5, np.nan, 1.0)
    return generator.uniform(size=(40, 6)).astype(np.float32), targets


def test_rank_correlation_is_spearmans() -> None:
    scores, targets = made()
    assert rank_correlation(scores[:, 0], targets[:, 0]) == pytest.approx(spearmanr(scores[:, 0], targets[:, 0])[0])
    targets[:25, 0] = np.nan
    assert rank_correlation(scores[:, 0], targets[:, 0]) == pytest.approx(spearmanr(scores[25:, 0], targets[25:, 0])[0])
    assert np.isnan(rank_correlation(scores[:9, 0], scores[:9, 0]))
    assert np.isnan(rank_correlation(np.zeros(20, np.float32), scores[:20, 0]))


def test_groups_of_yes_and_no_have_no_agreement() -> None:
    scores, targets = made()
    (teacher,) = agreements(scores, targets, TAGS)
    assert teacher.group == "teacher"
    assert teacher.correlation == pytest.approx(np.mean([spearmanr(scores[:, i], targets[:, i])[0] for i in range(4)]))
    (same,) = agreements(targets, targets, TAGS)
    assert (same.correlation, same.strongest) == (pytest.approx(1), 1)
    (opposite,) = agreements(-targets, targets, TAGS)
    assert opposite.correlation == pytest.approx(-1)
    assert opposite.strongest == pytest.approx(2 / 3), "of four tags three strongest and three weakest share two"


def test_student_and_teacher_are_held_against_listeners_on_the_same_tags() -> None:
    scores, targets = made()
    found = truth(scores, targets, TAGS, "people", "teacher", resamples=50)
    assert list(found.tags) == ["a"], "of c nobody said no"
    assert found.teacher == 1.0 and found.student < 0.8
    assert found.difference.mean == pytest.approx(found.student - found.teacher)
    assert found.difference.low <= found.difference.mean <= found.difference.high
    assert found.tags["a"][2:] == (int(targets[:, 4].sum()), int((targets[:, 4] == 0).sum()))
    with pytest.raises(TrainingError, match="No word of 'people'"):
        truth(scores, targets, TAGS, "people", "nobody")
