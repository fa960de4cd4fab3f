"""Random pieces for ensembles: chords with voice leading, figures and melodies, with human timing and dynamics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from earmark.training.datasets.orchestration.instruments import Ensemble, Player
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
"""The degrees of the scale of each bar's chord."""
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
"""Choice: the share of rests among the notes of a melody."""
TIMING_SECONDS = 0.009
"""Choice: the standard deviation of the notes of a player from the beat."""


@dataclass(frozen=True)
class Harmony:
    """The key of a piece (pitch class of the tonic, and scale), the degree of each chord, and the beats of a bar."""

    tonic: int
    scale: tuple[int, ...]
    degrees: tuple[int, ...]
    beats_a_bar: int

    def chord(self, bar: int) -> tuple[int, ...]:
        """Return the pitch classes of the chord of a bar, its root first."""
        degree = self.degrees[bar % len(self.degrees)]
        return tuple((self.tonic + self.scale[(degree + step) % 7]) % 12 for step in (0, 2, 4))

    def pitches(self, bar: int, lowest: int, highest: int) -> list[int]:
        """Return the pitches of the chord of a bar within a range."""
        chord = self.chord(bar)
        return [pitch for pitch in range(lowest, highest + 1) if pitch % 12 in chord]

    def scale_pitches(self, lowest: int, highest: int) -> list[int]:
        """Return the pitches of the key within a range."""
        classes = {(self.tonic + step) % 12 for step in self.scale}
        return [pitch for pitch in range(lowest, highest + 1) if pitch % 12 in classes]


def draw_piece(ensemble: Ensemble, seconds: float, generator: np.random.Generator) -> bytes:
    """Return a MIDI file of a random piece that lasts at least `seconds`."""
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
    for place, player in enumerate(ensemble.players):
        if player.role == "drums":
            notes += _drums(harmony, bars, generator)
            continue
        channel = channels[place]
        programs[channel] = player.program
        notes += _line(player, channel, harmony, bars, bpm, generator)
    return midi_file(_played(notes, bpm, generator), programs, bpm)


def _line(
    player: Player, channel: int, harmony: Harmony, bars: int, bpm: float, generator: np.random.Generator
) -> list[MidiNote]:
    if player.role in ("melody", "counter melody"):
        return _melody(player, channel, harmony, bars, bpm, generator)
    if player.role == "chords":
        return _chords(player, channel, harmony, bars, generator)
    if player.role == "arpeggio":
        return _arpeggio(player, channel, harmony, bars, bpm, generator)
    return _bass(player, channel, harmony, bars, generator)


def _melody(
    player: Player, channel: int, harmony: Harmony, bars: int, bpm: float, generator: np.random.Generator
) -> list[MidiNote]:
    """Move through the scale, with a note of the chord on each bar's first beat, mostly in two recurring rhythms."""
    scale = harmony.scale_pitches(player.lowest, player.highest)
    # Only slower pieces have short notes, so that a person could play them.
    rhythms = [each for each in MELODY_RHYTHMS if bpm < 125 or min(each) >= 1]
    motif = [rhythms[int(generator.integers(len(rhythms)))] for _ in range(2)]
    slow = 2.0 if player.role == "counter melody" else 1.0
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
                pitch = min(harmony.pitches(bar, player.lowest, player.highest), key=lambda each: abs(each - pitch))
                place = scale.index(pitch)
            if generator.random() > REST_SHARE:
                notes.append(MidiNote(beat, length * legato, pitch, 88, channel))
            beat += length
        number += 1
    return notes


def _chords(
    player: Player, channel: int, harmony: Harmony, bars: int, generator: np.random.Generator
) -> list[MidiNote]:
    """Move three or four voices to the nearest notes of each chord, never two to the same note."""
    voices = int(generator.integers(3, 5))
    strokes = [(0.0,), (0.0, 2.0), tuple(float(beat) for beat in range(harmony.beats_a_bar))]
    stroke = strokes[int(generator.integers(len(strokes)))]
    held = [float(each) for each in np.linspace(player.lowest + 3, player.highest - 3, voices)]
    notes = []
    for bar in range(bars):
        free = harmony.pitches(bar, player.lowest, player.highest)
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
    player: Player, channel: int, harmony: Harmony, bars: int, bpm: float, generator: np.random.Generator
) -> list[MidiNote]:
    figure = FIGURES[int(generator.integers(len(FIGURES)))]
    step = 0.5 if bpm > 90 or generator.random() < 0.4 else 0.25
    ring = float(generator.choice([1.0, 1.0, 2.5]))
    notes = []
    for bar in range(bars):
        pitches = harmony.pitches(bar, player.lowest, player.highest)
        root = next((place for place, pitch in enumerate(pitches) if pitch % 12 == harmony.chord(bar)[0]), 0)
        for number in range(round(harmony.beats_a_bar / step)):
            pitch = pitches[min(root + figure[number % len(figure)], len(pitches) - 1)]
            velocity = 76 if number == 0 else 62
            notes.append(MidiNote(bar * harmony.beats_a_bar + number * step, step * ring, pitch, velocity, channel))
    return notes


def _bass(player: Player, channel: int, harmony: Harmony, bars: int, generator: np.random.Generator) -> list[MidiNote]:
    starts = ((0.0,), (0.0, 2.0), tuple(float(beat) for beat in range(harmony.beats_a_bar)))[int(generator.integers(3))]
    notes = []
    for bar in range(bars):
        chord = harmony.chord(bar)
        for number, start in enumerate(starts):
            wanted = chord[0] if number % 2 == 0 else chord[2]
            pitch = next(each for each in range(player.lowest, player.lowest + 12) if each % 12 == wanted)
            length = (starts[1] if len(starts) > 1 else harmony.beats_a_bar) * 0.9
            notes.append(MidiNote(bar * harmony.beats_a_bar + start, length, pitch, 80, channel))
    return notes


def _drums(harmony: Harmony, bars: int, generator: np.random.Generator) -> list[MidiNote]:
    """Play a backbeat: a kick on the first beat, a snare on the second and fourth, hats on eighths, crashes."""
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
    """Vary the timing, length and loudness of notes as people do; the middle of a phrase is louder."""
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
