"""Find which known files exist again, which no longer exist, and which are on a disk that is not connected."""

import os
from collections.abc import Collection, Iterator, Sequence

from earmark.library.database import Database
from earmark.library.remote import is_remote
from earmark.library.scan import Walk, is_gone


class Presence:
    """Compares the files that a library knows with a walk and with the state of the disks afterwards.

    A file in an empty folder does not count as missing, because the folder may be the mount point of a disk that is not
    connected.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._walk = Walk((), (), (), ())
        self._devices: dict[str, int | None] = {}
        """The device numbers of the folders that were walked, and of other disks below them."""

    def look(self, walk: Walk) -> None:
        """Use a walk as the current state, and store the device numbers of its folders."""
        self._walk = walk
        self._devices = {folder: _device(folder) for folder in (*walk.whole, *walk.disks) if not is_remote(folder)}

    def look_again(self) -> None:
        """Read the device numbers of the folders again."""
        self._devices = {folder: _device(folder) for folder in self._devices}

    def lost_folder(self, path: str) -> str | None:
        """Return the folder of a missing file if its disk has been removed or replaced; return None otherwise."""
        if os.path.lexists(path):
            return None
        for folder, device in self._devices.items():
            if path.startswith(_within(folder)) and _device(folder) != device:
                return folder
        return None

    def emptied_folder(self, path: str) -> str | None:
        """Return the folder of a missing file if the folder is missing or empty; return None otherwise."""
        folder = os.path.dirname(path)  # noqa: PTH120 (a name may be no text)
        return None if os.path.lexists(path) or _holds_anything(folder) else folder

    def mark(self, back: Sequence[str], addresses: Sequence[str]) -> tuple[int, list[str]]:
        """Mark files that exist again, and files that are missing from folders that were read completely.

        addresses: the named addresses whose files could all be listed. Returns the number of files that are newly
        marked as missing in folders and at addresses (not those that were named themselves), and notes for the user.
        Failures of files that are gone, and paths through second links, are removed.
        """
        walk, database = self._walk, self._database
        missing, notes = 0, []
        database.mark_missing(back, missing=False)
        # These files were named directly. An address may be absent only because nothing responds there.
        gone = [path for path in walk.absent if not is_remote(path) and is_gone(path)]
        database.mark_missing(gone, missing=True)
        database.forget_failures(gone)
        database.forget_paths_under(walk.second_ways)
        found = {file.path for file in walk.files}
        failed = {failure.path for failure in database.failures()} - found
        for folder in dict.fromkeys((*walk.whole, *addresses)):
            # A storage lists all of its files, but a folder may have changed since it was walked.
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
                    f"{each}: none of {known} known files exists; if its disk is not connected, connect it, and if "
                    "they were deleted, delete the folder too. All results are kept."
                )
            absent = list(_outside(empty, absent))
            database.mark_missing(absent, missing=True)
            missing += len(absent)
            database.forget_failures(_outside(empty, absent_failed))
        return missing, notes


def empty_folder_above(path: str) -> str | None:
    """Return the nearest existing folder above a missing file if it is empty, as an unmounted disk is; else None."""
    above = os.path.dirname(path)  # noqa: PTH120 (a name may be no text)
    while not os.path.lexists(above):
        above = os.path.dirname(above)  # noqa: PTH120
    return None if _holds_anything(above) else above


def _empty_folders(folder: str, absent: Collection[str]) -> list[str]:
    """Return the empty folders, from one folder down, in which files are absent."""
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
    """Return whether a folder contains anything; False also if it does not exist or cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is not None
    except OSError:
        return False


def _within(folder: str) -> str:
    separator = "/" if is_remote(folder) else os.sep
    return folder.rstrip(separator) + separator


def _device(folder: str) -> int | None:
    """Return the device number of a folder, or None if the folder does not exist."""
    try:
        return os.stat(folder).st_dev  # noqa: PTH116
    except OSError:
        return None
