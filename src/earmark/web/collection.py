"""A library as the page and the API show it: tracks by number and name, never by path."""

import itertools
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.errors import LibraryError, QueryError
from earmark.library.library import Library
from earmark.library.likeness import Alike, Choice, nearest
from earmark.library.query import And, HasPath, HasTag, Not, Or, Query, parse
from earmark.library.vectors import Vectors, open_vectors
from earmark.tagging.bundle.card import Card, TagName
from earmark.tagging.bundle.json import card_from_json
from earmark.web import library_problems, problems
from earmark.web.problem import ProblemError

SHOWN_TAGS = 5
SPARE = 16
"""Tracks that are looked for besides, in place of the track itself and of those whose files are gone."""

LOG = logging.getLogger("earmark.web")


@dataclass(frozen=True)
class ShownTag:
    """One of a track's most probable tags."""

    tag: TagName
    probability: float


@dataclass(frozen=True)
class ShownTrack:
    """A track as it is shown: `score` is how well it fits, 0 to 1, or how alike it is, -1 to 1."""

    number: int
    name: str
    score: float
    duration_seconds: float
    tags: tuple[ShownTag, ...]


@dataclass(frozen=True)
class Opened:
    """A library while one request uses it."""

    library: Library
    vectors: Vectors
    card: Card

    def shown(self, number: int, score: float) -> ShownTrack | None:
        """A track as it is shown; None where none of its files is there."""
        paths = self.library.database.paths_of(number, missing=False)
        row = int(np.searchsorted(self.vectors.ids, number))
        if not paths or row == len(self.vectors.ids) or self.vectors.ids[row] != number:
            return None
        chances = self.vectors.probabilities[:, row]
        best = np.argsort(-chances, kind="stable")[:SHOWN_TAGS].tolist()
        tags = tuple(ShownTag(self.card.tags[place], float(chances[place])) for place in best)
        seconds = self.library.database.duration_seconds(number)
        return ShownTrack(number, name_of(paths[0]), score, seconds, tags)


class Collection:
    """One library file; opened anew for every request, since a connection to SQLite belongs to one thread."""

    def __init__(self, path: Path, card: Card) -> None:
        """`card`: of the server's own model. Raises LibraryError where the file is no library."""
        self._path, self._card = path, card
        with Library(path):
            pass

    def count(self) -> tuple[int, str]:
        """How many tracks there are, and the name of the model that heard them."""
        with self._opened() as opened:
            return len(opened.vectors.ids), opened.card.name

    def search(self, query: str, n: int) -> list[ShownTrack]:
        """The tracks that fit a search over tags, the best first; of an empty one those that were added last."""
        with self._opened() as opened:
            if not query.strip():
                newest = (opened.shown(number, 1.0) for number in reversed(opened.vectors.ids.tolist()))
                return list(itertools.islice((each for each in newest if each is not None), n))
            try:
                if _asks_for_paths(parse(query, opened.card.labels)):
                    raise ProblemError(library_problems.path_in_query())
                found = opened.library.search(query, n)
            except QueryError as error:
                raise ProblemError(library_problems.wrong_query(error.reason, error.position)) from error
            shown = (opened.shown(each.track_id, each.score) for each in found)
            return [each for each in shown if each is not None]

    def similar(self, number: int, n: int, alike: Alike) -> list[ShownTrack]:
        """The tracks most like one of the library, the most alike first; raises ProblemError (404)."""
        with self._opened() as opened:
            self._refuse_unknown(opened, number)
            embedding = opened.library.database.embedding(number).astype(np.float32)
            return self._nearest(opened, embedding, n, alike, number)

    def like(self, embedding: npt.NDArray[np.float32], n: int, alike: Alike) -> list[ShownTrack]:
        """The tracks most like a vector of the server's own model, the most alike first.

        Raises ProblemError (409) where another model's vectors are in the library: they mean other things.
        """
        with self._opened() as opened:
            own, theirs = ([e.hash for e in card.extractors] for card in (self._card, opened.card))
            if own != theirs:
                raise ProblemError(library_problems.other_model(self._card.name, opened.card.name))
            return self._nearest(opened, embedding, n, alike, None)

    def sound(self, number: int) -> Path:
        """The file of a track; raises ProblemError (404) for one that is not known or whose files are gone."""
        with self._opened() as opened:
            self._refuse_unknown(opened, number)
            paths = opened.library.database.paths_of(number, missing=False)
            there = next((path for path in map(Path, paths) if path.is_file()), None)
            if there is None:
                raise ProblemError(problems.sound_gone())
            return there

    @contextmanager
    def _opened(self) -> Iterator[Opened]:
        try:
            with Library(self._path) as library:
                number = library.database.current_model()
                if number is None:
                    raise ProblemError(library_problems.empty_library())
                text = library.database.card_text(number)
                card = card_from_json(text, f"{self._path}: model {number}")
                yield Opened(library, open_vectors(library.database, number, card, text), card)
        except LibraryError as error:
            LOG.error("The library cannot be used: %s", error)  # its message has paths, which nobody is told
            raise ProblemError(library_problems.library_unusable()) from error

    def _refuse_unknown(self, opened: Opened, number: int) -> None:
        if number not in opened.vectors.ids:
            raise ProblemError(library_problems.unknown_number(number, len(opened.vectors.ids)))

    def _nearest(
        self, opened: Opened, embedding: npt.NDArray[np.float32], n: int, alike: Alike, but: int | None
    ) -> list[ShownTrack]:
        found = nearest(opened.library.database, opened.vectors, embedding, n + SPARE, Choice(alike=alike))
        shown = (opened.shown(number, likeness) for number, likeness in found if number != but)
        return list(itertools.islice((each for each in shown if each is not None), n))


def name_of(path: str | os.PathLike[str]) -> str:
    """A file's own name as text, whatever bytes it is."""
    return os.fsencode(Path(path).name).decode("utf-8", "replace")


def _asks_for_paths(query: Query) -> bool:
    match query:
        case HasPath():
            return True
        case HasTag():
            return False
        case Not():
            return _asks_for_paths(query.part)
        case And() | Or():
            return any(map(_asks_for_paths, query.parts))
