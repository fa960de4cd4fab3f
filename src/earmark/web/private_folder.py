"""The server's own folder for uploads, which is gone when the server is, and at the latest when the next one starts."""

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

PREFIX = "earmark-serve-"
LOCK = "lock"
"""A file in the folder that its server holds locked; the system lets go of it however the server ends."""


@contextmanager
def private_folder(parent: Path | None) -> Iterator[Path]:
    """A folder that only this user may look into; with it go the folders of servers that were killed.

    `parent`: where it is made; None for the system's place for temporary files.
    """
    place = Path(tempfile.gettempdir()) if parent is None else parent
    for left in sorted(place.glob(f"{PREFIX}*")):
        _remove_if_left(left)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    try:
        with (folder / LOCK).open("wb") as lock:
            _take(lock)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_if_left(folder: Path) -> None:
    """Remove a folder of this user's whose server is no more. On Windows nobody can tell, and it stays."""
    if sys.platform == "win32":
        return
    try:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            return
        with (folder / LOCK).open("rb") as lock:
            if not _take(lock):
                return
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:  # it is just being made, or just being removed
        return


def _take(lock: BinaryIO) -> bool:
    """Lock a file for as long as it is open; False where another process has it."""
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
