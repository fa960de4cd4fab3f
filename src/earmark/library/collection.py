"""Hold the tracks that a search looks through, with what is known of all of them at once."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from earmark.errors import LibraryError
from earmark.library.database import Database
from earmark.library.descriptions import Descriptions, SortField
from earmark.library.heads import BETWEEN, Heads
from earmark.library.query import Like
from earmark.library.remote import absolute_path
from earmark.library.similarity import EVERYTHING, chance_similarity, nearest
from earmark.library.vectors import Vectors
from earmark.library.word_vectors import TagVectors, tag_vectors
from earmark.tagging.bundle.card import Card

Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]

LIKE_TRACKS = 500
"""How many of the tracks that are most similar to one count as similar to it."""
UNCALIBRATED_THRESHOLD = 0.5
LEAST_THRESHOLD = 0.1
THRESHOLD_TRACKS = 50_000
"""About how many tracks tell a threshold; sorting all of a large library takes longer than a search."""


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
        self._thresholds: dict[int, float] = {}

    @property
    def size(self) -> int:
        """The number of tracks."""
        return len(self.ids)

    def chances(self, place: int) -> Floats:
        """Return the probability of a tag for every track: (tracks,); NaN without scores of its head."""
        own = len(self.card.tags)
        return np.asarray(self.vectors.probabilities[place] if place < own else self._of_heads[place - own])

    def chances_of(self, row: int) -> Floats:
        """Return the probabilities of all tags for one track, by its index: (tags,); NaN without scores of a head."""
        own = np.asarray(self.vectors.probabilities[:, row])
        return np.concatenate([own, self._of_heads[:, row]]) if self.heads else own

    def known_chances(self, place: int) -> Floats:
        """Return the probabilities of a tag for the tracks that have scores of its head: (known tracks,)."""
        chances = self.chances(place)
        return chances if place < len(self.card.tags) else chances[~np.isnan(chances)]

    def threshold(self, place: int) -> float:
        """Return the probability from which a track counts as having a tag.

        It is in the model's card (`best_f1_probability`). Choice: where it is not, it is that with the highest F1
        that is expected of the library's own tracks if probabilities are right, but at least LEAST_THRESHOLD; one half
        if the model is not calibrated. Of large libraries, evenly chosen tracks tell it.
        """
        if place not in self._thresholds:
            self._thresholds[place] = self._own_threshold(place)
        return self._thresholds[place]

    def _own_threshold(self, place: int) -> float:
        calibrations = [(card.calibration or (None,) * len(card.tags)) for card in self.cards]
        calibration = [entry for entries in calibrations for entry in entries][place]
        if calibration is None:
            return UNCALIBRATED_THRESHOLD
        fitted = calibration.best_f1_probability
        if fitted is not None:
            return fitted
        known = self.known_chances(place)
        return best_f1_threshold(known[:: max(1, len(known) // THRESHOLD_TRACKS)])

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

        Raises LibraryError if there is no such track, or if another model analysed it.
        """
        number = self._number(like)
        if number not in self.ids:
            raise LibraryError(
                f"like:{like.track}: found a track that another model analysed, expected one analysed by "
                f"{self.card.name}. Add its file again."
            )
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
            part = np.full((len(head.card.tags), self.size), np.nan, np.float32)
            part[:, self.rows(numbers[there])] = chances[:, there]
            parts.append(part)
        return np.concatenate(parts)

    @cached_property
    def tag_vectors(self) -> TagVectors:
        """The meanings of the tags, for words that no tag has."""
        tags = (*self.card.tags, *(tag for head in self.heads for tag in head.card.tags))
        return tag_vectors(tags)  # by their plain names, as the names of models are words of other meaning

    def _number(self, like: Like) -> int:
        known = self.database.known_path(absolute_path(like.track))
        if known is not None:
            return known.track_id
        if like.number is not None and self.database.track(like.number) is not None:
            return like.number
        raise LibraryError(f"like:{like.track}: found no such track, expected the number or path of one here.")


def best_f1_threshold(chances: Floats) -> float:
    """Return the probability at which F1 is expected to be highest, if probabilities (tracks,) are right.

    It is at least LEAST_THRESHOLD, so that a tag which no track has is not given to all.
    """
    if not len(chances):
        return LEAST_THRESHOLD
    falling = np.sort(chances.astype(np.float64))[::-1]
    expected = 2 * np.cumsum(falling) / (np.arange(1, len(falling) + 1) + falling.sum())
    return max(LEAST_THRESHOLD, float(falling[int(np.argmax(expected))]))
