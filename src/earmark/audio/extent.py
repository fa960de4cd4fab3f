"""The place of the sound in a file: behind tags, zeros or junk, and in one or several joined links."""

from __future__ import annotations

import re

from earmark.audio.source import SourceFile

SCAN_BYTES = 1 << 20
PASSED_BYTES = 1 << 19
"""The bytes that libav passes over by itself; it looks for a format in the first 1 MiB only."""
SEARCHED_BYTES = 1 << 25
ID3V2_HEADER_BYTES = 10
ID3V1_BYTES = 128
APE_HEADER_BYTES = 32
"""The length of an APEv2 header, and of its footer."""
APE_ITEM_BYTES = 8 + 256
"""The greatest length of the head of an item: two numbers, and a key that ends with a zero."""
FEWEST_ZEROS = 16
"""The fewest zeros at the start of a file that are passed over; fewer may belong to its format, as in MPEG or MP4."""

OGG_FIRST_PAGE = re.compile(rb"OggS\0[\2\3\6\7]\0{8}", re.DOTALL)
"""The first page of a stream in Ogg: version 0, marked as a beginning, at position 0."""
FLAC_FIRST_BLOCK = re.compile(rb"fLaC[\0\x80]\0\0\x22", re.DOTALL)
"""The mark of FLAC and the header of its first block, which has 34 bytes."""
MARK_BYTES = 14

MPEG_FRAME = re.compile(rb"\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff][\x10-\xeb][\x00-\xff]", re.DOTALL)
SOUND_MARK = re.compile(b"|".join(each.pattern for each in (OGG_FIRST_PAGE, FLAC_FIRST_BLOCK, MPEG_FRAME)), re.DOTALL)
MPEG_FRAMES = 6
"""So many frames in a row, each of the length in its header and of one kind, do not occur by chance."""
MOST_TRIES = 1 << 16
MPEG1_RATES_HZ = (44_100, 48_000, 32_000)
KILOBITS = {
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""The bit rates of MPEG audio, by version (2 and 2.5 are alike) and layer."""


def without_tags_around(file: SourceFile) -> SourceFile:
    """Return a file from where its sound begins, without the ID3v1 behind WavPack and the APE tag behind MPEG audio.

    libav takes an ID3v1 tag there for a broken block, and a long APE tag for a second file of unknown length.
    """
    sound = file.stretch(leading_bytes(file))
    sound.seek(0)
    first, total = sound.read(4), sound.size()
    is_mpeg = first.startswith((b"\xff", b"ID3"))
    if not is_mpeg and first != b"wvpk":
        return sound
    end = total - ID3V1_BYTES
    if end <= 0 or _bytes_at(sound, end, 3) != b"TAG":
        end = total
    if is_mpeg:
        ape_bytes = ape_tag_bytes(sound, end)
        end = end - ape_bytes if ape_bytes else total
    return sound.stretch(0, end) if end < total else sound


def leading_bytes(file: SourceFile) -> int:
    """Return how many bytes of ID3v2 tags and zeros stand before the sound.

    A single tag of ordinary size before MPEG audio counts as 0, because libav passes over it and learns the format from
    it. Zeros always count, because libav would take the first frame after them, which only holds the length, for sound.
    """
    position, tags, zeros = 0, 0, 0
    while True:
        if length := _id3v2_bytes(file, position):
            tags += 1
        elif length := _zero_bytes(file, position):
            zeros += 1
        else:
            break
        position += length
    file.seek(position)
    first = file.read(1)
    passed_by_libav = tags == 1 and not zeros and position <= PASSED_BYTES and first == b"\xff"
    return 0 if not first or passed_by_libav else position


def link_starts(file: SourceFile) -> list[int]:
    """Return the position at which each link begins.

    Links are files joined end to end, as Ogg allows and people do with FLAC. Streams that are multiplexed in Ogg begin
    together and are one link.
    """
    file.seek(0)
    head = file.read(MARK_BYTES)
    if head.startswith(b"fLaC"):
        return sorted({0, *_marks(file, FLAC_FIRST_BLOCK)})
    if not head.startswith(b"OggS"):
        return [0]
    starts, behind = [0], 0
    for mark in _marks(file, OGG_FIRST_PAGE):
        if mark > behind:
            starts.append(mark)
        behind = mark + _ogg_page_bytes(file, mark)
    return starts


def first_sound(file: SourceFile) -> tuple[int, str] | None:
    """Return where sound begins in a file that begins with something else, and libav's name of its format.

    FLAC and Ogg are recognised by their first marks, MPEG audio by several frames in a row. Returns None where there
    are none.
    """
    kept, position, tries = b"", 0, 0
    file.seek(0)
    while position < SEARCHED_BYTES and (part := file.read(SCAN_BYTES)):
        window = kept + part
        for found in SOUND_MARK.finditer(window):
            start = position - len(kept) + found.start()
            if not found[0].startswith(b"\xff"):
                return start, "flac" if found[0].startswith(b"fLaC") else "ogg"
            tries += 1
            if _mpeg_frames(file, start):
                return start, "mp3"
            if tries == MOST_TRIES:
                return None
        position += len(part)
        kept = window[-(MARK_BYTES - 1) :]
        file.seek(position)
    return None


def _bytes_at(file: SourceFile, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)


def ape_tag_bytes(file: SourceFile, end: int) -> int:
    """Return the length of the APE tag before a position, in bytes; 0 if there is none.

    The items have to fill the tag exactly: a damaged footer would otherwise take sound for a tag.
    """
    footer = _bytes_at(file, max(0, end - APE_HEADER_BYTES), APE_HEADER_BYTES)
    if not footer.startswith(b"APETAGEX") or len(footer) < APE_HEADER_BYTES:
        return 0
    length, items = (int.from_bytes(footer[place : place + 4], "little") for place in (12, 16))
    position, stop = end - length, end - APE_HEADER_BYTES
    for _ in range(items):
        head = _bytes_at(file, position, APE_ITEM_BYTES) if 0 <= position < stop else b""
        key = head[8:].find(0)
        if key < 2:  # The shortest key of the format has two characters.
            return 0
        position += 8 + key + 1 + int.from_bytes(head[:4], "little")
    length += APE_HEADER_BYTES if footer[23] & 0x80 else 0
    return length if position == stop and length < end else 0


def _id3v2_bytes(file: SourceFile, position: int) -> int:
    """Return the length of the ID3v2 tag at a position; 0 where there is none."""
    file.seek(position)
    tag = file.read(ID3V2_HEADER_BYTES)
    if len(tag) < ID3V2_HEADER_BYTES or tag[:3] != b"ID3" or max(tag[6:]) > 0x7F:
        return 0
    size = tag[6] << 21 | tag[7] << 14 | tag[8] << 7 | tag[9]
    return ID3V2_HEADER_BYTES + size + (ID3V2_HEADER_BYTES if tag[5] & 0x10 else 0)


def _zero_bytes(file: SourceFile, position: int) -> int:
    """Return how many zeros stand at a position; 0 where they are few, and without those that belong to MP4."""
    file.seek(position)
    start = position
    while part := file.read(SCAN_BYTES):
        rest = part.lstrip(b"\0")
        position += len(part) - len(rest)
        if rest:
            break
    if position - start < FEWEST_ZEROS:
        return 0
    file.seek(position - 3)
    if file.read(8)[4:] == b"ftyp":  # the first three bytes of MP4 are zeros of its own
        return position - 3 - start
    return position - start


def _marks(file: SourceFile, mark: re.Pattern[bytes]) -> list[int]:
    """Return every position at which a mark stands, in order."""
    found: list[int] = []
    kept, position = b"", 0
    file.seek(0)
    while part := file.read(SCAN_BYTES):
        window = kept + part
        at = window.find(mark.pattern[:4])  # ten times as fast as the pattern alone
        while at >= 0:
            if mark.match(window, at):
                found.append(position - len(kept) + at)
            at = window.find(mark.pattern[:4], at + 1)
        position += len(part)
        kept = window[-(MARK_BYTES - 1) :]
    return sorted(set(found))


def _ogg_page_bytes(file: SourceFile, position: int) -> int:
    """Return the length of the Ogg page at a position."""
    file.seek(position + 26)
    segments = file.read(1)
    lengths = file.read(segments[0]) if segments else b""
    return 27 + len(lengths) + sum(lengths)


def _mpeg_frames(file: SourceFile, position: int) -> bool:
    """Return whether enough frames of one kind of MPEG audio follow each other from a position."""
    kind = None
    for _ in range(MPEG_FRAMES):
        file.seek(position)
        header = file.read(4)
        length = _mpeg_frame_bytes(header)
        if length == 0 or kind not in (None, (header[1] & 0xFE, header[2] & 0x0C)):
            return False
        kind = header[1] & 0xFE, header[2] & 0x0C  # version and layer, rate
        position += length
    return True


def _mpeg_frame_bytes(header: bytes) -> int:
    """Return the length of the frame with this header; 0 where it is no header."""
    if not MPEG_FRAME.fullmatch(header):
        return 0
    version_bits, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    rate_index, bits_index = header[2] >> 2 & 3, header[2] >> 4
    if version_bits == 1 or layer not in (2, 3) or rate_index == 3 or bits_index in (0, 15):
        return 0
    version = 1 if version_bits == 3 else 2
    rate_hz = MPEG1_RATES_HZ[rate_index] >> {3: 0, 2: 1, 0: 2}[version_bits]
    bytes_a_kilobit = 72_000 if version == 2 and layer == 3 else 144_000
    return bytes_a_kilobit * KILOBITS[version, layer][bits_index] // rate_hz + (header[2] >> 1 & 1)
