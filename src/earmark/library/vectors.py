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
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.errors import LibraryError
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
    """Map the file of vectors beside a library, made anew where it is not current.

    Raises LibraryError where it cannot be written.
    """
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
    try:
        return _make(database, model_id, card, card_text, found)
    except OSError as error:
        raise LibraryError(
            f"{path}: it cannot be written ({error.strerror or error}), and searches need it. Make room, or the folder "
            "writable."
        ) from error


def vectors_path(library: Path) -> Path:
    """Where the file of a library is."""
    return library.with_name(library.name + "-vectors")


def _make(database: Database, model_id: int, card: Card, card_text: str, old: Vectors | None) -> Vectors:
    path = vectors_path(database.store.path)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with database.store.snapshot():
        library, generation = database.generation()
        tracks = database.count_of(model_id)
        mean, deviation, scale, sampled = _standardisation(database, model_id, card, tracks, library, old)
        header = Header(
            library,
            generation,
            model_id,
            card_text,
            tracks,
            card.vector_width,
            len(card.labels),
            sampled,
            scale,
        )
        try:
            with part.open("wb") as file:
                file.write(_head(header))
                file.truncate(_places(header)[-1])
            made = _mapped(part, header, card, writable=True)
            made.mean[:] = mean
            made.deviation[:] = deviation
            _fill(database, made, card)
            del made  # its pages are written when the maps go
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    return _mapped(path, header, card, writable=False)


def _fill(database: Database, made: Vectors, card: Card) -> None:
    start = 0
    for rows in database.store.stream(
        "SELECT id, logits, embedding FROM tracks WHERE model_id = ? ORDER BY id",
        (made.header.model_id,),
        size=ROWS_TOGETHER,
    ):
        part = slice(start, start + len(rows))
        made.ids[part] = [row[0] for row in rows]
        logits = np.frombuffer(b"".join(row[1] for row in rows), "<f4").reshape(len(rows), -1)
        made.probabilities[:, part] = probabilities(logits, card).T
        made.vectors[part] = made.steps(made.units(_floats([row[2] for row in rows])))
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
    return _mapped(path, header, card, writable=False)


def _mapped(path: Path, header: Header, card: Card, *, writable: bool) -> Vectors:
    arrays: list[npt.NDArray[Any]] = []
    for place, (kind, shape) in zip(_places(header), _shapes(header), strict=False):
        if 0 in shape:  # nothing to map
            arrays.append(np.zeros(shape, kind))
            continue
        arrays.append(np.memmap(path, kind, "r+" if writable else "r", place, shape))
    ids, scores, vectors, mean, deviation = arrays
    return Vectors(header, card.layout, ids, scores, vectors, mean, deviation)
