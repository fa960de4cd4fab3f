"""What is written down of a rendered track before it sounds: notes, in beats and MIDI pitches."""

from __future__ import annotations

from dataclasses import dataclass

from earmark.training.datasets.rendering.drums import DrumPattern
from earmark.training.datasets.rendering.form import Form
from earmark.training.datasets.rendering.harmony import Chord
from earmark.training.datasets.rendering.plan import Instrument


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
    """From when to when an instrument (or the drums) can be heard, in seconds."""

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
    form: Form
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
