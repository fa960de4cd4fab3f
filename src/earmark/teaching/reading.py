"""What a head may read of tracks: their vectors, and what the base's classifier makes of these in its hidden layer.

The first hidden layer was trained on what many tags mean, so that few examples say more in it (docs/RESULTS.md). A
taught head that reads it keeps that layer of the base as its own.
"""

from functools import cached_property

import numpy as np
import numpy.typing as npt

from earmark.tagging.bundle.bundle import Bundle
from earmark.tagging.bundle.card import Head
from earmark.tagging.engines.network import Classifier
from earmark.teaching.columns import Columns, choices_of
from earmark.teaching.regression import Numbers, Space

HIDDEN = "the classifier's hidden layer"

Floats = npt.NDArray[np.float32]


class Reading:
    """The tracks' vectors of one base, standardised, with its hidden layer, where it has one, in further columns."""

    def __init__(self, base: Bundle, vectors: Floats) -> None:
        """`vectors`: (tracks, columns) float32 of the base's extractors."""
        self._base = base
        self._width = base.card.vector_width
        standardised = (vectors - base.weights["head.mean"]) / base.weights["head.deviation"]
        self._hidden_units = base.card.head.hidden_units[:1]
        self._mean, self._deviation = np.zeros(0), 1.0
        if self._hidden_units:
            hidden = Classifier(base.card.head, base.weights).hidden(vectors)
            # Choice: one deviation for all units. A unit that few tracks wake says little of itself among few.
            self._mean, self._deviation = hidden.mean(axis=0, dtype=np.float64), float(hidden.std()) or 1.0
            standardised = np.concatenate([standardised, (hidden - self._mean) / self._deviation], axis=1)
        self._standardised = standardised

    @cached_property
    def space(self) -> Space:
        """What regressions work on."""
        return Space(self._standardised, self._base.card.layout)

    @property
    def choices(self) -> tuple[Columns, ...]:
        """The sets of columns that cross-validation chooses one of."""
        choices = choices_of(self._base.card.layout)
        hidden = [Columns(HIDDEN, self._width + np.arange(units)) for units in self._hidden_units]
        return (*choices, *hidden)

    def head(self, columns: Columns, weights: Numbers, intercepts: Numbers) -> tuple[Head, dict[str, Floats]]:
        """The head that some columns' weights make, and its layers as a bundle holds them.

        `weights`: (words, columns of the space), zero but for those columns; `intercepts`: (words,).
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
