"""Logistic regression on some columns of standardised vectors, many times over and quickly.

With fewer tracks than columns the tracks' products with each other say all that there is to say, so that the fits of a
cross-validation cost what few tracks cost, not what many columns would.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from earmark.tagging.bundle.card import VectorBlock
from earmark.teaching.columns import Columns

Numbers = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

NEWTON_FEATURES = 600
"""Up to so many features Newton's method is the quicker one."""
_TINY = 1e-10


class Space:
    """Standardised vectors (tracks, columns), ready for regressions on any choice of columns."""

    def __init__(self, standardised: npt.NDArray[np.float32], layout: Sequence[VectorBlock]) -> None:
        self._vectors = standardised.astype(np.float64)
        self._layout = tuple(layout)
        self._products: dict[bytes, Numbers] = {}

    @property
    def tracks(self) -> int:
        """How many there are."""
        return len(self._vectors)

    def fold(self, train: Rows, rest: Rows, columns: Columns) -> tuple[Numbers, Numbers]:
        """Features of the tracks to fit on and of the others, (tracks, features) each: rotated where that is shorter.

        Choice: divided by the root of the number of columns, so that one strength of regularisation means the same for
        few columns and for many.
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
        """The weight of every column, (columns,), and the intercept, fitted on all tracks."""
        width = len(columns.numbers)
        part = self._vectors[:, columns.numbers] / math.sqrt(width)
        weights = np.zeros(self._vectors.shape[1])
        if len(part) >= width:
            fitted = fit(part, has, strength)
            own = fitted[0]
        else:
            left, lengths, right = np.linalg.svd(part, full_matrices=False)
            fitted = fit(left * lengths, has, strength)
            own = fitted[0] @ right
        weights[columns.numbers] = own / math.sqrt(width)
        return weights, fitted[1]

    def _products_of(self, columns: Columns) -> Numbers:
        """Every track's product with every other over some columns."""
        key = columns.numbers.tobytes()
        if key not in self._products:
            part = self._vectors[:, columns.numbers]
            self._products[key] = part @ part.T
        return self._products[key]


def fit(features: Numbers, has: npt.NDArray[np.bool_], strength: float) -> tuple[Numbers, float]:
    """Weights (features,) and intercept of a regularised logistic regression; `strength` is scikit-learn's C."""
    solver = "newton-cholesky" if features.shape[1] <= NEWTON_FEATURES else "lbfgs"
    regression = LogisticRegression(C=strength, solver=solver, max_iter=2_000, tol=1e-6)
    regression.fit(features, has)
    return np.asarray(regression.coef_[0], np.float64), float(regression.intercept_[0])
