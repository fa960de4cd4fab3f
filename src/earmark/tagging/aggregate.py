"""The running statistics of one scale, which turn its segments into one vector in constant memory."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from earmark.errors import TagError
from earmark.tagging.bundle.card import STATISTIC_PARTS, TrackStatistic

Array = npt.NDArray[np.float32]


class TrackStatistics:
    """The statistics of one scale's levels over the segments of a track or window ([SPL] II-B: the mean).

    Sums are float64, so that ten hours are as exact as ten seconds.
    """

    def __init__(self, statistic: TrackStatistic, level_widths: Sequence[int]) -> None:
        """`level_widths`: the channels of every level used, in the order of the columns."""
        self._statistic = statistic
        self._level_widths = tuple(level_widths)
        width = sum(level_widths)
        self._sum = np.zeros(width, dtype=np.float64)
        self._sum_of_squares = np.zeros(width, dtype=np.float64)
        self._maximum = np.full(width, -np.inf, dtype=np.float32)
        self.count = 0
        """The number of segments so far."""

    def add(self, levels: Array) -> None:
        """Add the levels of some segments, (segments, width) float32, in the order of time."""
        if not len(levels):
            return
        self.count += len(levels)
        if self._statistic == "max":
            np.maximum(self._maximum, levels.max(axis=0), out=self._maximum)
            return
        self._sum += levels.sum(axis=0, dtype=np.float64)
        if self._statistic == "mean+deviation":
            self._sum_of_squares += np.square(levels, dtype=np.float64).sum(axis=0)

    def add_vectors(self, vectors: Array, counts: npt.NDArray[np.int64]) -> None:
        """Add groups of segments by the `vector` of each, (groups, columns) float32, and their counts, (groups,).

        The result is that of adding the segments themselves, to the precision of the vectors.
        """
        if not len(vectors):
            return
        self.count += int(counts.sum())
        means, deviations = self._split(vectors)
        if self._statistic == "max":
            np.maximum(self._maximum, means.max(axis=0), out=self._maximum)
            return
        weights = counts.astype(np.float64)[:, np.newaxis]
        self._sum += (weights * means).sum(axis=0)
        if self._statistic == "mean+deviation":
            squares = np.square(means, dtype=np.float64) + np.square(deviations, dtype=np.float64)
            self._sum_of_squares += (weights * squares).sum(axis=0)

    def vector(self) -> Array:
        """Return the columns of this scale in the layout's order, level by level and statistic by statistic; float32.

        The deviation is divided by the number of segments. Raises TagError where no segment was added.
        """
        if not self.count:
            raise TagError("A track vector was asked for before any segment; add at least one segment first.")
        if self._statistic == "max":
            return self._maximum.copy()
        mean = self._sum / self.count
        if self._statistic == "mean":
            return mean.astype(np.float32)
        # Rounding may leave a tiny negative variance where all segments are equal.
        deviation = np.sqrt(np.maximum(self._sum_of_squares / self.count - np.square(mean), 0.0))
        parts: list[npt.NDArray[np.float64]] = []
        start = 0
        for width in self._level_widths:
            parts += [mean[start : start + width], deviation[start : start + width]]
            start += width
        return np.concatenate(parts).astype(np.float32)

    def _split(self, vectors: Array) -> tuple[Array, Array]:
        """Return the first and the second statistics of vectors in the layout's order (no columns where none)."""
        parts = len(STATISTIC_PARTS[self._statistic])
        pieces: list[list[Array]] = [[], []]
        start = 0
        for width in self._level_widths:
            for part in range(parts):
                pieces[part].append(vectors[:, start : start + width])
                start += width
        firsts = np.concatenate(pieces[0], axis=1)
        return firsts, np.concatenate(pieces[1], axis=1) if pieces[1] else firsts[:, :0]
