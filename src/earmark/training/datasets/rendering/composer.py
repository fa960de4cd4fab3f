"""From a plan to a score: every choice that is not a tag is drawn at random."""

from __future__ import annotations

import math

import numpy as np

from earmark.training.datasets.rendering.drums import BEATS_A_BAR, draw_pattern
from earmark.training.datasets.rendering.form import draw_form
from earmark.training.datasets.rendering.harmony import Chord, draw_progression, melody_semitones
from earmark.training.datasets.rendering.plan import Instrument, Mode, Plan, Tempo
from earmark.training.datasets.rendering.score import Line, Note, Score

_BPM: dict[Tempo, tuple[float, float]] = {"slow": (56, 78), "medium": (86, 134), "fast": (142, 180)}
_TONIC = (48, 52)
_TUNING_CENTS = 30
_RHYTHMS = ((1.0,) * 4, (0.5, 0.5, 1.0) * 2, (2.0, 2.0), (1.5, 0.5, 1.0, 1.0), (0.5,) * 8)
_REST_SHARE = 0.12


def compose(plan: Plan, seconds: float, rng: np.random.Generator) -> Score:
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
