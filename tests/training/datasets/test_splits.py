"""Splits: drawn by group, cut into folds, and held against published ones."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis import strategies as st

from earmark.errors import DatasetError
from earmark.training.datasets.base import DatasetTrack, Split
from earmark.training.datasets.splits import OfficialSide, OfficialSplit, fold_splits, list_hash, split_by_group


def _tracks(sizes: list[int]) -> list[DatasetTrack]:
    return [
        DatasetTrack(f"{group}-{index}", Path("x.flac"), (group % 2, float(index % 3 == 0)), f"artist {group}")
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
    tracks = [DatasetTrack(f"{i:03d}", Path("x.flac"), (float(i < 10), float(i >= 10)), f"{i}") for i in range(100)]
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


def test_fold_k_tests_the_next_validates_the_others_train() -> None:
    splits = fold_splits({"a": 0, "b": 1, "c": 2, "d": 3, "e": 1}, 4)
    assert list(splits) == ["fold-0", "fold-1", "fold-2", "fold-3"]
    assert [split.test for split in splits.values()] == [("a",), ("b", "e"), ("c",), ("d",)]
    assert [split.valid for split in splits.values()] == [("b", "e"), ("c",), ("d",), ("a",)]
    assert [split.train for split in splits.values()] == [("c", "d"), ("a", "d"), ("a", "b", "e"), ("b", "c", "e")]


@given(some.lists(some.integers(0, 4), max_size=30))
def test_every_track_is_tested_and_validated_once(folds: list[int]) -> None:
    fold_of = {f"filler {fold}": fold for fold in range(5)} | {f"track {at}": fold for at, fold in enumerate(folds)}
    splits = fold_splits(fold_of, 5).values()
    for side in ("test", "valid"):
        assert sorted(name for split in splits for name in split.side(side)) == sorted(fold_of)
    for split in splits:
        assert sorted(split.train + split.valid + split.test) == sorted(fold_of)


def test_folds_that_leave_nothing_to_train_on_are_refused() -> None:
    with pytest.raises(DatasetError, match="'fold-0' has no tracks to train on"):
        fold_splits({"a": 0, "b": 1}, 5)


SPLIT = Split("s", ("b", "a"), ("c",), ("d",))


def test_the_hash_does_not_depend_on_the_order() -> None:
    # sha256 of "a\nb\n"
    assert list_hash(["b", "a"]) == "911169ddaaf146aff539f58c26c489af3b892dff0fe283c1c264c65ae5aa59a2"


def _official(**counts: int) -> OfficialSplit:
    return OfficialSplit({side: OfficialSide(count, list_hash(SPLIT.side(side))) for side, count in counts.items()})


def test_the_official_split_is_known() -> None:
    official = _official(train=2, valid=1, test=1)
    official.verify(SPLIT)
    assert official.text(SPLIT).endswith(": the official split")
    partly = _official(train=2)
    assert "no official hash is known of valid, test" in partly.text(SPLIT)
    assert "in all that is known" in OfficialSplit({}, total=4).text(SPLIT)


@pytest.mark.parametrize(
    ("official", "split", "sentence"),
    [
        (_official(train=3), SPLIT, "train has 2 tracks, officially 3"),
        (_official(train=2), Split("s", ("x", "a"), (), ()), "but other ones"),
        (OfficialSplit({}, total=9), SPLIT, "it has 4 tracks, the official one 9"),
    ],
)
def test_another_split_is_told(official: OfficialSplit, split: Split, sentence: str) -> None:
    assert "NOT the official split" in official.text(split) and sentence in official.text(split)
    with pytest.raises(DatasetError, match=sentence):
        official.verify(split)
