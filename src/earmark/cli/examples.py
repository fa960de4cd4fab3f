"""Collect the examples for `earmark teach`: labels from a CSV file or from music files, and the tracks' vectors."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from earmark.cli.output import progress, say
from earmark.errors import EarmarkError
from earmark.file_errors import file_errors, reason_without_name

if TYPE_CHECKING:
    from earmark.library.library import Library
    from earmark.tagging.tagger import Tagger
    from earmark.teaching.examples import Examples
    from earmark.teaching.next_tracks import Candidate


ROWS_TOGETHER = 1_000


@dataclass(frozen=True)
class LabelledTrack:
    """A track with its words and its group, which is its artist or folder."""

    path: str
    words: tuple[str, ...]
    group: str


class TrackVectors:
    """Gives the vectors of tracks, from the library if the model's extractors computed them, or else from the sound."""

    def __init__(self, library: "Library | None", tagger: "Tagger") -> None:
        self._library, self._tagger = library, tagger
        self._model_ids: set[int] = set()
        """The library's models that have the same extractors as the tagger, and so give the same vectors."""
        if library is not None:
            own = [extractor.hash for extractor in tagger.card.extractors]
            models = library.database.models()
            self._model_ids = {key for key, card in models.items() if [each.hash for each in card.extractors] == own}

    def stored(self, path: str) -> npt.NDArray[np.float32] | None:
        """Return the vector (columns,) of a file that the library has stored, or None."""
        found = None if self._library is None else self._library.database.known_path(path)
        if self._library is None or found is None or found.model_id not in self._model_ids:
            return None
        return self._library.database.embedding(found.track_id).astype(np.float32)

    def of(self, path: str) -> npt.NDArray[np.float32]:
        """Return a file's vector (columns,); raises the errors of `Tagger.embed`."""
        stored = self.stored(path)
        # The library stores vectors in half precision; rounding a new vector too gives the same result in both cases.
        return self._tagger.embed(path).astype(np.float16).astype(np.float32) if stored is None else stored

    def others(self, named: set[str]) -> "Iterator[Candidate]":
        """Yield the tracks of the library that are not named, with one file for each track."""
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
                if model_id in self._model_ids and path not in named:
                    yield Candidate(path, str(Path(path).parent), np.frombuffer(embedding, "<f2"))


def labels_from_csv(labels: Path) -> list[LabelledTrack]:
    """Read labelled tracks from a CSV file."""
    from earmark.teaching.examples import read_labels

    return [LabelledTrack(os.path.normpath(row.path), row.words, row.group) for row in read_labels(labels)]


def labels_from_files(library: "Library", fields: Sequence[str]) -> tuple[list[LabelledTrack], int]:
    """Read labelled tracks from fields of the library's files; return them and the number of files that failed."""
    from earmark.library.file_words import unify_spelling, words_in_files
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
    say(f"{len(found)} of {len(files)} files have words in the fields {', '.join(fields)}")
    words = unify_spelling([each.words for each in found])
    return [LabelledTrack(each.path, own, each.group) for each, own in zip(found, words, strict=True)], failed


def collect_examples(worded: Sequence[LabelledTrack], vectors: TrackVectors) -> "tuple[Examples, int]":
    """Return the examples of all tracks that have a vector, and the number that failed, with a message for each."""
    from earmark.teaching.examples import examples_of

    rows: list[npt.NDArray[Any]] = []
    kept: list[LabelledTrack] = []
    failed = 0
    with progress("collecting vectors") as done:
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
