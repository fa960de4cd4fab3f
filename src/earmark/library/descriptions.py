"""Store what the tags of files say, such as the artist, and find tracks by these words and those of paths."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from earmark.errors import SourceError
from earmark.file_errors import file_errors
from earmark.file_name import folded, text_of
from earmark.library.fields import ALBUM, ARTIST, DATE, GENRE, TITLE
from earmark.library.jobs import Stamp
from earmark.library.remote import is_remote
from earmark.library.store import Store

TextField = Literal["title", "artist", "album", "genre", "path"]
TEXT_FIELDS: tuple[TextField, ...] = ("artist", "title", "album", "genre", "path")
"""The fields that are searched for words, the most telling first."""
SortField = Literal["title", "artist", "album", "genre", "year"]
TRACK_BITS = 20
"""The number of a description without its last bits is that of the track (`schema.py`)."""
TOGETHER = 200
"""How many descriptions are written in one transaction."""
LONGEST_CHARACTERS = 1_000
"""What is kept of a longer text."""
_YEAR = re.compile(r"(?<!\d)(1[0-9]{3}|2[0-9]{3})(?!\d)")
_SEPARATOR = "; "
_NO_TRACKS = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Description:
    """What the tags of a file say. A text is empty, and the year None, if the file does not have it."""

    title: str = ""
    artist: str = ""
    album: str = ""
    genre: str = ""
    year: int | None = None


NOTHING_SAID = Description()


def read_description(path: str) -> Description:
    """Read the tags of a file.

    Raises:
        SourceError: the file's format has no tags, or they cannot be read.
    """
    from earmark.library.tag_file import TagFile  # Its import takes a fifth of a whole search, which needs none.

    with file_errors(path):
        tags = TagFile(Path(path))
        title, artist, album, genre, date = (
            _SEPARATOR.join(tags.read(field))[:LONGEST_CHARACTERS] for field in (TITLE, ARTIST, ALBUM, GENRE, DATE)
        )
    year = _YEAR.search(date)
    return Description(title, artist, album, genre, int(year[1]) if year is not None else None)


class Descriptions:
    """The descriptions of a library's files. Every path has one; it is empty until the file's tags were read."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read_new(self) -> int:
        """Read the tags of local files that are new or have changed since they were read; return how many there were.

        A file whose tags cannot be read is found by its path alone.
        """
        done = last = 0
        while waiting := self._store.rows(
            "SELECT id, path, paths.size_bytes, paths.modified_ns FROM descriptions JOIN paths USING (path) "
            "WHERE id > ? AND NOT missing AND (descriptions.modified_ns, descriptions.size_bytes) IS NOT "
            "(paths.modified_ns, paths.size_bytes) ORDER BY id LIMIT ?",
            (last, TOGETHER),
        ):
            last = waiting[-1][0]
            read = [(path, Stamp(*stamp), _read(os.fsdecode(path))) for _, path, *stamp in waiting]
            self.write((path, stamp, said) for path, stamp, said in read if said is not None)
            done += len(read)
        return done

    def write(self, rows: Iterable[tuple[bytes, Stamp, Description]]) -> None:
        """Store descriptions in one transaction, given as (path, stamp, description)."""
        with self._store.transaction():
            for path, stamp, description in rows:
                said = (description.title, description.artist, description.album, description.genre)
                self._store.run(
                    "UPDATE descriptions SET size_bytes = ?, modified_ns = ?, title = ?, artist = ?, album = ?, "
                    "genre = ?, year = ? WHERE path = ?",
                    (stamp.size_bytes, stamp.modified_ns, *said, description.year, path),
                )
                self._store.run(
                    "UPDATE words SET title = ?, artist = ?, album = ?, genre = ? "
                    "WHERE rowid = (SELECT id FROM descriptions WHERE path = ?)",
                    (*map(folded, said), path),
                )

    def of_track(self, track_id: int) -> Description:
        """Return the description of a track: that of the first of its existing files whose tags say anything."""
        rows = self._store.rows(
            "SELECT title, artist, album, genre, year FROM descriptions JOIN paths USING (path) "
            "WHERE id >= ? AND id < ? ORDER BY missing, path",
            (track_id << TRACK_BITS, (track_id + 1) << TRACK_BITS),
        )
        return next((said for row in rows if (said := Description(*row)) != NOTHING_SAID), NOTHING_SAID)

    def tracks_with(self, text: str, field: TextField | None = None, *, start: bool = False) -> npt.NDArray[np.int64]:
        """Return the tracks with words in a field, ascending, each once.

        text: one or more words, which must follow each other. field: None for any. start: also find longer words that
        begin with the last.
        """
        phrase = _phrase(text)
        if phrase is None:
            return _NO_TRACKS
        within = f"{field} : " if field is not None else ""
        return self._tracks(
            "SELECT rowid AS id FROM words WHERE words MATCH ?", (f"{within}{phrase}{' *' if start else ''}",)
        )

    def tracks_of_years(self, first: int, last: int) -> npt.NDArray[np.int64]:
        """Return the tracks of the years from `first` to `last`, ascending, each once."""
        return self._tracks("SELECT id FROM descriptions WHERE year BETWEEN ? AND ?", (first, last))

    def sort_keys(self, field: SortField) -> Mapping[int, str | int]:
        """Return a field of all tracks that have it, in the form of `folded`, by their numbers."""
        there = "year > 0" if field == "year" else f"{field} <> ''"
        # A track with several files is sorted by the first one.
        rows = self._store.rows(f"SELECT id, {field} FROM descriptions WHERE {there} ORDER BY id DESC")
        if field == "year":
            return {number >> TRACK_BITS: year for number, year in rows}
        forms = {text: folded(text) for text in {text for _, text in rows}}
        return {number >> TRACK_BITS: forms[text] for number, text in rows}

    def _tracks(self, sql: str, values: Sequence[object]) -> npt.NDArray[np.int64]:
        """Return the tracks of descriptions, whose numbers the statement gives in ascending order."""
        # One text of all numbers is read in a third of the time of as many rows.
        row = self._store.row(f"SELECT group_concat(id >> {TRACK_BITS}) FROM ({sql})", values)
        if row is None or row[0] is None:
            return _NO_TRACKS
        tracks = np.fromstring(row[0], np.int64, sep=",")
        return np.asarray(tracks[np.diff(tracks, prepend=-1) != 0], np.int64)


def _read(path: str) -> Description | None:
    """Return what a file says, nothing if its tags cannot be read, or None if the file cannot be reached now."""
    if is_remote(path):
        return NOTHING_SAID
    try:
        return read_description(path)
    except SourceError:
        return NOTHING_SAID if os.path.lexists(path) else None


def _phrase(text: str) -> str | None:
    """Return words as a phrase of FTS5, or None if there are none."""
    plain = text_of(folded(text)).replace("\0", " ").replace('"', " ").strip()
    return f'"{plain}"' if any(map(str.isalnum, plain)) else None
