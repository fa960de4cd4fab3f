"""What is alike: the nearest vectors, over all scales and levels or over some of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from earmark.errors import LibraryError
from earmark.library.database import Database
from earmark.library.neighbours import nearest_by_index
from earmark.library.vectors import Vectors
from earmark.tagging.bundle.card import VectorBlock

EXACT_TRACKS = 100_000
"""Up to which every track is looked at; beyond, an index finds the candidates where all blocks count."""
CANDIDATES_AT_LEAST = 64
CANDIDATES_A_RESULT = 4

Alike = Literal["all", "sound", "style"]


@dataclass(frozen=True)
class Choice:
    """Over which part of the vectors tracks are compared.

    alike: "sound" takes the lowest level of every scale, "style" the highest, "all" every level. levels, scales: those
    alone, by number (from 1) and by name; empty: as `alike` says, of all scales.
    """

    alike: Alike = "all"
    levels: tuple[int, ...] = ()
    scales: tuple[str, ...] = ()

    def blocks(self, layout: Sequence[VectorBlock]) -> tuple[VectorBlock, ...]:
        """The blocks that are meant; raises LibraryError for a scale or level that the model does not have."""
        scales = list(dict.fromkeys(block.extractor for block in layout))
        levels = sorted({block.level for block in layout})
        if self.alike != "all" and self.levels:
            raise LibraryError(
                f"alike: found {self.alike!r} together with levels, expected one of them: alike chooses levels."
            )
        _refuse_unknown("scales", self.scales, scales)
        _refuse_unknown("levels", [str(level) for level in self.levels], [str(level) for level in levels])
        chosen = []
        for block in layout:
            own = [other.level for other in layout if other.extractor == block.extractor]
            wanted = {"all": own, "sound": [min(own)], "style": [max(own)]}[self.alike]
            fits = block.level in (self.levels or wanted)
            if fits and block.extractor in (self.scales or scales):
                chosen.append(block)
        if not chosen:
            raise LibraryError(
                f"levels: found {', '.join(map(str, self.levels))}, expected levels of the scales "
                f"{', '.join(self.scales)}. Choose another level or scale."
            )
        return tuple(chosen)


EVERYTHING = Choice()


def nearest(
    database: Database,
    vectors: Vectors,
    embedding: npt.NDArray[np.floating],
    count: int,
    choice: Choice,
) -> list[tuple[int, float]]:
    """The tracks most like a track vector (columns,), best first: (track, likeness).

    Likeness is the mean cosine of the chosen blocks, -1 to 1, each column standardised over the library. Found by whole
    numbers of 8 bits, then compared again in the precision that is kept.
    """
    blocks = choice.blocks(vectors.blocks)
    wanted = min(max(CANDIDATES_AT_LEAST, CANDIDATES_A_RESULT * count), len(vectors.ids))
    if wanted == 0:
        return []
    units = vectors.units(np.asarray(embedding, np.float32))
    query = _only(units, blocks)
    candidates = None
    if len(vectors.ids) > EXACT_TRACKS and len(blocks) == len(vectors.blocks):
        candidates = nearest_by_index(database.store.path, vectors, vectors.steps(query), wanted)
    if candidates is None:
        # Here: where usearch was loaded before Ray, Ray ends the process (see cluster.py).
        from usearch.index import search

        # Where the query is zero, other blocks do not count.
        found = search(vectors.vectors, vectors.steps(query), wanted, "ip", exact=True, threads=1)
        candidates = vectors.ids[np.asarray(found.keys, np.int64)]
    if not len(candidates):
        return []
    kept = [(int(track), database.embedding(int(track))) for track in candidates]
    others = vectors.units(np.stack([vector for _, vector in kept]).astype(np.float32))
    likeness = (others @ query) / len(blocks)
    order = np.lexsort((candidates, -likeness))[:count]
    return [(kept[place][0], float(likeness[place])) for place in order.tolist()]


def chance_likeness(tracks: int) -> float:
    """The likeness that two of so many tracks of a library have on average: a little below 0, more so in a small one.

    Every column is standardised over the library, so that its tracks lie around the middle on all sides.
    """
    return -1.0 / max(1, tracks - 1)


def _only(units: npt.NDArray[np.float32], blocks: Sequence[VectorBlock]) -> npt.NDArray[np.float32]:
    chosen = np.zeros_like(units)
    for block in blocks:
        chosen[..., block.columns] = units[..., block.columns]
    return chosen


def _refuse_unknown(what: str, asked: Sequence[str], known: Sequence[str]) -> None:
    unknown = [each for each in asked if each not in known]
    if unknown:
        raise LibraryError(f"{what}: found {', '.join(unknown)}, expected some of the model's {', '.join(known)}.")
