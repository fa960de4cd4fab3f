"""Vectors of windows in seconds, computed while the sound streams by."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.audio.segments import SegmentRule
from earmark.errors import TagError
from earmark.tagging.aggregate import TrackStatistics
from earmark.tagging.bundle.card import Extractor

Array = npt.NDArray[np.float32]

SLACK_SECONDS = 1e-9
"""The most that a window may extend beyond the sound by rounding: far less than a sample."""


@dataclass(frozen=True)
class OverTimeSettings:
    """The length of windows and the distance of their starts, in seconds; raises TagError unless both are above 0."""

    window_seconds: float
    hop_seconds: float

    def __post_init__(self) -> None:
        for name in ("window_seconds", "hop_seconds"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise TagError(f"{name}: found {value!r}, expected a number above 0. Choose another {name}.")

    def start(self, index: int) -> float:
        """Return where window `index` starts, in seconds."""
        return index * self.hop_seconds

    def end(self, index: int) -> float:
        """Return where window `index` ends, in seconds."""
        return self.start(index) + self.window_seconds

    def fits(self, index: int, duration_seconds: float) -> bool:
        """Return whether a sound has window `index`: it does where the window ends within it, and for the first."""
        return index == 0 or self.end(index) <= duration_seconds + SLACK_SECONDS

    def refuse_short_windows(self, extractors: Sequence[Extractor]) -> None:
        """Raise TagError where a window is shorter than the longest segment, as some scale would have none."""
        longest = max(extractor.segment_length * extractor.row_seconds for extractor in extractors)
        if self.window_seconds < longest:
            raise TagError(
                f"window_seconds: found {self.window_seconds:g} s, expected at least the model's longest segment, "
                f"{longest:.3f} s. Choose a longer window."
            )


@dataclass(frozen=True)
class WindowVectors:
    """Vectors of windows: `seconds`, (windows,) float64, are their starts; `vectors` are (windows, columns) float32."""

    seconds: npt.NDArray[np.float64]
    vectors: Array


def segments_of_window(centres: npt.NDArray[np.float64], start: float, end: float) -> slice:
    """Return which segments belong to a window, by their ascending centres in seconds: those within [start, end).

    Choice: where there is none (a window beside a long segment, or in a dropped tail), it is the latest segment before
    the window's end, or the very first.
    """
    first, last = np.searchsorted(centres, (start, end), side="left").tolist()
    return slice(min(first, max(0, last - 1)), max(1, last))


class Windows:
    """The windows of one sound: takes segments of every scale, and returns vectors as soon as no later segment counts.

    Segments are kept only while an open window needs them, so memory depends on the window and not on the sound.
    """

    def __init__(self, extractors: Sequence[Extractor], settings: OverTimeSettings) -> None:
        """Start without segments; raises TagError where a window is shorter than the longest segment."""
        settings.refuse_short_windows(extractors)
        self._settings = settings
        self._scales = [SegmentBuffer(extractor) for extractor in extractors]
        self._columns = sum(extractor.columns for extractor in extractors)
        self._next = 0

    def add(self, scale: int, levels: Array) -> None:
        """Add the next segments of one scale, by its position among the extractors: (segments, width) float32."""
        self._scales[scale].add(levels)

    def ready(self) -> WindowVectors:
        """Return the windows that no later segment can change, each once, and drop segments that are not needed."""
        passed = min(scale.latest_centre_seconds for scale in self._scales)
        return self._emit(lambda index: self._settings.end(index) <= passed)

    def finish(self, duration_seconds: float) -> WindowVectors:
        """Return the remaining windows at the end of the sound; the first window is returned for any sound."""
        return self._emit(lambda index: self._settings.fits(index, duration_seconds))

    def _emit(self, wanted: Callable[[int], bool]) -> WindowVectors:
        seconds: list[float] = []
        vectors: list[Array] = []
        while wanted(self._next):
            start, end = self._settings.start(self._next), self._settings.end(self._next)
            seconds.append(start)
            vectors.append(np.concatenate([scale.vector(start, end) for scale in self._scales]))
            self._next += 1
            for scale in self._scales:
                scale.forget(self._settings.start(self._next), self._settings.end(self._next))
        return WindowVectors(
            np.array(seconds, dtype=np.float64),
            np.stack(vectors) if vectors else np.empty((0, self._columns), dtype=np.float32),
        )


class SegmentBuffer:
    """A buffer of the latest segments of one scale, kept as long as a window needs them."""

    def __init__(self, extractor: Extractor) -> None:
        self._extractor = extractor
        self._rule = SegmentRule(extractor.segment_length, extractor.segment_hop)
        self._levels = np.empty((0, sum(extractor.level_widths)), dtype=np.float32)
        self._first = 0
        """The number of the first segment that is kept."""

    def add(self, levels: Array) -> None:
        """Add the levels of the next segments, (segments, width) float32."""
        self._levels = np.concatenate([self._levels, levels])

    @property
    def latest_centre_seconds(self) -> float:
        """The middle of the latest segment, in seconds; negative where there is none."""
        index = self._first + len(self._levels) - 1
        return self._rule.centre(index) * self._extractor.row_seconds if index >= 0 else -1.0

    def vector(self, start: float, end: float) -> Array:
        """Return this scale's columns of the window from `start` to `end`, in seconds: (columns,) float32."""
        statistics = TrackStatistics(self._extractor.track_statistic, self._extractor.level_widths)
        statistics.add(self._levels[segments_of_window(self._centres(), start, end)])
        return statistics.vector()

    def forget(self, start: float, end: float) -> None:
        """Drop the segments that neither the window from `start` to `end`, in seconds, nor a later one needs."""
        first = segments_of_window(self._centres(), start, end).start
        self._levels = self._levels[first:].copy()  # a view would keep the dropped segments in memory
        self._first += first

    def _centres(self) -> npt.NDArray[np.float64]:
        indices = np.arange(self._first, self._first + len(self._levels), dtype=np.float64)
        return np.asarray((indices * self._rule.hop + self._rule.centre(0)) * self._extractor.row_seconds)
