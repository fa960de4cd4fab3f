"""Read and write the blocks of tags in files whose tags are before or after the sound, or in a chunk of their own.

Tags before or after the sound replace the old ones. mutagen places the chunks of RIFF, IFF and DSF files. Ogg, MP4 and
ASF are in `tag_containers.py`.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import mutagen.aiff
import mutagen.dsdiff
import mutagen.dsf
import mutagen.id3
import mutagen.wave
from mutagen._util import resize_bytes

from earmark.library.tag_bytes import (
    ID3V1_BYTES,
    Span,
    appended_id3_start,
    end_of_sound_and_ape,
    find_ape,
    id3_size_bytes,
    join_ape,
    join_comments,
    join_flac,
    join_id3,
    split_ape,
    split_comments,
    split_flac,
    split_id3,
)
from earmark.library.tag_entries import (
    ApeEncoding,
    CommentEncoding,
    TagBlock,
    Values,
    ape_entry,
    comment_entry,
    id3_block,
    id3_frames,
)

READ_BYTES = 1 << 20
NEW_PADDING_BYTES = 1024
"""The padding of a new ID3v2 tag for later changes; an existing tag keeps its size."""
COMMENTS, PADDING = 4, 1
"""The types of FLAC metadata blocks."""
VENDOR = b"earmark"
UNKNOWN_LENGTH = 0x7FFF0000
"""Programs that write a WAV to a pipe do not know its length and write a value of at least this size."""
_PARSE_V1: Any = mutagen.id3.ParseID3v1
_CHUNKED: dict[str, tuple[Any, Any]] = {
    "WAV": (mutagen.wave._WaveID3, mutagen.wave.delete),
    "AIFF": (mutagen.aiff._IFFID3, mutagen.aiff.delete),
    "DSF": (mutagen.dsf._DSFID3, mutagen.dsf.delete),
    "DSDIFF": (mutagen.dsdiff._DSDIFFID3, mutagen.dsdiff.delete),
}
"""For each kind of file, mutagen's class that writes an ID3v2 chunk and its function that removes the chunk."""


class FileTags(Protocol):
    """The tags of one open file.

    written: the blocks that are written; new names are added to the first. read_only: blocks that are only read.
    v1_genre: the genre in an ID3v1 tag. had_tags: whether the file has a block of tags.
    """

    written: list[TagBlock]
    read_only: list[TagBlock]
    v1_genre: Values
    had_tags: bool

    def save(self) -> None:
        """Write the changed blocks to the file."""

    def drop(self) -> None:
        """Remove the first block from the file if nothing is lost."""

    def rest(self) -> list[bytes]:
        """Return hashes or bytes of everything but the entries of `written`, which saving must not change."""


class Id3Tags:
    """ID3v2 tags before the sound, as in MP3. There may be several."""

    def __init__(self, path: Path, version: int) -> None:
        self._path = path
        with path.open("rb") as file:
            self._spans = id3_spans(file)
            found = [split_id3(part_of(file, span)) for span in self._spans]
            v1 = part_of(file, Span(max(file.seek(0, 2) - ID3V1_BYTES, 0), file.seek(0, 2)))
            self.read_only = _behind(file)
        self._versions = [each.version for each in found] or [version]
        self._rests = [each.rest for each in found] or [b""]
        self.written = [id3_block(each.version, each.frames) for each in found]
        frames = (_PARSE_V1(v1, v2_version=max(self._versions[0], 3)) if v1.startswith(b"TAG") else None) or {}
        # New tags are never ID3v2.2, so such a tag never repeats an ID3v1.
        self._v1_frames = id3_frames(frames, self._versions[0]) if frames and self._versions[0] > 2 else []
        self.v1_genre: Values = tuple(frames["TCON"].genres) if "TCON" in frames else ()
        self.had_tags = bool(found)
        if not found:
            # Players that find an ID3v2 ignore the ID3v1, so a new ID3v2 repeats it.
            self.written = [id3_block(version, self._v1_frames)]

    def save(self) -> None:
        pieces = []
        spans = self._spans or [Span(0, 0)]
        for span, version, rest, block in zip(spans, self._versions, self._rests, self.written, strict=True):
            frames = [entry.data for entry in block.entries]
            room = span.end - span.start if self.had_tags else sum(map(len, frames)) + NEW_PADDING_BYTES
            if block.changed:
                pieces.append((span, join_id3(version, frames, room, rest)))
        splice(self._path, pieces)

    def drop(self) -> None:
        if self._spans and self._bare() and not self._rests[0]:
            splice(self._path, [(self._spans[0], b"")])

    def _bare(self) -> bool:
        """Return whether the tag contains only what the ID3v1 contains too."""
        frames = [entry.data for entry in self.written[0].entries]
        return sorted(frames) in ([], sorted(self._v1_frames))

    def rest(self) -> list[bytes]:
        return [digest(self._path, self._spans), *self._rests]


class ApeTags:
    """An APEv2 tag after the sound, as in WavPack, Monkey's Audio and Musepack."""

    v1_genre: Values = ()

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            found = find_ape(file)
            self._span = found or Span(end_of_sound_and_ape(file), end_of_sound_and_ape(file))
            items, self._version = split_ape(part_of(file, self._span)) if found else ([], 2000)
            self.read_only = _before(file)
        self.had_tags = found is not None
        self.written = [TagBlock(ApeEncoding(), map(ape_entry, items))]

    def save(self) -> None:
        splice(self._path, [(self._span, join_ape([each.data for each in self.written[0].entries], self._version))])

    def drop(self) -> None:
        if not self.written[0].entries:
            splice(self._path, [(self._span, b"")])

    def rest(self) -> list[bytes]:
        return [digest(self._path, [self._span])]


class FlacTags:
    """Vorbis comments in the header of a FLAC."""

    v1_genre: Values = ()

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            spans = id3_spans(file)
            self._blocks, self._span = split_flac(file, spans[-1].end if spans else 0)
            self.read_only = [*_before(file), *_behind(file)]
        places = [place for place, (number, _) in enumerate(self._blocks) if number == COMMENTS]
        self.had_tags = bool(places)
        if not places:
            places = [1]
            self._blocks.insert(1, (COMMENTS, join_comments(VENDOR, [])))
        # The standard allows only one; players read the first.
        self._place = places[0]
        self._vendor, comments, _ = split_comments(self._blocks[self._place][1])
        self.written = [TagBlock(CommentEncoding(), map(comment_entry, comments))]

    def save(self) -> None:
        old = self._blocks[self._place][1]
        new = join_comments(self._vendor, [entry.data for entry in self.written[0].entries])
        blocks = [*self._blocks[: self._place], (COMMENTS, new), *self._blocks[self._place + 1 :]]
        splice(
            self._path,
            [(self._span, join_flac(_padded(blocks, len(new) - len(old) if self.had_tags else 4 + len(new))))],
        )

    def drop(self) -> None:
        # Another vendor means that the comments are not those that earmark added.
        if not self.written[0].entries and self._vendor == VENDOR:
            blocks = [*self._blocks[: self._place], *self._blocks[self._place + 1 :]]
            splice(self._path, [(self._span, join_flac(blocks))])

    def rest(self) -> list[bytes]:
        further = [
            bytes([number]) + content
            for place, (number, content) in enumerate(self._blocks)
            if place != self._place and number != PADDING
        ]
        return [digest(self._path, [self._span]), self._vendor if self.had_tags else VENDOR, *further]


class ChunkTags:
    """An ID3v2 tag in a chunk of its own, as in WAV, AIFF, DSF and DSDIFF."""

    v1_genre: Values = ()
    read_only: list[TagBlock]

    def __init__(self, path: Path, kind: str, version: int) -> None:
        self._path, self._kind, self.read_only = path, kind, []
        self._tag, self._delete = _CHUNKED[kind][0](), _CHUNKED[kind][1]
        self._version = version
        frames: Sequence[bytes] = ()
        self._room, self._rest = 0, b""
        with path.open("rb") as file:
            try:
                self._tag._pre_load_header(file)  # This moves the file's position to the start of the tag.
                size = id3_size_bytes(file, start := file.tell())
            except mutagen.id3.ID3NoHeaderError:
                size = 0
            self.had_tags = size > 0
            if size:
                found = split_id3(part_of(file, Span(start, start + size)))
                self._version, frames, self._room = found.version, found.frames, found.size_bytes
                self._rest = found.rest
        self.written = [id3_block(self._version, frames)]

    def save(self) -> None:
        if self._kind == "WAV":
            give_length(self._path)
        frames = [entry.data for entry in self.written[0].entries]
        block = join_id3(self._version, frames, self._room, self._rest)
        # mutagen writes the chunk and the sizes around it; the content is given as bytes.
        self._tag._prepare_data = lambda *_: block
        self._tag.save(self._path, v2_version=4)

    def drop(self) -> None:
        if not self.written[0].entries and not self._rest:
            self._delete(self._path)

    def rest(self) -> list[bytes]:
        if self._kind == "DSF":
            with self._path.open("rb") as file:
                file.seek(20)
                tags = int.from_bytes(file.read(8), "little")
                end = file.seek(0, 2)
            return [digest(self._path, [Span(0, 28), Span(tags or end, end)]), self._rest]
        return [*chunk_hashes(self._path, self._kind), self._rest]


def id3_spans(file: BinaryIO) -> list[Span]:
    """Return the ranges of the consecutive ID3v2 tags at the start of a file."""
    spans: list[Span] = []
    start = 0
    while size := id3_size_bytes(file, start):
        spans.append(Span(start, start + size))
        start += size
    return spans


def splice(path: Path, pieces: Sequence[tuple[Span, bytes]]) -> None:
    """Replace ranges of a file by other bytes, of any length. The ranges are in ascending order."""
    with path.open("r+b") as file:
        for span, new in reversed(pieces):
            resize_bytes(file, span.end - span.start, len(new), span.start)
            file.seek(span.start)
            file.write(new)


def digest(path: Path, without: Sequence[Span]) -> bytes:
    """Return a hash of a file without some ranges, which are in ascending order."""
    hashed = hashlib.sha256()
    position = 0
    with path.open("rb") as file:
        end = file.seek(0, 2)
        for span in (*without, Span(end, end)):
            for part in _read(file, Span(position, span.start)):
                hashed.update(part)
            position = span.end
    return hashed.digest()


def chunk_hashes(path: Path, kind: str) -> list[bytes]:
    """Return the names and hashes of a RIFF or IFF file's chunks, except ID3v2, and a hash of the bytes after them."""
    order: Any = "little" if kind == "WAV" else "big"
    size_bytes = 8 if kind == "DSDIFF" else 4
    found = []
    with path.open("rb") as file:
        end = file.seek(0, 2)
        file.seek(4)
        outer = 4 + size_bytes + int.from_bytes(file.read(size_bytes), order)
        position, last = 8 + size_bytes, min(outer + outer % 2, end)
        while position + 4 + size_bytes <= last:
            file.seek(position)
            name = file.read(4)
            start = position + 4 + size_bytes
            size = int.from_bytes(file.read(size_bytes), order)
            if name.upper().strip() != b"ID3":
                found.append(name + hash_of(file, Span(start, min(start + size, end))))
            position = start + size + size % 2
        return [*found, hash_of(file, Span(last, end))]


def give_length(path: Path) -> None:
    """Write the length of a WAV whose program did not know it, because it wrote the sound to a pipe.

    Without the length, tags after the sound would count as sound.
    """
    with path.open("r+b") as file:
        end = file.seek(0, 2)
        position = 12
        while position + 8 <= end:
            file.seek(position)
            name, size = file.read(4), int.from_bytes(file.read(4), "little")
            if name == b"data" and size >= UNKNOWN_LENGTH and position + 8 + size > end:
                file.seek(position + 4)
                file.write((end - position - 8).to_bytes(4, "little"))
                file.seek(0, 2)
                file.write(bytes(end % 2))
                file.seek(4)
                file.write((end + end % 2 - 8).to_bytes(4, "little"))
                return
            position += 8 + size + size % 2


def _before(file: BinaryIO) -> list[TagBlock]:
    """Return the ID3v2 tags before the sound of a file whose main tags are elsewhere."""
    found = [split_id3(part_of(file, span)) for span in id3_spans(file)]
    return [id3_block(each.version, each.frames) for each in found]


def _behind(file: BinaryIO) -> list[TagBlock]:
    """Return the APEv2 and ID3v2.4 tags after the sound of a file whose main tags are elsewhere."""
    ape = find_ape(file)
    blocks = [TagBlock(ApeEncoding(), map(ape_entry, split_ape(part_of(file, ape))[0]))] if ape is not None else []
    end = ape.start if ape is not None else end_of_sound_and_ape(file)
    start = appended_id3_start(file, end)
    if start is not None:
        found = split_id3(part_of(file, Span(start, end)))
        blocks.append(id3_block(found.version, found.frames))
    return blocks


def _padded(blocks: Sequence[tuple[int, bytes]], grown_bytes: int) -> list[tuple[int, bytes]]:
    """Resize the padding of a FLAC, if it is large enough, so that the sound keeps its position."""
    padded = []
    for number, content in blocks:
        if number == PADDING and 0 <= len(content) - grown_bytes < 1 << 24:
            padded.append((number, bytes(len(content) - grown_bytes)))
            grown_bytes = 0
        else:
            padded.append((number, content))
    return padded


def _read(file: BinaryIO, span: Span) -> Iterable[bytes]:
    file.seek(span.start)
    left = span.end - span.start
    while left > 0 and (part := file.read(min(READ_BYTES, left))):
        left -= len(part)
        yield part


def part_of(file: BinaryIO, span: Span) -> bytes:
    """Return the bytes in a range of a file."""
    return b"".join(_read(file, span))


def hash_of(file: BinaryIO, span: Span) -> bytes:
    """Return the hash of a range of a file."""
    hashed = hashlib.sha256()
    for part in _read(file, span):
        hashed.update(part)
    return hashed.digest()
