"""The character of a sound along its course: how bright it is, and how sharp its attacks are."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

FRAME_SAMPLES = 512
"""The length of a frame: 23 ms at 22 050 Hz, within which an attack is complete."""
HOP_FRAMES = 22
"""Frames of a hop: half a second, which has at least one attack of most rhythms."""
QUIET = 1e-3
"""The root mean square of a frame, of 1, below which it is silence."""


class SoundCharacter:
    """Collects the brightness and the sharpest attack of every hop of a sound while it is decoded."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._frequencies = np.fft.rfftfreq(FRAME_SAMPLES, 1 / rate_hz).astype(np.float32)
        self._window = np.hanning(FRAME_SAMPLES).astype(np.float32)
        self._rest = np.empty(0, np.float32)
        self._levels: list[Array] = []
        self._centroids: list[Array] = []

    def add(self, samples: Array) -> None:
        """Add the next samples: (samples,) float32."""
        samples = np.concatenate([self._rest, samples])
        whole = len(samples) // FRAME_SAMPLES * FRAME_SAMPLES
        frames = samples[:whole].reshape(-1, FRAME_SAMPLES)
        self._rest = samples[whole:]
        magnitudes = np.abs(np.fft.rfft(frames * self._window, axis=1)).astype(np.float32)
        self._levels.append(np.sqrt(np.mean(frames**2, axis=1, dtype=np.float32)))
        self._centroids.append(magnitudes @ self._frequencies / np.maximum(magnitudes.sum(axis=1), 1e-9))

    def to_dict(self) -> dict[str, object]:
        """Return the brightness (spectral centroid, Hz) and the sharpest attack (dB within a frame) of every hop.

        Both are None in a hop without sound.
        """
        levels = np.concatenate([*self._levels, np.empty(0, np.float32)])
        centroids = np.concatenate([*self._centroids, np.empty(0, np.float32)])
        decibels = 20 * np.log10(np.maximum(levels, QUIET))
        rises = np.diff(decibels, prepend=decibels[:1])
        brightness: list[float | None] = []
        attacks: list[float | None] = []
        for start in range(0, len(levels), HOP_FRAMES):
            own = slice(start, start + HOP_FRAMES)
            heard = levels[own] > QUIET
            silent = not heard.any()
            weights = levels[own] * heard
            centroid = None if silent else float(weights @ centroids[own] / weights.sum())
            brightness.append(None if centroid is None else round(centroid, 1))
            attacks.append(None if silent else round(float(rises[own].max()), 2))
        return {
            "hop_seconds": HOP_FRAMES * FRAME_SAMPLES / self._rate_hz,
            "brightness_hz": brightness,
            "attack_decibels": attacks,
        }
