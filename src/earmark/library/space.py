"""Compare tracks in a space: the levels of the networks, or the hidden layer of the classifier.

Every block of a space (one level of one scale, or the whole hidden layer) is standardised column by column and scaled
to length 1. The product of two vectors over any blocks is therefore proportional to the mean cosine of these blocks,
and every block counts equally.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load, save

from earmark.library.database import Database
from earmark.tagging.bundle.bundle import Bundle
from earmark.tagging.bundle.card import Head, VectorBlock
from earmark.tagging.engines.network import Classifier

STEPS = 127
HIDDEN = "hidden layer"
"""The name of the only block of the space of the hidden layer."""

Floats = npt.NDArray[np.float32]
Steps = npt.NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class HiddenLayer:
    """The first hidden layer of a model's classifier, which turns track vectors into its activations.

    packed: its weights, as `keep_hidden_layer` stored them.
    """

    packed: bytes
    units: int

    def __call__(self, embeddings: Floats) -> Floats:
        """Return the activations of track vectors: (..., columns) to (..., units) float32, at least 0."""
        rows = self._layer(embeddings.reshape(-1, embeddings.shape[-1]))
        return np.maximum(rows, 0).reshape(*embeddings.shape[:-1], self.units)

    @cached_property
    def _layer(self) -> Classifier:
        # It is the only layer of this classifier, and its activations are the positive part of what that returns.
        return Classifier(Head((), ""), {name: values.astype(np.float32) for name, values in load(self.packed).items()})


@dataclass(frozen=True, eq=False)
class Standardisation:
    """How the vectors of a space are standardised and stored.

    mean, deviation: (columns,) float32. scale: the stored value of a standardised value of 1.
    """

    mean: Floats
    deviation: Floats
    scale: float


@dataclass(frozen=True, eq=False)
class Axes:
    """The columns of a space: their blocks, and the hidden layer that makes them of track vectors, or None."""

    blocks: tuple[VectorBlock, ...]
    layer: HiddenLayer | None = None

    @property
    def columns(self) -> int:
        """The number of columns."""
        return self.blocks[-1].stop if self.blocks else 0

    def standardisation(self, embeddings: Floats) -> Standardisation:
        """Return how to standardise a space, by a sample of track vectors: (tracks, columns)."""
        values = self._values(embeddings)
        if not len(values):
            return Standardisation(np.zeros(self.columns, np.float32), np.ones(self.columns, np.float32), float(STEPS))
        mean = values.mean(axis=0, dtype=np.float64).astype(np.float32)
        deviation = values.std(axis=0, dtype=np.float64).astype(np.float32)
        deviation[deviation == 0] = 1.0  # A constant column becomes zero.
        largest = float(np.abs(self.units(embeddings, mean, deviation)).max())
        return Standardisation(mean, deviation, STEPS / max(largest, 1e-6))

    def units(self, embeddings: Floats, mean: Floats, deviation: Floats) -> Floats:
        """Standardise track vectors (..., columns) and scale each block to length 1; a zero block stays zero."""
        values: Floats = (self._values(embeddings) - mean) / deviation
        for block in self.blocks:
            part = values[..., block.columns]
            length = np.sqrt((part * part).sum(axis=-1, keepdims=True))
            part /= np.where(length > 0, length, np.float32(1.0))
        return values

    def _values(self, embeddings: Floats) -> Floats:
        return embeddings if self.layer is None else self.layer(embeddings)


@dataclass(frozen=True, eq=False)
class Space:
    """All tracks of one model in a space, as 8-bit numbers: vectors, (tracks, columns)."""

    axes: Axes
    standardisation: Standardisation
    vectors: Steps

    @property
    def blocks(self) -> tuple[VectorBlock, ...]:
        """The blocks of the columns."""
        return self.axes.blocks

    def units(self, embeddings: Floats) -> Floats:
        """Return track vectors in this space, standardised, with each block of length 1: (..., columns)."""
        return self.axes.units(embeddings, self.standardisation.mean, self.standardisation.deviation)

    def steps(self, units: Floats) -> Steps:
        """Convert standardised vectors to the 8-bit form in which they are stored."""
        return np.asarray(np.clip(np.rint(units * np.float32(self.standardisation.scale)), -STEPS, STEPS), np.int8)


def level_axes(layout: Sequence[VectorBlock]) -> Axes:
    """Return the space of a model's levels."""
    return Axes(tuple(layout))


def hidden_axes(layer: HiddenLayer) -> Axes:
    """Return the space of a hidden layer."""
    return Axes((VectorBlock(HIDDEN, 1, "mean", 0, layer.units),), layer)


def keep_hidden_layer(database: Database, model_id: int, bundle: Bundle) -> None:
    """Store the first hidden layer of a model's classifier in a library that lacks it, if the model has one."""
    if bundle.card.head.hidden_units and database.hidden_layer(model_id) is None:
        names = ("head.mean", "head.deviation", "head.layer.1.weight", "head.layer.1.bias")
        # Bundles may have been stored with 16-bit floats, which then hold the same numbers.
        database.add_hidden_layer(model_id, save({name: _shortest(bundle.weights[name]) for name in names}))


def _shortest(values: Floats) -> npt.NDArray[np.floating]:
    halves = values.astype(np.float16)
    return halves if np.array_equal(halves.astype(np.float32), values) else values
