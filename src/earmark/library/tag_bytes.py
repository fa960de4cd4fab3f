"""Split blocks of tags into the bytes of their entries, and join them again, without decoding the entries.

What earmark does not change is written back as these bytes. Text in a wrong encoding, unknown frames, duplicate entries
and entries without a name therefore do not change. `tag_entries.py` decodes entries.

Every function raises ValueError, with the reason, for a block that it cannot split without losing bytes.
"""

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

ID3V1_BYTES = 128
APE_HEADER = struct.Struct("<8sIIII8s")
APE_HAS_HEADER, APE_IS_HEADER = 1 << 31, 1 << 29
LYRICS3_END_BYTES = 15
_UNSYNCHRONISED, _EXTENDED, _FOOTER = 0x80, 0x40, 0x10
_FRAME_UNSYNCHRONISED = 0x02
_FRAME_NAME = re.compile(rb"[A-Za-z0-9]{3}[A-Za-z0-9\0 ]?")


@dataclass(frozen=True)
class Span:
    """A range of bytes in a file: from `start` up to, but without, `end`."""

    start: int
    end: int


@dataclass(frozen=True)
class Id3Bytes:
    """The parts of an ID3v2 tag.

    version: 2, 3 or 4. frames: the frames with their headers. rest: the bytes after them, unless these are all zero,
    such as a truncated frame or the remains of another program's. size_bytes: the size of the tag in the file.
    """

    version: int
    frames: tuple[bytes, ...]
    rest: bytes
    size_bytes: int


def id3_size_bytes(file: BinaryIO, start: int) -> int:
    """Return the size of the ID3v2 tag that begins at `start`, with header and footer, or 0 if none begins there."""
    file.seek(start)
    header = file.read(10)
    if len(header) < 10 or header[:3] != b"ID3" or header[3] not in (2, 3, 4) or max(header[6:10]) > 0x7F:
        return 0
    footer_bytes = 10 if header[3] == 4 and header[5] & _FOOTER else 0
    return 10 + _unpacked(header[6:10]) + footer_bytes


def appended_id3_start(file: BinaryIO, end: int) -> int | None:
    """Return the start of the ID3v2.4 tag whose footer ends at `end`, or None if there is none."""
    footer = _read(file, end - 10, 10) if end >= 20 else b""
    if not footer.startswith(b"3DI") or len(footer) < 10:
        return None
    start = end - 20 - _unpacked(footer[6:10])
    return start if start >= 0 and id3_size_bytes(file, start) == end - start else None


def split_id3(block: bytes) -> Id3Bytes:
    """Split an ID3v2 tag, given from its header to its end.

    The unsynchronisation of the whole tag and the extended header are removed. Sizes that some programs write to
    ID3v2.4 in the form of ID3v2.3 are corrected.
    """
    version, flags = block[3], block[5]
    size = _unpacked(block[6:10])
    if 10 + size > len(block):
        raise ValueError("its ID3v2 ends after the file does")
    body = block[10 : 10 + size]
    if version == 2 and flags & _EXTENDED:
        raise ValueError("its ID3v2.2 is compressed in a way that no standard describes")
    if flags & _UNSYNCHRONISED and version < 4:
        body = body.replace(b"\xff\x00", b"\xff")
    if flags & _EXTENDED and version > 2:
        body = body[_extended_bytes(body, version) :]
    frames, rest = _walk(body, version, plain=version == 3)
    if version == 4 and rest:
        plain_frames, plain_rest = _walk(body, version, plain=True)
        if len(plain_rest) < len(rest):
            frames, rest = plain_frames, plain_rest
    if version == 4:
        # The new header has no flags, so unsynchronisation is marked at each frame instead.
        whole = _FRAME_UNSYNCHRONISED if flags & _UNSYNCHRONISED else 0
        frames = [
            frame[:4] + _packed(len(frame) - 10) + bytes([frame[8], frame[9] | whole]) + frame[10:] for frame in frames
        ]
    return Id3Bytes(version, tuple(frames), rest, len(block))


def join_id3(version: int, frames: Sequence[bytes], size_bytes: int, rest: bytes = b"") -> bytes:
    """Join an ID3v2 tag. If the frames need less than `size_bytes` and there is no rest, zeros fill the remainder."""
    body = b"".join(frames)
    # Zeros after a truncated frame would become part of it.
    body += rest or bytes(max(size_bytes - 10 - len(body), 0))
    return b"ID3" + bytes([version, 0, 0]) + _packed(len(body)) + body


def split_comments(block: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Split Vorbis comments into the vendor, the comments, and the bytes after them."""
    position = 4 + _number(block, 0)
    vendor = block[4:position]
    count = _number(block, position)
    position += 4
    comments = []
    for _ in range(count):
        end = position + 4 + _number(block, position)
        if end > len(block):
            raise ValueError("its Vorbis comments end within a comment")
        comments.append(block[position + 4 : end])
        position = end
    return vendor, comments, block[position:]


def join_comments(vendor: bytes, comments: Sequence[bytes]) -> bytes:
    """Join Vorbis comments."""
    parts = [vendor, *comments]
    sized = [struct.pack("<I", len(part)) + part for part in parts]
    return sized[0] + struct.pack("<I", len(comments)) + b"".join(sized[1:])


def split_flac(file: BinaryIO, start: int) -> tuple[list[tuple[int, bytes]], Span]:
    """Return the metadata blocks of a FLAC with their types, and their range after the file's first four bytes."""
    file.seek(start + 4)
    blocks, last = [], False
    while not last:
        header = file.read(4)
        size = int.from_bytes(header[1:], "big")
        content = file.read(size)
        if len(header) < 4 or len(content) < size:
            raise ValueError("its FLAC header ends after the file does")
        last = bool(header[0] & 0x80)
        blocks.append((header[0] & 0x7F, content))
    return blocks, Span(start + 4, file.tell())


def join_flac(blocks: Sequence[tuple[int, bytes]]) -> bytes:
    """Join the metadata blocks of a FLAC, with a mark at the last one."""
    joined = bytearray()
    for place, (number, content) in enumerate(blocks, start=1):
        if len(content) >= 1 << 24:
            raise ValueError("a block of its FLAC header would be longer than 16 MiB")
        joined += bytes([number | (0x80 if place == len(blocks) else 0)]) + len(content).to_bytes(3, "big") + content
    return bytes(joined)


def find_ape(file: BinaryIO) -> Span | None:
    """Find an APEv2 tag at the end of a file, before any ID3v1 and Lyrics3; return None if there is none."""
    end = end_of_sound_and_ape(file)
    footer = _ape_header(file, end - APE_HEADER.size)
    if footer is None or footer[3] & APE_IS_HEADER:
        return None
    start = end - footer[1] - (APE_HEADER.size if footer[3] & APE_HAS_HEADER else 0)
    if start < 0:
        raise ValueError("its APEv2 begins before the file does")
    return Span(start, end)


def end_of_sound_and_ape(file: BinaryIO) -> int:
    """Return where an ID3v1 and a Lyrics3 at the end of the file begin, or the end of the file if it has neither."""
    end = file.seek(0, 2)
    if end >= ID3V1_BYTES and _read(file, end - ID3V1_BYTES, 3) == b"TAG":
        end -= ID3V1_BYTES
        lyrics = _read(file, max(end - LYRICS3_END_BYTES, 0), LYRICS3_END_BYTES)
        if lyrics[6:] == b"LYRICS200" and lyrics[:6].isdigit():
            end -= int(lyrics[:6]) + LYRICS3_END_BYTES
    return end


def split_ape(block: bytes) -> tuple[list[bytes], int]:
    """Split an APEv2 tag into its items, with their headers, and its version, 1000 or 2000."""
    _, version, _, count, flags, _ = APE_HEADER.unpack(block[-APE_HEADER.size :])
    position = APE_HEADER.size if flags & APE_HAS_HEADER else 0
    end = len(block) - APE_HEADER.size
    items = []
    for _ in range(count):
        named = block.find(b"\0", position + 8, end)
        following = named + 1 + _number(block, position)
        if named < 0 or following > end:
            raise ValueError("its APEv2 ends within an item")
        items.append(block[position:following])
        position = following
    if block[position:end].strip(b"\0"):
        raise ValueError("its APEv2 contains bytes outside of its items, which writing would lose")
    return items, version


def join_ape(items: Sequence[bytes], version: int) -> bytes:
    """Join an APEv2 tag. Version 1000 has no header."""
    body = b"".join(items)
    has_header = APE_HAS_HEADER if version >= 2000 else 0

    def header(flags: int) -> bytes:
        return APE_HEADER.pack(b"APETAGEX", version, len(body) + APE_HEADER.size, len(items), flags, bytes(8))

    return (header(has_header | APE_IS_HEADER) if has_header else b"") + body + header(has_header)


def _walk(body: bytes, version: int, *, plain: bool) -> tuple[list[bytes], bytes]:
    """Return the frames of an ID3v2 tag, and the bytes after them unless all are zero.

    plain: whether the sizes use eight bits of each byte, instead of seven.
    """
    frames, position = [], 0
    header_bytes = 6 if version == 2 else 10
    while position + header_bytes <= len(body) and body[position]:
        if version == 2:
            name, size = body[position : position + 3], int.from_bytes(body[position + 3 : position + 6], "big")
        else:
            name, stored = body[position : position + 4], body[position + 4 : position + 8]
            if not plain and max(stored) > 0x7F:
                break
            size = int.from_bytes(stored, "big") if plain else _unpacked(stored)
        end = position + header_bytes + size
        if not _FRAME_NAME.fullmatch(name) or end > len(body):
            break
        frames.append(body[position:end])
        position = end
    return frames, body[position:] if body[position:].strip(b"\0") else b""


def _extended_bytes(body: bytes, version: int) -> int:
    if _FRAME_NAME.fullmatch(body[:4]) and body[:1].isalpha():
        return 0  # Old versions of Quod Libet set the flag without writing the header.
    return _unpacked(body[:4]) if version == 4 else 4 + int.from_bytes(body[:4], "big")


def _ape_header(file: BinaryIO, start: int) -> tuple[int, int, int, int] | None:
    """Return version, size, number of items and flags from an APEv2 header or footer, or None if there is none."""
    found = _read(file, start, APE_HEADER.size) if start >= 0 else b""
    if len(found) < APE_HEADER.size or not found.startswith(b"APETAGEX"):
        return None
    _, version, size, count, flags, _ = APE_HEADER.unpack(found)
    return version, size, count, flags


def _read(file: BinaryIO, start: int, size: int) -> bytes:
    file.seek(start)
    return file.read(size)


def _number(block: bytes, position: int) -> int:
    if position + 4 > len(block):
        raise ValueError("its tags end within an entry")
    return int.from_bytes(block[position : position + 4], "little")


def _packed(size: int) -> bytes:
    """Encode a size in the form of ID3v2, with seven bits in each byte."""
    if size >= 1 << 28:
        raise ValueError("its ID3v2 would be longer than 256 MiB")
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


def _unpacked(stored: bytes) -> int:
    return sum(byte << shift for byte, shift in zip(stored, (21, 14, 7, 0), strict=True))
