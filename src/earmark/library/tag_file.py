"""The tags of a file, opened and saved: nothing but what is asked for changes, and no tag's version does."""

from pathlib import Path
from typing import Any, Literal, cast

import mutagen
import mutagen.aiff
import mutagen.apev2
import mutagen.asf
import mutagen.id3
import mutagen.mp3
import mutagen.mp4
import mutagen.wave

from earmark.errors import LibraryError
from earmark.library.fields import Format, names_in
from earmark.library.tag_forms import Ape, Asf, Form, Id3, Mp4, Values, Vorbis

Id3Version = Literal[3, 4]
ID3V1_BYTES = 128
_PARSE_V1: Any = mutagen.id3.ParseID3v1
_APE: Any = mutagen.apev2.APEv2
"""mutagen's functions have no types."""


class TagFile:
    """The tags of one file.

    kind: their format. had_tags: whether the file has a block of tags at all.
    """

    def __init__(self, path: Path, id3_version: Id3Version = 4) -> None:
        """`id3_version`: of the tag that an MP3, AIFF or WAV gets that has none; what is there keeps its version.

        Raises LibraryError for a file that cannot be read, or of a kind that holds no tags.
        """
        self.path = path
        self._file = _opened(path)
        self._beside: list[Form] = []
        """Tags that are read besides and left alone: an APEv2 block on an MP3."""
        self._v1 = b""
        self._v1_genre: Values = ()
        self._version: Id3Version = id3_version
        if self._is_id3():
            self._open_id3(id3_version)
        self.had_tags = self._file.tags is not None and not self._only_v1()
        if self._file.tags is None:
            _told(path, self._file.add_tags)
        self._form = self._found_form()

    @property
    def kind(self) -> Format:
        """The format of the tags."""
        return self._form.kind

    def read(self, field: str) -> Values:
        """What a person finds in a field, under any of its names; what is empty left out."""
        found: list[str] = []
        for form in (self._form, *self._beside):
            for name in names_in(field, form.kind):
                for spelled in form.present(name):
                    found += form.shown(spelled)
        if names_in(field, self.kind) == ("TCON",) and not found:
            found += self._v1_genre
        return tuple(dict.fromkeys(value.strip() for value in found if value.strip()))

    def present(self, field: str) -> list[str]:
        """The names under which a field stands in the file, as they are spelled there."""
        return [spelled for name in names_in(field, self.kind) for spelled in self._form.present(name)]

    def values(self, name: str) -> Values:
        """What stands under one name, unchanged."""
        return self._form.values(name)

    def put(self, name: str, values: Values) -> None:
        """Let exactly these values stand under a name; none removes it."""
        self._form.put(name, values)

    def save(self) -> None:
        """Write the tags into the file; raises LibraryError where that fails."""
        _told(self.path, self._save)

    def drop_if_bare(self) -> None:
        """Take the block of tags out of the file where nothing stands in it but what ID3v1 says as well."""
        if self._form.bare() or self._only_copies_v1():
            _told(self.path, self._drop)

    def _is_id3(self) -> bool:
        return isinstance(self._file, mutagen.id3.ID3FileType | mutagen.aiff.AIFF | mutagen.wave.WAVE)

    def _open_id3(self, id3_version: Id3Version) -> None:
        """Read the tag again as it is, not brought to ID3v2.4 as mutagen does it; an ID3v1 alone becomes one."""
        self._v1 = _v1_of(self.path)
        if self._file.tags is not None:
            kind = cast(Any, type(self._file))
            had_v2 = self._file.tags.version[0] == 2
            self._file = _told(self.path, lambda: kind(self.path, translate=False, load_v1=not had_v2))
            older = had_v2 and self._file.tags.version < (2, 4)
            self._version = (3 if older else 4) if had_v2 else id3_version
        if self._v1:
            frames = _PARSE_V1(self._v1, v2_version=self._version) or {}
            self._v1_genre = tuple(frames["TCON"].genres) if "TCON" in frames else ()
        if isinstance(self._file, mutagen.mp3.MP3):
            try:
                self._beside.append(Ape(_APE(self.path)))
            except mutagen.apev2.APENoHeaderError:
                return
            except mutagen.MutagenError as error:
                raise _refusal(self.path, error) from error

    def _only_v1(self) -> bool:
        return self._is_id3() and self._file.tags is not None and self._file.tags.version[0] == 1

    def _only_copies_v1(self) -> bool:
        if not self._v1 or self._form.bare():
            return False
        frames = _PARSE_V1(self._v1, v2_version=self._version) or {}
        return {key: str(frame) for key, frame in self._file.tags.items()} == {
            key: str(frame) for key, frame in frames.items()
        }

    def _found_form(self) -> Form:
        tags = self._file.tags
        if isinstance(tags, mutagen.id3.ID3):
            return Id3(tags, self._version)
        if isinstance(tags, mutagen.apev2.APEv2):
            return Ape(tags)
        if isinstance(tags, mutagen.mp4.MP4Tags):
            return Mp4(tags)
        if isinstance(tags, mutagen.asf.ASFTags):
            return Asf(tags)
        if hasattr(tags, "vendor"):
            return Vorbis(tags)
        raise _no_tags(self.path, type(self._file).__name__)

    def _save(self) -> None:
        if not isinstance(self._form, Id3):
            self._file.save(self.path)
            return
        # No separator: several values in ID3v2.3 are kept apart as in ID3v2.4, not joined.
        self._file.save(self.path, v2_version=self._version, v23_sep=None)
        self._put_v1_back()

    def _drop(self) -> None:
        if isinstance(self._file, mutagen.mp3.MP3):
            mutagen.id3.delete(self.path, delete_v1=False, delete_v2=True)
        else:
            self._file.delete(self.path)

    def _put_v1_back(self) -> None:
        """mutagen writes an ID3v1 anew from what it can take from ID3v2; here it stays as it was."""
        if self._v1 and isinstance(self._file, mutagen.mp3.MP3):
            with self.path.open("r+b") as file:
                file.seek(-ID3V1_BYTES, 2)
                file.write(self._v1)


def _opened(path: Path) -> Any:
    found = _told(path, lambda: mutagen.File(path))
    if found is None:
        raise _no_tags(path, "unknown")
    return found


def _told(path: Path, do: Any) -> Any:
    try:
        return do()
    except (mutagen.MutagenError, OSError, ValueError) as error:
        raise _refusal(path, error) from error


def _refusal(path: Path, error: Exception) -> LibraryError:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return LibraryError(f"{path}: its tags cannot be read or written: {reason}")


def _no_tags(path: Path, kind: str) -> LibraryError:
    return LibraryError(
        f"{path}: found a file ({kind}) that holds no tags, expected MP3, FLAC, Ogg, Opus, MP4, WMA, APE, WavPack, "
        "Musepack, AIFF or WAV"
    )


def _v1_of(path: Path) -> bytes:
    """The last 128 bytes where they are an ID3v1."""
    try:
        with path.open("rb") as file:
            size_bytes = file.seek(0, 2)
            if size_bytes < ID3V1_BYTES:
                return b""
            file.seek(-ID3V1_BYTES, 2)
            found = file.read()
    except OSError as error:
        raise _refusal(path, error) from error
    return found if found.startswith(b"TAG") else b""
