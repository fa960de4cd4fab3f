"""Sizes that a program could not know, as its output was a pipe, put right from the length of the file."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Literal, NamedTuple

from earmark.audio.source import Opened

MOST_CHUNKS = 10_000
UNKNOWN_WITHIN = 1 << 16
"""How far from 2 GiB and 4 GiB a size is that stands for none: programs take their headers off, or round."""
UNKNOWN_LONG = 1 << 62
W64_RIFF = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000")
W64_DATA = b"data" + bytes.fromhex("f3acd3118cd100c04f8edb8a")
PLAIN_AIFF = (b"", b"NONE", b"sowt", b"twos", b"in24", b"in32", b"fl32", b"FL32", b"fl64", b"FL64")

Repair = tuple[int, bytes]
"""Where in a file, and which bytes belong there."""


class Chunk(NamedTuple):
    """A chunk of a file: its name, where its content begins, and how many bytes its header says that it has."""

    name: bytes
    start: int
    size: int


def with_true_sizes(file: Opened) -> Opened:
    """Return the same file, whose header says how many bytes of samples there are where it only said that it did not.

    That is WAV, RF64, BW64, W64, AIFF, CAF and AU whose size is 0, about 2 or 4 GiB, or about as much as 64 bits hold,
    with fewer bytes behind it. Libraries take such a size for a file that is cut, or for hours of sound, or refuse it.
    """
    file.seek(0)
    head = file.read(16)
    total = file.size()
    repairs: list[Repair] = []
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        repairs = _of_wav(file, total)
    elif head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        repairs = _of_aiff(file, total)
    elif head[:4] == b".snd" and len(head) >= 12:
        start, size = struct.unpack(">II", head[4:12])
        repairs = [(8, struct.pack(">I", _fitting(total - start)))] if _is_unknown(size, start, total) else []
    elif head == W64_RIFF:
        repairs = _of_w64(file, total)
    elif head[:4] == b"caff":
        repairs = _of_caf(file, total)
    return file.repaired(repairs) if repairs else file


def chunks(file: Opened, order: Literal["little", "big"], start: int = 12) -> Iterator[Chunk]:
    """Yield the chunks of RIFF (little) or IFF (big) from a place on."""
    total = file.size()
    for _ in range(MOST_CHUNKS):
        if start + 8 > total:
            return
        file.seek(start)
        chunk = Chunk(file.read(4), start + 8, int.from_bytes(file.read(4), order))
        yield chunk
        start = chunk.start + chunk.size + chunk.size % 2


def _is_unknown(size: int, start: int, total: int) -> bool:
    """Is a size none, with fewer bytes behind it?"""
    if start >= total or 0 < size <= total - start:
        return False
    return size == 0 or size >= UNKNOWN_LONG or min(abs(size - (1 << 31)), abs(size - (1 << 32))) <= UNKNOWN_WITHIN


def _fitting(size: int) -> int:
    return min(max(0, size), (1 << 32) - 1)


def _of_wav(file: Opened, total: int) -> list[Repair]:
    long_sizes = None
    for chunk in chunks(file, "little"):
        if chunk.name == b"ds64" and chunk.size >= 24:
            file.seek(chunk.start + 8)
            long_sizes = Chunk(b"ds64", chunk.start, int.from_bytes(file.read(8), "little"))
        if chunk.name == b"data":
            size = chunk.size if long_sizes is None else long_sizes.size
            if not _is_unknown(size, chunk.start, total) or _is_really_empty(file, chunk, total):
                return []
            true = total - chunk.start
            if long_sizes is None:
                return [
                    (4, struct.pack("<I", _fitting(total - 8))),
                    (chunk.start - 4, struct.pack("<I", _fitting(true))),
                ]
            return [
                (chunk.start - 4, b"\xff" * 4),
                (long_sizes.start, struct.pack("<QQQ", total - 8, true, 0)),
            ]
    return []


def is_empty_wav(file: Opened) -> bool:
    """Does a WAV hold no samples, although other chunks stand behind them?"""
    data = next((chunk for chunk in chunks(file, "little") if chunk.name == b"data"), None)
    return data is not None and _is_really_empty(file, data, file.size())


def _is_really_empty(file: Opened, data: Chunk, total: int) -> bool:
    """Is there nothing in the chunk of samples, as others follow it to the very end of the file?"""
    if data.size:
        return False
    last = data
    for chunk in chunks(file, "little", data.start):
        if not chunk.name.isascii():
            return False
        last = chunk
    return last is not data and last.start + last.size + last.size % 2 == total


def _of_aiff(file: Opened, total: int) -> list[Repair]:
    common = None
    for chunk in chunks(file, "big"):
        if chunk.name == b"COMM":
            common = chunk
        if chunk.name == b"SSND":
            if common is None or not _is_unknown(chunk.size, chunk.start, total):
                return []
            file.seek(common.start)
            channels, _frames, bits = struct.unpack(">HIH", file.read(8).ljust(8, b"\0"))
            file.seek(common.start + 18)
            compression = file.read(4) if common.size >= 22 else b""
            bytes_a_frame = channels * -(-bits // 8)
            repairs = [
                (4, struct.pack(">I", _fitting(total - 8))),
                (chunk.start - 4, struct.pack(">I", _fitting(total - chunk.start))),
            ]
            if bytes_a_frame and compression in PLAIN_AIFF:
                frames = (total - chunk.start - 8) // bytes_a_frame
                repairs.append((common.start + 2, struct.pack(">I", _fitting(frames))))
            return repairs
    return []


def _of_w64(file: Opened, total: int) -> list[Repair]:
    start = 40
    for _ in range(MOST_CHUNKS):
        file.seek(start)
        head = file.read(24)
        if len(head) < 24:
            break
        size = int.from_bytes(head[16:], "little")
        if head[:16] == W64_DATA:
            if not _is_unknown(max(0, size - 24), start + 24, total):
                break
            return [(16, struct.pack("<Q", total)), (start + 16, struct.pack("<Q", total - start))]
        start += max(24, size + -size % 8)
    return []


def _of_caf(file: Opened, total: int) -> list[Repair]:
    start = 8
    for _ in range(MOST_CHUNKS):
        file.seek(start)
        head = file.read(12)
        if len(head) < 12:
            break
        size = int.from_bytes(head[4:], "big")
        if head[:4] == b"data":
            unknown = _is_unknown(size, start + 12, total)
            return [(start + 4, struct.pack(">Q", total - start - 12))] if unknown else []
        start += 12 + size
    return []
