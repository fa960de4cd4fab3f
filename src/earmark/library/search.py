"""Evaluate a search for all tracks at once: which of them match, how well, and why.

A search in the strict language divides the tracks into those that match and others. A search in free words only ranks
them, by the evidence that each is wanted.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from earmark.errors import LibraryError
from earmark.file_name import folded
from earmark.library.database import Database
from earmark.library.descriptions import TEXT_FIELDS, Descriptions, SortField, TextField
from earmark.library.free_words import NEGATIONS, FreeSearch, Term
from earmark.library.heads import BETWEEN, Heads
from earmark.library.query import And, HasPath, HasTag, HasWords, Like, Not, OfYears, Or, Query
from earmark.library.remote import absolute_path, paths_within
from earmark.library.similarity import EVERYTHING, chance_similarity, nearest
from earmark.library.vectors import Vectors
from earmark.library.word_vectors import TagVectors, tag_vectors
from earmark.tagging.bundle.card import Card

Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Evidence = npt.NDArray[np.float64]

LIKE_TRACKS = 500
"""How many of the tracks that are most similar to one count as similar to it."""
LIKE_EVIDENCE = 15.0
"""The evidence of a similarity of 1. Choice: a deviation of similarities, 0.18 on Emotify, weighs 2.7 in log odds."""
UNCALIBRATED_THRESHOLD = 0.5
LEAST_THRESHOLD = 0.1
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


class Collection:
    """The tracks that a search looks through: those of one model."""

    def __init__(self, database: Database, vectors: Vectors, card: Card) -> None:
        self.database, self.vectors, self.card = database, vectors, card
        self.descriptions = Descriptions(database.store)
        self.heads = Heads(database).all()
        # Tags of the model come first, so that their plain names are theirs; those of further heads are qualified.
        own = (replace(tag, synonyms=(*tag.synonyms, f"{card.name}{BETWEEN}{tag.label}")) for tag in card.tags)
        self.tags = (*own, *(tag for head in self.heads for tag in head.tags()))
        self.labels = tuple(tag.label for tag in self.tags)
        self.ids = vectors.ids

    @property
    def size(self) -> int:
        """The number of tracks."""
        return len(self.ids)

    def chances(self, place: int) -> Floats:
        """Return the probability of a tag for every track: (tracks,); 0 without scores of its head."""
        own = len(self.card.tags)
        return np.asarray(self.vectors.probabilities[place] if place < own else self._of_heads[place - own])

    def threshold(self, place: int) -> float:
        """Return the probability from which a track counts as having a tag.

        It is in the model's card (`best_f1_probability`). Choice: where it is not, it is that with the highest F1
        that is expected of the library's own tracks if probabilities are right, but at least LEAST_THRESHOLD; one half
        if the model is not calibrated.
        """
        calibrations = [(card.calibration or (None,) * len(card.tags)) for card in self.cards]
        calibration = [entry for entries in calibrations for entry in entries][place]
        if calibration is None:
            return UNCALIBRATED_THRESHOLD
        fitted = calibration.best_f1_probability
        if fitted is not None:
            return fitted
        return best_f1_threshold(self.chances(place))

    def present(self) -> Booleans:
        """Return which tracks have a file that is not missing: (tracks,)."""
        rows = self.database.store.rows("SELECT track_id FROM absent")
        return ~self.has(np.array([number for (number,) in rows], np.int64))

    def has(self, tracks: npt.NDArray[np.int64]) -> Booleans:
        """Return which tracks are among some, given by their numbers: (tracks,)."""
        found = np.zeros(self.size, np.bool_)
        found[self.rows(tracks)] = True
        return found

    def rows(self, tracks: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the indices of tracks, without those of other models."""
        if not self.size:
            return np.zeros(0, np.int64)
        rows = np.minimum(np.searchsorted(self.ids, tracks), self.size - 1)
        return np.asarray(rows[self.ids[rows] == tracks], np.int64)

    def similarity(self, like: Like) -> Floats:
        """Return the similarity of every track to one, given by its number or path: (tracks,), NaN where it is low.

        Raises LibraryError if there is no such track.
        """
        number = self._number(like)
        found = nearest(self.database, self.vectors, self.database.embedding(number), LIKE_TRACKS, EVERYTHING)
        similarity = np.full(self.size, np.nan, np.float32)
        for other, value in found:
            if other != number and value >= chance_similarity(self.size):
                similarity[self.rows(np.array([other]))] = value
        return similarity

    def sort_keys(self, sort: Literal["duration", "path"] | SortField) -> Mapping[int, Any]:
        """Return what tracks are sorted by, by their numbers, without tracks that lack it."""
        store = self.database.store
        if sort == "duration":
            return dict(store.rows("SELECT id, duration_seconds FROM tracks"))
        if sort == "path":
            return dict(store.rows("SELECT track_id, min(folded) FROM paths WHERE NOT missing GROUP BY track_id"))
        return self.descriptions.sort_keys(sort)

    @property
    def cards(self) -> tuple[Card, ...]:
        """The cards of the model and of the further heads, in the order of the tags."""
        return (self.card, *(head.card for head in self.heads))

    @cached_property
    def _of_heads(self) -> Floats:
        """The probabilities of the tags of further heads: (tags, tracks)."""
        heads = Heads(self.database)
        parts = []
        for head in self.heads:
            numbers, chances = heads.probabilities(head)
            there = np.isin(numbers, self.ids)
            part = np.zeros((len(head.card.tags), self.size), np.float32)
            part[:, self.rows(numbers[there])] = chances[:, there]
            parts.append(part)
        return np.concatenate(parts)

    @cached_property
    def tag_vectors(self) -> TagVectors:
        """The meanings of the tags, for words that no tag has."""
        return tag_vectors(self.tags)

    def _number(self, like: Like) -> int:
        known = self.database.known_path(absolute_path(like.track))
        if known is not None:
            return known.track_id
        if like.number is not None and self.database.track(like.number) is not None:
            return like.number
        raise LibraryError(f"like:{like.track}: found no such track, expected the number or path of one here.")


@dataclass(frozen=True)
class Fitting:
    """The result of a query for every track.

    fits: (tracks,), whether the track matches. score: (tracks,) float32, from 0 to 1, how well it matches.
    """

    fits: Booleans
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
            return Fitting(fits, fits.astype(np.float32))
        case Like():
            similarity = collection.similarity(query)
            score = (np.nan_to_num(similarity, nan=-1.0) + 1) / 2
            return Fitting(~np.isnan(similarity), score.astype(np.float32))
        case Not():
            part = fitting(query.part, collection, threshold)
            return Fitting(~part.fits, 1 - part.score)
        case And():
            parts = [fitting(part, collection, threshold) for part in query.parts]
            return Fitting(
                np.logical_and.reduce([part.fits for part in parts]),
                np.multiply.reduce([part.score for part in parts]),
            )
        case Or():
            parts = [fitting(part, collection, threshold) for part in query.parts]
            return Fitting(
                np.logical_or.reduce([part.fits for part in parts]),
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


def best_f1_threshold(chances: Floats) -> float:
    """Return the probability at which F1 is expected to be highest, if probabilities (tracks,) are right.

    It is at least LEAST_THRESHOLD, so that a tag which no track has is not given to all.
    """
    if not len(chances):
        return LEAST_THRESHOLD
    falling = np.sort(chances.astype(np.float64))[::-1]
    expected = 2 * np.cumsum(falling) / (np.arange(1, len(falling) + 1) + falling.sum())
    return max(LEAST_THRESHOLD, float(falling[int(np.argmax(expected))]))


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
    bound = np.float32(query.bound)
    match query.comparison:
        case None:
            return Fitting(chances >= np.float32(threshold), chances)
        case ">":
            return Fitting(chances > bound, chances)
        case ">=":
            return Fitting(chances >= bound, chances)
        case "<":
            return Fitting(chances < bound, 1 - chances)
        case "<=":
            return Fitting(chances <= bound, 1 - chances)


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
        chances = collection.chances(understood.places[0]).astype(np.float64)
        return np.asarray(np.log1p(-np.clip(chances, 0.0, 1 - SMALLEST_CHANCE)))
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
    """Return the log odds of a tag for every track, less those of its mean."""
    return log_odds_of(chances) - log_odds_of(np.array([chances.mean() if len(chances) else 0.5], np.float32))


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
