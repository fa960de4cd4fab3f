"""Map the probabilities and vectors of all tracks into memory, from a file beside the library, for fast searches.

The file contains nothing that the library does not contain, and is written again whenever it is out of date. It has
the tracks in one or two spaces (`space.py`): that of the levels, and that of the classifier's hidden layer if the
library has it.

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
from earmark.library.space import Axes, HiddenLayer, Space, Standardisation, hidden_axes, level_axes
from earmark.tagging.bundle.calibration import probabilities
from earmark.tagging.bundle.card import Card

MAGIC = b"earmark vectors 2\n"
ALIGNMENT_BYTES = 64
SAMPLE_TRACKS = 10_000
"""How many tracks the standardisation is computed from."""
ROWS_TOGETHER = 2_000
PART_ENDING = ".part"

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Header:
    """The header of a vector file.

    card: the model's card as text; a new calibration changes it, but not the vectors. columns, scales: the number of
    columns of each space, and the stored value of a standardised value of 1. standardised_from: the number of tracks
    from which the standardisation was computed. It stays until the library is twice as large, so that most vectors do
    not change when tracks are added.
    """

    library: str
    generation: int
    model_id: int
    card: str
    tracks: int
    tags: int
    columns: tuple[int, ...]
    scales: tuple[float, ...]
    standardised_from: int


@dataclass(frozen=True, eq=False)
class Vectors:
    """All tracks of one model.

    ids: (tracks,) int64, ascending. probabilities: (tags, tracks) float32. levels: the tracks in the space of all
    levels. hidden: in that of the classifier's hidden layer; None if the model or the library lacks it.
    """

    header: Header
    ids: npt.NDArray[np.int64]
    probabilities: Floats
    levels: Space
    hidden: Space | None


def open_vectors(database: Database, model_id: int, card: Card, card_text: str) -> Vectors:
    """Map the vector file of a library. It is written first if it is out of date, or kept in memory if it cannot be."""
    path = vectors_path(database.store.path)
    library, generation = database.generation()
    packed = database.hidden_layer(model_id)
    axes = [level_axes(card.layout)]
    if packed is not None:
        axes.append(hidden_axes(HiddenLayer(packed, card.head.hidden_units[0])))
    found = _read(path, card, axes)
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
        standardised, sampled = _standardised(database, model_id, axes, tracks, library, found)
        header = Header(
            library,
            generation,
            model_id,
            card_text,
            tracks,
            len(card.labels),
            tuple(each.columns for each in axes),
            tuple(each.scale for each in standardised),
            sampled,
        )
        writing = _Writing(database, header, card, axes, standardised)
        try:
            with atomic_file(path) as part:
                writing.to_file(part)
        except OSError as error:
            warn_not_stored(path, error.strerror or str(error))
            return writing.in_memory()
    return _mapped(path, header, axes)


def vectors_path(library: Path) -> Path:
    """Return the path of a library's vector file."""
    return library.with_name(library.name + "-vectors")


@dataclass(frozen=True, eq=False)
class _Writing:
    """The tracks of a library on their way into a file or into memory."""

    database: Database
    header: Header
    card: Card
    axes: Sequence[Axes]
    standardised: Sequence[Standardisation]

    def to_file(self, path: Path) -> None:
        """Write the file without mapping it, because mapping parts that a full disk did not store ends the process."""
        header = self.header
        *offsets, end = _offsets(header)
        ids, scores, *rest = offsets
        with path.open("wb") as file:
            file.write(_head(header))
            for number, each in enumerate(self.standardised):
                for place, column in zip(rest[3 * number + 1 :], (each.mean, each.deviation), strict=False):
                    file.seek(place)
                    file.write(column.astype("<f4").tobytes())
            for start, chunk in self._chunks():
                file.seek(ids + start * 8)
                file.write(chunk.ids.tobytes())
                for tag, row in enumerate(chunk.probabilities):
                    file.seek(scores + (tag * header.tracks + start) * 4)
                    file.write(row.tobytes())
                for number, steps in enumerate(chunk.steps):
                    file.seek(rest[3 * number] + start * header.columns[number])
                    file.write(steps.tobytes())
            file.truncate(end)

    def in_memory(self) -> Vectors:
        """Return the tracks without a file."""
        chunks = [chunk for _, chunk in self._chunks()] or [_Chunk.of_nothing(self.header)]
        spaces = [
            Space(axes, standardisation, np.concatenate([chunk.steps[number] for chunk in chunks]))
            for number, (axes, standardisation) in enumerate(zip(self.axes, self.standardised, strict=True))
        ]
        return Vectors(
            self.header,
            np.concatenate([chunk.ids for chunk in chunks]),
            np.concatenate([chunk.probabilities for chunk in chunks], axis=1),
            spaces[0],
            spaces[1] if spaces[1:] else None,
        )

    def _chunks(self) -> Iterator[tuple[int, "_Chunk"]]:
        """Yield all tracks in chunks, each with the index of its first track."""
        start = 0
        spaces = [
            Space(axes, standardisation, np.empty((0, axes.columns), np.int8))
            for axes, standardisation in zip(self.axes, self.standardised, strict=True)
        ]
        for rows in self.database.store.stream(
            "SELECT id, logits, embedding FROM tracks WHERE model_id = ? ORDER BY id",
            (self.header.model_id,),
            size=ROWS_TOGETHER,
        ):
            logits = np.frombuffer(b"".join(row[1] for row in rows), "<f4").reshape(len(rows), -1)
            embeddings = _floats([row[2] for row in rows])
            yield (
                start,
                _Chunk(
                    np.array([row[0] for row in rows], "<i8"),
                    np.ascontiguousarray(probabilities(logits, self.card).T, "<f4"),
                    tuple(space.steps(space.units(embeddings)) for space in spaces),
                ),
            )
            start += len(rows)


@dataclass(frozen=True, eq=False)
class _Chunk:
    """Some tracks, with arrays shaped like those of Vectors; steps: the vectors in each space."""

    ids: npt.NDArray[np.int64]
    probabilities: Floats
    steps: tuple[npt.NDArray[np.int8], ...]

    @classmethod
    def of_nothing(cls, header: Header) -> "_Chunk":
        return cls(
            np.empty(0, np.int64),
            np.empty((header.tags, 0), np.float32),
            tuple(np.empty((0, columns), np.int8) for columns in header.columns),
        )


def _standardised(
    database: Database, model_id: int, axes: Sequence[Axes], tracks: int, library: str, old: Vectors | None
) -> tuple[list[Standardisation], int]:
    """Return each space's standardisation and the number of tracks behind it; the old file's where it still fits."""
    if old is not None:
        header = old.header
        same = (header.library, header.model_id) == (library, model_id)
        if same and header.standardised_from <= tracks < 2 * header.standardised_from:
            spaces = [old.levels, *([old.hidden] if old.hidden is not None else [])]
            return [space.standardisation for space in spaces], header.standardised_from
    step = max(1, tracks // SAMPLE_TRACKS)
    rows = database.store.rows(
        "SELECT embedding FROM (SELECT embedding, row_number() OVER (ORDER BY id) AS place FROM tracks "
        "WHERE model_id = ?) WHERE place % ? = 0",
        (model_id, step),
    )
    width = axes[0].columns
    sample = _floats([blob for (blob,) in rows]) if rows else np.zeros((0, width), np.float32)
    return [each.standardisation(sample) for each in axes], tracks if rows else 0


def _floats(blobs: Sequence[bytes]) -> Floats:
    return np.frombuffer(b"".join(blobs), "<f2").reshape(len(blobs), -1).astype(np.float32)


# The file has MAGIC, the length of the header in 8 bytes, the header as JSON, and the arrays, each aligned.


def _head(header: Header) -> bytes:
    text = json.dumps(asdict(header)).encode("utf-8")
    return MAGIC + len(text).to_bytes(8, "little") + text


def _shapes(header: Header) -> list[tuple[str, tuple[int, ...]]]:
    tracks = header.tracks
    spaces = [
        shape
        for columns in header.columns
        for shape in (("i1", (tracks, columns)), ("<f4", (columns,)), ("<f4", (columns,)))
    ]
    return [("<i8", (tracks,)), ("<f4", (header.tags, tracks)), *spaces]


def _offsets(header: Header) -> list[int]:
    """Return the offset of each array, and the end of the last one."""
    offsets = []
    position = len(_head(header))
    for kind, shape in _shapes(header):
        position += -position % ALIGNMENT_BYTES
        offsets.append(position)
        position += int(np.prod(shape, dtype=np.int64)) * np.dtype(kind).itemsize
    return [*offsets, position]


def _read(path: Path, card: Card, axes: Sequence[Axes]) -> Vectors | None:
    """Map the file if it is complete and has this format, model and spaces; return None otherwise."""
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                return None
            fields = json.loads(file.read(int.from_bytes(file.read(8), "little")))
            header = Header(**fields | {name: tuple(fields[name]) for name in ("columns", "scales")})
            size_bytes = file.seek(0, os.SEEK_END)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    columns = tuple(each.columns for each in axes)
    if (header.columns, header.tags) != (columns, len(card.labels)) or size_bytes != _offsets(header)[-1]:
        return None
    return _mapped(path, header, axes)


def _mapped(path: Path, header: Header, axes: Sequence[Axes]) -> Vectors:
    arrays: list[npt.NDArray[Any]] = []
    for place, (kind, shape) in zip(_offsets(header), _shapes(header), strict=False):
        if 0 in shape:  # An empty array cannot be mapped.
            arrays.append(np.zeros(shape, kind))
            continue
        arrays.append(np.memmap(path, kind, "r", place, shape))
    ids, scores, *rest = arrays
    spaces = [
        Space(each, Standardisation(rest[3 * number + 1], rest[3 * number + 2], scale), rest[3 * number])
        for number, (each, scale) in enumerate(zip(axes, header.scales, strict=True))
    ]
    return Vectors(header, ids, scores, spaces[0], spaces[1] if spaces[1:] else None)


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
