"""Logistic regression on a choice of scales and levels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from earmark.tagging.bundle.card import VectorBlock


@dataclass(frozen=True, eq=False)
class Columns:
    """A choice of columns: its name, and the numbers of the columns, (columns,) int64, ascending.

    Numbers beyond the width of a track vector are units of the hidden layer (`Reading`).
    """

    name: str
    numbers: npt.NDArray[np.int64]


def choices_of(layout: Sequence[VectorBlock]) -> tuple[Columns, ...]:
    """Return the choices of columns of a layout, each set of columns once.

    They are all scales and levels, each scale, each level of all scales, and the highest level of all scales.
    """
    scales = list(dict.fromkeys(block.extractor for block in layout))
    levels = sorted({block.level for block in layout})
    highest = {scale: max(block.level for block in layout if block.extractor == scale) for scale in scales}

    last = [block for block in layout if block.level == highest[block.extractor]]
    found = [
        _some("all scales and levels", layout),
        *(_some(f"scale {scale}", [block for block in layout if block.extractor == scale]) for scale in scales),
        *(_some(f"level {level} of all scales", [each for each in layout if each.level == level]) for level in levels),
        _some("the highest level of all scales", last),
    ]
    once: dict[bytes, Columns] = {}
    for choice in found:
        once.setdefault(choice.numbers.tobytes(), choice)
    return tuple(once.values())


def _some(name: str, blocks: Sequence[VectorBlock]) -> Columns:
    return Columns(name, np.concatenate([np.arange(block.start, block.stop) for block in blocks]).astype(np.int64))


Numbers = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

NEWTON_FEATURES = 600
"""The most features for which Newton's method is faster than L-BFGS."""
_TINY = 1e-10


class RegressionData:
    """Standardised vectors (tracks, columns) on which regressions are fitted for any choice of columns."""

    def __init__(self, standardised: npt.NDArray[np.float32], layout: Sequence[VectorBlock]) -> None:
        self._vectors = standardised.astype(np.float64)
        self._layout = tuple(layout)
        self._products: dict[bytes, Numbers] = {}

    @property
    def tracks(self) -> int:
        """The number of tracks."""
        return len(self._vectors)

    def fold(self, train: Rows, rest: Rows, columns: Columns) -> tuple[Numbers, Numbers]:
        """Return the features of the tracks `train` and of the tracks `rest`: (tracks, features) float64 each.

        Where there are more columns than tracks to fit on, the features are a rotation of the columns, which is shorter
        and gives the same regression.

        Choice: they are divided by the root of the number of columns, so that one strength of regularisation means the
        same for few columns and for many.
        """
        width = len(columns.numbers)
        if len(train) >= width:
            part = self._vectors[:, columns.numbers] / math.sqrt(width)
            return part[train], part[rest]
        products = self._products_of(columns) / width
        values, directions = np.linalg.eigh(products[np.ix_(train, train)])
        kept = values > max(float(values[-1]), 0.0) * _TINY
        lengths = np.sqrt(values[kept])
        return directions[:, kept] * lengths, products[np.ix_(rest, train)] @ (directions[:, kept] / lengths)

    def weights(self, columns: Columns, has: npt.NDArray[np.bool_], strength: float) -> tuple[Numbers, float]:
        """Fit a regression on all tracks and return the weights of all columns and the intercept.

        The weights are (columns,) float64, 0 where a column is not chosen. `has`: (tracks,) bool. `strength`:
        scikit-learn's C.
        """
        width = len(columns.numbers)
        part = self._vectors[:, columns.numbers] / math.sqrt(width)
        weights = np.zeros(self._vectors.shape[1])
        if len(part) >= width:
            fitted = fit_regression(part, has, strength)
            own = fitted[0]
        else:
            left, lengths, right = np.linalg.svd(part, full_matrices=False)
            fitted = fit_regression(left * lengths, has, strength)
            own = fitted[0] @ right
        weights[columns.numbers] = own / math.sqrt(width)
        return weights, fitted[1]

    def _products_of(self, columns: Columns) -> Numbers:
        """Return the inner products of all pairs of tracks over some columns: (tracks, tracks)."""
        key = columns.numbers.tobytes()
        if key not in self._products:
            part = self._vectors[:, columns.numbers]
            self._products[key] = part @ part.T
        return self._products[key]


def fit_regression(features: Numbers, has: npt.NDArray[np.bool_], strength: float) -> tuple[Numbers, float]:
    """Fit a regularised logistic regression and return its weights, (features,), and its intercept.

    `features`: (tracks, features) float64. `has`: (tracks,) bool, with both values. `strength`: scikit-learn's C.
    """
    solver = "newton-cholesky" if features.shape[1] <= NEWTON_FEATURES else "lbfgs"
    regression = LogisticRegression(C=strength, solver=solver, max_iter=2_000, tol=1e-6)
    regression.fit(features, has)
    return np.asarray(regression.coef_[0], np.float64), float(regression.intercept_[0])
