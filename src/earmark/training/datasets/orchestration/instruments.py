"""The instruments of General MIDI as tags, and ensembles of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Role = Literal["melody", "counter melody", "chords", "arpeggio", "bass", "drums"]

PRESENT: Mapping[tuple[int, ...], tuple[str, ...]] = {
    (0, 1, 2): ("piano",),
    (4, 5): ("electric piano",),
    (6,): ("harpsichord",),
    (9, 11, 12, 13): ("mallets",),
    (14,): ("bells",),
    (16, 17, 18, 19, 20): ("organ",),
    (21, 23): ("accordion",),
    (22,): ("harmonica",),
    (24, 25): ("guitar", "acoustic guitar"),
    (26, 27, 28, 29, 30): ("guitar", "electric guitar"),
    (33, 34, 35, 36, 37): ("bass",),
    (40, 110): ("strings", "violin"),
    (42,): ("strings", "cello"),
    (41, 43, 44, 45, 48, 49): ("strings",),
    (46,): ("harp",),
    (52, 53): ("vocals", "choir"),
    (56, 59): ("brass", "trumpet"),
    (57, 58, 60, 61): ("brass",),
    (64, 65, 66, 67): ("saxophone",),
    (71,): ("clarinet",),
    (73,): ("flute",),
    (*range(80, 88), 90): ("synthesizer",),
    (104,): ("sitar",),
    (105,): ("banjo",),
}
"""The tags that are certain where a program plays, by the programs, counted from 0."""
POSSIBLE: Mapping[tuple[int, ...], tuple[str, ...]] = {
    (3, 7): ("piano", "harpsichord"),
    (4, 5): ("piano",),
    (8, 10, 15, 114): ("mallets", "bells", "percussion"),
    (9, 11, 12, 13): ("bells", "percussion"),
    (14,): ("mallets", "percussion"),
    (16, 17, 18): ("synthesizer",),
    (31, 120): ("guitar", "electric guitar"),
    (32, 43): ("bass",),
    (38, 39): ("bass", "synthesizer"),
    (40, 41, 42): ("violin", "cello"),
    (44, 45, 48, 49): ("violin", "cello", "orchestra"),
    (47,): ("drums", "percussion", "orchestra"),
    (50, 51): ("strings", "synthesizer", "orchestra"),
    (54,): ("synthesizer", "vocals", "choir"),
    (55,): ("orchestra", "strings", "brass"),
    (57, 58, 60, 61): ("trumpet",),
    (62, 63): ("brass", "trumpet", "synthesizer"),
    (72, 74, 75, 77, 78, 79): ("flute",),
    (68, 69, 70): ("clarinet",),
    tuple(range(88, 104)): ("synthesizer", "strings", "vocals", "choir"),
    (106, 107): ("banjo", "guitar", "harp"),
    (112, 113, 115, 116, 117, 118, 119): ("drums", "percussion", "bells"),
}
"""The tags that a listener may or may not assign where a program plays, by the programs."""
KICKS_AND_SNARES = frozenset({35, 36, 38, 40})
LEAST_NOTES = 6
"""Choice: with fewer notes an instrument cannot be recognised, and whether it is present is unknown."""

VOICES = ("vocals", "female vocals", "male vocals", "choir", "opera", "chant", "a cappella", "rap")
INSTRUMENTS = (*dict.fromkeys(tag for tags in PRESENT.values() for tag in tags if tag not in VOICES), "drums")


@dataclass(frozen=True)
class Tags:
    """The tags that are certainly present in a track, and those certainly absent."""

    present: tuple[str, ...]
    absent: tuple[str, ...]


def heard(played: Mapping[int, int], drums: Mapping[int, int]) -> Tags:
    """Return the instruments and voices that are certainly present, and those certainly absent.

    `played`: the number of notes of each program. `drums`: the number of notes of each drum, by its pitch.
    """
    present, possible = set[str](), set[str]()
    for program, notes in played.items():
        own = _tags_of(PRESENT, program)
        (present if notes >= LEAST_NOTES else possible).update(own)
        possible |= _tags_of(POSSIBLE, program)
    if sum(notes for pitch, notes in drums.items() if pitch in KICKS_AND_SNARES) >= LEAST_NOTES:
        present.add("drums")
    elif drums:
        possible.add("drums")
    singing = "vocals" in present | possible
    absent = [tag for tag in INSTRUMENTS if tag not in present | possible]
    absent += [tag for tag in VOICES if not singing or tag in ("rap",)]
    if not singing:
        present.add("instrumental")
    return Tags(tuple(sorted(present)), tuple(absent))


def _tags_of(table: Mapping[tuple[int, ...], tuple[str, ...]], program: int) -> set[str]:
    return {tag for programs, tags in table.items() if program in programs for tag in tags}


@dataclass(frozen=True)
class Player:
    """A player of an ensemble: its program, its lowest and highest pitch, and its role."""

    program: int
    lowest: int
    highest: int
    role: Role


@dataclass(frozen=True)
class Ensemble:
    """Players that play a piece together; `tags` are the certain tags besides those of the instruments."""

    name: str
    players: tuple[Player, ...]
    tags: tuple[str, ...] = ()


def ensembles() -> tuple[Ensemble, ...]:
    """Return all ensembles: soloists, duos with piano or guitar, and groups."""
    return (*_soloists(), *_duos(), *_groups())


LEADS: Mapping[str, tuple[int, int, int]] = {
    "violin": (40, 57, 93),
    "viola": (41, 50, 81),
    "cello": (42, 38, 72),
    "trumpet": (56, 56, 82),
    "trombone": (57, 42, 69),
    "horn": (60, 45, 74),
    "soprano saxophone": (64, 58, 84),
    "alto saxophone": (65, 52, 79),
    "tenor saxophone": (66, 47, 74),
    "oboe": (68, 60, 88),
    "bassoon": (70, 36, 67),
    "clarinet": (71, 52, 88),
    "flute": (73, 62, 93),
    "harmonica": (22, 60, 88),
    "fiddle": (110, 57, 88),
    "sitar": (104, 48, 77),
    "synthesizer": (81, 55, 88),
}
"""Instruments that play one note at a time: program, lowest and highest pitch."""
CHORDAL: Mapping[str, int] = {
    "piano": 0,
    "bright piano": 1,
    "electric piano": 4,
    "second electric piano": 5,
    "harpsichord": 6,
    "music box and glockenspiel": 9,
    "vibraphone": 11,
    "marimba": 12,
    "tubular bells": 14,
    "drawbar organ": 16,
    "church organ": 19,
    "accordion": 21,
    "nylon guitar": 24,
    "steel guitar": 25,
    "jazz guitar": 26,
    "clean guitar": 27,
    "harp": 46,
    "banjo": 105,
}
"""Instruments that play chords and a melody by themselves: program."""


def _soloists() -> Iterable[Ensemble]:
    for name, (program, lowest, highest) in LEADS.items():
        yield Ensemble(f"solo {name}", (Player(program, lowest, highest, "melody"),), ("solo",))
    for name, program in CHORDAL.items():
        players = (Player(program, 64, 86, "melody"), Player(program, 43, 65, "arpeggio"))
        yield Ensemble(f"solo {name}", players, ("solo",))
        yield Ensemble(f"solo {name} in chords", (Player(program, 45, 79, "chords"), players[0]), ("solo",))


def _duos() -> Iterable[Ensemble]:
    for name, (program, lowest, highest) in LEADS.items():
        lead = Player(program, lowest, highest, "melody")
        yield Ensemble(f"{name} and piano", (lead, Player(0, 40, 72, "arpeggio"), Player(0, 33, 50, "bass")))
        yield Ensemble(f"{name} and guitar", (lead, Player(24, 43, 67, "arpeggio")))
    yield Ensemble("flute and harp", (Player(73, 65, 91, "melody"), Player(46, 40, 74, "arpeggio")))
    yield Ensemble("violin and cello", (Player(40, 57, 90, "melody"), Player(42, 38, 62, "counter melody")))


QUARTET_OF_SAXOPHONES: tuple[Player, ...] = (
    Player(64, 60, 84, "melody"),
    Player(65, 53, 77, "counter melody"),
    Player(66, 47, 70, "chords"),
    Player(67, 38, 58, "bass"),
)


def _groups() -> Iterable[Ensemble]:
    strings = (Player(40, 62, 90, "melody"), Player(40, 57, 79, "counter melody"), Player(41, 50, 74, "chords"))
    yield Ensemble("string quartet", (*strings, Player(42, 36, 60, "bass")))
    yield Ensemble(
        "string orchestra", (Player(48, 43, 84, "chords"), Player(48, 67, 91, "melody"), Player(43, 28, 48, "bass"))
    )
    choir = (Player(52, 43, 79, "chords"),)
    yield Ensemble("choir", choir, ("a cappella",))
    yield Ensemble("choir of low voices", (Player(52, 41, 64, "chords"),), ("a cappella",))
    yield Ensemble("humming choir", (Player(53, 45, 79, "chords"), Player(53, 62, 81, "melody")), ("a cappella",))
    yield Ensemble("choir and organ", (*choir, Player(19, 40, 76, "chords"), Player(19, 28, 48, "bass")))
    yield Ensemble("choir and strings", (*choir, Player(48, 48, 84, "chords"), Player(48, 67, 88, "melody")))
    brass = (Player(56, 58, 82, "melody"), Player(60, 48, 72, "chords"), Player(57, 43, 65, "counter melody"))
    yield Ensemble("brass quintet", (*brass, Player(58, 29, 50, "bass")))
    yield Ensemble("brass section", (Player(61, 45, 77, "chords"), Player(56, 60, 82, "melody")))
    winds = (Player(73, 65, 91, "melody"), Player(68, 60, 84, "counter melody"), Player(71, 52, 76, "chords"))
    yield Ensemble("wind quintet", (*winds, Player(60, 45, 69, "chords"), Player(70, 34, 55, "bass")))
    yield Ensemble("saxophone quartet", QUARTET_OF_SAXOPHONES)
    orchestra = (
        Player(48, 55, 84, "chords"),
        Player(73, 72, 96, "melody"),
        Player(40, 62, 91, "melody"),
        Player(60, 45, 70, "chords"),
        Player(56, 60, 82, "counter melody"),
        Player(43, 28, 48, "bass"),
        Player(47, 40, 53, "bass"),
    )
    yield Ensemble("orchestra", orchestra, ("orchestra",))
    yield Ensemble(
        "orchestra with harp", (*orchestra[:4], Player(46, 43, 79, "arpeggio"), orchestra[5]), ("orchestra",)
    )
    yield Ensemble(
        "piano trio",
        (Player(40, 60, 88, "melody"), Player(42, 40, 64, "counter melody"), Player(0, 36, 76, "arpeggio")),
    )
    yield Ensemble(
        "harpsichord and strings",
        (Player(6, 48, 79, "arpeggio"), Player(48, 48, 84, "chords"), Player(42, 36, 57, "bass")),
    )
    rhythm = Player(0, 0, 0, "drums")
    bass = Player(33, 28, 48, "bass")
    yield Ensemble("rock band", (Player(29, 40, 64, "chords"), Player(30, 59, 83, "melody"), bass, rhythm), ("rock",))
    yield Ensemble("rock trio", (Player(30, 40, 64, "chords"), bass, rhythm), ("rock",))
    yield Ensemble("organ and band", (Player(16, 48, 76, "chords"), Player(27, 55, 79, "melody"), bass, rhythm))
    yield Ensemble(
        "synthesizers",
        (Player(90, 48, 76, "chords"), Player(81, 60, 86, "melody"), Player(80, 40, 72, "arpeggio")),
        ("electronic",),
    )
