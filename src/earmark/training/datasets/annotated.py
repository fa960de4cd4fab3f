"""Sound whose content is known because it was generated: targets are certain, 1 or 0."""

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
tracks.csv           UTF-8, a row for each track: track, file, kind, source, group, licence, fold (0 to 4), seconds,
                     present, absent; `earmark data make` writes it
audio/*              the files that the column `file` names: mono, 22 050 Hz, FLAC"""

FOLDS = 5
RATE_HZ = 22_050
SEPARATOR = ";"
ALL_MUSIC = "*"
"""The word in the column absent for every tag that is neither present nor in the group `OTHER_SOUND`."""
OTHER_SOUND = "other sound"
"""The group of tags for sound that is not music, such as speech and noise."""


@dataclass(frozen=True)
class AnnotatedTrack:
    """A row of tracks.csv.

    kind: a word for its content, such as "speech" or "solo". source: the program or package that it comes from. group:
    a name shared by all tracks that must be on the same side of a split, such as those of one voice. present: the tags
    that are certainly present. absent: the tags that are certainly absent. parts: the tracks of a mixture.
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
    parts: tuple[str, ...] = ()


COLUMNS = tuple(field.name for field in fields(AnnotatedTrack))
OPTIONAL_COLUMNS = ("parts",)


def load(root: Path, vocabulary: str = "vocabularies/earmark-2.toml") -> Dataset:
    """Return the tracks under `root` with the tags of a vocabulary (a path) as targets: 1, 0, or NaN where unknown.

    `targets_of` derives the targets from the columns present and absent. In the splits `fold-0` to `fold-4` no group is
    on two sides: `fold-k` tests on fold k, validates on fold (k + 1) mod 5, and trains on the other three.

    Raises DatasetError for a missing file or column, a word that the vocabulary lacks, and a tag that is both present
    and absent.
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
            targets_of_row(row, root / "tracks.csv", words),
            row.cells["group"],
            licence=row.cells["licence"],
        )
        for row in rows
    )
    folds = {row.cells["track"]: int(row.cells["fold"]) for row in rows}
    return Dataset(NAME, LICENCE, CITATION, LAYOUT, "multi-label", words.names, tracks, dict(fold_splits(folds, FOLDS)))


def check(root: Path) -> Report:
    """Return which audio files of tracks.csv are found, missing or corrupt, and which audio files it does not list."""
    return inspect_files({row.cells["file"]: root / row.cells["file"] for row in _rows(root)})


def targets_of(present: Sequence[str], absent: Sequence[str], vocabulary: Vocabulary) -> tuple[float, ...]:
    """Return the target of each tag of a vocabulary: 1 where it is present, 0 where it is absent, NaN where unknown.

    The tags that a present tag implies are present too. Its opposites are absent, and so is every tag that implies an
    absent tag. `ALL_MUSIC` in `absent` stands for all tags of music that are not present. Words may be synonyms.

    Raises DatasetError for an unknown word, and for a tag that is both present and absent.
    """
    labels = [tag.label for tag in vocabulary.tags]
    implies = {label: {label, *vocabulary.ancestors(label)} for label in labels}
    there = {tag for word in present for tag in implies[_label(word, vocabulary)]}
    excluded = {other for tag in vocabulary.tags if tag.label in there for other in tag.opposites}
    excluded |= {tag.label for tag in vocabulary.tags if set(tag.opposites) & there}
    denied = {*excluded, *(_label(word, vocabulary) for word in absent if word != ALL_MUSIC)}
    not_there = {label for label in labels if implies[label] & denied}
    if both := sorted(there & not_there):
        raise DatasetError(
            f"{listed(both)} cannot be present and absent; expected tags that do not exclude each other."
        )
    if ALL_MUSIC in absent:
        not_there |= {tag.label for tag in vocabulary.tags if tag.group != OTHER_SOUND} - there
    return tuple(1.0 if label in there else 0.0 if label in not_there else math.nan for label in labels)


def targets_of_row(row: CsvRow, table: Path, vocabulary: Vocabulary) -> tuple[float, ...]:
    """Return `targets_of` the columns present and absent of a row of a table; a missing column names no tags.

    Raises DatasetError, with the line and the table, where `targets_of` does.
    """
    try:
        return targets_of(_tags(row.cells.get("present", "")), _tags(row.cells.get("absent", "")), vocabulary)
    except DatasetError as error:
        raise DatasetError(f"Line {row.line} of {table}: {error}") from error


def write_tracks(root: Path, tracks: Iterable[AnnotatedTrack]) -> None:
    """Write tracks.csv under a root. An interrupted call leaves the previous table unchanged."""
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
    """Return the rows of the tracks.csv under a root.

    Raises DatasetError where there is no tracks.csv, or a row is malformed.
    """
    return tuple(
        AnnotatedTrack(
            **{name: row.cells[name] for name in ("track", "file", "kind", "source", "group", "licence")},
            fold=int(row.cells["fold"]),
            seconds=float(row.cells["seconds"]),
            present=_tags(row.cells["present"]),
            absent=_tags(row.cells["absent"]),
            parts=_tags(row.cells.get("parts", "")),
        )
        for row in _rows(root)
    )


def _rows(root: Path) -> tuple[CsvRow, ...]:
    table = root / "tracks.csv"
    if not table.is_file():
        raise DatasetError(f"There is no {table}; the root of this dataset holds:\n{LAYOUT}")
    rows = read_csv(table, [name for name in COLUMNS if name not in OPTIONAL_COLUMNS]).rows
    for row in rows:
        if row.cells["fold"] not in {str(fold) for fold in range(FOLDS)}:
            raise DatasetError(f"Line {row.line} of {table} has {row.cells['fold']!r} as 'fold'; expected 0 to 4.")
    return rows


def _tags(cell: str) -> tuple[str, ...]:
    return tuple(word for each in cell.split(SEPARATOR) if (word := each.strip()))


def _label(word: str, vocabulary: Vocabulary) -> str:
    label = vocabulary.label_of(word)
    if label is None:
        known = [tag.label for tag in vocabulary.tags]
        raise DatasetError(f"Vocabulary {vocabulary.name} has no tag {word!r}.{did_you_mean(word, known)}")
    return label
