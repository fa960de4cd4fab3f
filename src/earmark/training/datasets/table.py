"""Load your own music: a CSV of paths and tags, or a folder with a subfolder for each tag."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal, get_args

from earmark.errors import DatasetError
from earmark.tagging.bundle.card import TagName
from earmark.training.datasets.base import SIDES, Dataset, DatasetTrack, Report, Split, Task
from earmark.training.datasets.catalogue import AUDIO_SUFFIXES, inspect_files, is_audio
from earmark.training.datasets.csv_file import CsvFile, CsvRow, read_csv
from earmark.training.datasets.options import did_you_mean, listed
from earmark.training.datasets.splits import FRACTIONS, checked_fractions, keep_split, read_split

SEPARATOR = ";"
"""The separator of tags in a cell."""


@dataclass(frozen=True)
class ListedTrack:
    """A listed track.

    Attributes:
        identifier: the path as listed, with `/` between folders.
        path: the sound file.
        tags: its tags, at least one.
        group, side: its group and its side of the split; None where the CSV has no such column.
        line: its line in the CSV; 0 for a folder.
    """

    identifier: str
    path: Path
    tags: tuple[str, ...]
    group: str | None = None
    side: str | None = None
    line: int = 0


def list_csv(path: Path) -> tuple[ListedTrack, ...]:
    """Return the tracks of a CSV with the columns path and tags, and optionally group (or artist) and split.

    Raises:
        DatasetError: a row has no path, tags or group, or a path is listed twice.
    """
    table = read_csv(path, ("path", "tags"))
    group_column = next((column for column in ("group", "artist") if column in table.columns), None)
    entries = tuple(_entry(table, row, group_column) for row in table.rows)
    first_line: dict[str, int] = {}
    for entry in entries:
        place = os.path.normpath(entry.path)
        if place in first_line:
            raise DatasetError(
                f"{path} lists {entry.identifier!r} twice, "
                f"in the lines {first_line[place]} and {entry.line}; write all tags of a track into one row."
            )
        first_line[place] = entry.line
    return entries


def _entry(table: CsvFile, row: CsvRow, group_column: str | None) -> ListedTrack:
    listed_path = row.cells["path"]
    if not listed_path:
        raise DatasetError(f"Line {row.line} of {table.path} has no path.")
    tags = _split_tags(row.cells["tags"])
    if not tags:
        raise DatasetError(
            f"Line {row.line} of {table.path} ({listed_path!r}) has no tags; "
            f"write them into the column 'tags', separated by {SEPARATOR!r}, or take the row out."
        )
    group = None if group_column is None else row.cells[group_column]
    if group == "":
        raise DatasetError(
            f"Line {row.line} of {table.path} ({listed_path!r}) has nothing in the column {group_column!r}; "
            "give every track its group, or take the column out."
        )
    return ListedTrack(
        identifier=PurePath(listed_path).as_posix(),
        path=table.path.parent / listed_path,
        tags=tags,
        group=group,
        side=row.cells.get("split"),
        line=row.line,
    )


def _split_tags(cell: str) -> tuple[str, ...]:
    tags = (tag.strip() for tag in cell.split(SEPARATOR))
    return tuple(dict.fromkeys(tag for tag in tags if tag))


def list_folders(root: Path) -> tuple[ListedTrack, ...]:
    """Return the tracks of a folder whose subfolders are the tags; hidden files are ignored.

    Raises:
        DatasetError: there are fewer than two subfolders, audio lies beside them, a subfolder has no audio, or a name
            is not UTF-8.
    """
    children = sorted(child for child in root.iterdir() if not child.name.startswith("."))
    folders = [child for child in children if child.is_dir()]
    if len(folders) < 2:
        raise DatasetError(
            f"{root} has {len(folders)} subfolders ({listed(folder.name for folder in folders)}); "
            "expected one a tag, at least two, or a CSV file in its place."
        )
    beside = [child.name for child in children if is_audio(child)]
    if beside:
        raise DatasetError(f"{root} holds audio beside its tag folders ({listed(beside)}); move it into one.")
    entries: list[ListedTrack] = []
    for folder in folders:
        paths = _audio_below(folder)
        if not paths:
            raise DatasetError(
                f"The tag folder {folder} holds no audio ({listed(sorted(AUDIO_SUFFIXES), most=20)}); "
                "fill it or take it away."
            )
        entries += [_folder_entry(root, path) for path in paths]
    return tuple(entries)


def _audio_below(folder: Path) -> Sequence[Path]:
    paths: list[Path] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths += [path for path in (Path(parent, name) for name in sorted(names)) if is_audio(path)]
    return paths


def _folder_entry(root: Path, path: Path) -> ListedTrack:
    inside = path.relative_to(root)
    try:
        str(inside).encode()
    except UnicodeEncodeError as error:
        raise DatasetError(f"The file name {str(inside)!r} in {root} is not UTF-8; rename it.") from error
    return ListedTrack(identifier=inside.as_posix(), path=path, tags=(inside.parts[0],))


NAME = "table"
LICENCE = "Yours to state: earmark does not know the licence of your own music."
CITATION = "None: your own music."
LAYOUT = """\
music.csv      UTF-8, comma-separated, a row a track, with the columns
                 path    absolute, or relative to the folder of the CSV
                 tags    separated by semicolons: guitar;slow
                 group   optional (or `artist`): what is never divided between train, valid and test
                 split   optional: train, valid or test
or a folder    one subfolder a tag, its audio inside: blues/song.mp3, or blues/artist/song.mp3
*.split.json   written beside the CSV or the folder when there is no column `split`"""
SPLIT = "default"
GROUP = "tags"

GroupBy = Literal["column", "folder", "track"]
ListedTracks = Sequence[ListedTrack]


def load(
    root: Path,
    task: Task | None = None,
    tags: Sequence[str] | None = None,
    minimum_count: int = 1,
    group_by: GroupBy | None = None,
    seed: int = 0,
    fractions: Sequence[float] = FRACTIONS,
    split_file: str | Path | None = None,
) -> Dataset:
    """Load the tracks that a CSV lists, or that lie in a folder with a subfolder for each tag.

    The split is called `default`. It is the column `split` of the CSV, or is drawn by group and stored, so that the
    next load finds it.

    Args:
        root: the CSV file or the folder.
        task: `multi-label` or `one-label`; without it a CSV is multi-label and a folder one-label.
        tags: the tags to use, in order; without it all tags, sorted. One-label tracks without any of them are left out;
            multi-label tracks stay.
        minimum_count: tags with fewer tracks are left out.
        group_by: what is on one side of the split: `column` (the CSV's `group` or `artist`), `folder` (of the file) or
            `track`. Without it: the column where it exists; else, for a CSV, the folder; else the artist's folder in a
            tree `tag/artist/song`, and the track in a tree `tag/song`. Choice: with a column `split` and no column of
            groups, each track is its own group.
        seed: the seed of the split.
        fractions: the shares of train, valid and test.
        split_file: where the split is stored; without it beside `root`, as `<name>.split.json`.

    Raises:
        DatasetError: the files or options have a fault; the message says how to correct it.
    """
    whole = _checked_options(task, minimum_count, seed, fractions)
    entries = _entries(root)
    task = task or ("one-label" if root.is_dir() else "multi-label")
    if task == "one-label" and (several := [entry.identifier for entry in entries if len(entry.tags) > 1]):
        raise DatasetError(
            f"{len(several)} tracks of {root} have more than one tag ({listed(several)}), "
            "and task is 'one-label'; leave them one tag, or ask for 'multi-label'."
        )
    missing = [entry.identifier for entry in entries if not entry.path.is_file()]
    if missing:
        raise DatasetError(
            f"{len(missing)} of the {len(entries)} files that {root} names are missing: {listed(missing)}."
        )
    every_label = sorted({label for entry in entries for label in entry.tags})
    grouped_by = group_by or _natural_grouping(root, entries)
    everything = _tracks(root, entries, every_label, grouped_by)
    if entries[0].side is not None:
        split = _split_of_column(root, entries)
    else:
        place = _split_file(root, split_file)
        split = keep_split(place, everything, name=SPLIT, seed=seed, fractions=whole, grouped_by=grouped_by)
    labels = _labels(root, entries, tags, minimum_count)
    kept = [entry for entry in entries if task == "multi-label" or set(entry.tags) & set(labels)]
    return Dataset(
        name=NAME,
        licence=LICENCE,
        citation=CITATION,
        layout=LAYOUT,
        task=task,
        tags=tuple(TagName(label, GROUP) for label in labels),
        tracks=_tracks(root, kept, labels, grouped_by),
        splits={SPLIT: _restricted(split, {entry.identifier for entry in kept})},
    )


def check(root: Path, split_file: str | Path | None = None) -> Report:
    """Report which files exist of those that the CSV, or the stored split of a folder, names."""
    entries = _entries(root)
    expected = {entry.identifier: entry.path for entry in entries}
    stored = _split_file(root, split_file)
    if root.is_dir() and stored.exists():
        # The stored split also names tracks that were removed from the folder later.
        expected = {name: root / name for name in read_split(stored).identifiers}
    return inspect_files(expected)


def _checked_options(
    task: Task | None, minimum_count: int, seed: int, fractions: Sequence[float]
) -> tuple[float, float, float]:
    if task is not None and task not in get_args(Task):
        raise DatasetError(f"The option task is {task!r}; expected {listed(get_args(Task))}.")
    for what, number, least in (("minimum_count", minimum_count, 1), ("seed", seed, 0)):
        if not isinstance(number, int) or isinstance(number, bool) or number < least:
            raise DatasetError(f"The option {what} is {number!r}; expected a whole number from {least} on.")
    train, valid, test = checked_fractions(fractions).tolist()
    return train, valid, test


def _entries(root: Path) -> tuple[ListedTrack, ...]:
    if not root.exists():
        raise DatasetError(f"There is nothing at {root}; expected a CSV file or a folder:\n{LAYOUT}")
    return list_folders(root) if root.is_dir() else list_csv(root)


def _split_file(root: Path, split_file: str | Path | None) -> Path:
    # The root is resolved, because a root such as "." has no name to add the ending to.
    if split_file is not None and not isinstance(split_file, str | Path):
        raise DatasetError(f"The option split_file is {split_file!r}; expected a path.")
    return Path(split_file) if split_file is not None else Path(f"{root.resolve()}.split.json")


def _natural_grouping(root: Path, entries: ListedTracks) -> GroupBy:
    if entries[0].group is not None:
        return "column"
    if entries[0].side is not None:
        return "track"
    if root.is_dir() and not any(len(Path(entry.identifier).parts) > 2 for entry in entries):
        return "track"
    return "folder"


def _tracks(root: Path, entries: ListedTracks, labels: Sequence[str], grouped_by: GroupBy) -> tuple[DatasetTrack, ...]:
    return tuple(
        DatasetTrack(
            entry.identifier,
            entry.path,
            tuple(float(label in entry.tags) for label in labels),
            _group(root, entry, grouped_by),
        )
        for entry in entries
    )


def _group(root: Path, entry: ListedTrack, grouped_by: GroupBy) -> str:
    if grouped_by == "track":
        return entry.identifier
    if grouped_by == "folder":
        parts = Path(entry.identifier).parts
        if root.is_dir():
            # The first folder is the tag, which every side needs; the second folder is the artist.
            return parts[1] if len(parts) > 2 else entry.identifier
        return Path(*parts[:-1]).as_posix()
    if grouped_by == "column":
        if entry.group is None:
            raise DatasetError(f"{root} has no column 'group' or 'artist'; group by 'folder' or 'track'.")
        return entry.group
    raise DatasetError(
        f"The option group_by is {grouped_by!r}; expected {listed(get_args(GroupBy))}."
        f"{did_you_mean(str(grouped_by), get_args(GroupBy))}"
    )


def _labels(root: Path, entries: ListedTracks, tags: Sequence[str] | None, minimum_count: int) -> tuple[str, ...]:
    counts = Counter(label for entry in entries for label in entry.tags)
    if tags is None:
        wanted = sorted(counts)
    elif isinstance(tags, str) or not all(isinstance(label, str) for label in tags):
        raise DatasetError(f"The option tags is {tags!r}; expected a list of tag names.")
    else:
        wanted = list(tags)
    unknown = [label for label in wanted if label not in counts]
    if unknown:
        raise DatasetError(
            f"No track of {root} has the tags asked for, {listed(unknown)}.{did_you_mean(unknown[0], counts)}"
        )
    labels = tuple(label for label in wanted if counts[label] >= minimum_count)
    if not labels:
        most, count = counts.most_common(1)[0]
        raise DatasetError(
            f"No tag of {root} is left: minimum_count is {minimum_count}, "
            f"and the most frequent tag, {most!r}, has {count} tracks."
        )
    return labels


def _split_of_column(root: Path, entries: ListedTracks) -> Split:
    members: dict[str, list[str]] = {side: [] for side in SIDES}
    for entry in entries:
        if entry.side not in members:
            raise DatasetError(
                f"Line {entry.line} of {root} has {entry.side!r} in the column 'split'; "
                f"expected one of {listed(SIDES)}."
            )
        members[entry.side].append(entry.identifier)
    return Split(SPLIT, *(tuple(members[side]) for side in SIDES))


def _restricted(split: Split, kept: Set[str]) -> Split:
    sides = (tuple(name for name in split.side(side) if name in kept) for side in SIDES)
    return Split(split.name, *sides)
