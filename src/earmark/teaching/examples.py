"""Examples: tracks' vectors, the words that each has, and whose tracks they are."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.errors import TeachingError


@dataclass(frozen=True, eq=False)
class Examples:
    """Tracks to learn from.

    vectors: (tracks, columns) float32. words: what is taught, in order. has: (tracks, words) bool. groups: the artist
    or folder of each track. names: of the tracks, for the hash of what was learned from.
    """

    vectors: npt.NDArray[np.float32]
    words: tuple[str, ...]
    has: npt.NDArray[np.bool_]
    groups: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def hash(self) -> str:
        """sha256, in hexadecimal, of the names and words."""
        digest = hashlib.sha256()
        for name, row in sorted(zip(self.names, self.has.tolist(), strict=True)):
            words = ";".join(word for word, there in zip(self.words, row, strict=True) if there)
            digest.update(f"{name}\t{words}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def counts(self) -> npt.NDArray[np.int64]:
        """How many tracks have each word: (words,)."""
        return np.asarray(self.has.sum(axis=0), dtype=np.int64)

    def with_words(self, kept: Sequence[str]) -> "Examples":
        """The same tracks with some of the words."""
        places = [self.words.index(word) for word in kept]
        return Examples(self.vectors, tuple(kept), self.has[:, places], self.groups, self.names)

    def rows(self, chosen: npt.NDArray[np.int64]) -> "Examples":
        """Some of the tracks."""
        return Examples(
            self.vectors[chosen],
            self.words,
            self.has[chosen],
            tuple(self.groups[row] for row in chosen.tolist()),
            tuple(self.names[row] for row in chosen.tolist()),
        )


def examples_of(
    vectors: npt.NDArray[np.float32], words: Sequence[Sequence[str]], groups: Sequence[str], names: Sequence[str]
) -> Examples:
    """Gather examples: (tracks, columns) float32 with each track's words; the words are taught in alphabetical order.

    Raises TeachingError where there are none, or their numbers differ.
    """
    every = tuple(sorted({word for of_track in words for word in of_track}))
    if not len(vectors) or not every or not len(vectors) == len(words) == len(groups) == len(names):
        raise TeachingError(
            f"found {len(vectors)} vectors, {len(words)} lists of words with {len(every)} different ones, "
            f"{len(groups)} groups and {len(names)} names; expected as many of each, and at least one word. Label some "
            "tracks."
        )
    has = np.array([[word in of_track for word in every] for of_track in map(set, words)], dtype=np.bool_)
    return Examples(np.asarray(vectors, np.float32), every, has, tuple(groups), tuple(names))
