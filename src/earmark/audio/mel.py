"""The mel scale of Slaney's Auditory Toolbox and its triangular filters, with the numbers of librosa.

The scale is a straight line up to 1000 Hz (3 mel are 200 Hz) and logarithmic above (27 mel are a factor of
6.4).
"""

import numpy as np
import numpy.typing as npt

from earmark.errors import WaveformError

HZ_PER_MEL = 200.0 / 3.0
BREAK_HZ = 1000.0
BREAK_MEL = BREAK_HZ / HZ_PER_MEL
LOG_STEP = float(np.log(6.4)) / 27.0
BANDS_PER_GROUP = 16


def mel_from_hz(hz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Turn frequencies in Hz into Slaney mel.

    `hz`: any shape, Hz, at least 0. Returns the same shape, mel, float64.
    """
    frequencies = np.asarray(hz, dtype=np.float64)
    above = BREAK_MEL + np.log(np.maximum(frequencies, BREAK_HZ) / BREAK_HZ) / LOG_STEP
    return np.where(frequencies < BREAK_HZ, frequencies / HZ_PER_MEL, above)


def hz_from_mel(mel: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Turn Slaney mel into frequencies in Hz.

    `mel`: any shape, at least 0. Returns the same shape, Hz, float64.
    """
    mels = np.asarray(mel, dtype=np.float64)
    above = BREAK_HZ * np.exp(LOG_STEP * (np.maximum(mels, BREAK_MEL) - BREAK_MEL))
    return np.where(mels < BREAK_MEL, mels * HZ_PER_MEL, above)


def slaney_filters(
    rate_hz: int, window_samples: int, mel_bands: int, low_hz: float, high_hz: float
) -> npt.NDArray[np.float32]:
    """Make triangular filters of equal area, evenly spaced in Slaney mel.

    Returns (mel_bands, bins) float32, 1/Hz, at least 0, with bins = window_samples // 2 + 1. The arguments
    are those of `LogMelSettings`, which checks them. Method section 2.

    Choice: a filter so narrow that it holds no bin is refused; librosa only warns, and the band would be
    silent for ever.

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
    """Filters as several small matrix products, each over the bins that its bands touch.

    A bin lies in two bands at most, so a whole product multiplies mostly zeros: six times as slow, measured.
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
