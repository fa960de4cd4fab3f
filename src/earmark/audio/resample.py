"""Resampling as a stream, block by block."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from earmark.errors import WaveformError


class Resampler:
    """A resampler of one channel, block by block, by soxr at its quality HQ.

    The output starts where the input starts (soxr's own delay is taken off) and has soxr's length: floor(samples *
    to_hz / from_hz + 1/2) in all, and the same bits whatever the sizes of the blocks. With equal rates the blocks are
    returned unchanged.

    Choice: a sound too short for that rule to give any sample (one sample at 48 kHz) gives one sample all the same.

    from_hz, to_hz: samples a second. Raises WaveformError for a ratio that soxr does not support.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._from_hz = from_hz
        self._to_hz = to_hz
        self._pushed = 0
        self._stream = None
        if from_hz == to_hz:
            return
        import soxr  # imported here, as sound at the wanted rate does not need it

        try:
            self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality="HQ")
        except (ValueError, RuntimeError) as error:
            raise WaveformError(f"cannot resample from {from_hz} Hz to {to_hz} Hz: {error}") from error

    def push(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Take (samples,) at from_hz and return the samples ready at to_hz: (samples,) float32, possibly none."""
        self._pushed += len(samples)
        if self._stream is None:
            return samples
        ready: npt.NDArray[np.float32] = self._stream.resample_chunk(samples)
        return ready

    def finish(self) -> npt.NDArray[np.float32]:
        """Return the remaining samples, (samples,) float32. Nothing may be pushed afterwards."""
        if self._stream is None or self._pushed == 0:
            return np.zeros(0, np.float32)
        if (2 * self._pushed * self._to_hz + self._from_hz) // (2 * self._from_hz) > 0:
            rest: npt.NDArray[np.float32] = self._stream.resample_chunk(np.zeros(0, np.float32), last=True)
            return rest
        silence = np.zeros(self._from_hz // self._to_hz + 1, np.float32)
        one: npt.NDArray[np.float32] = self._stream.resample_chunk(silence, last=True)[:1]
        return one
