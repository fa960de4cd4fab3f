"""Examples of words: a person's labels as a CSV file, and the tracks they name as vectors and targets."""

import csv
import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.errors import TeachingError

COLUMNS = ("path", "tags")
GROUP_COLUMNS = ("group", "artist")
SEPARATOR = ";"


@dataclass(frozen=True)
class Label:
    """The words of one track. A word that is not named is taken to be absent.

    path: absolute. group: the artist or source, whose tracks stay in one fold when quality is measured; the folder
    where the file names none.
    """

    path: Path
    words: tuple[str, ...]
    group: str


def read_labels(file: Path) -> tuple[Label, ...]:
    """Read labels from a CSV file with the columns path and tags, and optionally group or artist.

    Tags are separated by semicolons; an empty cell says that the track has none of the words. Paths are absolute or
    relative to the CSV file's folder. The tables that `earmark train` reads can be read as well.

    Raises TeachingError, naming the file and the line, where the file cannot be read or a row is wrong.
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
        raise TeachingError(f"{file}: found no rows, expected a header with path,tags and a row for each track.")
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
    # os.path.expanduser leaves a path as it is where ~ names no home directory; that of pathlib raises.
    path = (file.parent / os.path.expanduser(cells["path"])).absolute()  # noqa: PTH111
    words = tuple(dict.fromkeys(word.strip() for word in cells["tags"].split(SEPARATOR) if word.strip()))
    group = next((cells[name] for name in GROUP_COLUMNS if cells.get(name)), str(path.parent))
    return Label(path, words, group)


@dataclass(frozen=True, eq=False)
class Examples:
    """The tracks that a head is fitted on.

    vectors: (tracks, columns) float32. words: the words to teach, in order. has: (tracks, words) bool, whether a track
    has a word. groups: the artist or folder of each track. names: the name of each track, which enters the hash.
    """

    vectors: npt.NDArray[np.float32]
    words: tuple[str, ...]
    has: npt.NDArray[np.bool_]
    groups: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def hash(self) -> str:
        """The SHA-256, in hexadecimal, of the tracks' names and words, whatever their order."""
        digest = hashlib.sha256()
        for name, row in sorted(zip(self.names, self.has.tolist(), strict=True)):
            words = ";".join(word for word, there in zip(self.words, row, strict=True) if there)
            digest.update(f"{name}\t{words}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def counts(self) -> npt.NDArray[np.int64]:
        """Return how many tracks have each word: (words,) int64."""
        return np.asarray(self.has.sum(axis=0), dtype=np.int64)

    def with_words(self, kept: Sequence[str]) -> "Examples":
        """Return the same tracks with only the words in `kept`, in that order."""
        places = [self.words.index(word) for word in kept]
        return Examples(self.vectors, tuple(kept), self.has[:, places], self.groups, self.names)

    def rows(self, chosen: npt.NDArray[np.int64]) -> "Examples":
        """Return the tracks of the given row numbers, (rows,) int64, in that order."""
        return Examples(
            self.vectors[chosen],
            self.words,
            self.has[chosen],
            tuple(self.groups[row] for row in chosen.tolist()),
            tuple(self.names[row] for row in chosen.tolist()),
        )


def examples_of(
    vectors: npt.NDArray[np.float32], words: Sequence[Sequence[str]], groups: Sequence[str], names: Sequence[str]
) -> Examples:
    """Make Examples from vectors, (tracks, columns) float32, and the words, group and name of each track.

    The words are put in alphabetical order.

    Raises TeachingError where there is no vector or no word, or where the four numbers of tracks differ.
    """
    every = tuple(sorted({word for of_track in words for word in of_track}))
    if not len(vectors) or not every or not len(vectors) == len(words) == len(groups) == len(names):
        raise TeachingError(
            f"found {len(vectors)} vectors, {len(words)} lists of words with {len(every)} different ones, "
            f"{len(groups)} groups and {len(names)} names; expected as many of each, and at least one word. Label some "
            "tracks."
        )
    has = np.array([[word in of_track for word in every] for of_track in map(set, words)], dtype=np.bool_)
    return Examples(np.asarray(vectors, np.float32), every, has, tuple(groups), tuple(names))
