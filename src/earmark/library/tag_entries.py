"""Read and replace the entries of a block of tags in each format.

A name is a key of the format, such as "TXXX:MOOD" or "GENRE". Lookups ignore the case of its letters. mutagen decodes
the frames of ID3v2 and encodes new entries; all other entries keep their bytes.
"""

import io
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import mutagen.apev2
import mutagen.asf
import mutagen.id3
import mutagen.mp4

from earmark.errors import FileError
from earmark.file_errors import file_errors
from earmark.library.fields import Format
from earmark.library.tag_bytes import join_id3, split_ape

Values = tuple[str, ...]
ID3_KINDS: dict[int, Format] = {2: "ID3v2.2", 3: "ID3v2.3", 4: "ID3v2.4"}
ASF_EXTENDED, ASF_LIBRARY = "extended content description", "metadata library"
_FRAMES: Any = mutagen.id3
_TAG: Any = mutagen.id3.ID3
_APE: Any = mutagen.apev2.APEv2
_ATTRIBUTE: Any = mutagen.asf.ASFUnicodeAttribute  # type: ignore[attr-defined]
"""These are typed as Any because mutagen has no types."""
LATIN_1, UTF_16, UTF_8 = 0, 1, 3
"""The numbers of text encodings in ID3."""
_OLD_NAMES = {"TXXX": b"TXX", "TCON": b"TCO"}
"""The names in ID3v2.2 of the frames that are written."""
_MP4_TEXT = (0, 1)
"""The data types in MP4 that are text."""


@dataclass(frozen=True)
class Entry:
    """A frame, comment, item, atom or attribute.

    data: its bytes in the file; empty for a new entry of MP4, which mutagen encodes when it saves. values: its texts;
    empty if it contains something else. shown: the texts in readable form, if that differs. place: the ASF object that
    contains it.
    """

    name: str
    data: bytes
    values: Values = ()
    shown: Values = ()
    place: str = ""


class Encoding(Protocol):
    """Encodes texts as the entries of one format.

    cased: whether names that differ only in case are different names.
    """

    kind: Format
    cased: bool

    def entries(self, name: str, values: Values) -> list[Entry]:
        """Return the entries that contain these texts under a name."""


class TagBlock:
    """A block of tags in one format."""

    def __init__(self, encoding: Encoding, entries: Iterable[Entry] = ()) -> None:
        self._encoding = encoding
        self.entries = list(entries)
        self.changed = False

    @property
    def kind(self) -> Format:
        """The format of the block."""
        return self._encoding.kind

    def present(self, name: str) -> list[str]:
        """Return the spellings in the file of a name."""
        wanted = name.casefold()
        found = dict.fromkeys(
            entry.name
            for entry in self.entries
            if entry.name.casefold() == wanted or (name == "COMM" and entry.name.startswith("COMM::"))
        )
        return list(found) if self._encoding.cased else list(found)[:1]

    def values(self, name: str) -> Values:
        """Return the unchanged texts under a name; empty if there are none."""
        return tuple(value for entry in self.entries if self._is(entry, name) for value in entry.values)

    def shown(self, name: str) -> Values:
        """Return the texts under a name in readable form."""
        return tuple(value for entry in self.entries if self._is(entry, name) for value in entry.shown or entry.values)

    def holds_no_text(self, name: str) -> bool:
        """Return whether a name contains something other than text."""
        return any(entry.name in self.present(name) and not entry.values for entry in self.entries)

    def put(self, name: str, values: Values) -> None:
        """Replace the texts under a name. New names are added at the end; no values remove the name."""
        indices = [index for index, entry in enumerate(self.entries) if self._is(entry, name)]
        new = self._encoding.entries(name, values) if values else []
        at = indices[0] if indices else len(self.entries)
        kept = [entry for entry in self.entries[at:] if not self._is(entry, name)]
        self.entries = [*self.entries[:at], *new, *kept]
        self.changed = True

    def others(self, names: Iterable[str]) -> list[bytes]:
        """Return the bytes of all entries under other names."""
        return [entry.data for entry in self.entries if not any(self._is(entry, name) for name in names)]

    def _is(self, entry: Entry, name: str) -> bool:
        return entry.name == name or (not self._encoding.cased and entry.name.casefold() == name.casefold())


class Id3Encoding:
    """Encodes frames of ID3v2. "TXXX:NAME" is a user-defined frame. Frames of ID3v2.2 have their names of ID3v2.3."""

    cased = True

    def __init__(self, version: int) -> None:
        self.version = version
        self.kind = ID3_KINDS[version]

    def entries(self, name: str, values: Values) -> list[Entry]:
        encoding = LATIN_1 if _is_latin(values) else (UTF_8 if self.version == 4 else UTF_16)
        kind, _, description = name.partition(":")
        if kind == "TXXX":
            frame = _FRAMES.TXXX(encoding=encoding, desc=description, text=list(values))
        else:
            frame = getattr(_FRAMES, kind)(encoding=encoding, text=list(values))
        return [Entry(name, self.encoded(frame), values)]

    def encoded(self, frame: Any) -> bytes:
        """Return the bytes of one of mutagen's frames."""
        tag = _TAG()
        tag.add(frame)
        into = io.BytesIO()
        # Without a separator, several values in ID3v2.3 stay separate, as in ID3v2.4.
        tag.save(into, v1=0, v2_version=max(self.version, 3), v23_sep=None, padding=_no_padding)
        data = into.getvalue()[10:]
        if self.version > 2:
            return data
        if frame.FrameID not in _OLD_NAMES:
            raise ValueError(f"ID3v2.2 has no frame {frame.FrameID}")
        return _OLD_NAMES[frame.FrameID] + len(data[10:]).to_bytes(3, "big") + data[10:]


def id3_block(version: int, frames: Sequence[bytes]) -> TagBlock:
    """Return the frames of an ID3v2 tag as a block."""
    return TagBlock(Id3Encoding(version), [_id3_entry(version, frame) for frame in frames])


def id3_frames(tag: Any, version: int) -> list[bytes]:
    """Return the bytes of all frames of one of mutagen's tags."""
    encoding = Id3Encoding(version)
    return [encoding.encoded(frame) for frame in tag.values()]


class CommentEncoding:
    """Encodes Vorbis comments, in which several values are several comments of one name."""

    kind: Format = "Vorbis comments"
    cased = False

    def entries(self, name: str, values: Values) -> list[Entry]:
        return [comment_entry(f"{name}={value}".encode("utf-8", "surrogateescape")) for value in values]


def comment_entry(comment: bytes) -> Entry:
    """Decode a Vorbis comment; one without "=" has no name."""
    name, sign, value = comment.partition(b"=")
    return Entry(name.decode("latin-1") if sign else "", comment, (_text(value if sign else comment),))


class ApeEncoding:
    """Encodes items of APEv2, each of which contains all values of a name."""

    kind: Format = "APEv2"
    cased = False

    def entries(self, name: str, values: Values) -> list[Entry]:
        tag = _APE()
        tag[name] = list(values)
        into = io.BytesIO()
        tag.save(into)
        return [ape_entry(item) for item in split_ape(into.getvalue())[0]]


def ape_entry(item: bytes) -> Entry:
    """Decode an item of APEv2."""
    name, _, value = item[8:].partition(b"\0")
    is_text = item[4] >> 1 & 3 == 0
    return Entry(name.decode("latin-1"), item, tuple(map(_text, value.split(b"\0"))) if is_text else ())


class Mp4Encoding:
    """Encodes iTunes atoms of MP4. "----:com.apple.iTunes:NAME" is a user-defined atom."""

    kind: Format = "MP4"
    cased = True

    def entries(self, name: str, values: Values) -> list[Entry]:
        return [Entry(name, b"", values)]


def mp4_entry(atom: bytes) -> Entry:
    """Decode an atom of the list of tags; a numbered genre gets the name and the text of a genre."""
    name = atom[4:8].decode("latin-1")
    parts = list(_mp4_parts(atom[8:]))
    if name == "----":
        words = {kind: content[4:] for kind, content in parts if kind in (b"mean", b"name")}
        name = ":".join((name, _text(words.get(b"mean", b"")), _text(words.get(b"name", b""))))
    data = [content for kind, content in parts if kind == b"data" and len(content) >= 8]
    if name == "gnre":
        numbers = [int.from_bytes(content[8:10], "big") for content in data]
        genres = tuple(_FRAMES.TCON.GENRES[n - 1] for n in numbers if 0 < n <= len(_FRAMES.TCON.GENRES))
        return Entry("\xa9gen", atom, genres)
    texts = [_text(content[8:]) for content in data if int.from_bytes(content[1:4], "big") in _MP4_TEXT]
    return Entry(name, atom, tuple(texts))


class AsfEncoding:
    """Encodes attributes of ASF (Windows Media)."""

    kind: Format = "ASF"
    cased = True

    def entries(self, name: str, values: Values) -> list[Entry]:
        # The object that players read first can contain only one attribute of a name.
        first = Entry(name, _ATTRIBUTE(values[0]).render(name), values[:1], place=ASF_EXTENDED)
        return [
            first,
            *(Entry(name, _ATTRIBUTE(each).render_ml(name), (each,), place=ASF_LIBRARY) for each in values[1:]),
        ]


def asf_entry(record: bytes, place: str) -> Entry:
    """Decode an attribute of the extended content description or the metadata library."""
    if place == ASF_EXTENDED:
        name_bytes = struct.unpack_from("<H", record)[0]
        name, value = record[2 : 2 + name_bytes], record[6 + name_bytes :]
        kind = struct.unpack_from("<H", record, 2 + name_bytes)[0]
    else:
        name_bytes, kind = struct.unpack_from("<HH", record, 4)
        name, value = record[12 : 12 + name_bytes], record[12 + name_bytes :]
    values = (_utf_16(value),) if kind == 0 else ()
    return Entry(_utf_16(name), record, values, place=place)


def _id3_entry(version: int, frame: bytes) -> Entry:
    try:
        with file_errors("a frame"):
            return _read_entry(version, frame)
    except FileError:
        return _unread_entry(version, frame)


def _read_entry(version: int, frame: bytes) -> Entry:
    """Decode a frame with mutagen, without converting it to another version."""
    tag = _TAG(io.BytesIO(join_id3(version, [frame], 0)), translate=False, load_v1=False)
    frames = list(tag.values())
    if len(frames) != 1:
        return _unread_entry(version, frame)
    found = frames[0]
    if not hasattr(found, "text"):
        return Entry(found.HashKey, frame)
    # Genres may be numbers: "(17)" is Rock.
    texts = found.text if isinstance(found.text, list) else [found.text]
    shown = tuple(found.genres) if found.FrameID == "TCON" else ()
    return Entry(found.HashKey, frame, tuple(map(str, texts)), shown)


def _unread_entry(version: int, frame: bytes) -> Entry:
    """Decode a frame that mutagen cannot read because its encoding is wrong or its type is unknown.

    It keeps its name, because a genre in a wrong encoding is still a genre.
    """
    header_bytes = 6 if version == 2 else 10
    name = frame[: 3 if version == 2 else 4].decode("latin-1").rstrip("\0 ")
    name = next((new for new, old in _OLD_NAMES.items() if version == 2 and old.decode("latin-1") == name), name)
    content = frame[header_bytes:]
    if not name.startswith("T") or not content:
        return Entry(name, frame)
    texts = tuple(_text(part) for part in content[1:].split(b"\0") if part)
    if name == "TXXX" and texts:
        return Entry(f"TXXX:{texts[0]}", frame, texts[1:])
    return Entry(name, frame, texts)


def _mp4_parts(content: bytes) -> Iterable[tuple[bytes, bytes]]:
    position = 0
    while position + 8 <= len(content):
        size = int.from_bytes(content[position : position + 4], "big")
        if size < 8:
            return
        yield content[position + 4 : position + 8], content[position + 8 : position + size]
        position += size


def _no_padding(_: Any) -> int:
    return 0


def _text(data: bytes) -> str:
    """Decode UTF-8; invalid bytes become surrogates, so that they can be written back."""
    return data.decode("utf-8", "surrogateescape")


def _utf_16(data: bytes) -> str:
    return data.decode("utf-16-le", "replace").strip("\0")


def _is_latin(values: Values) -> bool:
    try:
        "".join(values).encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True
