"""Draws the tags of each rendered track: every property is balanced over tracks and independent of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from earmark.tagging.bundle.card import TagName

Instrument = Literal["pluck", "flute", "organ", "bells"]
DrumPatternName = Literal["none", "four on the floor", "backbeat"]
Tempo = Literal["slow", "medium", "fast"]
Mode = Literal["major", "minor", "open"]

INSTRUMENTS: tuple[Instrument, ...] = ("pluck", "flute", "organ", "bells")
DRUM_PATTERNS: tuple[DrumPatternName, ...] = ("none", "four on the floor", "backbeat")
TEMPI: tuple[Tempo, ...] = ("slow", "medium", "fast")
MODES: tuple[Mode, ...] = ("major", "minor", "open")

TAGS = (
    *(TagName(instrument, "instruments") for instrument in INSTRUMENTS),
    TagName("drums", "rhythm"),
    TagName("four on the floor", "rhythm"),
    TagName("backbeat", "rhythm"),
    TagName("slow", "tempo"),
    TagName("fast", "tempo"),
    TagName("major", "mode"),
    TagName("minor", "mode"),
    TagName("build-up", "form"),
    TagName("contrast", "form"),
)


@dataclass(frozen=True)
class TrackPlan:
    """The properties of one track, before any note of it is chosen."""

    instruments: tuple[Instrument, ...]
    drums: DrumPatternName
    tempo: Tempo
    mode: Mode
    build_up: bool
    contrast: bool

    @property
    def labels(self) -> tuple[str, ...]:
        """The track's tags in the order of TAGS; a medium tempo, no drums and open fifths are no tags."""
        true: set[str] = {*self.instruments, self.drums, self.tempo, self.mode}
        true |= {"drums"} if self.drums != "none" else set()
        true |= {"build-up"} if self.build_up else set()
        true |= {"contrast"} if self.contrast else set()
        return tuple(tag.label for tag in TAGS if tag.label in true)


def draw_plans(tracks: int, seed: int) -> tuple[TrackPlan, ...]:
    """Return a plan a track: every property takes its values equally often, in a random order of its own."""
    rng = np.random.default_rng([seed, tracks])

    def column(values: int) -> list[int]:
        return [int(value) for value in rng.permutation(np.arange(tracks) % values)]

    plays = [column(2) for _ in INSTRUMENTS]
    drums, tempi, modes = column(len(DRUM_PATTERNS)), column(len(TEMPI)), column(len(MODES))
    build_ups, contrasts = column(2), column(2)
    return tuple(
        TrackPlan(
            instruments=tuple(name for name, played in zip(INSTRUMENTS, plays, strict=True) if played[index]),
            drums=DRUM_PATTERNS[drums[index]],
            tempo=TEMPI[tempi[index]],
            mode=MODES[modes[index]],
            build_up=bool(build_ups[index]),
            contrast=bool(contrasts[index]),
        )
        for index in range(tracks)
    )
