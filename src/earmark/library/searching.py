"""Search a library: understand the text, rank or sort the tracks, and say of each result why it was found."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from earmark.errors import LibraryError, UnknownWordError
from earmark.library.collection import Collection, Floats
from earmark.library.descriptions import NOTHING_SAID, TEXT_FIELDS, Description, TextField
from earmark.library.free_words import FreeSearch, compares, is_strict, read_words
from earmark.library.query import Condition, HasTag, Like, Query, parse, parts_of
from earmark.library.search import Kind, Understood, fitting, ranking
from earmark.library.tag_names import TagNames
from earmark.tagging.bundle.card import nearest_tags

Sort = Literal["relevance", "artist", "title", "album", "genre", "year", "duration", "added", "path"]


@dataclass(frozen=True)
class Reason:
    """One reason why a track was found.

    kind: "tag"; the field of the file's tags that has the words; "path"; or "similar". text: the tag's label, the
    field's text, or the words of the path. probability: of the tag; for "similar", the similarity; else None.
    """

    kind: Literal["tag", "similar"] | TextField
    text: str
    probability: float | None = None

    def __str__(self) -> str:
        if self.kind == "tag" and self.probability is not None:
            return f"{self.text} {self.probability:.0%}".replace("%", " %")
        if self.probability is not None:
            return f"similarity {self.probability:.2f}"
        return f"{self.kind} {self.text}"


@dataclass(frozen=True)
class Found:
    """A track found by a search.

    score: how well it matches. In the strict language it is from 0 to 1; in free words it is the sum of the evidence,
    which may be any number; for `similar` it is the similarity, from -1 to 1. paths: its existing files. tags: the
    probabilities of the tags that the search names. description: what its file's own tags say. why: the reasons.
    """

    track_id: int
    score: float
    paths: tuple[str, ...]
    duration_seconds: float
    tags: Mapping[str, float]
    description: Description = NOTHING_SAID
    why: tuple[Reason, ...] = ()

    @property
    def path(self) -> str:
        """The first of the track's files."""
        return self.paths[0]


@dataclass(frozen=True)
class TermMeaning:
    """How a word or words of a search in free words were understood.

    kind: "tag"; "nearest", if no tag has this name and the nearest are searched for; "words", if titles, names, genres
    or paths have it; or "unknown". tags: the labels of the tags.
    """

    text: str
    kind: Kind
    tags: tuple[str, ...]
    negated: bool


@dataclass(frozen=True)
class SearchResult:
    """A part of the results of a search, the best first. Its length, items and iteration are those of `tracks`.

    total: the number of all results. offset: how many come before this part. strict: whether the search was in the
    strict language, so that every result fulfils it. notes: sentences about the search for the user. terms: how the
    words of a search in free words were understood.
    """

    tracks: tuple[Found, ...]
    total: int
    offset: int = 0
    strict: bool = False
    notes: tuple[str, ...] = ()
    terms: tuple[TermMeaning, ...] = ()

    def __len__(self) -> int:
        return len(self.tracks)

    def __iter__(self) -> Iterator[Found]:
        return iter(self.tracks)

    def __getitem__(self, index: int) -> Found:
        return self.tracks[index]


@dataclass(frozen=True, eq=False)
class _Ordered:
    """All results of a search.

    rows: (results,), their indices, in the order of those with equal scores. score: (tracks,). places: the tags that
    the search names. similarity: (tracks,). left_out: how many terms of the search do not count.
    """

    rows: npt.NDArray[np.int64]
    score: npt.NDArray[np.floating]
    places: tuple[int, ...] = ()
    understood: tuple[Understood, ...] = ()
    similarity: Floats | None = None
    left_out: int = 0


class Searching:
    """Searches the tracks of a collection."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection

    def __call__(
        self,
        text: str,
        limit: int | None = 20,
        *,
        offset: int = 0,
        sort: Sort = "relevance",
        strict: bool | None = None,
        threshold: float | None = None,
        tags: Sequence[str] = (),
    ) -> SearchResult:
        """Return a part of the results of a search.

        The arguments are those of `Library.search`.

        Raises:
            QueryError: a search in the strict language is wrong.
            LibraryError: `like:` names no track of the library, `tags` has an unknown tag, or a number or `sort` is
                none of those that are possible.
        """
        for name, number in (("n", limit), ("offset", offset)):
            if number is not None and number < 0:
                raise LibraryError(f"{name}: found {number}, expected 0 or more.")
        if sort not in get_args(Sort):
            raise LibraryError(f"sort: found {sort!r}, expected one of {', '.join(get_args(Sort))}.")
        read, notes = self._read(text, strict)
        if not text.strip():
            ordered = self._all()
        elif isinstance(read, FreeSearch):
            ordered = self._ranked(read)
        else:
            ordered = self._fitting(read, threshold)
        ordered = self._only_with(ordered, tags, threshold)
        stop = None if limit is None else offset + limit
        rows = self._sorted(_best_first(ordered.rows, ordered.score, stop if sort == "relevance" else None), sort)
        tracks = [self._found(int(row), ordered) for row in rows[offset:stop]]
        return SearchResult(
            tuple(tracks),
            len(ordered.rows),
            offset,
            not isinstance(read, FreeSearch),
            (*notes, *_notes(ordered, self.collection.labels), *self._unscored(ordered.places)),
            tuple(self._meaning(each) for each in ordered.understood),
        )

    def conditions(self, text: str) -> tuple[Condition, ...]:
        """Return the conditions of a search.

        Raises:
            QueryError: a search in the strict language is wrong.
        """
        read, _ = self._read(text)
        stated = read.conditions if isinstance(read, FreeSearch) else (read,)
        return tuple(part for each in stated for part in parts_of(each) if not isinstance(part, HasTag))

    def place(self, tag: str) -> int:
        """Return the index of a tag. Raises LibraryError if there is no such tag."""
        place = TagNames(self.collection.tags).place(tag)
        if place is None:
            nearest = " or ".join(map(repr, nearest_tags(tag, self.collection.tags)))
            raise LibraryError(
                f"{tag}: found no such tag, expected one of the library's; nearest: {nearest or 'none'}."
            )
        return place

    def track(self, number: int, score: float, why: tuple[Reason, ...] = ()) -> Found | None:
        """Return a track as a result, or None if all of its files are missing."""
        paths = self.collection.database.paths_of(number, missing=False)
        if not paths:
            return None
        duration = self.collection.database.duration_seconds(number)
        return Found(number, score, paths, duration, {}, self.collection.descriptions.of_track(number), why)

    def _read(self, text: str, strict: bool | None = None) -> tuple[Query | FreeSearch, tuple[str, ...]]:
        """Return what a search means, and notes about that.

        A name in capitals, such as ROCK AND ROLL, is no query; nor is a search of which only a part is one.
        """
        if text.strip() and (is_strict(text) if strict is None else strict):
            try:
                return parse(text, self.collection.tags), ()
            except UnknownWordError as error:
                if strict or compares(text):
                    raise
                fault = error.reason.partition(": ")[2].rstrip(".")
                note = f"searched in free words, because it is no query: {fault}"
                read = read_words(text, TagNames(self.collection.tags))
                return read, (note, *map(_no_condition, read.unread))
        read = read_words(text, TagNames(self.collection.tags))
        return read, tuple(map(_no_condition, read.unread))

    def _all(self) -> _Ordered:
        rows = np.flatnonzero(self.collection.present())[::-1]
        return _Ordered(rows, np.ones(self.collection.size, np.float32))

    def _fitting(self, query: Query, threshold: float | None) -> _Ordered:
        found = fitting(query, self.collection, threshold)
        places = tuple(dict.fromkeys(part.place for part in parts_of(query) if isinstance(part, HasTag)))
        like = next((part for part in parts_of(query) if isinstance(part, Like)), None)
        similarity = self.collection.similarity(like) if like is not None else None
        return _Ordered(self._present(found.fits), found.score, places, similarity=similarity)

    def _ranked(self, search: FreeSearch) -> _Ordered:
        found = ranking(search, self.collection)
        places = tuple(dict.fromkeys(place for each in found.understood for place in each.places))
        return _Ordered(
            self._present(found.fits), found.evidence, places, found.understood, found.similarity, search.left_out
        )

    def _only_with(self, ordered: _Ordered, tags: Sequence[str], threshold: float | None) -> _Ordered:
        """Keep the results that have all of some tags."""
        places = tuple(dict.fromkeys(map(self.place, tags)))
        rows = ordered.rows
        for place in places:
            rows = rows[fitting(HasTag(place), self.collection, threshold).fits[rows]]
        return replace(ordered, rows=rows, places=tuple(dict.fromkeys((*ordered.places, *places))))

    def _present(self, fits: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """Return the indices of present tracks that fit, in the order of their adding."""
        return np.flatnonzero(fits & self.collection.present())

    def _sorted(self, rows: npt.NDArray[np.int64], sort: Sort) -> npt.NDArray[np.int64]:
        """Sort results by a field; those without it come last, and equal ones stay in their order."""
        if sort == "relevance" or not len(rows):
            return rows
        if sort == "added":
            return np.sort(rows)[::-1]
        keys = self.collection.sort_keys(sort)
        numbers = self.collection.ids[rows].tolist()
        there = [index for index, number in enumerate(numbers) if number in keys]
        there.sort(key=lambda index: keys[numbers[index]])
        return np.concatenate(
            [rows[there], rows[[index for index, number in enumerate(numbers) if number not in keys]]]
        )

    def _found(self, row: int, ordered: _Ordered) -> Found:
        collection = self.collection
        number = int(collection.ids[row])
        database = collection.database
        labels = collection.labels
        chances = ((place, float(collection.chances(place)[row])) for place in ordered.places)
        tags = {labels[place]: chance for place, chance in chances if not np.isnan(chance)}
        description = collection.descriptions.of_track(number)
        return Found(
            number,
            float(ordered.score[row]),
            database.paths_of(number, missing=False),
            database.duration_seconds(number),
            tags,
            description,
            tuple(dict.fromkeys(self._reasons(number, row, ordered, tags, description))),
        )

    def _reasons(
        self, number: int, row: int, ordered: _Ordered, tags: Mapping[str, float], description: Description
    ) -> Iterator[Reason]:
        if ordered.similarity is not None and not np.isnan(ordered.similarity[row]):
            yield Reason("similar", "", float(ordered.similarity[row]))
        labels = self.collection.labels
        of_terms = {labels[place] for each in ordered.understood for place in each.places}
        yield from (Reason("tag", label, chance) for label, chance in tags.items() if label not in of_terms)
        for each in ordered.understood:
            named = (labels[place] for place in each.places)
            yield from (Reason("tag", label, tags[label]) for label in named if label in tags)
            fields = (name for name in TEXT_FIELDS if name in each.found and _contains(each.found[name], number))
            for name in fields:
                yield Reason(name, each.term.text if name == "path" else getattr(description, name) or each.term.text)
                break

    def _unscored(self, places: Sequence[int]) -> Iterator[str]:
        """Say of which tags some tracks have no scores, so that these count neither for nor against them."""
        for place in places:
            lacking = self.collection.size - len(self.collection.known_chances(place))
            if lacking:
                label = self.collection.labels[place]
                unknown = "so it is unknown whether they have it; add its head again"
                yield f"{lacking} tracks have no scores of {label}, {unknown}"

    def _meaning(self, understood: Understood) -> TermMeaning:
        labels = tuple(self.collection.labels[place] for place in understood.places)
        return TermMeaning(understood.term.text, understood.kind, labels, understood.term.negated)


def _best_first(
    rows: npt.NDArray[np.int64], score: npt.NDArray[np.floating], count: int | None
) -> npt.NDArray[np.int64]:
    """Return indices of tracks in the order of their scores, the best first; equal ones stay in their order.

    count: how many are needed at least; None for all. Finding the best takes less time than sorting all.
    """
    worse = -score[rows]
    if count is not None and 0 < count < len(rows):
        near = np.flatnonzero(worse <= np.partition(worse, count - 1)[count - 1])
        rows, worse = rows[near], worse[near]
    return rows[np.argsort(worse, kind="stable")]


def _contains(tracks: npt.NDArray[np.int64], number: int) -> bool:
    place = int(np.searchsorted(tracks, number))
    return place < len(tracks) and int(tracks[place]) == number


def _no_condition(text: str) -> str:
    """Say that a text such as year:99 is no condition, and what one is."""
    is_year = text.lstrip("-").lower().startswith("year:")
    expected = "a year such as 1990, 1990-1999 or 1990s" if is_year else "a text after it, without a space"
    return f"{text} is no condition; expected {expected}"


def _notes(ordered: _Ordered, labels: Sequence[str]) -> tuple[str, ...]:
    """Say which words were not understood as the user may have meant them, and how many do not count."""
    understood = ordered.understood
    notes = [
        f"no such tag: {each.term.text}; searched {'against' if each.term.negated else 'for'} "
        f"{', '.join(labels[place] for place in each.places)}"
        for each in understood
        if each.kind == "nearest"
    ]
    unknown = [each.term.text for each in understood if each.kind == "unknown"]
    if unknown:
        notes.append(f"no such tag, and in no title, artist, album, genre or path: {', '.join(unknown)}")
    if ordered.left_out:
        notes.append(f"the search has too many words; the last {ordered.left_out} do not count")
    return tuple(notes)
