"""Cross-validation over groups: which columns and how much regularisation are best, and how well a head will do."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.teaching.quality import roc_auc
from earmark.teaching.regression import Columns, Numbers, RegressionData, Rows, fit_regression


def fold_numbers(groups: Sequence[str], has: npt.NDArray[np.bool_], folds: int, seed: int) -> npt.NDArray[np.int64]:
    """Assign each track to a fold and return the fold of each track, 0 to folds - 1: (tracks,) int64.

    All tracks of a group are in one fold, and every word is spread over the folds. `has`: (tracks, words) bool.

    Choice: groups are assigned in descending order of the largest share that they hold of any word or of all tracks,
    each to the fold that has least of their words so far, so that rare words are spread first.
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
        # The last column of the shares is the group's size, which keeps the folds about equally large.
        lacking = (filled * (shares[group] > 0)).sum(axis=1)
        fold = int(np.argmin(lacking))
        fold_of[group] = fold
        filled[fold] += shares[group]
    return np.asarray(fold_of[places], dtype=np.int64)


def parts(numbers: npt.NDArray[np.int64]) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Return, for each fold that is not empty, the rows outside of it and its own rows."""
    return [
        (np.flatnonzero(numbers != number), np.flatnonzero(numbers == number)) for number in np.unique(numbers).tolist()
    ]


FOLDS = 5
INNER_FOLDS = 4
STRENGTHS = (0.03, 0.3, 3.0, 30.0)
USUAL_STRENGTH = 3.0
LARGEST_SEARCH = 600
"""The most tracks on which columns are chosen; choosing among nine needs no more."""
CAREFUL_TRACKS = 300
"""The most tracks for which the choice is repeated without each fold, so that choosing does not inflate the estimate.
With more tracks, choosing among so few settings has no visible effect on it."""


@dataclass(frozen=True, eq=False)
class Setting:
    """The columns that a head reads, and its regularisation: `strength` is scikit-learn's C."""

    columns: Columns
    strength: float


@dataclass(frozen=True, eq=False)
class Selected:
    """The result of cross-validation.

    setting: the best one. logits: (tracks, words) float64, out-of-fold: each from a head that was fitted without the
    track's group. searched: the name of each choice of columns with its mean AUC.
    """

    setting: Setting
    logits: Numbers
    searched: tuple[tuple[str, float], ...]


def select(
    data: RegressionData, has: npt.NDArray[np.bool_], groups: Sequence[str], choices: Sequence[Columns], seed: int
) -> Selected:
    """Choose one setting for all words by cross-validation, and return it with out-of-fold logits.

    has: (tracks, words) bool. groups: one for each track. seed: of the folds.

    Choice: all words share one setting, because ten examples of one word are too few to choose by.
    """
    everything = np.arange(data.tracks)
    setting, searched = _best(data, has, groups, choices, everything, FOLDS, seed)
    logits = np.empty(has.shape)
    numbers = fold_numbers(groups, has, FOLDS, seed)
    for train, rest in parts(numbers):
        own = setting
        if data.tracks <= CAREFUL_TRACKS:
            own, _ = _best(data, has, groups, choices, train, INNER_FOLDS, seed + 1)
        logits[rest] = _logits(data, has, train, rest, own)
    return Selected(setting, logits, searched)


def _best(
    data: RegressionData,
    has: npt.NDArray[np.bool_],
    groups: Sequence[str],
    choices: Sequence[Columns],
    rows: Rows,
    folds: int,
    seed: int,
) -> tuple[Setting, tuple[tuple[str, float], ...]]:
    """Return the best setting on some tracks, and the mean AUC of each choice of columns.

    The columns are chosen at the usual strength, then the strength for these columns.
    """
    if len(rows) > LARGEST_SEARCH:
        rows = np.sort(np.random.default_rng(seed).permutation(rows)[:LARGEST_SEARCH])
    searched = [
        (_score(data, has, groups, rows, Setting(columns, USUAL_STRENGTH), folds, seed), columns) for columns in choices
    ]
    best = max(searched, key=lambda pair: pair[0])[1]  # the first of equal ones reads the most columns
    strengths = [
        (_score(data, has, groups, rows, Setting(best, strength), folds, seed), strength) for strength in STRENGTHS
    ]
    chosen = max(strengths, key=lambda pair: (pair[0], pair[1] == USUAL_STRENGTH))[1]
    return Setting(best, chosen), tuple((columns.name, score) for score, columns in searched)


def _score(
    data: RegressionData,
    has: npt.NDArray[np.bool_],
    groups: Sequence[str],
    rows: Rows,
    setting: Setting,
    folds: int,
    seed: int,
) -> float:
    """Return the mean AUC over the words of out-of-fold logits; 0.5 where no word has an AUC."""
    own_has = has[rows]
    numbers = fold_numbers([groups[row] for row in rows.tolist()], own_has, folds, seed)
    logits = np.empty(own_has.shape)
    for train, rest in parts(numbers):
        logits[rest] = _logits(data, has, rows[train], rows[rest], setting)
    found = [roc_auc(logits[:, word], own_has[:, word]) for word in range(has.shape[1])]
    known = [auc for auc in found if not math.isnan(auc)]
    return float(np.mean(known)) if known else 0.5


def _logits(data: RegressionData, has: npt.NDArray[np.bool_], train: Rows, rest: Rows, setting: Setting) -> Numbers:
    """Fit a head on the tracks `train` and return its logits for the tracks `rest`: (tracks, words)."""
    features, others = data.fold(train, rest, setting.columns)
    logits = np.empty((len(rest), has.shape[1]))
    for word in range(has.shape[1]):
        own = has[train, word]
        if own.all() or not own.any():  # a regression needs both values
            share = (float(own.sum()) + 0.5) / (len(own) + 1.0)
            logits[:, word] = math.log(share / (1.0 - share))
            continue
        weights, intercept = fit_regression(features, own, setting.strength)
        logits[:, word] = others @ weights + intercept
    return logits
