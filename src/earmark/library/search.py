"""A search over all tracks at once: which fit, and how well."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.file_name import folded
from earmark.library.database import Database, paths_within
from earmark.library.query import And, HasPath, HasTag, Not, Or, Query
from earmark.library.remote import absolute_path
from earmark.library.vectors import Vectors

THRESHOLD = 0.5


@dataclass(frozen=True)
class Fitting:
    """Of every track: `fits` (tracks,), and `score` (tracks,) float32, 0 to 1, how well."""

    fits: npt.NDArray[np.bool_]
    score: npt.NDArray[np.float32]


def fitting(query: Query, vectors: Vectors, database: Database, threshold: float = THRESHOLD) -> Fitting:
    """Ask a search of all tracks.

    A tag fits from `threshold` on, or as it is compared. Choice: the score is the probability that the search is true
    if tags came independently: products for AND, what is left of the misses for OR, the rest to 1 for NOT and for
    "less than"; paths are 0 or 1.
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
    """The tracks that fit, the best first, equal ones in the order in which they were added: (track, score)."""
    places = np.flatnonzero(found.fits)
    scores = found.score[places]
    order = np.argsort(-scores, kind="stable")
    for place, score in zip(ids[places[order]], scores[order], strict=True):
        yield int(place), float(score)


def tags_of(query: Query) -> tuple[int, ...]:
    """The places of the tags that a search names, each once, in the order of the search."""
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
    """The tracks that have a path as described, of those that are there, whatever the case and form of letters.

    A track stands there once for each of its paths.
    """
    values: Sequence[bytes]
    if query.kind == "folder":
        condition, values = "folded >= ? AND folded < ?", paths_within(folded(absolute_path(query.text)))
    elif "*" in query.text or "?" in query.text:
        condition = "CAST(folded AS TEXT) GLOB CAST(? AS TEXT)"
        values = [os.fsencode(folded(query.text).replace("[", "[[]"))]  # a bracket in a path is a bracket
    else:
        condition, values = "instr(folded, ?) > 0", [os.fsencode(folded(query.text))]
    # Without DISTINCT, for which SQLite would go through the paths track by track, ten times as slowly.
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
