"""The choice of tracks to label next: those a taught model is least sure of, one from each artist or folder."""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.tagging.bundle.calibration import probabilities
from earmark.tagging.bundle.card import Card
from earmark.tagging.engines.network import Classifier

SPARE = 20
"""The number of candidates kept for each track that is asked for, since several may be of one album."""


@dataclass(frozen=True)
class Candidate:
    """A track without labels: its name, its artist or folder as `group`, and its vector, (columns,)."""

    name: str
    group: str
    vector: npt.NDArray[np.floating]


@dataclass(frozen=True)
class Suggestion:
    """A track to label, with its worth (0 or more) and the words in doubt with their probabilities."""

    name: str
    worth: float
    doubts: tuple[tuple[str, float], ...]


def next_tracks(
    card: Card, classifier: Classifier, candidates: Iterable[Candidate], weights: Mapping[str, float], count: int
) -> list[Suggestion]:
    """Return up to `count` tracks whose labels would help most, the best first, at most one of each group.

    weights: for each word, how much there is still to learn of it, such as the width of its interval; 0 where it is
    missing. Choice: a track's worth is the weighted entropy of its words' probabilities, since a label that the model
    is sure of teaches it nothing.
    """
    own = np.array([weights.get(label, 0.0) for label in card.labels])
    kept: list[tuple[float, int, Candidate, npt.NDArray[np.float32]]] = []
    for number, candidate in enumerate(candidates):
        vector = np.asarray(candidate.vector, np.float32)[np.newaxis]
        chances = probabilities(classifier(vector)[0], card)
        worth = float((own * _entropy(chances)).sum())
        entry = (worth, -number, candidate, chances)
        if len(kept) < count * SPARE:
            heapq.heappush(kept, entry)
        elif entry[:2] > kept[0][:2]:
            heapq.heapreplace(kept, entry)
    found: dict[str, Suggestion] = {}
    for worth, _, candidate, chances in sorted(kept, key=lambda entry: (-entry[0], -entry[1])):
        if candidate.group not in found and len(found) < count:
            found[candidate.group] = Suggestion(candidate.name, worth, _doubts(card.labels, chances, own))
    return list(found.values())


def _entropy(chances: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return the entropy of probabilities in bits, 0 to 1, in the same shape."""
    p = np.clip(chances.astype(np.float64), 1e-9, 1.0 - 1e-9)
    return np.asarray(-(p * np.log2(p) + (1.0 - p) * np.log2(1.0 - p)))


def _doubts(
    labels: Sequence[str], chances: npt.NDArray[np.float32], weights: npt.NDArray[np.float64], most: int = 3
) -> tuple[tuple[str, float], ...]:
    order = np.argsort(-(weights * _entropy(chances)), kind="stable")[:most]
    return tuple((labels[place], float(chances[place])) for place in order.tolist())
