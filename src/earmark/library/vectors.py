"""The file beside the library that makes searches quick: probabilities and vectors of all tracks, mapped into memory.

It holds nothing that the library does not hold, and is made anew whenever it is out of date. Every block of a vector
(one level of one scale) is standardised, column by column, and brought to length 1; so the product of two vectors over
any choice of blocks is, but for a factor, the mean of their cosines block by block: one pass finds what is alike in
any scales and levels, and none of them drowns the others.

Choice: whole numbers of 8 bits with one scale for all. Measured on 100 000 vectors of 1792 columns against 16-bit
floats: half the bytes and half the time. What they round away is made good: the best are compared again as they are
kept in the library. See docs/how-to/library.md.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.library.beside import tell_that_not_kept, written_whole
from earmark.library.database import Database
from earmark.tagging.bundle.calibration import probabilities
from earmark.tagging.bundle.card import Card, VectorBlock

MAGIC = b"earmark vectors 1\n"
ALIGNMENT_BYTES = 64
SAMPLE_TRACKS = 10_000
"""From which the standardisation is computed."""
ROWS_TOGETHER = 2_000
STEPS = 127

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Header:
    """What a file of vectors was made from, and how large it is.

    card: the model's card as text, since calibration can change while the vectors do not. standardised_from: how many
    tracks the standardisation was computed from; it is kept until there are twice as many, so that most vectors stay
    as they are when tracks are added. scale: what a standardised value of 1 is stored as.
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
    """All tracks of one model: `ids` (tracks,) int64 ascending; `probabilities` (tags, tracks) float32; `vectors`
    (tracks, columns) int8; `mean` and `deviation` (columns,) float32, of the columns as they are kept."""

    header: Header
    blocks: tuple[VectorBlock, ...]
    ids: npt.NDArray[np.int64]
    probabilities: Floats
    vectors: npt.NDArray[np.int8]
    mean: Floats
    deviation: Floats

    def units(self, embeddings: Floats) -> Floats:
        """Track vectors (tracks, columns) as standardised blocks of length 1, or of zeros: the same shape, float32."""
        return _units(embeddings, self.mean, self.deviation, self.blocks)

    def steps(self, units: Floats) -> npt.NDArray[np.int8]:
        """Units as they are stored."""
        return _steps(units, self.header.scale)


def open_vectors(database: Database, model_id: int, card: Card, card_text: str) -> Vectors:
    """Map the file of vectors beside a library, made anew where it is not current; in memory where it cannot be."""
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
            with written_whole(path) as part:
                _write(part, database, header, card, mean, deviation)
        except OSError as error:
            tell_that_not_kept(path, error.strerror or str(error))
            return _in_memory(database, header, card, mean, deviation)
    return _mapped(path, header, card)


def vectors_path(library: Path) -> Path:
    """Where the file of a library is."""
    return library.with_name(library.name + "-vectors")


def _write(path: Path, database: Database, header: Header, card: Card, mean: Floats, deviation: Floats) -> None:
    """Write the file. Nothing of it is mapped: a map of what a full disk did not take ends the process."""
    ids, scores, vectors, *described, end = _places(header)
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
    """Some tracks, in the shapes of Vectors."""

    ids: npt.NDArray[np.int64]
    probabilities: Floats
    vectors: npt.NDArray[np.int8]


def _chunks(
    database: Database, header: Header, card: Card, mean: Floats, deviation: Floats
) -> Iterator[tuple[int, _Chunk]]:
    """All tracks, some at a time, each time with the place of the first."""
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
    """Mean, deviation and scale, and of how many tracks: the older file's, until the library is twice as large."""
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
    deviation[deviation == 0] = 1.0  # a column that says nothing
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


# The file: MAGIC, the length of the header in 8 bytes, the header as JSON, and the arrays, each at its place.


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


def _places(header: Header) -> list[int]:
    """Where each array begins, and where the last one ends."""
    places = []
    position = len(_head(header))
    for kind, shape in _shapes(header):
        position += -position % ALIGNMENT_BYTES
        places.append(position)
        position += int(np.prod(shape, dtype=np.int64)) * np.dtype(kind).itemsize
    return [*places, position]


def _read(path: Path, card: Card) -> Vectors | None:
    """The file where it is whole and of this format and model, else None: it is made anew."""
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                return None
            header = Header(**json.loads(file.read(int.from_bytes(file.read(8), "little"))))
            size_bytes = file.seek(0, os.SEEK_END)
    except (OSError, ValueError, TypeError):
        return None
    if size_bytes != _places(header)[-1] or (header.columns, header.tags) != (card.vector_width, len(card.labels)):
        return None
    return _mapped(path, header, card)


def _mapped(path: Path, header: Header, card: Card) -> Vectors:
    arrays: list[npt.NDArray[Any]] = []
    for place, (kind, shape) in zip(_places(header), _shapes(header), strict=False):
        if 0 in shape:  # nothing to map
            arrays.append(np.zeros(shape, kind))
            continue
        arrays.append(np.memmap(path, kind, "r", place, shape))
    ids, scores, vectors, mean, deviation = arrays
    return Vectors(header, card.layout, ids, scores, vectors, mean, deviation)
