"""The log-mel front end: a stream from mono samples to frames.

A frame is the magnitude spectrum of one Hann window, through mel filters, compressed by
log10(1 + compression * x) (method section 2). The numbers are those of librosa's present defaults to 1e-5: a periodic
window, frames centred on multiples of the hop, zeros before and after the sound. The mel scale is that of Slaney's
Auditory Toolbox: linear up to 1000 Hz (3 mel are 200 Hz) and logarithmic above (27 mel are a factor of 6.4).

The work is always done in blocks of `BLOCK_FRAMES` frames counted from the start of the sound, whatever was
pushed; the last block is filled up with zeros. So a frame has the same bits however the sound arrived.

Choice: the transform is computed in float64. With numpy 2.4's FFT on an AMD EPYC that took 1.75 µs a frame every
time, and float32 2.1 or 8 µs from one run to the next. librosa uses float64 too, numpy before 2.0 has nothing else,
and very small (subnormal) samples, as at the end of a fade, hardly slow it down.

Departure, where `level_seconds` is above 0: the papers take magnitudes as they are, which follow loudness. Here every
frame is multiplied by a gain that brings a running mean of magnitudes near a fixed level, so that quiet and loud
passages still differ within some seconds, but a quiet and a loud file do not. The mean looks back only, so that sound
can be streamed, and starts with the first frame's own. docs/RESULTS.md has what it changes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from earmark.errors import WaveformError

LEVEL = 3.0
"""Choice: the level of a frame's mean, in magnitudes times `compression`; a few times that of present-day music."""
LEAST = 1e-3
"""Choice: added to the running mean. The magnitudes of 16-bit silence are smaller, and are not amplified to music."""


class RunningLevel:
    """The gains that bring the frames of one sound, in order, to one level; the same however the frames are pushed."""

    def __init__(self, frames: float) -> None:
        """`frames`: the time constant of the running mean, in frames."""
        self._step = -math.expm1(-1.0 / frames)
        self._sum = 0.0
        self._weight = 0.0
        """Of all frames so far in `_sum`; 1 after many."""

    def gains(self, magnitudes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Take the mean magnitudes of the next frames, (frames,), and return the frames' gains, (frames,) float32."""
        gains = np.empty(len(magnitudes), np.float32)
        for place, magnitude in enumerate(magnitudes.tolist()):
            self._sum += self._step * (magnitude - self._sum)
            self._weight += self._step * (1.0 - self._weight)
            gains[place] = LEVEL / (self._sum / self._weight + LEAST)
        return gains


HZ_PER_MEL = 200.0 / 3.0
BREAK_HZ = 1000.0
BREAK_MEL = BREAK_HZ / HZ_PER_MEL
LOG_STEP = float(np.log(6.4)) / 27.0
BANDS_PER_GROUP = 16


def mel_from_hz(hz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Convert frequencies in Hz to Slaney mel.

    `hz`: any shape, Hz, at least 0. Returns the same shape, mel, float64.
    """
    frequencies = np.asarray(hz, dtype=np.float64)
    above = BREAK_MEL + np.log(np.maximum(frequencies, BREAK_HZ) / BREAK_HZ) / LOG_STEP
    return np.where(frequencies < BREAK_HZ, frequencies / HZ_PER_MEL, above)


def hz_from_mel(mel: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Convert Slaney mel to frequencies in Hz.

    `mel`: any shape, at least 0. Returns the same shape, Hz, float64.
    """
    mels = np.asarray(mel, dtype=np.float64)
    above = BREAK_HZ * np.exp(LOG_STEP * (np.maximum(mels, BREAK_MEL) - BREAK_MEL))
    return np.where(mels < BREAK_MEL, mels * HZ_PER_MEL, above)


def slaney_filters(
    rate_hz: int, window_samples: int, mel_bands: int, low_hz: float, high_hz: float
) -> npt.NDArray[np.float32]:
    """Return triangular filters of equal area, evenly spaced in Slaney mel (method section 2).

    Returns (mel_bands, bins) float32, 1/Hz, at least 0, with bins = window_samples // 2 + 1. The arguments are those of
    `LogMelSettings`, which checks them.

    Choice: a filter so narrow that it holds no bin is refused; librosa only warns, and the band would always be silent.

    Raises WaveformError where a filter holds no bin.
    """
    bins_hz = np.fft.rfftfreq(window_samples, 1.0 / rate_hz)
    lowest, highest = mel_from_hz([low_hz, high_hz])
    edges_hz = hz_from_mel(np.linspace(lowest, highest, mel_bands + 2))
    widths_hz = np.diff(edges_hz)[:, None]
    distances_hz = edges_hz[:, None] - bins_hz
    rising = -distances_hz[:-2] / widths_hz[:-1]
    falling = distances_hz[2:] / widths_hz[1:]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    empty = np.flatnonzero(~triangles.any(axis=1))
    if empty.size:
        raise WaveformError(
            f"{empty.size} of {mel_bands} mel bands, first band {empty[0]}, hold no frequency bin: at "
            f"{rate_hz} Hz a window of {window_samples} samples has one every "
            f"{rate_hz / window_samples:.1f} Hz. Take fewer bands or a longer window."
        )
    return np.asarray(triangles * (2.0 / (edges_hz[2:] - edges_hz[:-2]))[:, None], dtype=np.float32)


class BandedFilters:
    """Filters applied as several small matrix products, each over the bins that its bands touch.

    A bin lies in two bands at most, so one product over all bins multiplies mostly zeros and takes six times as long.
    """

    def __init__(self, filters: npt.NDArray[np.float32]) -> None:
        """`filters`: (mel_bands, bins) float32; every row has a value that is not zero."""
        self._groups: list[tuple[slice, slice, npt.NDArray[np.float32]]] = []
        for start in range(0, filters.shape[0], BANDS_PER_GROUP):
            bands = slice(start, min(start + BANDS_PER_GROUP, filters.shape[0]))
            touched = np.flatnonzero(filters[bands].any(axis=0))
            bins = slice(int(touched[0]), int(touched[-1]) + 1)
            self._groups.append((bands, bins, np.ascontiguousarray(filters[bands, bins].T)))

    def apply(self, magnitudes: npt.NDArray[np.float32], out: npt.NDArray[np.float32]) -> None:
        """Write the filtered `magnitudes` (frames, bins) into `out` (frames, mel_bands), both float32."""
        for bands, bins, weights in self._groups:
            np.matmul(magnitudes[:, bins], weights, out=out[:, bands])


BLOCK_FRAMES = 256
LARGEST_SAMPLE = 1e30
"""The largest sample, since larger ones could overflow float32 after the transform; sound is within 1."""


@dataclass(frozen=True)
class LogMelSettings:
    """The settings of a log-mel front end; the defaults are the paper's (method section 2).

    Raises WaveformError where no front end can have these settings.
    """

    rate_hz: int = 22_050
    window_samples: int = 1024
    hop_samples: int = 512
    mel_bands: int = 128
    low_hz: float = 0.0
    high_hz: float = 11_025.0
    compression: float = 10.0
    level_seconds: float = field(default=0.0, metadata={"optional": True})
    """The time constant of the running mean that brings every frame to one level (`RunningLevel`), so that loudness
    changes nothing; 0: frames keep the loudness of the sound.
    """

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
        """The number of frequency bins of a frame, before the mel filters."""
        return self.window_samples // 2 + 1

    def frames(self, samples: int) -> int:
        """Return the number of frames of a sound of so many samples (at least 1)."""
        return 1 + samples // self.hop_samples


def mel_filters(settings: LogMelSettings) -> npt.NDArray[np.float32]:
    """Return the mel filters of these settings: Slaney's scale and area norm (method section 2).

    Returns (mel_bands, bins) float32, 1/Hz. Raises WaveformError where a band is too narrow to hold a bin.
    """
    return slaney_filters(
        settings.rate_hz, settings.window_samples, settings.mel_bands, settings.low_hz, settings.high_hz
    )


class Compression:
    """The last step of the front end on frames in order: bring them to one level if wanted, then take the logarithm."""

    def __init__(self, settings: LogMelSettings) -> None:
        self._level = RunningLevel(settings.level_seconds / settings.hop_seconds) if settings.level_seconds else None

    def __call__(self, frames: npt.NDArray[np.float32]) -> None:
        """Compress the next frames in place: (frames, mel_bands), `compression` times their magnitudes."""
        if self._level is not None:
            frames *= self._level.gains(frames.mean(axis=1))[:, np.newaxis]
        frames += np.float32(1.0)
        np.log10(frames, out=frames)


class LogMel:
    """A stream from the samples of one sound to its log-mel frames.

    Push mono blocks of any sizes, then finish; the returned rows together are the frames, exactly the same for any
    sizes. Memory is constant: one block of `BLOCK_FRAMES` frames and its spectrum, about 6 MB.

    Departure: rows are frames, (frames, mel_bands); the papers and librosa have (mel_bands, frames).
    """

    def __init__(
        self,
        settings: LogMelSettings = LogMelSettings(),
        compress: Callable[[npt.NDArray[np.float32]], None] | None = None,
    ) -> None:
        """`compress`: applied in place to the frames of every block, instead of the settings' own compression."""
        self.settings = settings
        self._compress = Compression(settings) if compress is None else compress
        window, hop = settings.window_samples, settings.hop_samples
        self._filters = BandedFilters(mel_filters(settings) * np.float32(settings.compression))
        self._window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(window) / window)
        self._advance = BLOCK_FRAMES * hop
        # Where the hop is longer than the window, no frame needs the last samples of the block.
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

        `samples`: (samples,) float32 at the settings' rate, nominally -1 to 1, finite; may be empty. Returns (frames,
        mel_bands) float32, log10(1 + compression * x), at least 0; often no rows, otherwise a multiple of
        `BLOCK_FRAMES`.

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
        # The copy to complex64 saves time: absolute values take 0.3 µs a frame, and 0.5 µs from complex128.
        self._spectrum[:] = np.fft.rfft(self._windowed)
        np.abs(self._spectrum, out=self._magnitudes)
        self._filters.apply(self._magnitudes, out)
        self._compress(out)


def log_mel(
    samples: npt.NDArray[np.float32],
    settings: LogMelSettings = LogMelSettings(),
    compress: Callable[[npt.NDArray[np.float32]], None] | None = None,
) -> npt.NDArray[np.float32]:
    """Return the log-mel frames of a whole sound, computed by the same code as the stream.

    `samples`: (samples,) float32 at the settings' rate, nominally -1 to 1, finite, at least 1. `compress`: see
    `LogMel`. Returns (1 + samples // hop, mel_bands) float32. Raises WaveformError for anything else.
    """
    stream = LogMel(settings, compress)
    frames = stream.push(samples)
    rest = stream.finish()
    return np.concatenate([frames, rest])


def check_samples(samples: npt.NDArray[np.float32]) -> None:
    """Raise WaveformError unless `samples` is a (samples,) float32 array of finite values; it may be empty.

    The values lie between -LARGEST_SAMPLE and LARGEST_SAMPLE.
    """
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

    def push(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
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

    def finish(self) -> npt.NDArray[np.float32]:
        """End the sound and return the rest of its frames, so that there are 1 + samples // hop in all.

        Raises WaveformError where no sample was pushed.
        """
        frames = self._magnitudes()[self._done - self._held_from :]
        self._compress(frames)
        return frames

    def _magnitudes(self) -> npt.NDArray[np.float32]:
        return log_mel(self._held, self._settings, _as_they_are)


def _as_they_are(frames: npt.NDArray[np.float32]) -> None:
    del frames
