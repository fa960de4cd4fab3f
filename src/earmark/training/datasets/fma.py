"""Load FMA: 30-second clips of the Free Music Archive with one root genre each; the subsets small and medium."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, get_args

from earmark.errors import DatasetError
from earmark.tagging.bundle.card import TagName
from earmark.training.datasets.base import SIDES, Dataset, DatasetTrack, Report, Split
from earmark.training.datasets.catalogue import Catalogue
from earmark.training.datasets.options import check_root, check_switches, did_you_mean, folder_below, listed
from earmark.training.datasets.splits import OfficialSplit

NAME = "fma"
LICENCE = "Audio: Creative Commons, a licence a track (tracks.csv, track.license). Metadata: CC BY 4.0."
CITATION = "M. Defferrard, K. Benzi, P. Vandergheynst, X. Bresson, 'FMA: a dataset for music analysis', ISMIR 2017."
LAYOUT = """\
fma_metadata/tracks.csv        two header rows; set.split, set.subset, artist.id and track.genre_top are used
fma_small/000/000002.mp3 ...   8 000 clips of 8 genres (or the option audio_folder; fma_large holds both subsets)
fma_medium/000/000002.mp3 ...  25 000 clips of 16 genres"""

Subset = Literal["small", "medium"]
SMALL_GENRES = ("Electronic", "Experimental", "Folk", "Hip-Hop", "Instrumental", "International", "Pop", "Rock")
MEDIUM_GENRES = tuple(
    sorted(
        (
            *SMALL_GENRES,
            *("Blues", "Classical", "Country", "Easy Listening", "Jazz", "Old-Time / Historic", "Soul-RnB", "Spoken"),
        )
    )
)
OFFICIAL: Mapping[str, OfficialSplit] = {
    "fma-small": OfficialSplit({}, total=8_000),
    "fma-medium": OfficialSplit({}, total=25_000),
}
SILENT_CLIPS = frozenset({"099134", "108925", "133297"})
"""Clips without sound in the official archives, which were cut after the end of the track."""

_TABLE = "fma_metadata/tracks.csv"
_COLUMNS = (("set", "split"), ("set", "subset"), ("artist", "id"), ("track", "genre_top"))
_FILE = re.compile(r"\d{6}\.mp3")
_SIDES = {"training": "train", "validation": "valid", "test": "test"}
_LONGEST_CELL = 1 << 24  # an artist's biography is one cell


def load(
    root: Path,
    subset: Subset = "small",
    audio_folder: str | Path | None = None,
    allow_missing: bool = False,
    verify: bool = False,
) -> Dataset:
    """Load the clips of a subset under `root`, each with its root genre, and the split `fma-small` or `fma-medium`.

    Tracks are named by their files, such as 000002, and grouped by artist. Three clips without sound in the official
    archives are left out, and `left_out` names them.

    Args:
        root: the folder of the dataset (`LAYOUT`).
        subset: `small` (8 genres) or `medium` (16 genres, includes small).
        audio_folder: the folder of 000/000002.mp3; without it fma_small or fma_medium.
        allow_missing: leave out clips whose file is absent or empty.
        verify: require the official number of tracks.

    Raises:
        DatasetError: tracks.csv or one of its columns is missing, it has an unknown genre or side, the subset is
            unknown, or audio is missing.
    """
    check_switches(allow_missing=allow_missing, verify=verify)
    catalogue = _catalogue(root, subset, audio_folder)
    if verify:
        catalogue.verify()
    present = catalogue.present(allow_missing=allow_missing)
    return Dataset(
        name=NAME,
        licence=LICENCE,
        citation=CITATION,
        layout=LAYOUT,
        task="one-label",
        tags=tuple(TagName(genre, "genres") for genre in _genres(subset)),
        tracks=present.tracks,
        splits=present.splits,
        left_out=present.left_out,
    )


def check(root: Path, subset: Subset = "small", audio_folder: str | Path | None = None) -> Report:
    """Report which clips are found, missing, corrupt or unexpected, and compare the split with the official one."""
    return _catalogue(root, subset, audio_folder).report()


def _genres(subset: Subset) -> tuple[str, ...]:
    return SMALL_GENRES if subset == "small" else MEDIUM_GENRES


def _catalogue(root: Path, subset: Subset, audio_folder: str | Path | None) -> Catalogue:
    if subset not in get_args(Subset):
        raise DatasetError(f"The option subset is {subset!r}; expected {listed(get_args(Subset))}.")
    check_root(root, "FMA", LAYOUT, _TABLE)
    audio = folder_below(root, "audio_folder", f"fma_{subset}" if audio_folder is None else audio_folder)
    genres = _genres(subset)
    subsets = ("small",) if subset == "small" else ("small", "medium")
    tracks = []
    members: dict[str, list[str]] = {side: [] for side in SIDES}
    for line, number, cells in _rows(root / _TABLE):
        if cells["set", "subset"] not in subsets:
            continue
        side, genre = cells["set", "split"], cells["track", "genre_top"]
        for what, value, known in (("set.split", side, tuple(_SIDES)), ("track.genre_top", genre, genres)):
            if value not in known:
                raise DatasetError(
                    f"Line {line} of {root / _TABLE} has {value!r} as {what}; expected {listed(known, most=20)}."
                    f"{did_you_mean(value, known)}"
                )
        name = f"{number:06d}"
        targets = tuple(float(genre == known) for known in genres)
        tracks.append(DatasetTrack(name, audio / name[:3] / f"{name}.mp3", targets, cells["artist", "id"]))
        members[_SIDES[side]].append(name)
    if not tracks:
        raise DatasetError(f"{root / _TABLE} lists no track of the subset {subset!r}; bring the original.")
    split = Split(f"fma-{subset}", **{side: tuple(names) for side, names in members.items()})
    return Catalogue(NAME, root, tuple(tracks), {split.name: split}, OFFICIAL, SILENT_CLIPS, others=_FILE)


def _rows(path: Path) -> Iterator[tuple[int, int, Mapping[tuple[str, str], str]]]:
    """Yield line, track number and needed cells of each row, after two header rows and a row with the index name."""
    longest = csv.field_size_limit(_LONGEST_CELL)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file)
            upper, lower, index = (next(lines, []) for _ in range(3))
            columns = list(zip(upper, lower, strict=False))
            missing = [f"{group}.{name}" for group, name in _COLUMNS if (group, name) not in columns]
            if missing or index[:1] != ["track_id"]:
                hint = (
                    did_you_mean(missing[0], map(".".join, columns)).replace("Did you mean", "Is it") if missing else ""
                )
                raise DatasetError(
                    f"{path} does not have the two header rows of FMA's tracks.csv and its index track_id; it lacks "
                    f"{listed(missing or ['track_id'])}.{hint} Bring the original."
                )
            places = {column: columns.index(column) for column in _COLUMNS}
            for cells in lines:
                if len(cells) != len(columns) or not cells[0].isdecimal():
                    raise DatasetError(
                        f"Line {lines.line_num} of {path} has {len(cells)} cells and begins with {cells[:1]}; expected "
                        f"{len(columns)} and a track number. The file is cut or was changed: bring the original."
                    )
                yield lines.line_num, int(cells[0]), {column: cells[place] for column, place in places.items()}
    except OSError as error:
        raise DatasetError(f"Cannot read {path}: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path} is no UTF-8 table: {error}. Bring the original.") from error
    finally:
        csv.field_size_limit(longest)
