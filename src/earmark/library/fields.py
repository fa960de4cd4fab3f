"""Name the fields of a file's tags in each format, so that other programs find them.

docs/how-to/writing-tags.md lists what Picard, beets, Navidrome and other programs read.
"""

import re
from collections.abc import Mapping
from typing import Literal

from earmark.errors import LibraryError

Format = Literal["ID3v2.2", "ID3v2.3", "ID3v2.4", "Vorbis comments", "MP4", "ASF", "APEv2"]

GENRE = "genre"
MOOD = "mood"
COMMENT = "comment"
ARTIST = "artist"
TITLE = "title"
ALBUM = "album"
DATE = "date"
PROVENANCE = "EARMARK"
"""The field that names the model, its version and the date of writing."""
SCORE_PREFIX = "EARMARK_"
"""The prefix of fields that contain a tag's probability."""
READ_ONLY = (COMMENT, ARTIST)

_MP4_OWN = "----:com.apple.iTunes:"

_NAMES: Mapping[str, Mapping[Format, tuple[str, ...]]] = {
    GENRE: {
        "ID3v2.2": ("TCON",),
        "ID3v2.3": ("TCON",),
        "ID3v2.4": ("TCON",),
        "Vorbis comments": ("GENRE",),
        "MP4": ("\xa9gen",),
        "ASF": ("WM/Genre",),
        "APEv2": ("Genre",),
    },
    MOOD: {
        "ID3v2.2": ("TXXX:MOOD",),
        # ID3v2.3 has no frame for moods, but some programs write TMOO all the same.
        "ID3v2.3": ("TXXX:MOOD", "TMOO"),
        "ID3v2.4": ("TMOO", "TXXX:MOOD"),
        "Vorbis comments": ("MOOD",),
        "MP4": (f"{_MP4_OWN}MOOD",),
        "ASF": ("WM/Mood",),
        "APEv2": ("Mood",),
    },
    COMMENT: {
        "ID3v2.2": ("COMM",),
        "ID3v2.3": ("COMM",),
        "ID3v2.4": ("COMM",),
        "Vorbis comments": ("COMMENT", "DESCRIPTION"),
        "MP4": ("\xa9cmt",),
        "ASF": ("Description",),
        "APEv2": ("Comment",),
    },
    ARTIST: {
        "ID3v2.2": ("TPE1", "TP1"),
        "ID3v2.3": ("TPE1",),
        "ID3v2.4": ("TPE1",),
        "Vorbis comments": ("ARTIST",),
        "MP4": ("\xa9ART",),
        "ASF": ("Author",),
        "APEv2": ("Artist",),
    },
    TITLE: {
        "ID3v2.2": ("TIT2", "TT2"),
        "ID3v2.3": ("TIT2",),
        "ID3v2.4": ("TIT2",),
        "Vorbis comments": ("TITLE",),
        "MP4": ("\xa9nam",),
        "ASF": ("Title",),
        "APEv2": ("Title",),
    },
    ALBUM: {
        "ID3v2.2": ("TALB", "TAL"),
        "ID3v2.3": ("TALB",),
        "ID3v2.4": ("TALB",),
        "Vorbis comments": ("ALBUM",),
        "MP4": ("\xa9alb",),
        "ASF": ("WM/AlbumTitle",),
        "APEv2": ("Album",),
    },
    DATE: {
        "ID3v2.2": ("TYER", "TYE"),
        "ID3v2.3": ("TDRC", "TYER", "TDOR"),
        "ID3v2.4": ("TDRC", "TYER", "TDOR"),
        "Vorbis comments": ("DATE", "YEAR"),
        "MP4": ("\xa9day",),
        "ASF": ("WM/Year",),
        "APEv2": ("Year",),
    },
}
_OWN_NAME = re.compile(r"[A-Z0-9][A-Z0-9 _-]{1,58}")
_TAKEN_NAMES = (
    "ALBUM ALBUMARTIST ARTIST ARTISTS BPM COMMENT COMPILATION COMPOSER COPYRIGHT DATE DESCRIPTION DISC DISCNUMBER "
    "GENRE ISRC KEY LYRICS MOOD ORGANIZATION PERFORMER TITLE TRACK TRACKNUMBER VERSION YEAR"
)
_TAKEN = frozenset(_TAKEN_NAMES.split())


def names_in(field: str, kind: Format) -> tuple[str, ...]:
    """Return the names of a field in a format. All of them are read, and the first is written."""
    if field in _NAMES:
        return _NAMES[field][kind]
    if kind.startswith("ID3"):
        return (f"TXXX:{field}",)
    return (f"{_MP4_OWN}{field}",) if kind == "MP4" else (field,)


def checked_field(text: str, place: str, *, read: bool = False) -> str:
    """Return a field's name in its standard form: genre, mood, or a name of the user's own in capitals.

    place: where the text comes from, for the error. read: also accept fields that earmark reads but does not write.

    Raises:
        LibraryError: a file cannot contain this name, or players use it for something else.
    """
    known = text.strip().lower()
    if known in (GENRE, MOOD) or (read and known in READ_ONLY):
        return known
    name = text.strip().upper()
    own = name == PROVENANCE or name.startswith(SCORE_PREFIX)
    if not _OWN_NAME.fullmatch(name) or name in _TAKEN or (own and not read):
        raise LibraryError(
            f"{place}: found the field {text!r}, expected genre, mood, or a name of your own of 2 to 60 letters A to "
            "Z, digits, spaces, '-' and '_' that has no other meaning, such as INSTRUMENT. Choose another."
        )
    return name
