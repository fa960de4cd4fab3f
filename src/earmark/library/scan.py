"""Find the sound files in folders, in a stable order, despite loops, unreadable folders and disks that disappear."""

import errno
import os
import stat
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from earmark.audio.formats import SOUND_ENDINGS
from earmark.errors import FileError, LibraryError
from earmark.file_errors import file_errors
from earmark.library import remote
from earmark.library.jobs import Stamp

RESOURCE_FORK = "._"
"""The prefix of files in which macOS stores attributes that a file system lacks. They contain no sound."""


@dataclass(frozen=True)
class FoundFile:
    """A file that may be a recording.

    path: an absolute path, or in `walk_folders` one that begins as the folder was named.
    """

    path: str
    stamp: Stamp


@dataclass(frozen=True)
class Walk:
    """The result of a walk.

    files: the files, each path once, folder by folder in the order of names. notes: what could not be read, a sentence
    for each. whole: the named folders that were read completely; in other folders, a file that was not found may still
    exist. absent: the named folders, files and addresses that do not exist. second_ways: links to folders that were
    walked by another path, so their files have other paths; empty if there are notes. disks: folders below the named
    ones that are on another disk than the folder above them.
    """

    files: tuple[FoundFile, ...]
    notes: tuple[str, ...]
    whole: tuple[str, ...]
    absent: tuple[str, ...]
    second_ways: tuple[str, ...] = ()
    disks: tuple[str, ...] = ()


@dataclass
class FolderWalk:
    """The result of a walk in one named folder. The fields have the meaning of those of Walk."""

    folder: str
    files: list[FoundFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    second_ways: list[str] = field(default_factory=list)
    disks: list[str] = field(default_factory=list)


def walk(named: Sequence[str | os.PathLike[str]]) -> Walk:
    """Find the named files, and the sound files below the named folders and addresses.

    Links to folders are followed as in `walk_folders`. Paths are absolute, and `~` is expanded. Invalid bytes in names
    are decoded as os.fsdecode decodes them.
    """
    found: list[FolderWalk | FoundFile] = []
    notes: list[str] = []
    absent: list[str] = []
    for name in named:
        text = os.fsdecode(name)
        if remote.is_remote(text):
            try:
                with file_errors(text):
                    found += [FoundFile(path, stamp) for path, stamp in remote.listing(text, SOUND_ENDINGS)]
            except (LibraryError, FileError) as error:
                notes.append(str(error))
                absent.append(text)
            continue
        path = os.path.abspath(os.path.expanduser(text))  # noqa: PTH100, PTH111 (links must not be resolved)
        try:
            status = os.stat(path)  # noqa: PTH116
        except (OSError, ValueError) as error:
            notes.append(f"{path}: {_reason(error)}")
            absent.append(path)
            continue
        if stat.S_ISDIR(status.st_mode):
            found.append(FolderWalk(path))
        else:
            found.append(FoundFile(path, Stamp(status.st_size, status.st_mtime_ns)))
    folders = [each for each in found if isinstance(each, FolderWalk)]
    _Folders().walk(folders)
    files = (file for each in found for file in (each.files if isinstance(each, FolderWalk) else [each]))
    notes += [note for folder in folders for note in folder.notes]
    return Walk(
        tuple({file.path: file for file in files}.values()),
        tuple(notes),
        tuple(folder.folder for folder in folders if not folder.notes),
        tuple(absent),
        () if notes else tuple(way for folder in folders for way in folder.second_ways),
        tuple(disk for folder in folders for disk in folder.disks),
    )


def walk_folders(folders: Sequence[str]) -> list[FolderWalk]:
    """Find the sound files below folders, with paths that begin as the folders are named.

    Every folder is entered once, even if several links lead to it. If it is below a named folder, its own path is used
    rather than that of a link. Links to folders elsewhere are followed, and loops end.
    """
    found = [FolderWalk(folder) for folder in folders]
    _Folders().walk(found)
    return found


class _Folders:
    """The folders that a walk has entered."""

    def __init__(self) -> None:
        self._entered: dict[tuple[int, int] | str, tuple[str, str]] = {}
        """The path of each folder, also with links resolved, by device and inode number."""
        self._links: deque[tuple[str, FolderWalk]] = deque()
        """The links to folders, which are entered after all folders that are not links."""

    def walk(self, walks: Sequence[FolderWalk]) -> None:
        """Fill in the files below the folders."""
        for each in sorted(walks, key=lambda each: _is_behind_link(each.folder)):
            self._enter(each.folder, each)
        while self._links:
            self._enter(*self._links.popleft())
        for each in walks:
            each.files.sort(key=_place)

    def _enter(self, folder: str, found: FolderWalk) -> None:
        """Enter a folder and all folders below it that are not links."""
        waiting: list[tuple[str, int | None]] = [(folder, None)]
        while waiting:
            folder, device_above = waiting.pop()
            inside: list[str] = []
            try:
                status = os.stat(folder)  # noqa: PTH116
                real = os.path.realpath(folder)
                # Some network drives have no inode numbers.
                number = (status.st_dev, status.st_ino) if status.st_ino else real
                if number in self._entered:
                    path, same = self._entered[number]
                    if path != folder and same == real:
                        found.second_ways.append(folder)
                    continue
                self._entered[number] = folder, real
                if device_above not in (None, status.st_dev):
                    found.disks.append(folder)
                with os.scandir(folder) as entries:
                    names = sorted((entry.name, entry.is_symlink()) for entry in entries)
            except OSError as error:
                found.notes.append(f"{folder}: the folder cannot be read: {_reason(error)}")
                continue
            for name, is_link in names:
                path = os.path.join(folder, name)  # noqa: PTH118
                if self._take(path, name, found):
                    if is_link:
                        self._links.append((path, found))
                    else:
                        inside.append(path)
            waiting.extend((path, status.st_dev) for path in reversed(inside))

    def _take(self, path: str, name: str, found: FolderWalk) -> bool:
        """Add a path to the files if it is a sound file; return whether it is a folder."""
        ending = os.path.splitext(name)[1].lower()  # noqa: PTH122
        try:
            status = os.stat(path)  # noqa: PTH116
        except OSError as error:
            if ending in SOUND_ENDINGS or not _leads_nowhere(error):
                found.notes.append(f"{path}: {_reason(error)}")
            return False
        if stat.S_ISREG(status.st_mode) and ending in SOUND_ENDINGS and not name.startswith(RESOURCE_FORK):
            found.files.append(FoundFile(path, Stamp(status.st_size, status.st_mtime_ns)))
        return stat.S_ISDIR(status.st_mode)


def _place(file: FoundFile) -> tuple[list[str], str]:
    """Return the sort key of a file: folder by folder, after the files of the folders above."""
    folder, name = os.path.split(file.path)
    return folder.split(os.sep), name  # noqa: PTH206 (of every file: a Path would take ten times as long)


def _is_behind_link(folder: str) -> bool:
    return os.path.realpath(folder) != os.path.abspath(folder)  # noqa: PTH100


def stamp_of(path: str) -> Stamp | None:
    """Return the stamp of a file now, or None if it cannot be reached."""
    try:
        found = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return None
    return Stamp(found.st_size, found.st_mtime_ns)


def is_gone(path: str) -> bool:
    """Return whether a file certainly does not exist. A file that only cannot be reached may still exist."""
    try:
        os.lstat(path)
    except OSError as error:
        return error.errno in (errno.ENOENT, errno.ENOTDIR)
    except ValueError:
        return True
    return False


def _leads_nowhere(error: OSError) -> bool:
    """Return whether the target of a link does not exist, or the link leads to itself."""
    return error.errno in (errno.ENOENT, errno.ELOOP)


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)
