import numpy as np
import pytest

from earmark.errors import TrainingError
from earmark.training.evaluation.bootstrap import Difference, paired_bootstrap


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
