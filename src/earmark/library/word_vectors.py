"""Find the tags that are nearest in meaning to a word that no tag has, by a small table of word vectors.

The table `word_vectors.npz` has the 60 000 most frequent words of GloVe (Pennington, Socher, Manning 2014; 50 columns,
8 bits; Public Domain Dedication and License 1.0). `tools/word_vectors.py` makes it. It knows no tags, so it serves any
vocabulary.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
import numpy.typing as npt

from earmark.file_name import folded
from earmark.tagging.bundle.card import TagName

NEAREST_TAGS = 3
VOCABULARIES = 4
"""How many vocabularies are kept in memory, with 13 MB each."""
LEAST_SIMILARITY = 0.2
FREQUENT_WORDS = 20_000
CROWD = 200
"""A tag that is near to many words is near to any; its mean similarity to so many of them counts against it by half."""
_BETWEEN_WORDS = re.compile(r"[^a-z'&]+")
_ENDINGS = (("ies", "y"), ("s", ""), ("y", ""), ("ish", ""))

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class WordVectors:
    """Vectors of words.

    rows: the row of each word. vectors: (words, columns) float32, of length 1.
    """

    rows: dict[str, int]
    vectors: Vectors

    def of(self, text: str) -> Vectors | None:
        """Return the vector of a text, the mean of its words' vectors, (columns,); None if it has no known word."""
        known = [row for word in _BETWEEN_WORDS.split(folded(text)) if (row := self._row(word)) is not None]
        whole = self.rows.get(folded(text))
        if whole is not None:
            known = [whole]
        return _unit(self.vectors[known].mean(axis=0)) if known else None

    def _row(self, word: str) -> int | None:
        forms = (word.removesuffix(end) + instead for end, instead in _ENDINGS if word.endswith(end))
        return next((self.rows[form] for form in (word, *forms) if form in self.rows), None)


class TagVectors:
    """The vectors of a model's tags, each the mean of those of its label and synonyms."""

    def __init__(self, words: WordVectors, tags: Sequence[TagName]) -> None:
        self._words = words
        vectors = {place: mean for place, tag in enumerate(tags) if (mean := _mean(words, tag)) is not None}
        self._places = list(vectors)
        columns = words.vectors.shape[1]
        self._vectors = np.stack(list(vectors.values())) if vectors else np.zeros((0, columns), np.float32)
        similarity = words.vectors[:FREQUENT_WORDS] @ self._vectors.T
        self._crowd = np.partition(similarity, -CROWD, axis=0)[-CROWD:].mean(axis=0)

    def nearest(self, text: str) -> tuple[int, ...]:
        """Return the places of the tags nearest to a text, the nearest first; none if the text has no known word."""
        vector = self._words.of(text)
        if vector is None or not self._places:
            return ()
        similarity = self._vectors @ vector
        order = np.argsort(-(similarity - 0.5 * self._crowd), kind="stable")[:NEAREST_TAGS]
        return tuple(self._places[index] for index in order.tolist() if similarity[index] >= LEAST_SIMILARITY)


@lru_cache(maxsize=VOCABULARIES)
def tag_vectors(tags: tuple[TagName, ...]) -> TagVectors:
    """Return the vectors of a vocabulary's tags. They are kept, because reading the table is slower than a search."""
    return TagVectors(load_word_vectors(), tags)


def load_word_vectors() -> WordVectors:
    """Read the table."""
    with resources.files("earmark.library").joinpath("word_vectors.npz").open("rb") as file:
        table = np.load(file)
        words = table["words"].tobytes().decode("utf-8").split("\n")
        vectors = _unit(table["vectors"].astype(np.float32))
    return WordVectors({word: row for row, word in enumerate(words)}, vectors)


def _mean(words: WordVectors, tag: TagName) -> Vectors | None:
    known = [vector for name in (tag.label, *tag.synonyms) if (vector := words.of(name)) is not None]
    return _unit(np.mean(known, axis=0)) if known else None


def _unit(vectors: npt.NDArray[np.floating]) -> Vectors:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(length > 0, length, 1.0), np.float32)
