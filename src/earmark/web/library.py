"""`/v1/library`: searching, comparing and playing the tracks of a library, by their numbers and never by paths."""

import asyncio
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as InPath

from earmark.errors import LibraryError, QueryError
from earmark.library.collection import Collection
from earmark.library.library import Library
from earmark.library.query import Condition, HasPath, Like
from earmark.library.searching import Found, Searching, Sort
from earmark.library.similarity import Alike, Choice, nearest
from earmark.library.vectors import Vectors, open_vectors
from earmark.tagging.bundle.card import Card
from earmark.web import problems
from earmark.web.json_requests import MOST_MISTAKES
from earmark.web.library_schemas import (
    FoundAnswer,
    FoundReason,
    FoundTag,
    FoundTrack,
    LibraryAnswer,
    SearchAnswer,
    SearchTerm,
)
from earmark.web.problem import Problem, ProblemError
from earmark.web.schemas import SOUND_FILE
from earmark.web.sound_file import SoundFileResponse, media_type_of

SHOWN_TAGS = 5
SPARE = 16
"""Tracks to look for in addition, in place of the track itself and of those whose files are gone."""

LOG = logging.getLogger("earmark.web")


def _gone(places: list[str]) -> Problem:
    """Describe sounds that are no longer there, by their places in the request."""
    what = "Found a track whose file is not in the library, or not there"
    errors = [{"where": place, "what": what} for place in places]
    return replace(problems.SOUND_GONE, detail=f"{what}: {', '.join(places)}.", more={"errors": errors})


@dataclass(frozen=True)
class OpenLibrary:
    """A library that is open for one request."""

    library: Library
    vectors: Vectors
    card: Card

    @cached_property
    def searching(self) -> Searching:
        """What searches its tracks."""
        return Searching(Collection(self.library.database, self.vectors, self.card))

    def place(self, tag: str) -> int:
        """Return the index of a tag of the library; raise ProblemError (404) if it is unknown."""
        try:
            return self.searching.place(tag)
        except LibraryError as error:
            raise ProblemError(_unknown_tag(tag)) from error

    def found_track(self, found: Found) -> FoundTrack:
        """Return a result of a search as the API gives it, without paths."""
        collection = self.searching.collection
        row = int(np.searchsorted(collection.ids, found.track_id))
        probabilities = collection.chances_of(row)
        order = np.argsort(-probabilities, kind="stable")
        best = order[~np.isnan(probabilities[order])][:SHOWN_TAGS].tolist()
        description = found.description
        return FoundTrack(
            number=found.track_id,
            name=name_of(found.path),
            title=description.title or None,
            artist=description.artist or None,
            album=description.album or None,
            genre=description.genre or None,
            year=description.year,
            score=found.score,
            duration_seconds=found.duration_seconds,
            tags=[
                FoundTag(
                    label=collection.tags[place].label,
                    group=collection.tags[place].group,
                    probability=float(probabilities[place]),
                    has=bool(probabilities[place] >= np.float32(collection.threshold(place))),
                )
                for place in best
            ],
            why=[FoundReason(**vars(reason)) for reason in found.why],
        )

    def nearest(self, embedding: npt.NDArray[np.float32], n: int, alike: Alike, but: int | None = None) -> FoundAnswer:
        """Return the n tracks whose vectors are most similar to one, except the track `but`."""
        scores = nearest(self.library.database, self.vectors, embedding, n + SPARE, Choice(alike=alike))
        searching = self.searching
        found = (searching.track(number, score) for number, score in scores if number != but)
        return FoundAnswer(tracks=[self.found_track(each) for each in found if each is not None][:n])

    def sound(self, number: int) -> Path:
        """Return the file of a track; raise ProblemError (404) if the track is unknown or its files are gone."""
        self.refuse_unknown(number)
        paths = self.library.database.paths_of(number, missing=False)
        existing = next((path for path in map(Path, paths) if path.is_file()), None)
        if existing is None:
            raise ProblemError(problems.SOUND_GONE)
        return existing

    def refuse_unknown(self, number: int) -> None:
        """Raise ProblemError (404) if no track has a number."""
        if number not in self.vectors.ids:
            raise ProblemError(problems.unknown_number(number, len(self.vectors.ids)))


class ServedLibrary:
    """A library file. Each request opens it anew, because a connection to SQLite belongs to one thread.

    All methods raise ProblemError: 404 if the library is empty, and 503 if it cannot be read.
    """

    def __init__(self, path: Path, card: Card) -> None:
        """`card`: of the server's model. Raises LibraryError if the file is no library."""
        self._path, self._card = path, card
        with Library(path):
            pass

    @property
    def folder(self) -> Path:
        """The folder of the library file."""
        return self._path.absolute().parent

    def summary(self) -> LibraryAnswer:
        """Return the number of tracks, and the name of the model that analysed them."""
        with self.opened() as opened:
            return LibraryAnswer(tracks=len(opened.vectors.ids), model=opened.card.name)

    def search(self, text: str, tags: Sequence[str], limit: int, offset: int, sort: Sort) -> SearchAnswer:
        """Return the tracks that match a search, best first; the newest tracks for an empty search.

        tags: what every track must have.

        Raises ProblemError: 404 if one of the tags or the track of `like:` is unknown, and 422 if the search cannot be
        parsed or asks for paths.
        """
        with self.opened() as opened:
            try:
                searching = opened.searching
                for condition in searching.conditions(text):
                    if _asks_for_path(condition):
                        raise ProblemError(problems.PATH_IN_SEARCH)
                    if isinstance(condition, Like) and condition.number is not None:
                        opened.refuse_unknown(condition.number)
                for tag in tags:
                    opened.place(tag)
                found = searching(text, limit, offset=offset, sort=sort, tags=tags)
            except QueryError as error:
                fault = error.reason.partition(": ")[2]  # after what the title of the problem says
                raise ProblemError(problems.wrong_search(f"{fault[:1].upper()}{fault[1:]}", error.position)) from error
            return SearchAnswer(
                tracks=[opened.found_track(each) for each in found],
                total=found.total,
                offset=found.offset,
                strict=found.strict,
                notes=list(found.notes),
                terms=[SearchTerm(**(vars(term) | {"tags": list(term.tags)})) for term in found.terms],
            )

    def similar_to(self, number: int, n: int, alike: Alike) -> FoundAnswer:
        """Return the tracks that are most similar to one of the library; raise ProblemError (404) if it is unknown."""
        with self.opened() as opened:
            opened.refuse_unknown(number)
            embedding = opened.library.database.embedding(number).astype(np.float32)
            return opened.nearest(embedding, n, alike, but=number)

    def nearest(self, embedding: npt.NDArray[np.float32], n: int, alike: Alike) -> FoundAnswer:
        """Return the tracks that are most similar to a vector of the server's model: (columns,) float32.

        Raises ProblemError (409) if the library has vectors of another model, which cannot be compared.
        """
        with self.opened() as opened:
            own, theirs = ([e.hash for e in card.extractors] for card in (self._card, opened.card))
            if own != theirs:
                raise ProblemError(problems.other_model(self._card.name, opened.card.name))
            return opened.nearest(embedding, n, alike)

    def sound(self, number: int) -> Path:
        """Return the file of a track; raise ProblemError (404) if the track is unknown or its files are gone."""
        with self.opened() as opened:
            return opened.sound(number)

    def sounds(self, numbers: Sequence[int], paths: Sequence[str]) -> list[Path]:
        """Return the files of tracks, by their numbers and by their paths.

        Raises ProblemError (404) if one is not in the library, or not there; it names the first MOST_MISTAKES.
        """
        with self.opened() as opened:
            found: list[Path] = []
            gone: list[str] = []
            for place, number in enumerate(numbers):
                try:
                    found.append(opened.sound(number))
                except ProblemError as error:
                    if error.problem != problems.SOUND_GONE:
                        raise
                    gone.append(f"body.tracks.{place}")
            for place, path in enumerate(paths):
                if opened.library.database.known_path(path) is None or not Path(path).is_file():
                    gone.append(f"body.paths.{place}")
                found.append(Path(path))
            if gone:
                raise ProblemError(_gone(gone[:MOST_MISTAKES]))
            return found

    @contextmanager
    def opened(self) -> Iterator[OpenLibrary]:
        """Give the library, open for one request."""
        try:
            with Library(self._path) as library:
                if library.database.current_model() is None:
                    raise ProblemError(problems.EMPTY_LIBRARY)
                number, card = library.database.current_card()
                text = library.database.card_text(number)
                yield OpenLibrary(library, open_vectors(library.database, number, card, text), card)
        except LibraryError as error:
            LOG.error("The library cannot be used: %s", error)  # the message has paths, which no client may see
            raise ProblemError(problems.LIBRARY_UNUSABLE) from error


def library_of(request: Request) -> ServedLibrary:
    """Return the library of a request's server; raise ProblemError (404) if it has none."""
    library: ServedLibrary | None = request.app.state.library
    if library is None:
        raise ProblemError(problems.NO_LIBRARY)
    return library


def name_of(path: str | os.PathLike[str]) -> str:
    """Return the name of a file as Unicode text, whatever its bytes are."""
    return os.fsencode(Path(path).name).decode("utf-8", "replace")


def _unknown_tag(tag: str) -> Problem:
    return Problem(
        "unknown-tag",
        404,
        "There is no such tag",
        f"Found the tag {tag!r}, expected one that searches of the library know.",
        "Choose one of the tags that `/v1/models` lists, or of a further head, such as mine:driving.",
    )


def _asks_for_path(condition: Condition) -> bool:
    """Return whether a condition names a path; tracks are known by their numbers here."""
    return isinstance(condition, HasPath) or (isinstance(condition, Like) and condition.number is None)


router = APIRouter(prefix="/v1/library", tags=["library"])

Number = Annotated[
    int, InPath(ge=1, le=2**62, description="The number of a track, as a search returns it.", examples=[7])
]
Count = Annotated[int, Query(ge=1, le=1_000, description="The largest number of tracks to return.")]
AlikeIn = Annotated[
    Alike,
    Query(
        description="What to compare: the classifier's hidden layer, or all levels of a model without one (all); the "
        "lowest level of every scale (sound); or the highest (style)."
    ),
]


@router.get("", summary="Describe the library")
async def describe_library(request: Request) -> LibraryAnswer:
    """Return the number of tracks, and the model that analysed them."""
    return await asyncio.to_thread(library_of(request).summary)


@router.get("/search", summary="Search the library")
async def search_library(
    request: Request,
    q: Annotated[
        str,
        Query(
            max_length=1_000,
            description="Words: tags, or words of titles, artists, albums and genres. AND, OR, NOT, < and > make it a "
            "query that every result fulfils. Conditions such as artist:leoni, year:1990-1999 or like:7 (the number of "
            "a track) may be added. An empty search returns the newest tracks.",
            examples=["sad piano leoni", "piano AND NOT vocals AND guitar>0.6"],
        ),
    ] = "",
    tag: Annotated[
        list[str],
        Query(
            max_length=100,
            description="A tag that every result must have, by the tag's own threshold; repeat it for more.",
            examples=[["vocals"]],
        ),
    ] = [],  # noqa: B006
    limit: Count = 20,
    offset: Annotated[int, Query(ge=0, le=2**31, description="How many results to leave out before.")] = 0,
    sort: Annotated[
        Literal["relevance", "artist", "title", "album", "genre", "year", "duration", "added"],
        Query(description="The order of the results; relevance puts the best first."),
    ] = "relevance",
) -> SearchAnswer:
    """Return a part of the tracks that match a search, best first, and why each was found."""
    return await asyncio.to_thread(library_of(request).search, q, tag, limit, offset, sort)


@router.get("/similar/{number}", summary="Find tracks that are similar to a track of the library")
async def find_similar_to_track(number: Number, request: Request, n: Count = 10, alike: AlikeIn = "all") -> FoundAnswer:
    """Return the tracks that are most similar to one of the library, best first; scores are similarities, -1 to 1."""
    return await asyncio.to_thread(library_of(request).similar_to, number, n, alike)


@router.get(
    "/tracks/{number}/audio",
    summary="Play a track of the library",
    responses=SOUND_FILE,
    response_class=Response,
)
async def play_library_track(request: Request, number: Number) -> Response:
    """Return the file of a track unchanged, or one range of it."""
    sound = await asyncio.to_thread(library_of(request).sound, number)
    return SoundFileResponse(sound, name_of(sound), await asyncio.to_thread(media_type_of, sound))
