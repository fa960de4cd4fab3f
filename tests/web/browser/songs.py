"""Sounds with a plain course: plucked tones, then drums."""

import wave
from pathlib import Path

import numpy as np

RATE_HZ = 22_050
HALF_SECONDS = 10


def write_song(path: Path, seed: int) -> Path:
    """Twenty seconds: half of them plucked tones, half of them drums; every song has its own tones."""
    generator = np.random.default_rng(seed)
    samples = HALF_SECONDS * RATE_HZ
    halves = [_plucked(generator, samples), _drums(generator, samples)]
    song = np.concatenate(halves if seed % 2 == 0 else halves[::-1])
    return _write(path, song)


def write_short(path: Path, seconds: float, seed: int) -> Path:
    """A few seconds of noise that dies away again and again."""
    generator = np.random.default_rng(seed)
    samples = generator.normal(0, 0.2, round(seconds * RATE_HZ)) * np.exp(
        -(np.arange(round(seconds * RATE_HZ)) % 5_000) / 1_000
    )
    return _write(path, samples)


def _write(path: Path, samples: np.ndarray) -> Path:
    """Write a WAV file that is as loud as can be."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((samples / np.abs(samples).max() * 30_000).astype("<i2").tobytes())
    return path


def _plucked(generator: np.random.Generator, samples: int) -> np.ndarray:
    """A tone every half second, with overtones that die away."""
    sound = np.zeros(samples)
    seconds = np.arange(2 * RATE_HZ) / RATE_HZ
    for start in range(0, len(sound) - len(seconds), RATE_HZ // 2):
        pitch = 220.0 * 2.0 ** (generator.choice([0, 3, 5, 7, 10, 12]) / 12)
        tone = sum(np.sin(2 * np.pi * pitch * part * seconds) / part**1.5 for part in range(1, 8))
        sound[start : start + len(seconds)] += tone * np.exp(-3.0 * seconds)
    return sound


def _drums(generator: np.random.Generator, samples: int) -> np.ndarray:
    """A beat of noise four times a second, every other one on a low thump."""
    sound = np.zeros(samples)
    seconds = np.arange(RATE_HZ // 5) / RATE_HZ
    for beat, start in enumerate(range(0, len(sound) - len(seconds), RATE_HZ // 4)):
        hit = generator.normal(0, 0.6, len(seconds)) * np.exp(-30.0 * seconds)
        if beat % 2 == 0:
            hit += 2.0 * np.sin(2 * np.pi * 60.0 * seconds) * np.exp(-12.0 * seconds)
        sound[start : start + len(seconds)] += hit
    return sound
