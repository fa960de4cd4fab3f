"""Evaluate a search for all tracks at once: which of them match, how well, and why.

A search in the strict language divides the tracks into those that match and others. A search in free words only ranks
them, by the evidence that each is wanted.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from earmark.file_name import folded
from earmark.library.collection import Booleans, Collection, Floats
from earmark.library.database import Database
from earmark.library.descriptions import TEXT_FIELDS, TextField
from earmark.library.free_words import NEGATIONS, FreeSearch, Term
from earmark.library.query import And, HasPath, HasTag, HasWords, Like, Not, OfYears, Or, Query
from earmark.library.remote import absolute_path, paths_within

Evidence = npt.NDArray[np.float64]

LIKE_EVIDENCE = 15.0
"""The evidence of a similarity of 1. Choice: a deviation of similarities, 0.18 on Emotify, weighs 2.7 in log odds."""
SMALLEST_CHANCE = 1e-6
FIELD_WEIGHTS: Mapping[TextField, float] = {"artist": 1.0, "title": 0.9, "album": 0.8, "genre": 0.8, "path": 0.6}
"""How much words in a field tell. Choice: names tell most; a path repeats them and has words of other meaning."""
MEANT_AS_TAG = 0.9
"""How often a word that names a tag is meant as the tag, and not as a word of a title or name."""
FOUND_IN_WANTED, FOUND_IN_OTHERS = 0.9, 0.1
MANY_TRACKS = 20_000
"""From so many tracks on, a word that nearly all have is not looked for in each field, which would take long."""
NEAREST_AT_MOST = 2.0
"""The largest evidence, for or against, of the tags nearest to a word. Choice: tracks that have the word come first."""


@dataclass(frozen=True)
class Fitting:
    """The result of a query for every track.

    fits: (tracks,), whether the track matches. fails: (tracks,), whether it does not; neither where that is unknown,
    because the track has no scores of a tag's head. score: (tracks,) float32, from 0 to 1, how well it matches.
    """

    fits: Booleans
    fails: Booleans
    score: Floats


def fitting(query: Query, collection: Collection, threshold: float | None = None) -> Fitting:
    """Evaluate a query for all tracks.

    threshold: the least probability of a tag that the query names without a comparison; None for each tag's own.

    Choice: the score is the probability that the query is true if tags are independent. AND multiplies, OR is 1 minus
    the product of 1 - score, NOT and "less than" are 1 - score, and all but tags and similarity are 0 or 1.
    """
    match query:
        case HasTag():
            least = collection.threshold(query.place) if threshold is None else threshold
            return _tag(query, collection.chances(query.place), least)
        case HasPath() | HasWords() | OfYears():
            fits = collection.has(_tracks_that(query, collection))
            return Fitting(fits, ~fits, fits.astype(np.float32))
        case Like():
            similarity = collection.similarity(query)
            score = (np.nan_to_num(similarity, nan=-1.0) + 1) / 2
            fails = np.isnan(similarity)
            return Fitting(~fails, fails, score.astype(np.float32))
        case Not():
            part = fitting(query.part, collection, threshold)
            return Fitting(part.fails, part.fits, 1 - part.score)
        case And():
            parts = [fitting(part, collection, threshold) for part in query.parts]
            return Fitting(
                np.logical_and.reduce([part.fits for part in parts]),
                np.logical_or.reduce([part.fails for part in parts]),
                np.multiply.reduce([part.score for part in parts]),
            )
        case Or():
            parts = [fitting(part, collection, threshold) for part in query.parts]
            return Fitting(
                np.logical_or.reduce([part.fits for part in parts]),
                np.logical_and.reduce([part.fails for part in parts]),
                1 - np.multiply.reduce([1 - part.score for part in parts]),
            )


Kind = Literal["tag", "nearest", "words", "unknown"]


@dataclass(frozen=True, eq=False)
class Understood:
    """How a term was understood.

    kind: "tag", a tag; "words", words of titles, names, genres or paths; "nearest", neither, so that the tags nearest
    in meaning are searched for; "unknown", none of these. places: the indices of the tags, also of those nearest to
    words of titles. anywhere: the tracks that have the words. found: the same for each field that has any; empty for
    words that tell nothing because nearly all of very many tracks have them.
    """

    term: Term
    kind: Kind
    places: tuple[int, ...]
    anywhere: npt.NDArray[np.int64]
    found: Mapping[TextField, npt.NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class Ranking:
    """The result of a search in free words.

    fits: (tracks,), whether the track fulfils the conditions and anything speaks for it. evidence: (tracks,), the log
    odds that it is wanted, up to a constant. similarity: (tracks,), to the track of `like:`, or None.
    """

    fits: Booleans
    evidence: Evidence
    understood: tuple[Understood, ...]
    similarity: Floats | None = None


def ranking(search: FreeSearch, collection: Collection) -> Ranking:
    """Add up the evidence of all terms for every track.

    Choice: the evidence of a tag is the log odds of its probability, less those of its mean in the library. That of
    words is the logarithm of how much more likely wanted tracks have them than others; rare words tell more. A term
    that names a tag may also be meant as a word, so its evidence is that of a mixture of both.
    """
    fits = np.ones(collection.size, np.bool_)
    evidence = np.zeros(collection.size, np.float64)
    similarity = None
    for stated in search.conditions:
        if isinstance(stated, Like):
            similarity = collection.similarity(stated)
            evidence += LIKE_EVIDENCE * np.nan_to_num(similarity)
            fits &= ~np.isnan(similarity)
        else:
            fits &= fitting(stated, collection).fits
    understood = tuple(_understood(term, collection) for term in search.terms)
    for each in understood:
        evidence += _evidence(each, collection)
    if understood and not any(each.places for each in understood):
        wanted = [each for each in understood if not each.term.negated]
        fits &= ~_named([each for each in understood if each.term.negated], collection)
        if wanted:
            fits &= _named(wanted, collection)
    return Ranking(fits, evidence, understood, similarity)


def log_odds_of(chances: Floats) -> Evidence:
    """Return the log odds of probabilities, finite also where these are 0 or 1."""
    values = np.clip(chances.astype(np.float64), SMALLEST_CHANCE, 1 - SMALLEST_CHANCE)
    return np.asarray(np.log(values) - np.log1p(-values))


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


def _tracks_that(query: HasPath | HasWords | OfYears, collection: Collection) -> npt.NDArray[np.int64]:
    match query:
        case HasPath():
            return tracks_at(query, collection.database)
        case HasWords():
            return _tracks_with(query.text, query.field, collection)
        case OfYears():
            return collection.descriptions.tracks_of_years(query.first, query.last)


def _tracks_with(text: str, field: TextField, collection: Collection) -> npt.NDArray[np.int64]:
    """Return the tracks with words in a field, or if there are none, with words that begin so."""
    found = collection.descriptions.tracks_with(text, field)
    return found if len(found) else collection.descriptions.tracks_with(text, field, start=True)


def _tag(query: HasTag, chances: Floats, threshold: float) -> Fitting:
    known = ~np.isnan(chances)
    bound = np.float32(threshold if query.comparison is None else query.bound)
    match query.comparison:
        case None | ">=":
            fits = chances >= bound
        case ">":
            fits = chances > bound
        case "<":
            fits = chances < bound
        case "<=":
            fits = chances <= bound
    score = np.where(known, chances, _mean_of_known(chances))
    return Fitting(fits, known & ~fits, 1 - score if query.comparison in ("<", "<=") else score)


def _mean_of_known(chances: Floats) -> np.float32:
    """Return the mean of probabilities (tracks,) without those that are unknown; one half if all are."""
    known = chances[~np.isnan(chances)]
    return known.mean(dtype=np.float32) if len(known) else np.float32(0.5)


def _understood(term: Term, collection: Collection) -> Understood:
    descriptions = collection.descriptions
    start = False
    anywhere = descriptions.tracks_with(term.text)
    if term.place is None and not len(anywhere):
        start = True
        anywhere = descriptions.tracks_with(term.text, start=True)
    # Each field takes as long as all together, so fields are not asked where the answer cannot matter.
    telling = 0 < len(anywhere) < max(FOUND_IN_WANTED * collection.size, MANY_TRACKS)
    asked = ((each, descriptions.tracks_with(term.text, each, start=start)) for each in TEXT_FIELDS if telling)
    found = {each: tracks for each, tracks in asked if len(tracks)}
    if term.place is not None:
        return Understood(term, "tag", (term.place,), anywhere, found)
    has_meaning = "artist" not in found and folded(term.text) not in NEGATIONS
    nearest_tags = collection.tag_vectors.nearest(term.text) if has_meaning else ()
    kind: Kind = "words" if len(anywhere) else "nearest" if nearest_tags else "unknown"
    return Understood(term, kind, nearest_tags, anywhere, found)


def _evidence(understood: Understood, collection: Collection) -> Evidence:
    """Return the evidence of one term for every track."""
    words = _evidence_of_words(understood, collection)
    if understood.kind != "tag":
        evidence = _evidence_of_word(understood, words, collection)
        return -evidence if understood.term.negated else evidence
    if understood.term.negated:
        # Log odds would tell tracks apart that all surely lack the tag.
        chances = collection.chances(understood.places[0])
        known = np.where(np.isnan(chances), _mean_of_known(chances), chances).astype(np.float64)
        return np.asarray(np.log1p(-np.clip(known, 0.0, 1 - SMALLEST_CHANCE)))
    tag = _evidence_of_tag(collection.chances(understood.places[0]))
    if not len(understood.anywhere):
        return tag
    return np.asarray(np.logaddexp(np.log(MEANT_AS_TAG) + tag, np.log(1 - MEANT_AS_TAG) + words))


def _evidence_of_word(understood: Understood, words: Evidence, collection: Collection) -> Evidence:
    """Return the evidence of a word that is no tag: that of texts, `words`, and of the nearest tags."""
    if not understood.places:
        return words
    tags = [_evidence_of_tag(collection.chances(place)) for place in understood.places]
    weighted = np.average(tags, axis=0, weights=1 / np.arange(1, len(tags) + 1))
    nearest_tags = NEAREST_AT_MOST * np.tanh(weighted / NEAREST_AT_MOST)
    return np.asarray(nearest_tags + words + np.where(words > 0, 2 * NEAREST_AT_MOST, 0))


def _evidence_of_tag(chances: Floats) -> Evidence:
    """Return the log odds of a tag for every track, less those of its mean; 0 where the probability is unknown."""
    return np.nan_to_num(log_odds_of(chances) - log_odds_of(np.array([_mean_of_known(chances)])))


def _evidence_of_words(understood: Understood, collection: Collection) -> Evidence:
    evidence = np.zeros(collection.size, np.float64)
    if not understood.found:
        return evidence
    anywhere = collection.has(understood.anywhere)
    share = max(float(anywhere.mean()), 1 / max(collection.size, 1))
    told = max(0.0, float(np.log(FOUND_IN_WANTED / share)))
    evidence[~anywhere] = np.log(FOUND_IN_OTHERS / max(1 - share, FOUND_IN_OTHERS))
    for each, tracks in sorted(understood.found.items(), key=lambda item: FIELD_WEIGHTS[item[0]]):
        evidence[collection.rows(tracks)] = FIELD_WEIGHTS[each] * told
    return evidence


def _named(understood: Sequence[Understood], collection: Collection) -> Booleans:
    """Return which tracks have any of the words."""
    fits = np.zeros(collection.size, np.bool_)
    for each in understood:
        fits[collection.rows(each.anywhere)] = True
    return fits
