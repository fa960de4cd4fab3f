"""Load MTG-Jamendo: whole tracks under Creative Commons licences with the 50 most used tags of their artists."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from earmark.errors import DatasetError
from earmark.tagging.bundle.card import TagName
from earmark.training.datasets.base import Dataset, DatasetTrack, Report, Split
from earmark.training.datasets.catalogue import Catalogue
from earmark.training.datasets.csv_file import read_lines
from earmark.training.datasets.options import check_switches, did_you_mean, folder_below, listed
from earmark.training.datasets.splits import OfficialSplit

NAME = "jamendo"
LICENCE = "Audio: Creative Commons, a licence a track (audio_licenses.txt). Tags and splits: CC BY-NC-SA 4.0."
CITATION = (
    "D. Bogdanov, M. Won, P. Tovstogan, A. Porter, X. Serra, 'The MTG-Jamendo dataset for automatic music tagging', "
    "Machine Learning for Music Discovery Workshop, ICML 2019."
)
LAYOUT = """\
data/splits/split-0/autotagging_top50tags-train.tsv       the official split files, as in the dataset's repository:
data/splits/split-0/autotagging_top50tags-validation.tsv  tab-separated, TRACK_ID, ARTIST_ID, ALBUM_ID, PATH,
data/splits/split-0/autotagging_top50tags-test.tsv        DURATION, TAGS (from there on a tag a cell)
data/splits/split-1/ ... split-4/                         as many of the five as you have (or the option lists)
audio/56/1376256.mp3 ...                                  54 380 tracks, as PATH names them; .low.mp3 will do"""

GENRES = (
    *("alternative", "ambient", "atmospheric", "chillout", "classical", "dance", "downtempo", "easylistening"),
    *("electronic", "experimental", "folk", "funk", "hiphop", "house", "indie", "instrumentalpop", "jazz", "lounge"),
    *("metal", "newage", "orchestral", "pop", "popfolk", "poprock", "reggae", "rock", "soundtrack", "techno"),
    *("trance", "triphop", "world"),
)
INSTRUMENTS = (
    *("acousticguitar", "bass", "computer", "drummachine", "drums", "electricguitar", "electricpiano", "guitar"),
    *("keyboard", "piano", "strings", "synthesizer", "violin", "voice"),
)
MOODS = ("emotional", "energetic", "film", "happy", "relaxing")
GROUPS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "genre": ("genres", GENRES),
    "instrument": ("instruments", INSTRUMENTS),
    "mood/theme": ("moods", MOODS),
}
"""The group and the tags of each category, which the files write before `---`."""
SPLITS = 5
OFFICIAL: Mapping[str, OfficialSplit] = {f"split-{number}": OfficialSplit({}, total=54_380) for number in range(SPLITS)}

_COLUMNS = ("TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "DURATION", "TAGS")
_FILE = re.compile(r"\d+(\.low)?\.mp3")
_FILES = {"train": "train", "valid": "validation", "test": "test"}
_PLACE_OF_TAG = {
    f"{category}---{label}": place
    for place, (category, label) in enumerate(
        (category, label) for category, (_, labels) in GROUPS.items() for label in labels
    )
}


def load(
    root: Path,
    splits: Sequence[int] | None = None,
    lists: str | Path = "data/splits",
    audio_folder: str | Path = "audio",
    allow_missing: bool = False,
    verify: bool = False,
) -> Dataset:
    """Load the tracks under `root` with the 50 most used tags, and the official splits `split-0` to `split-4`.

    Tracks have names such as track_1376256 and are grouped by artist. Tags are named without their category, which is
    their group: genres, instruments or moods.

    Args:
        root: the folder of the dataset (`LAYOUT`).
        splits: the numbers of the splits to load; without it all splits in `lists`.
        lists: the folder of split-0 and so on.
        audio_folder: the folder of the sound files.
        allow_missing: leave out tracks whose file is absent or empty.
        verify: require the official number of tracks.

    Raises:
        DatasetError: split files or columns are missing, a tag is not one of the 50, two split files differ in a track,
            or audio is missing.
    """
    check_switches(allow_missing=allow_missing, verify=verify)
    catalogue = _catalogue(root, splits, lists, audio_folder)
    if verify:
        catalogue.verify()
    present = catalogue.present(allow_missing=allow_missing)
    return Dataset(
        name=NAME,
        licence=LICENCE,
        citation=CITATION,
        layout=LAYOUT,
        task="multi-label",
        tags=tuple(TagName(label, group) for group, labels in GROUPS.values() for label in labels),
        tracks=present.tracks,
        splits=present.splits,
        left_out=present.left_out,
    )


def check(
    root: Path,
    splits: Sequence[int] | None = None,
    lists: str | Path = "data/splits",
    audio_folder: str | Path = "audio",
) -> Report:
    """Report which tracks are found, missing, corrupt or unexpected, and compare the splits with the official ones."""
    return _catalogue(root, splits, lists, audio_folder).report()


def _catalogue(root: Path, numbers: Sequence[int] | None, lists: str | Path, audio_folder: str | Path) -> Catalogue:
    folder = folder_below(root, "lists", lists)
    audio = folder_below(root, "audio_folder", audio_folder)
    tracks: dict[str, DatasetTrack] = {}
    splits = {}
    for number in _numbers(root, folder, numbers):
        sides = {}
        for side, ending in _FILES.items():
            path = folder / f"split-{number}" / f"autotagging_top50tags-{ending}.tsv"
            members = []
            for track in _tracks(path, audio):
                if tracks.setdefault(track.identifier, track) != track:
                    raise DatasetError(
                        f"{path} describes {track.identifier!r} differently than another split file; bring the "
                        "official files, all of one release."
                    )
                members.append(track.identifier)
            sides[side] = tuple(members)
        splits[f"split-{number}"] = Split(f"split-{number}", **sides)
    return Catalogue(NAME, root, tuple(tracks.values()), splits, OFFICIAL, others=_FILE)


def _numbers(root: Path, folder: Path, numbers: Sequence[int] | None) -> Sequence[int]:
    there = [number for number in range(SPLITS) if (folder / f"split-{number}").is_dir()]
    if not there:
        found = "holds no split-0 to split-4" if root.is_dir() else "does not exist"
        raise DatasetError(f"{folder} {found}; the root of MTG-Jamendo ({root}) holds:\n{LAYOUT}")
    if numbers is None:
        return there
    if not isinstance(numbers, list | tuple) or not numbers or any(number not in range(SPLITS) for number in numbers):
        raise DatasetError(f"The option splits is {numbers!r}; expected a list of numbers from 0 to {SPLITS - 1}.")
    absent = [f"split-{number}" for number in numbers if number not in there]
    if absent:
        raise DatasetError(f"{folder} does not hold {listed(absent)}; it holds the splits {there}.")
    return numbers


def _tracks(path: Path, audio: Path) -> Iterator[DatasetTrack]:
    """Yield the tracks of a split file, whose rows end in a varying number of tags."""
    lines = read_lines(path)
    header = tuple(lines[0].split("\t")) if lines else ()
    if header != _COLUMNS:
        missing = [name for name in _COLUMNS if name not in header]
        hint = did_you_mean(missing[0], header).replace("Did you mean", "Is it") if missing else ""
        raise DatasetError(
            f"{path} has the columns {listed(header, most=10)}; expected {listed(_COLUMNS, most=10)}.{hint}"
        )
    for number, line in enumerate(lines[1:], start=2):
        cells = line.split("\t")
        if len(cells) < len(_COLUMNS):
            raise DatasetError(f"Row {number} of {path} has {len(cells)} cells; expected 6 or more. The file is cut.")
        identifier, artist, _, place, _, *tags = cells
        unknown = [tag for tag in tags if tag not in _PLACE_OF_TAG]
        if unknown:
            raise DatasetError(
                f"Row {number} of {path} has the tag {unknown[0]!r}, which is none of the 50."
                f"{did_you_mean(unknown[0], _PLACE_OF_TAG)}"
            )
        targets = [0.0] * len(_PLACE_OF_TAG)
        for tag in tags:
            targets[_PLACE_OF_TAG[tag]] = 1.0
        whole = audio / place
        low = whole.with_suffix(".low.mp3")
        yield DatasetTrack(identifier, low if not whole.is_file() and low.is_file() else whole, tuple(targets), artist)
