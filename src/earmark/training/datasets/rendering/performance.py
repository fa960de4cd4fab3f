"""From a score to sound."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from earmark.training.datasets.rendering.drums import BEATS_A_BAR, draw_kit
from earmark.training.datasets.rendering.instruments import (
    INSTRUMENT_SYNTHESIS,
    Character,
    Synthesis,
    bass,
    draw_character,
    pad,
)
from earmark.training.datasets.rendering.room import draw_room, place
from earmark.training.datasets.rendering.score import Line, Score

Samples = npt.NDArray[np.float32]
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
    """One instrument at one rate, that plays a note it has played before from memory."""

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
    # Half bars, since a bar of a slow track is long enough to hide its tempo.
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
