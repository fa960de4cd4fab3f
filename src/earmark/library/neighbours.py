"""The index of large libraries: a graph of neighbours (HNSW, by usearch) beside the library, which grows with it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from earmark.library.beside import refuse_too_little_room, tell_that_not_kept, written_whole
from earmark.library.vectors import Vectors

if TYPE_CHECKING:
    from usearch.index import Index

METADATA_ENDING = ".json"
GRAPH_BYTES_A_TRACK = 160
"""Besides the vector, about."""


def nearest_by_index(
    library: Path, vectors: Vectors, query: npt.NDArray[np.int8], count: int
) -> npt.NDArray[np.int64] | None:
    """The tracks nearest to a stored vector (columns,), about all of the true ones, best first; None without an index.

    The first time the index is made, which takes minutes for every 100 000 tracks; then it takes in what is new. There
    is none where it cannot be written.
    """
    index = _current_index(library, vectors)
    if index is None:
        return None
    found = np.asarray(index.search(query, count).keys, np.int64)
    return found[np.isin(found, vectors.ids)]  # what was removed since stays in the graph


def index_path(library: Path) -> Path:
    """Where the index of a library is."""
    return library.with_name(library.name + "-index")


def _current_index(library: Path, vectors: Vectors) -> "Index | None":
    from usearch.index import Index  # as in likeness.py

    path = index_path(library)
    described = path.with_name(path.name + METADATA_ENDING)
    header = vectors.header
    # Vectors stay as they are while model and standardisation do.
    wanted = [header.library, header.model_id, header.standardised_from, header.columns]
    index = _restored(path, view=True) if path.exists() and _content(described) == wanted else None
    new = vectors.ids
    if index is not None:
        new = vectors.ids[~np.asarray(index.contains(vectors.ids.astype(np.uint64)), bool)]
        if not len(new):
            return index
    needed_bytes = len(vectors.ids) * (header.columns + GRAPH_BYTES_A_TRACK)
    try:
        refuse_too_little_room(path, needed_bytes)
        if index is not None:
            index = _restored(path, view=False)  # to be written to
        if index is None:
            new, index = vectors.ids, Index(ndim=header.columns, metric="ip", dtype="i8")
        places = np.searchsorted(vectors.ids, new)
        index.add(new.astype(np.uint64), np.ascontiguousarray(vectors.vectors[places]))
        described.unlink(missing_ok=True)
        with written_whole(path) as part:
            _save(index, part)
        described.write_text(json.dumps(wanted), encoding="utf-8")
    except OSError as error:
        tell_that_not_kept(path, error.strerror or str(error))
        return None
    return index


def _restored(path: Path, *, view: bool) -> "Index | None":
    """The index in a file, mapped or read; None where it is none."""
    from usearch.index import Index

    try:
        return Index.restore(path, view=view)
    except (ValueError, RuntimeError):  # usearch's: cut off, or of another version
        return None


def _save(index: "Index", path: Path) -> None:
    """Write an index; raises OSError where the disk does not take it."""
    try:
        index.save(path)
    except RuntimeError as error:
        raise OSError(f"writing failed: {error}") from error
    # What is cut off would end the process that maps it.
    if path.stat().st_size < index.serialized_length:
        raise OSError("the disk is full")


def _content(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
