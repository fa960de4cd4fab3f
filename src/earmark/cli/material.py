"""What `earmark teach` learns from: words, from a CSV or from files, and the vectors of their tracks."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from earmark.cli.console import progress, say
from earmark.errors import EarmarkError
from earmark.file_errors import file_errors, reason_without_name

if TYPE_CHECKING:
    from earmark.library.library import Library
    from earmark.tagging.tagger import Tagger
    from earmark.teaching.examples import Examples
    from earmark.teaching.next_tracks import Candidate

ROWS_TOGETHER = 1_000


@dataclass(frozen=True)
class Worded:
    """A track with all of its words, and whose it is."""

    path: str
    words: tuple[str, ...]
    group: str


class Vectors:
    """The vectors of tracks: from the library where the model's own extractors heard them, else listened to."""

    def __init__(self, library: "Library | None", tagger: "Tagger") -> None:
        self._library, self._tagger = library, tagger
        self._same: set[int] = set()
        """The models of the library whose vectors are the tagger's too."""
        if library is not None:
            ears = [extractor.hash for extractor in tagger.card.extractors]
            models = library.database.models()
            self._same = {number for number, card in models.items() if [each.hash for each in card.extractors] == ears}

    def known(self, path: str) -> npt.NDArray[np.float32] | None:
        """The vector that the library has kept of a file, or None."""
        found = None if self._library is None else self._library.database.known_path(path)
        if self._library is None or found is None or found.model_id not in self._same:
            return None
        return self._library.database.embedding(found.track_id).astype(np.float32)

    def of(self, path: str) -> npt.NDArray[np.float32]:
        """A file's vector; raises what listening raises."""
        known = self.known(path)
        # In half precision in any case, so that it does not matter whether the library knew it.
        return self._tagger.embed(path).astype(np.float16).astype(np.float32) if known is None else known

    def others(self, named: set[str]) -> "Iterator[Candidate]":
        """The tracks of the library that are not among those named, one file each."""
        from earmark.teaching.next_tracks import Candidate

        if self._library is None:
            return
        store = self._library.store
        for rows in store.stream(
            "SELECT path, model_id, embedding FROM tracks JOIN paths ON track_id = tracks.id WHERE NOT missing "
            "GROUP BY tracks.id ORDER BY tracks.id",
            size=ROWS_TOGETHER,
        ):
            for blob, model_id, embedding in rows:
                path = os.fsdecode(blob)
                if model_id in self._same and path not in named:
                    yield Candidate(path, str(Path(path).parent), np.frombuffer(embedding, "<f2"))


def worded_by(labels: Path) -> list[Worded]:
    """The rows of a CSV."""
    from earmark.teaching.examples import read_labels

    return [Worded(os.path.normpath(row.path), row.words, row.group) for row in read_labels(labels)]


def worded_by_files(library: "Library", fields: Sequence[str]) -> tuple[list[Worded], int]:
    """Return what stands in the files of the library that have words in these fields, and how many cannot be read."""
    from earmark.library.file_words import spelled_alike, words_in_files
    from earmark.library.write import files_of

    files = files_of(library.database)
    found = []
    failed = 0
    with progress("reading tags") as done:
        for number, each in enumerate(words_in_files(library.database, (path for path, _ in files), fields), start=1):
            if each.reason:
                failed += 1
                say(f"earmark: {each.path}: {each.reason}")
            elif each.words:
                found.append(each)
            done(number, len(files))
    say(f"{len(found)} of {len(files)} files have words in {', '.join(fields)}")
    words = spelled_alike([each.words for each in found])
    return [Worded(each.path, own, each.group) for each, own in zip(found, words, strict=True)], failed


def gathered(worded: Sequence[Worded], vectors: Vectors) -> "tuple[Examples, int]":
    """Examples of tracks that have vectors, and how many could not be heard, a line for each on stderr."""
    from earmark.teaching.examples import examples_of

    rows: list[npt.NDArray[Any]] = []
    kept: list[Worded] = []
    failed = 0
    with progress("gathering") as done:
        for number, each in enumerate(worded, start=1):
            try:
                with file_errors(each.path):
                    rows.append(vectors.of(each.path))
                kept.append(each)
            except EarmarkError as error:
                failed += 1
                say(f"earmark: {each.path}: {reason_without_name(error)}")
            done(number, len(worded))
    matrix = np.array(rows, np.float32).reshape(len(rows), -1)
    words, groups = [each.words for each in kept], [each.group for each in kept]
    return examples_of(matrix, words, groups, [each.path for each in kept]), failed
