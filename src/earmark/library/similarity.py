"""Find similar tracks by the classifier's hidden layer, or by all or some of the scales and levels of their vectors.

Large libraries use an index beside the library file: a graph of neighbours (HNSW, by usearch) that grows with it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from earmark.errors import LibraryError
from earmark.library.analysis import half
from earmark.library.database import Database
from earmark.library.space import Space
from earmark.library.vectors import Vectors, atomic_file, require_free_space, warn_not_stored
from earmark.tagging.bundle.card import VectorBlock

if TYPE_CHECKING:
    from usearch.index import Index


EXACT_TRACKS = 100_000
"""The largest library in which every track is compared. In larger ones an index finds the candidates, unless only some
levels or scales are compared."""
ONE_THREAD_TRACKS = 2_000
"""The number of new tracks from which on several threads add them to the index."""
CANDIDATES_AT_LEAST = 64
CANDIDATES_A_RESULT = 4

METADATA_ENDING = ".json"
GRAPH_BYTES_A_TRACK = 160
"""The approximate size of a track in the index, without its vector."""

Alike = Literal["all", "sound", "style"]


@dataclass(frozen=True)
class Choice:
    """The part of the vectors by which tracks are compared.

    alike: "sound" compares the lowest level of every scale, "style" the highest, "all" the classifier's hidden layer,
    or every level if the model has none. levels: compare only these levels, from 1; empty: those that `alike` chooses.
    scales: compare only these scales; empty: all.
    """

    alike: Alike = "all"
    levels: tuple[int, ...] = ()
    scales: tuple[str, ...] = ()

    def space(self, vectors: Vectors) -> Space:
        """Return the space in which tracks are compared."""
        anything = self == EVERYTHING
        return vectors.hidden if anything and vectors.hidden is not None else vectors.levels

    def blocks(self, layout: Sequence[VectorBlock]) -> tuple[VectorBlock, ...]:
        """Return the chosen blocks of a model's vectors.

        Raises:
            LibraryError: the model has no such scale or level, or `alike` and `levels` are both given.
        """
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
    """Return the tracks most similar to a track vector (columns,), the most similar first, as (track, similarity).

    The similarity is the mean cosine of the chosen blocks, from -1 to 1, with each column standardised over the
    library. Candidates are found with 8-bit vectors and then compared in the precision of the stored vectors.
    """
    space = choice.space(vectors)
    blocks = space.blocks if choice == EVERYTHING else choice.blocks(space.blocks)
    wanted = min(max(CANDIDATES_AT_LEAST, CANDIDATES_A_RESULT * count), len(vectors.ids))
    if wanted == 0:
        return []
    # Rounded as stored vectors are, so that a file has the similarity 1 to itself in any library.
    units = space.units(half(np.asarray(embedding, np.float32)).astype(np.float32))
    query = _chosen_columns(units, blocks)
    candidates = None
    if len(vectors.ids) > EXACT_TRACKS and choice == EVERYTHING:
        candidates = nearest_by_index(database.store.path, vectors, space, space.steps(query), wanted)
    if candidates is None:
        # Ray ends the process if usearch is imported before it (see cluster.py), so usearch is imported when needed.
        from usearch.index import search

        # Columns of other blocks are zero in the query and so do not contribute.
        found = search(space.vectors, space.steps(query), wanted, "ip", exact=True, threads=1)
        candidates = vectors.ids[np.asarray(found.keys, np.int64)]
    if not len(candidates):
        return []
    stored = [(int(track), database.embedding(int(track))) for track in candidates]
    others = space.units(np.stack([vector for _, vector in stored]).astype(np.float32))
    similarity = (others @ query) / len(blocks)
    order = np.lexsort((candidates, -similarity))[:count]
    return [(stored[index][0], float(similarity[index])) for index in order.tolist()]


def chance_similarity(tracks: int) -> float:
    """Return the mean similarity of two tracks of a library with this many tracks.

    It is slightly below 0, because every column is standardised over the library and its mean is therefore 0.
    """
    return -1.0 / max(1, tracks - 1)


def _chosen_columns(units: npt.NDArray[np.float32], blocks: Sequence[VectorBlock]) -> npt.NDArray[np.float32]:
    chosen = np.zeros_like(units)
    for block in blocks:
        chosen[..., block.columns] = units[..., block.columns]
    return chosen


def _refuse_unknown(what: str, asked: Sequence[str], known: Sequence[str]) -> None:
    unknown = [each for each in asked if each not in known]
    if unknown:
        raise LibraryError(f"{what}: found {', '.join(unknown)}, expected some of the model's {', '.join(known)}.")


def nearest_by_index(
    library: Path, vectors: Vectors, space: Space, query: npt.NDArray[np.int8], count: int
) -> npt.NDArray[np.int64] | None:
    """Return the tracks nearest to a vector (columns,) of a space, the nearest first, or None if there is no index.

    The result contains almost all of the truly nearest tracks. The first call makes the index, which takes minutes for
    every 100 000 tracks; later calls add new tracks. There is no index if it cannot be written.
    """
    index = _current_index(library, vectors, space)
    if index is None:
        return None
    found = np.asarray(index.search(query, count).keys, np.int64)
    return found[np.isin(found, vectors.ids)]  # Removed tracks stay in the graph.


def index_path(library: Path) -> Path:
    """Return the path of a library's index."""
    return library.with_name(library.name + "-index")


def _current_index(library: Path, vectors: Vectors, space: Space) -> "Index | None":
    from usearch.index import Index  # As in `nearest`.

    path = index_path(library)
    described = path.with_name(path.name + METADATA_ENDING)
    header = vectors.header
    # The vectors do not change while the model and the standardisation are the same.
    wanted = [header.library, header.model_id, header.standardised_from, space.axes.columns]
    index = _restored(path, view=True) if path.exists() and _content(described) == wanted else None
    new = vectors.ids
    if index is not None:
        new = vectors.ids[~np.asarray(index.contains(vectors.ids.astype(np.uint64)), bool)]
        if not len(new):
            return index
    needed_bytes = len(vectors.ids) * (space.axes.columns + GRAPH_BYTES_A_TRACK)
    try:
        require_free_space(path, needed_bytes)
        if index is not None:
            index = _restored(path, view=False)  # A view cannot be changed.
        if index is None:
            new, index = vectors.ids, Index(ndim=space.axes.columns, metric="ip", dtype="i8")
        rows = np.searchsorted(vectors.ids, new)
        # Threads that add a few tracks at the same time hardly see each other's, and the graph gets gaps.
        threads = 1 if len(new) < ONE_THREAD_TRACKS else 0
        index.add(new.astype(np.uint64), np.ascontiguousarray(space.vectors[rows]), threads=threads)
        described.unlink(missing_ok=True)
        with atomic_file(path) as part:
            _save(index, part)
        described.write_text(json.dumps(wanted), encoding="utf-8")
    except OSError as error:
        warn_not_stored(path, error.strerror or str(error))
        return None
    return index


def _restored(path: Path, *, view: bool) -> "Index | None":
    """Map (view) or read the index in a file; return None if the file is not a valid index."""
    from usearch.index import Index

    try:
        return Index.restore(path, view=view)
    except (ValueError, RuntimeError):  # usearch raises these for truncated files and for other versions.
        return None


def _save(index: "Index", path: Path) -> None:
    """Write an index.

    Raises:
        OSError: the file cannot be written completely.
    """
    try:
        index.save(path)
    except RuntimeError as error:
        raise OSError(f"writing failed: {error}") from error
    # Mapping a truncated file would end the process.
    if path.stat().st_size < index.serialized_length:
        raise OSError("the disk is full")


def _content(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
