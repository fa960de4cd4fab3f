"""Read and write the tags in Ogg, MP4 and ASF files, whose parts are nested.

mutagen adjusts everything else that depends on their size: Ogg's pages and the offsets of MP4's samples.
"""

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import mutagen
import mutagen.mp4
import mutagen.oggflac
import mutagen.oggopus
import mutagen.oggspeex
import mutagen.oggtheora
import mutagen.oggvorbis
from mutagen.ogg import OggPage, error

from earmark.library.tag_blocks import digest, hash_of, part_of, splice
from earmark.library.tag_bytes import Span, join_comments, split_comments
from earmark.library.tag_entries import (
    ASF_EXTENDED,
    ASF_LIBRARY,
    AsfEncoding,
    CommentEncoding,
    Entry,
    Mp4Encoding,
    TagBlock,
    Values,
    asf_entry,
    comment_entry,
    mp4_entry,
)

_OGG: tuple[Any, ...] = (
    mutagen.oggvorbis.OggVorbis,
    mutagen.oggopus.OggOpus,
    mutagen.oggflac.OggFLAC,
    mutagen.oggspeex.OggSpeex,
    mutagen.oggtheora.OggTheora,
)
_PAGE: Any = OggPage
_MP4_TAGS: Any = mutagen.mp4.MP4Tags
_MP4_DELETE: Any = mutagen.mp4.delete
"""These are typed as Any because mutagen has no types."""
_OGG_STARTS = {b"\x01vorbis": 7, b"OpusHead": 8, b"\x7fFLAC": 4, b"Speex   ": 0, b"\x80theora": 7}
"""How the first packet of each kind of stream begins, and how many bytes precede the comments in the second."""
_MP4_HOLDERS = frozenset((b"moov", b"udta", b"meta", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf"))
_MP4_MOVING = frozenset((b"free", b"skip", b"stco", b"co64", b"tfhd", b"ilst"))
"""Atoms that may change: those with the offsets of others, the tags, and padding."""
ASF_HEADER_BYTES = 30
ASF_EXTENSION_BYTES = 46


def _guid(text: str) -> bytes:
    return UUID(text).bytes_le


_ASF_EXTENDED_GUID = _guid("d2d0a440-e307-11d2-97f0-00a0c95ea850")
_ASF_LIBRARY_GUID = _guid("44231c94-9498-49d1-a141-1d134e457054")
_ASF_METADATA_GUID = _guid("c5f8cbea-5baf-4877-8467-aa8c44fa4cca")
_ASF_CONTENT_GUID = _guid("75b22633-668e-11cf-a6d9-00aa0062ce6c")
_ASF_EXTENSION_GUID = _guid("5fbf03b5-a92e-11cf-8ee3-00c00c205365")
_ASF_PADDING_GUID = _guid("1806d474-cadf-4509-a4ba-9aabcb96aae8")
_ASF_CONTENT_NAMES = ("Title", "Author", "Copyright", "Description", "Rating")


class OggTags:
    """Vorbis comments in the second packet of an Ogg stream."""

    read_only: list[TagBlock]
    v1_genre: Values = ()
    had_tags = True

    def __init__(self, path: Path) -> None:
        self._path, self.read_only = path, []
        self._file: Any = mutagen.File(path, options=list(_OGG))
        if self._file is None:
            raise ValueError("its Ogg holds no stream of Vorbis, Opus, FLAC, Speex or Theora")
        self._pages = _OggPages(path)
        packet, start = self._pages.comments, self._pages.start
        self._vendor, comments, self._behind = split_comments(packet[start:])
        self.written = [TagBlock(CommentEncoding(), map(comment_entry, comments))]

    def save(self) -> None:
        data = join_comments(self._vendor, [entry.data for entry in self.written[0].entries])
        # mutagen writes them to the pages; the content is given as bytes.
        self._file.tags.write = lambda framing=True: data + (b"\x01" if framing else b"")
        self._file.save(self._path, padding=_same_size)

    def drop(self) -> None:
        """Do nothing, because an Ogg stream must have comments."""

    def rest(self) -> list[bytes]:
        return [self._vendor, self._behind.rstrip(b"\0"), self._pages.rest]


class _OggPages:
    """The packet of comments in an Ogg file, where they start in it, and a hash of all other packets."""

    def __init__(self, path: Path) -> None:
        hashed = hashlib.sha256()
        held: list[Any] = []
        serial: int | None = None
        self.comments, self.start = b"", 0
        with path.open("rb") as file:
            for page in _ogg_pages(file):
                begins = [each for each in _OGG_STARTS if page.first and page.packets[0].startswith(each)]
                if serial is None and begins:
                    serial, self.start = page.serial, _OGG_STARTS[begins[0]]
                    hashed.update(page.write())
                elif page.serial != serial:
                    hashed.update(page.write())
                elif not self.comments:
                    held.append(page)
                    if page.complete or len(page.packets) > 1:
                        self.comments, *further = _PAGE.to_packets(held, strict=False)
                        hashed.update(b"".join(further))
                else:
                    hashed.update(b"".join(page.packets))
            for part in iter(lambda: file.read(1 << 20), b""):
                hashed.update(part)
        self.rest = hashed.digest()


def _ogg_pages(file: BinaryIO) -> Iterator[Any]:
    """Yield the pages of an Ogg file. Afterwards the file's position is after the last one."""
    while True:
        start = file.tell()
        try:
            page = _PAGE(file)
        except (EOFError, error):
            file.seek(start)
            return
        yield page


class Mp4Tags:
    """The list of iTunes atoms in an MP4."""

    read_only: list[TagBlock]
    v1_genre: Values = ()

    def __init__(self, path: Path) -> None:
        self._path, self.read_only = path, []
        self.had_tags = False
        with path.open("rb") as file:
            self._rest, tags = [], []
            for trail, span in _mp4_leaves(file, Span(0, file.seek(0, 2)), ()):
                if trail[-2:] == (b"meta", b"ilst"):
                    self.had_tags = True
                    tags += list(_mp4_atoms(file, span))
                elif trail[-1] not in _MP4_MOVING and trail[-2:] != (b"meta", b"hdlr"):
                    self._rest.append(b"/".join(trail) + hash_of(file, span))
            self.written = [TagBlock(Mp4Encoding(), [mp4_entry(part_of(file, atom.whole)) for atom in tags])]

    def save(self) -> None:
        # mutagen writes atoms that it could not read as bytes; here these are all atoms that are not new.
        tags = _MP4_TAGS()
        for entry in self.written[0].entries:
            if entry.data:
                tags._failed_atoms.setdefault(entry.data[4:8].decode("latin-1"), []).append(entry.data[8:])
            elif entry.name.startswith("----:"):
                tags[entry.name] = [value.encode("utf-8", "surrogateescape") for value in entry.values]
            else:
                tags[entry.name] = list(entry.values)
        tags.save(self._path, padding=_same_size)

    def drop(self) -> None:
        if not self.written[0].entries:
            _MP4_DELETE(self._path)

    def rest(self) -> list[bytes]:
        return self._rest


@dataclass(frozen=True)
class _Atom:
    name: bytes
    whole: Span
    content: Span


def _mp4_atoms(file: BinaryIO, within: Span) -> Iterator[_Atom]:
    position = within.start
    while position + 8 <= within.end:
        file.seek(position)
        size, name = struct.unpack(">I4s", file.read(8))
        header_bytes = 8
        if size == 1:
            size, header_bytes = int.from_bytes(file.read(8), "big"), 16
        end = within.end if size == 0 else position + size
        if end < position + header_bytes or end > within.end:
            raise ValueError(f"its atom {name.decode('latin-1')} ends after the atom that contains it")
        yield _Atom(name, Span(position, end), Span(position + header_bytes, end))
        position = end


def _mp4_leaves(file: BinaryIO, within: Span, trail: tuple[bytes, ...]) -> Iterator[tuple[tuple[bytes, ...], Span]]:
    """Yield the atoms that contain no others, each with its own name and those of the atoms around it."""
    for atom in list(_mp4_atoms(file, within)):
        names = (*trail, atom.name)
        if atom.name not in _MP4_HOLDERS or (atom.name == b"meta" and trail[-1:] != (b"udta",)):
            yield names, atom.content
            continue
        start = atom.content.start + (4 if atom.name == b"meta" else 0)
        # User data may end with four zeros, which are not an atom.
        yield from _mp4_leaves(file, Span(start, atom.content.end), names)


class AsfTags:
    """The attributes in the header of an ASF, as in WMA."""

    v1_genre: Values = ()

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            header = part_of(file, Span(0, ASF_HEADER_BYTES))
            size = int.from_bytes(header[16:24], "little")
            self._span = Span(ASF_HEADER_BYTES, size)
            content = part_of(file, self._span)
        self._objects = list(_asf_objects(content))
        extension = [data for guid, data in self._objects if guid == _ASF_EXTENSION_GUID]
        self._inner = list(_asf_objects(extension[0][ASF_EXTENSION_BYTES - 24 :])) if extension else []
        guids = [guid for guid, _ in (*self._objects, *self._inner)]
        if guids.count(_ASF_EXTENDED_GUID) > 1 or guids.count(_ASF_LIBRARY_GUID) > 1:
            raise ValueError("its ASF header contains two descriptions, of which one would be lost")
        extended = _asf_entries(self._objects, _ASF_EXTENDED_GUID)
        self.written = [TagBlock(AsfEncoding(), [*extended, *_asf_entries(self._inner, _ASF_LIBRARY_GUID)])]
        of_streams = _asf_entries(self._inner, _ASF_METADATA_GUID)
        self.read_only = [TagBlock(AsfEncoding(), [*_asf_content(self._objects), *of_streams])]
        self.had_tags = any(guid in (_ASF_EXTENDED_GUID, _ASF_CONTENT_GUID) for guid, _ in self._objects)

    def save(self) -> None:
        entries = self.written[0].entries
        holds_library = any(guid == _ASF_EXTENSION_GUID for guid, _ in self._objects)
        if not holds_library and any(entry.place == ASF_LIBRARY for entry in entries):
            raise ValueError("its ASF header has no extension, which contains all values but the first")
        inner = _asf_with(self._inner, _ASF_LIBRARY_GUID, [e.data for e in entries if e.place == ASF_LIBRARY])
        objects = _asf_with(self._objects, _ASF_EXTENDED_GUID, [e.data for e in entries if e.place == ASF_EXTENDED])
        joined = _asf_joined(inner)
        objects = [
            (guid, data[: ASF_EXTENSION_BYTES - 28] + struct.pack("<I", len(joined)) + joined)
            if guid == _ASF_EXTENSION_GUID
            else (guid, data)
            for guid, data in objects
        ]
        old_bytes = self._span.end - self._span.start
        objects = _asf_padded(objects, len(_asf_joined(objects)) - old_bytes)
        content = _asf_joined(objects)
        sizes = struct.pack("<QI", ASF_HEADER_BYTES + len(content), len(objects))
        splice(self._path, [(Span(16, 28), sizes), (self._span, content)])

    def drop(self) -> None:
        """Do nothing; empty objects stay."""

    def rest(self) -> list[bytes]:
        tags = (_ASF_EXTENDED_GUID, _ASF_LIBRARY_GUID, _ASF_EXTENSION_GUID, _ASF_PADDING_GUID)
        kept = [guid + data for guid, data in (*self._objects, *self._inner) if guid not in tags]
        return [digest(self._path, [Span(16, 28), self._span]), *kept]


def _asf_objects(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the objects of an ASF header, each with its GUID and its content."""
    position = 0
    while position < len(content):
        size = int.from_bytes(content[position + 16 : position + 24], "little")
        if size < 24 or position + size > len(content):
            raise ValueError("its ASF header ends within an object")
        yield content[position : position + 16], content[position + 24 : position + size]
        position += size


def _asf_joined(objects: Sequence[tuple[bytes, bytes]]) -> bytes:
    return b"".join(guid + struct.pack("<Q", 24 + len(data)) + data for guid, data in objects)


def _asf_entries(objects: Sequence[tuple[bytes, bytes]], wanted: bytes) -> Iterator[Entry]:
    """Yield the attributes in an object. Those of streams have the form of the metadata library's."""
    for guid, data in objects:
        if guid != wanted:
            continue
        place = ASF_EXTENDED if guid == _ASF_EXTENDED_GUID else ASF_LIBRARY
        position = 2
        for _ in range(int.from_bytes(data[:2], "little")):
            if place == ASF_EXTENDED:
                name_bytes = struct.unpack_from("<H", data, position)[0]
                value_bytes = struct.unpack_from("<H", data, position + 4 + name_bytes)[0]
                end = position + 6 + name_bytes + value_bytes
            else:
                name_bytes, _, value_bytes = struct.unpack_from("<HHI", data, position + 4)
                end = position + 12 + name_bytes + value_bytes
            if end > len(data):
                raise ValueError("its ASF header ends within an attribute")
            yield asf_entry(data[position:end], place)
            position = end


def _asf_content(objects: Sequence[tuple[bytes, bytes]]) -> Iterator[Entry]:
    for guid, data in objects:
        if guid == _ASF_CONTENT_GUID:
            position = 10
            for name, size in zip(_ASF_CONTENT_NAMES, struct.unpack_from("<5H", data), strict=True):
                text = data[position : position + size].decode("utf-16-le", "replace").strip("\0")
                yield Entry(name, data[position : position + size], (text,))
                position += size


def _asf_with(
    objects: Sequence[tuple[bytes, bytes]], guid: bytes, records: Sequence[bytes]
) -> list[tuple[bytes, bytes]]:
    """Return the objects with these attributes in the object of this GUID."""
    data = struct.pack("<H", len(records)) + b"".join(records)
    if any(found == guid for found, _ in objects):
        return [(found, data if found == guid else content) for found, content in objects]
    return [*objects, (guid, data)] if records else list(objects)


def _asf_padded(objects: Sequence[tuple[bytes, bytes]], grown_bytes: int) -> list[tuple[bytes, bytes]]:
    """Resize the padding, if it is large enough, so that the sound keeps its position."""
    padded = []
    for guid, data in objects:
        if guid == _ASF_PADDING_GUID and len(data) >= grown_bytes:
            padded.append((guid, bytes(len(data) - grown_bytes)))
            grown_bytes = 0
        else:
            padded.append((guid, data))
    return padded


def _same_size(info: Any) -> int:
    """Keep the padding that the file has."""
    return max(int(info.padding), 0)
