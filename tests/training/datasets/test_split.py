"""A split by group divides no group, comes near its fractions, and is the same whatever the order."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.errors import DatasetError
from earmark.training.datasets.base import Track
from earmark.training.datasets.split import split_by_group


def _tracks(sizes: list[int]) -> list[Track]:
    return [
        Track(f"{group}-{index}", Path("x.flac"), (group % 2, float(index % 3 == 0)), f"artist {group}")
        for group, size in enumerate(sizes)
        for index in range(size)
    ]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(1, 12), min_size=3, max_size=30),
    st.integers(0, 5),
    st.randoms(use_true_random=False),
)
def test_groups_stay_whole_and_order_does_not_matter(sizes: list[int], seed: int, random: object) -> None:
    tracks = _tracks(sizes)
    split = split_by_group(tracks, seed=seed)
    side_of = {name: side for side in ("train", "valid", "test") for name in split.side(side)}
    assert set(side_of) == {track.identifier for track in tracks}
    for group in {track.group for track in tracks}:
        assert len({side_of[track.identifier] for track in tracks if track.group == group}) == 1
    assert all(split.counts.values())
    random.shuffle(tracks)  # type: ignore[attr-defined]
    assert split_by_group(tracks, seed=seed) == split


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 6), min_size=60, max_size=90), st.integers(0, 5))
def test_sizes_come_near_the_fractions(sizes: list[int], seed: int) -> None:
    split = split_by_group(_tracks(sizes), seed=seed, fractions=(0.6, 0.2, 0.2))
    total = sum(sizes)
    for side, fraction in (("train", 0.6), ("valid", 0.2), ("test", 0.2)):
        assert abs(split.counts[side] - fraction * total) <= 6


def test_a_tag_is_spread_over_the_sides() -> None:
    tracks = [Track(f"{i:03d}", Path("x.flac"), (float(i < 10), float(i >= 10)), f"{i}") for i in range(100)]
    split = split_by_group(tracks, seed=1)
    rare = {side: sum(name < "010" for name in split.side(side)) for side in ("train", "valid", "test")}
    assert rare == {"train": 6, "valid": 2, "test": 2}


def test_another_seed_makes_another_split() -> None:
    tracks = _tracks([1] * 50)
    assert split_by_group(tracks, seed=0) != split_by_group(tracks, seed=1)
    assert split_by_group(tracks, seed=0) == split_by_group(tracks, seed=0)


def test_a_side_may_be_left_out() -> None:
    split = split_by_group(_tracks([3, 2]), fractions=(0.7, 0.0, 0.3))
    assert split.counts == {"train": 3, "valid": 0, "test": 2}


def test_too_few_groups_are_refused() -> None:
    with pytest.raises(DatasetError, match="2 groups"):
        split_by_group(_tracks([5, 5]))


@pytest.mark.parametrize(
    "fractions",
    [(0.5, 0.2, 0.2), (0.0, 0.5, 0.5), (1.2, -0.1, -0.1), (0.5, 0.5), (float("nan"), 0.5, 0.5), ("a", 1, 0)],
)
def test_fractions_that_do_not_add_up_are_refused(fractions: tuple[float, float, float]) -> None:
    with pytest.raises(DatasetError, match="fractions of a split"):
        split_by_group(_tracks([1, 1, 1]), fractions=fractions)
