"""Keep the scores of several heads over the same vectors, so that no file is heard again for a head."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from earmark import __version__
from earmark.errors import EarmarkError, LibraryError
from earmark.library.database import Database
from earmark.library.query import CONDITION_NAMES
from earmark.tagging.bundle.calibration import probabilities
from earmark.tagging.bundle.card import Card, TagName
from earmark.tagging.tagger import Tagger

ROWS_TOGETHER = 1_000
_SIGNS = re.compile(r"""[\s:()<>="'“”„«»’,;]""")
"""What no name of a head contains, because a search could not be written with it."""
RESERVED_NAMES = frozenset((*CONDITION_NAMES, "and", "or", "not"))
BETWEEN = ":"
"""What stands between the name of a head and that of a tag, as in mine:driving."""


@dataclass(frozen=True, eq=False)
class FurtherHead:
    """A further head of a library.

    name: its model's name, by which its tags are qualified. source: the folder or name of its model. tracks: how many
    tracks have its scores.
    """

    model_id: int
    name: str
    source: str
    card: Card
    tracks: int

    def tags(self) -> list[TagName]:
        """Return its tags under qualified labels; the plain ones are synonyms."""
        return [qualified(self.name, tag) for tag in self.card.tags]


def qualified(name: str, tag: TagName) -> TagName:
    """Return a tag whose label is qualified by a model's name; its other names are synonyms, plain and qualified."""
    names = (tag.label, *tag.synonyms)
    synonyms = (*names, *(f"{name}{BETWEEN}{each}" for each in names[1:]))
    return replace(tag, label=f"{name}{BETWEEN}{tag.label}", synonyms=synonyms)


class Heads:
    """The further heads of a library: models with the same extractors as its current one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._store = database.store

    def all(self) -> list[FurtherHead]:
        """Return the heads in the order of their names."""
        rows = self._store.rows("SELECT model_id, name, source FROM heads ORDER BY name")
        cards = self._database.models() if rows else {}
        return [FurtherHead(number, name, source, cards[number], self._scored(number)) for number, name, source in rows]

    def add(self, tagger: Tagger, source: str) -> int:
        """Keep a head, and classify all tracks; return how many there were.

        It takes the place of an older one with its name, and of the same head under another name.

        Raises:
            LibraryError: it has other extractors than the library's model, is the head of that model or has its name,
                or its name is that of a condition or has a space or a sign of searches.
        """
        card = tagger.card
        current, own = self._database.current_card()
        if not _share_vectors(card, own):
            raise LibraryError(
                f"{card.name}: found a model with other extractors than {own.name}, which analysed the library. Choose "
                f"a model that was taught on {own.name}."
            )
        model_id = self._database.model_id(card)
        if model_id == current or card.name == own.name:
            raise LibraryError(f"{card.name}: found the model whose scores the library shows already. Choose another.")
        if card.name.casefold() in RESERVED_NAMES:
            raise LibraryError(
                f"{card.name}: found a name that a search takes for a condition; expected another, such as "
                f"my-{card.name}. Teach the model under that name."
            )
        sign = _SIGNS.search(card.name)
        if sign is not None:
            raise LibraryError(
                f"{card.name}: found {sign.group()!r} in the name of a head, expected a name without spaces and signs "
                f"of searches, such as {_SIGNS.sub('-', card.name)}. Teach the model under that name."
            )
        with self._store.transaction():
            self._store.run("DELETE FROM heads WHERE name = ? OR model_id = ?", (card.name, model_id))
            self._store.run("INSERT INTO heads VALUES (?, ?, ?)", (model_id, card.name, source))
        return self._classify(tagger, model_id, current)

    def remove(self, name: str) -> None:
        """Remove a head and its scores.

        Raises:
            LibraryError: there is no such head.
        """
        if not self._store.run("DELETE FROM heads WHERE name = ?", (name,)):
            known = ", ".join(head.name for head in self.all()) or "none"
            raise LibraryError(f"{name}: found no such head, expected one of the library's: {known}.")

    def update(self, load: Callable[[str], Tagger]) -> list[str]:
        """Classify tracks that lack the scores of a head, and return a sentence for each head that cannot be loaded.

        load: loads a model by its source.
        """
        notes = []
        current = self._database.current_model()
        for head in self.all():
            lacking = 0 if current is None else self._database.count_of(current) - self._scored(head.model_id, current)
            if current is None or not lacking:
                continue
            if not _share_vectors(head.card, self._database.current_card()[1]):
                notes.append(
                    f"{lacking} recordings have no scores of {head.name}, which was taught on other extractors than "
                    f"those of the library's model; teach it again, or remove it: earmark library heads --remove "
                    f"{head.name}"
                )
                continue
            try:
                tagger = load(head.source)
            except EarmarkError as error:
                notes.append(f"{lacking} recordings have no scores of {head.name}, which cannot be loaded: {error}")
                continue
            if tagger.card.head.hash != head.card.head.hash:
                notes.append(
                    f"{lacking} recordings have no scores of {head.name}, because {head.source} has changed; add it "
                    f"again: earmark library heads --add {head.source}"
                )
                continue
            self._classify(tagger, head.model_id, current)
        return notes

    def logits(self, head: FurtherHead) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Return the tracks that have a head's scores, (tracks,), and their logits, (tracks, tags)."""
        rows = self._store.rows(
            "SELECT track_id, logits FROM head_scores WHERE model_id = ? ORDER BY track_id", (head.model_id,)
        )
        values = np.frombuffer(b"".join(blob for _, blob in rows), "<f4").reshape(len(rows), len(head.card.tags))
        return np.array([number for number, _ in rows], np.int64), values

    def probabilities(self, head: FurtherHead) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Return the tracks that have a head's scores, (tracks,), and their probabilities, (tags, tracks)."""
        numbers, logits = self.logits(head)
        return numbers, np.ascontiguousarray(probabilities(logits, head.card).T)

    def _classify(self, tagger: Tagger, model_id: int, current: int) -> int:
        done = 0
        while rows := self._store.rows(
            "SELECT id, embedding FROM tracks WHERE model_id = ? AND NOT EXISTS "
            "(SELECT 1 FROM head_scores WHERE track_id = id AND head_scores.model_id = ?) LIMIT ?",
            (current, model_id, ROWS_TOGETHER),
        ):
            vectors = np.frombuffer(b"".join(blob for _, blob in rows), "<f2").reshape(len(rows), -1)
            scores = tagger.classifier(vectors.astype(np.float32))
            with self._store.transaction():
                for (number, _), logits in zip(rows, scores, strict=True):
                    self._store.run(
                        "INSERT OR REPLACE INTO head_scores VALUES (?, ?, ?)",
                        (model_id, number, logits.astype("<f4").tobytes()),
                    )
            done += len(rows)
        return done

    def _scored(self, model_id: int, current: int | None = None) -> int:
        found = self._store.row(
            "SELECT count(*) FROM head_scores JOIN tracks ON id = track_id WHERE head_scores.model_id = ? "
            "AND tracks.model_id = coalesce(?, tracks.model_id)",
            (model_id, current),
        )
        return 0 if found is None else int(found[0])


def _share_vectors(card: Card, other: Card) -> bool:
    """Return whether the heads of two models classify the same vectors."""
    return [each.hash for each in card.extractors] == [each.hash for each in other.extractors]


def classify_again(database: Database, tagger: Tagger, model_id: int) -> int:
    """Classify the stored vectors of the tagger's extractors with its head; return how many there were."""
    done = 0
    for other in database.other_heads(model_id):
        while rows := database.store.rows(
            "SELECT id, embedding FROM tracks WHERE model_id = ? LIMIT ?", (other, ROWS_TOGETHER)
        ):
            vectors = [(number, np.frombuffer(blob, "<f2").astype(np.float32)) for number, blob in rows]
            # The tagger classifies one vector at a time; so does this, to give exactly the same numbers.
            results = [
                (number, tagger.classifier(row)[0], float(tagger.distance(row)[0]))
                for number, row in ((number, vector[np.newaxis]) for number, vector in vectors)
            ]
            database.rewrite_logits(results, model_id, __version__)
            done += len(rows)
    return done
