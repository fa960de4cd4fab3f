"""What a file's own header says: what kind it is, and whether its end is missing."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import Literal

from earmark.audio.sizes import MOST_CHUNKS, chunks
from earmark.audio.source import Opened

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
    """What was found by looking at a file's bytes, its name unseen.

    kind: one of the kinds that libsndfile is trusted with (a link of Ogg only where it is one Vorbis stream), or other.
    cut: the sizes written in the header ask for more bytes than there are, or an Ogg lacks its end-of-stream page.
    mp3_samples: how many an MP3's Xing or Info header promises, its encoder's delay and padding taken off; 0 without.
    """

    kind: Kind
    cut: bool
    mp3_samples: int


def read_container(file: Opened) -> Container:
    """Look at a seekable file from its start; its position is at the start afterwards."""
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


def _chunk_is_cut(file: Opened, total: int, wanted: bytes, order: Literal["little", "big"]) -> bool:
    """Does the chunk that holds the samples end after the file does?"""
    long_size = 0
    for chunk in chunks(file, order):
        if chunk.name == b"ds64":  # RF64: the sizes that do not fit 32 bits
            file.seek(chunk.start + 8)
            long_size = int.from_bytes(file.read(8), "little")
        if chunk.name == wanted:
            size = long_size if chunk.size == 0xFFFFFFFF else chunk.size
            return chunk.start + size > total
    return False


def _ogg_is_cut(file: Opened, total: int) -> bool:
    """Is the last page incomplete, or not marked as the end of its stream?"""
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
    """Is a link of Ogg one Vorbis stream, not multiplexed with another?"""
    if len(head) < 27 or not head[27 + head[26] :].startswith(b"\x01vorbis"):
        return False
    second_page = 27 + head[26] + sum(head[27 : 27 + head[26]])
    return head[second_page : second_page + 5] == b"OggS\0" and not head[second_page + 5] & 2


def _mp4_is_cut(file: Opened, total: int) -> bool:
    """Walk the outermost boxes: does one end after the file does?"""
    position = 0
    for _ in range(MOST_CHUNKS):
        if position + 8 > total:
            break
        file.seek(position)
        size, name = int.from_bytes(file.read(4), "big"), file.read(4)
        if size == 1:
            size = int.from_bytes(file.read(8), "big")
        if name not in MP4_BOXES or size < 8:  # the end of what is known, or a box that runs to the end
            return False
        position += size
    return position > total


def _matroska_is_cut(head: bytes, total: int) -> bool:
    """Does the segment (all of a Matroska or WebM file but its first few bytes) end after the file does?"""
    start = head.find(MATROSKA_SEGMENT, 0, 4096)
    if start < 0 or start + 5 > len(head) or head[start + 4] == 0:
        return False
    width = 9 - head[start + 4].bit_length()  # a leading 1 says how many bytes the number has
    number = int.from_bytes(head[start + 4 : start + 4 + width], "big") & ((1 << 7 * width) - 1)
    unknown = (1 << 7 * width) - 1  # a live stream
    return number != unknown and start + 4 + width + number > total


def _asf_is_cut(head: bytes, total: int) -> bool:
    """Is a WMA or WMV file shorter than the file size in its own header?"""
    start = head.find(ASF_FILE_PROPERTIES)
    fields = head[start + 40 : start + 48], head[start + 88 : start + 92]
    broadcast = int.from_bytes(fields[1], "little") & 1  # then the size means nothing
    return not broadcast and int.from_bytes(fields[0], "little") > total


def _counted_mp3_samples(file: Opened) -> int:
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
    """Return frames * samples a frame, less the encoder's delay and padding where LAME or libav wrote them."""
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
