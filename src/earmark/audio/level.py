"""Bringing frames to one level, as they come: what a listener does who turns the volume knob.

Magnitudes follow loudness, and what a network makes of them follows too, unless it is kept out. Here every frame is
multiplied by one gain, so that a running mean of magnitudes comes near a fixed level: quiet and loud passages still
differ within some seconds, a quiet and a loud file do not. The mean looks back only, so that sound can be streamed,
and begins with what is there: after the first frame it is that frame's. Departure: the papers take magnitudes as they
are; docs/RESULTS.md has what it changes.
"""

import math

import numpy as np
import numpy.typing as npt

LEVEL = 3.0
"""Choice: where a frame's mean comes to, in magnitudes times `compression`; a few times that of music mixed today."""
LEAST = 1e-3
"""Choice: added to the running mean. Magnitudes of 16-bit silence lie below, and are not blown up to music."""


class RunningLevel:
    """The gains of one sound's frames, in order; the same however the frames are pushed."""

    def __init__(self, frames: float) -> None:
        """`frames`: the time constant of the running mean."""
        self._step = -math.expm1(-1.0 / frames)
        self._sum = 0.0
        self._weight = 0.0
        """Of all frames so far in `_sum`; 1 after many."""

    def gains(self, magnitudes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Take the mean magnitude of the next frames, (frames,), and return their gains, (frames,) float32."""
        gains = np.empty(len(magnitudes), np.float32)
        for place, magnitude in enumerate(magnitudes.tolist()):
            self._sum += self._step * (magnitude - self._sum)
            self._weight += self._step * (1.0 - self._weight)
            gains[place] = LEVEL / (self._sum / self._weight + LEAST)
        return gains
