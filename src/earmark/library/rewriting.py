"""Change a file safely: change a copy, compare its sound, and replace the file by the copy in one step.

Choice: a copy, although editing in place would read and write less. Whatever happens, even a power failure, the path
leads either to the old file or to the new one, and never to a damaged one.
"""

import hashlib
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from earmark.audio.identity import identity, same_sound
from earmark.errors import DecodeError, TrackFileError
from earmark.library.jobs import Stamp
from earmark.library.scan import RESOURCE_FORK

COPY_PREFIX = f"{RESOURCE_FORK}earmark-"
"""The prefix of the names of copies. The scan ignores files with this prefix."""


def rewrite(
    path: Path,
    change: Callable[[Path], None],
    check: Callable[[Path, Path], None],
    sound: str,
    *,
    keep_time: bool,
) -> Stamp:
    """Change a copy of a file with `change`, replace the file by it if the sound is the same, and return the new stamp.

    check: is called with the file and its changed copy, and raises an error if the copy must not replace the file.
    sound: the identity that the file must have before and after. keep_time: keep the file's modification time.

    Raises:
        TrackFileError: the file is read-only or locked, has another sound before or after, or changes meanwhile. It is
            not changed.
    """
    file = _real(path)
    with _told(path), _unlocked(path, file):
        found = file.stat()
        own = _refuse_another_sound(path, file, sound)
        copy = copy_of(file)
        try:
            shutil.copyfile(file, copy)
            change(copy)
            _refuse_changed_sound(path, copy, own)
            check(file, copy)
            _take_over(path, file, found, copy, keep_time)
            now = file.stat()
            if (now.st_size, now.st_mtime_ns) != (found.st_size, found.st_mtime_ns):
                raise TrackFileError(str(path), "another program has just changed it; nothing was written. Try again.")
            copy.replace(file)
        finally:
            copy.unlink(missing_ok=True)
        _confirm(file.parent)
        written = file.stat()
    return Stamp(written.st_size, written.st_mtime_ns)


def refuse_unwritable(path: Path) -> None:
    """Raise TrackFileError if a file cannot be rewritten because it is read-only, locked or missing."""
    file = _real(path)
    with _told(path), _unlocked(path, file):
        pass


def clear_copy(path: Path) -> None:
    """Remove the copy that a killed process left beside a file."""
    with _told(path):
        copy_of(_real(path)).unlink(missing_ok=True)


def copy_of(file: Path) -> Path:
    """Return the path of a file's copy. It is always the same, so that a copy that was left is found again."""
    digest = hashlib.sha256(os.fsencode(file.name)).hexdigest()[:16]
    # Some formats are recognised by the ending of the name.
    return file.with_name(f"{COPY_PREFIX}{digest}{file.suffix}")


def _real(path: Path) -> Path:
    """Return the file to which a path leads, with links resolved."""
    with _told(path):
        return path.resolve(strict=True)


@contextmanager
def _unlocked(path: Path, file: Path) -> Iterator[None]:
    """Lock a file within a `with` block; raise TrackFileError if it is read-only or locked by another program."""
    mode = file.stat().st_mode
    # The superuser could write to a read-only file, but whoever marked it does not want that.
    if not mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH) or not os.access(file, os.W_OK):
        raise TrackFileError(str(path), "it is read-only; nothing was written. Make it writable to write its tags.")
    if not os.access(file.parent, os.W_OK):
        raise TrackFileError(str(path), "its folder is read-only; nothing was written. Make the folder writable.")
    with file.open("r+b") as held:
        if os.name == "posix":  # On other systems, a locked file cannot be opened.
            import fcntl

            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                fcntl.lockf(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise TrackFileError(
                    str(path),
                    "it is locked by another program; nothing was written. Close that program and try again.",
                ) from error
            yield
            return
    yield


def _refuse_another_sound(path: Path, file: Path, sound: str) -> str:
    """Return the file's own identity, which may tell more than that of an older library."""
    if not sound.startswith("packets:"):
        raise TrackFileError(
            str(path),
            "its sound cannot be separated from its tags, so it cannot be checked that the sound stays the same; "
            "nothing was written",
        )
    own = _identity_of(path, file)
    if not same_sound(sound, own):
        raise TrackFileError(
            str(path),
            "it contains another recording than the library knows; nothing was written. Add it to the library again.",
        )
    return own


def _refuse_changed_sound(path: Path, copy: Path, sound: str) -> None:
    if not same_sound(sound, _identity_of(path, copy)):
        raise TrackFileError(
            str(path), "writing tags would have changed its sound, as in a damaged file; nothing was written"
        )


def _identity_of(path: Path, file: Path) -> str:
    try:
        return identity(file)
    except DecodeError as error:
        raise TrackFileError(str(path), f"it cannot be read: {error.reason}") from error


def _take_over(path: Path, file: Path, found: os.stat_result, copy: Path, keep_time: bool) -> None:
    """Give the copy the file's permissions, owner and other attributes, and flush it to the disk."""
    shutil.copystat(file, copy)
    times = copy.stat()
    if hasattr(os, "chown") and (times.st_uid, times.st_gid) != (found.st_uid, found.st_gid):
        try:
            os.chown(copy, found.st_uid, found.st_gid)
        except PermissionError as error:
            raise TrackFileError(
                str(path), "it belongs to another user; nothing was written. Write its tags as that user."
            ) from error
        copy.chmod(stat.S_IMODE(found.st_mode))  # Changing the owner can remove permissions.
    modified_ns = found.st_mtime_ns if keep_time else time.time_ns()
    os.utime(copy, ns=(found.st_atime_ns, modified_ns))
    with copy.open("r+b") as written:
        os.fsync(written.fileno())


def _confirm(folder: Path) -> None:
    """Flush a folder's new entry to the disk."""
    if os.name != "posix":
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise TrackFileError(str(path), "it is no longer there. Add its folder to the library again.") from error
    except OSError as error:
        raise TrackFileError(str(path), f"{error.strerror or error}; nothing was written") from error
