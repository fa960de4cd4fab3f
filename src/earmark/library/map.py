"""Lay a library out in two dimensions, with similar tracks close together."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.library.database import Database
from earmark.library.vectors import Vectors

AXES_TRACKS = 4_000
"""How many tracks the axes are computed from, spread evenly over the library."""
ROWS_TOGETHER = 4_000


@dataclass(frozen=True, eq=False)
class CollectionMap:
    """The tracks of a library as points.

    ids: (tracks,) int64. points: (tracks, 2) float32, from -1 to 1, the wider axis first. tag: (tracks,) int64, the
    index of each track's most distinctive tag. share: the part of the variance between tracks that the two axes show,
    from 0 to 1. labels: the names of the tags.
    """

    ids: npt.NDArray[np.int64]
    points: npt.NDArray[np.float32]
    tag: npt.NDArray[np.int64]
    share: float
    labels: tuple[str, ...]


def map_of(vectors: Vectors, labels: tuple[str, ...]) -> CollectionMap:
    """Lay tracks out along the first two principal components of their vectors.

    Choice: no neighbour embedding. Principal components are the same for the same library, take seconds for 100 000
    tracks, and distances mean the same everywhere. The sign of each axis makes its third moment positive, so it does
    not depend on chance.
    """
    count = len(vectors.ids)
    if count == 0:
        return CollectionMap(vectors.ids, np.empty((0, 2), np.float32), np.empty(0, np.int64), 0.0, labels)
    sample = vectors.levels.vectors[:: max(1, -(-count // AXES_TRACKS))].astype(np.float32)
    mean = sample.mean(axis=0)
    sample -= mean
    values, directions = np.linalg.eigh(sample.T @ sample)
    axes = directions[:, ::-1][:, :2]
    points = np.concatenate(
        [
            (vectors.levels.vectors[start : start + ROWS_TOGETHER].astype(np.float32) - mean) @ axes
            for start in range(0, count, ROWS_TOGETHER)
        ]
    )
    points *= np.where((points.astype(np.float64) ** 3).sum(axis=0) < 0, -1.0, 1.0).astype(np.float32)
    largest = float(np.abs(points).max())
    total = float(values.sum())
    return CollectionMap(
        np.asarray(vectors.ids),
        (points / np.float32(largest if largest > 0 else 1.0)).astype(np.float32),
        _most_distinctive(vectors.probabilities),
        float(values[-2:].sum()) / total if total > 0 else 0.0,
        labels,
    )


def _most_distinctive(chances: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Return for every track the index of the tag whose log odds are farthest above the library's mean."""
    bounded = np.clip(chances, 1e-6, 1 - 1e-6)
    odds = np.log(bounded) - np.log1p(-bounded)
    spread = odds.std(axis=1, keepdims=True)
    relative = (odds - odds.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
    # Only likely tags count: those with at least half the probability of the track's most probable tag.
    likely = chances >= chances.max(axis=0) / 2
    return np.asarray(np.where(likely, relative, -np.inf).argmax(axis=0), np.int64)


def map_document(laid_out: CollectionMap, database: Database) -> dict[str, object]:
    """Return a map as numbers and text for JSON, without tracks whose files are missing."""
    tracks = []
    for number, (x, y), tag in zip(laid_out.ids.tolist(), laid_out.points.tolist(), laid_out.tag.tolist(), strict=True):
        paths = database.paths_of(number, missing=False)
        if paths:
            tracks.append({"track": number, "path": paths[0], "x": x, "y": y, "tag": laid_out.labels[tag]})
    return {"labels": list(laid_out.labels), "share": laid_out.share, "tracks": tracks}
