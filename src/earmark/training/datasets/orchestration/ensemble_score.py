"""A piece for an ensemble, drawn by a generator: chords with voice leading, figures, melodies, played as people do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from earmark.training.datasets.orchestration.instruments import Ensemble, Part
from earmark.training.datasets.orchestration.midi import DRUM_CHANNEL, MidiNote, midi_file

MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
PROGRESSIONS = (
    (0, 3, 4, 0, 5, 3, 4, 0),
    (0, 4, 5, 3, 0, 3, 4, 4),
    (0, 5, 3, 4, 0, 5, 1, 4),
    (5, 3, 0, 4, 5, 3, 4, 0),
    (0, 1, 4, 0, 3, 1, 4, 0),
    (0, 2, 3, 4, 5, 3, 1, 4),
)
"""Degrees of the scale, a bar each."""
MELODY_RHYTHMS: tuple[tuple[float, ...], ...] = (
    (1, 1, 1, 1),
    (2, 1, 1),
    (1.5, 0.5, 1, 1),
    (0.5, 0.5, 1, 0.5, 0.5, 1),
    (3, 1),
    (1, 0.5, 0.5, 2),
    (0.5,) * 8,
    (4,),
)
FIGURES = ((0, 1, 2, 1), (0, 2, 1, 2), (0, 1, 2, 3, 2, 1), (0, 2, 3, 4, 3, 2), (0, 1, 2, 3))
REST_SHARE = 0.12
"""Choice: how many notes of a melody are rests."""
TIMING_SECONDS = 0.009
"""Choice: the deviation of a player's notes from the beat."""


@dataclass(frozen=True)
class Harmony:
    """The key of a piece (its tonic's pitch class and scale), the degree of each bar's chord, and beats a bar."""

    tonic: int
    scale: tuple[int, ...]
    degrees: tuple[int, ...]
    beats_a_bar: int

    def chord(self, bar: int) -> tuple[int, ...]:
        """Return the pitch classes of a bar's chord, its root first."""
        degree = self.degrees[bar % len(self.degrees)]
        return tuple((self.tonic + self.scale[(degree + step) % 7]) % 12 for step in (0, 2, 4))

    def pitches(self, bar: int, lowest: int, highest: int) -> list[int]:
        """Return the pitches of a bar's chord within a range."""
        chord = self.chord(bar)
        return [pitch for pitch in range(lowest, highest + 1) if pitch % 12 in chord]

    def scale_pitches(self, lowest: int, highest: int) -> list[int]:
        """Return the pitches of the key within a range."""
        classes = {(self.tonic + step) % 12 for step in self.scale}
        return [pitch for pitch in range(lowest, highest + 1) if pitch % 12 in classes]


def draw_piece(ensemble: Ensemble, seconds: float, generator: np.random.Generator) -> bytes:
    """Return a MIDI file of a piece that lasts at least so long."""
    bpm = float(np.exp(generator.uniform(np.log(58), np.log(150))))
    harmony = Harmony(
        int(generator.integers(12)),
        MAJOR if generator.random() < 0.55 else MINOR,
        PROGRESSIONS[int(generator.integers(len(PROGRESSIONS)))],
        int(generator.choice([4, 4, 3])),
    )
    bars = int(np.ceil(seconds * bpm / 60 / harmony.beats_a_bar)) + 1
    notes: list[MidiNote] = []
    programs: dict[int, int] = {}
    channels = [channel for channel in range(16) if channel != DRUM_CHANNEL]
    for place, part in enumerate(ensemble.parts):
        if part.role == "drums":
            notes += _drums(harmony, bars, generator)
            continue
        channel = channels[place]
        programs[channel] = part.program
        notes += _line(part, channel, harmony, bars, bpm, generator)
    return midi_file(_played(notes, bpm, generator), programs, bpm)


def _line(
    part: Part, channel: int, harmony: Harmony, bars: int, bpm: float, generator: np.random.Generator
) -> list[MidiNote]:
    if part.role in ("melody", "counter melody"):
        return _melody(part, channel, harmony, bars, bpm, generator)
    if part.role == "chords":
        return _chords(part, channel, harmony, bars, generator)
    if part.role == "arpeggio":
        return _arpeggio(part, channel, harmony, bars, bpm, generator)
    return _bass(part, channel, harmony, bars, generator)


def _melody(
    part: Part, channel: int, harmony: Harmony, bars: int, bpm: float, generator: np.random.Generator
) -> list[MidiNote]:
    """Steps through the scale with a chord's note on every bar's first beat; two bars' rhythms come again and again."""
    scale = harmony.scale_pitches(part.lowest, part.highest)
    # Quick rhythms are for slow pieces, so that a player could play them.
    rhythms = [each for each in MELODY_RHYTHMS if bpm < 125 or min(each) >= 1]
    motif = [rhythms[int(generator.integers(len(rhythms)))] for _ in range(2)]
    slow = 2.0 if part.role == "counter melody" else 1.0
    legato = float(generator.uniform(0.6, 1.02))
    place = int(generator.integers(len(scale) // 4, max(len(scale) // 4 + 1, 3 * len(scale) // 4)))
    notes, beat, number, end = [], 0.0, 0, float(bars * harmony.beats_a_bar)
    while beat < end:
        for beats in motif[number % 2] if generator.random() < 0.8 else rhythms[int(generator.integers(len(rhythms)))]:
            length = beats * slow
            bar = int(beat // harmony.beats_a_bar)
            place = int(np.clip(place + generator.choice([-3, -2, -1, -1, 0, 1, 1, 2, 3]), 0, len(scale) - 1))
            pitch = scale[place]
            if beat % harmony.beats_a_bar == 0:
                pitch = min(harmony.pitches(bar, part.lowest, part.highest), key=lambda each: abs(each - pitch))
                place = scale.index(pitch)
            if generator.random() > REST_SHARE:
                notes.append(MidiNote(beat, length * legato, pitch, 88, channel))
            beat += length
        number += 1
    return notes


def _chords(part: Part, channel: int, harmony: Harmony, bars: int, generator: np.random.Generator) -> list[MidiNote]:
    """Three or four voices, each of which goes to the nearest note of the next chord; no two meet."""
    voices = int(generator.integers(3, 5))
    strokes = [(0.0,), (0.0, 2.0), tuple(float(beat) for beat in range(harmony.beats_a_bar))]
    stroke = strokes[int(generator.integers(len(strokes)))]
    held = [float(each) for each in np.linspace(part.lowest + 3, part.highest - 3, voices)]
    notes = []
    for bar in range(bars):
        free = harmony.pitches(bar, part.lowest, part.highest)
        chosen: list[int] = []
        for voice in held:
            nearest = min((each for each in free if each not in chosen), key=lambda each: abs(each - voice))
            chosen.append(nearest)
        held = [float(each) for each in sorted(chosen)]
        ends = [*stroke[1:], float(harmony.beats_a_bar)]
        for start, end in zip(stroke, ends, strict=True):
            if start < end:
                beat = bar * harmony.beats_a_bar + start
                notes += [MidiNote(beat, 0.95 * (end - start), pitch, 70, channel) for pitch in chosen]
    return notes


def _arpeggio(
    part: Part, channel: int, harmony: Harmony, bars: int, bpm: float, generator: np.random.Generator
) -> list[MidiNote]:
    figure = FIGURES[int(generator.integers(len(FIGURES)))]
    step = 0.5 if bpm > 90 or generator.random() < 0.4 else 0.25
    ring = float(generator.choice([1.0, 1.0, 2.5]))
    notes = []
    for bar in range(bars):
        pitches = harmony.pitches(bar, part.lowest, part.highest)
        root = next((place for place, pitch in enumerate(pitches) if pitch % 12 == harmony.chord(bar)[0]), 0)
        for number in range(round(harmony.beats_a_bar / step)):
            pitch = pitches[min(root + figure[number % len(figure)], len(pitches) - 1)]
            velocity = 76 if number == 0 else 62
            notes.append(MidiNote(bar * harmony.beats_a_bar + number * step, step * ring, pitch, velocity, channel))
    return notes


def _bass(part: Part, channel: int, harmony: Harmony, bars: int, generator: np.random.Generator) -> list[MidiNote]:
    starts = ((0.0,), (0.0, 2.0), tuple(float(beat) for beat in range(harmony.beats_a_bar)))[int(generator.integers(3))]
    notes = []
    for bar in range(bars):
        chord = harmony.chord(bar)
        for number, start in enumerate(starts):
            wanted = chord[0] if number % 2 == 0 else chord[2]
            pitch = next(each for each in range(part.lowest, part.lowest + 12) if each % 12 == wanted)
            length = (starts[1] if len(starts) > 1 else harmony.beats_a_bar) * 0.9
            notes.append(MidiNote(bar * harmony.beats_a_bar + start, length, pitch, 80, channel))
    return notes


def _drums(harmony: Harmony, bars: int, generator: np.random.Generator) -> list[MidiNote]:
    """A backbeat: kick on the first beat, snare on the second and fourth, hats on eighths, a crash every eight bars."""
    kicks = (0.0, *(float(each) for each in generator.choice([1.5, 2.0, 2.5, 3.5], size=2, replace=False)))
    notes = []
    for bar in range(bars):
        start = bar * harmony.beats_a_bar
        hits = [(beat, 36, 105) for beat in kicks] + [(1.0, 38, 100), (3.0, 38, 104)]
        hits += [(0.5 * eighth, 42, 80 if eighth % 2 == 0 else 62) for eighth in range(2 * harmony.beats_a_bar)]
        if bar % 8 == 0:
            hits.append((0.0, 49, 100))
        inside = [hit for hit in hits if hit[0] < harmony.beats_a_bar]
        notes += [MidiNote(start + beat, 0.2, pitch, velocity, DRUM_CHANNEL) for beat, pitch, velocity in inside]
    return notes


def _played(notes: Sequence[MidiNote], bpm: float, generator: np.random.Generator) -> list[MidiNote]:
    """Play notes as people do: a little early or late, louder towards the middle of a phrase, no two alike."""
    phrase_beats = 16.0
    depth = float(generator.uniform(6, 20))
    played = []
    for note in notes:
        late = float(generator.normal(0, TIMING_SECONDS)) * bpm / 60
        arch = depth * (np.sin(np.pi * (note.beat % phrase_beats) / phrase_beats) - 0.5)
        accent = 5.0 if note.beat % 1 == 0 else 0.0
        velocity = int(np.clip(note.velocity + arch + accent + generator.normal(0, 4), 20, 124))
        length = max(0.05, note.beats * float(generator.uniform(0.92, 1.04)))
        played.append(MidiNote(max(0.0, note.beat + late), length, note.pitch, velocity, note.channel))
    return played
