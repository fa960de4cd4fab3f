"""What the header of a sound file says: its container, its length, and whether the end of the file is missing.

Sizes that a program could not know, because it wrote to a pipe, are corrected from the length of the file.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from earmark.audio.source import SourceFile

Kind = Literal["WAV", "AIFF", "Ogg Vorbis", "other"]

HEAD_BYTES = 65_536
OGG_PAGE_BYTES = 65_307  # the longest page that Ogg allows
ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
MATROSKA_SEGMENT = bytes.fromhex("18538067")
MP4_BOXES = frozenset(
    (b"ftyp", b"moov", b"mdat", b"moof", b"mfra", b"free", b"skip", b"wide", b"uuid", b"sidx", b"styp", b"meta")
)


@dataclass(frozen=True)
class Container:
    """The findings of `read_container`, which looks at a file's bytes and not at its name.

    kind: a container that libsndfile reads here (an Ogg link only where it is one Vorbis stream), or "other". cut:
    whether the sizes in the header exceed the file, or an Ogg lacks its end-of-stream page. mp3_samples: the number of
    samples that an MP3's Xing or Info header promises, without encoder delay and padding; 0 where there is no such
    header.
    """

    kind: Kind
    cut: bool
    mp3_samples: int


def read_container(file: SourceFile) -> Container:
    """Return what a file's header says. The file is read from its start and left at its start."""
    total = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(HEAD_BYTES)
    kind: Kind = "other"
    cut = False
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        kind, cut = "WAV", _chunk_is_cut(file, total, b"data", "little")
    elif head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        kind, cut = "AIFF", _chunk_is_cut(file, total, b"SSND", "big")
    elif head[:4] == b"OggS":
        cut = _ogg_is_cut(file, total)
        if _is_one_vorbis_stream(head):
            kind = "Ogg Vorbis"
    elif head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        cut = int.from_bytes(head[4:8], "little") + 8 > total
    elif head[:4] == b".snd" and len(head) >= 12:
        start, size = struct.unpack(">II", head[4:12])
        cut = size != 0xFFFFFFFF and start + size > total
    elif head[4:8] in MP4_BOXES:
        cut = _mp4_is_cut(file, total)
    elif head[:4] == b"\x1a\x45\xdf\xa3":
        cut = _matroska_is_cut(head, total)
    elif ASF_FILE_PROPERTIES in head:
        cut = _asf_is_cut(head, total)
    mp3_samples = _counted_mp3_samples(file) if kind == "other" else 0
    file.seek(0)
    return Container(kind, cut, mp3_samples)


def _chunk_is_cut(file: SourceFile, total: int, wanted: bytes, order: Literal["little", "big"]) -> bool:
    """Return whether the chunk that holds the samples ends after the file does."""
    long_size = 0
    for chunk in chunks(file, order):
        if chunk.name == b"ds64":  # RF64: the sizes that do not fit 32 bits
            file.seek(chunk.start + 8)
            long_size = int.from_bytes(file.read(8), "little")
        if chunk.name == wanted:
            size = long_size if chunk.size == 0xFFFFFFFF else chunk.size
            return chunk.start + size > total
    return False


def _ogg_is_cut(file: SourceFile, total: int) -> bool:
    """Return whether the last page is incomplete, or not marked as the end of its stream."""
    file.seek(max(0, total - 2 * OGG_PAGE_BYTES))
    tail = file.read()
    start = tail.rfind(b"OggS\0")
    if start < 0 or len(tail) < start + 27:
        return True
    segments = tail[start + 26]
    lengths = tail[start + 27 : start + 27 + segments]
    complete = len(lengths) == segments and start + 27 + segments + sum(lengths) <= len(tail)
    return not (complete and tail[start + 5] & 4)


def _is_one_vorbis_stream(head: bytes) -> bool:
    """Return whether an Ogg link is one Vorbis stream, not multiplexed with another."""
    if len(head) < 27 or not head[27 + head[26] :].startswith(b"\x01vorbis"):
        return False
    second_page = 27 + head[26] + sum(head[27 : 27 + head[26]])
    return head[second_page : second_page + 5] == b"OggS\0" and not head[second_page + 5] & 2


def _mp4_is_cut(file: SourceFile, total: int) -> bool:
    """Return whether one of the outermost boxes ends after the file does."""
    position = 0
    for _ in range(MOST_CHUNKS):
        if position + 8 > total:
            break
        file.seek(position)
        size, name = int.from_bytes(file.read(4), "big"), file.read(4)
        if size == 1:
            size = int.from_bytes(file.read(8), "big")
        if name not in MP4_BOXES or size < 8:  # an unknown box, or one that runs to the end
            return False
        position += size
    return position > total


def _matroska_is_cut(head: bytes, total: int) -> bool:
    """Return whether the segment, which is nearly all of a Matroska or WebM file, ends after the file does."""
    start = head.find(MATROSKA_SEGMENT, 0, 4096)
    if start < 0 or start + 5 > len(head) or head[start + 4] == 0:
        return False
    width = 9 - head[start + 4].bit_length()  # a leading 1 says how many bytes the number has
    number = int.from_bytes(head[start + 4 : start + 4 + width], "big") & ((1 << 7 * width) - 1)
    unknown = (1 << 7 * width) - 1  # the number of a live stream
    return number != unknown and start + 4 + width + number > total


def _asf_is_cut(head: bytes, total: int) -> bool:
    """Return whether a WMA or WMV file is shorter than the file size in its header."""
    start = head.find(ASF_FILE_PROPERTIES)
    fields = head[start + 40 : start + 48], head[start + 88 : start + 92]
    broadcast = int.from_bytes(fields[1], "little") & 1  # then the size means nothing
    return not broadcast and int.from_bytes(fields[0], "little") > total


def _counted_mp3_samples(file: SourceFile) -> int:
    """Return how many samples the Xing or Info header of an MP3's first frame promises; 0 where there is none."""
    position = 0
    while True:
        file.seek(position)
        tag = file.read(10)
        if len(tag) < 10 or tag[:3] != b"ID3":
            break
        size = tag[6] << 21 | tag[7] << 14 | tag[8] << 7 | tag[9]
        position += 10 + size + (10 if tag[5] & 0x10 else 0)
    file.seek(position)
    data = file.read(4096)
    start = data.find(b"\xff")
    while 0 <= start < len(data) - 48:
        if data[start + 1] & 0xE6 == 0xE2:  # the rest of the sync word, and layer III
            mpeg1, mono = data[start + 1] & 0x08, data[start + 3] >> 6 == 3
            side_bytes = (17 if mono else 32) if mpeg1 else (9 if mono else 17)
            header = data[start + 4 + side_bytes :]
            if header[:4] in (b"Xing", b"Info"):
                return _promised_by_xing(header, 1152 if mpeg1 else 576)
        start = data.find(b"\xff", start + 1)
    return 0


def _promised_by_xing(header: bytes, frame_samples: int) -> int:
    """Return frames times samples a frame, less the encoder's delay and padding where LAME or libav wrote them."""
    flags = int.from_bytes(header[4:8], "big")
    if not flags & 1:
        return 0
    frames = int.from_bytes(header[8:12], "big")
    optional = ((1, 4), (2, 4), (4, 100), (8, 4))  # frames, bytes, table of contents, quality
    encoder = header[8 + sum(size for flag, size in optional if flags & flag) :]
    trimmed = 0
    if encoder[:4] in (b"LAME", b"Lavf", b"Lavc") and len(encoder) >= 24:
        both = int.from_bytes(encoder[21:24], "big")
        # The decoder's own delay of 529 samples comes on top at the start and is part of the padding at the end.
        trimmed = (both >> 12) + 529 + max(0, (both & 0xFFF) - 529)
    return max(0, frames * frame_samples - trimmed)


MOST_CHUNKS = 10_000
UNKNOWN_WITHIN = 1 << 16
"""The largest distance from 2 GiB or 4 GiB of a size that stands for an unknown one; programs subtract or round."""
UNKNOWN_LONG = 1 << 62
W64_RIFF = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000")
W64_DATA = b"data" + bytes.fromhex("f3acd3118cd100c04f8edb8a")
PLAIN_AIFF = (b"", b"NONE", b"sowt", b"twos", b"in24", b"in32", b"fl32", b"FL32", b"fl64", b"FL64")

Repair = tuple[int, bytes]
"""A position in a file, and the bytes that belong there."""


class Chunk(NamedTuple):
    """A chunk of a file: its name, the position of its content, and the length of its content, as its header states it.

    Both are in bytes.
    """

    name: bytes
    start: int
    size: int


def with_true_sizes(file: SourceFile) -> SourceFile:
    """Return the file with the true number of bytes in its header where the header holds a placeholder.

    That is WAV, RF64, BW64, W64, AIFF, CAF and AU with a size of 0, about 2 or 4 GiB, or about the largest 64-bit
    number, and with fewer bytes behind it. Libraries would take such a file for one that is cut or lasts hours, or
    refuse it.
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


def chunks(file: SourceFile, order: Literal["little", "big"], start: int = 12) -> Iterator[Chunk]:
    """Yield the chunks of RIFF (little-endian) or IFF (big-endian) from a position on."""
    total = file.size()
    for _ in range(MOST_CHUNKS):
        if start + 8 > total:
            return
        file.seek(start)
        chunk = Chunk(file.read(4), start + 8, int.from_bytes(file.read(4), order))
        yield chunk
        start = chunk.start + chunk.size + chunk.size % 2


def _is_unknown(size: int, start: int, total: int) -> bool:
    """Return whether a size is a placeholder with fewer bytes behind it."""
    if start >= total or 0 < size <= total - start:
        return False
    return size == 0 or size >= UNKNOWN_LONG or min(abs(size - (1 << 31)), abs(size - (1 << 32))) <= UNKNOWN_WITHIN


def _fitting(size: int) -> int:
    return min(max(0, size), (1 << 32) - 1)


def _of_wav(file: SourceFile, total: int) -> list[Repair]:
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


def is_empty_wav(file: SourceFile) -> bool:
    """Return whether a WAV holds no samples, although other chunks follow their chunk."""
    data = next((chunk for chunk in chunks(file, "little") if chunk.name == b"data"), None)
    return data is not None and _is_really_empty(file, data, file.size())


def _is_really_empty(file: SourceFile, data: Chunk, total: int) -> bool:
    """Return whether the chunk of samples is empty because other chunks follow it to the end of the file."""
    if data.size:
        return False
    last = data
    for chunk in chunks(file, "little", data.start):
        if not chunk.name.isascii():
            return False
        last = chunk
    return last is not data and last.start + last.size + last.size % 2 == total


def _of_aiff(file: SourceFile, total: int) -> list[Repair]:
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


def _of_w64(file: SourceFile, total: int) -> list[Repair]:
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


def _of_caf(file: SourceFile, total: int) -> list[Repair]:
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
