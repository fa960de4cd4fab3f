"""From folders to files: a walk in a stable order that survives loops, closed doors and disks that vanish."""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from earmark.audio.endings import SOUND_ENDINGS
from earmark.library import remote
from earmark.library.jobs import Stamp

RESOURCE_FORK = "._"
"""How the names of files begin in which macOS keeps what other file systems cannot: no sound, whatever their ending."""


@dataclass(frozen=True)
class FoundFile:
    """A file that may be a recording, by its absolute path."""

    path: str
    stamp: Stamp


@dataclass(frozen=True)
class Walk:
    """What a walk has found.

    files: each path once; folder by folder, each in the order of its names. notes: what could not be looked into, a
    sentence each. whole: the folders named that were walked to their ends; in the others nothing may be taken for gone.
    absent: the folders and files named that are not there.
    """

    files: tuple[FoundFile, ...]
    notes: tuple[str, ...]
    whole: tuple[str, ...]
    absent: tuple[str, ...]


@dataclass
class _Seen:
    files: dict[str, FoundFile] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    folders: set[tuple[int, int]] = field(default_factory=set)


def walk(named: Sequence[str | os.PathLike[str]]) -> Walk:
    """Find the files named, and the sound files under the folders and addresses named.

    Links to folders are followed, and a folder is entered once however many links lead to it. Paths are absolute, with
    `~` for the home folder; a name that is no text keeps its bytes, as os.fsdecode does it.
    """
    seen = _Seen()
    whole: list[str] = []
    absent: list[str] = []
    for name in named:
        text = os.fsdecode(name)
        if remote.is_remote(text):
            seen.files.update((path, FoundFile(path, stamp)) for path, stamp in remote.listing(text, SOUND_ENDINGS))
            continue
        path = os.path.abspath(os.path.expanduser(text))  # noqa: PTH100, PTH111 (links stay as they were named)
        try:
            found = os.stat(path)  # noqa: PTH116
        except (OSError, ValueError) as error:
            seen.notes.append(f"{path}: {_reason(error)}")
            absent.append(path)
            continue
        if not stat.S_ISDIR(found.st_mode):
            seen.files[path] = FoundFile(path, Stamp(found.st_size, found.st_mtime_ns))
            continue
        notes_before = len(seen.notes)
        for file in _files_under(path, found, seen):
            seen.files[file.path] = file
        if len(seen.notes) == notes_before:
            whole.append(path)
    return Walk(tuple(seen.files.values()), tuple(seen.notes), tuple(whole), tuple(absent))


def stamp_of(path: str) -> Stamp | None:
    """What a file is like now, or None where it cannot be reached."""
    try:
        found = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return None
    return Stamp(found.st_size, found.st_mtime_ns)


def is_gone(path: str) -> bool:
    """Whether a file is no longer there, which is more than that it cannot be reached."""
    try:
        os.lstat(path)
    except OSError as error:
        return error.errno in (errno.ENOENT, errno.ENOTDIR)
    except ValueError:
        return True
    return False


def _files_under(folder: str, found: os.stat_result, seen: _Seen) -> Iterator[FoundFile]:
    """The sound files under a folder: its own in order, then those of each folder in it."""
    waiting = [(folder, found)]
    while waiting:
        folder, found = waiting.pop()
        if (found.st_dev, found.st_ino) in seen.folders:  # a link back, or a second way to the same folder
            continue
        seen.folders.add((found.st_dev, found.st_ino))
        inside: list[tuple[str, os.stat_result]] = []
        try:
            with os.scandir(folder) as entries:
                names = sorted(entry.name for entry in entries)
        except OSError as error:
            seen.notes.append(f"{folder}: the folder cannot be read: {_reason(error)}")
            continue
        for name in names:
            path = os.path.join(folder, name)  # noqa: PTH118
            ending = os.path.splitext(name)[1].lower()  # noqa: PTH122
            try:
                entry = os.stat(path)  # noqa: PTH116
            except OSError as error:
                if ending in SOUND_ENDINGS or not _leads_nowhere(error):
                    seen.notes.append(f"{path}: {_reason(error)}")
                continue
            if stat.S_ISDIR(entry.st_mode):
                inside.append((path, entry))
            elif stat.S_ISREG(entry.st_mode) and ending in SOUND_ENDINGS and not name.startswith(RESOURCE_FORK):
                yield FoundFile(path, Stamp(entry.st_size, entry.st_mtime_ns))
        waiting.extend(reversed(inside))


def _leads_nowhere(error: OSError) -> bool:
    """Whether a link's end is not there, or the link leads to itself."""
    return error.errno in (errno.ENOENT, errno.ELOOP)


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)
