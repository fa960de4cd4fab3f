"""Follow folders: wait until new files are whole, add them, and look at everything again when a disk comes back.

Files are added by name. A deleted file is found by looking at the whole folder, because a folder that is empty may be
the place of a disk that is not connected, which only a whole look can tell (`presence`).
"""

import importlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from earmark.audio.formats import SOUND_ENDINGS
from earmark.errors import LibraryError, MissingExtraError
from earmark.library.adding import Added
from earmark.library.jobs import Stamp
from earmark.library.scan import RESOURCE_FORK, stamp_of, walk

SETTLED_SECONDS = 10.0
"""How long a file's size and time must stay as they are before the file counts as whole."""
LOOK_SECONDS = 1.0
"""How often files that are not whole yet, and the disks, are looked at."""
LONGEST_PAUSE_SECONDS = 300.0
"""The longest pause before folders that could not be added are tried again."""

Add = Callable[[Sequence[str]], Added]


@dataclass(frozen=True)
class FolderChanges:
    """What has changed in folders: paths, and whether everything must be looked at because nobody watched before."""

    paths: frozenset[str] = frozenset()
    everything: bool = False


class UnfinishedFiles:
    """The files that have changed, until each is whole."""

    def __init__(self, settled_seconds: float = SETTLED_SECONDS) -> None:
        self._settled_seconds = settled_seconds
        self._files: dict[str, tuple[Stamp | None, float]] = {}

    def __len__(self) -> int:
        return len(self._files)

    def changed(self, path: str, now: float) -> None:
        """Note that a file has changed. now: seconds of a clock that never goes back."""
        self._files[path] = stamp_of(path), now

    def whole(self, now: float) -> list[str]:
        """Return the files that have not changed for long enough, each once; files that no longer exist are dropped."""
        found = []
        for path, (stamp, since) in list(self._files.items()):
            seen = stamp_of(path)
            if seen is None:
                del self._files[path]
            elif seen != stamp:
                self._files[path] = seen, now
            elif now - since >= self._settled_seconds:
                del self._files[path]
                found.append(path)
        return sorted(found)


class Following:
    """Keeps a library up to date with folders."""

    def __init__(
        self,
        folders: Sequence[str],
        add: Add,
        *,
        settled_seconds: float = SETTLED_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start with nothing done.

        folders: absolute paths. add: adds folders and files to the library, as `Library.add`. settled_seconds: how long
        a file must not change before it is added. clock: seconds that never go back.
        """
        self._folders, self._add, self._clock = tuple(folders), add, clock
        self._unfinished = UnfinishedFiles(settled_seconds)
        self._look_at_everything = False
        self._pause_seconds = 0.0
        self._try_at = 0.0

    def __call__(self, changes: Iterable[FolderChanges]) -> Iterator[Added | LibraryError]:
        """Follow changes and yield the result of each addition, or the error for which it will be tried again.

        changes: see `folder_changes`; they must come regularly, even if nothing has changed.
        """
        for each in changes:
            self._look_at_everything |= each.everything
            for path in each.paths:
                self._note(path)
            whole = self._unfinished.whole(self._clock())
            if self._look_at_everything and not len(self._unfinished) and self._clock() >= self._try_at:
                yield self._added(self._folders)
            elif whole:
                yield self._added(whole)

    def _note(self, path: str) -> None:
        now = self._clock()
        if os.path.isdir(path):  # noqa: PTH112 (a folder that was moved here tells nothing of its files)
            for file in walk([path]).files:
                self._unfinished.changed(file.path, now)
        elif not os.path.lexists(path):
            self._look_at_everything = True
        elif _may_be_sound(path):
            self._unfinished.changed(path, now)

    def _added(self, named: Sequence[str]) -> Added | LibraryError:
        try:
            added = self._add(named)
        except LibraryError as error:
            # The files may lie on a disk that has just gone; a whole look finds them when it is back.
            self._look_at_everything = True
            self._pause_seconds = min(LONGEST_PAUSE_SECONDS, max(LOOK_SECONDS, 2 * self._pause_seconds))
            self._try_at = self._clock() + self._pause_seconds
            return error
        self._pause_seconds = 0.0
        if named is self._folders:
            self._look_at_everything = False
        return added


def folder_changes(
    folders: Sequence[str], *, poll: bool = False, stop: threading.Event | None = None
) -> Iterator[FolderChanges]:
    """Yield changes in folders, at least every `LOOK_SECONDS`, until `stop` is set.

    Whenever a folder comes or goes, as with its disk, watching starts anew and everything must be looked at. poll: look
    at all files regularly, as network drives tell nothing of what other machines change.

    Raises:
        MissingExtraError: watchfiles is not installed.
    """
    watchfiles = _watchfiles()
    stop = stop or threading.Event()
    while not stop.is_set():
        places = _places(folders)
        there = [folder for folder in folders if places[folder] is not None]
        everything = True
        try:
            # Watching has begun when the first changes come, so that nothing is missed during the look at everything.
            for found in _found(watchfiles, there, poll, stop):
                if _places(folders) != places:
                    break
                yield FolderChanges(frozenset(path for _, path in found), everything)
                everything = False
        except OSError:
            # A folder went while watching began; the next round sees it.
            stop.wait(LOOK_SECONDS)


def _found(
    watchfiles: Any, folders: Sequence[str], poll: bool, stop: threading.Event
) -> Iterator[set[tuple[object, str]]]:
    if not folders:
        while not stop.wait(LOOK_SECONDS):
            yield set()
        return
    yield from watchfiles.watch(
        *folders,
        watch_filter=None,
        stop_event=stop,
        rust_timeout=round(LOOK_SECONDS * 1000),
        yield_on_timeout=True,
        force_polling=poll or None,
        ignore_permission_denied=True,
    )


def _may_be_sound(path: str) -> bool:
    name = os.path.basename(path)  # noqa: PTH119 (a name may be no text)
    return os.path.splitext(name)[1].lower() in SOUND_ENDINGS and not name.startswith(RESOURCE_FORK)  # noqa: PTH122


def _places(folders: Sequence[str]) -> dict[str, tuple[int, int] | None]:
    """Return the device and inode number of each folder, or None for one that is absent."""
    places: dict[str, tuple[int, int] | None] = {}
    for folder in folders:
        try:
            status = os.stat(folder)  # noqa: PTH116
        except OSError:
            places[folder] = None
        else:
            places[folder] = status.st_dev, status.st_ino
    return places


def _watchfiles() -> Any:
    try:
        return importlib.import_module("watchfiles")
    except ImportError as error:
        raise MissingExtraError("Watching folders", "watch", "watchfiles") from error
