"""A CSV of paths and words, as a person makes it in a spreadsheet."""

import csv
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from earmark.errors import TeachingError

COLUMNS = ("path", "tags")
GROUP_COLUMNS = ("group", "artist")
SEPARATOR = ";"


@dataclass(frozen=True)
class Label:
    """One track's words: all of them; what is not named, the track does not have.

    path: absolute. group: the artist or source, which is never divided when quality is measured; the folder where the
    file does not say.
    """

    path: Path
    words: tuple[str, ...]
    group: str


def read_labels(file: Path) -> tuple[Label, ...]:
    """Read a CSV with the columns path and tags and, where it has one, group or artist.

    Tags are separated by semicolons; an empty cell says that the track has none of the words. Paths are absolute or
    relative to the CSV's folder. A table that `earmark train` takes can be read as well. Raises TeachingError that
    names the line.
    """
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise TeachingError(f"{file}: it cannot be read ({error.strerror or error}). Name another file.") from error
    except UnicodeDecodeError as error:
        raise TeachingError(f"{file}: found bytes that are no UTF-8, expected text. Save it as 'CSV UTF-8'.") from error
    rows = csv.reader(io.StringIO(text, newline=""))
    header: list[str] = []
    labels: dict[Path, Label] = {}
    for cells in _rows(file, rows):
        if not any(cell.strip() for cell in cells):
            continue
        if not header:
            header = _checked_header(file, cells)
            continue
        place = f"{file}: line {rows.line_num}"
        if len(cells) != len(header):
            raise TeachingError(
                f"{place}: found {len(cells)} cells, expected {len(header)} as in the header. Put a cell that holds a "
                "comma in double quotes."
            )
        label = _label(file, place, dict(zip(header, (cell.strip() for cell in cells), strict=True)))
        if label.path in labels:
            raise TeachingError(f"{place}: found {label.path} a second time, expected it once. Put its words together.")
        labels[label.path] = label
    if not labels:
        raise TeachingError(f"{file}: found no rows, expected a header with path,tags and a row a track.")
    return tuple(labels.values())


def _rows(file: Path, rows: Iterator[list[str]]) -> Iterator[list[str]]:
    try:
        yield from rows
    except csv.Error as error:
        raise TeachingError(f"{file}: it is no table that can be read ({error}). Save it as 'CSV UTF-8'.") from error


def _checked_header(file: Path, cells: list[str]) -> list[str]:
    header = [cell.strip().lower() for cell in cells]
    for name in COLUMNS:
        if name not in header:
            raise TeachingError(
                f"{file}: found the columns {', '.join(header)}, expected {' and '.join(COLUMNS)}, separated by "
                f"commas. Name a column {name!r}."
            )
    if len(set(header)) < len(header):
        raise TeachingError(f"{file}: found two columns of one name, expected each once. Rename one.")
    return header


def _label(file: Path, place: str, cells: dict[str, str]) -> Label:
    if not cells["path"]:
        raise TeachingError(f"{place}: found no path, expected a file's. Fill it in, or take the row out.")
    # expanduser of os.path leaves as it is what begins with ~ and is nobody's home.
    path = (file.parent / os.path.expanduser(cells["path"])).absolute()  # noqa: PTH111
    words = tuple(dict.fromkeys(word.strip() for word in cells["tags"].split(SEPARATOR) if word.strip()))
    group = next((cells[name] for name in GROUP_COLUMNS if cells.get(name)), str(path.parent))
    return Label(path, words, group)
