"""Probabilities of related tags, on random orders: forests, orders with several parents, and with opposites."""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.tagging.bundle.calibration import activate, probabilities, ranks
from earmark.tagging.bundle.card import TagCalibration, TagName
from earmark.tagging.bundle.coherence import relations_of, restricted, self_excluding


@dataclass(frozen=True)
class Model:
    """As much of a card as probabilities need."""

    tags: tuple
    calibration: tuple = ()
    activation: str = "sigmoid"


def related_tags(seed, opposites=True):
    """Tags whose parents stand anywhere in the order of the model, but never in a circle, and never against itself."""
    generator = np.random.default_rng(seed)
    while True:
        count = int(generator.integers(2, 10))
        order = generator.permutation(count)
        parents, excluded = [()] * count, [()] * count
        for rank, place in enumerate(order.tolist()):
            chosen = generator.choice(order[:rank], min(rank, int(generator.integers(0, 4))), replace=False)
            parents[place] = tuple(map(str, chosen.tolist()))
            if opposites and generator.random() < 0.2:
                excluded[place] = (str(generator.integers(count)),)
        tags = tuple(
            TagName(str(place), "tests", parents=parents[place], opposites=excluded[place]) for place in range(count)
        )
        if not self_excluding(tags):
            return tags


def odds_of(seed, tags, rows=4):
    """Log odds near and far, with many that are equal."""
    generator = np.random.default_rng([seed, 1])
    near = generator.integers(-3, 4, (rows, len(tags))).astype(np.float64)
    return np.where(generator.random(near.shape) < 0.5, near, generator.normal(0, 10, near.shape))


SEEDS = st.integers(0, 2**32 - 1)


def comparisons(tags):
    """All pairs (lower, higher) of places of a tag and its parents, and all pairs of opposites."""
    place_of = {tag.label: place for place, tag in enumerate(tags)}
    implied = [(place_of[tag.label], place_of[parent]) for tag in tags for parent in tag.parents]
    excluded = [(place_of[tag.label], place_of[other]) for tag in tags for other in tag.opposites]
    return implied, excluded


def implied_by(tags):
    """Which of the tags, and of their negations after them, imply which: (statements, statements)."""
    count = len(tags)
    implied, excluded = comparisons(tags)
    below = np.eye(2 * count, dtype=bool)
    for lower, higher in implied:
        below[lower, higher] = below[higher + count, lower + count] = True
    for one, other in excluded:
        below[one, other + count] = below[other, one + count] = True
    for middle in range(2 * count):
        below |= below[:, [middle]] & below[[middle], :]
    return below


def worst(odds, tags):
    """By how much log odds contradict each other at most, any number of steps apart: (rows,)."""
    both = np.concatenate([odds, -odds], axis=-1)
    return np.where(implied_by(tags), both[..., :, None] - both[..., None, :], 0.0).max(axis=(-1, -2))


@given(SEEDS)
def test_what_comes_out_is_coherent_and_stays_as_it_is(seed):
    tags = related_tags(seed)
    odds = odds_of(seed, tags)
    found = relations_of(tags).coherent(odds)
    assert found.shape == odds.shape
    assert (worst(found, tags) == 0).all()
    np.testing.assert_array_equal(relations_of(tags).coherent(found), found)


@given(SEEDS)
def test_no_coherent_answer_has_a_smaller_largest_change(seed):
    """Where two tags contradict each other by some log odds, one or the other needs to move by half of that."""
    tags = related_tags(seed)
    odds = odds_of(seed, tags)
    moved = np.abs(relations_of(tags).coherent(odds) - odds).max(axis=-1)
    np.testing.assert_allclose(moved, worst(odds, tags) / 2, atol=1e-12)


@given(SEEDS)
def test_a_tag_never_falls_when_its_own_log_odds_rise(seed):
    tags = related_tags(seed)
    odds = odds_of(seed, tags)
    for place in range(len(tags)):
        raised = odds.copy()
        raised[:, place] += 3.0
        assert (relations_of(tags).coherent(raised)[:, place] >= relations_of(tags).coherent(odds)[:, place]).all()


@given(SEEDS)
def test_without_opposites_more_of_any_tag_is_never_less_of_another(seed):
    tags = related_tags(seed, opposites=False)
    odds = odds_of(seed, tags)
    raised = odds + np.random.default_rng([seed, 2]).uniform(0, 5, len(tags))
    assert (relations_of(tags).coherent(raised) >= relations_of(tags).coherent(odds)).all()


@given(SEEDS)
def test_rows_and_the_order_of_tags_do_not_matter(seed):
    tags = related_tags(seed)
    odds = odds_of(seed, tags)
    found = relations_of(tags).coherent(odds)
    np.testing.assert_array_equal(np.stack([relations_of(tags).coherent(row) for row in odds]), found)
    order = np.random.default_rng([seed, 3]).permutation(len(tags))
    reordered = relations_of([tags[place] for place in order]).coherent(odds[:, order])
    np.testing.assert_array_equal(reordered, found[:, order])


@given(SEEDS, st.booleans(), st.sampled_from(["sigmoid", "softmax"]))
def test_probabilities_are_coherent_calibrated_or_not(seed, calibrated, activation):
    tags = related_tags(seed)
    logits = odds_of(seed, tags).astype(np.float32)
    slopes = np.random.default_rng([seed, 4]).uniform(0, 3, len(tags)).tolist()
    calibration = tuple(TagCalibration(tag.label, slope, -0.5, {}) for tag, slope in zip(tags, slopes, strict=True))
    model = Model(tags, calibration if calibrated else (), activation)
    found = probabilities(logits, model)
    implied, excluded = comparisons(tags)
    for lower, higher in implied:
        assert (found[:, lower] <= found[:, higher]).all()
    for one, other in excluded:
        assert (found[:, one] + found[:, other] <= 1).all()
    ordered = np.argsort(ranks(logits, model), axis=-1)
    assert (np.diff(np.take_along_axis(found, ordered, -1), axis=-1) >= 0).all()


def chain(count):
    return tuple(TagName(str(place), "tests", parents=(str(place - 1),) if place else ()) for place in range(count))


@pytest.mark.parametrize(
    ("odds", "expected"),
    [
        ([1.0, 3.0], [2.0, 2.0]),  # a child above its parent: they meet half way
        ([3.0, 1.0], [3.0, 1.0]),
        ([0.0, 2.0, 1.0], [1.0, 1.0, 0.5]),  # the grandchild contradicts the grandparent, not its parent
        ([0.0, 1.0, 2.0], [1.0, 1.0, 1.0]),
    ],
)
def test_by_hand(odds, expected):
    np.testing.assert_array_equal(relations_of(chain(len(odds))).coherent(np.array(odds)), expected)


def test_opposites_by_hand():
    tags = (
        TagName("vocals", "voices"),
        TagName("opera", "voices", parents=("vocals",)),
        TagName("instrumental", "voices", opposites=("vocals",)),
        TagName("piano", "instruments"),
    )
    relations = relations_of(tags)
    np.testing.assert_array_equal(relations.coherent(np.array([2.0, -1.0, 1.0, 5.0])), [0.5, -1.0, -0.5, 5.0])
    # Opera implies vocals, and so it excludes what vocals exclude.
    np.testing.assert_array_equal(relations.coherent(np.array([-3.0, 2.0, 2.0, 5.0])), [-0.5, -0.5, 0.0, 5.0])
    likely = probabilities(np.array([3.0, 3.0, 3.0, 3.0], np.float32), Model(tags))
    np.testing.assert_allclose(likely, [0.5, 0.5, 0.5, 1 / (1 + np.exp(-3))], rtol=1e-6)


def test_unrelated_tags_keep_their_numbers_bit_by_bit():
    tags = tuple(TagName(str(place), "tests", synonyms=(f"also {place}",)) for place in range(5))
    logits = np.random.default_rng(0).normal(0, 5, (7, 5)).astype(np.float32)
    np.testing.assert_array_equal(probabilities(logits, Model(tags)), activate(logits, "sigmoid"))
    np.testing.assert_array_equal(ranks(logits, Model(tags)), logits)


def test_relations_to_tags_that_are_not_there_are_passed_over():
    tags = (TagName("opera", "voices", parents=("vocals",), opposites=("instrumental",)),)
    np.testing.assert_array_equal(relations_of(tags).coherent(np.array([2.0])), [2.0])


def test_tags_that_exclude_themselves_are_found():
    vocals, instrumental = TagName("vocals", "v"), TagName("instrumental", "v", opposites=("vocals",))
    both = TagName("both", "v", parents=("vocals", "instrumental"))
    below = TagName("below", "v", parents=("both",))
    assert self_excluding((vocals, instrumental)) == ()
    assert self_excluding((vocals, instrumental, both, below)) == ("both", "below")
    assert self_excluding((TagName("odd", "v", opposites=("odd",)),)) == ("odd",)


@given(SEEDS)
def test_some_of_the_tags_are_related_as_they_were(seed):
    """What two kept tags imply of each other by way of others is what they imply when these are left out."""
    tags = related_tags(seed)
    count = len(tags)
    kept = np.random.default_rng([seed, 5]).permutation(count)[: 1 + seed % count].tolist()
    fewer = restricted(tags, kept)
    assert [tag.label for tag in fewer] == [tags[place].label for place in kept]
    assert set(itertools.chain(*(tag.parents + tag.opposites for tag in fewer))) <= {tag.label for tag in fewer}
    statements = np.array([*kept, *(place + count for place in kept)])
    np.testing.assert_array_equal(implied_by(fewer), implied_by(tags)[np.ix_(statements, statements)])
