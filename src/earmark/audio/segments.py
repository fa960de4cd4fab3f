"""Cutting a stream of rows into the segments of one scale; this is the one place that decides on the tail.

A row is a log-mel frame (many columns) or a raw sample (one column). Each scale is a stream of its own, with its own
length and hop, and does not depend on the others: 54 frames are 3 × 18 and 2 × 27, but 108 and 216 frames and the raw
lengths are multiples of none, so nothing here assumes that scales align.

The rules, for a segment of `length` rows every `hop` rows:

- Segment i holds the rows from i * hop up to, not including, i * hop + length. In the paper hop = length:
  segments touch and do not overlap (method section 3). A smaller hop overlaps them, a larger one leaves rows
  out between them.
- The tail, the rows after the last whole segment, is dropped: 1250 frames give 69, 46, 23, 11 and 5 segments
  of 18, 27, 54, 108 and 216 frames (method section 3).
- Choice: a stream that ends before it filled one segment gives one segment all the same, its rows repeated
  from the first until it is full, and is marked `short`. Zeros would sound like a stop, and without a segment
  a jingle would get no answer.
- A stream without a row has no answer: WaveformError.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.errors import WaveformError


@dataclass(frozen=True)
class SegmentRule:
    """The length of a scale's segments and the distance of their starts, both in rows of the stream.

    Raises WaveformError where either is not a whole number of at least 1.
    """

    length: int
    hop: int

    def __post_init__(self) -> None:
        for name in ("length", "hop"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise WaveformError(f"Segment {name} is {value!r}; a whole number of at least 1 is needed.")

    def count(self, rows: int) -> int:
        """Return the number of segments that a stream of so many rows gives; 1 (short) where none fits.

        Raises WaveformError where `rows` is below 1.
        """
        if rows < 1:
            raise WaveformError(f"A stream of {rows} rows has no segments; at least 1 row is needed.")
        return 1 + max(0, rows - self.length) // self.hop

    def centre(self, index: int) -> float:
        """Return the position of the middle of segment `index`, in rows.

        Row k is at k: frame k is centred at k hops of the sound, sample k at k over the rate.
        """
        return index * self.hop + (self.length - 1) / 2.0


class Segments:
    """A stream from the rows of one sound to the segments of one scale.

    Memory is constant: less than one segment is held between calls.
    """

    def __init__(self, rule: SegmentRule, columns: int) -> None:
        """`columns`: the number of values in a row: the mel bands of a frame, or 1 for raw samples.

        Raises WaveformError where `columns` is below 1.
        """
        if columns < 1:
            raise WaveformError(f"Rows of {columns} columns cannot be cut; at least 1 column is needed.")
        self.rule = rule
        self.columns = columns
        self.short = False
        """Whether the sound never filled one segment; known after `finish`."""
        self._held = np.empty((rule.length, columns), dtype=np.float32)
        self._held_rows = 0
        self._rows_to_skip = 0
        self._any_rows = False
        self._any_segments = False
        self._finished = False

    def push(self, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Take the next rows and return the segments that they complete.

        `rows`: (rows, columns) float32, finite; may be empty. Returns (segments, length, columns) float32, contiguous;
        often no segments. Where segments touch and nothing was held, it is a view of `rows`, not a copy: do not write
        to `rows` while it is in use.

        Raises WaveformError for anything else, and after `finish`; the stream is then as before the call.
        """
        self._refuse_finished()
        self._check(rows)
        self._any_rows = self._any_rows or rows.shape[0] > 0
        skipped = min(self._rows_to_skip, rows.shape[0])
        self._rows_to_skip -= skipped
        rows = rows[skipped:]
        if self._held_rows + rows.shape[0] < self.rule.length:
            self._hold(rows)
            return self._none()
        if self._held_rows:
            rows = np.concatenate([self._held[: self._held_rows], rows])
            self._held_rows = 0
        segments = self._cut(rows)
        next_start = segments.shape[0] * self.rule.hop
        self._rows_to_skip = max(0, next_start - rows.shape[0])
        self._hold(rows[next_start:])
        self._any_segments = True
        return segments

    def finish(self) -> npt.NDArray[np.float32]:
        """End the sound: drop the tail, or fill up the one segment of a short sound and set `short`.

        Returns (0 or 1, length, columns) float32, contiguous.

        Raises WaveformError where no row was pushed, and when called twice.
        """
        self._refuse_finished()
        if not self._any_rows:
            raise WaveformError("The stream has no rows; at least 1 is needed to make a segment.")
        self._finished = True
        if self._any_segments:
            return self._none()
        self.short = True
        return self._held[np.arange(self.rule.length) % self._held_rows][np.newaxis]

    def _cut(self, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        length, hop = self.rule.length, self.rule.hop
        count = self.rule.count(rows.shape[0])
        if hop == length:
            touching = np.ascontiguousarray(rows[: count * length])
            return touching.reshape(count, length, self.columns)
        views = np.lib.stride_tricks.sliding_window_view(rows, length, axis=0)[::hop]
        return np.ascontiguousarray(views.transpose(0, 2, 1))

    def _hold(self, rows: npt.NDArray[np.float32]) -> None:
        self._held[self._held_rows : self._held_rows + rows.shape[0]] = rows
        self._held_rows += rows.shape[0]

    def _none(self) -> npt.NDArray[np.float32]:
        return np.empty((0, self.rule.length, self.columns), dtype=np.float32)

    def _refuse_finished(self) -> None:
        if self._finished:
            raise WaveformError("This Segments is finished; make a new one for the next sound.")

    def _check(self, rows: npt.NDArray[np.float32]) -> None:
        if not isinstance(rows, np.ndarray):
            raise WaveformError(f"Rows came as {type(rows).__name__}; a numpy float32 array is needed.")
        if rows.ndim != 2 or rows.shape[1] != self.columns:
            raise WaveformError(
                f"Rows have the shape {rows.shape}; (rows, {self.columns}) is needed. "
                "Raw samples of shape (samples,) go in as samples[:, np.newaxis]."
            )
        if rows.dtype != np.float32:
            raise WaveformError(f"Rows are {rows.dtype}; float32 is needed.")
        if not np.isfinite(rows).all():
            raise WaveformError("Rows hold NaN or infinity; finite values are needed. Check what made them.")
