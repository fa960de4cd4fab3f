"""Accompaniments of MMA (Musical MIDI Accompaniment): families of grooves, and the certain tags of their style."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earmark.errors import DatasetError
from earmark.training.datasets.debian_package import run

LIBRARY = Path("/usr/share/mma/lib")
_DEFINITION = re.compile(r"^\s*DefGroove\s+(\S+)", re.IGNORECASE | re.MULTILINE)
_NO_BODY = re.compile(r"Intro|End|Fill", re.IGNORECASE)
"""The names of grooves of a bar or two for a start, a fill or an end."""
_VARIANT = re.compile(r"(Sus|Plus|Walk|Clap|Bottle|Root|Triple)+$", re.IGNORECASE)
"""The endings of the names of variants: a groove with sustained strings, more instruments or a walking bass."""

FAR_GENRES = (
    *("classical", "opera", "techno", "house", "trance", "dubstep", "drum and bass", "metal", "punk", "hip-hop"),
    *("reggae", "ska", "bluegrass", "country", "jazz", "swing", "flamenco", "indian", "ambient"),
)
"""Genres that are absent from every family of grooves, except those tagged with them or near them."""


@dataclass(frozen=True)
class GrooveFamily:
    """The files of grooves of one style.

    files: paths in MMA's library, without their ending. bpm: the lowest and highest tempo. tags: the tags that are
    certainly present. near: the genres that a listener may assign too.
    """

    name: str
    files: tuple[str, ...]
    bpm: tuple[int, int]
    tags: tuple[str, ...] = ()
    near: tuple[str, ...] = ()

    @property
    def absent(self) -> tuple[str, ...]:
        """The genres that are certainly absent."""
        return tuple(genre for genre in FAR_GENRES if genre not in (*self.tags, *self.near))


def _family(
    name: str, files: str, bpm: tuple[int, int], tags: Sequence[str] = (), near: Sequence[str] = ()
) -> GrooveFamily:
    paths = tuple(file if "/" in file else f"stdlib/{file}" for file in files.split())
    return GrooveFamily(name, paths, bpm, tuple(tags), tuple(near))


FAMILIES: tuple[GrooveFamily, ...] = (
    _family(
        "swing", "swing bigband fastswing easyswing casio/fastbigband yamaha/jazzbasie", (110, 190), ["jazz", "swing"]
    ),
    _family("jazz", "jazzcombo mellowjazz modernjazz bebop jazzwaltz yamaha/jazztrio", (90, 190), ["jazz"], ["swing"]),
    _family("gypsy jazz", "gypsyjazz", (120, 200), ["jazz"], ["swing"]),
    _family("dixieland", "dixie charleston", (130, 200), ["jazz"], ["swing"]),
    _family("bossa nova", "bossanova kara/kbossa yamaha/jazzbossa", (100, 150), ["latin"], ["jazz"]),
    _family("samba", "samba zoom/samba", (90, 125), ["latin"], ["jazz"]),
    _family("salsa", "salsa yamaha/salsa1 mambo chacha son afro-cuban merengue", (90, 130), ["latin"], ["jazz"]),
    _family("rhumba", "rhumba beguine cubanguitar slowbolero", (90, 130), ["latin"], ["jazz", "flamenco"]),
    _family("tango", "tango lighttango", (100, 130), ["latin"], ["classical", "flamenco"]),
    _family("ska", "ska zoom/ska", (110, 150), ["ska"], ["reggae", "punk"]),
    _family("reggae", "zoom/reggae", (64, 90), ["reggae"], ["ska", "hip-hop"]),
    _family("bluegrass", "bluegrass", (100, 140), ["bluegrass"], ["country"]),
    _family(
        "country",
        "slowcountry hillcountry countrywaltz westernswing zoom/country",
        (80, 130),
        ["country"],
        ["swing", "jazz", "bluegrass"],
    ),
    _family(
        "blues",
        "blues slowblues blues68 casio/blues zoom/blues boggiewoggie",
        (70, 130),
        ["blues"],
        ["jazz", "swing", "country"],
    ),
    _family("zydeco", "zydeco", (110, 150), [], ["country", "bluegrass"]),
    _family("folk", "folk folkballad bluefolk", (80, 120), ["folk"], ["country", "bluegrass"]),
    _family(
        "rock",
        "basicrock casio/rock1 casio/rock2 zoom/rock pflib/rock1",
        (90, 140),
        ["rock"],
        ["metal", "punk", "country"],
    ),
    _family(
        "rock and roll", "50srock twist jive casio/60srock", (120, 175), ["rock and roll"], ["swing", "country", "jazz"]
    ),
    _family("metal", "casio/heavymetal pflib/metal1 pflib/metal2 zoom/mtl zoom/thr", (110, 165), ["metal"], ["punk"]),
    _family("punk", "zoom/punk", (150, 185), ["punk"], ["metal", "ska"]),
    _family("funk", "bvfunk casio/funk1 casio/funk2 kara/Kfunk1 zoom/funk", (90, 120), ["funk"], ["jazz", "hip-hop"]),
    _family("soul", "dsoul rb casio/60ssoul casio/r+b kara/8beatmotown", (75, 125), ["soul"], ["jazz", "hip-hop"]),
    _family("disco", "casio/discosoul boneym", (105, 128), ["disco"], ["house", "techno", "trance"]),
    _family("hip-hop", "alexis/hiphop casio/hip-hop zoom/hiphop", (80, 105), ["hip-hop"], ["techno", "house"]),
    _family("house", "casio/house zoom/house", (118, 130), ["house"], ["techno", "trance"]),
    _family("techno", "alexis/teamtechno casio/rave zoom/techno", (125, 145), ["techno"], ["house", "trance"]),
    _family("trance", "trance", (128, 142), ["trance"], ["techno", "house"]),
    _family("drum and bass", "zoom/dnb", (160, 175), ["drum and bass"], ["techno", "dubstep", "house"]),
    _family(
        "ambient",
        "casio/ambient1 casio/ambient2 casio/ambient3",
        (70, 100),
        ["ambient"],
        ["techno", "house", "trance", "classical"],
    ),
    _family("pop", "casio/pop casio/8beatpop1 casio/80spop popballad", (75, 125), ["pop"], ["house"]),
    _family("march", "march dixiemarch casio/germanmarch", (100, 125), [], ["classical", "jazz"]),
    _family("waltz", "waltz vienesewaltz frenchwaltz casio/popwaltz", (90, 180), [], ["classical", "jazz", "country"]),
    _family("polka", "polka casio/polka", (105, 130), [], ["country"]),
    _family("hymn", "hymn", (70, 100), [], ["classical"]),
    _family("ragtime", "ragtime", (80, 110), [], ["jazz", "swing", "classical"]),
)
SHORTEST_BAR_BEATS = 3
"""The length of the shortest bars of all families, those of waltzes."""
PROGRESSIONS = (
    ("I", "vi", "IV", "V"),
    ("I", "V", "vi", "IV"),
    ("I", "IV", "V", "I"),
    ("ii", "V", "I", "I"),
    ("vi", "IV", "I", "V"),
    ("i", "VI", "VII", "i"),
    ("i", "iv", "V", "i"),
)
BLUES = ("I7", "I7", "I7", "I7", "IV7", "IV7", "I7", "I7", "V7", "IV7", "I7", "V7")
_STEPS = {"I": 0, "ii": 2, "IV": 5, "V": 7, "vi": 9, "i": 0, "iv": 5, "VI": 8, "VII": 10}
_KEYS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")


def grooves(family: GrooveFamily) -> tuple[str, ...]:
    """Return the names of a family's grooves as MMA takes them, such as "stdlib/swing:Swing", without intros and ends.

    Raises DatasetError where MMA is not installed.
    """
    found = []
    for file in family.files:
        path = LIBRARY / f"{file}.mma"
        if not path.is_file():
            raise DatasetError(f"There is no {path}; expected MMA's library. Install the package mma.")
        names = _DEFINITION.findall(path.read_text(encoding="utf-8", errors="replace"))
        found += [f"{file}:{name}" for name in dict.fromkeys(names) if not _NO_BODY.search(name)]
    return tuple(found)


def basic_groove(groove: str) -> str:
    """Return the groove of which a groove is a variant: "stdlib/swing:Swing" for "stdlib/swing:SwingWalkSus"."""
    return _VARIANT.sub("", groove)


def draw_script(family: GrooveFamily, groove: str, seconds: float, generator: np.random.Generator) -> str:
    """Return a script for MMA: chords in a groove, a random key and a random tempo, for at least `seconds`."""
    bpm = int(generator.integers(family.bpm[0], family.bpm[1] + 1))
    key = int(generator.integers(12))
    progression = BLUES if family.name == "blues" else PROGRESSIONS[int(generator.integers(len(PROGRESSIONS)))]
    sevenths = "jazz" in (*family.tags, *family.near) and generator.random() < 0.7
    chords = [_chord(each, key, sevenths) for each in progression]
    bars = int(np.ceil(seconds * bpm / 60 / SHORTEST_BAR_BEATS)) + 1
    lines = [f"{bar + 1} {chords[bar % len(chords)]}" for bar in range(bars)]
    return "\n".join([f"RndSeed {int(generator.integers(1, 30_000))}", f"Tempo {bpm}", f"Groove {groove}", *lines, ""])


def play(script: str, folder: Path) -> bytes:
    """Return the MIDI file that MMA makes from a script.

    Raises DatasetError where MMA is missing or refuses the script.
    """
    written, midi = folder / "piece.mma", folder / "piece.mid"
    written.write_text(script, encoding="utf-8")
    run(["mma", str(written), "-f", str(midi)])
    return midi.read_bytes()


def _chord(numeral: str, key: int, sevenths: bool) -> str:
    """Return the name of a chord such as "Am" for a numeral in a key, with a seventh where wanted."""
    plain = numeral.removesuffix("7")
    name = _KEYS[(key + _STEPS[plain]) % 12] + ("m" if plain.islower() else "")
    if numeral.endswith("7"):
        return f"{name}7"
    if not sevenths:
        return name
    return f"{name}maj7" if plain in ("I", "IV", "VI") else f"{name}7"
