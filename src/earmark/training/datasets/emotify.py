"""Load Emotify: one-minute excerpts with a genre, and the share of raters who felt each of nine emotions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

from earmark.errors import DatasetError
from earmark.tagging.bundle.card import TagName
from earmark.training.datasets.base import Dataset, DatasetTrack, Report
from earmark.training.datasets.catalogue import inspect_files
from earmark.training.datasets.csv_file import CsvRow, read_csv
from earmark.training.datasets.options import did_you_mean, listed
from earmark.training.datasets.splits import fold_splits

NAME = "emotify"
LICENCE = "For research only: audio by Magnatune's artists, ratings by the authors of Emotify."
CITATION = (
    "A. Aljanaki, F. Wiering, R. C. Veltkamp, 'Studying emotion induced by music "
    "through a crowdsourcing game', Information Processing & Management 52(1), 2016."
)
LAYOUT = """\
tracks.csv     UTF-8, a row a track: track, file, genre, artist, fold (0 to 4), and a column an emotion (0..1)
audio/*        the files that the column `file` names, relative to the root"""

GENRES = ("classical", "electronic", "pop", "rock")
EMOTIONS = (
    "amazement",
    "solemnity",
    "tenderness",
    "nostalgia",
    "calmness",
    "power",
    "joyful_activation",
    "tension",
    "sadness",
)
FOLDS = 5
EMOTION_THRESHOLD = 0.25
"""The smallest share of raters with which an emotion counts as positive."""

Target = Literal["genre", "emotions", "both"]
_COLUMNS = ("track", "file", "genre", "artist", "fold", *EMOTIONS)


def load(root: Path, target: Target = "both") -> Dataset:
    """Load the excerpts under `root` with genres, emotions or both as tags.

    The splits `fold-0` to `fold-4` have every artist on one side: `fold-k` tests on fold k, validates on fold (k + 1)
    mod 5, and trains on the other three.

    Args:
        root: the folder of the dataset (`LAYOUT`).
        target: `genre` is one-label, with 4 tags in the group `genres`. `emotions` is multi-label, with 9 tags in the
            group `moods` whose targets are shares of raters; 0.25 counts as positive. `both` is multi-label, with the
            genres as 0 or 1, then the emotions.

    Raises:
        DatasetError: tracks.csv or one of its columns is missing, a value is out of range, or audio is missing.
    """
    if target not in get_args(Target):
        raise DatasetError(
            f"Emotify has no target {target!r}; expected {listed(get_args(Target))}."
            f"{did_you_mean(str(target), get_args(Target))}"
        )
    rows = _rows(root)
    tracks = tuple(_track(root, row, target) for row in rows)
    absent = [row.cells["file"] for row in rows if not (root / row.cells["file"]).is_file()]
    if absent:
        raise DatasetError(
            f"{len(absent)} of the {len(tracks)} audio files that {root / 'tracks.csv'} names are missing "
            f"({listed(absent)}). Bring them back, or take their rows out."
        )
    fold_of = {row.cells["track"]: _fold(row) for row in rows}
    genres = tuple(TagName(label, "genres") for label in GENRES)
    moods = tuple(TagName(label, "moods") for label in EMOTIONS)
    return Dataset(
        name=NAME,
        licence=LICENCE,
        citation=CITATION,
        layout=LAYOUT,
        task="one-label" if target == "genre" else "multi-label",
        tags={"genre": genres, "emotions": moods, "both": genres + moods}[target],
        tracks=tracks,
        splits=fold_splits(fold_of, FOLDS),
        positive_threshold=0.5 if target == "genre" else EMOTION_THRESHOLD,
    )


def check(root: Path) -> Report:
    """Report which audio files of tracks.csv are found, missing or corrupt, and which audio it does not list."""
    return inspect_files({row.cells["file"]: root / row.cells["file"] for row in _rows(root)})


def _rows(root: Path) -> tuple[CsvRow, ...]:
    table = root / "tracks.csv"
    if not table.is_file():
        found = "is not a folder" if not root.is_dir() else "holds no tracks.csv"
        raise DatasetError(f"{root} {found}; the root of Emotify holds:\n{LAYOUT}")
    return read_csv(table, _COLUMNS).rows


def _track(root: Path, row: CsvRow, target: Target) -> DatasetTrack:
    genre = row.cells["genre"]
    if genre not in GENRES:
        raise DatasetError(
            f"Line {row.line} of {root / 'tracks.csv'} has the genre {genre!r}; expected {listed(GENRES)}."
        )
    genres = tuple(float(genre == name) for name in GENRES)
    shares = tuple(_share(row, emotion) for emotion in EMOTIONS)
    targets = {"genre": genres, "emotions": shares, "both": genres + shares}[target]
    return DatasetTrack(row.cells["track"], root / row.cells["file"], targets, row.cells["artist"])


def _share(row: CsvRow, emotion: str) -> float:
    return _number(row, emotion, float, lambda share: 0.0 <= share <= 1.0, "a share of raters in 0..1")


def _fold(row: CsvRow) -> int:
    return int(_number(row, "fold", int, lambda fold: 0 <= fold < FOLDS, f"a whole number in 0..{FOLDS - 1}"))


def _number(
    row: CsvRow, column: str, read: Callable[[str], float], fits: Callable[[float], bool], expected: str
) -> float:
    text = row.cells[column]
    try:
        number = read(text)
    except ValueError:
        number = float("nan")
    if not fits(number):
        raise DatasetError(f"Line {row.line} of tracks.csv has {text!r} as {column!r}; expected {expected}.")
    return number
