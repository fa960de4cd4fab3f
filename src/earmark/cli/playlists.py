"""Files that name other files: playlists (M3U, M3U8, PLS) and lists with a path a line, from any system."""

import codecs
import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from earmark.file_name import from_percent_encoded, is_text

ENDINGS = (".m3u", ".m3u8", ".pls")
_FILE_ADDRESS = re.compile(r"file:(?://(?:localhost)?)?(?=/)", re.IGNORECASE)
_WINDOWS_DRIVE = re.compile(r"/(?=[a-z]:)", re.IGNORECASE)
_PLS_ENTRY = re.compile(r"\s*file\d+\s*=\s*(.*)", re.IGNORECASE)
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
"""What begins a text that says its encoding."""
_OTHER_ENCODING = "cp1252"
"""Of what is not UTF-8: players on Windows write M3U so."""


def lines_of(file: str) -> list[str]:
    """Return the lines of a text file that are not empty; bytes that are no text stay as os.fsdecode gives them."""
    return lines_in(Path(file).read_bytes())


def lines_in(content: bytes) -> list[str]:
    """Return the lines of a text's bytes, as `lines_of` does."""
    encoding = next((encoding for mark, encoding in _MARKS if content.startswith(mark)), None)
    text = os.fsdecode(content) if encoding is None else content.decode(encoding, "surrogateescape")
    return [line.removesuffix("\r") for line in text.split("\n") if line.strip()]


def entries_of(playlist: str) -> list[str]:
    """Return the paths and addresses that a playlist names, relative ones from its folder.

    Playlists travel between systems, so a path that leads nowhere as it stands is tried with slashes for backslashes,
    percent-decoded, composed and decomposed (NFC and NFD), in Windows' encoding, and without spaces around it.
    """
    lines = lines_of(playlist)
    if playlist.lower().endswith(".pls"):
        entries = [found[1] for found in map(_PLS_ENTRY.fullmatch, lines) if found and found[1]]
    else:
        entries = [line for line in lines if not line.lstrip().startswith("#")]
    folder = os.path.dirname(playlist)  # noqa: PTH120 (a name may be no text)
    return [_placed(entry, folder) for entry in entries]


def local_path(address: str) -> str | None:
    """Return the path that a file: address means, percent-decoded; None for anything else."""
    found = _FILE_ADDRESS.match(address)
    if found is None:
        return None
    return _WINDOWS_DRIVE.sub("", from_percent_encoded(address[found.end() :]), count=1)


def _placed(entry: str, folder: str) -> str:
    """An entry as it can be opened from here."""
    path = local_path(entry.strip())
    if path is not None or "://" in entry:
        return path or entry.strip()
    ways = [os.path.join(folder, way) for way in _ways(entry)]  # noqa: PTH118
    return next((way for way in ways if os.path.lexists(way)), ways[0])


def _ways(entry: str) -> Iterator[str]:
    """The ways to read an entry, the likeliest first."""
    yield entry
    texts = [entry]
    if not is_text(entry):
        texts.append(os.fsencode(entry).decode(_OTHER_ENCODING, "replace"))
    for text in texts:
        for slashed in (text, text.replace("\\", "/")):
            for decoded in (slashed, unquote(slashed)):
                for form in (decoded, unicodedata.normalize("NFC", decoded), unicodedata.normalize("NFD", decoded)):
                    yield form
                    yield form.strip()
