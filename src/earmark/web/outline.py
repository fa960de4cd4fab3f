"""The outline of a sound, as a player draws it: how loud every short stretch is."""

import numpy as np
import numpy.typing as npt

POINTS_AT_MOST = 1_200
FINE_SAMPLES = 256
"""Stretches that are kept while the sound goes by: 1.2 MB an hour at 22 050 Hz."""


class Outline:
    """The loudest sample of every stretch of a sound; at most 1200 stretches, whatever its length."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._fine: list[npt.NDArray[np.float32]] = []
        self._rest = np.empty(0, np.float32)

    def add(self, samples: npt.NDArray[np.float32]) -> None:
        """Take the next samples: (samples,) float32."""
        loud = np.concatenate([self._rest, np.abs(samples)])
        whole = len(loud) // FINE_SAMPLES * FINE_SAMPLES
        self._fine.append(_loudest(loud[:whole], FINE_SAMPLES))
        self._rest = loud[whole:]

    def to_dict(self) -> dict[str, object]:
        """How long a stretch is, in seconds, and the loudest sample of each, 0 to 1."""
        fine = np.concatenate([*self._fine, _loudest(self._rest, FINE_SAMPLES)])
        together = max(1, -(-len(fine) // POINTS_AT_MOST))
        peaks = np.minimum(_loudest(fine, together), 1.0)
        return {
            "seconds_per_point": together * FINE_SAMPLES / self._rate_hz,
            "peaks": [round(peak, 4) for peak in peaks.tolist()],
        }


def _loudest(values: npt.NDArray[np.float32], together: int) -> npt.NDArray[np.float32]:
    """The largest of every so many values, of fewer at the end."""
    if not len(values):
        return values
    largest: npt.NDArray[np.float32] = np.maximum.reduceat(values, np.arange(0, len(values), together))
    return largest
