"""Measuring how loud a sound is, and whether it is silent."""

from collections import deque

import numpy as np
import numpy.typing as npt

SILENT_BELOW = 1e-3
"""The root mean square, of full scale 1, below which the loudest tenth of a second counts as silence: -60 dB.

Choice: quieter than any music that was mixed to be heard, louder than dither and than a good microphone's noise.
"""
PART_SECONDS = 0.1


class Loudest:
    """The loudest tenth of a second of a sound, the same however the sound is cut; memory is constant."""

    def __init__(self, rate_hz: int) -> None:
        self._part = np.zeros(max(1, round(PART_SECONDS * rate_hz)), np.float32)
        """The tenth of a second that is not complete yet."""
        self._filled = 0
        self._power = 0.0

    @property
    def silent(self) -> bool:
        """Whether the sound is silent so far."""
        rest = self._part[: self._filled]
        power = max(self._power, float(np.square(rest, dtype=np.float64).mean()) if len(rest) else 0.0)
        return bool(np.sqrt(power) < SILENT_BELOW)

    def add(self, samples: npt.NDArray[np.float32]) -> None:
        """Take the next piece: (samples,) float32."""
        length = len(self._part)
        taken = min(len(samples), length - self._filled)
        self._part[self._filled : self._filled + taken] = samples[:taken]
        self._filled += taken
        if self._filled < length:
            return
        end = taken + (len(samples) - taken) // length * length
        parts = np.concatenate([self._part, samples[taken:end]]).reshape(-1, length)
        self._power = max(self._power, float(np.square(parts, dtype=np.float64).mean(axis=1).max()))
        self._filled = len(samples) - end
        self._part[: self._filled] = samples[end:]


class Loudness:
    """The loudness of the last seconds of a sound and of all of it, by tenths of a second; memory is constant."""

    def __init__(self, rate_hz: int, window_seconds: float) -> None:
        self._part_samples = max(1, round(PART_SECONDS * rate_hz))
        self._window_samples = round(window_seconds * rate_hz)
        self._pieces: deque[tuple[int, float]] = deque()
        self._samples = 0
        """The number of samples in the pieces."""
        self._all = Loudest(rate_hz)

    @property
    def silent(self) -> bool:
        """Whether all pieces that the window touches are silent."""
        return all(loudness < SILENT_BELOW for _, loudness in self._pieces)

    @property
    def always_silent(self) -> bool:
        """Whether the sound was silent since its start."""
        return self._all.silent

    def add(self, samples: npt.NDArray[np.float32]) -> None:
        """Take the next piece: (samples,) float32, at least one."""
        power = np.square(samples, dtype=np.float64)
        starts = range(0, len(power), self._part_samples)
        loudness = float(np.sqrt(max(power[start : start + self._part_samples].mean() for start in starts)))
        self._all.add(samples)
        self._pieces.append((len(samples), loudness))
        self._samples += len(samples)
        while self._samples - self._pieces[0][0] >= self._window_samples:
            self._samples -= self._pieces.popleft()[0]
