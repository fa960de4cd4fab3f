"""The collection in two dimensions: what sounds alike lies close together."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.library.vectors import Vectors

AXES_TRACKS = 4_000
"""From which the axes are computed, spread evenly over the library."""
ROWS_TOGETHER = 4_000


@dataclass(frozen=True, eq=False)
class CollectionMap:
    """Tracks as points.

    ids: (tracks,) int64. points: (tracks, 2) float32, within -1 to 1, the wider axis first. tag: (tracks,) int64, the
    place of the tag by which each track stands out most from the rest. share: of all differences between tracks, what
    both axes show, 0 to 1. labels: of the tags.
    """

    ids: npt.NDArray[np.int64]
    points: npt.NDArray[np.float32]
    tag: npt.NDArray[np.int64]
    share: float
    labels: tuple[str, ...]


def map_of(vectors: Vectors, labels: tuple[str, ...]) -> CollectionMap:
    """Lay tracks out along the two directions in which their vectors differ most (principal components).

    Choice: no neighbour embedding: these axes are the same for the same library, take seconds for 100 000 tracks, and
    distances mean the same everywhere. Each axis points to where the third moments are positive, so that no sign is
    left to chance.
    """
    count = len(vectors.ids)
    if count == 0:
        return CollectionMap(vectors.ids, np.empty((0, 2), np.float32), np.empty(0, np.int64), 0.0, labels)
    sample = vectors.vectors[:: max(1, -(-count // AXES_TRACKS))].astype(np.float32)
    mean = sample.mean(axis=0)
    sample -= mean
    values, directions = np.linalg.eigh(sample.T @ sample)
    axes = directions[:, ::-1][:, :2]
    points = np.concatenate(
        [
            (vectors.vectors[start : start + ROWS_TOGETHER].astype(np.float32) - mean) @ axes
            for start in range(0, count, ROWS_TOGETHER)
        ]
    )
    points *= np.where((points.astype(np.float64) ** 3).sum(axis=0) < 0, -1.0, 1.0).astype(np.float32)
    largest = float(np.abs(points).max())
    total = float(values.sum())
    return CollectionMap(
        np.asarray(vectors.ids),
        (points / np.float32(largest if largest > 0 else 1.0)).astype(np.float32),
        _standing_out(vectors.probabilities),
        float(values[-2:].sum()) / total if total > 0 else 0.0,
        labels,
    )


def _standing_out(chances: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """For every track the tag whose log odds are farthest above the library's own: the tag that says most about it."""
    bounded = np.clip(chances, 1e-6, 1 - 1e-6)
    odds = np.log(bounded) - np.log1p(-bounded)
    spread = odds.std(axis=1, keepdims=True)
    relative = (odds - odds.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
    # Only among the tags that are likely at all: half the best one's probability or more.
    likely = chances >= chances.max(axis=0) / 2
    return np.asarray(np.where(likely, relative, -np.inf).argmax(axis=0), np.int64)
