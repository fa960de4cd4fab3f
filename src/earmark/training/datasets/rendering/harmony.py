"""Chords of a mode. The roots are alike in all modes, so that only the thirds tell major from minor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from earmark.training.datasets.rendering.plan import Mode

_THIRD: dict[Mode, int | None] = {"major": 4, "minor": 3, "open": None}
_SCALE: dict[Mode, tuple[int, ...]] = {
    "major": (0, 2, 4, 7, 9),
    "minor": (0, 3, 5, 7, 10),
    "open": (0, 2, 5, 7),
}
_ROOTS = ((0, 5, 7, 0), (0, 7, 5, 0), (0, 5, 0, 7), (0, 0, 5, 7), (0, 5, 7, 5))
_STRANGER: dict[Mode, tuple[int, int | None]] = {"major": (9, 3), "minor": (8, 4), "open": (10, None)}
_STRANGER_SHARE = 0.4


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

    In two of five progressions one chord is a stranger (a minor chord in a major key, a major one in a
    minor key), so that a single bar does not give the mode away: it is what most bars have.
    """
    chords = [Chord(root, _THIRD[mode]) for root in _ROOTS[int(rng.integers(len(_ROOTS)))]]
    if rng.random() < _STRANGER_SHARE:
        chords[int(rng.integers(1, len(chords)))] = Chord(*_STRANGER[mode])
    return tuple(chords)


def melody_semitones(mode: Mode, chord: Chord, lowest: int, highest: int) -> tuple[int, ...]:
    """Return what a melody may play over a chord, in semitones above the tonic from `lowest` to `highest`.

    Notes of the chord come twice, those of the mode's scale once, so that a draw among them prefers the
    chord.
    """
    allowed = [semitone % 12 for semitone in chord.semitones] * 2 + list(_SCALE[mode])
    return tuple(note for note in range(lowest, highest + 1) for other in allowed if note % 12 == other)
