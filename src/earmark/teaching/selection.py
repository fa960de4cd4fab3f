"""Cross-validation: which columns and how much regularisation are best, and how well that will do on other tracks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.teaching.columns import Columns
from earmark.teaching.folds import fold_numbers, parts
from earmark.teaching.quality import roc_auc
from earmark.teaching.regression import Numbers, Rows, Space, fit

FOLDS = 5
INNER_FOLDS = 4
STRENGTHS = (0.03, 0.3, 3.0, 30.0)
USUAL_STRENGTH = 3.0
LARGEST_SEARCH = 600
"""Tracks on which columns are chosen, at most: a choice of nine needs no more."""
CAREFUL_TRACKS = 300
"""Up to so many tracks the choice itself is made anew without each part, so that choosing flatters no number. With more
of them choosing among so few changes nothing that could be seen."""


@dataclass(frozen=True, eq=False)
class Setting:
    """What a head reads and how strongly it may follow its examples."""

    columns: Columns
    strength: float


@dataclass(frozen=True, eq=False)
class Selected:
    """The best setting, and what heads say of each track that were fitted without its group.

    logits: (tracks, words) float64. searched: the mean AUC of each choice of columns.
    """

    setting: Setting
    logits: Numbers
    searched: tuple[tuple[str, float], ...]


def select(
    space: Space, has: npt.NDArray[np.bool_], groups: Sequence[str], choices: Sequence[Columns], seed: int
) -> Selected:
    """Choose a setting for all words together, and say what it is worth.

    has: (tracks, words). Choice: one setting for all words; ten examples of one word are too few to choose by.
    """
    everything = np.arange(space.tracks)
    setting, searched = _best(space, has, groups, choices, everything, FOLDS, seed)
    logits = np.empty(has.shape)
    numbers = fold_numbers(groups, has, FOLDS, seed)
    for train, rest in parts(numbers):
        own = setting
        if space.tracks <= CAREFUL_TRACKS:
            own, _ = _best(space, has, groups, choices, train, INNER_FOLDS, seed + 1)
        logits[rest] = _logits(space, has, train, rest, own)
    return Selected(setting, logits, searched)


def _best(
    space: Space,
    has: npt.NDArray[np.bool_],
    groups: Sequence[str],
    choices: Sequence[Columns],
    rows: Rows,
    folds: int,
    seed: int,
) -> tuple[Setting, tuple[tuple[str, float], ...]]:
    """The best columns at the usual strength, then the best strength for them, on some tracks."""
    if len(rows) > LARGEST_SEARCH:
        rows = np.sort(np.random.default_rng(seed).permutation(rows)[:LARGEST_SEARCH])
    searched = [
        (_score(space, has, groups, rows, Setting(columns, USUAL_STRENGTH), folds, seed), columns)
        for columns in choices
    ]
    best = max(searched, key=lambda pair: pair[0])[1]  # of equal ones the first, which reads the most
    strengths = [
        (_score(space, has, groups, rows, Setting(best, strength), folds, seed), strength) for strength in STRENGTHS
    ]
    chosen = max(strengths, key=lambda pair: (pair[0], pair[1] == USUAL_STRENGTH))[1]
    return Setting(best, chosen), tuple((columns.name, score) for score, columns in searched)


def _score(
    space: Space,
    has: npt.NDArray[np.bool_],
    groups: Sequence[str],
    rows: Rows,
    setting: Setting,
    folds: int,
    seed: int,
) -> float:
    """The mean AUC over the words of out-of-fold logits; 0.5 where no word can be judged."""
    own_has = has[rows]
    numbers = fold_numbers([groups[row] for row in rows.tolist()], own_has, folds, seed)
    logits = np.empty(own_has.shape)
    for train, rest in parts(numbers):
        logits[rest] = _logits(space, has, rows[train], rows[rest], setting)
    found = [roc_auc(logits[:, word], own_has[:, word]) for word in range(has.shape[1])]
    known = [auc for auc in found if not math.isnan(auc)]
    return float(np.mean(known)) if known else 0.5


def _logits(space: Space, has: npt.NDArray[np.bool_], train: Rows, rest: Rows, setting: Setting) -> Numbers:
    """What heads say of some tracks that were fitted on others: (tracks, words)."""
    features, others = space.fold(train, rest, setting.columns)
    logits = np.empty((len(rest), has.shape[1]))
    for word in range(has.shape[1]):
        own = has[train, word]
        if own.all() or not own.any():  # nothing to tell apart
            share = (float(own.sum()) + 0.5) / (len(own) + 1.0)
            logits[:, word] = math.log(share / (1.0 - share))
            continue
        weights, intercept = fit(features, own, setting.strength)
        logits[:, word] = others @ weights + intercept
    return logits
