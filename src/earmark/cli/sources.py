"""Find the files that command-line arguments name: files, folders, lists and playlists (M3U, M3U8, PLS)."""

import codecs
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import typer

from earmark.errors import FileError
from earmark.file_errors import file_errors
from earmark.file_name import from_percent_encoded, is_text

STANDARD_INPUT = "-"
LIST_MARK = "@"
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_NOT_A_FILE = (
    "it is an address, but `earmark tag` takes files. To tag a stream, use: earmark listen ADDRESS. To tag files in "
    "remote storage, use: earmark library add ADDRESS"
)


PLAYLIST_ENDINGS = (".m3u", ".m3u8", ".pls")
_FILE_ADDRESS = re.compile(r"file:(?://(?:localhost)?)?(?=/)", re.IGNORECASE)
_WINDOWS_DRIVE = re.compile(r"/(?=[a-z]:)", re.IGNORECASE)
_PLS_ENTRY = re.compile(r"\s*file\d+\s*=\s*(.*)", re.IGNORECASE)
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
"""The byte order marks that name a text's encoding."""
_OTHER_ENCODING = "cp1252"
"""The encoding of entries that are not UTF-8; players on Windows write M3U in it."""


@dataclass
class Sources:
    """The files to tag.

    files: paths in the order of the arguments, without duplicates. failed: arguments that cannot be files. notes:
    folders that could not be searched, one sentence for each.
    """

    files: list[Path] = field(default_factory=list)
    failed: list[FileError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def sound_files(named: Sequence[str], *, ending_with_nul: bool = False) -> Sources:
    """Find the named files, the sound files in the named folders, and the files that lists and playlists name.

    named: paths of files, folders and playlists; "-" reads paths from standard input, one in each line; "@FILE" reads
    them from a file. ending_with_nul: paths on standard input end with NUL instead of a line break. A file that is
    named directly is returned whatever its ending is, and even if it does not exist.
    """
    from earmark.library.scan import walk_folders

    sources = Sources()
    paths = list(_Expansion(sources, ending_with_nul).of(named))
    folders = dict.fromkeys(path for path in paths if os.path.isdir(path))  # noqa: PTH112 (a name may hold NUL)
    walks = dict(zip(folders, walk_folders(list(folders)), strict=True))
    files: dict[Path, None] = {}
    for path in paths:
        under = walks[path].files if path in walks else None
        files.update(dict.fromkeys([Path(path)] if under is None else sorted(Path(file.path) for file in under)))
    sources.files += files
    sources.notes += [note for each in walks.values() for note in each.notes]
    return sources


class _Expansion:
    """Replaces lists and playlists by the paths that they name, and adds arguments that cannot be files to `failed`."""

    def __init__(self, sources: Sources, ending_with_nul: bool) -> None:
        self._sources, self._ending_with_nul = sources, ending_with_nul
        self._playlists: set[str] = set()
        """The playlists already read; a playlist may name itself."""

    def of(self, named: Iterable[str]) -> Iterator[str]:
        """Yield the paths that command-line arguments name."""
        for name in named:
            if name == STANDARD_INPUT:
                yield from self._each(self._lines_of_standard_input())
            elif name.startswith(LIST_MARK) and not os.path.lexists(name):
                yield from self._each(self._read(lines_of, name.removeprefix(LIST_MARK)))
            else:
                yield from self._each([name])

    def _each(self, names: Iterable[str]) -> Iterator[str]:
        """Yield the paths that names stand for; "-" and "@" have no special meaning here."""
        for name in names:
            if (path := local_path(name)) is not None:
                yield path
            elif _ADDRESS.match(name):
                self._sources.failed.append(FileError(name, _NOT_A_FILE))
            elif os.path.splitext(name)[1].lower() in PLAYLIST_ENDINGS and os.path.isfile(name):  # noqa: PTH113, PTH122
                real = os.path.realpath(name)
                if real not in self._playlists:
                    self._playlists.add(real)
                    yield from self._each(self._read(entries_of, name))
            else:
                yield name

    def _read(self, reading: Callable[[str], list[str]], file: str) -> list[str]:
        try:
            with file_errors(file):
                return reading(file)
        except FileError as error:
            self._sources.failed.append(error)
            return []

    def _lines_of_standard_input(self) -> list[str]:
        content = sys.stdin.buffer.read()
        if self._ending_with_nul:
            return [os.fsdecode(part) for part in content.split(b"\0") if part]
        if b"\0" in content:
            raise typer.BadParameter(
                "found bytes on standard input that are not a path, expected one path in each line (or, with -0, paths "
                "that end with NUL). To tag sound on standard input, use: earmark listen -"
            )
        return lines_in(content)


def lines_of(file: str) -> list[str]:
    """Return the lines of a text file that are not empty; invalid bytes are decoded as os.fsdecode decodes them."""
    return lines_in(Path(file).read_bytes())


def lines_in(content: bytes) -> list[str]:
    """Return the lines of a text that are not empty, as `lines_of` does."""
    encoding = next((encoding for mark, encoding in _MARKS if content.startswith(mark)), None)
    text = os.fsdecode(content) if encoding is None else content.decode(encoding, "surrogateescape")
    return [line.removesuffix("\r") for line in text.split("\n") if line.strip()]


def entries_of(playlist: str) -> list[str]:
    """Return the paths and addresses that a playlist names. Relative paths start at the playlist's folder.

    Playlists are copied between systems. A path that does not exist is therefore also tried with slashes instead of
    backslashes, percent-decoded, in the Unicode forms NFC and NFD, in Windows' encoding, and without spaces around it.
    """
    lines = lines_of(playlist)
    if playlist.lower().endswith(".pls"):
        entries = [found[1] for found in map(_PLS_ENTRY.fullmatch, lines) if found and found[1]]
    else:
        entries = [line for line in lines if not line.lstrip().startswith("#")]
    folder = os.path.dirname(playlist)  # noqa: PTH120 (a name may be no text)
    return [_resolved(entry, folder) for entry in entries]


def local_path(address: str) -> str | None:
    """Return the percent-decoded path of a file: address, or None for anything else."""
    found = _FILE_ADDRESS.match(address)
    if found is None:
        return None
    return _WINDOWS_DRIVE.sub("", from_percent_encoded(address[found.end() :]), count=1)


def _resolved(entry: str, folder: str) -> str:
    """Return the address or the path of an entry; of several readings of a path, the first that exists."""
    path = local_path(entry.strip())
    if path is not None or "://" in entry:
        return path or entry.strip()
    paths = [os.path.join(folder, reading) for reading in _readings(entry)]  # noqa: PTH118
    return next((path for path in paths if os.path.lexists(path)), paths[0])


def _readings(entry: str) -> Iterator[str]:
    """Yield the possible readings of an entry, the likeliest first."""
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
