"""Log-mel frames as soon as their last sample has arrived; `LogMel` returns them in blocks of 256."""

import numpy as np
import numpy.typing as npt

from earmark.audio.logmel import Compression, LogMelSettings, check_samples, log_mel

Array = npt.NDArray[np.float32]


class FrameStream:
    """A stream from the samples of one sound to its log-mel frames that holds no complete frame back.

    Every push goes through `log_mel`, the same code as any sound, with the few samples before it that its first frames
    reach back to; only new frames are compressed, as the compression may remember those before. It is meant for pushes
    of about a second, since a single frame costs as much as 256. Memory is constant.
    """

    def __init__(self, settings: LogMelSettings) -> None:
        self._settings = settings
        self._compress = Compression(settings)
        self._half = settings.window_samples // 2
        # The number of frames at the start of a part of a sound that lack samples before it.
        self._cut = -(-self._half // settings.hop_samples)
        self._held = np.empty(0, dtype=np.float32)
        self._held_from = 0
        """The number of the frame that is centred on the first sample held."""
        self._done = 0

    def push(self, samples: Array) -> Array:
        """Take (samples,) float32 and return the frames that they complete, (frames, mel_bands) float32.

        Raises WaveformError for samples that `log_mel` refuses.
        """
        check_samples(samples)
        self._held = np.concatenate([self._held, samples])
        complete = self._held_from + (len(self._held) - self._half) // self._settings.hop_samples + 1
        if complete <= self._done:
            return np.empty((0, self._settings.mel_bands), dtype=np.float32)
        frames = self._magnitudes()[self._done - self._held_from : complete - self._held_from]
        self._compress(frames)
        held_from = max(0, complete - self._cut)
        self._held = self._held[(held_from - self._held_from) * self._settings.hop_samples :].copy()
        self._held_from, self._done = held_from, complete
        return frames

    def finish(self) -> Array:
        """End the sound and return the rest of its frames, so that there are 1 + samples // hop in all.

        Raises WaveformError where no sample was pushed.
        """
        frames = self._magnitudes()[self._done - self._held_from :]
        self._compress(frames)
        return frames

    def _magnitudes(self) -> Array:
        return log_mel(self._held, self._settings, _as_they_are)


def _as_they_are(frames: Array) -> None:
    del frames
