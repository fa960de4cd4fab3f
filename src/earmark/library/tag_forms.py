"""How values stand in each format of tags: several as several, under the names that are there or as asked for.

A name is a key of the format, such as "TXXX:MOOD" or "GENRE"; it is found whatever the case of its letters.
"""

import contextlib
from collections.abc import Iterable
from typing import Any, Literal, Protocol

import mutagen.asf
import mutagen.id3
import mutagen.mp4

from earmark.library.fields import Format

Values = tuple[str, ...]
ID3_NAMES: dict[Literal[3, 4], Format] = {3: "ID3v2.3", 4: "ID3v2.4"}
_FRAMES: Any = mutagen.id3
_ATTRIBUTE: Any = mutagen.asf.ASFUnicodeAttribute  # type: ignore[attr-defined]
_FREE_FORM: Any = mutagen.mp4.MP4FreeForm
"""mutagen's functions have no types."""
LATIN_1, UTF_16, UTF_8 = 0, 1, 3
"""ID3's numbers of encodings."""


class Form(Protocol):
    """The tags of an open file, in one format."""

    kind: Format

    def present(self, name: str) -> list[str]:
        """The names, as they are spelled in the file, that are this one."""

    def values(self, name: str) -> Values:
        """What stands under a name, as it stands there; none where there is no such name."""

    def shown(self, name: str) -> Values:
        """The same as a person reads it."""

    def put(self, name: str, values: Values) -> None:
        """Let exactly these values stand under a name; none removes it."""

    def bare(self) -> bool:
        """Whether nothing at all stands there."""


class Id3:
    """Frames of ID3v2; "TXXX:NAME" is a frame of one's own."""

    def __init__(self, tags: Any, version: Literal[3, 4]) -> None:
        self._tags = tags
        self._version = version
        self.kind = ID3_NAMES[version]

    def present(self, name: str) -> list[str]:
        if name == "COMM":
            return [key for key in self._tags if key.startswith("COMM::")]
        return _like(name, self._tags.keys())

    def values(self, name: str) -> Values:
        frame = self._tags.get(name)
        return tuple(str(text) for text in frame.text) if frame is not None else ()

    def shown(self, name: str) -> Values:
        # Genres may stand as numbers: "(17)" is Rock.
        frame = self._tags.get(name)
        return tuple(frame.genres) if name == "TCON" and frame is not None else self.values(name)

    def put(self, name: str, values: Values) -> None:
        self._tags.delall(name)
        if not values:
            return
        encoding = LATIN_1 if _is_latin(values) else (UTF_8 if self._version == 4 else UTF_16)
        kind, _, description = name.partition(":")
        if kind == "TXXX":
            self._tags.add(_FRAMES.TXXX(encoding=encoding, desc=description, text=list(values)))
        else:
            self._tags.add(getattr(_FRAMES, kind)(encoding=encoding, text=list(values)))

    def bare(self) -> bool:
        return not self._tags and not self._tags.unknown_frames


class Vorbis:
    """Vorbis comments: a name may stand several times."""

    kind: Format = "Vorbis comments"

    def __init__(self, tags: Any) -> None:
        self._tags = tags

    def present(self, name: str) -> list[str]:
        return _like(name, [key for key, _ in self._tags])[:1]  # spelled in several ways it is one name all the same

    def values(self, name: str) -> Values:
        return tuple(self._tags.get(name, ()))

    def shown(self, name: str) -> Values:
        return self.values(name)

    def put(self, name: str, values: Values) -> None:
        if values:
            self._tags[name] = list(values)
        else:
            with contextlib.suppress(KeyError):
                del self._tags[name]

    def bare(self) -> bool:
        return not list(self._tags)


class Mp4:
    """Atoms of iTunes; "----:com.apple.iTunes:NAME" is one of one's own."""

    kind: Format = "MP4"

    def __init__(self, tags: Any) -> None:
        self._tags = tags

    def present(self, name: str) -> list[str]:
        return _like(name, self._tags.keys())

    def values(self, name: str) -> Values:
        return tuple(
            bytes(value).decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
            for value in self._tags.get(name, ())
        )

    def shown(self, name: str) -> Values:
        return self.values(name)

    def put(self, name: str, values: Values) -> None:
        self._tags.pop(name, None)
        if not values:
            return
        own = name.startswith("----:")
        self._tags[name] = [_FREE_FORM(value.encode("utf-8", "surrogateescape")) if own else value for value in values]

    def bare(self) -> bool:
        return not self._tags


class Asf:
    """Attributes of Windows Media."""

    kind: Format = "ASF"

    def __init__(self, tags: Any) -> None:
        self._tags = tags

    def present(self, name: str) -> list[str]:
        return _like(name, self._tags.keys())

    def values(self, name: str) -> Values:
        return tuple(str(value) for value in self._tags.get(name, ()))

    def shown(self, name: str) -> Values:
        return self.values(name)

    def put(self, name: str, values: Values) -> None:
        if name in self._tags:
            del self._tags[name]
        if values:
            self._tags[name] = [_ATTRIBUTE(value) for value in values]

    def bare(self) -> bool:
        return not list(self._tags)


class Ape:
    """Items of APEv2."""

    kind: Format = "APEv2"

    def __init__(self, tags: Any) -> None:
        self._tags = tags

    def present(self, name: str) -> list[str]:
        return _like(name, self._tags.keys())

    def values(self, name: str) -> Values:
        return tuple(self._tags[name]) if name in self._tags else ()

    def shown(self, name: str) -> Values:
        return self.values(name)

    def put(self, name: str, values: Values) -> None:
        if name in self._tags:
            del self._tags[name]
        if values:
            self._tags[name] = list(values)

    def bare(self) -> bool:
        return not self._tags


def _like(name: str, keys: Iterable[str]) -> list[str]:
    wanted = name.casefold()
    return [key for key in dict.fromkeys(keys) if key.casefold() == wanted]


def _is_latin(values: Values) -> bool:
    try:
        "".join(values).encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True
