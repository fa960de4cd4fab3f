"""Sounds that no model was made for: silence, a sine, noise, a jingle of a second, a telephone, a voice that reads."""

import io
import shutil
import subprocess

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from earmark.audio.waveform import Waveform

RATE_HZ = 22_050
TELEPHONE_HZ = 8_000
SECONDS = 20
NO_MUSIC = ("silence", "faint hum", "sine", "high sine", "white noise", "loud white noise")
"""Of these nothing can be said with confidence."""
ODD_SOUND = ("jingle of a second", "telephone", "speech")
"""Of these something may be said, and nothing may break."""


def out_of_world(name: str) -> Waveform:
    """Make one of the sounds of `NO_MUSIC` or `ODD_SOUND`; speech skips the test where espeak-ng is not installed."""
    generator = np.random.default_rng(0)
    noise = generator.standard_normal(SECONDS * RATE_HZ)
    makers = {
        "silence": lambda: Waveform(np.zeros(SECONDS * RATE_HZ, np.float32), RATE_HZ),
        "faint hum": lambda: _sound(0.001 * _sine(50.0) + 0.0002 * noise),
        "sine": lambda: _sound(0.25 * _sine(440.0)),
        "high sine": lambda: _sound(0.25 * _sine(3000.0)),
        "white noise": lambda: _sound(0.03 * noise),
        "loud white noise": lambda: _sound(np.clip(0.3 * noise, -1, 1)),
        "jingle of a second": lambda: _sound(_tune(RATE_HZ, 1.0)),
        "telephone": _telephone,
        "speech": _speech,
    }
    return makers[name]()


def _sound(samples: npt.NDArray[np.float64], rate_hz: int = RATE_HZ) -> Waveform:
    return Waveform(samples.astype(np.float32), rate_hz)


def _sine(pitch_hz: float) -> npt.NDArray[np.float64]:
    return np.sin(2 * np.pi * pitch_hz * np.arange(SECONDS * RATE_HZ) / RATE_HZ)


def _tune(rate_hz: int, seconds: float) -> npt.NDArray[np.float64]:
    """Plucked notes of a chord, four a second."""
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    samples = np.zeros(len(time))
    for number in range(int(4 * seconds)):
        pitch_hz = (261.6, 329.6, 392.0, 523.3)[number % 4]
        since = time - number / 4
        sounding = since >= 0
        tone = sum(np.sin(2 * np.pi * harmonic * pitch_hz * since) / harmonic for harmonic in (1, 2, 3))
        samples += np.where(sounding, tone * np.exp(-6 * np.maximum(since, 0)), 0.0)
    return 0.25 * samples


def _telephone() -> Waveform:
    """A tune as a telephone carries it: 8000 Hz, 300 to 3400 Hz, 8 bits on a logarithmic scale."""
    spectrum = np.fft.rfft(_tune(TELEPHONE_HZ, SECONDS))
    pitches_hz = np.fft.rfftfreq(SECONDS * TELEPHONE_HZ, 1 / TELEPHONE_HZ)
    spectrum[(pitches_hz < 300) | (pitches_hz > 3400)] = 0
    samples = np.clip(np.fft.irfft(spectrum, SECONDS * TELEPHONE_HZ), -1, 1)
    compressed = np.sign(samples) * np.log1p(255 * np.abs(samples)) / np.log(256)
    coarse = np.round(127 * compressed) / 127
    return _sound(np.sign(coarse) * np.expm1(np.abs(coarse) * np.log(256)) / 255, TELEPHONE_HZ)


def _speech() -> Waveform:
    program = shutil.which("espeak-ng")
    if program is None:
        pytest.skip("needs the program espeak-ng, a voice that reads, which is not installed")
    text = "The quick brown fox jumps over the lazy dog, and no one plays any music. " * 4
    done = subprocess.run([program, "--stdout", text], capture_output=True, check=True)
    samples, rate_hz = soundfile.read(io.BytesIO(done.stdout), dtype="float32")
    return Waveform(samples, rate_hz)
