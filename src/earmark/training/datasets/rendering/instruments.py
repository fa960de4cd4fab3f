"""Four instruments, a pad and a bass by additive synthesis: from a pitch to a note's samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.training.datasets.rendering.plan import Instrument

Samples = npt.NDArray[np.float32]
_HIGHEST_SHARE = 0.45
"""Partials above this share of the rate are left out, so that nothing folds back."""


@dataclass(frozen=True)
class Character:
    """How this track's specimen of an instrument differs from others; every field lies in 0..1."""

    brightness: float
    decay: float
    vibrato: float
    blend: float


def draw_character(rng: np.random.Generator) -> Character:
    """Return a random specimen."""
    return Character(*(float(value) for value in rng.random(4)))


def pluck(hz: float, seconds: float, rate_hz: int, character: Character, rng: np.random.Generator) -> Samples:
    """Return a plucked string: harmonics that die the faster the higher they are."""
    cycles = _cycles(hz, max(seconds, 0.6), rate_hz, rng)
    position = 0.12 + 0.3 * character.blend
    slope = 1.5 - 0.6 * character.brightness
    levels = [abs(np.sin(np.pi * k * position)) / k**slope for k in range(1, 15)]
    decay = 1.5 + 3.0 * character.decay
    tone = _harmonics(cycles, levels, hz, rate_hz, decays=[decay * (1 + 0.3 * k) for k in range(len(levels))])
    return _shaped(tone, rate_hz, 0.002, 0.03)


def flute(hz: float, seconds: float, rate_hz: int, character: Character, rng: np.random.Generator) -> Samples:
    """Return a flute-like tone: few harmonics, vibrato that sets in late, and breath."""
    cycles = _cycles(hz, seconds, rate_hz, rng)
    time = np.arange(cycles.size) / rate_hz
    depth = (0.001 + 0.004 * character.vibrato) * np.minimum(time / 0.4, 1.0)
    speed = 4.5 + 1.5 * character.blend
    cycles = cycles + depth * hz / speed * np.sin(2 * np.pi * speed * time)
    levels = [1.0, 0.15 + 0.3 * character.brightness, 0.05 + 0.15 * character.brightness, 0.03]
    breath = rng.standard_normal(cycles.size, dtype=np.float32)
    breath[1:] += breath[:-1]
    tone = _harmonics(cycles, levels, hz, rate_hz) + np.float32(0.015 + 0.03 * character.decay) * breath
    return _shaped(tone, rate_hz, 0.05, 0.06)


def organ(hz: float, seconds: float, rate_hz: int, character: Character, rng: np.random.Generator) -> Samples:
    """Return an organ tone: drawbars that stay as loud as they begin."""
    mix = character.blend
    levels = [0.8, 0.9 * mix + 0.1, 0.7, 0.6 * (1 - mix), 0.0, 0.45 * character.brightness, 0.0, 0.4]
    tone = _harmonics(_cycles(hz, seconds, rate_hz, rng), levels, hz, rate_hz)
    return _shaped(tone, rate_hz, 0.008, 0.02)


def bells(hz: float, seconds: float, rate_hz: int, character: Character, rng: np.random.Generator) -> Samples:
    """Return a bell: partials that are no multiples of the lowest, ringing on after the note."""
    cycles = _cycles(hz, max(seconds, 1.3), rate_hz, rng)
    seconds_since = (np.arange(cycles.size) / rate_hz).astype(np.float32)
    decay = 1.8 + 2.0 * character.decay
    stretch = 0.97 + 0.06 * character.blend
    tone = np.zeros(cycles.size, dtype=np.float32)
    for ratio, level in ((1.0, 1.0), (2.76, 0.5), (5.40, 0.3), (8.93, 0.15 * (1 + character.brightness))):
        ratio = 1.0 + (ratio - 1.0) * stretch
        if ratio * hz < _HIGHEST_SHARE * rate_hz:
            envelope = np.exp(np.float32(-decay * ratio**0.7) * seconds_since)
            tone += np.float32(level) * envelope * np.sin(_angle(ratio * cycles))
    return _shaped(tone, rate_hz, 0.002, 0.05)


def pad(hz: float, seconds: float, rate_hz: int, character: Character, rng: np.random.Generator) -> Samples:
    """Return a pad tone, which carries chords and is no tag: two soft sawtooths, detuned, that swell."""
    slope = 2.4 - 1.3 * character.brightness
    levels = [1 / k**slope for k in range(1, 13)]
    tone = np.zeros(1, dtype=np.float32)
    for cents in (-4 - 6 * character.blend, 4 + 6 * character.blend):
        detuned = hz * 2 ** (cents / 1200)
        cycles = _cycles(detuned, seconds, rate_hz, rng)
        tone = tone + _harmonics(cycles, levels, detuned, rate_hz)
    return _shaped(tone, rate_hz, 0.06 + 0.15 * character.decay, 0.08)


def bass(hz: float, seconds: float, rate_hz: int, character: Character, rng: np.random.Generator) -> Samples:
    """Return a bass tone, which is no tag: a few harmonics that die slowly."""
    levels = [1.0, 0.4 * character.brightness + 0.1, 0.2 * character.brightness]
    tone = _harmonics(_cycles(hz, seconds, rate_hz, rng), levels, hz, rate_hz, decays=[2.0, 3.0, 5.0])
    return _shaped(tone, rate_hz, 0.006, 0.04)


Synthesis = Callable[[float, float, int, Character, np.random.Generator], Samples]
INSTRUMENT_SYNTHESIS: Mapping[Instrument, Synthesis] = {
    "pluck": pluck,
    "flute": flute,
    "organ": organ,
    "bells": bells,
}


def _cycles(hz: float, seconds: float, rate_hz: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return the phase in cycles, (samples,), from a random one on."""
    turns = np.arange(max(1, round(seconds * rate_hz)), dtype=np.float64) * (hz / rate_hz)
    return turns + rng.random()


def _angle(cycles: npt.NDArray[np.float64]) -> Samples:
    """Return the phase in radians of one turn; taken to one turn before float32 loses its fraction."""
    return ((cycles - np.floor(cycles)) * (2 * np.pi)).astype(np.float32)


def _harmonics(
    cycles: npt.NDArray[np.float64],
    levels: Sequence[float],
    hz: float,
    rate_hz: int,
    decays: Sequence[float] | None = None,
) -> Samples:
    """Return the sum of harmonics at these levels, each dying at its rate a second; every sine by recursion.

    sin(kθ) = 2 cos θ sin((k-1)θ) - sin((k-2)θ), which is several times faster than a sine each.
    """
    angle = _angle(cycles)
    twice_cosine = np.float32(2) * np.cos(angle)
    sine, before = np.sin(angle), np.zeros_like(angle)
    seconds_since = (np.arange(cycles.size) / rate_hz).astype(np.float32)
    tone = np.zeros_like(angle)
    for index, level in enumerate(levels):
        if (index + 1) * hz > _HIGHEST_SHARE * rate_hz:
            break
        if level:
            partial = np.float32(level) * sine
            tone += partial * np.exp(np.float32(-decays[index]) * seconds_since) if decays else partial
        sine, before = twice_cosine * sine - before, sine
    return tone


def _shaped(tone: Samples, rate_hz: int, attack_seconds: float, release_seconds: float) -> Samples:
    """Return a tone with rise and fall, and a root mean square of 0.2 in its loudest third of a second."""
    attack = min(tone.size, max(1, round(attack_seconds * rate_hz)))
    release = min(tone.size, max(1, round(release_seconds * rate_hz)))
    tone[:attack] *= np.linspace(0, 1, attack, dtype=np.float32)
    tone[-release:] *= np.linspace(1, 0, release, dtype=np.float32)
    block = min(tone.size, rate_hz // 3)
    power = np.square(tone[: tone.size // block * block]).reshape(-1, block).mean(axis=1).max()
    scaled: Samples = tone * np.float32(0.2 / max(float(np.sqrt(power)), 1e-6))
    return scaled
