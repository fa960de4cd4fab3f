"""Cross-validation by given folds: one tests, the next validates, the others train."""

from __future__ import annotations

from collections.abc import Mapping

from earmark.training.datasets.base import Split


def fold_splits(fold_of: Mapping[str, int], folds: int) -> dict[str, Split]:
    """Return the splits `fold-0` and on: fold k tests, fold (k + 1) mod `folds` validates, the others train.

    `fold_of`: the fold of each track, 0 to `folds` - 1.
    """
    splits: dict[str, Split] = {}
    for test in range(folds):
        valid = (test + 1) % folds
        sides: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
        for identifier, fold in fold_of.items():
            sides["test" if fold == test else "valid" if fold == valid else "train"].append(identifier)
        name = f"fold-{test}"
        splits[name] = Split(name, tuple(sides["train"]), tuple(sides["valid"]), tuple(sides["test"]))
    return splits
