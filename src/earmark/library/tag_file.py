"""Open, change and save the tags of a file. Only the named fields change, and tags keep their version."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, TypeVar

import mutagen
import mutagen.mp3

from earmark.errors import TrackFileError
from earmark.library.fields import Format, names_in
from earmark.library.tag_blocks import ApeTags, ChunkTags, FileTags, FlacTags, Id3Tags, id3_spans
from earmark.library.tag_containers import AsfTags, Mp4Tags, OggTags
from earmark.library.tag_entries import TagBlock, Values

Id3Version = Literal[3, 4]
Result = TypeVar("Result")
HEAD_BYTES = 16
_MPEG: Any = mutagen.mp3.MPEGInfo
_APE_KINDS = (b"wvpk", b"MAC ", b"MPCK", b"MP+", b"OFR ", b"tBaK")
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")


class TagFile:
    """The tags of one file.

    kind: the format of the tags. had_tags: whether the file has any block of tags.
    """

    def __init__(self, path: Path, id3_version: Id3Version = 4) -> None:
        """Read the tags of a file.

        id3_version: the version of a new tag in an MP3, AIFF, WAV or DSF; existing tags keep their version.

        Raises:
            TrackFileError: the file cannot be read, its format has no tags, or writing would lose some of them.
        """
        self.path = path
        self._file_tags = _told(path, lambda: _file_tags(path, id3_version))
        self.had_tags = self._file_tags.had_tags

    @property
    def kind(self) -> Format:
        """The format of the tags."""
        return self._file_tags.written[0].kind

    def read(self, field: str) -> Values:
        """Return the readable texts of a field, under all of its names, without empty ones."""
        found: list[str] = []
        for block in (*self._file_tags.written, *self._file_tags.read_only):
            for name in names_in(field, block.kind):
                for spelled in block.present(name):
                    found += block.shown(spelled)
        if names_in(field, self.kind) == ("TCON",) and not found:
            found += self._file_tags.v1_genre
        return tuple(dict.fromkeys(shown for value in found if (shown := readable(value).strip())))

    def present(self, field: str) -> list[str]:
        """Return the names of a field in the file, as they are spelled there.

        Names in a second or later ID3v2 begin with its number: "2: TCON".
        """
        return [
            _numbered(place, spelled)
            for place, block in enumerate(self._file_tags.written)
            for name in names_in(field, block.kind)
            for spelled in block.present(name)
        ]

    def holds_no_text(self, field: str) -> bool:
        """Return whether a field contains something other than text, such as a picture."""
        written = (*self._file_tags.written, *self._file_tags.read_only)
        return any(block.holds_no_text(name) for block in written for name in names_in(field, block.kind))

    def values(self, name: str) -> Values:
        """Return the unchanged texts under one name."""
        block, plain = self._named(name)
        return block.values(plain)

    def put(self, name: str, values: Values) -> None:
        """Replace the texts under a name; no values remove it."""
        block, plain = self._named(name)
        _told(self.path, lambda: block.put(plain, values))

    def save(self) -> None:
        """Write the tags to the file.

        Raises:
            TrackFileError: the tags cannot be written.
        """
        _told(self.path, self._file_tags.save)

    def drop_if_bare(self) -> None:
        """Remove the block of tags from the file if it contains only what ID3v1 contains too."""
        _told(self.path, self._file_tags.drop)

    def others(self, names: Iterable[str]) -> list[bytes]:
        """Return what must not change when only these names do: other entries, and hashes of the rest of the file."""
        plain: dict[int, list[str]] = {}
        for name in names:
            block, own = self._named(name)
            plain.setdefault(id(block), []).append(own)
        entries = [data for block in self._file_tags.written for data in sorted(block.others(plain.get(id(block), ())))]
        return _told(self.path, lambda: [*entries, *self._file_tags.rest()])

    def _named(self, name: str) -> tuple[TagBlock, str]:
        for place, block in enumerate(self._file_tags.written):
            start = _numbered(place, "")
            if place and name.startswith(start):
                return block, name.removeprefix(start)
        return self._file_tags.written[0], name


def readable(value: str) -> str:
    """Replace the surrogates that stand for invalid bytes, so that the text can be shown."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _numbered(place: int, name: str) -> str:
    return f"{place + 1}: {name}" if place else name


def _file_tags(path: Path, id3_version: Id3Version) -> FileTags:
    """Open the tags of a file by the format of its content, whatever the ending of its name."""
    with path.open("rb") as file:
        spans = id3_spans(file)
        start = spans[-1].end if spans else 0
        file.seek(start)
        head = file.read(HEAD_BYTES)
    kind = _chunked(head)
    if head.startswith(b"fLaC"):
        return FlacTags(path)
    if head.startswith(_APE_KINDS):
        return ApeTags(path)
    if head.startswith(b"TTA1") or (kind is None and _is_mpeg(path, start, head)):
        return Id3Tags(path, id3_version)
    if start:
        raise _no_tags(path)  # Files of the other kinds never follow an ID3v2.
    if head.startswith(b"OggS"):
        return OggTags(path)
    if head[4:8] == b"ftyp":
        return Mp4Tags(path)
    if head == _ASF_HEADER:
        return AsfTags(path)
    if kind is not None:
        return ChunkTags(path, kind, id3_version)
    raise _no_tags(path)


def _chunked(head: bytes) -> str | None:
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "WAV"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "AIFF"
    return {b"DSD ": "DSF", b"FRM8": "DSDIFF"}.get(head[:4])


def _is_mpeg(path: Path, start: int, head: bytes) -> bool:
    """Return whether MPEG audio begins there. AAC, whose frames begin in a similar way, is excluded."""
    if head.startswith((b"OggS", b"RIFF", b"\x1aE\xdf\xa3", _ASF_HEADER)) or head[4:8] == b"ftyp":
        return False
    if head[:1] == b"\xff" and head[1] & 0xF6 == 0xF0:
        return False
    with path.open("rb") as file:
        file.seek(start)
        try:
            _MPEG(file)
        except mutagen.mp3.HeaderNotFoundError:
            return False
    return True


def _told(path: Path, do: Callable[[], Result]) -> Result:
    try:
        return do()
    except (mutagen.MutagenError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise TrackFileError(str(path), f"its tags cannot be read or written: {reason}") from error


def _no_tags(path: Path) -> TrackFileError:
    return TrackFileError(
        str(path),
        "found a file of a format without tags, expected MP3, FLAC, Ogg, Opus, MP4, WMA, APE, WavPack, Musepack, "
        "AIFF, WAV or DSF",
    )
