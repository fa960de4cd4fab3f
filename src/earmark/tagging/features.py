"""Features stored beside a prediction, from which any vector of the sound is computed without decoding it again."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.audio.segments import SegmentRule
from earmark.tagging.aggregate import TrackStatistics
from earmark.tagging.bundle.card import Extractor
from earmark.tagging.windows import OverTimeSettings, WindowVectors, segments_of_window

Array = npt.NDArray[np.float32]

GROUP_SECONDS = 1.254
"""The length of a group: the longest of the letter's best scales (54 frames); a group has the segments that fit."""
LARGEST_HALF = 65_504.0
"""The largest float16."""
SCALE_ARRAYS = ("rows", "counts", "seconds")
"""The arrays of a scale, by their names in a file."""


@dataclass(frozen=True, eq=False)
class StoredScale:
    """The stored rows of one scale, each the vector of a group of consecutive segments.

    `rows`: (groups, columns) float16, in the layout's order; `counts`: (groups,) int64, the number of segments of each
    group; `seconds`: (groups,) float64, the middle of each group.
    """

    extractor: Extractor
    rows: npt.NDArray[np.float16]
    counts: npt.NDArray[np.int64]
    seconds: npt.NDArray[np.float64]

    def vector(self, groups: slice) -> Array:
        """Return the scale's columns of the vector of some groups: (columns,) float32."""
        statistics = TrackStatistics(self.extractor.track_statistic, self.extractor.level_widths)
        statistics.add_vectors(self.rows[groups].astype(np.float32), self.counts[groups])
        return statistics.vector()


@dataclass(frozen=True, eq=False)
class StoredFeatures:
    """The activations of all scales on one sound, reduced to about 10 MB an hour for the letter's three scales.

    Vectors computed from them equal those of the streaming pass to the precision of float16, so that tags for other
    windows need only the classifier.
    """

    scales: tuple[StoredScale, ...]
    duration_seconds: float

    def track_vector(self) -> Array:
        """Return the track vector: (columns,) float32."""
        return np.concatenate([scale.vector(slice(None)) for scale in self.scales])

    def stretch_vector(self, start: float, end: float) -> Array:
        """Return the vector of the sound between two times in seconds: (columns,) float32.

        It has at least one group of each scale, and equals that of a window with the same start and end.
        """
        return np.concatenate([scale.vector(segments_of_window(scale.seconds, start, end)) for scale in self.scales])

    def window_vectors(self, window_seconds: float, hop_seconds: float) -> WindowVectors:
        """Return the vectors of windows in seconds; raises TagError where a window is shorter than a segment.

        Choice: a group belongs to the window that holds its middle, so a window's edges are exact to half a group (0.63
        s); where they fall between groups, the vectors are those of the streaming pass.
        """
        settings = OverTimeSettings(window_seconds, hop_seconds)
        settings.refuse_short_windows([scale.extractor for scale in self.scales])
        seconds: list[float] = []
        vectors: list[Array] = []
        index = 0
        while settings.fits(index, self.duration_seconds):
            start, end = settings.start(index), settings.end(index)
            seconds.append(start)
            vectors.append(self.stretch_vector(start, end))
            index += 1
        return WindowVectors(np.array(seconds, dtype=np.float64), np.stack(vectors))

    @property
    def size_bytes(self) -> int:
        """The size of the rows in memory, in bytes."""
        return sum(scale.rows.nbytes for scale in self.scales)

    def write(self, file: Path) -> None:
        """Write the features to a file in NumPy's format npz, which `read_features` reads."""
        arrays: dict[str, npt.NDArray[Any]] = {"duration_seconds": np.array(self.duration_seconds)}
        for number, scale in enumerate(self.scales):
            arrays |= {f"{number}.{name}": getattr(scale, name) for name in SCALE_ARRAYS}
        with file.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **arrays)


def read_features(file: Path, extractors: Sequence[Extractor]) -> StoredFeatures:
    """Read features that `StoredFeatures.write` wrote; `extractors`: those that computed them."""
    with np.load(file, allow_pickle=False) as arrays:
        scales = [
            StoredScale(extractor, *(arrays[f"{number}.{name}"] for name in SCALE_ARRAYS))
            for number, extractor in enumerate(extractors)
        ]
        return StoredFeatures(tuple(scales), float(arrays["duration_seconds"]))


class FeatureRecorder:
    """A recorder of one scale's features during the streaming pass."""

    def __init__(self, extractor: Extractor) -> None:
        self._extractor = extractor
        self._rule = SegmentRule(extractor.segment_length, extractor.segment_hop)
        rows = GROUP_SECONDS / extractor.row_seconds
        self.group_segments = max(1, 1 + int((rows - self._rule.length) // self._rule.hop))
        """The number of segments in a group: as many as fit in GROUP_SECONDS, at least one."""
        self._waiting = np.empty((0, sum(extractor.level_widths)), dtype=np.float32)
        self._rows: list[npt.NDArray[np.float16]] = []
        self._counts: list[int] = []

    def add(self, levels: Array) -> None:
        """Add the levels of the next segments, (segments, width) float32."""
        levels = np.concatenate([self._waiting, levels])
        whole = len(levels) // self.group_segments * self.group_segments
        for start in range(0, whole, self.group_segments):
            self._keep(levels[start : start + self.group_segments])
        self._waiting = levels[whole:]

    def finish(self) -> StoredScale:
        """Return the stored rows of the whole sound; the last group may have fewer segments."""
        if len(self._waiting):
            self._keep(self._waiting)
        counts = np.array(self._counts, dtype=np.int64)
        firsts = np.cumsum(counts) - counts
        middles = firsts * self._rule.hop + self._rule.centre(0) + (counts - 1) * self._rule.hop / 2.0
        return StoredScale(self._extractor, np.stack(self._rows), counts, middles * self._extractor.row_seconds)

    def _keep(self, levels: Array) -> None:
        statistics = TrackStatistics(self._extractor.track_statistic, self._extractor.level_widths)
        statistics.add(levels)
        # Choice: an activation beyond float16, which no trained network reaches, is stored as the largest float16.
        self._rows.append(np.minimum(statistics.vector(), LARGEST_HALF).astype(np.float16))
        self._counts.append(len(levels))


def stored_features(recorders: Sequence[FeatureRecorder], duration_seconds: float) -> StoredFeatures:
    """Return the stored features of a sound after all of its segments were added to the recorders."""
    return StoredFeatures(tuple(recorder.finish() for recorder in recorders), duration_seconds)
