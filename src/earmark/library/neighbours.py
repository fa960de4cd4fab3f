"""The index of large libraries: a graph of neighbours (HNSW, by usearch) beside the library, which grows with it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from earmark.errors import LibraryError
from earmark.library.vectors import Vectors

if TYPE_CHECKING:
    from usearch.index import Index

METADATA_ENDING = ".json"


def nearest_by_index(library: Path, vectors: Vectors, query: npt.NDArray[np.int8], count: int) -> npt.NDArray[np.int64]:
    """The tracks nearest to a stored vector (columns,), about all of the true ones, best first.

    The first time the index is made, which takes minutes for every 100 000 tracks; then it takes in what is new.
    """
    index = _current_index(library, vectors)
    found = np.asarray(index.search(query, count).keys, np.int64)
    return found[np.isin(found, vectors.ids)]  # what was removed since stays in the graph


def index_path(library: Path) -> Path:
    """Where the index of a library is."""
    return library.with_name(library.name + "-index")


def _current_index(library: Path, vectors: Vectors) -> "Index":
    from usearch.index import Index  # as in likeness.py

    path = index_path(library)
    described = path.with_name(path.name + METADATA_ENDING)
    header = vectors.header
    # Vectors stay as they are while model and standardisation do.
    wanted = [header.library, header.model_id, header.standardised_from, header.columns]
    index = None
    if path.exists() and _content(described) == wanted:
        index = Index.restore(path, view=True)
    new = vectors.ids
    if index is not None:
        new = vectors.ids[~np.asarray(index.contains(vectors.ids.astype(np.uint64)), bool)]
        if not len(new):
            return index
        index = Index.restore(path, view=False)  # to be written to
    if index is None:
        index = Index(ndim=header.columns, metric="ip", dtype="i8")
    places = np.searchsorted(vectors.ids, new)
    index.add(new.astype(np.uint64), np.ascontiguousarray(vectors.vectors[places]))
    part = path.with_name(path.name + ".part")
    try:
        described.unlink(missing_ok=True)
        index.save(part)
        part.replace(path)
        described.write_text(json.dumps(wanted), encoding="utf-8")
    except OSError as error:
        raise LibraryError(
            f"{path}: it cannot be written ({error.strerror or error}), and searches in a large library need it. Make "
            "room, or the folder writable."
        ) from error
    return index


def _content(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
