"""From what a person names on the command line to a list of files: files, folders, lists and playlists."""

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import typer

from earmark.cli.playlists import ENDINGS, entries_of, lines_in, lines_of, local_path
from earmark.errors import FileError
from earmark.file_errors import file_errors

STANDARD_INPUT = "-"
LIST_MARK = "@"
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_NO_FILE = (
    "it is an address, and files are tagged here. Listen to a stream with: earmark listen ADDRESS; to files of a "
    "storage with: earmark library add ADDRESS"
)


@dataclass
class Sources:
    """What is to be tagged.

    files: their paths as they were named, each once, in the order of what was named. failed: what was named and can be
    no file. notes: what could not be looked into, a sentence each.
    """

    files: list[Path] = field(default_factory=list)
    failed: list[FileError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def sound_files(named: Sequence[str], *, ending_with_nul: bool = False) -> Sources:
    """Find the files named, the sound files under the folders named, and those that lists and playlists name.

    named: paths; "-" for a path a line on standard input; "@FILE" for a path a line in a file; a playlist (M3U, M3U8,
    PLS). ending_with_nul: paths on standard input end with NUL instead of a line break. A file that is named outright
    is taken whatever its ending, also where it is not there.
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
    """Puts what lists and playlists name in their place; what can be no file is a failure of the sources."""

    def __init__(self, sources: Sources, ending_with_nul: bool) -> None:
        self._sources, self._ending_with_nul = sources, ending_with_nul
        self._playlists: set[str] = set()
        """Those that were read: a playlist may name itself."""

    def of(self, named: Iterable[str]) -> Iterator[str]:
        """The paths that arguments of the command line mean."""
        for name in named:
            if name == STANDARD_INPUT:
                yield from self._each(self._lines_of_standard_input())
            elif name.startswith(LIST_MARK) and not os.path.lexists(name):
                yield from self._each(self._read(lines_of, name.removeprefix(LIST_MARK)))
            else:
                yield from self._each([name])

    def _each(self, names: Iterable[str]) -> Iterator[str]:
        """The paths that names mean, where none is a sign of the command line."""
        for name in names:
            if (path := local_path(name)) is not None:
                yield path
            elif _ADDRESS.match(name):
                self._sources.failed.append(FileError(name, _NO_FILE))
            elif os.path.splitext(name)[1].lower() in ENDINGS and os.path.isfile(name):  # noqa: PTH113, PTH122
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
                "found bytes on standard input that are no path, expected a path a line (or, with -0, paths that end "
                "with NUL). Sound on standard input is listened to with: earmark listen -"
            )
        return lines_in(content)
