"""Write playlists in the format M3U8, which every player reads."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from earmark.errors import LibraryError
from earmark.file_name import is_text
from earmark.library.remote import is_remote


@dataclass(frozen=True)
class PlaylistEntry:
    """A track of a playlist."""

    path: str
    duration_seconds: float


def playlist_text(entries: Iterable[PlaylistEntry], folder: Path | None = None) -> tuple[str, list[str]]:
    """Return the text of a playlist, and the paths that it cannot contain: invalid text, or names with line breaks.

    folder: make paths relative to this folder, so that playlist and music can be moved together; None keeps them
    absolute.
    """
    lines, left_out = ["#EXTM3U"], []
    for entry in entries:
        path = entry.path
        if folder is not None and not is_remote(path):
            path = os.path.relpath(path, folder)
        if not is_text(path) or "\n" in path or "\r" in path:
            left_out.append(entry.path)
            continue
        if path.startswith("#"):  # A line that starts with # is a comment.
            path = f".{os.sep}{path}"
        lines += [f"#EXTINF:{round(entry.duration_seconds)},{Path(path).stem}", path]
    return "\n".join(lines) + "\n", left_out


def write_playlist(file: Path, entries: Iterable[PlaylistEntry], *, relative: bool = False) -> list[str]:
    """Write a playlist and return the paths that it cannot contain.

    relative: make paths relative to the playlist's folder.

    Raises:
        LibraryError: the file cannot be written.
    """
    text, left_out = playlist_text(entries, file.absolute().parent if relative else None)
    try:
        file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise LibraryError(
            f"{file}: the playlist cannot be written ({error.strerror or error}); choose another place."
        ) from error
    return left_out
