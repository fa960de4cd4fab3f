"""Examples divided for cross-validation: an artist's tracks stay together, and every word is in every part."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def fold_numbers(groups: Sequence[str], has: npt.NDArray[np.bool_], folds: int, seed: int) -> npt.NDArray[np.int64]:
    """The part, 0 to folds - 1, of each track: (tracks,) int64.

    has: (tracks, words). Choice: groups in the order of how rare their rarest word is, each into the part that lacks
    its words most; so that words with few examples are spread first.
    """
    names, places = np.unique(np.array(groups), return_inverse=True)
    counts = np.zeros((len(names), has.shape[1]))
    np.add.at(counts, places, has.astype(np.float64))
    sizes = np.bincount(places, minlength=len(names)).astype(np.float64)
    totals = np.maximum(counts.sum(axis=0), 1.0)
    shares = np.concatenate([counts / totals, (sizes / sizes.sum())[:, np.newaxis]], axis=1)
    chance = np.random.default_rng(seed).random(len(names))
    order = np.lexsort((chance, -shares.max(axis=1)))
    filled = np.zeros((folds, shares.shape[1]))
    fold_of = np.zeros(len(names), dtype=np.int64)
    for group in order.tolist():
        # What each part would hold of this group's words; the last column keeps the parts of one size.
        lacking = (filled * (shares[group] > 0)).sum(axis=1)
        fold = int(np.argmin(lacking))
        fold_of[group] = fold
        filled[fold] += shares[group]
    return np.asarray(fold_of[places], dtype=np.int64)


def parts(numbers: npt.NDArray[np.int64]) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """For each part that is not empty: the rows outside of it, and its own."""
    return [
        (np.flatnonzero(numbers != number), np.flatnonzero(numbers == number)) for number in np.unique(numbers).tolist()
    ]
