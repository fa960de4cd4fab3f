"""A file's tags changed so that nothing can go wrong halfway: in a copy, whose sound is compared, and which then takes
the file's place at once.

Choice: a copy, though editing in place would read and write less. Whatever happens, a power cut included, the path
leads to the old file or to the new one, and never to sound that was cut.
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
"""How the names of copies begin; files whose names begin so are nobody's music."""


def rewrite(
    path: Path,
    change: Callable[[Path], None],
    check: Callable[[Path, Path], None],
    sound: str,
    *,
    keep_time: bool,
) -> Stamp:
    """Let `change` change a copy of a file, and put the copy in its place where it sounds as it did.

    check: looks at the file and its changed copy last, and raises where the copy must not take the file's place.
    sound: the identity that the file must have, before and after. keep_time: the file keeps its time of change.
    Returns what the file is like afterwards. Raises TrackFileError, and leaves the file as it was, where it is
    read-only or locked, holds another sound than expected, would hold another sound, or changes meanwhile.
    """
    file = _real(path)
    with _told(path), _unlocked(path, file):
        found = file.stat()
        _refuse_another_sound(path, file, sound)
        copy = copy_of(file)
        try:
            shutil.copyfile(file, copy)
            change(copy)
            _refuse_changed_sound(path, copy, sound)
            check(file, copy)
            _take_over(path, file, found, copy, keep_time)
            now = file.stat()
            if (now.st_size, now.st_mtime_ns) != (found.st_size, found.st_mtime_ns):
                raise TrackFileError(str(path), "another program changed it meanwhile; nothing was written. Try again.")
            copy.replace(file)
        finally:
            copy.unlink(missing_ok=True)
        _confirm(file.parent)
        written = file.stat()
    return Stamp(written.st_size, written.st_mtime_ns)


def refuse_unwritable(path: Path) -> None:
    """Raise TrackFileError where a file could not be rewritten: read-only, locked, or not there."""
    file = _real(path)
    with _told(path), _unlocked(path, file):
        pass


def clear_copy(path: Path) -> None:
    """Remove the copy that a process left beside a file when it was killed."""
    with _told(path):
        copy_of(_real(path)).unlink(missing_ok=True)


def copy_of(file: Path) -> Path:
    """Where the copy of a file lies while it is changed: always the same, so that none is left behind for ever."""
    digest = hashlib.sha256(os.fsencode(file.name)).hexdigest()[:16]
    # With its ending, by which some formats are known.
    return file.with_name(f"{COPY_PREFIX}{digest}{file.suffix}")


def _real(path: Path) -> Path:
    """The file itself where a path is a link to it."""
    with _told(path):
        return path.resolve(strict=True)


@contextmanager
def _unlocked(path: Path, file: Path) -> Iterator[None]:
    """Hold a file that can be written to and is not locked by another program."""
    mode = file.stat().st_mode
    # The superuser may write to it all the same, but who marked it did not want that.
    if not mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH) or not os.access(file, os.W_OK):
        raise TrackFileError(
            str(path), "it is read-only; nothing was written. Make it writable to have its tags written."
        )
    if not os.access(file.parent, os.W_OK):
        raise TrackFileError(str(path), "its folder is read-only; nothing was written. Make the folder writable.")
    with file.open("r+b") as held:
        if os.name == "posix":  # elsewhere, opening it has said so
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


def _refuse_another_sound(path: Path, file: Path, sound: str) -> None:
    if not sound.startswith("packets:"):
        raise TrackFileError(
            str(path),
            "its sound cannot be told apart from its tags, so that it could not be seen to stay the same; "
            "nothing was written",
        )
    if not same_sound(sound, _heard(path, file)):
        raise TrackFileError(
            str(path),
            "it holds another sound than the library heard; nothing was written. Add it to the library again.",
        )


def _refuse_changed_sound(path: Path, copy: Path, sound: str) -> None:
    if not same_sound(sound, _heard(path, copy)):
        raise TrackFileError(
            str(path), "writing tags would have changed its sound, as in a damaged file; nothing was written"
        )


def _heard(path: Path, file: Path) -> str:
    try:
        return identity(file)
    except DecodeError as error:
        raise TrackFileError(str(path), f"it cannot be read: {error.reason}") from error


def _take_over(path: Path, file: Path, found: os.stat_result, copy: Path, keep_time: bool) -> None:
    """Give the copy the file's rights, owner and further attributes, and see it on the disk."""
    shutil.copystat(file, copy)
    times = copy.stat()
    if hasattr(os, "chown") and (times.st_uid, times.st_gid) != (found.st_uid, found.st_gid):
        try:
            os.chown(copy, found.st_uid, found.st_gid)
        except PermissionError as error:
            raise TrackFileError(
                str(path), "it belongs to another user; nothing was written. Write its tags as that user."
            ) from error
        copy.chmod(stat.S_IMODE(found.st_mode))  # a change of owner may take rights away
    modified_ns = found.st_mtime_ns if keep_time else time.time_ns()
    os.utime(copy, ns=(found.st_atime_ns, modified_ns))
    with copy.open("r+b") as written:
        os.fsync(written.fileno())


def _confirm(folder: Path) -> None:
    """See a folder's new entry on the disk."""
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
