"""Targets that change along a track: a row for each window of seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.errors import DatasetError


@dataclass(frozen=True, eq=False)
class WindowTargets:
    """What a track's tags are along its time, as a teacher hears it.

    `seconds`: length of a window; window i covers i·seconds to (i + 1)·seconds, and the last one all that is left.
    `values`: (windows, tags) float32 in 0..1, NaN where unknown, in the order of the dataset's tags.

    Raises DatasetError for no window, a length that is not positive, or values out of range.
    """

    seconds: float
    values: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        if not (math.isfinite(self.seconds) and self.seconds > 0):
            raise DatasetError(f"Found windows of {self.seconds!r} seconds; expected a positive length.")
        if self.values.ndim != 2 or not len(self.values):
            raise DatasetError(
                f"Found window targets of the shape {self.values.shape}; expected (windows, tags), at least one window."
            )
        known = self.values[~np.isnan(self.values)]
        if not ((known >= 0) & (known <= 1)).all():
            raise DatasetError("Found window targets outside 0..1; expected 0..1, or NaN for unknown.")

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, WindowTargets)
            and self.seconds == other.seconds
            and np.array_equal(self.values, other.values, equal_nan=True)
        )

    def __hash__(self) -> int:
        return hash((self.seconds, self.values.shape))

    def mean(self) -> tuple[float, ...]:
        """The track's targets: the mean over windows; NaN where a window is unknown."""
        # One NaN for all, as tuples with the same one are equal.
        means = self.values.mean(axis=0, dtype=np.float64).tolist()
        return tuple(math.nan if math.isnan(mean) else mean for mean in means)
