"""Store what restores a file byte for byte after its tags were written, without a copy of the file.

Writing tags makes a file longer or shorter at one position and changes a few bytes elsewhere, such as lengths and Ogg
page numbers. The old bytes at these positions are stored, with hashes that identify both files.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from earmark.library.tag_blocks import splice
from earmark.library.tag_bytes import Span

CHUNK_BYTES = 1 << 20
GAP_BYTES = 32
"""Differences that are at most this far apart are stored as one."""
_HEAD = struct.Struct("<32s32sQQQI")
_PLACE = struct.Struct("<QI")


@dataclass(frozen=True)
class Original:
    """A file before a change, described by its differences from the file after the change.

    old_hash, new_hash: the SHA-256 of the file before and after. old_bytes, new_bytes: its length before and after.
    split: up to this position, bytes are compared from the start of both files; after it, from their ends. pieces:
    positions in the old file, with the bytes there that differ from the new file's.
    """

    old_hash: bytes
    new_hash: bytes
    old_bytes: int
    new_bytes: int
    split: int
    pieces: tuple[tuple[int, bytes], ...]

    @classmethod
    def of(cls, old: Path, new: Path) -> "Original":
        """Compare a file with its changed copy."""
        with old.open("rb") as old_file, new.open("rb") as new_file:
            pair = _Pair(old_file, new_file)
            split, before, behind = pair.best_split()
            pieces = list(pair.pieces(split, before, behind))
        return cls(sha256(old), sha256(new), pair.old_bytes, pair.new_bytes, split, tuple(pieces))

    def is_of(self, file: Path) -> bool:
        """Return whether a file is the new one, without later changes."""
        return file.stat().st_size == self.new_bytes and sha256(file) == self.new_hash

    def restore(self, file: Path) -> bool:
        """Change a file from the new one to the old one, and return whether the hash is right."""
        grown = self.new_bytes - self.old_bytes
        splice(file, [(Span(self.split, self.split + max(grown, 0)), bytes(max(-grown, 0)))])
        with file.open("r+b") as opened:
            for place, piece in self.pieces:
                opened.seek(place)
                opened.write(piece)
        return sha256(file) == self.old_hash

    def packed(self) -> bytes:
        """Return a compressed form for the journal."""
        places = b"".join(_PLACE.pack(place, len(piece)) for place, piece in self.pieces)
        sizes = (self.old_bytes, self.new_bytes, self.split, len(self.pieces))
        head = _HEAD.pack(self.old_hash, self.new_hash, *sizes)
        return zlib.compress(head + places + b"".join(piece for _, piece in self.pieces))


def unpacked(packed: bytes) -> Original:
    """Return the Original that `Original.packed` packed."""
    data = zlib.decompress(packed)
    old_hash, new_hash, old_bytes, new_bytes, split, count = _HEAD.unpack_from(data)
    position = _HEAD.size + count * _PLACE.size
    pieces = []
    for number in range(count):
        place, size = _PLACE.unpack_from(data, _HEAD.size + number * _PLACE.size)
        pieces.append((place, data[position : position + size]))
        position += size
    return Original(old_hash, new_hash, old_bytes, new_bytes, split, tuple(pieces))


def sha256(file: Path) -> bytes:
    """Return the hash of a whole file."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").digest()


class _Pair:
    """Compares two files from their starts and from their ends."""

    def __init__(self, old: BinaryIO, new: BinaryIO) -> None:
        self._old, self._new = old, new
        self.old_bytes, self.new_bytes = old.seek(0, 2), new.seek(0, 2)
        self._common = min(self.old_bytes, self.new_bytes)
        self._old_shift = max(self.old_bytes - self.new_bytes, 0)
        self._new_shift = max(self.new_bytes - self.old_bytes, 0)

    def best_split(self) -> tuple[int, list[int], list[int]]:
        """Return the split with the fewest differences, and the number of differences in each chunk, both ways."""
        starts = range(0, self._common, CHUNK_BYTES)
        before = [int(np.count_nonzero(self._differ(start, from_end=False))) for start in starts]
        behind = [int(np.count_nonzero(self._differ(start, from_end=True))) for start in starts]
        costs = [sum(before[:place]) + sum(behind[place:]) for place in range(len(before) + 1)]
        best = int(np.argmin(costs))
        least, split = costs[best], min(best * CHUNK_BYTES, self._common)
        for place in (best - 1, best):
            if 0 <= place < len(before):
                start = place * CHUNK_BYTES
                # For each position in the chunk: the differences before it, and those after it.
                here = np.cumsum(self._differ(start, from_end=False), dtype=np.int64)
                there = np.cumsum(self._differ(start, from_end=True), dtype=np.int64)
                within = costs[place] + here - there
                if within.min() < least:
                    least, split = int(within.min()), start + int(within.argmin()) + 1
        return split, before, behind

    def pieces(self, split: int, before: list[int], behind: list[int]) -> Iterator[tuple[int, bytes]]:
        """Yield the positions in the old file that differ, with the old bytes there."""
        for number, start in enumerate(range(0, self._common, CHUNK_BYTES)):
            if before[number] and start < split:
                differ = self._differ(start, from_end=False)
                yield from self._runs(differ[: split - start], start)
        if self._old_shift:
            yield split, self._bytes(self._old, split, self._old_shift)
        for number, start in enumerate(range(0, self._common, CHUNK_BYTES)):
            if behind[number] and start + CHUNK_BYTES > split:
                differ = self._differ(start, from_end=True)
                differ[: max(split - start, 0)] = False
                yield from self._runs(differ, start + self._old_shift)

    def _runs(self, differ: npt.NDArray[np.bool_], start: int) -> Iterator[tuple[int, bytes]]:
        places = np.flatnonzero(differ)
        if not len(places):
            return
        for run in np.split(places, np.flatnonzero(np.diff(places) > GAP_BYTES) + 1):
            yield start + int(run[0]), self._bytes(self._old, start + int(run[0]), int(run[-1] - run[0]) + 1)

    def _differ(self, start: int, *, from_end: bool) -> npt.NDArray[np.bool_]:
        size = min(CHUNK_BYTES, self._common - start)
        old_start = start + (self._old_shift if from_end else 0)
        new_start = start + (self._new_shift if from_end else 0)
        old = np.frombuffer(self._bytes(self._old, old_start, size), np.uint8)
        return np.asarray(old != np.frombuffer(self._bytes(self._new, new_start, size), np.uint8))

    def _bytes(self, file: BinaryIO, start: int, size: int) -> bytes:
        file.seek(start)
        return file.read(size)
