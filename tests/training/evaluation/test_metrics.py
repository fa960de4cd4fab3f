import numpy as np
import pytest

sklearn_metrics = pytest.importorskip("sklearn.metrics", reason="needs the extra train")
pytest.importorskip("sklearn", reason="needs the extra train")

from scipy.stats import spearmanr

from earmark.errors import TrainingError
from earmark.tagging.bundle.card import TagName
from earmark.training.evaluation.metrics import (
    Difference,
    agreements,
    measure,
    paired_bootstrap,
    quick_value,
    rank_correlation,
    truth,
)

LABELS = ("a", "b", "c", "d")


def some(seed: int = 0, tracks: int = 40) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    targets = (generator.uniform(size=(tracks, 4)) < 0.3).astype(np.float32)
    return (targets + generator.normal(0, 1, targets.shape)).astype(np.float32), targets


def test_scikit_learn_says_the_same() -> None:
    scores, targets = some()
    found = measure(scores, targets, LABELS, "multi-label")
    assert found.roc_auc == pytest.approx(sklearn_metrics.roc_auc_score(targets, scores, average="macro"))
    assert found.pr_auc == pytest.approx(sklearn_metrics.average_precision_score(targets, scores, average="macro"))
    assert [tag.label for tag in found.tags] == list(LABELS)
    for index, tag in enumerate(found.tags):
        assert tag.roc_auc == pytest.approx(sklearn_metrics.roc_auc_score(targets[:, index], scores[:, index]))
        assert (tag.positives, tag.negatives) == (targets[:, index].sum(), (1 - targets[:, index]).sum())
    assert found.left_out == ()
    assert np.isnan(found.accuracy)
    assert found.value("multi-label") == found.roc_auc


def test_an_example_worked_by_hand() -> None:
    """Ranked: + - + - (one of four pairs is wrong, precisions at the positives are 1 and 2/3)."""
    scores = np.array([[0.9], [0.8], [0.7], [0.1]], np.float32)
    targets = np.array([[1], [0], [1], [0]], np.float32)
    found = measure(scores, targets, ("a",), "multi-label")
    assert found.roc_auc == pytest.approx(3 / 4)
    assert found.pr_auc == pytest.approx((1 + 2 / 3) / 2)


def test_tags_without_positives_or_negatives_are_named_and_in_no_mean() -> None:
    scores, targets = some()
    targets[:, 1], targets[:, 3] = 0, 1
    found = measure(scores, targets, LABELS, "multi-label")
    assert found.left_out == ("b", "d")
    assert [tag.label for tag in found.tags] == ["a", "c"]
    expected = sklearn_metrics.roc_auc_score(targets[:, [0, 2]], scores[:, [0, 2]])
    assert found.roc_auc == pytest.approx(expected)


def test_unknown_targets_count_for_nothing() -> None:
    scores, targets = some()
    unknown = np.random.default_rng(1).uniform(size=targets.shape) < 0.2
    masked = np.where(unknown, np.nan, targets).astype(np.float32)
    found = measure(np.where(unknown, 1e6, scores).astype(np.float32), masked, LABELS, "multi-label")
    for index, tag in enumerate(found.tags):
        known = ~unknown[:, index]
        expected = sklearn_metrics.roc_auc_score(targets[known, index], scores[known, index])
        assert tag.roc_auc == pytest.approx(expected)
        assert tag.positives + tag.negatives == known.sum()
    masked[:, 2] = np.nan
    assert measure(scores, masked, LABELS, "multi-label").left_out == ("c",)


def test_the_threshold_says_what_is_positive() -> None:
    scores, _ = some()
    shares = np.random.default_rng(2).uniform(size=scores.shape).astype(np.float32)
    shares[0, 0] = 0.25
    found = measure(scores, shares, LABELS, "multi-label", 0.25)
    assert found.roc_auc == pytest.approx(sklearn_metrics.roc_auc_score(shares >= 0.25, scores))
    assert found.tags[0].positives == (shares[:, 0] >= 0.25).sum()


def test_accuracy_is_the_share_of_right_answers() -> None:
    scores = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.5, 0.2, 0.3], [0.1, 0.2, 0.7]], np.float32)
    targets = np.eye(3, dtype=np.float32)[[0, 1, 2, 2]]
    found = measure(scores, targets, LABELS[:3], "one-label")
    assert found.accuracy == found.value("one-label") == 0.75


def test_nothing_to_measure_is_said() -> None:
    with pytest.raises(TrainingError, match="None of the 4 tags has both positive and negative tracks among 3"):
        measure(np.zeros((3, 4), np.float32), np.ones((3, 4), np.float32), LABELS, "multi-label")
    with pytest.raises(TrainingError, match="among 0"):
        measure(np.zeros((0, 4), np.float32), np.zeros((0, 4), np.float32), LABELS, "one-label")


@pytest.mark.parametrize("seed", range(5))
def test_the_quick_value_is_the_same_number(seed: int) -> None:
    """Also with equal scores, unknown targets, tags in no mean, and a threshold of its own."""
    scores, targets = some(seed)
    scores = np.round(scores, 1)
    targets[np.random.default_rng(seed).uniform(size=targets.shape) < 0.1] = np.nan
    targets[:, 3] = 0
    for threshold in (0.5, 1.0):
        expected = measure(scores, targets, LABELS, "multi-label", threshold).roc_auc
        assert quick_value(scores, targets, "multi-label", threshold) == pytest.approx(expected, abs=1e-12)
    one_label = np.eye(4, dtype=np.float32)[np.arange(40) % 4]
    expected = measure(scores, one_label, LABELS, "one-label").accuracy
    assert quick_value(scores, one_label, "one-label") == pytest.approx(expected)


def test_the_quick_value_of_nothing_is_no_number() -> None:
    assert np.isnan(quick_value(np.zeros((3, 4), np.float32), np.ones((3, 4), np.float32), "multi-label"))


def compare(first: np.ndarray, second: np.ndarray, **values: int) -> Difference:
    def mean(chosen: np.ndarray, is_first: bool) -> float:
        return float((first if is_first else second)[chosen].mean())

    return paired_bootstrap(mean, len(first), **values)


def test_identical_methods_do_not_differ() -> None:
    hits = np.random.default_rng(0).uniform(size=50)
    found = compare(hits, hits)
    assert (found.mean, found.low, found.high, found.share_above_zero) == (0, 0, 0, 0)
    assert found.text == "+0.000 [+0.000, +0.000]"


def test_a_clear_difference_is_found() -> None:
    generator = np.random.default_rng(0)
    second = generator.uniform(size=100)
    first = second + 0.1 + generator.normal(0, 0.05, 100)
    found = compare(first, second)
    assert found.mean == pytest.approx((first - second).mean())
    assert 0 < found.low < found.mean < found.high
    assert found.share_above_zero == 1
    # The interval of a mean is known: 1.96 standard errors on either side.
    error = (first - second).std() / 10
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.15)
    other = compare(second, first)
    assert (other.mean, other.low, other.high) == pytest.approx((-found.mean, -found.high, -found.low))


def test_noise_is_not_a_difference() -> None:
    generator = np.random.default_rng(1)
    found = compare(generator.uniform(size=80), generator.uniform(size=80))
    assert found.low < 0 < found.high


def test_it_follows_from_its_seed() -> None:
    generator = np.random.default_rng(2)
    pair = generator.uniform(size=30), generator.uniform(size=30)
    assert compare(*pair) == compare(*pair)
    assert compare(*pair, seed=1) != compare(*pair)


def test_resamples_that_say_nothing_are_left_out() -> None:
    def value(chosen: np.ndarray, is_first: bool) -> float:
        return float("nan") if (chosen == chosen[0]).all() else float(is_first)

    found = paired_bootstrap(value, 2, 50)
    assert (found.mean, found.low, found.high) == (1, 1, 1)
    with pytest.raises(TrainingError, match="None of 50 resamples of 1 tracks can be measured"):
        paired_bootstrap(value, 1, 50)


def test_the_text_shows_signs() -> None:
    assert Difference(0.0123, -0.0031, 0.0271, 0.9).text == "+0.012 [-0.003, +0.027]"


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
