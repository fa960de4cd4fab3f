"""Provide the class Library: analyse many tracks once, store the results in one file, and search them."""

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from earmark.errors import LibraryError
from earmark.file_errors import file_errors
from earmark.library.adding import Added, Adding, Progress
from earmark.library.analysis import unpack_over_time
from earmark.library.collection import Collection
from earmark.library.course import course
from earmark.library.database import Database
from earmark.library.descriptions import Descriptions
from earmark.library.exchange import (
    Failed,
    export_records,
    import_records,
    read_jsonl,
    read_parquet,
    write_jsonl,
    write_parquet,
)
from earmark.library.heads import Heads, classify_again
from earmark.library.jobs import Engine, WorkerSetup
from earmark.library.map import CollectionMap, map_document, map_of
from earmark.library.playlist import PlaylistEntry, write_playlist
from earmark.library.recording import Failure, Track
from earmark.library.remote import absolute_path, is_remote
from earmark.library.removal import remove_tracks
from earmark.library.scan import walk
from earmark.library.searching import Found, Searching, SearchResult, Sort
from earmark.library.similarity import EVERYTHING, Choice, nearest
from earmark.library.space import keep_hidden_layer
from earmark.library.stats import LibraryStats, stats_of
from earmark.library.store import Store, default_library
from earmark.library.vectors import Vectors, open_vectors
from earmark.library.verify import Finding, Verifying
from earmark.library.workers import LocalEngine
from earmark.tagging.bundle.card import Card
from earmark.tagging.prediction import OverTime
from earmark.tagging.tagger import Tagger, load
from earmark.tagging.windows import OverTimeSettings
from earmark.workers.limits import USUAL_LIMITS, Limits

WINDOW_SECONDS = 10.0
"""The length of windows for tags over time, or the model's longest segment if that is longer. The hop is half of it."""
DESCRIBED_TOGETHER = 200
"""After how many files the tags of new ones are read."""
SPARE_TRACKS = 16
"""How many more similar tracks are searched, to replace the track itself and those whose files are missing."""

NewEngine = Callable[[WorkerSetup], Engine]


class Library:
    """A library of tracks in one file. It is a context manager, and only one thread may use it.

    path: the file; default: the one in the user's data folder.
    tagger: the model that analyses files; with it the file is created if it does not exist. Searches need no tagger,
    because the library contains the results and the card of the model.

    Raises LibraryError if the file is not a library, has a newer schema, or cannot be used.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None = None, tagger: Tagger | None = None, *, make: bool = False
    ) -> None:
        """Open a library.

        make: create the file if it does not exist, also without a tagger, for example for an import.
        """
        self.path = default_library() if path is None else Path(path).expanduser()
        self.tagger = tagger
        self.store = Store(self.path, make=make or tagger is not None)
        self.database = Database(self.store)
        self.descriptions = Descriptions(self.store)
        self.heads = Heads(self.database)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return self.database.count()

    def __repr__(self) -> str:
        return f"<Library {str(self.path)!r}: {len(self)} recordings>"

    def close(self) -> None:
        """Close the file."""
        self.store.close()

    def add(
        self,
        *named: str | os.PathLike[str],
        jobs: int | None = None,
        retry: bool = False,
        over_time: bool = True,
        low_priority: bool = True,
        limits: Limits = USUAL_LIMITS,
        engine: NewEngine | None = None,
        watch: Callable[[Progress], None] | None = None,
    ) -> Added:
        """Analyse all new files in folders. It may be interrupted at any time and called again.

        A file is recognised by its path, size and modification time, or else by its sound. A file that was renamed,
        copied or retagged is not analysed again. If only the model's head has changed, tracks are classified again from
        their vectors.

        jobs: the number of worker processes; default: one for each available processor. retry: try files again that
        failed before. over_time: also store tags over time. low_priority: give other programs priority. engine: makes
        the workers; default: processes of this machine. watch: called after every file.

        Raises LibraryError if there is no tagger, if the library cannot be written, for example because the disk is
        full, or if files can no longer be read, for example because a disk was removed. Raises WorkerError if no worker
        process can be started. Finished work is kept, and the rest can be added later.
        """
        tagger = self._needed_tagger("Adding")
        model_id = self.database.model_id(tagger.card)
        told = watch if watch is not None else _watch_nothing

        def watching(progress: Progress) -> None:
            # The tags of new files are read from time to time, so that searches find them while others are analysed.
            if progress.done % DESCRIBED_TOGETHER == DESCRIBED_TOGETHER - 1:
                self.descriptions.read_new()
            told(progress)

        adding = Adding(self.database, model_id, limits, retry=retry, watch=watching)
        classified = classify_again(self.database, tagger, model_id)
        self.database.make_current(model_id)
        keep_hidden_layer(self.database, model_id, tagger.bundle)
        found = walk(named)
        addresses = [text for text in map(os.fsdecode, named) if is_remote(text) and text not in found.absent]
        planned = adding.plan(found, addresses)
        if classified:
            adding.added.notes.append(f"{classified} recordings were classified again from their vectors")
        if planned:
            setup = WorkerSetup(tagger.bundle, _windows(tagger.card) if over_time else None, limits, low_priority)
            workers = LocalEngine(setup, jobs) if engine is None else engine(setup)
            # A cluster gives results faster than a disk can confirm each of them.
            writing = contextlib.nullcontext() if engine is None else self.store.many_writes()
            try:
                with writing:
                    adding.run(workers)
            finally:
                workers.close()
        self.descriptions.read_new()
        adding.added.notes.extend(self.heads.update(load))
        return adding.added

    def verify(
        self,
        *,
        deep: bool = False,
        repair: bool = False,
        jobs: int | None = None,
        limits: Limits = USUAL_LIMITS,
        engine: NewEngine | None = None,
        watch: Callable[[int], None] | None = None,
    ) -> list[Finding]:
        """Find the files that no longer match what the library stores about them.

        Every file is read without decoding it, to find missing, changed and unreadable files and other recordings.

        deep: also analyse every file again, and compare durations and scores. repair: mark missing files, store better
        results, record files that cannot be decoded as failures, and add all other files again. jobs, limits, engine:
        as for `add`. watch: called with the number of files done.

        Raises LibraryError if there is no tagger, and WorkerError if no worker process can be started.
        """
        tagger = self._needed_tagger("Verifying")
        model_id = self.database.model_id(tagger.card)
        verifying = Verifying(self.database, model_id, limits, deep=deep)
        setup = WorkerSetup(tagger.bundle, _windows(tagger.card) if deep else None, limits, low_priority=True)
        workers = LocalEngine(setup, jobs) if engine is None else engine(setup)
        try:
            findings = list(verifying.run(workers, watch if watch is not None else _watch_nothing))
        finally:
            workers.close()
        if repair:
            self.database.mark_missing([each.path for each in findings if each.what == "missing"], missing=True)
            better = {path for _, files in verifying.better for path, _ in files}
            for analysis, files in verifying.better:
                self.database.add_track(analysis, model_id, files)
            again = [each.path for each in findings if each.what not in ("missing", "unreachable")]
            for path, stamp, reason in verifying.broken:
                self.database.add_failure(path, stamp, reason)
            done = better | {path for path, _, _ in verifying.broken}
            again = [path for path in again if path not in done]
            self.database.forget_paths(again)
            if again:
                self.add(*again, jobs=jobs, limits=limits, engine=engine)
        return findings

    def remove(self, *named: int | str | os.PathLike[str], missing: bool = False) -> int:
        """Remove tracks by number, file or folder, and return how many there were. Their files stay as they are.

        A track that has further files elsewhere stays. missing: also remove all tracks whose files are missing.

        Raises LibraryError if the library has nothing by one of the names.
        """
        return remove_tracks(self.database, named, missing=missing)

    def stats(self) -> LibraryStats:
        """Return how much the library holds, and which share of it has each tag."""
        return stats_of(self._searching().collection)

    def failures(self) -> list[Failure]:
        """Return the files that could not be used, with their reasons, in the order of their paths."""
        return self.database.failures()

    def track(self, named: int | str | os.PathLike[str]) -> Track:
        """Return a recording by its number or the path of a file. Raises LibraryError if it is unknown."""
        if not isinstance(named, int):
            path = absolute_path(named)
            known = self.database.known_path(path)
            if known is None:
                raise LibraryError(f"{path}: found no such path in the library, expected one that was added.")
            named = known.track_id
        track = self.database.track(named)
        if track is None:
            raise LibraryError(f"found no track {named}, expected one of the library's {len(self)}.")
        return track

    def knows(self, named: int | str | os.PathLike[str]) -> bool:
        """Return whether the library has a track with this number or path."""
        if isinstance(named, int):
            return self.database.track(named) is not None
        return self.database.known_path(absolute_path(named)) is not None

    def over_time(self, named: int | str | os.PathLike[str]) -> OverTime | None:
        """Return the stored tags over time of a recording, or None if there are none.

        If only the model's head has changed since, they are still those of the older head; see `labels`.
        """
        found = self.database.over_time(self.track(named).id)
        return unpack_over_time(found[1], self.database.models()[found[0]]) if found is not None else None

    def left_out(self) -> int:
        """Return how many recordings searches leave out because another model analysed them."""
        return len(self) - self.database.count_of(self._model()[0])

    def search(
        self,
        text: str,
        n: int | None = 20,
        *,
        offset: int = 0,
        sort: Sort = "relevance",
        strict: bool | None = None,
        threshold: float | None = None,
        tags: Sequence[str] = (),
    ) -> SearchResult:
        """Search with free words such as "sad piano leoni", or in the strict language as "piano AND NOT vocals".

        Free words are tags, or words of titles, artists, albums, genres and paths. No word is an error: tracks are
        ranked by the sum of the evidence, all of them if a word leads to a tag, else those that have a word. In the
        strict language a track must fulfil the whole query. Both have conditions such as artist:leoni, year:1990-1999
        or like:7. An empty text finds all tracks, the newest first.

        n: the largest number of tracks; None for all. offset: how many results to leave out before. sort: the order;
        "relevance" puts the best first. strict: whether the text is in the strict language; None decides by its AND,
        OR, NOT, < and >. threshold: the least probability of a tag that a strict query names without a number; None
        for the one with the best F1 of each tag. tags: tags that every result must have, by the same threshold.

        Raises QueryError if a strict query is wrong, and LibraryError if the library is empty, `like:` names no track
        of it, `tags` has an unknown tag, `sort` is unknown, or n or offset is negative.
        """
        return self._searching()(text, n, offset=offset, sort=sort, strict=strict, threshold=threshold, tags=tags)

    def similar(self, source: int | str | os.PathLike[str], n: int = 10, *, choice: Choice = EVERYTHING) -> list[Found]:
        """Return the tracks most similar to a track of the library (by number or path) or to any file, best first.

        choice: what to compare: the classifier's hidden layer, or the vectors if the model has none; or scales and
        levels of the vectors, such as `Choice(alike="sound")` for the lowest levels, or "style" for the highest.

        Raises LibraryError if the track is unknown, or if a new file must be analysed without a tagger; DecodeError if
        it cannot be decoded.
        """
        vectors, card = self._vectors()
        own, embedding = self._number_and_vector(source)
        if embedding.shape != (card.vector_width,):
            raise LibraryError(
                f"{source}: found a vector of {len(embedding)} columns, expected {card.vector_width}: another model "
                "analysed it. Add it again."
            )
        nearest_tracks = nearest(self.database, vectors, embedding, n + SPARE_TRACKS, choice)
        searching = Searching(Collection(self.database, vectors, card))
        found = [searching.track(number, similarity) for number, similarity in nearest_tracks if number != own]
        return [each for each in found if each is not None][:n]

    def course(
        self, start: int | str | os.PathLike[str], end: int | str | os.PathLike[str], n: int = 20
    ) -> list[Found]:
        """Return tracks that lead from one track to another, both included, in small steps of sound and energy.

        The score of each is its similarity to the one before. See `earmark.library.course`.

        Raises LibraryError if a track is unknown, both are the same, the files of one are missing, or n is less than 2.
        """
        searching = self._searching()
        steps = course(searching.collection, self.track(start).id, self.track(end).id, n)
        found = [searching.track(step.track_id, step.similarity) for step in steps]
        return [each for each in found if each is not None]

    def playlist(self, file: str | os.PathLike[str], found: Sequence[Found], *, relative: bool = False) -> list[str]:
        """Write an M3U8 playlist of found tracks, and return the paths that it cannot contain.

        relative: write paths relative to the playlist's folder, so that both can be moved together.
        """
        entries = [PlaylistEntry(each.path, each.duration_seconds) for each in found]
        return write_playlist(Path(file), entries, relative=relative)

    def map(self) -> CollectionMap:
        """Return all tracks as points in two dimensions, with similar tracks close together."""
        vectors, card = self._vectors()
        return map_of(vectors, card.labels)

    def map_document(self, laid_out: CollectionMap) -> dict[str, object]:
        """Return a map as numbers and text for JSON, without tracks whose files are missing."""
        return map_document(laid_out, self.database)

    def export_to(self, file: str | os.PathLike[str], *, embeddings: bool = True, failed: Failed | None = None) -> int:
        """Write all tracks as JSONL, or as Parquet if the name ends in .parquet; return their number.

        embeddings: include the vectors; without them the file is smaller, but cannot be imported. failed: called with
        the error of a track that cannot be exported, which is left out; without it, the error is raised.
        """
        content = export_records(self.database, embeddings=embeddings, failed=failed)
        path = Path(file)
        return (write_parquet if _is_parquet(path) else write_jsonl)(path, content)

    def import_from(self, file: str | os.PathLike[str]) -> int:
        """Import a file of `export_to`, and return the number of new recordings. Known recordings do not change."""
        path = Path(file)
        content = (read_parquet if _is_parquet(path) else read_jsonl)(path)
        with self.store.many_writes():
            return import_records(self.database, content.cards, content.records, str(path))

    def _model(self) -> tuple[int, Card]:
        """Return the model whose results are searched: the tagger's, or the one that last added files."""
        if self.tagger is not None:
            return self.database.model_id(self.tagger.card), self.tagger.card
        return self.database.current_card()

    def _vectors(self) -> tuple[Vectors, Card]:
        number, card = self._model()
        return open_vectors(self.database, number, card, self.database.card_text(number)), card

    def _searching(self) -> Searching:
        return Searching(Collection(self.database, *self._vectors()))

    def _number_and_vector(self, source: int | str | os.PathLike[str]) -> tuple[int, npt.NDArray[np.floating[Any]]]:
        """Return the number and vector of a track; a file that is not in the library is analysed and has number -1."""
        if isinstance(source, int):
            return source, self.database.embedding(source)
        known = self.database.known_path(absolute_path(source))
        if known is not None:
            return known.track_id, self.database.embedding(known.track_id)
        if not Path(source).exists():
            raise LibraryError(f"{os.fsdecode(source)}: found neither such a file nor such a track of the library.")
        tagger = self._needed_tagger("Analysing a file that is not in the library")
        with file_errors(os.fsdecode(source)):
            return -1, tagger.embed(source)

    def _needed_tagger(self, what: str) -> Tagger:
        if self.tagger is None:
            raise LibraryError(
                f"{what} needs a model: found none, expected a tagger. Open the library with one: "
                'earmark.Library("music.earmark", earmark.load()).'
            )
        return self.tagger


def _is_parquet(file: Path) -> bool:
    return file.suffix.lower() == ".parquet"


def _windows(card: Card) -> OverTimeSettings:
    longest = max(extractor.segment_length * extractor.row_seconds for extractor in card.extractors)
    window_seconds = max(WINDOW_SECONDS, longest)
    return OverTimeSettings(window_seconds, window_seconds / 2)


def _watch_nothing(progress: Progress | int) -> None:
    del progress
