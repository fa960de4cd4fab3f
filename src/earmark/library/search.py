"""Evaluate a query for all tracks at once: which of them match, and with which score."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.file_name import folded
from earmark.library.database import Database
from earmark.library.query import And, HasPath, HasTag, Not, Or, Query
from earmark.library.remote import absolute_path, paths_within
from earmark.library.vectors import Vectors

THRESHOLD = 0.5


@dataclass(frozen=True)
class Fitting:
    """The result of a query for every track.

    fits: (tracks,), whether the track matches. score: (tracks,) float32, from 0 to 1, how well it matches.
    """

    fits: npt.NDArray[np.bool_]
    score: npt.NDArray[np.float32]


def fitting(query: Query, vectors: Vectors, database: Database, threshold: float = THRESHOLD) -> Fitting:
    """Evaluate a query for all tracks.

    threshold: the least probability of a tag that the query names without a comparison.

    Choice: the score is the probability that the query is true if tags are independent. AND multiplies, OR is 1 minus
    the product of 1 - score, NOT and "less than" are 1 - score, and paths are 0 or 1.
    """
    match query:
        case HasTag():
            return _tag(query, vectors.probabilities[query.place], threshold)
        case HasPath():
            fits = np.isin(vectors.ids, tracks_at(query, database))
            return Fitting(fits, fits.astype(np.float32))
        case Not():
            part = fitting(query.part, vectors, database, threshold)
            return Fitting(~part.fits, 1 - part.score)
        case And():
            parts = [fitting(part, vectors, database, threshold) for part in query.parts]
            return Fitting(
                np.logical_and.reduce([part.fits for part in parts]),
                np.multiply.reduce([part.score for part in parts]),
            )
        case Or():
            parts = [fitting(part, vectors, database, threshold) for part in query.parts]
            return Fitting(
                np.logical_or.reduce([part.fits for part in parts]),
                1 - np.multiply.reduce([1 - part.score for part in parts]),
            )


def ranked(found: Fitting, ids: npt.NDArray[np.int64]) -> Iterator[tuple[int, float]]:
    """Yield the matching tracks as (track, score), the best first; equal ones in the order in which they were added."""
    matches = np.flatnonzero(found.fits)
    scores = found.score[matches]
    order = np.argsort(-scores, kind="stable")
    for track, score in zip(ids[matches[order]], scores[order], strict=True):
        yield int(track), float(score)


def tags_of(query: Query) -> tuple[int, ...]:
    """Return the indices of the tags that a query names, each once, in the order of the query."""
    match query:
        case HasTag():
            return (query.place,)
        case HasPath():
            return ()
        case Not():
            return tags_of(query.part)
        case And() | Or():
            return tuple(dict.fromkeys(place for part in query.parts for place in tags_of(part)))


def tracks_at(query: HasPath, database: Database) -> npt.NDArray[np.int64]:
    """Return the tracks that have an existing file with such a path, once for each of these files.

    Case and Unicode form do not matter.
    """
    values: Sequence[bytes]
    if query.kind == "folder":
        condition, values = "folded >= ? AND folded < ?", paths_within(folded(absolute_path(query.text)))
    elif "*" in query.text or "?" in query.text:
        condition = "CAST(folded AS TEXT) GLOB CAST(? AS TEXT)"
        values = [os.fsencode(folded(query.text).replace("[", "[[]"))]  # Brackets have no special meaning in queries.
    else:
        condition, values = "instr(folded, ?) > 0", [os.fsencode(folded(query.text))]
    # DISTINCT would make SQLite go through the paths track by track, ten times as slowly.
    rows = database.store.rows(f"SELECT track_id FROM paths WHERE NOT missing AND {condition}", values)
    return np.fromiter((track for (track,) in rows), np.int64, len(rows))


def _tag(query: HasTag, chances: npt.NDArray[np.float32], threshold: float) -> Fitting:
    score = np.asarray(chances)
    bound = np.float32(query.bound)
    match query.comparison:
        case None:
            return Fitting(score >= np.float32(threshold), score)
        case ">":
            return Fitting(score > bound, score)
        case ">=":
            return Fitting(score >= bound, score)
        case "<":
            return Fitting(score < bound, 1 - score)
        case "<=":
            return Fitting(score <= bound, 1 - score)
