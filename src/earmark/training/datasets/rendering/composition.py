"""From a plan to a score: drum patterns, form, harmony and notes; every choice that is not a tag is drawn at random.

Times are in beats and pitches in MIDI numbers. The roots of chords are alike in all modes, so that only the thirds tell
major from minor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.training.datasets.rendering.plan import DrumPatternName, Instrument, Mode, Tempo, TrackPlan

BEATS_A_BAR = 4
_OFF_BEATS = (0.5, 1.5, 2.5, 3.5)
_HATS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5)


@dataclass(frozen=True)
class DrumPattern:
    """The hits of the drums in a bar, in beats from its start."""

    kick: tuple[float, ...]
    snare: tuple[float, ...]
    hat: tuple[float, ...]


def draw_pattern(name: DrumPatternName, rng: np.random.Generator) -> DrumPattern:
    """Return a pattern of this name, an empty one for `none`.

    Four on the floor: a kick on every beat, snares on two off-beats. Backbeat: snares on the second and fourth beat,
    kicks on the first and third and on two off-beats. Kick and snare never fall together in either pattern, so that
    single moments of the two are alike: only the distances between hits tell them apart.
    """
    first, second = sorted(float(beat) for beat in rng.choice(_OFF_BEATS, size=2, replace=False))
    if name == "four on the floor":
        return DrumPattern(kick=(0.0, 1.0, 2.0, 3.0), snare=(first, second), hat=_HATS)
    if name == "backbeat":
        return DrumPattern(kick=(0.0, 2.0, first, second), snare=(1.0, 3.0), hat=_HATS)
    return DrumPattern((), (), ())


_GROWTH_SHARE = 2 / 3
"""The share of the track that a build-up lasts: 20 of 30 seconds."""


@dataclass(frozen=True)
class Texture:
    """The setting of a stretch: the pad's octave, its brightness in 0..1, and beats between bass notes."""

    octave: int
    brightness: float
    bass_beats: float


@dataclass(frozen=True)
class TrackForm:
    """Textures before and after `change_seconds` (alike without a contrast), and the rise of a build-up."""

    before: Texture
    after: Texture
    change_seconds: float
    rise_decibels: float
    rise_seconds: float

    def texture(self, seconds: float) -> Texture:
        """Return the texture at a time."""
        return self.before if seconds < self.change_seconds else self.after

    def gain(self, samples: int, rate_hz: int) -> npt.NDArray[np.float32]:
        """Return the factor on every sample, (samples,): rising to 1 in a build-up, else 1."""
        time = np.arange(samples, dtype=np.float32) / np.float32(rate_hz)
        share = np.clip(time / np.float32(self.rise_seconds), 0, 1)
        decibels = np.float32(self.rise_decibels) * (share - 1)
        gain: npt.NDArray[np.float32] = np.power(np.float32(10), decibels / np.float32(20))
        return gain


def draw_form(plan: TrackPlan, seconds: float, beat_seconds: float, rng: np.random.Generator) -> TrackForm:
    """Return a form; each texture occurs in tracks with and without a contrast.

    The change falls on the beat nearest to a random time in 45 % to 55 % of the track, about 15 of 30
    seconds.
    """
    textures = [
        Texture(octave=0, brightness=float(rng.uniform(0.0, 0.25)), bass_beats=1.0),
        Texture(octave=1, brightness=float(rng.uniform(0.75, 1.0)), bass_beats=2.0),
    ]
    first = int(rng.integers(2))
    beats = max(1, round(rng.uniform(0.45, 0.55) * seconds / beat_seconds))
    return TrackForm(
        before=textures[first],
        after=textures[1 - first] if plan.contrast else textures[first],
        change_seconds=beats * beat_seconds if plan.contrast else seconds,
        rise_decibels=float(rng.uniform(14, 22)) if plan.build_up else 0.0,
        rise_seconds=_GROWTH_SHARE * seconds,
    )


_THIRD: dict[Mode, int | None] = {"major": 4, "minor": 3, "open": None}
_SCALE: dict[Mode, tuple[int, ...]] = {
    "major": (0, 2, 4, 7, 9),
    "minor": (0, 3, 5, 7, 10),
    "open": (0, 2, 5, 7),
}
_ROOTS = ((0, 5, 7, 0), (0, 7, 5, 0), (0, 5, 0, 7), (0, 0, 5, 7), (0, 5, 7, 5))
_REPLACEMENT: dict[Mode, tuple[int, int | None]] = {"major": (9, 3), "minor": (8, 4), "open": (10, None)}
_REPLACEMENT_SHARE = 0.4


@dataclass(frozen=True)
class Chord:
    """A chord: semitones of its root above the tonic, and of its third above its root (None: no third)."""

    root: int
    third: int | None

    @property
    def semitones(self) -> tuple[int, ...]:
        """The chord's notes in semitones above the tonic."""
        middle = () if self.third is None else (self.root + self.third,)
        return (self.root, *middle, self.root + 7)


def draw_progression(mode: Mode, rng: np.random.Generator) -> tuple[Chord, ...]:
    """Return four chords of a mode, a bar each.

    In two of five progressions one chord is replaced by a chord of the other quality (a minor chord in a major key, a
    major one in a minor key), so that one bar does not reveal the mode, but most bars together do.
    """
    chords = [Chord(root, _THIRD[mode]) for root in _ROOTS[int(rng.integers(len(_ROOTS)))]]
    if rng.random() < _REPLACEMENT_SHARE:
        chords[int(rng.integers(1, len(chords)))] = Chord(*_REPLACEMENT[mode])
    return tuple(chords)


def melody_semitones(mode: Mode, chord: Chord, lowest: int, highest: int) -> tuple[int, ...]:
    """Return the notes that a melody may play over a chord, in semitones above the tonic from `lowest` to `highest`.

    Notes of the chord are in the list once more than those of the mode's scale, so that a draw prefers the chord.
    """
    allowed = [semitone % 12 for semitone in chord.semitones] * 2 + list(_SCALE[mode])
    return tuple(note for note in range(lowest, highest + 1) for other in allowed if note % 12 == other)


@dataclass(frozen=True)
class Note:
    """One note: start and length in beats, MIDI pitch (69 = A4), loudness as a factor."""

    beat: float
    beats: float
    pitch: int
    loudness: float


@dataclass(frozen=True)
class Line:
    """What one instrument plays: a list of notes for each stretch in which it sounds."""

    instrument: Instrument
    stretches: tuple[tuple[Note, ...], ...]


@dataclass(frozen=True)
class Sounding:
    """The time in which an instrument (or the drums) can be heard, in seconds."""

    instrument: str
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True)
class Score:
    """A whole track as written. `tuning_cents` moves every pitch; drums start at `drums_from_seconds`."""

    seconds: float
    bpm: float
    tonic: int
    tuning_cents: float
    progression: tuple[Chord, ...]
    form: TrackForm
    lines: tuple[Line, ...]
    drums: DrumPattern
    drums_from_seconds: float

    @property
    def beat_seconds(self) -> float:
        """The length of a beat."""
        return 60.0 / self.bpm

    def chord(self, bar: int) -> Chord:
        """Return the chord of a bar; the progression repeats."""
        return self.progression[bar % len(self.progression)]

    def hz(self, pitch: float) -> float:
        """Return the frequency of a MIDI pitch in this track's tuning."""
        return float(440.0 * 2.0 ** ((pitch - 69 + self.tuning_cents / 100) / 12))

    def soundings(self) -> tuple[Sounding, ...]:
        """Return where each instrument (first to last note of every stretch) and the drums sound."""
        found = []
        for line in self.lines:
            for notes in line.stretches:
                start = min(note.beat for note in notes) * self.beat_seconds
                end = max(note.beat + note.beats for note in notes) * self.beat_seconds
                found.append(Sounding(line.instrument, round(start, 3), round(min(end, self.seconds), 3)))
        if self.drums.kick:
            found.append(Sounding("drums", round(self.drums_from_seconds, 3), self.seconds))
        return tuple(found)


_BPM: dict[Tempo, tuple[float, float]] = {"slow": (56, 78), "medium": (86, 134), "fast": (142, 180)}
_TONIC = (48, 52)
_TUNING_CENTS = 30
_RHYTHMS = ((1.0,) * 4, (0.5, 0.5, 1.0) * 2, (2.0, 2.0), (1.5, 0.5, 1.0, 1.0), (0.5,) * 8)
_REST_SHARE = 0.12


def compose(plan: TrackPlan, seconds: float, rng: np.random.Generator) -> Score:
    """Return a score of this plan.

    In a build-up the instruments and the drums enter one after the other during its rise; otherwise an
    instrument plays throughout, in one stretch or in two, so that its tag may be heard in a part of the
    track alone.
    """
    bpm = float(rng.uniform(*_BPM[plan.tempo]))
    tonic = int(rng.integers(*_TONIC))
    progression = draw_progression(plan.mode, rng)
    form = draw_form(plan, seconds, 60.0 / bpm, rng)
    total_beats = max(2, math.floor(seconds * bpm / 60))
    entries = rng.permutation(np.linspace(0.0, 0.6, len(plan.instruments) + 1))
    lines = []
    for instrument, entry in zip(plan.instruments, entries[:-1], strict=True):
        stretches = [(float(entry), 1.0)] if plan.build_up else _draw_stretches(rng)
        lines.append(_line(instrument, stretches, total_beats, tonic, plan.mode, progression, rng))
    drums_from_beat = round(float(entries[-1]) * total_beats) if plan.build_up else 0
    return Score(
        seconds=seconds,
        bpm=bpm,
        tonic=tonic,
        tuning_cents=float(rng.uniform(-_TUNING_CENTS, _TUNING_CENTS)),
        progression=progression,
        form=form,
        lines=tuple(lines),
        drums=draw_pattern(plan.drums, rng),
        drums_from_seconds=drums_from_beat * 60.0 / bpm,
    )


def _draw_stretches(rng: np.random.Generator) -> list[tuple[float, float]]:
    """Return where an instrument plays, as shares of the track: throughout, once, or twice."""
    kind = int(rng.integers(3))
    if kind == 0:
        return [(0.0, 1.0)]
    if kind == 1:
        length = float(rng.uniform(0.35, 0.6))
        start = float(rng.uniform(0.0, 1.0 - length))
        return [(start, start + length)]
    return [
        (float(rng.uniform(0.0, 0.1)), float(rng.uniform(0.3, 0.4))),
        (float(rng.uniform(0.55, 0.65)), float(rng.uniform(0.85, 1.0))),
    ]


def _line(
    instrument: Instrument,
    stretches: list[tuple[float, float]],
    total_beats: int,
    tonic: int,
    mode: Mode,
    progression: tuple[Chord, ...],
    rng: np.random.Generator,
) -> Line:
    # All instruments share one range, so that pitch does not tell them apart.
    lowest = int(rng.integers(58, 70)) - tonic
    rhythm = _RHYTHMS[int(rng.integers(len(_RHYTHMS)))]
    loudness = float(rng.uniform(0.7, 1.3))
    written = []
    for start_share, end_share in stretches:
        beat = float(math.floor(start_share * total_beats))
        end = max(beat + 1, math.floor(end_share * total_beats))
        notes: list[Note] = []
        step = 0
        while beat < end:
            beats = min(rhythm[step % len(rhythm)], end - beat)
            if not notes or rng.random() >= _REST_SHARE:
                chord = progression[int(beat // BEATS_A_BAR) % len(progression)]
                choices = melody_semitones(mode, chord, lowest, lowest + 15)
                pitch = tonic + choices[int(rng.integers(len(choices)))]
                notes.append(Note(beat, beats, pitch, loudness * float(rng.uniform(0.75, 1.0))))
            beat += beats
            step += 1
        written.append(tuple(notes))
    return Line(instrument, tuple(written))
