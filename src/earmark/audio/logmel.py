"""The log-mel front end: mono blocks in, frames out, streaming.

A frame is the magnitude spectrum of one Hann window, through mel filters, compressed by
log10(1 + compression * x) (method section 2). The numbers are librosa's to 1e-5, with its present defaults: a
periodic window, frames centred on multiples of the hop, zeros before and after the sound.

The work is always done in blocks of `BLOCK_FRAMES` frames counted from the start of the sound, whatever was
pushed; the last block is filled up with zeros. So a frame has the same bits however the sound arrived.

Choice: the transform is done in float64. With numpy 2.4's FFT on an AMD EPYC that took 1.75 µs a frame every
time, float32 2.1 or 8 µs from one run to the next. It is what librosa does, numpy before 2.0 has no other,
and very small (subnormal) samples, as at the end of a fade, hardly slow it down.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from earmark.audio.level import RunningLevel
from earmark.audio.mel import BandedFilters, slaney_filters
from earmark.errors import WaveformError

BLOCK_FRAMES = 256
LARGEST_SAMPLE = 1e30
"""Beyond this the float32 numbers after the transform could overflow; sound is within 1."""


@dataclass(frozen=True)
class LogMelSettings:
    """What a log-mel front end computes; the defaults are the paper's (method section 2).

    Raises WaveformError where the settings describe no front end.
    """

    rate_hz: int = 22_050
    window_samples: int = 1024
    hop_samples: int = 512
    mel_bands: int = 128
    low_hz: float = 0.0
    high_hz: float = 11_025.0
    compression: float = 10.0
    level_seconds: float = field(default=0.0, metadata={"optional": True})
    """Every frame is brought to one level by the mean of about so many seconds before it (`level.RunningLevel`), so
    that loudness changes nothing; 0: frames are as loud as the sound."""

    def __post_init__(self) -> None:
        for name in ("rate_hz", "window_samples", "hop_samples", "mel_bands"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise WaveformError(f"{name} is {value!r}; it has to be a whole number of at least 1.")
        if self.window_samples % 2:
            raise WaveformError(f"window_samples is {self.window_samples}; centred frames need it even.")
        if not 0.0 <= self.low_hz < self.high_hz <= self.rate_hz / 2:
            raise WaveformError(
                f"The mel bands go from {self.low_hz} to {self.high_hz} Hz; they have to rise, and lie "
                f"within 0 and {self.rate_hz / 2} Hz, half the rate."
            )
        if not (math.isfinite(self.compression) and self.compression > 0.0):
            raise WaveformError(f"compression is {self.compression}; it has to be finite and above 0.")
        if not (math.isfinite(self.level_seconds) and self.level_seconds >= 0.0):
            raise WaveformError(f"level_seconds is {self.level_seconds}; it has to be finite, and 0 or more.")

    @property
    def hop_seconds(self) -> float:
        """The time from one frame to the next."""
        return self.hop_samples / self.rate_hz

    @property
    def bins(self) -> int:
        """The number of frequency bins of a frame before the mel filters."""
        return self.window_samples // 2 + 1

    def frames(self, samples: int) -> int:
        """The number of frames that a sound of so many samples (at least 1) has."""
        return 1 + samples // self.hop_samples


def mel_filters(settings: LogMelSettings) -> npt.NDArray[np.float32]:
    """Make the mel filters of these settings: Slaney's scale and area norm (method section 2).

    Returns (mel_bands, bins) float32, 1/Hz. Raises WaveformError where a band is too narrow to hold a bin.
    """
    return slaney_filters(
        settings.rate_hz, settings.window_samples, settings.mel_bands, settings.low_hz, settings.high_hz
    )


class Compression:
    """The front end's last step, on frames in order: to one level where the settings want it, then the logarithm."""

    def __init__(self, settings: LogMelSettings) -> None:
        self._level = RunningLevel(settings.level_seconds / settings.hop_seconds) if settings.level_seconds else None

    def __call__(self, frames: npt.NDArray[np.float32]) -> None:
        """Compress the next frames in place: (frames, mel_bands), `compression` times their magnitudes."""
        if self._level is not None:
            frames *= self._level.gains(frames.mean(axis=1))[:, np.newaxis]
        frames += np.float32(1.0)
        np.log10(frames, out=frames)


class LogMel:
    """A stream from samples to log-mel frames, for one sound.

    Push mono blocks of any sizes, then finish; the rows of all answers together are the frames, exactly the
    same for any sizes. Memory is constant: one block of `BLOCK_FRAMES` frames and its spectrum, about 6 MB.

    Departure: rows are frames, (frames, mel_bands); the papers and librosa have (mel_bands, frames).
    """

    def __init__(
        self,
        settings: LogMelSettings = LogMelSettings(),
        compress: Callable[[npt.NDArray[np.float32]], None] | None = None,
    ) -> None:
        """`compress`: done to the frames of every block, in place, instead of the settings' own compression."""
        self.settings = settings
        self._compress = Compression(settings) if compress is None else compress
        window, hop = settings.window_samples, settings.hop_samples
        self._filters = BandedFilters(mel_filters(settings) * np.float32(settings.compression))
        self._window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(window) / window)
        self._advance = BLOCK_FRAMES * hop
        # A hop longer than the window leaves samples after the block's last frame that no frame needs.
        self._block = np.zeros(max(self._advance - hop + window, self._advance), dtype=np.float32)
        self._frames = np.lib.stride_tricks.sliding_window_view(self._block, window)[::hop]
        self._windowed = np.empty((BLOCK_FRAMES, window), dtype=np.float64)
        self._spectrum = np.empty((BLOCK_FRAMES, settings.bins), dtype=np.complex64)
        self._magnitudes = np.empty((BLOCK_FRAMES, settings.bins), dtype=np.float32)
        self._filled = window // 2  # the zeros before the sound
        self._samples = 0
        self._frames_done = 0
        self._finished = False

    def push(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Take the next samples and return the frames that they complete.

        `samples`: (samples,) float32 at the settings' rate, nominally -1 to 1, finite; may be empty.
        Returns (frames, mel_bands) float32, log10(1 + compression * x), at least 0; often no rows, otherwise
        a multiple of `BLOCK_FRAMES`.
        Raises WaveformError for anything else, and after `finish`; the stream is then as before the call.
        """
        self._refuse_finished()
        check_samples(samples)
        self._samples += samples.shape[0]
        return self._append(samples)

    def finish(self) -> npt.NDArray[np.float32]:
        """End the sound and return the rest of its frames, so that there are 1 + samples // hop in all.

        Returns (frames, mel_bands) float32.
        Raises WaveformError where no sample was pushed, and when called twice.
        """
        self._refuse_finished()
        if self._samples == 0:
            raise WaveformError("The sound has no samples; at least 1 is needed to make a frame.")
        self._finished = True
        frames = self._append(np.zeros(self.settings.window_samples // 2, dtype=np.float32))
        rest = self.settings.frames(self._samples) - self._frames_done
        if rest == 0:
            return frames
        self._block[self._filled :] = 0.0
        last = np.empty((BLOCK_FRAMES, self.settings.mel_bands), dtype=np.float32)
        self._compute(last)
        return np.concatenate([frames, last[:rest]])

    def _refuse_finished(self) -> None:
        if self._finished:
            raise WaveformError("This LogMel is finished; make a new one for the next sound.")

    def _append(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        size, kept = self._block.shape[0], self._block.shape[0] - self._advance
        total = self._filled + samples.shape[0]
        blocks = 0 if total < size else (total - size) // self._advance + 1
        frames = np.empty((blocks * BLOCK_FRAMES, self.settings.mel_bands), dtype=np.float32)
        taken = 0
        for block in range(blocks):
            self._block[self._filled :] = samples[taken : taken + size - self._filled]
            taken += size - self._filled
            self._compute(frames[block * BLOCK_FRAMES : (block + 1) * BLOCK_FRAMES])
            self._block[:kept] = self._block[self._advance :]
            self._filled = kept
        left = samples.shape[0] - taken
        self._block[self._filled : self._filled + left] = samples[taken:]
        self._filled += left
        self._frames_done += frames.shape[0]
        return frames

    def _compute(self, out: npt.NDArray[np.float32]) -> None:
        """Write the frames of the full block into `out` (BLOCK_FRAMES, mel_bands)."""
        np.multiply(self._frames, self._window, out=self._windowed)
        # The copy to complex64 pays: with it the absolute values take 0.3 µs a frame, of complex128 0.5.
        self._spectrum[:] = np.fft.rfft(self._windowed)
        np.abs(self._spectrum, out=self._magnitudes)
        self._filters.apply(self._magnitudes, out)
        self._compress(out)


def log_mel(
    samples: npt.NDArray[np.float32],
    settings: LogMelSettings = LogMelSettings(),
    compress: Callable[[npt.NDArray[np.float32]], None] | None = None,
) -> npt.NDArray[np.float32]:
    """Compute the log-mel frames of a whole sound, through the same code as the stream.

    `samples`: (samples,) float32 at the settings' rate, nominally -1 to 1, finite, at least 1. `compress`: as `LogMel`
    has it. Returns (1 + samples // hop, mel_bands) float32. Raises WaveformError for anything else.
    """
    stream = LogMel(settings, compress)
    frames = stream.push(samples)
    rest = stream.finish()
    return np.concatenate([frames, rest])


def check_samples(samples: npt.NDArray[np.float32]) -> None:
    """Raise WaveformError unless `samples` is a (samples,) float32 array of finite values; may be empty."""
    if not isinstance(samples, np.ndarray):
        raise WaveformError(f"Samples came as {type(samples).__name__}; a numpy float32 array is needed.")
    if samples.ndim != 1:
        raise WaveformError(
            f"Samples have the shape {samples.shape}; mono samples of shape (samples,) are needed. "
            "Take the mean of the channels first."
        )
    if samples.dtype != np.float32:
        raise WaveformError(f"Samples are {samples.dtype}; float32 from -1 to 1 is needed.")
    if samples.size and not (samples.min() >= -LARGEST_SAMPLE and samples.max() <= LARGEST_SAMPLE):
        raise WaveformError(
            f"Samples hold NaN, infinity or values beyond {LARGEST_SAMPLE:g}; finite values, nominally from "
            "-1 to 1, are needed. Check how the sound was decoded or computed."
        )
