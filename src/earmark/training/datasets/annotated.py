"""Sound that was made to order, so that what is in it and what is not is known: tags that are certain, 1 or 0."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from earmark.errors import DatasetError
from earmark.training.datasets.base import Dataset, DatasetTrack, Report
from earmark.training.datasets.catalogue import inspect_files
from earmark.training.datasets.csv_file import CsvRow, read_csv
from earmark.training.datasets.options import did_you_mean, listed
from earmark.training.datasets.splits import fold_splits
from earmark.training.datasets.vocabulary import Vocabulary, read_vocabulary

NAME = "annotated"
LICENCE = "Each track's own, in its tracks.csv."
CITATION = "The programs and packages that the column source of tracks.csv names."
LAYOUT = """\
tracks.csv           UTF-8, a row a track: track, file, kind, source, group, licence, fold (0 to 4), seconds, present,
                     absent; `earmark data make` writes it
audio/*              the files that the column `file` names: mono, 22 050 Hz, FLAC"""

FOLDS = 5
RATE_HZ = 22_050
SEPARATOR = ";"
ALL_MUSIC = "*"
"""In the column absent: every tag of the vocabulary that is not present and not in the group `OTHER_SOUND`."""
OTHER_SOUND = "other sound"
"""The group of tags such as speech and noise, of which music has none."""


@dataclass(frozen=True)
class AnnotatedTrack:
    """A row of tracks.csv.

    kind: what it is in a word, such as "speech" or "solo". source: the program or package that it comes from. group:
    what may never be in two sides of a split, such as a voice. present, absent: tags that are certain.
    """

    track: str
    file: str
    kind: str
    source: str
    group: str
    licence: str
    fold: int
    seconds: float
    present: tuple[str, ...]
    absent: tuple[str, ...]


COLUMNS = tuple(field.name for field in fields(AnnotatedTrack))


def load(root: Path, vocabulary: str = "vocabularies/earmark-2.toml") -> Dataset:
    """Return the tracks under `root` with the tags of a vocabulary (a path) as targets: 1, 0, or NaN where unknown.

    What a present tag implies is present, what it excludes is absent, and so is whatever implies an absent tag. The
    splits `fold-0` to `fold-4` share no group between their sides: `fold-k` tests on fold k, validates on fold
    (k + 1) mod 5, trains on the other three.

    Raises DatasetError for a missing file or column, a word that the vocabulary does not hold, and a
    tag that is both present and absent.
    """
    words = read_vocabulary(Path(vocabulary))
    rows = _rows(root)
    missing = [row.cells["file"] for row in rows if not (root / row.cells["file"]).is_file()]
    if missing:
        raise DatasetError(
            f"{len(missing)} of the {len(rows)} audio files that {root / 'tracks.csv'} names are missing "
            f"({listed(missing)}). Make them again with earmark data make."
        )
    tracks = tuple(
        DatasetTrack(
            row.cells["track"],
            root / row.cells["file"],
            targets_of(_tags(row.cells["present"]), _tags(row.cells["absent"]), words),
            row.cells["group"],
            licence=row.cells["licence"],
        )
        for row in rows
    )
    folds = {row.cells["track"]: int(row.cells["fold"]) for row in rows}
    return Dataset(NAME, LICENCE, CITATION, LAYOUT, "multi-label", words.names, tracks, dict(fold_splits(folds, FOLDS)))


def check(root: Path) -> Report:
    """Return which audio files of tracks.csv are found, missing, corrupt, and which audio is not in it."""
    return inspect_files({row.cells["file"]: root / row.cells["file"] for row in _rows(root)})


def targets_of(present: Sequence[str], absent: Sequence[str], vocabulary: Vocabulary) -> tuple[float, ...]:
    """Return the target of every tag of a vocabulary: 1 where it is certain, 0 where its absence is, NaN elsewhere.

    Raises DatasetError for an unknown word, and for a tag that is both present and absent.
    """
    labels = [tag.label for tag in vocabulary.tags]
    implies = {label: {label, *vocabulary.ancestors(label)} for label in labels}
    for word in (*present, *absent):
        if word not in (*labels, ALL_MUSIC):
            raise DatasetError(f"Vocabulary {vocabulary.name} has no tag {word!r}.{did_you_mean(word, labels)}")
    there = {tag for word in present for tag in implies[word]}
    excluded = {other for tag in vocabulary.tags if tag.label in there for other in tag.opposites}
    excluded |= {tag.label for tag in vocabulary.tags if set(tag.opposites) & there}
    denied = {*absent, *excluded}
    not_there = {label for label in labels if implies[label] & denied}
    if both := sorted(there & not_there):
        raise DatasetError(f"{listed(both)} cannot be present and absent; expected tags that do not deny each other.")
    if ALL_MUSIC in absent:
        not_there |= {tag.label for tag in vocabulary.tags if tag.group != OTHER_SOUND} - there
    return tuple(1.0 if label in there else 0.0 if label in not_there else math.nan for label in labels)


def write_tracks(root: Path, tracks: Iterable[AnnotatedTrack]) -> None:
    """Write tracks.csv under a root, whole or not at all."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for track in tracks:
        writer.writerow(SEPARATOR.join(each) if isinstance(each, tuple) else each for each in astuple(track))
    root.mkdir(parents=True, exist_ok=True)
    unfinished = root / ".tracks.csv.part"
    unfinished.write_text(text.getvalue(), encoding="utf-8")
    unfinished.replace(root / "tracks.csv")


def read_tracks(root: Path) -> tuple[AnnotatedTrack, ...]:
    """Return the rows of the tracks.csv under a root; DatasetError where there is none, or one is malformed."""
    return tuple(
        AnnotatedTrack(
            **{name: row.cells[name] for name in ("track", "file", "kind", "source", "group", "licence")},
            fold=int(row.cells["fold"]),
            seconds=float(row.cells["seconds"]),
            present=_tags(row.cells["present"]),
            absent=_tags(row.cells["absent"]),
        )
        for row in _rows(root)
    )


def _rows(root: Path) -> tuple[CsvRow, ...]:
    table = root / "tracks.csv"
    if not table.is_file():
        raise DatasetError(f"There is no {table}; the root of this dataset holds:\n{LAYOUT}")
    rows = read_csv(table, COLUMNS).rows
    for row in rows:
        if row.cells["fold"] not in {str(fold) for fold in range(FOLDS)}:
            raise DatasetError(f"Line {row.line} of {table} has {row.cells['fold']!r} as 'fold'; expected 0 to 4.")
    return rows


def _tags(cell: str) -> tuple[str, ...]:
    return tuple(word for word in cell.split(SEPARATOR) if word)
