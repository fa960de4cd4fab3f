"""Map the probabilities and vectors of all tracks into memory, from a file beside the library, for fast searches.

The file contains nothing that the library does not contain, and is written again whenever it is out of date. Every
block of a vector (one level of one scale) is standardised column by column and scaled to length 1. The product of two
vectors over any blocks is therefore proportional to the mean cosine of these blocks, and every block counts equally.

Choice: 8-bit integers with one scale for all. On 100 000 vectors of 1792 columns they take half the bytes and half
the time of 16-bit floats. To correct for rounding, the best candidates are compared again with the library's own
vectors. See docs/how-to/library.md.
"""

import errno
import json
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.library.database import Database
from earmark.tagging.bundle.calibration import probabilities
from earmark.tagging.bundle.card import Card, VectorBlock

MAGIC = b"earmark vectors 1\n"
ALIGNMENT_BYTES = 64
SAMPLE_TRACKS = 10_000
"""How many tracks the standardisation is computed from."""
ROWS_TOGETHER = 2_000
STEPS = 127
PART_ENDING = ".part"

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Header:
    """The header of a vector file.

    card: the model's card as text; a new calibration changes it, but not the vectors. standardised_from: the number of
    tracks from which the standardisation was computed. It stays until the library is twice as large, so that most
    vectors do not change when tracks are added. scale: the stored value of a standardised value of 1.
    """

    library: str
    generation: int
    model_id: int
    card: str
    tracks: int
    columns: int
    tags: int
    standardised_from: int
    scale: float


@dataclass(frozen=True, eq=False)
class Vectors:
    """All tracks of one model.

    ids: (tracks,) int64, ascending. probabilities: (tags, tracks) float32. vectors: (tracks, columns) int8. mean,
    deviation: (columns,) float32, of the columns of the stored vectors.
    """

    header: Header
    blocks: tuple[VectorBlock, ...]
    ids: npt.NDArray[np.int64]
    probabilities: Floats
    vectors: npt.NDArray[np.int8]
    mean: Floats
    deviation: Floats

    def units(self, embeddings: Floats) -> Floats:
        """Standardise track vectors (tracks, columns) and scale each block to length 1; a zero block stays zero."""
        return _units(embeddings, self.mean, self.deviation, self.blocks)

    def steps(self, units: Floats) -> npt.NDArray[np.int8]:
        """Convert standardised vectors to the 8-bit form in which they are stored."""
        return _steps(units, self.header.scale)


def open_vectors(database: Database, model_id: int, card: Card, card_text: str) -> Vectors:
    """Map the vector file of a library. It is written first if it is out of date, or kept in memory if it cannot be."""
    path = vectors_path(database.store.path)
    library, generation = database.generation()
    found = _read(path, card)
    if found is not None:
        header = found.header
        if (header.library, header.generation, header.model_id, header.card) == (
            library,
            generation,
            model_id,
            card_text,
        ):
            return found
    with database.store.snapshot():
        library, generation = database.generation()
        tracks = database.count_of(model_id)
        mean, deviation, scale, sampled = _standardisation(database, model_id, card, tracks, library, found)
        header = Header(
            library, generation, model_id, card_text, tracks, card.vector_width, len(card.labels), sampled, scale
        )
        try:
            with atomic_file(path) as part:
                _write(part, database, header, card, mean, deviation)
        except OSError as error:
            warn_not_stored(path, error.strerror or str(error))
            return _in_memory(database, header, card, mean, deviation)
    return _mapped(path, header, card)


def vectors_path(library: Path) -> Path:
    """Return the path of a library's vector file."""
    return library.with_name(library.name + "-vectors")


def _write(path: Path, database: Database, header: Header, card: Card, mean: Floats, deviation: Floats) -> None:
    """Write the file without mapping it, because mapping parts that a full disk did not store ends the process."""
    ids, scores, vectors, *described, end = _offsets(header)
    with path.open("wb") as file:
        file.write(_head(header))
        for place, column in zip(described, (mean, deviation), strict=True):
            file.seek(place)
            file.write(column.astype("<f4").tobytes())
        for start, chunk in _chunks(database, header, card, mean, deviation):
            file.seek(ids + start * 8)
            file.write(chunk.ids.tobytes())
            file.seek(vectors + start * header.columns)
            file.write(chunk.vectors.tobytes())
            for tag, row in enumerate(chunk.probabilities):
                file.seek(scores + (tag * header.tracks + start) * 4)
                file.write(row.tobytes())
        file.truncate(end)


def _in_memory(database: Database, header: Header, card: Card, mean: Floats, deviation: Floats) -> Vectors:
    ids: npt.NDArray[np.int64] = np.empty(header.tracks, np.int64)
    scores: Floats = np.empty((header.tags, header.tracks), np.float32)
    vectors: npt.NDArray[np.int8] = np.empty((header.tracks, header.columns), np.int8)
    for start, chunk in _chunks(database, header, card, mean, deviation):
        part = slice(start, start + len(chunk.ids))
        ids[part] = chunk.ids
        scores[:, part] = chunk.probabilities
        vectors[part] = chunk.vectors
    return Vectors(header, card.layout, ids, scores, vectors, mean, deviation)


@dataclass(frozen=True, eq=False)
class _Chunk:
    """Some tracks, with arrays shaped like those of Vectors."""

    ids: npt.NDArray[np.int64]
    probabilities: Floats
    vectors: npt.NDArray[np.int8]


def _chunks(
    database: Database, header: Header, card: Card, mean: Floats, deviation: Floats
) -> Iterator[tuple[int, _Chunk]]:
    """Yield all tracks in chunks, each with the index of its first track."""
    start = 0
    for rows in database.store.stream(
        "SELECT id, logits, embedding FROM tracks WHERE model_id = ? ORDER BY id",
        (header.model_id,),
        size=ROWS_TOGETHER,
    ):
        logits = np.frombuffer(b"".join(row[1] for row in rows), "<f4").reshape(len(rows), -1)
        units = _units(_floats([row[2] for row in rows]), mean, deviation, card.layout)
        yield (
            start,
            _Chunk(
                np.array([row[0] for row in rows], "<i8"),
                np.ascontiguousarray(probabilities(logits, card).T, "<f4"),
                _steps(units, header.scale),
            ),
        )
        start += len(rows)


def _standardisation(
    database: Database, model_id: int, card: Card, tracks: int, library: str, old: Vectors | None
) -> tuple[Floats, Floats, float, int]:
    """Return mean, deviation, scale and the number of tracks behind them; reuse the old file's where they still fit."""
    if old is not None:
        header = old.header
        same = (header.library, header.model_id) == (library, model_id)
        if same and header.standardised_from <= tracks < 2 * header.standardised_from:
            return old.mean, old.deviation, header.scale, header.standardised_from
    step = max(1, tracks // SAMPLE_TRACKS)
    rows = database.store.rows(
        "SELECT embedding FROM (SELECT embedding, row_number() OVER (ORDER BY id) AS place FROM tracks "
        "WHERE model_id = ?) WHERE place % ? = 0",
        (model_id, step),
    )
    if not rows:
        return np.zeros(card.vector_width, np.float32), np.ones(card.vector_width, np.float32), float(STEPS), 0
    sample = _floats([blob for (blob,) in rows])
    mean = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
    deviation = sample.std(axis=0, dtype=np.float64).astype(np.float32)
    deviation[deviation == 0] = 1.0  # A constant column becomes zero.
    largest = float(np.abs(_units(sample, mean, deviation, card.layout)).max())
    return mean, deviation, STEPS / max(largest, 1e-6), tracks


def _floats(blobs: Sequence[bytes]) -> Floats:
    return np.frombuffer(b"".join(blobs), "<f2").reshape(len(blobs), -1).astype(np.float32)


def _units(embeddings: Floats, mean: Floats, deviation: Floats, blocks: Sequence[VectorBlock]) -> Floats:
    values: Floats = (embeddings - mean) / deviation
    for block in blocks:
        part = values[..., block.columns]
        length = np.sqrt((part * part).sum(axis=-1, keepdims=True))
        part /= np.where(length > 0, length, np.float32(1.0))
    return values


def _steps(units: Floats, scale: float) -> npt.NDArray[np.int8]:
    return np.asarray(np.clip(np.rint(units * np.float32(scale)), -STEPS, STEPS), np.int8)


# The file has MAGIC, the length of the header in 8 bytes, the header as JSON, and the arrays, each aligned.


def _head(header: Header) -> bytes:
    text = json.dumps(asdict(header)).encode("utf-8")
    return MAGIC + len(text).to_bytes(8, "little") + text


def _shapes(header: Header) -> tuple[tuple[str, tuple[int, ...]], ...]:
    tracks, columns, tags = header.tracks, header.columns, header.tags
    return (
        ("<i8", (tracks,)),
        ("<f4", (tags, tracks)),
        ("i1", (tracks, columns)),
        ("<f4", (columns,)),
        ("<f4", (columns,)),
    )


def _offsets(header: Header) -> list[int]:
    """Return the offset of each array, and the end of the last one."""
    offsets = []
    position = len(_head(header))
    for kind, shape in _shapes(header):
        position += -position % ALIGNMENT_BYTES
        offsets.append(position)
        position += int(np.prod(shape, dtype=np.int64)) * np.dtype(kind).itemsize
    return [*offsets, position]


def _read(path: Path, card: Card) -> Vectors | None:
    """Map the file if it is complete and has this format and model; return None otherwise."""
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                return None
            header = Header(**json.loads(file.read(int.from_bytes(file.read(8), "little"))))
            size_bytes = file.seek(0, os.SEEK_END)
    except (OSError, ValueError, TypeError):
        return None
    if size_bytes != _offsets(header)[-1] or (header.columns, header.tags) != (card.vector_width, len(card.labels)):
        return None
    return _mapped(path, header, card)


def _mapped(path: Path, header: Header, card: Card) -> Vectors:
    arrays: list[npt.NDArray[Any]] = []
    for place, (kind, shape) in zip(_offsets(header), _shapes(header), strict=False):
        if 0 in shape:  # An empty array cannot be mapped.
            arrays.append(np.zeros(shape, kind))
            continue
        arrays.append(np.memmap(path, kind, "r", place, shape))
    ids, scores, vectors, mean, deviation = arrays
    return Vectors(header, card.layout, ids, scores, vectors, mean, deviation)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Give a temporary path to write within a `with` block; the complete file then replaces `path`.

    If writing fails, the temporary file is removed. Files that killed processes left are removed too.
    """
    _remove_leftovers(path)
    part = path.with_name(f"{path.name}.{os.getpid()}{PART_ENDING}")
    try:
        yield part
        with part.open("r+b") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def require_free_space(path: Path, needed_bytes: int) -> None:
    """Raise OSError if a file of that size cannot be written, before minutes are spent on it."""
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    if shutil.disk_usage(path.parent).free < needed_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def warn_not_stored(path: Path, reason: str) -> None:
    """Warn that a file could not be stored, and that searches are therefore slower."""
    logging.getLogger("earmark.library").warning(
        "earmark: %s: it cannot be written (%s), so this search read the library itself, which takes longer. "
        "Free some space, or make the folder writable.",
        path,
        reason,
    )


def _remove_leftovers(path: Path) -> None:
    for part in path.parent.glob(f"{path.name}.*{PART_ENDING}"):
        number = part.name.removeprefix(f"{path.name}.").removesuffix(PART_ENDING)
        if number.isdecimal() and not _runs(int(number)):
            part.unlink(missing_ok=True)


def _runs(process_id: int) -> bool:
    if os.name != "posix":  # On Windows, os.kill would end the process.
        return True
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
