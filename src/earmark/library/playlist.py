"""Playlists: M3U8, which every player reads."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from earmark.errors import LibraryError
from earmark.file_name import is_text
from earmark.library.remote import is_remote


@dataclass(frozen=True)
class Entry:
    """A line of a playlist."""

    path: str
    duration_seconds: float


def playlist_text(entries: Iterable[Entry], folder: Path | None = None) -> tuple[str, list[str]]:
    """The text of a playlist, and the paths that cannot stand in one: names that are no text or hold a line break.

    folder: where the playlist is to lie; paths are relative to it, so that both can be moved together. Without it they
    are absolute.
    """
    lines, left_out = ["#EXTM3U"], []
    for entry in entries:
        path = entry.path
        if folder is not None and not is_remote(path):
            path = os.path.relpath(path, folder)
        if not is_text(path) or "\n" in path or "\r" in path:
            left_out.append(entry.path)
            continue
        if path.startswith("#"):  # which would be a comment
            path = f".{os.sep}{path}"
        lines += [f"#EXTINF:{round(entry.duration_seconds)},{Path(path).stem}", path]
    return "\n".join(lines) + "\n", left_out


def write_playlist(file: Path, entries: Iterable[Entry], *, relative: bool = False) -> list[str]:
    """Write a playlist and return the paths that cannot stand in one; raises LibraryError where that fails."""
    text, left_out = playlist_text(entries, file.absolute().parent if relative else None)
    try:
        file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise LibraryError(
            f"{file}: the playlist cannot be written ({error.strerror or error}); name another place."
        ) from error
    return left_out
