"""What a user's CSV or folder tree lists: an entry a track, before tags or splits are decided."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from earmark.errors import DatasetError
from earmark.training.datasets.csv_file import CsvFile, CsvRow, read_csv
from earmark.training.datasets.inspection import AUDIO_SUFFIXES, is_audio
from earmark.training.datasets.nearest import listed

SEPARATOR = ";"
"""What stands between two tags in a cell."""


@dataclass(frozen=True)
class Entry:
    """One listed track.

    `identifier` is the path as listed, with `/` between folders. `group` and `side` are None where the
    listing has no such column. `line` is that of the CSV, 0 for a folder tree.
    """

    identifier: str
    path: Path
    tags: tuple[str, ...]
    group: str | None = None
    side: str | None = None
    line: int = 0


def list_csv(path: Path) -> tuple[Entry, ...]:
    """Return the rows of a CSV with the columns path, tags and, if there, group (or artist) and split.

    Raises DatasetError for a row without a path, tags or group, and a path listed twice.
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


def _entry(table: CsvFile, row: CsvRow, group_column: str | None) -> Entry:
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
    return Entry(
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


def list_folders(root: Path) -> tuple[Entry, ...]:
    """Return the audio files of a folder whose subfolders are the tags; hidden ones are passed over.

    Raises DatasetError for audio beside the subfolders, a subfolder without audio, fewer than two
    subfolders, and a name that is not UTF-8.
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
    entries: list[Entry] = []
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


def _folder_entry(root: Path, path: Path) -> Entry:
    inside = path.relative_to(root)
    try:
        str(inside).encode()
    except UnicodeEncodeError as error:
        raise DatasetError(f"The file name {str(inside)!r} in {root} is not UTF-8; rename it.") from error
    return Entry(identifier=inside.as_posix(), path=path, tags=(inside.parts[0],))
