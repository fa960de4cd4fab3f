"""Cross-validation by given folds."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from earmark.errors import DatasetError
from earmark.training.datasets.folds import fold_splits


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
