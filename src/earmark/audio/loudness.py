"""How loud a sound was lately, and whether that is silence."""

from collections import deque

import numpy as np
import numpy.typing as npt

SILENT_BELOW = 1e-3
"""The root mean square, of full scale 1, that the loudest tenth of a second of a silence stays under: -60 dB.

Choice: quieter than any music that was mixed to be heard, louder than dither and than a good microphone's noise."""
PART_SECONDS = 0.1


class Loudness:
    """The loudest tenth of a second of the last seconds of a sound, and of all of it; memory is constant."""

    def __init__(self, rate_hz: int, window_seconds: float) -> None:
        self._part_samples = max(1, round(PART_SECONDS * rate_hz))
        self._window_samples = round(window_seconds * rate_hz)
        self._pieces: deque[tuple[int, float]] = deque()
        self._samples = 0
        """In the pieces."""
        self._loudest = 0.0

    @property
    def silent(self) -> bool:
        """Whether nothing could be heard in the pieces that the window touches."""
        return all(loudness < SILENT_BELOW for _, loudness in self._pieces)

    @property
    def always_silent(self) -> bool:
        """Whether nothing could be heard since the start."""
        return self._loudest < SILENT_BELOW

    def add(self, samples: npt.NDArray[np.float32]) -> None:
        """Take the next piece: (samples,) float32, at least one."""
        power = np.square(samples, dtype=np.float64)
        starts = range(0, len(power), self._part_samples)
        loudness = float(np.sqrt(max(power[start : start + self._part_samples].mean() for start in starts)))
        self._loudest = max(self._loudest, loudness)
        self._pieces.append((len(samples), loudness))
        self._samples += len(samples)
        while self._samples - self._pieces[0][0] >= self._window_samples:
            self._samples -= self._pieces.popleft()[0]
