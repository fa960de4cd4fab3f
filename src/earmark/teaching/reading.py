"""The columns that a taught head may read: track vectors, and the first hidden layer of the base's classifier.

That layer was trained on the meanings of many tags, so that few examples suffice in it (docs/RESULTS.md). A taught head
that reads it has a copy of that layer.
"""

from functools import cached_property

import numpy as np
import numpy.typing as npt

from earmark.tagging.bundle.bundle import Bundle
from earmark.tagging.bundle.card import Head
from earmark.tagging.engines.network import Classifier
from earmark.teaching.regression import Columns, Numbers, RegressionData, choices_of

HIDDEN = "the classifier's hidden layer"

Floats = npt.NDArray[np.float32]


class Reading:
    """The standardised vectors of some tracks, with the units of the base's hidden layer as further columns."""

    def __init__(self, base: Bundle, vectors: Floats) -> None:
        """`base`: the model that is taught. `vectors`: (tracks, columns) float32, computed by its extractors."""
        self._base = base
        self._width = base.card.vector_width
        standardised = (vectors - base.weights["head.mean"]) / base.weights["head.deviation"]
        self._hidden_units = base.card.head.hidden_units[:1]
        self._mean, self._deviation = np.zeros(0), 1.0
        if self._hidden_units:
            hidden = Classifier(base.card.head, base.weights).hidden(vectors)
            # Choice: one deviation for all units, because that of a rarely active unit is unreliable on few tracks.
            self._mean, self._deviation = hidden.mean(axis=0, dtype=np.float64), float(hidden.std()) or 1.0
            standardised = np.concatenate([standardised, (hidden - self._mean) / self._deviation], axis=1)
        self._standardised = standardised

    @cached_property
    def space(self) -> RegressionData:
        """The data on which regressions are fitted."""
        return RegressionData(self._standardised, self._base.card.layout)

    @property
    def choices(self) -> tuple[Columns, ...]:
        """The choices of columns among which cross-validation selects one."""
        choices = choices_of(self._base.card.layout)
        hidden = [Columns(HIDDEN, self._width + np.arange(units)) for units in self._hidden_units]
        return (*choices, *hidden)

    def head(self, columns: Columns, weights: Numbers, intercepts: Numbers) -> tuple[Head, dict[str, Floats]]:
        """Return the head with these weights, and the tensors of its layers by their names in a bundle.

        `weights`: (words, columns of the vectors), zero outside `columns`; `intercepts`: (words,).
        """
        if columns.name != HIDDEN:
            return Head((), ""), _layer(1, weights[:, : self._width], intercepts)
        own = weights[:, self._width :] / self._deviation
        first = {f"head.layer.1.{part}": self._base.weights[f"head.layer.1.{part}"] for part in ("weight", "bias")}
        return Head(self._hidden_units, ""), {**first, **_layer(2, own, intercepts - own @ self._mean)}


def _layer(number: int, weights: Numbers, bias: Numbers) -> dict[str, Floats]:
    return {
        f"head.layer.{number}.weight": weights.astype(np.float32),
        f"head.layer.{number}.bias": bias.astype(np.float32),
    }
