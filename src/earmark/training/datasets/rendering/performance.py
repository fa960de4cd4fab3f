"""From a score to sound: a drum kit, instruments by additive synthesis, and the room that they are played in."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from earmark.training.datasets.rendering.composition import BEATS_A_BAR, Line, Score
from earmark.training.datasets.rendering.plan import Instrument

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Kit:
    """The drum sounds of one track, each (samples,) float32."""

    kick: Samples
    snare: Samples
    hat: Samples


def draw_kit(rate_hz: int, rng: np.random.Generator) -> Kit:
    """Return a random kit: a falling sine, noise over a short tone, and bright noise."""
    time = np.arange(round(0.35 * rate_hz)) / rate_hz
    low, fall, length = rng.uniform(42, 60), rng.uniform(60, 140), rng.uniform(7, 14)
    kick = np.exp(-length * time) * np.sin(2 * np.pi * (low * time + fall / 30 * (1 - np.exp(-30 * time))))
    body = np.exp(-25 * time) * np.sin(2 * np.pi * rng.uniform(160, 230) * time)
    rattle = np.exp(-rng.uniform(12, 25) * time) * rng.standard_normal(time.size)
    snare = 0.5 * body + rng.uniform(0.25, 0.45) * rattle
    hiss = np.diff(rng.standard_normal(time.size + 2), n=2)
    hat = 0.12 * np.exp(-rng.uniform(30, 70) * time) * hiss
    gains = rng.uniform(0.8, 1.2, 3)
    sounds = (gain * sound for gain, sound in zip(gains, (kick, snare, hat), strict=True))
    return Kit(*(sound.astype(np.float32) for sound in sounds))


_HIGHEST_SHARE = 0.45
"""Partials above this share of the rate are left out, so that nothing folds back."""


@dataclass(frozen=True)
class Character:
    """The properties of one track's specimen of an instrument; every field lies in 0..1."""

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
    """Return the sum of harmonics at these levels, each with its own decay per second.

    The recursion sin(kθ) = 2 cos θ sin((k-1)θ) - sin((k-2)θ) is several times faster than a sine for each.
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


_ECHOES = 16


@dataclass(frozen=True)
class Room:
    """A room: echoes, tone, noise and level.

    `echoes` are delays in samples and gains. `tilt` lies in -0.5..0.5: below 0 is brighter, above 0 duller.
    """

    echoes: tuple[tuple[int, float], ...]
    tilt: float
    noise_decibels: float
    peak_decibels: float


def draw_room(rate_hz: int, rng: np.random.Generator) -> Room:
    """Return a random room: from dry to an echo that dies in a second."""
    decay_seconds, wet = rng.uniform(0.15, 1.0), rng.uniform(0.0, 0.5)
    delays = np.sort(rng.uniform(0.011, decay_seconds, _ECHOES))
    gains = wet * rng.choice((-1.0, 1.0), _ECHOES) * 10 ** (-2.0 * delays / decay_seconds)
    return Room(
        echoes=tuple((round(float(d) * rate_hz), float(g)) for d, g in zip(delays, gains, strict=True)),
        tilt=float(rng.uniform(-0.4, 0.4)),
        noise_decibels=float(rng.uniform(-75, -48)),
        peak_decibels=float(rng.uniform(-14, -1)),
    )


def place(samples: Samples, room: Room, rng: np.random.Generator) -> Samples:
    """Return the sound as recorded in a room, (samples,), with its peak at the room's level.

    Echoes are a few scattered taps of random sign, which are far cheaper than a convolution.
    """
    heard = samples.copy()
    for delay, gain in room.echoes:
        if 0 < delay < samples.size:
            heard[delay:] += np.float32(gain) * samples[:-delay]
    heard[1:] += np.float32(room.tilt) * heard[:-1].copy()
    heard /= np.float32(max(float(np.abs(heard).max()), 1e-6))
    heard += np.float32(10 ** (room.noise_decibels / 20)) * rng.standard_normal(heard.size, dtype=np.float32)
    peak = 10 ** (room.peak_decibels / 20)
    heard *= np.float32(peak / max(float(np.abs(heard).max()), 1e-6))
    return heard


_LATENESS_SECONDS = 0.006
"""The deviation of a player's timing."""


def perform(score: Score, rate_hz: int, rng: np.random.Generator) -> Samples:
    """Return a score as sound, (samples,) float32 within -1..1."""
    mix = np.zeros(round(score.seconds * rate_hz), dtype=np.float32)
    _play_pad(mix, score, rate_hz, rng)
    _play_bass(mix, score, rate_hz, rng)
    for line in score.lines:
        _play_line(mix, line, score, rate_hz, rng)
    if score.drums.kick:
        _play_drums(mix, score, rate_hz, rng)
    mix *= score.form.gain(mix.size, rate_hz)
    return place(mix, draw_room(rate_hz, rng), rng)


class _Player:
    """One instrument at one rate; it plays a note that it has played before from memory."""

    def __init__(self, play: Synthesis, character: Character, rate_hz: int, rng: np.random.Generator) -> None:
        self._play, self._character, self._rate_hz, self._rng = play, character, rate_hz, rng
        self._played: dict[tuple[float, float], Samples] = {}

    def note(self, hz: float, seconds: float) -> Samples:
        key = (hz, seconds)
        if key not in self._played:
            self._played[key] = self._play(hz, seconds, self._rate_hz, self._character, self._rng)
        return self._played[key]


def _add(mix: Samples, sound: Samples, start_seconds: float, rate_hz: int, gain: float) -> None:
    start = max(0, round(start_seconds * rate_hz))
    heard = sound[: max(0, mix.size - start)]
    mix[start : start + heard.size] += np.float32(gain) * heard


def _play_pad(mix: Samples, score: Score, rate_hz: int, rng: np.random.Generator) -> None:
    gain, drawn = float(rng.uniform(0.2, 0.45)), draw_character(rng)
    players = {
        texture: _Player(pad, replace(drawn, brightness=texture.brightness), rate_hz, rng)
        for texture in dict.fromkeys((score.form.before, score.form.after))
    }
    # Chords change every half bar, since a whole bar of a slow track would hide its tempo.
    step = BEATS_A_BAR / 2
    for index in range(math.ceil(score.seconds / (step * score.beat_seconds))):
        start = index * step * score.beat_seconds
        texture = score.form.texture(start)
        for semitone in score.chord(int(index * step) // BEATS_A_BAR).semitones:
            hz = score.hz(score.tonic + 12 * texture.octave + semitone)
            _add(mix, players[texture].note(hz, step * score.beat_seconds), start, rate_hz, gain)


def _play_bass(mix: Samples, score: Score, rate_hz: int, rng: np.random.Generator) -> None:
    gain = float(rng.uniform(0.4, 0.9))
    player = _Player(bass, draw_character(rng), rate_hz, rng)
    beat = 0.0
    while (start := beat * score.beat_seconds) < score.seconds:
        beats = score.form.texture(start).bass_beats
        hz = score.hz(score.tonic - 12 + score.chord(int(beat) // BEATS_A_BAR).root)
        _add(mix, player.note(hz, 0.9 * beats * score.beat_seconds), start, rate_hz, gain)
        beat += beats


def _play_line(mix: Samples, line: Line, score: Score, rate_hz: int, rng: np.random.Generator) -> None:
    player = _Player(INSTRUMENT_SYNTHESIS[line.instrument], draw_character(rng), rate_hz, rng)
    for notes in line.stretches:
        for note in notes:
            sound = player.note(score.hz(note.pitch), note.beats * score.beat_seconds)
            start = note.beat * score.beat_seconds + rng.normal(0, _LATENESS_SECONDS)
            _add(mix, sound, start, rate_hz, note.loudness)


def _play_drums(mix: Samples, score: Score, rate_hz: int, rng: np.random.Generator) -> None:
    gain = float(rng.uniform(0.5, 1.0))
    kit = draw_kit(rate_hz, rng)
    hits = ((kit.kick, score.drums.kick), (kit.snare, score.drums.snare), (kit.hat, score.drums.hat))
    for bar in range(math.ceil(score.seconds / (BEATS_A_BAR * score.beat_seconds))):
        for sound, beats in hits:
            for beat in beats:
                start = (bar * BEATS_A_BAR + beat) * score.beat_seconds
                if start >= score.drums_from_seconds - 1e-6:
                    late = rng.normal(0, _LATENESS_SECONDS / 2)
                    _add(mix, sound, start + late, rate_hz, gain * float(rng.uniform(0.85, 1.0)))
