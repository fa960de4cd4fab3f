"""Which files are there: those that are back, those that are gone, and folders whose disk is not connected."""

import os
from collections.abc import Collection, Iterator, Sequence

from earmark.library.database import Database
from earmark.library.remote import is_remote
from earmark.library.scan import Walk, is_gone


class Presence:
    """What is there of the files that a library knows, by a walk and by what the system says afterwards.

    A file does not count as gone where its folder is there and empty, which looks just like the place of a disk that is
    not connected.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._walk = Walk((), (), (), ())
        self._devices: dict[str, int | None] = {}
        """Of the folders that were walked and of other disks within them, as the system numbers what is mounted."""

    def look(self, walk: Walk) -> None:
        """Take a walk as what is there now."""
        self._walk = walk
        self._devices = {folder: _device(folder) for folder in (*walk.whole, *walk.disks) if not is_remote(folder)}

    def look_again(self) -> None:
        """Take what is mounted now as what is to be there."""
        self._devices = {folder: _device(folder) for folder in self._devices}

    def lost_folder(self, path: str) -> str | None:
        """The folder whose disk held a file, where it is gone or another disk is there; None where it is as it was."""
        if os.path.lexists(path):
            return None
        for folder, device in self._devices.items():
            if path.startswith(_within(folder)) and _device(folder) != device:
                return folder
        return None

    def emptied_folder(self, path: str) -> str | None:
        """The folder of a file that is not there, where it is gone too or nothing is left in it; else None."""
        folder = os.path.dirname(path)  # noqa: PTH120 (a name may be no text)
        return None if os.path.lexists(path) or _holds_anything(folder) else folder

    def mark(self, back: Sequence[str], addresses: Sequence[str]) -> tuple[int, list[str]]:
        """Note which files are back, and which are gone from the folders that were walked to their ends.

        addresses: those named whose files were all listed. Returns how many files are gone, and what a person should
        know.
        """
        walk, database = self._walk, self._database
        missing, notes = 0, []
        database.mark_missing(back, missing=False)
        # Files that were named, such as to be tried again; an address may be absent because nothing answers there.
        gone = [path for path in walk.absent if not is_remote(path) and is_gone(path)]
        database.mark_missing(gone, missing=True)
        database.forget_failures(gone)
        database.forget_paths_under(walk.second_ways)
        found = {file.path for file in walk.files}
        failed = {failure.path for failure in database.failures()} - found
        for folder in dict.fromkeys((*walk.whole, *addresses)):
            # What a storage lists is all that it holds; a folder may have been changed since it was walked.
            far = is_remote(folder)
            inside = list(database.paths_under(folder))
            absent = [path for path in inside if path not in found and (far or is_gone(path))]
            absent_failed = [path for path in failed if path.startswith(_within(folder)) and (far or is_gone(path))]
            nothing_found = not any(path.startswith(_within(folder)) for path in found)
            if far:
                empty = []
            elif absent and len(absent) == len(inside) and nothing_found:
                empty = [folder]
            else:
                empty = _empty_folders(folder, absent)
            for each in empty:
                known = sum(path.startswith(_within(each)) for path in absent)
                notes.append(
                    f"{each}: nothing is there of {known} known files; if its disk is not connected, connect it, and "
                    "if they were deleted, delete the folder too. All that was heard is kept."
                )
            absent = list(_outside(empty, absent))
            database.mark_missing(absent, missing=True)
            missing += len(absent)
            database.forget_failures(_outside(empty, absent_failed))
        return missing, notes


def _empty_folders(folder: str, absent: Collection[str]) -> list[str]:
    """Folders with nothing in them, from one down, in which files are absent; one within another is not told."""
    empty: set[str] = set()
    for above in {os.path.dirname(path) for path in absent}:  # noqa: PTH120
        while above != folder and not os.path.lexists(above):
            above = os.path.dirname(above)  # noqa: PTH120
        if not _holds_anything(above):
            empty.add(above)
    return sorted(empty)


def _outside(folders: Sequence[str], paths: Collection[str]) -> Iterator[str]:
    return (path for path in paths if not any(path.startswith(_within(folder)) for folder in folders))


def _holds_anything(folder: str) -> bool:
    """Whether anything lies in a folder; False also where it is not there or cannot be looked into."""
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is not None
    except OSError:
        return False


def _within(folder: str) -> str:
    separator = "/" if is_remote(folder) else os.sep
    return folder.rstrip(separator) + separator


def _device(folder: str) -> int | None:
    """What the system calls the storage that a folder lies on; None where the folder is not there."""
    try:
        return os.stat(folder).st_dev  # noqa: PTH116
    except OSError:
        return None
