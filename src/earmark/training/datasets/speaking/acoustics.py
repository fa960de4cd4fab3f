"""Effects on speech between speaker and listener: rooms, telephones, noise and other speakers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, fftconvolve, sosfilt

Sound = npt.NDArray[np.float32]

TELEPHONE_HZ = (300.0, 3400.0)
COMPANDING = 255.0
"""The constant of the mu-law, with which telephones encode a sample in 8 bits."""


def reverberate(sound: Sound, rate_hz: int, seconds: float, generator: np.random.Generator) -> Sound:
    """Add the echo of a random room that falls by 60 dB in `seconds`: (samples,), as long as the sound."""
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    echo = generator.standard_normal(len(time)) * 10.0 ** (-3.0 * time / seconds)
    direct_to_echo = 10.0 ** (generator.uniform(-6, 10) / 20)
    echo /= np.sqrt(np.sum(echo**2)) * direct_to_echo
    echo[0] += 1.0
    return np.asarray(fftconvolve(sound, echo)[: len(sound)], np.float32)


def telephone(sound: Sound, rate_hz: int) -> Sound:
    """Send a sound through a telephone: 300 to 3400 Hz, 8 bits by the mu-law."""
    filtered = limit_band(sound, rate_hz, *TELEPHONE_HZ)
    scaled = filtered / max(float(np.abs(filtered).max()), 1e-9)
    pressed = np.sign(scaled) * np.log1p(COMPANDING * np.abs(scaled)) / np.log1p(COMPANDING)
    stored = np.round(pressed * 127) / 127
    heard = np.sign(stored) * np.expm1(np.abs(stored) * np.log1p(COMPANDING)) / COMPANDING
    return limit_band(heard.astype(np.float32), rate_hz, *TELEPHONE_HZ)


def limit_band(sound: Sound, rate_hz: int, low_hz: float, high_hz: float) -> Sound:
    """Return a sound limited to the band between two frequencies."""
    sections = butter(4, (low_hz, high_hz), "bandpass", fs=rate_hz, output="sos")
    return np.asarray(sosfilt(sections, sound), np.float32)


def add_below(sound: Sound, other: Sound, decibels: float) -> Sound:
    """Add another sound, repeated or cut to the length of the first, at a power `decibels` below that of the first."""
    background = np.resize(other, len(sound))
    power, power_below = float(np.mean(np.square(sound))), float(np.mean(np.square(background)))
    if power_below == 0.0:
        return sound
    gain = np.sqrt(power / power_below) * 10.0 ** (-decibels / 20)
    return np.asarray(sound + gain * background, np.float32)


def bring_to_peak(sound: Sound, decibels: float) -> Sound:
    """Scale a sound so that its peak is `decibels` below full scale. Silence stays silence."""
    peak = float(np.abs(sound).max()) if sound.size else 0.0
    return sound if peak == 0.0 else np.asarray(sound * (10.0 ** (-decibels / 20) / peak), np.float32)
