"""`/v1/teaching`: a word is taught from tracks of the library that have it and tracks that do not."""

import asyncio
import logging
import os
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeVar

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Request
from pydantic import BaseModel, FailFast, Field

from earmark.errors import EarmarkError, LibraryError, TeachingError
from earmark.tagging.bundle.bundle import Bundle, models, write_bundle
from earmark.tagging.bundle.calibration import probabilities
from earmark.tagging.tagger import Tagger
from earmark.web import problems
from earmark.web.json_requests import JsonRequest, JsonRoute
from earmark.web.library import OpenLibrary, ServedLibrary, library_of
from earmark.web.library_schemas import FoundTrack
from earmark.web.problem import Problem, ProblemError
from earmark.web.server import AServer

if TYPE_CHECKING:
    from earmark.teaching.teach import Taught

LEAST_EXAMPLES = 3
"""Fewer than `earmark teach` expects, so that somebody sees early how the quality grows."""
LEAST_OTHERS = 5
"""The least tracks without the word, which are as many as those with it, too. Where fewer are named, others of the
library are drawn, because most have no given word."""
SEED = 0
ROWS_TOGETHER = 1_000
GROUP = "taught"

Floats = npt.NDArray[np.float32]
Number = Annotated[int, Field(ge=1, le=2**62)]

MOST_WAITING = 8
"""How many lessons there may be at a time, with the one that is taught."""
LOG = logging.getLogger("earmark.web")
Answer = TypeVar("Answer")
NO_TEACHING = Problem(
    "no-teaching",
    501,
    "This server cannot be taught",
    "The packages that teaching needs are not installed.",
    'Install them on the server with: pip install "earmark[teach]"',
)


class LessonRequest(JsonRequest):
    """A word, and the numbers of tracks that have it and that do not."""

    word: str = Field(min_length=1, max_length=60, pattern=r"^[^\s;](.*[^\s;])?$", examples=["driving"])
    yes: Annotated[list[Number], FailFast()] = Field(max_length=2_000, examples=[[1, 2, 3]])
    no: Annotated[list[Number], FailFast()] = Field(max_length=2_000, examples=[[4, 5, 6]])
    count: int = Field(default=10, ge=1, le=100, description="How many tracks to return.", examples=[10])


class SaveRequest(LessonRequest):
    """A lesson, and the name of the model that is saved."""

    name: str = Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", examples=["driving"])


class QualityAnswer(BaseModel):
    """The cross-validated quality of a word: the ROC AUC and its interval."""

    auc: float = Field(examples=[0.91])
    low: float = Field(examples=[0.82])
    high: float = Field(examples=[0.97])


class TaughtTrack(BaseModel):
    """A track with the probability of the taught word."""

    track: FoundTrack
    probability: float = Field(ge=0, le=1, examples=[0.83])


class LessonAnswer(BaseModel):
    """What was learned. `next`: the tracks whose labels would help most; `best`: those that most probably have it."""

    word: str = Field(examples=["driving"])
    examples: int = Field(description="Tracks with the word.", examples=[7])
    others: int = Field(description="Tracks without it, named or drawn.", examples=[7])
    quality: QualityAnswer | None
    advice: str = Field(description="What to do; empty if nothing is.", examples=["label 3 more tracks with it"])
    count: int = Field(description="Tracks of the library with a probability of one half or more.", examples=[83])
    total: int = Field(description="Tracks of the library.", examples=[1200])
    next: list[TaughtTrack]
    best: list[TaughtTrack]


class SavedAnswer(BaseModel):
    """A saved model."""

    name: str = Field(examples=["driving"])
    command: str = Field(
        description="How to use it, in the folder of the library, where it lies.",
        examples=["earmark tag --model driving song.mp3"],
    )
    searched: bool = Field(description="Whether searches of the library know the word now.", examples=[True])


@dataclass(frozen=True, eq=False)
class LibraryVectors:
    """The tracks of a library: `numbers` (tracks,), `vectors` (tracks, columns) float32, and the folder of each."""

    numbers: npt.NDArray[np.int64]
    vectors: Floats
    folders: tuple[str, ...]


class Lessons:
    """Teaches one word at a time, because a lesson uses all of a processor for seconds."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def take_turn(self, work: Callable[[], Answer]) -> Answer:
        """Return what a lesson returns, after those before it; raise ProblemError (429) if too many wait."""
        if self._waiting >= MOST_WAITING:
            raise ProblemError(problems.full(problems.SOON_SECONDS))
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1

    def learn(self, opened: OpenLibrary, base: Bundle, wanted: LessonRequest) -> "tuple[Taught, LibraryVectors, int]":
        """Return the taught model, all tracks, and the number of examples without the word.

        Raises ProblemError: 409 if the library's vectors are of another model, 422 if the examples do not suffice, and
        501 if the extra `teach` is not installed.
        """
        try:
            from earmark.teaching.examples import examples_of
            from earmark.teaching.teach import Lesson, teach
            from earmark.training.bundling.platt import fit_calibration
        except ModuleNotFoundError as error:
            raise ProblemError(NO_TEACHING) from error
        own, theirs = ([each.hash for each in card.extractors] for card in (base.card, opened.card))
        if own != theirs:
            raise ProblemError(problems.other_model(base.card.name, opened.card.name))
        tracks = library_vectors(opened)
        rows, has = _examples(tracks, wanted)
        names = [str(tracks.numbers[row]) for row in rows]
        groups = _groups([tracks.folders[row] for row in rows], has, names)
        try:
            words = [(wanted.word,) if there else () for there in has]
            examples = examples_of(tracks.vectors[rows], words, groups, names)
            name = wanted.name if isinstance(wanted, SaveRequest) else wanted.word
            taught = teach(base, examples, Lesson(name, GROUP, LEAST_EXAMPLES, SEED), fit_calibration)
        except TeachingError as error:
            raise ProblemError(cannot_teach(str(error))) from error
        return taught, tracks, has.count(False)


router = APIRouter(prefix="/v1/teaching", tags=["teaching"], route_class=JsonRoute)


@router.post("", summary="Teach a word")
async def lesson(request: Request, server: AServer, wanted: LessonRequest) -> LessonAnswer:
    """Return how well a word is learned from tracks of the library, which tracks have it, and which to label next."""
    library = library_of(request)
    lessons: Lessons = request.app.state.lessons

    def learned() -> LessonAnswer:
        with library.opened() as opened:
            taught, tracks, others = lessons.learn(opened, server.tagger.bundle, wanted)
            return _answer(opened, taught, tracks, wanted, others)

    return await lessons.take_turn(learned)


@router.post("/model", status_code=201, summary="Save a taught word as a model")
async def save(request: Request, server: AServer, wanted: SaveRequest) -> SavedAnswer:
    """Write the model as `earmark teach` does, into a folder beside the library, and add its head to the library."""
    library = library_of(request)
    lessons: Lessons = request.app.state.lessons

    def saved() -> SavedAnswer:
        folder = library.folder / wanted.name
        if folder.exists() or wanted.name in models():
            raise ProblemError(name_taken(wanted.name))
        with library.opened() as opened:
            taught, _, _ = lessons.learn(opened, server.tagger.bundle, wanted)
        try:
            folder.mkdir()
        except FileExistsError as error:
            raise ProblemError(name_taken(wanted.name)) from error
        except OSError as error:
            raise not_saved(wanted.name, error) from error
        try:
            write_bundle(taught.bundle, folder)
        except (OSError, EarmarkError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise not_saved(wanted.name, error) from error
        return SavedAnswer(
            name=wanted.name,
            command=f"earmark tag --model {wanted.name} song.mp3",
            searched=_add_head(library, taught.bundle, os.fspath(folder)),
        )

    return await lessons.take_turn(saved)


def _add_head(library: ServedLibrary, bundle: Bundle, source: str) -> bool:
    """Classify all tracks with a taught model, for searches; return whether the library could store that."""
    with library.opened() as opened:
        try:
            opened.library.heads.add(Tagger(bundle), source)
        except LibraryError as error:
            LOG.warning("Searches do not know the tags of %s: %s", source, error)
            return False
    return True


def cannot_teach(detail: str) -> Problem:
    """Describe examples from which nothing can be learned."""
    return Problem(
        "cannot-teach",
        422,
        "These examples do not suffice",
        detail,
        "Give more tracks a thumb up, and some a thumb down.",
    )


def not_saved(name: str, error: Exception) -> ProblemError:
    """Log why a model could not be written, and return the error of the request."""
    LOG.error("The model %s cannot be saved: %s", name, error)
    return ProblemError(
        Problem(
            "not-saved",
            507,
            "The model cannot be saved",
            "The server could not write the model beside the library; its log says why.",
            "Ask who runs the server to let it write into the folder of the library.",
        )
    )


def name_taken(name: str) -> Problem:
    """Describe the name of a model that exists already."""
    return Problem(
        "name-taken",
        409,
        "There is already something of that name",
        f"Found {name!r} beside the library or among the models of earmark, expected a new name.",
        "Choose another name.",
    )


def library_vectors(opened: OpenLibrary) -> LibraryVectors:
    """Return the tracks of an open library that have files and vectors of its current model."""
    rows = list(_rows(opened))
    vectors = np.array([vector for _, _, vector in rows], np.float32)
    return LibraryVectors(
        np.array([number for number, _, _ in rows], np.int64),
        vectors.reshape(len(rows), opened.card.vector_width),
        tuple(folder for _, folder, _ in rows),
    )


def _rows(opened: OpenLibrary) -> Iterator[tuple[int, str, npt.NDArray[np.float16]]]:
    """Yield the number, the folder and the vector of every track."""
    query = (
        "SELECT tracks.id, path, embedding FROM tracks JOIN paths ON track_id = tracks.id WHERE NOT missing "
        "AND model_id = ? GROUP BY tracks.id ORDER BY tracks.id"
    )
    for rows in opened.library.store.stream(query, (opened.vectors.header.model_id,), size=ROWS_TOGETHER):
        for number, path, embedding in rows:
            yield (
                int(number),
                bytes(path).rpartition(b"/")[0].decode("utf-8", "surrogateescape"),
                np.frombuffer(embedding, "<f2"),
            )


def _examples(tracks: LibraryVectors, wanted: LessonRequest) -> tuple[list[int], list[bool]]:
    """Return the rows of the examples and whether each has the word; tracks that nobody named are drawn without it."""
    place = {number: row for row, number in enumerate(tracks.numbers.tolist())}
    for number in (*wanted.yes, *wanted.no):
        if number not in place:
            raise ProblemError(problems.unknown_number(number, len(place)))
    yes = dict.fromkeys(place[number] for number in wanted.yes)
    no = dict.fromkeys(place[number] for number in wanted.no if place[number] not in yes)
    left = [row for row in range(len(place)) if row not in yes and row not in no]
    missing = max(0, max(LEAST_OTHERS, len(yes)) - len(no))
    drawn = random.Random(SEED).sample(left, min(len(left), missing))
    return [*yes, *no, *sorted(drawn)], [True] * len(yes) + [False] * (len(no) + len(drawn))


def _groups(folders: Sequence[str], has: Sequence[bool], names: Sequence[str]) -> Sequence[str]:
    """Return the folders; each track by itself if those with or without the word have fewer than two of them."""
    for there in (True, False):
        if len({folder for folder, own in zip(folders, has, strict=True) if own == there}) < 2:
            return names
    return folders


def _answer(
    opened: OpenLibrary, taught: "Taught", tracks: LibraryVectors, wanted: LessonRequest, others: int
) -> LessonAnswer:
    from earmark.teaching.next_tracks import Candidate, next_tracks

    tagger = Tagger(taught.bundle)
    report = taught.reports[0]
    chances = probabilities(tagger.classifier(tracks.vectors), tagger.card)[:, 0]
    known = {*wanted.yes, *wanted.no}
    alone = len(set(tracks.folders)) < wanted.count
    candidates = (
        Candidate(str(row), str(row) if alone else tracks.folders[row], tracks.vectors[row])
        for row, number in enumerate(tracks.numbers.tolist())
        if number not in known
    )
    weights = {report.word: 1.0}
    ahead = [int(each.name) for each in next_tracks(tagger.card, tagger.classifier, candidates, weights, wanted.count)]
    best = np.argsort(-chances, kind="stable").tolist()
    searching = opened.searching

    def shown(rows: Sequence[int]) -> list[TaughtTrack]:
        found = []
        for row in rows:
            track = searching.track(int(tracks.numbers[row]), float(chances[row]))
            if track is not None:
                found.append(TaughtTrack(track=opened.found_track(track), probability=float(chances[row])))
        return found

    quality = report.quality
    return LessonAnswer(
        word=report.word,
        examples=report.examples,
        others=others,
        quality=None if quality is None else QualityAnswer(auc=quality.auc, low=quality.low, high=quality.high),
        advice=report.advice,
        count=int((chances >= 0.5).sum()),
        total=len(chances),
        next=shown(ahead),
        best=shown(best[: wanted.count]),
    )
