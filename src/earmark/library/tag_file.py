"""The tags of a file, opened and saved: nothing but what is asked for changes, and no tag's version does."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, TypeVar

import mutagen
import mutagen.mp3

from earmark.errors import TrackFileError
from earmark.library.fields import Format, names_in
from earmark.library.tag_containers import AsfHome, Mp4Home, OggHome
from earmark.library.tag_forms import Form, Values
from earmark.library.tag_homes import ApeHome, ChunkHome, FlacHome, Home, Id3Home, id3_spans

Id3Version = Literal[3, 4]
Result = TypeVar("Result")
HEAD_BYTES = 16
_MPEG: Any = mutagen.mp3.MPEGInfo
_APE_KINDS = (b"wvpk", b"MAC ", b"MPCK", b"MP+", b"OFR ", b"tBaK")
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")


class TagFile:
    """The tags of one file.

    kind: their format. had_tags: whether the file has a block of tags at all.
    """

    def __init__(self, path: Path, id3_version: Id3Version = 4) -> None:
        """`id3_version`: of the tag that an MP3, AIFF, WAV or DSF gets that has none; what is there keeps its version.

        Raises TrackFileError for a file that cannot be read, holds no tags, or whose tags cannot be kept.
        """
        self.path = path
        self._home = _told(path, lambda: _home(path, id3_version))
        self.had_tags = self._home.had_tags

    @property
    def kind(self) -> Format:
        """The format of the tags."""
        return self._home.forms[0].kind

    def read(self, field: str) -> Values:
        """What a person finds in a field, under any of its names; what is empty left out."""
        found: list[str] = []
        for form in (*self._home.forms, *self._home.beside):
            for name in names_in(field, form.kind):
                for spelled in form.present(name):
                    found += form.shown(spelled)
        if names_in(field, self.kind) == ("TCON",) and not found:
            found += self._home.v1_genre
        return tuple(dict.fromkeys(shown for value in found if (shown := readable(value).strip())))

    def present(self, field: str) -> list[str]:
        """The names under which a field stands in the file, as they are spelled there.

        Those in a further ID3v2 begin with its number: "2: TCON".
        """
        return [
            _numbered(place, spelled)
            for place, form in enumerate(self._home.forms)
            for name in names_in(field, form.kind)
            for spelled in form.present(name)
        ]

    def holds_no_text(self, field: str) -> bool:
        """Whether something else than text stands in a field, such as a picture."""
        forms = (*self._home.forms, *self._home.beside)
        return any(form.holds_no_text(name) for form in forms for name in names_in(field, form.kind))

    def values(self, name: str) -> Values:
        """What stands under one name, unchanged."""
        form, plain = self._named(name)
        return form.values(plain)

    def put(self, name: str, values: Values) -> None:
        """Let exactly these values stand under a name; none removes it."""
        form, plain = self._named(name)
        _told(self.path, lambda: form.put(plain, values))

    def save(self) -> None:
        """Write the tags into the file; raises TrackFileError where that fails."""
        _told(self.path, self._home.save)

    def drop_if_bare(self) -> None:
        """Take the block of tags out of the file where nothing stands in it but what ID3v1 says as well."""
        _told(self.path, self._home.drop)

    def others(self, names: Iterable[str]) -> list[bytes]:
        """All that must not change where only what stands under some names does: entries, and hashes of the rest."""
        plain: dict[int, list[str]] = {}
        for name in names:
            form, own = self._named(name)
            plain.setdefault(id(form), []).append(own)
        entries = [data for form in self._home.forms for data in sorted(form.others(plain.get(id(form), ())))]
        return _told(self.path, lambda: [*entries, *self._home.rest()])

    def _named(self, name: str) -> tuple[Form, str]:
        for place, form in enumerate(self._home.forms):
            start = _numbered(place, "")
            if place and name.startswith(start):
                return form, name.removeprefix(start)
        return self._home.forms[0], name


def readable(value: str) -> str:
    """A text without the bytes that were no text, which it may hold so that they can be written back."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _numbered(place: int, name: str) -> str:
    return f"{place + 1}: {name}" if place else name


def _home(path: Path, id3_version: Id3Version) -> Home:
    """Find where a file has its tags by what it is, whatever its name ends in."""
    with path.open("rb") as file:
        spans = id3_spans(file)
        start = spans[-1].end if spans else 0
        file.seek(start)
        head = file.read(HEAD_BYTES)
    kind = _chunked(head)
    if head.startswith(b"fLaC"):
        return FlacHome(path)
    if head.startswith(_APE_KINDS):
        return ApeHome(path)
    if head.startswith(b"TTA1") or (kind is None and _is_mpeg(path, start, head)):
        return Id3Home(path, id3_version)
    if start:
        raise _no_tags(path)  # those of the other kinds do not follow an ID3v2
    if head.startswith(b"OggS"):
        return OggHome(path)
    if head[4:8] == b"ftyp":
        return Mp4Home(path)
    if head == _ASF_HEADER:
        return AsfHome(path)
    if kind is not None:
        return ChunkHome(path, kind, id3_version)
    raise _no_tags(path)


def _chunked(head: bytes) -> str | None:
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "WAV"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "AIFF"
    return {b"DSD ": "DSF", b"FRM8": "DSDIFF"}.get(head[:4])


def _is_mpeg(path: Path, start: int, head: bytes) -> bool:
    """Whether MPEG audio begins there, which is no AAC, whose frames begin likewise."""
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
        "found a file that holds no tags, expected MP3, FLAC, Ogg, Opus, MP4, WMA, APE, WavPack, Musepack, "
        "AIFF, WAV or DSF",
    )
