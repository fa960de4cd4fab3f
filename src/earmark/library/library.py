"""The library: many tracks in one file, added once, searched at once."""

import contextlib
import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from earmark import __version__
from earmark.errors import LibraryError
from earmark.file_errors import file_errors
from earmark.library.adding import Added, Adding, Progress
from earmark.library.analysis import unpack_over_time
from earmark.library.database import Database, Failure, Track
from earmark.library.exchange import Failed, export_records, import_records
from earmark.library.jobs import USUAL_LIMITS, Engine, Limits, Setup
from earmark.library.jsonl import read_jsonl, write_jsonl
from earmark.library.likeness import EVERYTHING, Choice, nearest
from earmark.library.map import CollectionMap, map_of
from earmark.library.parquet import read_parquet, write_parquet
from earmark.library.place import default_library
from earmark.library.playlist import Entry, write_playlist
from earmark.library.query import parse
from earmark.library.remote import absolute_path, is_remote
from earmark.library.scan import walk
from earmark.library.search import THRESHOLD, fitting, ranked, tags_of
from earmark.library.store import Store
from earmark.library.vectors import Vectors, open_vectors
from earmark.library.verify import Finding, Verifying
from earmark.library.workers import LocalEngine
from earmark.tagging.bundle.card import Card
from earmark.tagging.prediction import OverTime
from earmark.tagging.tagger import Tagger
from earmark.tagging.windows import OverTimeSettings

WINDOW_SECONDS = 10.0
"""Of tags over time, or the model's longest segment; half of it from one window to the next."""
ROWS_TOGETHER = 1_000

LIKENESS_SPARE = 16
"""Tracks that are looked for besides, in place of the track itself and of those whose files are gone."""

NewEngine = Callable[[Setup], Engine]


@dataclass(frozen=True)
class Found:
    """A track that a search has found.

    score: how well it fits, 0 to 1; of `similar` the likeness, -1 to 1. paths: of its files that are there. tags: the
    probabilities of the tags that the search named.
    """

    track_id: int
    score: float
    paths: tuple[str, ...]
    duration_seconds: float
    tags: Mapping[str, float]

    @property
    def path(self) -> str:
        """The first of its files."""
        return self.paths[0]


class Library:
    """Many tracks in one file: a context manager, used by one thread.

    path: the file; without it the one in the user's data folder.
    tagger: the model that listens; with it the file is made where it is not there. A library that is only searched
    needs none: it holds what was heard, and the card of the model that heard it.

    Raises LibraryError where the file is no library, is a newer one, or cannot be used.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None = None, tagger: Tagger | None = None, *, make: bool = False
    ) -> None:
        """`make`: make the file where it is not there, also without a tagger, such as to import into it."""
        self.path = default_library() if path is None else Path(path).expanduser()
        self.tagger = tagger
        self.store = Store(self.path, make=make or tagger is not None)
        self.database = Database(self.store)

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
        """Listen to all that is new in folders and files; may be stopped and called again at any time.

        A file is known by its path, size and time of change, or else by its sound: one that was renamed, copied or
        retagged is not listened to again. After a change of model, tracks whose vectors are still good are only
        classified again.

        jobs: worker processes; without it one a processor that this process may use. retry: try again what failed.
        over_time: keep tags over time as well. low_priority: leave the processor to others. engine: makes the workers,
        when they are not to be processes of this machine. watch: told of every file that is done.

        Raises LibraryError where there is no tagger, where the library cannot be written, such as on a full disk, and
        where files can no longer be read, such as of a disk that was disconnected; WorkerError where no worker process
        can be started. What was done until then is kept, and what is left stays to be done.
        """
        tagger = self._needed_tagger("Adding")
        model_id = self.database.model_id(tagger.card)
        adding = Adding(
            self.database, model_id, limits, retry=retry, watch=watch if watch is not None else _watch_nothing
        )
        classified = self._classify_again(tagger, model_id)
        self.database.make_current(model_id)
        found = walk(named)
        addresses = [text for text in map(os.fsdecode, named) if is_remote(text) and text not in found.absent]
        planned = adding.plan(found, addresses)
        if classified:
            adding.added.notes.append(f"{classified} recordings were classified anew from their vectors")
        if planned:
            setup = Setup(tagger.bundle, _windows(tagger.card) if over_time else None, limits, low_priority)
            workers = LocalEngine(setup, _processors() if jobs is None else jobs) if engine is None else engine(setup)
            # Many machines bring results faster than a disk confirms them one by one.
            writing = contextlib.nullcontext() if engine is None else self.store.many_writes()
            try:
                with writing:
                    adding.run(workers)
            finally:
                workers.close()
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
        """Find the files that do not give what is kept of them, in the order in which they were found.

        Every file is read, undecoded: it may be missing, changed, another recording, or unreadable. deep: every file is
        heard again as well, and lengths and scores are compared, which nothing else can tell.
        repair: what is missing is marked so, what was heard better is kept, what cannot be decoded is a failure, and
        other files are added again. jobs, limits, engine: as for `add`. watch: told how many files are done.

        Raises LibraryError where there is no tagger, and WorkerError where no worker process can be started.
        """
        tagger = self._needed_tagger("Verifying")
        model_id = self.database.model_id(tagger.card)
        verifying = Verifying(self.database, model_id, limits, deep=deep)
        setup = Setup(tagger.bundle, _windows(tagger.card) if deep else None, limits, low_priority=True)
        workers = LocalEngine(setup, _processors() if jobs is None else jobs) if engine is None else engine(setup)
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

    def failures(self) -> list[Failure]:
        """The files that could not be used, each with its reason, in the order of their paths."""
        return self.database.failures()

    def track(self, named: int | str | os.PathLike[str]) -> Track:
        """A recording by its number or the path of one of its files; raises LibraryError where it is not known."""
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
        """Whether a number or a path is of a track that is here."""
        if isinstance(named, int):
            return self.database.track(named) is not None
        return self.database.known_path(absolute_path(named)) is not None

    def over_time(self, named: int | str | os.PathLike[str]) -> OverTime | None:
        """Tags over time of a recording, as they were kept; None where they were not.

        After a change of the head alone they still are the older head's: `labels` tells which tags they have.
        """
        found = self.database.over_time(self.track(named).id)
        return unpack_over_time(found[1], self.database.models()[found[0]]) if found is not None else None

    def left_out(self) -> int:
        """How many recordings another model judged, and are left out of searches until they are added again."""
        return len(self) - self.database.count_of(self._model()[0])

    def search(self, query: str, n: int | None = 20, *, threshold: float = THRESHOLD) -> list[Found]:
        """The tracks that fit a search such as "piano AND NOT vocals AND guitar>0.6", the best first.

        n: how many at most; None for all. threshold: from which probability on a tag counts where the search does not
        say. Raises QueryError that points at what is wrong, and LibraryError where nothing was added yet.
        """
        vectors, card = self._vectors()
        parsed = parse(query, card.labels)
        named = tags_of(parsed)
        ranking = ranked(fitting(parsed, vectors, self.database, threshold), vectors.ids)
        found = (self._found(number, score, vectors, card, named) for number, score in ranking)
        return list(itertools.islice((each for each in found if each is not None), n))

    def similar(self, source: int | str | os.PathLike[str], n: int = 10, *, choice: Choice = EVERYTHING) -> list[Found]:
        """The tracks most like a track of the library (by number or path) or any other file, the most alike first.

        choice: over which scales and levels: `Choice(alike="sound")` for the lowest levels, "style" for the highest.
        Raises LibraryError for a track that is not known, and where a file is to be heard without a tagger;
        DecodeError for a file that is no sound.
        """
        vectors, card = self._vectors()
        own, embedding = self._heard(source)
        if embedding.shape != (card.vector_width,):
            raise LibraryError(
                f"{source}: found a vector of {len(embedding)} columns, expected {card.vector_width}: another model "
                "heard it. Add it again."
            )
        nearest_tracks = nearest(self.database, vectors, embedding, n + LIKENESS_SPARE, choice)
        found = [
            self._found(number, likeness, vectors, card, ()) for number, likeness in nearest_tracks if number != own
        ]
        return [each for each in found if each is not None][:n]

    def playlist(self, file: str | os.PathLike[str], found: Sequence[Found], *, relative: bool = False) -> list[str]:
        """Write an M3U8 playlist of what was found; returns the paths that cannot stand in one.

        relative: to the playlist's folder, so that both can be moved together.
        """
        entries = [Entry(each.path, each.duration_seconds) for each in found]
        return write_playlist(Path(file), entries, relative=relative)

    def map(self) -> CollectionMap:
        """All tracks as points, what sounds alike close together."""
        vectors, card = self._vectors()
        return map_of(vectors, card.labels)

    def map_document(self, laid_out: CollectionMap) -> dict[str, object]:
        """A map for a page or a program: plain numbers and text, for JSON; tracks whose files are gone are left out."""
        tracks = []
        for number, (x, y), tag in zip(
            laid_out.ids.tolist(), laid_out.points.tolist(), laid_out.tag.tolist(), strict=True
        ):
            paths = self.database.paths_of(number, missing=False)
            if paths:
                tracks.append({"track": number, "path": paths[0], "x": x, "y": y, "tag": laid_out.labels[tag]})
        return {"labels": list(laid_out.labels), "share": laid_out.share, "tracks": tracks}

    def export_to(self, file: str | os.PathLike[str], *, embeddings: bool = True, failed: Failed | None = None) -> int:
        """Write all tracks as JSONL or, where the name ends in .parquet, as Parquet; returns how many.

        Without embeddings the file is small, and cannot be imported again. failed: told of a track whose row cannot be
        used, which is left out; without it FileError is raised.
        """
        content = export_records(self.database, embeddings=embeddings, failed=failed)
        path = Path(file)
        return (write_parquet if _is_parquet(path) else write_jsonl)(path, content)

    def import_from(self, file: str | os.PathLike[str]) -> int:
        """Take in what `export_to` wrote; returns how many recordings are new. What is known stays as it is."""
        path = Path(file)
        content = (read_parquet if _is_parquet(path) else read_jsonl)(path)
        with self.store.many_writes():
            return import_records(self.database, content.cards, content.records, str(path))

    def _model(self) -> tuple[int, Card]:
        """The model whose judgements are searched: the tagger's, or the one that the library was last filled with."""
        if self.tagger is not None:
            return self.database.model_id(self.tagger.card), self.tagger.card
        return self.database.current_card()

    def _vectors(self) -> tuple[Vectors, Card]:
        number, card = self._model()
        return open_vectors(self.database, number, card, self.database.card_text(number)), card

    def _found(self, number: int, score: float, vectors: Vectors, card: Card, named: Sequence[int]) -> "Found | None":
        """What is shown of a track, None where none of its files is there."""
        paths = self.database.paths_of(number, missing=False)
        if not paths:
            return None
        row = int(np.searchsorted(vectors.ids, number))
        tags = {card.labels[place]: float(vectors.probabilities[place, row]) for place in named}
        return Found(number, score, paths, self.database.duration_seconds(number), tags)

    def _heard(self, source: int | str | os.PathLike[str]) -> tuple[int, npt.NDArray[np.floating[Any]]]:
        """A track's number and vector; -1 for a file that is not in the library, which is listened to."""
        if isinstance(source, int):
            return source, self.database.embedding(source)
        known = self.database.known_path(absolute_path(source))
        if known is not None:
            return known.track_id, self.database.embedding(known.track_id)
        if not Path(source).exists():
            raise LibraryError(f"{os.fsdecode(source)}: found neither such a file nor such a track of the library.")
        tagger = self._needed_tagger("Listening to a file that is not in the library")
        with file_errors(os.fsdecode(source)):
            return -1, tagger.embed(source)

    def _classify_again(self, tagger: Tagger, model_id: int) -> int:
        """Let a new head judge the vectors that its extractors made; returns how many there were."""
        done = 0
        for other in self.database.other_heads(model_id):
            while rows := self.store.rows(
                "SELECT id, embedding FROM tracks WHERE model_id = ? LIMIT ?", (other, ROWS_TOGETHER)
            ):
                vectors = [(number, np.frombuffer(blob, "<f2").astype(np.float32)) for number, blob in rows]
                # One by one, as the tagger does it, so that no number depends on what stands beside it.
                logits = [(number, tagger.classifier(vector[np.newaxis])[0]) for number, vector in vectors]
                self.database.rewrite_logits(logits, model_id, __version__)
                done += len(rows)
        return done

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


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _watch_nothing(progress: Progress | int) -> None:
    del progress
